/* tests/unit/http/h2_test.c -- HTTP/2: requests, flow control, floods, pings, drain.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/http/app.h"

static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_LEN (sizeof preface - 1)

/* Append a raw frame. */
static void add_frame(struct buf *b, uint8_t type, uint8_t flags, uint32_t id, const void *p,
                      size_t n)
{
    const uint8_t head[9] = {
        (uint8_t)(n >> 16),  (uint8_t)(n >> 8),   (uint8_t)n,         type,       flags,
        (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    buf_add(b, head, sizeof head);
    buf_add(b, p, n);
}

static void add_preface(struct buf *b)
{
    buf_add(b, preface, PREFACE_LEN);
    add_frame(b, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

/* :method GET, :scheme http, :path /, :authority "a" */
static const uint8_t get_block[] = {0x82, 0x86, 0x84, 0x01, 0x01, 'a'};

static void request_is_answered(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    static const char *const h[] = {"x-probe", "v", NULL};
    struct h2c_stream *s = h2c_request(c, "POST", "/a?b", h, "body", 4, true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, ":status: 200\ncontent-type: text/plain\n"));
    assert_true(buf_has(&s->body, "POST /a?b h2 test:1 v [body]"));
    assert_int_equal(s->error_code, 0);
    assert_int_equal(app.last_close, HTTP_CLOSE_DONE);
    rig_fini(&r);
}

static void both_protocols_share_the_port(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *two = rig_h2_client(&r), *one = rig_client(&r);
    client_send_str(one, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    struct h2c_stream *s = h2c_request(two, "GET", "/b", NULL, NULL, 0, true);
    rig_until_closed(&r, s);
    rig_until_text(&r, one, "GET /a h1");
    assert_true(buf_has(&s->body, "GET /b h2"));
    rig_fini(&r);
}

static void input_is_split_at_each_byte(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_preface(&b);
    add_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_block, sizeof get_block);
    add_frame(&b, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "abc", 3);
    for (size_t cut = 1; cut < b.n; cut++) {
        struct rig r;
        app_start(&r);
        struct client *c = rig_client(&r);
        app_send_received(&r, c, b.p, cut);
        client_send(c, b.p + cut, b.n - cut);
        rig_until_text(&r, c, "GET / h2 a  [abc]");
        rig_fini(&r);
    }
}

static void many_streams_in_one_write(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = NULL;
    for (int i = 0; i < H2C_STREAMS_MAX; i++)
        s = h2c_request(c, "POST", "/x", NULL, "abc", 3, true);
    rig_until_closed(&r, s);
    for (size_t i = 0; i < c->stream_n; i++)
        assert_true(buf_has(&c->streams[i].body, "[abc]"));
    rig_fini(&r);
}

static void early_answer_stops_the_request(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = h2c_request(c, "POST", "/404", NULL, "x", 1, false);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, ":status: 404\n"));
    assert_true(buf_has(&s->body, "no"));
    assert_int_equal(s->error_code, NGHTTP2_NO_ERROR);
    rig_fini(&r);
}

static void trailers_follow_the_body(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = h2c_request(c, "POST", "/hold", NULL, NULL, 0, true);
    rig_until(&r, app_holds, NULL);
    char text[] = "dying";
    const struct http_header t[] = {HTTP_HEADER("t-one", "1"),
                                    {slice_str("t-two"), slice_str(text), false}};
    http_stream_respond(app.held, 200, NULL, 0, false);
    http_stream_write(app.held, slice_str("data"));
    http_stream_trailers(app.held, t, 2);
    memset(text, 'x', sizeof text - 1);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->body, "data"));
    assert_true(buf_has(&s->trailers, "t-one: 1\nt-two: dying\n"));
    rig_fini(&r);
}

static void reset_by_either_side(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = h2c_request(c, "POST", "/hold", NULL, NULL, 0, false);
    rig_until(&r, app_holds, NULL);
    nghttp2_submit_rst_stream(c->h2, 0, s->id, NGHTTP2_CANCEL);
    rig_until(&r, app_closed_one, NULL);
    assert_int_equal(app.last_close, HTTP_CLOSE_RESET);
    s = h2c_request(c, "POST", "/reset", NULL, NULL, 0, false);
    rig_until_closed(&r, s);
    assert_int_equal(s->error_code, NGHTTP2_CANCEL);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOCAL);
    assert_int_equal(app.closes, 2);
    rig_fini(&r);
}

