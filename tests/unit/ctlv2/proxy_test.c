/* Tests of ctlv2/proxy: what NO_PROXY means, as Go's net/http has it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctlv2/proxy.h"

static void passed_by(void **state)
{
    (void)state;
    static const struct {
        const char *list, *host, *port;
        bool passed_by;
    } rows[] = {
        {"", "etcd.example", "2379", false},
        {"*", "etcd.example", "2379", true},
        {"a, * ,b", "10.0.0.1", "2379", true},
        {"example", "etcd.example", "2379", true},
        {"EXAMPLE", "Etcd.Example", "2379", true},
        {" etcd.example ", "etcd.example", "2379", true},
        {"cd.example", "etcd.example", "2379", false},
        {"etcd", "etcd.example", "2379", false},
        {".example", "etcd.example", "2379", true},
        {".etcd.example", "etcd.example", "2379", false},
        {"*.example", "etcd.example", "2379", true},
        {"*.example", "example", "2379", false},
        {"example:2379", "etcd.example", "2379", true},
        {"example:80", "etcd.example", "2379", false},
        {"example:", "etcd.example", "2379", true},
        {":2379", "etcd.example", "2379", false},
        {",,", "etcd.example", "2379", false},
        {"10.0.0.1", "10.0.0.1", "2379", true},
        {"10.0.0.1", "10.0.0.10", "2379", false},
        {"10.0.0.1:2379", "10.0.0.1", "2379", true},
        {"10.0.0.1:1", "10.0.0.1", "2379", false},
        {"10.0.0.0/8", "10.1.2.3", "2379", true},
        {"10.0.0.0/8", "11.1.2.3", "2379", false},
        {"10.128.0.0/9", "10.127.0.1", "2379", false},
        {"10.128.0.0/9", "10.200.0.1", "2379", true},
        {"0.0.0.0/0", "8.8.8.8", "2379", true},
        {"0.0.0.0/0", "fd00::1", "2379", false},
        {"::/0", "fd00::1", "2379", true},
        {"::/0", "10.0.0.1", "2379", false},
        {"10.0.0.0/33", "10.0.0.1", "2379", false},
        {"10.0.0.0/", "10.0.0.1", "2379", false},
        {"fd00::/8", "fd12::1", "2379", true},
        {"fd00::1", "fd00:0::1", "2379", true},
        {"[fd00::1]:2379", "fd00::1", "2379", true},
        {"[fd00::1]:80", "fd00::1", "2379", false},
        {"[", "etcd.example", "2379", false},
        {"[]:", "etcd.example", "2379", false},
        {"/8", "etcd.example", "2379", false},
        {"", "localhost", "2379", true},
        {"", "127.0.0.1", "2379", true},
        {"", "127.3.2.1", "2379", true},
        {"", "128.0.0.1", "2379", false},
        {"", "::1", "2379", true},
        {"", "::ffff:127.0.0.1", "2379", true},
        {"", "::2", "2379", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (proxy_is_passed_by(rows[i].list, rows[i].host, rows[i].port) != rows[i].passed_by)
            fail_msg("\"%s\" %s:%s", rows[i].list, rows[i].host, rows[i].port);
}

static void found(void **state)
{
    (void)state;
    static const struct {
        const char *url, *http, *https, *proxy, *credentials;
    } rows[] = {
        {"http://etcd.example:2379", "http://p:1", "http://q:2", "p:1", NULL},
        {"https://etcd.example:2379", "http://p:1", "http://q:2", "q:2", NULL},
        {"http://etcd.example:2379", "p:1", "", "p:1", NULL},
        {"http://etcd.example:2379", "p", "", "p", NULL},
        {"http://etcd.example:2379", "http://a:b%3a%40@p:1/x", "", "p:1", "a:b:@"},
        {"http://etcd.example:2379", "http://a@[::1]:1", "", "[::1]:1", "a:"},
        {"http://etcd.example:2379", "", "http://q:2", NULL, NULL},
        {"http://etcd.example:2379", "http://%zz", "", NULL, NULL},
        {"http://127.0.0.1:2379", "http://p:1", "", NULL, NULL},
        {"unix://etcd.sock", "http://p:1", "http://q:2", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(uri) struct uri u = {0}, proxy = {0};
        AUTO(trouble) struct trouble t = TROUBLE_INIT;
        AUTO(buf) struct buf credentials = BUF_INIT;
        struct why why;
        assert_int_equal(uri_parse(rows[i].url, &u, &why), ERR_OK);
        setenv("HTTP_PROXY", rows[i].http, 1);
        setenv("HTTPS_PROXY", rows[i].https, 1);
        assert_true(proxy_find(&u, &proxy, &t));
        if (rows[i].proxy == NULL) {
            assert_null(proxy.host);
            continue;
        }
        assert_string_equal(proxy.host, rows[i].proxy);
        assert_int_equal(uri_credentials(&proxy, &credentials), rows[i].credentials != NULL);
        if (rows[i].credentials != NULL)
            assert_string_equal(buf_cstr(&credentials), rows[i].credentials);
    }
}

static int clear_environment(void **state)
{
    (void)state;
    static const char *const names[] = {"http_proxy", "https_proxy", "NO_PROXY", "no_proxy",
                                        "REQUEST_METHOD"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passed_by),
        cmocka_unit_test(found),
    };
    return cmocka_run_group_tests(tests, clear_environment, NULL);
}
