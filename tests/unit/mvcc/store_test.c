/* tests/unit/mvcc/store_test.c -- revisions, transactions, loading, compaction, HashKV, by example.
 * What holds for thousands of random operations is shown by model_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mvcc/hash.h"
#include "mvcc/store.h"
#include "tests/lib/mem_backend.h"

struct fixture {
    struct mem_backend *backend;
    struct kv_writer *w;
    struct mvcc_store *s;
};

static void fixture_init(struct fixture *f)
{
    f->backend = mem_backend_new();
    f->w = mem_backend_writer(f->backend);
    f->s = mvcc_store_new();
}

static void fixture_fini(struct fixture *f)
{
    mvcc_store_check(f->s);
    mvcc_store_free(f->s);
    mem_backend_free(f->backend);
}

static revision put_lease(struct fixture *f, const char *key, const char *value, lease_id lease)
{
    const struct mvcc_change *changes;
    size_t n;
    mvcc_txn_begin(f->s, f->w);
    mvcc_txn_put(f->s, slice_str(key), slice_str(value), lease);
    revision rev = mvcc_txn_end(f->s, &changes, &n);
    assert_int_equal(n, 1);
    return rev;
}

static revision put(struct fixture *f, const char *key, const char *value)
{
    return put_lease(f, key, value, 0);
}

static struct key_range range_of(const char *begin, const char *end)
{
    return (struct key_range){.begin = slice_str(begin), .end = slice_str(end)};
}

static revision del(struct fixture *f, const char *begin, const char *end, int64_t expected)
{
    const struct mvcc_change *changes;
    size_t n;
    struct key_range r = range_of(begin, end);
    mvcc_txn_begin(f->s, f->w);
    assert_int_equal(mvcc_txn_delete(f->s, &r), expected);
    return mvcc_txn_end(f->s, &changes, &n);
}

static bool load_row(void *arg, const struct kv_row *row)
{
    mvcc_store_load(arg, row);
    return true;
}

static revision mark_get(struct fixture *f, const char *name)
{
    struct slice v;
    if (!f->w->ops->bucket_get(f->w, BUCKET_META, slice_str(name), &v))
        return 0;
    assert_int_equal(v.n, 17);
    assert_int_equal(v.p[8], '_');
    assert_int_equal(be64_get(v.p + 9), 0);
    return (revision)be64_get(v.p);
}

static void reload(struct fixture *f)
{
    mvcc_store_free(f->s);
    f->s = mvcc_store_new();
    mem_backend_each(f->backend, load_row, f->s);
    mvcc_store_loaded(f->s, mark_get(f, "scheduledCompactRev"), mark_get(f, "finishedCompactRev"));
}

static void compact_all(struct fixture *f)
{
    while (!mvcc_compact_step(f->s, f->w, 2, 2))
        mvcc_store_check(f->s);
}

static struct mvcc_rev get(struct fixture *f, const char *key, revision at)
{
    struct mvcc_rev rev = {0};
    mvcc_index_get(mvcc_store_index(f->s), slice_str(key), at, &rev);
    return rev;
}

static void empty_store_is_at_revision_one(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(mvcc_store_revision(f.s), 1);
    assert_int_equal(mvcc_store_compacted(f.s), 0);
    assert_int_equal(put(&f, "a", "1"), 2);
    assert_int_equal(put(&f, "a", "1"), 3);
    assert_int_equal(get(&f, "a", 3).version, 2);
    assert_int_equal(del(&f, "x", "z", 0), 3);
    fixture_fini(&f);
}

static void changes_of_a_transaction_share_a_revision(void **state)
{
    (void)state;
    struct fixture f;
    const struct mvcc_change *c;
    size_t n;
    fixture_init(&f);
    put(&f, "a", "0");
    mvcc_txn_begin(f.s, f.w);
    assert_int_equal(mvcc_txn_revision(f.s), 2);
    mvcc_txn_put(f.s, slice_str("b"), slice_str("1"), 7);
    assert_int_equal(mvcc_txn_revision(f.s), 3);
    struct key_range all = {.begin = slice_str(""), .open = true};
    assert_int_equal(mvcc_txn_delete(f.s, &all), 2);
    assert_int_equal(mvcc_store_revision(f.s), 2);
    assert_int_equal(mvcc_txn_end(f.s, &c, &n), 3);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(c[i].row.main, 3);
        assert_int_equal(c[i].row.sub, i);
        assert_int_equal(c[i].row.pos, mvcc_pos_of(3) + (int64_t)i);
    }
    assert_int_equal(c[0].prev.version, 0);
    assert_int_equal(c[0].row.lease, 7);
    assert_true(slice_is(c[1].row.key, "a"));
    assert_true(kv_row_is_tombstone(&c[1].row));
    assert_int_equal(c[1].prev.main, 2);
    assert_true(slice_is(c[2].row.key, "b"));
    assert_int_equal(c[2].prev.main, 3);
    fixture_fini(&f);
}

static void a_deleted_key_starts_anew(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put(&f, "k", "1");
    put(&f, "k", "2");
    del(&f, "k", "l", 1);
    assert_int_equal(get(&f, "k", 4).version, 0);
    assert_int_equal(get(&f, "k", 3).version, 2);
    put(&f, "k", "3");
    struct mvcc_rev r = get(&f, "k", 5);
    assert_int_equal(r.version, 1);
    assert_int_equal(r.create, 5);
    fixture_fini(&f);
}

/* More changes than a revision has places push the next rows back, but not the revision. */
static void places_follow_each_other(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct kv_row row = {.pos = mvcc_pos_of(9) + 5, .main = 8, .create = 8, .version = 1};
    row.key = slice_str("a");
    f.w->ops->put(f.w, &row);
    reload(&f);
    assert_int_equal(put(&f, "b", ""), 9);
    assert_int_equal(get(&f, "b", 9).pos, mvcc_pos_of(9) + 6);
    assert_int_equal(put(&f, "b", ""), 10);
    assert_int_equal(get(&f, "b", 10).pos, mvcc_pos_of(10));
    fixture_fini(&f);
}

