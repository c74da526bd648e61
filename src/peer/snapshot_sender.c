/* peer/snapshot_sender.c -- POST /raft/snapshot: each one in a thread and on a connection of its
 * own, at a bounded rate, so that gigabytes delay nobody's heartbeat.
 *
 *   body (chunked): u64 length | raftpb.Message | the bytes of the file
 *
 * The thread has the sender to itself from pthread_create() until `ended`; only `stop_fd` is
 * written to meanwhile. It waits in poll() for its socket and for that. The other side answers when
 * it has the file safe, which may take it any time: only its silence while we have something to
 * send, or the end of the connection, is an end. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "peer/peer_priv.h"

enum {
    PIECE = 64 * 1024,
    STALL_MS = 60000, /* a receiver that takes nothing for so long is gone */
    ANSWER_MS = 5000, /* for the rest of an answer that has begun */
    KEEPALIVE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_PROBES = 3,
};

struct snapshot_sender {
    struct list link; /* peers.senders */
    struct loop *loop;
    pthread_t thread;
    bool has_thread;
    int stop_fd;
    atomic_bool ended;

    member_id to;
    struct peer *peer; /* NULL: it is gone */
    struct peer_address address;
    size_t url; /* its place among the peer's */
    const struct http_io_ops *ops;
    void *io_arg;
    msec dial_timeout_ms;
    uint64_t rate;
    struct buf head; /* of the request */
    struct buf message;
    int file;
    uint64_t size;
    msec started;

    int socket; /* -1: none; owned by io where there is one */
    void *io;
    struct buf answer;
    unsigned status;
    struct why why;
};

/* ---- waiting ------------------------------------------------------------------------------- */

/* Wait until the socket has `events` (0: do not look at it), `timeout_ms` at most (-1: no limit).
 * Fail with ERR_CANCELED when the sender is to stop, ERR_TIMEOUT. */
static enum err sender_wait(struct snapshot_sender *s, short events, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = s->stop_fd, .events = POLLIN},
                           {.fd = events != 0 ? s->socket : -1, .events = events}};
    int n;
    do
        n = poll(fds, ARRAY_LEN(fds), timeout_ms);
    while (n == -1 && errno == EINTR);
    if (fds[0].revents != 0)
        return why_set(&s->why, ERR_CANCELED, "stopped");
    return n > 0 ? ERR_OK : why_set(&s->why, ERR_TIMEOUT, "i/o timeout");
}

/* What one of the io functions returned; wait if that is what it wants. */
static enum err sender_wait_io(struct snapshot_sender *s, ssize_t n, int timeout_ms)
{
    if (n > 0)
        return ERR_OK;
    if (n == HTTP_IO_WANT_READ || n == HTTP_IO_WANT_WRITE)
        return sender_wait(s, n == HTTP_IO_WANT_READ ? POLLIN : POLLOUT, timeout_ms);
    return why_set(&s->why, ERR_CLOSED, "connection closed");
}

/* ---- connecting ---------------------------------------------------------------------------- */

