/* tests/unit/client/call_test.c -- unary calls: where they go, when they are sent again, tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/client/fake.h"

static struct fake fakes[2];
static struct etcd_client *client;
static struct etcd_error error;

/* ---- setting up -------------------------------------------------------------------------- */

static int setup(void **state)
{
    fake_listen(&fakes[0]);
    fake_listen(&fakes[1]);
    client = NULL;
    error = (struct etcd_error){.code = ETCD_OK};
    return 0;
}

static int teardown(void **state)
{
    fake_stop(&fakes[0]);
    fake_stop(&fakes[1]);
    etcd_client_free(client);
    return 0;
}

/* A client of the first `n` fakes, which all serve. */
static void start_with(size_t n, struct etcd_client_config config)
{
    const char *urls[] = {fakes[0].url, fakes[1].url};
    config.endpoints = urls;
    config.n_endpoints = n;
    client = etcd_client_new(&config, &error);
    assert_non_null(client);
    for (size_t i = 0; i < n; i++)
        fake_serve(&fakes[i], client);
}

static void start(size_t n)
{
    start_with(n, (struct etcd_client_config){.call_timeout_ms = 15000});
}

/* Return the header's revision, which counts the server's calls, or -1 and set `error`. */
static int64_t range(void)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RangeResponse *r = etcd_call(client, &etcd_rpc_range, &rq, 0, &error);
    int64_t rev = r != NULL ? r->header->revision : -1;
    etcd_response_free(r);
    return rev;
}

static int64_t put(void)
{
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__PutResponse *r = etcd_call(client, &etcd_rpc_put, &rq, 0, &error);
    int64_t rev = r != NULL ? r->header->revision : -1;
    etcd_response_free(r);
    return rev;
}

static void order(enum order o, enum grpc_code code, const char *text)
{
    if (text != NULL) {
        fakes[0].code = code;
        fakes[0].text = text;
    }
    fake_order(&fakes[0], o);
}

/* ---- answers ----------------------------------------------------------------------------- */

static void a_call_returns_its_answer(void **state)
{
    start(1);
    assert_int_equal(range(), 1);
    assert_int_equal(put(), 2);
    assert_int_equal(fakes[0].authenticates, 0);
}

