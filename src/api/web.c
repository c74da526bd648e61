/* api/web.c -- answers and query strings.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/web.h"

/* ---- answers --------------------------------------------------------------------------------- */

#define ADDED_MAX 3

static size_t headers_with_origin(const struct web *w, const struct http_header *headers, size_t n,
                                  struct http_header out[WEB_HEADERS_MAX + ADDED_MAX])
{
    invariant(n <= WEB_HEADERS_MAX);
    if (n != 0)
        memcpy(out, headers, n * sizeof *headers);
    if (w->origin.p == NULL)
        return n;
    out[n++] = HTTP_HEADER("access-control-allow-methods", "POST, GET, OPTIONS, PUT, DELETE");
    out[n++] = (struct http_header){slice_str("access-control-allow-origin"), w->origin, false};
    out[n++] =
        HTTP_HEADER("access-control-allow-headers", "accept, content-type, authorization");
    return n;
}

void web_reply(const struct web *w, unsigned status, const struct http_header *headers, size_t n,
               struct slice body)
{
    struct http_header all[WEB_HEADERS_MAX + ADDED_MAX];
    n = headers_with_origin(w, headers, n, all);
    http_stream_respond_full(w->stream, status, all, n, body);
}

void web_respond(const struct web *w, unsigned status, const struct http_header *headers, size_t n)
{
    struct http_header all[WEB_HEADERS_MAX + ADDED_MAX];
    n = headers_with_origin(w, headers, n, all);
    http_stream_respond(w->stream, status, all, n, false);
}

void web_reply_type(const struct web *w, unsigned status, const char *type, struct slice body)
{
    struct http_header h = {slice_str("content-type"), slice_str(type), true};
    web_reply(w, status, &h, 1, body);
}

static void web_error_allow(const struct web *w, unsigned status, struct slice text,
                            const char *allow)
{
    struct http_header h[] = {
        HTTP_HEADER("content-type", "text/plain; charset=utf-8"),
        HTTP_HEADER("x-content-type-options", "nosniff"),
        {slice_str("allow"), slice_str(allow), true},
    };
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_slice(&b, text);
    buf_add_byte(&b, '\n');
    web_reply(w, status, h, *allow != '\0' ? 3 : 2, buf_slice(&b));
}

void web_error(const struct web *w, unsigned status, struct slice text)
{
    web_error_allow(w, status, text, "");
}

void web_not_found(const struct web *w)
{
    web_error(w, 404, slice_str("404 page not found"));
}

bool web_is_get(const struct web *w)
{
    if (slice_is(w->method, "GET"))
        return true;
    web_error_allow(w, 405, slice_str("Method Not Allowed"), "GET");
    return false;
}

/* ---- the query ------------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void unescape(struct slice s, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < s.n; i++) {
        int hi = -1, lo = -1;
        if (s.p[i] == '%' && s.n - i > 2) {
            hi = hex_digit(s.p[i + 1]);
            lo = hex_digit(s.p[i + 2]);
        }
        if (hi >= 0 && lo >= 0) {
            buf_add_byte(out, (uint8_t)(hi << 4 | lo));
            i += 2;
        } else {
            buf_add_byte(out, s.p[i] == '+' ? ' ' : s.p[i]);
        }
    }
}

/* Return the next "name=value" of the query and step over it. */
static bool query_next(struct slice query, size_t *at, struct slice *ret_name,
                       struct slice *ret_value)
{
    if (*at >= query.n)
        return false;
    const uint8_t *p = query.p + *at;
    size_t left = query.n - *at;
    const uint8_t *end = memchr(p, '&', left);
    size_t n = end != NULL ? (size_t)(end - p) : left;
    const uint8_t *eq = n != 0 ? memchr(p, '=', n) : NULL;
    *ret_name = slice_make(p, eq != NULL ? (size_t)(eq - p) : n);
    *ret_value = eq != NULL ? slice_make(eq + 1, (size_t)(p + n - eq) - 1) : slice_make(p + n, 0);
    *at += n + 1;
    return true;
}

bool web_query(const struct web *w, const char *name, size_t *at, struct buf *value)
{
    struct slice n, v;
    while (query_next(w->query, at, &n, &v))
        if (slice_is(n, name)) {
            unescape(v, value);
            return true;
        }
    return false;
}
