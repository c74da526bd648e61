/* storage/kvdb.c -- the writer of kv.db, and its checkpointer. See kvdb.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/kvdb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/kvdb_priv.h"

enum {
    PAGE_SIZE = 4096,
    WAL_FRAME_SIZE = PAGE_SIZE + 24,
    WRITER_CACHE_SIZE = 4 * 1024 * 1024,
    READER_CACHE_SIZE = 2 * 1024 * 1024,
    WRITE_BACK_PAGES = 1024 * 1024 / PAGE_SIZE,
    ROW_COLUMNS = 8,
    PUT_ROWS = 16,                    /* by one statement */
    WAL_KEEP_SIZE = 64 * 1024 * 1024, /* a WAL file larger than this is cut when it starts anew */
};

static const struct sql_schema schema = {
    .application_id = 0x65744b56,
    .version = 1,
    .pragmas = "PRAGMA page_size=4096;PRAGMA auto_vacuum=INCREMENTAL;",
    .create = "CREATE TABLE revision(pos INTEGER PRIMARY KEY, main INTEGER NOT NULL,"
              " sub INTEGER NOT NULL, create_revision INTEGER NOT NULL, version INTEGER NOT NULL,"
              " lease INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);"
              "CREATE TABLE bucket(bucket TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,"
              " PRIMARY KEY(bucket, key)) WITHOUT ROWID;",
};

enum statement {
    S_BEGIN,
    S_COMMIT,
    S_ROLLBACK,
    S_PUT,
    S_PUT_ROWS,
    S_REMOVE,
    S_GET,
    S_BUCKET_PUT,
    S_BUCKET_REMOVE,
    S_BUCKET_GET,
    S_BUCKET_SCAN,
    S_PAGE_COUNT,
    S_FREELIST_COUNT,
    S_COUNT_,
};

#define INSERT_COLUMNS                                                                             \
    "INTO revision(pos, main, sub, create_revision, version, lease, key, value) VALUES"
#define ROW "(?,?,?,?,?,?,?,?)"
#define FOUR_ROWS ROW "," ROW "," ROW "," ROW

/* PUT_ROWS of them. OR FAIL, so that SQLite does not keep what it would need to take the statement
 * back: who fails here rolls back all. */
static const char put_rows_sql[] = "INSERT OR FAIL " INSERT_COLUMNS FOUR_ROWS "," FOUR_ROWS
                                   "," FOUR_ROWS "," FOUR_ROWS;

static const char *const statement_sql[S_COUNT_] = {
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_ROLLBACK] = "ROLLBACK",
    [S_PUT] = "INSERT " INSERT_COLUMNS ROW,
    [S_PUT_ROWS] = put_rows_sql,
    [S_REMOVE] = "DELETE FROM revision WHERE pos = ?1",
    [S_GET] = KVDB_SELECT_ROW "WHERE pos = ?1",
    [S_BUCKET_PUT] = "INSERT OR REPLACE INTO bucket(bucket, key, value) VALUES(?1, ?2, ?3)",
    [S_BUCKET_REMOVE] = "DELETE FROM bucket WHERE bucket = ?1 AND key = ?2",
    [S_BUCKET_GET] = "SELECT value FROM bucket WHERE bucket = ?1 AND key = ?2",
    [S_BUCKET_SCAN] = "SELECT key, value FROM bucket WHERE bucket = ?1 ORDER BY key",
    [S_PAGE_COUNT] = "PRAGMA page_count",
    [S_FREELIST_COUNT] = "PRAGMA freelist_count",
};

struct kvdb {
    struct kv_writer writer;
    struct kvdb_place place;
    sqlite3 *h;
    sqlite3_stmt *s[S_COUNT_];
    sqlite3_stmt *lent; /* the statement whose columns are lent, or NULL */
    bool in_txn;
    bool durable;   /* this transaction is */
    enum err error; /* the first one; nothing is written after it */
    struct why why;
    int64_t wal_frames;
    int written_back; /* pages written when kvdb_write_back() last did something */
    int64_t pages, free_pages; /* as of the last commit */
};

struct kvdb_checkpointer {
    sqlite3 *h;
};

/* ---- statements --------------------------------------------------------------------------- */

static void writer_fail(struct kvdb *db, int rc)
{
    if (db->error == ERR_OK)
        db->error = sql_fail(db->h, rc, "write", &db->why);
}

