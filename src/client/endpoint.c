/* client/endpoint.c -- see client_priv.h.
 *
 * All endpoints are connected from the first use on. A connection that was lost is made again at
 * once, if it was there for 50 ms; one that could not be made, after a pause of 1 s that grows to
 * 120 s, or, while no other endpoint is there, of 50 ms that grows to 1 s.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/client_priv.h"

enum {
    PAUSE_FIRST_MS = 1000,
    PAUSE_MAX_MS = 120 * 1000,
    PAUSE_ALONE_FIRST_MS = 50,
    PAUSE_ALONE_MAX_MS = 1000,
    LIFE_MIN_MS = 50, /* of a connection */
    CONNECT_MIN_MS = 20 * 1000, /* a connection may always take so long */
    SHUN_MS = 10 * 1000,
    PING_MIN_MS = 10 * 1000, /* servers end connections that are asked more often */
};

static void on_changed(struct h2_client *h2, void *arg, enum h2_client_state state,
                       const struct why *why);

/* ---- life -------------------------------------------------------------------------------- */

static bool uses_tls(const struct etcd_client *c, const struct endpoint_address *a)
{
    return a->scheme_says ? a->tls : c->cfg.tls;
}

static struct h2_client *connection_new(struct endpoint *e)
{
    struct etcd_client *c = e->client;
    bool tls = uses_tls(c, &e->address);
    msec ping = c->cfg.keepalive_time_ms;
    const char *host = e->address.port != NULL ? e->address.host : e->address.authority;
    e->tls.context = c->tls;
    e->tls.name = c->cfg.server_name != NULL ? c->cfg.server_name : host;
    const struct h2_client_config config = {
        .host = e->address.host,
        .port = e->address.port,
        .scheme = tls ? "https" : "http",
        .authority = e->address.authority,
        .ops = tls ? &tls_client_io : NULL,
        .io_arg = &e->tls,
        .connect_timeout_ms =
            c->cfg.dial_timeout_ms > CONNECT_MIN_MS ? c->cfg.dial_timeout_ms : CONNECT_MIN_MS,
        .ping_ms = ping < 0             ? 0
                   : ping < PING_MIN_MS ? PING_MIN_MS
                                        : ping,
        .ping_timeout_ms = c->cfg.keepalive_timeout_ms,
        .changed = on_changed,
        .arg = e,
    };
    return h2_client_new(c->loop, &config);
}

static void on_again(struct loop_timer *t)
{
    struct endpoint *e = CONTAINER_OF(t, struct endpoint, again);
    h2_client_connect(e->h2);
}

static struct endpoint *endpoint_new(struct etcd_client *c, const char *text,
                                     struct endpoint_address *address)
{
    struct endpoint *e = xcalloc(1, sizeof *e);
    e->client = c;
    e->text = xstrdup(text);
    e->address = *address;
    list_init(&e->link);
    loop_timer_init(&e->again, c->loop, on_again);
    e->h2 = connection_new(e);
    return e;
}

static void endpoint_free(struct endpoint *e)
{
    list_unlink(&e->link);
    loop_timer_fini(&e->again);
    h2_client_free(e->h2);
    endpoint_address_fini(&e->address);
    free(e->text);
    free(e);
}

/* ---- connections ------------------------------------------------------------------------- */

static bool another_is_ready(const struct endpoint *e)
{
    const struct etcd_client *c = e->client;
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (c->endpoints[i] != e && h2_client_state(c->endpoints[i]->h2) == H2_CLIENT_READY)
            return true;
    return false;
}

/* How long to wait after the failure number `failures`, give or take a fifth. */
static msec pause_ms(struct endpoint *e)
{
    bool alone = !another_is_ready(e);
    msec pause = alone ? PAUSE_ALONE_FIRST_MS : PAUSE_FIRST_MS;
    msec max = alone ? PAUSE_ALONE_MAX_MS : PAUSE_MAX_MS;
    for (unsigned i = 1; i < e->failures && pause < max; i++)
        pause = pause * 8 / 5;
    if (pause > max)
        pause = max;
    return pause * 4 / 5 + (msec)rng_below(&e->client->rng, (uint64_t)pause * 2 / 5);
}

/* The last connection was good, and is of no use any more. */
static void connect_again(struct endpoint *e)
{
    loop_timer_set(&e->again, e->ready_at + LIFE_MIN_MS - loop_now(e->client->loop));
}

static void on_lost(struct endpoint *e, const struct why *why)
{
    client_debug(e->client, "endpoint %s: %s", e->text, why->text);
    if (e->retired)
        return;
    if (e->was_ready) {
        e->was_ready = false;
        connect_again(e);
        return;
    }
    if (e->failures < 100)
        e->failures++;
    loop_timer_set(&e->again, pause_ms(e));
    e->client->trouble = *why;
    attempts_give_up(e->client);
}

static void on_changed(struct h2_client *h2, void *arg, enum h2_client_state state,
                       const struct why *why)
{
    struct endpoint *e = arg;
    if (state == H2_CLIENT_IDLE) {
        on_lost(e, why);
    } else if (state == H2_CLIENT_READY) {
        client_debug(e->client, "endpoint %s: connected", e->text);
        e->was_ready = true;
        e->ready_at = loop_now(e->client->loop);
        e->failures = 0;
        attempts_go(e->client);
    }
}

void endpoints_connect(struct etcd_client *c)
{
    c->connected = true;
    for (size_t i = 0; i < c->n_endpoints; i++)
        h2_client_connect(c->endpoints[i]->h2);
}

/* ---- retirement -------------------------------------------------------------------------- */

