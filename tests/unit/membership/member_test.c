/* Tests of membership/member.h: ids as the real thing makes them, and hostile JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "membership/member.h"

static void sha1(struct slice data, uint8_t ret[SHA1_SIZE])
{
    SHA1(data.p, data.n, ret);
}

static void test_ids_of_the_default_single_node(void **state)
{
    const char *urls[] = {"http://localhost:2380"};
    member_id id = member_id_make(sha1, urls, 1, "etcd-cluster", 0);
    assert_int_equal(id, 0x8e9e05c52164694d);
    assert_int_equal(cluster_id_make(sha1, &id, 1), 0xcdf818194e3a8c32);
}

/* Seen on a real cluster. */
static void test_id_with_another_token(void **state)
{
    const char *urls[] = {"http://127.0.0.1:12380"};
    assert_int_equal(member_id_make(sha1, urls, 1, "lab-tok", 0), 0x8084295b3c590372);
}

static void test_id_does_not_depend_on_order(void **state)
{
    const char *ab[] = {"http://a:1", "http://b:1"}, *ba[] = {"http://b:1", "http://a:1"};
    assert_int_equal(member_id_make(sha1, ab, 2, "t", 7), member_id_make(sha1, ba, 2, "t", 7));
    assert_int_not_equal(member_id_make(sha1, ab, 2, "t", 7), member_id_make(sha1, ab, 2, "t", 8));
    /* The time is decimal text behind the token. */
    assert_int_equal(member_id_make(sha1, ab, 2, "t", 17), member_id_make(sha1, ab, 2, "t17", 0));
    member_id up[] = {1, 2, 3}, down[] = {3, 2, 1};
    assert_int_equal(cluster_id_make(sha1, up, 3), cluster_id_make(sha1, down, 3));
}

static void check_round_trip(const char *text)
{
    struct member *m = NULL;
    AUTO(buf) struct buf out = BUF_INIT;
    assert_int_equal(member_from_json(slice_str(text), &m), ERR_OK);
    member_add_json(m, &out);
    assert_string_equal(buf_cstr(&out), text);
    struct member *copy = member_dup(m);
    member_free(m);
    buf_clear(&out);
    member_add_json(copy, &out);
    assert_string_equal(buf_cstr(&out), text);
    member_free(copy);
}

static void test_json_round_trip(void **state)
{
    check_round_trip("{\"id\":10276657743932975437,\"peerURLs\":[\"http://localhost:2380\"]}");
    check_round_trip("{\"id\":1,\"peerURLs\":[]}");
    check_round_trip("{\"id\":18446744073709551615,\"peerURLs\":[\"http://a:1\",\"http://b:1\"],"
                     "\"isLearner\":true,\"name\":\"n\\\"1\",\"clientURLs\":[\"http://c:1\"]}");
}

static void test_json_is_lenient_like_the_original(void **state)
{
    struct member *m = NULL;
    bool promote = false;
    const char *text = " {\"name\":null,\"x\":{\"y\":[1]},\"isPromote\":true,"
                       "\"peerURLs\":null,\"id\":7} ";
    assert_int_equal(member_change_from_json(slice_str(text), &m, &promote), ERR_OK);
    assert_int_equal(m->id, 7);
    assert_int_equal(m->peer_urls.n, 0);
    assert_string_equal(m->name, "");
    assert_true(promote);
    member_free(m);
}

static void test_hostile_json(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"id\":0}",
        "{\"id\":-1}",
        "{\"id\":-9223372036854775809}",
        "{\"id\":18446744073709551616}",
        "{\"id\":99999999999999999999999999}",
        "{\"id\":1.5}",
        "{\"id\":1e400}",
        "{\"id\":true}",
        "{\"id\":\"8e9e\"}",
        "{\"id\":1",
        "{\"id\":1}x",
        "{\"id\":1,\"peerURLs\":\"u\"}",
        "{\"id\":1,\"peerURLs\":[null]}",
        "{\"id\":1,\"peerURLs\":[1]}",
        "{\"id\":1,\"peerURLs\":{}}",
        "{\"id\":1,\"clientURLs\":7}",
        "{\"id\":1,\"isLearner\":1}",
        "{\"id\":1,\"isPromote\":\"true\"}",
        "{\"id\":1,\"name\":[]}",
        "{\"id\":1,\"name\":\"\xff\"}",
        "{\"id\":1,\"name\":\"a\\u0000b\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct member *m = NULL;
        bool promote;
        assert_int_equal(member_change_from_json(slice_str(bad[i]), &m, &promote), ERR_MALFORMED);
        assert_null(m);
    }
}

static enum err read_with(const char *name, size_t n)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct member *m = NULL;
    buf_addf(&b, "{\"id\":1,\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        buf_add_str(&b, i == 0 ? "\"u\"" : ",\"u\"");
    buf_add_str(&b, "]}");
    enum err e = member_from_json(buf_slice(&b), &m);
    member_free(m);
    return e;
}

static void test_limits(void **state)
{
    assert_int_equal(read_with("peerURLs", MEMBER_URLS_MAX), ERR_OK);
    assert_int_equal(read_with("peerURLs", MEMBER_URLS_MAX + 1), ERR_MALFORMED);
    assert_int_equal(read_with("clientURLs", MEMBER_URLS_MAX + 1), ERR_MALFORMED);

    AUTO(buf) struct buf b = BUF_INIT;
    struct member *m = NULL;
    buf_add_str(&b, "{\"id\":1,\"name\":\"");
    memset(buf_reserve(&b, MEMBER_TEXT_MAX + 1), 'n', MEMBER_TEXT_MAX + 1);
    b.n += MEMBER_TEXT_MAX + 1;
    buf_add_str(&b, "\"}");
    assert_int_equal(member_from_json(buf_slice(&b), &m), ERR_MALFORMED);

    memset(buf_reserve(&b, MEMBER_JSON_MAX), ' ', MEMBER_JSON_MAX);
    b.n = MEMBER_JSON_MAX + 1;
    memcpy(b.p, "{\"id\":1}", 8);
    memset(b.p + 8, ' ', b.n - 8);
    assert_int_equal(member_from_json(buf_slice(&b), &m), ERR_MALFORMED);
    b.n--;
    assert_int_equal(member_from_json(buf_slice(&b), &m), ERR_OK);
    member_free(m);
}

static void test_list(void **state)
{
    struct member **v = NULL;
    size_t n = 0;
    /* As a real member answers /members, with its newline. */
    struct slice text = slice_str("[{\"id\":1,\"peerURLs\":[\"http://a:1\"],\"name\":\"x\"},"
                                  "{\"id\":17446744073709551615,\"peerURLs\":[]}]\n");
    assert_int_equal(members_from_json(text, 2, &v, &n), ERR_OK);
    assert_int_equal(n, 2);
    assert_string_equal(v[0]->name, "x");
    assert_int_equal(v[1]->id, 17446744073709551615u);
    for (size_t i = 0; i < n; i++)
        member_free(v[i]);
    free(v);
    assert_int_equal(members_from_json(text, 1, &v, &n), ERR_MALFORMED);
    assert_int_equal(members_from_json(slice_str("[{\"id\":1},{}]"), 9, &v, &n), ERR_MALFORMED);
    assert_int_equal(members_from_json(slice_str("{}"), 9, &v, &n), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_of_the_default_single_node),
        cmocka_unit_test(test_id_with_another_token),
        cmocka_unit_test(test_id_does_not_depend_on_order),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_json_is_lenient_like_the_original),
        cmocka_unit_test(test_hostile_json),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