/* Take back what was lent, and return the statement for binding; NULL after an error. */
static sqlite3_stmt *writer_use(struct kvdb *db, enum statement i)
{
    if (db->lent != NULL)
        sqlite3_reset(db->lent);
    db->lent = NULL;
    return db->error == ERR_OK ? db->s[i] : NULL;
}

static void writer_run(struct kvdb *db, enum statement i)
{
    int rc = sql_run(db->s[i]);
    if (UNLIKELY(rc != SQLITE_OK))
        writer_fail(db, rc);
}

/* Step to a row and lend its columns; false if there is none. */
static bool writer_step_row(struct kvdb *db, enum statement i)
{
    int rc = sqlite3_step(db->s[i]);
    if (rc == SQLITE_ROW) {
        db->lent = db->s[i];
        return true;
    }
    sqlite3_reset(db->s[i]);
    if (rc != SQLITE_DONE)
        writer_fail(db, rc);
    return false;
}

static struct kvdb *writer_db(struct kv_writer *w)
{
    struct kvdb *db = CONTAINER_OF(w, struct kvdb, writer);
    invariant(db->in_txn);
    return db;
}

/* ---- the interface of kv_writer ------------------------------------------------------------- */

/* To the parameters from `i` on. */
static void bind_row(sqlite3_stmt *s, int i, const struct kv_row *row)
{
    sqlite3_bind_int64(s, i, row->pos);
    sqlite3_bind_int64(s, i + 1, row->main);
    sqlite3_bind_int64(s, i + 2, row->sub);
    sqlite3_bind_int64(s, i + 3, row->create);
    sqlite3_bind_int64(s, i + 4, row->version);
    sqlite3_bind_int64(s, i + 5, row->lease);
    sql_bind_slice(s, i + 6, row->key);
    sql_bind_slice(s, i + 7, row->value);
}

static void writer_put(struct kv_writer *w, const struct kv_row *row)
{
    struct kvdb *db = writer_db(w);
    sqlite3_stmt *s = writer_use(db, S_PUT);
    if (s == NULL)
        return;
    bind_row(s, 1, row);
    writer_run(db, S_PUT);
}

static void writer_remove(struct kv_writer *w, int64_t pos)
{
    struct kvdb *db = writer_db(w);
    sqlite3_stmt *s = writer_use(db, S_REMOVE);
    if (s == NULL)
        return;
    sqlite3_bind_int64(s, 1, pos);
    writer_run(db, S_REMOVE);
}

static bool writer_get(struct kv_writer *w, int64_t pos, struct kv_row *ret_row)
{
    struct kvdb *db = writer_db(w);
    sqlite3_stmt *s = writer_use(db, S_GET);
    if (s == NULL)
        return false;
    sqlite3_bind_int64(s, 1, pos);
    if (!writer_step_row(db, S_GET))
        return false;
    kvdb_column_row(s, ret_row);
    return true;
}

/* Bind the place in a bucket that statement `i` is about. */
static sqlite3_stmt *writer_use_bucket(struct kvdb *db, enum statement i, const char *bucket,
                                       struct slice key)
{
    sqlite3_stmt *s = writer_use(db, i);
    if (s == NULL)
        return NULL;
    sqlite3_bind_text(s, 1, bucket, -1, SQLITE_STATIC);
    sql_bind_slice(s, 2, key);
    return s;
}

static void writer_bucket_put(struct kv_writer *w, const char *bucket, struct slice key,
                              struct slice value)
{
    struct kvdb *db = writer_db(w);
    sqlite3_stmt *s = writer_use_bucket(db, S_BUCKET_PUT, bucket, key);
    if (s == NULL)
        return;
    sql_bind_slice(s, 3, value);
    writer_run(db, S_BUCKET_PUT);
}

static void writer_bucket_remove(struct kv_writer *w, const char *bucket, struct slice key)
{
    struct kvdb *db = writer_db(w);
    if (writer_use_bucket(db, S_BUCKET_REMOVE, bucket, key) != NULL)
        writer_run(db, S_BUCKET_REMOVE);
}

