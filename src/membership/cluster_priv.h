/* membership/cluster_priv.h -- what cluster.c and v2_tree.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMBERSHIP_CLUSTER_PRIV_H
#define MEMBERSHIP_CLUSTER_PRIV_H

#include "membership/cluster.h"

struct cluster {
    uint64_t id;
    size_t learners_max;
    struct member **members; /* by ascending id */
    size_t n_members;
    struct raft_ids removed;
    char version[CLUSTER_VERSION_MAX];          /* empty: not decided */
    char downgrade_target[CLUSTER_VERSION_MAX]; /* empty: no downgrade */
};

/* Put `m`, whose id is new, at its place; takes it. */
void cluster_insert(struct cluster *c, struct member *m);

/* Swap what the two hold, but for the number of learners allowed. */
void cluster_adopt(struct cluster *c, struct cluster *fresh);

/* Read "digits.digits.digits" into `ret`; ERR_MALFORMED, unchanged. */
MUST_USE enum err cluster_parse_version(struct slice text, char ret[CLUSTER_VERSION_MAX]);

#endif
