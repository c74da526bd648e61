/* tests/unit/http/listener_test.c -- real sockets: binding, accepting, dealing out to threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/http/app.h"

static int bind_tcp(uint16_t port)
{
    int fd = -1;
    struct why why;
    assert_int_equal(listener_bind_tcp("127.0.0.1", port, &fd, &why), ERR_OK);
    return fd;
}

static int dial(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void ask(int fd)
{
    static const char req[] = "GET /404 HTTP/1.0\r\n\r\n";
    assert_int_equal(send(fd, req, sizeof req - 1, MSG_NOSIGNAL), sizeof req - 1);
}

/* Read to the end, in blocking calls: the servers run in threads of their own. */
static void expect_answer(int fd)
{
    char text[1024];
    size_t n = 0;
    ssize_t got;
    while ((got = recv(fd, text + n, sizeof text - n - 1, 0)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    assert_non_null(strstr(text, "404 Not Found"));
    close(fd);
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void on_request(struct http_stream *s, void *arg)
{
    assert_memory_equal(http_stream_peer(s), "127.0.0.1:", 10);
    http_stream_respond_full(s, 404, NULL, 0, slice_str("no"));
}

static void connections_are_dealt_out_in_turn(void **state)
{
    struct http_config cfg = {.request = on_request};
    struct loop *loops[3];
    struct http_server *servers[3];
    pthread_t threads[3];
    int fd = bind_tcp(0);
    uint16_t port = listener_port(fd);
    for (int i = 0; i < 3; i++) {
        loops[i] = loop_new();
        servers[i] = http_server_new(loops[i], &cfg);
    }
    struct acceptor *a = acceptor_new(loops[0], fd, NULL, NULL);
    for (int i = 0; i < 3; i++)
        acceptor_add(a, servers[i]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, loops[i]), 0);
    for (int i = 0; i < 9; i++) {
        int c = dial(port);
        ask(c);
        expect_answer(c);
    }
    loop_stop(loops[0]);
    pthread_join(threads[0], NULL);
    acceptor_free(a);
    for (int i = 1; i < 3; i++) {
        loop_stop(loops[i]);
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(http_server_counters(servers[i])->conns_accepted, 3);
        http_server_free(servers[i]);
        loop_free(loops[i]);
    }
}

static bool many_rounds(void *arg)
{
    return ++*(unsigned *)arg >= 20;
}

static bool has_accepted(void *arg)
{
    struct rig *r = arg;
    return http_server_counters(r->server)->conns_accepted == 1;
}

static void accepting_pauses_without_descriptors(void **state)
{
    struct rig r;
    app_start(&r);
    int fd = bind_tcp(0);
    struct acceptor *a = acceptor_new(r.loop, fd, NULL, NULL);
    acceptor_add(a, r.server);
    int c = dial(listener_port(fd));
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = (rlim_t)c + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    unsigned rounds = 0;
    rig_until(&r, many_rounds, &rounds);
    assert_false(has_accepted(&r));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    rig_until(&r, has_accepted, &r);
    close(c);
    acceptor_free(a);
    rig_fini(&r);
}

static void bind_errors_are_told(void **state)
{
    int fd = bind_tcp(0), other;
    struct why why;
    assert_int_equal(listener_bind_tcp("127.0.0.1", listener_port(fd), &other, &why), ERR_IO);
    assert_non_null(strstr(why.text, "address already in use"));
    assert_int_equal(listener_bind_tcp("example.invalid", 0, &other, &why), ERR_MALFORMED);
    assert_int_equal(listener_bind_unix("", &other, &why), ERR_MALFORMED);
    assert_int_equal(listener_bind_unix("/nonexistent/dir/s", &other, &why), ERR_IO);
    close(fd);
}

static void localhost_and_all_addresses_bind(void **state)
{
    int fd;
    assert_int_equal(listener_bind_tcp("localhost", 0, &fd, NULL), ERR_OK);
    assert_true(listener_port(fd) != 0);
    close(fd);
    assert_int_equal(listener_bind_tcp("", 0, &fd, NULL), ERR_OK);
    close(dial(listener_port(fd)));
    close(fd);
}

static void stale_unix_socket_is_replaced(void **state)
{
    char dir[] = "/tmp/listener_test_XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    int a, b;
    struct why why;
    assert_int_equal(listener_bind_unix(path, &a, &why), ERR_OK);
    assert_int_equal(listener_bind_unix(path, &b, &why), ERR_IO); /* in use */
    close(a);
    assert_int_equal(listener_bind_unix(path, &b, &why), ERR_OK);
    assert_int_equal(listener_port(b), 0);
    close(b);
    unlink(path);
    rmdir(dir);
}

static void an_address_is_shared_if_both_allow_it(void **state)
{
    (void)state;
    struct why why;
    int a = -1, b = -1, c = -1;
    assert_int_equal(listener_bind_tcp_shared("127.0.0.1", 0, &a, &why), ERR_OK);
    uint16_t port = listener_port(a);
    assert_int_equal(listener_bind_tcp_shared("127.0.0.1", port, &b, &why), ERR_OK);
    assert_int_equal(listener_bind_tcp("127.0.0.1", port, &c, &why), ERR_IO);
    close(a);
    close(b);
}

static void an_address_is_told_from_its_socket(void **state)
{
    (void)state;
    struct why why;
    int v4 = bind_tcp(0), all = -1, un = -1;
    uint16_t port = listener_port(v4);
    assert_true(listener_is_at_tcp(v4, "127.0.0.1", port));
    assert_false(listener_is_at_tcp(v4, "127.0.0.1", (uint16_t)(port + 1)));
    assert_false(listener_is_at_tcp(v4, "127.0.0.2", port));
    assert_false(listener_is_at_tcp(v4, "", port));
    assert_false(listener_is_at_tcp(v4, "::1", port));
    assert_true(listener_is_local(v4));
    char *url = listener_url(v4, true), want[64];
    snprintf(want, sizeof want, "https://127.0.0.1:%u", port);
    assert_string_equal(url, want);
    free(url);

    assert_int_equal(listener_bind_tcp("", 0, &all, &why), ERR_OK);
    assert_true(listener_is_at_tcp(all, "", listener_port(all)));
    assert_false(listener_is_at_tcp(all, "127.0.0.1", listener_port(all)));
    assert_false(listener_is_local(all));

    char dir[] = "/tmp/etcd-listen-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    assert_int_equal(listener_bind_unix(path, &un, &why), ERR_OK);
    assert_true(listener_is_at_unix(un, path));
    assert_false(listener_is_at_unix(un, dir));
    assert_false(listener_is_at_unix(v4, path));
    assert_true(listener_is_local(un));
    url = listener_url(un, false);
    assert_memory_equal(url, "unix:///tmp/", 12);
    free(url);
    close(v4);
    close(all);
    close(un);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_told_from_its_socket),
        cmocka_unit_test(an_address_is_shared_if_both_allow_it),
        cmocka_unit_test(connections_are_dealt_out_in_turn),
        cmocka_unit_test(accepting_pauses_without_descriptors),
        cmocka_unit_test(bind_errors_are_told),
        cmocka_unit_test(localhost_and_all_addresses_bind),
        cmocka_unit_test(stale_unix_socket_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
