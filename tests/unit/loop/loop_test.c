/* tests/unit/loop/loop_test.c -- rounds, messages from other threads, timers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "loop/mailbox.h"

#define SENDERS 4
#define PER_SENDER 10000

struct counter {
    struct loop *loop;
    unsigned total, last[SENDERS];
};

struct number {
    struct loop_msg msg;
    struct counter *counter;
    unsigned sender, n;
};

static void on_number(struct loop_msg *m)
{
    struct number *x = CONTAINER_OF(m, struct number, msg);
    struct counter *c = x->counter;
    assert_int_equal(x->n, c->last[x->sender] + 1); /* in the order they were posted */
    c->last[x->sender] = x->n;
    if (++c->total == SENDERS * PER_SENDER)
        loop_stop(c->loop);
    free(x);
}

struct sender {
    struct counter *counter;
    unsigned id;
};

static struct number *number_new(struct counter *c, unsigned sender, unsigned n)
{
    struct number *x = xcalloc(1, sizeof *x);
    *x = (struct number){.msg.run = on_number, .counter = c, .sender = sender, .n = n};
    return x;
}

static void *send_numbers(void *arg)
{
    struct sender *s = arg;
    for (unsigned i = 1; i <= PER_SENDER; i += 2) {
        struct list two;
        list_init(&two);
        list_add_tail(&two, &number_new(s->counter, s->id, i)->msg.link);
        list_add_tail(&two, &number_new(s->counter, s->id, i + 1)->msg.link);
        loop_post_list(s->counter->loop, &two);
        assert_true(list_is_empty(&two));
    }
    return NULL;
}

static void messages_arrive_once_and_in_order(void **state)
{
    struct counter c = {.loop = loop_new()};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&c, i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_numbers, &senders[i]), 0);
    }
    loop_run(c.loop);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(c.total, SENDERS * PER_SENDER);
    loop_free(c.loop);
}

static void messages_before_a_stop_are_run(void **state)
{
    struct counter c = {.loop = loop_new()};
    loop_stop(c.loop);
    loop_post(c.loop, &number_new(&c, 0, 1)->msg);
    loop_run(c.loop);
    assert_int_equal(c.total, 1);
    loop_free(c.loop);
}

struct timed {
    struct loop_timer timer;
    struct loop *loop;
    msec at;
};

static void on_timer(struct loop_timer *t)
{
    struct timed *x = CONTAINER_OF(t, struct timed, timer);
    x->at = clock_now_ms();
    loop_stop(x->loop);
}

static void timers_fire_once_at_their_time(void **state)
{
    struct timed a = {.loop = loop_new()}, b = {.loop = a.loop};
    loop_timer_init(&a.timer, a.loop, on_timer);
    loop_timer_init(&b.timer, a.loop, on_timer);
    msec start = clock_now_ms();
    loop_timer_set(&a.timer, 100000);
    loop_timer_set(&a.timer, 20); /* replaces */
    loop_timer_set(&b.timer, 5);
    loop_timer_clear(&b.timer);
    loop_run(a.loop);
    assert_true(a.at - start >= 19);
    assert_int_equal(b.at, 0);
    a.at = 0;
    loop_timer_set(&b.timer, 0);
    loop_run(a.loop);
    assert_true(b.at != 0);
    assert_int_equal(a.at, 0);
    loop_timer_fini(&a.timer);
    loop_timer_fini(&b.timer);
    loop_free(a.loop);
}

static char order[8];
static size_t order_n;

static void note(void *arg)
{
    if (order_n < sizeof order)
        order[order_n++] = *(const char *)arg;
}

static void hooks_run_after_each_round_last_added_first(void **state)
{
    struct timed a = {.loop = loop_new()};
    loop_timer_init(&a.timer, a.loop, on_timer);
    loop_on_round_end(a.loop, note, "1");
    loop_on_round_end(a.loop, note, "2");
    loop_timer_set(&a.timer, 0);
    loop_run(a.loop);
    assert_true(order_n >= 2 && order[0] == '2' && order[1] == '1');
    loop_remove_round_end(a.loop, note, "2");
    order_n = 0;
    loop_timer_set(&a.timer, 0);
    loop_run(a.loop);
    for (size_t i = 0; i < order_n; i++)
        assert_int_equal(order[i], '1');
    loop_timer_fini(&a.timer);
    loop_free(a.loop);
}

struct task_count {
    struct loop_task task;
    struct loop *loop;
    unsigned ran, again;
};

static void on_task(struct loop_task *t)
{
    struct task_count *c = CONTAINER_OF(t, struct task_count, task);
    c->ran++;
    if (c->again != 0) {
        c->again--;
        loop_task_add(c->loop, t);
    }
}

static void tasks_run_once_at_the_end_of_a_round(void **state)
{
    struct task_count c = {.loop = loop_new(), .again = 1};
    loop_task_init(&c.task, on_task);
    loop_task_add(c.loop, &c.task);
    loop_task_add(c.loop, &c.task);
    loop_round(c.loop, MSEC_NEVER); /* does not sleep: there is something to do */
    assert_int_equal(c.ran, 1);
    loop_round(c.loop, MSEC_NEVER); /* what the task asked for */
    assert_int_equal(c.ran, 2);
    loop_round(c.loop, 0);
    assert_int_equal(c.ran, 2);
    loop_task_add(c.loop, &c.task);
    loop_task_cancel(&c.task);
    loop_round(c.loop, 0);
    assert_int_equal(c.ran, 2);
    loop_free(c.loop);
}

static void now_does_not_run_backwards(void **state)
{
    struct loop *l = loop_new();
    msec before = clock_now_ms();
    assert_true(loop_now(l) >= before);
    assert_int_equal(loop_now(l), loop_now(l));
    loop_free(l);
    loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_once_and_in_order),
        cmocka_unit_test(messages_before_a_stop_are_run),
        cmocka_unit_test(timers_fire_once_at_their_time),
        cmocka_unit_test(hooks_run_after_each_round_last_added_first),
        cmocka_unit_test(tasks_run_once_at_the_end_of_a_round),
        cmocka_unit_test(now_does_not_run_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
