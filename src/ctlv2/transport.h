/* ctlv2/transport.h -- one request to one address, and its answer; through a proxy if the
 * environment has one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_TRANSPORT_H
#define CTLV2_TRANSPORT_H

#include "ctlv2/cluster.h"

struct transport;

struct transport_config {
    msec connect_timeout_ms;
    struct tls_config tls; /* strings lent */
    const char *tls_name;  /* NULL: the URL's host */
};

struct transport *transport_new(const struct transport_config *config);
/* From now on SIGINT ends the request under way, and each later one. One transport a process. */
void transport_end_on_interrupt(struct transport *t);
bool transport_is_interrupted(void);

void transport_free(struct transport *t); /* NULL is fine */

enum transport_end {
    TRANSPORT_ANSWERED,
    TRANSPORT_FAILED,     /* the trouble says why */
    TRANSPORT_NO_HEADERS, /* not within header_timeout_ms */
    TRANSPORT_OVERDUE,    /* not complete by the deadline */
    TRANSPORT_INTERRUPTED,
};

struct transport_request {
    const struct uri *uri;
    const char *method;
    const char *headers; /* complete lines; "": none */
    struct slice body;
    msec header_timeout_ms; /* 0: no limit */
    msec deadline;
};

enum transport_end transport_send(struct transport *t, const struct transport_request *r,
                                  struct answer *ret_answer, struct trouble *trouble);

/* Return the header line "NAME: Basic ...", owned, for "user:password". */
char *header_basic(const char *name, struct slice credentials);

#endif
