/* http/stream.h -- one request and its answer, the same for HTTP/1.1 and HTTP/2.
 *
 * A stream belongs to its server's loop thread. It lives from the `request` callback of the server
 * until its `close` callback returns, or, when the handler gave it none, until it was answered.
 * An answer may be given inside a callback or later. Bytes that are queued leave together at the
 * end of the loop's round. Calls on a stream whose peer has gone do nothing; `close` follows. No
 * call here runs a callback before it returns.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

struct http_stream;
struct http_server;

/* Why a stream is over. */
enum http_close {
    HTTP_CLOSE_DONE,  /* the whole answer went out */
    HTTP_CLOSE_RESET, /* the peer reset the stream */
    HTTP_CLOSE_LOST,  /* the connection ended first */
    HTTP_CLOSE_LOCAL, /* this side reset it, by call or because a limit was passed */
};

/* HTTP/2 error codes that callers use with http_stream_reset(). */
enum http_reset {
    HTTP_RESET_NO_ERROR = 0,
    HTTP_RESET_PROTOCOL_ERROR = 1,
    HTTP_RESET_INTERNAL_ERROR = 2,
    HTTP_RESET_REFUSED = 7,
    HTTP_RESET_CANCEL = 8,
    HTTP_RESET_ENHANCE_YOUR_CALM = 11,
};

/* What a handler wants to hear of a stream. Each function may be NULL; with neither `data` nor
 * `body` the request's body is thrown away. */
struct http_handler {
    /* Some of the body, lent. `end` with the last part, which may be empty. Bytes count against the
     * flow-control window until http_stream_consume() gives them back. */
    void (*data)(struct http_stream *s, struct slice data, bool end);
    /* In place of `data`: the whole body, once, lent; bounded by the body limit. */
    void (*body)(struct http_stream *s, struct slice body);
    /* The queue of the answer fell under the low-water mark after it had been above it. */
    void (*drain)(struct http_stream *s);
    /* Once, last: the pointer is dead when this returns. */
    void (*close)(struct http_stream *s, enum http_close why);
};

/* A header of an answer; HTTP/2 needs the name in lower case. `lasting` promises that name and
 * value outlive the stream (string literals), which saves a copy. */
struct http_header {
    struct slice name, value;
    bool lasting;
};

#define HTTP_HEADER(n, v)                                                                          \
    ((struct http_header){                                                                         \
        {(const uint8_t *)(n), sizeof(n) - 1}, {(const uint8_t *)(v), sizeof(v) - 1}, true})

/* ---- the request ------------------------------------------------------------------------- */

/* Set who hears of the stream, and its user pointer; within the `request` callback or later. */
void http_stream_handle(struct http_stream *s, const struct http_handler *h, void *user);
void *http_stream_user(const struct http_stream *s);

/* These lend bytes that live as long as the stream. */
struct slice http_stream_method(const struct http_stream *s);
struct slice http_stream_path(const struct http_stream *s); /* as sent, with the query */
struct slice http_stream_authority(const struct http_stream *s);
/* Return the first header `name` (given in lower case; the request's spelling does not matter).
 * p is NULL if there is none. */
struct slice http_stream_header(const struct http_stream *s, const char *name);
/* Walk all headers: false when `i` is past the last. HTTP/1 names are in lower case too. */
bool http_stream_header_at(const struct http_stream *s, size_t i, struct slice *ret_name,
                           struct slice *ret_value);
bool http_stream_is_http2(const struct http_stream *s);
/* "10.0.0.7:51234", or "@" for a unix socket without a name. */
const char *http_stream_peer(const struct http_stream *s);

/* Replace the server's limit on this request's body; UINT64_MAX lifts it. */
void http_stream_set_body_max(struct http_stream *s, uint64_t body_max);

/* Give `n` bytes that `data` delivered back to the peer's window. */
void http_stream_consume(struct http_stream *s, size_t n);

/* ---- the answer --------------------------------------------------------------------------- */

/* Send the status and headers; with `end` the answer is complete. HTTP/1 answers that go on are
 * sent chunked unless a content-length is among the headers. The names connection, date,
 * transfer-encoding are the stream's own business. */
void http_stream_respond(struct http_stream *s, unsigned status, const struct http_header *headers,
                         size_t n, bool end);
/* The whole answer at once, with its content-length. A HEAD request gets no body. */
void http_stream_respond_full(struct http_stream *s, unsigned status,
                              const struct http_header *headers, size_t n, struct slice body);
/* Queue body bytes, by copy, or by keeping a reference. Allowed after http_stream_respond(). */
void http_stream_write(struct http_stream *s, struct slice data);
void http_stream_write_blob(struct http_stream *s, struct blob *blob);
/* Complete the answer; with trailers on HTTP/2 (HTTP/1 leaves them out). */
void http_stream_end(struct http_stream *s);
void http_stream_trailers(struct http_stream *s, const struct http_header *headers, size_t n);
/* Drop the stream: RST_STREAM on HTTP/2, on HTTP/1 the connection ends. */
void http_stream_reset(struct http_stream *s, enum http_reset code);

/* ---- WebSocket ----------------------------------------------------------------------------- */

/* True if the request asks that its connection become a WebSocket (RFC 6455); HTTP/1 only. */
bool http_stream_asks_websocket(const struct http_stream *s);
/* Grant that with 101, within the `request` callback; `protocol` is the subprotocol chosen, or
 * empty. Fail with ERR_MALFORMED, and answer nothing, if the request is no proper handshake.
 * From then on each call of `data` lends one whole message, text or binary, of at most the body
 * limit that holds now; `end` is never set. Each http_stream_write() sends one text message, and
 * http_stream_end() closes. Pings are answered. When the peer closes, or breaks the rules, the
 * stream is over: what is written is dropped, and `close` comes with HTTP_CLOSE_DONE once the close
 * frame is out. */
MUST_USE enum err http_stream_accept_websocket(struct http_stream *s, struct slice protocol);

/* ---- what became of it --------------------------------------------------------------------- */

bool http_stream_has_responded(const struct http_stream *s);
/* Body bytes that are queued in this stream and have not reached the connection's send buffer. */
size_t http_stream_pending(const struct http_stream *s);

#endif
