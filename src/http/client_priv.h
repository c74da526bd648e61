/* http/client_priv.h -- what the files of the client share.
 *
 *   client.c       requests: who waits, which connection is used, what is overdue
 *   client_conn.c  one connection: dialing, sending, the answer
 *
 * The caller's functions run only between client_enter() and client_leave(), and nothing is freed
 * before the outermost client_leave(). So a callback may cancel, send and free as it likes, and
 * whoever called it looks at conn->state afterwards.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CLIENT_PRIV_H
#define HTTP_CLIENT_PRIV_H

#include "base/list.h"
#include "base/mem.h"
#include "http/client.h"
#include "http/dial.h"
#include "http/h1_parser.h"

struct event;

/* DIALING --> BUSY --> FINISHING --> IDLE --> BUSY
 *
 * A kept connection that was dead leads from BUSY to DIALING. Each state may lead to DEAD. */
enum client_conn_state {
    CLIENT_CONN_DIALING,
    CLIENT_CONN_BUSY,
    CLIENT_CONN_FINISHING, /* its request's `done` runs */
    CLIENT_CONN_IDLE,
    CLIENT_CONN_DEAD, /* in client.dead */
};

struct client_conn {
    struct list link; /* client.conns or client.dead */
    struct http_client *client;
    enum client_conn_state state;
    struct http_request *request; /* none when FINISHING, IDLE or DEAD */
    bool reused;                  /* it has answered a request before */

    struct dial dial;
    void *io; /* NULL: no connection */
    struct event *read_ev, *write_ev;
    msec moved_at; /* when bytes came or went last */

    struct buf head; /* the request line and headers */
    size_t sent;     /* of head and body */
    bool send_failed;

    struct h1_parser *parser;
    struct buf headers; /* "name\0value\0" for each */
    bool in_value;
    size_t header_bytes;
    bool answer_began, headers_done;
    enum err refused; /* what is wrong with the answer */
};

struct http_client {
    struct dialer dialer;
    char *host, *port, *authority;
    unsigned conn_max;
    msec keep_ms;

    struct list waiting; /* http_request.link */
    struct list conns;   /* the one that became idle last comes first */
    unsigned conn_n;
    struct list dead;
    struct loop_timer timer;
    msec timer_at;
    uint8_t *read_buf; /* CLIENT_READ_CHUNK, for whichever connection reads */
    unsigned depth;
    bool closing;
};

#define CLIENT_READ_CHUNK (64u * 1024)

void client_enter(struct http_client *c);
/* Give waiting requests the connections that became free; free what is dead. */
void client_leave(struct http_client *c);
/* Look at what is overdue at `when` or before. */
void client_wake_at(struct http_client *c, msec when);
/* Call `done`; the request is the caller's again. */
void client_request_end(struct http_request *r, enum err e);

/* Make a connection that will dial for `r`. */
void client_conn_new(struct http_client *c, struct http_request *r);
/* Return false if an idle connection was found to be closed by its server, and is DEAD now. */
bool client_conn_is_usable(struct client_conn *k);
/* Send `r` on an idle connection. */
void client_conn_use(struct client_conn *k, struct http_request *r);
/* Return when client_conn_overdue() is to be called. */
msec client_conn_due_at(const struct client_conn *k);
void client_conn_overdue(struct client_conn *k, msec now);
/* Close the socket; DEAD. Its request is left alone. */
void client_conn_close(struct client_conn *k);
void client_conn_free(struct client_conn *k);

#endif