static void retire(struct endpoint *e)
{
    e->retired = true;
    loop_timer_clear(&e->again);
    list_add_tail(&e->client->retired, &e->link);
    if (e->running == 0)
        loop_task_add(e->client->loop, &e->client->reap);
}

void endpoint_release(struct endpoint *e)
{
    e->running--;
    if (e->retired && e->running == 0)
        loop_task_add(e->client->loop, &e->client->reap);
}

static void on_reap(struct loop_task *t)
{
    struct etcd_client *c = CONTAINER_OF(t, struct etcd_client, reap);
    struct endpoint *e;
    LIST_FOREACH (e, &c->retired, struct endpoint, link)
        if (e->running == 0)
            endpoint_free(e);
}

/* The server said GOAWAY: the connection is left to what runs on it, and another is made. */
static void replace(struct etcd_client *c, size_t i)
{
    struct endpoint *old = c->endpoints[i];
    struct endpoint_address address;
    struct etcd_error error;
    bool good = endpoint_address_parse(old->text, &address, &error);
    invariant(good); /* as it was before */
    struct endpoint *e = endpoint_new(c, "", &address);
    char *text = e->text;
    e->text = old->text; /* which etcd_client_endpoints() has lent */
    old->text = text;
    c->endpoints[i] = e;
    e->ready_at = old->ready_at;
    retire(old);
    connect_again(e);
}

/* ---- choice ------------------------------------------------------------------------------ */

static struct endpoint *pick_at(struct etcd_client *c, size_t i)
{
    struct endpoint *e = c->endpoints[i];
    if (h2_client_takes_streams(e->h2))
        return e;
    if (h2_client_state(e->h2) == H2_CLIENT_READY)
        replace(c, i);
    return NULL;
}

struct endpoint *endpoint_pick(struct etcd_client *c, size_t at)
{
    struct endpoint *shunned = NULL;
    if (at != SIZE_MAX)
        return at < c->n_endpoints ? pick_at(c, at) : NULL;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        size_t next = c->next_endpoint++ % c->n_endpoints;
        struct endpoint *e = pick_at(c, next);
        if (e != NULL && (e->shunned_until == 0 || e->shunned_until <= loop_now(c->loop)))
            return e;
        if (e != NULL && (shunned == NULL || e->shunned_until < shunned->shunned_until))
            shunned = e;
    }
    return shunned;
}

void endpoint_shun(struct endpoint *e)
{
    if (e != NULL)
        e->shunned_until = loop_now(e->client->loop) + SHUN_MS;
}

bool endpoints_are_down(const struct etcd_client *c, size_t at)
{
    if (!c->cfg.fail_fast)
        return false;
    if (at != SIZE_MAX)
        return at < c->n_endpoints && c->endpoints[at]->failures > 0;
    for (size_t i = 0; i < c->n_endpoints; i++)
        if (c->endpoints[i]->failures == 0)
            return false;
    return true;
}

/* ---- the set ----------------------------------------------------------------------------- */

/* Take the endpoint of `text` out of the old set. */
static struct endpoint *take_old(struct endpoint **old, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        struct endpoint *e = old[i];
        if (e != NULL && strcmp(e->text, text) == 0) {
            old[i] = NULL;
            return e;
        }
    }
    return NULL;
}

static bool addresses_parse(struct etcd_client *c, const char *const *texts, size_t n,
                            struct endpoint_address *ret, struct etcd_error *ret_error)
{
    if (n == 0 || n > ETCD_ENDPOINTS_MAX) {
        error_set(ret_error, ETCD_INVALID_ARGUMENT,
                  n == 0 ? "etcdclient: no available endpoints" : "too many endpoints");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool good = endpoint_address_parse(texts[i], &ret[i], ret_error);
        if (good && (!uses_tls(c, &ret[i]) || client_need_tls(c, ret_error)))
            continue;
        for (size_t j = 0; j <= i; j++)
            endpoint_address_fini(&ret[j]);
        return false;
    }
    return true;
}

bool endpoints_set(struct etcd_client *c, const char *const *texts, size_t n,
                   struct etcd_error *ret_error)
{
    struct endpoint_address addresses[ETCD_ENDPOINTS_MAX];
    if (!addresses_parse(c, texts, n, addresses, ret_error))
        return false;
    struct endpoint **old = c->endpoints;
    size_t n_old = c->n_endpoints;
    c->endpoints = xcalloc(n, sizeof(struct endpoint *));
    for (size_t i = 0; i < n; i++) {
        c->endpoints[i] = take_old(old, n_old, texts[i]);
        if (c->endpoints[i] == NULL)
            c->endpoints[i] = endpoint_new(c, texts[i], &addresses[i]);
        else
            endpoint_address_fini(&addresses[i]);
    }
    c->n_endpoints = n;
    free(c->endpoint_texts);
    c->endpoint_texts = xcalloc(n, sizeof(char *));
    for (size_t i = 0; i < n; i++)
        c->endpoint_texts[i] = c->endpoints[i]->text;
    for (size_t i = 0; i < n_old; i++)
        if (old[i] != NULL)
            retire(old[i]);
    free(old);
    if (c->connected)
        endpoints_connect(c);
    return true;
}

void endpoints_init(struct etcd_client *c)
{
    list_init(&c->retired);
    loop_task_init(&c->reap, on_reap);
}

void endpoints_fini(struct etcd_client *c)
{
    struct endpoint *e;
    loop_task_cancel(&c->reap);
    LIST_FOREACH (e, &c->retired, struct endpoint, link)
        endpoint_free(e);
    for (size_t i = 0; i < c->n_endpoints; i++)
        endpoint_free(c->endpoints[i]);
    free(c->endpoints);
    free(c->endpoint_texts);
}
