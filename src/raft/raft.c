/* raft/raft.c -- one member: its terms, roles and ticks, and the door that messages come in by.
 *
 * The behaviour is that of Ongaro's thesis with etcd's additions (pre-vote, check-quorum, learners,
 * joint consensus as etcd does it: a change takes effect when it is applied, not when appended).
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/raft_priv.h"

/* ---- making ------------------------------------------------------------------------------ */

static bool options_are_valid(const struct raft_options *o)
{
    if (o->id == 0 || o->log.ops == NULL)
        return false;
    if (o->heartbeat_tick == 0 || o->election_tick <= o->heartbeat_tick)
        return false;
    if (o->max_inflight_msgs == 0)
        return false;
    if (o->max_inflight_bytes != 0 && o->max_inflight_bytes < o->max_size_per_msg)
        return false;
    return o->read_only != RAFT_READ_LEASE || o->check_quorum;
}

static uint64_t max_applying_size(const struct raft_options *o)
{
    if (o->max_committed_size_per_ready != 0)
        return o->max_committed_size_per_ready;
    return o->max_size_per_msg != 0 ? o->max_size_per_msg : 1;
}

static struct raft *raft_make(const struct raft_options *o)
{
    struct raft *r = xcalloc(1, sizeof *r);
    r->id = o->id;
    r->election_tick = o->election_tick;
    r->heartbeat_tick = o->heartbeat_tick;
    r->rng.state = o->seed;
    r->check_quorum = o->check_quorum;
    r->pre_vote = o->pre_vote;
    r->lease_reads = o->read_only == RAFT_READ_LEASE;
    r->disable_proposal_forwarding = o->disable_proposal_forwarding;
    r->disable_conf_change_validation = o->disable_conf_change_validation;
    r->step_down_on_removal = o->step_down_on_removal;
    r->max_size_per_msg = o->max_size_per_msg;
    r->max_uncommitted_size = o->max_uncommitted_size ? o->max_uncommitted_size : RAFT_NO_LIMIT;
    r->tracker.max_inflight = o->max_inflight_msgs;
    r->tracker.max_inflight_bytes = o->max_inflight_bytes;
    log_init(&r->log, o->log, max_applying_size(o), o->synchronous);
    return r;
}

/* Take up the stored term, vote, commit and applied index. The commit index is not synced with each
 * change, so it may be behind: what is applied, and what the log has dropped, was committed. */
static enum err raft_load(struct raft *r, const struct raft_hard_state *hs, raft_index applied)
{
    raft_index base = r->log.committed;
    raft_index commit = hs->commit > applied ? hs->commit : applied;
    if (applied != 0 && applied < base)
        return ERR_DAMAGED; /* entries that we would have to apply are gone */
    if (commit > log_last_index(&r->log))
        return ERR_DAMAGED;
    /* A log that begins behind a given snapshot may be empty, and we in no term yet. */
    if (r->log.offset > log_first_index(&r->log) && hs->term < log_last_term(&r->log))
        return ERR_DAMAGED;
    r->term = hs->term;
    r->vote = hs->vote;
    log_commit_to(&r->log, commit);
    log_applied_to(&r->log, applied);
    return ERR_OK;
}

enum err raft_new(const struct raft_options *options, const struct raft_hard_state *hs,
                  const struct raft_conf_state *cs, struct raft **ret_raft)
{
    const struct raft_hard_state no_hs = {0};
    const struct raft_conf_state no_cs = {0};
    if (!options_are_valid(options))
        return ERR_INVALID;
    if (conf_state_validate(cs ? cs : &no_cs, NULL) != ERR_OK)
        return ERR_DAMAGED;

    struct raft *r = raft_make(options);
    enum err e = raft_load(r, hs ? hs : &no_hs, options->applied);
    if (e != ERR_OK) {
        raft_free(r);
        return e;
    }
    tracker_restore(&r->tracker, cs ? cs : &no_cs, log_last_index(&r->log));
    raft_become_follower(r, r->term, 0);
    r->last_soft_state = (struct raft_soft_state){0, RAFT_FOLLOWER};
    r->last_hard_state = (struct raft_hard_state){r->term, r->vote, r->log.committed};
    *ret_raft = r;
    return ERR_OK;
}