static void lost_connection_closes_the_streams(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    h2c_request(c, "POST", "/hold", NULL, NULL, 0, false);
    rig_until(&r, app_holds, NULL);
    client_close(c);
    rig_until(&r, app_closed_one, NULL);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOST);
    rig_fini(&r);
}

static bool window_full(void *arg)
{
    return ((struct h2c_stream *)arg)->body.n == 65535;
}

static void slow_reader_holds_the_handler_back(void **state)
{
    struct rig r;
    app_start(&r);
    app.to_write = 8 * 1024 * 1024;
    struct client *c = rig_h2_client(&r);
    c->no_consume = true;
    struct h2c_stream *s = h2c_request(c, "GET", "/stream", NULL, NULL, 0, true);
    rig_until(&r, window_full, s);
    assert_true(app.to_write > 7 * 1024 * 1024);
    c->no_consume = false;
    nghttp2_session_consume(c->h2, s->id, s->body.n);
    rig_until_closed(&r, s);
    assert_int_equal(s->body.n, 8 * 1024 * 1024);
    assert_true(app.drains > 10);
    assert_true(app.pending_max < 300 * 1024);
    rig_fini(&r);
}

static bool window_shut(void *arg)
{
    return app.unconsumed == 512 * 1024;
}

static bool body_ended(void *arg)
{
    if (app.held != NULL && app.unconsumed != 0)
        http_stream_consume(app.held, app.unconsumed);
    app.unconsumed = 0;
    return app.data_end;
}

static void slow_handler_holds_the_sender_back(void **state)
{
    size_t n = 4 * 1024 * 1024;
    AUTO(buf) struct buf body = BUF_INIT;
    memset(buf_reserve(&body, n), 'b', n);
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = h2c_request(c, "POST", "/slow-body", NULL, body.p, n, true);
    rig_until(&r, window_shut, NULL);
    struct h2c_stream *other = h2c_request(c, "GET", "/a", NULL, NULL, 0, true);
    rig_until_closed(&r, other); /* the connection's window is open */
    assert_int_equal(app.data_bytes, 512 * 1024);
    rig_until(&r, body_ended, NULL);
    rig_until_closed(&r, s);
    assert_int_equal(app.data_bytes, n);
    rig_fini(&r);
}

/* Streams that end with unconsumed bytes give them back: twice the connection's window passes. */
static void abandoned_bytes_return_to_the_connection(void **state)
{
    size_t n = 512 * 1024;
    AUTO(buf) struct buf body = BUF_INIT;
    memset(buf_reserve(&body, n), 'b', n);
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    for (int i = 0; i < 32; i++) {
        app.unconsumed = 0;
        struct h2c_stream *s = h2c_request(c, "POST", "/slow-body", NULL, body.p, n, false);
        rig_until(&r, window_shut, NULL);
        nghttp2_submit_rst_stream(c->h2, 0, s->id, NGHTTP2_CANCEL);
    }
    rig_fini(&r);
}

static void body_over_the_limit_is_413(void **state)
{
    static uint8_t body[APP_BODY_MAX + 1];
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = h2c_request(c, "POST", "/x", NULL, body, sizeof body, false);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, ":status: 413\n"));
    rig_fini(&r);
}

static void large_header_is_431(void **state)
{
    AUTO(buf) struct buf big = BUF_INIT;
    memset(buf_reserve(&big, 10000), 'a', 10000);
    big.n = 10000;
    struct http_config cfg = app_config();
    cfg.h2_header_bytes_max = 20000;
    struct rig r;
    rig_init(&r, &cfg);
    struct client *c = rig_h2_client(&r);
    const char *v = buf_cstr(&big);
    const char *const h[] = {"a", v, "b", v, "c", v, NULL};
    struct h2c_stream *s = h2c_request(c, "POST", "/x", h, NULL, 0, true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, ":status: 431\n"));
    assert_int_equal(app.requests, 0);
    s = h2c_request(c, "POST", "/x", NULL, NULL, 0, true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, ":status: 200\n"));
    rig_fini(&r);
}

