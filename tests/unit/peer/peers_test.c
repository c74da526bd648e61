/* tests/unit/peer/peers_test.c -- members that talk to each other, and to what only looks like one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
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
#include "base/random.h"
#include "peer/codec.h"
#include "unit/peer/rig.h"

enum { A = 0xa1, B = 0xb2, C = 0xc3, X = 0xdd };

/* What comes before a raft message that `from` posts. */
#define HEADERS(from)                                                                              \
    "Host: x\r\nX-Server-From: " from "\r\nX-Server-Version: 3.4.23\r\n"                          \
    "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: c1\r\n"

/* ---- conditions ---------------------------------------------------------------------------- */

struct pair {
    struct rig rig;
    struct node a, b;
};

static bool is_active(struct node *n, member_id id)
{
    struct transport_peer p;
    return n->t->ops->peer_get(n->t, id, &p) && p.active;
}

static bool both_active(void *arg)
{
    struct pair *p = arg;
    return is_active(&p->a, B) && is_active(&p->b, A);
}

static bool a_inactive(void *arg)
{
    struct pair *p = arg;
    return !is_active(&p->a, B);
}

/* Four streams are there: what a sends comes to b over them, and the other way round. */
static void pair_init(struct pair *p)
{
    *p = (struct pair){0};
    rig_init(&p->rig);
    node_init(&p->a, &p->rig, A);
    node_init(&p->b, &p->rig, B);
}

static void pair_join(struct pair *p)
{
    node_meet(&p->a, &p->b);
    node_meet(&p->b, &p->a);
    rig_until(&p->rig, both_active, p);
    rig_turn(&p->rig);
}

static void pair_fini(struct pair *p)
{
    node_fini(&p->a);
    node_fini(&p->b);
    rig_fini(&p->rig);
}

struct count {
    const unsigned *at;
    unsigned least;
};

static bool count_reached(void *arg)
{
    struct count *c = arg;
    return *c->at >= c->least;
}

static void until_count(struct rig *r, const unsigned *at, unsigned least)
{
    struct count c = {at, least};
    rig_until(r, count_reached, &c);
}

struct messages {
    const struct node *n;
    size_t least;
};

static bool messages_came(void *arg)
{
    struct messages *m = arg;
    return m->n->got.n >= m->least;
}

static void until_messages(struct node *n, size_t least)
{
    struct messages m = {n, least};
    rig_until(n->rig, messages_came, &m);
}

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
    until_messages(&p.b, 2 * N);
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
    until_messages(&p.b, 1);
    until_messages(&p.a, 1);
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
    until_messages(&p.b, 2);
    assert_int_equal(p.b.got.v[0].index, 4);
    assert_int_equal(p.b.got.v[1].index, 6);
    pair_fini(&p);
}

