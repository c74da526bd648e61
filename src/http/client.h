/* http/client.h -- HTTP/1.1 requests to one server, from a loop.
 *
 * A client stands for one address. Each request has a connection to itself while it runs;
 * afterwards a connection that the server keeps alive is used again by the next one. All of it
 * belongs to the loop's thread. Names are resolved beside the loop (a blocked resolver blocks
 * nobody). No function calls back before it returns.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/why.h"
#include "http/io.h"
#include "loop/loop.h"

struct http_client;

struct http_client_config {
    const char *host; /* a name, an IP address without brackets, or the path of a unix socket */
    const char *port; /* digits; NULL: `host` is a path */
    const char *authority;         /* the Host header, "10.0.0.1:2380" */
    const struct http_io_ops *ops; /* NULL is plain */
    void *io_arg;
    unsigned conn_max;       /* connections at once; more requests wait their turn [4] */
    msec connect_timeout_ms; /* name, connection and handshake [5 s] */
    msec keep_ms;            /* an idle connection is closed after this [60 s] */
};

/* Copies the strings. `l` outlives the client. */
struct http_client *http_client_new(struct loop *l, const struct http_client_config *config);
/* Close everything; requests under way end with ERR_CLOSED, from inside this call, and may not be
 * sent here again. Fine inside of callbacks. NULL is fine. */
void http_client_free(struct http_client *c);

enum { HTTP_RESPONSE_HEADERS_MAX = 16 * 1024 }; /* bytes of a response's headers */

/* In the caller's memory, zeroed and filled in, from http_client_send() until `done`. */
struct http_request {
    const char *method;  /* static */
    const char *path;    /* lent until done; with the query */
    const char *headers; /* lent until done: complete lines "Name: value\r\n"; NULL: none */
    struct slice body; /* lent until done; sent with a Content-Length (none for GET without one) */
    /* A connection kept alive that proves dead before any answer is tried again on a new one when
     * this is set: for what may be said twice. */
    bool idempotent;
    msec timeout_ms;      /* until the whole answer is there; 0: no limit */
    msec idle_timeout_ms; /* without a byte of request or answer, once connected; 0: no limit */
    size_t body_max;      /* of an answer that is collected */

    /* The status line and headers are there: `status` and http_request_header(). May cancel. */
    void (*headers_done)(struct http_request *r);
    /* Some of the answer's body, lent; may cancel. NULL: it is collected in `answer`. */
    void (*data)(struct http_request *r, struct slice data);
    /* Last, once, unless it was cancelled: ERR_OK, the answer is complete; ERR_TIMEOUT, one of the
     * two above; ERR_CLOSED, the connection could not be made (in time) or ended early;
     * ERR_MALFORMED; ERR_TOO_LARGE. `why` says it in words. The request may be freed or sent again
     * from inside. */
    void (*done)(struct http_request *r, enum err e);

    unsigned status;   /* of the answer; 0 before */
    struct buf answer; /* the collected body: lent, freed after `done` returns */
    struct why why;

    struct http_client *client; /* the client's own, from here on */
    struct list link;
    void *conn;
    msec deadline;
};

void http_client_send(struct http_client *c, struct http_request *r);
/* End it without `done`; its connection is closed. Not sent, or over: does nothing. Fine inside of
 * its own callbacks, other than done. */
void http_request_cancel(struct http_request *r);

/* Return a header of the answer by its name in lower case (p NULL: none), lent until the next
 * callback; from headers_done on until `done` returns. */
struct slice http_request_header(const struct http_request *r, const char *name);

#endif
