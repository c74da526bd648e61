/* raft/raft.h -- the consensus state machine of one member.
 *
 * A pure core: messages, proposals and ticks go in; what to persist, send and apply comes out as a
 * `struct raft_ready`. It does no I/O and knows no clock, thread or file. Same seed and same calls
 * give the same readies. All calls on one `struct raft` are made by one thread.
 *
 * The owner's loop:
 *
 *     raft_step / raft_propose / raft_tick / ...            (many at once)
 *     while raft_has_ready(r):
 *         raft_ready(r, &rd)
 *         send rd.messages at once
 *         give snapshot, entries and hard state to the log; they are written in the order of
 *             rd.number, and an entry replaces all that the log has from its index on
 *         give rd.committed to the applier, in order
 *     when the log says that all readies up to number `n` are durable:
 *         send rd.messages_after_persist of those readies, then raft_persisted(r, n)
 *     when entries up to index `i` were applied:
 *         raft_applied(r, i)
 *
 * Several readies may be under way at once. An owner that does all of it in one go sets
 * `options.synchronous` and calls raft_advance().
 *
 * Numbered invariants, cited as "raft In", asserted by raft_check():
 *   I1  applied <= applying <= committed <= last index
 *   I2  the unpersisted entries follow the persisted ones without a gap; terms never fall
 *   I3  persisted < handed out <= last index + 1; a ready under way never promises more than was
 *       handed out: when the log is cut, its promise is cut with it
 *   I4  no vote, append answer or request for a vote leaves with `messages`, which need not be
 *       durable; nothing leaves in a term above ours but a trial vote
 *   I5  there is one progress for each member; on a leader match < next, match <= last index, and
 *       its own match is never above what it has persisted
 *   I6  voters and learners do not overlap, learners_next is a part of the outgoing voters, and
 *       outside a joint configuration there is neither
 *   I7  a candidate has voted for itself; a leader leads its own term and restores no snapshot
 *   I8  only a leader hands over, or has reads that wait
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include "iface/raft.h"

struct raft; /* opaque: fields live in raft_priv.h */

enum raft_role {
    RAFT_FOLLOWER = 0,
    RAFT_CANDIDATE = 1,
    RAFT_LEADER = 2,
    RAFT_PRE_CANDIDATE = 3,
};

enum raft_read_only {
    RAFT_READ_SAFE = 0,  /* a quorum confirms the leader for each round of reads */
    RAFT_READ_LEASE = 1, /* trusts the lease of check_quorum, and so the clocks */
};

#define RAFT_NO_LIMIT UINT64_MAX

struct raft_options {
    member_id id;                /* not 0 */
    unsigned election_tick;      /* above heartbeat_tick */
    unsigned heartbeat_tick;     /* above 0 */
    struct raft_log_reader log;  /* must outlive the raft */
    raft_index applied;          /* what the owner's state stands for; 0: up to the log's start */
    uint64_t max_size_per_msg;   /* sum of raft_entry_size in one append; one entry always fits */
    uint64_t max_committed_size_per_ready; /* also of all that is being applied; 0: as above */
    uint64_t max_uncommitted_size; /* bytes of a leader's uncommitted payloads; 0: no limit */
    size_t max_inflight_msgs;              /* above 0 */
    uint64_t max_inflight_bytes;           /* 0: no limit; else at least max_size_per_msg */
    bool check_quorum;
    bool pre_vote;
    enum raft_read_only read_only; /* lease needs check_quorum */
    bool disable_proposal_forwarding;
    bool disable_conf_change_validation;
    bool step_down_on_removal;
    bool synchronous; /* each ready is persisted and then applied before the next is asked for */
    uint64_t seed;    /* of the randomized election timeout */
};

/* Return a follower that starts from the stored `hs` (NULL: none) and the configuration `cs` as of
 * options.applied (NULL: none). Copies both. Fail with ERR_INVALID for options that contradict
 * themselves and with ERR_DAMAGED for a stored state that contradicts the log. */
MUST_USE enum err raft_new(const struct raft_options *options, const struct raft_hard_state *hs,
                           const struct raft_conf_state *cs, struct raft **ret_raft);
void raft_free(struct raft *r); /* NULL is fine */

/* ---- input --------------------------------------------------------------------------------- */

/* One tick of the owner's clock passed. */
void raft_tick(struct raft *r);

/* Take in a message of a peer, or a MSG_PROP, MSG_READ_INDEX or MSG_TRANSFER_LEADER of our own.
 * Lends `m`; blobs are kept by reference. Fail with ERR_STEP_LOCAL for a type that no peer may
 * send, with ERR_STEP_PEER_NOT_FOUND for a response of a member that is not in the configuration,
 * with ERR_PROPOSAL_DROPPED as raft_propose() does, and with ERR_MALFORMED for a message that no
 * sound peer sends; nothing changes then. Fail with ERR_DAMAGED if the leader's log and ours
 * contradict each other on what is committed: one of them lost data, and this member must stop. */
enum err raft_step(struct raft *r, const struct raft_message *m);

/* Append `n` > 0 entries to the log (as leader) or forward them to the leader. Only type and data
 * are read; keeps a reference to each blob. All or none: fail with ERR_PROPOSAL_DROPPED if there is
 * no leader, the leader is being transferred, we are not in the configuration, or too much is
 * uncommitted. */
MUST_USE enum err raft_propose(struct raft *r, const struct raft_entry *entries, size_t n);

/* Propose the configuration change `cc`, encoded by raft_conf_change_encode (raft/conf_codec.h); as
 * version 1 when `v1`, which needs exactly one single. A leader that has an unapplied change, or is
 * in the wrong half of a joint one, logs an empty normal entry in its place. */
MUST_USE enum err raft_propose_conf_change(struct raft *r, const struct raft_conf_change *cc,
                                           bool v1);