static void socket_prepare(int fd, int family)
{
    const int on = 1, idle = KEEPALIVE_S, interval = KEEPALIVE_INTERVAL_S,
              probes = KEEPALIVE_PROBES;
    if (family == AF_UNIX)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static enum err connect_one(struct snapshot_sender *s, const struct sockaddr *addr, socklen_t n)
{
    s->socket = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->socket == -1)
        return why_set(&s->why, ERR_IO, "socket: %s", strerror(errno));
    socket_prepare(s->socket, addr->sa_family);
    int error = connect(s->socket, addr, n) == 0 ? 0 : errno;
    enum err e = ERR_OK;
    if (error == EINPROGRESS) {
        socklen_t len = sizeof error;
        e = sender_wait(s, POLLOUT, (int)s->dial_timeout_ms);
        if (e == ERR_OK && getsockopt(s->socket, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
            error = errno;
    }
    if (e == ERR_OK && error != 0)
        e = why_set(&s->why, ERR_CLOSED, "connect: %s", strerror(error));
    if (e != ERR_OK) {
        close(s->socket);
        s->socket = -1;
    }
    return e;
}

static enum err connect_unix(struct snapshot_sender *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t n = strlen(s->address.host);
    if (n >= sizeof addr.sun_path)
        return why_set(&s->why, ERR_INVALID, "the path of the socket is too long");
    memcpy(addr.sun_path, s->address.host, n);
    return connect_one(s, (const struct sockaddr *)&addr, sizeof addr);
}

static enum err connect_tcp(struct snapshot_sender *s)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int rc = getaddrinfo(s->address.host, s->address.port, &hints, &list);
    if (rc != 0)
        return why_set(&s->why, ERR_CLOSED, "lookup %s: %s", s->address.host, gai_strerror(rc));
    enum err e = ERR_CLOSED;
    for (struct addrinfo *a = list; a != NULL && e != ERR_OK && e != ERR_CANCELED; a = a->ai_next)
        e = connect_one(s, a->ai_addr, a->ai_addrlen);
    freeaddrinfo(list);
    return e;
}

static enum err sender_connect(struct snapshot_sender *s)
{
    enum err e = s->address.port != NULL ? connect_tcp(s) : connect_unix(s);
    if (e != ERR_OK)
        return e;
    s->io = s->ops->open(s->io_arg, s->socket);
    if (s->io == NULL)
        return why_set(&s->why, ERR_CLOSED, "the connection could not be set up");
    while (s->ops->handshake != NULL && e == ERR_OK) {
        ssize_t n = s->ops->handshake(s->io);
        if (n > 0)
            break;
        e = sender_wait_io(s, n, (int)s->dial_timeout_ms);
    }
    return e;
}

/* ---- the answer ---------------------------------------------------------------------------- */

/* Take the status once all headers are there. True when no more is needed: nothing follows those of
 * a 204. */
static bool answer_is_complete(struct snapshot_sender *s)
{
    static const char prefix[] = "HTTP/1.1 ";
    const char *text = buf_cstr(&s->answer);
    if (s->answer.n < sizeof prefix + 2 || memcmp(text, prefix, sizeof prefix - 1) != 0 ||
        memmem(text, s->answer.n, "\r\n\r\n", 4) == NULL)
        return false;
    s->status = (unsigned)strtoul(text + sizeof prefix - 1, NULL, 10);
    return s->status == 204;
}

/* Read to the end of the connection, which we asked to be closed. */
static enum err sender_read_answer(struct snapshot_sender *s)
{
    while (s->answer.n < PEER_TEXT_MAX && !answer_is_complete(s)) {
        ssize_t n = s->ops->read(s->io, buf_reserve(&s->answer, PEER_TEXT_MAX), PEER_TEXT_MAX);
        if (n > 0) {
            s->answer.n += (size_t)n;
            continue;
        }
        enum err e = sender_wait_io(s, n, s->answer.n != 0 ? ANSWER_MS : -1);
        if (e != ERR_OK)
            return s->status != 0 ? ERR_OK : e;
    }
    return s->status != 0 ? ERR_OK : why_set(&s->why, ERR_MALFORMED, "malformed answer");
}

/* Whoever answers before it has everything refuses. */
static bool sender_is_answered(struct snapshot_sender *s)
{
    ssize_t n = s->ops->read(s->io, buf_reserve(&s->answer, PEER_TEXT_MAX), PEER_TEXT_MAX);
    if (n > 0)
        s->answer.n += (size_t)n;
    return n > 0;
}

/* ---- sending ------------------------------------------------------------------------------- */

static enum err sender_write(struct snapshot_sender *s, struct slice data)
{
    while (data.n != 0) {
        struct iovec iov = {(void *)(uintptr_t)data.p, data.n};
        ssize_t n = s->ops->writev(s->io, &iov, 1);
        enum err e = sender_wait_io(s, n, STALL_MS);
        if (e != ERR_OK)
            return e;
        if (n > 0)
            data = slice_make(data.p + n, data.n - (size_t)n);
    }
    return ERR_OK;
}

static enum err sender_write_chunk(struct snapshot_sender *s, struct slice data)
{
    char head[24];
    int n = snprintf(head, sizeof head, "%zx\r\n", data.n);
    enum err e = sender_write(s, slice_make(head, (size_t)n));
    if (e == ERR_OK)
        e = sender_write(s, data);
    return e == ERR_OK ? sender_write(s, slice_str("\r\n")) : e;
}

/* Wait until `sent` bytes may be out. */
static enum err sender_pace(struct snapshot_sender *s, uint64_t sent, msec began)
{
    if (s->rate == 0)
        return ERR_OK;
    msec due = began + (msec)((double)sent * 1000 / (double)s->rate), now = clock_now_ms();
    if (due <= now)
        return ERR_OK;
    enum err e = sender_wait(s, 0, (int)(due - now));
    return e == ERR_TIMEOUT ? ERR_OK : e;
}

static enum err sender_send_file(struct snapshot_sender *s)
{
    uint8_t *piece = xmalloc(PIECE);
    enum err e = ERR_OK;
    msec began = clock_now_ms();
    for (uint64_t at = 0; at < s->size && e == ERR_OK && !sender_is_answered(s);) {
        size_t want = s->size - at < PIECE ? (size_t)(s->size - at) : PIECE;
        ssize_t n = pread(s->file, piece, want, (off_t)at);
        if (n <= 0) {
            e = why_set(&s->why, ERR_IO, "read of the snapshot: %s",
                        n == 0 ? "it is shorter than it was" : strerror(errno));
            break;
        }
        at += (size_t)n;
        e = sender_write_chunk(s, slice_make(piece, (size_t)n));
        if (e == ERR_OK)
            e = sender_pace(s, at, began);
    }
    free(piece);
    return e;
}

static enum err sender_send(struct snapshot_sender *s)
{
    enum err e = sender_connect(s);
    if (e == ERR_OK)
        e = sender_write(s, buf_slice(&s->head));
    if (e == ERR_OK)
        e = sender_write_chunk(s, buf_slice(&s->message));
    if (e == ERR_OK)
        e = sender_send_file(s);
    if (e == ERR_OK && s->answer.n == 0)
        e = sender_write(s, slice_str("0\r\n\r\n"));
    if (e == ERR_OK || e == ERR_CLOSED)
        e = s->io != NULL ? sender_read_answer(s) : e;
    return e;
}

static void *sender_run(void *arg)
{
    struct snapshot_sender *s = arg;
    struct loop *loop = s->loop;
    enum err e = sender_send(s);
    if (e == ERR_OK && s->status != 204) {
        buf_cstr(&s->answer);
        const uint8_t *body = memmem(s->answer.p, s->answer.n, "\r\n\r\n", 4);
        why_set(&s->why, ERR_CLOSED, "status %u: %s", s->status,
                body != NULL ? (const char *)body + 4 : "");
    }
    if (s->io != NULL)
        s->ops->close(s->io);
    close(s->file); /* giving back its space takes a while: not in the loop */
    s->file = -1;
    atomic_store(&s->ended, true); /* the loop frees it from here on */
    loop_wake(loop);
    return NULL;
}

/* ---- in the loop's thread ------------------------------------------------------------------ */

static void sender_free(struct snapshot_sender *s)
{
    list_unlink(&s->link);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    if (s->stop_fd != -1)
        close(s->stop_fd);
    if (s->file != -1)
        close(s->file);
    peer_address_fini(&s->address);
    buf_fini(&s->head);
    buf_fini(&s->message);
    buf_fini(&s->answer);
    free(s);
}

static void sender_stop(struct snapshot_sender *s)
{
    uint64_t one = 1;
    ssize_t n = s->stop_fd != -1 ? write(s->stop_fd, &one, sizeof one) : 0;
    (void)n; /* a full counter says the same */
}

static struct snapshot_sender *sender_find(const struct peers *p, member_id to)
{
    struct snapshot_sender *s;
    LIST_FOREACH (s, &p->senders, struct snapshot_sender, link)
        if (s->to == to)
            return s;
    return NULL;
}

static void sender_encode(struct snapshot_sender *s, const struct peers *p,
                          const struct raft_message *m)
{
    buf_add_be64(&s->message, peer_message_size(m));
    peer_message_encode(m, &s->message);
    char *headers = peers_headers(p, "");
    buf_addf(&s->head,
             "POST /raft/snapshot HTTP/1.1\r\nHost: %s\r\n"
             "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n"
             "Connection: close\r\n%s\r\n",
             s->address.authority, headers);
    free(headers);
}

/* Return false if there is no way to. */
static bool sender_start(struct snapshot_sender *s, struct peers *p, const struct raft_message *m)
{
    struct peer *peer = peers_find(p, s->to);
    if (peer == NULL || peer->n_urls == 0)
        return false;
    s->peer = peer;
    s->url = peer->picked;
    s->address = peer_address_copy(&peer->urls[s->url].address);
    s->ops = s->address.is_tls ? p->cfg.client_ops : &http_io_plain;
    s->io_arg = s->address.is_tls ? p->cfg.client_io_arg : NULL;
    sender_encode(s, p, m);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd == -1)
        return false;
    s->has_thread = pthread_create(&s->thread, NULL, sender_run, s) == 0;
    if (!s->has_thread)
        return false;
    peer_count(peer, PEER_SNAPSHOT_SENDING, 1);
    log_info("sending database snapshot", LOG_UINT("snapshot-index", m->snapshot->meta.index),
             LOG_ID("remote-peer-id", s->to), LOG_UINT("bytes", s->size));
    return true;
}

