/* Tests of config/url: what is a URL, what may be listened on and advertised.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/url.h"

static void parts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum url_scheme scheme;
        const char *host, *port, *path, *printed;
        int number;
    } rows[] = {
        {"http://localhost:2379", URL_HTTP, "localhost", "2379", "", "http://localhost:2379", 2379},
        {" https://1.2.3.4:1 ", URL_HTTPS, "1.2.3.4", "1", "", "https://1.2.3.4:1", 1},
        {"HTTP://a:1", URL_HTTP, "a", "1", "", "http://a:1", 1},
        {"http://[::1]:2379", URL_HTTP, "::1", "2379", "", "http://[::1]:2379", 2379},
        {"http://:2379", URL_HTTP, "", "2379", "", "http://:2379", 2379},
        {"http://a:", URL_HTTP, "a", "", "", "http://a:", -1},
        {"http://a:99999", URL_HTTP, "a", "99999", "", "http://a:99999", -1},
        {"unix:///run/e.sock", URL_UNIX, "", "", "/run/e.sock", "unix:///run/e.sock", -1},
        {"unix:/run/e.sock", URL_UNIX, "", "", "/run/e.sock", "unix:/run/e.sock", -1},
        {"unixs://localhost:m1", URL_UNIXS, "", "", "localhost:m1", "unixs://localhost:m1", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url u;
        struct why why;
        if (url_parse(slice_str(rows[i].text), &u, &why) != ERR_OK)
            fail_msg("%s: %s", rows[i].text, why.text);
        assert_int_equal(u.scheme, rows[i].scheme);
        assert_string_equal(u.host, rows[i].host);
        assert_string_equal(u.port, rows[i].port);
        assert_string_equal(u.path, rows[i].path);
        assert_string_equal(u.text, rows[i].printed);
        assert_int_equal(url_port(&u), rows[i].number);
        url_fini(&u);
    }
}

static void refusals(void **state)
{
    (void)state;
#define NO_PORT   "URL address does not have the form \"host:port\": "
#define NO_SCHEME "URL scheme must be http, https, unix, or unixs: "
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"foo", NO_SCHEME "foo"},
        {"", NO_SCHEME},
        {"localhost:2379", NO_SCHEME "localhost:2379"},
        {"ftp://a:1", NO_SCHEME "ftp://a:1"},
        {"http://a", NO_PORT "http://a"},
        {"http://", NO_PORT "http://"},
        {"http:", NO_PORT "http:"},
        {"http://::1:2379", NO_PORT "http://::1:2379"},
        {"http://1.2.3.4/a", NO_PORT "http://1.2.3.4/a"},
        {"http://a:1/", "URL must not contain a path: http://a:1/"},
        {"http://a:1?x", "URL must not contain a path: http://a:1?x"},
        {"http://u@a:1", NO_PORT "http://u@a:1"},
        {"http://a:b", "parse \"http://a:b\": invalid port \":b\" after host"},
        {"http://[::1", "parse \"http://[::1\": missing ']' in host"},
        {"http://[::1]x", "parse \"http://[::1]x\": invalid port \"x\" after host"},
        {"1.2.3.4:2379", "parse \"1.2.3.4:2379\": first path segment in URL cannot contain colon"},
        {":x", "parse \":x\": missing protocol scheme"},
        {"http://a\x01:1", "parse \"http://a\x01:1\": net/url: invalid control character in URL"},
        {"unix://", "URL of a unix socket must have a path: unix://"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url u;
        struct why why = {""};
        if (url_parse(slice_str(rows[i].text), &u, &why) == ERR_OK)
            fail_msg("%s is read", rows[i].text);
        assert_string_equal(why.text, rows[i].why);
    }
}

static void huge_texts_are_refused(void **state)
{
    (void)state;
    struct url_list l;
    struct why why;
    char *text = malloc(2 << 20);
    memset(text, 'a', (2 << 20) - 1);
    text[(2 << 20) - 1] = '\0';
    memcpy(text, "http://", 7);
    assert_int_equal(url_list_parse(text, true, &l, &why), ERR_TOO_LARGE);
    assert_int_equal(l.n, 0);

    struct buf b = BUF_INIT;
    for (int i = 0; i < URL_LIST_MAX + 1; i++)
        buf_addf(&b, "%shttp://a:%d", i ? "," : "", i);
    assert_int_equal(url_list_parse(buf_cstr(&b), true, &l, &why), ERR_TOO_LARGE);
    buf_fini(&b);
    free(text);
}

static char *list_text(const struct url_list *l)
{
    struct buf b = BUF_INIT;
    url_list_format(&b, l);
    return buf_take_cstr(&b);
}

static void lists_are_sorted(void **state)
{
    (void)state;
    struct url_list l, copy;
    struct why why;
    assert_int_equal(url_list_parse("http://b:1, http://a:2,http://b:1", true, &l, &why), ERR_OK);
    char *text = list_text(&l);
    assert_string_equal(text, "http://a:2,http://b:1");
    url_list_copy(&copy, &l);
    assert_true(url_list_eq(&l, &copy));
    url_list_fini(&l);
    assert_int_equal(url_list_parse("http://b:1,http://a:2,http://b:1", false, &l, &why), ERR_OK);
    assert_int_equal(l.n, 3);
    assert_false(url_list_eq(&l, &copy));
    url_list_fini(&l);
    url_list_fini(&copy);
    free(text);
    assert_int_equal(url_list_parse("http://a:1,,", true, &l, &why), ERR_INVALID);
    assert_int_equal(l.n, 0);
}

static void check_lists(const char *text, const char *bind_why, const char *host_why)
{
    struct url_list l;
    struct why why = {""};
    assert_int_equal(url_list_parse(text, true, &l, &why), ERR_OK);
    if (url_list_check_bind(&l, &why) == ERR_OK)
        why.text[0] = '\0';
    assert_string_equal(why.text, bind_why);
    if (url_list_check_host(&l, &why) == ERR_OK)
        why.text[0] = '\0';
    assert_string_equal(why.text, host_why);
    url_list_fini(&l);
}

static void bind_and_advertise(void **state)
{
    (void)state;
    check_lists("http://foo.com:2379", "expected IP in URL for binding (http://foo.com:2379)", "");
    check_lists("http://localhost:1,http://0.0.0.0:2,http://[::]:3,unix:///a", "", "");
    check_lists("http://:2379", "expected IP in URL for binding (http://:2379)",
                "unexpected empty host (http://:2379)");
    check_lists("http://127.0.0.1:70000",
                "expected a port in URL for binding (http://127.0.0.1:70000)", "");
}

static void localhost_needs_no_resolver(void **state)
{
    (void)state;
    struct url u;
    struct why why;
    assert_int_equal(url_parse(slice_str("http://localhost:1"), &u, &why), ERR_OK);
    assert_string_equal(url_bind_host(&u), "127.0.0.1");
    assert_false(url_is_tls(&u));
    assert_false(url_is_unix(&u));
    url_fini(&u);
    assert_int_equal(url_parse(slice_str("unixs:///s"), &u, &why), ERR_OK);
    assert_true(url_is_tls(&u));
    assert_true(url_is_unix(&u));
    url_fini(&u);
}

static void the_same_place(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"http://a:1", "http://a:1", true},
        {"http://localhost:1", "http://127.0.0.1:1", true},
        {"http://LOCALHOST:1,http://b:2", "http://b:2,http://127.0.0.1:1", true},
        {"unix:///a", "unix:///a", true},
        {"http://a:1", "https://a:1", false},
        {"http://a:1", "http://a:2", false},
        {"http://a:1", "http://b:1", false},
        {"unix:///a", "unix:///b", false},
        {"http://a:1", "http://a:1,http://b:1", false},
        {"http://127.0.0.1:1,http://localhost:1", "http://localhost:1,http://b:1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct url_list a, b;
        assert_int_equal(url_list_parse(rows[i].a, false, &a, NULL), ERR_OK);
        assert_int_equal(url_list_parse(rows[i].b, false, &b, NULL), ERR_OK);
        assert_int_equal(url_list_same_places(&a, &b), rows[i].same);
        assert_int_equal(url_list_same_places(&b, &a), rows[i].same);
        url_list_fini(&a);
        url_list_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),
        cmocka_unit_test(refusals),
        cmocka_unit_test(huge_texts_are_refused),
        cmocka_unit_test(lists_are_sorted),
        cmocka_unit_test(bind_and_advertise),
        cmocka_unit_test(localhost_needs_no_resolver),
        cmocka_unit_test(the_same_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
