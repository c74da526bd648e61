/* tests/unit/grpc/server_test.c -- calls of every kind against a hand-written HTTP/2 client.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "grpc/wire.h"
#include "unit/http/rig.h"

#define RECV_MAX 1000000

/* ---- the service ------------------------------------------------------------------------- */

struct service {
    struct grpc_server *grpc;
    struct grpc_call *held; /* of Hold and Chat */
    unsigned started, finished, closed, messages, half_closes, drains;
    enum grpc_code code; /* of the last end */
};

static struct service svc;

static void on_closed(struct grpc_call *c, enum grpc_code code)
{
    svc.closed++;
    assert_ptr_equal(c->user, c->user != NULL ? &svc : NULL);
    if (svc.held == c)
        svc.held = NULL;
}

static void echo(struct grpc_call *c, struct slice msg)
{
    grpc_reply(c, msg);
}

static void metadata(struct grpc_call *c, struct slice msg)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_slice(&b, grpc_metadata(c, "token"));
    buf_add_byte(&b, '/');
    buf_add_slice(&b, grpc_metadata(c, "hasleader"));
    assert_null(grpc_metadata(c, "absent").p);
    grpc_reply(c, buf_slice(&b));
}

static void hold(struct grpc_call *c, struct slice msg)
{
    svc.messages++;
    c->user = &svc;
    svc.held = c;
}

static void compacted(struct grpc_call *c, struct slice msg)
{
    grpc_fail(c, ERR_COMPACTED);
}

static void odd_words(struct grpc_call *c, struct slice msg)
{
    grpc_finish(c, GRPC_UNKNOWN, "50% \xc3\xa9\n");
}

static void chat_open(struct grpc_call *c)
{
    c->user = &svc;
    svc.held = c;
}

/* Answers "twice" with two messages, "bye" with the end, "pause" by pausing. */
static void chat(struct grpc_call *c, struct slice msg)
{
    svc.messages++;
    if (slice_is(msg, "twice")) {
        struct blob *tail = blob_dup(slice_str("-tail"));
        grpc_send(c, slice_str("one"));
        grpc_send_blob(c, slice_str("head"), tail);
        blob_unref(tail);
    } else if (slice_is(msg, "bye")) {
        grpc_finish(c, GRPC_ABORTED, "bye");
    } else if (slice_is(msg, "pause")) {
        grpc_pause_reading(c, true);
    }
}

static void chat_half_close(struct grpc_call *c)
{
    svc.half_closes++;
    grpc_finish(c, GRPC_OK, "");
}

static void chat_drain(struct grpc_call *c)
{
    svc.drains++;
}

static const struct grpc_method methods[] = {
    {.path = "/t.S/Echo", .unary = echo},
    {.path = "/t.S/Metadata", .unary = metadata},
    {.path = "/t.S/Hold", .unary = hold, .closed = on_closed},
    {.path = "/t.S/Fail", .unary = compacted, .closed = on_closed},
    {.path = "/t.S/Odd", .unary = odd_words},
    {.path = "/t.S/Chat",
     .open = chat_open,
     .message = chat,
     .half_close = chat_half_close,
     .drain = chat_drain,
     .closed = on_closed},
};

static const struct grpc_method *find(void *arg, struct slice path, bool *ret_service_known)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_is(path, methods[i].path))
            return &methods[i];
    *ret_service_known = slice_starts_with(path, slice_str("/t.S/"));
    return NULL;
}

static void on_started(void *arg, const struct grpc_method *m)
{
    svc.started++;
}

static void on_finished(void *arg, const struct grpc_method *m, enum grpc_code code)
{
    svc.finished++;
    svc.code = code;
}

static void on_request(struct http_stream *s, void *arg)
{
    grpc_server_take(svc.grpc, s);
}

static void start(struct rig *r)
{
    svc = (struct service){0};
    const struct http_config hc = {.request = on_request};
    const struct grpc_config gc = {
        .find = find, .started = on_started, .finished = on_finished, .recv_max = RECV_MAX};
    rig_init(r, &hc);
    svc.grpc = grpc_server_new(r->loop, &gc);
}

static void stop(struct rig *r)
{
    rig_fini(r);
    grpc_server_free(svc.grpc);
    assert_int_equal(svc.started, svc.finished);
}

/* ---- the client -------------------------------------------------------------------------- */

static void add_message(struct buf *b, const char *text)
{
    uint8_t prefix[GRPC_PREFIX_LEN];
    grpc_prefix_put(prefix, (uint32_t)strlen(text));
    buf_add(b, prefix, sizeof prefix);
    buf_add_str(b, text);
}

