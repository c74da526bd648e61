/* storage/logdb.c -- see logdb.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/logdb.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "storage/sql_priv.h"
#include "storage/wal_check.h"

enum {
    WAL_FRAME_SIZE = 4096 + 24,
    CHECKPOINT_SIZE = 4 * 1024 * 1024,
    CACHE_SIZE = 1024 * 1024,
    FILL_SIZE = 64 * 1024,
    TRIM_STEP = 64, /* entries removed by one append, and twice as many as it adds */
};

static const struct sql_schema schema = {
    .application_id = 0x65744c47,
    .version = 2,
    .pragmas = "PRAGMA page_size=4096;",
    .create = "CREATE TABLE entry(idx INTEGER PRIMARY KEY, term INTEGER NOT NULL,"
              " type INTEGER NOT NULL, data BLOB, crc INTEGER);"
              "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), term INTEGER NOT NULL,"
              " vote INTEGER NOT NULL, commit_index INTEGER NOT NULL,"
              " trimmed_index INTEGER NOT NULL, trimmed_term INTEGER NOT NULL,"
              " cluster INTEGER NOT NULL, member INTEGER NOT NULL, crc INTEGER);"
              "INSERT INTO state VALUES(1, 0, 0, 0, 0, 0, 0, 0, NULL);",
    .upgrade = "ALTER TABLE entry ADD COLUMN crc INTEGER;ALTER TABLE state ADD COLUMN crc INTEGER;",
};

enum statement {
    S_BEGIN,
    S_COMMIT,
    S_APPEND,
    S_CUT,
    S_ONE,
    S_LAST,
    S_LOAD,
    S_REMOVE_UP_TO,
    S_REMOVE_ALL,
    S_STATE_GET,
    S_STATE_PUT,
    S_COUNT_,
};

static const char *const statement_sql[S_COUNT_] = {
    [S_BEGIN] = "BEGIN IMMEDIATE",
    [S_COMMIT] = "COMMIT",
    [S_APPEND] = "INSERT INTO entry(idx, term, type, data, crc) VALUES(?1, ?2, ?3, ?4, ?5)",
    [S_CUT] = "DELETE FROM entry WHERE idx >= ?1",
    [S_ONE] = "SELECT idx, term, type, data, crc FROM entry WHERE idx = ?1",
    [S_LAST] = "SELECT max(idx) FROM entry",
    [S_LOAD] = "SELECT idx, term, type, data, crc FROM entry ORDER BY idx",
    [S_REMOVE_UP_TO] = "DELETE FROM entry WHERE idx <= ?1",
    [S_REMOVE_ALL] = "DELETE FROM entry",
    [S_STATE_GET] = ("SELECT term, vote, commit_index, trimmed_index, trimmed_term, cluster, member,"
                     " crc FROM state WHERE id = 1"),
    [S_STATE_PUT] = ("UPDATE state SET term = ?1, vote = ?2, commit_index = ?3, trimmed_index = ?4,"
                     " trimmed_term = ?5, cluster = ?6, member = ?7, crc = ?8 WHERE id = 1"),
};

struct logdb {
    sqlite3 *h;
    sqlite3_stmt *s[S_COUNT_];
    struct logdb_start state; /* its row; last_index is not in there */
    raft_index last;
    raft_index trim_to; /* wanted */
    int64_t wal_frames;
    int64_t checkpoint_frames;      /* how many make a checkpoint due */
    int64_t next_checkpoint_frames; /* when one is really tried; more after an incomplete one */
    enum err error;                 /* the first one; nothing is written after it */
    struct why why;
};

/* ---- statements ----------------------------------------------------------------------------- */

static void logdb_fail(struct logdb *db, int rc, const char *doing)
{
    if (db->error == ERR_OK)
        db->error = sql_fail(db->h, rc, doing, &db->why);
}

/* Run a statement without rows; nothing after an error. */
static void logdb_run(struct logdb *db, enum statement i)
{
    int rc = db->error == ERR_OK ? sql_run(db->s[i]) : SQLITE_OK;
    if (rc != SQLITE_OK)
        logdb_fail(db, rc, "write");
}

static void logdb_run_for(struct logdb *db, enum statement i, raft_index index)
{
    sqlite3_bind_int64(db->s[i], 1, (int64_t)index);
    logdb_run(db, i);
}

