/* http/h2_client.h -- HTTP/2 requests to one server over one connection, from a loop.
 *
 * A client stands for one address and has at most one connection, plain (prior knowledge) or
 * through the io_ops of TLS (which negotiate "h2"). Everything belongs to the loop's thread. Names
 * are resolved beside the loop. No function calls back before it returns.
 *
 * IDLE --connect--> CONNECTING --SETTINGS of the server came--> READY
 *   ^                   |                                          |
 *   +---- failed -------+<---- lost, or GOAWAY and no stream left --+
 *
 * A client never connects again by itself: whoever owns it knows when that is wise.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H2_CLIENT_H
#define HTTP_H2_CLIENT_H

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/why.h"
#include "http/io.h"
#include "http/stream.h"
#include "loop/loop.h"

struct h2_client;

enum h2_client_state { H2_CLIENT_IDLE, H2_CLIENT_CONNECTING, H2_CLIENT_READY };

struct h2_client_config {
    const char *host;   /* a name, an IP address without brackets, or the path of a unix socket */
    const char *port;   /* digits; NULL: `host` is a path */
    const char *scheme; /* :scheme, "http" or "https" */
    const char *authority;         /* :authority */
    const struct http_io_ops *ops; /* NULL is plain */
    void *io_arg;
    msec connect_timeout_ms; /* name, connection, handshake, SETTINGS [20 s] */
    msec ping_ms;            /* with open streams, PING after so long without a byte; 0: never */
    msec ping_timeout_ms;    /* the connection is lost when it stays unanswered [20 s] */
    uint32_t stream_window, conn_window; /* what the server may send ahead [512 KiB, 8 MiB] */
    uint32_t headers_max;                /* bytes of one header block of an answer [64 KiB] */
    /* The state changed; on the way to IDLE `why` says what happened. May be NULL. Streams that
     * were open have ended before IDLE is told. Connecting from inside is fine. */
    void (*changed)(struct h2_client *c, void *arg, enum h2_client_state state,
                    const struct why *why);
    void *arg;
};

/* Copies the strings. `l` outlives the client. */
struct h2_client *h2_client_new(struct loop *l, const struct h2_client_config *config);
/* Close; the streams under way end with ERR_CLOSED from inside this call. Fine inside of callbacks.
 * NULL is fine. */
void h2_client_free(struct h2_client *c);

enum h2_client_state h2_client_state(const struct h2_client *c);
/* Begin to connect; does nothing unless IDLE. */
void h2_client_connect(struct h2_client *c);
/* False after GOAWAY, when stream IDs are used up, or when not READY: a stream that is opened now
 * would be refused. */
bool h2_client_takes_streams(const struct h2_client *c);

enum { H2_STREAM_HEADERS_MAX = 32 };

/* One request and its answer. In the caller's memory, zeroed and filled in, from open until `done`
 * was called or h2_stream_cancel() returned. */
struct h2_stream {
    const char *method, *path;         /* lent until done */
    const struct http_header *headers; /* lent until done; names in lower case */
    size_t n_headers;

    /* Each may be NULL but `done`. All may cancel the stream. */
    void (*headers_done)(struct h2_stream *s);            /* `status` and h2_stream_header() */
    void (*data)(struct h2_stream *s, struct slice data); /* lent */
    void (*drain)(struct h2_stream *s); /* all that was queued has been handed to the connection */
    /* Last, once; the stream may be freed or opened again from inside.
     * ERR_OK: the answer is complete, and h2_stream_header() finds the trailers too (the headers
     * first).
     * ERR_CLOSED: reset by the server (`reset_code`) or the connection is lost. ERR_MALFORMED:
     * against HTTP/2's rules. ERR_TOO_LARGE: headers_max. ERR_BUSY: the server did not begin to
     * work on it (REFUSED_STREAM, or above GOAWAY's last stream, or nothing of it was sent): it may
     * be sent again. `why` says it in words. An answer that is complete before the request is the
     * end of both. */
    void (*done)(struct h2_stream *s, enum err e);

    unsigned status;     /* :status of the answer; 0 before */
    uint32_t reset_code; /* of RST_STREAM; UINT32_MAX: none */
    struct why why;

    struct h2_client *client; /* the client's own, from here on; NULL: not open */
    struct list link;
    int32_t id;
    bool ended;    /* no more will be queued */
    bool deferred; /* nghttp2 waits for h2_stream_send() */
    struct buf out;
    size_t out_at;
    struct buf fields; /* of the answer, "name\0value\0" each */
    bool headers_seen;
};

/* Send the headers (H2_STREAM_HEADERS_MAX at most); with `end` there is no body. If the client is
 * not READY, `done` comes with ERR_BUSY from the loop. */
void h2_stream_open(struct h2_client *c, struct h2_stream *s, bool end);
/* Queue body bytes (copied), and the end of it. What is queued in a round leaves together. */
void h2_stream_send(struct h2_stream *s, struct slice data);
void h2_stream_end(struct h2_stream *s);
/* Body bytes that are queued and not yet handed to the connection. */
size_t h2_stream_pending(const struct h2_stream *s);
/* End it without `done` (RST_STREAM CANCEL). Not open, or over: does nothing. Fine inside its own
 * callbacks, other than done. */
void h2_stream_cancel(struct h2_stream *s);
/* Return a header or trailer by its name in lower case (p NULL: none), lent until the next
 * callback. */
struct slice h2_stream_header(const struct h2_stream *s, const char *name);

#endif