static void continuation_flood_ends_the_connection(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_preface(&b);
    add_frame(&b, NGHTTP2_HEADERS, 0, 1, get_block, sizeof get_block);
    for (int i = 0; i < 1000; i++)
        add_frame(&b, NGHTTP2_CONTINUATION, 0, 1, NULL, 0);
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send(c, b.p, b.n);
    rig_until_eof(&r, c);
    rig_fini(&r);
}

static void flood(uint8_t type, const void *p, size_t n, bool with_stream)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_preface(&b);
    add_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_block, sizeof get_block);
    for (int i = 0; i < 40000; i++)
        add_frame(&b, type, 0, with_stream ? 1 : 0, p, n);
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send(c, b.p, b.n);
    rig_until_eof(&r, c);
    rig_fini(&r);
}

static void frame_floods_end_the_connection(void **state)
{
    static const uint8_t zeros[8];
    flood(NGHTTP2_DATA, NULL, 0, true);
    flood(NGHTTP2_SETTINGS, NULL, 0, false);
    flood(NGHTTP2_PING, zeros, 8, false);
}

static void reset_flood_ends_the_connection(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_preface(&b);
    static const uint8_t cancel[4] = {0, 0, 0, NGHTTP2_CANCEL};
    for (uint32_t id = 1; id < 100000; id += 2) {
        add_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, get_block, sizeof get_block);
        add_frame(&b, NGHTTP2_RST_STREAM, 0, id, cancel, 4);
    }
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send(c, b.p, b.n);
    rig_until_eof(&r, c);
    assert_true(app.requests < 30000);
    rig_fini(&r);
}

static bool got_goaway(void *arg)
{
    return ((struct client *)arg)->goaway;
}

static void hasty_pings_end_the_connection(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    h2c_request(c, "POST", "/hold", NULL, NULL, 0, false);
    rig_until(&r, app_holds, NULL);
    for (int i = 0; i < 4; i++) /* the first is free, two strikes are forgiven */
        nghttp2_submit_ping(c->h2, 0, NULL);
    rig_until(&r, got_goaway, c);
    assert_int_equal(c->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_string_equal(c->goaway_text, "too_many_pings");
    rig_until_eof(&r, c);
    assert_int_equal(app.closes, 1);
    rig_fini(&r);
}

static bool got_three_acks(void *arg)
{
    return ((struct client *)arg)->ping_acks == 3;
}

static void patient_pings_are_answered(void **state)
{
    struct http_config cfg = app_config();
    cfg.ping_min_ms = 1;
    struct rig r;
    rig_init(&r, &cfg);
    struct client *c = rig_h2_client(&r);
    for (int i = 0; i < 3; i++)
        nghttp2_submit_ping(c->h2, 0, NULL);
    rig_until(&r, got_three_acks, c);
    assert_false(c->goaway);
    /* an answer clears the strikes */
    struct h2c_stream *s = h2c_request(c, "GET", "/a", NULL, NULL, 0, true);
    rig_until_closed(&r, s);
    nghttp2_submit_ping(c->h2, 0, NULL);
    nghttp2_submit_ping(c->h2, 0, NULL);
    s = h2c_request(c, "GET", "/a", NULL, NULL, 0, true);
    rig_until_closed(&r, s);
    assert_false(c->goaway);
    rig_fini(&r);
}

static bool got_pings(void *arg)
{
    return ((struct client *)arg)->pings >= 2;
}

static void silent_client_is_pinged_and_dropped(void **state)
{
    struct http_config cfg = app_config();
    cfg.keepalive_interval_ms = 30;
    cfg.keepalive_timeout_ms = 500; /* in which a busy machine answers a ping */
    struct rig r;
    rig_init(&r, &cfg);
    struct client *c = rig_h2_client(&r);
    rig_until(&r, got_pings, c);
    assert_false(c->eof);
    c->stop_reading = true; /* no more acknowledgements */
    rig_until(&r, app_conns_gone, &r);
    rig_fini(&r);
}

static bool drained;

static void on_drained(void *arg)
{
    drained = true;
}

static bool is_drained(void *arg)
{
    return drained;
}

static void drain_lets_open_streams_end(void **state)
{
    struct rig r;
    app_start(&r);
    drained = false;
    struct client *c = rig_h2_client(&r), *idle = rig_h2_client(&r);
    struct h2c_stream *a = h2c_request(idle, "GET", "/a", NULL, NULL, 0, true);
    rig_until_closed(&r, a);
    struct h2c_stream *s = h2c_request(c, "POST", "/hold", NULL, NULL, 0, true);
    rig_until(&r, app_holds, NULL);
    http_server_drain(r.server, on_drained, NULL);
    rig_until(&r, got_goaway, c);
    assert_int_equal(c->goaway_code, NGHTTP2_NO_ERROR);
    rig_until_eof(&r, idle);
    client_close(idle);
    assert_false(drained);
    http_stream_respond_full(app.held, 200, NULL, 0, slice_str("late"));
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->body, "late"));
    rig_until_eof(&r, c);
    client_close(c);
    rig_until(&r, is_drained, NULL);
    rig_fini(&r);
}

