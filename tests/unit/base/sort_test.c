/* tests/unit/base/sort_test.c -- sorted, and stable.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "base/sort.h"

struct item {
    unsigned key, seq;
    char fill[5];
};

static int item_cmp(void *arg, const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    ++*(size_t *)arg;
    return (x->key > y->key) - (x->key < y->key);
}

static size_t sort_and_check(struct item *p, size_t n)
{
    size_t compares = 0;
    sort_stable(p, n, sizeof *p, item_cmp, &compares);
    for (size_t i = 1; i < n; i++) {
        assert_true(p[i - 1].key <= p[i].key);
        assert_true(p[i - 1].key != p[i].key || p[i - 1].seq < p[i].seq);
    }
    return compares;
}

static void random_items(void **state)
{
    (void)state;
    struct item p[300];
    struct rng rng = {3};
    for (size_t n = 0; n < ARRAY_LEN(p); n++) {
        for (unsigned i = 0; i < n; i++)
            p[i] = (struct item){.key = (unsigned)rng_below(&rng, n / 3 + 1), .seq = i};
        sort_and_check(p, n);
    }
}

static void ordered_items_cost_little(void **state)
{
    (void)state;
    struct item p[1000];
    for (unsigned i = 0; i < ARRAY_LEN(p); i++)
        p[i] = (struct item){.key = i / 2, .seq = i};
    assert_true(sort_and_check(p, ARRAY_LEN(p)) < ARRAY_LEN(p));
    for (unsigned i = 0; i < ARRAY_LEN(p); i++)
        p[i] = (struct item){.key = 1000 - i, .seq = i};
    sort_and_check(p, ARRAY_LEN(p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_items),
        cmocka_unit_test(ordered_items_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