static bool writer_bucket_get(struct kv_writer *w, const char *bucket, struct slice key,
                              struct slice *ret_value)
{
    struct kvdb *db = writer_db(w);
    sqlite3_stmt *s = writer_use_bucket(db, S_BUCKET_GET, bucket, key);
    if (s == NULL || !writer_step_row(db, S_BUCKET_GET))
        return false;
    *ret_value = sql_column_slice(s, 0);
    return true;
}

static void writer_bucket_scan(struct kv_writer *w, const char *bucket,
                               bool (*visit)(void *arg, struct slice key, struct slice value),
                               void *arg)
{
    struct kvdb *db = writer_db(w);
    sqlite3_stmt *s = writer_use(db, S_BUCKET_SCAN);
    if (s == NULL)
        return;
    sqlite3_bind_text(s, 1, bucket, -1, SQLITE_STATIC);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (!visit(arg, sql_column_slice(s, 0), sql_column_slice(s, 1)))
            break;
    }
    sqlite3_reset(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        writer_fail(db, rc);
}

static const struct kv_writer_ops writer_ops = {
    .put = writer_put,
    .remove = writer_remove,
    .get = writer_get,
    .bucket_put = writer_bucket_put,
    .bucket_remove = writer_bucket_remove,
    .bucket_get = writer_bucket_get,
    .bucket_scan = writer_bucket_scan,
};

struct kv_writer *kvdb_writer(struct kvdb *db)
{
    return &db->writer;
}

void kvdb_put_rows(struct kvdb *db, const struct kv_row *rows, size_t n)
{
    for (; n >= PUT_ROWS; rows += PUT_ROWS, n -= PUT_ROWS) {
        sqlite3_stmt *s = writer_use(db, S_PUT_ROWS);
        if (s == NULL)
            return;
        for (int i = 0; i < PUT_ROWS; i++)
            bind_row(s, 1 + i * ROW_COLUMNS, &rows[i]);
        writer_run(db, S_PUT_ROWS);
    }
    for (size_t i = 0; i < n; i++)
        writer_put(&db->writer, &rows[i]);
}

/* ---- transactions --------------------------------------------------------------------------- */

void kvdb_begin(struct kvdb *db)
{
    invariant(!db->in_txn);
    db->in_txn = true;
    if (writer_use(db, S_BEGIN) != NULL)
        writer_run(db, S_BEGIN);
}

static void writer_exec(struct kvdb *db, const char *sql)
{
    if (db->error == ERR_OK)
        db->error = sql_exec(db->h, sql, &db->why);
}

void kvdb_begin_anew(struct kvdb *db)
{
    db->durable = !db->place.no_sync;
    if (db->durable)
        writer_exec(db, "PRAGMA synchronous=FULL");
    kvdb_begin(db);
    /* What the file has is given up before anything is written, so that the new rows stand in order
     * and nothing has to be moved; afterwards it takes ten times as long. */
    writer_exec(db, "DELETE FROM revision;PRAGMA incremental_vacuum");
}

void kvdb_clear_buckets(struct kvdb *db)
{
    (void)writer_use(db, S_BEGIN);
    writer_exec(db, "DELETE FROM bucket");
}

void kvdb_write_back(struct kvdb *db)
{
    sqlite3_file *wal = NULL;
    int written = 0, high;
    sqlite3_db_status(db->h, SQLITE_DBSTATUS_CACHE_WRITE, &written, &high, 0);
    if (db->error != ERR_OK || db->place.no_sync || written - db->written_back < WRITE_BACK_PAGES)
        return;
    db->written_back = written;
    int rc = sqlite3_file_control(db->h, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&wal);
    if (rc == SQLITE_OK && wal != NULL && wal->pMethods != NULL)
        rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
    if (rc != SQLITE_OK)
        writer_fail(db, rc);
}

/* Back to commits that do not wait for the disk. */
static void end_durable(struct kvdb *db)
{
    if (db->durable)
        writer_exec(db, "PRAGMA synchronous=NORMAL");
    db->durable = false;
}

static void writer_read_size(struct kvdb *db)
{
    if (writer_use(db, S_PAGE_COUNT) != NULL && writer_step_row(db, S_PAGE_COUNT))
        db->pages = sqlite3_column_int64(db->s[S_PAGE_COUNT], 0);
    if (writer_use(db, S_FREELIST_COUNT) != NULL && writer_step_row(db, S_FREELIST_COUNT))
        db->free_pages = sqlite3_column_int64(db->s[S_FREELIST_COUNT], 0);
    (void)writer_use(db, S_FREELIST_COUNT);
}

