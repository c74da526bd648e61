/* storage/snapshot_restore.c -- all of a snapshot into kv.db, in one transaction.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/snapshot_reader.h"

enum {
    ROWS_AT_ONCE = 64,                /* are put by one call, */
    BYTES_AT_ONCE = 64 * 1024,        /* or fewer, of so much: the file's pages are in memory for them */
    ROWS_A_QUESTION = 1024,           /* between two questions whether to go on */
    BYTES_A_STEP = 1024 * 1024,       /* between two times that they are written back */
    ROW_OVERHEAD = 64,                /* bytes, about */
    ROW_SIZE_MAX = 900 * 1000 * 1000, /* SQLite takes 10^9 */
};

struct restore {
    const struct snapshot_restore *how;
    struct kvdb *db;
    struct kv_writer *w;
    const char *bucket; /* being copied */
    uint64_t n;
    size_t bytes; /* since they were written back */
    struct kv_row rows[ROWS_AT_ONCE]; /* lent by the reader for as long as it lives */
    size_t n_rows, rows_bytes;
    enum err error;
};

/* Before a row is written: may it be? */
static bool goes_on(struct restore *r, struct slice key, struct slice value)
{
    if (key.n + value.n > ROW_SIZE_MAX)
        r->error = ERR_TOO_LARGE;
    else if (r->n++ % ROWS_A_QUESTION == 0 && r->how->go_on != NULL && !r->how->go_on(r->how->arg))
        r->error = ERR_CLOSED;
    r->bytes += key.n + value.n + ROW_OVERHEAD;
    if (r->error == ERR_OK && r->bytes >= BYTES_A_STEP) {
        kvdb_write_back(r->db);
        r->bytes = 0;
    }
    return r->error == ERR_OK;
}

static void put_rows(struct restore *r)
{
    kvdb_put_rows(r->db, r->rows, r->n_rows);
    r->n_rows = r->rows_bytes = 0;
}

static bool copy_row(void *arg, const struct kv_row *row)
{
    struct restore *r = arg;
    if (!goes_on(r, row->key, row->value))
        return false;
    r->rows[r->n_rows++] = *row;
    r->rows_bytes += row->key.n + row->value.n;
    if (r->n_rows == ROWS_AT_ONCE || r->rows_bytes >= BYTES_AT_ONCE)
        put_rows(r);
    if (r->how->row != NULL)
        r->how->row(r->how->arg, row);
    return true;
}

static bool copy_pair(void *arg, struct slice key, struct slice value)
{
    struct restore *r = arg;
    if (!goes_on(r, key, value))
        return false;
    r->w->ops->bucket_put(r->w, r->bucket, key, value);
    return true;
}

static enum err copy_all(const struct snapshot_reader *s, struct restore *r, struct why *why)
{
    static const char *const buckets[] = {
        BUCKET_ALARM, BUCKET_AUTH,    BUCKET_AUTH_ROLES,      BUCKET_AUTH_USERS, BUCKET_CLUSTER,
        BUCKET_LEASE, BUCKET_MEMBERS, BUCKET_MEMBERS_REMOVED, BUCKET_META,
    };
    enum err e = snapshot_reader_rows(s, copy_row, r, why);
    put_rows(r);
    kvdb_clear_buckets(r->db);
    for (size_t i = 0; i < ARRAY_LEN(buckets) && e == ERR_OK && r->error == ERR_OK; i++) {
        r->bucket = buckets[i];
        e = snapshot_reader_scan(s, r->bucket, copy_pair, r, why);
    }
    if (e == ERR_OK && r->error != ERR_OK)
        e = why_set(why, r->error, "restore the snapshot: %s", err_text(r->error));
    return e;
}

enum err snapshot_restore(const struct snapshot_reader *s, struct kvdb *db,
                          const struct snapshot_restore *how, struct why *why)
{
    struct restore r = {.how = how, .db = db, .w = kvdb_writer(db)};
    kvdb_begin_anew(db);
    enum err e = copy_all(s, &r, why);
    if (e == ERR_OK && how->local != NULL)
        e = how->local(how->arg, r.w, why);
    if (e == ERR_OK)
        return kvdb_commit(db, why);
    kvdb_rollback(db);
    return e;
}
