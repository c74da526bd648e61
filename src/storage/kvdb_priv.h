/* storage/kvdb_priv.h -- what kvdb.c (the writer) and kvdb_reader.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_KVDB_PRIV_H
#define STORAGE_KVDB_PRIV_H

#include "storage/kvdb.h"
#include "storage/sql_priv.h"

/* What other connections to the same file need; fixed once the database is open. */
struct kvdb_place {
    char *path;
    char *vfs; /* NULL: the default one */
    size_t reader_cache_size;
    bool no_sync;
};

const struct kvdb_place *kvdb_place(const struct kvdb *db);

/* Limit the page cache of `h`. */
MUST_USE enum err kvdb_set_cache(sqlite3 *h, size_t size, struct why *why);

#define KVDB_SELECT_ROW                                                                            \
    "SELECT pos, main, sub, create_revision, version, lease, key, value FROM revision "

/* Fill `row` from the current row of a KVDB_SELECT_ROW statement, all but the value. */
static inline void kvdb_column_head(sqlite3_stmt *s, struct kv_row *ret_row)
{
    ret_row->pos = sqlite3_column_int64(s, 0);
    ret_row->main = sqlite3_column_int64(s, 1);
    ret_row->sub = sqlite3_column_int64(s, 2);
    ret_row->create = sqlite3_column_int64(s, 3);
    ret_row->version = sqlite3_column_int64(s, 4);
    ret_row->lease = sqlite3_column_int64(s, 5);
    ret_row->key = sql_column_slice(s, 6);
}

static inline void kvdb_column_row(sqlite3_stmt *s, struct kv_row *ret_row)
{
    kvdb_column_head(s, ret_row);
    ret_row->value = sql_column_slice(s, 7);
}

#endif
