/* tests/unit/peer/inbound_test.c -- what the peer port answers, status by status, word by word; and
 * small requests.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "peer/codec.h"
#include "unit/peer/rig.h"

/* ---- status codes -------------------------------------------------------------------------- */

/* Send `request` to a and wait for an answer with each of `texts`. */
static void check_answer(struct pair *p, const char *request, const char *const *texts)
{
    struct sock *s = rig_connect(&p->rig, p->a.port);
    sock_send(s, request);
    for (; *texts != NULL; texts++)
        rig_until_text(&p->rig, s, *texts);
    sock_close(s);
    p->rig.n_socks--;
    buf_fini(&s->in);
    buf_fini(&s->out);
    free(s);
}

#define CHECK(request, ...) check_answer(&p, request, (const char *const[]){__VA_ARGS__, NULL})
#define TEXT_PLAIN                                                                                 \
    "Content-Type: text/plain; charset=utf-8\r\n", "X-Content-Type-Options: nosniff\r\n"
#define STREAM(path)     "GET /raft/stream/" path " HTTP/1.1\r\n" HEADERS("c3")
#define POST(path, from) "POST " path " HTTP/1.1\r\n" HEADERS(from)

static void test_status_of_streams(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    const char *const urls[] = {"http://127.0.0.1:1"};
    p.a.t->ops->peer_set(p.a.t, C, urls, 1);
    p.a.removed_id = X;
    CHECK("POST /raft/stream/msgapp/c3 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 405 ", "Allow: GET\r\n", "\r\n\r\nMethod Not Allowed\n", TEXT_PLAIN);
    CHECK(STREAM("msgapp/dd") "X-Raft-To: a1\r\n\r\n", "HTTP/1.1 410 ", "\r\n\r\nremoved member\n");
    CHECK(STREAM("other/c3") "\r\n", "HTTP/1.1 404 ", "\r\n\r\ninvalid path\n");
    CHECK(STREAM("msgapp") "\r\n", "HTTP/1.1 404 ", "\r\n\r\ninvalid path\n");
    CHECK(STREAM("msgapp/") "\r\n", "HTTP/1.1 404 ", "\r\n\r\ninvalid from\n");
    CHECK(STREAM("message/c3x") "\r\n", "HTTP/1.1 404 ", "\r\n\r\ninvalid from\n");
    CHECK(STREAM("message/77") "\r\n", "HTTP/1.1 404 ", "\r\n\r\nerror sender not found\n",
          TEXT_PLAIN);
    CHECK(STREAM("message/c3") "\r\n", "HTTP/1.1 412 ", "\r\n\r\nto field mismatch\n");
    CHECK(STREAM("message/c3") "X-Raft-To: b2\r\n\r\n", "HTTP/1.1 412 ",
          "\r\n\r\nto field mismatch\n");
    CHECK(STREAM("message/c3") "X-Raft-To: a1\r\n\r\n", "HTTP/1.1 200 ",
          "X-Server-Version: 3.4.23\r\n", "X-Etcd-Cluster-Id: c1\r\n");
    pair_fini(&p);
}

static void test_status_of_strangers(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    CHECK("GET /raft/stream/msgapp/c3 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 412 ",
          "\r\n\r\nincompatible version\n", "X-Server-Version: ", "X-Etcd-Cluster-Id: c1\r\n");
    CHECK("POST /raft HTTP/1.1\r\nHost: x\r\nX-Server-Version: 2.3.0\r\nX-Min-Cluster-Version: "
          "3.0.0\r\nX-Etcd-Cluster-ID: c1\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 412 ", "\r\n\r\nincompatible version\n", TEXT_PLAIN);
    CHECK("POST /raft HTTP/1.1\r\nHost: x\r\nX-Server-Version: 3.7.0\r\nX-Min-Cluster-Version: "
          "3.5.0\r\nX-Etcd-Cluster-ID: c1\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 412 ", "\r\n\r\nincompatible version\n");
    CHECK("POST /raft/snapshot HTTP/1.1\r\nHost: x\r\nX-Server-Version: "
          "3.7.0\r\nX-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: c2\r\nContent-Length: "
          "0\r\n\r\n",
          "HTTP/1.1 412 ", "\r\n\r\ncluster ID mismatch\n");
    pair_fini(&p);
}