static struct h2c_stream *call_raw(struct client *c, const char *path, const char *name,
                                   const char *value, const void *p, size_t n, bool end)
{
    const char *const h[] = {
        "content-type", "application/grpc", "te", "trailers", name, value, NULL};
    return h2c_request(c, "POST", path, h, p, n, end);
}

static struct h2c_stream *call(struct client *c, const char *path, const char *msg, bool end)
{
    AUTO(buf) struct buf b = BUF_INIT;
    if (msg != NULL)
        add_message(&b, msg);
    return call_raw(c, path, NULL, NULL, b.p, b.n, end);
}

static void say(struct client *c, struct h2c_stream *s, const char *msg, bool end)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_message(&b, msg);
    h2c_write(c, s, b.p, b.n, end);
}

static bool holds(void *arg)
{
    return svc.held != NULL;
}

static bool one_closed(void *arg)
{
    return svc.closed == 1;
}

/* Make one call that ends by itself and compare its status. */
static void expect_status(const char *path, const char *name, const char *value, const void *p,
                          size_t n, const char *status)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call_raw(c, path, name, value, p, n, true);
    rig_until_closed(&r, s);
    const struct buf *where = buf_has(&s->headers, "grpc-status") ? &s->headers : &s->trailers;
    if (!buf_has(where, status))
        fail_msg("%s is not in %.*s", status, (int)where->n, (const char *)where->p);
    stop(&r);
}

/* ---- unary ------------------------------------------------------------------------------- */

static void unary_call_is_answered(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call(c, "/t.S/Echo", "hello", true);
    rig_until_closed(&r, s);
    assert_string_equal(buf_cstr(&s->headers), ":status: 200\ncontent-type: application/grpc\n");
    assert_int_equal(s->body.n, 10);
    assert_memory_equal(s->body.p, "\0\0\0\0\5hello", 10);
    assert_string_equal(buf_cstr(&s->trailers), "grpc-status: 0\n");
    assert_int_equal(s->error_code, 0);
    assert_int_equal(svc.finished, 1);
    stop(&r);
}

static bool first_part_left(void *arg)
{
    return ((struct h2c_stream *)arg)->request_deferred;
}

static void message_is_split_at_each_byte(void **state)
{
    struct rig r;
    start(&r);
    AUTO(buf) struct buf b = BUF_INIT;
    add_message(&b, "split");
    struct client *c = rig_h2_client(&r);
    for (size_t cut = 1; cut < b.n; cut++) {
        struct h2c_stream *s = call_raw(c, "/t.S/Echo", NULL, NULL, b.p, cut, false);
        rig_until(&r, first_part_left, s);
        h2c_write(c, s, b.p + cut, b.n - cut, true);
        rig_until_closed(&r, s);
        assert_true(buf_has(&s->body, "split"));
    }
    stop(&r);
}

static void metadata_travels_both_ways(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call_raw(c, "/t.S/Metadata", "token", "secret", "\0\0\0\0", 5, true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->body, "secret/"));
    stop(&r);
}

static void errors_are_trailers_only(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call(c, "/t.S/Fail", "x", true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, ":status: 200\n"));
    assert_true(buf_has(&s->headers, "grpc-status: 11\ngrpc-message: etcdserver: mvcc: "
                                     "required revision has been compacted\n"));
    assert_int_equal(s->body.n, 0);
    assert_int_equal(svc.code, GRPC_OUT_OF_RANGE);
    assert_int_equal(svc.closed, 1);
    s = call(c, "/t.S/Odd", "x", true);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, "grpc-message: 50%25 %C3%A9%0A\n"));
    stop(&r);
}

static void unknown_methods_are_unimplemented(void **state)
{
    expect_status("/no.Such/M", NULL, NULL, NULL, 0,
                  "grpc-status: 12\ngrpc-message: unknown service no.Such\n");
    expect_status("/t.S/Nope", NULL, NULL, NULL, 0,
                  "grpc-status: 12\ngrpc-message: unknown method Nope for service t.S\n");
    expect_status("/bare", NULL, NULL, NULL, 0,
                  "grpc-status: 12\ngrpc-message: malformed method name: \"/bare\"\n");
}

