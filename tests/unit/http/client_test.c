/* tests/unit/http/client_test.c -- the client against a scripted far end, and against our server.
 *
 * The far end listens on a port of its own and is turned by the same loop: what it reads is kept,
 * what it says is up to the test; or it hands its connections to the rig's server. Names are
 * resolved by a getaddrinfo() of this file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/client.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/listener.h"
#include "unit/http/app.h"

#define FAR_CONNS_MAX 16

/* ---- names ------------------------------------------------------------------------------- */

static sem_t slow_name; /* "slow.test" is answered when this is posted */
static sem_t slow_asked;

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* "two.test" has two addresses, of which the first refuses. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    resolver *real = (resolver *)(intptr_t)dlsym(RTLD_NEXT, "getaddrinfo");
    bool numeric = hints->ai_flags & AI_NUMERICHOST;
    if (!numeric && strcmp(host, "slow.test") == 0) {
        sem_post(&slow_asked);
        sem_wait(&slow_name);
    }
    if (numeric || strcmp(host, "two.test") != 0)
        return numeric ? real(host, port, hints, ret) : EAI_NONAME;
    int rc = real("127.0.0.2", port, hints, ret);
    return rc != 0 ? rc : real("127.0.0.1", port, hints, &(*ret)->ai_next);
}

/* ---- the far end ------------------------------------------------------------------------- */

struct far_conn {
    int fd;
    struct buf in;
    bool eof;
};

struct far {
    struct rig rig;
    int listen_fd;
    char port[8];
    char dial_text[64]; /* "dial tcp 127.0.0.1:PORT: " */
    bool serve;         /* connections go to the rig's server */
    size_t n;
    struct far_conn at[FAR_CONNS_MAX];
    struct http_client *client;
};

static struct far far;

static void far_accept(void)
{
    int fd = accept4(far.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd == -1)
        return;
    assert_true(far.n < FAR_CONNS_MAX);
    far.at[far.n++].fd = far.serve ? -1 : fd;
    if (far.serve)
        http_server_adopt(far.rig.server, fd, NULL, NULL);
}

static void far_read(struct far_conn *k)
{
    uint8_t p[65536];
    ssize_t n;
    if (k->fd == -1)
        return;
    while ((n = recv(k->fd, p, sizeof p, MSG_DONTWAIT)) > 0)
        buf_add(&k->in, p, (size_t)n);
    k->eof = n == 0 || errno == ECONNRESET;
}

static void far_turn(void *arg)
{
    if (far.listen_fd != -1)
        far_accept();
    for (size_t i = 0; i < far.n; i++)
        far_read(&far.at[i]);
}

static void far_hang_up(size_t i)
{
    close(far.at[i].fd);
    far.at[i].fd = -1;
}

static void far_say_bytes(size_t i, const void *p, size_t n)
{
    assert_int_equal(send(far.at[i].fd, p, n, MSG_NOSIGNAL), n);
}

static void far_say(size_t i, const char *text)
{
    far_say_bytes(i, text, strlen(text));
}

struct heard {
    size_t i;
    const char *text;
};

static bool far_has_heard(void *arg)
{
    struct heard *h = arg;
    return far.n > h->i && buf_has(&far.at[h->i].in, h->text);
}

/* Run until `text` came on connection `i`, and forget what came. */
static void far_hear(size_t i, const char *text)
{
    struct heard h = {i, text};
    rig_until(&far.rig, far_has_heard, &h);
    buf_clear(&far.at[i].in);
}

static bool far_has_eof(void *arg)
{
    size_t *i = arg;
    return far.at[*i].eof;
}

static void far_hear_eof(size_t i)
{
    rig_until(&far.rig, far_has_eof, &i);
}

static struct http_client *client_to(const char *host, const char *port,
                                     struct http_client_config config)
{
    config.host = host;
    config.port = port;
    config.authority = "far:1";
    http_client_free(far.client);
    far.client = http_client_new(far.rig.loop, &config);
    return far.client;
}

