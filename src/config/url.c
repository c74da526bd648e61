/* config/url.c -- URLs by the rules of Go's net/url and etcd's own on top of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "config/text.h"

static enum err parse_error(struct slice text, struct why *why, const char *what)
{
    return why_set(why, ERR_INVALID, "parse \"%.*s\": %s", SLICE_ARGS(text), what);
}

/* ---- parts -------------------------------------------------------------------------------- */

/* Cut "scheme:" off. The scheme is empty where there is none; fail where Go does. */
static enum err scheme_take(struct slice text, struct slice *ret_scheme, struct slice *ret_rest,
                            struct why *why)
{
    *ret_scheme = slice_make(NULL, 0);
    *ret_rest = text;
    for (size_t i = 0; i < text.n; i++) {
        char c = (char)text.p[i];
        if (isalpha((unsigned char)c))
            continue;
        bool inner = isdigit((unsigned char)c) || c == '+' || c == '-' || c == '.';
        if (inner && i > 0)
            continue;
        if (c == ':' && i == 0)
            return parse_error(text, why, "missing protocol scheme");
        if (c == ':')
            slice_cut(text, ':', ret_scheme, ret_rest);
        break;
    }
    struct slice segment, tail;
    slice_cut(text, '/', &segment, &tail);
    if (ret_scheme->n == 0 && segment.n && memchr(segment.p, ':', segment.n))
        return parse_error(text, why, "first path segment in URL cannot contain colon");
    return ERR_OK;
}

static bool scheme_is(struct slice scheme, const char *name)
{
    return scheme.n == strlen(name) && strncasecmp((const char *)scheme.p, name, scheme.n) == 0;
}

static bool slice_is_digits(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!isdigit(s.p[i]))
            return false;
    }
    return true;
}

/* Cut the authority into host and port at the last colon outside of brackets. Fail where Go's
 * parser does, and set `*ret_whole` to whether both parts were there, as they must be. */
static enum err authority_split(struct slice text, struct slice auth, struct slice *ret_host,
                                struct slice *ret_port, bool *ret_whole, struct why *why)
{
    const uint8_t *close = NULL, *colon = NULL;
    *ret_whole = false;
    if (auth.n && auth.p[0] == '[') {
        close = memrchr(auth.p, ']', auth.n);
        if (!close)
            return parse_error(text, why, "missing ']' in host");
        colon = close + 1 < auth.p + auth.n ? close + 1 : NULL;
    } else if (auth.n) {
        colon = memrchr(auth.p, ':', auth.n);
    }
    if (!colon)
        return ERR_OK;
    size_t n = (size_t)(colon - auth.p);
    struct slice port = slice_make(colon + 1, auth.n - n - 1);
    if (*colon != ':' || !slice_is_digits(port)) {
        struct slice tail = slice_make(colon, auth.n - n);
        return why_set(why, ERR_INVALID, "parse \"%.*s\": invalid port \"%.*s\" after host",
                       SLICE_ARGS(text), SLICE_ARGS(tail));
    }
    *ret_host = close ? slice_make(auth.p + 1, n - 2) : slice_make(auth.p, n);
    *ret_port = port;
    *ret_whole = close || !memchr(auth.p, ':', n);
    return ERR_OK;
}

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    }
    return false;
}

/* ---- one URL ------------------------------------------------------------------------------ */

static void url_fill(struct url *u, enum url_scheme scheme, struct slice host, struct slice port,
                     struct slice path, struct slice text)
{
    *u = (struct url){.scheme = scheme,
                      .host = slice_dup_str(host),
                      .port = slice_dup_str(port),
                      .path = slice_dup_str(path),
                      .text = slice_dup_str(text)};
    for (char *p = u->text; *p && *p != ':'; p++)
        *p = (char)tolower((unsigned char)*p);
}

