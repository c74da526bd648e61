/* tests/unit/http/upgrade_test.c -- HTTP/1 connections that become WebSockets.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/http/app.h"
#include "unit/http/frames.h"

static struct client *connected(struct rig *r, const char *path)
{
    struct client *c = rig_client(r);
    client_send_str(c, "GET ");
    client_send_str(c, path);
    client_send_str(c, " HTTP/1.1\r\n" HANDSHAKE "\r\n");
    rig_until_text(r, c, "\r\n\r\n");
    return c;
}

static void send_frame(struct client *c, unsigned first, const char *payload)
{
    AUTO(buf) struct buf b = BUF_INIT;
    frame_add(&b, first, payload);
    client_send(c, b.p, b.n);
}

static void send_text(struct client *c, const char *payload)
{
    send_frame(c, FRAME_FIN | WEBSOCKET_TEXT, payload);
}

static void expect_bytes(const struct client *c, const char *p, size_t n)
{
    assert_non_null(memmem(c->in.p, c->in.n, p, n));
}

static void handshake_and_echo(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws");
    assert_string_equal(buf_cstr(&c->in),
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                        "Sec-WebSocket-Protocol: echo\r\n\r\n");
    buf_clear(&c->in);
    send_text(c, "hello");
    rig_until_text(&r, c, "\x81\x05hello");
    send_frame(c, FRAME_FIN | WEBSOCKET_PING, "alive?");
    rig_until_text(&r, c, "\x8a\x06" "alive?");
    assert_int_equal(app.closes, 0);
    assert_false(app.data_end);
    rig_fini(&r);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOST);
}

/* The handshake and what follows it, cut at each byte. */
static void split_at_each_byte(void **state)
{
    AUTO(buf) struct buf all = BUF_INIT;
    buf_add_str(&all, "GET /ws HTTP/1.1\r\n" HANDSHAKE "\r\n");
    frame_add(&all, WEBSOCKET_TEXT, "he");
    frame_add(&all, FRAME_FIN | WEBSOCKET_PING, "p");
    frame_add(&all, FRAME_FIN | WEBSOCKET_CONTINUATION, "llo");
    for (size_t cut = 1; cut < all.n; cut++) {
        struct rig r;
        app_start(&r);
        struct client *c = rig_client(&r);
        app_send_received(&r, c, all.p, cut);
        client_send(c, all.p + cut, all.n - cut);
        rig_until_text(&r, c, "\r\n\r\n\x8a\x01p\x81\x05hello");
        rig_fini(&r);
    }
}

static void expect_refused(const char *request)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, request);
    rig_until_text(&r, c, "no handshake");
    rig_fini(&r);
}

static void improper_handshakes(void **state)
{
#define WITHOUT_KEY                                                                                \
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    expect_refused("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_refused("GET /ws HTTP/1.1\r\n" WITHOUT_KEY "\r\n");
    expect_refused("GET /ws HTTP/1.1\r\n" WITHOUT_KEY "Sec-WebSocket-Key: abc\r\n\r\n");
    expect_refused("POST /ws HTTP/1.1\r\n" HANDSHAKE "\r\n");
    expect_refused("GET /ws HTTP/1.1\r\n" HANDSHAKE "Content-Length: 2\r\n\r\nxy");
    expect_refused("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\n" KEY "\r\n");
    expect_refused("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websockets\r\n"
                   "Sec-WebSocket-Version: 13\r\n" KEY "\r\n");
    expect_refused("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 8\r\n" KEY "\r\n");
}

static void tokens_in_any_spelling(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n"
                       "Connection: x,\tUPGRADE ,\r\nUpgrade: h9, WebSocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n" KEY "\r\n");
    rig_until_text(&r, c, "HTTP/1.1 101 ");
    rig_fini(&r);
}

static void close_by_the_client(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws");
    send_text(c, "a");
    send_frame(c, FRAME_FIN | WEBSOCKET_CLOSE, "\x03\xe9 going");
    send_text(c, "late");
    rig_until_eof(&r, c);
    expect_bytes(c, "\x81\x01" "a\x88\x02\x03\xe9", 7);
    assert_int_equal(app.messages, 1);
    assert_int_equal(app.closes, 1);
    assert_int_equal(app.last_close, HTTP_CLOSE_DONE);
    client_close(c);
    rig_until(&r, app_conns_gone, &r);
    rig_fini(&r);
}

