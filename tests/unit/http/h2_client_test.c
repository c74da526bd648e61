/* tests/unit/http/h2_client_test.c -- the HTTP/2 client against our server, and against scripted
 * frames.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/http/app.h"
#include "unit/http/h2_far.h"

#define CALLS_MAX 300

static struct {
    struct h2_client *c;
    enum h2_client_state state;
    unsigned idle;
    struct why why;
} client;

/* ---- calls ------------------------------------------------------------------------------- */

struct call {
    struct h2_stream s;
    struct buf body;
    unsigned headers, drains;
    bool over;
    enum err e;
    char trailer[16];
    bool cancel_headers, cancel_data, free_headers, free_done, again;
};

static struct call calls[CALLS_MAX];
static size_t call_n;

static void free_client(void)
{
    struct h2_client *c = client.c;
    client.c = NULL;
    h2_client_free(c);
}

static void on_headers(struct h2_stream *s)
{
    struct call *k = CONTAINER_OF(s, struct call, s);
    k->headers++;
    if (k->cancel_headers)
        h2_stream_cancel(s);
    if (k->free_headers)
        free_client();
}

static void on_data(struct h2_stream *s, struct slice data)
{
    struct call *k = CONTAINER_OF(s, struct call, s);
    buf_add_slice(&k->body, data);
    if (k->cancel_data)
        h2_stream_cancel(s);
}

static void on_drain(struct h2_stream *s)
{
    CONTAINER_OF(s, struct call, s)->drains++;
}

static void on_done(struct h2_stream *s, enum err e)
{
    struct call *k = CONTAINER_OF(s, struct call, s);
    struct slice v = h2_stream_header(s, "x-probe-trailer");
    assert_false(k->over);
    snprintf(k->trailer, sizeof k->trailer, "%.*s", (int)v.n, (const char *)v.p);
    k->over = true;
    k->e = e;
    assert_true(e == ERR_OK || s->why.text[0] != '\0');
    if (k->again) {
        k->again = k->over = false;
        h2_stream_open(client.c, s, true);
    }
    if (k->free_done && client.c != NULL)
        free_client();
}

static struct call *call_make(const char *path)
{
    assert_true(call_n < CALLS_MAX);
    struct call *k = &calls[call_n++];
    buf_fini(&k->body);
    *k = (struct call){.s = {.method = "POST",
                             .path = path,
                             .headers_done = on_headers,
                             .data = on_data,
                             .drain = on_drain,
                             .done = on_done}};
    return k;
}

static struct call *call_open(const char *path, bool end)
{
    struct call *k = call_make(path);
    h2_stream_open(client.c, &k->s, end);
    return k;
}

static bool call_over(void *arg)
{
    return ((struct call *)arg)->over;
}

static enum err wait_for(struct call *k)
{
    rig_until(&far.rig, call_over, k);
    return k->e;
}

static bool call_headers(void *arg)
{
    return ((struct call *)arg)->headers != 0;
}

/* ---- setting up -------------------------------------------------------------------------- */

static void on_changed(struct h2_client *c, void *arg, enum h2_client_state state,
                       const struct why *why)
{
    assert_int_equal(h2_client_state(c), state);
    client.state = state;
    client.idle += state == H2_CLIENT_IDLE;
    if (state == H2_CLIENT_IDLE)
        client.why = *why;
}

static bool is_ready(void *arg)
{
    return client.state == H2_CLIENT_READY;
}

static bool is_idle(void *arg)
{
    return client.idle != 0;
}

static bool is_accepted(void *arg)
{
    return far.fd != -1;
}

static struct h2_client_config config(void)
{
    return (struct h2_client_config){.host = "127.0.0.1",
                                     .port = far.port,
                                     .scheme = "http",
                                     .authority = "unix:///a b/\xc3\xa4.sock",
                                     .changed = on_changed};
}

static void far_connect(const struct h2_client_config *c)
{
    client.c = h2_client_new(far.rig.loop, c);
    h2_client_connect(client.c);
    assert_int_equal(h2_client_state(client.c), H2_CLIENT_CONNECTING);
}