void peers_send_snapshot(struct peers *p, struct raft_message *m, int fd, uint64_t size)
{
    invariant(m->type == RAFT_MSG_SNAP && m->snapshot != NULL);
    struct snapshot_sender *s = xcalloc(1, sizeof *s);
    bool is_first = sender_find(p, m->to) == NULL;
    s->loop = p->cfg.loop;
    s->dial_timeout_ms = p->cfg.dial_timeout_ms;
    s->rate = p->cfg.snapshot_rate;
    s->to = m->to;
    s->file = fd;
    s->size = size;
    s->stop_fd = s->socket = -1;
    s->started = clock_now_ms();
    list_add_tail(&p->senders, &s->link);
    if (!is_first || !sender_start(s, p, m)) {
        s->ended = true;
        peers_settle_soon(p);
    }
    raft_message_fini(m);
}

void peers_stop_snapshots(struct peers *p, member_id id)
{
    struct snapshot_sender *s;
    LIST_FOREACH (s, &p->senders, struct snapshot_sender, link)
        if (s->to == id) {
            s->peer = NULL;
            sender_stop(s);
        }
}

static struct snapshot_sender *first_ended(const struct peers *p)
{
    struct snapshot_sender *s;
    LIST_FOREACH (s, &p->senders, struct snapshot_sender, link)
        if (atomic_load(&s->ended))
            return s;
    return NULL;
}

