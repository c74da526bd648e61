/* raft/ready.c -- what goes out, and what its being done means.
 *
 * A ready is numbered; its record remembers what becomes true once it is durable. When the log is
 * cut, the records of the writes still under way are clipped: an acknowledgement then counts only
 * for entries that no later write replaces, even if entries of the same index and term return.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/conf_codec.h"
#include "raft/raft_priv.h"

/* ---- read states ------------------------------------------------------------------------- */

void raft_add_read_state(struct raft *r, raft_index index, struct blob *ctx)
{
    if (r->n_read_states == r->cap_read_states) {
        r->cap_read_states = r->cap_read_states == 0 ? 8 : r->cap_read_states * 2;
        r->read_states = xrealloc(r->read_states, r->cap_read_states * sizeof *r->read_states);
    }
    r->read_states[r->n_read_states++] = (struct raft_read_state){index, blob_ref(ctx)};
}

/* ---- the ready --------------------------------------------------------------------------- */

static void messages_clear(struct raft_messages *l)
{
    for (size_t i = 0; i < l->n; i++)
        raft_message_fini(&l->v[i]);
    l->n = 0;
}

static void read_states_drop(struct raft_ready *rd)
{
    for (size_t i = 0; i < rd->n_read_states; i++)
        blob_unref(rd->read_states[i].ctx);
    free(rd->read_states);
    rd->read_states = NULL;
    rd->n_read_states = 0;
}

static void ready_clear(struct raft_ready *rd)
{
    raft_entries_cut(&rd->entries, 0);
    raft_entries_cut(&rd->committed, 0);
    raft_snapshot_fini(&rd->snapshot);
    messages_clear(&rd->messages);
    messages_clear(&rd->messages_after_persist);
    read_states_drop(rd);
}

void raft_ready_fini(struct raft_ready *rd)
{
    ready_clear(rd);
    raft_entries_fini(&rd->entries);
    raft_entries_fini(&rd->committed);
    raft_messages_fini(&rd->messages);
    raft_messages_fini(&rd->messages_after_persist);
    *rd = (struct raft_ready){0};
}

static struct raft_soft_state soft_state(const struct raft *r)
{
    return (struct raft_soft_state){r->leader, r->role};
}

static struct raft_hard_state hard_state(const struct raft *r)
{
    return (struct raft_hard_state){r->term, r->vote, r->log.committed};
}

static bool soft_state_changed(const struct raft *r)
{
    return r->leader != r->last_soft_state.leader || r->role != r->last_soft_state.role;
}

static bool vote_changed(const struct raft *r)
{
    return r->term != r->last_hard_state.term || r->vote != r->last_hard_state.vote;
}

static bool hard_state_changed(const struct raft *r)
{
    return vote_changed(r) || r->log.committed != r->last_hard_state.commit;
}

static bool has_unhanded_snapshot(const struct raft *r)
{
    return r->log.snapshot != NULL && !r->log.snapshot_handed;
}

bool raft_has_ready(const struct raft *r)
{
    return soft_state_changed(r) || hard_state_changed(r) || has_unhanded_snapshot(r) ||
           log_has_unhanded(&r->log) || log_has_committed(&r->log) || r->messages.n != 0 ||
           r->messages_after_persist.n != 0 || r->own_vote.term != 0 || r->n_read_states != 0;
}

static void take_states(struct raft *r, struct raft_ready *rd)
{
    rd->has_soft_state = soft_state_changed(r);
    rd->soft_state = soft_state(r);
    rd->has_hard_state = hard_state_changed(r);
    rd->hard_state = hard_state(r);
    rd->must_sync = log_has_unhanded(&r->log) || vote_changed(r) || has_unhanded_snapshot(r);
    r->last_soft_state = rd->soft_state;
    r->last_hard_state = rd->hard_state;
}

/* Give the filled array out and keep the empty one. */
static void messages_swap(struct raft_messages *a, struct raft_messages *b)
{
    struct raft_messages t = *a;
    *a = *b;
    *b = t;
}

