/* http/stream.c -- one request and its answer: the part that both protocols share.
 *
 * Streams are pooled; the buffer of the request's headers stays with the pooled object.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/priv.h"

#define STREAM_POOL_MAX 4096
#define STREAM_TEXT_KEEP 4096 /* a pooled stream keeps header memory up to this */
#define SEGMENT_MIN 512       /* bytes of a pooled segment */
#define SEGMENT_POOL_MAX 1024
#define HEADER_OVERHEAD 32 /* what RFC 9113 counts for an entry beside its bytes */

static const uint8_t normal_closure[2] = {1000 >> 8, 1000 & 0xff}; /* RFC 6455, 7.4.1 */

/* ---- life -------------------------------------------------------------------------------- */

struct http_stream *stream_new(struct http_conn *c)
{
    struct http_server *sv = c->server;
    struct http_stream *s;
    if (list_is_empty(&sv->stream_pool)) {
        s = xcalloc(1, sizeof *s);
        list_init(&s->drain_link);
        list_init(&s->link);
    } else {
        s = LIST_ENTRY(sv->stream_pool.next, struct http_stream, link);
        list_unlink(&s->link);
        sv->stream_pool_n--;
    }
    s->conn = c;
    s->body_max = sv->cfg.body_bytes_max;
    list_add_tail(&c->streams, &s->link);
    c->stream_n++;
    return s;
}

static void stream_free(struct http_stream *s)
{
    buf_fini(&s->text);
    free(s->refs);
    free(s);
}

void stream_pools_free(struct http_server *sv)
{
    struct http_stream *s;
    LIST_FOREACH(s, &sv->stream_pool, struct http_stream, link)
        stream_free(s);
    for (struct segment *g = sv->segment_pool, *next; g != NULL; g = next) {
        next = g->next;
        free(g);
    }
}

/* Small segments are pooled: nearly every answer needs one. */
static struct segment *segment_new(struct http_server *sv, size_t cap)
{
    struct segment *g = sv->segment_pool;
    if (cap > SEGMENT_MIN || g == NULL) {
        cap = cap < SEGMENT_MIN ? SEGMENT_MIN : cap;
        g = xmalloc(sizeof *g + cap);
    } else {
        cap = g->cap;
        sv->segment_pool = g->next;
        sv->segment_pool_n--;
    }
    *g = (struct segment){.cap = cap};
    return g;
}

static void segment_free(struct http_server *sv, struct segment *g)
{
    blob_unref(g->blob);
    if (g->cap != SEGMENT_MIN || sv->segment_pool_n >= SEGMENT_POOL_MAX) {
        free(g);
        return;
    }
    g->next = sv->segment_pool;
    sv->segment_pool = g;
    sv->segment_pool_n++;
}

static void stream_drop_queue(struct http_stream *s)
{
    while (s->seg_head != NULL) {
        struct segment *g = s->seg_head;
        s->seg_head = g->next;
        segment_free(s->conn->server, g);
    }
    s->seg_tail = NULL;
    s->conn->queued -= s->pending;
    s->pending = 0;
}

/* Clear all but the memory for headers, and put the stream into the pool. */
static void stream_recycle(struct http_stream *s, struct http_server *sv)
{
    buf_fini(&s->body);
    buf_fini(&s->trailer_text);
    websocket_free(s->websocket);
    if (sv->stream_pool_n >= STREAM_POOL_MAX || s->text.cap > STREAM_TEXT_KEEP) {
        stream_free(s);
        return;
    }
    struct buf text = s->text;
    struct header_ref *refs = s->refs;
    uint32_t ref_cap = s->ref_cap;
    buf_clear(&text);
    memset(s, 0, offsetof(struct http_stream, trailers));
    s->text = text;
    s->refs = refs;
    s->ref_cap = ref_cap;
    list_init(&s->drain_link);
    list_add_head(&sv->stream_pool, &s->link);
    sv->stream_pool_n++;
}

void stream_close(struct http_stream *s, enum http_close why)
{
    struct http_conn *c = s->conn;
    list_unlink(&s->link);
    list_unlink(&s->drain_link);
    c->stream_n--;
    const struct http_handler *h = s->handler;
    s->answer = ANSWER_ENDED; /* a handler that answers now is too late */
    s->reset_sent = true;
    s->request_ended = true;
    if (h != NULL && h->close != NULL)
        h->close(s, why);
    http_stream_consume(s, s->unconsumed); /* for the other streams of the connection */
    stream_drop_queue(s);
    stream_recycle(s, c->server);
}

