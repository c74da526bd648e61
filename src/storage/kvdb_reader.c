/* storage/kvdb_reader.c -- snapshots of kv.db. See kvdb.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "storage/kvdb.h"
#include "storage/kvdb_priv.h"

/* Readers do not map the file into memory: SQLite drops the mapping at each snapshot that is not
 * the last one, and under a writer that is slower than reading. */

enum statement {
    S_BEGIN,
    S_TOUCH,
    S_END,
    S_GET,
    S_SCAN,
    S_LOAD,
    S_BUCKET_GET,
    S_BUCKET_SCAN,
    S_COUNT_,
};

static const char *const statement_sql[S_COUNT_] = {
    [S_BEGIN] = "BEGIN",
    [S_TOUCH] = "PRAGMA user_version",
    [S_END] = "COMMIT",
    [S_GET] = KVDB_SELECT_ROW "WHERE pos = ?1",
    [S_SCAN] = KVDB_SELECT_ROW "WHERE pos >= ?1 AND pos < ?2 ORDER BY pos",
    [S_LOAD] = ("SELECT pos, main, sub, create_revision, version, lease, key"
                " FROM revision ORDER BY pos"),
    [S_BUCKET_GET] = "SELECT value FROM bucket WHERE bucket = ?1 AND key = ?2",
    [S_BUCKET_SCAN] = "SELECT key, value FROM bucket WHERE bucket = ?1 ORDER BY key",
};

struct kvdb_reader {
    struct kv_reader kv;
    sqlite3 *h;
    sqlite3_stmt *s[S_COUNT_];
    sqlite3_stmt *lent; /* the statement whose columns are lent, or NULL */
    bool in_snapshot;
};

static sqlite3_stmt *reader_use(struct kvdb_reader *r, enum statement i)
{
    if (r->lent != NULL)
        sqlite3_reset(r->lent);
    r->lent = NULL;
    return r->s[i];
}

/* Step to a row and lend its columns. */
static enum err reader_step_row(struct kvdb_reader *r, enum statement i)
{
    int rc = sqlite3_step(r->s[i]);
    if (LIKELY(rc == SQLITE_ROW)) {
        r->lent = r->s[i];
        return ERR_OK;
    }
    sqlite3_reset(r->s[i]);
    return rc == SQLITE_DONE ? ERR_NOT_FOUND : sql_err(rc);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

enum err kvdb_reader_begin(struct kvdb_reader *r, struct why *why)
{
    invariant(!r->in_snapshot);
    int rc = sql_run(r->s[S_BEGIN]);
    if (rc != SQLITE_OK)
        return sql_fail(r->h, rc, "read", why);
    /* SQLite's BEGIN takes nothing yet; the first read does. */
    rc = sqlite3_step(r->s[S_TOUCH]);
    sqlite3_reset(r->s[S_TOUCH]);
    r->in_snapshot = rc == SQLITE_ROW;
    if (r->in_snapshot)
        return ERR_OK;
    (void)sql_run(r->s[S_END]);
    return sql_fail(r->h, rc, "read", why);
}

void kvdb_reader_end(struct kvdb_reader *r)
{
    invariant(r->in_snapshot);
    (void)reader_use(r, S_END);
    int rc = sql_run(r->s[S_END]);
    invariant(rc == SQLITE_OK); /* nothing was written, so nothing can fail */
    r->in_snapshot = false;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static struct kvdb_reader *reader_of(struct kv_reader *kv)
{
    struct kvdb_reader *r = CONTAINER_OF(kv, struct kvdb_reader, kv);
    invariant(r->in_snapshot);
    return r;
}

static enum err reader_get(struct kv_reader *kv, int64_t pos, struct kv_row *ret_row)
{
    struct kvdb_reader *r = reader_of(kv);
    sqlite3_stmt *s = reader_use(r, S_GET);
    sqlite3_bind_int64(s, 1, pos);
    enum err e = reader_step_row(r, S_GET);
    if (e == ERR_OK)
        kvdb_column_row(s, ret_row);
    return e;
}

static enum err reader_scan(struct kv_reader *kv, int64_t from, int64_t to,
                            bool (*visit)(void *arg, const struct kv_row *row), void *arg)
{
    struct kvdb_reader *r = reader_of(kv);
    sqlite3_stmt *s = reader_use(r, S_SCAN);
    sqlite3_bind_int64(s, 1, from);
    sqlite3_bind_int64(s, 2, to);
    struct kv_row row;
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        kvdb_column_row(s, &row);
        if (!visit(arg, &row))
            break;
    }
    sqlite3_reset(s);
    return sql_err(rc);
}

static const struct kv_reader_ops reader_ops = {.get = reader_get, .scan = reader_scan};

struct kv_reader *kvdb_reader_kv(struct kvdb_reader *r)
{
    return &r->kv;
}

static int load_rows(sqlite3_stmt *s, bool (*visit)(void *arg, const struct kv_row *row), void *arg)
{
    struct kv_row row = {.value = slice_make(NULL, 0)};
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        kvdb_column_head(s, &row);
        if (!visit(arg, &row))
            break;
    }
    sqlite3_reset(s);
    return rc;
}

