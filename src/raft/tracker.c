/* raft/tracker.c -- the configuration in force and its progress.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/tracker.h"

void tracker_fini(struct tracker *t)
{
    for (size_t i = 0; i < t->n; i++)
        inflights_fini(&t->v[i].inflights);
    free(t->v);
    t->v = NULL;
    t->n = 0;
    raft_conf_state_fini(&t->conf);
}

struct progress *tracker_find(const struct tracker *t, member_id id)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->v[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < t->n && t->v[lo].id == id ? &t->v[lo] : NULL;
}

bool tracker_is_joint(const struct tracker *t)
{
    return t->conf.voters_outgoing.n != 0;
}

bool tracker_is_voter(const struct tracker *t, member_id id)
{
    return raft_ids_has(&t->conf.voters, id) || raft_ids_has(&t->conf.voters_outgoing, id);
}

/* ---- quorums ----------------------------------------------------------------------------- */

static uint64_t match_of(const void *arg, member_id id)
{
    return tracker_find(arg, id)->match;
}

raft_index tracker_committed(const struct tracker *t)
{
    return quorum_joint_index(&t->conf.voters, &t->conf.voters_outgoing, match_of, t);
}

static uint64_t read_ack_of(const void *arg, member_id id)
{
    return tracker_find(arg, id)->read_ack;
}

uint64_t tracker_reads_confirmed(const struct tracker *t)
{
    return quorum_joint_index(&t->conf.voters, &t->conf.voters_outgoing, read_ack_of, t);
}

static enum vote activity_of(const void *arg, member_id id)
{
    return tracker_find(arg, id)->recent_active ? VOTE_YES : VOTE_NO;
}

bool tracker_quorum_is_active(const struct tracker *t)
{
    return quorum_joint_vote(&t->conf.voters, &t->conf.voters_outgoing, activity_of, t) ==
           VOTE_WON;
}

static enum vote vote_of(const void *arg, member_id id)
{
    return tracker_find(arg, id)->vote;
}

enum vote_result tracker_tally(const struct tracker *t)
{
    return quorum_joint_vote(&t->conf.voters, &t->conf.voters_outgoing, vote_of, t);
}

void tracker_record_vote(struct tracker *t, member_id id, bool granted)
{
    struct progress *p = tracker_find(t, id);
    if (p != NULL && p->vote == VOTE_MISSING)
        p->vote = granted ? VOTE_YES : VOTE_NO;
}

void tracker_reset_votes(struct tracker *t)
{
    for (size_t i = 0; i < t->n; i++)
        t->v[i].vote = VOTE_MISSING;
}

/* ---- changes ----------------------------------------------------------------------------- */

static void conf_add_voter(struct raft_conf_state *c, member_id id)
{
    raft_ids_remove(&c->learners, id);
    raft_ids_remove(&c->learners_next, id);
    raft_ids_add(&c->voters, id);
}

static void conf_remove(struct raft_conf_state *c, member_id id)
{
    raft_ids_remove(&c->voters, id);
    raft_ids_remove(&c->learners, id);
    raft_ids_remove(&c->learners_next, id);
}

/* A voter of the outgoing half can be a learner only once that half is left. */
static void conf_add_learner(struct raft_conf_state *c, member_id id)
{
    conf_remove(c, id);
    raft_ids_add(raft_ids_has(&c->voters_outgoing, id) ? &c->learners_next : &c->learners, id);
}

static enum err conf_apply(struct raft_conf_state *c, const struct raft_conf_change *cc,
                           struct why *why)
{
    for (size_t i = 0; i < cc->n_changes; i++) {
        member_id id = cc->changes[i].node;
        if (id == 0)
            continue; /* etcd clears the id of a change that it refuses when applying it */
        switch (cc->changes[i].type) {
        case RAFT_CONF_ADD_NODE:
            conf_add_voter(c, id);
            break;
        case RAFT_CONF_ADD_LEARNER:
            conf_add_learner(c, id);
            break;
        case RAFT_CONF_REMOVE_NODE:
            conf_remove(c, id);
            break;
        case RAFT_CONF_UPDATE_NODE:
            break;
        default:
            return why_set(why, ERR_INVALID, "unexpected conf type %d", (int)cc->changes[i].type);
        }
    }
    if (c->voters.n == 0)
        return why_set(why, ERR_INVALID, "removed all voters");
    return ERR_OK;
}

static size_t count_missing(const struct raft_ids *of, const struct raft_ids *in)
{
    size_t n = 0;
    for (size_t i = 0; i < of->n; i++)
        n += !raft_ids_has(in, of->v[i]);
    return n;
}

static enum err conf_simple(struct raft_conf_state *c, const struct raft_conf_change *cc,
                            struct why *why)
{
    if (c->voters_outgoing.n != 0)
        return why_set(why, ERR_INVALID, "can't apply simple config change in joint config");
    struct raft_ids before = raft_ids_copy(&c->voters);
    enum err e = conf_apply(c, cc, why);
    size_t changed = count_missing(&before, &c->voters) + count_missing(&c->voters, &before);
    raft_ids_fini(&before);
    if (e == ERR_OK && changed > 1)
        return why_set(why, ERR_INVALID,
                       "more than one voter changed without entering joint config");
    return e;
}

