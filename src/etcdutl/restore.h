/* etcdutl/restore.h -- a snapshot file becomes the data directory of a member of a new cluster.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_RESTORE_H
#define ETCDUTL_RESTORE_H

#include "etcdutl/founders.h"

struct restore_options {
    const char *snapshot; /* the file */
    const char *data_dir;
    const char *wal_dir; /* NULL or "": in the data directory */
    struct founders_options founders;
    bool skip_hash_check;
    uint64_t bump_revision; /* the latest revision is raised by so much, and all before compacted */
    const char *vfs;        /* of SQLite, for tests */
};

struct restore_report {
    uint64_t cluster_id;
    member_id member_id;
    size_t members;
    revision latest; /* in the snapshot; 1 if it is empty */
    revision raised; /* with bump_revision */
};

/* ERR_EXISTS, ERR_INVALID, ERR_NOT_FOUND, ERR_DAMAGED, ERR_DISK_FULL, ERR_IO; no directory is left
 * then. */
MUST_USE enum err restore_run(const struct restore_options *o, struct restore_report *ret,
                              struct why *why);

#endif