static void take_output(struct raft *r, struct raft_ready *rd)
{
    messages_swap(&rd->messages, &r->messages);
    messages_swap(&rd->messages_after_persist, &r->messages_after_persist);
    rd->read_states = r->read_states;
    rd->n_read_states = r->n_read_states;
    r->read_states = NULL;
    r->n_read_states = 0;
    r->cap_read_states = 0;
}

static void push_record(struct raft *r, struct ready_record rec)
{
    if (r->n_records == r->cap_records) {
        r->cap_records = r->cap_records == 0 ? 8 : r->cap_records * 2;
        r->records = xrealloc(r->records, r->cap_records * sizeof *r->records);
    }
    r->records[r->n_records++] = rec;
}

void raft_ready(struct raft *r, struct raft_ready *rd)
{
    ready_clear(rd);
    rd->number = ++r->ready_number;
    take_states(r, rd);
    struct ready_record rec = {.number = rd->number, .vote = r->own_vote};
    if (has_unhanded_snapshot(r)) {
        rd->snapshot = raft_snapshot_copy(r->log.snapshot);
        rec.snapshot = r->log.snapshot->meta.index;
        r->log.snapshot_handed = true;
    }
    log_hand_out_committed(&r->log, &rd->committed);
    log_hand_out(&r->log, &rd->entries);
    rec.stable_to = log_last_index(&r->log);
    r->own_vote = (struct own_vote){0};
    take_output(r, rd);
    push_record(r, rec);
}

/* ---- done -------------------------------------------------------------------------------- */

static void own_vote_persisted(struct raft *r, struct own_vote v)
{
    if (v.pre ? r->role == RAFT_PRE_CANDIDATE && v.term == r->term + 1
              : r->role == RAFT_CANDIDATE && v.term == r->term)
        election_count(r, r->id, true);
}

static void record_persisted(struct raft *r, const struct ready_record *rec)
{
    if (rec->snapshot != 0) {
        log_snapshot_stable(&r->log, rec->snapshot);
        raft_applied_to(r, rec->snapshot);
    }
    log_stable_to(&r->log, rec->stable_to);
    if (rec->vote.term != 0)
        own_vote_persisted(r, rec->vote);
}

void raft_persisted(struct raft *r, uint64_t number)
{
    invariant(number <= r->ready_number);
    size_t n = 0;
    for (; n < r->n_records && r->records[n].number <= number; n++)
        record_persisted(r, &r->records[n]);
    if (n == 0)
        return;
    r->n_records -= n;
    memmove(r->records, r->records + n, r->n_records * sizeof *r->records);
    leader_persisted(r);
}

void raft_applied(struct raft *r, raft_index index)
{
    invariant(index <= r->log.applying);
    raft_applied_to(r, index);
}

void raft_advance(struct raft *r, const struct raft_ready *rd)
{
    raft_persisted(r, rd->number);
    if (rd->committed.n != 0)
        raft_applied(r, rd->committed.v[rd->committed.n - 1].index);
}

/* ---- configuration changes --------------------------------------------------------------- */

enum err raft_propose_conf_change(struct raft *r, const struct raft_conf_change *cc, bool v1)
{
    if (v1 && cc->n_changes != 1)
        return ERR_INVALID;
    struct raft_entry e = {
        .type = v1 ? RAFT_ENTRY_CONF_CHANGE : RAFT_ENTRY_CONF_CHANGE_V2,
        .data = raft_conf_change_encode(cc, v1),
    };
    enum err err = raft_propose(r, &e, 1);
    blob_unref(e.data);
    return err;
}

enum err raft_apply_conf_change(struct raft *r, const struct raft_conf_change *cc,
                                struct raft_conf_state *ret_state)
{
    if (cc != NULL) {
        enum err e = tracker_change(&r->tracker, conf_change_step(cc), cc,
                                    log_last_index(&r->log), NULL);
        if (e != ERR_OK)
            return e;
        raft_conf_switched(r);
    }
    if (ret_state != NULL)
        *ret_state = raft_conf_state(r);
    return ERR_OK;
}
