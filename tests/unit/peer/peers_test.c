/* tests/unit/peer/peers_test.c -- members that talk to each other, and to what only looks like one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/random.h"
#include "unit/peer/rig.h"

/* ---- streams ------------------------------------------------------------------------------- */

static void test_messages_come_in_order(void **state)
{
    (void)state;
    enum { N = 2000 };
    struct pair p;
    struct transport_peer known;
    pair_init(&p);
    pair_join(&p);
    assert_true(p.a.t->ops->peer_get(p.a.t, B, &known));
    assert_int_equal(known.major, 3);
    assert_int_equal(known.minor, 4);
    assert_true(known.active_since <= clock_now_ms());
    for (raft_index i = 1; i <= N; i++) {
        node_send_entry(&p.a, B, i, 100);
        node_send(&p.a, B, RAFT_MSG_HEARTBEAT, i);
    }
    node_until_messages(&p.b, 2 * N);
    raft_index apps = 0, beats = 0;
    for (size_t i = 0; i < p.b.got.n; i++) {
        const struct raft_message *m = &p.b.got.v[i];
        assert_int_equal(m->from, A);
        assert_int_equal(m->to, B);
        if (m->type == RAFT_MSG_APP) {
            assert_int_equal(m->entries.v[0].index, ++apps);
            assert_int_equal(m->entries.v[0].data->n, 100);
        } else {
            assert_int_equal(m->index, ++beats);
        }
    }
    assert_int_equal(apps, N);
    assert_true(p.b.rounds > 0 && p.b.rounds < N);
    assert_int_equal(p.a.unreachable, 0);
    pair_fini(&p);
}

static void test_a_large_message(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_join(&p);
    node_send_entry(&p.a, B, 7, 5 * 1024 * 1024);
    node_send(&p.b, A, RAFT_MSG_APP_RESP, 7);
    node_until_messages(&p.b, 1);
    node_until_messages(&p.a, 1);
    assert_int_equal(p.b.got.v[0].entries.v[0].data->n, 5 * 1024 * 1024);
    assert_int_equal(p.b.got.v[0].entries.v[0].data->p[5 * 1024 * 1024 - 1], 7);
    pair_fini(&p);
}

static void test_what_is_not_for_us_is_dropped(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_join(&p);
    node_send(&p.a, B, RAFT_MSG_HUP, 1);
    node_send(&p.a, B, RAFT_MSG_STORAGE_APPEND, 2);
    p.b.removed_id = X;
    struct raft_message m[] = {
        {.type = RAFT_MSG_VOTE, .to = B, .from = X, .index = 3},
        {.type = RAFT_MSG_VOTE, .to = B, .from = A, .index = 4},
        {.type = RAFT_MSG_VOTE, .to = C, .from = A, .index = 5}, /* nobody knows C */
    };
    p.a.t->ops->send(p.a.t, m, 3);
    node_send(&p.a, B, RAFT_MSG_VOTE, 6);
    node_until_messages(&p.b, 2);
    assert_int_equal(p.b.got.v[0].index, 4);
    assert_int_equal(p.b.got.v[1].index, 6);
    pair_fini(&p);
}

static bool a_inactive(void *arg)
{
    struct pair *p = arg;
    return !node_is_active(&p->a, B);
}

static void test_restart(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_join(&p);
    node_stop(&p.b);
    rig_until(&p.rig, a_inactive, &p);
    rig_until_count(&p.rig, &p.a.unreachable, 1);
    node_start(&p.b);
    pair_join(&p);
    node_send(&p.a, B, RAFT_MSG_VOTE, 9);
    node_until_messages(&p.b, 1);
    pair_fini(&p);
}

static void test_remove_and_return(void **state)
{
    (void)state;
    struct pair p;
    struct transport_peer known;
    pair_init(&p);
    pair_join(&p);
    p.a.t->ops->peer_remove(p.a.t, B);
    assert_false(p.a.t->ops->peer_get(p.a.t, B, &known));
    node_meet(&p.a, &p.b);
    rig_until(&p.rig, pair_is_active, &p);
    node_send(&p.b, A, RAFT_MSG_VOTE, 1);
    node_until_messages(&p.a, 1);
    pair_fini(&p);
}

