/* loop/mailbox.c -- a locked list with a condition.
 * SPDX-License-Identifier: Apache-2.0 */
#include "loop/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct list msgs;
    bool waiting; /* the receiver sleeps on `came`, or in its loop */
    struct loop *loop; /* NULL: on `came` */
};

struct mailbox *mailbox_new(void)
{
    struct mailbox *m = xcalloc(1, sizeof *m);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->came, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&m->lock, NULL);
    list_init(&m->msgs);
    return m;
}

void mailbox_free(struct mailbox *m)
{
    if (m == NULL)
        return;
    pthread_cond_destroy(&m->came);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void mailbox_post(struct mailbox *m, struct list *node)
{
    pthread_mutex_lock(&m->lock);
    list_add_tail(&m->msgs, node);
    bool wake = m->waiting;
    m->waiting = false;
    struct loop *l = m->loop;
    pthread_mutex_unlock(&m->lock);
    if (wake && l != NULL)
        loop_wake(l);
    else if (wake)
        pthread_cond_signal(&m->came);
}

/* Wait until a message is there or the deadline has passed. The lock is held. */
static void mailbox_wait(struct mailbox *m, msec deadline)
{
    struct timespec ts = {.tv_sec = deadline / 1000, .tv_nsec = (deadline % 1000) * 1000000};
    int rc = 0;
    while (list_is_empty(&m->msgs) && rc != ETIMEDOUT) {
        m->waiting = true;
        rc = deadline == MSEC_NEVER ? pthread_cond_wait(&m->came, &m->lock)
                                    : pthread_cond_timedwait(&m->came, &m->lock, &ts);
    }
    m->waiting = false;
}

bool mailbox_take(struct mailbox *m, struct list *ret_msgs, msec deadline)
{
    pthread_mutex_lock(&m->lock);
    if (list_is_empty(&m->msgs) && deadline > 0)
        mailbox_wait(m, deadline);
    m->waiting = false;
    bool any = !list_is_empty(&m->msgs);
    list_splice_tail(ret_msgs, &m->msgs);
    pthread_mutex_unlock(&m->lock);
    return any;
}

bool mailbox_take_in_loop(struct mailbox *m, struct loop *l, struct list *ret_msgs, msec deadline)
{
    pthread_mutex_lock(&m->lock);
    m->loop = l;
    m->waiting = list_is_empty(&m->msgs) && deadline > 0;
    bool wait = m->waiting;
    pthread_mutex_unlock(&m->lock);
    loop_round(l, wait ? deadline : 0);
    return mailbox_take(m, ret_msgs, 0);
}

bool mailbox_is_empty(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    bool is_empty = list_is_empty(&m->msgs);
    pthread_mutex_unlock(&m->lock);
    return is_empty;
}
