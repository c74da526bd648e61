/* raft/tracker.h -- the configuration in force, and one progress for each of its members.
 *
 * A change works on the sets of ids alone; the table of progress follows from them. A change that
 * fails leaves the tracker as it was.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_TRACKER_H
#define RAFT_TRACKER_H

#include "base/why.h"
#include "raft/progress.h"

struct tracker {
    struct raft_conf_state conf;
    struct progress *v; /* ascending by id */
    size_t n;
    size_t max_inflight;
    uint64_t max_inflight_bytes;
};

void tracker_fini(struct tracker *t);

/* Return the progress of `id`, or NULL. */
struct progress *tracker_find(const struct tracker *t, member_id id);
bool tracker_is_joint(const struct tracker *t);
bool tracker_is_voter(const struct tracker *t, member_id id); /* in either half */

/* Return the highest index that a quorum has matched. */
raft_index tracker_committed(const struct tracker *t);
/* Return the last round of reads that a quorum has confirmed. */
uint64_t tracker_reads_confirmed(const struct tracker *t);
/* True if a quorum was heard of lately. */
bool tracker_quorum_is_active(const struct tracker *t);
enum vote_result tracker_tally(const struct tracker *t);
/* Only the first vote of a member counts. */
void tracker_record_vote(struct tracker *t, member_id id, bool granted);
void tracker_reset_votes(struct tracker *t);

/* The three ways to change. A simple one changes at most one voter; new members start at
 * `last_index`. Fail with ERR_INVALID. */
enum conf_step { CONF_SIMPLE, CONF_ENTER_JOINT, CONF_LEAVE_JOINT };
MUST_USE enum err tracker_change(struct tracker *t, enum conf_step step,
                                 const struct raft_conf_change *cc, raft_index last_index,
                                 struct why *why);
/* Return the way that `cc` asks for. */
enum conf_step conf_change_step(const struct raft_conf_change *cc);

/* Fail with ERR_INVALID for a configuration that no sequence of changes leads to. */
MUST_USE enum err conf_state_validate(const struct raft_conf_state *cs, struct why *why);
/* True if `id` is a voter or learner in `cs`. */
bool conf_state_has(const struct raft_conf_state *cs, member_id id);
/* Replace all by `cs`, which is valid; every progress is new. */
void tracker_restore(struct tracker *t, const struct raft_conf_state *cs, raft_index last_index);

#endif
