/* tests/unit/grpc/client_test.c -- the calling side against a server that answers as it is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/client.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "grpc/wire.h"
#include "http/listener.h"
#include "unit/http/rig.h"

#define RECV_MAX 1000

/* ---- the server -------------------------------------------------------------------------- */

/* What the server does with the next request. */
struct script {
    unsigned status;                          /* 0: only reset, or nothing */
    const char *type;                         /* content-type; NULL: none */
    const char *early_status, *early_message; /* grpc-status among the headers */
    struct slice body;
    bool bytewise;              /* the body byte by byte, one a round */
    const char *code, *message; /* trailers; NULL: none */
    int reset;                  /* -1: none */
    bool close;                 /* the connection */
};

static struct {
    struct rig rig;
    struct acceptor *acceptor;
    char port[8];
    struct h2_client *h2;
    struct script script;
    struct buf seen; /* headers of the last request */
    struct http_stream *slow;
    size_t slow_at;
} far;

static size_t put_header(struct http_header *h, const char *name, const char *value)
{
    if (value == NULL)
        return 0;
    *h = (struct http_header){slice_str(name), slice_str(value), true};
    return 1;
}

static void finish_answer(struct http_stream *s)
{
    const struct script *t = &far.script;
    struct http_header h[2];
    size_t n = put_header(h, "grpc-status", t->code);
    n += put_header(h + n, "grpc-message", t->message);
    if (t->reset >= 0)
        http_stream_reset(s, (enum http_reset)t->reset);
    else if (t->close)
        http_server_close_all(far.rig.server);
    else if (n != 0)
        http_stream_trailers(s, h, n);
    else
        http_stream_end(s);
}

/* Once a round. */
static void on_round(void *arg)
{
    struct http_stream *s = far.slow;
    if (s == NULL)
        return;
    if (far.slow_at < far.script.body.n) {
        http_stream_write(s, slice_make(far.script.body.p + far.slow_at++, 1));
        loop_wake(far.rig.loop);
        return;
    }
    far.slow = NULL;
    finish_answer(s);
}

static void on_request(struct http_stream *s, void *arg)
{
    const struct script *t = &far.script;
    struct slice name, value;
    buf_clear(&far.seen);
    buf_add_slice(&far.seen, http_stream_path(s));
    for (size_t i = 0; http_stream_header_at(s, i, &name, &value); i++)
        buf_addf(&far.seen, "\n%.*s: %.*s", (int)name.n, (const char *)name.p, (int)value.n,
                 (const char *)value.p);
    if (t->status != 0) {
        struct http_header h[3];
        size_t n = put_header(h, "content-type", t->type);
        n += put_header(h + n, "grpc-status", t->early_status);
        n += put_header(h + n, "grpc-message", t->early_message);
        http_stream_respond(s, t->status, h, n, t->early_status != NULL);
        if (t->early_status != NULL)
            return;
        if (t->bytewise) {
            far.slow = s;
            far.slow_at = 0;
            loop_wake(far.rig.loop);
            return;
        }
        http_stream_write(s, t->body);
    }
    finish_answer(s);
}

/* ---- the call ---------------------------------------------------------------------------- */

static struct call {
    struct grpc_rpc rpc;
    struct buf got; /* "message;" each */
    unsigned over;
    enum grpc_code code;
    char text[256];
    bool from_server, not_begun, cancel;
} call;

static void on_message(struct grpc_rpc *r, struct slice msg)
{
    buf_add_slice(&call.got, msg);
    buf_add_byte(&call.got, ';');
    if (call.cancel)
        grpc_rpc_cancel(r);
}

static void on_done(struct grpc_rpc *r, const struct grpc_status *st)
{
    call.over++;
    call.code = st->code;
    call.from_server = st->from_server;
    call.not_begun = st->not_begun;
    snprintf(call.text, sizeof call.text, "%s", st->text);
}

static bool is_over(void *arg)
{
    return call.over != 0;
}

static bool is_ready(void *arg)
{
    return h2_client_state(far.h2) == H2_CLIENT_READY;
}

static bool has_got(void *arg)
{
    return call.got.n != 0;
}

