/* client/client.c -- see client_priv.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/client_priv.h"

enum {
    DIAL_TIMEOUT_MS = 2000,
    CALL_TIMEOUT_MS = 5000,
    KEEPALIVE_TIME_MS = 2000,
    KEEPALIVE_TIMEOUT_MS = 6000,
    SEND_MAX = 2 * 1024 * 1024,
    RECV_MAX = INT32_MAX,
    DEBUG_TEXT_MAX = 1024,
};

#define TIME_MAX_MS (INT32_MAX * INT64_C(1000)) /* 68 years: longer ones are taken as that */

/* ---- life -------------------------------------------------------------------------------- */

static int64_t time_bounded(int64_t ms)
{
    return ms < TIME_MAX_MS ? ms : TIME_MAX_MS;
}

static void fill_in(struct etcd_client_config *cfg)
{
    cfg->dial_timeout_ms = time_bounded(cfg->dial_timeout_ms);
    cfg->call_timeout_ms = time_bounded(cfg->call_timeout_ms);
    cfg->keepalive_time_ms = time_bounded(cfg->keepalive_time_ms);
    cfg->keepalive_timeout_ms = time_bounded(cfg->keepalive_timeout_ms);
    if (cfg->dial_timeout_ms <= 0)
        cfg->dial_timeout_ms = DIAL_TIMEOUT_MS;
    if (cfg->call_timeout_ms == 0)
        cfg->call_timeout_ms = CALL_TIMEOUT_MS;
    if (cfg->keepalive_time_ms == 0)
        cfg->keepalive_time_ms = KEEPALIVE_TIME_MS;
    if (cfg->keepalive_timeout_ms <= 0)
        cfg->keepalive_timeout_ms = KEEPALIVE_TIMEOUT_MS;
    if (cfg->send_max == 0)
        cfg->send_max = SEND_MAX;
    if (cfg->recv_max == 0)
        cfg->recv_max = RECV_MAX;
    cfg->tls |= cfg->cert_file != NULL || cfg->key_file != NULL || cfg->ca_file != NULL;
}

/* The files are looked at now: what is wrong with them is better said before the first call. */
bool client_need_tls(struct etcd_client *c, struct etcd_error *ret_error)
{
    if (c->tls != NULL)
        return true;
    const struct tls_config config = {
        .cert_file = c->cfg.cert_file,
        .key_file = c->cfg.key_file,
        .ca_file = c->cfg.ca_file,
        .skip_verify = c->cfg.insecure_skip_verify,
        .alpn = "h2",
    };
    struct why why;
    if (tls_context_new(&config, &c->tls, &why) == ERR_OK)
        return true;
    error_set(ret_error, ETCD_INVALID_ARGUMENT, "%s", why.text);
    return false;
}

static bool check(const struct etcd_client_config *cfg, struct etcd_error *ret_error)
{
    bool has_user = cfg->user != NULL && cfg->user[0] != '\0';
    bool has_token = cfg->token != NULL && cfg->token[0] != '\0';
    if (has_user && has_token)
        error_set(ret_error, ETCD_INVALID_ARGUMENT,
                  "Username/Password and Token configurations are mutually exclusive");
    else if (cfg->send_max > cfg->recv_max)
        error_set(ret_error, ETCD_INVALID_ARGUMENT,
                  "gRPC message recv limit (%u bytes) must be greater than send limit (%u bytes)",
                  cfg->recv_max, cfg->send_max);
    else
        return true;
    return false;
}

static const char *keep(struct etcd_client *c, const char *s)
{
    return s != NULL && s[0] != '\0' ? arena_strdup(c->strings, s) : NULL;
}

static void keep_config(struct etcd_client *c, const struct etcd_client_config *cfg)
{
    c->strings = arena_new();
    c->cfg = *cfg;
    c->cfg.endpoints = NULL;
    c->cfg.user = c->cfg.password = c->cfg.token = NULL;
    c->cfg.cert_file = keep(c, cfg->cert_file);
    c->cfg.key_file = keep(c, cfg->key_file);
    c->cfg.ca_file = keep(c, cfg->ca_file);
    c->cfg.server_name = keep(c, cfg->server_name);
}

struct etcd_client *etcd_client_new(const struct etcd_client_config *config,
                                    struct etcd_error *ret_error)
{
    static const char *const here[] = {"127.0.0.1:2379"};
    struct etcd_client_config cfg = *config;
    fill_in(&cfg);
    if (!check(&cfg, ret_error))
        return NULL;

    struct etcd_client *c = xcalloc(1, sizeof *c);
    c->loop = loop_new();
    keep_config(c, &cfg);
    c->rng.state = (uint64_t)clock_now_us() ^ (uint64_t)getpid() << 32;
    list_init(&c->readers);
    list_init(&c->streams);
    list_init(&c->watchers);
    endpoints_init(c);
    attempts_init(c);
    calls_init(c);
    token_init(c, config);
    bool good = (!c->cfg.tls || client_need_tls(c, ret_error)) &&
                (cfg.endpoints != NULL ? endpoints_set(c, cfg.endpoints, cfg.n_endpoints, ret_error)
                                       : endpoints_set(c, here, ARRAY_LEN(here), ret_error));
    if (good)
        return c;
    etcd_client_free(c);
    return NULL;
}

