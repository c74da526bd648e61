/* etcdutl/check.h -- is a data directory of ours whole?
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_CHECK_H
#define ETCDUTL_CHECK_H

#include "etcdutl/status.h"
#include "iface/raft.h"

struct check_report {
    uint64_t cluster_id;
    member_id member_id;
    raft_index first, last; /* of the log; first is last + 1 if it has no entries */
    raft_index applied, committed;
    raft_term term;
    struct hashkv hash;
    size_t members;
};

/* Check both databases: SQLite's own check, revisions that ascend, a log without gaps, the one
 * fitting the other, buckets that can be read. ERR_DAMAGED with the first fault. */
MUST_USE enum err check_run(const char *data_dir, const char *wal_dir, msec lock_wait_ms,
                            struct check_report *ret, struct why *why);

#endif
