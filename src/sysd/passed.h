/* sysd/passed.h -- listening sockets that the service manager passes at the start.
 *
 * They come from socket units, whose FileDescriptorName= says what they are for: "client", "peer",
 * "client-http" or "metrics" (without one the name of the unit: etcd.socket is for clients,
 * etcd-peer.socket for peers, and so are their templates); or from the manager's store, where the
 * program itself had put them before it was restarted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SYSD_PASSED_H
#define SYSD_PASSED_H

#include <stdbool.h>
#include <stddef.h>

enum passed_kind { PASSED_CLIENT, PASSED_CLIENT_HTTP, PASSED_METRICS, PASSED_PEER, PASSED_KINDS_ };

enum { PASSED_MAX = 256 };

struct passed_socket {
    int fd; /* close-on-exec; the caller's */
    enum passed_kind kind;
    bool stored; /* put there by ourselves */
};

struct passed_sockets {
    struct passed_socket v[PASSED_MAX];
    size_t n;
};

/* Take what was passed to this process. What is of an unknown name or no listening stream socket is
 * closed and said in one line each. The variables are gone afterwards: a second call gives nothing. */
void passed_sockets_take(struct passed_sockets *ret);

/* The name under which a socket of `kind` is stored. */
const char *passed_stored_name(enum passed_kind kind);

/* Return what a socket of this name is for; false if nothing is known of it. */
bool passed_name_read(const char *name, enum passed_kind *ret_kind, bool *ret_stored);

#endif
