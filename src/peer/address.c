/* peer/address.c -- see address.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "peer/address.h"

#include <stdlib.h>

enum { URL_MAX = 2048 };

static const struct {
    const char *prefix;
    bool is_tls, is_unix;
} schemes[] = {
    {"http://", false, false},
    {"https://", true, false},
    {"unix://", false, true},
    {"unixs://", true, true},
};

static struct slice after(struct slice s, size_t n)
{
    return slice_make(s.p + n, s.n - n);
}

static bool is_port(struct slice s)
{
    unsigned v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || i >= 5)
            return false;
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    return v != 0 && v <= 65535;
}

/* What is put into requests and given to the resolver holds no byte that could mean more there. */
static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("/?#@\\,", s.p[i]) != NULL)
            return false;
    return s.n != 0;
}

/* "host:port", "[v6]:port". */
static bool split_host(struct slice s, struct slice *ret_host, struct slice *ret_port)
{
    const uint8_t *colon = s.n != 0 ? memrchr(s.p, ':', s.n) : NULL;
    if (colon == NULL || !is_plain(s))
        return false;
    *ret_host = slice_make(s.p, (size_t)(colon - s.p));
    *ret_port = after(s, ret_host->n + 1);
    if (ret_host->n > 2 && ret_host->p[0] == '[' && ret_host->p[ret_host->n - 1] == ']')
        *ret_host = slice_make(ret_host->p + 1, ret_host->n - 2);
    else if (ret_host->n == 0 || memchr(ret_host->p, ':', ret_host->n) != NULL ||
             ret_host->p[0] == '[')
        return false;
    return is_port(*ret_port);
}

static char *dup_slice(struct slice s)
{
    return xstrndup((const char *)s.p, s.n);
}

enum err peer_address_parse(struct slice url, struct peer_address *ret, struct why *why)
{
    *ret = (struct peer_address){0};
    for (size_t i = 0; url.n <= URL_MAX && i < ARRAY_LEN(schemes); i++) {
        struct slice prefix = slice_str(schemes[i].prefix), host, port;
        if (!slice_starts_with(url, prefix))
            continue;
        struct slice rest = after(url, prefix.n);
        ret->is_tls = schemes[i].is_tls;
        if (schemes[i].is_unix && rest.n != 0 && memchr(rest.p, '\0', rest.n) == NULL) {
            ret->host = dup_slice(rest);
            ret->authority = xstrdup("localhost");
            return ERR_OK;
        }
        if (!schemes[i].is_unix && rest.n != 0 && rest.p[rest.n - 1] == '/')
            rest.n--;
        if (schemes[i].is_unix || !split_host(rest, &host, &port))
            break;
        ret->host = dup_slice(host);
        ret->port = dup_slice(port);
        ret->authority = dup_slice(rest);
        return ERR_OK;
    }
    *ret = (struct peer_address){0};
    return why_set(why, ERR_INVALID, "not a peer URL: '%.*s'", (int)(url.n < 256 ? url.n : 256),
                   (const char *)url.p);
}

struct peer_address peer_address_copy(const struct peer_address *a)
{
    return (struct peer_address){
        .is_tls = a->is_tls,
        .host = xstrdup(a->host),
        .port = a->port != NULL ? xstrdup(a->port) : NULL,
        .authority = xstrdup(a->authority),
    };
}

void peer_address_fini(struct peer_address *a)
{
    free(a->host);
    free(a->port);
    free(a->authority);
    *a = (struct peer_address){0};
}

enum err peer_address_client(const struct peer_address *a, const struct http_io_ops *tls_ops,
                             void *io_arg, struct http_client_config *ret, struct why *why)
{
    if (a->is_tls && tls_ops == NULL)
        return why_set(why, ERR_INVALID, "TLS is not set up for connections to %s", a->authority);
    *ret = (struct http_client_config){
        .host = a->host,
        .port = a->port,
        .authority = a->authority,
        .ops = a->is_tls ? tls_ops : NULL,
        .io_arg = a->is_tls ? io_arg : NULL,
    };
    return ERR_OK;
}
