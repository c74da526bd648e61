/* tests/unit/base/hashmap_test.c -- the hash map against an array of flags.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hashmap.h"
#include "base/random.h"

enum { OBJECTS = 2000, STEPS = 60000 };

static bool same_int(const void *obj, const void *key)
{
    return *(const int *)obj == *(const int *)key;
}

/* Few different hashes, so that objects with equal ones and long runs occur. */
static uint64_t poor_hash(int v)
{
    return (uint64_t)v % 97 * 5;
}

static uint64_t good_hash(int v)
{
    return hash_int(1, (uint64_t)v);
}

static void turn(struct hashmap *m, bool *there, int *obj, uint64_t hash)
{
    assert_ptr_equal(hashmap_find(m, hash, same_int, obj), *there ? obj : NULL);
    if (*there)
        hashmap_remove(m, hash, obj);
    else
        hashmap_add(m, hash, obj);
    *there = !*there;
}

static void expect_all(const struct hashmap *m, const bool *there)
{
    size_t n = 0, want = 0;
    const int *obj;
    hashmap_check(m);
    for (size_t it = 0; (obj = hashmap_next(m, &it)) != NULL; n++)
        assert_true(there[*obj]);
    for (size_t i = 0; i < OBJECTS; i++)
        want += there[i];
    assert_int_equal(n, want);
    assert_int_equal(m->n, want);
}

static void run(uint64_t (*hash)(int v), uint64_t objects)
{
    struct hashmap m = HASHMAP_INIT;
    struct rng rng = {1};
    int *objs = xcalloc(OBJECTS, sizeof *objs);
    bool *there = xcalloc(OBJECTS, sizeof *there);
    for (int i = 0; i < OBJECTS; i++)
        objs[i] = i;
    for (int i = 0; i < STEPS; i++) {
        size_t at = rng_below(&rng, objects);
        turn(&m, &there[at], &objs[at], hash((int)at));
        if (i % 5000 == 0)
            expect_all(&m, there);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        if (there[i])
            turn(&m, &there[i], &objs[i], hash((int)i));
    }
    expect_all(&m, there);
    assert_true(m.cap <= 16);
    hashmap_fini(&m);
    free(there);
    free(objs);
}

static void map_is_the_flags(void **state)
{
    (void)state;
    run(good_hash, OBJECTS);
}

static void map_bears_collisions(void **state)
{
    (void)state;
    run(poor_hash, 300);
}

static void empty_map_finds_nothing(void **state)
{
    (void)state;
    struct hashmap m = HASHMAP_INIT;
    size_t it = 0;
    int key = 1;
    assert_null(hashmap_find(&m, 1, same_int, &key));
    assert_null(hashmap_next(&m, &it));
    hashmap_check(&m);
    hashmap_fini(&m);
}

static void bytes_and_seeds_change_the_hash(void **state)
{
    (void)state;
    assert_true(hash_bytes(1, slice_str("a")) == hash_bytes(1, slice_str("a")));
    assert_true(hash_bytes(1, slice_str("a")) != hash_bytes(2, slice_str("a")));
    assert_true(hash_bytes(1, slice_str("a")) != hash_bytes(1, slice_make("a", 2)));
    assert_true(hash_bytes(1, slice_make("\0", 1)) != hash_bytes(1, slice_str("")));
    assert_true(hash_bytes(1, slice_str("12345678a")) != hash_bytes(1, slice_str("12345678b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_is_the_flags),
        cmocka_unit_test(map_bears_collisions),
        cmocka_unit_test(empty_map_finds_nothing),
        cmocka_unit_test(bytes_and_seeds_change_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
