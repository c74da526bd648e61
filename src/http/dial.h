/* http/dial.h -- make one connection: look the name up, try its addresses in turn, shake hands.
 *
 *   NEW --> RESOLVING --> CONNECTING --> HANDSHAKE --> done
 *
 * An address that fails leads back to CONNECTING with the next one; each has its share of the time
 * that is left. Troubles are worded as Go's net words them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_DIAL_H
#define HTTP_DIAL_H

#include "base/why.h"
#include "http/io.h"
#include "loop/loop.h"
#include "loop/resolve.h"

struct event;

/* Inside its owner, who fills in the first part. */
struct dial {
    struct loop *loop;
    const char *host, *port; /* lent; port NULL: `host` is the path of a unix socket */
    const struct http_io_ops *ops;
    void *io_arg;
    msec timeout_ms; /* for all of it */
    /* Once, from the loop: with `io` and `fd`, which are the owner's then, or with io NULL and
     * `why`. May start anew. */
    void (*done)(struct dial *d);

    void *io;
    int fd; /* for events only: `io` owns it */
    struct why why;

    enum dial_state {
        DIAL_IDLE,
        DIAL_NEW,
        DIAL_RESOLVING,
        DIAL_CONNECTING,
        DIAL_HANDSHAKE,
    } state; /* dial's own, from here on */
    struct lookup *lookup;
    struct addresses addresses;
    size_t address_i;
    msec deadline;
    struct loop_timer timer;
    struct event *read_ev, *write_ev;
};

void dial_init(struct dial *d); /* after the first part was filled in */
void dial_fini(struct dial *d); /* stops it */
/* Begin, unless it runs already. Does not call back before it returns. */
void dial_start(struct dial *d);
/* Write "tcp 10.0.0.1:2379" or "unix /path": where the connection leads. */
void dial_where(const struct dial *d, char *ret_text, size_t size);

enum { DIAL_WHERE_MAX = ADDRESS_TEXT_MAX + 8 };

/* A sentence of strerror() as Go would begin it. */
struct errno_text {
    char text[64];
};
struct errno_text errno_text(int number);

#endif
