/* http/client.c -- requests: who waits, which connection is used, what is overdue.
 *
 * One timer serves all deadlines of a client: it stands at the earliest, or earlier, and finds out
 * for itself what is due.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/client.h"

#include <stdlib.h>

#include "http/client_priv.h"

#define CONN_MAX_DEFAULT           4
#define CONNECT_TIMEOUT_DEFAULT_MS 5000
#define KEEP_DEFAULT_MS            60000

/* ---- time -------------------------------------------------------------------------------- */

void client_wake_at(struct http_client *c, msec when)
{
    if (when >= c->timer_at || c->closing)
        return;
    c->timer_at = when;
    loop_timer_set(&c->timer, when - clock_now_ms());
}

static struct http_request *first_overdue_request(struct http_client *c, msec now)
{
    struct http_request *r;
    LIST_FOREACH (r, &c->waiting, struct http_request, link)
        if (r->deadline <= now)
            return r;
    return NULL;
}

static struct client_conn *first_overdue_conn(struct http_client *c, msec now)
{
    struct client_conn *k;
    LIST_FOREACH (k, &c->conns, struct client_conn, link)
        if (client_conn_due_at(k) <= now)
            return k;
    return NULL;
}

static void client_set_timer(struct http_client *c)
{
    struct http_request *r;
    struct client_conn *k;
    LIST_FOREACH (r, &c->waiting, struct http_request, link)
        client_wake_at(c, r->deadline);
    LIST_FOREACH (k, &c->conns, struct client_conn, link)
        client_wake_at(c, client_conn_due_at(k));
}

/* The lists are searched anew after each call back, which may have changed them. */
static void on_timer(struct loop_timer *t)
{
    struct http_client *c = CONTAINER_OF(t, struct http_client, timer);
    struct http_request *r;
    struct client_conn *k;
    msec now = clock_now_ms();
    c->timer_at = MSEC_NEVER;
    client_enter(c);
    while ((r = first_overdue_request(c, now)) != NULL)
        client_request_end(r, why_set(&r->why, ERR_TIMEOUT,
                                      "no connection to %s became free within %lld ms",
                                      c->authority, (long long)r->timeout_ms));
    while ((k = first_overdue_conn(c, now)) != NULL)
        client_conn_overdue(k, now);
    client_set_timer(c);
    client_leave(c);
}

/* ---- connections ------------------------------------------------------------------------- */

static struct client_conn *client_find_idle(struct http_client *c)
{
    struct client_conn *k;
    LIST_FOREACH (k, &c->conns, struct client_conn, link)
        if (k->state == CLIENT_CONN_IDLE && client_conn_is_usable(k))
            return k;
    return NULL;
}

static void client_schedule(struct http_client *c)
{
    while (!list_is_empty(&c->waiting)) {
        struct client_conn *k = client_find_idle(c);
        if (k == NULL && c->conn_n >= c->conn_max)
            return;
        struct http_request *r = LIST_ENTRY(c->waiting.next, struct http_request, link);
        list_unlink(&r->link);
        if (k != NULL)
            client_conn_use(k, r);
        else
            client_conn_new(c, r);
    }
}

static void client_reap(struct http_client *c)
{
    struct client_conn *k;
    LIST_FOREACH (k, &c->dead, struct client_conn, link)
        client_conn_free(k);
}

static void client_destroy(struct http_client *c)
{
    invariant(list_is_empty(&c->conns) && list_is_empty(&c->waiting));
    free(c->host);
    free(c->port);
    free(c->authority);
    free(c->read_buf);
    free(c);
}

void client_enter(struct http_client *c)
{
    c->depth++;
}

void client_leave(struct http_client *c)
{
    if (--c->depth != 0)
        return;
    if (!c->closing)
        client_schedule(c);
    client_reap(c);
    if (c->closing)
        client_destroy(c);
}

