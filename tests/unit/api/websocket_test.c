/* tests/unit/api/websocket_test.c -- streams of the gateway that a WebSocket carries.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/websocket.h"
#include "rig.h"

#define RESULT(rev)                                                                                \
    "{\"result\":{\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\",\"revision\":\"" rev            \
    "\",\"raft_term\":\"3\"}"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE                                                                                    \
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

static int setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    rig_init(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static void ask_upgrade(struct client *c, const char *path, const char *headers)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "GET %s HTTP/1.1\r\n" UPGRADE "%s\r\n", path, headers);
    client_send(c, buf_cstr(&b));
}

static struct client *upgraded(void **state, const char *path)
{
    struct client *c = client_new(*state, API_PORT_CLIENT);
    ask_upgrade(c, path, KEY);
    client_expect(c, "HTTP/1.1 101 Switching Protocols\r\n");
    client_expect(c, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    return c;
}

/* Append a frame; a mask of zeros leaves the payload as it is. */
static void frame_add(struct buf *b, enum websocket_op op, struct slice payload)
{
    uint8_t head[WEBSOCKET_HEAD_MAX];
    size_t n = websocket_head(head, op, payload.n);
    head[1] |= 0x80;
    buf_add(b, head, n);
    buf_add(b, "\0\0\0", 4);
    buf_add_slice(b, payload);
}

static void send_bytes(struct client *c, const struct buf *b)
{
    assert_int_equal(write(c->fd, b->p, b->n), (ssize_t)b->n);
}

static void send_frame(struct client *c, enum websocket_op op, struct slice payload)
{
    AUTO(buf) struct buf b = BUF_INIT;
    frame_add(&b, op, payload);
    send_bytes(c, &b);
}

static void send_text(struct client *c, const char *text)
{
    send_frame(c, WEBSOCKET_TEXT, slice_str(text));
}

static const struct client *reader;
static size_t bytes_needed;

static bool enough_came(struct rig *r)
{
    (void)r;
    return reader->eof || reader->in.n >= bytes_needed;
}

/* The next that comes is exactly this frame. */
static void expect_frame(struct client *c, enum websocket_op op, struct slice payload)
{
    AUTO(buf) struct buf b = BUF_INIT;
    b.n = websocket_head(buf_reserve(&b, WEBSOCKET_HEAD_MAX), op, payload.n);
    buf_add_slice(&b, payload);
    reader = c;
    bytes_needed = b.n;
    rig_until(c->rig, enough_came);
    assert_true(c->in.n >= b.n);
    assert_memory_equal(c->in.p, b.p, b.n);
    buf_consume(&c->in, b.n);
}

static void expect_text(struct client *c, const char *text)
{
    expect_frame(c, WEBSOCKET_TEXT, slice_str(text));
}

/* Expect the close frame, and the end of the connection behind it. */
static void expect_close(struct client *c, const char *payload)
{
    expect_frame(c, WEBSOCKET_CLOSE, slice_str(payload));
    reader = c;
    bytes_needed = 1;
    rig_until(c->rig, enough_came);
    assert_true(c->eof && c->in.n == 0);
}

static void watch(void **state)
{
    struct rig *r = *state;
    struct client *c = upgraded(state, "/v3/watch");
    send_text(c, "{\"create_request\":{\"key\":\"YQ==\"}}");
    expect_text(c, RESULT("1") ",\"created\":true}}");
    fake_put(r->server, "a", "1");
    expect_text(c, RESULT("2") ",\"events\":[{\"kv\":{\"key\":\"YQ==\",\"create_revision\":\"2\","
                               "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"MQ==\"}}]}}");
    send_text(c, "{\"cancel_request\":{\"watch_id\":0}}");
    expect_text(c, RESULT("2") ",\"canceled\":true}}");
    send_frame(c, WEBSOCKET_PING, slice_str("still there?"));
    expect_frame(c, WEBSOCKET_PONG, slice_str("still there?"));
}

/* Messages are the lines of the body: two requests may share one, and one may take several. */
static void requests_and_messages(void **state)
{
    struct client *c = upgraded(state, "/v3beta/watch?method=POST");
    send_text(c, "{\"create_request\":{\"key\":\"YQ==\"}}{\"create_request\":{\"key\":\"YQ==\"}}");
    expect_text(c, RESULT("1") ",\"created\":true}}");
    expect_text(c, RESULT("1") ",\"watch_id\":\"1\",\"created\":true}}");
    send_text(c, "{\"create_request\":");
    send_text(c, "{\"key\":\"YQ==\"}}");
    expect_text(c, RESULT("1") ",\"watch_id\":\"2\",\"created\":true}}");
}

static void token_in_the_subprotocol(void **state)
{
    struct client *c = client_new(*state, API_PORT_CLIENT);
    ask_upgrade(c, "/v3/watch", KEY "Sec-WebSocket-Protocol: Bearer, some.token\r\n");
    client_expect(c, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                     "Sec-WebSocket-Protocol: Bearer\r\n\r\n");
    send_text(c, "{\"create_request\":{\"key\":\"YQ==\"}}");
    expect_text(c, RESULT("1") ",\"created\":true}}");
}

