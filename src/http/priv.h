/* http/priv.h -- what the files of this room share: server, connection, stream.
 *
 *   server.c  all connections of a loop: sweeping timeouts, flushing, draining
 *   conn.c    one socket: reading, telling the protocols apart, sending
 *   stream.c  one request and answer: headers, queue, the public calls
 *   h1.c h2.c what differs between the protocols, behind struct http_proto
 *   upgrade.c a stream that leaves HTTP/1 and goes on as a WebSocket
 *
 * Order of life: a connection that must go is only marked (conn_kill) and freed at the end of the
 * loop's round. So every function here but conn_reap() may be called from a handler.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_PRIV_H
#define HTTP_PRIV_H

#include "base/list.h"
#include "base/mem.h"
#include "http/server.h"
#include "http/websocket.h"

struct event;
struct http_conn;
struct h1;
struct h2;

#define HTTP_READ_CHUNK      (64u * 1024)
#define HTTP_HEADERS_OUT_MAX 64

/* ---- stream ------------------------------------------------------------------------------ */

/* One piece of a queued answer: its own bytes, or a view of a blob. */
struct segment {
    struct segment *next;
    struct blob *blob; /* NULL: the bytes are in data */
    size_t off, n, cap;
    uint8_t data[];
};

/* A header is kept as name and value one after the other in `text`. */
struct header_ref {
    uint32_t off, name_n, value_n;
};

enum stream_answer {
    ANSWER_NONE,  /* nothing was sent */
    ANSWER_OPEN,  /* headers are out, the body goes on */
    ANSWER_ENDED, /* all is queued */
};

struct http_stream {
    struct list link;       /* conn.streams, or server.stream_pool */
    struct list drain_link; /* conn.drains */
    struct http_conn *conn;
    const struct http_handler *handler; /* NULL: nobody listens */
    void *user;
    int32_t id; /* HTTP/2; 0 on HTTP/1 */

    /* the request */
    struct buf text;
    struct header_ref *refs;
    uint32_t ref_n, ref_cap;
    struct slice method, path, authority; /* set when the headers are complete */
    struct header_ref method_ref, path_ref, authority_ref;
    uint64_t header_bytes;
    bool headers_too_large;
    bool headers_done;
    bool body_is_empty;
    uint16_t fields_seen;    /* HTTP/2: enum h2_field */
    uint64_t content_length; /* HTTP/2, if FIELD_LENGTH was seen */
    bool request_ended;
    bool refuse_body; /* over the limit or the answer is complete: throw the rest away */
    uint64_t body_max, body_n;
    size_t unconsumed;
    struct buf body;             /* for the `body` handler */
    struct websocket *websocket; /* the connection speaks frames; else NULL */

    /* the answer */
    enum stream_answer answer;
    struct segment *seg_head, *seg_tail;
    size_t pending;
    bool above_water;
    bool reset_sent; /* this side gave the stream up */
    bool no_body;    /* HEAD, 204, 304 */
    bool deferred;   /* HTTP/2: the sender waits for http_stream_write() */
    uint32_t trailer_n;
    struct http_header trailers[4];
    struct buf trailer_text; /* bytes of trailers that are not lasting */
};

struct http_stream *stream_new(struct http_conn *c);
/* Tell the handler, and give the stream back to the pool. */
void stream_close(struct http_stream *s, enum http_close why);
/* Free what the server's pools hold. */
void stream_pools_free(struct http_server *sv);

/* Add a request header, or note that the list is larger than `max`. Pseudo headers of HTTP/2 go
 * to their own fields. */
void stream_add_header(struct http_stream *s, struct slice name, struct slice value, uint64_t max);
/* The headers are complete: tell the server's owner. */
void stream_begin(struct http_stream *s);
/* Body bytes came. Count them, keep the limit, pass them on. */
void stream_input(struct http_stream *s, struct slice data);
void stream_input_end(struct http_stream *s);
/* True while the peer is there to be answered. */
bool stream_is_live(const struct http_stream *s);
/* Queue one frame of a WebSocket. */
void stream_queue_frame(struct http_stream *s, enum websocket_op op, struct slice payload);
/* Move `n` queued bytes to `to`. */
void stream_pull(struct http_stream *s, struct buf *to, size_t n);
/* Run the `drain` callbacks that stream_pull() made due. */
void conn_run_drains(struct http_conn *c);

