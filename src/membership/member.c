/* membership/member.c -- members, their ids and their JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include "membership/member.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "base/log.h"

/* ---- lists of URLs ------------------------------------------------------------------------- */

struct urls urls_dup(const char *const *v, size_t n)
{
    struct urls u = {n > 0 ? xcalloc(n, sizeof *u.v) : NULL, n};
    for (size_t i = 0; i < n; i++)
        u.v[i] = xstrdup(v[i]);
    return u;
}

void urls_fini(struct urls *u)
{
    for (size_t i = 0; i < u->n; i++)
        free(u->v[i]);
    free(u->v);
    *u = (struct urls){NULL, 0};
}

/* ---- members ------------------------------------------------------------------------------- */

struct member *member_new(member_id id, const char *const *peer_urls, size_t n, bool is_learner)
{
    struct member *m = xcalloc(1, sizeof *m);
    m->id = id;
    m->name = xstrdup("");
    m->peer_urls = urls_dup(peer_urls, n);
    m->is_learner = is_learner;
    return m;
}

struct member *member_dup(const struct member *m)
{
    struct member *d = xcalloc(1, sizeof *d);
    d->id = m->id;
    d->name = xstrdup(m->name);
    d->peer_urls = urls_dup(urls_view(&m->peer_urls), m->peer_urls.n);
    d->client_urls = urls_dup(urls_view(&m->client_urls), m->client_urls.n);
    d->is_learner = m->is_learner;
    return d;
}

void member_free(struct member *m)
{
    if (m == NULL)
        return;
    free(m->name);
    urls_fini(&m->peer_urls);
    urls_fini(&m->client_urls);
    free(m);
}

static inline void member_auto(struct member **m)
{
    member_free(*m);
}

/* ---- ids ----------------------------------------------------------------------------------- */

static int text_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int id_cmp(const void *a, const void *b)
{
    member_id x = *(const member_id *)a, y = *(const member_id *)b;
    return (x > y) - (x < y);
}

static uint64_t sha1_head(sha1_fn sha1, const struct buf *b)
{
    uint8_t digest[SHA1_SIZE];
    sha1(buf_slice(b), digest);
    return be64_get(digest);
}

member_id member_id_make(sha1_fn sha1, const char *const *peer_urls, size_t n, const char *token,
                         int64_t unix_seconds)
{
    AUTO(buf) struct buf b = BUF_INIT;
    const char **sorted = xcalloc(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = peer_urls[i];
    qsort(sorted, n, sizeof *sorted, text_cmp);
    for (size_t i = 0; i < n; i++)
        buf_add_str(&b, sorted[i]);
    free(sorted);
    buf_add_str(&b, token);
    if (unix_seconds != 0)
        buf_addf(&b, "%" PRId64, unix_seconds);
    return sha1_head(sha1, &b);
}

uint64_t cluster_id_make(sha1_fn sha1, const member_id *ids, size_t n)
{
    AUTO(buf) struct buf b = BUF_INIT;
    member_id *sorted = xcalloc(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = ids[i];
    qsort(sorted, n, sizeof *sorted, id_cmp);
    for (size_t i = 0; i < n; i++)
        buf_add_be64(&b, sorted[i]);
    free(sorted);
    return sha1_head(sha1, &b);
}

struct slice member_id_hex(member_id id, char hex[MEMBER_HEX_SIZE])
{
    int n = snprintf(hex, MEMBER_HEX_SIZE, "%" PRIx64, id);
    return slice_make(hex, (size_t)n);
}

/* Return the value of a hex digit, or 16. */
static unsigned hex_value(uint8_t ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - (unsigned)'0';
    return ch >= 'a' && ch <= 'f' ? ch - (unsigned)'a' + 10 : 16;
}

bool member_id_from_hex(struct slice text, member_id *ret)
{
    member_id id = 0;
    if (text.n >= MEMBER_HEX_SIZE)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = hex_value(text.p[i]);
        if (digit == 16)
            return false;
        id = id << 4 | digit;
    }
    *ret = id;
    return id != 0;
}

/* ---- to JSON ------------------------------------------------------------------------------- */

static void add_urls(const char *const *urls, size_t n, struct buf *out)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_add_byte(out, ',');
        json_add_string(out, urls[i], strlen(urls[i]));
    }
    buf_add_byte(out, ']');
}

/* Append the fields, each with a comma before it unless it is the first of its object. */
static void add_name(struct buf *out, const char *name)
{
    if (out->p[out->n - 1] != '{')
        buf_add_byte(out, ',');
    buf_addf(out, "\"%s\":", name);
}

static void add_attributes(const char *name, const char *const *client_urls, size_t n_urls,
                           struct buf *out)
{
    if (name[0] != '\0') {
        add_name(out, "name");
        json_add_string(out, name, strlen(name));
    }
    if (n_urls > 0) {
        add_name(out, "clientURLs");
        add_urls(client_urls, n_urls, out);
    }
}

static void add_raft_attributes(const struct member *m, struct buf *out)
{
    add_name(out, "peerURLs");
    add_urls(urls_view(&m->peer_urls), m->peer_urls.n, out);
    if (m->is_learner) {
        add_name(out, "isLearner");
        buf_add_str(out, "true");
    }
}

void member_add_json(const struct member *m, struct buf *out)
{
    buf_addf(out, "{\"id\":%" PRIu64, m->id);
    add_raft_attributes(m, out);
    add_attributes(m->name, urls_view(&m->client_urls), m->client_urls.n, out);
    buf_add_byte(out, '}');
}

