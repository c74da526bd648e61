/* grpc/client.c -- messages out of the bytes of an answer, and a status out of its end.
 *
 * Texts of statuses are grpc-go's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/client.h"

#include <stdio.h>

#include "grpc/wire.h"

const struct http_header grpc_base_headers[GRPC_BASE_HEADERS] = {
    {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"application/grpc", 16}, true},
    {{(const uint8_t *)"user-agent", 10}, {(const uint8_t *)"grpc-c-etcd/1.0", 15}, true},
    {{(const uint8_t *)"te", 2}, {(const uint8_t *)"trailers", 8}, true},
};

struct http_header grpc_timeout_header(msec ms, char text[static GRPC_TIMEOUT_TEXT])
{
    /* eight digits at most: from 10^8 milliseconds (a day) on in seconds */
    bool seconds = ms > 99999999;
    int n = snprintf(text, GRPC_TIMEOUT_TEXT, "%u%c",
                     (unsigned)(seconds ? (ms < 99999999000 ? ms / 1000 : 99999999) : ms),
                     seconds ? 'S' : 'm');
    struct http_header h = HTTP_HEADER("grpc-timeout", "");
    h.value = slice_make(text, (size_t)n);
    return h;
}

static struct grpc_rpc *rpc_of(struct h2_stream *s)
{
    return CONTAINER_OF(s, struct grpc_rpc, stream);
}

/* ---- the end ----------------------------------------------------------------------------- */

static void rpc_close(struct grpc_rpc *r)
{
    buf_fini(&r->in);
    if (r->gone != NULL)
        *r->gone = true;
    r->gone = NULL;
}

static void finish(struct grpc_rpc *r, const struct grpc_status *st)
{
    rpc_close(r);
    r->done(r, st);
}

/* This side gives the call up. */
static void fail(struct grpc_rpc *r, enum grpc_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(struct grpc_rpc *r, enum grpc_code code, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    h2_stream_cancel(&r->stream);
    finish(r, &(struct grpc_status){.code = code, .text = text});
}

/* ---- headers ----------------------------------------------------------------------------- */

static bool is_grpc(struct slice type)
{
    struct slice base = grpc_base_headers[0].value;
    return slice_starts_with(type, base) &&
           (type.n == base.n || type.p[base.n] == '+' || type.p[base.n] == ';');
}

static enum grpc_code code_of_http(unsigned status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

static void on_headers(struct h2_stream *s)
{
    struct grpc_rpc *r = rpc_of(s);
    struct slice type = h2_stream_header(s, "content-type");
    bool grpc = is_grpc(type);
    if (grpc && (s->status == 200 || h2_stream_header(s, "grpc-status").p != NULL))
        return;
    if (s->status != 200)
        fail(r, code_of_http(s->status), "unexpected HTTP status code received from server: %u",
             s->status);
    else if (type.p == NULL)
        fail(r, GRPC_UNKNOWN, "malformed header: missing HTTP content-type");
    else
        fail(r, GRPC_UNKNOWN, "transport: received unexpected content-type \"%.*s\"",
             (int)(type.n < 128 ? type.n : 128), (const char *)type.p);
}

/* ---- messages ---------------------------------------------------------------------------- */

/* Check the prefix at `p`. False if the call was ended for it. */
static bool check_prefix(struct grpc_rpc *r, const uint8_t *p)
{
    uint32_t n = grpc_prefix_length(p);
    if (p[0] == 1)
        fail(r, GRPC_INTERNAL, "grpc: compressed flag set with identity or empty encoding");
    else if (p[0] != 0)
        fail(r, GRPC_INTERNAL, "grpc: received unexpected payload format %u", p[0]);
    else if (n > r->recv_max)
        fail(r, GRPC_RESOURCE_EXHAUSTED, "grpc: received message larger than max (%u vs. %u)", n,
             r->recv_max);
    else if (r->one_answer && r->messages != 0)
        fail(r, GRPC_INTERNAL, "cardinality violation: received two messages for a unary call");
    else
        return true;
    return false;
}

/* Deliver the whole messages in `data` and return how many bytes they took. */
static size_t deliver_all(struct grpc_rpc *r, struct slice data, const bool *gone)
{
    size_t used = 0;
    while (!*gone && data.n - used >= GRPC_PREFIX_LEN) {
        const uint8_t *p = data.p + used;
        if (!check_prefix(r, p))
            break;
        size_t n = grpc_prefix_length(p);
        if (data.n - used - GRPC_PREFIX_LEN < n)
            break;
        used += GRPC_PREFIX_LEN + n;
        r->messages++;
        r->message(r, slice_make(p + GRPC_PREFIX_LEN, n));
    }
    return used;
}

/* What is held lacks at least one byte of a message: do not look at each part of a long one. */
static bool is_short(const struct buf *in)
{
    return in->n < GRPC_PREFIX_LEN || in->n - GRPC_PREFIX_LEN < grpc_prefix_length(in->p);
}

static void on_data(struct h2_stream *s, struct slice data)
{
    struct grpc_rpc *r = rpc_of(s);
    bool gone = false, held = r->in.n != 0;
    struct buf in = r->in;
    if (held) {
        bool had_prefix = in.n >= GRPC_PREFIX_LEN;
        buf_add_slice(&in, data);
        if (is_short(&in) && had_prefix) {
            r->in = in;
            return;
        }
        data = buf_slice(&in);
    }
    r->in = BUF_INIT; /* the call may end, and start again, while messages are delivered */
    r->gone = &gone;
    size_t used = deliver_all(r, data, &gone);
    if (gone) {
        buf_fini(&in);
        return;
    }
    r->gone = NULL;
    if (held)
        buf_consume(&in, used);
    else
        buf_add_slice(&in, slice_make(data.p + used, data.n - used));
    r->in = in;
}

/* ---- the status -------------------------------------------------------------------------- */

static enum grpc_code read_code(struct slice s)
{
    unsigned v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || i == 2)
            return GRPC_UNKNOWN;
        v = v * 10 + (s.p[i] - '0');
    }
    return s.n != 0 && v <= GRPC_UNAUTHENTICATED ? (enum grpc_code)v : GRPC_UNKNOWN;
}

