/* http/h2_client.c -- the connection of an HTTP/2 client: dialing, reading, sending, keepalive.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "http/h2_client_priv.h"

#define READ_CHUNK       (32u * 1024)
#define READS_PER_ROUND  4
#define WRITES_PER_ROUND 16 /* of about 64 KiB: others come first after that */

#define CONNECT_TIMEOUT_DEFAULT_MS 20000
#define PING_TIMEOUT_DEFAULT_MS    20000
#define STREAM_WINDOW_DEFAULT      (512u * 1024)
#define CONN_WINDOW_DEFAULT        (8u * 1024 * 1024)
#define HEADERS_MAX_DEFAULT        (64u * 1024)

/* ---- life -------------------------------------------------------------------------------- */

static void client_destroy(struct h2_client *c)
{
    nghttp2_session_del(c->session);
    free((char *)c->cfg.host);
    free((char *)c->cfg.port);
    free((char *)c->cfg.scheme);
    free((char *)c->cfg.authority);
    buf_fini(&c->out);
    buf_fini(&c->trouble);
    buf_fini(&c->farewell);
    free(c);
}

static void client_drop_socket(struct h2_client *c)
{
    if (c->io == NULL)
        return;
    event_free(c->read_ev);
    event_free(c->write_ev);
    c->cfg.ops->close(c->io);
    c->io = NULL;
    c->write_on = false;
    buf_clear(&c->out);
    c->out_at = 0;
    loop_timer_clear(&c->timer);
    c->timer_on = false;
    c->ping_out = false;
    c->send_failed = 0;
}

/* Fall back to IDLE: the streams hear of it first. */
static void client_lost(struct h2_client *c, enum err e, const struct why *why)
{
    client_drop_socket(c);
    c->state = H2_CLIENT_IDLE;
    session_end_streams(c, e, why);
    nghttp2_session_del(c->session);
    c->session = NULL;
    if (!c->closing && c->cfg.changed != NULL)
        c->cfg.changed(c, c->cfg.arg, H2_CLIENT_IDLE, why);
}

void h2_client_enter(struct h2_client *c)
{
    c->depth++;
}

void h2_client_leave(struct h2_client *c)
{
    if (--c->depth == 0 && c->closing)
        client_destroy(c);
}

void h2_client_free(struct h2_client *c)
{
    if (c == NULL)
        return;
    invariant(!c->closing);
    struct why why;
    c->closing = true;
    h2_client_enter(c);
    client_drop_socket(c);
    dial_fini(&c->dial);
    dialer_fini(&c->dialer);
    loop_timer_fini(&c->timer);
    loop_task_cancel(&c->task);
    session_end_streams(c, why_set(&why, ERR_CLOSED, "the client was closed"), &why);
    session_end_rejected(c);
    h2_client_leave(c);
}

/* ---- words ------------------------------------------------------------------------------- */

/* nghttp2 has ended the connection: the server said farewell, or broke the rules. */
static void client_session_over(struct h2_client *c)
{
    struct why why;
    enum err e = ERR_CLOSED;
    if (c->farewell.n != 0)
        why_set(&why, e, "the server closes the connection: %s", buf_cstr(&c->farewell));
    else if (c->trouble.n == 0)
        why_set(&why, e, "the connection is used up");
    else
        e = why_set(&why, ERR_MALFORMED,
                    c->state == H2_CLIENT_READY ? "the server broke a rule of HTTP/2: %s"
                                                : "the server does not speak HTTP/2: %s",
                    buf_cstr(&c->trouble));
    client_lost(c, e, &why);
}

/* ---- time -------------------------------------------------------------------------------- */

static bool client_pings(const struct h2_client *c)
{
    return c->cfg.ping_ms != 0 && c->stream_n != 0;
}

static void client_set_timer(struct h2_client *c)
{
    msec now = loop_now(c->loop);
    c->timer_on = c->ping_out || client_pings(c);
    if (c->ping_out)
        loop_timer_set(&c->timer, c->ping_at + c->cfg.ping_timeout_ms - now);
    else if (c->timer_on)
        loop_timer_set(&c->timer, c->heard_at + c->cfg.ping_ms - now);
    else
        loop_timer_clear(&c->timer);
}

/* The first stream after a while without; the silence before it does not count. */
void h2_client_begin_pings(struct h2_client *c)
{
    if (c->state != H2_CLIENT_READY || c->timer_on || !client_pings(c))
        return;
    c->heard_at = loop_now(c->loop);
    client_set_timer(c);
}

