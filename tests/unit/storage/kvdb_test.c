/* What is committed is what readers with a snapshot see; sizes, vacuum, checkpoints, foreign files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/kvdb.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>

#include "scratch.h"

static void commit(struct kvdb *db)
{
    OK(kvdb_commit(db, &scratch_why));
}

/* Put rows [from, to) with a value of `size` bytes, in one transaction. */
static void fill(struct kvdb *db, int64_t from, int64_t to, size_t size)
{
    AUTO(buf) struct buf value = BUF_INIT;
    memset(buf_reserve(&value, size), 'v', size);
    value.n = size;
    kvdb_begin(db);
    for (int64_t i = from; i < to; i++) {
        struct kv_row row = make_row(i, "key", buf_slice(&value));
        put_row(db, &row);
    }
    commit(db);
}

static struct kvdb_reader *open_reader(struct kvdb *db)
{
    struct kvdb_reader *r;
    OK(kvdb_reader_open(db, &r, &scratch_why));
    return r;
}

static struct kvdb_checkpointer *open_checkpointer(struct kvdb *db)
{
    struct kvdb_checkpointer *cp;
    OK(kvdb_checkpointer_open(db, &cp, &scratch_why));
    return cp;
}

static enum err get(struct kvdb_reader *r, int64_t pos, struct kv_row *ret_row)
{
    struct kv_reader *kv = kvdb_reader_kv(r);
    return kv->ops->get(kv, pos, ret_row);
}

static void exec_sql(const char *path, const char *sql)
{
    sqlite3 *h;
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void assert_row_equal(const struct kv_row *a, const struct kv_row *b)
{
    assert_int_equal(a->pos, b->pos);
    assert_int_equal(a->main, b->main);
    assert_int_equal(a->sub, b->sub);
    assert_int_equal(a->create, b->create);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->lease, b->lease);
    assert_true(slice_eq(a->key, b->key));
    assert_true(slice_eq(a->value, b->value));
}

static const struct kv_row sample_rows[] = {
    {1 << 20, 2, 0, 2, 1, 0, {(const uint8_t *)"a", 1}, {(const uint8_t *)"b\0c", 3}},
    {2 << 20, 3, 0, 2, 2, INT64_MIN, {(const uint8_t *)"\0\xff", 2}, {NULL, 0}},
    {(2 << 20) + 1, 3, 1, 0, 0, 0, {(const uint8_t *)"a", 1}, {NULL, 0}},
};

static void the_writer_reads_its_own_writes(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kv_writer *w = kvdb_writer(db);
    struct kv_row row;
    kvdb_begin(db);
    for (size_t i = 0; i < ARRAY_LEN(sample_rows); i++)
        put_row(db, &sample_rows[i]);
    for (size_t i = 0; i < ARRAY_LEN(sample_rows); i++) {
        assert_true(w->ops->get(w, sample_rows[i].pos, &row));
        assert_row_equal(&row, &sample_rows[i]);
    }
    w->ops->remove(w, sample_rows[0].pos);
    assert_false(w->ops->get(w, sample_rows[0].pos, &row));
    commit(db);
    kvdb_close(db);
}

struct seen {
    int64_t n, sum, stop_at;
    bool has_value;
};

static bool see(void *arg, const struct kv_row *row)
{
    struct seen *s = arg;
    s->n++;
    s->sum += row->main;
    s->has_value |= row->value.n != 0;
    assert_true(row->key.n > 0);
    return s->n != s->stop_at;
}

