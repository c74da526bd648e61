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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_arrive_in_order),
        cmocka_unit_test(deadline_passes_without_letters),
        cmocka_unit_test(taking_appends),
        cmocka_unit_test(clocks_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
