/* api/gateway.c -- carries calls in HTTP requests with JSON bodies.
 *
 * A method that takes one message gets the first JSON object of the body when the body is complete; a
 * stream gets each object of the body as it arrives. A unary answer is the message as JSON; each message
 * of a stream is a line {"result":...}; an error is {"code":...,"message":...}, in a stream within
 * {"error":...}.
 *
 * A stream may be carried by a WebSocket, as upstream's proxy does it: the messages of the client
 * are the lines of the body, each line of the answer is a text message, and the end of either is
 * the end of the call.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/gateway.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/call.h"
#include "api/json.h"
#include "api/json_scan.h"
#include "api/methods.h"
#include "base/json_text.h"

enum {
    PATH_MAX_ = 128,          /* no method has a longer one */
    HELD_WHILE_PAUSED = 65536, /* bytes of a stream's body taken while it is not read */
    METADATA_NAME_MAX = 64,
};

struct gateway {
    struct web web;
    const struct api_method *method;
    struct call *call; /* NULL until a unary method's body is complete */
    bool websocket;
    bool responded; /* the status line of a stream is out */

    /* the body of a stream */
    struct buf text;
    struct json_scan scan;
    size_t unconsumed;
    bool body_ended, half_closed, pumping;
};

/* ---- errors ---------------------------------------------------------------------------------- */

unsigned gateway_http_status(enum grpc_code code)
{
    switch (code) {
    case GRPC_OK:
        return 200;
    case GRPC_CANCELED:
        return 499;
    case GRPC_INVALID_ARGUMENT:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_OUT_OF_RANGE:
        return 400;
    case GRPC_DEADLINE_EXCEEDED:
        return 504;
    case GRPC_NOT_FOUND:
        return 404;
    case GRPC_ALREADY_EXISTS:
    case GRPC_ABORTED:
        return 409;
    case GRPC_PERMISSION_DENIED:
        return 403;
    case GRPC_UNAUTHENTICATED:
        return 401;
    case GRPC_RESOURCE_EXHAUSTED:
        return 429;
    case GRPC_UNIMPLEMENTED:
        return 501;
    case GRPC_UNAVAILABLE:
        return 503;
    default:
        return 500;
    }
}

static void add_status(struct buf *b, enum grpc_code code, const char *msg)
{
    buf_addf(b, "{\"code\":%d,\"message\":", (int)code);
    json_add_string(b, msg, strlen(msg));
    buf_add_byte(b, '}');
}

static void reply_status(const struct web *w, enum grpc_code code, const char *msg)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_status(&b, code, msg);
    web_reply_type(w, gateway_http_status(code), "application/json", buf_slice(&b));
}

/* ---- the end --------------------------------------------------------------------------------- */

static void gateway_free(struct gateway *g)
{
    buf_fini(&g->text);
    free(g);
}

/* The answer is complete: forget the stream, and say that the call has ended. */
static void gateway_end(struct gateway *g, enum grpc_code code)
{
    struct call *c = g->call;
    if (g->web.stream != NULL) {
        http_stream_handle(g->web.stream, NULL, NULL);
        if (c != NULL)
            c->remote = http_stream_peer(g->web.stream);
    }
    gateway_free(g);
    if (c != NULL)
        call_closed(c, code);
}

/* ---- from a call to HTTP --------------------------------------------------------------------- */

static const struct http_header answer_headers[] = {
    HTTP_HEADER("content-type", "application/json"),
    HTTP_HEADER("grpc-metadata-content-type", "application/grpc"),
};

/* Append the message as JSON. The call cannot go on if it is none. */
static bool add_json(struct gateway *g, struct slice wire, struct buf *out)
{
    struct api_loop *l = g->web.port->loop;
    arena_reset(l->scratch_out);
    return json_from_wire(g->method->response, wire, l->scratch_out, out) == ERR_OK;
}

/* Send a line, given with its end; a text message needs none. */
static void stream_write(struct gateway *g, struct slice line)
{
    if (!g->responded)
        web_respond(&g->web, 200, answer_headers, ARRAY_LEN(answer_headers));
    g->responded = true;
    if (g->websocket)
        line.n--;
    http_stream_write(g->web.stream, line);
}

static void transport_send(struct call *c, struct slice msg)
{
    struct gateway *g = c->handle;
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "{\"result\":");
    if (!add_json(g, msg, &b))
        return; /* a text that is not UTF-8 cannot be said in JSON */
    buf_add_str(&b, "}\n");
    stream_write(g, buf_slice(&b));
}

static void transport_send_blob(struct call *c, struct slice head, struct blob *tail)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_slice(&b, head);
    buf_add(&b, tail->p, tail->n);
    transport_send(c, buf_slice(&b));
}