static void begin(const struct script *t, bool one_answer)
{
    static struct http_header headers[GRPC_BASE_HEADERS + 1];
    static char timeout[GRPC_TIMEOUT_TEXT];
    far.script = *t;
    buf_fini(&call.got);
    call = (struct call){.cancel = call.cancel};
    memcpy(headers, grpc_base_headers, sizeof grpc_base_headers);
    headers[GRPC_BASE_HEADERS] = grpc_timeout_header(5000, timeout);
    call.rpc = (struct grpc_rpc){.path = "/t.S/M",
                                 .headers = headers,
                                 .n_headers = GRPC_BASE_HEADERS + 1,
                                 .recv_max = RECV_MAX,
                                 .one_answer = one_answer,
                                 .message = on_message,
                                 .done = on_done};
    h2_client_connect(far.h2);
    rig_until(&far.rig, is_ready, NULL);
    grpc_rpc_start(&call.rpc, far.h2);
    grpc_rpc_send(&call.rpc, slice_make("\0\0\0\0\1x", 6), true);
}

static void expect(const struct script *t, bool one_answer, const char *got, enum grpc_code code,
                   const char *text)
{
    begin(t, one_answer);
    rig_until(&far.rig, is_over, NULL);
    assert_int_equal(call.over, 1);
    assert_string_equal(buf_cstr(&call.got), got);
    assert_int_equal(call.code, code);
    if (strcmp(call.text, text) != 0)
        fail_msg("\"%s\" is not \"%s\"", call.text, text);
}

#define BYTES(s)                                                                                   \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }
#define ANSWER_AS(status_, type_, body_, ...)                                                      \
    &(const struct script)                                                                         \
    {                                                                                              \
        .status = status_, .type = type_, .body = BYTES(body_), .reset = -1, __VA_ARGS__           \
    }
#define ANSWER(body_, ...) ANSWER_AS(200, "application/grpc", body_, __VA_ARGS__)

/* ---- setting up -------------------------------------------------------------------------- */

static int setup(void **state)
{
    const struct http_config hc = {.request = on_request};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    memset(&far, 0, sizeof far);
    call.cancel = false;
    rig_init(&far.rig, &hc);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(far.port, sizeof far.port, "%u", ntohs(at.sin_port));
    far.acceptor = acceptor_new(far.rig.loop, fd, NULL, NULL);
    acceptor_add(far.acceptor, far.rig.server);
    loop_on_round_end(far.rig.loop, on_round, NULL);
    const struct h2_client_config cc = {
        .host = "127.0.0.1", .port = far.port, .scheme = "http", .authority = "here:1"};
    far.h2 = h2_client_new(far.rig.loop, &cc);
    return 0;
}

static int teardown(void **state)
{
    h2_client_free(far.h2);
    acceptor_free(far.acceptor);
    loop_remove_round_end(far.rig.loop, on_round, NULL);
    rig_fini(&far.rig);
    buf_fini(&far.seen);
    buf_fini(&call.got);
    return 0;
}

/* ---- answers ----------------------------------------------------------------------------- */

static void a_call_is_answered(void **state)
{
    expect(ANSWER("\0\0\0\0\5hello", .code = "0"), true, "hello;", GRPC_OK, "");
    const char *seen = buf_cstr(&far.seen);
    assert_non_null(strstr(seen, "/t.S/M\n"));
    assert_non_null(strstr(seen, "content-type: application/grpc\n"));
    assert_non_null(strstr(seen, "te: trailers"));
    assert_non_null(strstr(seen, "grpc-timeout: 5000m"));
}

static void messages_come_in_any_pieces(void **state)
{
    expect(ANSWER("\0\0\0\0\3one\0\0\0\0\0\0\0\0\0\3two", .code = "0"), false, "one;;two;", GRPC_OK,
           "");
    expect(ANSWER("\0\0\0\0\3one\0\0\0\0\0\0\0\0\0\3two", .code = "0", .bytewise = true), false,
           "one;;two;", GRPC_OK, "");
}

