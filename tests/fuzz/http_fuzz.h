/* tests/fuzz/http_fuzz.h -- a server that is fed hostile bytes through a socket pair.
 *
 * The first byte says where the rest is cut in two; the second part is sent once the first was
 * read. The server echoes bodies on HTTP/1 and HTTP/2, and gRPC messages both ways. A connection
 * that does not end within ROUNDS_MAX rounds of the loop is a finding.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_HTTP_FUZZ_H
#define TESTS_FUZZ_HTTP_FUZZ_H

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "grpc/server.h"
#include "http/server.h"
#include "loop/loop.h"

#define INPUT_MAX 65536
#define ROUNDS_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct fuzz {
    struct loop *loop;
    struct http_server *http;
    struct grpc_server *grpc;
    struct loop_timer tick;
    int fd;
    struct slice rest; /* to be sent after the first part */
    uint64_t first_end;
    unsigned rounds;
};

static struct fuzz fuzz;

static void fuzz_body(struct http_stream *s, struct slice body)
{
    http_stream_respond_full(s, 200, NULL, 0, body);
}

static const struct http_handler fuzz_echo = {.body = fuzz_body};

static void fuzz_unary(struct grpc_call *c, struct slice msg)
{
    grpc_reply(c, msg);
}

static void fuzz_message(struct grpc_call *c, struct slice msg)
{
    grpc_send(c, msg);
}

static void fuzz_half_close(struct grpc_call *c)
{
    grpc_finish(c, GRPC_OK, "");
}

static const struct grpc_method *fuzz_find(void *arg, struct slice path, bool *ret_service_known)
{
    static const struct grpc_method unary = {.path = "/u", .unary = fuzz_unary};
    static const struct grpc_method stream = {
        .path = "/s", .message = fuzz_message, .half_close = fuzz_half_close};
    *ret_service_known = path.n > 3;
    return slice_is(path, "/u") ? &unary : slice_is(path, "/s") ? &stream : NULL;
}

static void fuzz_request(struct http_stream *s, void *arg)
{
    if (http_stream_is_http2(s) && grpc_is_request(s))
        grpc_server_take(fuzz.grpc, s);
    else
        http_stream_handle(s, &fuzz_echo, NULL);
}

static void fuzz_send(struct slice s)
{
    ssize_t n = send(fuzz.fd, s.p, s.n, MSG_NOSIGNAL);
    (void)n; /* the server may have hung up */
}

static void fuzz_round(void *arg)
{
    uint8_t sink[65536];
    const struct http_counters *c = http_server_counters(fuzz.http);
    while (recv(fuzz.fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        continue;
    if (fuzz.rest.p != NULL && (c->bytes_received >= fuzz.first_end || c->conns_open == 0)) {
        fuzz_send(fuzz.rest);
        shutdown(fuzz.fd, SHUT_WR);
        fuzz.rest.p = NULL;
    }
    if (c->conns_open == 0)
        loop_stop(fuzz.loop);
    else if (++fuzz.rounds > ROUNDS_MAX)
        abort();
}

static void fuzz_tick(struct loop_timer *t)
{
    loop_timer_set(t, 1);
}

static void fuzz_start(void)
{
    const struct grpc_config gc = {.find = fuzz_find, .recv_max = 10000};
    const struct http_config hc = {.request = fuzz_request, .body_bytes_max = 10000};
    fuzz.loop = loop_new();
    fuzz.http = http_server_new(fuzz.loop, &hc);
    fuzz.grpc = grpc_server_new(fuzz.loop, &gc);
    loop_on_round_end(fuzz.loop, fuzz_round, NULL);
    loop_timer_init(&fuzz.tick, fuzz.loop, fuzz_tick);
    loop_timer_set(&fuzz.tick, 1);
}

/* Send `prefix`, then `data` in two parts, and run until the connection is gone. */
static int fuzz_connection(struct slice prefix, const uint8_t *data, size_t n)
{
    int fds[2];
    if (n < 2 || n > INPUT_MAX)
        return -1;
    if (fuzz.loop == NULL)
        fuzz_start();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        abort();
    size_t cut = 1 + data[0] * (n - 1) / 256;
    fuzz.fd = fds[0];
    fuzz.rounds = 0;
    fuzz.rest = slice_make(data + cut, n - cut);
    fuzz.first_end = http_server_counters(fuzz.http)->bytes_received + prefix.n + cut - 1;
    http_server_adopt(fuzz.http, fds[1], NULL, NULL);
    fuzz_send(prefix);
    fuzz_send(slice_make(data + 1, cut - 1));
    loop_run(fuzz.loop);
    close(fuzz.fd);
    return 0;
}

#endif