static void malformed_messages_are_refused(void **state)
{
    expect_status("/t.S/Echo", NULL, NULL, "\1\0\0\0\1x", 6,
                  "grpc-status: 13\ngrpc-message: grpc: compressed flag set with identity or "
                  "empty encoding\n");
    expect_status("/t.S/Echo", "grpc-encoding", "gzip", "\1\0\0\0\1x", 6,
                  "grpc-status: 12\ngrpc-message: grpc: Decompressor is not installed for "
                  "grpc-encoding \"gzip\"\n");
    expect_status("/t.S/Echo", NULL, NULL, "\7\0\0\0\1x", 6,
                  "grpc-status: 13\ngrpc-message: grpc: received unexpected payload format 7\n");
    expect_status("/t.S/Echo", NULL, NULL, "\0\xff\xff\xff\xff", 5,
                  "grpc-status: 8\ngrpc-message: grpc: received message larger than max "
                  "(4294967295 vs. 1000000)\n");
    expect_status("/t.S/Echo", NULL, NULL, "\0\0\0\0\5xy", 7,
                  "grpc-status: 13\ngrpc-message: unexpected EOF\n");
    expect_status("/t.S/Echo", NULL, NULL, NULL, 0, "grpc-status: 2\ngrpc-message: EOF\n");
    expect_status("/t.S/Echo", "grpc-timeout", "1x", NULL, 0, "grpc-message: malformed");
}

static void other_requests_are_refused(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    static const char *const json[] = {"content-type", "application/json", NULL};
    static const char *const grpc[] = {"content-type", "application/grpc+proto", NULL};
    struct h2c_stream *a = h2c_request(c, "POST", "/t.S/Echo", json, NULL, 0, true);
    struct h2c_stream *b = h2c_request(c, "GET", "/t.S/Echo", grpc, NULL, 0, true);
    rig_until_closed(&r, a);
    rig_until_closed(&r, b);
    assert_true(buf_has(&a->headers, ":status: 415\n"));
    assert_true(buf_has(&a->headers, "invalid gRPC request content-type \"application/json\"\n"));
    assert_true(buf_has(&b->headers, ":status: 405\ncontent-type: application/grpc+proto\n"));
    stop(&r);
}

static void http_1_is_refused(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_client(&r);
    client_send_str(c, "POST /t.S/Echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc\r\n"
                       "Content-Length: 0\r\n\r\n");
    rig_until_text(&r, c, "gRPC requires HTTP/2");
    assert_true(buf_has(&c->in, "HTTP/1.1 505 HTTP Version Not Supported\r\n"));
    stop(&r);
}

static void large_message_passes_the_windows(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    uint8_t *p = buf_reserve(&b, RECV_MAX + GRPC_PREFIX_LEN);
    memset(p, 'm', RECV_MAX + GRPC_PREFIX_LEN);
    grpc_prefix_put(p, RECV_MAX);
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s =
        call_raw(c, "/t.S/Echo", NULL, NULL, p, RECV_MAX + GRPC_PREFIX_LEN, true);
    rig_until_closed(&r, s);
    assert_int_equal(s->body.n, RECV_MAX + GRPC_PREFIX_LEN);
    assert_memory_equal(s->body.p, p, s->body.n);
    stop(&r);
}

/* ---- ends -------------------------------------------------------------------------------- */

static void late_answer_reaches_the_client(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call(c, "/t.S/Hold", "x", true);
    rig_until(&r, holds, NULL);
    grpc_reply(svc.held, slice_str("late"));
    assert_null(svc.held);
    assert_int_equal(svc.closed, 1);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->body, "late"));
    stop(&r);
}

static void reset_cancels_the_call(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call(c, "/t.S/Hold", "x", true);
    rig_until(&r, holds, NULL);
    nghttp2_submit_rst_stream(c->h2, 0, s->id, NGHTTP2_CANCEL);
    rig_until(&r, one_closed, NULL);
    assert_int_equal(svc.code, GRPC_CANCELED);
    stop(&r);
}

static void lost_connection_cancels_the_call(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    call(c, "/t.S/Chat", "half a", false);
    rig_until(&r, holds, NULL);
    client_close(c);
    rig_until(&r, one_closed, NULL);
    assert_int_equal(svc.code, GRPC_CANCELED);
    stop(&r);
}

static void server_end_cancels_the_call(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    call(c, "/t.S/Hold", "x", true);
    rig_until(&r, holds, NULL);
    stop(&r);
    assert_int_equal(svc.closed, 1);
}

static void deadline_ends_the_call(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *far = call_raw(c, "/t.S/Echo", "grpc-timeout", "1H", "\0\0\0\0", 5, true);
    struct h2c_stream *s = call_raw(c, "/t.S/Hold", "grpc-timeout", "20m", "\0\0\0\0", 5, true);
    rig_until(&r, holds, NULL);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, "grpc-status: 4\ngrpc-message: context deadline exceeded\n"));
    assert_int_equal(svc.code, GRPC_DEADLINE_EXCEEDED);
    assert_true(buf_has(&far->trailers, "grpc-status: 0\n"));
    stop(&r);
}

/* ---- streams ----------------------------------------------------------------------------- */

