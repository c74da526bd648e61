/* Tests of membership/v2_tree.h: the tree that a 3.4 member sends, and ours.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "membership/v2_tree.h"
#include "tests/lib/mem_backend.h"

/* As 3.4.23 wrote it: two members, a learner that never started and whose URL was changed (which
 * made a voter of it, here), a removed one. Only the history of events is cut. */
static const char tree_3_4[] =
    "{\"Root\":{\"Path\":\"/\",\"CreatedIndex\":0,\"ModifiedIndex\":0,\"ExpireTime\":\"0001-0"
    "1-01T00:00:00Z\",\"Value\":\"\",\"Children\":{\"0\":{\"Path\":\"/0\",\"CreatedIndex\":0,"
    "\"ModifiedIndex\":0,\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":\"\",\"Children\":"
    "{\"members\":{\"Path\":\"/0/members\",\"CreatedIndex\":1,\"ModifiedIndex\":1,\"ExpireTim"
    "e\":\"0001-01-01T00:00:00Z\",\"Value\":\"\",\"Children\":{\"10800adc53475cc2\":{\"Path\""
    ":\"/0/members/10800adc53475cc2\",\"CreatedIndex\":1,\"ModifiedIndex\":1,\"ExpireTime\":"
    "\"0001-01-01T00:00:00Z\",\"Value\":\"\",\"Children\":{\"attributes\":{\"Path\":\"/0/memb"
    "ers/10800adc53475cc2/attributes\",\"CreatedIndex\":4,\"ModifiedIndex\":4,\"ExpireTime\":"
    "\"0001-01-01T00:00:00Z\",\"Value\":\"{\\\"name\\\":\\\"m2\\\",\\\"clientURLs\\\":[\\\"ht"
    "tp://127.0.0.1:40697\\\"]}\",\"Children\":null},\"raftAttributes\":{\"Path\":\"/0/member"
    "s/10800adc53475cc2/raftAttributes\",\"CreatedIndex\":1,\"ModifiedIndex\":1,\"ExpireTime"
    "\":\"0001-01-01T00:00:00Z\",\"Value\":\"{\\\"peerURLs\\\":[\\\"http://127.0.0.1:43857\\"
    "\"]}\",\"Children\":null}}},\"1788f482fd4c27a3\":{\"Path\":\"/0/members/1788f482fd4c27a3"
    "\",\"CreatedIndex\":9,\"ModifiedIndex\":9,\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Valu"
    "e\":\"\",\"Children\":{\"raftAttributes\":{\"Path\":\"/0/members/1788f482fd4c27a3/raftAt"
    "tributes\",\"CreatedIndex\":9,\"ModifiedIndex\":10,\"ExpireTime\":\"0001-01-01T00:00:00Z"
    "\",\"Value\":\"{\\\"peerURLs\\\":[\\\"http://127.0.0.1:8\\\"]}\",\"Children\":null}}},\""
    "fc2d14ad1f78defb\":{\"Path\":\"/0/members/fc2d14ad1f78defb\",\"CreatedIndex\":2,\"Modifi"
    "edIndex\":2,\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":\"\",\"Children\":{\"attri"
    "butes\":{\"Path\":\"/0/members/fc2d14ad1f78defb/attributes\",\"CreatedIndex\":3,\"Modifi"
    "edIndex\":3,\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":\"{\\\"name\\\":\\\"m1\\\""
    ",\\\"clientURLs\\\":[\\\"http://127.0.0.1:52799\\\"]}\",\"Children\":null},\"raftAttribu"
    "tes\":{\"Path\":\"/0/members/fc2d14ad1f78defb/raftAttributes\",\"CreatedIndex\":2,\"Modi"
    "fiedIndex\":2,\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":\"{\\\"peerURLs\\\":[\\"
    "\"http://127.0.0.1:46233\\\"]}\",\"Children\":null}}}}},\"removed_members\":{\"Path\":\""
    "/0/removed_members\",\"CreatedIndex\":8,\"ModifiedIndex\":8,\"ExpireTime\":\"0001-01-01T"
    "00:00:00Z\",\"Value\":\"\",\"Children\":{\"e2de41aa9ede52c8\":{\"Path\":\"/0/removed_mem"
    "bers/e2de41aa9ede52c8\",\"CreatedIndex\":8,\"ModifiedIndex\":8,\"ExpireTime\":\"0001-01-"
    "01T00:00:00Z\",\"Value\":\"\",\"Children\":null}}},\"version\":{\"Path\":\"/0/version\","
    "\"CreatedIndex\":5,\"ModifiedIndex\":5,\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\""
    ":\"3.4.0\",\"Children\":null}}},\"1\":{\"Path\":\"/1\",\"CreatedIndex\":0,\"ModifiedInde"
    "x\":0,\"ExpireTime\":\"0001-01-01T00:00:00Z\",\"Value\":\"\",\"Children\":{}}}},\"Watche"
    "rHub\":{\"EventHistory\":{\"Queue\":{\"Events\":[null],\"Size\":10,\"Front\":0,\"Back\":"
    "10,\"Capacity\":1000},\"StartIndex\":1,\"LastIndex\":10}},\"CurrentIndex\":10,\"Stats\":"
    "{\"getsSuccess\":7,\"getsFail\":4,\"setsSuccess\":3,\"setsFail\":0,\"deleteSuccess\":1,"
    "\"deleteFail\":0,\"updateSuccess\":1,\"updateFail\":0,\"createSuccess\":5,\"createFail\""
    ":0,\"compareAndSwapSuccess\":0,\"compareAndSwapFail\":0,\"compareAndDeleteSuccess\":0,\""
    "compareAndDeleteFail\":0,\"expireCount\":0,\"watchers\":0},\"CurrentVersion\":2}";

