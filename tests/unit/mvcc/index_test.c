/* tests/unit/mvcc/index_test.c -- the B+tree at sizes where it has several levels.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "mvcc/index.h"

enum { KEYS = 30000, NAME_SIZE = 96 };

/* The keys of a test in their order, and whether each is live. */
struct keys {
    char name[KEYS][NAME_SIZE];
    bool live[KEYS];
    uint32_t order[KEYS]; /* in which they are added */
    revision rev;
    struct mvcc_index *ix;
};

static struct mvcc_rev make_rev(revision main, int64_t version)
{
    return (struct mvcc_rev){
        .main = main, .pos = main << 20, .create = version ? main : 0, .version = version};
}

static void add(struct keys *k, size_t i, bool live)
{
    mvcc_index_add(k->ix, slice_str(k->name[i]), make_rev(++k->rev, live));
    k->live[i] = live;
}

/* Names of different depth that sort as they are numbered. */
static void name_deep(char *p, unsigned i)
{
    snprintf(p, NAME_SIZE, "/registry/pods/namespace-%03u/pod-%06u%s", i / 100, i,
             i % 3 == 0 ? "-suffix-longer-than-eight" : "");
}

static void name_short(char *p, unsigned i)
{
    snprintf(p, NAME_SIZE, "%06u", i);
}

/* Names whose first bytes differ already. */
static void name_spread(char *p, unsigned i)
{
    snprintf(p, NAME_SIZE, "%c%c%03u%s", 'A' + (int)(i / 1000), 'a' + (int)(i / 100 % 10), i % 100,
             i % 2 ? "x" : "");
}

static struct keys *keys_new(void (*name)(char *p, unsigned i))
{
    struct keys *k = xcalloc(1, sizeof *k);
    for (unsigned i = 0; i < KEYS; i++) {
        name(k->name[i], i);
        k->order[i] = i;
    }
    k->ix = mvcc_index_new();
    return k;
}

static void keys_free(struct keys *k)
{
    mvcc_index_check(k->ix);
    mvcc_index_free(k->ix);
    free(k);
}

static void shuffle(struct keys *k, struct rng *rng)
{
    for (size_t i = KEYS - 1; i != 0; i--) {
        size_t j = rng_below(rng, i + 1);
        uint32_t t = k->order[i];
        k->order[i] = k->order[j];
        k->order[j] = t;
    }
}

static void add_all(struct keys *k)
{
    for (size_t i = 0; i < KEYS; i++)
        add(k, k->order[i], true);
}

static int64_t live_between(const struct keys *k, size_t a, size_t b)
{
    int64_t n = 0;
    for (size_t i = a; i < b; i++)
        n += k->live[i];
    return n;
}

struct walk {
    const struct keys *k;
    size_t i;
    int64_t n;
};

static bool expect_next_live(void *arg, struct slice key, const struct mvcc_rev *rev)
{
    struct walk *w = arg;
    while (!w->k->live[w->i])
        w->i++;
    assert_true(slice_is(key, w->k->name[w->i++]));
    assert_int_equal(rev->version, 1);
    w->n++;
    return true;
}

static void expect_range(const struct keys *k, size_t a, size_t b, bool open)
{
    struct key_range r = {.begin = slice_str(k->name[a]), .open = open};
    if (!open)
        r.end = slice_str(k->name[b]);
    int64_t want = live_between(k, a, open ? KEYS : b);
    struct walk w = {k, a, 0};
    mvcc_index_range(k->ix, &r, INT64_MAX, expect_next_live, &w);
    assert_int_equal(w.n, want);
    assert_int_equal(mvcc_index_count(k->ix, &r), want);
}

static void expect_all(const struct keys *k, struct rng *rng)
{
    mvcc_index_check(k->ix);
    assert_int_equal(mvcc_index_live_keys(k->ix), live_between(k, 0, KEYS));
    for (int i = 0; i < 20; i++) {
        size_t a = rng_below(rng, KEYS), b = rng_below(rng, KEYS);
        expect_range(k, a, b, i == 0);
    }
    for (size_t i = 0; i < KEYS; i++) {
        struct mvcc_rev rev;
        assert_int_equal(mvcc_index_get(k->ix, slice_str(k->name[i]), INT64_MAX, &rev), k->live[i]);
    }
}

static void count_drop(void *arg, int64_t pos)
{
    (void)pos;
    ++*(int64_t *)arg;
}

static int64_t compact(struct keys *k, size_t keys_max)
{
    AUTO(buf) struct buf cursor = BUF_INIT;
    int64_t dropped = 0;
    while (!mvcc_index_compact(k->ix, k->rev + 1, &cursor, keys_max, count_drop, &dropped))
        assert_true(cursor.n != 0);
    assert_int_equal(mvcc_index_keys(k->ix), mvcc_index_live_keys(k->ix));
    return dropped;
}

