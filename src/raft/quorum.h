/* raft/quorum.h -- counting majorities, of one set of voters or of both halves of a joint one.
 *
 * Pure functions of a set and a lookup. The empty set agrees with everything, so that a joint
 * configuration with an empty half behaves as the other half alone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_QUORUM_H
#define RAFT_QUORUM_H

#include "iface/raft.h"

enum vote { VOTE_MISSING, VOTE_YES, VOTE_NO };
enum vote_result { VOTE_PENDING, VOTE_LOST, VOTE_WON };

/* Return what `id` has acknowledged; 0 if nothing is known. */
typedef uint64_t quorum_index_fn(const void *arg, member_id id);
typedef enum vote quorum_vote_fn(const void *arg, member_id id);

/* Return the highest index that a majority of `ids` has acknowledged; UINT64_MAX of no voters. */
uint64_t quorum_majority_index(const struct raft_ids *ids, quorum_index_fn *fn, const void *arg);
enum vote_result quorum_majority_vote(const struct raft_ids *ids, quorum_vote_fn *fn,
                                      const void *arg);

/* The same, of a majority in each of two halves. */
uint64_t quorum_joint_index(const struct raft_ids *in, const struct raft_ids *out,
                            quorum_index_fn *fn, const void *arg);
enum vote_result quorum_joint_vote(const struct raft_ids *in, const struct raft_ids *out,
                                   quorum_vote_fn *fn, const void *arg);

#endif
