/* http/io.c -- bytes straight through a socket.
 *
 * The state is the descriptor itself, stored in the pointer, plus one so that it is never NULL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/io.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int plain_fd(void *io)
{
    return (int)((intptr_t)io - 1);
}

static void *plain_open(void *arg, int fd)
{
    (void)arg;
    return (void *)((intptr_t)fd + 1);
}

static ssize_t plain_error(ssize_t on_again)
{
    return errno == EAGAIN || errno == EINTR ? on_again : HTTP_IO_FAILED;
}

static ssize_t plain_read(void *io, uint8_t *p, size_t n)
{
    ssize_t got = recv(plain_fd(io), p, n, 0);
    return got >= 0 ? got : plain_error(HTTP_IO_WANT_READ);
}

static ssize_t plain_writev(void *io, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(plain_fd(io), &msg, MSG_NOSIGNAL);
    return sent >= 0 ? sent : plain_error(HTTP_IO_WANT_WRITE);
}

static void plain_close(void *io)
{
    close(plain_fd(io));
}

const struct http_io_ops http_io_plain = {
    .open = plain_open,
    .read = plain_read,
    .writev = plain_writev,
    .close = plain_close,
};
