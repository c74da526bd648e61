/* ctlv2/cluster.c -- endpoints, fail-over, redirects, credentials.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "cli/quote.h"
#include "ctlv2/transport.h"
#include "loop/clock.h"

enum { REDIRECTS_MAX = 10 };

struct cluster {
    struct transport *transport;
    char *authorization; /* a header line; "": none */
    msec header_timeout_ms;
    bool debug;
    struct uri *endpoints;
    size_t n, pinned;
    struct rng rng;
};

void answer_fini(struct answer *a)
{
    buf_fini(&a->body);
    free(a->index);
    free(a->location);
    *a = (struct answer){0};
}

/* ---- life -------------------------------------------------------------------------------- */

struct cluster *v2_cluster_new(const struct cluster_config *config)
{
    const struct transport_config t = {config->connect_timeout_ms, config->tls, config->tls_name};
    struct cluster *c = xcalloc(1, sizeof *c);
    c->transport = transport_new(&t);
    c->authorization = xstrdup("");
    c->header_timeout_ms = config->header_timeout_ms;
    c->debug = config->debug;
    c->rng.state = (uint64_t)clock_wall_ns();
    return c;
}

void v2_cluster_set_credentials(struct cluster *c, const char *username, const char *password)
{
    AUTO(buf) struct buf credentials = BUF_INIT;
    buf_addf(&credentials, "%s:%s", username, password);
    free(c->authorization);
    c->authorization =
        username[0] != '\0' ? header_basic("Authorization", buf_slice(&credentials)) : xstrdup("");
}

void v2_cluster_end_on_interrupt(struct cluster *c)
{
    transport_end_on_interrupt(c->transport);
}

bool v2_cluster_is_interrupted(void)
{
    return transport_is_interrupted();
}

static void endpoints_free(struct uri *endpoints, size_t n)
{
    for (size_t i = 0; i < n; i++)
        uri_fini(&endpoints[i]);
    free(endpoints);
}

void v2_cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    endpoints_free(c->endpoints, c->n);
    transport_free(c->transport);
    free(c->authorization);
    free(c);
}

/* ---- endpoints --------------------------------------------------------------------------- */

static void shuffle(struct cluster *c, struct uri *at, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = rng_below(&c->rng, i);
        struct uri swapped = at[i - 1];
        at[i - 1] = at[k];
        at[k] = swapped;
    }
}

bool v2_cluster_set_endpoints(struct cluster *c, char *const *urls, size_t n, struct trouble *t)
{
    struct why why;
    if (n == 0) {
        trouble_set(t, "client: no endpoints available");
        t->kind = TROUBLE_NO_ENDPOINTS;
        return false;
    }
    if (n > ENDPOINTS_MAX)
        return trouble_set(t, "more than %d endpoints", ENDPOINTS_MAX);
    struct uri *endpoints = xcalloc(n, sizeof *endpoints);
    for (size_t i = 0; i < n; i++) {
        if (uri_parse(urls[i], &endpoints[i], &why) != ERR_OK) {
            endpoints_free(endpoints, i);
            return trouble_set(t, "%s", why.text);
        }
    }
    shuffle(c, endpoints, n);
    endpoints_free(c->endpoints, c->n);
    c->endpoints = endpoints;
    c->n = n;
    c->pinned = 0;
    return true;
}

static bool endpoint_is_named(const struct uri *u, char *const *urls, bool *taken, size_t n)
{
    AUTO(buf) struct buf text = BUF_INIT;
    uri_format(u, &text);
    for (size_t i = 0; i < n; i++) {
        if (!taken[i] && slice_is(buf_slice(&text), urls[i])) {
            taken[i] = true;
            return true;
        }
    }
    return false;
}

bool v2_cluster_has_endpoints(const struct cluster *c, char *const *urls, size_t n)
{
    bool taken[ENDPOINTS_MAX] = {false};
    bool same = n == c->n;
    for (size_t i = 0; same && i < n; i++)
        same = endpoint_is_named(&c->endpoints[i], urls, taken, n);
    return same;
}