static void keepalives(void **state)
{
    struct client *c = upgraded(state, "/v3/lease/keepalive");
    AUTO(buf) struct buf b = BUF_INIT;
    for (int i = 1; i <= 300; i++) {
        char line[48];
        snprintf(line, sizeof line, "{\"ID\":%d}", i);
        frame_add(&b, WEBSOCKET_TEXT, slice_str(line));
    }
    send_bytes(c, &b);
    for (int i = 1; i <= 300; i++) {
        char line[160];
        snprintf(line, sizeof line, RESULT("1") ",\"ID\":\"%d\",\"TTL\":\"5\"}}", i);
        expect_text(c, line);
    }
    send_frame(c, WEBSOCKET_CLOSE, slice_str("\x03\xe8"));
    expect_close(c, "\x03\xe8");
}

static void close_by_the_client_ends_the_watch(void **state)
{
    struct rig *r = *state;
    struct client *c = upgraded(state, "/v3/watch");
    send_text(c, "{\"create_request\":{\"key\":\"YQ==\"}}");
    expect_text(c, RESULT("1") ",\"created\":true}}");
    assert_int_equal(r->l.users, 1);
    send_frame(c, WEBSOCKET_CLOSE, slice_str(""));
    expect_close(c, "");
    assert_int_equal(r->l.users, 0);
}

static void error_is_a_message_and_a_close(void **state)
{
    struct rig *r = *state;
    struct client *c = upgraded(state, "/v3/lease/keepalive"), *bad = upgraded(state, "/v3/watch");
    r->server->fail = ERR_NO_LEADER;
    send_text(c, "{\"ID\":1}");
    expect_text(c, "{\"error\":{\"code\":14,\"message\":\"etcdserver: no leader\"}}");
    expect_close(c, "\x03\xe8");
    send_text(bad, "{nonsense}");
    client_expect(bad, "{\"error\":{\"code\":3,\"message\":\"proto: ");
    client_expect(bad, "}}");
    expect_close(bad, "\x03\xe8");
}

static void broken_frame(void **state)
{
    struct client *c = upgraded(state, "/v3/watch");
    client_send(c, "\x81\x02{}");
    expect_close(c, "\x03\xea" "bad MASK");
}

/* The call of such a method begins with the first message, and takes no other. */
static void stream_of_one_request(void **state)
{
    struct rig *r = *state;
    struct client *c = upgraded(state, "/v3/maintenance/snapshot");
    r->server->snapshot_size = 10;
    send_text(c, "{}");
    send_text(c, "{}");
    expect_text(c, "{\"result\":{\"blob\":\"AAAAAAAAAAAAAA==\",\"version\":\"3.7.0\"}}");
    client_expect(c, "{\"result\":{\"blob\":\"");
    client_expect(c, "\"version\":\"3.7.0\"}}");
    expect_close(c, "\x03\xe8");
}

static void large_events(void **state)
{
    struct rig *r = *state;
    struct client *c = upgraded(state, "/v3/watch");
    char value[3000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    send_text(c, "{\"create_request\":{\"key\":\"YQ==\"}}");
    expect_text(c, RESULT("1") ",\"created\":true}}");
    for (int i = 0; i < 1500; i++)
        fake_put(r->server, "a", value);
    fake_put(r->server, "a", "last");
    client_expect(c, "\"value\":\"bGFzdA==\"}}]}}");
}

static void expect_refused(void **state, const char *request, const char *status, const char *body)
{
    struct client *c = client_new(*state, API_PORT_CLIENT);
    client_send(c, request);
    client_expect(c, status);
    client_expect(c, "Sec-Websocket-Version: 13\r\n");
    client_expect(c, body);
}

static void refused_upgrades(void **state)
{
    expect_refused(state, "GET /v3/kv/range HTTP/1.1\r\n" UPGRADE KEY "\r\n", "400 ",
                   "Bad Request\n");
    expect_refused(state, "GET /v3/watch HTTP/1.1\r\n" UPGRADE "\r\n", "400 ", "Bad Request\n");
    expect_refused(state, "POST /v3/watch HTTP/1.1\r\n" UPGRADE KEY "\r\n", "405 ",
                   "Method Not Allowed\n");
    struct client *c = client_new(*state, API_PORT_CLIENT);
    ask_upgrade(c, "/v3/nothing", KEY);
    client_expect(c, "404 ");
}

static void needs_a_leader(void **state)
{
    struct rig *r = *state;
    struct client *c = client_new(r, API_PORT_CLIENT);
    r->server->no_leader = true;
    ask_upgrade(c, "/v3/watch", KEY "Grpc-Metadata-Hasleader: true\r\n");
    client_expect(c, "\r\n\r\n");
    expect_text(c, "{\"error\":{\"code\":14,\"message\":\"etcdserver: no leader\"}}");
    expect_close(c, "\x03\xe8");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(watch),
        TEST(requests_and_messages),
        TEST(token_in_the_subprotocol),
        TEST(keepalives),
        TEST(close_by_the_client_ends_the_watch),
        TEST(error_is_a_message_and_a_close),
        TEST(broken_frame),
        TEST(stream_of_one_request),
        TEST(large_events),
        TEST(refused_upgrades),
        TEST(needs_a_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