static enum err url_parse_tcp(struct slice text, enum url_scheme scheme, struct slice rest,
                              struct url *ret_url, struct why *why)
{
    const struct slice none = {NULL, 0};
    struct slice host = none, port = none, auth = none, path = none;
    bool whole = false;
    if (slice_starts_with(rest, slice_str("//"))) {
        rest = slice_make(rest.p + 2, rest.n - 2);
        size_t n = 0;
        while (n < rest.n && !strchr("/?#", rest.p[n]))
            n++;
        auth = slice_make(rest.p, n);
        path = slice_make(rest.p + n, rest.n - n);
    }
    enum err e = authority_split(text, auth, &host, &port, &whole, why);
    if (e != ERR_OK)
        return e;
    if (!whole || (auth.n && memchr(auth.p, '@', auth.n)))
        return why_set(why, ERR_INVALID, "URL address does not have the form \"host:port\": %.*s",
                       SLICE_ARGS(text));
    if (path.n > 0)
        return why_set(why, ERR_INVALID, "URL must not contain a path: %.*s", SLICE_ARGS(text));
    url_fill(ret_url, scheme, host, port, none, text);
    return ERR_OK;
}

static enum err url_parse_unix(struct slice text, enum url_scheme scheme, struct slice rest,
                               struct url *ret_url, struct why *why)
{
    const struct slice none = {NULL, 0};
    if (slice_starts_with(rest, slice_str("//")))
        rest = slice_make(rest.p + 2, rest.n - 2);
    if (rest.n == 0)
        return why_set(why, ERR_INVALID, "URL of a unix socket must have a path: %.*s",
                       SLICE_ARGS(text));
    url_fill(ret_url, scheme, none, none, rest, text);
    return ERR_OK;
}

enum err url_parse(struct slice text, struct url *ret_url, struct why *why)
{
    struct slice scheme, rest;
    text = slice_trim(text);
    if (text.n > URL_LEN_MAX)
        return why_set(why, ERR_TOO_LARGE, "URL is longer than %d bytes", URL_LEN_MAX);
    if (has_control(text))
        return parse_error(text, why, "net/url: invalid control character in URL");
    enum err e = scheme_take(text, &scheme, &rest, why);
    if (e != ERR_OK)
        return e;
    if (scheme_is(scheme, "http"))
        return url_parse_tcp(text, URL_HTTP, rest, ret_url, why);
    if (scheme_is(scheme, "https"))
        return url_parse_tcp(text, URL_HTTPS, rest, ret_url, why);
    if (scheme_is(scheme, "unix"))
        return url_parse_unix(text, URL_UNIX, rest, ret_url, why);
    if (scheme_is(scheme, "unixs"))
        return url_parse_unix(text, URL_UNIXS, rest, ret_url, why);
    return why_set(why, ERR_INVALID, "URL scheme must be http, https, unix, or unixs: %.*s",
                   SLICE_ARGS(text));
}

void url_fini(struct url *u)
{
    free(u->host);
    free(u->port);
    free(u->path);
    free(u->text);
    *u = (struct url){0};
}

bool url_is_unix(const struct url *u)
{
    return u->scheme == URL_UNIX || u->scheme == URL_UNIXS;
}

bool url_is_tls(const struct url *u)
{
    return u->scheme == URL_HTTPS || u->scheme == URL_UNIXS;
}

const char *url_bind_host(const struct url *u)
{
    return strcasecmp(u->host, "localhost") == 0 ? "127.0.0.1" : u->host;
}

bool url_same_place(const struct url *a, const struct url *b)
{
    if (a->scheme != b->scheme || url_is_unix(a))
        return strcmp(a->text, b->text) == 0;
    return strcmp(url_bind_host(a), url_bind_host(b)) == 0 && strcmp(a->port, b->port) == 0;
}

