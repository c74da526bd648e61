/* ctlv2/uri.c -- URLs as Go's net/url reads and prints them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/uri.h"

#include <ctype.h>
#include <stdlib.h>

#include "cli/quote.h"

/* ---- escapes ----------------------------------------------------------------------------- */

enum part { PART_HOST, PART_PATH, PART_QUERY };

static bool char_is_plain(uint8_t c, enum part part)
{
    static const char plain[][24] = {
        [PART_HOST] = "!$&'()*+,;=:[]<>\"",
        [PART_PATH] = "$&+,/:;=@",
        [PART_QUERY] = "",
    };
    return isalnum(c) || (c != '\0' && strchr("-_.~", c) != NULL) ||
           (c != '\0' && strchr(plain[part], c) != NULL);
}

static void escape(struct buf *b, struct slice s, enum part part)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (char_is_plain(c, part))
            buf_add_byte(b, c);
        else if (c == ' ' && part == PART_QUERY)
            buf_add_byte(b, '+');
        else
            buf_addf(b, "%%%02X", c);
    }
}

static int hex_digit(uint8_t c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* Append `s` quoted behind `words`. */
static void say(struct buf *problem, const char *words, struct slice s)
{
    buf_add_str(problem, words);
    quote_add(problem, s);
}

static bool unescape(struct slice s, enum part part, struct buf *out, struct buf *problem)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (c == '%') {
            int high = i + 1 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
            /* A host may have only bytes beyond ASCII escaped. */
            if (high < 0 || low < 0 || (part == PART_HOST && high < 8)) {
                say(problem, "invalid URL escape ", slice_make(s.p + i, s.n - i < 3 ? s.n - i : 3));
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (part == PART_HOST && c < 0x80 && !char_is_plain(c, PART_HOST)) {
            say(problem, "invalid character ", slice_make(s.p + i, 1));
            buf_add_str(problem, " in host name");
            return false;
        }
        buf_add_byte(out, c);
    }
    return true;
}

void uri_add_param(struct buf *b, const char *name, struct slice value)
{
    if (b->n != 0)
        buf_add_byte(b, '&');
    escape(b, slice_str(name), PART_QUERY);
    buf_add_byte(b, '=');
    escape(b, value, PART_QUERY);
}

/* ---- reading ----------------------------------------------------------------------------- */

static char *dup_slice(struct slice s)
{
    return xstrndup(s.n != 0 ? (const char *)s.p : "", s.n);
}

static struct slice take(struct slice *s, size_t n)
{
    struct slice head = slice_make(s->p, n);
    *s = slice_make(s->p + n, s->n - n);
    return head;
}

/* Return where `c` stands first, or s.n. */
static size_t find(struct slice s, char c)
{
    const uint8_t *p = s.n != 0 ? memchr(s.p, c, s.n) : NULL;
    return p != NULL ? (size_t)(p - s.p) : s.n;
}

static bool read_scheme(struct slice *s, struct uri *u, struct buf *problem)
{
    size_t n = 0;
    while (n < s->n && (isalpha(s->p[n]) || (n > 0 && strchr("0123456789+-.", s->p[n]) != NULL)))
        n++;
    bool has = n < s->n && s->p[n] == ':';
    if (has && n == 0) {
        buf_add_str(problem, "missing protocol scheme");
        return false;
    }
    u->scheme = dup_slice(has ? take(s, n) : slice_make(NULL, 0));
    for (char *p = u->scheme; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (has)
        take(s, 1);
    return true;
}

static bool port_is_valid(struct slice s)
{
    if (s.n != 0 && s.p[0] != ':')
        return false;
    for (size_t i = 1; i < s.n; i++) {
        if (!isdigit(s.p[i]))
            return false;
    }
    return true;
}

static bool read_host(struct slice s, struct uri *u, struct buf *problem)
{
    size_t port_at = s.n;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == (s.p[0] == '[' ? ']' : ':'))
            port_at = i;
    }
    if (s.n != 0 && s.p[0] == '[') {
        if (port_at == s.n) {
            buf_add_str(problem, "missing ']' in host");
            return false;
        }
        port_at++;
    }
    if (!port_is_valid(slice_make(s.p + port_at, s.n - port_at))) {
        say(problem, "invalid port ", slice_make(s.p + port_at, s.n - port_at));
        buf_add_str(problem, " after host");
        return false;
    }
    AUTO(buf) struct buf host = BUF_INIT;
    if (!unescape(s, PART_HOST, &host, problem))
        return false;
    u->host = buf_take_cstr(&host);
    return true;
}

static bool read_authority(struct slice s, struct uri *u, struct buf *problem)
{
    size_t at = s.n;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '@')
            at = i;
    }
    if (at != s.n) {
        u->user = dup_slice(take(&s, at));
        take(&s, 1);
    }
    return read_host(s, u, problem);
}

