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

/* Where to, and how. Inside its owner, who fills in the first part. */
struct dialer {
    struct loop *loop;
    const char *host, *port; /* lent; port NULL: `host` is the path of a unix socket */
    const struct http_io_ops *ops;
    void *io_arg;
    msec timeout_ms; /* for all of it */

    struct lookup *lookup; /* one serves all that resolve, and those after them if it is slow */
    struct list resolving; /* dial.link */
};

void dialer_init(struct dialer *r); /* after the first part was filled in */
void dialer_fini(struct dialer *r); /* its dials are stopped */

/* One attempt at a time. */
struct dial {
    void *io; /* of the connection that was made */
    int fd;   /* for events only: `io` owns it */
    struct why why;

    struct dialer *dialer; /* dial's own, from here on */
    void (*done)(struct dial *d);
    enum dial_state {
        DIAL_IDLE,
        DIAL_NEW,
        DIAL_RESOLVING,
        DIAL_CONNECTING,
        DIAL_HANDSHAKE,
    } state;
    struct list link; /* dialer.resolving */
    struct addresses addresses;
    size_t address_i;
    msec deadline;
    struct loop_timer timer;
    struct event *read_ev, *write_ev;
};

/* `done` comes once for each start, from the loop: with `io` and `fd`, which are the owner's then,
 * or with io NULL and `why`. It may start anew. */
void dial_init(struct dial *d, struct dialer *r, void (*done)(struct dial *d));
void dial_fini(struct dial *d); /* stops it */
/* Begin, unless it runs already. Does not call back before it returns. */
void dial_start(struct dial *d);
/* Write "tcp 10.0.0.1:2379" or "unix /path": where the connection leads. */
void dial_where(const struct dial *d, char *ret_text, size_t size);

enum { DIAL_WHERE_MAX = ADDRESS_TEXT_MAX + 8 };

/* Say that "read" (or another verb) failed on the connection that was made: in the words of its io,
 * or of errno `number`; with 0 it is `eof`. Return ERR_CLOSED. The io is still open. */
enum err dial_explain(const struct dial *d, struct why *why, const char *verb, int number,
                      const char *eof);

#endif
