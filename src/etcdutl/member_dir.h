/* etcdutl/member_dir.h -- a data directory of ours, opened while no etcd runs on it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_MEMBER_DIR_H
#define ETCDUTL_MEMBER_DIR_H

#include "base/types.h"
#include "membership/cluster.h"
#include "storage/data_dir.h"
#include "storage/kvdb.h"
#include "storage/logdb.h"

struct member_dir {
    struct data_dir *dir; /* holds the lock */
    struct kvdb *kv;
    struct kvdb_reader *reader; /* in a view */
    struct logdb *log;
    struct logdb_start start;
    struct raft_entries entries; /* all that the log has */
    raft_index applied;
    raft_term applied_term;
    struct cluster *cluster; /* as of `applied` */
};

/* Open and lock it, waiting so long for the lock (-1: for ever), and load the log and the members.
 * Errors as of data_dir_open(), kvdb_open() and logdb_load(); ERR_DAMAGED if the two databases do
 * not fit together. */
MUST_USE enum err member_dir_open(const char *path, const char *wal_dir, msec lock_wait_ms,
                                  struct member_dir **ret, struct why *why);
void member_dir_close(struct member_dir *m); /* NULL is fine */
static inline void member_dir_auto(struct member_dir **m)
{
    member_dir_close(*m);
}

/* Close what is open of the two databases; the lock and what was loaded stay. */
void member_dir_close_databases(struct member_dir *m);

/* Fail with what to do if files cannot be made there: SQLite needs to, also to read a database. */
MUST_USE enum err member_dir_check_writable(const char *path, struct why *why);

/* Only the lock and the key database (m->kv, m->reader). */
MUST_USE enum err member_dir_open_kv(const char *path, const char *wal_dir, msec lock_wait_ms,
                                     struct member_dir **ret, struct why *why);

#endif