/* Commit and sync, or roll back after an error; say how it went. */
static enum err logdb_commit(struct logdb *db, struct why *why)
{
    logdb_run(db, S_COMMIT);
    if (db->error == ERR_OK)
        return ERR_OK;
    if (!sqlite3_get_autocommit(db->h))
        sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
    return why_set(why, db->error, "%s", db->why.text);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static enum err logdb_damaged(struct logdb *db, struct why *why, const char *what, uint64_t index)
{
    return why_set(why, ERR_DAMAGED, "'%s' is damaged: %s (index %" PRIu64 ")",
                   sqlite3_db_filename(db->h, "main"), what, index);
}

enum { STATE_NUMBERS = 7 };

static uint32_t numbers_crc(const uint64_t *v, size_t n)
{
    uint8_t bytes[8 * STATE_NUMBERS];
    for (size_t i = 0; i < n; i++)
        be64_put(bytes + 8 * i, v[i]);
    return crc32c(0, bytes, 8 * n);
}

static uint32_t entry_crc(raft_index index, raft_term term, uint64_t type, bool has_data,
                          struct slice data)
{
    uint64_t v[] = {index, term, type, has_data ? data.n : UINT64_MAX};
    return crc32c(numbers_crc(v, ARRAY_LEN(v)), data.p, data.n);
}

/* True if the column has `crc`, or nothing: of a row as schema 1 wrote it, that is not known. */
static bool column_has_crc(sqlite3_stmt *s, int i, uint32_t crc)
{
    return sqlite3_column_type(s, i) == SQLITE_NULL || sqlite3_column_int64(s, i) == crc;
}

static void entry_put(struct logdb *db, const struct raft_entry *e)
{
    struct slice data = e->data != NULL ? blob_slice(e->data) : slice_make(NULL, 0);
    sqlite3_stmt *s = db->s[S_APPEND];
    sqlite3_bind_int64(s, 1, (int64_t)e->index);
    sqlite3_bind_int64(s, 2, (int64_t)e->term);
    sqlite3_bind_int(s, 3, (int)e->type);
    if (e->data != NULL)
        sql_bind_slice(s, 4, data);
    else
        sqlite3_bind_null(s, 4);
    sqlite3_bind_int64(s, 5, entry_crc(e->index, e->term, e->type, e->data != NULL, data));
    logdb_run(db, S_APPEND);
}

/* A row of `s`, which lends the data. */
struct entry_row {
    raft_index index;
    raft_term term;
    enum raft_entry_type type;
    bool has_data;
    struct slice data;
};

static enum err entry_get(struct logdb *db, sqlite3_stmt *s, struct entry_row *ret,
                          struct why *why)
{
    raft_index index = (raft_index)sqlite3_column_int64(s, 0);
    raft_term term = (raft_term)sqlite3_column_int64(s, 1);
    int64_t type = sqlite3_column_int64(s, 2);
    int kind = sqlite3_column_type(s, 3);
    struct slice data = sql_column_slice(s, 3);
    if (!column_has_crc(s, 4, entry_crc(index, term, (uint64_t)type, kind != SQLITE_NULL, data)))
        return logdb_damaged(db, why, "the checksum of an entry is wrong", index);
    if (type < RAFT_ENTRY_NORMAL || type > RAFT_ENTRY_CONF_CHANGE_V2)
        return logdb_damaged(db, why, "an entry has an unknown type", index);
    if (kind != SQLITE_BLOB && kind != SQLITE_NULL)
        return logdb_damaged(db, why, "the data of an entry are not bytes", index);
    *ret = (struct entry_row){index, term, (enum raft_entry_type)type, kind == SQLITE_BLOB, data};
    return ERR_OK;
}

static void state_put(struct logdb *db)
{
    const struct logdb_start *st = &db->state;
    const uint64_t v[STATE_NUMBERS] = {
        st->hard_state.term, st->hard_state.vote, st->hard_state.commit, st->trimmed_index,
        st->trimmed_term,    st->cluster_id,      st->member_id};
    sqlite3_stmt *s = db->s[S_STATE_PUT];
    for (int i = 0; i < STATE_NUMBERS; i++)
        sqlite3_bind_int64(s, i + 1, (int64_t)v[i]);
    sqlite3_bind_int64(s, STATE_NUMBERS + 1, numbers_crc(v, STATE_NUMBERS));
    logdb_run(db, S_STATE_PUT);
}

static enum err state_get(struct logdb *db, struct why *why)
{
    sqlite3_stmt *s = db->s[S_STATE_GET];
    uint64_t v[STATE_NUMBERS];
    int rc = sqlite3_step(s);
    for (int i = 0; i < STATE_NUMBERS; i++)
        v[i] = (uint64_t)sqlite3_column_int64(s, i);
    bool is_good = column_has_crc(s, STATE_NUMBERS, numbers_crc(v, STATE_NUMBERS));
    sqlite3_reset(s);
    if (rc == SQLITE_DONE)
        return logdb_damaged(db, why, "its state is missing", 0);
    if (rc != SQLITE_ROW)
        return sql_fail(db->h, rc, "read", why);
    if (!is_good)
        return logdb_damaged(db, why, "the checksum of its state is wrong", 0);
    db->state = (struct logdb_start){
        .hard_state = {.term = v[0], .vote = v[1], .commit = v[2]},
        .trimmed_index = v[3],
        .trimmed_term = v[4],
        .cluster_id = v[5],
        .member_id = v[6],
    };
    return ERR_OK;
}

/* ---- trimming ------------------------------------------------------------------------------- */

void logdb_trim(struct logdb *db, raft_index index)
{
    if (db->error != ERR_OK)
        return;
    invariant(index <= db->last);
    if (index > db->trim_to)
        db->trim_to = index;
}

static raft_term logdb_term(struct logdb *db, raft_index index)
{
    struct entry_row row = {.term = 0};
    sqlite3_stmt *s = db->s[S_ONE];
    sqlite3_bind_int64(s, 1, (int64_t)index);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        db->error = entry_get(db, s, &row, &db->why);
    else
        logdb_fail(db, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, "read");
    sqlite3_reset(s);
    return row.term;
}

/* Remove a bounded number of entries from the front, in the transaction of an append of `n`. Return
 * true if the state is to be written for that. */
static bool logdb_trim_step(struct logdb *db, size_t n)
{
    raft_index trimmed = db->state.trimmed_index;
    if (db->error != ERR_OK || db->trim_to < trimmed + TRIM_STEP)
        return false;
    raft_index to = trimmed + TRIM_STEP + 2 * n;
    if (to > db->trim_to)
        to = db->trim_to;
    db->state.trimmed_term = logdb_term(db, to);
    db->state.trimmed_index = to;
    logdb_run_for(db, S_REMOVE_UP_TO, to);
    return true;
}

/* ---- checkpoints ---------------------------------------------------------------------------- */

static int on_wal_commit(void *arg, sqlite3 *h, const char *name, int frames)
{
    (void)h;
    (void)name;
    ((struct logdb *)arg)->wal_frames = frames;
    return SQLITE_OK;
}

/* Once the WAL is long enough, copy it into the database file, so that it is used again from its
 * start: overwriting in place is what makes a sync cheap. */
static void logdb_checkpoint_if_due(struct logdb *db)
{
    if (db->error != ERR_OK || db->wal_frames < db->next_checkpoint_frames)
        return;
    int log = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->h, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &done);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) {
        logdb_fail(db, rc, "checkpoint");
        return;
    }
    db->next_checkpoint_frames = db->checkpoint_frames;
    if (rc != SQLITE_OK || log != done) /* a foreign reader is in the way: not at every append */
        db->next_checkpoint_frames += db->wal_frames;
}