static bool host_is_ip(const char *host)
{
    struct in6_addr a;
    return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

bool url_may_be_same_place(const struct url *a, const struct url *b)
{
    if (url_same_place(a, b))
        return true;
    return a->scheme == b->scheme && !url_is_unix(a) && strcmp(a->port, b->port) == 0 &&
           !(host_is_ip(url_bind_host(a)) && host_is_ip(url_bind_host(b)));
}

bool url_list_has_place(const struct url_list *l, const struct url *u)
{
    for (size_t i = 0; i < l->n; i++) {
        if (url_same_place(&l->items[i], u))
            return true;
    }
    return false;
}

bool url_list_same_places(const struct url_list *a, const struct url_list *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = url_list_has_place(b, &a->items[i]) && url_list_has_place(a, &b->items[i]);
    return same;
}

int url_port(const struct url *u)
{
    char *end;
    size_t n = strlen(u->port);
    if (n == 0 || n > 5)
        return -1;
    long port = strtol(u->port, &end, 10);
    return *end == '\0' && port <= 65535 ? (int)port : -1;
}

/* ---- lists -------------------------------------------------------------------------------- */

static int url_cmp(const void *a, const void *b)
{
    return strcmp(((const struct url *)a)->text, ((const struct url *)b)->text);
}

static void url_list_drop_twins(struct url_list *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (n > 0 && url_cmp(&l->items[n - 1], &l->items[i]) == 0)
            url_fini(&l->items[i]);
        else
            l->items[n++] = l->items[i];
    }
    l->n = n;
}

enum err url_list_add(struct url_list *l, struct slice text, struct why *why)
{
    struct url u;
    if (l->n == URL_LIST_MAX)
        return why_set(why, ERR_TOO_LARGE, "more than %d URLs", URL_LIST_MAX);
    enum err e = url_parse(text, &u, why);
    if (e != ERR_OK)
        return e;
    l->items = xrealloc(l->items, (l->n + 1) * sizeof(l->items[0]));
    l->items[l->n++] = u;
    return ERR_OK;
}

void url_list_sort(struct url_list *l)
{
    if (l->n > 1)
        qsort(l->items, l->n, sizeof(l->items[0]), url_cmp);
}

enum err url_list_parse(const char *text, bool unique, struct url_list *ret_list, struct why *why)
{
    struct slice item, rest = slice_str(text);
    struct url_list l = {NULL, 0};
    bool more = true;
    *ret_list = l;
    while (more) {
        more = slice_cut(rest, ',', &item, &rest);
        enum err e = url_list_add(&l, item, why);
        if (e != ERR_OK) {
            url_list_fini(&l);
            return e;
        }
    }
    url_list_sort(&l);
    if (unique)
        url_list_drop_twins(&l);
    *ret_list = l;
    return ERR_OK;
}

void url_list_fini(struct url_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        url_fini(&l->items[i]);
    free(l->items);
    *l = (struct url_list){NULL, 0};
}

void url_list_copy(struct url_list *to, const struct url_list *from)
{
    *to = (struct url_list){xcalloc(from->n + 1, sizeof(struct url)), from->n};
    for (size_t i = 0; i < from->n; i++) {
        const struct url *u = &from->items[i];
        url_fill(&to->items[i], u->scheme, slice_str(u->host), slice_str(u->port),
                 slice_str(u->path), slice_str(u->text));
    }
}

bool url_list_eq(const struct url_list *a, const struct url_list *b)
{
    bool eq = a->n == b->n;
    for (size_t i = 0; eq && i < a->n; i++)
        eq = url_cmp(&a->items[i], &b->items[i]) == 0;
    return eq;
}

void url_list_format(struct buf *b, const struct url_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        buf_addf(b, "%s%s", i ? "," : "", l->items[i].text);
}

/* ---- checks ------------------------------------------------------------------------------- */

enum err url_list_check_bind(const struct url_list *l, struct why *why)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct url *u = &l->items[i];
        if (url_is_unix(u) || strcmp(u->host, "localhost") == 0)
            continue;
        if (!host_is_ip(u->host))
            return why_set(why, ERR_INVALID, "expected IP in URL for binding (%s)", u->text);
        if (url_port(u) < 0)
            return why_set(why, ERR_INVALID, "expected a port in URL for binding (%s)", u->text);
    }
    return ERR_OK;
}

enum err url_list_check_host(const struct url_list *l, struct why *why)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct url *u = &l->items[i];
        if (!url_is_unix(u) && u->host[0] == '\0')
            return why_set(why, ERR_INVALID, "unexpected empty host (%s)", u->text);
    }
    return ERR_OK;
}
