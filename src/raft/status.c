/* raft/status.c -- looking at a member from outside, and checking what we believe of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/raft_priv.h"

member_id raft_id(const struct raft *r)
{
    return r->id;
}

raft_term raft_current_term(const struct raft *r)
{
    return r->term;
}

member_id raft_vote(const struct raft *r)
{
    return r->vote;
}

member_id raft_leader(const struct raft *r)
{
    return r->leader;
}

enum raft_role raft_role(const struct raft *r)
{
    return r->role;
}

raft_index raft_committed(const struct raft *r)
{
    return r->log.committed;
}

raft_index raft_applied_index(const struct raft *r)
{
    return r->log.applied;
}

raft_index raft_last_index(const struct raft *r)
{
    return log_last_index(&r->log);
}

raft_index raft_persisted_index(const struct raft *r)
{
    return r->log.snapshot != NULL ? 0 : r->log.offset - 1;
}

member_id raft_transferee(const struct raft *r)
{
    return r->transferee;
}

bool raft_is_leader(const struct raft *r)
{
    return r->role == RAFT_LEADER;
}

bool raft_single_voter(const struct raft *r)
{
    const struct raft_conf_state *c = &r->tracker.conf;
    return c->voters.n == 1 && c->voters.v[0] == r->id && c->voters_outgoing.n == 0;
}

bool raft_is_learner(const struct raft *r, member_id id)
{
    return raft_ids_has(&r->tracker.conf.learners, id);
}

bool raft_committed_in_term(const struct raft *r)
{
    return log_matches(&r->log, r->log.committed, r->term);
}

struct raft_conf_state raft_conf_state(const struct raft *r)
{
    return raft_conf_state_copy(&r->tracker.conf);
}

size_t raft_progress_count(const struct raft *r)
{
    return r->tracker.n;
}

static struct raft_progress_info progress_info(const struct progress *p)
{
    return (struct raft_progress_info){
        .id = p->id,
        .learner = p->learner,
        .match = p->match,
        .next = p->next,
        .state = p->state,
        .pending_snapshot = p->pending_snapshot,
        .recent_active = p->recent_active,
        .paused = progress_is_paused(p),
        .inflight = p->inflights.n,
        .inflight_full = inflights_is_full(&p->inflights),
    };
}

void raft_progress_at(const struct raft *r, size_t i, struct raft_progress_info *ret_info)
{
    invariant(i < r->tracker.n);
    *ret_info = progress_info(&r->tracker.v[i]);
}

bool raft_progress_of(const struct raft *r, member_id id, struct raft_progress_info *ret_info)
{
    const struct progress *p = tracker_find(&r->tracker, id);
    if (p == NULL)
        return false;
    *ret_info = progress_info(p);
    return true;
}

/* ---- invariants -------------------------------------------------------------------------- */

/* I1, I2, I3 */
static void check_log(const struct raft_log *l)
{
    raft_index last = log_last_index(l);
    invariant(l->applied <= l->applying && l->applying <= l->committed && l->committed <= last);
    invariant(l->offset <= l->handed && l->handed <= last + 1);
    invariant(l->head <= l->unstable.n);
    if (l->snapshot != NULL) {
        invariant(l->snapshot->meta.index < l->offset);
        invariant(l->snapshot->meta.index <= l->committed);
    }
    for (size_t i = l->head; i < l->unstable.n; i++) {
        const struct raft_entry *e = &l->unstable.v[i];
        invariant(e->index == l->offset + (i - l->head));
        invariant(i == l->head || e->term >= e[-1].term);
    }
}

/* I3 */
static void check_records(const struct raft *r)
{
    for (size_t i = 0; i < r->n_records; i++) {
        const struct ready_record *rec = &r->records[i];
        invariant(rec->number <= r->ready_number);
        invariant(i == 0 || rec[-1].number < rec->number);
        invariant(rec->stable_to < r->log.handed);
    }
}

/* I4 */
static void check_messages(const struct raft *r)
{
    for (size_t i = 0; i < r->messages.n; i++) {
        const struct raft_message *m = &r->messages.v[i];
        invariant(m->to != r->id && m->from != 0);
        invariant(m->type != RAFT_MSG_APP_RESP && m->type != RAFT_MSG_VOTE_RESP &&
                  m->type != RAFT_MSG_VOTE);
        invariant(m->type == RAFT_MSG_PRE_VOTE || m->term <= r->term);
    }
}

/* I5, I6 */
static void check_tracker(const struct raft *r)
{
    const struct tracker *t = &r->tracker;
    invariant(conf_state_validate(&t->conf, NULL) == ERR_OK);
    for (size_t i = 0; i < t->n; i++) {
        const struct progress *p = &t->v[i];
        invariant(i == 0 || p[-1].id < p->id);
        invariant(p->learner == raft_ids_has(&t->conf.learners, p->id));
        invariant(p->learner || tracker_is_voter(t, p->id));
        invariant(p->inflights.n <= p->inflights.max);
    }
    for (size_t i = 0; i < t->conf.voters.n; i++)
        invariant(tracker_find(t, t->conf.voters.v[i]) != NULL);
    for (size_t i = 0; i < t->conf.voters_outgoing.n; i++)
        invariant(tracker_find(t, t->conf.voters_outgoing.v[i]) != NULL);
    for (size_t i = 0; i < t->conf.learners.n; i++)
        invariant(tracker_find(t, t->conf.learners.v[i]) != NULL);
}

/* I5, I7 */
static void check_leader(const struct raft *r)
{
    invariant(r->leader == r->id && r->term != 0);
    invariant(r->log.snapshot == NULL);
    for (size_t i = 0; i < r->tracker.n; i++) {
        const struct progress *p = &r->tracker.v[i];
        invariant(p->match < p->next && p->match <= log_last_index(&r->log));
        if (p->id == r->id)
            invariant(p->match < r->log.offset);
        if (p->state == RAFT_SNAPSHOT)
            invariant(p->pending_snapshot != 0);
    }
}

void raft_check(const struct raft *r)
{
    check_log(&r->log);
    check_records(r);
    check_messages(r);
    check_tracker(r);
    if (r->role == RAFT_LEADER) {
        check_leader(r);
        return;
    }
    invariant(r->transferee == 0);                               /* I8 */
    invariant(r->reads.waiting.n == 0 && r->reads.early.n == 0); /* I8 */
    invariant(r->role != RAFT_CANDIDATE || r->vote == r->id);    /* I7 */
    invariant(r->role == RAFT_FOLLOWER || r->leader == 0);
}