static void a_reader_gets_scans_and_loads(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    kvdb_begin(db);
    for (size_t i = 0; i < ARRAY_LEN(sample_rows); i++)
        put_row(db, &sample_rows[i]);
    commit(db);
    struct kvdb_reader *r = open_reader(db);
    struct kv_reader *kv = kvdb_reader_kv(r);
    struct kv_row row;
    OK(kvdb_reader_begin(r, &scratch_why));
    for (size_t i = 0; i < ARRAY_LEN(sample_rows); i++) {
        OK(get(r, sample_rows[i].pos, &row));
        assert_row_equal(&row, &sample_rows[i]);
    }
    assert_int_equal(get(r, 7, &row), ERR_NOT_FOUND);

    struct seen all = {0}, part = {0}, first = {.stop_at = 1}, keys = {0};
    OK(kv->ops->scan(kv, 0, INT64_MAX, see, &all));
    assert_int_equal(all.n, 3);
    assert_int_equal(all.sum, 8);
    OK(kv->ops->scan(kv, 2 << 20, (2 << 20) + 1, see, &part));
    assert_int_equal(part.n, 1);
    OK(kv->ops->scan(kv, 0, INT64_MAX, see, &first));
    assert_int_equal(first.n, 1);
    OK(kvdb_reader_load_rows(r, see, &keys, &scratch_why));
    assert_int_equal(keys.n, 3);
    assert_false(keys.has_value);
    kvdb_reader_end(r);
    kvdb_reader_close(r);
    kvdb_close(db);
}

static void a_snapshot_stands_still(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kvdb_reader *r = open_reader(db), *later = open_reader(db);
    struct kv_row row;
    fill(db, 2, 3, 10);
    OK(kvdb_reader_begin(r, &scratch_why));
    fill(db, 3, 4, 10);
    OK(kvdb_reader_begin(later, &scratch_why));
    OK(get(r, 2 << 20, &row));
    assert_int_equal(get(r, 3 << 20, &row), ERR_NOT_FOUND);
    OK(get(later, 3 << 20, &row));
    kvdb_reader_end(r);
    OK(kvdb_reader_begin(r, &scratch_why));
    OK(get(r, 3 << 20, &row));
    kvdb_reader_end(r);
    kvdb_reader_end(later);
    kvdb_reader_close(r);
    kvdb_reader_close(later);
    kvdb_close(db);
}

static void a_rollback_leaves_nothing(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kv_row row = make_row(2, "k", slice_str("v"));
    struct kv_writer *w = kvdb_writer(db);
    kvdb_begin(db);
    put_row(db, &row);
    assert_true(w->ops->get(w, row.pos, &row));
    kvdb_rollback(db);
    kvdb_begin(db);
    assert_false(w->ops->get(w, 2 << 20, &row));
    commit(db);
    kvdb_close(db);
}

static void an_error_is_told_at_commit(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kv_writer *w = kvdb_writer(db);
    struct kv_row row = make_row(2, "k", slice_str("v"));
    kvdb_begin(db);
    put_row(db, &row);
    put_row(db, &row); /* the same place twice */
    assert_false(w->ops->get(w, row.pos, &row));
    assert_int_not_equal(kvdb_commit(db, &scratch_why), ERR_OK);
    kvdb_begin(db);
    assert_int_not_equal(kvdb_commit(db, NULL), ERR_OK);
    kvdb_close(db);
    db = scratch_kvdb("kv.db");
    kvdb_begin(db);
    assert_false(kvdb_writer(db)->ops->get(kvdb_writer(db), 2 << 20, &row));
    commit(db);
    kvdb_close(db);
}

/* ---- buckets -------------------------------------------------------------------------------- */

static bool join(void *arg, struct slice key, struct slice value)
{
    struct buf *b = arg;
    buf_addf(b, "%.*s=%.*s;", (int)key.n, (const char *)key.p, (int)value.n,
             value.n ? (const char *)value.p : "");
    return key.p[0] != 'x';
}