static bool user_keys;
static struct why why;

static enum err load(struct cluster *c, const char *json)
{
    enum err e = cluster_load_v2_json(c, slice_str(json), &user_keys, &why);
    cluster_check(c);
    return e;
}

static char *tree_of(const struct cluster *c)
{
    struct buf b = BUF_INIT;
    cluster_add_v2_json(c, &b);
    return buf_take_cstr(&b);
}

/* ---- the tree of 3.4 ----------------------------------------------------------------------- */

static void assert_tree_3_4(const struct cluster *c)
{
    size_t n;
    assert_int_equal(cluster_size(c), 3);
    const struct member *m2 = cluster_at(c, 0), *y = cluster_at(c, 1), *m1 = cluster_at(c, 2);
    assert_true(m2->id == 0x10800adc53475cc2);
    assert_true(y->id == 0x1788f482fd4c27a3);
    assert_true(m1->id == 0xfc2d14ad1f78defb);
    assert_string_equal(m1->name, "m1");
    assert_int_equal(m1->client_urls.n, 1);
    assert_string_equal(m1->client_urls.v[0], "http://127.0.0.1:52799");
    assert_string_equal(m1->peer_urls.v[0], "http://127.0.0.1:46233");
    assert_false(member_is_started(y));
    assert_string_equal(y->peer_urls.v[0], "http://127.0.0.1:8");
    assert_false(y->is_learner);
    assert_true(cluster_removed(c, &n)[0] == 0xe2de41aa9ede52c8);
    assert_int_equal(n, 1);
    assert_string_equal(cluster_version(c), "3.4.0");
}

static void test_tree_of_3_4(void **state)
{
    struct cluster *c = cluster_new(7), *d = cluster_new(8);
    user_keys = true;
    assert_int_equal(load(c, tree_3_4), ERR_OK);
    assert_false(user_keys);
    assert_int_equal(cluster_id(c), 7);
    assert_tree_3_4(c);

    char *json = tree_of(c);
    assert_int_equal(load(d, json), ERR_OK);
    assert_int_equal(cluster_id(d), 8);
    assert_tree_3_4(d);
    free(json);
    cluster_free(c);
    cluster_free(d);
}

static void test_what_was_there_is_replaced(void **state)
{
    struct mem_backend *be = mem_backend_new();
    struct kv_writer *w = mem_backend_writer(be);
    struct cluster *c = cluster_new(7), *d = cluster_new(7);
    struct raft_conf_change cc;
    const char *url = "http://old:1";
    struct member *m = member_new(5, &url, 1, false);
    cluster_change_add(1, m, &cc);
    assert_int_equal(cluster_apply_change(c, &cc, w), ERR_OK);
    assert_int_equal(cluster_set_downgrade(c, "3.5.0", w), ERR_OK);
    cluster_set_learners_max(c, 0);

    /* As it goes with a snapshot: the buckets first, then the tree, then the buckets are made
     * alike. */
    assert_int_equal(cluster_load(c, w, &why), ERR_OK);
    assert_int_equal(load(c, tree_3_4), ERR_OK);
    assert_tree_3_4(c);
    assert_string_equal(cluster_downgrade_target(c), "3.5.0");
    cluster_save(c, w);
    assert_int_equal(cluster_load(d, w, &why), ERR_OK);
    assert_tree_3_4(d);
    assert_true(cluster_downgrade_enabled(d));

    raft_conf_change_fini(&cc);
    m->is_learner = true;
    cluster_change_add(1, m, &cc);
    assert_int_equal(cluster_check_change(c, &cc), ERR_TOO_MANY_LEARNERS);
    raft_conf_change_fini(&cc);
    member_free(m);
    cluster_free(c);
    cluster_free(d);
    mem_backend_free(be);
}