void member_add_attributes(const char *name, const char *const *client_urls, size_t n_urls,
                           struct buf *out)
{
    buf_add_byte(out, '{');
    add_attributes(name, client_urls, n_urls, out);
    buf_add_byte(out, '}');
}

void member_add_raft_attributes(const struct member *m, struct buf *out)
{
    buf_add_byte(out, '{');
    add_raft_attributes(m, out);
    buf_add_byte(out, '}');
}

/* ---- from JSON ----------------------------------------------------------------------------- */

/* Return the parsed text, owned, or NULL. */
static json_t *parse(struct slice text)
{
    if (text.n > MEMBER_JSON_MAX)
        return NULL;
    AUTO(buf) struct buf quoted = BUF_INIT;
    json_quote_wide_integers(text, &quoted); /* half of all ids are above INT64_MAX */
    if (quoted.n == 0)
        return NULL;
    return json_loadb((const char *)quoted.p, quoted.n, 0, NULL);
}

static inline void json_auto(json_t **j)
{
    json_decref(*j);
}

/* Read an id: a number, or one that was put in quotes because it is wide. */
static enum err read_id(const json_t *j, member_id *ret)
{
    if (json_is_integer(j) && json_integer_value(j) > 0) {
        *ret = (member_id)json_integer_value(j);
        return ERR_OK;
    }
    const char *s = json_string_value(j);
    if (s == NULL || *s == '\0')
        return ERR_MALFORMED;
    member_id id = 0;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9' || __builtin_mul_overflow(id, 10u, &id) ||
            __builtin_add_overflow(id, (member_id)(*s - '0'), &id))
            return ERR_MALFORMED;
    }
    *ret = id;
    return id != 0 ? ERR_OK : ERR_MALFORMED;
}

/* Read a text that may be absent; an absent one is empty. */
static enum err read_text(const json_t *j, const char **ret)
{
    *ret = "";
    if (j == NULL || json_is_null(j))
        return ERR_OK;
    if (!json_is_string(j) || json_string_length(j) > MEMBER_TEXT_MAX)
        return ERR_MALFORMED;
    *ret = json_string_value(j);
    return ERR_OK;
}

/* Replace `ret` by a list of URLs; one that is absent is empty. */
static enum err read_urls(const json_t *j, struct urls *ret)
{
    urls_fini(ret);
    if (j == NULL || json_is_null(j))
        return ERR_OK;
    size_t n = json_array_size(j);
    if (!json_is_array(j) || n > MEMBER_URLS_MAX)
        return ERR_MALFORMED;
    const char *v[MEMBER_URLS_MAX];
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(j, i);
        if (!json_is_string(item) || read_text(item, &v[i]) != ERR_OK)
            return ERR_MALFORMED;
    }
    *ret = urls_dup(v, n);
    return ERR_OK;
}

static enum err read_bool(const json_t *j, bool *ret)
{
    *ret = json_is_true(j);
    return j == NULL || json_is_null(j) || json_is_boolean(j) ? ERR_OK : ERR_MALFORMED;
}

static enum err read_attributes(const json_t *j, struct member *m)
{
    const char *name;
    if (!json_is_object(j) || read_text(json_object_get(j, "name"), &name) != ERR_OK)
        return ERR_MALFORMED;
    free(m->name);
    m->name = xstrdup(name);
    return read_urls(json_object_get(j, "clientURLs"), &m->client_urls);
}

static enum err read_raft_attributes(const json_t *j, struct member *m)
{
    if (!json_is_object(j) || read_bool(json_object_get(j, "isLearner"), &m->is_learner) != ERR_OK)
        return ERR_MALFORMED;
    return read_urls(json_object_get(j, "peerURLs"), &m->peer_urls);
}

static enum err read_member(const json_t *j, struct member **ret)
{
    AUTO(member) struct member *m = member_new(0, NULL, 0, false);
    if (read_id(json_object_get(j, "id"), &m->id) != ERR_OK ||
        read_raft_attributes(j, m) != ERR_OK || read_attributes(j, m) != ERR_OK)
        return ERR_MALFORMED;
    *ret = m;
    m = NULL;
    return ERR_OK;
}

enum err member_read_attributes(struct member *m, struct slice json)
{
    AUTO(json) json_t *j = parse(json);
    return read_attributes(j, m);
}

enum err member_read_raft_attributes(struct member *m, struct slice json)
{
    AUTO(json) json_t *j = parse(json);
    return read_raft_attributes(j, m);
}

enum err member_from_json(struct slice text, struct member **ret)
{
    AUTO(json) json_t *j = parse(text);
    return read_member(j, ret);
}

enum err member_change_from_json(struct slice text, struct member **ret, bool *ret_promote)
{
    AUTO(json) json_t *j = parse(text);
    bool promote;
    if (read_bool(json_object_get(j, "isPromote"), &promote) != ERR_OK)
        return ERR_MALFORMED;
    enum err e = read_member(j, ret);
    if (e == ERR_OK)
        *ret_promote = promote;
    return e;
}

enum err members_from_json(struct slice text, size_t max, struct member ***ret, size_t *ret_n)
{
    AUTO(json) json_t *j = parse(text);
    size_t n = json_array_size(j);
    if (!json_is_array(j) || n > max)
        return ERR_MALFORMED;
    struct member **v = xcalloc(n, sizeof *v);
    enum err e = ERR_OK;
    for (size_t i = 0; i < n && e == ERR_OK; i++)
        e = read_member(json_array_get(j, i), &v[i]);
    if (e != ERR_OK) {
        for (size_t i = 0; i < n; i++)
            member_free(v[i]);
        free(v);
        return e;
    }
    *ret = v;
    *ret_n = n;
    return ERR_OK;
}
