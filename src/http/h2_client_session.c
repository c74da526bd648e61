/* http/h2_client_session.c -- nghttp2 on the calling side: what came, what goes, how streams end.
 *
 * nghttp2 checks that the answers are what HTTP/2 allows. A stream's memory is its caller's, so
 * nghttp2 knows it only as its stream's user data, which is taken back when it ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "http/h2_client_priv.h"

#define FILL_MAX          (64u * 1024)
#define CONTINUATIONS_MAX 16
#define HEADER_OVERHEAD   32 /* of a field, as SETTINGS_MAX_HEADER_LIST_SIZE counts */
#define GOAWAY_WORDS_MAX  256

/* ---- how streams end --------------------------------------------------------------------- */

/* From here on the stream is the caller's again. */
static void stream_detach(struct h2_stream *s)
{
    struct h2_client *c = s->client;
    if (s->id != 0)
        nghttp2_session_set_stream_user_data(c->session, s->id, NULL);
    list_unlink(&s->link);
    c->stream_n--;
    s->client = NULL;
    s->id = 0;
    buf_fini(&s->out);
}

static void stream_end(struct h2_stream *s, enum err e)
{
    struct buf fields = s->fields;
    stream_detach(s);
    s->done(s, e); /* it may be gone, or open again, from here on */
    buf_fini(&fields);
}

static void stream_reset(struct h2_stream *s, uint32_t code)
{
    nghttp2_submit_rst_stream(s->client->session, NGHTTP2_FLAG_NONE, s->id, code);
    h2_client_wake(s->client);
}

static void stream_not_begun(struct h2_stream *s, const char *words)
{
    stream_end(s, why_set(&s->why, ERR_BUSY, "%s", words));
}

static void stream_malformed(struct h2_stream *s)
{
    stream_end(s, why_set(&s->why, ERR_MALFORMED, "the answer broke a rule of HTTP/2"));
}

void session_end_streams(struct h2_client *c, enum err e, const struct why *why)
{
    int32_t sent_id = c->sent_id;
    while (!list_is_empty(&c->streams)) {
        struct h2_stream *s = LIST_ENTRY(c->streams.next, struct h2_stream, link);
        s->why = *why;
        stream_end(s, s->id > sent_id && !c->closing ? ERR_BUSY : e);
    }
}

/* They may wait for their turn for long, and in vain. */
static void session_end_unsent(struct h2_client *c)
{
    while (!list_is_empty(&c->streams)) {
        struct h2_stream *s = LIST_ENTRY(c->streams.prev, struct h2_stream, link);
        if (s->id <= c->sent_id)
            return;
        stream_reset(s, NGHTTP2_CANCEL);
        stream_not_begun(s, "the server takes no more requests");
    }
}

void session_end_rejected(struct h2_client *c)
{
    struct list rejected;
    list_init(&rejected);
    list_splice_tail(&rejected, &c->rejected);
    while (!list_is_empty(&rejected)) {
        struct h2_stream *s = LIST_ENTRY(rejected.next, struct h2_stream, link);
        if (c->closing)
            stream_end(s, why_set(&s->why, ERR_CLOSED, "the client was closed"));
        else
            stream_not_begun(s, "there is no connection");
    }
}

/* ---- what came --------------------------------------------------------------------------- */

static int session_give_up(struct h2_client *c, const char *trouble)
{
    buf_clear(&c->trouble);
    buf_add_str(&c->trouble, trouble);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static struct h2_stream *stream_of(nghttp2_session *ses, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ses, id);
}

static int on_begin_frame(nghttp2_session *ses, const nghttp2_frame_hd *hd, void *arg)
{
    (void)ses;
    struct h2_client *c = arg;
    if (hd->type != NGHTTP2_CONTINUATION)
        c->continuations = 0;
    else if (++c->continuations > CONTINUATIONS_MAX)
        return session_give_up(c, "too many CONTINUATION frames");
    return 0;
}

