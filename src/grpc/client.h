/* grpc/client.h -- the calling side of one gRPC call over an HTTP/2 stream: framing, status.
 *
 * A call lives in the caller's memory, zeroed and filled in, from grpc_rpc_start() until `done` was
 * called or grpc_rpc_cancel() returned. Everything happens in the loop's thread, and no function
 * calls back before it returns. Deadlines are the owner's: it cancels. What the server sends is not
 * trusted: a length is checked before memory is taken for it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GRPC_CLIENT_H
#define GRPC_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/h2_client.h"

enum { GRPC_STATUS_TEXT_MAX = 4096 }; /* bytes of a grpc-message that are kept */

/* How a call ended. */
struct grpc_status {
    enum grpc_code code;
    const char *text; /* lent, without a NUL inside; "" is possible */
    bool from_server; /* the server's own words; else this side's */
    bool not_begun;   /* the server did not begin to work on it: it may be sent again */
};

struct grpc_rpc {
    const char *path; /* "/etcdserverpb.KV/Put"; lent until done */
    /* All headers but the pseudo ones: grpc_base_headers() and the metadata. Lent until done. */
    const struct http_header *headers;
    size_t n_headers;
    uint32_t recv_max; /* bytes of one message */
    bool one_answer;   /* the server sends exactly one message (or a status that is not OK) */

    /* A message came, lent. May cancel the call. */
    void (*message)(struct grpc_rpc *r, struct slice msg);
    /* Last, once; `st` is lent. The call may be freed or started again from inside. */
    void (*done)(struct grpc_rpc *r, const struct grpc_status *st);

    struct h2_stream stream; /* the room's own, from here on */
    struct buf in;           /* the beginning of a message */
    uint32_t messages;
    bool *gone; /* set when the call ends, for the code that is delivering */
};

/* content-type, te and user-agent: first in each call's headers. */
enum { GRPC_BASE_HEADERS = 3 };
extern const struct http_header grpc_base_headers[GRPC_BASE_HEADERS];

enum { GRPC_TIMEOUT_TEXT = 12 };
/* Return a grpc-timeout of `ms`, whose digits are written to `text`, which lives as long. */
struct http_header grpc_timeout_header(msec ms, char text[static GRPC_TIMEOUT_TEXT]);

/* Begin: send the headers. Messages follow. */
void grpc_rpc_start(struct grpc_rpc *r, struct h2_client *c);
/* Send `framed`: messages with their prefixes (grpc_prefix_put). Copies. With `last` no more come.
 */
void grpc_rpc_send(struct grpc_rpc *r, struct slice framed, bool last);
/* End it without `done`. Not started, or over: does nothing. Fine in `message`. */
void grpc_rpc_cancel(struct grpc_rpc *r);

#endif
