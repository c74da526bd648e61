/* tests/unit/tls/peer.h -- the server's end of TLS, for the tests' HTTP server.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_TLS_PEER_H
#define TESTS_UNIT_TLS_PEER_H

#include "http/io.h"
#include "unit/tls/certs.h"

struct peer {
    const struct cert *cert;
    const struct cert *client_ca; /* a client must have a certificate of it; NULL: need not */
    const char *alpn;             /* what it agrees to; NULL: no ALPN */
    int version_max;              /* 0: any */
    char sni[64];                 /* what the last client asked for */
    unsigned client_certs;        /* clients that showed one */
};

extern const struct http_io_ops peer_io; /* its arg is the peer */

#endif