static void compact_refuses_what_upstream_refuses(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put(&f, "a", "1");
    put(&f, "a", "2");
    assert_int_equal(mvcc_compact(f.s, f.w, 0), ERR_OK);
    assert_false(mvcc_compact_pending(f.s));
    assert_int_equal(mvcc_compact(f.s, f.w, 4), ERR_FUTURE_REV);
    assert_int_equal(mvcc_compact(f.s, f.w, -1), ERR_COMPACTED);
    assert_int_equal(mvcc_compact(f.s, f.w, 2), ERR_OK);
    assert_int_equal(mvcc_compact(f.s, f.w, 2), ERR_COMPACTED);
    assert_int_equal(mvcc_compact(f.s, f.w, 0), ERR_COMPACTED);
    assert_int_equal(mvcc_store_compacted(f.s), 2);
    fixture_fini(&f);
}

static void compact_keeps_the_newest_and_drops_tombstones(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    put(&f, "a", "1");
    put(&f, "a", "2");
    del(&f, "a", "b", 1);
    put(&f, "b", "1");
    del(&f, "b", "c", 1);
    put(&f, "c", "1");
    assert_int_equal(mvcc_compact(f.s, f.w, 6), ERR_OK);
    assert_int_equal(mark_get(&f, "scheduledCompactRev"), 6);
    assert_int_equal(mark_get(&f, "finishedCompactRev"), 0);
    compact_all(&f);
    assert_int_equal(mark_get(&f, "finishedCompactRev"), 6);
    assert_false(mvcc_compact_pending(f.s));
    assert_int_equal(mem_backend_rows(f.backend), 2); /* the tombstone at 6 itself, and "c" */
    assert_int_equal(mvcc_index_keys(mvcc_store_index(f.s)), 2);
    put(&f, "c", "2");
    assert_int_equal(mvcc_compact(f.s, f.w, 8), ERR_OK);
    compact_all(&f);
    assert_int_equal(mem_backend_rows(f.backend), 1);
    fixture_fini(&f);
}

static void a_compaction_goes_on_after_a_restart(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (int i = 0; i < 10; i++)
        put(&f, i % 2 ? "odd" : "even", "v");
    del(&f, "odd", "ode", 1);
    put(&f, "even", "last");
    assert_int_equal(mvcc_compact(f.s, f.w, 13), ERR_OK);
    assert_false(mvcc_compact_step(f.s, f.w, 100, 100));
    assert_false(mvcc_compact_step(f.s, f.w, 100, 7));
    assert_int_equal(mem_backend_rows(f.backend), 5);
    reload(&f);
    assert_true(mvcc_compact_pending(f.s));
    assert_int_equal(mvcc_store_compacted(f.s), 13);
    assert_int_equal(mvcc_store_revision(f.s), 13);
    compact_all(&f);
    assert_int_equal(mem_backend_rows(f.backend), 1);
    reload(&f);
    assert_false(mvcc_compact_pending(f.s));
    assert_int_equal(get(&f, "even", 13).version, 6);
    fixture_fini(&f);
}