static void buckets(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kv_writer *w = kvdb_writer(db);
    struct kvdb_reader *r = open_reader(db);
    AUTO(buf) struct buf b = BUF_INIT;
    struct slice v;
    kvdb_begin(db);
    put_bucket(db, "auth", slice_str("z"), slice_str("9"));
    put_bucket(db, "lease", slice_str("b"), slice_str("1"));
    put_bucket(db, "lease", slice_str("a"), slice_str("2"));
    put_bucket(db, "lease", slice_str("b"), slice_str("3"));
    put_bucket(db, "lease", slice_str("x"), slice_make(NULL, 0));
    put_bucket(db, "lease", slice_str("y"), slice_str("gone"));
    w->ops->bucket_remove(w, "lease", slice_str("y"));
    assert_true(w->ops->bucket_get(w, "lease", slice_str("b"), &v));
    assert_true(slice_is(v, "3"));
    assert_false(w->ops->bucket_get(w, "lease", slice_str("z"), &v));
    w->ops->bucket_scan(w, "lease", join, &b);
    assert_string_equal(buf_cstr(&b), "a=2;b=3;x=;");
    commit(db);

    buf_clear(&b);
    OK(kvdb_reader_begin(r, &scratch_why));
    OK(kvdb_reader_bucket_get(r, "lease", slice_str("a"), &v));
    assert_true(slice_is(v, "2"));
    assert_int_equal(kvdb_reader_bucket_get(r, "lease", slice_str("c"), &v), ERR_NOT_FOUND);
    OK(kvdb_reader_bucket_scan(r, "lease", join, &b));
    assert_string_equal(buf_cstr(&b), "a=2;b=3;x=;");
    kvdb_reader_end(r);
    kvdb_reader_close(r);
    kvdb_close(db);
}

/* ---- size, vacuum, checkpoint --------------------------------------------------------------- */

static void sizes_grow_and_vacuum_shrinks(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kvdb_checkpointer *cp = open_checkpointer(db);
    struct kvdb_checkpoint_stats stats;
    struct kv_writer *w = kvdb_writer(db);
    int64_t total, in_use, full;
    unsigned freed;
    fill(db, 2, 102, 10000);
    kvdb_size(db, &full, &in_use);
    assert_int_equal(full, in_use);
    assert_true(full > 100 * 10000);

    kvdb_begin(db);
    for (int64_t i = 2; i < 102; i++)
        w->ops->remove(w, i << 20);
    kvdb_size(db, &total, &in_use);
    assert_int_equal(total, full);
    assert_true(in_use < 10 * 4096);
    commit(db);

    OK(kvdb_vacuum_step(db, 10, &freed, &scratch_why));
    assert_int_equal(freed, 10);
    kvdb_size(db, &total, &in_use);
    assert_int_equal(total, full - 10 * 4096);
    OK(kvdb_vacuum_step(db, 100000, &freed, &scratch_why));
    kvdb_size(db, &total, &in_use);
    assert_int_equal(total, in_use);
    OK(kvdb_vacuum_step(db, 10, &freed, &scratch_why));
    assert_int_equal(freed, 0);
    OK(kvdb_checkpoint(cp, KVDB_CHECKPOINT_PASSIVE, &stats, &scratch_why));
    struct stat st;
    assert_int_equal(stat(scratch_path("kv.db"), &st), 0);
    assert_int_equal(st.st_size, total);
    kvdb_checkpointer_close(cp);
    kvdb_close(db);
}