static bool read_all(struct slice s, struct uri *u, struct buf *problem)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] == 0x7f) {
            buf_add_str(problem, "net/url: invalid control character in URL");
            return false;
        }
    }
    s.n = find(s, '#');
    if (!read_scheme(&s, u, problem))
        return false;
    size_t mark = find(s, '?');
    if (mark < s.n) {
        struct slice query = slice_make(s.p + mark + 1, s.n - mark - 1);
        u->query = query.n != 0 ? dup_slice(query) : NULL;
        s.n = mark;
    }
    bool rooted = s.n != 0 && s.p[0] == '/';
    if (!rooted && u->scheme[0] != '\0') {
        u->opaque = dup_slice(s);
        return true;
    }
    if (!rooted && find(slice_make(s.p, find(s, '/')), ':') < find(s, '/')) {
        buf_add_str(problem, "first path segment in URL cannot contain colon");
        return false;
    }
    if (slice_starts_with(s, slice_str("//")) &&
        (u->scheme[0] != '\0' || !slice_starts_with(s, slice_str("///")))) {
        take(&s, 2);
        struct slice authority = take(&s, find(s, '/'));
        if (!read_authority(authority, u, problem))
            return false;
    }
    AUTO(buf) struct buf path = BUF_INIT;
    if (!unescape(s, PART_PATH, &path, problem))
        return false;
    u->path = buf_take_cstr(&path);
    return true;
}

enum err uri_parse(const char *text, struct uri *ret_uri, struct why *why)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    *ret_uri = (struct uri){0};
    if (strlen(text) > URI_LEN_MAX)
        return why_set(why, ERR_TOO_LARGE, "the URL is longer than %d bytes", URI_LEN_MAX);
    if (!read_all(slice_str(text), ret_uri, &problem)) {
        AUTO(buf) struct buf quoted = BUF_INIT;
        quote_add(&quoted, slice_str(text));
        uri_fini(ret_uri);
        return why_set(why, ERR_MALFORMED, "parse %s: %s", buf_cstr(&quoted), buf_cstr(&problem));
    }
    if (ret_uri->host == NULL)
        ret_uri->host = xstrdup("");
    if (ret_uri->path == NULL)
        ret_uri->path = xstrdup("");
    return ERR_OK;
}

void uri_fini(struct uri *u)
{
    free(u->scheme);
    free(u->opaque);
    free(u->user);
    free(u->host);
    free(u->path);
    free(u->query);
    *u = (struct uri){0};
}

/* ---- printing ---------------------------------------------------------------------------- */

static void format_query(const struct uri *u, struct buf *b)
{
    if (u->query != NULL)
        buf_addf(b, "?%s", u->query);
}

void uri_format(const struct uri *u, struct buf *b)
{
    if (u->scheme[0] != '\0')
        buf_addf(b, "%s:", u->scheme);
    if (u->opaque != NULL) {
        buf_add_str(b, u->opaque);
        format_query(u, b);
        return;
    }
    bool authority = u->host[0] != '\0' || u->user != NULL;
    if (authority || (u->scheme[0] != '\0' && u->path[0] != '\0'))
        buf_add_str(b, "//");
    if (u->user != NULL)
        buf_addf(b, "%s@", u->user);
    escape(b, slice_str(u->host), PART_HOST);
    if (u->path[0] != '\0' && u->path[0] != '/' && authority)
        buf_add_byte(b, '/');
    escape(b, slice_str(u->path), PART_PATH);
    format_query(u, b);
}

void uri_format_target(const struct uri *u, struct buf *b)
{
    if (u->path[0] == '\0')
        buf_add_byte(b, '/');
    escape(b, slice_str(u->path), PART_PATH);
    format_query(u, b);
}

void uri_address(const struct uri *u, char **ret_name, char **ret_port)
{
    struct slice host = slice_str(u->host);
    size_t end = find(host, host.n != 0 && host.p[0] == '[' ? ']' : ':');
    bool bracket = end < host.n && host.p[end] == ']';
    *ret_name = dup_slice(slice_make(host.p + bracket, end - bracket));
    end += bracket;
    bool port = end + 1 < host.n && host.p[end] == ':';
    *ret_port = xstrdup(port                              ? (const char *)host.p + end + 1
                        : strcmp(u->scheme, "https") == 0 ? "443"
                                                          : "80");
}

bool uri_credentials(const struct uri *u, struct buf *b)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    if (u->user == NULL || !unescape(slice_str(u->user), PART_PATH, b, &problem))
        return false;
    if (strchr(u->user, ':') == NULL)
        buf_add_byte(b, ':');
    return true;
}

/* ---- paths ------------------------------------------------------------------------------- */

static void drop_segment(struct buf *b)
{
    while (b->n > 0 && b->p[--b->n] != '/')
        ;
}

char *uri_clean_path(const char *path, bool keep_slash)
{
    struct buf out = BUF_INIT;
    struct slice rest = slice_str(path);
    while (rest.n != 0) {
        struct slice segment = take(&rest, find(rest, '/'));
        if (rest.n != 0)
            take(&rest, 1);
        if (slice_is(segment, "..")) {
            drop_segment(&out);
        } else if (segment.n != 0 && !slice_is(segment, ".")) {
            buf_add_byte(&out, '/');
            buf_add_slice(&out, segment);
        }
    }
    size_t n = strlen(path);
    if (out.n == 0 || (keep_slash && n != 0 && path[n - 1] == '/'))
        buf_add_byte(&out, '/');
    return buf_take_cstr(&out);
}
