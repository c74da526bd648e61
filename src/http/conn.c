/* http/conn.c -- one socket: reading, telling the protocols apart, sending.
 *
 * Reads go into a buffer that all connections of the server share, and so do sends: a connection
 * owns a send buffer only while its socket is full.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/priv.h"

#define READS_PER_ROUND 4
#define SEND_BUDGET (1024u * 1024)  /* bytes to one connection in one round */
#define QUEUED_PAUSE (1024u * 1024) /* with a full socket and this much queued, stop reading */
#define LINGER_MS 1000
#define LINGER_DRAINING_MS 100 /* a client that says nothing holds no stop up */

static const uint8_t h2_preface[24] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* ---- reading ----------------------------------------------------------------------------- */

/* Collect the first bytes while they could be the HTTP/2 preface, then start the protocol. */
static void conn_sniff(struct http_conn *c, struct slice data)
{
    while (data.n != 0 && c->sniffed_n < sizeof h2_preface &&
           data.p[0] == h2_preface[c->sniffed_n]) {
        c->sniffed[c->sniffed_n++] = data.p[0];
        data = slice_make(data.p + 1, data.n - 1);
    }
    if (c->sniffed_n == sizeof h2_preface)
        h2_start(c);
    else if (data.n != 0)
        h1_start(c);
    else
        return;
    if (c->sniffed_n != 0)
        c->proto->input(c, slice_make(c->sniffed, c->sniffed_n));
    conn_feed(c, data);
}

void conn_feed(struct http_conn *c, struct slice data)
{
    if (c->dead || c->lingering || c->close_when_sent || data.n == 0)
        return;
    if (c->proto == NULL)
        conn_sniff(c, data);
    else
        c->proto->input(c, data);
}

static void conn_set_write(struct http_conn *c, bool on)
{
    if (on == c->write_on)
        return;
    c->write_on = on;
    if (on)
        event_add(c->write_ev, NULL);
    else
        event_del(c->write_ev);
}

void conn_update_reading(struct http_conn *c)
{
    bool stuck = c->write_on && c->queued > QUEUED_PAUSE;
    bool on = !c->dead && (c->lingering || (!c->hold_reading && !stuck));
    if (on == c->read_on)
        return;
    c->read_on = on;
    if (on)
        event_add(c->read_ev, NULL);
    else
        event_del(c->read_ev);
}

/* The peer sends no more, or the socket failed. */
static void conn_read_end(struct http_conn *c, ssize_t code)
{
    if (code == HTTP_IO_WANT_READ)
        return;
    if (code == HTTP_IO_WANT_WRITE)
        conn_set_write(c, true);
    else if (code == HTTP_IO_EOF && c->proto != NULL && !c->lingering)
        c->proto->input_eof(c);
    else
        conn_kill(c);
}

static void conn_read(struct http_conn *c)
{
    struct http_server *sv = c->server;
    for (int i = 0; i < READS_PER_ROUND; i++) {
        ssize_t n = c->ops->read(c->io, sv->read_buf, HTTP_READ_CHUNK);
        if (n <= 0) {
            conn_read_end(c, n);
            return;
        }
        counter_add(&sv->counters.bytes_received, (uint64_t)n);
        c->last_read = loop_now(sv->loop);
        conn_feed(c, slice_make(sv->read_buf, (size_t)n));
        if (c->dead || !c->read_on)
            return;
        if (c->ops == &http_io_plain && (size_t)n < HTTP_READ_CHUNK)
            return; /* the socket is empty */
    }
    if (c->ops != &http_io_plain)
        event_active(c->read_ev, EV_READ, 0); /* bytes may wait inside the io state */
}

