/* http/dial.c -- see dial.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/dial.h"

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

static const char *dial_network(const struct dial *d)
{
    return d->dialer->port != NULL ? "tcp" : "unix";
}

void dial_where(const struct dial *d, char *ret_text, size_t size)
{
    char text[ADDRESS_TEXT_MAX];
    address_text(&d->addresses.at[d->address_i], text, sizeof text);
    snprintf(ret_text, size, "%s %s", dial_network(d), text);
}

static const char *io_trouble(const struct dial *d)
{
    return d->dialer->ops->trouble != NULL ? d->dialer->ops->trouble(d->io) : NULL;
}

enum err dial_explain(const struct dial *d, struct why *why, const char *verb, int number,
                      const char *eof)
{
    char where[DIAL_WHERE_MAX];
    const char *trouble = io_trouble(d);
    dial_where(d, where, sizeof where);
    if (trouble == NULL && number == 0)
        trouble = eof;
    return why_set(why, ERR_CLOSED, "%s %s: %s", verb, where,
                   trouble != NULL ? trouble : errno_text(number).text);
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
        d->dialer->ops->close(d->io);
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
    d->read_ev = event_new(loop_base(d->dialer->loop), fd, EV_READ | EV_PERSIST, dial_ready, d);
    d->write_ev = event_new(loop_base(d->dialer->loop), fd, EV_WRITE, dial_ready, d);
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
    errno = 0;
    ssize_t rc = d->dialer->ops->handshake != NULL ? d->dialer->ops->handshake(d->io) : 1;
    int number = errno;
    if (rc > 0) {
        dial_end(d);
    } else if (rc == HTTP_IO_WANT_WRITE) {
        event_add(d->write_ev, NULL);
    } else if (rc != HTTP_IO_WANT_READ) {
        const char *trouble = io_trouble(d);
        dial_try_next(d, "",
                      trouble != NULL ? trouble
                      : number != 0   ? errno_text(number).text
                                      : "handshake failed");
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
    d->io = d->dialer->ops->open(d->dialer->io_arg, d->fd);
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

static void dial_resolved(struct dial *d, const struct addresses *addresses, const char *trouble)
{
    list_unlink(&d->link);
    if (trouble != NULL) {
        why_set(&d->why, ERR_CLOSED, "dial tcp: lookup %s: %s", d->dialer->host, trouble);
        dial_end(d);
        return;
    }
    d->addresses = *addresses;
    dial_try_addresses(d);
}

static void on_lookup_done(void *arg, const struct addresses *addresses, const char *trouble)
{
    struct dialer *r = arg;
    struct list resolving;
    list_init(&resolving);
    list_splice_tail(&resolving, &r->resolving);
    r->lookup = NULL;
    while (!list_is_empty(&resolving)) /* the dialer may go with the last one */
        dial_resolved(LIST_ENTRY(resolving.next, struct dial, link), addresses, trouble);
}

static void dial_begin(struct dial *d)
{
    struct dialer *r = d->dialer;
    struct addresses a;
    if (r->port != NULL ? resolve_numeric(r->host, r->port, &a) : resolve_unix(r->host, &a)) {
        dial_resolved(d, &a, NULL);
        return;
    }
    if (r->port == NULL) {
        dial_fail(d, "the path is too long for a socket");
        return;
    }
    if (r->lookup == NULL)
        r->lookup = lookup_start(r->loop, r->host, r->port, on_lookup_done, r);
    if (r->lookup == NULL) {
        dial_fail(d, errno_text(errno).text);
        return;
    }
    d->state = DIAL_RESOLVING;
    list_add_tail(&r->resolving, &d->link);
    loop_timer_set(&d->timer, d->deadline - clock_now_ms());
}

static void on_timer(struct loop_timer *t)
{
    struct dial *d = CONTAINER_OF(t, struct dial, timer);
    if (d->state == DIAL_NEW)
        dial_begin(d);
    else if (d->state == DIAL_RESOLVING)
        dial_resolved(d, NULL, "i/o timeout");
    else
        dial_try_next(d, "", "i/o timeout");
}

/* ---- the owner --------------------------------------------------------------------------- */

void dialer_init(struct dialer *r)
{
    r->lookup = NULL;
    list_init(&r->resolving);
}

void dialer_fini(struct dialer *r)
{
    invariant(list_is_empty(&r->resolving));
    lookup_cancel(r->lookup);
    r->lookup = NULL;
}

void dial_init(struct dial *d, struct dialer *r, void (*done)(struct dial *d))
{
    *d = (struct dial){.dialer = r, .done = done, .fd = -1};
    list_init(&d->link);
    loop_timer_init(&d->timer, r->loop, on_timer);
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
    d->deadline = clock_now_ms() + d->dialer->timeout_ms;
    loop_timer_set(&d->timer, 0);
}

void dial_fini(struct dial *d)
{
    if (d->state != DIAL_IDLE)
        dial_drop_socket(d);
    d->state = DIAL_IDLE;
    list_unlink(&d->link);
    loop_timer_fini(&d->timer);
}