static void streams_over_the_limit_are_refused(void **state)
{
    struct http_config cfg = app_config();
    cfg.streams_max = 2;
    AUTO(buf) struct buf b = BUF_INIT;
    add_preface(&b);
    for (uint32_t id = 1; id <= 5; id += 2)
        add_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, get_block, sizeof get_block);
    struct rig r;
    rig_init(&r, &cfg);
    struct client *c = rig_client(&r);
    app_send_received(&r, c, b.p, b.n);
    rig_until_text(&r, c, "\x04\x03"); /* length 4, RST_STREAM */
    assert_int_equal(app.requests, 2);
    rig_fini(&r);
}

static void garbage_after_the_preface_ends_the_connection(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add(&b, preface, PREFACE_LEN);
    buf_add_str(&b, "this is not a frame at all, nor was it ever meant to be");
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send(c, b.p, b.n);
    rig_until_eof(&r, c);
    rig_fini(&r);
}

/* ---- which requests are well-formed ------------------------------------------------------- */

#define GET          ":method", "GET", ":scheme", "http", ":path", "/"
#define GOOD         GET, ":authority", "a"
#define POST_TO_HOST ":method", "POST", ":scheme", "http", ":path", "/", "host", "h"

struct shape {
    const char *what;
    const char *fields[16]; /* name, value, ..., NULL */
    const char *body;       /* NULL: the header block ends the request */
};

/* Go's clients put an endpoint as it was written into :authority. */
static void any_authority_is_taken(void **state)
{
    static const char *const authorities[] = {"http://127.0.0.1:2379", "/tmp/x.sock",
                                              "unix:///tmp/a dir/x.sock", "user@host", "{\"\\}"};
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    for (size_t i = 0; i < ARRAY_LEN(authorities); i++) {
        const char *const as_pseudo[] = {GET, ":authority", authorities[i], NULL};
        const char *const as_host[] = {GET, "host", authorities[i], NULL};
        AUTO(buf) struct buf want = BUF_INIT;
        buf_addf(&want, "GET / h2 %s ", authorities[i]);
        for (int k = 0; k < 2; k++) {
            struct h2c_stream *s = h2c_request_raw(c, k ? as_host : as_pseudo, NULL, 0, true);
            rig_until_closed(&r, s);
            assert_true(buf_has(&s->headers, ":status: 200\n"));
            assert_true(buf_has(&s->body, buf_cstr(&want)));
        }
    }
    rig_fini(&r);
}