static void close_by_the_handler(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws");
    send_text(c, "bye");
    rig_until_eof(&r, c);
    expect_bytes(c, "\r\n\r\n\x88\x02\x03\xe8", 8);
    assert_int_equal(app.last_close, HTTP_CLOSE_DONE);
    rig_fini(&r);
}

static void breach_of_the_rules(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws");
    client_send(c, "\x81\x01x", 3); /* not masked */
    rig_until_eof(&r, c);
    expect_bytes(c, "\x88\x0a\x03\xea" "bad MASK", 12);
    assert_int_equal(app.messages, 0);
    assert_int_equal(app.closes, 1);
    rig_fini(&r);
}

static void message_over_the_limit(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT, body = BUF_INIT;
    memset(buf_reserve(&body, APP_BODY_MAX), 'b', APP_BODY_MAX);
    body.n = APP_BODY_MAX;
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws");
    frame_add_slice(&b, FRAME_FIN | WEBSOCKET_TEXT, buf_slice(&body));
    frame_add_slice(&b, WEBSOCKET_TEXT, buf_slice(&body));
    frame_add(&b, FRAME_FIN | WEBSOCKET_CONTINUATION, "x");
    client_send(c, b.p, b.n);
    rig_until_eof(&r, c);
    expect_bytes(c, "bbb\x88\x02\x03\xf1", 7);
    assert_int_equal(app.messages, 1);
    rig_fini(&r);
}

static void client_that_leaves(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws");
    client_close(c);
    rig_until(&r, app_closed_one, NULL);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOST);
    rig_fini(&r);
}

static bool stalled(void *arg)
{
    return app.unconsumed >= 256 * 1024;
}

static bool all_came(void *arg)
{
    if (app.unconsumed != 0)
        http_stream_consume(app.held, app.unconsumed);
    app.unconsumed = 0;
    return app.data_bytes == 4 * 1024 * 1024;
}

static void slow_handler_holds_the_client_back(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    static uint8_t body[4096];
    for (int i = 0; i < 1024; i++)
        frame_add_slice(&b, FRAME_FIN | WEBSOCKET_BINARY, slice_make(body, sizeof body));
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws-slow"), *other = rig_client(&r);
    client_send(c, b.p, b.n);
    rig_until(&r, stalled, NULL);
    client_send_str(other, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_until_text(&r, other, "GET /a h1");
    assert_true(app.data_bytes <= 512 * 1024);
    rig_until(&r, all_came, NULL);
    assert_int_equal(app.messages, 1024);
    rig_fini(&r);
}

/* Answers to a client that reads none of them: what is queued for it ends. */
static void pings_of_a_deaf_client(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    char text[WEBSOCKET_CONTROL_MAX + 1];
    memset(text, 'p', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    while (b.n < 16 * 1024 * 1024)
        frame_add(&b, FRAME_FIN | WEBSOCKET_PING, text);
    struct rig r;
    app_start(&r);
    struct client *c = connected(&r, "/ws"), *other = rig_client(&r);
    c->stop_reading = true;
    client_send(c, b.p, b.n);
    client_send_str(other, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_until_text(&r, other, "GET /a h1");
    assert_true(http_server_counters(r.server)->bytes_received < 4 * 1024 * 1024);
    c->stop_reading = false;
    send_text(c, "bye");
    rig_until_text(&r, c, "\x88\x02\x03\xe8");
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_and_echo),
        cmocka_unit_test(split_at_each_byte),
        cmocka_unit_test(improper_handshakes),
        cmocka_unit_test(tokens_in_any_spelling),
        cmocka_unit_test(close_by_the_client),
        cmocka_unit_test(close_by_the_handler),
        cmocka_unit_test(breach_of_the_rules),
        cmocka_unit_test(message_over_the_limit),
        cmocka_unit_test(client_that_leaves),
        cmocka_unit_test(slow_handler_holds_the_client_back),
        cmocka_unit_test(pings_of_a_deaf_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
