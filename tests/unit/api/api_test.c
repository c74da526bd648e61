/* tests/unit/api/api_test.c -- the api as a whole: its thread, what the watchdog asks of it, a reload.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "fake_server.h"
#include "loop/clock.h"

enum { PATIENCE_MS = 20000 };

struct fixture {
    struct config cfg, other;
    struct server *server;
    struct api *api;
    uint16_t port;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct why why;
    f->cfg.max_request_bytes = 1000;
    f->cfg.max_txn_ops = 128;
    f->cfg.election_timeout_ms = 1000;
    f->cfg.max_concurrent_streams = 100;
    f->cfg.enable_grpc_gateway = true;
    f->other = f->cfg;
    f->other.max_request_bytes = 1024 * 1024;
    f->server = fake_server_new(&f->cfg);
    struct listen_socket one = {.fd = -1, .address = "http://127.0.0.1:0"};
    assert_int_equal(listener_bind_tcp("127.0.0.1", 0, &one.fd, &why), ERR_OK);
    f->port = listener_port(one.fd);
    struct api_sockets sockets = {.client = {&one, 1}};
    assert_int_equal(api_start(&f->cfg, f->server, &sockets, &f->api, &why), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    api_drain(f->api, 100);
    api_stop(f->api);
    api_free(f->api);
    fake_server_free(f->server);
    free(f);
    return 0;
}

static bool turns_within(struct api *a, msec patience)
{
    msec end = clock_now_ms() + patience;
    bool turned;
    while (!(turned = api_has_turned(a)) && clock_now_ms() < end)
        continue;
    return turned;
}

/* A message that keeps its loop until the test lets it go. */
struct blocker {
    struct loop_msg msg;
    pthread_mutex_t *held;
    _Atomic bool there, gone;
};

static void block_run(struct loop_msg *m)
{
    struct blocker *b = CONTAINER_OF(m, struct blocker, msg);
    b->there = true;
    pthread_mutex_lock(b->held);
    pthread_mutex_unlock(b->held);
    b->gone = true;
}

static void a_loop_that_hangs_has_not_turned(void **state)
{
    struct fixture *f = *state;
    static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    static struct blocker b = {.msg.run = block_run, .held = &held};
    assert_false(api_has_turned(f->api)); /* nobody had asked it */
    assert_true(turns_within(f->api, PATIENCE_MS));
    assert_true(turns_within(f->api, PATIENCE_MS)); /* again and again */
    pthread_mutex_lock(&held);
    loop_post(f->server->loop, &b.msg);
    while (!b.there)
        continue;
    (void)api_has_turned(f->api); /* what was asked before the loop hung */
    assert_false(turns_within(f->api, 100));
    pthread_mutex_unlock(&held);
    assert_true(turns_within(f->api, PATIENCE_MS));
    assert_true(b.gone);
}

/* Put a value of `size` bytes by JSON; return the status. */
static int put(const struct fixture *f, size_t size)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    char *zeros = xmalloc(size / 3 * 4 + 1), answer[64] = "";
    memset(zeros, 'A', size / 3 * 4);
    zeros[size / 3 * 4] = '\0';
    char *body = xasprintf("{\"key\":\"YQ==\",\"value\":\"%s\"}", zeros);
    char *request = xasprintf("POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n\r\n%s",
                              strlen(body), body);
    size_t n = strlen(request), done = 0;
    while (done < n) {
        ssize_t sent = send(fd, request + done, n - done, MSG_NOSIGNAL);
        assert_true(sent > 0);
        done += (size_t)sent;
    }
    assert_true(recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 0);
    assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
    close(fd);
    free(request);
    free(body);
    free(zeros);
    return status;
}

static void limits_change_while_it_runs(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, 300), 200);
    assert_int_equal(put(f, 3000), 400); /* the request is too large */
    api_reconfigure(f->api, &f->other);
    assert_true(turns_within(f->api, PATIENCE_MS)); /* the loop has it */
    assert_true(turns_within(f->api, PATIENCE_MS));
    assert_int_equal(put(f, 3000), 200);
    api_reconfigure(f->api, &f->cfg);
    assert_true(turns_within(f->api, PATIENCE_MS));
    assert_true(turns_within(f->api, PATIENCE_MS));
    assert_int_equal(put(f, 3000), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_loop_that_hangs_has_not_turned, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_change_while_it_runs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