static void sound_requests_are_taken(void **state)
{
    static const struct shape shapes[] = {
        {"the pseudo headers in any order",
         {":authority", "a", ":path", "/", ":scheme", "http", ":method", "GET", NULL},
         NULL},
        {"authority and host", {GOOD, "host", "b", NULL}, NULL},
        {"another scheme",
         {":method", "GET", ":scheme", "a+b-c.1", ":path", "/", "host", "h", NULL},
         NULL},
        {"OPTIONS *",
         {":path", "*", ":method", "OPTIONS", ":scheme", "http", "host", "h", NULL},
         NULL},
        {"CONNECT", {":method", "CONNECT", ":authority", "a:1", NULL}, NULL},
        {"te: trailers", {GOOD, "te", "trailers", NULL}, NULL},
        {"te: Trailers", {GOOD, "te", "Trailers", NULL}, NULL},
        {"a value of all sorts", {GOOD, "x", "\t !~\x80\xff ", NULL}, NULL},
        {"an empty value", {GOOD, "x", "", NULL}, NULL},
        {"a name of all sorts", {GOOD, "!#$%&'*+-.^_`|~09az", "v", NULL}, NULL},
        {"the same name twice", {GOOD, "x", "1", "x", "2", NULL}, NULL},
        {"names as long as forbidden ones",
         {GOOD, "upgrades-", "1", "connectiom", "2", NULL},
         NULL},
        {"a right length", {POST_TO_HOST, "content-length", "0004", NULL}, "body"},
        {"a length of 0", {POST_TO_HOST, "content-length", "0", NULL}, NULL},
        {"a length of 0, and DATA", {POST_TO_HOST, "content-length", "0", NULL}, ""},
    };
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const char *body = shapes[i].body;
        struct h2c_stream *s =
            h2c_request_raw(c, shapes[i].fields, body, body ? strlen(body) : 0, true);
        rig_until_closed(&r, s);
        if (!buf_has(&s->headers, ":status: 200\n"))
            fail_msg("refused: %s", shapes[i].what);
    }
    rig_fini(&r);
}

static const struct shape malformed[] = {
    {"no field at all", {NULL}, NULL},
    {"no method", {":scheme", "http", ":path", "/", ":authority", "a", NULL}, NULL},
    {"no scheme", {":method", "GET", ":path", "/", ":authority", "a", NULL}, NULL},
    {"no path", {":method", "GET", ":scheme", "http", ":authority", "a", NULL}, NULL},
    {"neither authority nor host", {GET, NULL}, NULL},
    {"an empty method", {":method", "", ":scheme", "http", ":path", "/", "host", "h", NULL}, NULL},
    {"an empty scheme", {":method", "GET", ":scheme", "", ":path", "/", "host", "h", NULL}, NULL},
    {"an empty path", {":method", "GET", ":scheme", "http", ":path", "", "host", "h", NULL}, NULL},
    {"an empty authority", {GET, ":authority", "", "host", "h", NULL}, NULL},
    {"an empty host", {GOOD, "host", "", NULL}, NULL},
    {"two methods", {GOOD, ":method", "GET", NULL}, NULL},
    {"two schemes", {GOOD, ":scheme", "http", NULL}, NULL},
    {"two paths", {GOOD, ":path", "/", NULL}, NULL},
    {"two authorities", {GOOD, ":authority", "a", NULL}, NULL},
    {"two hosts", {GOOD, "host", "h", "host", "h", NULL}, NULL},
    {"a pseudo header after a field", {GET, "x", "y", ":authority", "a", NULL}, NULL},
    {"an unknown pseudo header", {GET, ":pathos", "/", "host", "h", NULL}, NULL},
    {"a pseudo header of answers", {GET, ":status", "200", "host", "h", NULL}, NULL},
    {"extended CONNECT",
     {":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority",
      "a", NULL},
     NULL},
    {"CONNECT with a path", {":method", "CONNECT", ":path", "/", ":authority", "a", NULL}, NULL},
    {"CONNECT with a scheme",
     {":method", "CONNECT", ":scheme", "http", ":authority", "a", NULL},
     NULL},
    {"CONNECT to a host", {":method", "CONNECT", "host", "h", NULL}, NULL},
    {"a method with a space",
     {":method", "G T", ":scheme", "http", ":path", "/", "host", "h", NULL},
     NULL},
    {"a scheme that begins with a digit",
     {":method", "GET", ":scheme", "1a", ":path", "/", "host", "h", NULL},
     NULL},
    {"a scheme with a colon",
     {":method", "GET", ":scheme", "a:", ":path", "/", "host", "h", NULL},
     NULL},
    {"a path without its slash",
     {":method", "GET", ":scheme", "http", ":path", "a", "host", "h", NULL},
     NULL},
    {"a path with a space",
     {":method", "GET", ":scheme", "http", ":path", "/a b", "host", "h", NULL},
     NULL},
    {"a path with DEL",
     {":method", "GET", ":scheme", "http", ":path", "/\x7f", "host", "h", NULL},
     NULL},
    {"GET *", {":method", "GET", ":scheme", "http", ":path", "*", "host", "h", NULL}, NULL},
    {"an authority of two lines", {GET, ":authority", "a\nb", "host", "h", NULL}, NULL},
    {"a host with DEL", {GOOD, "host", "a\x7f", NULL}, NULL},
    {"an upper-case name", {GOOD, "X-probe", "v", NULL}, NULL},
    {"an upper-case pseudo header",
     {":Method", "GET", ":scheme", "http", ":path", "/", "host", "h", NULL},
     NULL},
    {"an empty name", {GOOD, "", "v", NULL}, NULL},
    {"a name with a space", {GOOD, "a b", "v", NULL}, NULL},
    {"a name with a colon", {GOOD, "a:b", "v", NULL}, NULL},
    {"a bare colon", {":", "v", GOOD, NULL}, NULL},
    {"a value of two lines", {GOOD, "x", "a\r\nb", NULL}, NULL},
    {"a value with a control", {GOOD, "x", "a\x01", NULL}, NULL},
    {"connection", {GOOD, "connection", "close", NULL}, NULL},
    {"keep-alive", {GOOD, "keep-alive", "timeout=5", NULL}, NULL},
    {"proxy-connection", {GOOD, "proxy-connection", "close", NULL}, NULL},
    {"transfer-encoding", {GOOD, "transfer-encoding", "chunked", NULL}, NULL},
    {"upgrade", {GOOD, "upgrade", "websocket", NULL}, NULL},
    {"te: gzip", {GOOD, "te", "gzip", NULL}, NULL},
    {"two lengths", {POST_TO_HOST, "content-length", "4", "content-length", "4", NULL}, "body"},
    {"an empty length", {POST_TO_HOST, "content-length", "", NULL}, NULL},
    {"a signed length", {POST_TO_HOST, "content-length", "+4", NULL}, "body"},
    {"a length of other bytes", {POST_TO_HOST, "content-length", "1*", NULL}, "body"},
    {"a length past all bounds",
     {POST_TO_HOST, "content-length", "18446744073709551620", NULL},
     "body"},
    {"a length without a body", {POST_TO_HOST, "content-length", "4", NULL}, NULL},
};