static void delete_some(struct keys *k, struct rng *rng, uint64_t of_ten)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (k->live[i] && rng_below(rng, 10) < of_ten)
            add(k, i, false);
    }
}

/* Grow, thin out, empty, and grow again. */
static void live_a_life(struct keys *k)
{
    struct rng rng = {7};
    add_all(k);
    expect_all(k, &rng);
    delete_some(k, &rng, 5);
    expect_all(k, &rng);
    int64_t dead = KEYS - live_between(k, 0, KEYS);
    assert_int_equal(compact(k, 777), 2 * dead);
    expect_all(k, &rng);
    delete_some(k, &rng, 9);
    compact(k, 1000000);
    expect_all(k, &rng);
    delete_some(k, &rng, 10);
    compact(k, 10);
    assert_int_equal(mvcc_index_keys(k->ix), 0);
    expect_all(k, &rng);
    shuffle(k, &rng);
    add_all(k);
    expect_all(k, &rng);
}

static void ascending_keys(void **state)
{
    (void)state;
    struct keys *k = keys_new(name_deep);
    live_a_life(k);
    keys_free(k);
}

static void shuffled_keys(void **state)
{
    (void)state;
    struct keys *k = keys_new(name_short);
    shuffle(k, &(struct rng){3});
    live_a_life(k);
    keys_free(k);
}

static void descending_keys(void **state)
{
    (void)state;
    struct keys *k = keys_new(name_deep);
    for (uint32_t i = 0; i < KEYS; i++)
        k->order[i] = KEYS - 1 - i;
    live_a_life(k);
    keys_free(k);
}

static void keys_that_differ_early(void **state)
{
    (void)state;
    struct keys *k = keys_new(name_spread);
    live_a_life(k);
    keys_free(k);
}

static void old_revisions_are_seen_at_their_time(void **state)
{
    (void)state;
    struct mvcc_index *ix = mvcc_index_new();
    struct slice key = slice_str("k");
    struct mvcc_rev r;
    for (revision main = 10; main <= 100; main += 10)
        mvcc_index_add(ix, key, make_rev(main, main == 50 ? 0 : 1));
    assert_false(mvcc_index_get(ix, key, 9, &r));
    for (revision at = 10; at < 120; at++) {
        revision main = at > 100 ? 100 : at / 10 * 10;
        assert_int_equal(mvcc_index_get(ix, key, at, &r), main != 50);
        assert_true(main == 50 || r.main == main);
    }
    assert_false(mvcc_index_get(ix, slice_str("kk"), 100, &r));
    assert_false(mvcc_index_get(ix, slice_str(""), 100, &r));
    mvcc_index_free(ix);
}

static void ranges_are_read_as_upstream_does(void **state)
{
    (void)state;
    AUTO(buf) struct buf scratch = BUF_INIT;
    struct slice zero = slice_make("", 1), a = slice_str("a"), b = slice_str("b");
    struct key_range one = key_range_make(a, slice_str(""), &scratch);
    assert_true(key_range_has(&one, a));
    assert_false(key_range_has(&one, slice_str("aa")));
    assert_false(key_range_has(&one, slice_make("a", 2)));
    struct key_range all = key_range_make(zero, zero, &scratch);
    assert_true(key_range_has(&all, zero) && key_range_has(&all, slice_str("\xff\xff")));
    struct key_range from = key_range_make(b, zero, &scratch);
    assert_false(key_range_has(&from, a));
    struct key_range none = key_range_make(b, a, &scratch);
    assert_true(key_range_is_empty(&none));
    none = key_range_make(b, b, &scratch);
    assert_true(key_range_is_empty(&none));
    assert_false(key_range_is_empty(&all) || key_range_is_empty(&from));
}

static bool stop_at_third(void *arg, struct slice key, const struct mvcc_rev *rev)
{
    (void)key;
    (void)rev;
    return ++*(int *)arg < 3;
}

static void a_visit_can_stop(void **state)
{
    (void)state;
    struct keys *k = keys_new(name_short);
    add_all(k);
    int n = 0;
    struct key_range all = {.open = true};
    mvcc_index_range(k->ix, &all, INT64_MAX, stop_at_third, &n);
    assert_int_equal(n, 3);
    keys_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascending_keys),
        cmocka_unit_test(shuffled_keys),
        cmocka_unit_test(descending_keys),
        cmocka_unit_test(keys_that_differ_early),
        cmocka_unit_test(old_revisions_are_seen_at_their_time),
        cmocka_unit_test(ranges_are_read_as_upstream_does),
        cmocka_unit_test(a_visit_can_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