struct http_client *http_client_new(struct loop *l, const struct http_client_config *config)
{
    struct http_client *c = xcalloc(1, sizeof *c);
    c->host = xstrdup(config->host);
    c->port = config->port != NULL ? xstrdup(config->port) : NULL;
    c->authority = xstrdup(config->authority);
    c->dialer.loop = l;
    c->dialer.host = c->host;
    c->dialer.port = c->port;
    c->dialer.ops = config->ops != NULL ? config->ops : &http_io_plain;
    c->dialer.io_arg = config->io_arg;
    c->dialer.timeout_ms =
        config->connect_timeout_ms != 0 ? config->connect_timeout_ms : CONNECT_TIMEOUT_DEFAULT_MS;
    dialer_init(&c->dialer);
    c->conn_max = config->conn_max != 0 ? config->conn_max : CONN_MAX_DEFAULT;
    c->keep_ms = config->keep_ms != 0 ? config->keep_ms : KEEP_DEFAULT_MS;
    list_init(&c->waiting);
    list_init(&c->conns);
    list_init(&c->dead);
    loop_timer_init(&c->timer, l, on_timer);
    c->timer_at = MSEC_NEVER;
    c->read_buf = xmalloc(CLIENT_READ_CHUNK);
    return c;
}

static void client_end_closed(struct http_request *r)
{
    client_request_end(r, why_set(&r->why, ERR_CLOSED, "the client was closed"));
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    invariant(!c->closing);
    c->closing = true;
    client_enter(c);
    loop_timer_fini(&c->timer);
    while (!list_is_empty(&c->conns)) {
        struct client_conn *k = LIST_ENTRY(c->conns.next, struct client_conn, link);
        struct http_request *r = k->request;
        client_conn_close(k);
        if (r != NULL)
            client_end_closed(r);
    }
    while (!list_is_empty(&c->waiting))
        client_end_closed(LIST_ENTRY(c->waiting.next, struct http_request, link));
    dialer_fini(&c->dialer);
    client_leave(c);
}

/* ---- requests ---------------------------------------------------------------------------- */

void http_client_send(struct http_client *c, struct http_request *r)
{
    invariant(r->client == NULL && !c->closing);
    r->client = c;
    r->conn = NULL;
    r->status = 0;
    r->answer = BUF_INIT;
    r->why.text[0] = '\0';
    r->deadline = r->timeout_ms != 0 ? clock_now_ms() + r->timeout_ms : MSEC_NEVER;
    client_enter(c);
    list_add_tail(&c->waiting, &r->link);
    client_wake_at(c, r->deadline);
    client_leave(c);
}

void client_request_end(struct http_request *r, enum err e)
{
    struct buf answer = r->answer;
    list_unlink(&r->link);
    r->client = NULL;
    r->done(r, e); /* it may be gone, or sent again, from here on */
    buf_fini(&answer);
}

void http_request_cancel(struct http_request *r)
{
    struct http_client *c = r->client;
    struct client_conn *k = r->conn;
    if (c == NULL)
        return;
    client_enter(c);
    if (k != NULL)
        client_conn_close(k);
    list_unlink(&r->link);
    buf_fini(&r->answer);
    r->client = NULL;
    r->conn = NULL;
    client_leave(c);
}

struct slice http_request_header(const struct http_request *r, const char *name)
{
    const struct client_conn *k = r->conn;
    struct slice rest = k != NULL ? buf_slice(&k->headers) : slice_make(NULL, 0);
    for (bool is_name = true, found = false; rest.n != 0; is_name = !is_name) {
        const uint8_t *end = memchr(rest.p, '\0', rest.n);
        if (end == NULL)
            break; /* it failed in the middle of a header */
        struct slice s = slice_make(rest.p, (size_t)(end - rest.p));
        if (found)
            return s;
        found = is_name && slice_is(s, name);
        rest = slice_make(end + 1, rest.n - s.n - 1);
    }
    return slice_make(NULL, 0);
}
