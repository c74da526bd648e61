/* api/call.c -- the life of a call: admission, messages, the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/call.h"

#include <stdlib.h>

#include "api/methods.h"
#include "api/stats.h"
#include "api/wire.h"
#include "base/json_text.h"
#include "base/log.h"
#include "loop/clock.h"
#include "pb/etcdserverpb.pb-c.h"

#define CALL_MAGIC 0x63616c6cu
#define HEALTH_SERVICE "grpc.health.v1.Health"

enum {
    COPY_MAX = 8 * 1024,       /* larger answers are shared with the transport */
    KEY_SHOWN_MAX = 256,       /* bytes of a key in the log */
    RAFT_REQUEST_EXTRA = 18,   /* what the log entry adds around a request */
};

/* ---- memory ---------------------------------------------------------------------------------- */

static struct call *call_get(struct api_loop *l)
{
    if (!list_is_empty(&l->idle_calls)) {
        struct call *c = LIST_ENTRY(l->idle_calls.next, struct call, link);
        list_unlink(&c->link);
        l->idle_n--;
        return c;
    }
    struct call *c = xcalloc(1, sizeof *c);
    c->arena = arena_new();
    list_init(&c->link);
    list_init(&c->waiting);
    return c;
}

static void call_put(struct call *c)
{
    struct api_loop *l = c->loop;
    struct arena *a = c->arena;
    c->magic = 0;
    if (l->idle_n >= API_CALLS_IDLE_MAX) {
        arena_free(a);
        free(c);
        return;
    }
    arena_reset(a);
    list_add_head(&l->idle_calls, &c->link);
    l->idle_n++;
}

void call_free_idle(struct api_loop *l)
{
    struct call *c;
    LIST_FOREACH(c, &l->idle_calls, struct call, link) {
        list_unlink(&c->link);
        arena_free(c->arena);
        free(c);
    }
    l->idle_n = 0;
}

void call_hold(struct call *c)
{
    c->holds++;
}

void call_release(struct call *c)
{
    invariant(c->magic == CALL_MAGIC && c->holds > 0);
    if (--c->holds > 0)
        return;
    invariant(call_is_over(c));
    struct api_loop *l = c->loop;
    list_unlink(&c->link);
    call_put(c);
    api_loop_release(l);
}

/* ---- what a learner serves ---------------------------------------------------------------------- */

/* Streams: only the snapshot. */
static bool learner_streams(const struct api_method *m)
{
    return strcmp(m->name, "Snapshot") == 0 || strcmp(m->service, HEALTH_SERVICE) == 0;
}

/* Of the rest: its status, and what it has for those who do not mind that it may be old. */
static bool learner_answers(const struct api_method *m, const ProtobufCMessage *msg)
{
    if (m->kind != METHOD_UNARY)
        return true;
    if (m->request == &etcdserverpb__range_request__descriptor)
        return ((const Etcdserverpb__RangeRequest *)(const void *)msg)->serializable;
    return m->request == &etcdserverpb__status_request__descriptor ||
           strcmp(m->service, HEALTH_SERVICE) == 0;
}

/* ---- admission ------------------------------------------------------------------------------- */

/* What upstream's interceptors look at before any handler runs. */
static enum err call_admit(struct call *c)
{
    struct slice version = c->transport->metadata(c, "client-api-version");
    if (version.p != NULL && !utf8_is_valid(version))
        return ERR_INVALID_API_VERSION;
    stats_client_request(c->method, version);
    if (c->method->kind != METHOD_UNARY && server_is_learner(c->loop->server) &&
        !learner_streams(c->method))
        return ERR_NOT_SUPPORTED_FOR_LEARNER;
    if (!slice_is(c->transport->metadata(c, "hasleader"), "true"))
        return ERR_OK;
    if (!server_has_leader(c->loop->server))
        return ERR_NO_LEADER;
    if (c->method->kind != METHOD_UNARY)
        list_add_tail(&c->loop->need_leader, &c->link);
    return ERR_OK;
}

struct call *call_new(struct api_loop *l, const struct api_method *m,
                      const struct call_transport *transport, void *handle)
{
    struct call *c = call_get(l);
    *c = (struct call){.magic = CALL_MAGIC,
                       .holds = 1,
                       .method = m,
                       .loop = l,
                       .arena = c->arena,
                       .transport = transport,
                       .handle = handle};
    list_init(&c->link);
    list_init(&c->waiting);
    c->started = loop_now(l->loop);
    if (stats_are_timed())
        c->started_us = clock_now_us();
    api_loop_hold(l);
    stats_started(m);
    return c;
}