static void finish_complete(struct grpc_rpc *r)
{
    struct slice code = h2_stream_header(&r->stream, "grpc-status");
    struct slice words = h2_stream_header(&r->stream, "grpc-message");
    AUTO(buf) struct buf text = BUF_INIT;
    struct grpc_status st = {.code = read_code(code), .from_server = true};
    if (words.n > GRPC_STATUS_TEXT_MAX)
        words.n = GRPC_STATUS_TEXT_MAX;
    grpc_message_decode(&text, words);
    if (code.p == NULL) {
        st = (struct grpc_status){.code = GRPC_INTERNAL};
        buf_add_str(&text, "server closed the stream without sending trailers");
    } else if (st.code == GRPC_OK && r->in.n != 0) {
        st = (struct grpc_status){.code = GRPC_INTERNAL};
        buf_add_str(&text, "unexpected EOF");
    } else if (st.code == GRPC_OK && r->one_answer && r->messages == 0) {
        st = (struct grpc_status){.code = GRPC_INTERNAL};
        buf_add_str(&text, "cardinality violation: received no response message from unary call");
    }
    st.text = buf_cstr(&text);
    finish(r, &st);
}

static enum grpc_code code_of_reset(uint32_t reset)
{
    switch (reset) {
    case HTTP_RESET_REFUSED:
        return GRPC_UNAVAILABLE;
    case HTTP_RESET_CANCEL:
        return GRPC_CANCELED;
    case HTTP_RESET_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case 12: /* INADEQUATE_SECURITY */
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

static void on_done(struct h2_stream *s, enum err e)
{
    struct grpc_rpc *r = rpc_of(s);
    if (e == ERR_OK) {
        finish_complete(r);
        return;
    }
    struct why why = s->why;
    struct grpc_status st = {.code = GRPC_UNAVAILABLE, .text = why.text};
    if (e == ERR_CLOSED && s->reset_code != UINT32_MAX)
        st.code = code_of_reset(s->reset_code);
    else if (e == ERR_MALFORMED)
        st.code = GRPC_INTERNAL;
    else if (e == ERR_TOO_LARGE)
        st.code = GRPC_RESOURCE_EXHAUSTED;
    else
        st.not_begun = e == ERR_BUSY;
    finish(r, &st);
}

/* ---- calls ------------------------------------------------------------------------------- */

void grpc_rpc_start(struct grpc_rpc *r, struct h2_client *c)
{
    r->in = BUF_INIT;
    r->messages = 0;
    r->gone = NULL;
    r->stream = (struct h2_stream){
        .method = "POST",
        .path = r->path,
        .headers = r->headers,
        .n_headers = r->n_headers,
        .headers_done = on_headers,
        .data = on_data,
        .done = on_done,
    };
    h2_stream_open(c, &r->stream, false);
}

void grpc_rpc_send(struct grpc_rpc *r, struct slice framed, bool last)
{
    if (framed.n != 0)
        h2_stream_send(&r->stream, framed);
    if (last)
        h2_stream_end(&r->stream);
}

void grpc_rpc_cancel(struct grpc_rpc *r)
{
    h2_stream_cancel(&r->stream);
    rpc_close(r);
}
