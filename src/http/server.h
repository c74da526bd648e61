/* http/server.h -- the connections of one loop that speak HTTP/1.1 or HTTP/2 to us.
 *
 * Both protocols arrive on the same port without TLS-level negotiation: the first bytes tell which
 * it is (HTTP/2 "with prior knowledge"). One server per loop thread; its connections never change
 * thread. Memory of a connection is bounded by the limits below in both directions. Everything is
 * sent once per loop round.
 *
 * Client PINGs are policed as grpc-go does: pings that come closer than `ping_min_ms` (or closer
 * than two hours while no stream is open) are strikes, sending data or headers clears them, and the
 * third strike ends the connection with ENHANCE_YOUR_CALM "too_many_pings".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"
#include "http/io.h"
#include "http/stream.h"
#include "loop/loop.h"

/* Zero in any field but the handlers means the default in brackets. */
struct http_config {
    /* A request's headers are complete: answer it, or set a handler and answer later. */
    void (*request)(struct http_stream *s, void *arg);
    void *arg;

    uint32_t conn_max;             /* connections per server [no limit]; more are closed at once */
    uint32_t streams_max;          /* open streams per HTTP/2 connection [UINT32_MAX] */
    uint32_t header_bytes_max;     /* HTTP/1 request line and headers [1 MiB] */
    uint32_t h2_header_bytes_max;  /* header list of one HTTP/2 request [64 KiB] */
    uint64_t body_bytes_max;       /* request body unless the stream says otherwise [2 MiB] */
    uint32_t send_buffer_max;      /* bytes taken from streams before they are sent [64 KiB] */
    uint32_t stream_low_water;     /* `drain` is called when a stream's queue is below [64 KiB] */
    uint64_t conn_queue_max;       /* queued per connection; then streams are refused [64 MiB] */
    msec first_request_timeout_ms; /* to complete handshake and preface, or HTTP/1 headers [30 s] */
    msec idle_timeout_ms;          /* an HTTP/1 connection between requests [no limit] */
    msec ping_min_ms;              /* least time between a client's PINGs [5 s] */
    msec keepalive_interval_ms;    /* silence after which an HTTP/2 client is pinged [2 h] */
    msec keepalive_timeout_ms;     /* wait for any sign of life after that [20 s] */
};

/* Any thread may read these. */
struct http_counters {
    _Atomic uint64_t bytes_received, bytes_sent;
    _Atomic uint64_t conns_open, conns_accepted, conns_refused;
};

/* Return a server on `l`, which outlives it. The loop's thread (or before it runs). It sends in a
 * round-end hook of its own: add hooks that answer requests after this call, so that they run
 * first. */
struct http_server *http_server_new(struct loop *l, const struct http_config *config);
/* Close what is open (streams get HTTP_CLOSE_LOST) and free. NULL is fine. */
void http_server_free(struct http_server *s);

struct loop *http_server_loop(const struct http_server *s);
const struct http_counters *http_server_counters(const struct http_server *s);

/* Other limits for connections and requests that come from now on. The server's thread only. */
void http_server_set_limits(struct http_server *s, uint32_t streams_max, uint64_t body_bytes_max);

/* Serve the connected socket `fd`, which is taken and made non-blocking. `ops` NULL is plain. The
 * server's thread only. */
void http_server_adopt(struct http_server *s, int fd, const struct http_io_ops *ops, void *io_arg);

/* Finish politely: idle connections close, HTTP/2 peers get GOAWAY, HTTP/1 answers carry
 * "Connection: close"; open streams may end. A connection that has not said anything yet has a moment to
 * ask, for it was accepted. Calls `done` from the loop when the last connection is
 * gone. The server's thread only. */
void http_server_drain(struct http_server *s, void (*done)(void *arg), void *arg);

/* Close every connection now; streams get HTTP_CLOSE_LOST. The server's thread only. */
void http_server_close_all(struct http_server *s);

#endif