bool call_begin(struct call *c)
{
    call_hold(c);
    enum err e = call_admit(c);
    if (e != ERR_OK)
        call_fail(c, e);
    else if (c->method->open != NULL)
        c->method->open(c);
    bool begun = !call_is_over(c);
    call_release(c);
    return begun;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Hold a write to what the log takes, give the message to the method, forget it if it was one of many. */
static void call_handle(struct call *c, const ProtobufCMessage *msg)
{
    stats_received(c->method, c->request_bytes);
    if (c->method->kind == METHOD_UNARY)
        c->request = msg;
    if (c->method->is_write && c->request_bytes + RAFT_REQUEST_EXTRA > c->loop->cfg->max_request_bytes)
        call_fail(c, ERR_REQUEST_TOO_LARGE);
    else if (server_is_learner(c->loop->server) && !learner_answers(c->method, msg))
        call_fail(c, ERR_NOT_SUPPORTED_FOR_LEARNER);
    else
        c->method->message(c, msg);
}

static struct arena *message_arena(struct call *c)
{
    if (c->method->kind != METHOD_BIDI)
        return c->arena;
    arena_reset(c->loop->scratch);
    return c->loop->scratch;
}

void call_message(struct call *c, struct slice wire)
{
    call_hold(c);
    ProtobufCMessage *msg = wire_unpack(c->method->request, message_arena(c), wire);
    c->request_bytes = wire.n;
    if (msg == NULL)
        call_finish(c, GRPC_INTERNAL,
                    "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
    else
        call_handle(c, msg);
    call_release(c);
}

void call_message_decoded(struct call *c, const ProtobufCMessage *msg)
{
    call_hold(c);
    c->request_bytes = protobuf_c_message_get_packed_size(msg);
    call_handle(c, msg);
    call_release(c);
}

void call_half_close(struct call *c)
{
    if (!call_is_over(c) && c->method->half_close != NULL)
        c->method->half_close(c);
}

void call_drain(struct call *c)
{
    if (!call_is_over(c) && c->method->drain != NULL)
        c->method->drain(c);
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* Return the key that the request is about, owned and cut to a length that is good to read; or "". */
static char *request_key(const struct call *c)
{
    const ProtobufCFieldDescriptor *f = NULL;
    if (c->request != NULL)
        f = protobuf_c_message_descriptor_get_field_by_name(c->request->descriptor, "key");
    if (f == NULL || f->type != PROTOBUF_C_TYPE_BYTES || f->label == PROTOBUF_C_LABEL_REPEATED)
        return xstrdup("");
    const ProtobufCBinaryData *key =
        (const void *)((const char *)c->request + f->offset);
    size_t n = key->len < KEY_SHOWN_MAX ? key->len : KEY_SHOWN_MAX;
    return n != 0 ? xstrndup((const char *)key->data, n) : xstrdup("");
}

/* One call that took long is a line for the operator. */
static void warn_if_slow(const struct call *c)
{
    msec took = loop_now(c->loop->loop) - c->started;
    nsec limit = c->loop->cfg->warning_unary_request_duration;
    if (limit <= 0 || took <= limit / 1000000)
        return;
    char *key = request_key(c);
    log_warn("request stats", LOG_MESSAGE(MSG_REQUEST_SLOW), LOG_MS("time spent", took),
             LOG_STR("remote", c->remote != NULL ? c->remote : ""),
             LOG_STR("response type", method_path(method_index(c->method))), LOG_STR("key", key),
             LOG_UINT("request size", c->request_bytes));
    free(key);
}

void call_closed(struct call *c, enum grpc_code code)
{
    invariant(!call_is_over(c));
    c->transport = NULL;
    c->handle = NULL;
    list_unlink(&c->link);
    list_unlink(&c->waiting);
    if (c->method->closed != NULL)
        c->method->closed(c);
    if (c->method->kind == METHOD_UNARY)
        warn_if_slow(c);
    int64_t took_us = stats_are_timed() ? clock_now_us() - c->started_us : 0;
    stats_handled(c->method, code, (double)took_us / 1e6);
    call_release(c);
}

void call_reply(struct call *c, struct slice msg)
{
    if (call_is_over(c))
        return;
    stats_sent(c->method, msg.n);
    c->transport->reply(c, msg);
}

void call_reply_blob(struct call *c, struct blob *msg)
{
    if (!call_is_over(c)) {
        stats_sent(c->method, msg->n);
        if (msg->n <= COPY_MAX)
            c->transport->reply(c, blob_slice(msg));
        else
            c->transport->reply_blob(c, msg);
    }
    blob_unref(msg);
}

void call_reply_msg(struct call *c, const ProtobufCMessage *msg)
{
    struct buf *b = &c->loop->out;
    buf_clear(b);
    pb_pack(msg, b);
    call_reply(c, buf_slice(b));
}

void call_send(struct call *c, struct slice msg)
{
    if (call_is_over(c))
        return;
    stats_sent(c->method, msg.n);
    c->transport->send(c, msg);
}

void call_send_blob(struct call *c, struct slice head, struct blob *tail)
{
    if (call_is_over(c))
        return;
    stats_sent(c->method, head.n + tail->n);
    c->transport->send_blob(c, head, tail);
}

void call_send_headers(struct call *c)
{
    if (!call_is_over(c))
        c->transport->send_headers(c);
}

size_t call_pending(const struct call *c)
{
    return call_is_over(c) ? 0 : c->transport->pending(c);
}

void call_pause(struct call *c, bool pause)
{
    if (call_is_over(c) || c->reading_paused == pause)
        return;
    c->reading_paused = pause;
    c->transport->pause(c, pause);
}

void call_set_waiting(struct call *c, bool waits)
{
    if (call_is_over(c))
        return;
    list_unlink(&c->waiting);
    if (waits)
        list_add_tail(&c->loop->waiting, &c->waiting);
}

void call_finish(struct call *c, enum grpc_code code, const char *msg)
{
    if (!call_is_over(c))
        c->transport->finish(c, code, msg);
}

void call_fail(struct call *c, enum err e)
{
    call_finish(c, err_grpc_code(e), err_text(e));
}

void call_ask(struct call *c, enum server_op op, const ProtobufCMessage *request,
              void (*done)(struct server_call *sc))
{
    c->server = (struct server_call){.op = op, .request = request, .done = done};
    call_hold(c);
    server_call(c->loop->client, &c->server);
}