static void errors_are_worded_as_upstream_does(void **state)
{
    start(1);
    order(ORDER_FAIL, GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided");
    assert_int_equal(range(), -1);
    assert_string_equal(error.text, "etcdserver: key is not provided");
    assert_int_equal(error.code, ETCD_INVALID_ARGUMENT);
    assert_true(error.from_server);
    order(ORDER_FAIL, GRPC_UNKNOWN, "etcdserver: something new");
    assert_int_equal(range(), -1);
    assert_string_equal(error.text, "rpc error: code = Unknown desc = etcdserver: something new");
    order(ORDER_FAIL, GRPC_UNAVAILABLE, "etcdserver: leader changed");
    assert_int_equal(put(), -1);
    assert_string_equal(error.text, "etcdserver: leader changed");
}

/* A client of an endpoint where nobody listens. */
static void start_nowhere(struct etcd_client_config config)
{
    fake_stop(&fakes[1]);
    fake_listen(&fakes[1]);
    char url[sizeof fakes[1].url];
    memcpy(url, fakes[1].url, sizeof url);
    fake_stop(&fakes[1]);
    const char *urls[] = {url};
    config.endpoints = urls;
    config.n_endpoints = 1;
    client = etcd_client_new(&config, &error);
}

static void nobody_there_fails_fast_if_told(void **state)
{
    start_nowhere((struct etcd_client_config){.call_timeout_ms = -1, .fail_fast = true});
    for (int i = 0; i < 3; i++) { /* while it connects, and between two tries */
        memset(&error, 0, sizeof error);
        assert_int_equal(i == 1 ? put() : range(), -1);
        assert_int_equal(error.code, ETCD_UNAVAILABLE);
        assert_non_null(strstr(error.text, "Error while dialing: dial tcp"));
        assert_false(error.from_server);
    }
}

static void nobody_there_is_a_deadline(void **state)
{
    start_nowhere((struct etcd_client_config){.call_timeout_ms = 200});
    msec before = clock_now_ms();
    assert_int_equal(range(), -1);
    assert_true(clock_now_ms() - before >= 200);
    assert_int_equal(error.code, ETCD_DEADLINE_EXCEEDED);
    assert_string_equal(error.text, "context deadline exceeded");
    assert_false(error.from_server);
}

static void no_answer_is_a_deadline(void **state)
{
    start_with(1, (struct etcd_client_config){.call_timeout_ms = 1000});
    order(ORDER_STALL, 0, NULL);
    assert_int_equal(put(), -1);
    assert_string_equal(error.text, "context deadline exceeded");
    assert_int_equal(put(), 2);
}

static void sizes_are_limited(void **state)
{
    uint8_t bytes[300] = {0};
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
    rq.value = (ProtobufCBinaryData){.len = sizeof bytes, .data = bytes};
    start_with(1, (struct etcd_client_config){.send_max = 200, .recv_max = 201});
    assert_null(etcd_call(client, &etcd_rpc_put, &rq, 0, &error));
    assert_int_equal(error.code, ETCD_RESOURCE_EXHAUSTED);
    assert_string_equal(error.text, "rpc error: code = ResourceExhausted desc = trying to send "
                                    "message larger than max (303 vs. 200)");
    assert_int_equal(fakes[0].calls, 0);
    assert_int_equal(put(), 1);
}

/* ---- again ------------------------------------------------------------------------------- */

static void reads_are_sent_again(void **state)
{
    start(1);
    order(ORDER_FAIL, GRPC_UNAVAILABLE, "etcdserver: leader changed");
    order(ORDER_FAIL, GRPC_UNAVAILABLE, "etcdserver: leader changed");
    order(ORDER_CLOSE, 0, NULL);
    assert_int_equal(range(), 4);
}

static void writes_are_not(void **state)
{
    start(1);
    order(ORDER_FAIL, GRPC_UNAVAILABLE, "etcdserver: leader changed");
    assert_int_equal(put(), -1);
    order(ORDER_CLOSE, 0, NULL);
    assert_int_equal(put(), -1);
    assert_int_equal(error.code, ETCD_UNAVAILABLE);
    assert_memory_equal(error.text, "rpc error: code = Unavailable desc = ", 37);
    assert_int_equal(put(), 3);
}

static void what_was_not_begun_is_sent_again(void **state)
{
    start(1);
    order(ORDER_REFUSE, 0, NULL);
    order(ORDER_REFUSE, 0, NULL);
    assert_int_equal(put(), 3);
}

static void a_learner_is_left_for_another_member(void **state)
{
    start(2);
    for (int i = 0; i < 2; i++)
        order(ORDER_FAIL, GRPC_FAILED_PRECONDITION, "etcdserver: rpc not supported for learner");
    for (int i = 0; i < 4; i++)
        assert_true(put() > 0);
    assert_true(fakes[1].calls > 0);
}

static void an_endpoint_that_is_gone_is_left(void **state)
{
    start(2);
    for (int i = 0; i < 10; i++)
        assert_true(put() > 0);
    assert_true(fakes[0].calls > 0 || fakes[1].calls > 0);
    fake_stop(&fakes[0]);
    unsigned before = fakes[1].calls;
    for (int i = 0; i < 10; i++)
        assert_true(range() > 0);
    assert_int_equal(fakes[1].calls, before + 10);
}

static void an_endpoint_that_is_silent_is_shunned(void **state)
{
    start_with(2, (struct etcd_client_config){.call_timeout_ms = 1000});
    for (int i = 0; i < ORDERS_MAX; i++)
        fake_order(&fakes[0], ORDER_STALL);
    int failed = 0;
    for (int i = 0; i < 10; i++)
        failed += put() == -1;
    assert_in_range(failed, 0, 1);
}

/* ---- one endpoint, other endpoints ----------------------------------------------------------- */

static void a_call_may_name_its_endpoint(void **state)
{
    start(2);
    Etcdserverpb__StatusRequest rq = ETCDSERVERPB__STATUS_REQUEST__INIT;
    for (size_t i = 0; i < 4; i++) {
        void *r = etcd_call_at(client, 1, &etcd_rpc_status, &rq, 0, &error);
        assert_non_null(r);
        etcd_response_free(r);
    }
    assert_int_equal(fakes[0].calls, 0);
    assert_int_equal(fakes[1].calls, 4);
}

static void endpoints_may_change(void **state)
{
    start(1);
    assert_int_equal(put(), 1);
    const char *urls[] = {fakes[1].url};
    assert_false(etcd_client_set_endpoints(client, (const char *const[]){"nonsense"}, 1, &error));
    assert_int_equal(error.code, ETCD_INVALID_ARGUMENT);
    assert_int_equal(put(), 2);
    assert_true(etcd_client_set_endpoints(client, urls, 1, &error));
    fake_serve(&fakes[1], client);
    assert_int_equal(put(), 1);
    assert_int_equal(fakes[1].calls, 1);
    size_t n;
    assert_string_equal(etcd_client_endpoints(client, &n)[0], fakes[1].url);
    assert_int_equal(n, 1);
}

static void after_goaway_there_is_another_connection(void **state)
{
    start(1);
    order(ORDER_STALL, 0, NULL);
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
    struct etcd_pending *held = etcd_call_start(client, &etcd_rpc_put, &rq, -1, NULL, NULL);
    while (fakes[0].calls == 0)
        (void)etcd_client_poll(client, 100);
    http_server_drain(fakes[0].http[0], NULL, NULL);
    while (h2_client_takes_streams(client->endpoints[0]->h2))
        (void)etcd_client_poll(client, 100);
    assert_int_equal(put(), 2);
    etcd_call_cancel(held);
}

static struct {
    unsigned n;
    int last;
    bool says_goaway; /* and does not close */
} hung_up;

static void say_hello_and_hang_up(void *arg, int fd)
{
    static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    static const uint8_t goaway[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (hung_up.n++ != 0)
        close(hung_up.last);
    hung_up.last = accept(fd, NULL, NULL);
    assert_int_equal(write(hung_up.last, settings, sizeof settings), sizeof settings);
    if (hung_up.says_goaway)
        assert_int_equal(write(hung_up.last, goaway, sizeof goaway), sizeof goaway);
    else
        shutdown(hung_up.last, SHUT_WR);
}

/* It is not asked as fast as it can hang up. */
static void a_server_that_hangs_up_is_given_time(void **state)
{
    const char *urls[] = {fakes[0].url};
    client = etcd_client_new(
        &(struct etcd_client_config){.endpoints = urls, .n_endpoints = 1, .call_timeout_ms = 2000},
        &error);
    etcd_client_on_readable(client, fakes[0].fd, say_hello_and_hang_up, NULL);
    for (int i = 0; i < 2; i++) {
        hung_up.n = 0;
        hung_up.says_goaway = i == 1;
        assert_int_equal(range(), -1);
        assert_in_range(hung_up.n, 2, 80);
        close(hung_up.last);
    }
}

static void a_time_without_end_is_none_that_is_over(void **state)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    start_with(1, (struct etcd_client_config){.call_timeout_ms = INT64_MAX,
                                              .dial_timeout_ms = INT64_MAX,
                                              .keepalive_time_ms = INT64_MAX,
                                              .keepalive_timeout_ms = INT64_MAX});
    assert_int_equal(range(), 1);
    void *r = etcd_call(client, &etcd_rpc_range, &rq, INT64_MAX, &error);
    assert_non_null(r);
    etcd_response_free(r);
    assert_true(etcd_client_poll(client, 0));
    struct etcd_pending *p = etcd_call_start(client, &etcd_rpc_range, &rq, 0, NULL, NULL);
    assert_true(etcd_client_poll(client, INT64_MAX));
    etcd_call_cancel(p);
}

/* ---- tokens ------------------------------------------------------------------------------ */

static const struct etcd_client_config with_user = {.user = "root", .password = "pw"};

static void a_token_is_got_once(void **state)
{
    start_with(1, with_user);
    fakes[0].password = "pw";
    fakes[0].good_token = "t1";
    assert_int_equal(put(), 1);
    assert_int_equal(range(), 2);
    assert_int_equal(fakes[0].authenticates, 1);
    assert_string_equal(fakes[0].last_token, "t1");
}

static void a_token_that_is_refused_is_replaced(void **state)
{
    start_with(1, with_user);
    fakes[0].password = "pw";
    fakes[0].good_token = "t1";
    assert_int_equal(put(), 1);
    fakes[0].good_token = "t2";
    assert_int_equal(put(), 3); /* the first was refused, and not begun */
    assert_int_equal(fakes[0].authenticates, 2);
    order(ORDER_FAIL, GRPC_INVALID_ARGUMENT, "etcdserver: revision of auth store is old");
    assert_int_equal(put(), 5);
    assert_int_equal(fakes[0].authenticates, 3);
}

static void a_wrong_password_fails_the_call(void **state)
{
    start_with(1, with_user);
    fakes[0].password = "other";
    fakes[0].good_token = "t1";
    assert_int_equal(put(), -1);
    assert_string_equal(error.text,
                        "etcdserver: authentication failed, invalid user ID or password");
    assert_int_equal(fakes[0].calls, 0);
    assert_false(etcd_client_login(client, &error));
    assert_int_equal(error.code, ETCD_INVALID_ARGUMENT);
    fakes[0].password = "pw";
    assert_true(etcd_client_login(client, &error));
    assert_int_equal(put(), 1);
}

static void without_authentication_there_is_no_token(void **state)
{
    start_with(1, with_user);
    assert_true(etcd_client_login(client, &error));
    assert_int_equal(put(), 1);
    assert_string_equal(fakes[0].last_token, "");
}

static void a_user_without_a_password_is_refused_once(void **state)
{
    start_with(1, (struct etcd_client_config){.user = "root", .call_timeout_ms = 15000});
    order(ORDER_FAIL, GRPC_INVALID_ARGUMENT, err_text(ERR_USER_EMPTY));
    assert_int_equal(range(), -1);
    assert_string_equal(error.text, err_text(ERR_USER_EMPTY));
    assert_int_equal(fakes[0].calls, 1);
}

static void a_given_token_is_sent(void **state)
{
    start_with(1, (struct etcd_client_config){.token = "jwt"});
    fakes[0].password = "pw";
    fakes[0].good_token = "jwt";
    assert_int_equal(put(), 1);
    fakes[0].good_token = "other";
    assert_int_equal(put(), -1);
    assert_string_equal(error.text, "etcdserver: invalid auth token");
    assert_int_equal(fakes[0].authenticates, 0);
}

/* ---- listening --------------------------------------------------------------------------- */

static unsigned told, told_well;

static void on_told(void *arg, const void *response, const struct etcd_error *e)
{
    told++;
    told_well += response != NULL;
}

static bool all_told(void *arg)
{
    return told == *(unsigned *)arg;
}

static void many_calls_are_under_way_at_once(void **state)
{
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
    unsigned n = 3000;
    start(2);
    told = told_well = 0;
    for (unsigned i = 0; i < n; i++)
        (void)etcd_call_start(client, &etcd_rpc_put, &rq, 0, on_told, NULL);
    assert_int_equal(told, 0);
    poll_until(client, all_told, &n);
    assert_int_equal(told_well, n);
    assert_int_equal(fakes[0].calls + fakes[1].calls, n);
}

static void a_client_is_freed_with_calls_under_way(void **state)
{
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
    start(1);
    told = 0;
    order(ORDER_STALL, 0, NULL);
    (void)etcd_call_start(client, &etcd_rpc_put, &rq, 0, on_told, NULL);
    struct etcd_pending *p = etcd_call_start(client, &etcd_rpc_put, &rq, 0, on_told, NULL);
    etcd_call_cancel(p);
    while (fakes[0].calls == 0)
        (void)etcd_client_poll(client, 100);
    (void)etcd_call_start(client, &etcd_rpc_put, &rq, 0, on_told, NULL);
    fake_stop(&fakes[0]); /* in the client's loop */
    etcd_client_free(client);
    client = NULL;
    assert_int_equal(told, 0);
}

static void on_timer(void *arg)
{
    etcd_client_interrupt(client);
}

static void an_interruption_ends_the_wait(void **state)
{
    start(1);
    order(ORDER_STALL, 0, NULL);
    struct etcd_timer *t = etcd_timer_new(client, on_timer, NULL);
    etcd_timer_set(t, 1);
    assert_int_equal(put(), -1);
    assert_int_equal(error.code, ETCD_CANCELED);
    assert_false(etcd_client_poll(client, -1));
    assert_int_equal(put(), -1);
    etcd_client_resume(client);
    assert_int_equal(put(), 2);
    etcd_timer_free(t);
}

static void on_readable(void *arg, int fd)
{
    char c;
    ssize_t n = read(fd, &c, 1);
    *(int *)arg += n == 1 ? 1 : 100;
    if (n != 1)
        etcd_client_on_readable(client, fd, NULL, NULL);
}

static bool was_read(void *arg)
{
    return *(int *)arg == 103;
}

static void descriptors_are_read(void **state)
{
    int pipes[2], count = 0;
    start(1);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "abc", 3), 3);
    close(pipes[1]);
    etcd_client_on_readable(client, pipes[0], on_readable, &count);
    poll_until(client, was_read, &count);
    close(pipes[0]);

    FILE *f = tmpfile(); /* which epoll does not take */
    assert_int_equal(fputs("abc", f), 1);
    rewind(f);
    count = 0;
    etcd_client_on_readable(client, fileno(f), on_readable, &count);
    poll_until(client, was_read, &count);
    fclose(f);
}