void h2_client_ready(struct h2_client *c)
{
    c->state = H2_CLIENT_READY;
    client_set_timer(c);
    if (c->cfg.changed != NULL)
        c->cfg.changed(c, c->cfg.arg, H2_CLIENT_READY, NULL);
}

static void client_overdue(struct h2_client *c, const char *what, msec ms)
{
    char where[DIAL_WHERE_MAX];
    struct why why;
    dial_where(&c->dial, where, sizeof where);
    enum err e = why_set(&why, ERR_CLOSED, "%s: %s within %lld ms", where, what, (long long)ms);
    client_lost(c, e, &why);
}

static void client_on_timer(struct loop_timer *t)
{
    struct h2_client *c = CONTAINER_OF(t, struct h2_client, timer);
    msec now = loop_now(c->loop);
    h2_client_enter(c);
    if (c->state == H2_CLIENT_CONNECTING) {
        client_overdue(c, "no HTTP/2 SETTINGS came", c->cfg.connect_timeout_ms);
    } else if (c->ping_out && now >= c->ping_at + c->cfg.ping_timeout_ms) {
        client_overdue(c, "no answer to a PING came", c->cfg.ping_timeout_ms);
    } else {
        if (!c->ping_out && client_pings(c) && now >= c->heard_at + c->cfg.ping_ms) {
            nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
            c->ping_out = true;
            c->ping_at = now;
            h2_client_wake(c);
        }
        client_set_timer(c);
    }
    h2_client_leave(c);
}

static void client_heard(struct h2_client *c)
{
    c->heard_at = loop_now(c->loop);
    if (!c->ping_out)
        return;
    c->ping_out = false;
    client_set_timer(c);
}

/* ---- reading ----------------------------------------------------------------------------- */

static void client_read_end(struct h2_client *c, ssize_t code, int number)
{
    struct why why;
    if (code == HTTP_IO_WANT_WRITE) {
        event_add(c->write_ev, NULL);
    } else if (code != HTTP_IO_WANT_READ) {
        number = code == HTTP_IO_EOF ? 0 : number;
        client_lost(c, dial_explain(&c->dial, &why, "read", number, "EOF"), &why);
    } else if (c->send_failed != 0) {
        client_lost(c, dial_explain(&c->dial, &why, "write", c->send_failed, ""), &why);
    }
}

static void client_read(struct h2_client *c)
{
    uint8_t chunk[READ_CHUNK];
    bool plain = c->cfg.ops == &http_io_plain;
    for (int i = 0; i < READS_PER_ROUND; i++) {
        errno = 0;
        ssize_t n = c->cfg.ops->read(c->io, chunk, sizeof chunk);
        if (n <= 0) {
            client_read_end(c, n, errno);
            return;
        }
        client_heard(c);
        bool good = session_feed(c, slice_make(chunk, (size_t)n));
        if (c->closing)
            return;
        if (!good) {
            client_session_over(c);
            return;
        }
        if (plain && (size_t)n < sizeof chunk)
            return; /* the socket is empty */
    }
    if (!plain)
        event_active(c->read_ev, EV_READ, 0); /* bytes may wait inside the io state */
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct h2_client *c = arg;
    h2_client_enter(c);
    h2_client_wake(c); /* answers to SETTINGS and PING, windows */
    client_read(c);
    h2_client_leave(c);
}

/* ---- sending ----------------------------------------------------------------------------- */

void h2_client_wake(struct h2_client *c)
{
    if (!c->closing)
        loop_task_add(c->loop, &c->task);
}

/* The socket takes no more for now (or others come first). */
static void client_wait_writable(struct h2_client *c)
{
    c->write_on = true;
    event_add(c->write_ev, NULL);
}

/* Have bytes in `out` that are not sent. Return false if there are none. */
static bool client_refill(struct h2_client *c)
{
    if (c->out_at < c->out.n)
        return true;
    buf_clear(&c->out);
    c->out_at = 0;
    bool good = session_fill(c);
    if (c->closing)
        return false;
    if (!good && c->out.n == 0)
        client_session_over(c);
    return c->out.n != 0;
}

/* A failure is acted on by reading, which may find the server's last words. */
static void client_send_stuck(struct h2_client *c, ssize_t code, int number)
{
    if (code == HTTP_IO_WANT_READ)
        return;
    c->send_failed = number != 0 ? number : EPIPE;
    event_active(c->read_ev, EV_READ, 0);
}

