/* tests/sim/asks.c -- see asks.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/asks.h"

#include <stdlib.h>

#include "pb/pb_arena.h"

struct ask {
    struct list link;
    struct server_call call;
    struct node *node;
    struct arena *arena;
    ask_done_fn *done; /* NULL: nobody waits */
    void *arg;
    const ProtobufCMessageDescriptor *desc;
};

static struct list asks;

static void ask_free(struct ask *a)
{
    list_unlink(&a->link);
    blob_unref(a->call.response);
    arena_free(a->arena);
    free(a);
}

static void answered(struct server_call *call)
{
    struct ask *a = CONTAINER_OF(call, struct ask, call);
    ProtobufCMessage *response = NULL;
    if (a->done != NULL && call->err == ERR_OK && a->desc != NULL &&
        (call->response == NULL ||
         pb_unpack(a->desc, blob_slice(call->response), a->arena, &response) != ERR_OK))
        sim_fail("%s gives an answer that cannot be read", world_name(a->node->place));
    else if (a->done != NULL)
        a->done(a->arg, call->err, response);
    ask_free(a);
}

struct ask *ask_new(struct node *n, ask_done_fn *done, void *arg)
{
    struct ask *a = xcalloc(1, sizeof *a);
    a->node = n;
    a->arena = arena_new();
    a->done = done;
    a->arg = arg;
    list_add_tail(&asks, &a->link);
    return a;
}

struct arena *ask_arena(struct ask *a)
{
    return a->arena;
}

void ask_send(struct ask *a, enum server_op op, const void *request,
              const ProtobufCMessageDescriptor *desc)
{
    a->call.op = op;
    a->call.request = request;
    a->call.done = answered;
    a->desc = desc;
    node_enter(a->node);
    server_call(a->node->client, &a->call);
    node_touch(a->node);
}

void ask_forget(struct ask *a)
{
    a->done = NULL;
}

void asks_forsake(struct node *n)
{
    struct ask *a;
    LIST_FOREACH (a, &asks, struct ask, link)
        if (a->node == n && a->done != NULL) {
            ask_done_fn *done = a->done;
            a->done = NULL;
            done(a->arg, ERR_STOPPED, NULL);
        }
}

void asks_begin(void)
{
    list_init(&asks);
}

void asks_end(void)
{
    invariant(list_is_empty(&asks));
}
