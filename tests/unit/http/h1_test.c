/* tests/unit/http/h1_test.c -- HTTP/1.1: requests in all shapes, limits, back-pressure, drain.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/http/app.h"

#define HOST "Host: me:1\r\n"

static size_t count_of(const struct buf *b, const char *text)
{
    size_t n = 0, len = strlen(text);
    for (size_t i = 0; i + len <= b->n; i++)
        n += memcmp(b->p + i, text, len) == 0;
    return n;
}

static void get_is_answered(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /a?b=c HTTP/1.1\r\n" HOST "X-PROBE:  v v \r\n\r\n");
    rig_until_text(&r, c, "GET /a?b=c h1 me:1 v v []");
    assert_true(buf_has(&c->in, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"));
    assert_true(buf_has(&c->in, "\r\nContent-Length: 25\r\n"));
    assert_true(buf_has(&c->in, "\r\nDate: "));
    assert_false(buf_has(&c->in, "Connection: close"));
    assert_int_equal(app.last_close, HTTP_CLOSE_DONE);
    assert_int_equal(http_server_counters(r.server)->bytes_sent, c->in.n);
    rig_fini(&r);
}

static void chunked_request_is_split_at_each_byte(void **state)
{
    static const char req[] = "POST /x HTTP/1.1\r\n" HOST "X-Probe: p\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\nT: r\r\n\r\n";
    size_t n = sizeof req - 1;
    for (size_t cut = 1; cut < n; cut++) {
        struct rig r;
        app_start(&r);
        struct client *c = rig_client(&r);
        app_send_received(&r, c, req, cut);
        client_send(c, req + cut, n - cut);
        rig_until_text(&r, c, "POST /x h1 me:1 p [abcde]");
        rig_fini(&r);
    }
}

static void pipelined_requests_are_answered_in_turn(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /hold HTTP/1.1\r\n" HOST "\r\nPOST /two HTTP/1.1\r\n" HOST
                       "Content-Length: 2\r\n\r\nxyGET /404 HTTP/1.1\r\n" HOST
                       "\r\nGET /last HTTP/1.1\r\n" HOST "\r\n");
    rig_until(&r, app_holds, NULL);
    assert_int_equal(app.requests, 1);
    http_stream_respond_full(app.held, 200, NULL, 0, slice_str("first"));
    rig_until_text(&r, c, "GET /last h1");
    assert_int_equal(app.requests, 4);
    assert_int_equal(count_of(&c->in, "HTTP/1.1 200 OK"), 3);
    assert_true(buf_has(&c->in, "POST /two h1 me:1  [xy]HTTP/1.1 404 Not Found\r\n"));
    rig_fini(&r);
}

static void input_of_waiting_requests_is_bounded(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rig_until(&r, app_holds, NULL);
    AUTO(buf) struct buf many = BUF_INIT;
    while (many.n < 4 * 1024 * 1024)
        buf_add_str(&many, "GET /404 HTTP/1.1\r\n" HOST "\r\n");
    app_send_received(&r, c, many.p, 64 * 1024);
    client_send(c, many.p + 64 * 1024, many.n - 64 * 1024);
    /* another client's request needs a few rounds, in which the first could be read further */
    struct client *other = rig_client(&r);
    client_send_str(other, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, other, "GET /a h1");
    assert_true(http_server_counters(r.server)->bytes_received < 300 * 1024);
    http_stream_respond_full(app.held, 200, NULL, 0, slice_str("first"));
    rig_until_text(&r, c, "404 Not Found");
    rig_fini(&r);
}

static void head_has_length_and_no_body(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "HEAD /404 HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, c, "GET /b h1");
    assert_true(buf_has(&c->in, "Content-Length: 2\r\n"));
    assert_false(buf_has(&c->in, "\r\n\r\nno"));
    rig_fini(&r);
}

static void streaming_answer_is_chunked(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rig_until(&r, app_holds, NULL);
    struct blob *b = blob_dup(slice_str("blob-bytes"));
    http_stream_respond(app.held, 200, NULL, 0, false);
    http_stream_write(app.held, slice_str("copied."));
    http_stream_write_blob(app.held, b);
    blob_unref(b);
    rig_until_text(&r, c, "Transfer-Encoding: chunked\r\n");
    rig_until_text(&r, c, "\r\n\r\n11\r\ncopied.blob-bytes\r\n");
    http_stream_write(app.held, slice_str("more"));
    http_stream_end(app.held);
    rig_until_text(&r, c, "4\r\nmore\r\n0\r\n\r\n");
    assert_int_equal(app.last_close, HTTP_CLOSE_DONE);
    rig_fini(&r);
}

