/* etcd/sockets.c -- from socket units, from the manager's store, or bound here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcd/sockets.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "sysd/notify.h"

static const struct url_list *urls_of(const struct config *cfg, enum passed_kind kind)
{
    switch (kind) {
    case PASSED_CLIENT:
        return &cfg->listen_client_urls;
    case PASSED_CLIENT_HTTP:
        return &cfg->listen_client_http_urls;
    case PASSED_METRICS:
        return &cfg->listen_metrics_urls;
    default:
        return &cfg->listen_peer_urls;
    }
}

static void add(struct sockets *s, enum passed_kind kind, const struct listen_socket *one)
{
    struct listen_socket **v = &s->v[kind];
    *v = xrealloc(*v, (s->n[kind] + 1) * sizeof **v);
    (*v)[s->n[kind]++] = *one;
}

/* ---- from socket units ------------------------------------------------------------------------ */

static bool is_at(int fd, const struct url *u)
{
    int port = url_port(u);
    if (url_is_unix(u))
        return listener_is_at_unix(fd, u->path);
    return port >= 0 && port <= UINT16_MAX &&
           listener_is_at_tcp(fd, url_bind_host(u), (uint16_t)port);
}

/* The URL at the same address says it; else all URLs do, if they agree. */
static bool speaks_tls(int fd, const struct url_list *urls)
{
    bool all = urls->n != 0;
    for (size_t i = 0; i < urls->n; i++) {
        if (is_at(fd, &urls->items[i]))
            return url_is_tls(&urls->items[i]);
        all = all && url_is_tls(&urls->items[i]);
    }
    return all;
}

static void take_units(struct sockets *s, const struct config *cfg, struct passed_sockets *passed)
{
    for (size_t i = 0; i < passed->n; i++) {
        struct passed_socket *p = &passed->v[i];
        if (p->stored)
            continue;
        bool tls = speaks_tls(p->fd, urls_of(cfg, p->kind));
        struct listen_socket one = {.fd = p->fd, .tls = tls, .local = listener_is_local(p->fd),
                                    .address = listener_url(p->fd, tls)};
        log_info("listening on a socket that was passed", LOG_STR("address", one.address),
                 LOG_STR("for", passed_stored_name(p->kind) + strlen("stored-")));
        add(s, p->kind, &one);
        p->fd = -1;
    }
}

/* ---- from the store, or bound ----------------------------------------------------------------- */

static int stored_at(struct passed_sockets *passed, enum passed_kind kind, const struct url *u)
{
    for (size_t i = 0; i < passed->n; i++) {
        struct passed_socket *p = &passed->v[i];
        if (p->fd == -1 || !p->stored || p->kind != kind || !is_at(p->fd, u))
            continue;
        int fd = p->fd;
        p->fd = -1;
        return fd;
    }
    return -1;
}

static enum err url_bind(const struct url *u, bool shared, int *ret_fd, struct why *why)
{
    if (url_is_tls(u))
        return why_set(why, ERR_INVALID, "cannot listen on %s: TLS is not supported", u->text);
    if (url_is_unix(u))
        return listener_bind_unix(u->path, ret_fd, why);
    int port = url_port(u);
    if (port < 0 || port > UINT16_MAX)
        return why_set(why, ERR_INVALID, "cannot listen on %s: bad port", u->text);
    const char *host = url_bind_host(u);
    return shared ? listener_bind_tcp_shared(host, (uint16_t)port, ret_fd, why)
                  : listener_bind_tcp(host, (uint16_t)port, ret_fd, why);
}

/* Addresses that are not configured any more: nobody shall connect to them and wait. Before others are
 * bound, which may overlap them. */
static void forget_rest(struct passed_sockets *passed, enum passed_kind kind)
{
    bool any = false;
    for (size_t i = 0; i < passed->n; i++) {
        struct passed_socket *p = &passed->v[i];
        if (p->fd == -1 || p->kind != kind)
            continue;
        close(p->fd);
        p->fd = -1;
        any = true;
    }
    if (any)
        notify_forget(passed_stored_name(kind));
}