static void transport_send_headers(struct call *c)
{
    (void)c; /* the gateway says nothing before the first message */
}

static void reply_json(struct gateway *g, struct slice msg)
{
    AUTO(buf) struct buf b = BUF_INIT;
    if (add_json(g, msg, &b))
        web_reply(&g->web, 200, answer_headers, ARRAY_LEN(answer_headers), buf_slice(&b));
    else
        reply_status(&g->web, GRPC_INTERNAL, "string field contains invalid UTF-8");
}

static void transport_reply(struct call *c, struct slice msg)
{
    struct gateway *g = c->handle;
    reply_json(g, msg);
    gateway_end(g, GRPC_OK);
}

static void transport_reply_blob(struct call *c, struct blob *msg)
{
    transport_reply(c, blob_slice(msg));
}

static void stream_finish(struct gateway *g, enum grpc_code code, const char *msg)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "{\"error\":");
    add_status(&b, code, msg);
    buf_add_str(&b, "}\n");
    if (!g->responded) {
        struct slice body = code == GRPC_OK ? slice_make(NULL, 0) : buf_slice(&b);
        web_reply_type(&g->web, gateway_http_status(code), "application/json", body);
        return;
    }
    if (code != GRPC_OK)
        stream_write(g, buf_slice(&b));
    http_stream_end(g->web.stream);
}

static void transport_finish(struct call *c, enum grpc_code code, const char *msg)
{
    struct gateway *g = c->handle;
    if (g->method->kind != METHOD_UNARY)
        stream_finish(g, code, msg);
    else
        reply_status(&g->web, code, msg);
    gateway_end(g, code);
}

static size_t transport_pending(const struct call *c)
{
    const struct gateway *g = c->handle;
    return http_stream_pending(g->web.stream);
}

/* Metadata comes in headers with a prefix. */
static struct slice transport_metadata(const struct call *c, const char *name)
{
    const struct gateway *g = c->handle;
    char header[METADATA_NAME_MAX];
    snprintf(header, sizeof header, "grpc-metadata-%s", name);
    return http_stream_header(g->web.stream, header);
}

static void gateway_pump(struct gateway *g);

