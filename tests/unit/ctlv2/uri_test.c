/* Tests of ctlv2/uri: URLs as Go's net/url has them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctlv2/uri.h"

static void read_and_printed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *path, *printed;
    } rows[] = {
        {"http://a:1", "a:1", "", "http://a:1"},
        {"HTTP://a:1/b%20c", "a:1", "/b c", "http://a:1/b%20c"},
        {"http://u:p@a/?x=y#z", "a", "/", "http://u:p@a/?x=y"},
        {"localhost", "", "localhost", "localhost"},
        {"http://[::1]:2379", "[::1]:2379", "", "http://[::1]:2379"},
        {"http://a/%2a~!", "a", "/*~!", "http://a/%2A~%21"},
        {"localhost:1", "", "", "localhost:1"},
        {"", "", "", ""},
        {"http:", "", "", "http:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uri u;
        struct why why;
        AUTO(buf) struct buf b = BUF_INIT;
        if (uri_parse(rows[i].text, &u, &why) != ERR_OK)
            fail_msg("%s: %s", rows[i].text, why.text);
        uri_format(&u, &b);
        assert_string_equal(u.host, rows[i].host);
        assert_string_equal(u.path, rows[i].path);
        assert_string_equal(buf_cstr(&b), rows[i].printed);
        uri_fini(&u);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"127.0.0.1:1", "first path segment in URL cannot contain colon"},
        {":1", "missing protocol scheme"},
        {"http://%zz", "invalid URL escape \"%zz\""},
        {"http://%41", "invalid URL escape \"%41\""},
        {"http://a/%4", "invalid URL escape \"%4\""},
        {"http://a:1 ", "invalid port \":1 \" after host"},
        {"http://a b", "invalid character \" \" in host name"},
        {"http://[::1", "missing ']' in host"},
        {"http://a\n", "net/url: invalid control character in URL"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uri u;
        struct why why;
        assert_int_equal(uri_parse(rows[i].text, &u, &why), ERR_MALFORMED);
        assert_non_null(strstr(why.text, rows[i].why));
    }
}

static void clean_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool keep;
        const char *clean;
    } rows[] = {
        {"", false, "/"},
        {"/", true, "/"},
        {"//a/./b/../c/", true, "/a/c/"},
        {"//a/./b/../c/", false, "/a/c"},
        {"/../..", true, "/"},
        {"/a/..", true, "/"},
        {"a", false, "/a"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *clean = uri_clean_path(rows[i].path, rows[i].keep);
        assert_string_equal(clean, rows[i].clean);
        free(clean);
    }
}

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *port;
    } rows[] = {
        {"http://a:1", "a", "1"},        {"http://a", "a", "80"},       {"https://a:", "a", "443"},
        {"https://[::1]:7", "::1", "7"}, {"http://[::1]", "::1", "80"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct uri u;
        char *name, *port;
        assert_int_equal(uri_parse(rows[i].text, &u, NULL), ERR_OK);
        uri_address(&u, &name, &port);
        assert_string_equal(name, rows[i].name);
        assert_string_equal(port, rows[i].port);
        free(name);
        free(port);
        uri_fini(&u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_and_printed),
        cmocka_unit_test(refused),
        cmocka_unit_test(clean_paths),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
