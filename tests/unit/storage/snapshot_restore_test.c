/* A restore replaces everything or nothing: for readers, for whoever gives up, when an operation
 * fails, and when the power goes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_reader.h"
#include "tests/lib/fault_vfs.h"

/* ---- states and their snapshots ---------------------------------------------------------------
 */

/* State `id` is made of these; the states differ in each row. */
static void put_state(struct kvdb *db, const char *id, int64_t rows)
{
    char value[200];
    memset(value, id[0], sizeof value);
    for (int64_t i = 0; i < rows; i++) {
        struct kv_row row = make_row(i + 2, id, slice_make(value, (size_t)(i % 200)));
        put_row(db, &row);
    }
    put_bucket(db, BUCKET_META, slice_str("consistent_index"), slice_str(id));
    put_bucket(db, BUCKET_LEASE, slice_str(id), slice_str(id));
    put_bucket(db, BUCKET_LOCAL, slice_str(id), slice_str(id));
}

static void fill(struct kvdb *db, const char *id, int64_t rows)
{
    kvdb_begin(db);
    put_state(db, id, rows);
    OK(kvdb_commit(db, &scratch_why));
}

static struct snapshot_reader *snapshot_of(struct kvdb *db)
{
    struct kvdb_reader *r;
    struct snapshot_reader *s;
    uint64_t size;
    int fd;
    OK(kvdb_reader_open(db, &r, &scratch_why));
    OK(kvdb_reader_begin(r, &scratch_why));
    OK(snapshot_spool_open(scratch_dir, &fd, &scratch_why));
    OK(snapshot_file_write(r, fd, NULL, &size, &scratch_why));
    kvdb_reader_end(r);
    kvdb_reader_close(r);
    OK(snapshot_reader_open(fd, size, &s, &scratch_why));
    close(fd);
    return s;
}

static struct snapshot_reader *snapshot_make(const char *id, int64_t rows)
{
    struct kvdb *db = scratch_kvdb("source.db");
    fill(db, id, rows);
    struct snapshot_reader *s = snapshot_of(db);
    kvdb_close(db);
    unlink(scratch_path("source.db"));
    return s;
}

static enum err restore(const struct snapshot_reader *s, struct kvdb *db)
{
    return snapshot_restore(s, db, &(struct snapshot_restore){.row = NULL}, &scratch_why);
}

/* ---- what a database holds --------------------------------------------------------------------
 */

struct count {
    const char *id;
    int64_t n;
};

static bool count_row(void *arg, const struct kv_row *row)
{
    struct count *c = arg;
    c->n++;
    assert_int_equal(row->main, c->n + 1);
    assert_true(slice_is(row->key, c->id));
    assert_int_equal(row->value.n, (c->n - 1) % 200);
    for (size_t i = 0; i < row->value.n; i++)
        assert_int_equal(row->value.p[i], c->id[0]);
    return true;
}

static bool count_pair(void *arg, struct slice key, struct slice value)
{
    struct count *c = arg;
    c->n++;
    assert_true(slice_is(key, c->id) && slice_is(value, c->id));
    return true;
}

/* The snapshot of `r` is all of state `id`. */
static void expect_view(struct kvdb_reader *r, const char *id, int64_t rows, int64_t locals)
{
    struct count history = {.id = id}, leases = {.id = id}, local = {.id = id};
    struct slice value;
    struct kv_reader *kv = kvdb_reader_kv(r);
    OK(kv->ops->scan(kv, 0, INT64_MAX, count_row, &history));
    assert_int_equal(history.n, rows);
    OK(kvdb_reader_bucket_get(r, BUCKET_META, slice_str("consistent_index"), &value));
    assert_true(slice_is(value, id));
    OK(kvdb_reader_bucket_scan(r, BUCKET_LEASE, count_pair, &leases));
    assert_int_equal(leases.n, 1);
    OK(kvdb_reader_bucket_scan(r, BUCKET_LOCAL, count_pair, &local));
    assert_int_equal(local.n, locals);
}

/* Return the first letter of the state's name. */
static char state_of(struct kvdb_reader *r)
{
    struct slice value;
    OK(kvdb_reader_bucket_get(r, BUCKET_META, slice_str("consistent_index"), &value));
    return (char)value.p[0];
}

