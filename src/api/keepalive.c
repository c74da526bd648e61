/* api/keepalive.c -- Lease.LeaseKeepAlive: renewals one behind the other, answers in their order.
 *
 * The server answers in any order, so the renewals of a stream stand in a queue and leave it from the
 * front. When the queue is full, or the client does not take its answers, no more are read.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/services.h"
#include "pb/etcdserverpb.pb-c.h"

enum { RENEWALS_MAX = 128 };

struct renewal {
    struct list link; /* in keepalive.queue */
    struct call *call;
    Etcdserverpb__LeaseKeepAliveRequest request;
    struct server_call server;
    bool answered;
};

/* In the call's arena. */
struct keepalive {
    struct list queue; /* of renewal.link, oldest first */
    unsigned n;
    bool half_closed;
};

void keepalive_open(struct call *c)
{
    struct keepalive *k = arena_calloc(c->arena, sizeof *k);
    list_init(&k->queue);
    c->user = k;
    call_send_headers(c);
    call_set_waiting(c, true);
}

static void renewal_free(struct renewal *r)
{
    struct keepalive *k = r->call->user;
    struct call *c = r->call;
    list_unlink(&r->link);
    k->n--;
    blob_unref(r->server.response);
    free(r);
    call_release(c);
}

/* Send what is answered at the front; the first failure ends the stream. */
static void keepalive_flush(struct call *c)
{
    struct keepalive *k = c->user;
    struct renewal *r;
    LIST_FOREACH(r, &k->queue, struct renewal, link) {
        if (!r->answered)
            break;
        if (r->server.err != ERR_OK)
            call_fail(c, r->server.err);
        else
            call_send(c, blob_slice(r->server.response));
        renewal_free(r);
    }
    if (k->n == 0 && k->half_closed)
        call_finish(c, GRPC_OK, "");
    call_set_waiting(c, k->n == 0);
}

static void keepalive_pace(struct call *c)
{
    const struct keepalive *k = c->user;
    call_pause(c, k->n >= RENEWALS_MAX || call_pending(c) >= API_STREAM_QUEUE_MAX);
}

static void on_answer(struct server_call *sc)
{
    struct renewal *r = CONTAINER_OF(sc, struct renewal, server);
    struct call *c = r->call;
    r->answered = true;
    call_hold(c);
    keepalive_flush(c);
    keepalive_pace(c);
    call_release(c);
}

void keepalive_message(struct call *c, const ProtobufCMessage *req)
{
    struct keepalive *k = c->user;
    struct renewal *r = xcalloc(1, sizeof *r);
    etcdserverpb__lease_keep_alive_request__init(&r->request);
    r->request.id = ((const Etcdserverpb__LeaseKeepAliveRequest *)req)->id;
    r->call = c;
    r->server = (struct server_call){
        .op = OP_LEASE_KEEP_ALIVE, .request = &r->request.base, .done = on_answer};
    list_add_tail(&k->queue, &r->link);
    k->n++;
    call_set_waiting(c, false);
    call_hold(c);
    server_call(c->loop->client, &r->server);
    keepalive_pace(c);
}

void keepalive_half_close(struct call *c)
{
    struct keepalive *k = c->user;
    k->half_closed = true;
    call_hold(c); /* it may end here */
    keepalive_flush(c);
    call_release(c);
}

void keepalive_drain(struct call *c)
{
    keepalive_pace(c);
}