void raft_free(struct raft *r)
{
    if (r == NULL)
        return;
    log_fini(&r->log);
    tracker_fini(&r->tracker);
    reads_fini(&r->reads);
    raft_messages_fini(&r->messages);
    raft_messages_fini(&r->messages_after_persist);
    for (size_t i = 0; i < r->n_read_states; i++)
        blob_unref(r->read_states[i].ctx);
    free(r->read_states);
    free(r->records);
    free(r);
}

/* ---- sending ----------------------------------------------------------------------------- */

/* What another member may rely on for good has to be durable first (thesis, 3.8). A request for a
 * vote is one too: it tells how far our log reaches, and an answer to it may come when we have
 * crashed and stand again, in the same term, with a shorter log. */
static bool waits_for_persist(enum raft_message_type t)
{
    return t == RAFT_MSG_APP_RESP || t == RAFT_MSG_VOTE || t == RAFT_MSG_VOTE_RESP ||
           t == RAFT_MSG_PRE_VOTE_RESP;
}

static bool carries_own_term(enum raft_message_type t)
{
    return t == RAFT_MSG_VOTE || t == RAFT_MSG_VOTE_RESP || t == RAFT_MSG_PRE_VOTE ||
           t == RAFT_MSG_PRE_VOTE_RESP;
}

void raft_send(struct raft *r, struct raft_message m)
{
    invariant(m.to != 0 && m.to != r->id);
    if (m.from == 0)
        m.from = r->id;
    if (carries_own_term(m.type))
        invariant(m.term != 0);
    else if (m.type == RAFT_MSG_PROP || m.type == RAFT_MSG_READ_INDEX)
        m.term = 0; /* forwarded: valid in whatever term the leader has */
    else
        m.term = r->term;
    raft_messages_add(waits_for_persist(m.type) ? &r->messages_after_persist : &r->messages, m);
}

/* ---- roles ------------------------------------------------------------------------------- */

static void raft_reset_progress(struct raft *r)
{
    raft_index last = log_last_index(&r->log);
    for (size_t i = 0; i < r->tracker.n; i++) {
        struct progress *p = &r->tracker.v[i];
        progress_become_probe(p);
        p->match = p->id == r->id ? r->log.offset - 1 : 0;
        p->next = last + 1;
        p->sent_commit = 0;
        p->read_ack = 0;
        p->vote = VOTE_MISSING;
        p->recent_active = false;
    }
}

/* Begin anew in `term`. */
static void raft_reset(struct raft *r, raft_term term)
{
    if (r->term != term) {
        invariant(term > r->term);
        r->term = term;
        r->vote = 0;
    }
    r->leader = 0;
    r->election_elapsed = 0;
    r->heartbeat_elapsed = 0;
    r->randomized_timeout = r->election_tick + (unsigned)rng_below(&r->rng, r->election_tick);
    r->transferee = 0;
    r->own_vote = (struct own_vote){0};
    r->pending_conf_index = 0;
    r->uncommitted_size = 0;
    reads_clear(&r->reads);
    raft_reset_progress(r);
}

void raft_become_follower(struct raft *r, raft_term term, member_id leader)
{
    raft_reset(r, term);
    r->role = RAFT_FOLLOWER;
    r->leader = leader;
}

void raft_become_candidate(struct raft *r)
{
    invariant(r->role != RAFT_LEADER);
    raft_reset(r, r->term + 1);
    r->role = RAFT_CANDIDATE;
    r->vote = r->id;
}

/* Neither term nor vote change: nobody is disturbed by an election that cannot be won. */
void raft_become_pre_candidate(struct raft *r)
{
    invariant(r->role != RAFT_LEADER);
    tracker_reset_votes(&r->tracker);
    r->role = RAFT_PRE_CANDIDATE;
    r->leader = 0;
}

void raft_become_leader(struct raft *r)
{
    invariant(r->role == RAFT_CANDIDATE);
    raft_reset(r, r->term);
    r->role = RAFT_LEADER;
    r->leader = r->id;

    struct progress *self = tracker_find(&r->tracker, r->id);
    progress_become_replicate(self);
    self->next = log_last_index(&r->log) + 1;
    self->recent_active = true;

    /* There may be a change among the entries that we took over: wait until all are applied. */
    r->pending_conf_index = log_last_index(&r->log);
    log_append_one(&r->log, r->term, RAFT_ENTRY_NORMAL, NULL);
}

