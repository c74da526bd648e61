/* api/api_loop.h -- one client thread: its loop, its way to the server, its connections.
 *
 * Private to the room. Everything here is used in the loop's thread only, but for what api.c does
 * before the thread runs and after it ended.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_API_LOOP_H
#define API_API_LOOP_H

#include <pthread.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/random.h"
#include "config/config.h"
#include "grpc/server.h"
#include "http/server.h"
#include "loop/loop.h"
#include "server/client.h"

enum {
    API_TRANSPORT_EXTRA = 512 * 1024, /* what a message may exceed max-request-bytes by */
    API_HEADER_MAX = 48,              /* bytes of a ResponseHeader field */
    API_CALLS_IDLE_MAX = 256,         /* calls kept for the next ones */
    API_STREAM_QUEUE_MAX = 1 << 20,   /* bytes queued in one stream before its source waits */
    API_OUT_KEPT_MAX = 1 << 20,       /* memory kept for the next answer */
};

/* What a listener serves. */
enum api_port_kind {
    API_PORT_CLIENT,  /* gRPC and HTTP */
    API_PORT_GRPC,    /* gRPC alone, where HTTP has listeners of its own */
    API_PORT_HTTP,    /* all but gRPC */
    API_PORT_METRICS, /* /metrics and the probes */
    API_PORT_COUNT_,
};

struct api_port {
    struct api_loop *loop;
    enum api_port_kind kind;
    struct http_server *http; /* NULL: the loop has no such port */
    struct grpc_server *grpc;
    struct grpc_method *methods; /* the table of methods.c with this port in `data` */
};

struct api_loop {
    struct api *api;
    unsigned index;
    pthread_t thread;
    bool thread_runs;
    struct loop *loop;
    struct server *server;
    struct server_client *client;
    const struct config *_Atomic cfg; /* another one after a reload; old ones stay */
    struct api_port ports[API_PORT_COUNT_];
    struct rng rng;

    struct arena *scratch;   /* one message of a stream, while it is handled */
    struct arena *scratch_out; /* one message of an answer, while it is made into JSON */
    struct buf out;          /* one response, while it is made */
    struct list idle_calls;  /* of call.link */
    unsigned idle_n;
    struct list need_leader; /* of call.link: streams that end when there is no leader */
    struct list waiting;     /* of call.waiting: calls to which nothing is owed */
    struct loop_timer leader_timer;
    unsigned leaderless; /* election timeouts without a leader, in a row */

    _Atomic bool turned; /* the control thread asked whether it does */

    unsigned users; /* calls and probes that are not over, or wait for the server */
    bool stopping;  /* end the loop when `users` is 0 */
};

/* Make a loop with the ports of `kinds` (bits); its thread is not started. */
MUST_USE enum err api_loop_init(struct api_loop *l, struct api *a, unsigned index, unsigned kinds,
                                struct why *why);
void api_loop_fini(struct api_loop *l); /* the thread has ended */
/* The body of the thread. */
void *api_loop_main(void *arg);
/* In the thread: let the connections end, and call `done` once for each port when they have. */
void api_loop_drain(struct api_loop *l, void (*done)(void *arg), void *arg);
/* In the thread: close all connections, then stop the loop when the server owes nothing. */
void api_loop_stop(struct api_loop *l);

/* In the thread: hold what comes from now on to the limits of `cfg`. */
void api_loop_set_limits(struct api_loop *l);

/* Keep the loop from ending while something waits for the server. */
void api_loop_hold(struct api_loop *l);
void api_loop_release(struct api_loop *l);

/* Write the ResponseHeader as field 1 of a response; `rev` 0 leaves the revision out. */
size_t api_header_put(const struct api_loop *l, revision rev, uint8_t out[API_HEADER_MAX]);
/* Return the newest published revision. */
revision api_revision(const struct api_loop *l);

#endif