static int setup(void **state)
{
    memset(&client, 0, sizeof client);
    call_n = 0;
    far_start();
    return 0;
}

static int teardown(void **state)
{
    h2_client_free(client.c);
    for (size_t i = 0; i < CALLS_MAX; i++)
        buf_fini(&calls[i].body);
    far_stop();
    return 0;
}

/* Connected to our server. */
static void start_served(void)
{
    struct h2_client_config c = config();
    far.serve = true;
    far_connect(&c);
    rig_until(&far.rig, is_ready, NULL);
}

/* Connected to the script. */
static void start_scripted_with(struct h2_client_config c)
{
    far_connect(&c);
    rig_until(&far.rig, is_accepted, NULL);
    say_settings();
    rig_until(&far.rig, is_ready, NULL);
}

static void start_scripted(void)
{
    start_scripted_with(config());
}

/* ---- our server -------------------------------------------------------------------------- */

static void test_echo(void **state)
{
    start_served();
    const struct http_header h[] = {HTTP_HEADER("x-probe", "seen")};
    struct call *k = call_make("/path?q=1");
    k->s.headers = h;
    k->s.n_headers = 1;
    h2_stream_open(client.c, &k->s, false);
    h2_stream_send(&k->s, slice_str("one "));
    h2_stream_send(&k->s, slice_str("two"));
    assert_int_equal(h2_stream_pending(&k->s), 7);
    h2_stream_end(&k->s);
    assert_int_equal(wait_for(k), ERR_OK);
    assert_int_equal(k->s.status, 200);
    assert_true(buf_has(&k->body, "POST /path?q=1 h2 unix:///a b/\xc3\xa4.sock seen [one two]"));
}

static void test_many_calls(void **state)
{
    start_served();
    for (size_t i = 0; i < 200; i++)
        call_open("/x", true);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(wait_for(&calls[i]), ERR_OK);
    assert_int_equal(app.requests, 200);
}

/* More than all windows, both ways. */
static void test_large(void **state)
{
    start_served();
    struct call *up = call_open("/slow-body", false), *down;
    AUTO(buf) struct buf b = BUF_INIT;
    memset(buf_reserve(&b, 3000000), 'x', 3000000);
    b.n = 3000000;
    h2_stream_send(&up->s, buf_slice(&b));
    h2_stream_end(&up->s);
    rig_until(&far.rig, app_holds, NULL);
    while (!up->over) {
        loop_round(far.rig.loop, clock_now_ms() + 10);
        if (app.unconsumed != 0 && app.held != NULL)
            http_stream_consume(app.held, app.unconsumed);
        app.unconsumed = 0;
    }
    assert_int_equal(app.data_bytes, 3000000);
    app.to_write = 10000000;
    down = call_open("/stream", true);
    assert_int_equal(wait_for(down), ERR_OK);
    assert_int_equal(down->body.n, 10000000);
}

static void test_cancel(void **state)
{
    start_served();
    struct call *k = call_open("/hold", true);
    rig_until(&far.rig, app_holds, NULL);
    h2_stream_cancel(&k->s);
    h2_stream_cancel(&k->s);
    rig_until(&far.rig, app_closed_one, NULL);
    assert_int_equal(app.last_close, HTTP_CLOSE_RESET);
    /* before it was sent */
    struct call *early = call_open("/x", false);
    h2_stream_send(&early->s, slice_str("never"));
    h2_stream_cancel(&early->s);
    assert_int_equal(wait_for(call_open("/x", true)), ERR_OK);
    assert_int_equal(app.requests, 2);
    /* in callbacks */
    k = call_make("/x");
    k->cancel_headers = true;
    h2_stream_open(client.c, &k->s, true);
    struct call *d = call_make("/stream");
    d->cancel_data = true;
    app.to_write = 1000000;
    h2_stream_open(client.c, &d->s, true);
    assert_int_equal(wait_for(call_open("/x", true)), ERR_OK);
    assert_int_equal(k->headers, 1);
    assert_false(k->over || d->over);
}

