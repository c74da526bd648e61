/* raft/reads.c -- the reads that wait for a leader to be confirmed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/reads.h"

bool read_queue_add(struct read_queue *q, member_id from, raft_index index, struct blob *ctx)
{
    if (q->n == RAFT_READS_MAX)
        return false;
    if (q->n == q->cap) {
        q->cap = q->cap == 0 ? 8 : q->cap * 2;
        q->v = xrealloc(q->v, q->cap * sizeof *q->v);
    }
    q->v[q->n++] = (struct read_request){from, index, blob_ref(ctx)};
    return true;
}

void read_queue_drop(struct read_queue *q, size_t n)
{
    invariant(n <= q->n);
    for (size_t i = 0; i < n; i++)
        blob_unref(q->v[i].ctx);
    q->n -= n;
    if (n != 0 && q->n != 0)
        memmove(q->v, q->v + n, q->n * sizeof *q->v);
}

void reads_clear(struct reads *reads)
{
    read_queue_drop(&reads->early, reads->early.n);
    read_queue_drop(&reads->waiting, reads->waiting.n);
    reads->confirmed = 0;
}

void reads_fini(struct reads *reads)
{
    reads_clear(reads);
    free(reads->early.v);
    free(reads->waiting.v);
}

uint64_t reads_round(const struct reads *reads)
{
    return reads->waiting.n != 0 ? reads->confirmed + reads->waiting.n : 0;
}

struct blob *reads_heartbeat_ctx(const struct reads *reads)
{
    uint64_t round = reads_round(reads);
    if (round == 0)
        return NULL;
    struct blob *b = blob_new(8);
    be64_put(b->p, round);
    return b;
}

uint64_t reads_parse_ctx(const struct reads *reads, const struct blob *ctx)
{
    if (ctx == NULL || ctx->n != 8)
        return 0;
    uint64_t round = be64_get(ctx->p);
    return round <= reads->confirmed + reads->waiting.n ? round : 0;
}