static void in_callback(void *arg, const void *response, const struct etcd_error *e)
{
    told++;
    assert_int_equal(put(), -1);
    assert_int_equal(error.code, ETCD_FAILED_PRECONDITION);
}

static void nobody_waits_inside_a_callback(void **state)
{
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
    unsigned n = 1;
    start(1);
    told = 0;
    (void)etcd_call_start(client, &etcd_rpc_put, &rq, 0, in_callback, NULL);
    poll_until(client, all_told, &n);
}

/* ---- configurations ------------------------------------------------------------------------ */

static void addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *host, *port, *authority;
        bool tls, says;
    } rows[] = {
        {"localhost:2379", "localhost", "2379", "localhost:2379", false, false},
        {"http://a.b:1", "a.b", "1", "a.b:1", false, true},
        {"https://a.b:1/x?y", "a.b", "1", "a.b:1", true, true},
        {"[::1]:65535", "::1", "65535", "[::1]:65535", false, false},
        {"unix:///run/x/etcd.sock:0", "/run/x/etcd.sock:0", NULL, "etcd.sock:0", false, false},
        {"unix:etcd.sock", "etcd.sock", NULL, "etcd.sock", false, false},
        {"unixs:///s", "/s", NULL, "s", true, true},
    };
    static const char *const bad[] = {
        "",        "host",   ":1",    "h:",    "h:65536",  "h:-1",  "h:1x",  "ftp://h:1",
        "http://", "unix:",  "::1:2", "a b:1", "http://h", "[::1]", "u@h:1", "http://http://h:1",
        "[]:1",    "unix://"};
    struct endpoint_address a;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(endpoint_address_parse(rows[i].text, &a, &error));
        assert_string_equal(a.host, rows[i].host);
        if (rows[i].port != NULL)
            assert_string_equal(a.port, rows[i].port);
        else
            assert_null(a.port);
        assert_string_equal(a.authority, rows[i].authority);
        assert_int_equal(a.tls, rows[i].tls);
        assert_int_equal(a.scheme_says, rows[i].says);
        endpoint_address_fini(&a);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (endpoint_address_parse(bad[i], &a, &error))
            fail_msg("\"%s\" is no endpoint", bad[i]);
}