/* The owner applied a committed change entry: switch to the new configuration and give it, owned,
 * in `ret_state` (may be NULL). To reject an entry, apply a change with no effect by passing NULL.
 * Must be called for each conf change entry before raft_applied() passes it. Fail with ERR_INVALID,
 * unchanged, if the change cannot be made from here: the log is damaged. */
MUST_USE enum err raft_apply_conf_change(struct raft *r, const struct raft_conf_change *cc,
                                         struct raft_conf_state *ret_state);

/* Start an election now, unless leader, not a voter, or a change of configuration is unapplied. */
void raft_campaign(struct raft *r);

/* Ask for an index that, once applied, makes a read linearizable. The answer is a read state with
 * the same `ctx`; it may never come (no leader, lost message): ask again after a while. A leader of
 * one voter answers in the next ready. `ctx` is not empty and different each time. */
void raft_read_index(struct raft *r, struct slice ctx);

/* Ask the leader (us or another) to hand over to `to`. It is given up after an election timeout. */
void raft_transfer_leader(struct raft *r, member_id to);

/* Leader: lead no longer, in the same term and without a successor; for a leader that cannot do its
 * part any more. Others: nothing. */
void raft_step_down(struct raft *r);

/* Follower: forget who leads, so that a vote is possible at once. */
void raft_forget_leader(struct raft *r);

/* The transport could not deliver to `id`. */
void raft_report_unreachable(struct raft *r, member_id id);
/* A MSG_SNAP to `id` was delivered, or failed. Each one must be reported. */
void raft_report_snapshot(struct raft *r, member_id id, bool ok);

/* ---- output -------------------------------------------------------------------------------- */

struct raft_soft_state {
    member_id leader; /* 0: none known */
    enum raft_role role;
};

/* A read asked for with `ctx` may be served once `index` is applied. */
struct raft_read_state {
    raft_index index;
    struct blob *ctx;
};

/* One round of work. Owns all it holds, so it may be given to another thread as it is. */
struct raft_ready {
    uint64_t number; /* 1, 2, 3... */

    bool has_soft_state; /* changed since the last ready */
    struct raft_soft_state soft_state;

    bool has_hard_state; /* changed since the last ready: persist */
    struct raft_hard_state hard_state;
    bool must_sync;               /* false: nothing here needs a sync to disk */
    struct raft_entries entries;  /* persist; cut the log from entries.v[0].index on first */
    struct raft_snapshot snapshot; /* if meta.index != 0: replaces log and state; comes before the
                                    * entries. It is applied when raft_persisted() says so. */

    struct raft_entries committed; /* apply, in order; empty normal entries too */

    struct raft_messages messages;               /* send now, in order */
    struct raft_messages messages_after_persist; /* send when this ready and all before it are
                                                  * durable */
    struct raft_read_state *read_states;
    size_t n_read_states;
};

bool raft_has_ready(const struct raft *r);

/* Fill `rd` (all zero, or used before: what it holds is freed, its arrays are used again) with all
 * that is to be done. The core takes it as under way and will not give it again. */
void raft_ready(struct raft *r, struct raft_ready *rd);
void raft_ready_fini(struct raft_ready *rd);

/* All readies up to `number` are durable: hard state, entries, snapshot, and a snapshot was also
 * loaded into the owner's state. In any order; an old number is a no-op. Our own votes and appends
 * count from here on, so a cluster of one voter commits now. */
void raft_persisted(struct raft *r, uint64_t number);

/* The committed entries up to `index` were applied. */
void raft_applied(struct raft *r, raft_index index);

/* For synchronous owners: everything of `rd` was done. */
void raft_advance(struct raft *r, const struct raft_ready *rd);

/* ---- state --------------------------------------------------------------------------------- */

member_id raft_id(const struct raft *r);
raft_term raft_current_term(const struct raft *r);
member_id raft_vote(const struct raft *r);
member_id raft_leader(const struct raft *r); /* 0: none known */
enum raft_role raft_role(const struct raft *r);
raft_index raft_committed(const struct raft *r);
raft_index raft_applied_index(const struct raft *r);
raft_index raft_last_index(const struct raft *r);
raft_index raft_persisted_index(const struct raft *r);
member_id raft_transferee(const struct raft *r); /* 0: no transfer under way */

bool raft_is_leader(const struct raft *r);
/* True if we are the only voter: a read needs no round, a commit no peer. */
bool raft_single_voter(const struct raft *r);
/* True if `id` is a learner in the configuration in force. */
bool raft_is_learner(const struct raft *r, member_id id);
/* True if an entry of the leader's own term is committed: until then reads wait. */
bool raft_committed_in_term(const struct raft *r);
/* Return the configuration in force, owned. */
struct raft_conf_state raft_conf_state(const struct raft *r);

enum raft_progress_state {
    RAFT_PROBE = 0,
    RAFT_REPLICATE = 1,
    RAFT_SNAPSHOT = 2,
};

/* What the leader knows of one member. Not meaningful on others, other than id and learner. */
struct raft_progress_info {
    member_id id;
    bool learner;
    raft_index match;
    raft_index next;
    enum raft_progress_state state;
    raft_index pending_snapshot;
    bool recent_active;
    bool paused; /* flow control holds back appends */
    size_t inflight;
    bool inflight_full;
};

size_t raft_progress_count(const struct raft *r);
/* Give the progress at place `i`, ascending by id. */
void raft_progress_at(const struct raft *r, size_t i, struct raft_progress_info *ret_info);
/* Return false if `id` is not in the configuration. */
bool raft_progress_of(const struct raft *r, member_id id, struct raft_progress_info *ret_info);

/* Assert every numbered invariant. */
void raft_check(const struct raft *r);

#endif