/* ---- ours ---------------------------------------------------------------------------------- */

static void test_our_tree(void **state)
{
    struct cluster *c = cluster_new(7);
    char *json = tree_of(c);
    assert_string_equal(json, "{\"Root\":{\"Path\":\"/\",\"Children\":{"
                              "\"0\":{\"Path\":\"/0\",\"Children\":{"
                              "\"members\":{\"Path\":\"/0/members\",\"Children\":{}}}},"
                              "\"1\":{\"Path\":\"/1\",\"Children\":{}}}},"
                              "\"CurrentVersion\":2}");
    assert_int_equal(load(c, json), ERR_NOT_FOUND);
    free(json);

    assert_int_equal(load(c, "{\"Root\":{\"Children\":{\"0\":{\"Children\":{"
                             "\"members\":{\"Children\":{\"b\":{\"Children\":{"
                             "\"raftAttributes\":{\"Value\":\"{\\\"isLearner\\\":true}\"},"
                             "\"attributes\":{\"Value\":\"{\\\"name\\\":\\\"n\\\"}\"}}}}},"
                             "\"removed_members\":{\"Children\":{\"c\":{},\"a\":{}}}}}}}}"),
                     ERR_OK);
    assert_null(cluster_version(c));
    assert_int_equal(cluster_n_learners(c), 1);
    json = tree_of(c);
    assert_string_equal(json, "{\"Root\":{\"Path\":\"/\",\"Children\":{"
                              "\"0\":{\"Path\":\"/0\",\"Children\":{"
                              "\"members\":{\"Path\":\"/0/members\",\"Children\":{"
                              "\"b\":{\"Path\":\"/0/members/b\",\"Children\":{"
                              "\"attributes\":{\"Path\":\"/0/members/b/attributes\","
                              "\"Value\":\"{\\\"name\\\":\\\"n\\\"}\"},"
                              "\"raftAttributes\":{\"Path\":\"/0/members/b/raftAttributes\","
                              "\"Value\":\"{\\\"peerURLs\\\":[],\\\"isLearner\\\":true}\"}}}}},"
                              "\"removed_members\":{\"Path\":\"/0/removed_members\",\"Children\":{"
                              "\"a\":{\"Path\":\"/0/removed_members/a\",\"Value\":\"\"},"
                              "\"c\":{\"Path\":\"/0/removed_members/c\",\"Value\":\"\"}}}}},"
                              "\"1\":{\"Path\":\"/1\",\"Children\":{}}}},\"CurrentVersion\":2}");
    free(json);
    cluster_free(c);
}

/* ---- what is refused ----------------------------------------------------------------------- */

#define TREE(top)         "{\"Root\":{\"Children\":{" top "}}}"
#define DIR(name, inner)  "\"" name "\":{\"Children\":{" inner "}}"
#define LEAF(name, value) "\"" name "\":{\"Value\":\"" value "\"}"
#define MEMBER            DIR("b", LEAF("raftAttributes", "{}"))
#define MEMBERS           DIR("members", MEMBER)

static void test_user_keys(void **state)
{
    static const struct {
        const char *json;
        bool user_keys;
    } cases[] = {
        {TREE(DIR("0", MEMBERS)), false},
        {TREE(DIR("0", MEMBERS) "," DIR("1", "") "," DIR("3", "")), false},
        {TREE(DIR("0", MEMBERS) "," DIR("1", LEAF("k", "v"))), true},
        {TREE(DIR("0", MEMBERS) "," DIR("1", LEAF("k", "a\\u0000b"))), true},
        {TREE(DIR("0", MEMBERS) "," DIR("1", DIR("d", ""))), true},
        {TREE(DIR("0", MEMBERS) "," DIR("2", LEAF("enabled", "false") "," DIR("users", ""))),
         false},
        {TREE(DIR("0", MEMBERS) "," DIR("2", DIR("users", LEAF("u", "{}")))), true},
    };
    struct cluster *c = cluster_new(7);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        user_keys = !cases[i].user_keys;
        assert_int_equal(load(c, cases[i].json), ERR_OK);
        assert_int_equal(user_keys, cases[i].user_keys);
    }
    assert_int_equal(load(c, TREE(DIR("1", LEAF("k", "v")))), ERR_NOT_FOUND);
    assert_true(user_keys);
    cluster_free(c);
}