static void loading_bears_odd_histories(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct kv_row rows[] = {
        {.pos = mvcc_pos_of(5), .main = 5, .key = slice_str("gone")},
        {.pos = mvcc_pos_of(7), .main = 7, .create = 3, .version = 4, .key = slice_str("k")},
        {.pos = mvcc_pos_of(1000000007), .main = 1000000007, .create = 0, .version = 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        f.w->ops->put(f.w, &rows[i]);
    reload(&f);
    assert_int_equal(mvcc_store_revision(f.s), 1000000007);
    assert_int_equal(mvcc_index_live_keys(mvcc_store_index(f.s)), 1);
    assert_int_equal(put(&f, "k", "v"), 1000000008);
    assert_int_equal(get(&f, "k", 1000000008).version, 5);
    fixture_fini(&f);
}

static void a_mark_may_be_above_the_newest_row(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    mvcc_store_loaded(f.s, 40, 40);
    assert_int_equal(mvcc_store_revision(f.s), 40);
    assert_false(mvcc_compact_pending(f.s));
    fixture_fini(&f);
}

/* ---- HashKV -------------------------------------------------------------------------------- */

struct hashing {
    struct mvcc_hash h;
    const struct mvcc_store *s;
};

static bool hash_row(void *arg, const struct kv_row *row)
{
    struct hashing *h = arg;
    mvcc_hash_add(&h->h, h->s, row);
    return true;
}

static uint32_t hash_at(struct fixture *f, revision rev)
{
    struct hashing h = {.s = f->s};
    assert_int_equal(mvcc_hash_begin(&h.h, f->s, rev, mvcc_store_revision(f->s)), ERR_OK);
    mem_backend_each(f->backend, hash_row, &h);
    return h.h.crc;
}

/* Schedule and finish; the hash must not care about the difference. */
static void expect_hash_compacted(struct fixture *f, revision rev, uint32_t expected)
{
    assert_int_equal(mvcc_compact(f->s, f->w, rev), ERR_OK);
    assert_int_equal(hash_at(f, 0), expected);
    compact_all(f);
    assert_int_equal(hash_at(f, 0), expected);
}

/* The numbers are what etcd 3.4.23 answered after the same calls. */
static void hash_is_upstreams(void **state)
{
    (void)state;
    struct fixture f;
    const struct mvcc_change *c;
    size_t n;
    fixture_init(&f);
    assert_int_equal(hash_at(&f, 0), 1084519789);
    put(&f, "a", "1");
    put(&f, "b", "2");
    mvcc_txn_begin(f.s, f.w);
    mvcc_txn_put(f.s, slice_str("c"), slice_str("x"), 0);
    mvcc_txn_put(f.s, slice_str("d"), slice_str("y"), 0);
    assert_int_equal(mvcc_txn_end(f.s, &c, &n), 4);
    del(&f, "b", "c", 1);
    put_lease(&f, "a", "3", 7587851234567890123);
    put(&f, "b", "again");
    char value[301];
    memset(value, 'v', 300);
    value[300] = '\0';
    put(&f, "long", value);
    del(&f, "c", "d", 1);
    assert_int_equal(put(&f, "e", ""), 10);
    assert_int_equal(hash_at(&f, 0), 4275361861);
    assert_int_equal(hash_at(&f, 6), 560523952);
    assert_int_equal(mvcc_compact(f.s, f.w, 5), ERR_OK);
    assert_int_equal(hash_at(&f, 6), 3719096156);
    compact_all(&f);
    assert_int_equal(hash_at(&f, 6), 3719096156);
    assert_int_equal(hash_at(&f, 0), 694370224);
    expect_hash_compacted(&f, 7, 694370224);
    expect_hash_compacted(&f, 9, 2626590098);
    assert_int_equal(hash_at(&f, 10), 2626590098);
    fixture_fini(&f);
}

static void hash_refuses_revisions_it_cannot_see(void **state)
{
    (void)state;
    struct fixture f;
    struct mvcc_hash h;
    fixture_init(&f);
    put(&f, "a", "1");
    put(&f, "a", "2");
    put(&f, "a", "3");
    assert_int_equal(mvcc_compact(f.s, f.w, 3), ERR_OK);
    assert_int_equal(mvcc_hash_begin(&h, f.s, 5, 4), ERR_FUTURE_REV);
    assert_int_equal(mvcc_hash_begin(&h, f.s, 2, 4), ERR_COMPACTED);
    assert_int_equal(mvcc_hash_begin(&h, f.s, 3, 4), ERR_OK);
    assert_int_equal(h.compacted, 3);
    compact_all(&f);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_store_is_at_revision_one),
        cmocka_unit_test(changes_of_a_transaction_share_a_revision),
        cmocka_unit_test(a_deleted_key_starts_anew),
        cmocka_unit_test(places_follow_each_other),
        cmocka_unit_test(compact_refuses_what_upstream_refuses),
        cmocka_unit_test(compact_keeps_the_newest_and_drops_tombstones),
        cmocka_unit_test(a_compaction_goes_on_after_a_restart),
        cmocka_unit_test(loading_bears_odd_histories),
        cmocka_unit_test(a_mark_may_be_above_the_newest_row),
        cmocka_unit_test(hash_is_upstreams),
        cmocka_unit_test(hash_refuses_revisions_it_cannot_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