void v2_cluster_format_endpoints(const struct cluster *c, const char *separator, struct buf *b)
{
    for (size_t i = 0; i < c->n; i++) {
        if (i != 0)
            buf_add_str(b, separator);
        uri_format(&c->endpoints[i], b);
    }
}

/* ---- one endpoint ------------------------------------------------------------------------ */

static void print_curl(const struct action *a, const struct uri *u)
{
    AUTO(buf) struct buf line = BUF_INIT;
    buf_addf(&line, "cURL Command: curl -X %s ", a->method);
    uri_format(u, &line);
    if (a->body != NULL) {
        buf_add_str(&line, " -d ");
        quote_add(&line, buf_slice(a->body));
    }
    fflush(stdout);
    fprintf(stderr, "%s\n", buf_cstr(&line));
}

/* Send it to one URL. Sets *ret_over when there is no time left for another try. */
static bool ask_url(struct cluster *c, const struct action *a, const struct uri *u,
                    const struct uri *endpoint, msec deadline, struct answer *ret_answer,
                    struct trouble *t, bool *ret_over)
{
    AUTO(buf) struct buf headers = BUF_INIT;
    if (c->debug)
        print_curl(a, u);
    buf_add_str(&headers, c->authorization);
    if (a->content_type != NULL)
        buf_addf(&headers, "Content-Type: %s\r\n", a->content_type);
    const struct transport_request r = {
        .uri = u,
        .method = a->method,
        .headers = buf_cstr(&headers),
        .body = a->body != NULL ? buf_slice(a->body) : slice_make(NULL, 0),
        .header_timeout_ms = a->wait ? 0 : c->header_timeout_ms,
        .deadline = deadline,
    };
    enum transport_end end = transport_send(c->transport, &r, ret_answer, t);
    if (end == TRANSPORT_OVERDUE) {
        trouble_set(t, "context deadline exceeded");
        t->connection = *ret_over = true;
    } else if (end == TRANSPORT_INTERRUPTED) {
        trouble_set(t, "interrupted");
        t->kind = TROUBLE_INTERRUPTED;
        *ret_over = true;
    } else if (end == TRANSPORT_NO_HEADERS) {
        AUTO(buf) struct buf text = BUF_INIT;
        uri_format(endpoint, &text);
        trouble_set(t, "client: endpoint %s exceeded header timeout", buf_cstr(&text));
    }
    return end == TRANSPORT_ANSWERED;
}

/* Make `u` what the redirect says. */
static bool follow(struct uri *u, const char *location, struct trouble *t)
{
    struct uri next;
    if (location == NULL || location[0] == '\0')
        return trouble_set(t, "location header not set");
    if (uri_parse(location, &next, NULL) != ERR_OK)
        return trouble_set(t, "location header not valid URL: %s", location);
    uri_fini(u);
    *u = next;
    return true;
}

static struct uri action_uri(const struct action *a, const struct uri *endpoint)
{
    AUTO(buf) struct buf path = BUF_INIT;
    if (endpoint->path != NULL)
        buf_add_str(&path, endpoint->path);
    buf_add_str(&path, a->path);
    return (struct uri){
        .scheme = xstrdup(endpoint->scheme),
        .opaque = endpoint->opaque != NULL ? xstrdup(endpoint->opaque) : NULL,
        .user = endpoint->user != NULL ? xstrdup(endpoint->user) : NULL,
        .host = xstrdup(endpoint->host),
        .path = uri_clean_path(buf_cstr(&path), a->keep_slash),
        .query = a->query != NULL ? xstrdup(a->query) : NULL,
    };
}

/* Send it to one endpoint, and where its redirects lead. */
static bool ask_endpoint(struct cluster *c, const struct action *a, const struct uri *endpoint,
                         msec deadline, struct answer *ret_answer, struct trouble *t,
                         bool *ret_over)
{
    AUTO(uri) struct uri u = action_uri(a, endpoint);
    for (int i = 0; i <= REDIRECTS_MAX; i++) {
        if (!ask_url(c, a, &u, endpoint, deadline, ret_answer, t, ret_over))
            return false;
        if (ret_answer->status / 100 != 3)
            return true;
        AUTO(answer) struct answer redirect = *ret_answer;
        *ret_answer = (struct answer){0};
        if (!follow(&u, redirect.location, t))
            return false;
    }
    return trouble_set(t, "client: too many redirects");
}