/* The stream ends, its connection goes on, and no handler hears of it. */
static void malformed_request_is_reset(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        const char *body = malformed[i].body;
        struct h2c_stream *s =
            h2c_request_raw(c, malformed[i].fields, body, body ? strlen(body) : 0, true);
        rig_until_closed(&r, s);
        if (s->got_headers || s->error_code != NGHTTP2_PROTOCOL_ERROR || app.requests != 0)
            fail_msg("taken: %s", malformed[i].what);
    }
    struct h2c_stream *s = h2c_request(c, "GET", "/", NULL, NULL, 0, true);
    rig_until_closed(&r, s);
    assert_int_equal(app.requests, 1);
    assert_false(c->goaway);
    rig_fini(&r);
}

/* Start a POST to /slow-body that promises `length` bytes; run until it is held, unless it ends. */
static struct h2c_stream *promise(struct rig *r, struct client *c, const char *length,
                                  const char *body, bool end)
{
    const char *const fields[] = {":method",        "POST",       ":scheme", "http",
                                  ":path",          "/slow-body", "host",    "h",
                                  "content-length", length,       NULL};
    app.held = NULL;
    struct h2c_stream *s = h2c_request_raw(c, fields, body, strlen(body), end);
    if (!end)
        rig_until(r, app_holds, NULL);
    return s;
}

static void assert_reset(struct rig *r, struct h2c_stream *s)
{
    rig_until_closed(r, s);
    assert_int_equal(s->error_code, NGHTTP2_PROTOCOL_ERROR);
    assert_false(s->got_headers);
    assert_false(app.data_end);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOCAL);
}

