/* tests/unit/http/app.c -- see app.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/http/app.h"

struct app app;

static void on_close(struct http_stream *s, enum http_close why)
{
    app.closes++;
    app.last_close = why;
    if (app.held == s)
        app.held = NULL;
}

/* Answer with the body, preceded by what the accessors say. */
static void on_body(struct http_stream *s, struct slice body)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_slice(&b, http_stream_method(s));
    buf_add_byte(&b, ' ');
    buf_add_slice(&b, http_stream_path(s));
    buf_addf(&b, " h%d ", http_stream_is_http2(s) ? 2 : 1);
    buf_add_slice(&b, http_stream_authority(s));
    buf_add_byte(&b, ' ');
    buf_add_slice(&b, http_stream_header(s, "x-probe"));
    buf_addf(&b, " [");
    buf_add_slice(&b, body);
    buf_addf(&b, "]");
    const struct http_header h[] = {HTTP_HEADER("content-type", "text/plain")};
    http_stream_respond_full(s, 200, h, 1, buf_slice(&b));
}

static const struct http_handler echo = {.body = on_body, .close = on_close};
static const struct http_handler hold = {.close = on_close};

static void fill_stream(struct http_stream *s)
{
    static uint8_t zeros[16384];
    while (app.to_write != 0 && http_stream_pending(s) < 256 * 1024) {
        size_t n = app.to_write < sizeof zeros ? app.to_write : sizeof zeros;
        http_stream_write(s, slice_make(zeros, n));
        app.to_write -= n;
    }
    if (app.pending_max < http_stream_pending(s))
        app.pending_max = http_stream_pending(s);
    if (app.to_write == 0)
        http_stream_end(s);
}

static void on_stream_drain(struct http_stream *s)
{
    app.drains++;
    fill_stream(s);
}

static const struct http_handler streamer = {.drain = on_stream_drain, .close = on_close};

static void on_slow_data(struct http_stream *s, struct slice data, bool end)
{
    app.unconsumed += data.n;
    app.data_bytes += data.n;
    app.data_end = end;
    if (end)
        http_stream_respond_full(s, 200, NULL, 0, slice_str("taken"));
}

static const struct http_handler slow_body = {.data = on_slow_data, .close = on_close};

static void on_message(struct http_stream *s, struct slice msg, bool end)
{
    app.messages++;
    app.data_bytes += msg.n;
    app.data_end |= end;
    if (slice_is(msg, "bye")) {
        http_stream_end(s);
        return;
    }
    http_stream_write(s, msg);
    if (app.held == NULL)
        http_stream_consume(s, msg.n);
    else
        app.unconsumed += msg.n;
}

static const struct http_handler websocket = {.data = on_message, .close = on_close};

static void begin_websocket(struct http_stream *s)
{
    if (!http_stream_asks_websocket(s) ||
        http_stream_accept_websocket(s, slice_str("echo")) != ERR_OK) {
        http_stream_respond_full(s, 400, NULL, 0, slice_str("no handshake"));
        return;
    }
    http_stream_handle(s, &websocket, NULL);
    if (slice_is(http_stream_path(s), "/ws-slow"))
        app.held = s;
}

static void on_request(struct http_stream *s, void *arg)
{
    app.requests++;
    struct slice path = http_stream_path(s);
    if (slice_is(path, "/404")) {
        http_stream_respond_full(s, 404, NULL, 0, slice_str("no"));
    } else if (slice_is(path, "/hold")) {
        http_stream_handle(s, &hold, NULL);
        app.held = s;
    } else if (slice_is(path, "/slow-body")) {
        http_stream_handle(s, &slow_body, NULL);
        http_stream_set_body_max(s, UINT64_MAX);
        app.held = s;
    } else if (slice_is(path, "/reset")) {
        http_stream_handle(s, &hold, NULL);
        http_stream_reset(s, HTTP_RESET_CANCEL);
    } else if (slice_is(path, "/stream")) {
        http_stream_handle(s, &streamer, NULL);
        http_stream_respond(s, 200, NULL, 0, false);
        app.held = s;
        fill_stream(s);
    } else if (slice_starts_with(path, slice_str("/ws"))) {
        begin_websocket(s);
    } else {
        http_stream_handle(s, &echo, NULL);
    }
}

struct http_config app_config(void)
{
    app = (struct app){0};
    return (struct http_config){.request = on_request, .body_bytes_max = APP_BODY_MAX};
}

void app_start(struct rig *r)
{
    struct http_config c = app_config();
    rig_init(r, &c);
}

bool app_holds(void *arg)
{
    return app.held != NULL;
}

bool app_closed_one(void *arg)
{
    return app.closes != 0;
}

bool app_conns_gone(void *rig)
{
    struct rig *r = rig;
    return http_server_counters(r->server)->conns_open == 0;
}

struct received {
    struct rig *r;
    uint64_t n;
};

static bool bytes_received(void *arg)
{
    struct received *w = arg;
    return http_server_counters(w->r->server)->bytes_received >= w->n;
}

void app_send_received(struct rig *r, struct client *c, const void *p, size_t n)
{
    struct received w = {r, http_server_counters(r->server)->bytes_received + n};
    client_send(c, p, n);
    rig_until(r, bytes_received, &w);
}
