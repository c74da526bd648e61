/* A member's two databases on a bad disk: whatever operation fails, and wherever the power goes
 * out, what was acknowledged is there afterwards, and the two databases fit together.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "scratch.h"
#include "storage/kvdb.h"
#include "storage/logdb.h"
#include "tests/lib/fault_vfs.h"

enum { ROUNDS = 14, BATCH = 12, CONFLICT = 3, INDEX_MAX = ROUNDS * BATCH + 1 };

/* A member, and what it was told. */
struct member {
    struct logdb *log;
    struct kvdb *kv;
    struct kvdb_checkpointer *cp;
    raft_index acked;                 /* the last entry of an append that returned well */
    raft_index attempted;             /* the last entry of the append that did not */
    raft_index unsure_from;           /* entries from here on may be the old or the new ones */
    raft_term terms[INDEX_MAX + 1];   /* of the acknowledged entries */
    raft_term hard_term;              /* acknowledged */
    raft_index applied;               /* committed to the key database */
    raft_index durable;               /* what a checkpoint has made last */
};

/* ---- the scenario --------------------------------------------------------------------------- */

static enum err member_open(struct member *m)
{
    struct logdb_options lo = {.create = true, .checkpoint_size = 100 * 1024, .vfs = FAULT_VFS};
    struct kvdb_options ko = {.create = true, .vfs = FAULT_VFS};
    enum err e = logdb_open(scratch_path("log.db"), &lo, &m->log, &scratch_why);
    if (e == ERR_OK)
        e = kvdb_open(scratch_path("kv.db"), &ko, &m->kv, &scratch_why);
    if (e == ERR_OK)
        e = kvdb_checkpointer_open(m->kv, &m->cp, &scratch_why);
    return e;
}

static void member_close(struct member *m)
{
    kvdb_checkpointer_close(m->cp);
    kvdb_close(m->kv);
    logdb_close(m->log);
    m->cp = NULL;
    m->kv = NULL;
    m->log = NULL;
}

static struct blob *entry_data(raft_index index, raft_term term)
{
    struct blob *b = blob_new(100 + index % 900);
    memset(b->p, (int)(index * 7 + term), b->n);
    return b;
}

/* Append entries [from, to] of one term, as a leader or follower does. */
static enum err append(struct member *m, raft_index from, raft_index to, raft_term term)
{
    struct raft_entries l = {0};
    for (raft_index i = from; i <= to; i++) {
        struct raft_entry e = {.index = i, .term = term, .data = entry_data(i, term)};
        raft_entries_add(&l, &e, 1);
        blob_unref(e.data);
    }
    struct raft_hard_state hs = {.term = term, .vote = 1, .commit = m->applied};
    m->attempted = to;
    m->unsure_from = from;
    enum err e = logdb_append(m->log, &hs, l.v, l.n, &scratch_why);
    raft_entries_fini(&l);
    if (e != ERR_OK)
        return e;
    for (raft_index i = from; i <= to; i++)
        m->terms[i] = term;
    m->acked = to;
    m->unsure_from = to + 1;
    m->hard_term = term;
    return ERR_OK;
}

static enum err apply(struct member *m, raft_index to)
{
    uint8_t mark[8];
    be64_put(mark, to);
    kvdb_begin(m->kv);
    for (raft_index i = m->applied + 1; i <= to; i++) {
        struct blob *data = entry_data(i, m->terms[i]);
        struct kv_row row = make_row((revision)i + 1, "key", blob_slice(data));
        put_row(m->kv, &row);
        blob_unref(data);
    }
    put_bucket(m->kv, BUCKET_META, slice_str("consistent_index"), slice_make(mark, 8));
    enum err e = kvdb_commit(m->kv, &scratch_why);
    if (e == ERR_OK)
        m->applied = to;
    return e;
}

static enum err checkpoint(struct member *m)
{
    struct kvdb_checkpoint_stats stats;
    raft_index applied = m->applied;
    enum err e = kvdb_checkpoint(m->cp, KVDB_CHECKPOINT_PASSIVE, &stats, &scratch_why);
    if (e != ERR_OK)
        return e;
    assert_true(stats.complete); /* no one reads meanwhile */
    m->durable = applied;
    logdb_trim(m->log, applied);
    return ERR_OK;
}

/* Append a batch whose end is replaced by the next one, apply what is sure, checkpoint at times. */
static enum err play_round(struct member *m, raft_index round)
{
    raft_index from = (round - 1) * BATCH + 1;
    if (round > 1)
        from -= CONFLICT;
    enum err e = append(m, from, round * BATCH, round);
    if (e == ERR_OK)
        e = apply(m, round * BATCH - CONFLICT);
    if (e == ERR_OK && round % 3 == 0)
        e = checkpoint(m);
    return e;
}

static enum err play(struct member *m)
{
    enum err e = member_open(m);
    for (raft_index round = 1; round <= ROUNDS && e == ERR_OK; round++)
        e = play_round(m, round);
    return e;
}

/* ---- what must be true afterwards ----------------------------------------------------------- */