static enum err conf_enter_joint(struct raft_conf_state *c, const struct raft_conf_change *cc,
                                 struct why *why)
{
    if (c->voters_outgoing.n != 0)
        return why_set(why, ERR_INVALID, "config is already joint");
    if (c->voters.n == 0)
        return why_set(why, ERR_INVALID, "can't make a zero-voter config joint");
    c->voters_outgoing = raft_ids_copy(&c->voters);
    c->auto_leave = cc->transition != RAFT_CONF_JOINT_EXPLICIT;
    return conf_apply(c, cc, why);
}

static enum err conf_leave_joint(struct raft_conf_state *c, struct why *why)
{
    if (c->voters_outgoing.n == 0)
        return why_set(why, ERR_INVALID, "can't leave a non-joint config");
    for (size_t i = 0; i < c->learners_next.n; i++)
        raft_ids_add(&c->learners, c->learners_next.v[i]);
    raft_ids_fini(&c->learners_next);
    raft_ids_fini(&c->voters_outgoing);
    c->auto_leave = false;
    return ERR_OK;
}

enum conf_step conf_change_step(const struct raft_conf_change *cc)
{
    if (cc->transition == RAFT_CONF_AUTO && cc->n_changes == 0)
        return CONF_LEAVE_JOINT;
    if (cc->transition != RAFT_CONF_AUTO || cc->n_changes > 1)
        return CONF_ENTER_JOINT;
    return CONF_SIMPLE;
}

static enum err conf_change(struct raft_conf_state *c, enum conf_step step,
                            const struct raft_conf_change *cc, struct why *why)
{
    switch (step) {
    case CONF_LEAVE_JOINT:
        return conf_leave_joint(c, why);
    case CONF_ENTER_JOINT:
        return conf_enter_joint(c, cc, why);
    default:
        return conf_simple(c, cc, why);
    }
}

/* ---- the table of progress --------------------------------------------------------------- */

static void collect(struct raft_ids *to, const struct raft_ids *from)
{
    for (size_t i = 0; i < from->n; i++)
        raft_ids_add(to, from->v[i]);
}

/* Return the progress that `t` has for `id`, taken out of it, or a new one. */
static struct progress progress_keep(struct tracker *t, member_id id, raft_index last_index)
{
    struct progress *old = tracker_find(t, id);
    if (old != NULL) {
        struct progress p = *old;
        old->inflights = (struct inflights){0};
        return p;
    }
    return (struct progress){
        .id = id,
        .next = last_index != 0 ? last_index : 1,
        /* Else the leader could step down before the new member had a chance to answer. */
        .recent_active = true,
        .inflights = {.max = t->max_inflight, .max_bytes = t->max_inflight_bytes},
    };
}

/* Make the table fit `conf`, which is taken. */
static void tracker_switch(struct tracker *t, struct raft_conf_state conf, raft_index last_index)
{
    struct raft_ids all = {0};
    collect(&all, &conf.voters);
    collect(&all, &conf.voters_outgoing);
    collect(&all, &conf.learners);

    struct progress *v = xcalloc(all.n, sizeof *v);
    for (size_t i = 0; i < all.n; i++) {
        v[i] = progress_keep(t, all.v[i], last_index);
        v[i].learner = raft_ids_has(&conf.learners, all.v[i]);
    }
    tracker_fini(t);
    t->conf = conf;
    t->v = v;
    t->n = all.n;
    raft_ids_fini(&all);
}

enum err tracker_change(struct tracker *t, enum conf_step step, const struct raft_conf_change *cc,
                        raft_index last_index, struct why *why)
{
    struct raft_conf_state conf = raft_conf_state_copy(&t->conf);
    enum err e = conf_change(&conf, step, cc, why);
    if (e != ERR_OK) {
        raft_conf_state_fini(&conf);
        return e;
    }
    tracker_switch(t, conf, last_index);
    return ERR_OK;
}

static bool ids_overlap(const struct raft_ids *a, const struct raft_ids *b)
{
    return count_missing(a, b) != a->n;
}

static bool ids_are_sorted(const struct raft_ids *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i] <= (i == 0 ? 0 : s->v[i - 1]))
            return false;
    }
    return true;
}

enum err conf_state_validate(const struct raft_conf_state *cs, struct why *why)
{
    if (!ids_are_sorted(&cs->voters) || !ids_are_sorted(&cs->learners) ||
        !ids_are_sorted(&cs->voters_outgoing) || !ids_are_sorted(&cs->learners_next))
        return why_set(why, ERR_INVALID, "ids are not ascending");
    if (ids_overlap(&cs->learners, &cs->voters) || ids_overlap(&cs->learners, &cs->voters_outgoing))
        return why_set(why, ERR_INVALID, "a learner is also a voter");
    if (count_missing(&cs->learners_next, &cs->voters_outgoing) != 0 ||
        ids_overlap(&cs->learners_next, &cs->voters))
        return why_set(why, ERR_INVALID, "a next learner is not an outgoing voter");
    if (cs->voters_outgoing.n == 0 && cs->auto_leave)
        return why_set(why, ERR_INVALID, "nothing to leave");
    if (cs->voters.n == 0 && cs->voters_outgoing.n + cs->learners.n != 0)
        return why_set(why, ERR_INVALID, "no voters");
    return ERR_OK;
}

bool conf_state_has(const struct raft_conf_state *cs, member_id id)
{
    return raft_ids_has(&cs->voters, id) || raft_ids_has(&cs->learners, id) ||
           raft_ids_has(&cs->voters_outgoing, id);
}

void tracker_restore(struct tracker *t, const struct raft_conf_state *cs, raft_index last_index)
{
    tracker_fini(t);
    tracker_switch(t, raft_conf_state_copy(cs), last_index);
}