enum err kvdb_commit(struct kvdb *db, struct why *why)
{
    invariant(db->in_txn);
    writer_read_size(db);
    if (db->error == ERR_OK)
        writer_run(db, S_COMMIT);
    if (db->error != ERR_OK) {
        kvdb_rollback(db);
        return why_set(why, db->error, "%s", db->why.text);
    }
    db->in_txn = false;
    end_durable(db);
    return ERR_OK;
}

void kvdb_rollback(struct kvdb *db)
{
    invariant(db->in_txn);
    (void)writer_use(db, S_ROLLBACK);
    db->in_txn = false;
    if (sqlite3_get_autocommit(db->h))
        return; /* SQLite has rolled back by itself, or never began */
    int rc = sql_run(db->s[S_ROLLBACK]);
    if (rc != SQLITE_OK)
        writer_fail(db, rc);
    writer_read_size(db);
    end_durable(db);
}

void kvdb_size(struct kvdb *db, int64_t *ret_total, int64_t *ret_in_use)
{
    if (db->in_txn)
        writer_read_size(db);
    *ret_total = db->pages * PAGE_SIZE;
    *ret_in_use = (db->pages - db->free_pages) * PAGE_SIZE;
}

int64_t kvdb_wal_size(const struct kvdb *db)
{
    return db->wal_frames * WAL_FRAME_SIZE;
}

static int on_wal_commit(void *arg, sqlite3 *h, const char *name, int frames)
{
    (void)h;
    (void)name;
    ((struct kvdb *)arg)->wal_frames = frames;
    return SQLITE_OK;
}

enum err kvdb_vacuum_step(struct kvdb *db, unsigned pages_max, unsigned *ret_freed, struct why *why)
{
    invariant(!db->in_txn);
    *ret_freed = 0;
    if (pages_max == 0 || db->free_pages == 0)
        return ERR_OK;
    AUTO(buf) struct buf sql = BUF_INIT;
    buf_addf(&sql, "PRAGMA incremental_vacuum(%u)", pages_max);
    int64_t before = db->free_pages;
    enum err e = sql_exec(db->h, buf_cstr(&sql), why);
    writer_read_size(db);
    if (e == ERR_OK && db->error != ERR_OK)
        e = why_set(why, db->error, "%s", db->why.text);
    if (e == ERR_OK && before > db->free_pages)
        *ret_freed = (unsigned)(before - db->free_pages);
    return e;
}

/* ---- opening -------------------------------------------------------------------------------- */

const struct kvdb_place *kvdb_place(const struct kvdb *db)
{
    return &db->place;
}

enum err kvdb_set_cache(sqlite3 *h, size_t size, struct why *why)
{
    AUTO(buf) struct buf sql = BUF_INIT;
    buf_addf(&sql, "PRAGMA cache_size=-%zu;PRAGMA temp_store=MEMORY", size / 1024);
    return sql_exec(h, buf_cstr(&sql), why);
}

static struct kvdb *kvdb_new(const char *path, const struct kvdb_options *o)
{
    struct kvdb *db = xcalloc(1, sizeof *db);
    db->writer.ops = &writer_ops;
    db->place = (struct kvdb_place){
        .path = xstrdup(path),
        .vfs = o->vfs ? xstrdup(o->vfs) : NULL,
        .reader_cache_size = o->reader_cache_size ? o->reader_cache_size : READER_CACHE_SIZE,
        .no_sync = o->no_sync || o->bulk,
    };
    return db;
}

static enum err kvdb_configure(struct kvdb *db, const struct kvdb_options *o, struct why *why)
{
    AUTO(buf) struct buf sql = BUF_INIT;
    buf_addf(&sql,
             "PRAGMA synchronous=%s;PRAGMA journal_size_limit=%d;PRAGMA wal_autocheckpoint=0;"
             "PRAGMA secure_delete=OFF",
             o->no_sync || o->bulk ? "OFF" : "NORMAL", WAL_KEEP_SIZE);
    enum err e = sql_exec(db->h, buf_cstr(&sql), why);
    if (e == ERR_OK)
        e = kvdb_set_cache(db->h, o->writer_cache_size ? o->writer_cache_size : WRITER_CACHE_SIZE,
                           why);
    return e;
}

