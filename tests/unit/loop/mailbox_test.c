/* tests/unit/loop/mailbox_test.c -- posting, taking, waiting, deadlines.
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/mailbox.h"

#define MESSAGES 20000

struct letter {
    struct list link;
    unsigned n;
};

static void *post_letters(void *arg)
{
    for (unsigned i = 1; i <= MESSAGES; i++) {
        struct letter *x = xcalloc(1, sizeof *x);
        x->n = i;
        mailbox_post(arg, &x->link);
    }
    return NULL;
}

static void letters_arrive_in_order(void **state)
{
    struct mailbox *m = mailbox_new();
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, post_letters, m), 0);
    unsigned last = 0;
    while (last < MESSAGES) {
        struct list got;
        list_init(&got);
        assert_true(mailbox_take(m, &got, MSEC_NEVER));
        struct letter *x;
        LIST_FOREACH(x, &got, struct letter, link) {
            assert_int_equal(x->n, ++last);
            free(x);
        }
    }
    pthread_join(t, NULL);
    mailbox_free(m);
}

static void deadline_passes_without_letters(void **state)
{
    struct mailbox *m = mailbox_new();
    struct list got;
    list_init(&got);
    assert_false(mailbox_take(m, &got, 0));
    msec start = clock_now_ms();
    assert_false(mailbox_take(m, &got, start + 20));
    assert_true(clock_now_ms() >= start + 20);
    assert_false(mailbox_take(m, &got, start)); /* already past */
    assert_true(list_is_empty(&got));
    mailbox_free(m);
    mailbox_free(NULL);
}

static void taking_appends(void **state)
{
    struct mailbox *m = mailbox_new();
    struct letter a = {.n = 1}, b = {.n = 2};
    struct list got;
    list_init(&got);
    mailbox_post(m, &a.link);
    assert_true(mailbox_take(m, &got, 0));
    mailbox_post(m, &b.link);
    assert_true(mailbox_take(m, &got, MSEC_NEVER));
    assert_ptr_equal(got.next, &a.link);
    assert_ptr_equal(got.prev, &b.link);
    mailbox_free(m);
}

static void clocks_agree(void **state)
{
    int64_t us = clock_now_us();
    assert_true(clock_now_ms() >= us / 1000);
    assert_true(clock_wall_ns() > 1600000000LL * 1000000000);
}

static int64_t say_7_seconds(void)
{
    return 7000000;
}

static void clocks_can_be_told(void **state)
{
    clock_simulate(say_7_seconds, say_7_seconds);
    assert_int_equal(clock_now_ms(), 7000);
    assert_int_equal(clock_wall_ns(), 7000000);
    clock_simulate(NULL, NULL);
    clocks_agree(state);
}

struct answered {
    struct loop_timer timer;
    unsigned rounds;
};

static void on_timer(struct loop_timer *t)
{
    CONTAINER_OF(t, struct answered, timer)->rounds++;
}

static void *post_one(void *arg)
{
    static struct letter x = {.n = 1};
    mailbox_post(arg, &x.link);
    return NULL;
}

static void waiting_in_a_loop(void **state)
{
    struct mailbox *m = mailbox_new();
    struct loop *l = loop_new();
    struct answered a = {.rounds = 0};
    struct list got;
    pthread_t t;
    list_init(&got);
    loop_timer_init(&a.timer, l, on_timer);

    assert_false(mailbox_take_in_loop(m, l, &got, 0)); /* does not wait */
    msec start = clock_now_ms();
    assert_false(mailbox_take_in_loop(m, l, &got, start + 20));
    assert_true(clock_now_ms() >= start + 20);

    loop_timer_set(&a.timer, 1); /* what happens in the loop ends the waiting as well */
    assert_false(mailbox_take_in_loop(m, l, &got, MSEC_NEVER));
    assert_int_equal(a.rounds, 1);

    assert_int_equal(pthread_create(&t, NULL, post_one, m), 0);
    while (!mailbox_take_in_loop(m, l, &got, MSEC_NEVER))
        ;
    pthread_join(t, NULL);
    assert_false(list_is_empty(&got));
    assert_true(mailbox_is_empty(m));
    loop_timer_fini(&a.timer);
    loop_free(l);
    mailbox_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_arrive_in_order),
        cmocka_unit_test(deadline_passes_without_letters),
        cmocka_unit_test(taking_appends),
        cmocka_unit_test(clocks_agree),
        cmocka_unit_test(clocks_can_be_told),
        cmocka_unit_test(waiting_in_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
