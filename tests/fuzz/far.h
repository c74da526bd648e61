/* tests/fuzz/far.h -- a server that says any bytes to a client of ours.
 *
 * It listens on a unix socket, says what far.rest holds to each connection (the second part once
 * the first was read), and hangs up.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FAR_H
#define TESTS_FUZZ_FAR_H

#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

static struct {
    int listen_fd, fd; /* fd -1: no connection */
    char path[64];
    struct slice rest[2];
    unsigned part;
} far;

static inline void far_hang_up(void)
{
    if (far.fd != -1)
        close(far.fd);
    far.fd = -1;
}

/* Say the next part when the one before was read. */
static inline void far_turn(void)
{
    int unread = 0;
    uint8_t heard[65536];
    int fd = accept4(far.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd != -1) {
        far_hang_up();
        far.fd = fd;
        far.part = 0;
    }
    if (far.fd == -1)
        return;
    while (recv(far.fd, heard, sizeof heard, MSG_DONTWAIT) > 0)
        continue;
    if (ioctl(far.fd, SIOCOUTQ, &unread) != 0 || unread != 0)
        return;
    if (far.part == 2) {
        far_hang_up();
        return;
    }
    struct slice s = far.rest[far.part++];
    ssize_t n = send(far.fd, s.p, s.n, MSG_NOSIGNAL);
    (void)n; /* the client may have hung up */
}

static inline void far_remove_socket(void)
{
    unlink(far.path);
}

static inline void far_start(const char *name)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(far.path, sizeof far.path, "/tmp/%s.%d", name, (int)getpid());
    memcpy(un.sun_path, far.path, sizeof far.path);
    far.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(far.listen_fd, (const struct sockaddr *)&un, sizeof un) != 0 ||
        listen(far.listen_fd, 8) != 0 || atexit(far_remove_socket) != 0)
        abort();
}

/* Prepare for one input, which `cut` divides. */
static inline void far_set(const uint8_t *p, size_t n, size_t cut)
{
    far.rest[0] = slice_make(p, cut);
    far.rest[1] = slice_make(p + cut, n - cut);
    far.fd = -1;
}

static inline void far_clear(void)
{
    int fd;
    far_hang_up();
    while ((fd = accept4(far.listen_fd, NULL, NULL, SOCK_CLOEXEC)) != -1)
        close(fd);
}

#endif
