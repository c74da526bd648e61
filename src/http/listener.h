/* http/listener.h -- listening sockets, and the acceptor that deals connections out to loops.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/why.h"
#include "http/io.h"
#include "loop/loop.h"

struct http_server;

/* Return a listening, non-blocking, close-on-exec socket. `host` is an IP address (without
 * brackets) or "localhost"; "" means all addresses. Port 0 lets the kernel choose. */
enum err listener_bind_tcp(const char *host, uint16_t port, int *ret_fd, struct why *why);
/* The same, and other programs that allow it too may listen at the same address (SO_REUSEPORT). */
enum err listener_bind_tcp_shared(const char *host, uint16_t port, int *ret_fd, struct why *why);
/* The same for a unix socket; a socket file that nobody listens on is replaced. */
enum err listener_bind_unix(const char *path, int *ret_fd, struct why *why);
/* Return the port of a bound TCP socket, 0 if it has none. */
uint16_t listener_port(int fd);

/* True if the socket is bound to that address, which is as in listener_bind_tcp(). */
bool listener_is_at_tcp(int fd, const char *host, uint16_t port);
/* True if it is bound to that path. */
bool listener_is_at_unix(int fd, const char *path);
/* True if only this machine can reach it: a unix socket, or a loopback address. */
bool listener_is_local(int fd);
/* Return the address as a URL ("http://[::1]:2379", "unix:///run/x"), owned by the caller. */
char *listener_url(int fd, bool tls);

/* A socket that is listened on, for whoever is to accept from it. */
struct listen_socket {
    int fd;
    bool tls;
    bool local;          /* only this machine can reach it */
    const char *address; /* what it is called in the log; lent */
    const char *path;    /* of a unix socket that we bound: remove it when we listen no more; else NULL */
};

struct listen_sockets {
    const struct listen_socket *v;
    size_t n;
};

struct acceptor;

/* Accept on `fd` (taken) in the loop `l` and hand the connections in turn to the servers that were
 * added. Connections get TCP_NODELAY and TCP keepalive. When the process is out of descriptors
 * accepting pauses for a while. `ops` and `io_arg` go to http_server_adopt(). */
struct acceptor *acceptor_new(struct loop *l, int fd, const struct http_io_ops *ops, void *io_arg);
/* Before the loop runs, or in its thread. The server's own loop may be `l` or another thread's; it
 * must run until after acceptor_free(). */
void acceptor_add(struct acceptor *a, struct http_server *s);
/* Close the listening socket. Connections handed over already stay. NULL is fine. */
void acceptor_free(struct acceptor *a);

#endif
