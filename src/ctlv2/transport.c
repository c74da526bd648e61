/* ctlv2/transport.c -- one request to one address.
 *
 * Each address has an HTTP client of its own, kept for the requests that follow.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/transport.h"

#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>

#include "ctlv2/proxy.h"
#include "http/client.h"
#include "http/tunnel.h"
#include "loop/loop.h"
#include "tls/io.h"

struct place {
    char *name; /* "http://10.0.0.1:2379" */
    struct http_client *client;
    char *host, *port;
    struct tls_server tls;
    struct place_proxy {
        char *host, *port; /* NULL: there is none */
        char *headers;     /* for the proxy alone to read */
        char *target;      /* of CONNECT; NULL: it reads the requests */
        struct http_tunnel tunnel;
    } proxy;
};

struct transport {
    struct transport_config config;
    struct loop *loop;
    struct tls_context *tls; /* NULL: not needed yet */
    struct place **places;
    size_t place_n;
};

/* A request under way. */
struct exchange {
    struct http_request request;
    struct loop_timer timer;
    struct answer *answer;
    struct trouble *trouble;
    msec deadline, due; /* when the timer is */
    bool is_proxied;
    bool over;
    enum transport_end end;
};

static struct loop *interrupted_loop; /* what SIGINT wakes */
static volatile sig_atomic_t interrupted;

struct transport *transport_new(const struct transport_config *config)
{
    struct transport *t = xcalloc(1, sizeof *t);
    t->config = *config;
    t->loop = loop_new();
    return t;
}

static void place_free(struct place *p)
{
    http_client_free(p->client);
    free(p->name);
    free(p->host);
    free(p->port);
    free(p->proxy.host);
    free(p->proxy.port);
    free(p->proxy.headers);
    free(p->proxy.target);
    free(p);
}

void transport_free(struct transport *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->place_n; i++) {
        place_free(t->places[i]);
    }
    free(t->places);
    tls_context_free(t->tls);
    loop_free(t->loop);
    free(t);
}

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    loop_wake(interrupted_loop); /* a write(), which a signal handler may do */
}

void transport_end_on_interrupt(struct transport *t)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    interrupted_loop = t->loop;
    sigaction(SIGINT, &action, NULL);
}

bool transport_is_interrupted(void)
{
    return interrupted != 0;
}

/* ---- places ------------------------------------------------------------------------------ */

static bool uri_is(const struct uri *u, const char *scheme)
{
    return strcmp(u->scheme, scheme) == 0;
}

static bool uri_is_tls(const struct uri *u)
{
    return uri_is(u, "https") || uri_is(u, "unixs");
}

/* Read the certificates, if that was not done yet. */
static bool transport_check_tls(struct transport *t, struct trouble *trouble)
{
    struct why why;
    if (t->tls == NULL && tls_context_new(&t->config.tls, &t->tls, &why) != ERR_OK)
        return trouble_set(trouble, "%s", why.text);
    return true;
}

/* Let the client's way lead to the proxy; with TLS, through it. */
static void place_go_through(struct place *p, const struct uri *proxy,
                             struct http_client_config *config)
{
    AUTO(buf) struct buf credentials = BUF_INIT;
    struct place_proxy *x = &p->proxy;
    uri_address(proxy, &x->host, &x->port);
    x->headers = uri_credentials(proxy, &credentials)
                     ? header_basic("Proxy-Authorization", buf_slice(&credentials))
                     : xstrdup("");
    config->host = x->host;
    config->port = x->port;
    if (config->ops == NULL)
        return;
    bool six = strchr(p->host, ':') != NULL;
    x->target = xasprintf("%s%s%s:%s", six ? "[" : "", p->host, six ? "]" : "", p->port);
    x->tunnel = (struct http_tunnel){x->target, x->headers, config->ops, config->io_arg};
    config->ops = &http_tunnel_io;
    config->io_arg = &x->tunnel;
}