static void test_reset_by_server(void **state)
{
    start_served();
    struct call *k = call_open("/reset", true);
    assert_int_equal(wait_for(k), ERR_CLOSED);
    assert_int_equal(k->s.reset_code, NGHTTP2_CANCEL);
    assert_string_equal(k->s.why.text, "the server reset the stream: CANCEL");
}

/* The server's polite end: what runs may end, nothing new begins. */
static void test_server_drains(void **state)
{
    start_served();
    struct call *k = call_open("/hold", true);
    rig_until(&far.rig, app_holds, NULL);
    http_server_drain(far.rig.server, NULL, NULL);
    while (h2_client_takes_streams(client.c))
        loop_round(far.rig.loop, clock_now_ms() + 10);
    assert_int_equal(client.state, H2_CLIENT_READY);
    struct call *late = call_open("/x", true);
    assert_int_equal(wait_for(late), ERR_BUSY);
    http_stream_respond_full(app.held, 200, NULL, 0, slice_str("held"));
    assert_int_equal(wait_for(k), ERR_OK);
    rig_until(&far.rig, is_idle, NULL);
    assert_string_equal(client.why.text, "the server closes the connection: NO_ERROR");
}

static void test_unix_socket(void **state)
{
    char folder[] = "/tmp/h2_client_test.XXXXXX", path[64];
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct h2_client_config c = config();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    memcpy(un.sun_path, path, strlen(path) + 1);
    close(far.listen_fd);
    far.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(far.listen_fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(far.listen_fd, 4), 0);
    far.serve = true;
    c.host = path;
    c.port = NULL;
    far_connect(&c);
    rig_until(&far.rig, is_ready, NULL);
    assert_int_equal(wait_for(call_open("/x", true)), ERR_OK);
    unlink(path);
    rmdir(folder);
}

/* ---- connecting -------------------------------------------------------------------------- */

static void test_refused_connection(void **state)
{
    struct h2_client_config c = config();
    char text[80];
    close(far.listen_fd);
    far.listen_fd = -1;
    far_connect(&c);
    struct call *k = call_open("/x", true);
    assert_int_equal(wait_for(k), ERR_BUSY);
    rig_until(&far.rig, is_idle, NULL);
    snprintf(text, sizeof text, "dial tcp 127.0.0.1:%s: connect: connection refused", far.port);
    assert_string_equal(client.why.text, text);
    assert_int_equal(h2_client_state(client.c), H2_CLIENT_IDLE);
    /* once more, with a server */
    far_listen();
    h2_client_free(client.c);
    far.serve = true;
    c = config();
    far_connect(&c);
    rig_until(&far.rig, is_ready, NULL);
}

static void test_no_settings(void **state)
{
    struct h2_client_config c = config();
    c.connect_timeout_ms = 30;
    far_connect(&c);
    rig_until(&far.rig, is_idle, NULL);
    assert_non_null(strstr(client.why.text, "no HTTP/2 SETTINGS came within 30 ms"));
}