enum err kvdb_reader_load_rows(struct kvdb_reader *r,
                               bool (*visit)(void *arg, const struct kv_row *row), void *arg,
                               struct why *why)
{
    invariant(r->in_snapshot);
    int rc = load_rows(reader_use(r, S_LOAD), visit, arg);
    return sql_err(rc) == ERR_OK ? ERR_OK : sql_fail(r->h, rc, "read the keys of", why);
}

/* ---- buckets -------------------------------------------------------------------------------- */

enum err kvdb_reader_bucket_get(struct kvdb_reader *r, const char *bucket, struct slice key,
                                struct slice *ret_value)
{
    invariant(r->in_snapshot);
    sqlite3_stmt *s = reader_use(r, S_BUCKET_GET);
    sqlite3_bind_text(s, 1, bucket, -1, SQLITE_STATIC);
    sql_bind_slice(s, 2, key);
    enum err e = reader_step_row(r, S_BUCKET_GET);
    if (e == ERR_OK)
        *ret_value = sql_column_slice(s, 0);
    return e;
}

enum err kvdb_reader_bucket_scan(struct kvdb_reader *r, const char *bucket,
                                 bool (*visit)(void *arg, struct slice key, struct slice value),
                                 void *arg)
{
    invariant(r->in_snapshot);
    sqlite3_stmt *s = reader_use(r, S_BUCKET_SCAN);
    sqlite3_bind_text(s, 1, bucket, -1, SQLITE_STATIC);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (!visit(arg, sql_column_slice(s, 0), sql_column_slice(s, 1)))
            break;
    }
    sqlite3_reset(s);
    return sql_err(rc);
}

/* ---- checking ------------------------------------------------------------------------------- */

struct order_check {
    struct kv_row last; /* its slices are not looked at */
    bool is_bad;
};

static bool check_row(void *arg, const struct kv_row *row)
{
    struct order_check *c = arg;
    bool ascends = row->main == c->last.main ? row->sub > c->last.sub : row->main > c->last.main;
    c->is_bad = !ascends || row->pos <= 0 || row->version < 0 || row->create > row->main;
    c->last = *row;
    return !c->is_bad;
}

enum err kvdb_reader_check(struct kvdb_reader *r, struct why *why)
{
    struct order_check c = {.last = {.sub = -1}};
    enum err e = sql_check(r->h, why);
    if (e == ERR_OK)
        e = kvdb_reader_load_rows(r, check_row, &c, why);
    if (e == ERR_OK && c.is_bad)
        e = why_set(why, ERR_DAMAGED,
                    "'%s' is damaged: the revision at %" PRId64 " is out of order",
                    sqlite3_db_filename(r->h, "main"), c.last.pos);
    return e;
}

/* ---- opening -------------------------------------------------------------------------------- */

enum err kvdb_reader_open(const struct kvdb *db, struct kvdb_reader **ret_reader, struct why *why)
{
    const struct kvdb_place *place = kvdb_place(db);
    AUTO(kvdb_reader) struct kvdb_reader *r = xcalloc(1, sizeof *r);
    r->kv.ops = &reader_ops;
    enum err e = sql_open(place->path, true, place->vfs, &r->h, why);
    if (e == ERR_OK)
        e = kvdb_set_cache(r->h, place->reader_cache_size, why);
    if (e == ERR_OK)
        e = sql_prepare(r->h, statement_sql, r->s, S_COUNT_, why);
    if (e != ERR_OK)
        return e;
    *ret_reader = r;
    r = NULL;
    return ERR_OK;
}

void kvdb_reader_close(struct kvdb_reader *r)
{
    if (r == NULL)
        return;
    sql_finalize(r->s, S_COUNT_);
    int rc = sqlite3_close(r->h);
    invariant(rc == SQLITE_OK);
    free(r);
}
