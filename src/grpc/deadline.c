/* grpc/deadline.c -- a binary heap that knows where each node is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/deadline.h"

#include <stdlib.h>

#include "base/mem.h"

static void heap_put(struct deadlines *ds, size_t i, struct deadline *d)
{
    ds->heap[i] = d;
    d->place = i;
}

static void heap_up(struct deadlines *ds, size_t i, struct deadline *d)
{
    while (i > 0 && ds->heap[(i - 1) / 2]->at > d->at) {
        heap_put(ds, i, ds->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(ds, i, d);
}

static void heap_down(struct deadlines *ds, size_t i, struct deadline *d)
{
    for (size_t child; (child = 2 * i + 1) < ds->n; i = child) {
        if (child + 1 < ds->n && ds->heap[child + 1]->at < ds->heap[child]->at)
            child++;
        if (ds->heap[child]->at >= d->at)
            break;
        heap_put(ds, i, ds->heap[child]);
    }
    heap_put(ds, i, d);
}

static void arm(struct deadlines *ds)
{
    if (ds->n == 0 || ds->heap[0]->at >= ds->armed)
        return;
    ds->armed = ds->heap[0]->at;
    loop_timer_set(&ds->timer, ds->armed - loop_now(ds->loop));
}

static void on_timer(struct loop_timer *t)
{
    struct deadlines *ds = CONTAINER_OF(t, struct deadlines, timer);
    msec now = loop_now(ds->loop);
    ds->armed = DEADLINE_NONE;
    while (ds->n != 0 && ds->heap[0]->at <= now) {
        struct deadline *d = ds->heap[0];
        deadlines_remove(ds, d);
        ds->due(d);
    }
    arm(ds);
}

void deadlines_init(struct deadlines *ds, struct loop *l, void (*due)(struct deadline *d))
{
    *ds = (struct deadlines){.loop = l, .armed = DEADLINE_NONE, .due = due};
    loop_timer_init(&ds->timer, l, on_timer);
}

void deadlines_fini(struct deadlines *ds)
{
    loop_timer_fini(&ds->timer);
    free(ds->heap);
}

void deadlines_add(struct deadlines *ds, struct deadline *d, msec at)
{
    if (ds->n == ds->cap) {
        ds->cap = ds->cap ? ds->cap * 2 : 64;
        ds->heap = xrealloc(ds->heap, ds->cap * sizeof(struct deadline *));
    }
    d->at = at;
    heap_up(ds, ds->n++, d);
    arm(ds);
}

void deadlines_remove(struct deadlines *ds, struct deadline *d)
{
    if (d->at == DEADLINE_NONE)
        return;
    size_t i = d->place;
    invariant(i < ds->n && ds->heap[i] == d);
    d->at = DEADLINE_NONE;
    struct deadline *last = ds->heap[--ds->n];
    if (last == d)
        return;
    if (i > 0 && ds->heap[(i - 1) / 2]->at > last->at)
        heap_up(ds, i, last);
    else
        heap_down(ds, i, last);
}
