/* api/http_port.c -- who may ask, and which path goes where.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/http_port.h"

#include "api/gateway.h"
#include "api/health.h"
#include "api/status_pages.h"
#include "api/web.h"
#include "base/json_text.h"
#include "base/log.h"

/* ---- access ---------------------------------------------------------------------------------- */

static bool list_has(const struct str_list *l, struct slice s)
{
    for (size_t i = 0; i < l->n; i++)
        if (slice_is(s, l->items[i]))
            return true;
    return false;
}

/* An empty list, and one with "*" in it, has everything. */
static bool list_allows(const struct str_list *l, struct slice s)
{
    return l->n == 0 || list_has(l, slice_str("*")) || list_has(l, s);
}

/* Drop the port, and the brackets of an IPv6 address. */
static struct slice host_name(struct slice authority)
{
    const uint8_t *colon = authority.n != 0 ? memrchr(authority.p, ':', authority.n) : NULL;
    const uint8_t *bracket = authority.n != 0 ? memrchr(authority.p, ']', authority.n) : NULL;
    if (colon != NULL && colon > bracket)
        authority.n = (size_t)(colon - authority.p);
    if (authority.n >= 2 && authority.p[0] == '[' && authority.p[authority.n - 1] == ']')
        authority = slice_make(authority.p + 1, authority.n - 2);
    return authority;
}

/* Return false after refusing a request for a host that nobody named: it may be DNS rebinding. */
static bool host_is_allowed(const struct web *w)
{
    struct slice host = host_name(http_stream_authority(w->stream));
    if (list_allows(&w->port->loop->cfg->host_whitelist, host))
        return true;
    AUTO(buf) struct buf plain = BUF_INIT, quoted = BUF_INIT, text = BUF_INIT;
    buf_add_slice(&plain, host);
    json_add_string(&quoted, (const char *)host.p, host.n);
    log_warn("rejecting HTTP request to prevent DNS rebinding attacks",
             LOG_STR("host", buf_cstr(&plain)));
    buf_addf(&text,
             "\netcd received your request, but the Host header was unrecognized.\n\n"
             "To fix this, choose one of the following options:\n"
             "- Enable TLS, then any HTTPS request will be allowed.\n"
             "- Add the hostname you want to use to the whitelist in settings.\n"
             "  - e.g. etcd --host-whitelist %s\n\n"
             "This requirement has been added to help prevent \"DNS Rebinding\" attacks "
             "(CVE-2018-5702).\n",
             buf_cstr(&quoted));
    web_error(w, 421, buf_slice(&text));
    return false;
}

static struct slice origin_allowed(const struct web *w)
{
    const struct str_list *cors = &w->port->loop->cfg->cors;
    if (cors->n == 0 || list_has(cors, slice_str("*")))
        return slice_str("*");
    struct slice origin = http_stream_header(w->stream, "origin");
    return origin.p != NULL && list_has(cors, origin) ? origin : slice_make(NULL, 0);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static void metrics_page(const struct web *w)
{
    AUTO(buf) struct buf b = BUF_INIT;
    server_metrics_text(w->port->loop->server, &b);
    web_reply_type(w, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&b));
}

static void pprof_page(const struct web *w)
{
    web_error(w, 404, slice_str("404 there are no Go profiles in this program"));
}

struct route {
    const char *path;
    bool is_prefix;
    bool on_metrics_port;
    void (*page)(const struct web *w);
};

static const struct route routes[] = {
    {"/version", false, false, version_page},
    {"/health", false, true, health_page},
    {"/livez", false, true, livez_page},
    {"/livez/", true, true, livez_page},
    {"/readyz", false, true, readyz_page},
    {"/readyz/", true, true, readyz_page},
    {"/metrics", false, true, metrics_page},
    {"/debug/vars", false, false, vars_page},
};

static bool route_matches(const struct route *r, const struct web *w)
{
    if (w->port->kind == API_PORT_METRICS && !r->on_metrics_port)
        return false;
    return r->is_prefix ? slice_starts_with(w->path, slice_str(r->path))
                        : slice_is(w->path, r->path);
}

static void web_route(const struct web *w)
{
    const struct config *cfg = w->port->loop->cfg;
    bool gateway = cfg->enable_grpc_gateway && w->port->kind != API_PORT_METRICS;
    if (gateway && gateway_owns(w->path)) {
        gateway_request(w);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (route_matches(&routes[i], w)) {
            routes[i].page(w);
            return;
        }
    if (cfg->enable_pprof && slice_starts_with(w->path, slice_str("/debug/pprof/")))
        pprof_page(w);
    else
        web_not_found(w);
}

void http_port_request(struct api_port *p, struct http_stream *s)
{
    struct web w = {.port = p, .stream = s, .method = http_stream_method(s)};
    w.path = http_stream_path(s);
    const uint8_t *q = w.path.n != 0 ? memchr(w.path.p, '?', w.path.n) : NULL;
    if (q != NULL) {
        w.query = slice_make(q + 1, (size_t)(w.path.p + w.path.n - q) - 1);
        w.path.n = (size_t)(q - w.path.p);
    }
    if (p->kind != API_PORT_METRICS) {
        if (!host_is_allowed(&w))
            return;
        w.origin = origin_allowed(&w);
        if (slice_is(w.method, "OPTIONS")) {
            web_reply(&w, 200, NULL, 0, slice_make(NULL, 0));
            return;
        }
    }
    web_route(&w);
}
