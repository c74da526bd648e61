/* tests/unit/http/rig.h -- a server on a loop, and scripted clients turned by the same loop.
 *
 * Clients hold one end of a socket pair. rig_until() runs the loop until a condition holds; after
 * each round the clients read and write what they can. No thread and no sleep: a condition that
 * does not come true within RIG_PATIENCE_MS fails the test.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_HTTP_RIG_H
#define TESTS_UNIT_HTTP_RIG_H

#include <nghttp2/nghttp2.h>

#include "base/mem.h"
#include "http/server.h"
#include "loop/loop.h"

#define RIG_PATIENCE_MS 20000
#define RIG_CLIENTS_MAX 16
#define H2C_STREAMS_MAX 64
#define H2C_FIELDS_MAX  32

/* A stream as the client sees it. Headers are kept as "name: value\n" lines. */
struct h2c_stream {
    int32_t id;
    struct buf headers, body, trailers;
    bool got_headers, closed;
    uint32_t error_code;
    struct buf request; /* body still to be sent */
    size_t request_off;
    bool request_end; /* END_STREAM after it */
    bool request_deferred;
};

struct client {
    int fd;
    struct buf in, out; /* raw bytes; `in` stays empty on HTTP/2 */
    bool eof;
    bool stop_reading;
    nghttp2_session *h2; /* NULL: raw bytes */
    struct h2c_stream streams[H2C_STREAMS_MAX];
    size_t stream_n;
    bool goaway;
    uint32_t goaway_code;
    char goaway_text[64];
    uint32_t ping_acks, pings;
    bool no_consume; /* leave the windows shut */
};

struct rig {
    struct loop *loop;
    struct http_server *server;
    struct loop_timer tick;
    msec give_up;
    bool (*cond)(void *arg);
    void *cond_arg;
    bool met;
    struct client *clients[RIG_CLIENTS_MAX];
    size_t client_n;
};

void rig_init(struct rig *r, const struct http_config *config);
void rig_fini(struct rig *r);
void rig_until(struct rig *r, bool (*cond)(void *arg), void *arg);

/* A client of raw bytes, connected. */
struct client *rig_client(struct rig *r);
void client_send(struct client *c, const void *p, size_t n);
void client_send_str(struct client *c, const char *s);
/* Close the client's end now. */
void client_close(struct client *c);
/* Run until the client has read `text` somewhere, or EOF. */
void rig_until_text(struct rig *r, struct client *c, const char *text);
void rig_until_eof(struct rig *r, struct client *c);

/* A client that speaks HTTP/2. */
struct client *rig_h2_client(struct rig *r);
struct h2c_stream *h2c_request(struct client *c, const char *method, const char *path,
                               const char *const *headers, const void *body, size_t n, bool end);
/* The same, with exactly these header fields: name, value, ..., NULL. The names must last. */
struct h2c_stream *h2c_request_raw(struct client *c, const char *const *fields, const void *body,
                                   size_t n, bool end);
/* Send a second block of header fields, after what was sent of the body. */
void h2c_trailers(struct client *c, struct h2c_stream *s, const char *const *fields, bool end);
/* Add body bytes to an open request. */
void h2c_write(struct client *c, struct h2c_stream *s, const void *body, size_t n, bool end);
void rig_until_closed(struct rig *r, struct h2c_stream *s);
bool buf_has(const struct buf *b, const char *text);

#endif
