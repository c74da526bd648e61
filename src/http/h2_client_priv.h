/* http/h2_client_priv.h -- what the files of the HTTP/2 client share.
 *
 *   h2_client.c          the connection: dialing, reading, sending, keepalive
 *   h2_client_session.c  nghttp2: what came, what goes, how streams end
 *
 * The caller's functions run only between h2_client_enter() and h2_client_leave(). A client that is
 * freed from inside of one ends its streams at once; the rest goes with the outermost leave.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H2_CLIENT_PRIV_H
#define HTTP_H2_CLIENT_PRIV_H

#include <nghttp2/nghttp2.h>

#include "http/dial.h"
#include "http/h2_client.h"

struct h2_client {
    struct loop *loop;
    struct h2_client_config cfg; /* its strings are owned */
    enum h2_client_state state;
    unsigned depth;
    bool closing;

    struct dialer dialer;
    struct dial dial;
    struct loop_timer timer; /* SETTINGS overdue, then PING */
    struct loop_task task;   /* at the end of a round: send */
    void *io;                /* NULL: no connection */
    struct event *read_ev, *write_ev;
    bool write_on;   /* the socket was full */
    int send_failed; /* errno */
    struct buf out;
    size_t out_at;

    msec heard_at; /* when bytes came last */
    msec ping_at;  /* when the PING that is unanswered was sent */
    bool ping_out;
    bool timer_on;

    nghttp2_session *session;
    struct list streams;  /* known to the session */
    struct list rejected; /* opened while that was not possible */
    size_t stream_n;      /* of both */
    int32_t sent_id;      /* the last stream whose headers were handed to `out` */
    uint32_t continuations;
    size_t block_bytes;  /* of the header block that is being read */
    struct buf farewell; /* what the server's GOAWAY said */
    struct buf trouble;  /* what is wrong with the server, as nghttp2 tells it in ours */
};

void h2_client_enter(struct h2_client *c);
void h2_client_leave(struct h2_client *c);
/* Let the round's end send what is queued. */
void h2_client_wake(struct h2_client *c);
/* A stream was opened. */
void h2_client_begin_pings(struct h2_client *c);
/* The server's first SETTINGS came. */
void h2_client_ready(struct h2_client *c);

void session_start(struct h2_client *c);
/* Between enter and leave. Return false when the connection is of no use any more. */
bool session_feed(struct h2_client *c, struct slice data);
/* Append what is to be sent to `out`, some 64 KiB at most. Return false as session_feed() does. */
bool session_fill(struct h2_client *c);
/* End the streams; `e` and `why` are for those that the server may have begun to work on. */
void session_end_streams(struct h2_client *c, enum err e, const struct why *why);
void session_end_rejected(struct h2_client *c);

#endif
