/* raft/raft_priv.h -- the state of one member, shared by the files of this room.
 *
 * FOLLOWER --timeout, pre_vote--> PRE_CANDIDATE --quorum--> CANDIDATE --quorum--> LEADER
 * FOLLOWER --timeout--> CANDIDATE; any --higher term, lost vote, lost quorum--> FOLLOWER
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_RAFT_PRIV_H
#define RAFT_RAFT_PRIV_H

#include "base/random.h"
#include "raft/log.h"
#include "raft/raft.h"
#include "raft/reads.h"
#include "raft/tracker.h"

#define RAFT_CAMPAIGN_TRANSFER "CampaignTransfer" /* context of a vote that a transfer caused */

/* Our own vote in an election; it counts once it is durable. */
struct own_vote {
    raft_term term; /* 0: none */
    bool pre;
};

/* A ready that was given out: what becomes true when it is durable. */
struct ready_record {
    uint64_t number;
    raft_index stable_to; /* our log as it is now is durable up to here */
    raft_index snapshot;
    struct own_vote vote;
};

struct raft {
    member_id id;
    raft_term term;
    member_id vote;
    enum raft_role role;
    member_id leader;
    struct raft_log log;
    struct tracker tracker;

    unsigned election_tick;
    unsigned heartbeat_tick;
    unsigned election_elapsed;
    unsigned heartbeat_elapsed;
    unsigned randomized_timeout;
    struct rng rng;

    bool check_quorum;
    bool pre_vote;
    bool lease_reads;
    bool disable_proposal_forwarding;
    bool disable_conf_change_validation;
    bool step_down_on_removal;
    uint64_t max_size_per_msg;
    uint64_t max_uncommitted_size; /* UINT64_MAX: no limit */

    /* Of a leader. */
    member_id transferee;
    raft_index pending_conf_index; /* no change is proposed until this is applied */
    uint64_t uncommitted_size;
    struct reads reads;

    /* What goes out with the next ready. */
    struct raft_messages messages;
    struct raft_messages messages_after_persist;
    struct own_vote own_vote;
    struct raft_read_state *read_states;
    size_t n_read_states;
    size_t cap_read_states;
    struct raft_soft_state last_soft_state;
    struct raft_hard_state last_hard_state;

    uint64_t ready_number;
    struct ready_record *records; /* ascending by number */
    size_t n_records;
    size_t cap_records;
};

/* ---- raft.c: roles, terms, ticks ----------------------------------------------------------- */

/* Queue `m`, taken; sender and term are filled in. */
void raft_send(struct raft *r, struct raft_message m);
void raft_become_follower(struct raft *r, raft_term term, member_id leader);
void raft_become_candidate(struct raft *r);
void raft_become_pre_candidate(struct raft *r);
void raft_become_leader(struct raft *r);
/* True if we may stand for election. */
bool raft_is_promotable(const struct raft *r);
/* Switch the peers, timers and role to the configuration just put in force. */
void raft_conf_switched(struct raft *r);
/* The state of the owner moved on to `index`. */
void raft_applied_to(struct raft *r, raft_index index);
/* The log is cut at `from`: what is being written beyond is not what the log will hold. */
void raft_clip_records(struct raft *r, raft_index from);

/* ---- election.c ---------------------------------------------------------------------------- */

enum campaign_kind { CAMPAIGN_PRE_ELECTION, CAMPAIGN_ELECTION, CAMPAIGN_TRANSFER };

/* Stand for election, if we may. */
void raft_hup(struct raft *r, enum campaign_kind kind);
void election_handle_vote_request(struct raft *r, const struct raft_message *m);
/* Count a vote; move on if the election is decided. */
void election_count(struct raft *r, member_id from, bool granted);

/* ---- leader.c ------------------------------------------------------------------------------ */

MUST_USE enum err leader_propose(struct raft *r, const struct raft_entry *v, size_t n);
void leader_step(struct raft *r, const struct raft_message *m);
void leader_bcast_append(struct raft *r);
void leader_beat(struct raft *r);
void leader_check_quorum(struct raft *r);
void leader_transfer(struct raft *r, member_id to);
void leader_read_index(struct raft *r, member_id from, struct blob *ctx);
/* Count what we persisted ourselves. */
void leader_persisted(struct raft *r);
/* Leave a joint configuration that leaves by itself, once its change is applied. */
void leader_auto_leave(struct raft *r);
/* The configuration changed under us. */
void leader_conf_switched(struct raft *r);

/* ---- follower.c ---------------------------------------------------------------------------- */

/* A message of the leader of our term. ERR_DAMAGED as in raft_step(). */
MUST_USE enum err follower_step_leader(struct raft *r, const struct raft_message *m);

/* ---- read states, ready.c ------------------------------------------------------------------ */

void raft_add_read_state(struct raft *r, raft_index index, struct blob *ctx);

#endif
