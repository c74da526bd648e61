/* etcdutl/export.h -- a data directory of ours becomes one of upstream's etcd.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_EXPORT_H
#define ETCDUTL_EXPORT_H

#include "base/types.h"
#include "base/why.h"
#include "iface/raft.h"

struct export_options {
    const char *data_dir, *wal_dir;
    const char *to;
    const char *target; /* the version that shall start on it, "3.4" */
    msec lock_wait_ms;
};

struct export_report {
    uint64_t cluster_id;
    member_id member_id;
    raft_index applied, last;
};

/* The same member of the same cluster: the database and a snapshot at the entry that is applied,
 * the log behind it. ERR_INVALID if the target would not understand what is there, ERR_EXISTS if
 * `to` is not empty, ... */
MUST_USE enum err export_run(const struct export_options *o, struct export_report *ret,
                             struct why *why);

#endif