enum err kvdb_open(const char *path, const struct kvdb_options *options, struct kvdb **ret_db,
                   struct why *why)
{
    AUTO(kvdb) struct kvdb *db = kvdb_new(path, options);
    enum err e = options->create ? sql_create_file(path, why) : ERR_OK;
    if (e == ERR_OK)
        e = sql_open(path, false, options->vfs, &db->h, why);
    if (e == ERR_OK)
        e = kvdb_configure(db, options, why);
    if (e == ERR_OK)
        e = sql_schema_open(db->h, &schema, options->create, why);
    if (e == ERR_OK && options->bulk) /* new pages need no journal; it holds the few old ones */
        e = sql_exec(db->h, "PRAGMA journal_mode=MEMORY", why);
    if (e == ERR_OK)
        e = sql_prepare(db->h, statement_sql, db->s, S_COUNT_, why);
    if (e != ERR_OK)
        return e;
    sqlite3_wal_hook(db->h, on_wal_commit, db);
    writer_read_size(db);
    if (db->error != ERR_OK)
        return why_set(why, db->error, "%s", db->why.text);
    *ret_db = db;
    db = NULL;
    return ERR_OK;
}

static enum err sync_file(const char *path, struct why *why)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    int code = fd == -1 || fsync(fd) == -1 ? errno : 0;
    if (fd != -1)
        close(fd);
    return code == 0 ? ERR_OK : why_set(why, ERR_IO, "sync '%s': %s", path, strerror(code));
}

enum err kvdb_bulk_end(struct kvdb *db, struct why *why)
{
    invariant(!db->in_txn);
    enum err e = sql_exec(db->h, "PRAGMA journal_mode=WAL", why);
    return e == ERR_OK ? sync_file(db->place.path, why) : e;
}

void kvdb_close(struct kvdb *db)
{
    if (db == NULL)
        return;
    sql_finalize(db->s, S_COUNT_);
    int rc = sqlite3_close(db->h);
    invariant(rc == SQLITE_OK);
    free(db->place.path);
    free(db->place.vfs);
    free(db);
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

enum err kvdb_checkpointer_open(const struct kvdb *db, struct kvdb_checkpointer **ret_cp,
                                struct why *why)
{
    AUTO(kvdb_checkpointer) struct kvdb_checkpointer *cp = xcalloc(1, sizeof *cp);
    enum err e = sql_open(db->place.path, false, db->place.vfs, &cp->h, why);
    if (e != ERR_OK)
        return e;
    sqlite3_busy_timeout(cp->h, 0);
    e = sql_exec(cp->h, db->place.no_sync ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=NORMAL",
                 why);
    if (e == ERR_OK)
        e = kvdb_set_cache(cp->h, 64 * 1024, why);
    if (e != ERR_OK)
        return e;
    *ret_cp = cp;
    cp = NULL;
    return ERR_OK;
}

void kvdb_checkpointer_close(struct kvdb_checkpointer *cp)
{
    if (cp == NULL)
        return;
    sqlite3_close(cp->h);
    free(cp);
}

enum err kvdb_checkpoint(struct kvdb_checkpointer *cp, enum kvdb_checkpoint_mode mode,
                         struct kvdb_checkpoint_stats *ret_stats, struct why *why)
{
    int log = 0, done = 0;
    *ret_stats = (struct kvdb_checkpoint_stats){0};
    int rc = sqlite3_wal_checkpoint_v2(cp->h, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &done);
    if ((rc & 0xff) == SQLITE_BUSY)
        return ERR_OK; /* another connection is at it: nothing is known to be complete */
    if (rc != SQLITE_OK)
        return sql_fail(cp->h, rc, "checkpoint", why);
    ret_stats->log_frames = log;
    ret_stats->done_frames = done;
    ret_stats->complete = log >= 0 && log == done;
    if (mode == KVDB_CHECKPOINT_PASSIVE || !ret_stats->complete)
        return ERR_OK;

    rc = sqlite3_wal_checkpoint_v2(cp->h, "main", SQLITE_CHECKPOINT_TRUNCATE, &log, &done);
    if (rc == SQLITE_OK)
        ret_stats->log_frames = ret_stats->done_frames = 0;
    return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY ? ERR_OK
                                                         : sql_fail(cp->h, rc, "checkpoint", why);
}