static int on_begin_headers(nghttp2_session *ses, const nghttp2_frame *frame, void *arg)
{
    (void)ses;
    (void)frame;
    ((struct h2_client *)arg)->block_bytes = 0;
    return 0;
}

static unsigned status_of(const uint8_t *p, size_t n)
{
    unsigned status = 0;
    for (size_t i = 0; i < n; i++)
        status = status * 10 + (unsigned)(p[i] - '0');
    return status;
}

static int on_header(nghttp2_session *ses, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    (void)flags;
    struct h2_client *c = arg;
    struct h2_stream *s = stream_of(ses, frame->hd.stream_id);
    if (s == NULL)
        return 0;
    c->block_bytes += name_n + value_n + HEADER_OVERHEAD;
    if (c->block_bytes > c->cfg.headers_max) {
        stream_end(s, why_set(&s->why, ERR_TOO_LARGE, "the answer's headers are above %u bytes",
                              c->cfg.headers_max));
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* nghttp2 resets it */
    }
    if (name_n == 7 && memcmp(name, ":status", 7) == 0) {
        s->status = status_of(value, value_n);
        if (s->status >= 100)
            return 0;
        stream_malformed(s);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    buf_add(&s->fields, name, name_n);
    buf_add_byte(&s->fields, '\0');
    buf_add(&s->fields, value, value_n);
    buf_add_byte(&s->fields, '\0');
    return 0;
}

/* The answer is complete. The rest of a request that goes on is not wanted any more. */
static void stream_answered(struct h2_stream *s)
{
    if (!s->ended || h2_stream_pending(s) != 0)
        stream_reset(s, NGHTTP2_NO_ERROR);
    stream_end(s, ERR_OK);
}

static void on_headers(nghttp2_session *ses, struct h2_stream *s, const nghttp2_frame *frame)
{
    if (!s->headers_seen && s->status / 100 == 1) { /* more will follow */
        buf_clear(&s->fields);
        s->status = 0;
        return;
    }
    if (!s->headers_seen) {
        s->headers_seen = true;
        if (s->headers_done != NULL)
            s->headers_done(s);
        s = stream_of(ses, frame->hd.stream_id); /* cancelled? */
    }
    if (s != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        stream_answered(s);
}

/* Note what GOAWAY says, in text that can be printed. */
static void note_goaway(struct buf *b, const nghttp2_goaway *g)
{
    size_t n = g->opaque_data_len < GOAWAY_WORDS_MAX ? g->opaque_data_len : GOAWAY_WORDS_MAX;
    buf_clear(b);
    buf_add_str(b, nghttp2_http2_strerror(g->error_code));
    if (n != 0)
        buf_add_str(b, " ");
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = g->opaque_data[i];
        buf_add_byte(b, byte >= ' ' && byte < 0x7f ? byte : '?');
    }
}

static int on_frame(nghttp2_session *ses, const nghttp2_frame *frame, void *arg)
{
    struct h2_client *c = arg;
    struct h2_stream *s = stream_of(ses, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (s != NULL)
            on_headers(ses, s, frame);
        break;
    case NGHTTP2_DATA:
        if (s != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
            stream_answered(s);
        break;
    case NGHTTP2_RST_STREAM:
        if (s != NULL)
            s->reset_code = frame->rst_stream.error_code;
        break;
    case NGHTTP2_SETTINGS:
        if (c->state == H2_CLIENT_CONNECTING && !c->closing)
            h2_client_ready(c);
        break;
    case NGHTTP2_GOAWAY:
        note_goaway(&c->farewell, &frame->goaway);
        session_end_unsent(c);
        break;
    default:
        break;
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *ses, uint8_t flags, int32_t id, const uint8_t *p,
                         size_t n, void *arg)
{
    (void)flags;
    (void)arg;
    struct h2_stream *s = stream_of(ses, id);
    if (s != NULL && s->data != NULL)
        s->data(s, slice_make(p, n));
    return 0;
}

static int on_stream_close(nghttp2_session *ses, int32_t id, uint32_t code, void *arg)
{
    (void)arg;
    struct h2_stream *s = stream_of(ses, id);
    if (s == NULL)
        return 0;
    if (code == NGHTTP2_REFUSED_STREAM && !s->headers_seen)
        stream_not_begun(s, "the server refused the request");
    else if (s->reset_code != UINT32_MAX)
        stream_end(s, why_set(&s->why, ERR_CLOSED, "the server reset the stream: %s",
                              nghttp2_http2_strerror(s->reset_code)));
    else
        stream_malformed(s);
    return 0;
}

/* Nothing can come of it any more: after an error, or GOAWAY, or the last stream ID. */
static bool session_is_over(const struct h2_client *c)
{
    nghttp2_session *ses = c->session;
    bool idle_for_good = c->stream_n == 0 && !nghttp2_session_check_request_allowed(ses);
    return nghttp2_session_want_write(ses) == 0 &&
           (nghttp2_session_want_read(ses) == 0 || idle_for_good);
}

bool session_feed(struct h2_client *c, struct slice data)
{
    ssize_t n = nghttp2_session_mem_recv(c->session, data.p, data.n);
    if (n < 0 && c->trouble.n == 0)
        buf_add_str(&c->trouble, nghttp2_strerror((int)n));
    return n >= 0;
}

/* ---- what goes --------------------------------------------------------------------------- */

static int on_frame_sent(nghttp2_session *ses, const nghttp2_frame *frame, void *arg)
{
    (void)ses;
    struct h2_client *c = arg;
    if (frame->hd.type == NGHTTP2_HEADERS)
        c->sent_id = frame->hd.stream_id;
    else if (frame->hd.type == NGHTTP2_GOAWAY)
        note_goaway(&c->trouble, &frame->goaway); /* nghttp2's own */
    return 0;
}

/* The server said GOAWAY before this request could leave. */
static int on_frame_not_sent(nghttp2_session *ses, const nghttp2_frame *frame, int code, void *arg)
{
    (void)code;
    (void)arg;
    struct h2_stream *s =
        frame->hd.type == NGHTTP2_HEADERS ? stream_of(ses, frame->hd.stream_id) : NULL;
    if (s != NULL)
        stream_not_begun(s, "the server takes no more requests");
    return 0;
}

/* Say how much of the stream's queue the next DATA frame takes. */
static ssize_t read_data(nghttp2_session *ses, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    (void)p;
    (void)source;
    (void)arg;
    struct h2_stream *s = stream_of(ses, id);
    if (s == NULL)
        return NGHTTP2_ERR_DEFERRED; /* its RST_STREAM is queued */
    size_t pending = h2_stream_pending(s);
    if (pending == 0 && !s->ended) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->ended && pending <= n)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)(pending < n ? pending : n);
}

static int send_data(nghttp2_session *ses, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *arg)
{
    (void)source;
    struct h2_client *c = arg;
    struct h2_stream *s = stream_of(ses, frame->hd.stream_id);
    invariant(s != NULL && frame->data.padlen == 0);
    buf_add(&c->out, head, 9);
    buf_add(&c->out, s->out.p + s->out_at, n);
    s->out_at += n;
    if (s->out_at == s->out.n) {
        buf_clear(&s->out);
        s->out_at = 0;
        if (s->drain != NULL && !s->ended)
            s->drain(s);
    }
    return c->out.n < FILL_MAX ? 0 : NGHTTP2_ERR_PAUSE; /* sent; enough for now */
}

bool session_fill(struct h2_client *c)
{
    while (c->out.n < FILL_MAX && !c->closing) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(c->session, &p);
        if (n < 0)
            return false;
        if (n == 0)
            break;
        buf_add(&c->out, p, (size_t)n);
    }
    return c->closing || !session_is_over(c);
}

