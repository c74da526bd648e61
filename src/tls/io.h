/* tls/io.h -- http_io_ops over OpenSSL.
 *
 * Non-blocking. The handshake verifies that the server is who it should be, and `trouble` says in
 * words why it failed; so it does for a read that fails: in TLS 1.3 a server refuses the client's
 * certificate only after the client's side of the handshake is done.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_IO_H
#define TLS_IO_H

#include "http/io.h"
#include "tls/context.h"

/* The `io_arg` of tls_client_io: which server it is. The owner's, as long as connections are
 * opened with it. */
struct tls_server {
    struct tls_context *context;
    const char *name; /* a host name or an IP address: whom the certificate must name */
};

extern const struct http_io_ops tls_client_io;

#endif