static void test_damaged(void **state)
{
    static const char *const cases[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"Root\":7}",
        "{\"Root\":{",
        TREE(DIR("0", DIR("members", DIR("x", LEAF("raftAttributes", "{}"))))),
        TREE(DIR("0", DIR("members", DIR("0", LEAF("raftAttributes", "{}"))))),
        TREE(DIR("0", DIR("members", MEMBER "," DIR("0b", LEAF("raftAttributes", "{}"))))),
        TREE(DIR("0", DIR("members", DIR("b", "")))),
        TREE(DIR("0", DIR("members", LEAF("b", "")))),
        TREE(DIR("0", DIR("members", "\"b\":null"))),
        TREE(DIR("0", DIR("members", DIR("b", LEAF("raftAttributes", "[]"))))),
        TREE(DIR("0", DIR("members",
                          DIR("b", LEAF("raftAttributes", "{}") "," LEAF("attributes", "{"))))),
        TREE(DIR("0", MEMBERS "," DIR("removed_members", LEAF("b", "")))),
        TREE(DIR("0", MEMBERS "," DIR("removed_members", LEAF("", "")))),
        TREE(DIR("0", MEMBERS "," LEAF("version", ""))),
        TREE(DIR("0", MEMBERS "," LEAF("version", "3.4"))),
        TREE(DIR("0", MEMBERS "," LEAF("version", "3.4.0\\u0000"))),
    };
    struct cluster *c = cluster_new(7);
    assert_int_equal(load(c, tree_3_4), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        why.text[0] = '\0';
        assert_int_equal(load(c, cases[i]), ERR_DAMAGED);
        assert_true(why.text[0] != '\0');
    }
    assert_int_equal(load(c, TREE(DIR("0", DIR("members", "")))), ERR_NOT_FOUND);
    assert_int_equal(load(c, TREE("")), ERR_NOT_FOUND);
    assert_tree_3_4(c);
    cluster_free(c);
}

/* Return an owned tree with `n` nodes under /0/`dir`. */
static char *many(const char *before, const char *inner, size_t n)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "{\"Root\":{\"Children\":{\"0\":{\"Children\":{%s{\"Children\":{", before);
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s\"%zx\":%s", i == 0 ? "" : ",", i + 100, inner);
    buf_add_str(&b, "}}}}}}}");
    return buf_take_cstr(&b);
}

static enum err load_many(const char *before, const char *inner, size_t n)
{
    struct cluster *c = cluster_new(7);
    char *json = many(before, inner, n);
    enum err e = load(c, json);
    free(json);
    cluster_free(c);
    return e;
}

static void test_bounds(void **state)
{
    const char *member = "{\"Children\":{\"raftAttributes\":{\"Value\":\"{}\"}}}";
    const char *removed = "\"members\":{\"Children\":{\"b\":{\"Children\":{"
                          "\"raftAttributes\":{\"Value\":\"{}\"}}}}},\"removed_members\":";
    assert_int_equal(load_many("\"members\":", member, CLUSTER_MEMBERS_MAX), ERR_OK);
    assert_int_equal(load_many("\"members\":", member, CLUSTER_MEMBERS_MAX + 1), ERR_TOO_LARGE);
    assert_int_equal(load_many(removed, "{}", 1000), ERR_OK);
    assert_int_equal(load_many(removed, "{}", V2_TREE_REMOVED_MAX + 1), ERR_TOO_LARGE);

    struct cluster *c = cluster_new(7);
    struct buf deep = BUF_INIT;
    for (size_t i = 0; i < 100000; i++)
        buf_add_str(&deep, "{\"Root\":");
    assert_int_equal(load(c, buf_cstr(&deep)), ERR_DAMAGED);
    buf_fini(&deep);
    assert_int_equal(
        cluster_load_v2_json(c, slice_make("", (size_t)V2_TREE_MAX + 1), &user_keys, &why),
        ERR_TOO_LARGE);
    cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_of_3_4), cmocka_unit_test(test_what_was_there_is_replaced),
        cmocka_unit_test(test_our_tree),    cmocka_unit_test(test_user_keys),
        cmocka_unit_test(test_damaged),     cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