static void test_restart(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_join(&p);
    node_stop(&p.b);
    rig_until(&p.rig, a_inactive, &p);
    until_count(&p.rig, &p.a.unreachable, 1);
    node_start(&p.b);
    pair_join(&p);
    node_send(&p.a, B, RAFT_MSG_VOTE, 9);
    until_messages(&p.b, 1);
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
    rig_until(&p.rig, both_active, &p);
    node_send(&p.b, A, RAFT_MSG_VOTE, 1);
    until_messages(&p.a, 1);
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
    rig_until(&p.rig, both_active, &p);
    p.a.t->ops->peer_set(p.a.t, B, urls, 1);
    assert_false(is_active(&p.a, B));
    node_meet(&p.a, &p.b);
    rig_until(&p.rig, both_active, &p);
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
    until_count(&p.rig, &far.conns, 2);
    for (raft_index i = 1; i <= 100; i++) {
        node_send(&p.a, C, RAFT_MSG_HEARTBEAT, i);
        node_send(&p.a, B, RAFT_MSG_HEARTBEAT, i);
    }
    assert_int_equal(p.a.unreachable, 0); /* not from inside of send */
    until_messages(&p.b, 100);
    until_count(&p.rig, &p.a.unreachable, 1);
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
    until_count(&rig, &far.conns, 5);
    assert_int_equal(a.got.n, 0);
    assert_false(is_active(&a, B));
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
    until_count(&rig, &far.conns, 2);
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
    until_count(&p.rig, &p.a.removed, 1);
    assert_int_equal(p.a.removed_by, B);
    unsigned before = p.a.removed;
    node_send(&p.a, B, RAFT_MSG_VOTE, 1); /* a post: 403 */
    until_count(&p.rig, &p.a.unreachable, 1);
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
    until_messages(&p.b, 20);
    assert_false(is_active(&p.a, B));
    node_send(&p.b, A, RAFT_MSG_APP_RESP, 20); /* to a remote, by what X-PeerURLs said */
    until_messages(&p.a, 1);
    assert_false(is_active(&p.b, A));
    node_meet(&p.b, &p.a);
    rig_until(&p.rig, both_active, &p);
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
    until_count(&rig, &a.unreachable, 3); /* those dropped at once, and each that fails */
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
    until_count(&p.rig, &p.a.unreachable, 1);
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

static struct raft_message snapshot_message(member_id from, member_id to, raft_index index)
{
    struct raft_message m = {.type = RAFT_MSG_SNAP, .to = to, .from = from, .term = 5};
    m.snapshot = xcalloc(1, sizeof *m.snapshot);
    m.snapshot->meta.index = index;
    m.snapshot->meta.term = 5;
    raft_ids_add(&m.snapshot->meta.conf_state.voters, from);
    return m;
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
    until_count(&p.rig, &p.a.sent_failed, 1);
    until_count(&p.rig, &p.a.sent_ok, 1);
    assert_int_equal(p.b.snapshots, 1);
    assert_int_equal(p.b.snapshot_index, 1234);
    assert_int_equal(p.b.snapshot_size, SIZE);
    assert_same_file(p.b.snapshot_fd, SIZE);
    send_snapshot(&p.a, B, 1236, 10);
    until_count(&p.rig, &p.a.sent_ok, 2);
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
    until_messages(&p.b, 1);
    send_snapshot(&p.b, A, 50, 100000);
    until_count(&p.rig, &p.b.sent_ok, 1);
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
    until_count(&p.rig, &p.a.sent_ok, 1);
    assert_true(clock_now_ms() - began >= 200);
    send_snapshot(&p.a, B, 2, 64 * 1024 * 1024); /* a minute; but we go */
    rig_turn(&p.rig);
    p.a.t->ops->peer_remove(p.a.t, B);
    until_count(&p.rig, &p.a.sent_failed, 1);
    pair_fini(&p);
}

static void test_snapshot_refused(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    node_meet(&p.a, &p.b);
    send_snapshot(&p.a, C, 1, 10); /* unknown */
    until_count(&p.rig, &p.a.sent_failed, 1);
    p.b.refuses = true;
    send_snapshot(&p.a, B, 1, 10);
    until_count(&p.rig, &p.a.sent_failed, 2);
    p.b.refuses = false;
    send_snapshot(&p.a, B, 1, 0); /* no file at all */
    until_count(&p.rig, &p.a.sent_failed, 3);
    struct raft_message m = snapshot_message(A, B, 1);
    p.a.t->ops->send_snapshot(p.a.t, &m, file_of(10), 1000); /* cut short */
    until_count(&p.rig, &p.a.sent_failed, 4);
    assert_int_equal(p.b.snapshots, 1);
    assert_int_equal(p.a.removed, 0);
    p.b.removed_id = A;
    send_snapshot(&p.a, B, 1, 30 * 1024 * 1024); /* 403 while it is being sent */
    until_count(&p.rig, &p.a.sent_failed, 5);
    until_count(&p.rig, &p.a.removed, 1);
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
    until_count(&rig, &a.sent_failed, 1);
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
    until_count(&rig, &far.conns, 3);
    rig_turn(&rig);
    node_fini(&a);
    assert_int_equal(a.sent_ok + a.sent_failed, 0);
    rig_fini(&rig);
}

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
#define STREAM(path) "GET /raft/stream/" path " HTTP/1.1\r\n" HEADERS("c3")
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
    post_message(&p, &local,
                 (const char *const[]){"HTTP/1.1 500 ",
                                       "\r\n\r\nerror processing raft message\n", NULL});
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
            loop_round(p->rig.loop, 0);
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
    SNAPSHOT(&good, 5, "file", "HTTP/1.1 400 ", "failed to decode raft message (malformed)\n");
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
    CHECK("GET /raft/probing HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "{\"OK\":true,\"Now\":\"20",
          "Z\"}\n");
    CHECK("GET /members?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\nGET /members ",
          "X-Etcd-Cluster-Id: c1\r\n");
    CHECK("POST /members/promote/12 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
          "\r\n\r\nPOST /members/promote/12 ");
    CHECK("GET /members/hashkv HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
          "\r\n\r\nGET /members/hashkv {}");
    CHECK("POST /leases HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab", "\r\n\r\nPOST /leases ab");
    CHECK("POST /leases/internal HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
          "\r\n\r\nPOST /leases/internal ab");
    CHECK("GET /version HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nGET /version ");
    CHECK("GET /downgrade/enabled HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nGET /downgrade/enabled ");
    CHECK("GET /leases HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", "Method Not Allowed\n");
    CHECK("POST /members HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 ",
          "Allow: GET\r\n");
    AUTO(buf) struct buf large = BUF_INIT;
    buf_addf(&large, "POST /leases HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n%070000d", 0);
    CHECK(buf_cstr(&large), "HTTP/1.1 413 ");
    static const char *const unknown[] = {"/", "/health", "/raft/", "/raft/xyz", "/members/", "/raftx"};
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
    until_count(&p.rig, &a.done, 1);
    assert_int_equal(a.status, 200);
    assert_true(buf_has(&a.body, "POST /leases body"));
    buf_fini(&a.body);
    ask_send(&a, &p.a, C, 5000); /* unknown */
    until_count(&p.rig, &a.done, 1);
    assert_int_equal(a.status, 0);
    p.b.answers = false;
    ask_send(&a, &p.a, B, 200); /* no answer in time */
    until_count(&p.rig, &a.done, 1);
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
    until_count(&p.rig, &a.done, 1);
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
    until_count(&p.rig, &p.a.unreachable, 1);
    assert_int_equal(p.a.unreachable_id, 0x1000 + 200);
    pair_fini(&p);
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
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