static void test_not_http2(void **state)
{
    struct h2_client_config c = config();
    far_connect(&c);
    rig_until(&far.rig, is_accepted, NULL);
    say("HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    rig_until(&far.rig, is_idle, NULL);
    assert_non_null(strstr(client.why.text, "the server does not speak HTTP/2"));
}

static void test_free_while_connecting(void **state)
{
    struct h2_client_config c = config();
    far_connect(&c);
    struct call *k = call_open("/x", true);
    free_client();
    assert_int_equal(k->e, ERR_CLOSED);
    far_connect(&c);
    rig_until(&far.rig, is_accepted, NULL);
    free_client();
}

/* ---- the script -------------------------------------------------------------------------- */

/* Many small requests leave in one write. */
static void test_one_write(void **state)
{
    start_scripted();
    hear(NGHTTP2_SETTINGS, 0);
    unsigned before = far.reads;
    for (int i = 0; i < 100; i++) {
        struct call *k = call_open("/x", false);
        h2_stream_send(&k->s, slice_str("body"));
        h2_stream_end(&k->s);
    }
    hear(NGHTTP2_DATA, 199);
    assert_true(far.reads - before <= 2); /* SETTINGS' ack may stand alone */
}

static void test_half_answer(void **state)
{
    start_scripted();
    struct call *k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    say_headers(1, "200", false);
    say_data(1, "half", false);
    rig_until(&far.rig, call_headers, k);
    far_hang_up();
    assert_int_equal(wait_for(k), ERR_CLOSED);
    assert_string_equal(k->s.why.text, client.why.text);
    assert_non_null(strstr(client.why.text, ": EOF"));
    assert_true(buf_has(&k->body, "half"));
    assert_int_equal(client.state, H2_CLIENT_IDLE);
}

/* What was not sent when the connection was lost may be sent again. */
static void test_lost_unsent(void **state)
{
    start_scripted();
    struct call *sent = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    say_streams_max(1);
    struct call *waits = call_open("/x", true);
    far_hang_up();
    assert_int_equal(wait_for(waits), ERR_BUSY);
    assert_int_equal(wait_for(sent), ERR_CLOSED);
}

static void test_refused_stream(void **state)
{
    start_scripted();
    struct call *k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    say_code(NGHTTP2_RST_STREAM, 1, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(wait_for(k), ERR_BUSY);
    k = call_open("/x", true);
    k->again = true;
    hear(NGHTTP2_HEADERS, 3);
    say_code(NGHTTP2_RST_STREAM, 3, NGHTTP2_REFUSED_STREAM);
    hear(NGHTTP2_HEADERS, 5);
    say_headers(5, "200", true);
    assert_int_equal(wait_for(k), ERR_OK);
}

static void test_goaway(void **state)
{
    start_scripted();
    struct call *first = call_open("/x", true), *second = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 3);
    say_goaway(1, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings\x01");
    assert_int_equal(wait_for(second), ERR_BUSY);
    assert_false(h2_client_takes_streams(client.c));
    assert_false(first->over);
    say_headers(1, "200", false);
    say_data(1, "late", true);
    assert_int_equal(wait_for(first), ERR_OK);
    rig_until(&far.rig, is_idle, NULL);
    assert_string_equal(client.why.text, "the server closes the connection: ENHANCE_YOUR_CALM "
                                         "too_many_pings?");
}

/* A request that waits for its turn is told at once. */
static void test_goaway_unsent(void **state)
{
    start_scripted();
    say_streams_max(1);
    struct call *first = call_open("/x", true), *second = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    second->again = true;
    say_goaway(0x7fffffff, NGHTTP2_NO_ERROR, "");
    assert_int_equal(wait_for(second), ERR_BUSY);
    assert_false(first->over);
    say_headers(1, "200", true);
    assert_int_equal(wait_for(first), ERR_OK);
    rig_until(&far.rig, is_idle, NULL);
    assert_null(far_find(NGHTTP2_HEADERS, 3));
}

static void test_ping(void **state)
{
    struct h2_client_config c = config();
    c.ping_ms = 20;
    c.ping_timeout_ms = 500; /* in which a busy machine answers */
    start_scripted_with(c);
    for (int i = 0; i < 100; i++)
        loop_round(far.rig.loop, 0);
    assert_null(far_find(NGHTTP2_PING, 0)); /* no stream */
    struct call *k = call_open("/x", true);
    const struct frame *f = hear(NGHTTP2_PING, 0);
    assert_int_equal(f->flags, 0);
    say_frame(NGHTTP2_PING, 1, 0, "\0\0\0\0\0\0\0", 8);
    far.frame_n = 0;
    hear(NGHTTP2_PING, 0);
    assert_int_equal(client.idle, 0);
    rig_until(&far.rig, is_idle, NULL);
    assert_int_equal(k->e, ERR_CLOSED);
    assert_non_null(strstr(k->s.why.text, "no answer to a PING came within 500 ms"));
}

/* An answer before the request's end ends both. */
static void test_early_answer(void **state)
{
    start_scripted();
    struct call *k = call_open("/x", false);
    hear(NGHTTP2_HEADERS, 1);
    say_headers(1, "100", false);
    say_headers(1, "404", true);
    assert_int_equal(wait_for(k), ERR_OK);
    assert_int_equal(k->s.status, 404);
    assert_int_equal(hear(NGHTTP2_RST_STREAM, 1)->code, NGHTTP2_NO_ERROR);
    h2_stream_send(&k->s, slice_str("ignored"));
    h2_stream_end(&k->s);
}

static void test_trailers(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    start_scripted();
    struct call *k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    say_headers(1, "200", false);
    say_data(1, "body", false);
    add_field(&b, "x-probe-trailer", "end");
    say_frame(NGHTTP2_HEADERS, 5, 1, b.p, b.n);
    assert_int_equal(wait_for(k), ERR_OK);
    assert_string_equal(k->trailer, "end");
    assert_int_equal(k->headers, 1);
}

/* Whatever comes, in whatever pieces. */
static void test_byte_by_byte(void **state)
{
    static const uint8_t answer[] = {0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88,           /* 200 */
                                     0, 0, 2, 0, 0, 0, 0, 0, 1, 'h', 'i',       /* DATA */
                                     0, 0, 0, 0, 0, 0, 0, 0, 1,                 /* none */
                                     0, 0, 5, 1, 5, 0, 0, 0, 1, 0, 1, 'x', 1, 'y'}; /* trailers */
    start_scripted();
    struct call *k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    for (size_t i = 0; i < sizeof answer; i++) {
        assert_false(k->over);
        say(answer + i, 1);
        loop_round(far.rig.loop, clock_now_ms() + 1000);
    }
    assert_int_equal(wait_for(k), ERR_OK);
    assert_string_equal(buf_cstr(&k->body), "hi");
    assert_int_equal(k->headers, 1);
}

/* A server that says again and again that it goes. */
static void test_goaway_storm(void **state)
{
    start_scripted();
    struct call *k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    for (uint32_t i = 0; i < 1000; i++)
        say_goaway(2001 - 2 * i, NGHTTP2_NO_ERROR, "again");
    say_headers(1, "200", true);
    assert_int_equal(wait_for(k), ERR_OK);
    rig_until(&far.rig, is_idle, NULL);
    assert_int_equal(client.idle, 1);
}

static void test_malformed_answers(void **state)
{
    start_scripted();
    struct call *k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    say_headers(1, "2x0", true);
    assert_int_equal(wait_for(k), ERR_MALFORMED);
    assert_int_equal(h2_client_state(client.c), H2_CLIENT_READY);
    k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 3);
    say_data(3, "before headers", false);
    assert_int_equal(wait_for(k), ERR_MALFORMED);
    assert_string_equal(client.why.text,
                        "the server broke a rule of HTTP/2: PROTOCOL_ERROR DATA: stream not "
                        "opened");
}

static void test_header_flood(void **state)
{
    struct h2_client_config c = config();
    c.headers_max = 1000;
    start_scripted_with(c);
    AUTO(buf) struct buf b = BUF_INIT;
    add_field(&b, ":status", "200");
    for (int i = 0; i < 100; i++)
        add_field(&b, "x-flood", "0123456789");
    struct call *k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    say_frame(NGHTTP2_HEADERS, 4, 1, b.p, b.n);
    assert_int_equal(wait_for(k), ERR_TOO_LARGE);
    assert_string_equal(k->s.why.text, "the answer's headers are above 1000 bytes");
    hear(NGHTTP2_RST_STREAM, 1);
    /* the connection is still good, until a block does not end */
    k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 3);
    say_headers(3, "200", true);
    assert_int_equal(wait_for(k), ERR_OK);
    k = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 5);
    say_frame(NGHTTP2_HEADERS, 0, 5, "\x88", 1);
    for (int i = 0; i < 20; i++)
        say_frame(NGHTTP2_CONTINUATION, 0, 5, "", 0);
    assert_int_equal(wait_for(k), ERR_MALFORMED);
    rig_until(&far.rig, is_idle, NULL);
}