static void expect_state(struct kvdb *db, const char *id, int64_t rows, int64_t locals)
{
    struct kvdb_reader *r;
    OK(kvdb_reader_open(db, &r, &scratch_why));
    OK(kvdb_reader_begin(r, &scratch_why));
    OK(kvdb_reader_check(r, &scratch_why));
    expect_view(r, id, rows, locals);
    kvdb_reader_end(r);
    kvdb_reader_close(r);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void all_is_replaced(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 3000, 40000, 100, 3000, 0};
    struct kvdb *db = scratch_kvdb("kv.db");
    fill(db, "old", 500);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const char *id = i % 2 ? "odd" : "even";
        struct snapshot_reader *s = snapshot_make(id, sizes[i]);
        OK(restore(s, db));
        expect_state(db, id, sizes[i], 0);
        snapshot_reader_close(s);
    }
    kvdb_begin(db); /* it can be written to as before */
    struct kv_row row = make_row(2, "even", slice_make("", 0));
    put_row(db, &row);
    OK(kvdb_commit(db, &scratch_why));
    expect_state(db, "even", 1, 0);
    kvdb_close(db);
}

static void the_file_is_compact(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kvdb_checkpointer *cp;
    struct kvdb_checkpoint_stats stats;
    struct stat st;
    int64_t total, in_use;
    fill(db, "large", 50000);
    struct snapshot_reader *s = snapshot_make("small", 10);
    OK(restore(s, db));
    snapshot_reader_close(s);
    kvdb_size(db, &total, &in_use);
    assert_int_equal(total, in_use);
    OK(kvdb_checkpointer_open(db, &cp, &scratch_why));
    OK(kvdb_checkpoint(cp, KVDB_CHECKPOINT_TRUNCATE_IF_IDLE, &stats, &scratch_why));
    kvdb_checkpointer_close(cp);
    assert_true(stats.complete);
    assert_int_equal(stat(scratch_path("kv.db"), &st), 0);
    assert_int_equal(st.st_size, total);
    assert_true(total < 64 * 1024);
    kvdb_close(db);
}

struct watch {
    struct kvdb_reader *old;
    struct kvdb *db;
    int64_t rows, questions, questions_max;
};

static void watch_row(void *arg, const struct kv_row *row)
{
    struct watch *w = arg;
    w->rows++;
    assert_int_equal(row->main, w->rows + 1);
    assert_true(slice_is(row->key, "new"));
}

/* Readers see the old state until the end, whenever they began. */
static bool watch_readers(void *arg)
{
    struct watch *w = arg;
    expect_view(w->old, "old", 5000, 1);
    expect_state(w->db, "old", 5000, 1);
    return ++w->questions != w->questions_max;
}

static enum err put_local(void *arg, struct kv_writer *kw, struct why *why)
{
    struct slice value;
    assert_int_equal(((struct watch *)arg)->rows, 9000); /* last */
    assert_false(kw->ops->bucket_get(kw, BUCKET_LOCAL, slice_str("old"), &value));
    kw->ops->bucket_put(kw, BUCKET_LOCAL, slice_str("new"), slice_str("new"));
    return ERR_OK;
}

static enum err refuse_local(void *arg, struct kv_writer *kw, struct why *why)
{
    kw->ops->bucket_put(kw, BUCKET_LOCAL, slice_str("new"), slice_str("new"));
    return why_set(why, ERR_INVALID, "no");
}

static void readers_see_the_old_state_until_the_end(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct watch w = {.db = db};
    struct snapshot_restore how = {watch_row, put_local, watch_readers, &w};
    fill(db, "old", 5000);
    struct snapshot_reader *s = snapshot_make("new", 9000);
    OK(kvdb_reader_open(db, &w.old, &scratch_why));
    OK(kvdb_reader_begin(w.old, &scratch_why));
    OK(snapshot_restore(s, db, &how, &scratch_why));
    assert_true(w.questions > 5);
    expect_view(w.old, "old", 5000, 1);
    expect_state(db, "new", 9000, 1);
    kvdb_reader_end(w.old);
    OK(kvdb_reader_begin(w.old, &scratch_why));
    expect_view(w.old, "new", 9000, 1);
    kvdb_reader_end(w.old);
    kvdb_reader_close(w.old);
    snapshot_reader_close(s);
    kvdb_close(db);
}

