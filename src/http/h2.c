/* http/h2.c -- HTTP/2 over nghttp2.
 *
 * nghttp2 parses frames and schedules; this file feeds it, keeps its answers in the streams'
 * queues, checks what a request must be (RFC 9113, 8), and polices what nghttp2 leaves open:
 * PINGs (as grpc-go does), resets, empty frames.
 * SPDX-License-Identifier: Apache-2.0 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "http/priv.h"

#define STREAM_WINDOW     (512 * 1024)
#define CONN_WINDOW       (8 * 1024 * 1024)
#define CONTINUATIONS_MAX 16
#define HEADER_SLACK      4 /* a header list this many times too large ends the connection */
#define PING_IDLE_MS      (2 * 3600 * 1000) /* least time between PINGs while no stream is open */
#define PING_STRIKES_MAX  2
#define NUISANCE_BURST    10000 /* frames that cost us more than their sender */
#define NUISANCE_PER_S    1000
#define GOAWAY_WAIT_MS    250 /* how long the PING behind our first GOAWAY may be unanswered */

/* Later than the oldest nghttp2 that we build with, but also in patched old ones. */
void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst,
                                                uint64_t rate) __attribute__((weak));

/* What all sessions of a server have in common. */
struct h2_shared {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
};

/* SERVING --drain--> SAID (first GOAWAY, all streams welcome) --PING answered, or 250 ms--> LEAVING
 * (last GOAWAY). What crossed the first GOAWAY has arrived when the PING behind it is answered. */
enum h2_goaway { GOAWAY_SERVING, GOAWAY_SAID, GOAWAY_LEAVING };

struct h2 {
    nghttp2_session *session;
    struct http_stream *opening; /* whose header block is being read */
    struct buf *filling;         /* where sent frames go while fill() runs */
    uint32_t continuations;
    bool settings_seen;

    uint32_t nuisances; /* as of nuisance_ms */
    msec nuisance_ms;

    bool ping_clear; /* something was sent since the last PING */
    uint32_t ping_strikes;
    msec last_ping; /* 0: none yet */
    msec ping_sent; /* our own keepalive PING, unanswered; 0: none */

    enum h2_goaway goaway;
    msec goaway_at;
};

/* ---- policing ---------------------------------------------------------------------------- */

static void h2_goaway_now(struct http_conn *c, uint32_t code, const char *words)
{
    nghttp2_session *ses = c->h2->session;
    nghttp2_submit_goaway(ses, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(ses),
                          code, (const uint8_t *)words, strlen(words));
    c->close_when_sent = true;
    conn_mark_dirty(c);
}

/* Count a frame against a bucket that leaks NUISANCE_PER_S. */
static void h2_nuisance(struct http_conn *c)
{
    struct h2 *h = c->h2;
    msec now = loop_now(c->server->loop);
    msec gone = (now - h->nuisance_ms) * NUISANCE_PER_S / 1000;
    if (gone > 0) {
        h->nuisances = gone >= h->nuisances ? 0 : h->nuisances - (uint32_t)gone;
        h->nuisance_ms = now;
    }
    if (++h->nuisances > NUISANCE_BURST && !c->close_when_sent)
        h2_goaway_now(c, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_frames");
}

/* fill() closes after the last stream. */
static void h2_leave(struct http_conn *c)
{
    struct h2 *h = c->h2;
    if (h->goaway != GOAWAY_SAID)
        return;
    h->goaway = GOAWAY_LEAVING;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
    conn_mark_dirty(c);
}

static void h2_on_ping(struct http_conn *c)
{
    struct h2 *h = c->h2;
    msec now = loop_now(c->server->loop);
    msec last = h->last_ping;
    h->last_ping = now;
    if (h->ping_clear) {
        h->ping_clear = false;
        h->ping_strikes = 0;
        return;
    }
    msec least = c->stream_n == 0 ? PING_IDLE_MS : c->server->cfg.ping_min_ms;
    if (last != 0 && now - last < least)
        h->ping_strikes++;
    if (h->ping_strikes > PING_STRIKES_MAX && !c->close_when_sent)
        h2_goaway_now(c, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
}

/* ---- what a request must be -------------------------------------------------------------- */

/* nghttp2 would check this itself, but it refuses the :authority of etcd's clients written in Go:
 * they send the endpoint as the user wrote it, be it a URL or the path of a socket. */
enum h2_field {
    FIELD_METHOD = 1 << 0,
    FIELD_SCHEME = 1 << 1,
    FIELD_PATH = 1 << 2,
    FIELD_AUTHORITY = 1 << 3,
    FIELD_HOST = 1 << 4,
    FIELD_LENGTH = 1 << 5,
    FIELD_REGULAR = 1 << 6, /* any that is not a pseudo header */
    FIELD_IS_CONNECT = 1 << 7,
    FIELD_IS_OPTIONS = 1 << 8,
    FIELD_IS_ASTERISK = 1 << 9, /* :path */
};

/* Note a field; false if it came before. */
static bool h2_is_first(struct http_stream *s, enum h2_field f)
{
    bool again = s->fields_seen & f;
    s->fields_seen |= (uint16_t)f;
    return !again;
}

static bool is_letter(uint8_t c)
{
    c |= 0x20;
    return c >= 'a' && c <= 'z';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* True if there are only letters, digits, and bytes of `more`. */
static bool is_made_of(struct slice v, const char *more)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_letter(v.p[i]) && !is_digit(v.p[i]) && !memchr(more, v.p[i], strlen(more)))
            return false;
    return true;
}

static bool h2_method_is_good(struct http_stream *s, struct slice v)
{
    if (slice_is(v, "CONNECT"))
        s->fields_seen |= FIELD_IS_CONNECT;
    else if (slice_is(v, "OPTIONS"))
        s->fields_seen |= FIELD_IS_OPTIONS;
    return is_made_of(v, "!#$%&'*+-.^_`|~");
}

static bool h2_path_is_good(struct http_stream *s, struct slice v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= ' ' || v.p[i] == 0x7f)
            return false;
    if (slice_is(v, "*"))
        s->fields_seen |= FIELD_IS_ASTERISK;
    return v.p[0] == '/' || (s->fields_seen & FIELD_IS_ASTERISK);
}