/* ---- the request ------------------------------------------------------------------------- */

static struct header_ref text_add(struct http_stream *s, struct slice name, struct slice value)
{
    struct header_ref r = {(uint32_t)s->text.n, (uint32_t)name.n, (uint32_t)value.n};
    uint8_t *p = buf_reserve(&s->text, name.n + value.n);
    memcpy(p, name.p, name.n);
    if (value.n != 0)
        memcpy(p + name.n, value.p, value.n);
    s->text.n += name.n + value.n;
    return r;
}

static void refs_add(struct http_stream *s, struct header_ref r)
{
    if (s->ref_n == s->ref_cap) {
        s->ref_cap = s->ref_cap ? s->ref_cap * 2 : 16;
        s->refs = xrealloc(s->refs, s->ref_cap * sizeof *s->refs);
    }
    s->refs[s->ref_n++] = r;
}

void stream_add_header(struct http_stream *s, struct slice name, struct slice value, uint64_t max)
{
    s->header_bytes += name.n + value.n + HEADER_OVERHEAD;
    if (s->header_bytes > max) {
        s->headers_too_large = true;
        return;
    }
    struct header_ref r = text_add(s, name, value);
    if (name.n < 2 || name.p[0] != ':')
        refs_add(s, r);
    else if (name.p[1] == 'm')
        s->method_ref = r;
    else if (name.p[1] == 'p')
        s->path_ref = r;
    else if (name.p[1] == 'a')
        s->authority_ref = r;
}

static struct slice ref_name(const struct http_stream *s, struct header_ref r)
{
    return slice_make(s->text.p + r.off, r.name_n);
}

static struct slice ref_value(const struct http_stream *s, struct header_ref r)
{
    if (r.name_n == 0)
        return slice_make(NULL, 0);
    return slice_make(s->text.p + r.off + r.name_n, r.value_n);
}

void stream_begin(struct http_stream *s)
{
    struct http_server *sv = s->conn->server;
    s->headers_done = true;
    s->method = ref_value(s, s->method_ref);
    s->path = ref_value(s, s->path_ref);
    s->authority = ref_value(s, s->authority_ref);
    if (s->authority.n == 0)
        s->authority = http_stream_header(s, "host");
    s->no_body = slice_is(s->method, "HEAD");
    if (s->headers_too_large)
        http_stream_respond_full(s, 431, NULL, 0, slice_str("431 Request Header Fields Too Large"));
    else
        sv->cfg.request(s, sv->cfg.arg);
}

/* The limit is passed: 413, or a reset when the answer has begun. */
static void stream_refuse_body(struct http_stream *s)
{
    s->refuse_body = true;
    buf_fini(&s->body);
    if (s->answer == ANSWER_NONE)
        http_stream_respond_full(s, 413, NULL, 0, slice_str("413 Request Entity Too Large"));
    else
        http_stream_reset(s, HTTP_RESET_ENHANCE_YOUR_CALM);
}

void stream_input(struct http_stream *s, struct slice data)
{
    s->body_n += data.n;
    if (!s->refuse_body && s->body_n > s->body_max)
        stream_refuse_body(s);
    const struct http_handler *h = s->handler;
    s->unconsumed += data.n;
    if (!s->refuse_body && h != NULL && h->data != NULL) {
        h->data(s, data, false);
        return;
    }
    if (!s->refuse_body && h != NULL && h->body != NULL)
        buf_add_slice(&s->body, data);
    http_stream_consume(s, data.n);
}

void stream_input_end(struct http_stream *s)
{
    s->request_ended = true;
    const struct http_handler *h = s->handler;
    if (s->refuse_body || h == NULL)
        return;
    if (h->data != NULL)
        h->data(s, slice_make(NULL, 0), true);
    else if (h->body != NULL)
        h->body(s, buf_slice(&s->body));
}

void http_stream_handle(struct http_stream *s, const struct http_handler *h, void *user)
{
    s->handler = h;
    s->user = user;
}

void *http_stream_user(const struct http_stream *s)
{
    return s->user;
}

