/* http/h1.c -- HTTP/1.1: one request at a time on a connection.
 *
 *   IDLE --first byte--> HEADERS --complete--> BODY --complete--> WAITING --answer sent--> IDLE
 *
 * `stream` is set from HEADERS on. Bytes of a next request that come while WAITING are kept, up to
 * one read's worth, and parsed after the answer. A connection that became a WebSocket stays
 * WAITING, and its bytes go to upgraded_input(). Errors are worded as Go's net/http words them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "http/h1_parser.h"
#include "http/priv.h"

#define BODY_WINDOW (256u * 1024)  /* unconsumed body bytes at which reading stops */
#define BODY_DISCARD (256u * 1024) /* body bytes thrown away after an early answer */
#define KEEP_BUFFER 4096u          /* an idle connection keeps a buffer up to this */

struct h1 {
    struct http_conn *conn;
    struct h1_parser *parser;
    struct http_stream *stream; /* NULL when idle */
    struct buf target, name, value;
    bool in_value;       /* the piece before was of a value */
    size_t header_bytes; /* read since the message began */
    size_t discarded;    /* body bytes since the answer was sent */
    struct buf in;       /* bytes of the next request */
    struct buf text;     /* status lines and headers to be sent before the stream's queue */
    bool request_parsed; /* WAITING */
    bool answer_sent;    /* all of the answer was moved to the send buffer */
    bool keep_alive, is_1_1;
    bool chunked;
};

/* ---- request ----------------------------------------------------------------------------- */

static const char *reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Status";
}

/* Answer what is no proper request, and close. */
static void h1_error(struct http_conn *c, unsigned status, const char *detail)
{
    struct h1 *h = c->h1;
    const char *reason = reason_of(status);
    struct http_stream *s = h->stream;
    if (s != NULL && s->answer != ANSWER_NONE) {
        conn_kill(c);
        return;
    }
    buf_addf(
        &h->text,
        "HTTP/1.1 %u %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        "%u %s%s",
        status, reason, status, reason, detail);
    if (s != NULL) {
        s->reset_sent = true;
        s->refuse_body = true;
    }
    c->close_when_sent = true;
    conn_mark_dirty(c);
}

static void on_begin(void *arg)
{
    struct h1 *h = arg;
    struct http_conn *c = h->conn;
    h->stream = stream_new(c);
    h->header_bytes = 0;
    h->discarded = 0;
    h->request_parsed = h->answer_sent = h->chunked = h->in_value = false;
    h->keep_alive = true;
    c->deadline = loop_now(c->server->loop) + c->server->cfg.first_request_timeout_ms;
}

static void on_target(void *arg, struct slice piece)
{
    struct h1 *h = arg;
    buf_add_slice(&h->target, piece);
}

static void h1_add_header(struct h1 *h)
{
    if (h->name.n == 0)
        return;
    for (size_t i = 0; i < h->name.n; i++)
        h->name.p[i] = (uint8_t)tolower(h->name.p[i]);
    while (h->value.n != 0 && strchr(" \t", h->value.p[h->value.n - 1]) != NULL)
        h->value.n--;
    stream_add_header(h->stream, buf_slice(&h->name), buf_slice(&h->value),
                      h->conn->server->cfg.header_bytes_max);
    buf_clear(&h->name);
    buf_clear(&h->value);
}

static void on_field(void *arg, struct slice piece)
{
    struct h1 *h = arg;
    if (h->stream->headers_done)
        return; /* a trailer */
    if (h->in_value)
        h1_add_header(h);
    h->in_value = false;
    buf_add_slice(&h->name, piece);
}

static void on_value(void *arg, struct slice piece)
{
    struct h1 *h = arg;
    if (h->stream->headers_done)
        return;
    h->in_value = true;
    buf_add_slice(&h->value, piece);
}

