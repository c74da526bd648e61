/* http/client_conn.c -- one connection: dialing, sending, the answer.
 *
 * Troubles are worded as Go's net and net/http word them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "http/client_priv.h"

#define READS_PER_ROUND 4

static const struct h1_events client_conn_events;

/* ---- life -------------------------------------------------------------------------------- */

static void conn_drop_socket(struct client_conn *k)
{
    if (k->io == NULL)
        return;
    event_free(k->read_ev);
    event_free(k->write_ev);
    k->client->dialer.ops->close(k->io);
    k->io = NULL;
}

void client_conn_close(struct client_conn *k)
{
    if (k->state == CLIENT_CONN_DEAD)
        return;
    conn_drop_socket(k);
    dial_fini(&k->dial);
    k->request = NULL;
    k->state = CLIENT_CONN_DEAD;
    list_unlink(&k->link);
    list_add_tail(&k->client->dead, &k->link);
    k->client->conn_n--;
}

void client_conn_free(struct client_conn *k)
{
    invariant(k->state == CLIENT_CONN_DEAD);
    list_unlink(&k->link);
    h1_parser_free(k->parser);
    buf_fini(&k->head);
    buf_fini(&k->headers);
    free(k);
}

static void conn_fail(struct client_conn *k, enum err e)
{
    struct http_request *r = k->request;
    client_conn_close(k);
    client_request_end(r, e);
}

