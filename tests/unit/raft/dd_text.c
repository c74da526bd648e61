/* tests/unit/raft/dd_text.c -- how scenarios write messages, readies and configurations.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "dd.h"
#include "raft/conf_codec.h"

static const char *const message_names[] = {
    "MsgHup",           "MsgBeat",         "MsgProp",          "MsgApp",
    "MsgAppResp",       "MsgVote",         "MsgVoteResp",      "MsgSnap",
    "MsgHeartbeat",     "MsgHeartbeatResp", "MsgUnreachable",  "MsgSnapStatus",
    "MsgCheckQuorum",   "MsgTransferLeader", "MsgTimeoutNow",  "MsgReadIndex",
    "MsgReadIndexResp", "MsgPreVote",      "MsgPreVoteResp",   "MsgStorageAppend",
    "MsgStorageAppendResp", "MsgStorageApply", "MsgStorageApplyResp", "MsgForgetLeader",
};

int dd_message_type(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(message_names); i++) {
        if (strcmp(message_names[i], name) == 0)
            return (int)i;
    }
    return -1;
}

const char *dd_role_name(enum raft_role role)
{
    static const char *const names[] = {"StateFollower", "StateCandidate", "StateLeader",
                                        "StatePreCandidate"};
    return names[role];
}

void dd_add_ids(struct buf *b, const struct raft_ids *s)
{
    for (size_t i = 0; i < s->n; i++)
        buf_addf(b, "%s%" PRIu64, i == 0 ? "" : " ", s->v[i]);
}

static void add_changes(struct buf *b, const struct raft_entry *e)
{
    struct raft_conf_change cc;
    enum err err = raft_conf_change_decode(e->type, blob_slice(e->data), &cc);
    invariant(err == ERR_OK);
    for (size_t i = 0; i < cc.n_changes; i++)
        buf_addf(b, " %c%" PRIu64, "vrul"[cc.changes[i].type], cc.changes[i].node);
    raft_conf_change_fini(&cc);
}

static void add_quoted(struct buf *b, struct slice s)
{
    buf_add_byte(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_byte(b, '\\');
        buf_add_byte(b, s.p[i]);
    }
    buf_add_byte(b, '"');
}

static void add_entry(struct buf *b, const struct raft_entry *e)
{
    static const char *const types[] = {"EntryNormal", "EntryConfChange", "EntryConfChangeV2"};
    buf_addf(b, "%" PRIu64 "/%" PRIu64 " %s", e->term, e->index, types[e->type]);
    if (e->type != RAFT_ENTRY_NORMAL) {
        add_changes(b, e);
        return;
    }
    buf_add_byte(b, ' ');
    add_quoted(b, blob_slice(e->data));
}

void dd_add_entries(struct buf *b, const struct raft_entries *l)
{
    for (size_t i = 0; i < l->n; i++) {
        add_entry(b, &l->v[i]);
        buf_add_byte(b, '\n');
    }
}

static void add_snapshot(struct buf *b, const struct raft_snapshot *s)
{
    const struct raft_conf_state *cs = &s->meta.conf_state;
    buf_addf(b, "Index:%" PRIu64 " Term:%" PRIu64 " ConfState:Voters:[", s->meta.index,
             s->meta.term);
    dd_add_ids(b, &cs->voters);
    buf_add_str(b, "] VotersOutgoing:[");
    dd_add_ids(b, &cs->voters_outgoing);
    buf_add_str(b, "] Learners:[");
    dd_add_ids(b, &cs->learners);
    buf_add_str(b, "] LearnersNext:[");
    dd_add_ids(b, &cs->learners_next);
    buf_addf(b, "] AutoLeave:%s", cs->auto_leave ? "true" : "false");
}

static void add_message_entries(struct buf *b, const struct raft_entries *l)
{
    if (l->n == 0)
        return;
    buf_add_str(b, " Entries:[");
    for (size_t i = 0; i < l->n; i++) {
        if (l->n > 1)
            buf_add_str(b, "\n  ");
        add_entry(b, &l->v[i]);
    }
    buf_add_str(b, l->n > 1 ? "\n]" : "]");
}

void dd_add_message(struct buf *b, const struct raft_message *m)
{
    buf_addf(b, "%" PRIx64 "->%" PRIx64 " %s Term:%" PRIu64 " Log:%" PRIu64 "/%" PRIu64, m->from,
             m->to, message_names[m->type], m->term, m->log_term, m->index);
    if (m->reject)
        buf_addf(b, " Rejected (Hint: %" PRIu64 ")", m->reject_hint);
    if (m->commit != 0)
        buf_addf(b, " Commit:%" PRIu64, m->commit);
    add_message_entries(b, &m->entries);
    if (m->snapshot != NULL) {
        buf_add_str(b, "\n  Snapshot: ");
        add_snapshot(b, m->snapshot);
    }
}

static void add_messages(struct buf *b, const struct raft_messages *l)
{
    for (size_t i = 0; i < l->n; i++) {
        dd_add_message(b, &l->v[i]);
        buf_add_byte(b, '\n');
    }
}

static void add_states(struct buf *b, const struct raft_ready *rd)
{
    const struct raft_hard_state *hs = &rd->hard_state;
    if (rd->has_soft_state)
        buf_addf(b, "Lead:%" PRIu64 " State:%s\n", rd->soft_state.leader,
                 dd_role_name(rd->soft_state.role));
    if (rd->has_hard_state) {
        buf_addf(b, "HardState Term:%" PRIu64, hs->term);
        if (hs->vote != 0)
            buf_addf(b, " Vote:%" PRIu64, hs->vote);
        buf_addf(b, " Commit:%" PRIu64 "\n", hs->commit);
    }
}

void dd_add_ready(struct buf *b, const struct raft_ready *rd, bool must_sync)
{
    size_t start = b->n;
    buf_addf(b, "Ready MustSync=%s:\n", must_sync ? "true" : "false");
    size_t head = b->n;
    add_states(b, rd);
    if (rd->n_read_states != 0)
        buf_addf(b, "ReadStates %zu\n", rd->n_read_states);
    if (rd->entries.n != 0)
        buf_add_str(b, "Entries:\n");
    dd_add_entries(b, &rd->entries);
    if (rd->snapshot.meta.index != 0) {
        buf_add_str(b, "Snapshot ");
        add_snapshot(b, &rd->snapshot);
        buf_add_byte(b, '\n');
    }
    if (rd->committed.n != 0)
        buf_add_str(b, "CommittedEntries:\n");
    dd_add_entries(b, &rd->committed);
    if (rd->messages.n + rd->messages_after_persist.n != 0)
        buf_add_str(b, "Messages:\n");
    add_messages(b, &rd->messages);
    add_messages(b, &rd->messages_after_persist);
    if (b->n == head) {
        b->n = start;
        buf_add_str(b, "<empty Ready>");
    }
}

void dd_add_progress(struct buf *b, const struct raft_progress_info *p)
{
    static const char *const states[] = {"StateProbe", "StateReplicate", "StateSnapshot"};
    buf_addf(b, "%" PRIu64 ": %s match=%" PRIu64 " next=%" PRIu64, p->id, states[p->state],
             p->match, p->next);
    if (p->learner)
        buf_add_str(b, " learner");
    if (p->paused)
        buf_add_str(b, " paused");
    if (p->pending_snapshot != 0)
        buf_addf(b, " pendingSnap=%" PRIu64, p->pending_snapshot);
    if (!p->recent_active)
        buf_add_str(b, " inactive");
    if (p->inflight != 0)
        buf_addf(b, " inflight=%zu%s", p->inflight, p->inflight_full ? "[full]" : "");
    buf_add_byte(b, '\n');
}