/* "http://host/path" is served as "/path". */
static struct slice target_path(struct slice t)
{
    const uint8_t *sep = t.n != 0 && t.p[0] != '/' ? memmem(t.p, t.n, "://", 3) : NULL;
    if (sep == NULL)
        return t;
    size_t host = (size_t)(sep - t.p) + 3;
    const uint8_t *path = memchr(t.p + host, '/', t.n - host);
    return path != NULL ? slice_make(path, t.n - (size_t)(path - t.p)) : slice_str("/");
}

static void on_headers_complete(void *arg)
{
    struct h1 *h = arg;
    struct http_conn *c = h->conn;
    struct http_stream *s = h->stream;
    uint64_t max = c->server->cfg.header_bytes_max;
    h1_add_header(h);
    stream_add_header(s, slice_str(":method"), slice_str(h1_parser_method(h->parser)), max);
    stream_add_header(s, slice_str(":path"), target_path(buf_slice(&h->target)), max);
    buf_clear(&h->target);
    h->is_1_1 = h1_parser_is_1_1(h->parser);
    h->keep_alive = h1_parser_keeps_alive(h->parser) && !c->server->draining;
    s->body_is_empty = !h1_parser_has_body(h->parser);
    c->deadline = 0;
    if (s->headers_too_large) {
        s->headers_done = true;
        h1_error(c, 431, "");
        return;
    }
    if (h->is_1_1 && http_stream_header(s, "host").p == NULL) {
        s->headers_done = true;
        h1_error(c, 400, ": missing required Host header");
        return;
    }
    stream_begin(s);
    struct slice expect = http_stream_header(s, "expect");
    if (s->answer == ANSWER_NONE && !s->body_is_empty && h->is_1_1 &&
        expect.n == strlen("100-continue") &&
        strncasecmp((const char *)expect.p, "100-continue", expect.n) == 0)
        buf_add_str(&h->text, "HTTP/1.1 100 Continue\r\n\r\n");
}

static void on_body(void *arg, struct slice piece)
{
    struct h1 *h = arg;
    struct http_conn *c = h->conn;
    if (c->dead || c->close_when_sent)
        return;
    stream_input(h->stream, piece);
    if (h->answer_sent) {
        h->discarded += piece.n;
        if (h->discarded > BODY_DISCARD)
            c->close_when_sent = true;
    }
    c->hold_reading = h->stream->unconsumed >= BODY_WINDOW;
}

static void on_complete(void *arg)
{
    struct h1 *h = arg;
    h->request_parsed = true;
    if (!h->conn->dead && !h->conn->close_when_sent && h->stream->websocket == NULL)
        stream_input_end(h->stream);
}

static const struct h1_events h1_events = {
    .begin = on_begin,
    .target = on_target,
    .field = on_field,
    .value = on_value,
    .headers_complete = on_headers_complete,
    .body = on_body,
    .complete = on_complete,
};

/* Keep bytes for the next request. */
static void h1_keep(struct http_conn *c, struct slice rest)
{
    struct h1 *h = c->h1;
    buf_add_slice(&h->in, rest);
    c->hold_reading = h->in.n >= HTTP_READ_CHUNK;
    conn_update_reading(c);
}

static void h1_upgraded_input(struct http_conn *c, struct slice data)
{
    struct http_stream *s = c->h1->stream;
    upgraded_input(s, data);
    c->hold_reading = s->unconsumed >= BODY_WINDOW;
    conn_update_reading(c);
}

/* Bytes behind a request whose answer is not out. */
static void h1_input_waiting(struct http_conn *c, struct slice data)
{
    if (c->h1->stream->websocket != NULL)
        h1_upgraded_input(c, data);
    else
        h1_keep(c, data);
}

