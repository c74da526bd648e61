/* loop/loop.c -- rounds, messages and timers over one libevent base.
 *
 * Other threads touch only `inbox` (under `lock`), `stop` and the eventfd.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/clock.h"

#define LOOP_HOOKS_MAX 8

struct loop_hook {
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct event_base *base;
    struct event *wake_ev;
    struct event *until; /* ends a round of loop_round() */
    int wake_fd;
    msec now; /* 0: not read yet in this round */
    bool in_round;
    struct loop_hook hooks[LOOP_HOOKS_MAX];
    size_t hook_n;
    struct list tasks; /* of loop_task.link */
    atomic_bool stop;
    pthread_mutex_t lock;
    struct list inbox; /* of loop_msg.link */
};

void loop_wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one);
    (void)n; /* a full counter wakes the loop just as well */
}

/* Run all messages that are in the inbox now; those that they post wait for the next time. */
static void loop_run_inbox(struct loop *l)
{
    struct list msgs;
    list_init(&msgs);
    pthread_mutex_lock(&l->lock);
    list_splice_tail(&msgs, &l->inbox);
    pthread_mutex_unlock(&l->lock);
    while (!list_is_empty(&msgs)) {
        struct loop_msg *m = LIST_ENTRY(msgs.next, struct loop_msg, link);
        list_unlink(&m->link);
        m->run(m);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n;
    loop_run_inbox(arg);
}

static void on_until(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

struct loop *loop_new(void)
{
    struct loop *l = xcalloc(1, sizeof *l);
    struct event_config *cfg = event_config_new();
    invariant(cfg != NULL);
    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    l->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    invariant(l->base != NULL && l->wake_fd != -1);
    l->wake_ev = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    invariant(l->wake_ev != NULL && event_add(l->wake_ev, NULL) == 0);
    l->until = evtimer_new(l->base, on_until, NULL);
    invariant(l->until != NULL);
    pthread_mutex_init(&l->lock, NULL);
    list_init(&l->inbox);
    list_init(&l->tasks);
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    event_free(l->until);
    event_free(l->wake_ev);
    event_base_free(l->base);
    close(l->wake_fd);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* The hooks of lower rooms are registered first and run last: they see what the others did. */
static void loop_end_round(struct loop *l)
{
    for (size_t i = l->hook_n; i-- > 0;)
        l->hooks[i].fn(l->hooks[i].arg);
    struct list tasks;
    list_init(&tasks);
    list_splice_tail(&tasks, &l->tasks);
    while (!list_is_empty(&tasks)) {
        struct loop_task *t = LIST_ENTRY(tasks.next, struct loop_task, link);
        list_unlink(&t->link);
        t->fn(t);
    }
    l->now = 0;
}

/* Sleep unless something is to be done. */
static int loop_flags(const struct loop *l)
{
    return list_is_empty(&l->tasks) ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
}

void loop_run(struct loop *l)
{
    l->in_round = true;
    while (!atomic_load_explicit(&l->stop, memory_order_acquire)) {
        int rc = event_base_loop(l->base, loop_flags(l));
        invariant(rc == 0);
        loop_end_round(l);
    }
    loop_run_inbox(l); /* what was posted before the stop is not lost */
    loop_end_round(l);
    l->in_round = false;
    atomic_store(&l->stop, false);
}

void loop_round(struct loop *l, msec deadline)
{
    msec wait = deadline == 0 || deadline == MSEC_NEVER ? deadline : deadline - clock_now_ms();
    int flags = wait > 0 ? loop_flags(l) : EVLOOP_ONCE | EVLOOP_NONBLOCK;
    if (wait > 0 && wait != MSEC_NEVER) {
        struct timeval tv = {.tv_sec = wait / 1000, .tv_usec = (wait % 1000) * 1000};
        int rc = evtimer_add(l->until, &tv);
        invariant(rc == 0);
    }
    l->in_round = true;
    int rc = event_base_loop(l->base, flags);
    invariant(rc == 0);
    evtimer_del(l->until);
    loop_end_round(l);
    l->in_round = false;
}

void loop_flush(struct loop *l)
{
    loop_end_round(l);
}

void loop_stop(struct loop *l)
{
    atomic_store_explicit(&l->stop, true, memory_order_release);
    loop_wake(l);
}

void loop_on_round_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
    invariant(l->hook_n < LOOP_HOOKS_MAX);
    l->hooks[l->hook_n++] = (struct loop_hook){fn, arg};
}

void loop_remove_round_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
    size_t keep = 0;
    for (size_t i = 0; i < l->hook_n; i++)
        if (l->hooks[i].fn != fn || l->hooks[i].arg != arg)
            l->hooks[keep++] = l->hooks[i];
    l->hook_n = keep;
}

void loop_task_init(struct loop_task *t, void (*fn)(struct loop_task *t))
{
    list_init(&t->link);
    t->fn = fn;
}

void loop_task_add(struct loop *l, struct loop_task *t)
{
    if (list_is_empty(&t->link))
        list_add_tail(&l->tasks, &t->link);
}

void loop_task_cancel(struct loop_task *t)
{
    list_unlink(&t->link);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

msec loop_now(const struct loop *l)
{
    if (!l->in_round)
        return clock_now_ms();
    if (l->now == 0)
        ((struct loop *)l)->now = clock_now_ms(); /* a cache, not part of the value */
    return l->now;
}

/* ---- messages --------------------------------------------------------------------------- */

void loop_post(struct loop *l, struct loop_msg *m)
{
    struct list one;
    list_init(&one);
    list_add_tail(&one, &m->link);
    loop_post_list(l, &one);
}

void loop_post_list(struct loop *l, struct list *msgs)
{
    if (list_is_empty(msgs))
        return;
    pthread_mutex_lock(&l->lock);
    bool was_empty = list_is_empty(&l->inbox);
    list_splice_tail(&l->inbox, msgs);
    pthread_mutex_unlock(&l->lock);
    if (was_empty)
        loop_wake(l);
}

/* ---- timers ----------------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop_timer *t = arg;
    t->fn(t);
}

void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fn)(struct loop_timer *t))
{
    t->fn = fn;
    t->ev = evtimer_new(l->base, on_timer, t);
    invariant(t->ev != NULL);
}

void loop_timer_fini(struct loop_timer *t)
{
    if (t->ev != NULL)
        event_free(t->ev);
    t->ev = NULL;
}

void loop_timer_set(struct loop_timer *t, msec delay)
{
    if (delay < 0)
        delay = 0;
    struct timeval tv = {.tv_sec = delay / 1000, .tv_usec = (delay % 1000) * 1000};
    int rc = evtimer_add(t->ev, &tv);
    invariant(rc == 0);
}

void loop_timer_clear(struct loop_timer *t)
{
    evtimer_del(t->ev);
}
