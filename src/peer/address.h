/* peer/address.h -- a peer URL, taken apart: where to connect.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PEER_ADDRESS_H
#define PEER_ADDRESS_H

#include "base/mem.h"
#include "base/why.h"
#include "http/client.h"

struct peer_address {
    bool is_tls;
    char *host;      /* a name, an IP address without brackets, or the path of a unix socket */
    char *port;      /* digits; NULL: `host` is a path */
    char *authority; /* as it stood in the URL */
};

/* Read "http://host:port", https likewise, "unix://path", or unixs. Fail with ERR_INVALID; `ret` is
 * all zero then. */
MUST_USE enum err peer_address_parse(struct slice url, struct peer_address *ret, struct why *why);
struct peer_address peer_address_copy(const struct peer_address *a);
void peer_address_fini(struct peer_address *a);

/* What a client of that address is configured with; the strings are lent. `tls_ops` are used if the
 * address asks for TLS. Fail with ERR_INVALID if it does and they are NULL. */
MUST_USE enum err peer_address_client(const struct peer_address *a,
                                      const struct http_io_ops *tls_ops, void *io_arg,
                                      struct http_client_config *ret, struct why *why);

#endif
