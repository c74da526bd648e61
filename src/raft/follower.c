/* raft/follower.c -- what the leader of our term tells us.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/raft_priv.h"

static void acknowledge(struct raft *r, member_id to, raft_index index)
{
    raft_send(r, (struct raft_message){.type = RAFT_MSG_APP_RESP, .to = to, .index = index});
}

/* Tell the leader where our logs may meet: the last index whose term is not above the one that it
 * looked for, so that a whole term of entries is skipped at a time. */
static void reject_append(struct raft *r, const struct raft_message *m)
{
    raft_index last = log_last_index(&r->log);
    raft_term hint_term;
    raft_index hint = log_find_conflict_by_term(&r->log, m->index < last ? m->index : last,
                                                m->log_term, &hint_term);
    raft_send(r, (struct raft_message){
                     .type = RAFT_MSG_APP_RESP,
                     .to = m->from,
                     .index = m->index,
                     .reject = true,
                     .reject_hint = hint,
                     .log_term = hint_term,
                 });
}

static enum err handle_append(struct raft *r, const struct raft_message *m)
{
    struct raft_log *l = &r->log;
    if (m->index < l->committed) {
        acknowledge(r, m->from, l->committed);
        return ERR_OK;
    }
    if (!log_matches(l, m->index, m->log_term)) {
        reject_append(r, m);
        return ERR_OK;
    }
    raft_index conflict = log_find_conflict(l, m->entries.v, m->entries.n);
    if (conflict != 0) {
        /* m->index >= committed, so the conflict lies above it. */
        size_t skip = (size_t)(conflict - m->index - 1);
        raft_clip_records(r, conflict);
        log_replace(l, m->entries.v + skip, m->entries.n - skip);
    }
    raft_index last_new = m->index + m->entries.n;
    log_commit_to(l, m->commit < last_new ? m->commit : last_new);
    acknowledge(r, m->from, last_new);
    return ERR_OK;
}

static enum err handle_heartbeat(struct raft *r, const struct raft_message *m)
{
    /* The leader names at most what we once acknowledged: our log has lost its end. */
    if (m->commit > log_last_index(&r->log))
        return ERR_DAMAGED;
    log_commit_to(&r->log, m->commit);
    raft_send(r, (struct raft_message){
                     .type = RAFT_MSG_HEARTBEAT_RESP,
                     .to = m->from,
                     .context = m->context ? blob_ref(m->context) : NULL,
                 });
    return ERR_OK;
}

/* Take up the snapshot, unless our log is as good. */
static bool restore_snapshot(struct raft *r, const struct raft_snapshot *s)
{
    invariant(r->role == RAFT_FOLLOWER);
    if (s->meta.index <= r->log.committed || !conf_state_has(&s->meta.conf_state, r->id))
        return false;
    if (log_matches(&r->log, s->meta.index, s->meta.term)) {
        log_commit_to(&r->log, s->meta.index);
        return false;
    }
    raft_clip_records(r, s->meta.index + 1);
    log_restore(&r->log, s);
    tracker_restore(&r->tracker, &s->meta.conf_state, s->meta.index);
    return true;
}

static enum err handle_snapshot(struct raft *r, const struct raft_message *m)
{
    bool restored = restore_snapshot(r, m->snapshot);
    acknowledge(r, m->from, restored ? log_last_index(&r->log) : r->log.committed);
    return ERR_OK;
}

enum err follower_step_leader(struct raft *r, const struct raft_message *m)
{
    invariant(r->role == RAFT_FOLLOWER && m->term == r->term);
    switch (m->type) {
    case RAFT_MSG_APP:
        return handle_append(r, m);
    case RAFT_MSG_HEARTBEAT:
        return handle_heartbeat(r, m);
    default:
        invariant(m->type == RAFT_MSG_SNAP);
        return handle_snapshot(r, m);
    }
}
