/* grpc/server.c -- one call per HTTP/2 stream.
 *
 * A call is taken from the pool when its headers came, and goes back when `closed` was called; what
 * the HTTP stream still has to send then goes out without it. Texts of statuses are grpc-go's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "grpc/deadline.h"
#include "grpc/wire.h"

#define POOL_MAX 4096
#define TEXT_MAX 512 /* of a status message made here */

struct call {
    struct grpc_call pub; /* what the upper layer sees */
    struct list link;     /* server.pool, or server.resumed */
    struct grpc_server *server;
    struct http_stream *stream;
    struct arena *arena; /* NULL until asked for */
    struct deadline deadline;
    struct buf in; /* what came and is not delivered */
    size_t unconsumed;
    bool *gone; /* set to true when the call ends, for the code that is delivering */
    bool paused;
    bool ended;     /* the client has sent all */
    bool delivered; /* the one message of a unary call */
    bool responded; /* headers are out */
};

struct grpc_server {
    struct loop *loop;
    struct grpc_config cfg;
    struct deadlines deadlines;
    struct list pool;
    uint32_t pool_n;
    struct list resumed; /* calls with input to deliver */
    struct loop_timer resume_timer;
    uint64_t held; /* bytes in the `in` buffers */
};

static struct call *call_of(const struct grpc_call *c)
{
    return (struct call *)c;
}

/* ---- life -------------------------------------------------------------------------------- */

static struct call *call_new(struct grpc_server *g, struct http_stream *s,
                             const struct grpc_method *m)
{
    struct call *c;
    if (list_is_empty(&g->pool)) {
        c = xcalloc(1, sizeof *c);
        list_init(&c->link);
    } else {
        c = LIST_ENTRY(g->pool.next, struct call, link);
        list_unlink(&c->link);
        g->pool_n--;
    }
    c->pub.method = m;
    c->server = g;
    c->stream = s;
    c->deadline.at = DEADLINE_NONE;
    return c;
}

static void call_free(struct call *c)
{
    arena_free(c->arena);
    free(c);
}

static void call_recycle(struct call *c)
{
    struct grpc_server *g = c->server;
    if (g->pool_n >= POOL_MAX) {
        call_free(c);
        return;
    }
    struct arena *arena = c->arena;
    if (arena != NULL)
        arena_reset(arena);
    memset(c, 0, sizeof *c);
    c->arena = arena;
    list_init(&c->link);
    list_add_head(&g->pool, &c->link);
    g->pool_n++;
}

static void call_drop_input(struct call *c)
{
    c->server->held -= c->in.n;
    buf_fini(&c->in);
}

/* The one end of every call: leave the stream, tell the method, count, recycle. */
static void call_end(struct call *c, enum grpc_code code)
{
    struct grpc_server *g = c->server;
    http_stream_handle(c->stream, NULL, NULL);
    deadlines_remove(&g->deadlines, &c->deadline);
    list_unlink(&c->link);
    call_drop_input(c);
    if (c->gone != NULL)
        *c->gone = true;
    if (c->pub.method->closed != NULL)
        c->pub.method->closed(&c->pub, code);
    if (c->unconsumed != 0)
        http_stream_consume(c->stream, c->unconsumed);
    if (g->cfg.finished != NULL)
        g->cfg.finished(g->cfg.arg, c->pub.method, code);
    call_recycle(c);
}

/* ---- status ------------------------------------------------------------------------------ */

static const char *const code_text[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                        "9", "10", "11", "12", "13", "14", "15", "16"};

static struct http_header status_header(enum grpc_code code)
{
    struct http_header h = HTTP_HEADER("grpc-status", "");
    h.value = slice_str(code_text[(unsigned)code < ARRAY_LEN(code_text) ? code : GRPC_UNKNOWN]);
    return h;
}