static bool h2_length_is_good(struct http_stream *s, struct slice v)
{
    uint64_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (!is_digit(v.p[i]) || n > INT64_MAX / 10)
            return false;
        n = n * 10 + (v.p[i] - '0');
    }
    s->content_length = n;
    return v.n != 0;
}

static bool h2_pseudo_is_good(struct http_stream *s, struct slice name, struct slice v)
{
    bool late = s->headers_done || (s->fields_seen & FIELD_REGULAR);
    if (late || v.n == 0)
        return false;
    if (slice_is(name, ":method"))
        return h2_is_first(s, FIELD_METHOD) && h2_method_is_good(s, v);
    if (slice_is(name, ":scheme"))
        return h2_is_first(s, FIELD_SCHEME) && is_letter(v.p[0]) && is_made_of(v, "+-.");
    if (slice_is(name, ":path"))
        return h2_is_first(s, FIELD_PATH) && h2_path_is_good(s, v);
    return slice_is(name, ":authority") && h2_is_first(s, FIELD_AUTHORITY) &&
           nghttp2_check_header_value(v.p, v.n);
}

static bool h2_regular_is_good(struct http_stream *s, struct slice name, struct slice v)
{
    s->fields_seen |= FIELD_REGULAR;
    if (!nghttp2_check_header_name(name.p, name.n) || !nghttp2_check_header_value(v.p, v.n))
        return false;
    switch (name.n) { /* spares most names all comparisons */
    case 2:
        return !slice_is(name, "te") ||
               (v.n == 8 && strncasecmp((const char *)v.p, "trailers", 8) == 0);
    case 4:
        return !slice_is(name, "host") || (h2_is_first(s, FIELD_HOST) && v.n != 0);
    case 7:
        return !slice_is(name, "upgrade");
    case 10:
        return !slice_is(name, "connection") && !slice_is(name, "keep-alive");
    case 14:
        return !slice_is(name, "content-length") ||
               (h2_is_first(s, FIELD_LENGTH) && h2_length_is_good(s, v));
    case 16:
        return !slice_is(name, "proxy-connection");
    case 17:
        return !slice_is(name, "transfer-encoding");
    default:
        return true;
    }
}

/* Check one field of a request's header or, once that is complete, of its trailers. */
static bool h2_field_is_good(struct http_stream *s, struct slice name, struct slice v)
{
    if (name.n != 0 && name.p[0] == ':')
        return h2_pseudo_is_good(s, name, v);
    return h2_regular_is_good(s, name, v);
}

/* Has the header all that it needs, and nothing that excludes the rest? */
static bool h2_header_is_good(const struct http_stream *s)
{
    unsigned f = s->fields_seen;
    unsigned where = f & (FIELD_SCHEME | FIELD_PATH);
    if (!(f & FIELD_METHOD))
        return false;
    if (f & FIELD_IS_CONNECT)
        return where == 0 && (f & FIELD_AUTHORITY);
    return where == (FIELD_SCHEME | FIELD_PATH) && (f & (FIELD_AUTHORITY | FIELD_HOST)) &&
           (!(f & FIELD_IS_ASTERISK) || (f & FIELD_IS_OPTIONS));
}

