/* tests/unit/grpc/deadline_test.c -- order and removal in the heap of deadlines.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

#define NODES 500

struct node {
    struct deadline d;
    msec at;
    bool removed, fired;
};

static struct node nodes[NODES];
static struct loop *loop;
static unsigned due_n, due_want;
static msec last_at;

static void on_due(struct deadline *d)
{
    struct node *n = CONTAINER_OF(d, struct node, d);
    assert_false(n->removed || n->fired);
    assert_true(n->at >= last_at);
    assert_true(n->at <= loop_now(loop));
    assert_int_equal(d->at, DEADLINE_NONE);
    last_at = n->at;
    n->fired = true;
    if (++due_n == due_want)
        loop_stop(loop);
}

static void nodes_come_due_in_order(void **state)
{
    struct deadlines ds;
    loop = loop_new();
    deadlines_init(&ds, loop, on_due);
    msec start = loop_now(loop);
    uint32_t x = 12345;
    for (int i = 0; i < NODES; i++) {
        x = x * 1664525 + 1013904223;
        nodes[i].at = start + (msec)(x >> 16) % 40;
        deadlines_add(&ds, &nodes[i].d, nodes[i].at);
    }
    due_want = NODES;
    for (int i = 0; i < NODES; i += 3) {
        deadlines_remove(&ds, &nodes[i].d);
        deadlines_remove(&ds, &nodes[i].d); /* fine twice */
        nodes[i].removed = true;
        due_want--;
    }
    for (size_t i = 1; i < ds.n; i++)
        assert_true(ds.heap[(i - 1) / 2]->at <= ds.heap[i]->at && ds.heap[i]->place == i);
    loop_run(loop);
    assert_int_equal(due_n, due_want);
    assert_int_equal(ds.n, 0);
    deadlines_fini(&ds);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_come_due_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