static void stream_goes_both_ways(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call(c, "/t.S/Chat", NULL, false);
    rig_until(&r, holds, NULL);
    say(c, s, "twice", false);
    say(c, s, "x", true);
    rig_until_closed(&r, s);
    assert_int_equal(s->body.n, 8 + 14);
    assert_memory_equal(s->body.p, "\0\0\0\0\3one\0\0\0\0\x9head-tail", s->body.n);
    assert_true(buf_has(&s->trailers, "grpc-status: 0\n"));
    assert_int_equal(svc.messages, 2);
    assert_int_equal(svc.half_closes, 1);
    stop(&r);
}

static void headers_may_go_first(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    struct h2c_stream *s = call(c, "/t.S/Chat", NULL, false);
    rig_until(&r, holds, NULL);
    grpc_send_headers(svc.held);
    say(c, s, "bye", false);
    rig_until_closed(&r, s);
    assert_true(buf_has(&s->headers, ":status: 200\n"));
    assert_true(buf_has(&s->trailers, "grpc-status: 10\ngrpc-message: bye\n"));
    stop(&r);
}

static void messages_after_the_end_are_ignored(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    AUTO(buf) struct buf b = BUF_INIT;
    add_message(&b, "bye");
    add_message(&b, "twice");
    struct h2c_stream *s = call_raw(c, "/t.S/Chat", NULL, NULL, b.p, b.n, true);
    rig_until_closed(&r, s);
    assert_int_equal(svc.messages, 1);
    assert_int_equal(svc.half_closes, 0);
    stop(&r);
}

struct stall {
    struct h2c_stream *s;
    size_t left;
};

static bool stalled(void *arg)
{
    struct stall *w = arg;
    size_t left = w->s->request.n - w->s->request_off;
    bool same = left == w->left && left < w->s->request.n;
    w->left = left;
    return same;
}

static void paused_call_holds_the_client_back(void **state)
{
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    AUTO(buf) struct buf b = BUF_INIT;
    add_message(&b, "pause");
    unsigned n = 1;
    for (; b.n < 2 * 1024 * 1024; n++)
        add_message(&b, "0123456789012345678901234567890123456789");
    struct h2c_stream *s = call_raw(c, "/t.S/Chat", NULL, NULL, b.p, b.n, true);
    struct stall w = {s, 0};
    rig_until(&r, holds, NULL);
    rig_until(&r, stalled, &w);
    assert_int_equal(svc.messages, 1);
    assert_true(w.left > 1024 * 1024);
    grpc_pause_reading(svc.held, false);
    assert_int_equal(svc.messages, 1); /* not from within the call */
    rig_until_closed(&r, s);
    assert_int_equal(svc.messages, n);
    assert_int_equal(svc.half_closes, 1);
    stop(&r);
}

static bool window_full(void *arg)
{
    return ((struct h2c_stream *)arg)->body.n == 65535;
}

static bool has_drained(void *arg)
{
    return svc.drains == 1;
}

static void slow_client_shows_as_pending(void **state)
{
    static uint8_t zeros[1024 * 1024];
    struct rig r;
    start(&r);
    struct client *c = rig_h2_client(&r);
    c->no_consume = true;
    struct h2c_stream *s = call(c, "/t.S/Chat", NULL, false);
    rig_until(&r, holds, NULL);
    grpc_send(svc.held, slice_make(zeros, sizeof zeros));
    rig_until(&r, window_full, s);
    assert_int_equal(grpc_pending(svc.held), sizeof zeros + GRPC_PREFIX_LEN - 65535);
    c->no_consume = false;
    nghttp2_session_consume(c->h2, s->id, s->body.n);
    rig_until(&r, has_drained, NULL);
    say(c, s, "bye", true);
    rig_until_closed(&r, s);
    assert_int_equal(s->body.n, sizeof zeros + GRPC_PREFIX_LEN);
    stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_call_is_answered),
        cmocka_unit_test(message_is_split_at_each_byte),
        cmocka_unit_test(metadata_travels_both_ways),
        cmocka_unit_test(errors_are_trailers_only),
        cmocka_unit_test(unknown_methods_are_unimplemented),
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(other_requests_are_refused),
        cmocka_unit_test(http_1_is_refused),
        cmocka_unit_test(large_message_passes_the_windows),
        cmocka_unit_test(late_answer_reaches_the_client),
        cmocka_unit_test(reset_cancels_the_call),
        cmocka_unit_test(lost_connection_cancels_the_call),
        cmocka_unit_test(server_end_cancels_the_call),
        cmocka_unit_test(deadline_ends_the_call),
        cmocka_unit_test(stream_goes_both_ways),
        cmocka_unit_test(headers_may_go_first),
        cmocka_unit_test(messages_after_the_end_are_ignored),
        cmocka_unit_test(paused_call_holds_the_client_back),
        cmocka_unit_test(slow_client_shows_as_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