static void post_message(struct pair *p, const struct raft_message *m, const char *const *texts)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct sock *s = rig_connect(&p->rig, p->a.port);
    buf_addf(&b, POST("/raft", "c3") "Content-Length: %zu\r\n\r\n", peer_message_size(m));
    peer_message_encode(m, &b);
    sock_send_bytes(s, b.p, b.n);
    for (; *texts != NULL; texts++)
        rig_until_text(&p->rig, s, *texts);
}

static void test_status_of_posts(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.a.removed_id = X;
    CHECK("GET /raft HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", "Allow: POST\r\n",
          "\r\n\r\nMethod Not Allowed\n");
    CHECK(POST("/raft", "c3") "Content-Length: 3\r\n\r\nxxx", "HTTP/1.1 400 ",
          "\r\n\r\nerror unmarshalling raft message\n", TEXT_PLAIN);
    const struct raft_message good = {.type = RAFT_MSG_VOTE, .to = A, .from = C},
                              removed = {.type = RAFT_MSG_VOTE, .to = A, .from = X},
                              mismatch = {.type = RAFT_MSG_VOTE, .to = B, .from = C},
                              local = {.type = RAFT_MSG_HUP, .to = A, .from = C};
    post_message(&p, &good,
                 (const char *const[]){"HTTP/1.1 204 ", "X-Etcd-Cluster-Id: c1\r\n", NULL});
    post_message(&p, &removed,
                 (const char *const[]){
                     "HTTP/1.1 403 ", "Content-Type: application/json\r\n",
                     "\r\n\r\n{\"message\":\"cannot process message from removed member\"}", NULL});
    post_message(&p, &mismatch,
                 (const char *const[]){
                     "HTTP/1.1 403 ",
                     "\r\n\r\n{\"message\":\"cannot process message to mismatch member\"}", NULL});
    post_message(
        &p, &local,
        (const char *const[]){"HTTP/1.1 500 ", "\r\n\r\nerror processing raft message\n", NULL});
    assert_int_equal(p.a.got.n, 1);
    pair_fini(&p);
}

/* The body of a snapshot with a length that may lie. */
static void post_snapshot(struct pair *p, const struct raft_message *m, uint64_t claimed,
                          const char *file, const char *const *texts)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct sock *s = rig_connect(&p->rig, p->a.port);
    size_t n = peer_message_size(m);
    buf_addf(&b, POST("/raft/snapshot", "c3") "Content-Length: %zu\r\n\r\n", 8 + n + strlen(file));
    buf_add_be64(&b, claimed != 0 ? claimed : n);
    peer_message_encode(m, &b);
    buf_add_str(&b, file);
    for (size_t i = 0; i < b.n; i++) {
        sock_send_bytes(s, b.p + i, 1);
        if (i % 16 == 0)
            loop_round(p->rig.loop, clock_now_ms() + 2);
    }
    for (; *texts != NULL; texts++)
        rig_until_text(&p->rig, s, *texts);
}

#define SNAPSHOT(m, claimed, file, ...)                                                            \
    post_snapshot(&p, m, claimed, file, (const char *const[]){__VA_ARGS__, NULL})

