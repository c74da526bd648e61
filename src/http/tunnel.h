/* http/tunnel.h -- http_io_ops through an HTTP proxy: CONNECT, and then what others do.
 *
 * The handshake asks the proxy for the server behind it, and hands the socket on to the inner ops
 * when it is let through; from then on they are all there is. Anything but a 200 is a refusal, and
 * so is an answer that is long, or more than an answer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_TUNNEL_H
#define HTTP_TUNNEL_H

#include "http/io.h"

enum { HTTP_TUNNEL_ANSWER_MAX = 16 * 1024 }; /* bytes of the proxy's answer */

/* What `trouble` begins with when it is the proxy's doing. */
#define HTTP_TUNNEL_TROUBLE "proxy: "

/* The `io_arg` of http_tunnel_io. The owner's, as long as connections are opened with it. */
struct http_tunnel {
    const char *target;            /* "etcd.example:2379" */
    const char *headers;           /* complete lines for the proxy; "": none */
    const struct http_io_ops *ops; /* the inner ones */
    void *io_arg;                  /* of theirs */
};

extern const struct http_io_ops http_tunnel_io;

#endif
