/* tests/unit/client/fake.c -- see fake.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/client/fake.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "pb/pb_arena.h"

enum { PATIENCE_MS = 20000 };

static struct fake *fake_of(struct grpc_call *c)
{
    return c->method->data;
}

/* ---- unary ------------------------------------------------------------------------------- */

void fake_answer(struct grpc_call *c, const ProtobufCMessage *m)
{
    AUTO(buf) struct buf b = BUF_INIT;
    pb_pack(m, &b);
    grpc_reply(c, buf_slice(&b));
}

static void authenticate(struct fake *f, struct grpc_call *c, struct slice msg)
{
    Etcdserverpb__AuthenticateResponse r = ETCDSERVERPB__AUTHENTICATE_RESPONSE__INIT;
    ProtobufCMessage *m;
    f->authenticates++;
    assert_int_equal(
        pb_unpack(&etcdserverpb__authenticate_request__descriptor, msg, grpc_call_arena(c), &m),
        ERR_OK);
    if (f->password == NULL) {
        grpc_fail(c, ERR_AUTH_NOT_ENABLED);
    } else if (strcmp(((Etcdserverpb__AuthenticateRequest *)m)->password, f->password) != 0) {
        grpc_fail(c, ERR_AUTH_FAILED);
    } else {
        r.token = (char *)f->good_token;
        fake_answer(c, &r.base);
    }
}

static void answer_well(struct fake *f, struct grpc_call *c)
{
    Etcdserverpb__ResponseHeader h = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__RangeResponse r =
        ETCDSERVERPB__RANGE_RESPONSE__INIT; /* header is field 1 of all */
    h.revision = f->calls;
    r.header = &h;
    fake_answer(c, &r.base);
}

static void on_unary(struct grpc_call *c, struct slice msg)
{
    struct fake *f = fake_of(c);
    struct slice token = grpc_metadata(c, "token");
    if (slice_is(http_stream_path(grpc_call_stream(c)), "/etcdserverpb.Auth/Authenticate")) {
        authenticate(f, c, msg);
        return;
    }
    f->calls++;
    snprintf(f->last_token, sizeof f->last_token, "%.*s", (int)token.n, (const char *)token.p);
    if (f->good_token != NULL && f->password != NULL && !slice_is(token, f->good_token)) {
        grpc_fail(c, ERR_INVALID_AUTH_TOKEN);
        return;
    }
    if (f->unary != NULL) {
        f->unary(f, c, msg);
        return;
    }
    switch (f->next < f->n_orders ? f->orders[f->next++] : ORDER_ANSWER) {
    case ORDER_ANSWER:
        answer_well(f, c);
        break;
    case ORDER_FAIL:
        grpc_finish(c, f->code, f->text);
        break;
    case ORDER_REFUSE:
        http_stream_reset(grpc_call_stream(c), HTTP_RESET_REFUSED);
        break;
    case ORDER_CLOSE:
        http_server_close_all(f->http[0]);
        http_server_close_all(f->http[1]);
        break;
    case ORDER_STALL:
        break;
    }
}

/* ---- streams ----------------------------------------------------------------------------- */

static void on_open(struct grpc_call *c)
{
    struct fake *f = fake_of(c);
    f->stream = c;
    f->streams++;
    f->has_leader = slice_is(grpc_metadata(c, "hasleader"), "true");
}

static void on_message(struct grpc_call *c, struct slice msg)
{
    struct fake *f = fake_of(c);
    if (f->message != NULL)
        f->message(f, c, msg);
}

static void on_half_close(struct grpc_call *c)
{
}

static void on_closed(struct grpc_call *c, enum grpc_code code)
{
    struct fake *f = fake_of(c);
    if (f->stream == c)
        f->stream = NULL;
}

void fake_send(struct grpc_call *c, const ProtobufCMessage *m)
{
    AUTO(buf) struct buf b = BUF_INIT;
    pb_pack(m, &b);
    grpc_send(c, buf_slice(&b));
}

/* ---- life -------------------------------------------------------------------------------- */

enum { FAKES_MAX = 8 };
static struct grpc_method methods[FAKES_MAX][2]; /* unary, stream */
static size_t n_fakes;

static const struct grpc_method *find(void *arg, struct slice path, bool *ret_service_known)
{
    struct grpc_method *m = arg;
    return &m[slice_is(path, etcd_rpc_watch.path) ||
              slice_is(path, etcd_rpc_lease_keep_alive.path) ||
              slice_is(path, etcd_rpc_snapshot.path)];
}

static void on_request(struct http_stream *s, void *arg)
{
    grpc_server_take(((struct fake *)arg)->grpc, s);
}

void fake_listen(struct fake *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    *f = (struct fake){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    assert_int_equal(bind(f->fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(f->fd, 8), 0);
    assert_int_equal(getsockname(f->fd, (struct sockaddr *)&at, &n), 0);
    snprintf(f->url, sizeof f->url, "127.0.0.1:%u", ntohs(at.sin_port));
}

void fake_serve(struct fake *f, struct etcd_client *c)
{
    struct grpc_method *m = methods[n_fakes++ % FAKES_MAX];
    m[0] = (struct grpc_method){.path = "unary", .data = f, .unary = on_unary};
    m[1] = (struct grpc_method){.path = "stream",
                                .data = f,
                                .open = on_open,
                                .message = on_message,
                                .half_close = on_half_close,
                                .closed = on_closed};
    const struct http_config hc = {.request = on_request, .arg = f};
    const struct grpc_config gc = {.find = find, .arg = m};
    f->acceptor = acceptor_new(c->loop, f->fd, NULL, NULL);
    f->fd = -1;
    for (size_t i = 0; i < ARRAY_LEN(f->http); i++) {
        f->http[i] = http_server_new(c->loop, &hc);
        acceptor_add(f->acceptor, f->http[i]);
    }
    f->grpc = grpc_server_new(c->loop, &gc);
}

void fake_stop(struct fake *f)
{
    if (f->fd > 0)
        close(f->fd);
    acceptor_free(f->acceptor);
    http_server_free(f->http[0]);
    http_server_free(f->http[1]);
    grpc_server_free(f->grpc);
    *f = (struct fake){.fd = -1};
}

void fake_order(struct fake *f, enum order o)
{
    assert_true(f->n_orders < ORDERS_MAX);
    f->orders[f->n_orders++] = o;
}

void poll_until(struct etcd_client *c, bool (*cond)(void *arg), void *arg)
{
    msec give_up = clock_now_ms() + PATIENCE_MS;
    while (!cond(arg)) {
        if (clock_now_ms() > give_up)
            fail_msg("nothing happened");
        (void)etcd_client_poll(c, 100);
    }
}