/* ---- the session ------------------------------------------------------------------------- */

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *cb;
    invariant(nghttp2_session_callbacks_new(&cb) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(cb, send_data);
    return cb;
}

void session_start(struct h2_client *c)
{
    nghttp2_session_callbacks *cb = callbacks_new();
    nghttp2_option *option;
    invariant(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_closed_streams(option, 1);
    int rc = nghttp2_session_client_new2(&c->session, cb, c, option);
    invariant(rc == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    c->sent_id = 0;
    c->continuations = 0;
    buf_clear(&c->trouble);
    buf_clear(&c->farewell);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, c->cfg.stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, c->cfg.headers_max},
    };
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)c->cfg.conn_window);
}

/* ---- streams ----------------------------------------------------------------------------- */

/* Neither the name nor the value is copied: both last until the frame is made or dropped. */
static nghttp2_nv field(struct slice name, struct slice value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)name.p,
        .value = (uint8_t *)value.p,
        .namelen = name.n,
        .valuelen = value.n,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
}

static int32_t stream_submit(struct h2_client *c, struct h2_stream *s, bool end)
{
    nghttp2_nv nva[4 + H2_STREAM_HEADERS_MAX];
    nva[0] = field(slice_str(":method"), slice_str(s->method));
    nva[1] = field(slice_str(":scheme"), slice_str(c->cfg.scheme));
    nva[2] = field(slice_str(":path"), slice_str(s->path));
    nva[3] = field(slice_str(":authority"), slice_str(c->cfg.authority));
    for (size_t i = 0; i < s->n_headers; i++)
        nva[4 + i] = field(s->headers[i].name, s->headers[i].value);
    nghttp2_data_provider provider = {.read_callback = read_data};
    return nghttp2_submit_request(c->session, NULL, nva, 4 + s->n_headers, end ? NULL : &provider,
                                  s);
}

