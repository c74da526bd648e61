/* tests/unit/tls/tls_test.c -- both HTTP clients through TLS, against our server behind OpenSSL.
 *
 * What an operator reads when it does not work is part of what is tested.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/client.h"
#include "http/h2_client.h"
#include "tls/io.h"
#include "unit/http/app.h"
#include "unit/tls/peer.h"

#define DAY_S 86400

static struct cert ca, other_ca, good, expired, renewed, client, root_signed_by_nobody;

static struct {
    struct rig rig;
    struct peer peer;
    int listen_fd, fd;
    char port[8], dir[32];
    bool plain, mute; /* a server that does not speak TLS, or nothing */
    struct tls_context *context;
    struct tls_server server;
    struct h2_client *h2;
    enum h2_client_state state;
    struct why why;
    bool over;
    enum err e;
    struct buf body;
} t;

/* ---- files ------------------------------------------------------------------------------- */

static const char *file(const char *name)
{
    static char paths[8][64];
    static unsigned i;
    char *p = paths[i++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", t.dir, name);
    return p;
}

static void make_certs(void)
{
    ca = cert_make(&(struct cert_spec){"ca", NULL, true, -DAY_S, DAY_S, NULL});
    other_ca = cert_make(&(struct cert_spec){"other", NULL, true, -DAY_S, DAY_S, NULL});
    const char *san = "DNS:localhost,DNS:*.wild.test,IP:127.0.0.1";
    good = cert_make(&(struct cert_spec){"cn.test", san, false, -DAY_S, DAY_S, &ca});
    renewed = cert_make(&(struct cert_spec){"renewed", san, false, -DAY_S, DAY_S, &other_ca});
    expired = cert_make(&(struct cert_spec){"expired", san, false, -DAY_S, -60, &ca});
    client = cert_make(&(struct cert_spec){"me", NULL, false, -DAY_S, DAY_S, &ca});
    root_signed_by_nobody = cert_make(&(struct cert_spec){"self", san, false, -DAY_S, DAY_S, NULL});
}

/* ---- the far end ------------------------------------------------------------------------- */

static void far_turn(void *arg)
{
    int fd = accept4(t.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd == -1)
        return;
    if (t.mute)
        t.fd = fd;
    else
        http_server_adopt(t.rig.server, fd, t.plain ? NULL : &peer_io, &t.peer);
}

static int setup(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    memset(&t, 0, sizeof t);
    t.fd = -1;
    app_start(&t.rig);
    loop_on_round_end(t.rig.loop, far_turn, NULL);
    t.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(t.listen_fd, (struct sockaddr *)&in, n), 0);
    assert_int_equal(listen(t.listen_fd, 16), 0);
    getsockname(t.listen_fd, (struct sockaddr *)&in, &n);
    snprintf(t.port, sizeof t.port, "%u", ntohs(in.sin_port));
    snprintf(t.dir, sizeof t.dir, "/tmp/tls_test.XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    cert_write(&ca, file("ca.pem"));
    cert_write(&client, file("client.pem"));
    cert_write_key(&client, file("client.key"), NULL);
    t.peer = (struct peer){.cert = &good, .alpn = "h2"};
    t.server.name = "127.0.0.1";
    return 0;
}

static int teardown(void **state)
{
    h2_client_free(t.h2);
    tls_context_free(t.context);
    rig_fini(&t.rig);
    close(t.listen_fd);
    if (t.fd != -1)
        close(t.fd);
    buf_fini(&t.body);
    const char *names[] = {"ca.pem", "client.pem", "client.key", "x.pem"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(file(names[i]));
    assert_int_equal(rmdir(t.dir), 0);
    return 0;
}

static struct tls_config trusting(void)
{
    return (struct tls_config){.ca_file = file("ca.pem"), .alpn = "h2"};
}

static void make_context(struct tls_config c)
{
    struct why why = {""};
    enum err e = tls_context_new(&c, &t.context, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(e, ERR_OK);
    t.server.context = t.context;
}

/* ---- HTTP/2 ------------------------------------------------------------------------------ */

static void on_changed(struct h2_client *c, void *arg, enum h2_client_state state,
                       const struct why *why)
{
    t.state = state;
    t.over = true;
    if (state == H2_CLIENT_IDLE)
        t.why = *why;
}

static bool is_over(void *arg)
{
    return t.over;
}

/* Return true if the connection can be used; else t.why says why not. */
static bool connect_h2(void)
{
    const struct h2_client_config c = {.host = "127.0.0.1",
                                       .port = t.port,
                                       .scheme = "https",
                                       .authority = "test",
                                       .ops = &tls_client_io,
                                       .io_arg = &t.server,
                                       .connect_timeout_ms = t.mute ? 50 : 0,
                                       .changed = on_changed};
    h2_client_free(t.h2);
    t.over = false;
    t.h2 = h2_client_new(t.rig.loop, &c);
    h2_client_connect(t.h2);
    rig_until(&t.rig, is_over, NULL);
    return t.state == H2_CLIENT_READY;
}

static void expect_trouble(const char *words)
{
    AUTO(buf) struct buf b = BUF_INIT;
    assert_false(connect_h2());
    buf_addf(&b, "dial tcp 127.0.0.1:%s: %s", t.port, words);
    assert_string_equal(t.why.text, buf_cstr(&b));
}

static void on_data(struct h2_stream *s, struct slice data)
{
    buf_add_slice(&t.body, data);
}

static void on_done(struct h2_stream *s, enum err e)
{
    t.over = true;
    t.e = e;
    t.why = s->why;
}

static enum err ask_h2(const char *path, struct slice body)
{
    struct h2_stream s = {.method = "POST", .path = path, .data = on_data, .done = on_done};
    t.over = false;
    buf_clear(&t.body);
    h2_stream_open(t.h2, &s, body.n == 0);
    h2_stream_send(&s, body);
    if (body.n != 0)
        h2_stream_end(&s);
    rig_until(&t.rig, is_over, NULL);
    return t.e;
}

static void test_good(void **state)
{
    make_context(trusting());
    assert_true(connect_h2());
    assert_int_equal(ask_h2("/x", slice_str("hello")), ERR_OK);
    assert_true(buf_has(&t.body, "[hello]"));
    assert_string_equal(t.peer.sni, "-"); /* an address is no name */
    t.server.name = "a.wild.test";
    assert_true(connect_h2());
    assert_string_equal(t.peer.sni, "a.wild.test");
    t.peer.version_max = TLS1_2_VERSION;
    assert_true(connect_h2());
    assert_int_equal(ask_h2("/x", slice_str("hello")), ERR_OK);
}

/* Partial writes both ways, and records that wait inside OpenSSL. */
static void test_large(void **state)
{
    make_context(trusting());
    assert_true(connect_h2());
    app.to_write = 5000000;
    assert_int_equal(ask_h2("/stream", slice_make(NULL, 0)), ERR_OK);
    assert_int_equal(t.body.n, 5000000);
    static uint8_t zeros[APP_BODY_MAX];
    assert_int_equal(ask_h2("/x", slice_make(zeros, sizeof zeros)), ERR_OK);
}

static void test_who_is_it(void **state)
{
    make_context(trusting());
    t.server.name = "other.test";
    expect_trouble("TLS handshake: the certificate is not valid for other.test");
    t.server.name = "127.0.0.2";
    expect_trouble("TLS handshake: the certificate is not valid for 127.0.0.2");
    t.server.name = "cn.test"; /* as with Go, only alternative names count */
    expect_trouble("TLS handshake: the certificate is not valid for cn.test");
    t.server.name = "";
    expect_trouble("TLS handshake: \"\" is no name of a server");
    t.server.name = ".wild.test"; /* not "anybody below it" */
    expect_trouble("TLS handshake: \".wild.test\" is no name of a server");
    t.server.name = "a.b.wild.test";
    expect_trouble("TLS handshake: the certificate is not valid for a.b.wild.test");
    t.server.name = "a.wild.test."; /* its absolute form, as with Go */
    assert_true(connect_h2());
    assert_string_equal(t.peer.sni, "a.wild.test");
}

static void test_expired(void **state)
{
    make_context(trusting());
    t.peer.cert = &expired;
    expect_trouble("TLS handshake: the certificate is not accepted: certificate has expired");
}

static void test_unknown_authority(void **state)
{
    make_context(trusting());
    t.peer.cert = &renewed;
    expect_trouble("TLS handshake: the certificate is signed by an unknown authority (unable to "
                   "get local issuer certificate)");
    t.peer.cert = &root_signed_by_nobody;
    expect_trouble("TLS handshake: the certificate is signed by an unknown authority (self-signed "
                   "certificate)");
    tls_context_free(t.context);
    make_context((struct tls_config){.alpn = "h2"}); /* the system's authorities */
    assert_false(connect_h2());
    /* a certificate that is trusted by itself */
    tls_context_free(t.context);
    cert_write(&root_signed_by_nobody, file("x.pem"));
    make_context((struct tls_config){.alpn = "h2", .ca_file = file("x.pem")});
    assert_true(connect_h2());
}

static void test_skip_verify(void **state)
{
    make_context((struct tls_config){.alpn = "h2", .skip_verify = true});
    t.peer.cert = &expired;
    t.server.name = "";
    assert_true(connect_h2());
}

static void test_client_certificate(void **state)
{
    struct tls_config c = trusting();
    t.peer.client_ca = &ca;
    t.peer.version_max = TLS1_2_VERSION;
    make_context(c);
    expect_trouble("the peer sent a TLS alert: handshake failure");
    t.peer.version_max = 0; /* 1.3: the refusal comes behind the handshake */
    assert_false(connect_h2());
    assert_non_null(strstr(t.why.text, "read tcp 127.0.0.1:"));
    assert_non_null(strstr(t.why.text, ": the peer sent a TLS alert: certificate required"));
    tls_context_free(t.context);
    c.cert_file = file("client.pem");
    c.key_file = file("client.key");
    make_context(c);
    assert_true(connect_h2());
    assert_int_equal(t.peer.client_certs, 1);
}

static void test_not_tls(void **state)
{
    make_context(trusting());
    t.plain = true;
    expect_trouble("TLS handshake: the peer does not speak TLS");
    t.plain = false;
    t.mute = true;
    expect_trouble("i/o timeout");
}

static void test_hang_up(void **state)
{
    make_context(trusting());
    http_server_drain(t.rig.server, NULL, NULL); /* it takes no more connections */
    expect_trouble("TLS handshake: unexpected EOF");
}

/* Writing to a connection that is gone is an error, and no signal. */
static void test_no_signal(void **state)
{
    struct h2_stream s = {.method = "POST", .path = "/slow-body", .done = on_done};
    make_context(trusting());
    assert_true(connect_h2());
    h2_stream_open(t.h2, &s, false);
    rig_until(&t.rig, app_holds, NULL);
    http_server_close_all(t.rig.server);
    loop_flush(t.rig.loop);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++) {
        h2_stream_send(&s, slice_str("x"));
        loop_flush(t.rig.loop);
    }
    signal(SIGPIPE, SIG_IGN);
    t.over = false;
    rig_until(&t.rig, is_over, NULL);
    assert_int_equal(t.e, ERR_CLOSED);
}

static void test_no_http2(void **state)
{
    make_context(trusting());
    t.peer.alpn = NULL;
    expect_trouble("TLS handshake: the server does not agree to \"h2\" (ALPN)");
    t.peer.alpn = "http/1.1";
    expect_trouble("TLS handshake: the server does not agree to \"h2\" (ALPN)");
}

/* Renewed files are taken for the next connection; broken ones make it fail, until mended. */
static void test_reload(void **state)
{
    make_context(trusting());
    t.peer.cert = &renewed;
    assert_false(connect_h2());
    cert_write(&other_ca, file("ca.pem"));
    assert_true(connect_h2());
    unlink(file("ca.pem"));
    assert_false(connect_h2());
    assert_non_null(strstr(t.why.text, "/ca.pem': No such file or directory"));
    cert_write(&other_ca, file("ca.pem"));
    assert_true(connect_h2());
}

/* ---- HTTP/1.1 ---------------------------------------------------------------------------- */

static void on_h1_done(struct http_request *r, enum err e)
{
    t.over = true;
    t.e = e;
    t.why = r->why;
    buf_clear(&t.body);
    buf_add_slice(&t.body, buf_slice(&r->answer));
}

static enum err ask_h1(const char *path)
{
    const struct http_client_config c = {.host = "127.0.0.1",
                                         .port = t.port,
                                         .authority = "test",
                                         .ops = &tls_client_io,
                                         .io_arg = &t.server};
    struct http_request r = {.method = "POST",
                             .path = path,
                             .body = slice_str("hello"),
                             .body_max = 1000000,
                             .done = on_h1_done};
    struct http_client *h = http_client_new(t.rig.loop, &c);
    t.over = false;
    http_client_send(h, &r);
    rig_until(&t.rig, is_over, NULL);
    http_client_free(h);
    return t.e;
}

static void test_http1(void **state)
{
    struct tls_config c = trusting();
    c.alpn = "http/1.1";
    make_context(c);
    assert_int_equal(ask_h1("/x"), ERR_OK);
    assert_true(buf_has(&t.body, " h1 "));
    assert_true(buf_has(&t.body, "[hello]"));
    t.peer.alpn = "http/1.1";
    assert_int_equal(ask_h1("/x"), ERR_OK);
    t.server.name = "other.test";
    assert_int_equal(ask_h1("/x"), ERR_CLOSED);
    assert_non_null(
        strstr(t.why.text, ": TLS handshake: the certificate is not valid for other.test"));
    t.server.name = "localhost";
    t.peer.client_ca = &ca;
    assert_int_equal(ask_h1("/x"), ERR_CLOSED);
    assert_non_null(strstr(t.why.text, ": the peer sent a TLS alert: certificate required"));
}

/* ---- files that are of no use ------------------------------------------------------------ */

static void expect_refused(struct tls_config c, const char *words)
{
    struct why why = {""};
    c.alpn = "h2";
    assert_int_equal(tls_context_new(&c, &t.context, &why), ERR_INVALID);
    assert_null(t.context);
    assert_non_null(strstr(why.text, words));
}

static void test_bad_files(void **state)
{
    const char *cert = file("client.pem"), *key = file("client.key"), *x = file("x.pem");
    expect_refused((struct tls_config){.cert_file = cert},
                   "KeyFile and CertFile must both be present[key: , cert: /tmp/");
    expect_refused((struct tls_config){.cert_file = "/nowhere", .key_file = key},
                   "certificate '/nowhere': No such file or directory");
    expect_refused((struct tls_config){.cert_file = key, .key_file = key}, "certificate '");
    expect_refused((struct tls_config){.cert_file = cert, .key_file = cert}, "key '");
    expect_refused((struct tls_config){.ca_file = key}, "CA certificates '");
    cert_write_key(&ca, x, NULL);
    expect_refused((struct tls_config){.cert_file = cert, .key_file = x}, "key values mismatch");
    cert_write_key(&client, x, "secret");
    expect_refused((struct tls_config){.cert_file = cert, .key_file = x}, "key '");
    tls_context_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good),
        TEST(test_large),
        TEST(test_who_is_it),
        TEST(test_expired),
        TEST(test_unknown_authority),
        TEST(test_skip_verify),
        TEST(test_client_certificate),
        TEST(test_not_tls),
        TEST(test_hang_up),
        TEST(test_no_signal),
        TEST(test_no_http2),
        TEST(test_reload),
        TEST(test_http1),
        TEST(test_bad_files),
    };
    signal(SIGPIPE, SIG_IGN); /* the peer's end; ours needs nothing of the kind */
    make_certs();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    struct cert *certs[] = {
        &ca, &other_ca, &good, &expired, &renewed, &client, &root_signed_by_nobody};
    for (size_t i = 0; i < ARRAY_LEN(certs); i++)
        cert_free(certs[i]);
    return rc;
}
