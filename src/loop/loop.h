/* loop/loop.h -- one thread's event loop, over libevent.
 *
 * A loop belongs to the thread that runs it. Only loop_post() and loop_stop() may be called from
 * other threads, and loop_wake(). Timers are one-shot and live inside their owner.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>

#include "base/check.h"
#include "base/err.h"
#include "base/list.h"
#include "loop/clock.h"

struct loop;
struct event_base;

struct loop *loop_new(void);
void loop_free(struct loop *l); /* NULL is fine; the loop is not running */

/* Run until loop_stop(). After each round of ready events, and before it sleeps again, the loop
 * calls each round-end hook once: the place for work that is cheaper once a batch. The hook that
 * was added last runs first, so that a lower room (the HTTP server, which sends) comes after those
 * that use it. Messages that were posted before loop_stop() are run before loop_run() returns. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Run one round and return: wait for an event until `deadline` (clock_now_ms() time; 0: do not wait,
 * MSEC_NEVER: without end), for a thread that has more to do than its loop. */
void loop_round(struct loop *l, msec deadline);
/* Run the round-end hooks now: what was queued is sent before something else is done. */
void loop_flush(struct loop *l);
/* Let a loop that waits go round. Any thread. */
void loop_wake(struct loop *l);
void loop_on_round_end(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_remove_round_end(struct loop *l, void (*fn)(void *arg), void *arg);

/* Something that is done once, at the end of the round in which it was asked for. */
struct loop_task {
    struct list link;
    void (*fn)(struct loop_task *t);
};

void loop_task_init(struct loop_task *t, void (*fn)(struct loop_task *t));
/* Run `t` when the round's hooks have run; a second call in a round changes nothing. What tasks ask
 * for waits for the next round, which then does not sleep. */
void loop_task_add(struct loop *l, struct loop_task *t);
void loop_task_cancel(struct loop_task *t);

/* Lend the libevent base, for readiness events that an edge room registers itself. */
struct event_base *loop_base(struct loop *l);

/* The monotonic clock, milliseconds, read once a round; between rounds at each call. */
msec loop_now(const struct loop *l);

/* ---- messages from other threads --------------------------------------------------------- */

/* The part of a message that the queue needs; `run` is called in the loop's thread and owns the
 * message from then on. Messages of one sender arrive in the order they were posted. */
struct loop_msg {
    struct list link;
    void (*run)(struct loop_msg *m);
};

/* Queue `m`; many posts cost one wake-up. Any thread. */
void loop_post(struct loop *l, struct loop_msg *m);

/* Queue a whole list of `struct loop_msg.link`, which is empty afterwards. Any thread. */
void loop_post_list(struct loop *l, struct list *msgs);

/* ---- timers ------------------------------------------------------------------------------ */

struct loop_timer {
    struct event *ev;
    void (*fn)(struct loop_timer *t);
};

void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fn)(struct loop_timer *t));
void loop_timer_fini(struct loop_timer *t); /* also stops it */
/* Fire once, `delay` from now; replaces an earlier setting. */
void loop_timer_set(struct loop_timer *t, msec delay);
void loop_timer_clear(struct loop_timer *t);

#endif
