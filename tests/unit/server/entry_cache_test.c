/* tests/unit/server/entry_cache_test.c -- the recent log in memory, as raft reads it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "server/entry_cache.h"

static void add(struct entry_cache *c, raft_index first, size_t n, raft_term term)
{
    for (size_t i = 0; i < n; i++) {
        struct raft_entry e = {.index = first + i, .term = term, .data = blob_new(10)};
        memset(e.data->p, (int)(e.index & 0xff), 10);
        entry_cache_add(c, &e, 1);
        blob_unref(e.data);
    }
}

static raft_term term_at(struct entry_cache *c, raft_index index)
{
    struct raft_log_reader r = entry_cache_reader(c);
    raft_term t = 0;
    assert_int_equal(r.ops->term(r.arg, index, &t), ERR_OK);
    return t;
}

static void empty_cache_knows_where_it_begins(void **state)
{
    (void)state;
    struct entry_cache c = {0};
    raft_term t;
    entry_cache_reset(&c, 100, 3);
    struct raft_log_reader r = entry_cache_reader(&c);
    assert_int_equal(r.ops->first_index(r.arg), 101);
    assert_int_equal(r.ops->last_index(r.arg), 100);
    assert_int_equal(term_at(&c, 100), 3);
    assert_int_equal(r.ops->term(r.arg, 99, &t), ERR_COMPACTED);
    assert_int_equal(r.ops->term(r.arg, 101, &t), ERR_NOT_FOUND);
    struct raft_snapshot snap;
    assert_int_equal(r.ops->snapshot(r.arg, &snap), ERR_BUSY);
    entry_cache_fini(&c);
}

static void lends_what_fits(void **state)
{
    (void)state;
    struct entry_cache c = {0};
    const struct raft_entry *v;
    size_t n;
    entry_cache_reset(&c, 0, 0);
    add(&c, 1, 10, 1);
    struct raft_log_reader r = entry_cache_reader(&c);
    uint64_t size = raft_entry_size(&c.list.v[0]);
    assert_int_equal(r.ops->entries(r.arg, 3, 11, UINT64_MAX, &v, &n), ERR_OK);
    assert_int_equal(n, 8);
    assert_int_equal(v[0].index, 3);
    assert_int_equal(r.ops->entries(r.arg, 3, 11, 3 * size, &v, &n), ERR_OK);
    assert_int_equal(n, 3);
    assert_int_equal(r.ops->entries(r.arg, 3, 11, 0, &v, &n), ERR_OK); /* one always fits */
    assert_int_equal(n, 1);
    assert_int_equal(r.ops->entries(r.arg, 3, 12, UINT64_MAX, &v, &n), ERR_NOT_FOUND);
    entry_cache_trim(&c, 3);
    assert_int_equal(r.ops->entries(r.arg, 3, 11, UINT64_MAX, &v, &n), ERR_COMPACTED);
    assert_int_equal(r.ops->entries(r.arg, 4, 5, UINT64_MAX, &v, &n), ERR_OK);
    assert_int_equal(v[0].index, 4);
    assert_int_equal(n, 1);
    entry_cache_fini(&c);
}

static void newer_entries_replace_older(void **state)
{
    (void)state;
    struct entry_cache c = {0};
    entry_cache_reset(&c, 0, 0);
    add(&c, 1, 10, 1);
    entry_cache_trim(&c, 3);
    add(&c, 6, 2, 2);
    assert_int_equal(entry_cache_last(&c), 7);
    assert_int_equal(term_at(&c, 5), 1);
    assert_int_equal(term_at(&c, 6), 2);
    add(&c, 4, 1, 3);
    assert_int_equal(entry_cache_last(&c), 4);
    assert_int_equal(term_at(&c, 4), 3);
    entry_cache_fini(&c);
}

static void trims_from_the_front(void **state)
{
    (void)state;
    struct entry_cache c = {0};
    entry_cache_reset(&c, 0, 0);
    add(&c, 1, 5, 1);
    add(&c, 6, 5, 2);
    entry_cache_trim(&c, 7);
    entry_cache_trim(&c, 2); /* behind us already */
    assert_int_equal(term_at(&c, 7), 2);
    assert_int_equal(entry_cache_last(&c), 10);
    entry_cache_trim(&c, 10);
    assert_int_equal(entry_cache_last(&c), 10);
    assert_int_equal(term_at(&c, 10), 2);
    add(&c, 11, 1, 3);
    assert_int_equal(term_at(&c, 11), 3);
    entry_cache_fini(&c);
}

/* Against a plain list of terms. */
static void random_use(void **state)
{
    (void)state;
    enum { MAX = 4000 };
    static raft_term terms[MAX + 64];
    struct entry_cache c = {0};
    struct rng rng = {3};
    raft_index before = 0, last = 0;
    raft_term term = 1;
    entry_cache_reset(&c, 0, 0);
    while (last < MAX) {
        uint64_t what = rng_below(&rng, 10);
        if (what == 0 && last > before) { /* a new leader replaces the end */
            last -= rng_below(&rng, last - before < 8 ? last - before : 8);
            term++;
        }
        if (what < 3) {
            before += rng_below(&rng, last - before + 1);
            entry_cache_trim(&c, before);
        }
        size_t n = 1 + rng_below(&rng, 8);
        add(&c, last + 1, n, term);
        for (size_t i = 0; i < n; i++)
            terms[++last] = term;
        assert_int_equal(entry_cache_last(&c), last);
        for (raft_index i = before > 0 ? before : 1; i <= last; i++)
            assert_int_equal(term_at(&c, i), terms[i]);
        assert_true(c.list.n <= 2 * (last - before) + 16); /* what is dead is let go */
    }
    entry_cache_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_cache_knows_where_it_begins),
        cmocka_unit_test(lends_what_fits),
        cmocka_unit_test(newer_entries_replace_older),
        cmocka_unit_test(trims_from_the_front),
        cmocka_unit_test(random_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