static void client_send(struct h2_client *c)
{
    for (int i = 0; c->io != NULL && !c->write_on && client_refill(c); i++) {
        if (i == WRITES_PER_ROUND) {
            client_wait_writable(c);
            return;
        }
        struct iovec iov = {c->out.p + c->out_at, c->out.n - c->out_at};
        errno = 0;
        ssize_t n = c->cfg.ops->writev(c->io, &iov, 1);
        if (n > 0)
            c->out_at += (size_t)n;
        else if (n == HTTP_IO_WANT_WRITE)
            client_wait_writable(c);
        else
            client_send_stuck(c, n, errno);
        if (n <= 0)
            return;
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct h2_client *c = arg;
    c->write_on = false;
    h2_client_wake(c);
    if (c->cfg.ops != &http_io_plain)
        event_active(c->read_ev, EV_READ, 0); /* a read may have waited for this */
}

static void client_on_round_end(struct loop_task *t)
{
    struct h2_client *c = CONTAINER_OF(t, struct h2_client, task);
    h2_client_enter(c);
    session_end_rejected(c);
    if (!c->closing)
        client_send(c);
    h2_client_leave(c);
}

/* ---- dialing ----------------------------------------------------------------------------- */

static void client_dialed(struct dial *d)
{
    struct h2_client *c = CONTAINER_OF(d, struct h2_client, dial);
    h2_client_enter(c);
    if (d->io == NULL) {
        client_lost(c, ERR_CLOSED, &d->why);
    } else {
        c->io = d->io;
        c->read_ev = event_new(loop_base(c->loop), d->fd, EV_READ | EV_PERSIST, on_readable, c);
        c->write_ev = event_new(loop_base(c->loop), d->fd, EV_WRITE, on_writable, c);
        invariant(c->read_ev != NULL && c->write_ev != NULL);
        event_add(c->read_ev, NULL);
        if (c->cfg.ops != &http_io_plain)
            event_active(c->read_ev, EV_READ, 0); /* behind the handshake */
        session_start(c);
        c->heard_at = loop_now(c->loop);
        loop_timer_set(&c->timer, d->deadline - clock_now_ms());
        h2_client_wake(c);
    }
    h2_client_leave(c);
}

void h2_client_connect(struct h2_client *c)
{
    invariant(!c->closing);
    if (c->state != H2_CLIENT_IDLE)
        return;
    c->state = H2_CLIENT_CONNECTING;
    dial_start(&c->dial);
}

static msec or_default(msec value, msec otherwise)
{
    return value != 0 ? value : otherwise;
}

static void config_copy(struct h2_client_config *to, const struct h2_client_config *from)
{
    *to = *from;
    to->host = xstrdup(from->host);
    to->port = from->port != NULL ? xstrdup(from->port) : NULL;
    to->scheme = xstrdup(from->scheme);
    to->authority = xstrdup(from->authority);
    if (to->ops == NULL)
        to->ops = &http_io_plain;
    to->connect_timeout_ms = or_default(to->connect_timeout_ms, CONNECT_TIMEOUT_DEFAULT_MS);
    to->ping_timeout_ms = or_default(to->ping_timeout_ms, PING_TIMEOUT_DEFAULT_MS);
    to->stream_window = (uint32_t)or_default(to->stream_window, STREAM_WINDOW_DEFAULT);
    to->conn_window = (uint32_t)or_default(to->conn_window, CONN_WINDOW_DEFAULT);
    to->headers_max = (uint32_t)or_default(to->headers_max, HEADERS_MAX_DEFAULT);
}

struct h2_client *h2_client_new(struct loop *l, const struct h2_client_config *config)
{
    struct h2_client *c = xcalloc(1, sizeof *c);
    c->loop = l;
    config_copy(&c->cfg, config);
    list_init(&c->streams);
    list_init(&c->rejected);
    loop_timer_init(&c->timer, l, client_on_timer);
    loop_task_init(&c->task, client_on_round_end);
    c->dialer = (struct dialer){.loop = l,
                                .host = c->cfg.host,
                                .port = c->cfg.port,
                                .ops = c->cfg.ops,
                                .io_arg = c->cfg.io_arg,
                                .timeout_ms = c->cfg.connect_timeout_ms};
    dialer_init(&c->dialer);
    dial_init(&c->dial, &c->dialer, client_dialed);
    return c;
}

/* ---- what an owner may ask --------------------------------------------------------------- */

enum h2_client_state h2_client_state(const struct h2_client *c)
{
    return c->state;
}

bool h2_client_takes_streams(const struct h2_client *c)
{
    return c->state == H2_CLIENT_READY && nghttp2_session_check_request_allowed(c->session);
}