static bool data_came(void *arg)
{
    return far.body_n == 65535;
}

/* The far end's window is full: the rest waits, and drain tells when it went. */
static void test_window_stall(void **state)
{
    static const uint8_t zeros[100000];
    const uint32_t more = htonl(100000);
    start_scripted();
    struct call *k = call_open("/x", false);
    h2_stream_send(&k->s, slice_make(zeros, sizeof zeros));
    rig_until(&far.rig, data_came, NULL);
    assert_int_equal(h2_stream_pending(&k->s), sizeof zeros - 65535);
    assert_int_equal(k->drains, 0);
    say_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, &more, 4);
    say_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, &more, 4);
    while (k->drains == 0)
        loop_round(far.rig.loop, clock_now_ms() + 10);
    assert_int_equal(h2_stream_pending(&k->s), 0);
    h2_stream_end(&k->s);
    say_headers(1, "200", true);
    assert_int_equal(wait_for(k), ERR_OK);
}

/* More than the server takes at once: the rest waits for its turn. */
static void test_streams_max(void **state)
{
    start_scripted();
    say_streams_max(1);
    call_open("/x", true);
    struct call *second = call_open("/x", true);
    hear(NGHTTP2_HEADERS, 1);
    assert_null(far_find(NGHTTP2_HEADERS, 3));
    say_headers(1, "200", true);
    hear(NGHTTP2_HEADERS, 3);
    say_headers(3, "200", true);
    assert_int_equal(wait_for(second), ERR_OK);
}

