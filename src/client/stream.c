/* client/stream.c -- see client_priv.h.
 *
 * Until something is heard the messages that were sent are kept, so that a stream which the server
 * did not begin, or whose token it refused, can be opened again without anybody knowing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/client_priv.h"
#include "pb/pb_arena.h"

enum { STREAM_TRIES_MAX = 100 };

static struct etcd_stream *stream_of(struct attempt *a)
{
    return CONTAINER_OF(a, struct etcd_stream, attempt);
}

void etcd_stream_free(struct etcd_stream *s)
{
    if (s == NULL)
        return;
    if (s->gone != NULL)
        *s->gone = true;
    attempt_stop(&s->attempt);
    list_unlink(&s->link);
    buf_fini(&s->kept);
    arena_free(s->arena);
    free(s);
}

/* ---- what comes -------------------------------------------------------------------------- */

static void on_started(struct attempt *a)
{
    struct etcd_stream *s = stream_of(a);
    s->tries++;
    grpc_rpc_send(&a->rpc, buf_slice(&s->kept), s->last);
}

static void tell_message(struct etcd_stream *s, struct slice msg)
{
    ProtobufCMessage *response;
    bool gone = false;
    if (s->arena == NULL)
        s->arena = arena_new();
    if (pb_unpack(s->attempt.method->response, msg, s->arena, &response) != ERR_OK) {
        struct etcd_error e;
        attempt_stop(&s->attempt);
        error_set(&e, ETCD_INTERNAL,
                  "rpc error: code = Internal desc = grpc: failed to unmarshal "
                  "the received message");
        s->done(s->arg, &e);
        return;
    }
    s->gone = &gone;
    s->message(s->arg, response);
    if (gone)
        return;
    s->gone = NULL;
    arena_reset(s->arena);
}

static void on_message(struct grpc_rpc *r, struct slice msg)
{
    struct etcd_stream *s = CONTAINER_OF(r, struct etcd_stream, attempt.rpc);
    s->heard = true;
    buf_fini(&s->kept);
    if (s->raw != NULL)
        s->raw(s->arg, msg);
    else
        tell_message(s, msg);
}

static void on_ended(struct attempt *a, const struct grpc_status *st,
                     const struct etcd_error *no_token)
{
    struct etcd_stream *s = stream_of(a);
    struct etcd_error e;
    if (no_token != NULL) {
        s->done(s->arg, no_token);
        return;
    }
    if (st->code == GRPC_OK)
        e = (struct etcd_error){.code = ETCD_OK};
    else
        error_of_status(&e, st);
    if (e.code != ETCD_OK && s->tries < STREAM_TRIES_MAX &&
        attempt_is_worth_another(a, st, &e, s->heard)) {
        client_debug(a->client, "%s: try %u: %s", a->method->path, s->tries, e.text);
        attempt_go_later(a);
        return;
    }
    s->done(s->arg, &e);
}

/* ---- what is asked for --------------------------------------------------------------------- */

static struct etcd_stream *stream_new(struct etcd_client *c, const struct etcd_method *m,
                                      void (*done)(void *arg, const struct etcd_error *error),
                                      void *arg)
{
    struct etcd_stream *s = xcalloc(1, sizeof *s);
    attempt_init(&s->attempt, c, m);
    s->attempt.rpc.message = on_message;
    s->attempt.started = on_started;
    s->attempt.ended = on_ended;
    s->done = done;
    s->arg = arg;
    list_init(&s->link);
    list_add_tail(&c->streams, &s->link);
    token_freshen(c);
    return s;
}

struct etcd_stream *stream_open(struct etcd_client *c, const struct etcd_method *m,
                                bool require_leader, void (*raw)(void *arg, struct slice msg),
                                void (*message)(void *arg, const void *response),
                                void (*done)(void *arg, const struct etcd_error *error), void *arg)
{
    struct etcd_stream *s = stream_new(c, m, done, arg);
    s->attempt.require_leader = require_leader;
    s->raw = raw;
    s->message = message;
    attempt_go(&s->attempt);
    return s;
}

struct etcd_stream *etcd_stream_open(struct etcd_client *c, const struct etcd_method *m,
                                     const void *request, bool last,
                                     void (*message)(void *arg, const void *response),
                                     void (*done)(void *arg, const struct etcd_error *error),
                                     void *arg)
{
    struct etcd_stream *s = stream_new(c, m, done, arg);
    s->attempt.require_leader = c->cfg.require_leader;
    s->message = message;
    s->last = last;
    if (request != NULL)
        (void)message_frame(&s->kept, request);
    attempt_go(&s->attempt);
    return s;
}

void etcd_stream_send(struct etcd_stream *s, const void *request)
{
    size_t before = s->kept.n;
    (void)message_frame(&s->kept, request);
    if (s->attempt.endpoint != NULL)
        grpc_rpc_send(&s->attempt.rpc, slice_make(s->kept.p + before, s->kept.n - before), false);
    if (s->heard)
        buf_clear(&s->kept);
}

void streams_fini(struct etcd_client *c)
{
    while (!list_is_empty(&c->streams))
        etcd_stream_free(LIST_ENTRY(c->streams.next, struct etcd_stream, link));
}
