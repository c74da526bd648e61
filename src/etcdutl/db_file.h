/* etcdutl/db_file.h -- a key database to look at, of either kind: ours (kv.db, SQLite), or
 * upstream's (bbolt: member/snap/db, or a snapshot with or without its digest).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_DB_FILE_H
#define ETCDUTL_DB_FILE_H

#include "base/types.h"
#include "base/why.h"
#include "iface/backend.h"

struct db_file;

/* Open the file and take a view of it. `lock_wait_ms`: how long to wait for an upstream's etcd that
 * has it (-1: for ever); ours needs no lock. ERR_NOT_FOUND, ERR_LOCKED, ERR_DAMAGED, ERR_IO. */
MUST_USE enum err db_file_open(const char *path, msec lock_wait_ms, struct db_file **ret,
                               struct why *why);
void db_file_close(struct db_file *f); /* NULL is fine */
static inline void db_file_auto(struct db_file **f)
{
    db_file_close(*f);
}

/* The same interface to something that is open already; lent. */
struct kvdb_reader;
struct snapshot_reader;
struct db_file *db_file_of_kvdb(struct kvdb_reader *r); /* inside of a view */
struct db_file *db_file_of_snapshot(const struct snapshot_reader *r);

/* Look at all of its structure. ERR_DAMAGED. */
MUST_USE enum err db_file_check(struct db_file *f, struct why *why);

/* Visit the history, ascending, until `visit` returns false. */
MUST_USE enum err db_file_rows(struct db_file *f,
                               bool (*visit)(void *arg, const struct kv_row *row), void *arg,
                               struct why *why);

/* Visit each bucket by the order of names, and in it each key and value as upstream has them. */
struct db_file_visitor {
    void (*bucket)(void *arg, const char *name);
    bool (*pair)(void *arg, struct slice key, struct slice value);
    void *arg;
};
MUST_USE enum err db_file_all(struct db_file *f, const struct db_file_visitor *v,
                              struct why *why);

/* Find a row of a small bucket; lent until the next call. ERR_NOT_FOUND. */
MUST_USE enum err db_file_get(struct db_file *f, const char *bucket, const char *key,
                              struct slice *ret);

/* Return how many rows a small bucket has. */
size_t db_file_count(struct db_file *f, const char *bucket);

/* Return the bytes that the database has. */
int64_t db_file_size(struct db_file *f);

#endif
