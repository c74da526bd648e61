/* http/dial.c -- see dial.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/dial.h"

#include <ctype.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TCP_KEEPALIVE_S 30

/* ---- words ------------------------------------------------------------------------------- */

struct errno_text errno_text(int number)
{
    struct errno_text t;
    snprintf(t.text, sizeof t.text, "%s", strerror(number));
    t.text[0] = (char)tolower((unsigned char)t.text[0]);
    return t;
}

static const char *dial_network(const struct dial *d)
{
    return d->port != NULL ? "tcp" : "unix";
}

void dial_where(const struct dial *d, char *ret_text, size_t size)
{
    char text[ADDRESS_TEXT_MAX];
    address_text(&d->addresses.at[d->address_i], text, sizeof text);
    snprintf(ret_text, size, "%s %s", dial_network(d), text);
}

/* The first trouble is the one to be told. */
static void dial_note(struct dial *d, const char *step, const char *trouble)
{
    char where[DIAL_WHERE_MAX];
    if (d->why.text[0] != '\0')
        return;
    dial_where(d, where, sizeof where);
    why_set(&d->why, ERR_CLOSED, "dial %s: %s%s", where, step, trouble);
}

/* ---- the end ----------------------------------------------------------------------------- */

static void dial_free_events(struct dial *d)
{
    if (d->read_ev != NULL)
        event_free(d->read_ev);
    if (d->write_ev != NULL)
        event_free(d->write_ev);
    d->read_ev = d->write_ev = NULL;
}

static void dial_drop_socket(struct dial *d)
{
    dial_free_events(d);
    if (d->io != NULL)
        d->ops->close(d->io);
    else if (d->fd != -1)
        close(d->fd);
    d->io = NULL;
    d->fd = -1;
}

static void dial_end(struct dial *d)
{
    d->state = DIAL_IDLE;
    loop_timer_clear(&d->timer);
    dial_free_events(d);
    d->done(d);
}

static void dial_fail(struct dial *d, const char *trouble)
{
    why_set(&d->why, ERR_CLOSED, "dial %s: %s", dial_network(d), trouble);
    dial_end(d);
}

/* ---- addresses --------------------------------------------------------------------------- */

static void dial_ready(evutil_socket_t fd, short what, void *arg);

static void socket_set(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value); /* the connection works without, too */
}

/* Return 0 when the connection is on its way (or there), else errno. */
static int dial_connect(struct dial *d, const struct address *a)
{
    int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return errno;
    d->fd = fd;
    if (a->ss.ss_family != AF_UNIX) {
        socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, TCP_KEEPALIVE_S);
        socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, TCP_KEEPALIVE_S);
    }
    if (connect(fd, (const struct sockaddr *)&a->ss, a->n) != 0 && errno != EINPROGRESS)
        return errno;
    d->read_ev = event_new(loop_base(d->loop), fd, EV_READ | EV_PERSIST, dial_ready, d);
    d->write_ev = event_new(loop_base(d->loop), fd, EV_WRITE, dial_ready, d);
    invariant(d->read_ev != NULL && d->write_ev != NULL);
    event_add(d->write_ev, NULL);
    return 0;
}

static void dial_try_addresses(struct dial *d)
{
    for (; d->address_i < d->addresses.n; d->address_i++) {
        msec left = d->deadline - clock_now_ms();
        int number = dial_connect(d, &d->addresses.at[d->address_i]);
        if (number == 0) {
            d->state = DIAL_CONNECTING;
            loop_timer_set(&d->timer, left / (msec)(d->addresses.n - d->address_i));
            return;
        }
        dial_note(d, "connect: ", errno_text(number).text);
        dial_drop_socket(d);
    }
    dial_end(d);
}

static void dial_try_next(struct dial *d, const char *step, const char *trouble)
{
    dial_note(d, step, trouble);
    dial_drop_socket(d);
    d->address_i++;
    dial_try_addresses(d);
}