static void a_checkpoint_is_complete_once_no_old_snapshot_is_held(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kvdb_checkpointer *cp = open_checkpointer(db);
    struct kvdb_reader *r = open_reader(db);
    struct kvdb_checkpoint_stats stats;
    OK(kvdb_checkpoint(cp, KVDB_CHECKPOINT_PASSIVE, &stats, &scratch_why));
    assert_true(stats.complete);
    OK(kvdb_reader_begin(r, &scratch_why));
    fill(db, 2, 100, 1000);
    assert_true(kvdb_wal_size(db) > 90 * 1000);
    OK(kvdb_checkpoint(cp, KVDB_CHECKPOINT_TRUNCATE_IF_IDLE, &stats, &scratch_why));
    assert_false(stats.complete);
    kvdb_reader_end(r);
    OK(kvdb_checkpoint(cp, KVDB_CHECKPOINT_PASSIVE, &stats, &scratch_why));
    assert_true(stats.complete);
    assert_true(stats.log_frames > 20 && stats.done_frames == stats.log_frames);
    fill(db, 100, 101, 10); /* begins the WAL anew */
    assert_true(kvdb_wal_size(db) < 10 * 4120);

    OK(kvdb_checkpoint(cp, KVDB_CHECKPOINT_TRUNCATE_IF_IDLE, &stats, &scratch_why));
    struct stat st;
    assert_true(stats.complete && stats.log_frames == 0);
    assert_int_equal(stat(scratch_path("kv.db-wal"), &st), 0);
    assert_int_equal(st.st_size, 0);
    kvdb_reader_close(r);
    kvdb_checkpointer_close(cp);
    kvdb_close(db);
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum err try_open(bool create)
{
    struct kvdb *db = NULL;
    struct kvdb_options o = {.create = create};
    enum err e = kvdb_open(scratch_path("kv.db"), &o, &db, &scratch_why);
    kvdb_close(db);
    return e;
}

static void files_that_are_not_ours_are_refused(void **state)
{
    (void)state;
    assert_int_equal(try_open(false), ERR_NOT_FOUND);
    assert_int_equal(try_open(true), ERR_OK);
    assert_int_equal(try_open(false), ERR_OK);
    exec_sql(scratch_path("kv.db"), "ALTER TABLE bucket RENAME TO bukket");
    assert_int_equal(try_open(true), ERR_DAMAGED);
    assert_non_null(strstr(scratch_why.text, "no such table"));
    exec_sql(scratch_path("kv.db"), "PRAGMA user_version=2");
    assert_int_equal(try_open(true), ERR_NEWER_SCHEMA);
    assert_non_null(strstr(scratch_why.text, "newer version"));
    exec_sql(scratch_path("kv.db"), "PRAGMA application_id=1");
    assert_int_equal(try_open(true), ERR_FOREIGN_DATA);
    unlink(scratch_path("kv.db"));
    exec_sql(scratch_path("kv.db"), "CREATE TABLE t(a)");
    assert_int_equal(try_open(true), ERR_FOREIGN_DATA);
    int fd = open(scratch_path("kv.db"), O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_int_equal(dprintf(fd, "%01000d", 1), 1000);
    close(fd);
    assert_int_equal(try_open(true), ERR_DAMAGED);
}

static void a_start_that_was_cut_short_is_begun_again(void **state)
{
    (void)state;
    exec_sql(scratch_path("kv.db"), "PRAGMA auto_vacuum=INCREMENTAL;PRAGMA journal_mode=WAL");
    assert_int_equal(try_open(true), ERR_OK);
    struct stat st;
    assert_int_equal(stat(scratch_path("kv.db"), &st), 0);
}

static void new_files_are_for_their_owner_only(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    const char *const names[] = {"kv.db", "kv.db-wal", "kv.db-shm"};
    struct stat st;
    fill(db, 2, 3, 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(stat(scratch_path(names[i]), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    kvdb_close(db);
}

/* ---- checking ------------------------------------------------------------------------------- */

static enum err check(void)
{
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kvdb_reader *r = open_reader(db);
    OK(kvdb_reader_begin(r, &scratch_why));
    enum err e = kvdb_reader_check(r, &scratch_why);
    kvdb_reader_end(r);
    kvdb_reader_close(r);
    kvdb_close(db);
    return e;
}

static void damage_is_found(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    fill(db, 2, 1000, 100);
    kvdb_close(db);
    assert_int_equal(check(), ERR_OK);
    exec_sql(scratch_path("kv.db"), "UPDATE revision SET main = 3 WHERE main = 500");
    assert_int_equal(check(), ERR_DAMAGED);
    assert_non_null(strstr(scratch_why.text, "out of order"));
    exec_sql(scratch_path("kv.db"), "UPDATE revision SET main = 500 WHERE pos = 500 << 20");
    assert_int_equal(check(), ERR_OK);
    int fd = open(scratch_path("kv.db"), O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 20 * 4096), 4);
    close(fd);
    assert_int_equal(check(), ERR_DAMAGED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_writer_reads_its_own_writes),
        TEST(a_reader_gets_scans_and_loads),
        TEST(a_snapshot_stands_still),
        TEST(a_rollback_leaves_nothing),
        TEST(an_error_is_told_at_commit),
        TEST(buckets),
        TEST(sizes_grow_and_vacuum_shrinks),
        TEST(a_checkpoint_is_complete_once_no_old_snapshot_is_held),
        TEST(files_that_are_not_ours_are_refused),
        TEST(a_start_that_was_cut_short_is_begun_again),
        TEST(new_files_are_for_their_owner_only),
        TEST(damage_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