void etcd_client_free(struct etcd_client *c)
{
    if (c == NULL)
        return;
    invariant(!c->polling);
    keepers_fini(c);
    watchers_fini(c);
    streams_fini(c);
    calls_fini(c);
    attempts_fini(c);
    endpoints_fini(c);
    token_fini(c);
    while (!list_is_empty(&c->readers))
        etcd_client_on_readable(c, LIST_ENTRY(c->readers.next, struct reader, link)->fd, NULL,
                                NULL);
    tls_context_free(c->tls);
    loop_free(c->loop);
    arena_free(c->strings);
    free(c);
}

bool etcd_client_set_endpoints(struct etcd_client *c, const char *const *endpoints, size_t n,
                               struct etcd_error *ret_error)
{
    if (!endpoints_set(c, endpoints, n, ret_error))
        return false;
    attempts_go(c);
    return true;
}

const char *const *etcd_client_endpoints(const struct etcd_client *c, size_t *ret_n)
{
    *ret_n = c->n_endpoints;
    return c->endpoint_texts;
}

void client_debug(struct etcd_client *c, const char *fmt, ...)
{
    if (c->cfg.debug == NULL)
        return;
    char text[DEBUG_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; (p = strchr(p, '\n')) != NULL;)
        *p = ' ';
    c->cfg.debug(c->cfg.debug_arg, text);
}

/* ---- the loop ---------------------------------------------------------------------------- */

bool client_may_wait(struct etcd_client *c, struct etcd_error *ret_error)
{
    if (c->polling)
        error_set(ret_error, ETCD_FAILED_PRECONDITION, "cannot wait inside a callback");
    return !c->polling;
}

msec deadline_in(struct etcd_client *c, int64_t timeout_ms)
{
    return timeout_ms <= 0 ? DEADLINE_NONE : loop_now(c->loop) + time_bounded(timeout_ms);
}

bool etcd_client_poll(struct etcd_client *c, int64_t timeout_ms)
{
    if (c->polling || atomic_load(&c->interrupted))
        return false;
    c->polling = true;
    loop_round(c->loop, timeout_ms == 0 ? 0 : deadline_in(c, timeout_ms));
    c->polling = false;
    return !atomic_load(&c->interrupted);
}

void etcd_client_interrupt(struct etcd_client *c)
{
    atomic_store(&c->interrupted, true);
    loop_wake(c->loop);
}

void etcd_client_resume(struct etcd_client *c)
{
    atomic_store(&c->interrupted, false);
}

/* ---- timers ------------------------------------------------------------------------------ */

struct etcd_timer {
    struct loop_timer timer;
    void (*fn)(void *arg);
    void *arg;
};

static void on_timer(struct loop_timer *lt)
{
    struct etcd_timer *t = CONTAINER_OF(lt, struct etcd_timer, timer);
    t->fn(t->arg);
}

struct etcd_timer *etcd_timer_new(struct etcd_client *c, void (*fn)(void *arg), void *arg)
{
    struct etcd_timer *t = xcalloc(1, sizeof *t);
    t->fn = fn;
    t->arg = arg;
    loop_timer_init(&t->timer, c->loop, on_timer);
    return t;
}

void etcd_timer_set(struct etcd_timer *t, int64_t delay_ms)
{
    loop_timer_set(&t->timer, delay_ms);
}

void etcd_timer_free(struct etcd_timer *t)
{
    if (t == NULL)
        return;
    loop_timer_fini(&t->timer);
    free(t);
}

/* ---- descriptors ------------------------------------------------------------------------- */

static const struct timeval at_once = {0};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct reader *r = arg;
    (void)fd;
    (void)what;
    if (r->always)
        event_add(r->ev, &at_once);
    r->fn(r->arg, r->fd);
}

static void reader_free(struct reader *r)
{
    list_unlink(&r->link);
    event_free(r->ev);
    free(r);
}

void etcd_client_on_readable(struct etcd_client *c, int fd, void (*fn)(void *arg, int fd),
                             void *arg)
{
    struct reader *r;
    LIST_FOREACH (r, &c->readers, struct reader, link)
        if (r->fd == fd)
            reader_free(r);
    if (fn == NULL)
        return;
    struct stat st;
    r = xcalloc(1, sizeof *r);
    r->fd = fd;
    r->fn = fn;
    r->arg = arg;
    /* epoll does not take a regular file: that can always be read */
    r->always = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    r->ev = r->always ? event_new(loop_base(c->loop), -1, 0, on_readable, r)
                      : event_new(loop_base(c->loop), fd, EV_READ | EV_PERSIST, on_readable, r);
    invariant(r->ev != NULL);
    list_init(&r->link);
    list_add_tail(&c->readers, &r->link);
    event_add(r->ev, r->always ? &at_once : NULL);
}