enum err logdb_gather(struct logdb *db, struct why *why)
{
    int rc = sqlite3_wal_checkpoint_v2(db->h, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : sql_fail(db->h, rc, "checkpoint", why);
}

/* Make the WAL file as long as it will get, so that no later sync has to record a new length. What
 * is behind the last frame is not read. It is only for speed: an error here is left to the
 * appends. */
static void logdb_fill_wal(struct logdb *db)
{
    static const uint8_t zeros[FILL_SIZE];
    sqlite3_file *f = NULL;
    int64_t size = 0, want = (db->checkpoint_frames + db->checkpoint_frames / 8) * WAL_FRAME_SIZE;
    int rc = sqlite3_file_control(db->h, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&f);
    if (rc != SQLITE_OK || f == NULL || f->pMethods == NULL)
        return;
    if (f->pMethods->xFileSize(f, (sqlite3_int64 *)&size) != SQLITE_OK || size >= want)
        return;
    for (; size < want; size += FILL_SIZE) {
        if (f->pMethods->xWrite(f, zeros, FILL_SIZE, size) != SQLITE_OK)
            return;
    }
    (void)f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void check_entries(const struct logdb *db, const struct raft_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        invariant(entries[i].index == entries[0].index + i && entries[i].term != 0);
    invariant(n == 0 || (entries[0].index > db->state.trimmed_index &&
                         entries[0].index <= db->last + 1));
}

enum err logdb_append(struct logdb *db, const struct raft_hard_state *hard_state,
                      const struct raft_entry *entries, size_t n, struct why *why)
{
    if (db->error != ERR_OK) /* what the log holds is not known any more */
        return why_set(why, db->error, "%s", db->why.text);
    check_entries(db, entries, n);
    logdb_run(db, S_BEGIN);
    if (n != 0 && entries[0].index <= db->last)
        logdb_run_for(db, S_CUT, entries[0].index);
    for (size_t i = 0; i < n; i++)
        entry_put(db, &entries[i]);
    if (hard_state != NULL)
        db->state.hard_state = *hard_state;
    if (logdb_trim_step(db, n) || hard_state != NULL)
        state_put(db);
    enum err e = logdb_commit(db, why);
    if (e != ERR_OK)
        return e;
    if (n != 0)
        db->last = entries[n - 1].index;
    logdb_checkpoint_if_due(db);
    return db->error == ERR_OK ? ERR_OK : why_set(why, db->error, "%s", db->why.text);
}

enum err logdb_set_identity(struct logdb *db, uint64_t cluster_id, member_id id, struct why *why)
{
    db->state.cluster_id = cluster_id;
    db->state.member_id = id;
    logdb_run(db, S_BEGIN);
    state_put(db);
    return logdb_commit(db, why);
}

enum err logdb_reset(struct logdb *db, const struct raft_hard_state *hard_state, raft_index index,
                     raft_term term, struct why *why)
{
    invariant(index != 0 && term != 0);
    db->state.hard_state = *hard_state;
    if (hard_state->commit > index)
        db->state.hard_state.commit = index;
    db->state.trimmed_index = index;
    db->state.trimmed_term = term;
    logdb_run(db, S_BEGIN);
    logdb_run(db, S_REMOVE_ALL);
    state_put(db);
    enum err e = logdb_commit(db, why);
    if (e == ERR_OK)
        db->last = db->trim_to = index;
    return e;
}

raft_index logdb_trimmed_index(const struct logdb *db)
{
    return db->state.trimmed_index;
}

raft_index logdb_last_index(const struct logdb *db)
{
    return db->last;
}

/* ---- loading -------------------------------------------------------------------------------- */

/* Where the load stands: the entry before the next. */
struct load_at {
    raft_index index;
    raft_term term;
};

/* Visit the entry of the current row. */
static enum err entry_load(struct logdb *db, void (*visit)(void *arg, const struct raft_entry *e),
                           void *arg, struct load_at *at, struct why *why)
{
    struct entry_row row;
    enum err e = entry_get(db, db->s[S_LOAD], &row, why);
    if (e != ERR_OK)
        return e;
    if (row.index != at->index + 1)
        return logdb_damaged(db, why, "entries are missing", at->index + 1);
    if (row.term == 0 || row.term < at->term)
        return logdb_damaged(db, why, "the terms of entries go down", row.index);
    *at = (struct load_at){.index = row.index, .term = row.term};
    if (visit == NULL)
        return ERR_OK;
    struct raft_entry entry = {.index = row.index,
                               .term = row.term,
                               .type = row.type,
                               .data = row.has_data ? blob_dup(row.data) : NULL};
    visit(arg, &entry);
    blob_unref(entry.data);
    return ERR_OK;
}

static enum err entries_load(struct logdb *db,
                             void (*visit)(void *arg, const struct raft_entry *e), void *arg,
                             struct load_at *at, struct why *why)
{
    sqlite3_stmt *s = db->s[S_LOAD];
    enum err e = ERR_OK;
    int rc = SQLITE_ROW;
    while (e == ERR_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
        e = entry_load(db, visit, arg, at, why);
    sqlite3_reset(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        e = sql_fail(db->h, rc, "read", why);
    return e;
}

enum err logdb_load(struct logdb *db, void (*visit)(void *arg, const struct raft_entry *e),
                    void *arg, struct logdb_start *ret_start, struct why *why)
{
    enum err e = state_get(db, why);
    if (e != ERR_OK)
        return e;
    *ret_start = db->state;
    struct raft_hard_state *hs = &ret_start->hard_state;
    if (ret_start->trimmed_index > INT64_MAX - 1 ||
        (ret_start->trimmed_index == 0) != (ret_start->trimmed_term == 0))
        return logdb_damaged(db, why, "its start makes no sense", ret_start->trimmed_index);
    struct load_at at = {.index = ret_start->trimmed_index, .term = ret_start->trimmed_term};
    e = entries_load(db, visit, arg, &at, why);
    if (e != ERR_OK)
        return e;
    if (hs->commit > at.index)
        return logdb_damaged(db, why, "committed entries are missing", at.index + 1);
    if (hs->term < at.term)
        return logdb_damaged(db, why, "its term is older than its last entry", at.index);
    if (hs->commit < ret_start->trimmed_index)
        hs->commit = ret_start->trimmed_index; /* only committed entries are ever trimmed */
    ret_start->last_index = at.index;
    return ERR_OK;
}

enum err logdb_check(struct logdb *db, struct why *why)
{
    return sql_check(db->h, why);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Find where the log begins and ends; the first read also opens the WAL. */
static enum err logdb_find_ends(struct logdb *db, struct why *why)
{
    enum err e = state_get(db, why);
    if (e != ERR_OK)
        return e;
    sqlite3_stmt *s = db->s[S_LAST];
    int rc = sqlite3_step(s);
    db->trim_to = db->last = db->state.trimmed_index;
    if (rc == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL)
        db->last = (raft_index)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? ERR_OK : sql_fail(db->h, rc, "read", why);
}

static enum err logdb_configure(struct logdb *db, const struct logdb_options *o, struct why *why)
{
    int64_t size = o->checkpoint_size ? o->checkpoint_size : CHECKPOINT_SIZE;
    db->checkpoint_frames = db->next_checkpoint_frames = size / WAL_FRAME_SIZE + 1;
    int keep_wal = 1;
    (void)sqlite3_file_control(db->h, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
    AUTO(buf) struct buf sql = BUF_INIT;
    buf_addf(&sql,
             "PRAGMA synchronous=%s;PRAGMA wal_autocheckpoint=0;PRAGMA cache_size=-%d;"
             "PRAGMA temp_store=MEMORY",
             o->no_sync ? "OFF" : "FULL", CACHE_SIZE / 1024);
    return sql_exec(db->h, buf_cstr(&sql), why);
}

enum err logdb_open(const char *path, const struct logdb_options *options, struct logdb **ret_db,
                    struct why *why)
{
    AUTO(logdb) struct logdb *db = xcalloc(1, sizeof *db);
    enum err e = options->create ? sql_create_file(path, why) : ERR_OK;
    if (e == ERR_OK)
        e = wal_check(path, why);
    if (e == ERR_OK)
        e = sql_open(path, false, options->vfs, &db->h, why);
    if (e == ERR_OK)
        e = logdb_configure(db, options, why);
    if (e == ERR_OK)
        e = sql_schema_open(db->h, &schema, options->create, why);
    if (e == ERR_OK)
        e = sql_prepare(db->h, statement_sql, db->s, S_COUNT_, why);
    if (e == ERR_OK)
        e = logdb_find_ends(db, why);
    if (e != ERR_OK)
        return e;
    sqlite3_wal_hook(db->h, on_wal_commit, db);
    if (!options->no_sync)
        logdb_fill_wal(db);
    *ret_db = db;
    db = NULL;
    return ERR_OK;
}

void logdb_close(struct logdb *db)
{
    if (db == NULL)
        return;
    sql_finalize(db->s, S_COUNT_);
    int rc = sqlite3_close(db->h);
    invariant(rc == SQLITE_OK);
    free(db);
}