bool raft_is_promotable(const struct raft *r)
{
    const struct progress *p = tracker_find(&r->tracker, r->id);
    return p != NULL && !p->learner && r->log.snapshot == NULL;
}

void raft_conf_switched(struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return;
    const struct progress *self = tracker_find(&r->tracker, r->id);
    if ((self == NULL || self->learner) && r->step_down_on_removal) {
        raft_become_follower(r, r->term, 0);
        return;
    }
    /* A leader that is no voter any more goes on, without counting itself, until its removal is
     * known to the others. */
    if (self != NULL && !self->learner)
        leader_conf_switched(r);
}

void raft_applied_to(struct raft *r, raft_index index)
{
    uint64_t payload = log_applied_to(&r->log, index);
    r->uncommitted_size -= payload < r->uncommitted_size ? payload : r->uncommitted_size;
    leader_auto_leave(r);
}

void raft_clip_records(struct raft *r, raft_index from)
{
    for (size_t i = 0; i < r->n_records; i++) {
        if (r->records[i].stable_to >= from)
            r->records[i].stable_to = from - 1;
    }
}

/* ---- ticks ------------------------------------------------------------------------------- */

static void tick_election(struct raft *r)
{
    r->election_elapsed++;
    if (r->election_elapsed >= r->randomized_timeout && raft_is_promotable(r)) {
        r->election_elapsed = 0;
        raft_campaign(r);
    }
}

static void tick_leader(struct raft *r)
{
    r->heartbeat_elapsed++;
    r->election_elapsed++;
    if (r->election_elapsed >= r->election_tick) {
        r->election_elapsed = 0;
        if (r->check_quorum)
            leader_check_quorum(r);
        r->transferee = 0; /* a transfer has one election timeout */
    }
    if (r->role == RAFT_LEADER && r->heartbeat_elapsed >= r->heartbeat_tick) {
        r->heartbeat_elapsed = 0;
        leader_beat(r);
    }
}

void raft_tick(struct raft *r)
{
    if (r->role == RAFT_LEADER)
        tick_leader(r);
    else
        tick_election(r);
}

void raft_campaign(struct raft *r)
{
    raft_hup(r, r->pre_vote ? CAMPAIGN_PRE_ELECTION : CAMPAIGN_ELECTION);
}

/* ---- proposals and requests of our own ---------------------------------------------------- */

/* Send `m`, which came from us or another member, on to the leader; takes it. */
static void forward_to_leader(struct raft *r, struct raft_message m)
{
    m.to = r->leader;
    raft_send(r, m);
}

static enum err forward_proposal(struct raft *r, member_id from, const struct raft_entry *v,
                                 size_t n)
{
    if (r->role != RAFT_FOLLOWER || r->leader == 0 || r->disable_proposal_forwarding)
        return ERR_PROPOSAL_DROPPED;
    struct raft_message m = {.type = RAFT_MSG_PROP, .from = from};
    raft_entries_add(&m.entries, v, n);
    forward_to_leader(r, m);
    return ERR_OK;
}

static enum err propose_from(struct raft *r, member_id from, const struct raft_entry *v, size_t n)
{
    if (r->role == RAFT_LEADER)
        return leader_propose(r, v, n);
    return forward_proposal(r, from, v, n);
}

enum err raft_propose(struct raft *r, const struct raft_entry *entries, size_t n)
{
    invariant(n > 0);
    return propose_from(r, r->id, entries, n);
}

static void read_index_from(struct raft *r, member_id from, struct blob *ctx)
{
    if (r->role == RAFT_LEADER) {
        leader_read_index(r, from, ctx);
    } else if (r->role == RAFT_FOLLOWER && r->leader != 0) {
        struct raft_message m = {.type = RAFT_MSG_READ_INDEX, .from = from};
        raft_entries_add(&m.entries, &(struct raft_entry){.data = ctx}, 1);
        forward_to_leader(r, m);
    }
}

void raft_read_index(struct raft *r, struct slice ctx)
{
    invariant(ctx.n != 0);
    struct blob *b = blob_dup(ctx);
    read_index_from(r, r->id, b);
    blob_unref(b);
}

void raft_transfer_leader(struct raft *r, member_id to)
{
    if (to == 0)
        return;
    if (r->role == RAFT_LEADER)
        leader_transfer(r, to);
    else if (r->role == RAFT_FOLLOWER && r->leader != 0)
        forward_to_leader(r, (struct raft_message){.type = RAFT_MSG_TRANSFER_LEADER, .from = to});
}

