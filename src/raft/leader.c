/* raft/leader.c -- what only a leader does: take proposals, replicate, commit, confirm reads, hand
 * over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/conf_codec.h"
#include "raft/raft_priv.h"

/* ---- replication ------------------------------------------------------------------------- */

static bool send_snapshot(struct raft *r, struct progress *p)
{
    if (!p->recent_active)
        return false; /* it would be made for nobody */
    struct raft_snapshot s = {0};
    if (log_snapshot(&r->log, &s) != ERR_OK)
        return false; /* there will be one later */
    if (!conf_state_has(&s.meta.conf_state, p->id)) {
        /* From before it was added: it would refuse it, and we would send it again and again. */
        raft_snapshot_fini(&s);
        return false;
    }
    progress_become_snapshot(p, s.meta.index);
    struct raft_snapshot *owned = xmalloc(sizeof *owned);
    *owned = s;
    raft_send(r, (struct raft_message){.type = RAFT_MSG_SNAP, .to = p->id, .snapshot = owned});
    return true;
}

static uint64_t payload_of(const struct raft_entries *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += raft_entry_payload(&l->v[i]);
    return n;
}

/* Read what may be sent to `p` now. In REPLICATE with all places taken that is nothing: an empty
 * append still carries the commit index. */
static enum err read_entries_for(struct raft *r, const struct progress *p, struct raft_entries *out)
{
    raft_index end = log_last_index(&r->log) + 1;
    if (p->next >= end || (p->state == RAFT_REPLICATE && inflights_is_full(&p->inflights)))
        return ERR_OK;
    return log_slice(&r->log, p->next, end, r->max_size_per_msg, out);
}

/* Send an append, or a snapshot if what `p` needs is compacted. Return true if something was sent;
 * an append without entries only if `even_empty`. */
static bool send_append(struct raft *r, struct progress *p, bool even_empty)
{
    if (progress_is_paused(p))
        return false;
    raft_term prev_term;
    struct raft_entries entries = {0};
    if (log_term(&r->log, p->next - 1, &prev_term) != ERR_OK ||
        read_entries_for(r, p, &entries) != ERR_OK)
        return send_snapshot(r, p);
    if (entries.n == 0 && !even_empty)
        return false;

    raft_index prev = p->next - 1;
    progress_sent(p, entries.n, payload_of(&entries));
    p->sent_commit = r->log.committed;
    raft_send(r, (struct raft_message){
                     .type = RAFT_MSG_APP,
                     .to = p->id,
                     .index = prev,
                     .log_term = prev_term,
                     .entries = entries,
                     .commit = r->log.committed,
                 });
    return true;
}

static void bcast_append(struct raft *r, bool even_empty)
{
    for (size_t i = 0; i < r->tracker.n; i++) {
        struct progress *p = &r->tracker.v[i];
        if (p->id != r->id)
            send_append(r, p, even_empty);
    }
}

void leader_bcast_append(struct raft *r)
{
    bcast_append(r, true);
}

void leader_beat(struct raft *r)
{
    struct blob *ctx = reads_heartbeat_ctx(&r->reads);
    for (size_t i = 0; i < r->tracker.n; i++) {
        struct progress *p = &r->tracker.v[i];
        if (p->id == r->id)
            continue;
        /* It must not commit beyond what is known to be in its log. */
        raft_index commit = p->match < r->log.committed ? p->match : r->log.committed;
        raft_send(r, (struct raft_message){
                         .type = RAFT_MSG_HEARTBEAT,
                         .to = p->id,
                         .commit = commit,
                         .context = ctx ? blob_ref(ctx) : NULL,
                     });
        p->sent_commit = commit;
    }
    blob_unref(ctx);
}

void leader_check_quorum(struct raft *r)
{
    if (!tracker_quorum_is_active(&r->tracker))
        raft_become_follower(r, r->term, 0);
    for (size_t i = 0; i < r->tracker.n; i++) {
        if (r->tracker.v[i].id != r->id)
            r->tracker.v[i].recent_active = false;
    }
}

/* ---- reads ------------------------------------------------------------------------------- */

static void answer_read(struct raft *r, member_id to, raft_index index, struct blob *ctx)
{
    if (to == r->id) {
        raft_add_read_state(r, index, ctx);
        return;
    }
    struct raft_message m = {.type = RAFT_MSG_READ_INDEX_RESP, .to = to, .index = index};
    raft_entries_add(&m.entries, &(struct raft_entry){.data = ctx}, 1);
    raft_send(r, m);
}

