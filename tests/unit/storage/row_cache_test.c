/* tests/unit/storage/row_cache_test.c -- the cache answers as the reader behind it does, and stays bounded.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/random.h"
#include "storage/row_cache.h"

enum { ROWS = 5000 };

/* Row `pos` exists unless pos is a multiple of 7; its bytes follow from pos. */
struct source {
    struct kv_reader reader;
    char key[32], value[64];
    size_t reads;
};

static void row_make(struct source *s, int64_t pos, struct kv_row *ret_row)
{
    int k = snprintf(s->key, sizeof s->key, "key%lld", (long long)pos);
    int v = snprintf(s->value, sizeof s->value, "value %lld of this row", (long long)pos * 3);
    *ret_row = (struct kv_row){.pos = pos,
                               .main = pos + 1,
                               .version = pos % 5,
                               .lease = -pos,
                               .key = slice_make(s->key, (size_t)k),
                               .value = slice_make(s->value, pos % 11 ? (size_t)v : 0)};
}

static enum err source_get(struct kv_reader *r, int64_t pos, struct kv_row *ret_row)
{
    struct source *s = CONTAINER_OF(r, struct source, reader);
    s->reads++;
    if (pos % 7 == 0)
        return ERR_NOT_FOUND;
    row_make(s, pos, ret_row);
    return ERR_OK;
}

static enum err source_scan(struct kv_reader *r, int64_t from, int64_t to,
                            bool (*visit)(void *arg, const struct kv_row *row), void *arg)
{
    struct source *s = CONTAINER_OF(r, struct source, reader);
    struct kv_row row;
    for (int64_t pos = from; pos < to; pos++) {
        row_make(s, pos, &row);
        if (!visit(arg, &row))
            break;
    }
    return ERR_OK;
}

static const struct kv_reader_ops source_ops = {.get = source_get, .scan = source_scan};

static void check_get(struct kv_reader *cached, int64_t pos)
{
    struct source want_from = {.reads = 0};
    struct kv_row want, got;
    enum err e = cached->ops->get(cached, pos, &got);
    assert_int_equal(e, pos % 7 == 0 ? ERR_NOT_FOUND : ERR_OK);
    if (e != ERR_OK)
        return;
    row_make(&want_from, pos, &want);
    assert_int_equal(got.pos, want.pos);
    assert_int_equal(got.main, want.main);
    assert_int_equal(got.version, want.version);
    assert_int_equal(got.lease, want.lease);
    assert_true(slice_eq(got.key, want.key));
    assert_true(slice_eq(got.value, want.value));
}

static void gets_are_equal_and_bytes_bounded(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 200, 4096, 100 * 1000, 10 * 1000 * 1000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct source s = {.reader.ops = &source_ops};
        struct row_cache *c = row_cache_new(&s.reader, sizes[i]);
        struct kv_reader *r = row_cache_reader(c);
        struct rng rng = {i};
        for (int n = 0; n < 20000; n++) {
            int64_t pos = (int64_t)rng_below(&rng, ROWS) + 1;
            r->ops->hint(r, (int64_t)rng_below(&rng, ROWS) + 1);
            check_get(r, pos);
            assert_true(row_cache_bytes(c) <= sizes[i]);
        }
        row_cache_free(c);
    }
}

static void a_row_is_read_once_where_there_is_room(void **state)
{
    (void)state;
    struct source s = {.reader.ops = &source_ops};
    struct row_cache *c = row_cache_new(&s.reader, 10 * 1000 * 1000);
    struct kv_reader *r = row_cache_reader(c);
    for (int round = 0; round < 3; round++)
        for (int64_t pos = 1; pos <= 100; pos++)
            check_get(r, pos * 7 + 1);
    assert_int_equal(s.reads, 100);
    row_cache_free(c);
}

static bool count_visit(void *arg, const struct kv_row *row)
{
    (void)row;
    return ++*(int *)arg < 10;
}

static void scans_go_past_it(void **state)
{
    (void)state;
    struct source s = {.reader.ops = &source_ops};
    struct row_cache *c = row_cache_new(&s.reader, 1000000);
    struct kv_reader *r = row_cache_reader(c);
    int n = 0;
    assert_int_equal(r->ops->scan(r, 1, 100, count_visit, &n), ERR_OK);
    assert_int_equal(n, 10);
    assert_int_equal(row_cache_bytes(c), 0);
    row_cache_free(c);
    row_cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_are_equal_and_bytes_bounded),
        cmocka_unit_test(a_row_is_read_once_where_there_is_room),
        cmocka_unit_test(scans_go_past_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