static void h1_parse(struct http_conn *c, struct slice data)
{
    struct h1 *h = c->h1;
    size_t used;
    enum h1_result r = h1_parser_feed(h->parser, data, &used);
    if (c->dead || c->close_when_sent)
        return;
    if (r == H1_BAD) {
        h1_error(c, 400, "");
        return;
    }
    if (r == H1_COMPLETE && used < data.n)
        h1_input_waiting(c, slice_make(data.p + used, data.n - used));
    if (h->stream != NULL && !h->stream->headers_done) {
        h->header_bytes += used;
        if (h->header_bytes > c->server->cfg.header_bytes_max)
            h1_error(c, 431, "");
    }
    conn_update_reading(c);
    conn_mark_dirty(c);
}

static void h1_input(struct http_conn *c, struct slice data)
{
    if (c->h1->request_parsed)
        h1_input_waiting(c, data);
    else
        h1_parse(c, data);
}

/* The peer has said all it will say. What is answered completely is still sent. */
static void h1_input_eof(struct http_conn *c)
{
    struct h1 *h = c->h1;
    bool answered = h->stream != NULL && h->stream->answer == ANSWER_ENDED && h->request_parsed;
    if (!answered && !c->close_when_sent) {
        conn_kill(c);
        return;
    }
    h->keep_alive = false;
    c->hold_reading = true;
    conn_update_reading(c);
}

/* ---- answer ------------------------------------------------------------------------------ */

/* "content-type" is sent as "Content-Type". */
static void add_canonical_name(struct buf *b, struct slice name)
{
    bool upper = true;
    for (size_t i = 0; i < name.n; i++) {
        buf_add_byte(b, (uint8_t)(upper ? toupper(name.p[i]) : tolower(name.p[i])));
        upper = name.p[i] == '-';
    }
}

static bool has_content_length(const struct http_header *headers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_is(headers[i].name, "content-length"))
            return true;
    return false;
}

/* Decide how the end of the body is told. */
static void h1_frame_body(struct h1 *h, struct http_stream *s, bool has_length, bool end)
{
    if (has_length || s->no_body)
        return;
    if (end) {
        buf_add_str(&h->text, "Content-Length: 0\r\n");
    } else if (h->is_1_1) {
        h->chunked = true;
        buf_add_str(&h->text, "Transfer-Encoding: chunked\r\n");
    } else {
        h->keep_alive = false;
    }
}

static void h1_respond(struct http_stream *s, unsigned status, const struct http_header *headers,
                       size_t n, bool end)
{
    struct http_conn *c = s->conn;
    struct h1 *h = c->h1;
    if (s->refuse_body || c->server->draining)
        h->keep_alive = false;
    buf_addf(&h->text, "HTTP/1.1 %u %s\r\n", status, reason_of(status));
    for (size_t i = 0; i < n; i++) {
        add_canonical_name(&h->text, headers[i].name);
        buf_add_str(&h->text, ": ");
        buf_add_slice(&h->text, headers[i].value);
        buf_add_str(&h->text, "\r\n");
    }
    buf_addf(&h->text, "Date: %s\r\n", server_date(c->server));
    h1_frame_body(h, s, has_content_length(headers, n), end);
    if (!h->keep_alive)
        buf_add_str(&h->text, "Connection: close\r\n");
    else if (!h->is_1_1)
        buf_add_str(&h->text, "Connection: keep-alive\r\n");
    buf_add_str(&h->text, "\r\n");
}

void h1_switch(struct http_stream *s, struct slice head)
{
    struct h1 *h = s->conn->h1;
    invariant(!h->request_parsed);
    h->keep_alive = false;
    buf_add_slice(&h->text, head);
    conn_mark_dirty(s->conn);
}

static void trim_buffer(struct buf *b)
{
    if (b->cap > KEEP_BUFFER)
        buf_fini(b);
    buf_clear(b);
}

