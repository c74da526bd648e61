/* tests/unit/api/rig.c -- the loop stops when what a client waits for has come.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/methods.h"
#include "api/stats.h"

enum { PATIENCE_MS = 20000 };

static void on_give_up(struct loop_timer *t)
{
    struct rig *r = CONTAINER_OF(t, struct rig, give_up);
    loop_stop(r->l.loop);
}

void rig_init(struct rig *r)
{
    *r = (struct rig){.met = false};
    r->cfg.max_request_bytes = 1536 * 1024;
    r->cfg.max_txn_ops = 128;
    r->cfg.election_timeout_ms = 1000;
    r->cfg.max_concurrent_streams = UINT32_MAX;
    r->cfg.enable_grpc_gateway = true;
    r->cfg.watch_progress_notify_interval = 600 * (nsec)1000000000;
    r->server = fake_server_new(&r->cfg);
    r->l.cfg = &r->cfg;
    r->l.server = r->server;
    list_init(&r->clients);
    methods_init();
    stats_init(r->server, true);
    unsigned kinds = BIT(API_PORT_CLIENT) | BIT(API_PORT_METRICS);
    assert_int_equal(api_loop_init(&r->l, NULL, 0, kinds, NULL), ERR_OK);
    loop_timer_init(&r->give_up, r->l.loop, on_give_up);
}

static void run(struct rig *r)
{
    r->met = false;
    loop_timer_set(&r->give_up, PATIENCE_MS);
    loop_run(r->l.loop);
}

void rig_fini(struct rig *r)
{
    while (!list_is_empty(&r->clients))
        client_close(LIST_ENTRY(r->clients.next, struct client, link));
    fake_release(r->server);
    loop_timer_set(&r->give_up, PATIENCE_MS);
    api_loop_stop(&r->l);
    loop_run(r->l.loop);
    assert_int_equal(r->l.users, 0);
    assert_int_equal(r->server->views, 0);
    loop_timer_fini(&r->give_up);
    api_loop_fini(&r->l);
    fake_server_free(r->server);
}

/* ---- clients --------------------------------------------------------------------------------- */

static bool client_has(const struct client *c)
{
    return c->in.n != 0 && memmem(c->in.p, c->in.n, c->wanted, strlen(c->wanted)) != NULL;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct client *c = arg;
    ssize_t n = read(fd, buf_reserve(&c->in, 65536), 65536);
    c->eof = n <= 0;
    c->in.n += n > 0 ? (size_t)n : 0;
    if (c->eof)
        event_del(c->readable);
    if (c->wanted != NULL && (c->eof || client_has(c))) {
        c->rig->met = true;
        loop_stop(c->rig->l.loop);
    }
}

struct client *client_new(struct rig *r, enum api_port_kind kind)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    http_server_adopt(r->l.ports[kind].http, fds[1], NULL, NULL);
    struct client *c = xcalloc(1, sizeof *c);
    c->rig = r;
    c->fd = fds[0];
    c->readable =
        event_new(loop_base(r->l.loop), c->fd, EV_READ | EV_PERSIST, on_readable, c);
    event_add(c->readable, NULL);
    list_add_tail(&r->clients, &c->link);
    return c;
}

void client_close(struct client *c)
{
    event_free(c->readable);
    close(c->fd);
    list_unlink(&c->link);
    buf_fini(&c->in);
    free(c);
}

void client_send(struct client *c, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(write(c->fd, text, n), (ssize_t)n);
}

void client_post(struct client *c, const char *path, const char *body)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(body),
             body);
    client_send(c, buf_cstr(&b));
}

void client_expect(struct client *c, const char *text)
{
    c->wanted = text;
    if (!client_has(c))
        run(c->rig);
    c->wanted = NULL;
    uint8_t *at = c->in.n != 0 ? memmem(c->in.p, c->in.n, text, strlen(text)) : NULL;
    if (at == NULL)
        fail_msg("expected: %s\n     got: %s", text, buf_cstr(&c->in));
    buf_consume(&c->in, (size_t)(at - c->in.p) + strlen(text));
}

static void expect_answer(struct client *c, unsigned status, const char *answer)
{
    char line[32];
    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    client_expect(c, line);
    client_expect(c, answer);
}

void client_ask(struct client *c, const char *path, const char *body, unsigned status,
                const char *answer)
{
    client_post(c, path, body);
    expect_answer(c, status, answer);
}

void client_get(struct client *c, const char *path, unsigned status, const char *answer)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    client_send(c, buf_cstr(&b));
    expect_answer(c, status, answer);
}

struct until {
    struct loop_timer timer;
    struct rig *rig;
    bool (*cond)(struct rig *r);
};

/* Looked at after each round; the timer keeps rounds coming. */
static void on_until(struct loop_timer *t)
{
    struct until *u = CONTAINER_OF(t, struct until, timer);
    if (u->cond(u->rig)) {
        u->rig->met = true;
        loop_stop(u->rig->l.loop);
    } else {
        loop_timer_set(t, 1);
    }
}

void rig_until(struct rig *r, bool (*cond)(struct rig *r))
{
    struct until u = {.rig = r, .cond = cond};
    loop_timer_init(&u.timer, r->l.loop, on_until);
    loop_timer_set(&u.timer, 0);
    run(r);
    loop_timer_fini(&u.timer);
    assert_true(r->met);
}