static void test_free_in_callbacks(void **state)
{
    start_scripted();
    struct call *k = call_make("/x"), *other = call_open("/x", true);
    k->free_headers = true;
    h2_stream_open(client.c, &k->s, false);
    hear(NGHTTP2_HEADERS, 3);
    say_headers(3, "200", false);
    say_data(3, "ignored", true);
    say_headers(1, "200", true);
    assert_int_equal(wait_for(k), ERR_CLOSED);
    assert_int_equal(other->e, ERR_CLOSED);
    assert_null(client.c);
    far_hang_up();
    client.state = H2_CLIENT_IDLE;
    start_scripted();
    k = call_make("/x");
    k->free_done = true;
    h2_stream_open(client.c, &k->s, true);
    other = call_open("/x", true);
    far.frame_n = 0;
    hear(NGHTTP2_HEADERS, 3);
    far_hang_up();
    assert_int_equal(wait_for(k), ERR_CLOSED);
    assert_true(other->over);
    assert_null(client.c);
}

static bool all_came(void *arg)
{
    return far.body_n == 16u << 20;
}

/* A far end that never reads: what is queued stays with the streams. */
static void test_deaf_far_end(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    const uint32_t window = htonl(0x7f000000);
    const int small = 4096;
    setsockopt(far.listen_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    start_scripted();
    say_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, &window, 4);
    struct call *k = call_open("/x", false);
    hear(NGHTTP2_HEADERS, 1);
    say_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, &window, 4);
    far.deaf = true;
    memset(buf_reserve(&b, 16u << 20), 0, 16u << 20);
    b.n = 16u << 20;
    h2_stream_send(&k->s, buf_slice(&b));
    for (int i = 0; i < 200; i++)
        loop_round(far.rig.loop, 0);
    assert_true(h2_stream_pending(&k->s) != 0);
    far.deaf = false;
    while (k->drains == 0)
        loop_round(far.rig.loop, clock_now_ms() + 10);
    rig_until(&far.rig, all_came, NULL);
    h2_stream_cancel(&k->s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_echo),
        TEST(test_many_calls),
        TEST(test_large),
        TEST(test_cancel),
        TEST(test_reset_by_server),
        TEST(test_server_drains),
        TEST(test_unix_socket),
        TEST(test_refused_connection),
        TEST(test_no_settings),
        TEST(test_not_http2),
        TEST(test_free_while_connecting),
        TEST(test_one_write),
        TEST(test_half_answer),
        TEST(test_lost_unsent),
        TEST(test_refused_stream),
        TEST(test_goaway),
        TEST(test_goaway_unsent),
        TEST(test_ping),
        TEST(test_early_answer),
        TEST(test_trailers),
        TEST(test_byte_by_byte),
        TEST(test_goaway_storm),
        TEST(test_malformed_answers),
        TEST(test_header_flood),
        TEST(test_window_stall),
        TEST(test_streams_max),
        TEST(test_free_in_callbacks),
        TEST(test_deaf_far_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