/* `proxy` has no host if there is none. Takes the name. */
static struct place *place_open(struct transport *t, const struct uri *u, const struct uri *proxy,
                                char *name)
{
    struct place *p = xcalloc(1, sizeof *p);
    p->name = name;
    uri_address(u, &p->host, &p->port);
    bool is_path = uri_is(u, "unix") || uri_is(u, "unixs");
    struct http_client_config config = {.host = is_path ? u->host : p->host,
                                        .port = is_path ? NULL : p->port,
                                        .authority = u->host,
                                        .connect_timeout_ms = t->config.connect_timeout_ms,
                                        .conn_max = 1};
    if (uri_is_tls(u)) {
        p->tls = (struct tls_server){t->tls, t->config.tls_name ? t->config.tls_name : p->host};
        config.ops = &tls_client_io;
        config.io_arg = &p->tls;
    }
    if (proxy->host != NULL)
        place_go_through(p, proxy, &config);
    p->client = http_client_new(t->loop, &config);
    return p;
}

/* Return NULL, and why, if there is a proxy that cannot be used. */
static struct place *place_for(struct transport *t, const struct uri *u, struct trouble *trouble)
{
    AUTO(uri) struct uri proxy = {0};
    char *name = xasprintf("%s://%s", u->scheme, u->host);
    for (size_t i = 0; i < t->place_n; i++) {
        if (strcmp(t->places[i]->name, name) == 0) {
            free(name);
            return t->places[i];
        }
    }
    if (!proxy_find(u, &proxy, trouble)) {
        free(name);
        return NULL;
    }
    t->places = xrealloc(t->places, (t->place_n + 1) * sizeof(struct place *));
    t->places[t->place_n] = place_open(t, u, &proxy, name);
    return t->places[t->place_n++];
}

static bool uri_can_be_asked(struct transport *t, const struct uri *u, struct trouble *trouble)
{
    if (!uri_is_tls(u) && !uri_is(u, "http") && !uri_is(u, "unix"))
        return trouble_set(trouble, "unsupported protocol scheme \"%s\"", u->scheme);
    if (u->host == NULL || u->host[0] == '\0')
        return trouble_set(trouble, "http: no Host in request URL");
    return !uri_is_tls(u) || transport_check_tls(t, trouble);
}

/* ---- the exchange ------------------------------------------------------------------------ */

char *header_basic(const char *name, struct slice credentials)
{
    char *coded = xmalloc(credentials.n / 3 * 4 + 5);
    EVP_EncodeBlock((unsigned char *)coded, credentials.p, (int)credentials.n);
    char *line = xasprintf("%s: Basic %s\r\n", name, coded);
    free(coded);
    return line;
}

/* Set the request's target and headers. A proxy that reads along gets the whole URL. */
static void write_request(const struct transport_request *r, const struct place *p,
                          struct buf *target, struct buf *headers)
{
    bool for_proxy = p->proxy.host != NULL && p->proxy.target == NULL;
    if (for_proxy)
        buf_addf(target, "%s://%s", r->uri->scheme, r->uri->host);
    uri_format_target(r->uri, target);
    buf_addf(headers, "%s%s", r->headers, for_proxy ? p->proxy.headers : "");
}

static char *dup_header(const struct http_request *r, const char *name)
{
    struct slice s = http_request_header(r, name);
    return s.p != NULL ? xstrndup((const char *)s.p, s.n) : NULL;
}

static void exchange_end(struct exchange *x, enum transport_end end)
{
    x->end = end;
    x->over = true;
}

static void exchange_set_timer(struct exchange *x, msec at)
{
    msec now = clock_now_ms();
    x->due = at;
    if (at == MSEC_NEVER)
        loop_timer_clear(&x->timer);
    else
        loop_timer_set(&x->timer, at > now ? at - now : 0);
}

static void on_headers(struct http_request *r)
{
    struct exchange *x = CONTAINER_OF(r, struct exchange, request);
    exchange_set_timer(x, x->deadline);
}

/* Collected here, because the answer outlives the request. */
static void on_data(struct http_request *r, struct slice data)
{
    struct exchange *x = CONTAINER_OF(r, struct exchange, request);
    if (data.n <= ANSWER_MAX - x->answer->body.n) {
        buf_add_slice(&x->answer->body, data);
        return;
    }
    http_request_cancel(r);
    trouble_set(x->trouble, "client: the answer is longer than %d bytes", ANSWER_MAX);
    exchange_end(x, TRANSPORT_FAILED);
}

