/* membership/v2_tree.h -- the members as upstream's v2 key tree, which raft snapshots carry as
 * JSON.
 *
 * A node is {"Path":"/0","Children":{"members":node,..}} for a directory, and
 * {"Path":..,"Value":..} for a leaf; the root stands under "Root". What is ours to read and write:
 *
 *   /0/members/<hex id>/raftAttributes  {"peerURLs":[..],"isLearner":true}
 *   /0/members/<hex id>/attributes      {"name":..,"clientURLs":[..]}; none until it is published
 *   /0/removed_members/<hex id>         empty
 *   /0/version                          3.4.0
 *   /1                                  keys of the users of the v2 interface
 *   /2                                  its users and roles
 *
 * Indexes, times and the history of events are neither written nor looked at: upstream takes the
 * tree without them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMBERSHIP_V2_TREE_H
#define MEMBERSHIP_V2_TREE_H

#include "membership/cluster.h"

enum {
    V2_TREE_MAX = 64 * 1024 * 1024, /* bytes of the whole JSON that is read */
    V2_TREE_REMOVED_MAX = 64 * 1024 /* removed ids in it */
};

/* Append the tree of this cluster. The downgrade has no place in it. */
void cluster_add_v2_json(const struct cluster *c, struct buf *out);

/* Replace members, removed ids and version by what the tree says; id, number of learners allowed
 * and downgrade stay. On an error nothing changes: ERR_NOT_FOUND if the tree has no members (then
 * the buckets are to be asked), ERR_DAMAGED or ERR_TOO_LARGE with `why` for what cannot be read. On
 * success and on ERR_NOT_FOUND, `ret_has_user_keys` says if the v2 interface holds keys, users or
 * roles, which would be lost. */
MUST_USE enum err cluster_load_v2_json(struct cluster *c, struct slice json,
                                       bool *ret_has_user_keys, struct why *why);

#endif