/* Answer the reads whose round a quorum has confirmed. */
static void release_reads(struct raft *r)
{
    uint64_t confirmed = tracker_reads_confirmed(&r->tracker);
    if (r->reads.waiting.n == 0 || confirmed <= r->reads.confirmed)
        return;
    uint64_t n = confirmed - r->reads.confirmed;
    if (n > r->reads.waiting.n)
        n = r->reads.waiting.n;
    for (size_t i = 0; i < n; i++) {
        const struct read_request *q = &r->reads.waiting.v[i];
        answer_read(r, q->from, q->index, q->ctx);
    }
    read_queue_drop(&r->reads.waiting, (size_t)n);
    r->reads.confirmed += n;
}

/* The log is committed in our term: our commit index is the cluster's. */
static void start_read(struct raft *r, member_id from, struct blob *ctx)
{
    if (raft_single_voter(r) || r->lease_reads) {
        answer_read(r, from, r->log.committed, ctx);
        return;
    }
    if (!read_queue_add(&r->reads.waiting, from, r->log.committed, ctx))
        return;
    struct progress *self = tracker_find(&r->tracker, r->id);
    if (self != NULL)
        self->read_ack = reads_round(&r->reads);
    leader_beat(r);
}

void leader_read_index(struct raft *r, member_id from, struct blob *ctx)
{
    if (raft_committed_in_term(r))
        start_read(r, from, ctx);
    else
        (void)read_queue_add(&r->reads.early, from, 0, ctx);
}

static void start_early_reads(struct raft *r)
{
    struct read_queue early = r->reads.early;
    if (early.n == 0 || !raft_committed_in_term(r))
        return;
    r->reads.early = (struct read_queue){0};
    for (size_t i = 0; i < early.n; i++)
        start_read(r, early.v[i].from, early.v[i].ctx);
    read_queue_drop(&early, early.n);
    free(early.v);
}

/* ---- committing -------------------------------------------------------------------------- */

/* Commit what a quorum has, if it ends in an entry of our term (thesis, 3.6.2). */
static bool maybe_commit(struct raft *r)
{
    raft_index index = tracker_committed(&r->tracker);
    if (index <= r->log.committed || !log_matches(&r->log, index, r->term))
        return false;
    log_commit_to(&r->log, index);
    start_early_reads(r);
    return true;
}

void leader_persisted(struct raft *r)
{
    struct progress *self = tracker_find(&r->tracker, r->id);
    if (r->role != RAFT_LEADER || self == NULL)
        return;
    if (progress_ack(self, r->log.offset - 1) && maybe_commit(r))
        leader_bcast_append(r);
}

void leader_conf_switched(struct raft *r)
{
    bool committed = maybe_commit(r);
    bcast_append(r, committed); /* new members hear of us; the others of the commit */
    if (r->transferee != 0 && !tracker_is_voter(&r->tracker, r->transferee))
        r->transferee = 0;
    release_reads(r); /* fewer voters may have confirmed them already */
}

/* ---- answers ----------------------------------------------------------------------------- */

static void send_timeout_now(struct raft *r, member_id to)
{
    raft_send(r, (struct raft_message){.type = RAFT_MSG_TIMEOUT_NOW, .to = to});
}

static void handle_reject(struct raft *r, struct progress *p, const struct raft_message *m)
{
    raft_index hint = m->reject_hint;
    raft_term ignored;
    /* The follower has nothing above `hint` with a term at or below the one that we sent; we look
     * for our last entry with a term at or below the one that it has there. */
    if (m->log_term > 0)
        hint = log_find_conflict_by_term(&r->log, hint, m->log_term, &ignored);
    if (!progress_reject(p, m->index, hint))
        return;
    if (p->state == RAFT_REPLICATE)
        progress_become_probe(p);
    send_append(r, p, true);
}

/* `p` has acknowledged something new, or is probed and has confirmed what we knew. */
static void progress_advanced(struct raft *r, struct progress *p, raft_index index)
{
    switch (p->state) {
    case RAFT_PROBE:
        progress_become_replicate(p);
        break;
    case RAFT_REPLICATE:
        inflights_free_to(&p->inflights, index);
        break;
    case RAFT_SNAPSHOT:
        /* Also when it did not get there by our snapshot. */
        if (p->match + 1 >= log_first_index(&r->log)) {
            progress_become_probe(p);
            progress_become_replicate(p);
        }
        break;
    }
}

static void handle_append_response(struct raft *r, struct progress *p,
                                   const struct raft_message *m)
{
    p->recent_active = true;
    if (m->reject) {
        handle_reject(r, p, m);
        return;
    }
    if (!progress_ack(p, m->index) && !(p->match == m->index && p->state == RAFT_PROBE))
        return;
    progress_advanced(r, p, m->index);
    if (maybe_commit(r))
        leader_bcast_append(r);
    else if (progress_wants_commit(p, r->log.committed))
        send_append(r, p, true);
    while (send_append(r, p, false)) {
        /* as much as flow control lets pass */
    }
    if (p->id == r->transferee && p->match == log_last_index(&r->log))
        send_timeout_now(r, p->id);
}