/* What the manager keeps for the next start keeps its file too. */
static enum err open_urls(struct sockets *s, const struct config *cfg, enum passed_kind kind,
                          struct passed_sockets *passed, struct why *why)
{
    const struct url_list *urls = urls_of(cfg, kind);
    bool kept = notify_is_wanted();
    for (size_t i = 0; i < urls->n; i++) {
        const struct url *u = &urls->items[i];
        struct listen_socket one = {.fd = stored_at(passed, kind, u),
                                    .tls = url_is_tls(u),
                                    .address = xstrdup(u->text),
                                    .path = url_is_unix(u) && !kept ? u->path : NULL};
        add(s, kind, &one);
    }
    forget_rest(passed, kind);
    for (size_t i = 0; i < urls->n; i++) {
        struct listen_socket *one = &s->v[kind][i];
        enum err e = ERR_OK;
        if (one->fd == -1)
            e = url_bind(&urls->items[i], cfg->socket_reuse_port, &one->fd, why);
        if (e != ERR_OK)
            return e;
        one->local = listener_is_local(one->fd);
        if (kept)
            notify_store(one->fd, passed_stored_name(kind));
    }
    return ERR_OK;
}

/* ---- all --------------------------------------------------------------------------------------- */

static enum err open_kind(struct sockets *s, const struct config *cfg, enum passed_kind kind,
                          struct passed_sockets *passed, struct why *why)
{
    if (s->n[kind] == 0)
        return open_urls(s, cfg, kind, passed, why);
    forget_rest(passed, kind);
    for (size_t i = 0; i < s->n[kind]; i++)
        if (s->v[kind][i].tls)
            return why_set(why, ERR_INVALID, "cannot listen on %s: TLS is not supported",
                           s->v[kind][i].address);
    return ERR_OK;
}

enum err sockets_open(struct sockets *s, const struct config *cfg, struct why *why)
{
    static const enum passed_kind kinds[] = {PASSED_CLIENT, PASSED_CLIENT_HTTP, PASSED_METRICS};
    enum err e = ERR_OK;
    s->cfg = cfg;
    passed_sockets_take(&s->passed);
    take_units(s, cfg, &s->passed);
    for (size_t i = 0; i < ARRAY_LEN(kinds) && e == ERR_OK; i++)
        e = open_kind(s, cfg, kinds[i], &s->passed, why);
    return e;
}

enum err sockets_open_peers(struct sockets *s, struct why *why)
{
    return open_kind(s, s->cfg, PASSED_PEER, &s->passed, why);
}

void sockets_fini(struct sockets *s)
{
    for (int kind = 0; kind < PASSED_KINDS_; kind++) {
        for (size_t i = 0; i < s->n[kind]; i++)
            free((char *)(uintptr_t)s->v[kind][i].address);
        free(s->v[kind]);
    }
    *s = (struct sockets){0};
}

struct listen_sockets sockets_of(const struct sockets *s, enum passed_kind kind)
{
    return (struct listen_sockets){s->v[kind], s->n[kind]};
}

struct api_sockets sockets_for_api(const struct sockets *s)
{
    return (struct api_sockets){.client = sockets_of(s, PASSED_CLIENT),
                                .client_http = sockets_of(s, PASSED_CLIENT_HTTP),
                                .metrics = sockets_of(s, PASSED_METRICS)};
}

static void say_kind(const struct sockets *s, enum passed_kind kind)
{
    for (size_t i = 0; i < s->n[kind]; i++) {
        const struct listen_socket *one = &s->v[kind][i];
        log_info("ready to serve client requests", LOG_STR("address", one->address));
        if (!one->tls && !one->local)
            log_warn("serving client traffic insecurely; this is strongly discouraged!",
                     LOG_MESSAGE(MSG_INSECURE_LISTENER), LOG_STR("address", one->address));
    }
}

void sockets_say_ready(const struct sockets *s)
{
    say_kind(s, PASSED_CLIENT);
    say_kind(s, PASSED_CLIENT_HTTP);
}
