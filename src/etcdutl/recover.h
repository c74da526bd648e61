/* etcdutl/recover.h -- the way out when the quorum is lost for good.
 *
 * Of the surviving data directories the one whose log is newest has everything that was ever
 * acknowledged, if any of them has. A copy of it becomes the only member of the cluster: all
 * entries of its log count, also those of which it had not heard that they were committed, and
 * behind them stand the changes that remove all others.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_RECOVER_H
#define ETCDUTL_RECOVER_H

#include "etcdutl/status.h"
#include "iface/raft.h"
#include "membership/cluster.h"

enum { RECOVER_DIRS_MAX = 64 };

struct recover_member {
    const char *path;
    const char *wal_dir; /* NULL: in the data directory */
    uint64_t cluster_id;
    member_id id;
    char name[128];
    raft_term last_term; /* of its last entry */
    raft_index last, committed, applied;
    struct hashkv hash;
};

/* Read one directory. The paths are lent. */
MUST_USE enum err recover_look(const char *path, const char *wal_dir, msec lock_wait_ms,
                               struct recover_member *ret, struct why *why);

/* Return which of the `n` is newest. ERR_INVALID if they are not of one cluster, or one of them is
 * given twice. */
MUST_USE enum err recover_choose(const struct recover_member *m, size_t n, size_t *ret_newest,
                                 struct why *why);

struct recover_options {
    const char *data_dir, *wal_dir;       /* the newest; wal_dir NULL: in the data directory */
    const char *to_data_dir, *to_wal_dir; /* new ones; to_wal_dir NULL or "": likewise */
    msec lock_wait_ms;
};

/* Copy it to the new data directory as a cluster of one. `ret_others` gets the members that were
 * removed, `ret_self` the one that is left; both owned. */
MUST_USE enum err recover_make(const struct recover_options *o, struct member **ret_self,
                               struct member ***ret_others, size_t *ret_n, struct why *why);

#endif
