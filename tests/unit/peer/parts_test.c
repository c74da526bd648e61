/* tests/unit/peer/parts_test.c -- peer URLs, versions, and the clock of a probe.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "peer/peer_priv.h"

static void check_address(const char *url, const char *host, const char *port, bool is_tls)
{
    struct peer_address a;
    struct http_client_config config;
    assert_int_equal(peer_address_parse(slice_str(url), &a, NULL), ERR_OK);
    assert_string_equal(a.host, host);
    if (port != NULL)
        assert_string_equal(a.port, port);
    else
        assert_null(a.port);
    assert_int_equal(a.is_tls, is_tls);
    assert_int_equal(peer_address_client(&a, NULL, NULL, &config, NULL),
                     is_tls ? ERR_INVALID : ERR_OK);
    peer_address_fini(&a);
}

static void test_addresses(void **state)
{
    (void)state;
    check_address("http://10.0.0.1:2380", "10.0.0.1", "2380", false);
    check_address("http://10.0.0.1:2380/", "10.0.0.1", "2380", false);
    check_address("https://host.example:1", "host.example", "1", true);
    check_address("http://[::1]:65535", "::1", "65535", false);
    check_address("unix://127.0.0.1:7", "127.0.0.1:7", NULL, false);
    check_address("unix:///run/etcd.sock", "/run/etcd.sock", NULL, false);
    check_address("unixs://a", "a", NULL, true);
    static const char *const bad[] = {
        "",
        "http://",
        "http://h",
        "http://h:",
        "http://:1",
        "http://h:0",
        "http://h:65536",
        "http://h:1x",
        "http://h:000001",
        "http://h:1/p",
        "http://::1:1",
        "http://[]:1",
        "http://u@h:1",
        "http://h\r\nX:1",
        "ftp://h:1",
        "unix://",
        "h:1",
        "HTTP://h:1",
        "http://h:1?q",
        "http:///:1",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct peer_address a;
        assert_int_equal(peer_address_parse(slice_str(bad[i]), &a, NULL), ERR_INVALID);
        assert_null(a.host);
    }
}

static void check_version(const char *text, unsigned major, unsigned minor)
{
    struct peer_version v = peer_version_parse(slice_str(text)), want = {major, minor};
    assert_int_equal(peer_version_cmp(v, want), 0);
}

static void test_versions(void **state)
{
    (void)state;
    check_version("3.4.23", 3, 4);
    check_version("3.10", 3, 10);
    check_version("3.7.0-alpha.0+x", 3, 7);
    check_version("", 2, 0);
    check_version("3", 2, 0);
    check_version("3.", 2, 0);
    check_version("3.x", 2, 0);
    check_version("v3.4.0", 2, 0);
    check_version("99999999999.1", 2, 0);
    assert_true(peer_version_cmp((struct peer_version){3, 9}, (struct peer_version){3, 10}) < 0);
    assert_true(peer_version_cmp((struct peer_version){4, 0}, (struct peer_version){3, 10}) > 0);
}

static void check_time(const char *text, int64_t ns)
{
    int64_t got;
    assert_true(peer_time_parse(slice_str(text), &got));
    assert_int_equal(got, ns);
}

static void check_time_text(int64_t ns, const char *text)
{
    AUTO(buf) struct buf b = BUF_INIT;
    peer_time_format(ns, &b);
    assert_string_equal(buf_cstr(&b), text);
    check_time(text, ns);
}

static void test_times(void **state)
{
    (void)state;
    const int64_t s = 1795531551;
    check_time_text(s * 1000000000 + 776341525, "2026-11-24T14:45:51.776341525Z");
    check_time_text(s * 1000000000 + 100, "2026-11-24T14:45:51.0000001Z");
    check_time_text(s * 1000000000, "2026-11-24T14:45:51Z");
    check_time("2026-11-24T16:45:51.5+02:00", s * 1000000000 + 500000000);
    check_time("2026-11-24T09:15:51-05:30", s * 1000000000);
    check_time("2026-11-24T14:45:51.0000000001234Z", s * 1000000000);
    static const char *const bad[] = {"",
                                      "now",
                                      "2026-11-24",
                                      "2026-11-24T14:45:51",
                                      "2026-11-24T14:45:51+2",
                                      "2026-11-24T14:45:51*02:00",
                                      "2026-11-24T14:45:51Zx",
                                      "99999-11-24T14:45:51Z",
                                      "2026-11-24T14:45:51.00000000000000000000000000000000000Z"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ns;
        assert_false(peer_time_parse(slice_str(bad[i]), &ns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
