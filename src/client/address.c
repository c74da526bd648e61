/* client/address.c -- see client_priv.h.
 *
 * What upstream's client takes: "host:port", http(s)://host:port (what follows the authority is not
 * looked at), unix(s):path and unix(s)://path. The authority of a socket's path is its last part.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/client_priv.h"

enum { ENDPOINT_TEXT_MAX = 4096 };

void endpoint_address_fini(struct endpoint_address *a)
{
    free(a->host);
    free(a->port);
    free(a->authority);
    *a = (struct endpoint_address){.host = NULL};
}

/* If `*text` begins with `prefix`, go behind it. */
static bool skip(const char **text, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(*text, prefix, n) != 0)
        return false;
    *text += n;
    return true;
}

static void read_path(const char *path, struct endpoint_address *a)
{
    const char *slash = strrchr(path, '/');
    a->host = xstrdup(path);
    a->authority = xstrdup(slash != NULL ? slash + 1 : path);
}

static bool is_port(const char *s)
{
    size_t n = strlen(s);
    return n != 0 && n <= 5 && strspn(s, "0123456789") == n && strtoul(s, NULL, 10) <= UINT16_MAX;
}

/* Take "host:port" or "[::1]:port" apart. */
static bool read_host_port(const char *text, size_t n, struct endpoint_address *a)
{
    a->authority = xstrndup(text, n);
    const char *colon = strrchr(a->authority, ':'), *host = a->authority;
    if (colon == NULL || colon == host || !is_port(colon + 1))
        return false;
    size_t host_n = (size_t)(colon - host);
    bool bracketed = host[0] == '[' && host[host_n - 1] == ']';
    if (bracketed)
        host++, host_n -= 2;
    a->host = xstrndup(host, host_n);
    a->port = xstrdup(colon + 1);
    return host_n > 0 && strpbrk(a->host, " \t\r\n@[]") == NULL &&
           (bracketed || strchr(a->host, ':') == NULL);
}

static bool read_scheme(const char **text, struct endpoint_address *a, bool *ret_unix)
{
    bool tls_unix = skip(text, "unixs:");
    *ret_unix = tls_unix || skip(text, "unix:");
    if (*ret_unix) {
        a->tls = a->scheme_says = tls_unix;
        (void)skip(text, "//");
        return **text != '\0';
    }
    a->tls = skip(text, "https://");
    a->scheme_says = a->tls || skip(text, "http://");
    return strstr(*text, "://") == NULL;
}

bool endpoint_address_parse(const char *text, struct endpoint_address *ret,
                            struct etcd_error *ret_error)
{
    const char *rest = text;
    bool is_unix = false;
    *ret = (struct endpoint_address){.host = NULL};
    bool good = strlen(text) <= ENDPOINT_TEXT_MAX && read_scheme(&rest, ret, &is_unix);
    if (good && is_unix)
        read_path(rest, ret);
    else if (good)
        good = read_host_port(rest, strcspn(rest, "/?#"), ret);
    if (!good) {
        error_set(ret_error, ETCD_INVALID_ARGUMENT,
                  "endpoint \"%.200s\" is not of the form host:port or a URL of http, https, unix "
                  "or unixs",
                  text);
        endpoint_address_fini(ret);
    }
    return good;
}