/* Return true once reading may begin. */
static bool conn_handshake(struct http_conn *c)
{
    ssize_t rc = c->ops->handshake(c->io);
    c->handshaking = rc <= 0;
    if (rc <= 0)
        conn_read_end(c, rc == HTTP_IO_EOF ? HTTP_IO_FAILED : rc);
    return rc > 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_conn *c = arg;
    if (c->dead || (c->handshaking && !conn_handshake(c)))
        return;
    conn_read(c);
    conn_mark_dirty(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;
    conn_set_write(c, false);
    if (c->handshaking)
        on_readable(fd, what, arg);
    conn_mark_dirty(c);
}

/* ---- sending ----------------------------------------------------------------------------- */

void conn_mark_dirty(struct http_conn *c)
{
    if (list_is_empty(&c->dirty_link))
        list_add_tail(&c->server->dirty, &c->dirty_link);
}

static void conn_close_streams(struct http_conn *c)
{
    while (!list_is_empty(&c->streams)) {
        struct http_stream *s = LIST_ENTRY(c->streams.next, struct http_stream, link);
        stream_close(s, s->reset_sent ? HTTP_CLOSE_LOCAL : HTTP_CLOSE_LOST);
    }
}

/* Closing with unread bytes in the socket would make the kernel throw our last words away at the
 * peer; so say that we are done, and read for a while. */
static void conn_linger(struct http_conn *c)
{
    if (c->lingering)
        return;
    conn_close_streams(c);
    c->lingering = true;
    shutdown(c->fd, SHUT_WR);
    c->deadline =
        loop_now(c->server->loop) + (c->server->draining ? LINGER_DRAINING_MS : LINGER_MS);
}

/* Have something in c->out that is not sent yet; false if there is nothing to send. An empty
 * connection borrows the server's buffer. */
static bool conn_refill(struct http_conn *c)
{
    if (c->out_off < c->out.n)
        return true;
    if (c->proto == NULL || c->lingering)
        return false;
    if (c->out.p == NULL) {
        c->out = c->server->scratch;
        c->server->scratch = BUF_INIT;
    }
    buf_clear(&c->out);
    c->out_off = 0;
    c->proto->fill(c, &c->out);
    return c->out.n != 0 && !c->dead;
}

/* Give the borrowed buffer back once all is sent. */
static void conn_return_buffer(struct http_conn *c)
{
    if (c->out_off < c->out.n)
        return;
    if (c->server->scratch.p == NULL)
        c->server->scratch = c->out;
    else
        free(c->out.p);
    c->out = BUF_INIT;
    c->out_off = 0;
    buf_clear(&c->server->scratch);
}

/* Return false if the socket took less than all. */
static bool conn_send(struct http_conn *c)
{
    struct iovec iov = {c->out.p + c->out_off, c->out.n - c->out_off};
    ssize_t n = c->ops->writev(c->io, &iov, 1);
    if (n > 0) {
        counter_add(&c->server->counters.bytes_sent, (uint64_t)n);
        c->out_off += (size_t)n;
        if (c->out_off == c->out.n)
            return true;
        conn_set_write(c, true);
    } else if (n == HTTP_IO_WANT_WRITE) {
        conn_set_write(c, true);
    } else if (n != HTTP_IO_WANT_READ) {
        conn_kill(c);
    }
    return false;
}

void conn_flush(struct http_conn *c)
{
    size_t sent = 0;
    bool more = !c->write_on && !c->handshaking;
    while (more && !c->dead && conn_refill(c)) {
        sent += c->out.n - c->out_off;
        more = conn_send(c);
        conn_run_drains(c);
        if (more && sent >= SEND_BUDGET) {
            conn_set_write(c, true); /* others first */
            more = false;
        }
    }
    conn_return_buffer(c);
    if (c->dead)
        return;
    conn_run_drains(c);
    if (more && c->close_when_sent)
        conn_linger(c);
    conn_update_reading(c);
}

/* ---- life -------------------------------------------------------------------------------- */

static void sockaddr_text(const struct sockaddr_storage *ss, char *p, size_t n)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)ss;
        inet_ntop(AF_INET, &a->sin_addr, host, sizeof host);
        snprintf(p, n, "%s:%u", host, ntohs(a->sin_port));
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)ss;
        inet_ntop(AF_INET6, &a->sin6_addr, host, sizeof host);
        snprintf(p, n, "[%s]:%u", host, ntohs(a->sin6_port));
    } else {
        snprintf(p, n, "@");
    }
}

static void socket_prepare(int fd, char *peer, size_t peer_n)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof ss;
    getpeername(fd, (struct sockaddr *)&ss, &len);
    sockaddr_text(&ss, peer, peer_n);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int one = 1;
    if (ss.ss_family == AF_INET || ss.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void conn_new(struct http_server *sv, int fd, const struct http_io_ops *ops, void *io_arg)
{
    struct http_conn *c = xcalloc(1, sizeof *c);
    socket_prepare(fd, c->peer, sizeof c->peer);
    c->io = ops->open(io_arg, fd);
    if (c->io == NULL) {
        counter_add(&sv->counters.conns_refused, 1);
        free(c);
        return;
    }
    c->server = sv;
    c->ops = ops;
    c->fd = fd;
    c->handshaking = ops->handshake != NULL;
    list_init(&c->dirty_link);
    list_init(&c->streams);
    list_init(&c->drains);
    c->last_read = loop_now(sv->loop);
    c->deadline = c->last_read + sv->cfg.first_request_timeout_ms;
    c->read_ev = event_new(loop_base(sv->loop), fd, EV_READ | EV_PERSIST, on_readable, c);
    c->write_ev = event_new(loop_base(sv->loop), fd, EV_WRITE | EV_PERSIST, on_writable, c);
    invariant(c->read_ev != NULL && c->write_ev != NULL);
    list_add_tail(&sv->conns, &c->link);
    sv->conn_n++;
    counter_add(&sv->counters.conns_open, 1);
    conn_update_reading(c);
}

void conn_kill(struct http_conn *c)
{
    c->dead = true;
    conn_mark_dirty(c);
}

void conn_reap(struct http_conn *c)
{
    struct http_server *sv = c->server;
    c->dead = true;
    event_free(c->read_ev);
    event_free(c->write_ev);
    conn_close_streams(c);
    if (c->proto != NULL)
        c->proto->free(c);
    c->ops->close(c->io);
    buf_fini(&c->out);
    list_unlink(&c->dirty_link);
    server_forget_conn(sv, c);
    free(c);
}
