/* loop/resolve.h -- the addresses of a name, looked up in a thread beside the loop.
 *
 * getaddrinfo() may block for long and cannot be stopped. A lookup that is cancelled goes on to its
 * end unheard; its thread never touches the loop or the owner again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_RESOLVE_H
#define LOOP_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct loop;
struct lookup;

enum { ADDRESSES_MAX = 8, ADDRESS_TEXT_MAX = 128 };

struct address {
    struct sockaddr_storage ss;
    socklen_t n;
};

/* In the order in which they are to be tried. */
struct addresses {
    size_t n;
    struct address at[ADDRESSES_MAX];
};

/* Return true if `host` is an IP address or "localhost", which need no lookup, and what to connect
 * to. `port` is digits. */
bool resolve_numeric(const char *host, const char *port, struct addresses *ret_addresses);
/* Return false if `path` is too long for a unix socket. */
bool resolve_unix(const char *path, struct addresses *ret_addresses);

/* Start to look up `host`. `done` comes once, from the loop, unless it was cancelled: with the
 * addresses, or with none and `trouble` in words; both are lent. Return NULL, and errno says why,
 * when the process has no descriptor left. */
struct lookup *lookup_start(struct loop *l, const char *host, const char *port,
                            void (*done)(void *arg, const struct addresses *addresses,
                                         const char *trouble),
                            void *arg);
/* NULL is fine. Not after `done`. */
void lookup_cancel(struct lookup *k);

/* Write "10.0.0.1:2380", "[::1]:2380" or a path. */
void address_text(const struct address *a, char *ret_text, size_t size);

#endif