/* The answer is out and the request was read: on to the next one. */
static void h1_next(struct http_conn *c)
{
    struct h1 *h = c->h1;
    msec idle = c->server->cfg.idle_timeout_ms;
    stream_close(h->stream, HTTP_CLOSE_DONE);
    h->stream = NULL;
    trim_buffer(&h->target);
    trim_buffer(&h->name);
    trim_buffer(&h->value);
    if (!h->keep_alive || c->server->draining) {
        c->close_when_sent = true;
        return;
    }
    h->request_parsed = false;
    h1_parser_reset(h->parser);
    c->deadline = idle != 0 ? loop_now(c->server->loop) + idle : 0;
    c->hold_reading = false;
    struct buf in = h->in;
    h->in = BUF_INIT;
    if (in.n != 0)
        h1_parse(c, buf_slice(&in));
    buf_fini(&in);
}

static void h1_fill_body(struct http_conn *c, struct buf *to)
{
    struct h1 *h = c->h1;
    struct http_stream *s = h->stream;
    size_t room = c->server->cfg.send_buffer_max - to->n;
    size_t n = s->pending < room ? s->pending : room;
    if (h->chunked)
        buf_addf(to, "%zx\r\n", n);
    stream_pull(s, to, n);
    if (h->chunked)
        buf_add_str(to, "\r\n");
}

/* All of the answer is in the send buffer. Return true if the connection may go on at once. */
static bool h1_answer_sent(struct http_conn *c, struct buf *to)
{
    struct h1 *h = c->h1;
    if (!h->answer_sent && h->chunked)
        buf_add_str(to, "0\r\n\r\n");
    h->answer_sent = true;
    h->stream->refuse_body = true;
    if (!h->request_parsed && h->keep_alive)
        return false; /* read and forget the rest of the request */
    h1_next(c);
    return true;
}

static void h1_fill(struct http_conn *c, struct buf *to)
{
    struct h1 *h = c->h1;
    while (to->n < c->server->cfg.send_buffer_max && !c->dead) {
        buf_add_slice(to, buf_slice(&h->text));
        trim_buffer(&h->text);
        struct http_stream *s = h->stream;
        if (s == NULL || s->reset_sent)
            return;
        if (s->pending != 0)
            h1_fill_body(c, to);
        else if (s->answer != ANSWER_ENDED || !h1_answer_sent(c, to))
            return;
    }
}

static void h1_wake(struct http_stream *s)
{
    (void)s; /* fill() looks for itself */
}

static void h1_reset(struct http_stream *s, enum http_reset code)
{
    (void)code;
    conn_kill(s->conn);
}

static void h1_consumed(struct http_stream *s, size_t n)
{
    (void)n;
    struct http_conn *c = s->conn;
    bool waiting = c->h1->request_parsed && s->websocket == NULL;
    if (waiting || !c->hold_reading || s->unconsumed >= BODY_WINDOW)
        return;
    c->hold_reading = false;
    conn_update_reading(c);
}

static void h1_sweep(struct http_conn *c, msec now)
{
    (void)c; /* conn.deadline is enough */
    (void)now;
}

static void h1_drain(struct http_conn *c)
{
    if (c->h1->stream == NULL)
        c->close_when_sent = true;
    c->h1->keep_alive = false;
    conn_mark_dirty(c);
}

static void h1_free(struct http_conn *c)
{
    struct h1 *h = c->h1;
    h1_parser_free(h->parser);
    buf_fini(&h->target);
    buf_fini(&h->name);
    buf_fini(&h->value);
    buf_fini(&h->in);
    buf_fini(&h->text);
    free(h);
}

const struct http_proto h1_proto = {
    .input = h1_input,
    .input_eof = h1_input_eof,
    .fill = h1_fill,
    .respond = h1_respond,
    .wake = h1_wake,
    .reset = h1_reset,
    .consumed = h1_consumed,
    .sweep = h1_sweep,
    .drain = h1_drain,
    .free = h1_free,
};

void h1_start(struct http_conn *c)
{
    struct h1 *h = xcalloc(1, sizeof *h);
    c->h1 = h;
    c->proto = &h1_proto;
    h->conn = c;
    h->parser = h1_parser_new(&h1_events, h);
}