static void handle_heartbeat_response(struct raft *r, struct progress *p,
                                      const struct raft_message *m)
{
    p->recent_active = true;
    p->append_paused = false;
    if (p->match < log_last_index(&r->log) || p->state == RAFT_PROBE)
        send_append(r, p, true);
    uint64_t round = reads_parse_ctx(&r->reads, m->context);
    if (round > p->read_ack) {
        p->read_ack = round;
        release_reads(r);
    }
}

void leader_step(struct raft *r, const struct raft_message *m)
{
    struct progress *p = tracker_find(&r->tracker, m->from);
    if (p == NULL)
        return;
    if (m->type == RAFT_MSG_APP_RESP)
        handle_append_response(r, p, m);
    else if (m->type == RAFT_MSG_HEARTBEAT_RESP)
        handle_heartbeat_response(r, p, m);
}

void leader_transfer(struct raft *r, member_id to)
{
    struct progress *p = tracker_find(&r->tracker, to);
    if (p == NULL || p->learner || to == r->transferee)
        return;
    r->transferee = 0; /* the new wish replaces an old one, even if it is ourselves */
    if (to == r->id)
        return;
    r->election_elapsed = 0;
    r->transferee = to;
    if (p->match == log_last_index(&r->log))
        send_timeout_now(r, to);
    else
        send_append(r, p, true);
}

/* ---- proposals --------------------------------------------------------------------------- */

/* Make room in the account of uncommitted bytes. One proposal is always let in, and so is an empty
 * one: the first entry of a term and the end of a joint configuration must not be refused. */
static bool take_uncommitted(struct raft *r, const struct raft_entry *v, size_t n)
{
    uint64_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += raft_entry_payload(&v[i]);
    if (r->uncommitted_size > 0 && size > 0 &&
        (r->uncommitted_size >= r->max_uncommitted_size ||
         size > r->max_uncommitted_size - r->uncommitted_size))
        return false;
    r->uncommitted_size += size;
    return true;
}

static bool proposal_is_sound(const struct raft_entry *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].type == RAFT_ENTRY_NORMAL)
            continue;
        struct raft_conf_change cc = {0};
        if (raft_conf_change_decode(v[i].type, blob_slice(v[i].data), &cc) != ERR_OK)
            return false;
        raft_conf_change_fini(&cc);
    }
    return true;
}

/* True if a change may be logged now: one at a time, and the right one for the half we are in. */
static bool may_change_conf(const struct raft *r, const struct raft_entry *e)
{
    if (r->disable_conf_change_validation)
        return true;
    if (r->pending_conf_index > r->log.applied)
        return false;
    struct raft_conf_change cc = {0};
    enum err err = raft_conf_change_decode(e->type, blob_slice(e->data), &cc);
    invariant(err == ERR_OK);
    bool leaves = cc.n_changes == 0;
    raft_conf_change_fini(&cc);
    return leaves == tracker_is_joint(&r->tracker);
}

static void append_proposal(struct raft *r, const struct raft_entry *e)
{
    if (!raft_entry_is_conf_change(e)) {
        log_append_one(&r->log, r->term, e->type, e->data);
    } else if (may_change_conf(r, e)) {
        log_append_one(&r->log, r->term, e->type, e->data);
        r->pending_conf_index = log_last_index(&r->log);
    } else {
        log_append_one(&r->log, r->term, RAFT_ENTRY_NORMAL, NULL);
    }
}

enum err leader_propose(struct raft *r, const struct raft_entry *v, size_t n)
{
    invariant(r->role == RAFT_LEADER);
    if (tracker_find(&r->tracker, r->id) == NULL || r->transferee != 0)
        return ERR_PROPOSAL_DROPPED;
    if (!proposal_is_sound(v, n))
        return ERR_MALFORMED;
    if (!take_uncommitted(r, v, n))
        return ERR_PROPOSAL_DROPPED;
    for (size_t i = 0; i < n; i++)
        append_proposal(r, &v[i]);
    leader_bcast_append(r);
    return ERR_OK;
}

void leader_auto_leave(struct raft *r)
{
    if (r->role != RAFT_LEADER || !r->tracker.conf.auto_leave ||
        r->log.applied < r->pending_conf_index)
        return;
    struct raft_entry leave = {.type = RAFT_ENTRY_CONF_CHANGE_V2};
    if (leader_propose(r, &leave, 1) != ERR_OK)
        return; /* a transfer is under way: the next applied entry tries again */
}