static struct http_client *client_with(struct http_client_config config)
{
    return client_to("127.0.0.1", far.port, config);
}

static int setup(void **state)
{
    struct why why;
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    far = (struct far){.listen_fd = -1};
    app_start(&far.rig);
    assert_int_equal(listener_bind_tcp("127.0.0.1", 0, &far.listen_fd, &why), ERR_OK);
    getsockname(far.listen_fd, (struct sockaddr *)&a, &n);
    snprintf(far.port, sizeof far.port, "%u", ntohs(a.sin_port));
    snprintf(far.dial_text, sizeof far.dial_text, "dial tcp 127.0.0.1:%s: ", far.port);
    loop_on_round_end(far.rig.loop, far_turn, NULL);
    client_with((struct http_client_config){0});
    return 0;
}

static int teardown(void **state)
{
    http_client_free(far.client);
    for (size_t i = 0; i < far.n; i++) {
        if (far.at[i].fd != -1)
            close(far.at[i].fd);
        buf_fini(&far.at[i].in);
    }
    if (far.listen_fd != -1)
        close(far.listen_fd);
    rig_fini(&far.rig);
    return 0;
}

/* ---- requests ---------------------------------------------------------------------------- */

struct ask {
    struct http_request r; /* first */
    unsigned headers, done, again;
    size_t pieces;
    enum err e;
    struct buf got; /* from data, or the answer */
    char kind[32];  /* the Content-Type, taken in done */
    bool cancel_in_headers, cancel_in_data, free_client_in_headers, free_client_in_data;
    bool free_client_in_done;
};

static struct ask *ask_of(struct http_request *r)
{
    return (struct ask *)r;
}

static void free_client(void)
{
    http_client_free(far.client);
    far.client = NULL;
}

static void ask_headers(struct http_request *r)
{
    struct ask *a = ask_of(r);
    a->headers++;
    if (a->cancel_in_headers)
        http_request_cancel(r);
    if (a->free_client_in_headers)
        free_client();
}

static void ask_data(struct http_request *r, struct slice data)
{
    struct ask *a = ask_of(r);
    a->pieces++;
    buf_add_slice(&a->got, data);
    if (a->cancel_in_data)
        http_request_cancel(r);
    if (a->free_client_in_data)
        free_client();
}

static void ask_done(struct http_request *r, enum err e)
{
    struct ask *a = ask_of(r);
    a->done++;
    a->e = e;
    if (r->data == NULL)
        buf_add_slice(&a->got, buf_slice(&r->answer));
    struct slice kind = http_request_header(r, "content-type");
    snprintf(a->kind, sizeof a->kind, "%.*s", (int)kind.n, (const char *)kind.p);
    if (a->free_client_in_done)
        free_client();
    if (a->again != 0) {
        a->again--;
        http_client_send(far.client, r);
    }
}

static struct ask ask_make(const char *method, const char *path)
{
    return (struct ask){.r = {.method = method,
                              .path = path,
                              .body_max = 1000,
                              .headers_done = ask_headers,
                              .done = ask_done}};
}

static void ask_send(struct ask *a)
{
    http_client_send(far.client, &a->r);
    assert_int_equal(a->done, 0);
}

static bool ask_is_done(void *arg)
{
    const struct ask *a = arg;
    return a->done != 0 && a->r.client == NULL;
}

static void ask_expect(struct ask *a, enum err e, unsigned status, const char *body)
{
    rig_until(&far.rig, ask_is_done, a);
    assert_int_equal(a->e, e);
    if (e == ERR_OK)
        assert_int_equal(a->r.status, status);
    buf_add_byte(&a->got, '\0');
    assert_string_equal(a->got.p, body);
    buf_fini(&a->got);
    a->done = 0;
}

static void ask_expect_error(struct ask *a, enum err e, const char *why)
{
    rig_until(&far.rig, ask_is_done, a);
    assert_int_equal(a->e, e);
    assert_non_null(strstr(a->r.why.text, why));
    buf_fini(&a->got);
    a->done = 0;
}

