/* api/grpc_port.c -- joins a grpc_call to a struct call.
 *
 * The grpc_call's `user` is the call from its first callback until `closed`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/grpc_port.h"

#include <stdlib.h>

#include "api/call.h"
#include "api/methods.h"

/* ---- from a call to gRPC --------------------------------------------------------------------- */

static void transport_send(struct call *c, struct slice msg)
{
    grpc_send(c->handle, msg);
}

static void transport_send_blob(struct call *c, struct slice head, struct blob *tail)
{
    grpc_send_blob(c->handle, head, tail);
}

static void transport_send_headers(struct call *c)
{
    grpc_send_headers(c->handle);
}

static void transport_reply(struct call *c, struct slice msg)
{
    grpc_reply(c->handle, msg);
}

static void transport_reply_blob(struct call *c, struct blob *msg)
{
    grpc_send_blob(c->handle, slice_make(NULL, 0), msg);
    grpc_finish(c->handle, GRPC_OK, "");
}

static void transport_finish(struct call *c, enum grpc_code code, const char *msg)
{
    grpc_finish(c->handle, code, msg);
}

static void transport_pause(struct call *c, bool pause)
{
    grpc_pause_reading(c->handle, pause);
}

static size_t transport_pending(const struct call *c)
{
    return grpc_pending(c->handle);
}

static struct slice transport_metadata(const struct call *c, const char *name)
{
    return grpc_metadata(c->handle, name);
}

static const struct call_transport transport = {
    .send = transport_send,
    .send_blob = transport_send_blob,
    .send_headers = transport_send_headers,
    .reply = transport_reply,
    .reply_blob = transport_reply_blob,
    .finish = transport_finish,
    .pause = transport_pause,
    .pending = transport_pending,
    .metadata = transport_metadata,
};

/* ---- from gRPC to a call --------------------------------------------------------------------- */

/* Return the call that has begun, or NULL if it is over already. */
static struct call *port_begin(struct grpc_call *g)
{
    struct api_port *p = g->method->data;
    struct call *c = call_new(p->loop, &api_methods[g->method - p->methods], &transport, g);
    g->user = c;
    return call_begin(c) ? c : NULL;
}

static void on_unary(struct grpc_call *g, struct slice msg)
{
    struct call *c = port_begin(g);
    if (c != NULL)
        call_message(c, msg);
}

static void on_open(struct grpc_call *g)
{
    (void)port_begin(g);
}

static void on_message(struct grpc_call *g, struct slice msg)
{
    call_message(g->user, msg);
}

static void on_half_close(struct grpc_call *g)
{
    call_half_close(g->user);
}

static void on_drain(struct grpc_call *g)
{
    if (g->user != NULL)
        call_drain(g->user);
}

static void on_closed(struct grpc_call *g, enum grpc_code code)
{
    struct call *c = g->user;
    g->user = NULL;
    if (c == NULL)
        return;
    c->remote = http_stream_peer(grpc_call_stream(g));
    call_closed(c, code);
}

static const struct grpc_method *port_find(void *arg, struct slice path, bool *ret_service_known)
{
    struct api_port *p = arg;
    int i = method_find(path, ret_service_known);
    return i < 0 ? NULL : &p->methods[i];
}

void grpc_port_init(struct api_port *p, uint32_t recv_max)
{
    p->methods = xcalloc(api_methods_n, sizeof *p->methods);
    for (size_t i = 0; i < api_methods_n; i++) {
        bool many = api_methods[i].kind == METHOD_BIDI;
        p->methods[i] = (struct grpc_method){
            .path = method_path(i),
            .data = p,
            .unary = many ? NULL : on_unary,
            .open = many ? on_open : NULL,
            .message = many ? on_message : NULL,
            .half_close = many ? on_half_close : NULL,
            .drain = on_drain,
            .closed = on_closed,
        };
    }
    struct grpc_config config = {.find = port_find, .arg = p, .recv_max = recv_max};
    p->grpc = grpc_server_new(p->loop->loop, &config);
}

void grpc_port_fini(struct api_port *p)
{
    grpc_server_free(p->grpc);
    free(p->methods);
}