static void test_next_url(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    const char *const urls[] = {"http://127.0.0.1:1", "ftp://no", p.b.url};
    p.a.t->ops->peer_set(p.a.t, B, urls, 3);
    node_meet(&p.b, &p.a);
    rig_until(&p.rig, pair_is_active, &p);
    p.a.t->ops->peer_set(p.a.t, B, urls, 1);
    assert_false(node_is_active(&p.a, B));
    node_meet(&p.a, &p.b);
    rig_until(&p.rig, pair_is_active, &p);
    pair_fini(&p);
}

/* A member that takes connections and says nothing costs nobody but itself. */
static void test_a_peer_that_hangs(void **state)
{
    (void)state;
    struct pair p;
    struct far far;
    pair_init(&p);
    far_init(&far, &p.rig, NULL, false);
    const char *const urls[] = {far.url};
    p.a.t->ops->peer_set(p.a.t, C, urls, 1);
    pair_join(&p);
    rig_until_count(&p.rig, &far.conns, 2);
    for (raft_index i = 1; i <= 100; i++) {
        node_send(&p.a, C, RAFT_MSG_HEARTBEAT, i);
        node_send(&p.a, B, RAFT_MSG_HEARTBEAT, i);
    }
    assert_int_equal(p.a.unreachable, 0); /* not from inside of send */
    node_until_messages(&p.b, 100);
    rig_until_count(&p.rig, &p.a.unreachable, 1);
    assert_int_equal(p.a.unreachable_id, C);
    assert_int_equal(p.a.unreachable, 1);
    pair_fini(&p);
}

/* Attached as C, and not reading. */
static struct sock *attach(struct pair *p, const char *kind)
{
    struct sock *s = rig_connect(&p->rig, p->a.port);
    char text[512];
    snprintf(text, sizeof text,
             "GET /raft/stream/%s/c3 HTTP/1.1\r\n" HEADERS("c3") "X-Raft-To: a1\r\n\r\n", kind);
    sock_send(s, text);
    return s;
}

static void test_a_peer_that_does_not_read(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    const char *const urls[] = {"http://127.0.0.1:1"};
    p.a.t->ops->peer_set(p.a.t, C, urls, 1);
    struct sock *s = attach(&p, "msgapp");
    rig_until_text(&p.rig, s, "\r\n\r\n");
    s->is_deaf = true;
    raft_index sent = 0;
    while (p.a.unreachable == 0) {
        assert_true(++sent < 100);
        node_send_entry(&p.a, C, sent, 1024 * 1024);
        rig_turn(&p.rig);
    }
    assert_int_equal(p.a.unreachable_id, C);
    assert_true(sent > 8 && sent < 40);
    s->is_deaf = false; /* what was taken comes, and the stream goes on */
    rig_turn(&p.rig);
    pair_fini(&p);
}

static void test_a_new_stream_replaces_the_old(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    const char *const urls[] = {"http://127.0.0.1:1"};
    p.a.t->ops->peer_set(p.a.t, C, urls, 1);
    struct sock *first = attach(&p, "message");
    rig_until_text(&p.rig, first, "HTTP/1.1 200 OK\r\n");
    rig_until_text(&p.rig, first, "X-Server-Version: 3.4.23\r\n");
    rig_until_text(&p.rig, first, "X-Etcd-Cluster-Id: c1\r\n");
    rig_until_text(&p.rig, first, "Transfer-Encoding: chunked\r\n");
    struct sock *second = attach(&p, "message");
    rig_until_eof(&p.rig, first);
    node_send(&p.a, C, RAFT_MSG_VOTE, 1);
    rig_until_text(&p.rig, second, "\x08\x05\x10\xc3\x01\x18\xa1\x01"); /* vote, to, from */
    pair_fini(&p);
}