/* Ask on connection `i`, and let it be answered with `answer`. */
static void ask_and_say(struct ask *a, size_t i, const char *answer)
{
    ask_send(a);
    far_hear(i, "\r\n\r\n");
    far_say(i, answer);
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void expect_alive(size_t i)
{
    struct ask a = ask_make("GET", "/alive");
    ask_and_say(&a, i, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");
    assert_int_equal(far.n, i + 1);
}

static void one_round(void)
{
    loop_round(far.rig.loop, clock_now_ms() + 1);
}

/* ---- tests ------------------------------------------------------------------------------- */

static void our_server_is_asked(void **state)
{
    far.serve = true;
    struct ask a = ask_make("GET", "/x?y=1");
    a.r.headers = "X-Probe: p\r\n";
    for (int i = 0; i < 3; i++) {
        ask_send(&a);
        ask_expect(&a, ERR_OK, 200, "GET /x?y=1 h1 far:1 p []");
        assert_string_equal(a.kind, "text/plain");
    }
    a.r.method = "POST";
    a.r.body = slice_str("hello");
    ask_send(&a);
    ask_expect(&a, ERR_OK, 200, "POST /x?y=1 h1 far:1 p [hello]");
    a.r.path = "/404";
    ask_send(&a);
    ask_expect(&a, ERR_OK, 404, "no");
    a.r.path = "/reset";
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, "EOF");
    assert_int_equal(far.n, 1);
}

static void a_large_answer_is_streamed(void **state)
{
    far.serve = true;
    app.to_write = 5000000;
    struct ask a = ask_make("GET", "/stream");
    a.r.data = ask_data;
    ask_send(&a);
    rig_until(&far.rig, ask_is_done, &a);
    assert_int_equal(a.e, ERR_OK);
    assert_int_equal(a.got.n, 5000000);
    assert_int_equal(a.headers, 1);
    assert_true(a.pieces > 10);
    buf_fini(&a.got);
}

static void a_large_body_is_sent(void **state)
{
    static char body[3000000];
    far.serve = true;
    memset(body, 'b', sizeof body);
    struct ask a = ask_make("POST", "/slow-body");
    a.r.body = slice_make(body, sizeof body);
    ask_send(&a);
    rig_until(&far.rig, app_holds, NULL);
    while (app.held != NULL && app.data_bytes < sizeof body) {
        http_stream_consume(app.held, app.unconsumed);
        app.unconsumed = 0;
        one_round();
    }
    ask_expect(&a, ERR_OK, 200, "taken");
}

static void what_is_sent(void **state)
{
    struct ask a = ask_make("GET", "/");
    ask_send(&a);
    far_hear(0, "GET / HTTP/1.1\r\nHost: far:1\r\n\r\n");
    far_say(0, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");
    a.r.method = "POST";
    ask_send(&a);
    far_hear(0, "POST / HTTP/1.1\r\nHost: far:1\r\nContent-Length: 0\r\n\r\n");
    far_say(0, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");
    a.r.headers = "A: 1\r\nB: 2\r\n";
    a.r.body = slice_str("xyz");
    ask_send(&a);
    far_hear(0, "Host: far:1\r\nA: 1\r\nB: 2\r\nContent-Length: 3\r\n\r\nxyz");
    far_say(0, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");
}

static void chunks_byte_by_byte(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                                 "Content-Type: \t a/b \t\r\nEmpty:\r\nX-A: 1\r\n\r\n"
                                 "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n";
    struct ask a = ask_make("GET", "/");
    ask_and_say(&a, 0, "");
    for (size_t i = 0; i < sizeof answer - 1; i++) {
        assert_int_equal(a.done, 0);
        far_say_bytes(0, answer + i, 1);
        one_round();
        if (a.headers != 0) {
            assert_int_equal(http_request_header(&a.r, "empty").n, 0);
            assert_non_null(http_request_header(&a.r, "empty").p);
            assert_true(slice_is(http_request_header(&a.r, "x-a"), "1"));
            assert_null(http_request_header(&a.r, "1").p);
            assert_null(http_request_header(&a.r, "trailer").p);
        }
    }
    ask_expect(&a, ERR_OK, 200, "abcde");
    assert_string_equal(a.kind, "a/b");
    expect_alive(0);
}

static void an_answer_that_ends_with_the_connection(void **state)
{
    struct ask a = ask_make("GET", "/");
    ask_and_say(&a, 0, "HTTP/1.1 200 OK\r\n\r\nall of ");
    far_say(0, "it");
    far_hang_up(0);
    ask_expect(&a, ERR_OK, 200, "all of it");
    expect_alive(1);
}

static void answers_without_a_body(void **state)
{
    struct ask a = ask_make("GET", "/");
    ask_and_say(&a, 0, "HTTP/1.1 204 No Content\r\n\r\n");
    ask_expect(&a, ERR_OK, 204, "");
    ask_and_say(&a, 0, "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n");
    ask_expect(&a, ERR_OK, 304, "");
    a.r.method = "HEAD";
    ask_and_say(&a, 0, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    ask_expect(&a, ERR_OK, 200, "");
    a.headers = 0;
    ask_and_say(&a, 0,
                "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
                "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    ask_expect(&a, ERR_OK, 200, "");
    assert_int_equal(a.headers, 1);
    expect_alive(0);
}

static void a_connection_that_is_not_kept(void **state)
{
    struct ask a = ask_make("GET", "/");
    ask_and_say(&a, 0, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    ask_expect(&a, ERR_OK, 200, "x");
    far_hear_eof(0);
    ask_and_say(&a, 1, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx");
    ask_expect(&a, ERR_OK, 200, "x");
    far_hear_eof(1);
    ask_and_say(&a, 2, OK_ANSWER "more than was asked");
    ask_expect(&a, ERR_OK, 200, "ok");
    far_hear_eof(2);
    expect_alive(3);
}

static void what_is_not_http_is_refused(void **state)
{
    static const char *const bad[] = {
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    };
    struct ask a = ask_make("GET", "/");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ask_and_say(&a, i, bad[i]);
        ask_expect_error(&a, ERR_MALFORMED, "malformed HTTP response");
        far_hear_eof(i);
    }
}

/* `text` again and again, up to `n` bytes, between `head` and `tail`. */
static char *long_answer(const char *head, const char *text, size_t n, const char *tail)
{
    struct buf b = BUF_INIT;
    buf_add_str(&b, head);
    for (size_t at = 0; at < n; at += strlen(text))
        buf_add_str(&b, text);
    buf_add_str(&b, tail);
    return buf_take_cstr(&b);
}

static void ask_and_say_long(struct ask *a, size_t i, const char *head, const char *text, size_t n,
                             const char *tail)
{
    char *answer = long_answer(head, text, n, tail);
    ask_and_say(a, i, answer);
    free(answer);
}

static void limits_are_kept(void **state)
{
    struct ask a = ask_make("GET", "/");
    ask_and_say_long(&a, 0, "HTTP/1.1 200 OK\r\nA: ", "a", 20000, "\r\n\r\n");
    ask_expect_error(&a, ERR_TOO_LARGE, "headers are too large");
    ask_and_say_long(&a, 1, "HTTP/1.1 200 ", "a", 20000, "");
    ask_expect_error(&a, ERR_TOO_LARGE, "headers are too large");
    ask_and_say_long(&a, 2, "HTTP/1.1 200 OK\r\n", "A: bcd\r\n", 30000, "\r\n");
    ask_expect_error(&a, ERR_TOO_LARGE, "headers are too large");
    ask_and_say_long(&a, 3, "", "HTTP/1.1 100 Continue\r\n\r\n", 20000, OK_ANSWER);
    ask_expect_error(&a, ERR_TOO_LARGE, "headers are too large");
    ask_and_say_long(&a, 4, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                     "A: bcd\r\n", 40000, "\r\n");
    ask_expect_error(&a, ERR_TOO_LARGE, "headers are too large");
    ask_and_say_long(&a, 5, "HTTP/1.1 200 OK\r\n\r\n", "a", 1001, "");
    ask_expect_error(&a, ERR_TOO_LARGE, "body is too large");
    ask_and_say_long(&a, 6, "HTTP/1.1 200 OK\r\nA: ", "a", 12000,
                     "\r\nContent-Length: 2\r\n\r\nok");
    ask_expect(&a, ERR_OK, 200, "ok");
}

static void an_answer_that_is_cut_off(void **state)
{
    struct ask a = ask_make("GET", "/");
    a.r.idempotent = true;
    ask_and_say(&a, 0, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
    far_hang_up(0);
    ask_expect_error(&a, ERR_CLOSED, "unexpected EOF");
    ask_and_say(&a, 1, "HTTP/1.1 200 OK\r\nConte");
    far_hang_up(1);
    ask_expect_error(&a, ERR_CLOSED, "unexpected EOF");
    ask_and_say(&a, 2, "");
    far_hang_up(2);
    ask_expect_error(&a, ERR_CLOSED, ": EOF");
    assert_int_equal(far.n, 3);
}

static void a_kept_connection_that_is_dead(void **state)
{
    struct ask a = ask_make("GET", "/");
    a.r.idempotent = true;
    expect_alive(0);
    ask_and_say(&a, 0, "");
    far_hang_up(0);
    far_hear(1, "GET / HTTP/1.1\r\n");
    far_say(1, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");

    a.r.idempotent = false;
    ask_and_say(&a, 1, "");
    far_hang_up(1);
    ask_expect_error(&a, ERR_CLOSED, "EOF");

    expect_alive(2);
    far_hang_up(2); /* before the request: it is seen, and not tried */
    ask_and_say(&a, 3, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");
    far_say(3, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    ask_and_say(&a, 4, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");
    assert_int_equal(far.n, 5);
}

static void a_connection_is_kept_for_a_while(void **state)
{
    client_with((struct http_client_config){.keep_ms = 1});
    expect_alive(0);
    far_hear_eof(0);
}

static void an_early_answer(void **state)
{
    static char body[20000000];
    struct ask a = ask_make("POST", "/");
    a.r.body = slice_make(body, sizeof body);
    ask_and_say(&a, 0, OK_ANSWER);
    ask_expect(&a, ERR_OK, 200, "ok");
    far_hear_eof(0);
}

static void nobody_listens(void **state)
{
    char text[100];
    struct ask a = ask_make("GET", "/");
    close(far.listen_fd);
    far.listen_fd = -1;
    ask_send(&a);
    snprintf(text, sizeof text, "%sconnect: connection refused", far.dial_text);
    ask_expect_error(&a, ERR_CLOSED, text);
    assert_string_equal(a.r.why.text, text);
}

static void requests_time_out(void **state)
{
    client_with((struct http_client_config){.conn_max = 1});
    struct ask a = ask_make("GET", "/"), b = a;
    a.r.timeout_ms = 1000;
    b.r.timeout_ms = 10;
    ask_and_say(&a, 0, "HTTP/1.1 200 OK\r\n\r\nsome");
    ask_send(&b);
    ask_expect_error(&b, ERR_TIMEOUT, "no connection to far:1 became free within 10 ms");
    ask_expect_error(&a, ERR_TIMEOUT, "far:1 did not answer within 1000 ms");
    a.r.timeout_ms = 0;
    a.r.idle_timeout_ms = 500;
    ask_and_say(&a, 1, "HTTP/1.1 200 OK\r\n\r\nsome");
    ask_expect_error(&a, ERR_TIMEOUT, "far:1 was silent for 500 ms");
    expect_alive(2);
}

/* A socket whose queue is full does not answer. */
static void a_dial_times_out(void **state)
{
    int fd = far.listen_fd, fillers[4];
    far.listen_fd = -1;
    listen(fd, 0);
    for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
        struct sockaddr_in s;
        socklen_t n = sizeof s;
        getsockname(fd, (struct sockaddr *)&s, &n);
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(fillers[i], (const struct sockaddr *)&s, n);
    }
    client_with((struct http_client_config){.connect_timeout_ms = 20});
    struct ask a = ask_make("GET", "/");
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, far.dial_text);
    assert_non_null(strstr(a.r.why.text, ": i/o timeout"));
    a.r.timeout_ms = 5;
    ask_send(&a);
    ask_expect_error(&a, ERR_TIMEOUT, "within 5 ms");
    for (size_t i = 0; i < ARRAY_LEN(fillers); i++)
        close(fillers[i]);
    close(fd);
}

static void the_pool_is_bounded(void **state)
{
    client_with((struct http_client_config){.conn_max = 2});
    struct ask a[6];
    far.serve = true;
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        a[i] = ask_make("GET", "/x");
        ask_send(&a[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        ask_expect(&a[i], ERR_OK, 200, "GET /x h1 far:1  []");
    assert_int_equal(far.n, 2);
    assert_int_equal(app.requests, 6);
}

static void requests_are_cancelled(void **state)
{
    client_with((struct http_client_config){.conn_max = 1});
    struct ask a = ask_make("GET", "/"), b = a, c = a;
    http_request_cancel(&a.r); /* not sent */
    ask_send(&a);
    ask_send(&b);
    ask_send(&c);
    http_request_cancel(&b.r); /* waits */
    http_request_cancel(&a.r); /* dials */
    far_hear(0, "\r\n\r\n");
    http_request_cancel(&c.r); /* sent */
    far_hear_eof(0);
    a.cancel_in_headers = true;
    ask_and_say(&a, 1, OK_ANSWER);
    far_hear_eof(1);
    a.cancel_in_headers = false;
    a.cancel_in_data = true;
    a.r.data = ask_data;
    ask_and_say(&a, 2,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    far_hear_eof(2);
    assert_int_equal(a.pieces, 1);
    a.r.data = NULL;
    ask_and_say(&a, 3, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
    while (a.r.answer.n == 0)
        one_round();
    http_request_cancel(&a.r);
    http_request_cancel(&a.r);
    assert_int_equal(a.done + b.done + c.done, 0);
    buf_fini(&a.got);
    expect_alive(4);
    assert_int_equal(far.n, 5);
}

struct owned {
    struct http_request r; /* first */
    bool *freed;
};

static void free_request(struct http_request *r, enum err e)
{
    struct owned *o = (struct owned *)r;
    *o->freed = true;
    free(o);
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

static void done_may_do_anything(void **state)
{
    client_with((struct http_client_config){.conn_max = 1});
    far.serve = true;
    struct ask a = ask_make("GET", "/x");
    a.again = 3;
    ask_send(&a);
    rig_until(&far.rig, ask_is_done, &a);
    assert_int_equal(a.done, 4);
    assert_int_equal(far.n, 1);
    buf_fini(&a.got);

    bool freed = false;
    struct owned *o = xcalloc(1, sizeof *o);
    *o = (struct owned){
        .r = {.method = "GET", .path = "/x", .body_max = 1000, .done = free_request},
        .freed = &freed,
    };
    http_client_send(far.client, &o->r);
    rig_until(&far.rig, is_true, &freed);

    a = ask_make("GET", "/x");
    a.free_client_in_done = true;
    ask_send(&a);
    ask_expect(&a, ERR_OK, 200, "GET /x h1 far:1  []");
}

static void a_client_is_freed(void **state)
{
    client_with((struct http_client_config){.conn_max = 1});
    struct ask a = ask_make("GET", "/"), b = a;
    ask_send(&a);
    ask_send(&b);
    far_hear(0, "\r\n\r\n");
    free_client();
    ask_expect_error(&a, ERR_CLOSED, "the client was closed");
    ask_expect_error(&b, ERR_CLOSED, "the client was closed");

    client_with((struct http_client_config){.conn_max = 1});
    a.free_client_in_headers = true;
    ask_send(&b);
    http_request_cancel(&b.r);
    ask_and_say(&a, 1, OK_ANSWER);
    ask_expect_error(&a, ERR_CLOSED, "the client was closed");
    assert_int_equal(b.done, 0);

    client_with((struct http_client_config){.conn_max = 1});
    a = ask_make("GET", "/");
    a.free_client_in_data = true;
    a.r.data = ask_data;
    ask_and_say(&a, 2, OK_ANSWER);
    ask_expect_error(&a, ERR_CLOSED, "the client was closed");

    client_with((struct http_client_config){0});
    ask_send(&b);
    free_client();
    assert_int_equal(b.e, ERR_CLOSED);
}

static void names_are_resolved(void **state)
{
    client_to("two.test", far.port, (struct http_client_config){0});
    far.serve = true;
    struct ask a = ask_make("GET", "/x"), b = a;
    ask_send(&a);
    ask_send(&b);
    ask_expect(&a, ERR_OK, 200, "GET /x h1 far:1  []");
    ask_expect(&b, ERR_OK, 200, "GET /x h1 far:1  []");
    assert_int_equal(far.n, 2);

    close(far.listen_fd);
    far.listen_fd = -1;
    client_to("two.test", far.port, (struct http_client_config){0});
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, "dial tcp 127.0.0.2:");

    client_to("none.test", "1", (struct http_client_config){0});
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, "dial tcp: lookup none.test: no such host");
}

static void a_name_that_is_not_answered(void **state)
{
    client_to("slow.test", "1", (struct http_client_config){.connect_timeout_ms = 10});
    struct ask a = ask_make("GET", "/x");
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, "dial tcp: lookup slow.test: i/o timeout");
    sem_wait(&slow_asked);

    ask_send(&a); /* waits for the same answer */
    one_round();
    sem_post(&slow_name);
    ask_expect_error(&a, ERR_CLOSED, "lookup slow.test: ");
    assert_int_not_equal(sem_trywait(&slow_asked), 0);

    client_to("slow.test", "1", (struct http_client_config){0});
    ask_send(&a);
    while (sem_trywait(&slow_asked) != 0)
        one_round();
    http_request_cancel(&a.r);
    free_client();
    sem_post(&slow_name);
    assert_int_equal(a.done, 0);
}

static void unix_sockets_are_asked(void **state)
{
    char folder[] = "/tmp/client_test.XXXXXX", path[64], text[128], too_long[200] = "";
    struct why why;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    close(far.listen_fd);
    assert_int_equal(listener_bind_unix(path, &far.listen_fd, &why), ERR_OK);
    client_to(path, NULL, (struct http_client_config){0});
    expect_alive(0);
    unlink(path);
    rmdir(folder);

    client_to(path, NULL, (struct http_client_config){0});
    struct ask a = ask_make("GET", "/x");
    ask_send(&a);
    snprintf(text, sizeof text, "dial unix %s: connect: no such file or directory", path);
    ask_expect_error(&a, ERR_CLOSED, text);

    memset(too_long, 'x', sizeof too_long - 1);
    client_to(too_long, NULL, (struct http_client_config){0});
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, "dial unix: the path is too long for a socket");
}

/* ---- an io with a handshake -------------------------------------------------------------- */

/* The handshake is a byte each way; read and writev move a few bytes at a time and
 * ask for writability in between. */
static struct {
    bool refuse_open, sent, write_again, read_again;
    unsigned closed;
} odd;

static void *odd_open(void *arg, int fd)
{
    assert_ptr_equal(arg, &odd);
    if (!odd.refuse_open)
        return http_io_plain.open(NULL, fd);
    close(fd);
    return NULL;
}

static ssize_t odd_handshake(void *io)
{
    uint8_t byte = 'h';
    struct iovec iov = {&byte, 1};
    if (!odd.sent) {
        ssize_t n = http_io_plain.writev(io, &iov, 1);
        odd.sent = n == 1;
        return odd.sent ? HTTP_IO_WANT_WRITE : n;
    }
    ssize_t n = http_io_plain.read(io, &byte, 1);
    return n == 1 && byte != 'y' ? HTTP_IO_FAILED : n;
}

static ssize_t odd_read(void *io, uint8_t *p, size_t n)
{
    odd.read_again = !odd.read_again;
    return odd.read_again ? HTTP_IO_WANT_WRITE : http_io_plain.read(io, p, n < 7 ? n : 7);
}

static ssize_t odd_writev(void *io, const struct iovec *iov, int n)
{
    odd.write_again = !odd.write_again;
    struct iovec one = {iov->iov_base, iov->iov_len < 5 ? iov->iov_len : 5};
    return odd.write_again ? HTTP_IO_WANT_WRITE : http_io_plain.writev(io, &one, 1);
}

static void odd_close(void *io)
{
    odd.closed++;
    http_io_plain.close(io);
}

static const struct http_io_ops odd_io = {
    .open = odd_open,
    .read = odd_read,
    .writev = odd_writev,
    .handshake = odd_handshake,
    .close = odd_close,
};

static void an_io_with_a_handshake(void **state)
{
    memset(&odd, 0, sizeof odd);
    client_with((struct http_client_config){.ops = &odd_io, .io_arg = &odd});
    struct ask a = ask_make("POST", "/a-long-path");
    a.r.body = slice_str("and a long body");
    ask_send(&a);
    far_hear(0, "h");
    far_say(0, "y");
    far_hear(0, "\r\n\r\nand a long body");
    far_say(0, "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz");
    ask_expect(&a, ERR_OK, 200, "abcdefghijklmnopqrstuvwxyz");
    expect_alive(0);

    client_with((struct http_client_config){.ops = &odd_io, .io_arg = &odd});
    assert_int_equal(odd.closed, 1);
    odd.sent = false;
    ask_send(&a);
    far_hear(1, "h");
    far_say(1, "n");
    ask_expect_error(&a, ERR_CLOSED, "handshake failed");
    assert_int_equal(odd.closed, 2);

    odd.refuse_open = true;
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, "handshake failed");
    assert_int_equal(odd.closed, 2);

    odd.refuse_open = odd.sent = false;
    client_with(
        (struct http_client_config){.ops = &odd_io, .io_arg = &odd, .connect_timeout_ms = 10});
    ask_send(&a);
    ask_expect_error(&a, ERR_CLOSED, "i/o timeout");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(our_server_is_asked),
        TEST(a_large_answer_is_streamed),
        TEST(a_large_body_is_sent),
        TEST(what_is_sent),
        TEST(chunks_byte_by_byte),
        TEST(an_answer_that_ends_with_the_connection),
        TEST(answers_without_a_body),
        TEST(a_connection_that_is_not_kept),
        TEST(what_is_not_http_is_refused),
        TEST(limits_are_kept),
        TEST(an_answer_that_is_cut_off),
        TEST(a_kept_connection_that_is_dead),
        TEST(a_connection_is_kept_for_a_while),
        TEST(an_early_answer),
        TEST(nobody_listens),
        TEST(requests_time_out),
        TEST(a_dial_times_out),
        TEST(the_pool_is_bounded),
        TEST(requests_are_cancelled),
        TEST(done_may_do_anything),
        TEST(a_client_is_freed),
        TEST(names_are_resolved),
        TEST(a_name_that_is_not_answered),
        TEST(unix_sockets_are_asked),
        TEST(an_io_with_a_handshake),
    };
    sem_init(&slow_name, 0, 0);
    sem_init(&slow_asked, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