/* "application/grpc" or the kind of it that the client named. */
static struct http_header type_header(const struct http_stream *s)
{
    struct http_header h = HTTP_HEADER("content-type", "application/grpc");
    struct slice asked = http_stream_header(s, "content-type");
    if (asked.n > h.value.n && asked.p[h.value.n] == '+') {
        const uint8_t *end = memchr(asked.p, ';', asked.n);
        h.value = slice_make(asked.p, end != NULL ? (size_t)(end - asked.p) : asked.n);
        h.lasting = false;
    }
    return h;
}

/* Send the status: as trailers, or with the headers if those have not been sent. */
static void send_status(struct http_stream *s, unsigned http_status, enum grpc_code code,
                        const char *msg)
{
    AUTO(buf) struct buf text = BUF_INIT;
    struct http_header h[3];
    size_t n = 0;
    bool first = !http_stream_has_responded(s);
    if (first)
        h[n++] = type_header(s);
    h[n++] = status_header(code);
    if (msg[0] != '\0') {
        grpc_message_encode(&text, slice_str(msg));
        h[n++] = (struct http_header){slice_str("grpc-message"), buf_slice(&text), false};
    }
    if (!first) {
        http_stream_trailers(s, h, n);
        return;
    }
    http_stream_respond(s, http_status, h, n, true);
}

void grpc_finish(struct grpc_call *pub, enum grpc_code code, const char *msg)
{
    struct call *c = call_of(pub);
    send_status(c->stream, 200, code, msg);
    call_end(c, code);
}

void grpc_fail(struct grpc_call *c, enum err e)
{
    grpc_finish(c, err_grpc_code(e), err_text(e));
}

