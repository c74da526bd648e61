/* http/tunnel.c -- see tunnel.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/tunnel.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/why.h"
#include "http/h1_parser.h"

enum { READ_CHUNK = 1024 };

struct tunnel_io {
    const struct http_tunnel *to;
    int fd;
    void *plain; /* the socket, until `inner` has it */
    void *inner; /* NULL: not let through yet */
    struct buf request;
    size_t sent, received;
    struct h1_parser *parser;
    struct why why;
};

static ssize_t refuse(struct tunnel_io *t, const char *what)
{
    why_set(&t->why, ERR_CLOSED, HTTP_TUNNEL_TROUBLE "%s", what);
    return HTTP_IO_FAILED;
}

/* ---- the proxy's answer ------------------------------------------------------------------- */

static void on_event(void *arg)
{
    (void)arg;
}

static void on_piece(void *arg, struct slice piece)
{
    (void)arg;
    (void)piece;
}

static const struct h1_events no_events = {.begin = on_event,
                                           .target = on_piece,
                                           .field = on_piece,
                                           .value = on_piece,
                                           .headers_complete = on_event,
                                           .body = on_piece,
                                           .complete = on_event};

/* The whole answer is there if what is left of the bytes is none of it. */
static ssize_t judge(struct tunnel_io *t, size_t left)
{
    unsigned status = h1_parser_status(t->parser);
    if (status != 200) {
        why_set(&t->why, ERR_CLOSED, HTTP_TUNNEL_TROUBLE "CONNECT %s is answered with %u",
                t->to->target, status);
        return HTTP_IO_FAILED;
    }
    return left == 0 ? 1 : refuse(t, "there is more than an answer to CONNECT");
}

static ssize_t read_answer(struct tunnel_io *t)
{
    uint8_t bytes[READ_CHUNK];
    for (;;) {
        ssize_t n = http_io_plain.read(t->plain, bytes, sizeof bytes);
        if (n == HTTP_IO_EOF)
            return refuse(t, "it hung up");
        if (n < 0)
            return n;
        size_t used = 0;
        enum h1_result r = h1_parser_feed(t->parser, slice_make(bytes, (size_t)n), &used);
        if (r == H1_COMPLETE)
            return judge(t, (size_t)n - used);
        t->received += (size_t)n;
        if (r == H1_BAD)
            return refuse(t, "the answer to CONNECT is malformed");
        if (t->received > HTTP_TUNNEL_ANSWER_MAX)
            return refuse(t, "the answer to CONNECT is too long");
    }
}

/* ---- the handshake ------------------------------------------------------------------------ */

static ssize_t send_request(struct tunnel_io *t)
{
    while (t->sent < t->request.n) {
        struct iovec iov = {t->request.p + t->sent, t->request.n - t->sent};
        ssize_t n = http_io_plain.writev(t->plain, &iov, 1);
        if (n < 0)
            return n;
        t->sent += (size_t)n;
    }
    return 1;
}

static ssize_t pass_through(struct tunnel_io *t)
{
    ssize_t rc = send_request(t);
    if (rc == 1)
        rc = read_answer(t);
    if (rc != 1)
        return rc;
    t->inner = t->to->ops->open(t->to->io_arg, t->fd);
    t->fd = -1; /* which that has, or dropped */
    return t->inner != NULL ? 1 : HTTP_IO_FAILED;
}

static ssize_t tunnel_handshake(void *io)
{
    struct tunnel_io *t = io;
    if (t->inner == NULL) {
        ssize_t rc = pass_through(t);
        if (rc != 1)
            return rc;
    }
    return t->to->ops->handshake != NULL ? t->to->ops->handshake(t->inner) : 1;
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void *tunnel_open(void *arg, int fd)
{
    struct tunnel_io *t = xcalloc(1, sizeof *t);
    t->to = arg;
    t->fd = fd;
    t->plain = http_io_plain.open(NULL, fd);
    t->parser = h1_parser_new_answers(&no_events, t);
    h1_parser_reset(t->parser);
    h1_parser_expect_no_body(t->parser);
    buf_addf(&t->request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", t->to->target, t->to->target,
             t->to->headers);
    return t;
}

static ssize_t tunnel_read(void *io, uint8_t *p, size_t n)
{
    struct tunnel_io *t = io;
    return t->to->ops->read(t->inner, p, n);
}

static ssize_t tunnel_writev(void *io, const struct iovec *iov, int n)
{
    struct tunnel_io *t = io;
    return t->to->ops->writev(t->inner, iov, n);
}

static const char *tunnel_trouble(void *io)
{
    const struct tunnel_io *t = io;
    if (t->why.text[0] != '\0')
        return t->why.text;
    return t->inner != NULL && t->to->ops->trouble != NULL ? t->to->ops->trouble(t->inner) : NULL;
}

static void tunnel_close(void *io)
{
    struct tunnel_io *t = io;
    if (t->inner != NULL)
        t->to->ops->close(t->inner);
    else if (t->fd != -1)
        http_io_plain.close(t->plain);
    h1_parser_free(t->parser);
    buf_fini(&t->request);
    free(t);
}

const struct http_io_ops http_tunnel_io = {
    .open = tunnel_open,
    .read = tunnel_read,
    .writev = tunnel_writev,
    .handshake = tunnel_handshake,
    .trouble = tunnel_trouble,
    .close = tunnel_close,
};
