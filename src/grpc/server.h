/* grpc/server.h -- the calls of gRPC over HTTP/2 streams: framing, metadata, status, deadlines.
 *
 * One grpc_server per http_server; everything happens in that loop's thread. A call belongs to the
 * method's functions from its first callback until `closed` returns, which is called exactly once:
 * from within grpc_reply() or grpc_finish() when this side ends the call, else when the client
 * cancelled it, its deadline passed or its connection was lost. Nothing may touch it afterwards.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GRPC_SERVER_H
#define GRPC_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"
#include "http/stream.h"
#include "loop/loop.h"

struct grpc_server;

struct grpc_call {
    void *user; /* for the method's functions; starts NULL */
    const struct grpc_method *method;
};

/* What to do with a call. Messages are lent until the function returns. */
struct grpc_method {
    const char *path; /* "/etcdserverpb.KV/Put" */
    void *data;       /* for the upper layer's own table */

    /* The client sends one message (unary and server-streaming methods): it came. */
    void (*unary)(struct grpc_call *c, struct slice msg);

    /* Or, with `unary` NULL, it sends many: the call began, a message came, no more will come. */
    void (*open)(struct grpc_call *c); /* may be NULL */
    void (*message)(struct grpc_call *c, struct slice msg);
    void (*half_close)(struct grpc_call *c);

    /* What was queued fell under the low-water mark after it had been above it. May be NULL. */
    void (*drain)(struct grpc_call *c);
    /* The call is over, `code` says how: GRPC_CANCELED for a client that went away. May be NULL. */
    void (*closed)(struct grpc_call *c, enum grpc_code code);
};

struct grpc_config {
    /* Return the method of `path`, or NULL; then say if the service before the last '/' exists. */
    const struct grpc_method *(*find)(void *arg, struct slice path, bool *ret_service_known);
    /* For counters; may be NULL. Each started call is finished once. */
    void (*started)(void *arg, const struct grpc_method *m);
    void (*finished)(void *arg, const struct grpc_method *m, enum grpc_code code);
    void *arg;
    uint32_t recv_max;      /* largest message taken [2 MiB] */
    uint64_t recv_held_max; /* bytes of incomplete messages held by this server [256 MiB] */
};

struct grpc_server *grpc_server_new(struct loop *l, const struct grpc_config *config);
/* Free after the http_server, whose streams refer to it. NULL is fine. */
/* Another limit for messages that come from now on. */
void grpc_server_set_recv_max(struct grpc_server *g, uint32_t recv_max);
void grpc_server_free(struct grpc_server *g);

/* True if the request's content-type is application/grpc or one of its kinds. */
bool grpc_is_request(const struct http_stream *s);
/* Make the stream a call; from within the `request` callback. Answers by itself what is no proper
 * gRPC request (405, 415, 505 on HTTP/1) or names no method (12, Unimplemented). */
void grpc_server_take(struct grpc_server *g, struct http_stream *s);

/* ---- the request ------------------------------------------------------------------------- */

/* Return the metadata entry `name` (lower case) as sent; p is NULL if there is none. Lent until the
 * call is closed. */
struct slice grpc_metadata(const struct grpc_call *c, const char *name);
struct http_stream *grpc_call_stream(const struct grpc_call *c); /* peer address and the like */
/* Return memory that lives until the call is closed. */
struct arena *grpc_call_arena(struct grpc_call *c);
/* Stop (or go on) delivering messages; the client is held back by flow control. Messages that had
 * arrived are delivered after `pause` became false, from the loop. */
void grpc_pause_reading(struct grpc_call *c, bool pause);

/* ---- the answer -------------------------------------------------------------------------- */

/* Answer with one message and status OK. Ends the call. */
void grpc_reply(struct grpc_call *c, struct slice msg);
/* Queue one message of a stream. */
void grpc_send(struct grpc_call *c, struct slice msg);
/* Queue one message that is `head` followed by the bytes of `tail`, which is kept by reference. */
void grpc_send_blob(struct grpc_call *c, struct slice head, struct blob *tail);
/* Send the response headers now, for a stream whose first message may take long. */
void grpc_send_headers(struct grpc_call *c);
/* End the call with a status; `msg` is UTF-8 and may be "". */
void grpc_finish(struct grpc_call *c, enum grpc_code code, const char *msg);
/* The same with the code and text of `e`. */
void grpc_fail(struct grpc_call *c, enum err e);
/* Bytes queued and not yet on their way: the measure for holding back. */
size_t grpc_pending(const struct grpc_call *c);

#endif