static void who_gives_up_keeps_what_there_was(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct snapshot_reader *s = snapshot_make("new", 9000);
    fill(db, "old", 5000);
    for (int64_t i = 1; i < 9; i += 3) {
        struct watch w = {.db = db, .questions_max = i};
        struct snapshot_restore how = {.row = watch_row, .go_on = watch_readers, .arg = &w};
        OK(kvdb_reader_open(db, &w.old, &scratch_why));
        OK(kvdb_reader_begin(w.old, &scratch_why));
        assert_int_equal(snapshot_restore(s, db, &how, &scratch_why), ERR_CLOSED);
        kvdb_reader_end(w.old);
        kvdb_reader_close(w.old);
        expect_state(db, "old", 5000, 1);
    }
    OK(restore(s, db));
    expect_state(db, "new", 9000, 0);
    snapshot_reader_close(s);
    kvdb_close(db);
}

static void who_refuses_last_keeps_what_there_was(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct snapshot_reader *s = snapshot_make("new", 9000);
    struct snapshot_restore how = {.local = refuse_local};
    fill(db, "old", 5000);
    assert_int_equal(snapshot_restore(s, db, &how, &scratch_why), ERR_INVALID);
    assert_string_equal(scratch_why.text, "no");
    expect_state(db, "old", 5000, 1);
    OK(restore(s, db));
    expect_state(db, "new", 9000, 0);
    snapshot_reader_close(s);
    kvdb_close(db);
}

/* ---- bad disks --------------------------------------------------------------------------------
 */

enum { OLD_ROWS = 900, NEW_ROWS = 1300 };

static const struct kvdb_options on_bad_disk = {
    .create = true, .writer_cache_size = 64 * 1024, .vfs = FAULT_VFS};

/* A database in the old state, as if that had been there for long. */
static struct kvdb *start_old(void)
{
    static const char *const names[] = {"kv.db", "kv.db-wal", "kv.db-shm"};
    struct kvdb *db;
    struct kvdb_checkpointer *cp;
    struct kvdb_checkpoint_stats stats;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(scratch_path(names[i]));
    fault_vfs_reset();
    OK(kvdb_open(scratch_path("kv.db"), &on_bad_disk, &db, &scratch_why));
    fill(db, "old", OLD_ROWS);
    OK(kvdb_checkpointer_open(db, &cp, &scratch_why));
    OK(kvdb_checkpoint(cp, KVDB_CHECKPOINT_PASSIVE, &stats, &scratch_why));
    assert_true(stats.complete);
    kvdb_checkpointer_close(cp);
    return db;
}

/* Start again; it is one of the two states, and the new one if the restore said so. */
static char expect_old_or_new(enum err restored, int64_t new_rows)
{
    struct kvdb *db;
    struct kvdb_reader *r;
    fault_vfs_fail(0, FAULT_NONE);
    OK(kvdb_open(scratch_path("kv.db"), &on_bad_disk, &db, &scratch_why));
    OK(kvdb_reader_open(db, &r, &scratch_why));
    OK(kvdb_reader_begin(r, &scratch_why));
    char id = state_of(r);
    kvdb_reader_end(r);
    kvdb_reader_close(r);
    if (id == 'n')
        expect_state(db, "new", new_rows, 0);
    else
        expect_state(db, "old", OLD_ROWS, 1);
    if (restored == ERR_OK)
        assert_int_equal(id, 'n');
    kvdb_close(db);
    return id;
}

/* Count the operations before and after a restore. */
static void count_operations(const struct snapshot_reader *s, uint64_t *ret_from, uint64_t *ret_to)
{
    struct kvdb *db = start_old();
    *ret_from = fault_vfs_ops();
    OK(restore(s, db));
    *ret_to = fault_vfs_ops();
    kvdb_close(db);
    assert_true(*ret_to > *ret_from + 100);
}