static void test_status_of_snapshots(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.a.removed_id = X;
    struct raft_message good = snapshot_message(C, A, 9), removed = snapshot_message(X, A, 9),
                        mismatch = snapshot_message(C, B, 9);
    const struct raft_message vote = {.type = RAFT_MSG_VOTE, .to = A, .from = C};
    CHECK("GET /raft/snapshot HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", "Allow: POST\r\n");
    CHECK(POST("/raft/snapshot", "c3") "Content-Length: 0\r\n\r\n", "HTTP/1.1 400 ",
          "\r\n\r\nfailed to decode raft message (EOF)\n");
    CHECK(POST("/raft/snapshot", "c3") "Content-Length: 3\r\n\r\nxxx", "HTTP/1.1 400 ",
          "\r\n\r\nfailed to decode raft message (unexpected EOF)\n", TEXT_PLAIN);
    SNAPSHOT(&good, 1000, "", "HTTP/1.1 400 ", "failed to decode raft message (unexpected EOF)\n");
    SNAPSHOT(&good, UINT64_MAX, "", "HTTP/1.1 400 ",
             "failed to decode raft message (rafthttp: error limit exceeded)\n");
    SNAPSHOT(&good, peer_message_size(&good) - 1, "file", "HTTP/1.1 400 ",
             "failed to decode raft message (malformed)\n");
    SNAPSHOT(&vote, 0, "file", "HTTP/1.1 400 ", "\r\n\r\nwrong raft message type\n");
    SNAPSHOT(&removed, 0, "file", "HTTP/1.1 403 ", "removed member");
    SNAPSHOT(&mismatch, 0, "file", "HTTP/1.1 403 ", "mismatch member");
    SNAPSHOT(&good, 0, "", "HTTP/1.1 400 ", "failed to save KV snapshot (unexpected EOF)\n");
    assert_int_equal(p.a.snapshots, 0);
    SNAPSHOT(&good, 0, "a file", "HTTP/1.1 204 ", "X-Etcd-Cluster-Id: c1\r\n");
    char text[6];
    assert_int_equal(p.a.snapshot_size, 6);
    assert_int_equal(pread(p.a.snapshot_fd, text, 6, 0), 6);
    assert_memory_equal(text, "a file", 6);
    p.a.refuses = true;
    SNAPSHOT(&good, 0, "a file", "HTTP/1.1 500 ", "failed to process raft message (");
    raft_message_fini(&good);
    raft_message_fini(&removed);
    raft_message_fini(&mismatch);
    pair_fini(&p);
}

static bool asked(void *arg)
{
    return ((struct node *)arg)->asked != NULL;
}

static void test_receptions_are_bounded(void **state)
{
    (void)state;
    static const char begun[] =
        POST("/raft/snapshot", "c3") "Transfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n";
    struct pair p;
    pair_init(&p);
    struct sock *first = rig_connect(&p.rig, p.a.port), *second = rig_connect(&p.rig, p.a.port);
    sock_send(first, begun);
    sock_send(second, begun);
    rig_turn(&p.rig);
    CHECK(begun, "HTTP/1.1 503 ");
    sock_close(first); /* cut: its place is free */
    rig_turn(&p.rig);
    CHECK(POST("/raft/snapshot", "c3") "Content-Length: 0\r\n\r\n", "HTTP/1.1 400 ");
    assert_int_equal(p.a.snapshots, 0);
    pair_fini(&p);
}

static void test_spool_that_fails(void **state)
{
    (void)state;
    struct pair p;
    struct raft_message good = snapshot_message(C, A, 9);
    pair_init(&p);
    assert_int_equal(rmdir(p.rig.dir), 0);
    SNAPSHOT(&good, 0, "a file", "HTTP/1.1 500 ", "failed to save KV snapshot (");
    assert_int_equal(mkdir(p.rig.dir, 0700), 0);
    raft_message_fini(&good);
    pair_fini(&p);
}

/* ---- small requests ------------------------------------------------------------------------ */

static void test_routes(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.a.answers = true;
    CHECK("GET /raft/probing HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ",
          "{\"OK\":true,\"Now\":\"20", "Z\"}\n");
    CHECK("GET /members?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\nGET /members ",
          "X-Etcd-Cluster-Id: c1\r\n");
    CHECK("POST /members/promote/12 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
          "\r\n\r\nPOST /members/promote/12 ");
    CHECK("GET /members/hashkv HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
          "\r\n\r\nGET /members/hashkv {}");
    CHECK("POST /leases HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
          "\r\n\r\nPOST /leases ab");
    CHECK("POST /leases/internal HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
          "\r\n\r\nPOST /leases/internal ab");
    CHECK("GET /version HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nGET /version ");
    CHECK("GET /downgrade/enabled HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nGET /downgrade/enabled ");
    CHECK("GET /leases HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", "Method Not Allowed\n");
    CHECK("POST /members HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 ",
          "Allow: GET\r\n");
    AUTO(buf) struct buf large = BUF_INIT;
    buf_addf(&large, "POST /leases HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n%070000d",
             0);
    CHECK(buf_cstr(&large), "HTTP/1.1 413 ");
    static const char *const unknown[] = {"/",         "/health",   "/raft/",
                                          "/raft/xyz", "/members/", "/raftx"};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", unknown[i]);
        CHECK(text, "HTTP/1.1 404 ", "\r\n\r\n404 page not found\n", TEXT_PLAIN);
    }
    assert_int_equal(p.a.asks, 7);
    pair_fini(&p);
}