static void body_is_as_long_as_promised(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    assert_reset(&r, promise(&r, c, "5", "body", true));
    assert_int_equal(app.closes, 1);
    struct h2c_stream *s = promise(&r, c, "7", "body", false);
    h2c_write(c, s, "more", 4, false);
    assert_reset(&r, s);
    assert_int_equal(app.closes, 2);
    static const char *const trailers[] = {"t", "1", NULL};
    s = promise(&r, c, "5", "body", false);
    h2c_trailers(c, s, trailers, true);
    assert_reset(&r, s);
    assert_int_equal(app.closes, 3);
    s = promise(&r, c, "8", "body", false);
    h2c_write(c, s, "more", 4, true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->body, "taken"));
    rig_fini(&r);
}

static void trailers_end_a_request(void **state)
{
    static const char *const trailers[] = {"t", "1", "te", "trailers", NULL};
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = promise(&r, c, "4", "body", false);
    h2c_trailers(c, s, trailers, true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->body, "taken"));
    rig_fini(&r);
}

static bool request_came(void *arg)
{
    return app.requests > *(unsigned *)arg;
}

static void malformed_trailers_reset_the_request(void **state)
{
    static const char *const sound[] = {"t", "1", NULL};
    static const char *const connect_only[] = {":method", "CONNECT", ":authority", "a", NULL};
    static const char *const bad[][3] = {
        {":path", "/", NULL}, {":status", "200", NULL},      {"T", "1", NULL},
        {"t", "\n", NULL},    {"connection", "close", NULL}, {"content-length", "4", NULL}};
    struct rig r;
    app_start(&r);
    struct client *c = rig_h2_client(&r);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct h2c_stream *s = promise(&r, c, "4", "body", false);
        h2c_trailers(c, s, bad[i], true);
        assert_reset(&r, s);
        assert_int_equal(app.closes, i + 1);
    }
    struct h2c_stream *s = promise(&r, c, "4", "body", false);
    h2c_trailers(c, s, sound, false);
    assert_reset(&r, s);
    unsigned before = app.requests;
    s = h2c_request_raw(c, connect_only, NULL, 0, false);
    rig_until(&r, request_came, &before);
    h2c_trailers(c, s, bad[0], true);
    assert_reset(&r, s);
    rig_fini(&r);
}

/* A request that began and is then malformed costs us more than its sender. */
static void malformed_flood_ends_the_connection(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_preface(&b);
    for (uint32_t id = 1; id < 40000; id += 2) {
        add_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, get_block, sizeof get_block);
        add_frame(&b, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, get_block, sizeof get_block);
    }
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send(c, b.p, b.n);
    rig_until_eof(&r, c);
    assert_true(app.requests < 15000);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_answered),
        cmocka_unit_test(both_protocols_share_the_port),
        cmocka_unit_test(input_is_split_at_each_byte),
        cmocka_unit_test(many_streams_in_one_write),
        cmocka_unit_test(early_answer_stops_the_request),
        cmocka_unit_test(trailers_follow_the_body),
        cmocka_unit_test(reset_by_either_side),
        cmocka_unit_test(lost_connection_closes_the_streams),
        cmocka_unit_test(slow_reader_holds_the_handler_back),
        cmocka_unit_test(slow_handler_holds_the_sender_back),
        cmocka_unit_test(abandoned_bytes_return_to_the_connection),
        cmocka_unit_test(body_over_the_limit_is_413),
        cmocka_unit_test(large_header_is_431),
        cmocka_unit_test(continuation_flood_ends_the_connection),
        cmocka_unit_test(frame_floods_end_the_connection),
        cmocka_unit_test(reset_flood_ends_the_connection),
        cmocka_unit_test(hasty_pings_end_the_connection),
        cmocka_unit_test(patient_pings_are_answered),
        cmocka_unit_test(silent_client_is_pinged_and_dropped),
        cmocka_unit_test(drain_lets_open_streams_end),
        cmocka_unit_test(streams_over_the_limit_are_refused),
        cmocka_unit_test(garbage_after_the_preface_ends_the_connection),
        cmocka_unit_test(any_authority_is_taken),
        cmocka_unit_test(sound_requests_are_taken),
        cmocka_unit_test(malformed_request_is_reset),
        cmocka_unit_test(body_is_as_long_as_promised),
        cmocka_unit_test(trailers_end_a_request),
        cmocka_unit_test(malformed_trailers_reset_the_request),
        cmocka_unit_test(malformed_flood_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