static void check_entry(void *arg, const struct raft_entry *e)
{
    const struct member *m = arg;
    if (e->index < m->unsure_from)
        assert_int_equal(e->term, m->terms[e->index]);
    struct blob *want = entry_data(e->index, e->term);
    assert_true(slice_eq(blob_slice(e->data), blob_slice(want)));
    blob_unref(want);
}

static void check_log(struct member *m, struct logdb_start *ret_start)
{
    OK(logdb_load(m->log, check_entry, m, ret_start, &scratch_why));
    /* An append is there as a whole or not at all. */
    assert_true(ret_start->last_index == m->acked || ret_start->last_index == m->attempted);
    assert_true(ret_start->hard_state.term >= m->hard_term);
    assert_true(ret_start->trimmed_index <= m->durable);
}

struct kv_check {
    struct member *m;
    revision last;
};

static bool check_row(void *arg, const struct kv_row *row)
{
    struct kv_check *c = arg;
    raft_index index = (raft_index)row->main - 1;
    assert_int_equal(row->main, c->last + 1);
    struct blob *want = entry_data(index, c->m->terms[index]);
    assert_true(slice_eq(row->value, blob_slice(want)));
    blob_unref(want);
    c->last = row->main;
    return true;
}

/* The key database stands at one index, with all rows up to it and none above. Return it. */
static raft_index check_kv(struct member *m)
{
    struct kvdb_reader *r;
    struct slice mark;
    raft_index index = 0;
    struct kv_check c = {.m = m, .last = 1};
    OK(kvdb_reader_open(m->kv, &r, &scratch_why));
    OK(kvdb_reader_begin(r, &scratch_why));
    if (kvdb_reader_bucket_get(r, BUCKET_META, slice_str("consistent_index"), &mark) == ERR_OK)
        index = be64_get(mark.p);
    OK(kvdb_reader_check(r, &scratch_why));
    struct kv_reader *kv = kvdb_reader_kv(r);
    OK(kv->ops->scan(kv, 0, INT64_MAX, check_row, &c));
    assert_int_equal(c.last, index + 1);
    kvdb_reader_end(r);
    kvdb_reader_close(r);
    return index;
}

/* Start again on what is left, check it, and go on with it. */
static void check_restart(struct member *m)
{
    struct logdb_start start;
    fault_vfs_fail(0, FAULT_NONE);
    OK(member_open(m));
    check_log(m, &start);
    raft_index applied = check_kv(m);
    assert_true(applied <= start.last_index);    /* never newer than the log */
    assert_true(applied >= start.trimmed_index); /* nor too old for what is left of it */
    assert_true(applied >= m->durable);
    OK(append(m, start.last_index + 1, start.last_index + 1, ROUNDS + 1));
    OK(checkpoint(m));
    member_close(m);
}

static void clean_up(void)
{
    static const char *const names[] = {"log.db", "log.db-wal", "log.db-shm",
                                        "kv.db",  "kv.db-wal",  "kv.db-shm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(scratch_path(names[i]));
    fault_vfs_reset();
}

/* ---- tests ---------------------------------------------------------------------------------- */

static uint64_t count_operations(void)
{
    struct member m = {0};
    clean_up();
    OK(play(&m));
    uint64_t n = fault_vfs_ops();
    assert_true(logdb_trimmed_index(m.log) > 0); /* the scenario has everything in it */
    member_close(&m);
    check_restart(&m);
    return n;
}

static void any_operation_may_fail(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_ONCE, FAULT_FROM_THEN};
    uint64_t n = count_operations();
    for (uint64_t i = 1; i <= n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            struct member m = {0};
            clean_up();
            fault_vfs_fail(i, kinds[k]);
            (void)play(&m); /* an error is no acknowledgement, and not all faults make one */
            assert_true(fault_vfs_has_failed());
            member_close(&m);
            check_restart(&m);
        }
    }
}

static void the_power_may_go_at_any_time(void **state)
{
    (void)state;
    static const enum fault_loss losses[] = {FAULT_LOSE_ALL, FAULT_LOSE_SECTORS};
    uint64_t n = count_operations();
    for (uint64_t i = 1; i <= n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(losses); k++) {
            struct member m = {0};
            clean_up();
            fault_vfs_fail(i, FAULT_POWER_OFF);
            (void)play(&m);
            member_close(&m);
            fault_vfs_power_on(losses[k], i);
            check_restart(&m);
        }
    }
}

static void the_power_may_go_while_nothing_happens(void **state)
{
    (void)state;
    struct member m = {0};
    clean_up();
    OK(play(&m));
    fault_vfs_power_off();
    member_close(&m);
    fault_vfs_power_on(FAULT_LOSE_ALL, 1);
    check_restart(&m);
}

static void a_full_disk_is_said_to_be_full(void **state)
{
    (void)state;
    for (int64_t room = 0; room < 1000 * 1000; room += 10007) {
        struct member m = {0};
        clean_up();
        fault_vfs_fill_after(room);
        enum err e = play(&m);
        if (e != ERR_OK)
            assert_int_equal(e, ERR_DISK_FULL);
        member_close(&m);
        fault_vfs_fill_after(-1);
        check_restart(&m);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_operation_may_fail),
        TEST(the_power_may_go_at_any_time),
        TEST(the_power_may_go_while_nothing_happens),
        TEST(a_full_disk_is_said_to_be_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
