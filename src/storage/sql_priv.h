/* storage/sql_priv.h -- what both databases ask of SQLite: opening, schema versions, errors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_SQL_PRIV_H
#define STORAGE_SQL_PRIV_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/why.h"

/* How a database of ours is told from others, and made. */
struct sql_schema {
    int64_t application_id;
    int64_t version;
    const char *pragmas; /* before the file has a first page */
    const char *create;  /* the tables */
    const char *upgrade; /* from the version before; NULL: there is none to come from */
};

/* Return what result code `rc` of SQLite is to us. */
enum err sql_err(int rc);

/* Say what failed on `h`, which reported `rc`, and return sql_err(rc). */
enum err sql_fail(sqlite3 *h, int rc, const char *doing, struct why *why);

/* Open a connection without a mutex, which waits a while for locks; it must be closed even if this
 * fails. ERR_NOT_FOUND if there is no such file. */
MUST_USE enum err sql_open(const char *path, bool read_only, const char *vfs, sqlite3 **ret_h,
                           struct why *why);

/* Make an empty file that only its owner may read, unless it exists. */
MUST_USE enum err sql_create_file(const char *path, struct why *why);

/* Check that the file is of this schema; lay it out if it is empty and `create` is set, and bring it up from
 * the schema before. */
MUST_USE enum err sql_schema_open(sqlite3 *h, const struct sql_schema *schema, bool create,
                                  struct why *why);

MUST_USE enum err sql_exec(sqlite3 *h, const char *sql, struct why *why);
MUST_USE enum err sql_get_int(sqlite3 *h, const char *sql, int64_t *ret_v, struct why *why);

/* Prepare `n` statements that live as long as the connection. */
MUST_USE enum err sql_prepare(sqlite3 *h, const char *const *sql, sqlite3_stmt **ret_stmts,
                              size_t n, struct why *why);
void sql_finalize(sqlite3_stmt **stmts, size_t n);

/* Step a statement that returns no rows, and reset it. Return the result code, SQLITE_OK at
 * best. */
int sql_run(sqlite3_stmt *s);

/* Bind bytes that stay where they are until the statement is reset; never SQL's NULL. */
static inline void sql_bind_slice(sqlite3_stmt *s, int i, struct slice v)
{
    sqlite3_bind_blob64(s, i, v.n ? (const void *)v.p : "", v.n, SQLITE_STATIC);
}

/* Lend the bytes of a column until the statement is stepped or reset. */
static inline struct slice sql_column_slice(sqlite3_stmt *s, int i)
{
    const void *p = sqlite3_column_blob(s, i);
    return slice_make(p, (size_t)sqlite3_column_bytes(s, i));
}

/* Verify all pages of the file: SQLite's own check. ERR_DAMAGED with the first fault. */
MUST_USE enum err sql_check(sqlite3 *h, struct why *why);

#endif