static void dial_handshake(struct dial *d)
{
    ssize_t rc = d->ops->handshake != NULL ? d->ops->handshake(d->io) : 1;
    if (rc > 0) {
        dial_end(d);
    } else if (rc == HTTP_IO_WANT_WRITE) {
        event_add(d->write_ev, NULL);
    } else if (rc != HTTP_IO_WANT_READ) {
        const char *trouble = d->ops->trouble != NULL ? d->ops->trouble(d->io) : NULL;
        dial_try_next(d, "", trouble != NULL ? trouble : "handshake failed");
    }
}

static void dial_connected(struct dial *d)
{
    int number = 0;
    socklen_t n = sizeof number;
    getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &number, &n);
    if (number != 0) {
        dial_try_next(d, "connect: ", errno_text(number).text);
        return;
    }
    d->io = d->ops->open(d->io_arg, d->fd);
    if (d->io == NULL) {
        dial_free_events(d);
        d->fd = -1; /* open() took it */
        dial_try_next(d, "", "handshake failed");
        return;
    }
    event_add(d->read_ev, NULL);
    d->state = DIAL_HANDSHAKE;
    loop_timer_set(&d->timer, d->deadline - clock_now_ms());
    dial_handshake(d);
}

static void dial_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct dial *d = arg;
    if (d->state == DIAL_CONNECTING)
        dial_connected(d);
    else
        dial_handshake(d);
}

/* ---- the name ---------------------------------------------------------------------------- */

static void dial_resolved(void *arg, const struct addresses *addresses, const char *trouble)
{
    struct dial *d = arg;
    d->lookup = NULL;
    if (trouble != NULL) {
        why_set(&d->why, ERR_CLOSED, "dial tcp: lookup %s: %s", d->host, trouble);
        dial_end(d);
        return;
    }
    d->addresses = *addresses;
    dial_try_addresses(d);
}

static void dial_begin(struct dial *d)
{
    struct addresses a;
    if (d->port != NULL ? resolve_numeric(d->host, d->port, &a) : resolve_unix(d->host, &a)) {
        dial_resolved(d, &a, NULL);
        return;
    }
    if (d->port == NULL) {
        dial_fail(d, "the path is too long for a socket");
        return;
    }
    d->lookup = lookup_start(d->loop, d->host, d->port, dial_resolved, d);
    if (d->lookup == NULL) {
        dial_fail(d, errno_text(errno).text);
        return;
    }
    d->state = DIAL_RESOLVING;
    loop_timer_set(&d->timer, d->deadline - clock_now_ms());
}

static void on_timer(struct loop_timer *t)
{
    struct dial *d = CONTAINER_OF(t, struct dial, timer);
    if (d->state == DIAL_NEW) {
        dial_begin(d);
    } else if (d->state == DIAL_RESOLVING) {
        lookup_cancel(d->lookup);
        dial_resolved(d, NULL, "i/o timeout");
    } else {
        dial_try_next(d, "", "i/o timeout");
    }
}

/* ---- the owner --------------------------------------------------------------------------- */

void dial_init(struct dial *d)
{
    d->state = DIAL_IDLE;
    d->fd = -1;
    loop_timer_init(&d->timer, d->loop, on_timer);
}

void dial_start(struct dial *d)
{
    if (d->state != DIAL_IDLE)
        return;
    d->state = DIAL_NEW;
    d->io = NULL; /* what was there is the owner's */
    d->fd = -1;
    d->addresses.n = d->address_i = 0;
    d->why.text[0] = '\0';
    d->deadline = clock_now_ms() + d->timeout_ms;
    loop_timer_set(&d->timer, 0);
}

void dial_fini(struct dial *d)
{
    if (d->state != DIAL_IDLE) {
        lookup_cancel(d->lookup);
        dial_drop_socket(d);
    }
    loop_timer_fini(&d->timer);
}