/* ---- all of them ------------------------------------------------------------------------- */

static const char *status_text(unsigned status)
{
    static const char *const texts[] = {
        [1] = "Not Implemented",
        [2] = "Bad Gateway",
        [4] = "Gateway Timeout",
        [5] = "HTTP Version Not Supported",
        [6] = "Variant Also Negotiates",
        [7] = "Insufficient Storage",
        [8] = "Loop Detected",
        [10] = "Not Extended",
        [11] = "Network Authentication Required",
    };
    unsigned i = status - 500;
    return i < ARRAY_LEN(texts) && texts[i] != NULL ? texts[i] : "";
}

static void refuse_status(const struct uri *endpoint, unsigned status, struct trouble *t)
{
    AUTO(buf) struct buf text = BUF_INIT;
    uri_format(endpoint, &text);
    if (status == 500 || status == 503)
        trouble_set(t, "client: etcd member %s has no leader", buf_cstr(&text));
    else
        trouble_set(t, "client: etcd member %s returns server error [%s]", buf_cstr(&text),
                    status_text(status));
}

/* Add what the i-th endpoint said. */
static void gather(struct trouble *all, size_t i, const struct trouble *one)
{
    buf_addf(&all->text, "; error #%zu: ", i);
    buf_add_slice(&all->text, buf_slice(&one->text));
    buf_add_byte(&all->text, '\n');
    buf_addf(&all->detail, "error #%zu: ", i);
    buf_add_slice(&all->detail, buf_slice(&one->text));
    buf_add_byte(&all->detail, '\n');
    all->connection = all->connection && one->connection;
}

static bool ask_kth(struct cluster *c, size_t k, const struct action *a, msec deadline,
                    struct answer *ret_answer, struct trouble *t, bool *ret_over)
{
    trouble_fini(t);
    if (ask_endpoint(c, a, &c->endpoints[k], deadline, ret_answer, t, ret_over)) {
        if (ret_answer->status / 100 != 5)
            return true;
        refuse_status(&c->endpoints[k], ret_answer->status, t);
    }
    answer_fini(ret_answer);
    return false;
}

bool v2_cluster_do(struct cluster *c, const struct action *a, msec deadline,
                   struct answer *ret_answer, struct trouble *t)
{
    AUTO(trouble) struct trouble all = TROUBLE_INIT;
    size_t first = c->pinned;
    bool over = false;
    *ret_answer = (struct answer){0};
    trouble_set(&all, "client: etcd cluster is unavailable or misconfigured");
    all.kind = TROUBLE_CLUSTER;
    all.connection = true;
    for (size_t i = 0; i < c->n; i++) {
        size_t k = (first + i) % c->n;
        if (ask_kth(c, k, a, deadline, ret_answer, t, &over)) {
            c->pinned = k;
            return true;
        }
        if (a->once)
            c->pinned = (k + 1) % c->n;
        if (a->once || over)
            return false;
        gather(&all, i, t);
    }
    struct trouble swapped = *t;
    *t = all;
    all = swapped;
    return false;
}

bool v2_cluster_get_url(struct cluster *c, const char *url, struct answer *ret_answer,
                        struct trouble *t)
{
    struct why why;
    struct uri u;
    *ret_answer = (struct answer){0};
    if (uri_parse(url, &u, &why) != ERR_OK)
        return trouble_set(t, "%s", why.text);
    const struct transport_request r = {
        .uri = &u, .method = "GET", .headers = "", .deadline = MSEC_NEVER};
    enum transport_end end = transport_send(c->transport, &r, ret_answer, t);
    uri_fini(&u);
    if (end == TRANSPORT_INTERRUPTED)
        t->kind = TROUBLE_INTERRUPTED;
    return end == TRANSPORT_ANSWERED;
}
