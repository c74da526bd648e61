/* storage/sql.c -- the common ground of the two databases. See sql_priv.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/sql_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum {
    LOCK_WAIT_MS = 10 * 1000, /* for an administrator's sqlite3 that looks into the file */
    LOOKASIDE_SIZE = 128,
    LOOKASIDE_COUNT = 64,
};

enum err sql_err(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_FULL:
        return ERR_DISK_FULL;
    case SQLITE_ERROR: /* our statements do not fit the tables */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_DAMAGED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_LOCKED;
    case SQLITE_TOOBIG:
        return ERR_TOO_LARGE;
    default:
        return ERR_IO;
    }
}

enum err sql_fail(sqlite3 *h, int rc, const char *doing, struct why *why)
{
    const char *path = sqlite3_db_filename(h, "main");
    int system_errno = sqlite3_system_errno(h);
    bool is_io = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
    return why_set(why, sql_err(rc), "%s '%s': %s%s%s (SQLite error %d)", doing, path ? path : "",
                   sqlite3_errcode(h) == (rc & 0xff) || sqlite3_extended_errcode(h) == rc
                       ? sqlite3_errmsg(h)
                       : sqlite3_errstr(rc),
                   is_io && system_errno ? ": " : "",
                   is_io && system_errno ? strerror(system_errno) : "", rc);
}

enum err sql_create_file(const char *path, struct why *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 && errno != EEXIST)
        return why_set(why, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO, "create '%s': %s", path,
                       strerror(errno));
    if (fd != -1)
        close(fd);
    return ERR_OK;
}

enum err sql_open(const char *path, bool read_only, const char *vfs, sqlite3 **ret_h,
                  struct why *why)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    flags |= read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int rc = sqlite3_open_v2(path, ret_h, flags, vfs);
    if (rc == SQLITE_CANTOPEN && access(path, F_OK) == -1 && errno == ENOENT)
        return why_set(why, ERR_NOT_FOUND, "'%s' is not there", path);
    if (rc != SQLITE_OK)
        return why_set(why, sql_err(rc), "open '%s': %s", path, sqlite3_errstr(rc));
    sqlite3_db_config(*ret_h, SQLITE_DBCONFIG_LOOKASIDE, NULL, LOOKASIDE_SIZE, LOOKASIDE_COUNT);
    sqlite3_db_config(*ret_h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_timeout(*ret_h, LOCK_WAIT_MS);
    return ERR_OK;
}

enum err sql_exec(sqlite3 *h, const char *sql, struct why *why)
{
    int rc = sqlite3_exec(h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : sql_fail(h, rc, "set up", why);
}

enum err sql_get_int(sqlite3 *h, const char *sql, int64_t *ret_v, struct why *why)
{
    sqlite3_stmt *s = NULL;
    enum err e = sql_prepare(h, &sql, &s, 1, why);
    if (e != ERR_OK)
        return e;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *ret_v = sqlite3_column_int64(s, 0);
    else
        e = sql_fail(h, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, "read", why);
    sqlite3_finalize(s);
    return e;
}

enum err sql_prepare(sqlite3 *h, const char *const *sql, sqlite3_stmt **ret_stmts, size_t n,
                     struct why *why)
{
    for (size_t i = 0; i < n; i++) {
        int rc = sqlite3_prepare_v3(h, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &ret_stmts[i], NULL);
        if (rc != SQLITE_OK)
            return sql_fail(h, rc, "read the schema of", why);
    }
    return ERR_OK;
}

void sql_finalize(sqlite3_stmt **stmts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sqlite3_finalize(stmts[i]);
}

int sql_run(sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Lay out an empty file. A crash in the middle leaves a file that is still empty to us. */
static enum err schema_create(sqlite3 *h, const struct sql_schema *schema, struct why *why)
{
    AUTO(buf) struct buf sql = BUF_INIT;
    buf_addf(&sql,
             "BEGIN IMMEDIATE;%sPRAGMA application_id=%" PRId64 ";PRAGMA user_version=%" PRId64
             ";COMMIT",
             schema->create, schema->application_id, schema->version);
    enum err e = sql_exec(h, schema->pragmas, why);
    if (e == ERR_OK)
        e = sql_exec(h, "PRAGMA journal_mode=WAL", why);
    return e != ERR_OK ? e : sql_exec(h, buf_cstr(&sql), why);
}

/* In one transaction: a crash leaves the schema as it was. */
static enum err schema_upgrade(sqlite3 *h, const struct sql_schema *schema, struct why *why)
{
    AUTO(buf) struct buf sql = BUF_INIT;
    buf_addf(&sql, "BEGIN IMMEDIATE;%sPRAGMA user_version=%" PRId64 ";COMMIT", schema->upgrade,
             schema->version);
    return sql_exec(h, buf_cstr(&sql), why);
}

enum err sql_schema_open(sqlite3 *h, const struct sql_schema *schema, bool create, struct why *why)
{
    const char *path = sqlite3_db_filename(h, "main");
    int64_t application_id, version, tables;
    enum err e = sql_get_int(h, "PRAGMA application_id", &application_id, why);
    if (e == ERR_OK)
        e = sql_get_int(h, "PRAGMA user_version", &version, why);
    if (e == ERR_OK)
        e = sql_get_int(h, "SELECT count(*) FROM sqlite_schema", &tables, why);
    if (e != ERR_OK)
        return e;

    if (application_id == 0 && version == 0 && tables == 0 && create)
        return schema_create(h, schema, why);
    if (application_id != schema->application_id)
        return why_set(why, ERR_FOREIGN_DATA, "'%s' is not a database of etcd's for this purpose",
                       path);
    if (version > schema->version)
        return why_set(why, ERR_NEWER_SCHEMA,
                       "'%s' was written by a newer version of etcd: its schema is %" PRId64
                       ", this version knows %" PRId64
                       "; install the newer version, or restore a snapshot",
                       path, version, schema->version);
    if (version == schema->version - 1 && schema->upgrade != NULL)
        return schema_upgrade(h, schema, why);
    if (version != schema->version)
        return why_set(why, ERR_DAMAGED, "'%s' claims schema %" PRId64 ", which never was", path,
                       version);
    return ERR_OK;
}

enum err sql_check(sqlite3 *h, struct why *why)
{
    static const char *const sql = "PRAGMA integrity_check(1)";
    sqlite3_stmt *s = NULL;
    enum err e = sql_prepare(h, &sql, &s, 1, why);
    if (e != ERR_OK)
        return e;
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW)
        e = sql_fail(h, rc, "check", why);
    else if (strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0)
        e = why_set(why, ERR_DAMAGED, "'%s' is damaged: %s", sqlite3_db_filename(h, "main"),
                    (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return e;
}