struct slice http_stream_method(const struct http_stream *s)
{
    return s->method;
}

struct slice http_stream_path(const struct http_stream *s)
{
    return s->path;
}

struct slice http_stream_authority(const struct http_stream *s)
{
    return s->authority;
}

struct slice http_stream_header(const struct http_stream *s, const char *name)
{
    size_t n = strlen(name);
    for (uint32_t i = 0; i < s->ref_n; i++)
        if (s->refs[i].name_n == n && memcmp(s->text.p + s->refs[i].off, name, n) == 0)
            return ref_value(s, s->refs[i]);
    return slice_make(NULL, 0);
}

bool http_stream_header_at(const struct http_stream *s, size_t i, struct slice *ret_name,
                           struct slice *ret_value)
{
    if (i >= s->ref_n)
        return false;
    *ret_name = ref_name(s, s->refs[i]);
    *ret_value = ref_value(s, s->refs[i]);
    return true;
}

bool http_stream_is_http2(const struct http_stream *s)
{
    return s->id != 0;
}

const char *http_stream_peer(const struct http_stream *s)
{
    return s->conn->peer;
}

void http_stream_set_body_max(struct http_stream *s, uint64_t body_max)
{
    s->body_max = body_max;
}

void http_stream_consume(struct http_stream *s, size_t n)
{
    invariant(n <= s->unconsumed);
    s->unconsumed -= n;
    if (n != 0 && !s->conn->dead)
        s->conn->proto->consumed(s, n);
}

/* ---- the answer -------------------------------------------------------------------------- */

bool stream_is_live(const struct http_stream *s)
{
    return !s->conn->dead && !s->reset_sent && s->answer != ANSWER_ENDED;
}

void http_stream_respond(struct http_stream *s, unsigned status, const struct http_header *headers,
                         size_t n, bool end)
{
    invariant(n < HTTP_HEADERS_OUT_MAX && status >= 100 && status <= 999);
    if (!stream_is_live(s))
        return;
    invariant(s->answer == ANSWER_NONE);
    if (status == 204 || status == 304)
        s->no_body = true;
    s->answer = end ? ANSWER_ENDED : ANSWER_OPEN;
    s->conn->proto->respond(s, status, headers, n, end);
    conn_mark_dirty(s->conn);
}

void http_stream_respond_full(struct http_stream *s, unsigned status,
                              const struct http_header *headers, size_t n, struct slice body)
{
    invariant(n + 1 < HTTP_HEADERS_OUT_MAX);
    struct http_header all[HTTP_HEADERS_OUT_MAX];
    char length[24];
    if (n != 0)
        memcpy(all, headers, n * sizeof *headers);
    int len = snprintf(length, sizeof length, "%zu", body.n);
    all[n] =
        (struct http_header){slice_str("content-length"), slice_make(length, (size_t)len), false};
    bool empty = body.n == 0 || s->no_body;
    http_stream_respond(s, status, all, n + (status != 204 && status != 304), empty);
    if (empty)
        return;
    http_stream_write(s, body);
    http_stream_end(s);
}

static void stream_queued(struct http_stream *s, size_t n)
{
    s->pending += n;
    s->conn->queued += n;
    if (s->pending >= s->conn->server->cfg.stream_low_water)
        s->above_water = true;
    s->conn->proto->wake(s);
    conn_mark_dirty(s->conn);
}

static void stream_append(struct http_stream *s, struct segment *g)
{
    g->next = NULL;
    if (s->seg_tail != NULL)
        s->seg_tail->next = g;
    else
        s->seg_head = g;
    s->seg_tail = g;
}

static bool stream_takes_body(const struct http_stream *s)
{
    if (!stream_is_live(s))
        return false;
    invariant(s->answer == ANSWER_OPEN);
    return !s->no_body;
}

static void stream_copy(struct http_stream *s, struct slice data)
{
    if (data.n == 0)
        return;
    struct segment *g = s->seg_tail;
    if (g == NULL || g->blob != NULL || g->cap - g->off - g->n < data.n) {
        g = segment_new(s->conn->server, data.n);
        stream_append(s, g);
    }
    memcpy(g->data + g->off + g->n, data.p, data.n);
    g->n += data.n;
    stream_queued(s, data.n);
}

