/* upstream/dir.h -- a data directory of upstream's etcd, 3.0 to 3.7, as it lies on the disk.
 *
 *   member/snap/db                 the key database (bbolt)
 *   member/snap/TERM-INDEX.snap    raft snapshots with the members (snap.h)
 *   member/snap/INDEX.snap.db      a database that came from the leader and was not taken up yet
 *   member/wal/SEQ-INDEX.wal       the log (wal.h); elsewhere with --wal-dir
 *
 * What belongs together is found as upstream does at its start: the newest snapshot that can be
 * read and that the log mentions as committed; the entries of the log behind it; the database,
 * which stands at its consistent index, at or behind the snapshot.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_DIR_H
#define UPSTREAM_DIR_H

#include "storage/snapshot_reader.h"
#include "upstream/snap.h"
#include "upstream/wal.h"

enum { UPSTREAM_WAIT_FOR_EVER = -1 };

struct upstream_options {
    const char *path;    /* --data-dir */
    const char *wal_dir; /* NULL or "": member/wal */
    msec lock_wait_ms;   /* for an etcd that holds the database; UPSTREAM_WAIT_FOR_EVER */
};

struct upstream_dir {
    char *path, *snap_path, *wal_path;
    int db_fd;        /* holds the lock that keeps etcd from starting */
    uint64_t db_size; /* bytes of the file */
    struct snapshot_reader *db;
    raft_index applied; /* the entry that the database stands at */
    struct snap snap;   /* meta.index is 0 if there is none */
    struct wal *wal;
    struct buf notes; /* sentences about what was passed over, one a line */
};

/* True if the directory holds what upstream's etcd wrote. */
bool upstream_dir_is(const char *path, const char *wal_dir);

/* Open everything and check that it fits together. ERR_LOCKED if etcd runs on it, ERR_NOT_FOUND,
 * ERR_DAMAGED, ERR_IO, each with a sentence. Nothing is ever written. */
MUST_USE enum err upstream_dir_open(const struct upstream_options *o, struct upstream_dir **ret,
                                    struct why *why);
void upstream_dir_close(struct upstream_dir *d); /* NULL is fine */
static inline void upstream_dir_auto(struct upstream_dir **d)
{
    upstream_dir_close(*d);
}

/* Only the snapshot and the log, for what looks at nothing else: d->db stays NULL, and no lock is
 * taken. */
MUST_USE enum err upstream_dir_open_log(const struct upstream_options *o,
                                        struct upstream_dir **ret, struct why *why);

/* Wait until the file can be locked (shared, as bbolt's readers do) and return it. ERR_LOCKED. */
MUST_USE enum err upstream_lock_file(const char *path, msec wait_ms, int *ret_fd,
                                     struct why *why);

#endif