/* The client broke a rule: give the stream up. That costs us more than the client. */
static void h2_malformed(struct http_conn *c, struct http_stream *s)
{
    if (s->reset_sent)
        return;
    c->h2->opening = NULL;
    http_stream_reset(s, HTTP_RESET_PROTOCOL_ERROR);
    h2_nuisance(c);
}

/* ---- what nghttp2 received --------------------------------------------------------------- */

static int on_begin_frame(nghttp2_session *ses, const nghttp2_frame_hd *hd, void *arg)
{
    (void)ses;
    struct h2 *h = ((struct http_conn *)arg)->h2;
    if (hd->type != NGHTTP2_CONTINUATION)
        h->continuations = 0;
    else if (++h->continuations > CONTINUATIONS_MAX)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_begin_headers(nghttp2_session *ses, const nghttp2_frame *frame, void *arg)
{
    struct http_conn *c = arg;
    c->h2->opening = NULL;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (c->close_when_sent || c->queued > c->server->cfg.conn_queue_max) {
        nghttp2_submit_rst_stream(ses, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    struct http_stream *s = stream_new(c);
    s->id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(ses, s->id, s);
    c->h2->opening = s;
    return 0;
}

static struct http_stream *h2_stream(struct http_conn *c, int32_t id)
{
    return nghttp2_session_get_stream_user_data(c->h2->session, id);
}

static int on_header(nghttp2_session *ses, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    (void)ses;
    (void)flags;
    struct http_conn *c = arg;
    struct http_stream *s = c->h2->opening;
    bool trailer = s == NULL;
    if (trailer)
        s = h2_stream(c, frame->hd.stream_id);
    if (s == NULL)
        return 0; /* refused */
    struct slice n = slice_make(name, name_n), v = slice_make(value, value_n);
    if (!h2_field_is_good(s, n, v)) {
        h2_malformed(c, s);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (trailer)
        return 0;
    uint64_t max = c->server->cfg.h2_header_bytes_max;
    stream_add_header(s, n, v, max);
    return s->header_bytes > max * HEADER_SLACK ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static bool h2_body_is_whole(const struct http_stream *s)
{
    return !(s->fields_seen & FIELD_LENGTH) || s->body_n == s->content_length;
}

/* The request ended with a frame of its body or with its trailers. */
static void h2_request_ends(struct http_conn *c, struct http_stream *s)
{
    if (h2_body_is_whole(s))
        stream_input_end(s);
    else
        h2_malformed(c, s);
}

static void on_request_header(struct http_conn *c, struct http_stream *s, bool end)
{
    c->h2->opening = NULL;
    if (!h2_header_is_good(s) || (end && !h2_body_is_whole(s))) {
        h2_malformed(c, s);
        return;
    }
    s->body_is_empty = end;
    c->deadline = 0;
    stream_begin(s);
    if (end)
        stream_input_end(s);
}

static void on_headers(struct http_conn *c, const nghttp2_frame *frame)
{
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct http_stream *s = c->h2->opening;
    if (s != NULL) {
        on_request_header(c, s, end);
        return;
    }
    s = h2_stream(c, frame->hd.stream_id);
    if (s == NULL)
        return;
    if (end)
        h2_request_ends(c, s);
    else
        h2_malformed(c, s); /* trailers must end the request */
}

static void on_data_frame(struct http_conn *c, const nghttp2_frame *frame)
{
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        if (frame->hd.length == 0)
            h2_nuisance(c);
        return;
    }
    struct http_stream *s = h2_stream(c, frame->hd.stream_id);
    if (s != NULL)
        h2_request_ends(c, s);
}

static int on_frame(nghttp2_session *ses, const nghttp2_frame *frame, void *arg)
{
    (void)ses;
    struct http_conn *c = arg;
    bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers(c, frame);
        break;
    case NGHTTP2_DATA:
        on_data_frame(c, frame);
        break;
    case NGHTTP2_PING:
        if (ack)
            h2_leave(c);
        else
            h2_on_ping(c);
        break;
    case NGHTTP2_SETTINGS:
        if (!c->h2->settings_seen)
            c->deadline = 0;
        c->h2->settings_seen = true;
        if (!ack)
            h2_nuisance(c);
        break;
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY:
        h2_nuisance(c);
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
    struct http_conn *c = arg;
    struct http_stream *s = h2_stream(c, id);
    if (s == NULL) {
        nghttp2_session_consume_connection(ses, n);
        return 0;
    }
    if ((s->fields_seen & FIELD_LENGTH) && s->body_n + n > s->content_length)
        h2_malformed(c, s);
    stream_input(s, slice_make(p, n));
    return 0;
}

static int on_stream_close(nghttp2_session *ses, int32_t id, uint32_t code, void *arg)
{
    struct http_conn *c = arg;
    struct http_stream *s = nghttp2_session_get_stream_user_data(ses, id);
    if (s == NULL)
        return 0;
    if (c->h2->opening == s)
        c->h2->opening = NULL;
    enum http_close why = HTTP_CLOSE_RESET;
    if (s->reset_sent)
        why = HTTP_CLOSE_LOCAL;
    else if (code == NGHTTP2_NO_ERROR && s->answer == ANSWER_ENDED && s->pending == 0)
        why = HTTP_CLOSE_DONE;
    nghttp2_session_set_stream_user_data(ses, id, NULL);
    stream_close(s, why);
    return 0;
}

/* ---- what nghttp2 sends ------------------------------------------------------------------ */

/* An answer that is complete before its request: tell the client to stop sending. */
static int on_frame_sent(nghttp2_session *ses, const nghttp2_frame *frame, void *arg)
{
    struct http_conn *c = arg;
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    c->h2->ping_clear = true;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
        nghttp2_session_get_stream_remote_close(ses, frame->hd.stream_id) == 0) {
        nghttp2_submit_rst_stream(ses, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static nghttp2_nv h2_nv(const struct http_header *h)
{
    return (nghttp2_nv){
        .name = (uint8_t *)h->name.p,
        .value = (uint8_t *)h->value.p,
        .namelen = h->name.n,
        .valuelen = h->value.n,
        .flags = h->lasting ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
                            : NGHTTP2_NV_FLAG_NONE,
    };
}

static void h2_submit_trailers(nghttp2_session *ses, struct http_stream *s)
{
    nghttp2_nv nva[ARRAY_LEN(s->trailers)];
    for (uint32_t i = 0; i < s->trailer_n; i++)
        nva[i] = h2_nv(&s->trailers[i]);
    nghttp2_submit_trailer(ses, s->id, nva, s->trailer_n);
}

/* Say how much of the stream's queue the next DATA frame takes. */
static ssize_t read_data(nghttp2_session *ses, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    (void)id;
    (void)p;
    (void)arg;
    struct http_stream *s = source->ptr;
    bool last = s->answer == ANSWER_ENDED && s->pending <= n;
    if (s->pending == 0 && !last) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (last) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->trailer_n != 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            h2_submit_trailers(ses, s);
        }
    }
    return (ssize_t)(s->pending < n ? s->pending : n);
}

static int send_data(nghttp2_session *ses, nghttp2_frame *frame, const uint8_t *head, size_t n,
                     nghttp2_data_source *source, void *arg)
{
    (void)ses;
    struct http_conn *c = arg;
    buf_add(c->h2->filling, head, 9);
    invariant(frame->data.padlen == 0);
    stream_pull(source->ptr, c->h2->filling, n);
    return c->h2->filling->n < c->server->cfg.send_buffer_max ? 0 : NGHTTP2_ERR_PAUSE;
}

static void h2_fill(struct http_conn *c, struct buf *to)
{
    struct h2 *h = c->h2;
    size_t max = c->server->cfg.send_buffer_max;
    h->filling = to;
    while (to->n < max) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(h->session, &p);
        if (n <= 0) {
            if (n < 0)
                conn_kill(c);
            break;
        }
        buf_add(to, p, (size_t)n);
    }
    h->filling = NULL;
    if (to->n == 0 && h->goaway != GOAWAY_SAID && nghttp2_session_want_read(h->session) == 0 &&
        nghttp2_session_want_write(h->session) == 0)
        c->close_when_sent = true;
}

static void h2_respond(struct http_stream *s, unsigned status, const struct http_header *headers,
                       size_t n, bool end)
{
    nghttp2_nv nva[HTTP_HEADERS_OUT_MAX];
    char text[12];
    struct http_header first = HTTP_HEADER(":status", "200");
    if (status != 200) {
        snprintf(text, sizeof text, "%u", status);
        first.value = slice_make(text, 3);
        first.lasting = false;
    }
    nva[0] = h2_nv(&first);
    for (size_t i = 0; i < n; i++)
        nva[i + 1] = h2_nv(&headers[i]);
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = read_data};
    nghttp2_submit_response(s->conn->h2->session, s->id, nva, n + 1, end ? NULL : &provider);
}

static void h2_wake(struct http_stream *s)
{
    if (!s->deferred)
        return;
    s->deferred = false;
    nghttp2_session_resume_data(s->conn->h2->session, s->id);
}

static void h2_reset(struct http_stream *s, enum http_reset code)
{
    nghttp2_submit_rst_stream(s->conn->h2->session, NGHTTP2_FLAG_NONE, s->id, (uint32_t)code);
}

static void h2_consumed(struct http_stream *s, size_t n)
{
    nghttp2_session *ses = s->conn->h2->session;
    if (s->request_ended)
        nghttp2_session_consume_connection(ses, n);
    else
        nghttp2_session_consume(ses, s->id, n);
    conn_mark_dirty(s->conn); /* a WINDOW_UPDATE may be due */
}

/* ---- the connection ---------------------------------------------------------------------- */

static void h2_input(struct http_conn *c, struct slice data)
{
    ssize_t n = nghttp2_session_mem_recv(c->h2->session, data.p, data.n);
    if (n < 0)
        c->close_when_sent = true; /* a GOAWAY may be queued */
}

static void h2_input_eof(struct http_conn *c)
{
    conn_kill(c);
}

static void h2_keepalive(struct http_conn *c, msec now)
{
    struct h2 *h = c->h2;
    const struct http_config *cfg = &c->server->cfg;
    if (h->ping_sent != 0 && c->last_read >= h->ping_sent)
        h->ping_sent = 0;
    if (h->ping_sent == 0 && now - c->last_read >= cfg->keepalive_interval_ms) {
        nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
        h->ping_sent = now;
        conn_mark_dirty(c);
    } else if (h->ping_sent != 0 && now - h->ping_sent >= cfg->keepalive_timeout_ms) {
        conn_kill(c);
    }
}

static void h2_sweep(struct http_conn *c, msec now)
{
    h2_keepalive(c, now);
    if (now - c->h2->goaway_at >= GOAWAY_WAIT_MS)
        h2_leave(c);
}

static void h2_drain(struct http_conn *c)
{
    if (c->h2->goaway != GOAWAY_SERVING)
        return;
    c->h2->goaway = GOAWAY_SAID;
    c->h2->goaway_at = loop_now(c->server->loop);
    nghttp2_submit_shutdown_notice(c->h2->session);
    nghttp2_submit_ping(c->h2->session, NGHTTP2_FLAG_NONE, NULL);
    conn_mark_dirty(c);
}

static void h2_free(struct http_conn *c)
{
    nghttp2_session_del(c->h2->session);
    free(c->h2);
}

const struct http_proto h2_proto = {
    .input = h2_input,
    .input_eof = h2_input_eof,
    .fill = h2_fill,
    .respond = h2_respond,
    .wake = h2_wake,
    .reset = h2_reset,
    .consumed = h2_consumed,
    .sweep = h2_sweep,
    .drain = h2_drain,
    .free = h2_free,
};

void h2_start(struct http_conn *c)
{
    struct h2_shared *sh = c->server->h2_shared;
    struct h2 *h = xcalloc(1, sizeof *h);
    c->h2 = h;
    c->proto = &h2_proto;
    h->nuisance_ms = loop_now(c->server->loop);
    int rc = nghttp2_session_server_new2(&h->session, sh->callbacks, c, sh->option);
    invariant(rc == 0);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->server->cfg.streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, c->server->cfg.h2_header_bytes_max},
    };
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    if (c->server->draining)
        h2_drain(c);
}

struct h2_shared *h2_shared_new(void)
{
    struct h2_shared *sh = xcalloc(1, sizeof *sh);
    invariant(nghttp2_option_new(&sh->option) == 0);
    nghttp2_option_set_no_auto_window_update(sh->option, 1);
    nghttp2_option_set_no_closed_streams(sh->option, 1);
    nghttp2_option_set_no_http_messaging(sh->option, 1);
    if (nghttp2_option_set_stream_reset_rate_limit != NULL)
        nghttp2_option_set_stream_reset_rate_limit(sh->option, NUISANCE_BURST, NUISANCE_PER_S);
    invariant(nghttp2_session_callbacks_new(&sh->callbacks) == 0);
    nghttp2_session_callbacks *cb = sh->callbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(cb, send_data);
    return sh;
}

void h2_shared_free(struct h2_shared *sh)
{
    if (sh == NULL)
        return;
    nghttp2_session_callbacks_del(sh->callbacks);
    nghttp2_option_del(sh->option);
    free(sh);
}