static void errors_come_in_headers_or_trailers(void **state)
{
    expect(ANSWER("", .early_status = "3", .early_message = "etcdserver: key is not provided"),
           true, "", GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided");
    assert_true(call.from_server);
    expect(ANSWER("\0\0\0\0\1x", .code = "10", .message = "50%25 %C3%A9%zz%4"), false, "x;",
           GRPC_ABORTED, "50% \xc3\xa9%zz%4");
    expect(ANSWER("", .early_status = "77"), true, "", GRPC_UNKNOWN, "");
    expect(ANSWER("", .early_status = ""), true, "", GRPC_UNKNOWN, "");
    expect(ANSWER("", .early_status = "1x"), true, "", GRPC_UNKNOWN, "");
}

static void what_is_not_grpc_is_an_error(void **state)
{
    expect(ANSWER_AS(404, "text/html", "<html>", .code = NULL), true, "", GRPC_UNIMPLEMENTED,
           "unexpected HTTP status code received from server: 404");
    expect(ANSWER_AS(503, "application/grpc", "", .code = NULL), true, "", GRPC_UNAVAILABLE,
           "unexpected HTTP status code received from server: 503");
    expect(ANSWER_AS(500, "application/grpc", "", .code = NULL), true, "", GRPC_UNKNOWN,
           "unexpected HTTP status code received from server: 500");
    expect(ANSWER_AS(403, "application/grpc", "", .code = NULL), true, "", GRPC_PERMISSION_DENIED,
           "unexpected HTTP status code received from server: 403");
    expect(ANSWER_AS(503, "application/grpc", "", .early_status = "5"), true, "", GRPC_NOT_FOUND,
           "");
    expect(ANSWER_AS(200, "text/html", "x", .code = NULL), true, "", GRPC_UNKNOWN,
           "transport: received unexpected content-type \"text/html\"");
    expect(ANSWER_AS(200, NULL, "x", .code = NULL), true, "", GRPC_UNKNOWN,
           "malformed header: missing HTTP content-type");
    expect(ANSWER("\0\0\0\0\1x", .code = NULL), true, "x;", GRPC_INTERNAL,
           "server closed the stream without sending trailers");
}

static void bad_messages_are_refused(void **state)
{
    expect(ANSWER("\1\0\0\0\1x", .code = "0"), true, "", GRPC_INTERNAL,
           "grpc: compressed flag set with identity or empty encoding");
    expect(ANSWER("\7\0\0\0\1x", .code = "0"), true, "", GRPC_INTERNAL,
           "grpc: received unexpected payload format 7");
    expect(ANSWER("\0\xff\xff\xff\xff", .code = "0"), true, "", GRPC_RESOURCE_EXHAUSTED,
           "grpc: received message larger than max (4294967295 vs. 1000)");
    expect(ANSWER("\0\0\0\0\5xy", .code = "0"), true, "", GRPC_INTERNAL, "unexpected EOF");
    expect(ANSWER("\0\0\0", .code = "0"), true, "", GRPC_INTERNAL, "unexpected EOF");
    expect(ANSWER("\0\0\0\0\1a\0\0\0\0\1b", .code = "0"), true, "a;", GRPC_INTERNAL,
           "cardinality violation: received two messages for a unary call");
    expect(ANSWER("", .code = "0"), true, "", GRPC_INTERNAL,
           "cardinality violation: received no response message from unary call");
}

/* ---- ends -------------------------------------------------------------------------------- */

static void resets_are_codes(void **state)
{
    static const struct {
        int reset;
        enum grpc_code code;
        bool not_begun;
    } rows[] = {
        {HTTP_RESET_REFUSED, GRPC_UNAVAILABLE, true},
        {HTTP_RESET_CANCEL, GRPC_CANCELED, false},
        {HTTP_RESET_ENHANCE_YOUR_CALM, GRPC_RESOURCE_EXHAUSTED, false},
        {HTTP_RESET_INTERNAL_ERROR, GRPC_INTERNAL, false},
        {12, GRPC_PERMISSION_DENIED, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(&(const struct script){.reset = rows[i].reset}, true);
        rig_until(&far.rig, is_over, NULL);
        assert_int_equal(call.code, rows[i].code);
        assert_int_equal(call.not_begun, rows[i].not_begun);
        assert_false(call.from_server);
        assert_true(call.text[0] != '\0');
    }
}

static void a_lost_connection_is_unavailable(void **state)
{
    begin(&(const struct script){.close = true, .reset = -1}, true);
    rig_until(&far.rig, is_over, NULL);
    assert_int_equal(call.code, GRPC_UNAVAILABLE);
    assert_false(call.not_begun);
}

static void a_call_may_be_cancelled(void **state)
{
    begin(ANSWER("\0\0\0\0\1a\0\0\0\0\1b", .code = "0"), false);
    grpc_rpc_cancel(&call.rpc);
    grpc_rpc_cancel(&call.rpc);
    call.cancel = true;
    begin(ANSWER("\0\0\0\0\1a\0\0\0\0\1b", .code = "0"), false);
    rig_until(&far.rig, has_got, NULL);
    call.cancel = false;
    expect(ANSWER("\0\0\0\0\1c", .code = "0"), true, "c;", GRPC_OK, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_come_in_any_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_come_in_headers_or_trailers, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_grpc_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_messages_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(resets_are_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_connection_is_unavailable, setup, teardown),
        cmocka_unit_test_setup_teardown(a_call_may_be_cancelled, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
