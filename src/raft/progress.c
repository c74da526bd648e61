/* raft/progress.c -- what a leader knows of one member.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/progress.h"

static raft_index min_index(raft_index a, raft_index b)
{
    return a < b ? a : b;
}

static raft_index max_index(raft_index a, raft_index b)
{
    return a > b ? a : b;
}

/* ---- inflights --------------------------------------------------------------------------- */

bool inflights_is_full(const struct inflights *in)
{
    return in->n == in->max || (in->max_bytes != 0 && in->bytes >= in->max_bytes);
}

static void inflights_grow(struct inflights *in)
{
    size_t cap = in->cap == 0 ? 8 : in->cap * 2;
    struct inflight *v = xmalloc(cap * sizeof *v);
    for (size_t i = 0; i < in->n; i++)
        v[i] = in->v[(in->start + i) % in->cap];
    free(in->v);
    in->v = v;
    in->cap = cap;
    in->start = 0;
}

void inflights_add(struct inflights *in, raft_index index, uint64_t bytes)
{
    invariant(!inflights_is_full(in));
    if (in->n == in->cap)
        inflights_grow(in);
    in->v[(in->start + in->n) % in->cap] = (struct inflight){index, bytes};
    in->n++;
    in->bytes += bytes;
}

void inflights_free_to(struct inflights *in, raft_index index)
{
    while (in->n != 0 && in->v[in->start].index <= index) {
        in->bytes -= in->v[in->start].bytes;
        in->start = (in->start + 1) % in->cap;
        in->n--;
    }
}

void inflights_clear(struct inflights *in)
{
    in->start = 0;
    in->n = 0;
    in->bytes = 0;
}

void inflights_fini(struct inflights *in)
{
    free(in->v);
    in->v = NULL;
    in->cap = 0;
    inflights_clear(in);
}

/* ---- progress ---------------------------------------------------------------------------- */

static void progress_move(struct progress *p, enum raft_progress_state to)
{
    p->state = to;
    p->append_paused = false;
    p->pending_snapshot = 0;
    inflights_clear(&p->inflights);
}

void progress_become_probe(struct progress *p)
{
    /* After a snapshot, assume that it arrived: probe behind it. */
    raft_index snapshot = p->state == RAFT_SNAPSHOT ? p->pending_snapshot : 0;
    progress_move(p, RAFT_PROBE);
    p->next = max_index(p->match, snapshot) + 1;
    p->sent_commit = min_index(p->sent_commit, p->next - 1);
}

void progress_become_replicate(struct progress *p)
{
    progress_move(p, RAFT_REPLICATE);
    p->next = p->match + 1;
}

void progress_become_snapshot(struct progress *p, raft_index index)
{
    progress_move(p, RAFT_SNAPSHOT);
    p->pending_snapshot = index;
    p->next = index + 1;
    p->sent_commit = index;
}

void progress_sent(struct progress *p, size_t n, uint64_t bytes)
{
    invariant(p->state != RAFT_SNAPSHOT);
    if (p->state == RAFT_PROBE) {
        /* An empty append costs nothing; only one that carries entries waits for its answer. */
        p->append_paused |= n != 0;
        return;
    }
    if (n != 0) {
        p->next += n;
        inflights_add(&p->inflights, p->next - 1, bytes);
    }
    p->append_paused = inflights_is_full(&p->inflights);
}

bool progress_ack(struct progress *p, raft_index index)
{
    if (index <= p->match)
        return false;
    p->match = index;
    p->next = max_index(p->next, index + 1);
    p->append_paused = false;
    return true;
}

bool progress_reject(struct progress *p, raft_index rejected, raft_index hint)
{
    if (p->state == RAFT_REPLICATE) {
        if (rejected <= p->match)
            return false;
        p->next = p->match + 1;
    } else {
        if (p->next - 1 != rejected)
            return false;
        p->next = max_index(min_index(rejected, hint + 1), p->match + 1);
        p->append_paused = false;
    }
    p->sent_commit = min_index(p->sent_commit, p->next - 1);
    return true;
}

bool progress_is_paused(const struct progress *p)
{
    return p->state == RAFT_SNAPSHOT || p->append_paused;
}

bool progress_wants_commit(const struct progress *p, raft_index commit)
{
    return commit > p->sent_commit && p->sent_commit < p->next - 1;
}
