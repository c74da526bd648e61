/* grpc/deadline.h -- the calls of one loop that expire, the next one first.
 *
 * A heap of intrusive nodes and one timer. Most calls end long before their time, so putting in and
 * taking out are cheap, and the timer is not moved for them: it may fire early and find nothing
 * due.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GRPC_DEADLINE_H
#define GRPC_DEADLINE_H

#include <stddef.h>

#include "base/types.h"
#include "loop/loop.h"

#define DEADLINE_NONE INT64_MAX

struct deadline {
    msec at;      /* loop_now() time; DEADLINE_NONE when not in a heap */
    size_t place; /* in the heap */
};

struct deadlines {
    struct loop *loop;
    struct loop_timer timer;
    msec armed; /* when the timer fires; DEADLINE_NONE if it does not */
    struct deadline **heap;
    size_t n, cap;
    void (*due)(struct deadline *d);
};

/* `due` is called once for each node whose time has come, after it was taken out. */
void deadlines_init(struct deadlines *ds, struct loop *l, void (*due)(struct deadline *d));
void deadlines_fini(struct deadlines *ds);
void deadlines_add(struct deadlines *ds, struct deadline *d, msec at);
void deadlines_remove(struct deadlines *ds, struct deadline *d); /* fine if it is not in */

#endif
