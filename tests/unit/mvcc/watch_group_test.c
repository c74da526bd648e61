/* tests/unit/mvcc/watch_group_test.c -- who is told of which key.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "mvcc/watch_group.h"

struct watcher {
    struct watch_node node;
    unsigned told;
};

static void tell(void *arg, struct watch_node *n)
{
    CONTAINER_OF(n, struct watcher, node)->told++;
    ++*(size_t *)arg;
}

static size_t match(struct watch_group *g, const char *key)
{
    size_t n = 0;
    watch_group_match(g, slice_str(key), tell, &n);
    return n;
}

static void watch(struct watch_group *g, struct watcher *w, const char *key, const char *end)
{
    watch_group_add(g, &w->node, slice_str(key), slice_str(end));
}

static void each_form_of_range_matches(void **state)
{
    (void)state;
    struct watch_group *g = watch_group_new();
    struct watcher one = {0}, some = {0}, from = {0}, all = {0}, empty = {0};
    watch(g, &one, "b", "");
    watch(g, &some, "a", "c");
    watch_group_add(g, &from.node, slice_str("b"), slice_make("", 1));
    watch_group_add(g, &all.node, slice_make("", 1), slice_make("", 1));
    watch(g, &empty, "c", "a");
    assert_int_equal(watch_group_size(g), 5);
    watch_group_check(g);
    assert_int_equal(match(g, "a"), 2);
    assert_int_equal(match(g, "b"), 4);
    assert_int_equal(match(g, "bb"), 3);
    assert_int_equal(match(g, "c"), 2);
    assert_int_equal(one.told, 1);
    assert_int_equal(some.told, 3);
    assert_int_equal(from.told, 3);
    assert_int_equal(all.told, 4);
    assert_int_equal(empty.told, 0);
    watch_group_remove(g, &all.node);
    watch_group_remove(g, &all.node);
    assert_int_equal(match(g, "a"), 1);
    watch_group_remove(g, &one.node);
    watch_group_remove(g, &some.node);
    watch_group_remove(g, &from.node);
    watch_group_remove(g, &empty.node);
    watch_group_check(g);
    watch_group_free(g);
}

struct leaving {
    struct watch_group *g;
    size_t n;
};

static void leave(void *arg, struct watch_node *n)
{
    struct leaving *l = arg;
    watch_group_remove(l->g, n);
    l->n++;
}

static void a_watcher_may_leave_when_told(void **state)
{
    (void)state;
    enum { N = 300 };
    struct leaving l = {watch_group_new(), 0};
    struct watcher *w = xcalloc(N, sizeof *w);
    for (size_t i = 0; i < N; i++) {
        char begin[16];
        snprintf(begin, sizeof begin, "a%zu", i);
        watch(l.g, &w[i], i % 3 == 0 ? "k" : begin, i % 3 == 0 ? "" : i % 3 == 1 ? "x" : "y");
    }
    watch_group_match(l.g, slice_str("k"), leave, &l);
    assert_int_equal(l.n, N);
    assert_int_equal(watch_group_size(l.g), 0);
    watch_group_check(l.g);
    watch_group_free(l.g);
    free(w);
}

static void ten_thousand_keys_and_a_thousand_on_one(void **state)
{
    (void)state;
    enum { N = 10000, SAME = 1000 };
    struct watch_group *g = watch_group_new();
    struct watcher *w = xcalloc(N + SAME, sizeof *w);
    for (size_t i = 0; i < N + SAME; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%zu", i < N ? i : 7);
        watch(g, &w[i], key, "");
    }
    watch_group_check(g);
    assert_int_equal(match(g, "k8"), 1);
    assert_int_equal(match(g, "k7"), SAME + 1);
    assert_int_equal(match(g, "k"), 0);
    for (size_t i = 0; i < N + SAME; i++)
        watch_group_remove(g, &w[i].node);
    watch_group_free(g);
    free(w);
}

/* ---- random watchers against looking at each one -------------------------------------------- */

enum { WATCHERS = 200, STEPS = 4000 };

struct wish {
    struct watcher w;
    bool there;
    char begin[8], end[8];
};

static void any_name(struct rng *rng, char p[8])
{
    snprintf(p, 8, "%u", (unsigned)rng_below(rng, 300));
}

static bool wants(const struct wish *w, const char *key)
{
    if (!w->there)
        return false;
    if (w->end[0] == '\0')
        return strcmp(w->begin, key) == 0;
    return strcmp(w->begin, key) <= 0 && strcmp(key, w->end) < 0;
}

static void turn(struct watch_group *g, struct rng *rng, struct wish *w)
{
    if (w->there) {
        watch_group_remove(g, &w->w.node);
    } else {
        any_name(rng, w->begin);
        any_name(rng, w->end);
        if (rng_below(rng, 3) == 0)
            w->end[0] = '\0';
        watch(g, &w->w, w->begin, w->end);
    }
    w->there = !w->there;
}

static void group_is_the_list(void **state)
{
    (void)state;
    struct rng rng = {5};
    struct watch_group *g = watch_group_new();
    struct wish *wishes = xcalloc(WATCHERS, sizeof *wishes);
    for (int i = 0; i < STEPS; i++) {
        turn(g, &rng, &wishes[rng_below(&rng, WATCHERS)]);
        watch_group_check(g);
        char key[8];
        any_name(&rng, key);
        size_t n = 0, want = 0;
        for (size_t j = 0; j < WATCHERS; j++)
            wishes[j].w.told = 0;
        watch_group_match(g, slice_str(key), tell, &n);
        for (size_t j = 0; j < WATCHERS; j++) {
            assert_int_equal(wishes[j].w.told, wants(&wishes[j], key));
            want += wants(&wishes[j], key);
        }
        assert_int_equal(n, want);
    }
    for (size_t j = 0; j < WATCHERS; j++)
        watch_group_remove(g, &wishes[j].w.node);
    watch_group_free(g);
    free(wishes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_range_matches),
        cmocka_unit_test(a_watcher_may_leave_when_told),
        cmocka_unit_test(ten_thousand_keys_and_a_thousand_on_one),
        cmocka_unit_test(group_is_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