static void stream_frame_head(struct http_stream *s, enum websocket_op op, size_t n)
{
    uint8_t head[WEBSOCKET_HEAD_MAX];
    stream_copy(s, slice_make(head, websocket_head(head, op, n)));
}

void stream_queue_frame(struct http_stream *s, enum websocket_op op, struct slice payload)
{
    stream_frame_head(s, op, payload.n);
    stream_copy(s, payload);
}

void http_stream_write(struct http_stream *s, struct slice data)
{
    if (!stream_takes_body(s) || data.n == 0)
        return;
    if (s->websocket != NULL)
        stream_frame_head(s, WEBSOCKET_TEXT, data.n);
    stream_copy(s, data);
}

void http_stream_write_blob(struct http_stream *s, struct blob *blob)
{
    if (!stream_takes_body(s) || blob->n == 0)
        return;
    if (s->websocket != NULL)
        stream_frame_head(s, WEBSOCKET_TEXT, blob->n);
    struct segment *g = segment_new(s->conn->server, 0);
    g->blob = blob_ref(blob);
    g->n = blob->n;
    stream_append(s, g);
    stream_queued(s, blob->n);
}

void http_stream_end(struct http_stream *s)
{
    http_stream_trailers(s, NULL, 0);
}

void http_stream_trailers(struct http_stream *s, const struct http_header *headers, size_t n)
{
    invariant(n <= ARRAY_LEN(s->trailers));
    if (!stream_is_live(s))
        return;
    invariant(s->answer == ANSWER_OPEN);
    if (s->websocket != NULL)
        stream_queue_frame(s, WEBSOCKET_CLOSE, slice_make(normal_closure, sizeof normal_closure));
    size_t need = 0;
    for (size_t i = 0; i < n; i++)
        need += headers[i].lasting ? 0 : headers[i].name.n + headers[i].value.n;
    buf_reserve(&s->trailer_text, need); /* so that the text does not move below */
    for (size_t i = 0; i < n; i++) {
        s->trailers[i] = headers[i];
        if (headers[i].lasting)
            continue;
        s->trailers[i].name.p = s->trailer_text.p + s->trailer_text.n;
        buf_add_slice(&s->trailer_text, headers[i].name);
        s->trailers[i].value.p = s->trailer_text.p + s->trailer_text.n;
        buf_add_slice(&s->trailer_text, headers[i].value);
    }
    s->trailer_n = (uint32_t)n;
    s->answer = ANSWER_ENDED;
    s->conn->proto->wake(s);
    conn_mark_dirty(s->conn);
}

void http_stream_reset(struct http_stream *s, enum http_reset code)
{
    if (s->conn->dead || s->reset_sent)
        return;
    s->reset_sent = true;
    s->refuse_body = true;
    s->conn->proto->reset(s, code);
    conn_mark_dirty(s->conn);
}

bool http_stream_has_responded(const struct http_stream *s)
{
    return s->answer != ANSWER_NONE;
}

size_t http_stream_pending(const struct http_stream *s)
{
    return s->pending;
}

/* ---- the queue --------------------------------------------------------------------------- */

void stream_pull(struct http_stream *s, struct buf *to, size_t n)
{
    invariant(n <= s->pending);
    s->pending -= n;
    s->conn->queued -= n;
    while (n != 0) {
        struct segment *g = s->seg_head;
        size_t part = g->n < n ? g->n : n;
        buf_add(to, (g->blob ? g->blob->p : g->data) + g->off, part);
        g->off += part;
        g->n -= part;
        n -= part;
        if (g->n != 0)
            break;
        s->seg_head = g->next;
        if (s->seg_head == NULL)
            s->seg_tail = NULL;
        segment_free(s->conn->server, g);
    }
    if (s->above_water && s->pending < s->conn->server->cfg.stream_low_water) {
        s->above_water = false;
        list_unlink(&s->drain_link);
        list_add_tail(&s->conn->drains, &s->drain_link);
    }
}

void conn_run_drains(struct http_conn *c)
{
    while (!list_is_empty(&c->drains)) {
        struct http_stream *s = LIST_ENTRY(c->drains.next, struct http_stream, drain_link);
        list_unlink(&s->drain_link);
        if (s->handler != NULL && s->handler->drain != NULL && stream_is_live(s))
            s->handler->drain(s);
    }
}