static void test_streams_have_a_heartbeat(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    const char *const urls[] = {"http://127.0.0.1:1"};
    p.a.t->ops->peer_set(p.a.t, C, urls, 1);
    struct sock *app = attach(&p, "msgapp"), *message = attach(&p, "message");
    rig_until_text(&p.rig, message, "\r\n\r\n");
    rig_until_text(&p.rig, message, "\x08\x08\x10"); /* type: heartbeat */
    size_t end = (size_t)((uint8_t *)memmem(app->in.p, app->in.n, "\r\n\r\n", 4) - app->in.p);
    assert_int_equal(app->in.n - end, 4 + 6);
    assert_memory_equal(app->in.p + end + 4, "1\r\n\0\r\n", 6);
    pair_fini(&p);
}

/* Streams that end, or break, or are no streams, are dialled again. */
static void check_redialled(const char *answer)
{
    struct rig rig;
    struct node a;
    struct far far;
    rig_init(&rig);
    node_init(&a, &rig, A);
    far_init(&far, &rig, answer, true);
    const char *const urls[] = {far.url};
    a.t->ops->peer_set(a.t, B, urls, 1);
    rig_until_count(&rig, &far.conns, 5);
    assert_int_equal(a.got.n, 0);
    assert_false(node_is_active(&a, B));
    node_fini(&a);
    rig_fini(&rig);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nX-Server-Version: 3.4.23\r\n"

static void test_streams_are_dialled_again(void **state)
{
    (void)state;
    check_redialled("");
    check_redialled(OK_HEAD "\r\n");
    check_redialled(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\n\x02");
    check_redialled(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\n\x01\r\n0\r\n\r\n");
    check_redialled("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    check_redialled("HTTP/1.1 412 No\r\nContent-Length: 20\r\n\r\ncluster ID mismatch\n");
    check_redialled("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    check_redialled("nonsense\r\n\r\n");
}

static void test_a_malformed_stream_is_left(void **state)
{
    (void)state;
    struct rig rig;
    struct node a;
    struct far far;
    rig_init(&rig);
    node_init(&a, &rig, A);
    far_init(&far, &rig, OK_HEAD "\r\n\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", false);
    const char *const urls[] = {far.url};
    a.t->ops->peer_set(a.t, B, urls, 1);
    rig_until_count(&rig, &far.conns, 2);
    rig_until_eof(&rig, rig.socks[0]);
    rig_until_eof(&rig, rig.socks[1]);
    assert_int_equal(a.got.n, 0);
    node_fini(&a);
    rig_fini(&rig);
}

static void test_removed_from_the_cluster(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.b.removed_id = A;
    node_meet(&p.a, &p.b); /* its streams: 410 */
    rig_until_count(&p.rig, &p.a.removed, 1);
    assert_int_equal(p.a.removed_by, B);
    unsigned before = p.a.removed;
    node_send(&p.a, B, RAFT_MSG_VOTE, 1); /* a post: 403 */
    rig_until_count(&p.rig, &p.a.unreachable, 1);
    assert_true(p.a.removed > before);
    assert_int_equal(p.b.got.n, 0);
    pair_fini(&p);
}

/* ---- pipeline ------------------------------------------------------------------------------ */

static void test_pipeline(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    node_meet(&p.a, &p.b); /* b has not heard of a: 404 to its streams, and it dials none */
    for (raft_index i = 1; i <= 20; i++)
        node_send_entry(&p.a, B, i, 1000);
    node_until_messages(&p.b, 20);
    assert_false(node_is_active(&p.a, B));
    node_send(&p.b, A, RAFT_MSG_APP_RESP, 20); /* to a remote, by what X-PeerURLs said */
    node_until_messages(&p.a, 1);
    assert_false(node_is_active(&p.b, A));
    node_meet(&p.b, &p.a);
    rig_until(&p.rig, pair_is_active, &p);
    pair_fini(&p);
}

static void test_pipeline_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    struct node a;
    rig_init(&rig);
    node_init(&a, &rig, A);
    const char *const urls[] = {"http://127.0.0.1:1"};
    a.t->ops->peer_set(a.t, B, urls, 1);
    for (raft_index i = 1; i <= 200; i++)
        node_send(&a, B, RAFT_MSG_VOTE, i);
    rig_until_count(&rig, &a.unreachable, 3); /* those dropped at once, and each that fails */
    node_fini(&a);
    rig_fini(&rig);
}

static void test_raft_refuses(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.b.refuses = true;
    node_meet(&p.a, &p.b);
    node_send(&p.a, B, RAFT_MSG_VOTE, 1);
    rig_until_count(&p.rig, &p.a.unreachable, 1);
    assert_int_equal(p.a.removed, 0);
    pair_fini(&p);
}

/* ---- snapshots ----------------------------------------------------------------------------- */

static int file_of(uint64_t size)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    struct rng rng = {size};
    uint64_t word[1024];
    assert_int_not_equal(fd, -1);
    for (uint64_t at = 0; at < size; at += sizeof word) {
        for (size_t i = 0; i < 1024; i++)
            word[i] = rng_next(&rng);
        uint64_t n = size - at < sizeof word ? size - at : sizeof word;
        assert_int_equal(write(fd, word, n), n);
    }
    return fd;
}

static void assert_same_file(int got, uint64_t size)
{
    uint8_t a[8192], b[8192];
    int want = file_of(size);
    for (uint64_t at = 0; at < size; at += sizeof a) {
        ssize_t n = pread(want, a, sizeof a, (off_t)at);
        assert_int_equal(pread(got, b, sizeof b, (off_t)at), n);
        assert_memory_equal(a, b, (size_t)n);
    }
    close(want);
}

static void send_snapshot(struct node *n, member_id to, raft_index index, uint64_t size)
{
    struct raft_message m = snapshot_message(n->id, to, index);
    n->t->ops->send_snapshot(n->t, &m, file_of(size), size);
    assert_null(m.snapshot);
}

static void test_snapshot(void **state)
{
    (void)state;
    enum { SIZE = 20 * 1024 * 1024 + 77 };
    struct pair p;
    pair_init(&p);
    pair_join(&p);
    send_snapshot(&p.a, B, 1234, SIZE);
    send_snapshot(&p.a, B, 1235, 10); /* one at a time */
    assert_int_equal(p.a.sent_failed, 0);
    rig_until_count(&p.rig, &p.a.sent_failed, 1);
    rig_until_count(&p.rig, &p.a.sent_ok, 1);
    assert_int_equal(p.b.snapshots, 1);
    assert_int_equal(p.b.snapshot_index, 1234);
    assert_int_equal(p.b.snapshot_size, SIZE);
    assert_same_file(p.b.snapshot_fd, SIZE);
    send_snapshot(&p.a, B, 1236, 10);
    rig_until_count(&p.rig, &p.a.sent_ok, 2);
    assert_int_equal(p.b.snapshot_index, 1236);
    pair_fini(&p);
}

static void test_snapshot_to_a_remote(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    node_meet(&p.a, &p.b); /* b hears of a by this */
    node_send(&p.a, B, RAFT_MSG_VOTE, 1);
    node_until_messages(&p.b, 1);
    send_snapshot(&p.b, A, 50, 100000);
    rig_until_count(&p.rig, &p.b.sent_ok, 1);
    assert_int_equal(p.a.snapshot_size, 100000);
    pair_fini(&p);
}

static void test_snapshot_at_a_rate(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    node_stop(&p.a);
    p.a.snapshot_rate = 1024 * 1024;
    node_start(&p.a);
    pair_join(&p);
    msec began = clock_now_ms();
    send_snapshot(&p.a, B, 1, 256 * 1024);
    rig_until_count(&p.rig, &p.a.sent_ok, 1);
    assert_true(clock_now_ms() - began >= 200);
    send_snapshot(&p.a, B, 2, 64 * 1024 * 1024); /* a minute; but we go */
    rig_turn(&p.rig);
    p.a.t->ops->peer_remove(p.a.t, B);
    rig_until_count(&p.rig, &p.a.sent_failed, 1);
    pair_fini(&p);
}

static void test_snapshot_refused(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    node_meet(&p.a, &p.b);
    send_snapshot(&p.a, C, 1, 10); /* unknown */
    rig_until_count(&p.rig, &p.a.sent_failed, 1);
    p.b.refuses = true;
    send_snapshot(&p.a, B, 1, 10);
    rig_until_count(&p.rig, &p.a.sent_failed, 2);
    p.b.refuses = false;
    send_snapshot(&p.a, B, 1, 0); /* no file at all */
    rig_until_count(&p.rig, &p.a.sent_failed, 3);
    struct raft_message m = snapshot_message(A, B, 1);
    p.a.t->ops->send_snapshot(p.a.t, &m, file_of(10), 1000); /* cut short */
    rig_until_count(&p.rig, &p.a.sent_failed, 4);
    assert_int_equal(p.b.snapshots, 1);
    assert_int_equal(p.a.removed, 0);
    p.b.removed_id = A;
    send_snapshot(&p.a, B, 1, 30 * 1024 * 1024); /* 403 while it is being sent */
    rig_until_count(&p.rig, &p.a.sent_failed, 5);
    rig_until_count(&p.rig, &p.a.removed, 1);
    pair_fini(&p);
}

static void check_snapshot_fails(const char *answer, bool hang_up)
{
    struct rig rig;
    struct node a;
    struct far far;
    rig_init(&rig);
    node_init(&a, &rig, A);
    far_init(&far, &rig, answer, hang_up);
    const char *const urls[] = {far.url};
    a.t->ops->peer_set(a.t, B, urls, 1);
    send_snapshot(&a, B, 1, 1024 * 1024);
    rig_until_count(&rig, &a.sent_failed, 1);
    assert_int_equal(a.sent_ok, 0);
    node_fini(&a);
    rig_fini(&rig);
}

static void test_snapshot_to_nonsense(void **state)
{
    (void)state;
    check_snapshot_fails("", true);
    check_snapshot_fails("HTTP/1.1 ", true);
    check_snapshot_fails("HTTP/1.1 204", true);
    check_snapshot_fails("HTTP/1.1 500 No\r\n\r\n", true);
    check_snapshot_fails("what?", true);
}

/* A receiver that takes it and never answers: ended with the transport. */
static void test_snapshot_is_ended_with_us(void **state)
{
    (void)state;
    struct rig rig;
    struct node a;
    struct far far;
    rig_init(&rig);
    node_init(&a, &rig, A);
    far_init(&far, &rig, NULL, false);
    const char *const urls[] = {far.url};
    a.t->ops->peer_set(a.t, B, urls, 1);
    send_snapshot(&a, B, 1, 1024);
    rig_until_count(&rig, &far.conns, 3);
    rig_turn(&rig);
    node_fini(&a);
    assert_int_equal(a.sent_ok + a.sent_failed, 0);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_in_order),
        cmocka_unit_test(test_a_large_message),
        cmocka_unit_test(test_what_is_not_for_us_is_dropped),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_remove_and_return),
        cmocka_unit_test(test_next_url),
        cmocka_unit_test(test_a_peer_that_hangs),
        cmocka_unit_test(test_a_peer_that_does_not_read),
        cmocka_unit_test(test_a_new_stream_replaces_the_old),
        cmocka_unit_test(test_streams_have_a_heartbeat),
        cmocka_unit_test(test_streams_are_dialled_again),
        cmocka_unit_test(test_a_malformed_stream_is_left),
        cmocka_unit_test(test_removed_from_the_cluster),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_pipeline_is_bounded),
        cmocka_unit_test(test_raft_refuses),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_snapshot_to_a_remote),
        cmocka_unit_test(test_snapshot_at_a_rate),
        cmocka_unit_test(test_snapshot_refused),
        cmocka_unit_test(test_snapshot_to_nonsense),
        cmocka_unit_test(test_snapshot_is_ended_with_us),
    };
    log_set_level(getenv("TEST_LOG") != NULL ? LOG_DEBUG_ : LOG_FATAL_);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
