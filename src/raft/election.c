/* raft/election.c -- standing for election, and voting.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/raft_priv.h"

static void request_vote(struct raft *r, member_id to, enum campaign_kind kind)
{
    bool pre = kind == CAMPAIGN_PRE_ELECTION;
    raft_send(r, (struct raft_message){
                     .type = pre ? RAFT_MSG_PRE_VOTE : RAFT_MSG_VOTE,
                     .to = to,
                     .term = pre ? r->term + 1 : r->term,
                     .index = log_last_index(&r->log),
                     .log_term = log_last_term(&r->log),
                     .context = kind == CAMPAIGN_TRANSFER
                                    ? blob_dup(slice_str(RAFT_CAMPAIGN_TRANSFER))
                                    : NULL,
                 });
}

static void campaign(struct raft *r, enum campaign_kind kind)
{
    bool pre = kind == CAMPAIGN_PRE_ELECTION;
    if (pre)
        raft_become_pre_candidate(r);
    else
        raft_become_candidate(r);

    for (size_t i = 0; i < r->tracker.n; i++) {
        member_id id = r->tracker.v[i].id;
        if (id == r->id)
            r->own_vote = (struct own_vote){.term = pre ? r->term + 1 : r->term, .pre = pre};
        else if (tracker_is_voter(&r->tracker, id))
            request_vote(r, id, kind);
    }
}

void raft_hup(struct raft *r, enum campaign_kind kind)
{
    if (r->role == RAFT_LEADER || !raft_is_promotable(r))
        return;
    /* The committed change may be the one that takes our vote away, or gives another one. */
    if (log_has_conf_change(&r->log, r->log.applied + 1, r->log.committed + 1))
        return;
    campaign(r, kind);
}

/* We may vote for whom we voted for before, for anyone if we neither voted nor know a leader, and
 * as a trial for any future term. */
static bool can_vote_for(const struct raft *r, const struct raft_message *m)
{
    if (r->vote == m->from)
        return true;
    if (r->vote == 0 && r->leader == 0)
        return true;
    return m->type == RAFT_MSG_PRE_VOTE && m->term > r->term;
}

/* A learner votes too: it may have been made a voter by a change that it does not know yet. */
void election_handle_vote_request(struct raft *r, const struct raft_message *m)
{
    bool pre = m->type == RAFT_MSG_PRE_VOTE;
    bool grant = can_vote_for(r, m) && log_is_up_to_date(&r->log, m->index, m->log_term);
    raft_send(r, (struct raft_message){
                     .type = pre ? RAFT_MSG_PRE_VOTE_RESP : RAFT_MSG_VOTE_RESP,
                     .to = m->from,
                     /* A trial is answered in its own term, else it would be ignored there. */
                     .term = grant ? m->term : r->term,
                     .reject = !grant,
                 });
    if (grant && !pre) {
        r->election_elapsed = 0;
        r->vote = m->from;
    }
}

void election_count(struct raft *r, member_id from, bool granted)
{
    invariant(r->role == RAFT_CANDIDATE || r->role == RAFT_PRE_CANDIDATE);
    tracker_record_vote(&r->tracker, from, granted);
    switch (tracker_tally(&r->tracker)) {
    case VOTE_PENDING:
        break;
    case VOTE_LOST:
        /* Also when a trial is lost: our term stays. */
        raft_become_follower(r, r->term, 0);
        break;
    case VOTE_WON:
        if (r->role == RAFT_PRE_CANDIDATE) {
            campaign(r, CAMPAIGN_ELECTION);
        } else {
            raft_become_leader(r);
            leader_bcast_append(r);
        }
        break;
    }
}