static bool text_ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Go names no address when the server closed, nor when TLS failed, which is no failed connection.
 */
static void exchange_set_trouble(struct exchange *x, enum err e)
{
    static const char handshake[] = "TLS handshake: ", alert[] = "TLS alert: ";
    const char *why = x->request.why.text;
    const char *failed = strstr(why, handshake), *told = strstr(why, alert);
    const char *proxy = x->is_proxied ? strstr(why, HTTP_TUNNEL_TROUBLE) : NULL;
    if (proxy != NULL)
        trouble_set(x->trouble, "%s", proxy);
    else if (told != NULL)
        trouble_set(x->trouble, "remote error: tls: %s", told + strlen(alert));
    else if (failed != NULL)
        trouble_set(x->trouble, "tls: %s", failed + strlen(handshake));
    else if (text_ends_with(why, ": EOF"))
        trouble_set(x->trouble, "EOF");
    else if (text_ends_with(why, ": unexpected EOF"))
        trouble_set(x->trouble, "unexpected EOF");
    else {
        bool dial = x->is_proxied && strncmp(why, "dial ", strlen("dial ")) == 0;
        trouble_set(x->trouble, "%s%s", dial ? "proxyconnect tcp: " : "", why);
        x->trouble->connection = e == ERR_CLOSED;
    }
}

static void on_done(struct http_request *r, enum err e)
{
    struct exchange *x = CONTAINER_OF(r, struct exchange, request);
    if (e != ERR_OK) {
        exchange_set_trouble(x, e);
        exchange_end(x, TRANSPORT_FAILED);
        return;
    }
    x->answer->status = r->status;
    x->answer->index = dup_header(r, "x-etcd-index");
    x->answer->location = dup_header(r, "location");
    exchange_end(x, TRANSPORT_ANSWERED);
}

static void on_timer(struct loop_timer *timer)
{
    struct exchange *x = CONTAINER_OF(timer, struct exchange, timer);
    http_request_cancel(&x->request);
    exchange_end(x, x->due >= x->deadline ? TRANSPORT_OVERDUE : TRANSPORT_NO_HEADERS);
}

enum transport_end transport_send(struct transport *t, const struct transport_request *r,
                                  struct answer *ret_answer, struct trouble *trouble)
{
    AUTO(buf) struct buf target = BUF_INIT, headers = BUF_INIT;
    *ret_answer = (struct answer){0};
    if (r->deadline <= clock_now_ms())
        return TRANSPORT_OVERDUE;
    if (!uri_can_be_asked(t, r->uri, trouble))
        return TRANSPORT_FAILED;
    struct place *place = place_for(t, r->uri, trouble);
    if (place == NULL)
        return TRANSPORT_FAILED;
    write_request(r, place, &target, &headers);
    struct exchange x = {
        .request = {.method = r->method,
                    .path = buf_cstr(&target),
                    .headers = buf_cstr(&headers),
                    .body = r->body,
                    .idempotent = strcmp(r->method, "GET") == 0,
                    .headers_done = on_headers,
                    .data = on_data,
                    .done = on_done},
        .answer = ret_answer,
        .trouble = trouble,
        .is_proxied = place->proxy.host != NULL,
        .deadline = r->deadline,
    };
    msec headers_due =
        r->header_timeout_ms > 0 ? clock_now_ms() + r->header_timeout_ms : MSEC_NEVER;
    loop_timer_init(&x.timer, t->loop, on_timer);
    exchange_set_timer(&x, headers_due < r->deadline ? headers_due : r->deadline);
    http_client_send(place->client, &x.request);
    while (!x.over && !interrupted)
        loop_round(t->loop, MSEC_NEVER);
    if (!x.over) {
        http_request_cancel(&x.request);
        x.end = TRANSPORT_INTERRUPTED;
    }
    loop_timer_fini(&x.timer);
    return x.end;
}