/* ---- connection -------------------------------------------------------------------------- */

/* What the protocols do differently. `answer` is already checked and changed by stream.c. */
struct http_proto {
    void (*input)(struct http_conn *c, struct slice data);
    void (*input_eof)(struct http_conn *c);
    /* Append what is to be sent now to `to`, about send_buffer_max bytes at most. */
    void (*fill)(struct http_conn *c, struct buf *to);
    void (*respond)(struct http_stream *s, unsigned status, const struct http_header *headers,
                    size_t n, bool end);
    void (*wake)(struct http_stream *s); /* something was queued, or the answer ended */
    void (*reset)(struct http_stream *s, enum http_reset code);
    void (*consumed)(struct http_stream *s, size_t n);
    void (*sweep)(struct http_conn *c, msec now); /* timeouts */
    void (*drain)(struct http_conn *c);           /* finish politely */
    void (*free)(struct http_conn *c);
};

extern const struct http_proto h1_proto, h2_proto;
void h1_start(struct http_conn *c);
void h2_start(struct http_conn *c);
/* Leave HTTP/1 after the request that is being parsed: send `head`, then the stream's queue as it
 * is; what the peer sends goes to upgraded_input(). */
void h1_switch(struct http_stream *s, struct slice head);
void upgraded_input(struct http_stream *s, struct slice data);

struct http_conn {
    struct list link;       /* server.conns */
    struct list dirty_link; /* server.dirty */
    struct http_server *server;
    const struct http_io_ops *ops;
    void *io;
    int fd; /* owned by io */
    struct event *read_ev, *write_ev;
    bool read_on, write_on;
    bool handshaking;
    bool dead;            /* to be freed */
    bool close_when_sent; /* then linger for the peer's last bytes, and close */
    bool lingering;
    bool hold_reading; /* the protocol wants no more input for now */

    const struct http_proto *proto; /* NULL while the first bytes are awaited */
    struct h1 *h1;
    struct h2 *h2;
    uint8_t sniffed[24];
    size_t sniffed_n;

    struct buf out; /* being sent */
    size_t out_off;
    uint64_t queued; /* pending bytes of all streams */

    struct list streams;
    uint32_t stream_n;
    struct list drains;
    msec deadline;  /* for handshake, preface, HTTP/1 headers, lingering; 0 is none */
    msec last_read; /* when bytes came last */
    char peer[64];
};

void conn_new(struct http_server *sv, int fd, const struct http_io_ops *ops, void *io_arg);
/* Mark the connection for its end. */
void conn_kill(struct http_conn *c);
/* Free a connection; its streams get HTTP_CLOSE_LOST. */
void conn_reap(struct http_conn *c);
/* Something is to be sent: flush at the end of the round. */
void conn_mark_dirty(struct http_conn *c);
void conn_flush(struct http_conn *c);
/* Read or stop reading, after `hold_reading` or the queues changed. */
void conn_update_reading(struct http_conn *c);
void conn_feed(struct http_conn *c, struct slice data);

/* ---- server ------------------------------------------------------------------------------ */

struct http_server {
    struct loop *loop;
    struct http_config cfg; /* with the defaults filled in */
    struct http_counters counters;
    struct list conns;
    uint32_t conn_n;
    struct list dirty;
    struct list stream_pool;
    uint32_t stream_pool_n;
    struct segment *segment_pool;
    uint32_t segment_pool_n;
    uint8_t *read_buf;  /* HTTP_READ_CHUNK, for whichever connection reads */
    struct buf scratch; /* the send buffer of whichever connection sends */
    struct loop_timer sweep_timer;
    msec sweep_ms;
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    struct h2_shared *h2_shared;
    int64_t date_s; /* the second that date_text stands for */
    char date_text[32];
};

struct h2_shared *h2_shared_new(void);
void h2_shared_free(struct h2_shared *sh);

/* The connection left; the server may be done draining. */
void server_forget_conn(struct http_server *sv, struct http_conn *c);
/* Return "Sun, 06 Nov 1994 08:49:37 GMT" for now. */
const char *server_date(struct http_server *sv);

/* Only the loop's thread writes a counter: no locked add is needed. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
