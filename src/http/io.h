/* http/io.h -- how a connection moves bytes: straight through its socket, or through TLS.
 *
 * A connection holds one `io` state and talks to its socket only through these functions. None of
 * them blocks. Plain sockets are http_io_plain; a TLS room brings a table of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_IO_H
#define HTTP_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What read, writev and handshake return beside a count of bytes. */
#define HTTP_IO_EOF 0           /* read: the peer sends no more */
#define HTTP_IO_WANT_READ (-1)  /* try again when the socket is readable */
#define HTTP_IO_WANT_WRITE (-2) /* try again when the socket is writable */
#define HTTP_IO_FAILED (-3)     /* the connection is over */

struct http_io_ops {
    /* Return the state for the non-blocking socket `fd`, which it takes; NULL drops the socket. */
    void *(*open)(void *arg, int fd);
    /* Return bytes moved (more than 0) or one of the codes above. */
    ssize_t (*read)(void *io, uint8_t *p, size_t n);
    ssize_t (*writev)(void *io, const struct iovec *iov, int n);
    /* Return 1 once reading and writing may begin, or a code above. NULL: at once. */
    ssize_t (*handshake)(void *io);
    /* Lend words for what made the handshake, a read or a write fail; NULL: errno says it. The
     * function itself may be NULL. */
    const char *(*trouble)(void *io);
    /* Close the socket and free the state. */
    void (*close)(void *io);
};

extern const struct http_io_ops http_io_plain; /* its open ignores `arg` */

#endif