static void finishf(struct call *c, enum grpc_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void finishf(struct call *c, enum grpc_code code, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    grpc_finish(&c->pub, code, text);
}

/* ---- messages in ------------------------------------------------------------------------- */

static void fail_compressed(struct call *c)
{
    struct slice enc = grpc_metadata(&c->pub, "grpc-encoding");
    if (enc.n == 0 || slice_is(enc, "identity"))
        grpc_finish(&c->pub, GRPC_INTERNAL,
                    "grpc: compressed flag set with identity or empty encoding");
    else
        finishf(c, GRPC_UNIMPLEMENTED,
                "grpc: Decompressor is not installed for grpc-encoding \"%.*s\"",
                (int)(enc.n < 64 ? enc.n : 64), (const char *)enc.p);
}

/* Check the prefix at `p`. False if the call was ended for it. */
static bool check_prefix(struct call *c, const uint8_t *p)
{
    uint32_t n = grpc_prefix_length(p), max = c->server->cfg.recv_max;
    if (n > max)
        finishf(c, GRPC_RESOURCE_EXHAUSTED, "grpc: received message larger than max (%u vs. %u)", n,
                max);
    else if (p[0] == 1)
        fail_compressed(c);
    else if (p[0] != 0)
        finishf(c, GRPC_INTERNAL, "grpc: received unexpected payload format %u", p[0]);
    else
        return true;
    return false;
}

static void deliver(struct call *c, struct slice msg)
{
    const struct grpc_method *m = c->pub.method;
    if (m->unary == NULL) {
        m->message(&c->pub, msg);
    } else if (!c->delivered) {
        c->delivered = true;
        m->unary(&c->pub, msg);
    }
}

/* Deliver the whole messages in `data` and return how many bytes they took. Stop when the call
 * pauses or ends (`*gone`). */
static size_t deliver_all(struct call *c, struct slice data, const bool *gone)
{
    size_t used = 0;
    while (!*gone && !c->paused && data.n - used >= GRPC_PREFIX_LEN) {
        const uint8_t *p = data.p + used;
        if (!check_prefix(c, p))
            break;
        size_t n = grpc_prefix_length(p);
        if (data.n - used - GRPC_PREFIX_LEN < n)
            break;
        used += GRPC_PREFIX_LEN + n;
        deliver(c, slice_make(p + GRPC_PREFIX_LEN, n));
    }
    return used;
}

/* The client has sent all, and all of it was delivered but `left` bytes. */
static void deliver_end(struct call *c, size_t left)
{
    if (left != 0)
        grpc_finish(&c->pub, GRPC_INTERNAL, "unexpected EOF");
    else if (c->pub.method->unary == NULL)
        c->pub.method->half_close(&c->pub);
    else if (!c->delivered)
        grpc_finish(&c->pub, GRPC_UNKNOWN, "EOF");
}

/* Keep what cannot be delivered yet. Memory grows with what came, not with what was announced. */
static void hold(struct call *c, struct slice rest)
{
    struct grpc_server *g = c->server;
    buf_add_slice(&c->in, rest);
    g->held += rest.n;
    if (g->held > g->cfg.recv_held_max && !c->paused)
        grpc_finish(&c->pub, GRPC_RESOURCE_EXHAUSTED, "grpc: too many incomplete messages");
}

/* Deliver from what is held. The buffer leaves the call meanwhile, for the call may end. */
static void deliver_held(struct call *c)
{
    struct buf in = c->in;
    bool gone = false;
    c->server->held -= in.n;
    c->in = BUF_INIT;
    c->gone = &gone;
    size_t used = deliver_all(c, buf_slice(&in), &gone);
    if (!gone) {
        c->gone = NULL;
        buf_consume(&in, used);
        c->server->held += in.n;
        c->in = in;
        if (c->ended && !c->paused)
            deliver_end(c, in.n);
    } else {
        buf_fini(&in);
    }
}

static void consume(struct call *c, size_t n)
{
    if (c->paused)
        c->unconsumed += n;
    else
        http_stream_consume(c->stream, n);
}

/* Nothing is held: deliver from what came, without a copy. */
static void deliver_lent(struct call *c, struct slice data)
{
    bool gone = false;
    c->gone = &gone;
    size_t used = deliver_all(c, data, &gone);
    if (gone)
        return;
    c->gone = NULL;
    if (used < data.n && (!c->ended || c->paused))
        hold(c, slice_make(data.p + used, data.n - used));
    else if (c->ended && !c->paused)
        deliver_end(c, data.n - used);
}

static void deliver_with_held(struct call *c, struct slice data)
{
    bool gone = false;
    c->gone = &gone;
    hold(c, data);
    if (gone)
        return;
    c->gone = NULL;
    deliver_held(c);
}

static void on_data(struct http_stream *s, struct slice data, bool end)
{
    struct call *c = http_stream_user(s);
    c->ended = end;
    consume(c, data.n);
    if (c->paused)
        hold(c, data);
    else if (c->in.n != 0)
        deliver_with_held(c, data);
    else
        deliver_lent(c, data);
}

static void on_drain(struct http_stream *s)
{
    struct call *c = http_stream_user(s);
    if (c->pub.method->drain != NULL)
        c->pub.method->drain(&c->pub);
}

static void on_close(struct http_stream *s, enum http_close why)
{
    (void)why;
    call_end(http_stream_user(s), GRPC_CANCELED);
}

static const struct http_handler call_handler = {
    .data = on_data,
    .drain = on_drain,
    .close = on_close,
};

static void on_resume(struct loop_timer *t)
{
    struct grpc_server *g = CONTAINER_OF(t, struct grpc_server, resume_timer);
    struct list now;
    list_init(&now);
    list_splice_tail(&now, &g->resumed);
    while (!list_is_empty(&now)) {
        struct call *c = LIST_ENTRY(now.next, struct call, link);
        list_unlink(&c->link);
        if (c->paused)
            continue;
        size_t n = c->unconsumed;
        c->unconsumed = 0;
        http_stream_consume(c->stream, n);
        deliver_held(c);
    }
}

void grpc_pause_reading(struct grpc_call *pub, bool pause)
{
    struct call *c = call_of(pub);
    if (c->paused == pause)
        return;
    c->paused = pause;
    if (pause || !list_is_empty(&c->link))
        return;
    list_add_tail(&c->server->resumed, &c->link);
    loop_timer_set(&c->server->resume_timer, 0);
}

/* ---- the beginning ----------------------------------------------------------------------- */

bool grpc_is_request(const struct http_stream *s)
{
    static const char base[] = "application/grpc";
    struct slice t = http_stream_header(s, "content-type");
    size_t n = sizeof base - 1;
    if (t.n < n || memcmp(t.p, base, n) != 0)
        return false;
    return t.n == n || t.p[n] == '+' || t.p[n] == ';';
}

static void refuse(struct http_stream *s, unsigned http_status, enum grpc_code code,
                   const char *fmt, ...) PRINTF_LIKE(4, 5);
static void refuse(struct http_stream *s, unsigned http_status, enum grpc_code code,
                   const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    send_status(s, http_status, code, text);
}

static int text_len(struct slice s)
{
    return (int)(s.n < 128 ? s.n : 128);
}

static void refuse_unknown(struct http_stream *s, struct slice path, bool service_known)
{
    const uint8_t *slash = path.n > 1 ? memrchr(path.p, '/', path.n) : NULL;
    if (slash == NULL || path.p[0] != '/' || slash == path.p) {
        refuse(s, 200, GRPC_UNIMPLEMENTED, "malformed method name: \"%.*s\"", text_len(path),
               (const char *)path.p);
        return;
    }
    struct slice service = slice_make(path.p + 1, (size_t)(slash - path.p) - 1);
    struct slice method = slice_make(slash + 1, path.n - service.n - 2);
    if (service_known)
        refuse(s, 200, GRPC_UNIMPLEMENTED, "unknown method %.*s for service %.*s", text_len(method),
               (const char *)method.p, text_len(service), (const char *)service.p);
    else
        refuse(s, 200, GRPC_UNIMPLEMENTED, "unknown service %.*s", text_len(service),
               (const char *)service.p);
}

/* Answer what cannot be a call. */
static bool check_request(struct http_stream *s)
{
    struct slice type = http_stream_header(s, "content-type");
    struct slice method = http_stream_method(s);
    const struct http_header plain[] = {HTTP_HEADER("content-type", "text/plain; charset=utf-8")};
    if (!http_stream_is_http2(s))
        http_stream_respond_full(s, 505, plain, 1, slice_str("gRPC requires HTTP/2\n"));
    else if (!grpc_is_request(s))
        refuse(s, 415, GRPC_INVALID_ARGUMENT, "invalid gRPC request content-type \"%.*s\"",
               text_len(type), (const char *)type.p);
    else if (!slice_is(method, "POST"))
        refuse(s, 405, GRPC_INTERNAL,
               "Received a HEADERS frame with :method \"%.*s\" which should be POST",
               text_len(method), (const char *)method.p);
    else
        return true;
    return false;
}

static bool has_foreign_encoding(const struct call *c)
{
    struct slice enc = grpc_metadata(&c->pub, "grpc-encoding");
    return enc.n != 0 && !slice_is(enc, "identity");
}

void grpc_server_take(struct grpc_server *g, struct http_stream *s)
{
    if (!check_request(s))
        return;
    struct slice timeout = http_stream_header(s, "grpc-timeout");
    msec span;
    if (timeout.p != NULL && !grpc_timeout_parse(timeout, &span)) {
        refuse(s, 400, GRPC_INTERNAL, "malformed grpc-timeout: \"%.*s\"", text_len(timeout),
               (const char *)timeout.p);
        return;
    }
    bool service_known = false;
    struct slice path = http_stream_path(s);
    const struct grpc_method *m = g->cfg.find(g->cfg.arg, path, &service_known);
    if (m == NULL) {
        refuse_unknown(s, path, service_known);
        return;
    }
    struct call *c = call_new(g, s, m);
    http_stream_handle(s, &call_handler, c);
    http_stream_set_body_max(s, UINT64_MAX); /* recv_max bounds each message */
    if (timeout.p != NULL)
        deadlines_add(&g->deadlines, &c->deadline, loop_now(g->loop) + span);
    if (g->cfg.started != NULL)
        g->cfg.started(g->cfg.arg, m);
    if (has_foreign_encoding(c))
        fail_compressed(c);
    else if (m->unary == NULL && m->open != NULL)
        m->open(&c->pub);
}

static void on_due(struct deadline *d)
{
    struct call *c = CONTAINER_OF(d, struct call, deadline);
    grpc_finish(&c->pub, GRPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

struct grpc_server *grpc_server_new(struct loop *l, const struct grpc_config *config)
{
    struct grpc_server *g = xcalloc(1, sizeof *g);
    g->loop = l;
    g->cfg = *config;
    if (g->cfg.recv_max == 0)
        g->cfg.recv_max = 2u * 1024 * 1024;
    if (g->cfg.recv_held_max == 0)
        g->cfg.recv_held_max = 256u * 1024 * 1024;
    list_init(&g->pool);
    list_init(&g->resumed);
    deadlines_init(&g->deadlines, l, on_due);
    loop_timer_init(&g->resume_timer, l, on_resume);
    return g;
}

void grpc_server_set_recv_max(struct grpc_server *g, uint32_t recv_max)
{
    g->cfg.recv_max = recv_max;
}

void grpc_server_free(struct grpc_server *g)
{
    if (g == NULL)
        return;
    struct call *c;
    LIST_FOREACH(c, &g->pool, struct call, link)
        call_free(c);
    deadlines_fini(&g->deadlines);
    loop_timer_fini(&g->resume_timer);
    free(g);
}

/* ---- what the upper layer asks ----------------------------------------------------------- */

struct slice grpc_metadata(const struct grpc_call *c, const char *name)
{
    return http_stream_header(call_of(c)->stream, name);
}

struct http_stream *grpc_call_stream(const struct grpc_call *c)
{
    return call_of(c)->stream;
}

struct arena *grpc_call_arena(struct grpc_call *pub)
{
    struct call *c = call_of(pub);
    if (c->arena == NULL)
        c->arena = arena_new();
    return c->arena;
}

/* ---- messages out ------------------------------------------------------------------------ */

void grpc_send_headers(struct grpc_call *pub)
{
    struct call *c = call_of(pub);
    if (c->responded)
        return;
    c->responded = true;
    struct http_header type = type_header(c->stream);
    http_stream_respond(c->stream, 200, &type, 1, false);
}

static void send_prefix(struct call *c, size_t n)
{
    uint8_t prefix[GRPC_PREFIX_LEN];
    invariant(n <= UINT32_MAX);
    grpc_prefix_put(prefix, (uint32_t)n);
    http_stream_write(c->stream, slice_make(prefix, sizeof prefix));
}

void grpc_send(struct grpc_call *pub, struct slice msg)
{
    struct call *c = call_of(pub);
    grpc_send_headers(pub);
    send_prefix(c, msg.n);
    http_stream_write(c->stream, msg);
}

void grpc_send_blob(struct grpc_call *pub, struct slice head, struct blob *tail)
{
    struct call *c = call_of(pub);
    grpc_send_headers(pub);
    send_prefix(c, head.n + tail->n);
    http_stream_write(c->stream, head);
    http_stream_write_blob(c->stream, tail);
}

void grpc_reply(struct grpc_call *c, struct slice msg)
{
    grpc_send(c, msg);
    grpc_finish(c, GRPC_OK, "");
}

size_t grpc_pending(const struct grpc_call *c)
{
    return http_stream_pending(call_of(c)->stream);
}