void raft_step_down(struct raft *r)
{
    if (r->role == RAFT_LEADER)
        raft_become_follower(r, r->term, 0);
}

void raft_forget_leader(struct raft *r)
{
    /* With lease reads, another leader must not be possible before the lease has run out. */
    if (r->role == RAFT_FOLLOWER && !r->lease_reads)
        r->leader = 0;
}

void raft_report_unreachable(struct raft *r, member_id id)
{
    struct progress *p = r->role == RAFT_LEADER ? tracker_find(&r->tracker, id) : NULL;
    /* Appends that were sent ahead are likely lost. */
    if (p != NULL && p->state == RAFT_REPLICATE)
        progress_become_probe(p);
}

void raft_report_snapshot(struct raft *r, member_id id, bool ok)
{
    struct progress *p = r->role == RAFT_LEADER ? tracker_find(&r->tracker, id) : NULL;
    if (p == NULL || p->state != RAFT_SNAPSHOT)
        return;
    if (!ok)
        p->pending_snapshot = 0;
    progress_become_probe(p);
    /* If it arrived, wait for its acknowledgement; if not, for the next heartbeat. */
    p->append_paused = true;
}

/* ---- messages in -------------------------------------------------------------------------- */

static bool is_response(enum raft_message_type t)
{
    return t == RAFT_MSG_APP_RESP || t == RAFT_MSG_VOTE_RESP || t == RAFT_MSG_HEARTBEAT_RESP ||
           t == RAFT_MSG_READ_INDEX_RESP || t == RAFT_MSG_PRE_VOTE_RESP;
}

/* True for what may come from the owner as well as from a peer, and is not tied to a term. */
static bool is_request(enum raft_message_type t)
{
    return t == RAFT_MSG_PROP || t == RAFT_MSG_READ_INDEX || t == RAFT_MSG_TRANSFER_LEADER ||
           t == RAFT_MSG_FORGET_LEADER;
}

static bool append_is_sound(const struct raft_message *m)
{
    raft_term term = m->log_term;
    if (m->index > UINT64_MAX / 2 || m->log_term > m->term)
        return false;
    for (size_t i = 0; i < m->entries.n; i++) {
        const struct raft_entry *e = &m->entries.v[i];
        if (e->index != m->index + 1 + i || e->term < term || e->term > m->term)
            return false;
        term = e->term;
    }
    return true;
}

static bool snapshot_is_sound(const struct raft_message *m)
{
    const struct raft_snapshot *s = m->snapshot;
    return s != NULL && s->meta.index != 0 && s->meta.index < UINT64_MAX / 2 &&
           s->meta.term != 0 && s->meta.term <= m->term &&
           s->meta.conf_state.voters.n != 0 &&
           conf_state_validate(&s->meta.conf_state, NULL) == ERR_OK;
}

static bool message_is_sound(const struct raft *r, const struct raft_message *m)
{
    if (m->term == UINT64_MAX || (unsigned)m->type > RAFT_MSG_FORGET_LEADER)
        return false;
    if (!is_request(m->type) && (m->term == 0 || m->from == 0 || m->from == r->id))
        return false;
    switch (m->type) {
    case RAFT_MSG_PROP:
        return m->entries.n != 0;
    case RAFT_MSG_READ_INDEX:
    case RAFT_MSG_READ_INDEX_RESP:
        return m->entries.n == 1 && m->entries.v[0].data != NULL;
    case RAFT_MSG_APP:
        return append_is_sound(m);
    case RAFT_MSG_APP_RESP:
        /* If we led this term before a crash, it may have entries that we lost. */
        return m->reject || m->index <= log_last_index(&r->log) || m->term != r->term ||
               r->role != RAFT_LEADER;
    case RAFT_MSG_SNAP:
        return snapshot_is_sound(m);
    default:
        return true;
    }
}

/* True if a vote is asked for while we hear from a leader: then we neither answer nor move on. */
static bool is_in_lease(const struct raft *r, const struct raft_message *m)
{
    if (m->type != RAFT_MSG_VOTE && m->type != RAFT_MSG_PRE_VOTE)
        return false;
    if (slice_is(blob_slice(m->context), RAFT_CAMPAIGN_TRANSFER))
        return false;
    return r->check_quorum && r->leader != 0 && r->election_elapsed < r->election_tick;
}

