/* api/errand.c -- requests that wait for the server.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/errand.h"

#include <stdlib.h>

#include "api/wire.h"

static void on_close(struct http_stream *s, enum http_close why)
{
    (void)why;
    struct errand *e = http_stream_user(s);
    e->web.stream = NULL; /* the server's answer ends it */
}

static const struct http_handler handler = {.close = on_close};

struct errand *errand_new(const struct web *w)
{
    struct errand *e = xcalloc(1, sizeof *e);
    e->web = *w;
    e->arena = arena_new();
    http_stream_handle(w->stream, &handler, e);
    api_loop_hold(w->port->loop);
    return e;
}

void errand_end(struct errand *e)
{
    struct api_loop *l = e->web.port->loop;
    arena_free(e->arena);
    free(e);
    api_loop_release(l);
}

struct web errand_web(struct errand *e)
{
    struct web w = e->web;
    http_stream_handle(w.stream, NULL, NULL);
    e->web.stream = NULL;
    return w;
}

static void on_answer(struct server_call *sc)
{
    struct errand *e = CONTAINER_OF(sc, struct errand, server);
    e->status = NULL;
    if (sc->err == ERR_OK && sc->op == OP_STATUS)
        e->status = (Etcdserverpb__StatusResponse *)wire_unpack(
            &etcdserverpb__status_response__descriptor, e->arena, blob_slice(sc->response));
    blob_unref(sc->response);
    if (e->web.stream == NULL)
        errand_end(e);
    else
        e->step(e);
}

static void errand_ask(struct errand *e, enum server_op op, const ProtobufCMessage *request,
                       void (*step)(struct errand *e))
{
    e->step = step;
    e->server = (struct server_call){.op = op, .request = request, .done = on_answer};
    server_call(e->web.port->loop->client, &e->server);
}

void errand_read_index(struct errand *e, void (*step)(struct errand *e))
{
    errand_ask(e, OP_READ_INDEX, NULL, step);
}

void errand_status(struct errand *e, void (*step)(struct errand *e))
{
    static const Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    errand_ask(e, OP_STATUS, &request.base, step);
}