static void http_1_0_stream_ends_with_the_connection(void **state)
{
    struct rig r;
    app_start(&r);
    app.to_write = 100;
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /stream HTTP/1.0\r\n\r\n");
    rig_until_eof(&r, c);
    assert_true(buf_has(&c->in, "Connection: close\r\n\r\n"));
    assert_false(buf_has(&c->in, "chunked"));
    rig_fini(&r);
}

static void expect_continue_is_granted(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "POST /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                       "Content-Length: 3\r\n\r\n");
    rig_until_text(&r, c, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send_str(c, "abc");
    rig_until_text(&r, c, "[abc]");
    rig_fini(&r);
}

static void expect_an_error_and(const char *request, const char *answer)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, request);
    rig_until_eof(&r, c);
    assert_true(buf_has(&c->in, answer));
    rig_fini(&r);
}

static void bad_requests_are_refused(void **state)
{
    static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; "
                              "charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request";
    expect_an_error_and("nonsense\r\n\r\n", bad);
    expect_an_error_and("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", bad);
    expect_an_error_and("\x16\x03\x01\x02", bad); /* a TLS client */
    expect_an_error_and("GET / HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header");
    expect_an_error_and("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", bad);
    expect_an_error_and(
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", bad);
}

static void huge_header_is_431(void **state)
{
    struct http_config cfg = app_config();
    cfg.header_bytes_max = 100000;
    struct rig r;
    rig_init(&r, &cfg);
    struct client *c = rig_client(&r);
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "GET / HTTP/1.1\r\n" HOST "X: ");
    memset(buf_reserve(&b, 3000000), 'a', 3000000);
    b.n += 3000000;
    client_send(c, b.p, b.n);
    rig_until_text(&r, c, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    rig_fini(&r);
    assert_int_equal(app.requests, 0);
}

static void body_over_the_limit_is_413(void **state)
{
    static uint8_t body[APP_BODY_MAX + 1];
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 10000000\r\n\r\n");
    client_send(c, body, sizeof body);
    rig_until_eof(&r, c);
    assert_true(buf_has(&c->in, "HTTP/1.1 413 Request Entity Too Large\r\n"));
    assert_true(buf_has(&c->in, "Connection: close\r\n"));
    assert_int_equal(app.closes, 1);
    rig_fini(&r);
}

static void early_answer_discards_the_body(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "POST /404 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    rig_until_text(&r, c, "404 Not Found");
    client_send_str(c, "helloGET /next HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, c, "GET /next h1");
    rig_fini(&r);
}

static void slow_reader_holds_the_handler_back(void **state)
{
    struct rig r;
    app_start(&r);
    app.to_write = 8 * 1024 * 1024;
    struct client *c = rig_client(&r), *other = rig_client(&r);
    c->stop_reading = true;
    client_send_str(c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    rig_until(&r, app_holds, NULL);
    client_send_str(other, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, other, "GET /a h1");
    assert_true(app.to_write > 6 * 1024 * 1024);
    c->stop_reading = false;
    rig_until_text(&r, c, "\r\n0\r\n\r\n");
    assert_true(c->in.n > 8 * 1024 * 1024);
    assert_true(app.drains > 10);
    assert_true(app.pending_max < 300 * 1024);
    rig_fini(&r);
}

static bool body_stalled(void *arg)
{
    return app.unconsumed >= 256 * 1024;
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
    body.n = n;
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r), *other = rig_client(&r);
    client_send_str(c, "POST /slow-body HTTP/1.1\r\n" HOST "Content-Length: 4194304\r\n\r\n");
    client_send(c, body.p, body.n);
    rig_until(&r, body_stalled, NULL);
    client_send_str(other, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, other, "GET /a h1");
    assert_true(app.data_bytes <= 512 * 1024);
    rig_until(&r, body_ended, NULL);
    assert_int_equal(app.data_bytes, n);
    rig_fini(&r);
}

static void client_that_leaves_is_noticed(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rig_until(&r, app_holds, NULL);
    client_close(c);
    rig_until(&r, app_closed_one, NULL);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOST);
    rig_until(&r, app_conns_gone, &r);
    rig_fini(&r);
}

static void half_open_connection_times_out(void **state)
{
    struct http_config cfg = app_config();
    cfg.first_request_timeout_ms = 400; /* in which a busy machine makes the request */
    cfg.idle_timeout_ms = 40;
    struct rig r;
    rig_init(&r, &cfg);
    struct client *silent = rig_client(&r), *slow = rig_client(&r), *idle = rig_client(&r);
    client_send_str(slow, "GET / HTTP/1.1\r\nHo");
    client_send_str(idle, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, idle, "GET /a h1");
    rig_until_eof(&r, silent);
    rig_until_eof(&r, slow);
    rig_until_eof(&r, idle);
    rig_until(&r, app_conns_gone, &r);
    rig_fini(&r);
}

static void connections_over_the_limit_are_closed(void **state)
{
    struct http_config cfg = app_config();
    cfg.conn_max = 1;
    struct rig r;
    rig_init(&r, &cfg);
    struct client *a = rig_client(&r), *b = rig_client(&r);
    rig_until_eof(&r, b);
    assert_false(a->eof);
    assert_int_equal(http_server_counters(r.server)->conns_refused, 1);
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

static void drain_lets_open_requests_end(void **state)
{
    struct rig r;
    app_start(&r);
    drained = false;
    struct client *busy = rig_client(&r), *idle = rig_client(&r), *fresh = rig_client(&r);
    client_send_str(idle, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, idle, "GET /a h1");
    client_send_str(busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rig_until(&r, app_holds, NULL);
    http_server_drain(r.server, on_drained, NULL);
    rig_until_eof(&r, idle);
    rig_until_eof(&r, fresh);
    assert_false(drained);
    http_stream_respond_full(app.held, 200, NULL, 0, slice_str("late"));
    rig_until_eof(&r, busy);
    assert_true(buf_has(&busy->in, "Connection: close\r\n\r\nlate"));
    client_close(busy);
    client_close(idle);
    rig_until(&r, is_drained, NULL);
    rig_fini(&r);
}

static void drain_of_nobody_is_done(void **state)
{
    struct rig r;
    app_start(&r);
    drained = false;
    http_server_drain(r.server, on_drained, NULL);
    assert_false(drained);
    rig_until(&r, is_drained, NULL);
    rig_fini(&r);
}

static void reset_ends_the_connection(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /reset HTTP/1.1\r\n" HOST "\r\n");
    rig_until_eof(&r, c);
    assert_int_equal(app.closes, 1);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOCAL);
    rig_fini(&r);
}

static void absolute_target_is_served_by_its_path(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET http://me:1/p?q HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, c, "GET /p?q h1 me:1");
    client_send_str(c, "GET /a?u=http://x/y HTTP/1.1\r\n" HOST "\r\n");
    rig_until_text(&r, c, "GET /a?u=http://x/y h1 me:1");
    rig_fini(&r);
}

static void close_all_loses_the_streams(void **state)
{
    struct rig r;
    app_start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    rig_until(&r, app_holds, NULL);
    http_server_close_all(r.server);
    rig_until_eof(&r, c);
    assert_int_equal(app.last_close, HTTP_CLOSE_LOST);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_is_answered),
        cmocka_unit_test(chunked_request_is_split_at_each_byte),
        cmocka_unit_test(pipelined_requests_are_answered_in_turn),
        cmocka_unit_test(input_of_waiting_requests_is_bounded),
        cmocka_unit_test(head_has_length_and_no_body),
        cmocka_unit_test(streaming_answer_is_chunked),
        cmocka_unit_test(http_1_0_stream_ends_with_the_connection),
        cmocka_unit_test(expect_continue_is_granted),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(huge_header_is_431),
        cmocka_unit_test(body_over_the_limit_is_413),
        cmocka_unit_test(early_answer_discards_the_body),
        cmocka_unit_test(slow_reader_holds_the_handler_back),
        cmocka_unit_test(slow_handler_holds_the_sender_back),
        cmocka_unit_test(client_that_leaves_is_noticed),
        cmocka_unit_test(half_open_connection_times_out),
        cmocka_unit_test(connections_over_the_limit_are_closed),
        cmocka_unit_test(drain_lets_open_requests_end),
        cmocka_unit_test(drain_of_nobody_is_done),
        cmocka_unit_test(reset_ends_the_connection),
        cmocka_unit_test(absolute_target_is_served_by_its_path),
        cmocka_unit_test(close_all_loses_the_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