static void transport_pause(struct call *c, bool pause)
{
    if (!pause)
        gateway_pump(c->handle);
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

/* ---- from HTTP to a call --------------------------------------------------------------------- */

/* Return the begun call, or NULL if it was refused. `g` may be gone then. */
static struct call *gateway_call(struct gateway *g)
{
    struct call *c = call_new(g->web.port->loop, g->method, &transport, g);
    g->call = c;
    return call_begin(c) ? c : NULL;
}

/* Hand one JSON object to the call. */
static void deliver(struct call *c, struct slice text, struct arena *a)
{
    ProtobufCMessage *msg;
    struct why why;
    if (json_is_blank(text))
        text = slice_str("{}");
    if (json_to_pb(c->method->request, text, a, &msg, &why) != ERR_OK)
        call_finish(c, GRPC_INVALID_ARGUMENT, why.text);
    else
        call_message_decoded(c, msg);
}

static void on_body(struct http_stream *s, struct slice body)
{
    struct gateway *g = http_stream_user(s);
    struct json_scan scan = {.at = 0};
    if (json_scan_value(&scan, body))
        body.n = scan.at; /* what stands behind the object is not looked at */
    struct call *c = gateway_call(g);
    if (c != NULL)
        deliver(c, body, c->arena);
}

/* Hand over the first object of what has been read. False if there is no whole one. */
static bool deliver_next(struct gateway *g, struct call *c)
{
    struct api_loop *l = c->loop;
    struct slice text = buf_slice(&g->text);
    bool whole = json_scan_value(&g->scan, text);
    if (!whole && !(g->body_ended && !json_is_blank(text)))
        return false;
    size_t n = whole ? g->scan.at : text.n;
    g->scan = (struct json_scan){.at = 0};
    arena_reset(l->scratch);
    text = slice_make(arena_dup(l->scratch, text.p, n), n);
    buf_consume(&g->text, n);
    deliver(c, text, l->scratch);
    return true;
}

static void gateway_consume(struct gateway *g)
{
    size_t n = g->unconsumed;
    g->unconsumed = 0;
    http_stream_consume(g->web.stream, n);
}

/* Hand over all whole objects, unless the call does not want them now. */
static void gateway_pump(struct gateway *g)
{
    struct call *c = g->call;
    if (c == NULL || g->pumping)
        return;
    call_hold(c);
    g->pumping = true;
    while (!call_is_over(c) && !c->reading_paused && deliver_next(g, c)) {
    }
    if (!call_is_over(c)) {
        g->pumping = false;
        if (!c->reading_paused || g->text.n < HELD_WHILE_PAUSED)
            gateway_consume(g);
        if (g->body_ended && !g->half_closed && !c->reading_paused) {
            g->half_closed = true;
            call_half_close(c);
        }
    }
    call_release(c);
}

static void on_data(struct http_stream *s, struct slice data, bool end)
{
    struct gateway *g = http_stream_user(s);
    const struct config *cfg = g->web.port->loop->cfg;
    g->unconsumed += data.n;
    g->body_ended = end;
    buf_add_slice(&g->text, data);
    if (g->websocket)
        buf_add_byte(&g->text, '\n');
    if (g->text.n > 2 * (cfg->max_request_bytes + API_TRANSPORT_EXTRA))
        call_finish(g->call, GRPC_RESOURCE_EXHAUSTED, "request message is too large");
    else
        gateway_pump(g);
}

/* The first message of a WebSocket is all that a method of one message gets. */
static void on_only_message(struct http_stream *s, struct slice data, bool end)
{
    (void)end;
    struct gateway *g = http_stream_user(s);
    http_stream_consume(s, data.n);
    if (g->call == NULL)
        on_body(s, data);
}

static void on_drain(struct http_stream *s)
{
    struct gateway *g = http_stream_user(s);
    if (g->call != NULL)
        call_drain(g->call);
}

static void on_close(struct http_stream *s, enum http_close why)
{
    (void)why;
    struct gateway *g = http_stream_user(s);
    g->web.stream = NULL;
    gateway_end(g, GRPC_CANCELED);
}

static const struct http_handler one_message = {
    .body = on_body, .drain = on_drain, .close = on_close};
static const struct http_handler only_message = {
    .data = on_only_message, .drain = on_drain, .close = on_close};
static const struct http_handler many_messages = {
    .data = on_data, .drain = on_drain, .close = on_close};

/* ---- requests -------------------------------------------------------------------------------- */

#define PREFIX "/v3/"
#define OLD_PREFIX "/v3beta/"

bool gateway_owns(struct slice path)
{
    return slice_starts_with(path, slice_str(PREFIX)) ||
           slice_starts_with(path, slice_str(OLD_PREFIX));
}

static const struct api_method *method_of(struct slice path)
{
    char text[PATH_MAX_];
    struct slice old = slice_str(OLD_PREFIX);
    if (!slice_starts_with(path, old))
        return method_find_json(path);
    if (path.n >= sizeof text)
        return NULL;
    snprintf(text, sizeof text, PREFIX "%.*s", (int)(path.n - old.n),
             (const char *)path.p + old.n);
    return method_find_json(slice_str(text));
}

static void refuse_upgrade(const struct web *w, unsigned status, const char *text)
{
    static const struct http_header h[] = {
        HTTP_HEADER("content-type", "text/plain; charset=utf-8"),
        HTTP_HEADER("x-content-type-options", "nosniff"),
        HTTP_HEADER("sec-websocket-version", "13"),
    };
    web_reply(w, status, h, ARRAY_LEN(h), slice_str(text));
}

/* Make the connection a WebSocket. False after refusing that. A token comes as the second of the
 * subprotocols "Bearer, TOKEN"; without authentication nobody asks for it. */
static bool gateway_upgrade(const struct web *w, const struct api_method *m)
{
    struct slice bearer = slice_str("Bearer");
    if (!slice_starts_with(http_stream_header(w->stream, "sec-websocket-protocol"), bearer))
        bearer.n = 0;
    if (!slice_is(w->method, "GET"))
        refuse_upgrade(w, 405, "Method Not Allowed\n");
    else if (m->kind == METHOD_UNARY ||
             http_stream_accept_websocket(w->stream, bearer) != ERR_OK)
        refuse_upgrade(w, 400, "Bad Request\n");
    else
        return true;
    return false;
}

void gateway_request(const struct web *w)
{
    bool websocket = http_stream_asks_websocket(w->stream);
    const struct api_method *m = method_of(w->path);
    if (m == NULL) {
        reply_status(w, GRPC_NOT_FOUND, "Not Found");
        return;
    }
    if (websocket && !gateway_upgrade(w, m))
        return;
    if (!websocket && !slice_is(w->method, "POST")) {
        reply_status(w, GRPC_UNIMPLEMENTED, "Method Not Allowed");
        return;
    }
    struct gateway *g = xcalloc(1, sizeof *g);
    g->web = *w;
    g->method = m;
    g->websocket = g->responded = websocket;
    if (m->kind != METHOD_BIDI) {
        http_stream_handle(w->stream, websocket ? &only_message : &one_message, g);
        return;
    }
    http_stream_set_body_max(w->stream, UINT64_MAX);
    http_stream_handle(w->stream, &many_messages, g);
    (void)gateway_call(g);
}