bool client_conn_is_usable(struct client_conn *k)
{
    uint8_t byte;
    ssize_t n = recv(k->dial.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    bool usable = n < 0 ? errno == EAGAIN : n > 0 && k->client->dialer.ops != &http_io_plain;
    if (!usable)
        client_conn_close(k);
    return usable;
}

/* ---- time -------------------------------------------------------------------------------- */

/* Return when the state itself is overdue; its request may be so before. */
static msec conn_state_due_at(const struct client_conn *k)
{
    switch (k->state) {
    case CLIENT_CONN_BUSY:
        return k->request->idle_timeout_ms != 0 ? k->moved_at + k->request->idle_timeout_ms
                                                : MSEC_NEVER;
    case CLIENT_CONN_IDLE:
        return k->moved_at + k->client->keep_ms;
    case CLIENT_CONN_DIALING: /* has a timer of its own */
    case CLIENT_CONN_FINISHING:
    case CLIENT_CONN_DEAD:
        break;
    }
    return MSEC_NEVER;
}

msec client_conn_due_at(const struct client_conn *k)
{
    msec due = conn_state_due_at(k);
    return k->request != NULL && k->request->deadline < due ? k->request->deadline : due;
}

static void conn_set_state(struct client_conn *k, enum client_conn_state to)
{
    k->state = to;
    client_wake_at(k->client, client_conn_due_at(k));
}

/* ---- dialing ----------------------------------------------------------------------------- */

static void conn_ready(evutil_socket_t fd, short what, void *arg);

static void conn_dialed(struct dial *d)
{
    struct client_conn *k = CONTAINER_OF(d, struct client_conn, dial);
    struct http_client *c = k->client;
    client_enter(c);
    if (d->io == NULL) {
        conn_fail(k, why_set(&k->request->why, ERR_CLOSED, "%s", d->why.text));
    } else {
        k->io = d->io;
        k->read_ev =
            event_new(loop_base(c->dialer.loop), d->fd, EV_READ | EV_PERSIST, conn_ready, k);
        k->write_ev = event_new(loop_base(c->dialer.loop), d->fd, EV_WRITE, conn_ready, k);
        invariant(k->read_ev != NULL && k->write_ev != NULL);
        event_add(k->read_ev, NULL);
        client_conn_use(k, k->request);
    }
    client_leave(c);
}

static void conn_dial(struct client_conn *k)
{
    conn_set_state(k, CLIENT_CONN_DIALING);
    dial_start(&k->dial);
}

void client_conn_new(struct http_client *c, struct http_request *r)
{
    struct client_conn *k = xcalloc(1, sizeof *k);
    k->client = c;
    k->request = r;
    r->conn = k;
    k->parser = h1_parser_new_answers(&client_conn_events, k);
    dial_init(&k->dial, &c->dialer, conn_dialed);
    list_add_tail(&c->conns, &k->link);
    c->conn_n++;
    conn_dial(k);
}

/* ---- sending ----------------------------------------------------------------------------- */

static bool conn_has_unsent(const struct client_conn *k)
{
    return !k->send_failed && k->sent < k->head.n + k->request->body.n;
}

static ssize_t conn_write(struct client_conn *k)
{
    struct slice head = buf_slice(&k->head), body = k->request->body;
    size_t head_sent = k->sent < head.n ? k->sent : head.n;
    size_t body_sent = k->sent - head_sent;
    struct iovec iov[2];
    int n = 0;
    if (head_sent < head.n)
        iov[n++] = (struct iovec){(void *)(head.p + head_sent), head.n - head_sent};
    if (body_sent < body.n)
        iov[n++] = (struct iovec){(void *)(body.p + body_sent), body.n - body_sent};
    return k->client->dialer.ops->writev(k->io, iov, n);
}

/* Calls nobody back: a failure is found out by reading, perhaps behind a last answer. */
static void conn_send(struct client_conn *k)
{
    while (conn_has_unsent(k)) {
        ssize_t n = conn_write(k);
        if (n > 0) {
            k->sent += (size_t)n;
            k->moved_at = clock_now_ms();
            continue;
        }
        if (n == HTTP_IO_WANT_WRITE) {
            event_add(k->write_ev, NULL);
        } else if (n != HTTP_IO_WANT_READ) {
            k->send_failed = true;
            event_active(k->read_ev, EV_READ, 0);
        }
        return;
    }
}

static bool method_has_body(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static void conn_write_head(struct client_conn *k)
{
    const struct http_request *r = k->request;
    struct buf *b = &k->head;
    buf_clear(b);
    buf_addf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r->method, r->path, k->client->authority);
    if (r->headers != NULL)
        buf_add_str(b, r->headers);
    if (r->body.n != 0 || method_has_body(r->method))
        buf_addf(b, "Content-Length: %zu\r\n", r->body.n);
    buf_add_str(b, "\r\n");
}

static void conn_expect_answer(struct client_conn *k)
{
    h1_parser_reset(k->parser);
    if (strcmp(k->request->method, "HEAD") == 0)
        h1_parser_expect_no_body(k->parser);
    buf_clear(&k->headers);
    k->in_value = false;
    k->headers_done = false;
}

void client_conn_use(struct client_conn *k, struct http_request *r)
{
    k->request = r;
    r->conn = k;
    r->why.text[0] = '\0';
    k->sent = k->header_bytes = 0;
    k->send_failed = k->answer_began = false;
    k->refused = ERR_OK;
    k->moved_at = clock_now_ms();
    conn_write_head(k);
    conn_expect_answer(k);
    conn_set_state(k, CLIENT_CONN_BUSY);
    conn_send(k);
}

/* ---- the answer -------------------------------------------------------------------------- */

static bool conn_answer_is_interim(const struct client_conn *k)
{
    return h1_parser_status(k->parser) / 100 == 1;
}

static void on_nothing(void *arg)
{
    (void)arg;
}

/* Return true while what the parser finds is of interest. */
static bool conn_listens(const struct client_conn *k)
{
    return k->request != NULL && k->refused == ERR_OK;
}

static void conn_refuse(struct client_conn *k, const char *what)
{
    k->refused = why_set(&k->request->why, ERR_TOO_LARGE, "%s too large", what);
}

/* Return true if `n` bytes more of a header are to be kept. Trailers are only counted. */
static bool conn_keeps_header(struct client_conn *k, size_t n)
{
    if (!conn_listens(k))
        return false;
    if (k->headers_done)
        k->header_bytes += n;
    if (k->header_bytes > HTTP_RESPONSE_HEADERS_MAX || k->headers.n + n > HTTP_RESPONSE_HEADERS_MAX)
        conn_refuse(k, "the answer's headers are");
    return k->refused == ERR_OK && !k->headers_done;
}

static void conn_end_header(struct client_conn *k)
{
    struct buf *b = &k->headers;
    if (!k->in_value)
        return;
    while (b->n != 0 && (b->p[b->n - 1] == ' ' || b->p[b->n - 1] == '\t'))
        b->n--;
    buf_add_byte(b, '\0');
    k->in_value = false;
}

static void on_field(void *arg, struct slice piece)
{
    struct client_conn *k = arg;
    if (!conn_keeps_header(k, piece.n))
        return;
    conn_end_header(k);
    for (size_t i = 0; i < piece.n; i++)
        buf_add_byte(&k->headers, (uint8_t)tolower(piece.p[i]));
}

static void on_value(void *arg, struct slice piece)
{
    struct client_conn *k = arg;
    if (!conn_keeps_header(k, piece.n))
        return;
    if (!k->in_value)
        buf_add_byte(&k->headers, '\0');
    k->in_value = true;
    buf_add_slice(&k->headers, piece);
}

static void on_headers_complete(void *arg)
{
    struct client_conn *k = arg;
    struct http_request *r = k->request;
    if (!conn_listens(k) || conn_answer_is_interim(k))
        return;
    conn_end_header(k);
    k->headers_done = true;
    r->status = h1_parser_status(k->parser);
    if (r->headers_done != NULL)
        r->headers_done(r);
}

static void on_body(void *arg, struct slice piece)
{
    struct client_conn *k = arg;
    struct http_request *r = k->request;
    if (!conn_listens(k))
        return;
    if (r->data != NULL)
        r->data(r, piece);
    else if (piece.n > r->body_max - r->answer.n)
        conn_refuse(k, "the answer's body is");
    else
        buf_add_slice(&r->answer, piece);
}

static const struct h1_events client_conn_events = {
    .begin = on_nothing,
    .field = on_field,
    .value = on_value,
    .headers_complete = on_headers_complete,
    .body = on_body,
    .complete = on_nothing,
};

/* The answer is complete; `clean` says that nothing came behind it. */
static void conn_complete(struct client_conn *k, bool clean)
{
    struct http_request *r = k->request;
    bool keep = clean && !k->send_failed && !conn_has_unsent(k) && h1_parser_keeps_alive(k->parser);
    k->request = NULL;
    k->state = CLIENT_CONN_FINISHING;
    client_request_end(r, ERR_OK);
    if (k->state != CLIENT_CONN_FINISHING)
        return;
    if (!keep) {
        client_conn_close(k);
        return;
    }
    list_unlink(&k->link);
    list_add_head(&k->client->conns, &k->link);
    k->reused = true;
    conn_set_state(k, CLIENT_CONN_IDLE);
}

static void conn_malformed(struct client_conn *k)
{
    conn_fail(k, why_set(&k->request->why, ERR_MALFORMED, "malformed HTTP response"));
}

static void conn_feed(struct client_conn *k, struct slice data)
{
    while (data.n != 0) {
        size_t used;
        enum h1_result result = h1_parser_feed(k->parser, data, &used);
        if (k->state != CLIENT_CONN_BUSY)
            return;
        k->header_bytes += k->headers_done ? 0 : used;
        if (k->header_bytes > HTTP_RESPONSE_HEADERS_MAX && k->refused == ERR_OK)
            conn_refuse(k, "the answer's headers are");
        if (k->refused != ERR_OK) {
            conn_fail(k, k->refused);
            return;
        }
        /* No other protocol was offered, so 101 is out of place. */
        if (result == H1_BAD || (result == H1_COMPLETE && h1_parser_status(k->parser) == 101)) {
            conn_malformed(k);
            return;
        }
        if (result == H1_COMPLETE && !conn_answer_is_interim(k)) {
            conn_complete(k, used == data.n);
            return;
        }
        if (result == H1_COMPLETE)
            conn_expect_answer(k);
        data = slice_make(data.p + used, data.n - used);
    }
}

/* The server closed, or the connection failed with errno `number`. */
static void conn_lost(struct client_conn *k, int number)
{
    struct http_request *r = k->request;
    const char *eof = k->answer_began ? "unexpected EOF" : "EOF";
    if (!k->reused || !r->idempotent || k->answer_began) {
        conn_fail(k, dial_explain(&k->dial, &r->why, "read", number, eof));
        return;
    }
    conn_drop_socket(k);
    k->reused = false;
    conn_dial(k);
}

static void conn_read_end(struct client_conn *k, ssize_t code, int number)
{
    if (code == HTTP_IO_WANT_WRITE)
        event_add(k->write_ev, NULL);
    else if (code == HTTP_IO_WANT_READ && !k->send_failed)
        return;
    else if (k->state == CLIENT_CONN_IDLE)
        client_conn_close(k);
    else if (code == HTTP_IO_EOF && k->headers_done && h1_parser_finish(k->parser) == H1_COMPLETE)
        conn_complete(k, false);
    else
        conn_lost(k, code == HTTP_IO_EOF ? 0 : number);
}

static void conn_read(struct client_conn *k)
{
    struct http_client *c = k->client;
    for (int i = 0; i < READS_PER_ROUND; i++) {
        errno = 0;
        ssize_t n = c->dialer.ops->read(k->io, c->read_buf, CLIENT_READ_CHUNK);
        if (n <= 0) {
            conn_read_end(k, n, errno);
            return;
        }
        if (k->state == CLIENT_CONN_IDLE) {
            client_conn_close(k); /* nothing was asked */
            return;
        }
        k->moved_at = clock_now_ms();
        k->answer_began = true;
        conn_feed(k, slice_make(c->read_buf, (size_t)n));
        if (k->state != CLIENT_CONN_BUSY)
            return;
        if (c->dialer.ops == &http_io_plain && (size_t)n < CLIENT_READ_CHUNK)
            return; /* the socket is empty */
    }
    if (c->dialer.ops != &http_io_plain)
        event_active(k->read_ev, EV_READ, 0); /* bytes may wait inside the io state */
}

static void conn_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct client_conn *k = arg;
    struct http_client *c = k->client;
    client_enter(c);
    if (k->state == CLIENT_CONN_BUSY || k->state == CLIENT_CONN_IDLE) {
        if (k->state == CLIENT_CONN_BUSY)
            conn_send(k);
        conn_read(k);
    }
    client_leave(c);
}

/* ---- overdue ----------------------------------------------------------------------------- */

static void conn_request_overdue(struct client_conn *k)
{
    struct http_request *r = k->request;
    conn_fail(k, why_set(&r->why, ERR_TIMEOUT, "%s did not answer within %lld ms",
                         k->client->authority, (long long)r->timeout_ms));
}

static void conn_silent(struct client_conn *k)
{
    struct http_request *r = k->request;
    conn_fail(k, why_set(&r->why, ERR_TIMEOUT, "%s was silent for %lld ms", k->client->authority,
                         (long long)r->idle_timeout_ms));
}

void client_conn_overdue(struct client_conn *k, msec now)
{
    if (k->request != NULL && k->request->deadline <= now)
        conn_request_overdue(k);
    else if (k->state == CLIENT_CONN_BUSY)
        conn_silent(k);
    else
        client_conn_close(k);
}
