/* tests/unit/peer/rig.c -- see rig.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/peer/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TICK_MS 1

/* ---- sockets ------------------------------------------------------------------------------- */

static struct sock *rig_add(struct rig *r, int fd, struct far *owner)
{
    struct sock *s = xcalloc(1, sizeof *s);
    s->fd = fd;
    assert_true(r->n_socks < RIG_SOCKETS_MAX);
    r->owner[r->n_socks] = owner;
    r->socks[r->n_socks++] = s;
    return s;
}

struct sock *rig_connect(struct rig *r, uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return rig_add(r, fd, NULL);
}

static void sock_turn(struct sock *s)
{
    uint8_t p[65536];
    while (s->fd != -1 && s->out.n != 0) {
        ssize_t n = send(s->fd, s->out.p, s->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            break;
        buf_consume(&s->out, (size_t)n);
    }
    while (s->fd != -1 && !s->eof && !s->is_deaf) {
        ssize_t n = recv(s->fd, p, sizeof p, MSG_DONTWAIT);
        if (n > 0)
            buf_add(&s->in, p, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
            s->eof = true;
        else
            break;
    }
}

void sock_send_bytes(struct sock *s, const void *p, size_t n)
{
    buf_add(&s->out, p, n);
    sock_turn(s);
}

void sock_send(struct sock *s, const char *text)
{
    sock_send_bytes(s, text, strlen(text));
}

void sock_close(struct sock *s)
{
    if (s->fd != -1)
        close(s->fd);
    s->fd = -1;
}

static void sock_free(struct sock *s)
{
    sock_close(s);
    buf_fini(&s->in);
    buf_fini(&s->out);
    free(s);
}

/* ---- far ends ------------------------------------------------------------------------------ */

void far_init(struct far *f, struct rig *r, const char *answer, bool hang_up)
{
    struct why why;
    *f = (struct far){.rig = r, .answer = answer, .hang_up = hang_up};
    assert_int_equal(listener_bind_tcp("127.0.0.1", 0, &f->fd, &why), ERR_OK);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", listener_port(f->fd));
    r->fars[r->n_fars++] = f;
}

static void far_turn(struct far *f)
{
    int fd;
    while (f->rig->n_socks < RIG_SOCKETS_MAX && (fd = accept(f->fd, NULL, NULL)) != -1) {
        rig_add(f->rig, fd, f);
        f->conns++;
    }
}

static void far_answer(struct rig *r, size_t i)
{
    struct far *f = r->owner[i];
    if (f == NULL || f->answer == NULL || r->answered[i] || !buf_has(&r->socks[i]->in, "\r\n\r\n"))
        return;
    r->answered[i] = true;
    sock_send(r->socks[i], f->answer);
    if (f->hang_up)
        sock_close(r->socks[i]);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void on_round(void *arg)
{
    struct rig *r = arg;
    for (size_t i = 0; i < r->n_fars; i++)
        far_turn(r->fars[i]);
    for (size_t i = 0; i < r->n_socks; i++) {
        sock_turn(r->socks[i]);
        far_answer(r, i);
    }
    if (r->cond == NULL)
        return;
    r->met = r->cond(r->cond_arg);
    if (r->met || loop_now(r->loop) >= r->give_up)
        loop_stop(r->loop);
}

static void on_tick(struct loop_timer *t)
{
    loop_timer_set(t, TICK_MS);
}

void rig_init(struct rig *r)
{
    *r = (struct rig){.loop = loop_new()};
    snprintf(r->dir, sizeof r->dir, "/tmp/peers_test.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    loop_on_round_end(r->loop, on_round, r);
    loop_timer_init(&r->tick, r->loop, on_tick);
    loop_timer_set(&r->tick, TICK_MS);
}

void rig_fini(struct rig *r)
{
    for (size_t i = 0; i < r->n_socks; i++)
        sock_free(r->socks[i]);
    for (size_t i = 0; i < r->n_fars; i++)
        close(r->fars[i]->fd);
    loop_timer_fini(&r->tick);
    loop_free(r->loop);
    assert_int_equal(rmdir(r->dir), 0);
}

void rig_until(struct rig *r, bool (*cond)(void *arg), void *arg)
{
    r->cond = cond;
    r->cond_arg = arg;
    r->give_up = clock_now_ms() + RIG_PATIENCE_MS;
    loop_run(r->loop);
    r->cond = NULL;
    assert_true(r->met);
}

static bool rounds_gone(void *arg)
{
    unsigned *left = arg;
    *left -= *left != 0;
    return *left == 0;
}

void rig_turn(struct rig *r)
{
    unsigned left = 20;
    rig_until(r, rounds_gone, &left);
}

bool buf_has(const struct buf *b, const char *text)
{
    return b->n != 0 && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

struct text_cond {
    struct sock *s;
    const char *text;
};

static bool text_came(void *arg)
{
    struct text_cond *t = arg;
    return buf_has(&t->s->in, t->text);
}

void rig_until_text(struct rig *r, struct sock *s, const char *text)
{
    struct text_cond t = {s, text};
    rig_until(r, text_came, &t);
}

static bool eof_came(void *arg)
{
    return ((struct sock *)arg)->eof;
}

void rig_until_eof(struct rig *r, struct sock *s)
{
    rig_until(r, eof_came, s);
}

/* ---- what a node is told ------------------------------------------------------------------- */

static bool on_message(void *arg, struct raft_message *m)
{
    struct node *n = arg;
    if (n->refuses)
        return false;
    raft_messages_add(&n->got, *m);
    *m = (struct raft_message){.type = RAFT_MSG_HUP};
    return true;
}

static void on_node_round(void *arg)
{
    ((struct node *)arg)->rounds++;
}

static bool on_snapshot(void *arg, struct raft_message *m, int fd, uint64_t size)
{
    struct node *n = arg;
    if (n->snapshot_fd != -1)
        close(n->snapshot_fd);
    n->snapshot_fd = fd;
    n->snapshot_size = size;
    n->snapshot_index = m->snapshot->meta.index;
    n->snapshots++;
    raft_message_fini(m);
    return !n->refuses;
}

static void on_unreachable(void *arg, member_id id)
{
    struct node *n = arg;
    n->unreachable++;
    n->unreachable_id = id;
}

static void on_snapshot_sent(void *arg, member_id id, bool ok)
{
    struct node *n = arg;
    if (ok)
        n->sent_ok++;
    else
        n->sent_failed++;
    assert_int_not_equal(id, 0);
}

static void on_removed(void *arg, member_id by)
{
    struct node *n = arg;
    n->removed++;
    n->removed_by = by;
}

static void on_request(void *arg, struct transport_inbound *in)
{
    struct node *n = arg;
    n->asks++;
    if (!n->answers) {
        n->asked = in;
        return;
    }
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "%.*s %.*s %.*s", (int)in->method.n, (const char *)in->method.p, (int)in->path.n,
             (const char *)in->path.p, (int)in->body.n, (const char *)in->body.p);
    n->t->ops->answer(n->t, in, 200, "text/plain", buf_slice(&b));
}

static bool is_removed(void *arg, member_id id)
{
    return id == ((struct node *)arg)->removed_id;
}

static const char *server_version(void *arg)
{
    return ((struct node *)arg)->version;
}

/* ---- its life ------------------------------------------------------------------------------ */

static void on_http(struct http_stream *s, void *arg)
{
    peers_handle(((struct node *)arg)->peers, s);
}

void node_init(struct node *n, struct rig *r, member_id id)
{
    *n = (struct node){
        .rig = r, .id = id, .snapshot_fd = -1, .version = "3.4.23", .cluster_id = CLUSTER};
    node_start(n);
}

void node_start(struct node *n)
{
    int fd;
    struct why why;
    assert_int_equal(listener_bind_tcp("127.0.0.1", n->port, &fd, &why), ERR_OK);
    n->port = listener_port(fd);
    snprintf(n->url, sizeof n->url, "http://127.0.0.1:%u", n->port);
    n->urls[0] = n->url;
    const struct http_config http = {.request = on_http, .arg = n};
    n->server = http_server_new(n->rig->loop, &http);
    n->acceptor = acceptor_new(n->rig->loop, fd, NULL, NULL);
    acceptor_add(n->acceptor, n->server);
    const struct peers_config config = {
        .loop = n->rig->loop,
        .cluster_id = n->cluster_id,
        .id = n->id,
        .urls = n->urls,
        .n_urls = 1,
        .spool_dir = n->rig->dir,
        .dial_timeout_ms = 2000,
        .snapshot_rate = n->snapshot_rate,
        .receiver = {.message = on_message,
                     .round = on_node_round,
                     .snapshot = on_snapshot,
                     .unreachable = on_unreachable,
                     .snapshot_sent = on_snapshot_sent,
                     .removed = on_removed,
                     .request = on_request,
                     .is_removed = is_removed,
                     .server_version = server_version,
                     .arg = n},
    };
    n->peers = peers_new(&config);
    n->t = peers_transport(n->peers);
}

void node_stop(struct node *n)
{
    peers_free(n->peers);
    acceptor_free(n->acceptor);
    http_server_free(n->server);
    n->peers = NULL;
    n->acceptor = NULL;
    n->server = NULL;
}

void node_fini(struct node *n)
{
    node_stop(n);
    raft_messages_fini(&n->got);
    if (n->snapshot_fd != -1)
        close(n->snapshot_fd);
}

void node_meet(struct node *n, const struct node *other)
{
    n->t->ops->peer_set(n->t, other->id, other->urls, 1);
}

void node_send(struct node *n, member_id to, enum raft_message_type type, raft_index index)
{
    struct raft_message m = {.type = type, .to = to, .from = n->id, .term = 5, .index = index};
    n->t->ops->send(n->t, &m, 1);
}

void node_send_entry(struct node *n, member_id to, raft_index index, size_t size)
{
    struct raft_message m = {.type = RAFT_MSG_APP,
                             .to = to,
                             .from = n->id,
                             .term = 5,
                             .log_term = 5,
                             .index = index - 1};
    struct raft_entry e = {.index = index, .term = 5, .data = blob_new(size)};
    memset(e.data->p, (int)index, size);
    raft_entries_add(&m.entries, &e, 1);
    blob_unref(e.data);
    n->t->ops->send(n->t, &m, 1);
    assert_null(m.entries.v);
}

struct raft_message snapshot_message(member_id from, member_id to, raft_index index)
{
    struct raft_message m = {.type = RAFT_MSG_SNAP, .to = to, .from = from, .term = 5};
    m.snapshot = xcalloc(1, sizeof *m.snapshot);
    m.snapshot->meta.index = index;
    m.snapshot->meta.term = 5;
    raft_ids_add(&m.snapshot->meta.conf_state.voters, from);
    return m;
}

/* ---- pairs --------------------------------------------------------------------------------- */

bool node_is_active(struct node *n, member_id id)
{
    struct transport_peer p;
    return n->t->ops->peer_get(n->t, id, &p) && p.active;
}

bool pair_is_active(void *arg)
{
    struct pair *p = arg;
    return node_is_active(&p->a, B) && node_is_active(&p->b, A);
}

void pair_init(struct pair *p)
{
    *p = (struct pair){0};
    rig_init(&p->rig);
    node_init(&p->a, &p->rig, A);
    node_init(&p->b, &p->rig, B);
}

void pair_join(struct pair *p)
{
    node_meet(&p->a, &p->b);
    node_meet(&p->b, &p->a);
    rig_until(&p->rig, pair_is_active, p);
    rig_turn(&p->rig);
}

void pair_fini(struct pair *p)
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

void rig_until_count(struct rig *r, const unsigned *at, unsigned least)
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

void node_until_messages(struct node *n, size_t least)
{
    struct messages m = {n, least};
    rig_until(n->rig, messages_came, &m);
}