bool peers_has_ended_snapshot(const struct peers *p)
{
    return first_ended(p) != NULL;
}

/* Count and log the end of a sender that had begun. */
static void sender_account(struct snapshot_sender *s)
{
    struct peer *peer = s->peer;
    msec took = clock_now_ms() - s->started;
    peer_count(peer, PEER_SNAPSHOT_SENDING, -1);
    if (s->status == 204) {
        peer_count(peer, PEER_SENT_BYTES, (int64_t)(s->message.n + s->size));
        peer_count(peer, PEER_SNAPSHOT_SENT, 1);
        peer_observe(peer, PEER_SNAPSHOT_SEND_SECONDS, (double)took / 1000);
        log_info("sent database snapshot", LOG_MESSAGE(MSG_SNAPSHOT_SENT),
                 LOG_ID("remote-peer-id", s->to),
                 LOG_UINT("bytes", s->size), LOG_MS("took", took));
        return;
    }
    peer_count(peer, PEER_SENT_FAILURES, 1);
    peer_count(peer, PEER_SNAPSHOT_SENT_FAILURES, 1);
    if (peer != NULL)
        peer_url_failed(peer, s->url);
    log_warn("failed to send database snapshot", LOG_ID("remote-peer-id", s->to),
             LOG_UINT("bytes", s->size), LOG_MS("took", took), LOG_STR("error", s->why.text));
}

void peers_snapshots_settle(struct peers *p)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    struct snapshot_sender *s;
    while ((s = first_ended(p)) != NULL) {
        member_id to = s->to;
        bool ok = s->status == 204;
        bool removed = peer_answer_says_removed(s->status, buf_slice(&s->answer));
        if (s->has_thread)
            sender_account(s);
        sender_free(s);
        r->snapshot_sent(r->arg, to, ok);
        if (removed)
            r->removed(r->arg, to);
    }
}

void peers_snapshots_drop(struct peers *p)
{
    struct snapshot_sender *s;
    LIST_FOREACH (s, &p->senders, struct snapshot_sender, link)
        sender_stop(s);
    LIST_FOREACH (s, &p->senders, struct snapshot_sender, link)
        sender_free(s);
}