void h2_stream_open(struct h2_client *c, struct h2_stream *s, bool end)
{
    invariant(s->client == NULL && !c->closing && s->n_headers <= H2_STREAM_HEADERS_MAX);
    s->client = c;
    s->status = 0;
    s->reset_code = UINT32_MAX;
    s->why.text[0] = '\0';
    s->ended = end;
    s->deferred = s->headers_seen = false;
    s->out = s->fields = BUF_INIT;
    s->out_at = 0;
    int32_t id = h2_client_takes_streams(c) ? stream_submit(c, s, end) : -1;
    s->id = id > 0 ? id : 0;
    list_add_tail(id > 0 ? &c->streams : &c->rejected, &s->link);
    c->stream_n++;
    h2_client_begin_pings(c);
    h2_client_wake(c);
}

static void stream_resume(struct h2_stream *s)
{
    if (s->deferred)
        nghttp2_session_resume_data(s->client->session, s->id);
    s->deferred = false;
    h2_client_wake(s->client);
}

void h2_stream_send(struct h2_stream *s, struct slice data)
{
    if (s->client == NULL || s->id == 0 || data.n == 0)
        return;
    invariant(!s->ended);
    buf_add_slice(&s->out, data);
    stream_resume(s);
}

void h2_stream_end(struct h2_stream *s)
{
    if (s->client == NULL || s->id == 0)
        return;
    s->ended = true;
    stream_resume(s);
}

size_t h2_stream_pending(const struct h2_stream *s)
{
    return s->out.n - s->out_at;
}

void h2_stream_cancel(struct h2_stream *s)
{
    if (s->client == NULL)
        return;
    if (s->id != 0)
        stream_reset(s, NGHTTP2_CANCEL);
    buf_fini(&s->fields);
    stream_detach(s);
}

struct slice h2_stream_header(const struct h2_stream *s, const char *name)
{
    struct slice rest = buf_slice(&s->fields);
    for (bool is_name = true, found = false; rest.n != 0; is_name = !is_name) {
        const uint8_t *end = memchr(rest.p, '\0', rest.n);
        struct slice piece = slice_make(rest.p, (size_t)(end - rest.p));
        if (found)
            return piece;
        found = is_name && slice_is(piece, name);
        rest = slice_make(end + 1, rest.n - piece.n - 1);
    }
    return slice_make(NULL, 0);
}