static void there_may_be_many_endpoints(void **state)
{
    const char *urls[ETCD_ENDPOINTS_MAX + 1];
    size_t n;
    start(1);
    assert_int_equal(range(), 1);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        urls[i] = fakes[0].url;
    assert_true(etcd_client_set_endpoints(client, urls, ETCD_ENDPOINTS_MAX, &error));
    assert_int_equal(range(), 2);
    assert_false(etcd_client_set_endpoints(client, urls, ETCD_ENDPOINTS_MAX + 1, &error));
    assert_int_equal(error.code, ETCD_INVALID_ARGUMENT);
    assert_int_equal(range(), 3);
    const char *const *mine = etcd_client_endpoints(client, &n);
    assert_int_equal(n, ETCD_ENDPOINTS_MAX);
    assert_true(etcd_client_set_endpoints(client, mine, 2, &error)); /* which it frees itself */
    assert_int_equal(range(), 4);
}

static void bad_configurations_are_refused(void **state)
{
    struct etcd_client_config c = {.user = "u", .password = "p", .token = "t"};
    assert_null(etcd_client_new(&c, &error));
    c = (struct etcd_client_config){.send_max = 10, .recv_max = 5};
    assert_null(etcd_client_new(&c, &error));
    c = (struct etcd_client_config){.ca_file = "/nonexistent"};
    assert_null(etcd_client_new(&c, &error));
    assert_non_null(strstr(error.text, "/nonexistent"));
    const char *urls[] = {"127.0.0.1:1", "x"};
    c = (struct etcd_client_config){.endpoints = urls, .n_endpoints = 2};
    assert_null(etcd_client_new(&c, &error));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_returns_its_answer),
        TEST(errors_are_worded_as_upstream_does),
        TEST(nobody_there_is_a_deadline),
        TEST(nobody_there_fails_fast_if_told),
        TEST(no_answer_is_a_deadline),
        TEST(sizes_are_limited),
        TEST(reads_are_sent_again),
        TEST(writes_are_not),
        TEST(what_was_not_begun_is_sent_again),
        TEST(a_learner_is_left_for_another_member),
        TEST(an_endpoint_that_is_gone_is_left),
        TEST(an_endpoint_that_is_silent_is_shunned),
        TEST(a_call_may_name_its_endpoint),
        TEST(endpoints_may_change),
        TEST(after_goaway_there_is_another_connection),
        TEST(a_token_is_got_once),
        TEST(a_token_that_is_refused_is_replaced),
        TEST(a_wrong_password_fails_the_call),
        TEST(without_authentication_there_is_no_token),
        TEST(a_given_token_is_sent),
        TEST(many_calls_are_under_way_at_once),
        TEST(a_client_is_freed_with_calls_under_way),
        TEST(an_interruption_ends_the_wait),
        TEST(descriptors_are_read),
        TEST(nobody_waits_inside_a_callback),
        TEST(addresses_are_taken_apart),
        TEST(bad_configurations_are_refused),
        TEST(there_may_be_many_endpoints),
        TEST(a_server_that_hangs_up_is_given_time),
        TEST(a_time_without_end_is_none_that_is_over),
        TEST(a_user_without_a_password_is_refused_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
