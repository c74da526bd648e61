/* etcdutl/import.h -- a data directory of upstream's etcd becomes one of ours.
 *
 * It stays the same member of the same cluster: its ids, its log with what it promised, the state
 * at the entry where upstream's database stood. What the log has behind it our etcd applies when it
 * starts, as it would after any restart; so an import of a member of a bigger cluster is no less
 * exact than one of a cluster of one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_IMPORT_H
#define ETCDUTL_IMPORT_H

#include "etcdutl/status.h"
#include "upstream/dir.h"

struct import_options {
    const char *from;
    const char *wal_dir;  /* of upstream's; NULL or "": member/wal */
    const char *data_dir; /* a new one; NULL or "": in place of the old one, which is put aside */
    msec lock_wait_ms;
    bool drop_v2;     /* lose what the v2 interface wrote */
    const char *date; /* names what is put aside: "20261127-221500" */
    const char *vfs;  /* of SQLite, for tests */
};

struct import_report {
    uint64_t cluster_id;
    member_id member_id;
    char name[128];
    size_t members;
    struct hashkv hash;       /* of both sides */
    raft_index applied, last; /* the state; the last entry of the log */
    size_t v2_writes;         /* that were dropped */
    size_t leases, alarms;
    bool auth;
    char *kept;     /* where upstream's files are now; NULL: where they were. Owned. */
    char *wal_kept; /* likewise those of a WAL directory of its own */
    bool resumed;   /* the rest of an import that was interrupted; only ids and `kept` are set */
    struct buf notes;
};
void import_report_fini(struct import_report *r);

/* In place with a WAL directory of its own there are two steps, and what interrupts them leaves
 * data on which no etcd starts; the next run does the rest.
 *
 * ERR_LOCKED (an etcd runs on it), ERR_NEWER_SCHEMA, ERR_FOREIGN_DATA (v2 content would be lost),
 * ERR_EXISTS, ERR_DAMAGED, ERR_DISK_FULL, ERR_IO, each with a sentence; nothing is changed then.
 * ERR_EXISTS also if it was imported before. */
MUST_USE enum err import_run(const struct import_options *o, struct import_report *ret,
                             struct why *why);

#endif