struct ask {
    struct transport_request r;
    unsigned done, status;
    struct buf body;
};

static void on_asked(struct transport_request *r, unsigned status, struct slice body)
{
    struct ask *a = CONTAINER_OF(r, struct ask, r);
    a->done++;
    a->status = status;
    buf_add_slice(&a->body, body);
}

static void ask_send(struct ask *a, struct node *n, member_id to, msec timeout_ms)
{
    *a = (struct ask){.r = {.to = to,
                            .method = "POST",
                            .path = "/leases",
                            .content_type = "application/protobuf",
                            .body = slice_str("body"),
                            .timeout_ms = timeout_ms,
                            .done = on_asked}};
    n->t->ops->request(n->t, &a->r);
    assert_int_equal(a->done, 0);
}

static void test_small_requests(void **state)
{
    (void)state;
    struct pair p;
    struct ask a;
    pair_init(&p);
    p.b.answers = true;
    const char *const urls[] = {"http://127.0.0.1:1", p.b.url};
    p.a.t->ops->peer_set(p.a.t, B, urls, 2);
    ask_send(&a, &p.a, B, 5000);
    rig_until_count(&p.rig, &a.done, 1);
    assert_int_equal(a.status, 200);
    assert_true(buf_has(&a.body, "POST /leases body"));
    buf_fini(&a.body);
    ask_send(&a, &p.a, C, 5000); /* unknown */
    rig_until_count(&p.rig, &a.done, 1);
    assert_int_equal(a.status, 0);
    p.b.answers = false;
    ask_send(&a, &p.a, B, 200); /* no answer in time */
    rig_until_count(&p.rig, &a.done, 1);
    assert_int_equal(a.status, 0);
    rig_turn(&p.rig); /* the connection has gone */
    p.b.t->ops->answer(p.b.t, p.b.asked, 200, "text/plain", slice_str("late"));
    p.b.asked = NULL;
    ask_send(&a, &p.a, B, 5000);
    rig_until(&p.rig, asked, &p.b);
    p.a.t->ops->request_cancel(p.a.t, &a.r);
    p.a.t->ops->request_cancel(p.a.t, &a.r);
    ask_send(&a, &p.a, C, 5000);
    p.a.t->ops->request_cancel(p.a.t, &a.r);
    rig_turn(&p.rig);
    assert_int_equal(a.done, 0);
    ask_send(&a, &p.a, B, 5000); /* and the peer goes */
    p.a.t->ops->peer_remove(p.a.t, B);
    rig_until_count(&p.rig, &a.done, 1);
    assert_int_equal(a.status, 0);
    pair_fini(&p); /* with one that was never answered */
}

static void test_remotes_are_bounded(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    for (unsigned i = 1; i <= 200; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 STREAM("message/%x") "X-PeerURLs: x,http://127.0.0.1:1,,https://h:1\r\n\r\n",
                 0x1000 + i);
        CHECK(text, "HTTP/1.1 404 ", "error sender not found\n");
    }
    node_send(&p.a, 0x1000 + 1, RAFT_MSG_VOTE, 1); /* forgotten: dropped */
    rig_turn(&p.rig);
    assert_int_equal(p.a.unreachable, 0);
    node_send(&p.a, 0x1000 + 200, RAFT_MSG_VOTE, 1);
    rig_until_count(&p.rig, &p.a.unreachable, 1);
    assert_int_equal(p.a.unreachable_id, 0x1000 + 200);
    pair_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_of_streams),
        cmocka_unit_test(test_status_of_strangers),
        cmocka_unit_test(test_status_of_posts),
        cmocka_unit_test(test_status_of_snapshots),
        cmocka_unit_test(test_receptions_are_bounded),
        cmocka_unit_test(test_spool_that_fails),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_small_requests),
        cmocka_unit_test(test_remotes_are_bounded),
    };
    log_set_level(getenv("TEST_LOG") != NULL ? LOG_DEBUG_ : LOG_FATAL_);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