static void step_up(struct raft *r, const struct raft_message *m)
{
    if (m->type == RAFT_MSG_PRE_VOTE)
        return; /* names the term it would have */
    if (m->type == RAFT_MSG_PRE_VOTE_RESP && !m->reject)
        return; /* the same, granted */
    bool from_leader = m->type == RAFT_MSG_APP || m->type == RAFT_MSG_HEARTBEAT ||
                       m->type == RAFT_MSG_SNAP;
    raft_become_follower(r, m->term, from_leader ? m->from : 0);
}

/* A message of a term gone by. Its sender may be stuck: a leader that cannot hear of the new term
 * from members that ignore it, or a candidate with a higher term than it needs. */
static void step_lower_term(struct raft *r, const struct raft_message *m)
{
    if ((r->check_quorum || r->pre_vote) &&
        (m->type == RAFT_MSG_HEARTBEAT || m->type == RAFT_MSG_APP))
        raft_send(r, (struct raft_message){.type = RAFT_MSG_APP_RESP, .to = m->from});
    else if (m->type == RAFT_MSG_PRE_VOTE)
        raft_send(r, (struct raft_message){.type = RAFT_MSG_PRE_VOTE_RESP,
                                           .to = m->from,
                                           .term = r->term,
                                           .reject = true});
}

static enum err step_candidate(struct raft *r, const struct raft_message *m)
{
    enum raft_message_type mine =
        r->role == RAFT_PRE_CANDIDATE ? RAFT_MSG_PRE_VOTE_RESP : RAFT_MSG_VOTE_RESP;
    if (m->type == mine) {
        election_count(r, m->from, !m->reject);
        return ERR_OK;
    }
    if (m->type != RAFT_MSG_APP && m->type != RAFT_MSG_HEARTBEAT && m->type != RAFT_MSG_SNAP)
        return ERR_OK;
    raft_become_follower(r, m->term, m->from);
    return follower_step_leader(r, m);
}

static enum err step_follower(struct raft *r, const struct raft_message *m)
{
    switch (m->type) {
    case RAFT_MSG_APP:
    case RAFT_MSG_HEARTBEAT:
    case RAFT_MSG_SNAP:
        r->election_elapsed = 0;
        r->leader = m->from;
        return follower_step_leader(r, m);
    case RAFT_MSG_TIMEOUT_NOW:
        raft_hup(r, CAMPAIGN_TRANSFER);
        return ERR_OK;
    case RAFT_MSG_READ_INDEX_RESP:
        raft_add_read_state(r, m->index, m->entries.v[0].data);
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

static enum err step_request(struct raft *r, const struct raft_message *m)
{
    member_id from = m->from != 0 ? m->from : r->id;
    switch (m->type) {
    case RAFT_MSG_PROP:
        return propose_from(r, from, m->entries.v, m->entries.n);
    case RAFT_MSG_READ_INDEX:
        read_index_from(r, from, m->entries.v[0].data);
        return ERR_OK;
    case RAFT_MSG_TRANSFER_LEADER:
        raft_transfer_leader(r, from);
        return ERR_OK;
    default:
        raft_forget_leader(r);
        return ERR_OK;
    }
}

static enum err step_role(struct raft *r, const struct raft_message *m)
{
    if (m->type == RAFT_MSG_VOTE || m->type == RAFT_MSG_PRE_VOTE) {
        election_handle_vote_request(r, m);
        return ERR_OK;
    }
    if (is_request(m->type))
        return step_request(r, m);
    switch (r->role) {
    case RAFT_LEADER:
        leader_step(r, m);
        return ERR_OK;
    case RAFT_FOLLOWER:
        return step_follower(r, m);
    default:
        return step_candidate(r, m);
    }
}

enum err raft_step(struct raft *r, const struct raft_message *m)
{
    if (raft_message_type_is_local(m->type))
        return ERR_STEP_LOCAL;
    if (!message_is_sound(r, m))
        return ERR_MALFORMED;
    if (is_response(m->type) && tracker_find(&r->tracker, m->from) == NULL)
        return ERR_STEP_PEER_NOT_FOUND;

    if (m->term > r->term) {
        if (is_in_lease(r, m))
            return ERR_OK;
        step_up(r, m);
    } else if (m->term != 0 && m->term < r->term) {
        step_lower_term(r, m);
        return ERR_OK;
    }
    return step_role(r, m);
}