static void any_operation_may_fail(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_ONCE, FAULT_FROM_THEN};
    struct snapshot_reader *s = snapshot_make("new", NEW_ROWS);
    uint64_t from, to;
    count_operations(s, &from, &to);
    for (uint64_t i = from + 1; i <= to; i++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            struct kvdb *db = start_old();
            fault_vfs_fail(i, kinds[k]);
            enum err e = restore(s, db);
            assert_true(fault_vfs_has_failed());
            if (e != ERR_OK) { /* and so the next commit says */
                assert_int_equal(e, ERR_IO);
                kvdb_begin(db);
                assert_int_equal(kvdb_commit(db, &scratch_why), ERR_IO);
            }
            kvdb_close(db);
            expect_old_or_new(e, NEW_ROWS);
        }
    }
    snapshot_reader_close(s);
}

/* Of one that is written back in steps: a step may fail as well. */
static void any_step_may_fail(void **state)
{
    (void)state;
    enum { ROWS = 20000, SAMPLES = 60 };
    struct snapshot_reader *s = snapshot_make("new", ROWS);
    uint64_t from, to;
    count_operations(s, &from, &to);
    for (uint64_t k = 0; k < SAMPLES; k++) {
        struct kvdb *db = start_old();
        fault_vfs_fail(from + 1 + k * (to - from) / SAMPLES, k % 2 ? FAULT_ONCE : FAULT_POWER_OFF);
        enum err e = restore(s, db);
        kvdb_close(db);
        fault_vfs_power_on(FAULT_LOSE_SECTORS, k);
        expect_old_or_new(e, ROWS);
    }
    snapshot_reader_close(s);
}

static void the_power_may_go_at_any_time(void **state)
{
    (void)state;
    static const enum fault_loss losses[] = {FAULT_LOSE_ALL, FAULT_LOSE_SECTORS};
    struct snapshot_reader *s = snapshot_make("new", NEW_ROWS);
    uint64_t from, to;
    count_operations(s, &from, &to);
    int64_t olds = 0;
    for (uint64_t i = from + 1; i <= to; i++) {
        for (size_t k = 0; k < ARRAY_LEN(losses); k++) {
            struct kvdb *db = start_old();
            fault_vfs_fail(i, FAULT_POWER_OFF);
            enum err e = restore(s, db);
            kvdb_close(db);
            fault_vfs_power_on(losses[k], i);
            olds += expect_old_or_new(e, NEW_ROWS) == 'o';
        }
    }
    assert_true(olds > 100);
    snapshot_reader_close(s);
}

/* Durable when it returns: nothing else may have been synced, and nothing is lost. */
static void the_power_may_go_right_after(void **state)
{
    (void)state;
    static const enum fault_loss losses[] = {FAULT_LOSE_ALL, FAULT_LOSE_SECTORS};
    struct snapshot_reader *s = snapshot_make("new", NEW_ROWS);
    for (size_t k = 0; k < ARRAY_LEN(losses); k++) {
        struct kvdb *db = start_old();
        OK(restore(s, db));
        fault_vfs_power_off();
        kvdb_close(db);
        fault_vfs_power_on(losses[k], k);
        expect_old_or_new(ERR_OK, NEW_ROWS);
    }
    snapshot_reader_close(s);
}

static void a_full_disk_keeps_the_old_state(void **state)
{
    (void)state;
    struct snapshot_reader *s = snapshot_make("new", NEW_ROWS);
    for (int64_t room = 0; room < 200 * 1000; room += 5003) {
        struct kvdb *db = start_old();
        fault_vfs_fill_after(room);
        enum err e = restore(s, db);
        assert_int_equal(e, ERR_DISK_FULL);
        kvdb_close(db);
        fault_vfs_fill_after(-1);
        assert_int_equal(expect_old_or_new(e, NEW_ROWS), 'o');
    }
    snapshot_reader_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_replaced),
        TEST(the_file_is_compact),
        TEST(readers_see_the_old_state_until_the_end),
        TEST(who_gives_up_keeps_what_there_was),
        TEST(who_refuses_last_keeps_what_there_was),
        TEST(any_operation_may_fail),
        TEST(any_step_may_fail),
        TEST(the_power_may_go_at_any_time),
        TEST(the_power_may_go_right_after),
        TEST(a_full_disk_keeps_the_old_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
