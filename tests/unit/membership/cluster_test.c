/* Tests of membership/cluster.h: changes, what they are refused for, and the rows they leave.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "membership/cluster.h"
#include "tests/lib/mem_backend.h"

enum { A = 0x0a, B = 0x1b, C = 0x2c };
#define BIG 0x8e9e05c52164694du

struct fixture {
    struct mem_backend *be;
    struct kv_writer *w;
    struct cluster *c;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->be = mem_backend_new();
    f->w = mem_backend_writer(f->be);
    f->c = cluster_new(77);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cluster_check(f->c);
    cluster_free(f->c);
    mem_backend_free(f->be);
    free(f);
    return 0;
}

/* Check `cc`, apply it, and see that both say the same; frees it. */
static enum err apply(struct fixture *f, struct raft_conf_change *cc)
{
    enum err checked = cluster_check_change(f->c, cc);
    assert_int_equal(cluster_apply_change(f->c, cc, f->w), checked);
    cluster_check(f->c);
    raft_conf_change_fini(cc);
    return checked;
}

static void make_add(member_id id, const char *url, bool learner, struct raft_conf_change *cc)
{
    struct member *m = member_new(id, &url, 1, learner);
    cluster_change_add(1, m, cc);
    member_free(m);
}

static enum err add(struct fixture *f, member_id id, const char *url, bool learner)
{
    struct raft_conf_change cc;
    make_add(id, url, learner, &cc);
    return apply(f, &cc);
}

static enum err promote(struct fixture *f, member_id id)
{
    struct raft_conf_change cc;
    cluster_change_promote(1, id, &cc);
    return apply(f, &cc);
}

static enum err update(struct fixture *f, member_id id, const char *url)
{
    struct raft_conf_change cc;
    cluster_change_update(1, id, &url, 1, &cc);
    return apply(f, &cc);
}

static enum err drop(struct fixture *f, member_id id)
{
    struct raft_conf_change cc;
    cluster_change_remove(1, id, &cc);
    return apply(f, &cc);
}

static void publish(struct fixture *f, member_id id, const char *name)
{
    const char *url = "http://client:2379";
    assert_int_equal(cluster_set_attributes(f->c, id, name, &url, 1, f->w), ERR_OK);
}

static void assert_row(struct fixture *f, const char *bucket, const char *key, const char *value)
{
    struct slice got;
    bool there = f->w->ops->bucket_get(f->w, bucket, slice_str(key), &got);
    assert_int_equal(there, value != NULL);
    if (value != NULL)
        assert_true(slice_is(got, value));
}

/* ---- changes ------------------------------------------------------------------------------- */

static void test_changes_as_the_log_carries_them(void **state)
{
    struct raft_conf_change cc;
    make_add(BIG, "http://localhost:2380", false, &cc);
    assert_int_equal(cc.id, 1);
    assert_int_equal(cc.n_changes, 1);
    assert_int_equal(cc.changes[0].type, RAFT_CONF_ADD_NODE);
    assert_true(cc.changes[0].node == BIG);
    assert_true(slice_is(blob_slice(cc.context), "{\"id\":10276657743932975437,"
                                                 "\"peerURLs\":[\"http://localhost:2380\"]}"));
    raft_conf_change_fini(&cc);
    make_add(A, "http://a:1", true, &cc);
    assert_int_equal(cc.changes[0].type, RAFT_CONF_ADD_LEARNER);
    assert_true(slice_is(blob_slice(cc.context),
                         "{\"id\":10,\"peerURLs\":[\"http://a:1\"],\"isLearner\":true}"));
    raft_conf_change_fini(&cc);
    cluster_change_promote(2, A, &cc);
    assert_int_equal(cc.changes[0].type, RAFT_CONF_ADD_NODE);
    assert_true(
        slice_is(blob_slice(cc.context), "{\"id\":10,\"peerURLs\":null,\"isPromote\":true}"));
    raft_conf_change_fini(&cc);
    cluster_change_remove(3, A, &cc);
    assert_int_equal(cc.changes[0].type, RAFT_CONF_REMOVE_NODE);
    assert_null(cc.context);
    raft_conf_change_fini(&cc);
}

static void test_add_keeps_order_and_writes_rows(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, C, "http://c:1", false), ERR_OK);
    assert_int_equal(add(f, BIG, "http://big:1", false), ERR_OK);
    assert_int_equal(add(f, A, "http://a:1", true), ERR_OK);
    assert_int_equal(cluster_size(f->c), 3);
    assert_int_equal(cluster_at(f->c, 0)->id, A);
    assert_int_equal(cluster_at(f->c, 1)->id, C);
    assert_true(cluster_at(f->c, 2)->id == BIG);
    assert_int_equal(cluster_n_voters(f->c), 2);
    assert_int_equal(cluster_n_learners(f->c), 1);
    assert_row(f, BUCKET_MEMBERS, "8e9e05c52164694d",
               "{\"id\":10276657743932975437,\"peerURLs\":[\"http://big:1\"]}");
    assert_row(f, BUCKET_MEMBERS, "a",
               "{\"id\":10,\"peerURLs\":[\"http://a:1\"],\"isLearner\":true}");
}

static void test_add_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    assert_int_equal(add(f, A, "http://other:1", false), ERR_MEMBER_EXISTS);
    assert_int_equal(add(f, B, "http://a:1", false), ERR_PEER_URL_EXISTS);
    assert_int_equal(add(f, B, "http://b:1", true), ERR_OK);
    assert_int_equal(add(f, C, "http://c:1", true), ERR_TOO_MANY_LEARNERS);
    cluster_set_learners_max(f->c, 2);
    assert_int_equal(add(f, C, "http://c:1", true), ERR_OK);
    assert_row(f, BUCKET_MEMBERS, "a", "{\"id\":10,\"peerURLs\":[\"http://a:1\"]}");
}

static void test_promote(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", true), ERR_OK);
    assert_int_equal(promote(f, B), ERR_MEMBER_NOT_FOUND);
    assert_int_equal(promote(f, A), ERR_OK);
    assert_int_equal(promote(f, A), ERR_MEMBER_NOT_LEARNER);
    assert_int_equal(cluster_n_voters(f->c), 1);
    assert_row(f, BUCKET_MEMBERS, "a", "{\"id\":10,\"peerURLs\":[\"http://a:1\"]}");
}

static void test_update(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", true), ERR_OK);
    assert_int_equal(add(f, B, "http://b:1", false), ERR_OK);
    assert_int_equal(update(f, C, "http://c:1"), ERR_MEMBER_NOT_FOUND);
    assert_int_equal(update(f, A, "http://b:1"), ERR_PEER_URL_EXISTS);
    assert_int_equal(update(f, A, "http://a:1"), ERR_OK);
    assert_int_equal(update(f, A, "http://a:2"), ERR_OK);
    assert_string_equal(cluster_find(f->c, A)->peer_urls.v[0], "http://a:2");
    /* Only the URLs change. */
    assert_true(cluster_find(f->c, A)->is_learner);
    assert_row(f, BUCKET_MEMBERS, "a",
               "{\"id\":10,\"peerURLs\":[\"http://a:2\"],\"isLearner\":true}");
}

static void test_remove_leaves_a_tombstone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    assert_int_equal(add(f, B, "http://b:1", false), ERR_OK);
    assert_int_equal(drop(f, C), ERR_MEMBER_NOT_FOUND);
    assert_int_equal(drop(f, B), ERR_OK);
    assert_true(cluster_is_removed(f->c, B));
    assert_null(cluster_find(f->c, B));
    assert_row(f, BUCKET_MEMBERS, "1b", NULL);
    assert_row(f, BUCKET_MEMBERS_REMOVED, "1b", "removed");
    size_t n;
    assert_int_equal(cluster_removed(f->c, &n)[0], B);
    assert_int_equal(n, 1);
    /* A removed id never comes back, its URL may. */
    assert_int_equal(add(f, B, "http://b:1", false), ERR_MEMBER_NOT_FOUND);
    assert_int_equal(drop(f, B), ERR_MEMBER_NOT_FOUND);
    assert_int_equal(promote(f, B), ERR_MEMBER_NOT_FOUND);
    assert_int_equal(add(f, C, "http://b:1", false), ERR_OK);
}

static enum err apply_raw(struct fixture *f, enum raft_conf_change_type type, member_id id,
                          const char *context)
{
    struct raft_conf_change cc = {.n_changes = 1};
    cc.changes = xmalloc(sizeof *cc.changes);
    cc.changes[0] = (struct raft_conf_change_single){type, id};
    cc.context = blob_dup(slice_str(context));
    return apply(f, &cc);
}

static void test_malformed_changes(void **state)
{
    struct fixture *f = *state;
    const char *m = "{\"id\":10,\"peerURLs\":[\"http://a:1\"]}";
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, A, ""), ERR_MALFORMED);
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, A, "{\"id\":"), ERR_MALFORMED);
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, B, m), ERR_MALFORMED);
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, 0, m), ERR_MALFORMED);
    assert_int_equal(apply_raw(f, RAFT_CONF_UPDATE_NODE, B, m), ERR_MALFORMED);
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_LEARNER, A, m), ERR_MALFORMED);
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, A, "{\"id\":10,\"isLearner\":true}"),
                     ERR_MALFORMED);
    assert_int_equal(apply_raw(f, (enum raft_conf_change_type)9, A, m), ERR_MALFORMED);
    struct raft_conf_change none = {0};
    assert_int_equal(apply(f, &none), ERR_MALFORMED);
    assert_int_equal(cluster_size(f->c), 0);
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, A, m), ERR_OK);
    /* The context of a removal is not looked at. */
    assert_int_equal(apply_raw(f, RAFT_CONF_REMOVE_NODE, A, "x"), ERR_OK);
}

/* Contexts as 3.4.23 writes them into its log. */
static void test_changes_of_3_4(void **state)
{
    struct fixture *f = *state;
    member_id m2 = 1188962243032079554, y = 1695874103137544099;
    /* At bootstrap the name is there before the member has published itself. */
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, m2,
                               "{\"id\":1188962243032079554,"
                               "\"peerURLs\":[\"http://127.0.0.1:43857\"],\"name\":\"m2\"}"),
                     ERR_OK);
    assert_string_equal(cluster_find(f->c, m2)->name, "m2");
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_LEARNER, y,
                               "{\"id\":1695874103137544099,"
                               "\"peerURLs\":[\"http://127.0.0.1:9\"],\"isLearner\":true}"),
                     ERR_OK);
    assert_int_equal(apply_raw(f, RAFT_CONF_UPDATE_NODE, y,
                               "{\"id\":1695874103137544099,"
                               "\"peerURLs\":[\"http://127.0.0.1:8\"]}"),
                     ERR_OK);
    assert_true(cluster_find(f->c, y)->is_learner);
    assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, y,
                               "{\"id\":1695874103137544099,\"peerURLs\":null,"
                               "\"isPromote\":true}"),
                     ERR_OK);
    assert_false(cluster_find(f->c, y)->is_learner);
    assert_int_equal(cluster_find(f->c, y)->peer_urls.n, 1);
}

/* An update makes a voter of a learner for members of 3.4, and they refuse to promote it then. What
 * they refuse must not change raft's configuration here either. */
static void test_update_as_in_3_4(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", true), ERR_OK);
    assert_int_equal(cluster_set_version(f->c, "3.5.0", f->w), ERR_OK);
    assert_int_equal(update(f, A, "http://a:2"), ERR_OK);
    assert_true(cluster_find(f->c, A)->is_learner);
    assert_int_equal(cluster_set_version(f->c, "3.4.0", f->w), ERR_OK);
    assert_int_equal(update(f, A, "http://a:3"), ERR_OK);
    assert_false(cluster_find(f->c, A)->is_learner);
    assert_row(f, BUCKET_MEMBERS, "a", "{\"id\":10,\"peerURLs\":[\"http://a:3\"]}");
    assert_int_equal(promote(f, A), ERR_MEMBER_NOT_LEARNER);
}

static void test_members_are_bounded(void **state)
{
    struct fixture *f = *state;
    for (member_id id = 1; id <= CLUSTER_MEMBERS_MAX; id++) {
        char context[32];
        snprintf(context, sizeof context, "{\"id\":%d}", (int)id);
        assert_int_equal(apply_raw(f, RAFT_CONF_ADD_NODE, id, context), ERR_OK);
    }
    assert_int_equal(add(f, 5000, "http://a:1", false), ERR_TOO_LARGE);
}

/* ---- strict reconfiguration ---------------------------------------------------------------- */

static enum err quorum_add(struct fixture *f, bool learner)
{
    struct raft_conf_change cc;
    make_add(0xff, "http://new:1", learner, &cc);
    enum err e = cluster_check_quorum(f->c, &cc);
    raft_conf_change_fini(&cc);
    return e;
}

static enum err quorum_remove(struct fixture *f, member_id id)
{
    struct raft_conf_change cc;
    cluster_change_remove(1, id, &cc);
    enum err e = cluster_check_quorum(f->c, &cc);
    raft_conf_change_fini(&cc);
    return e;
}

static enum err quorum_promote(struct fixture *f, member_id id)
{
    struct raft_conf_change cc;
    cluster_change_promote(1, id, &cc);
    enum err e = cluster_check_quorum(f->c, &cc);
    raft_conf_change_fini(&cc);
    return e;
}

static void test_quorum_when_adding(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    assert_int_equal(quorum_add(f, false), ERR_MEMBER_NOT_ENOUGH_STARTED);
    publish(f, A, "a");
    assert_int_equal(quorum_add(f, false), ERR_OK); /* 1 -> 2 */
    assert_int_equal(add(f, B, "http://b:1", false), ERR_OK);
    /* B has not started: of 3 only A would run. */
    assert_int_equal(quorum_add(f, false), ERR_MEMBER_NOT_ENOUGH_STARTED);
    assert_int_equal(quorum_add(f, true), ERR_OK);
    publish(f, B, "b");
    assert_int_equal(quorum_add(f, false), ERR_OK);
}

static void test_quorum_when_removing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    assert_int_equal(add(f, B, "http://b:1", false), ERR_OK);
    assert_int_equal(add(f, C, "http://c:1", true), ERR_OK);
    publish(f, A, "a");
    assert_int_equal(quorum_remove(f, A), ERR_MEMBER_NOT_ENOUGH_STARTED);
    assert_int_equal(quorum_remove(f, B), ERR_OK);
    assert_int_equal(quorum_remove(f, C), ERR_OK);
    assert_int_equal(drop(f, B), ERR_OK);
    assert_int_equal(quorum_remove(f, A), ERR_MEMBER_NOT_ENOUGH_STARTED); /* the last voter */
}

static void test_quorum_when_promoting(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    assert_int_equal(add(f, B, "http://b:1", false), ERR_OK);
    assert_int_equal(add(f, C, "http://c:1", true), ERR_OK);
    assert_int_equal(quorum_promote(f, C), ERR_MEMBER_NOT_ENOUGH_STARTED);
    publish(f, A, "a");
    assert_int_equal(quorum_promote(f, C), ERR_OK); /* the learner itself counts */
}

/* ---- attributes, version, rows ------------------------------------------------------------- */

static void test_attributes(void **state)
{
    struct fixture *f = *state;
    const char *urls[] = {"http://x:1", "http://x:2"};
    assert_int_equal(cluster_set_attributes(f->c, A, "a", urls, 2, f->w), ERR_MEMBER_NOT_FOUND);
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    assert_int_equal(cluster_set_attributes(f->c, A, "a", urls, 2, f->w), ERR_OK);
    assert_row(f, BUCKET_MEMBERS, "a",
               "{\"id\":10,\"peerURLs\":[\"http://a:1\"],\"name\":\"a\","
               "\"clientURLs\":[\"http://x:1\",\"http://x:2\"]}");
    /* Our own strings as arguments. */
    const struct member *m = cluster_find(f->c, A);
    assert_int_equal(cluster_set_attributes(f->c, A, m->name, urls_view(&m->client_urls), 1, f->w),
                     ERR_OK);
    assert_string_equal(m->name, "a");
    assert_int_equal(m->client_urls.n, 1);
    assert_int_equal(cluster_set_attributes(f->c, A, "a", urls, MEMBER_URLS_MAX + 1, f->w),
                     ERR_MALFORMED);
}

static void test_attributes_from_json(void **state)
{
    static const char *const bad[] = {"", "null", "[]", "{\"name\":1}", "{\"clientURLs\":\"x\"}"};
    struct fixture *f = *state;
    assert_int_equal(cluster_set_attributes_json(f->c, A, slice_str("{}"), f->w),
                     ERR_MEMBER_NOT_FOUND);
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    const char *json = "{\"name\":\"a\",\"clientURLs\":[\"http://x:1\"]}";
    assert_int_equal(cluster_set_attributes_json(f->c, A, slice_str(json), f->w), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(cluster_set_attributes_json(f->c, A, slice_str(bad[i]), f->w),
                         ERR_MALFORMED);
    assert_row(f, BUCKET_MEMBERS, "a",
               "{\"id\":10,\"peerURLs\":[\"http://a:1\"],\"name\":\"a\","
               "\"clientURLs\":[\"http://x:1\"]}");
    assert_int_equal(cluster_set_attributes_json(f->c, A, slice_str("{}"), f->w), ERR_OK);
    assert_false(member_is_started(cluster_find(f->c, A)));
}

static void test_version_is_reached(void **state)
{
    struct fixture *f = *state;
    assert_false(cluster_version_reached(f->c, 3, 0));
    assert_int_equal(cluster_set_version(f->c, "3.10.0", f->w), ERR_OK);
    assert_true(cluster_version_reached(f->c, 2, 99));
    assert_true(cluster_version_reached(f->c, 3, 9));
    assert_true(cluster_version_reached(f->c, 3, 10));
    assert_false(cluster_version_reached(f->c, 3, 11));
    assert_false(cluster_version_reached(f->c, 4, 0));
}

static void test_version(void **state)
{
    static const char *const bad[] = {"",        "3",     "3.7",    "3.7.",   ".3.7", "3..7",
                                      "3.7.0.1", "3.7.x", "v3.7.0", "3.7.0 ", "\xff"};
    struct fixture *f = *state;
    assert_null(cluster_version(f->c));
    assert_int_equal(cluster_set_version(f->c, "3.7.0", f->w), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(cluster_set_version(f->c, bad[i], f->w), ERR_MALFORMED);
        assert_int_equal(cluster_set_downgrade(f->c, bad[i], f->w), ERR_MALFORMED);
    }
    assert_string_equal(cluster_version(f->c), "3.7.0");
    assert_row(f, BUCKET_CLUSTER, "clusterVersion", "3.7.0");
    assert_null(cluster_downgrade_target(f->c));
    assert_int_equal(cluster_set_downgrade(f->c, "3.6.0", f->w), ERR_OK);
    assert_string_equal(cluster_downgrade_target(f->c), "3.6.0");
    assert_row(f, BUCKET_CLUSTER, "downgrade", "{\"target-version\":\"3.6.0\",\"enabled\":true}");
    assert_int_equal(cluster_set_downgrade(f->c, NULL, f->w), ERR_OK);
    assert_null(cluster_downgrade_target(f->c));
    assert_row(f, BUCKET_CLUSTER, "downgrade", "{\"target-version\":\"\",\"enabled\":false}");
}

static void fill(struct fixture *f)
{
    assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
    assert_int_equal(add(f, BIG, "http://big:1", true), ERR_OK);
    assert_int_equal(add(f, C, "http://c:1", false), ERR_OK);
    assert_int_equal(drop(f, C), ERR_OK);
    publish(f, A, "name");
    assert_int_equal(cluster_set_version(f->c, "3.7.0", f->w), ERR_OK);
    assert_int_equal(cluster_set_downgrade(f->c, "3.6.0", f->w), ERR_OK);
}

static void assert_same(const struct cluster *x, const struct cluster *y)
{
    AUTO(buf) struct buf a = BUF_INIT;
    AUTO(buf) struct buf b = BUF_INIT;
    cluster_add_json(x, &a);
    cluster_add_json(y, &b);
    assert_string_equal(buf_cstr(&a), buf_cstr(&b));
    size_t n, k;
    const member_id *r = cluster_removed(x, &n), *s = cluster_removed(y, &k);
    assert_int_equal(n, k);
    assert_memory_equal(r, s, n * sizeof *r);
    assert_string_equal(cluster_version(x), cluster_version(y));
    assert_string_equal(cluster_downgrade_target(x), cluster_downgrade_target(y));
}

static void test_load_gives_what_was_applied(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct cluster *c = cluster_new(5);
    assert_int_equal(cluster_load(c, f->w, NULL), ERR_OK);
    cluster_check(c);
    assert_same(c, f->c);
    assert_int_equal(cluster_id(c), 5);
    cluster_free(c);
}

static void test_save_replaces_rows(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct cluster *c = cluster_new(5);
    assert_int_equal(cluster_load(c, f->w, NULL), ERR_OK);
    struct kv_writer *w = f->w;
    w->ops->bucket_put(w, BUCKET_MEMBERS, slice_str("77"), slice_str("{\"id\":119}"));
    w->ops->bucket_put(w, BUCKET_MEMBERS_REMOVED, slice_str("78"), slice_str("removed"));
    cluster_save(c, w);
    assert_int_equal(cluster_load(f->c, w, NULL), ERR_OK);
    assert_same(c, f->c);
    cluster_free(c);
}

static void test_damaged_rows(void **state)
{
    static const struct {
        const char *bucket, *key, *value;
    } bad[] = {
        {BUCKET_MEMBERS, "b", "x"},
        {BUCKET_MEMBERS, "b", "{\"id\":12}"},
        {BUCKET_MEMBERS, "0b", "{\"id\":12}"},
        {BUCKET_MEMBERS, "", "{\"id\":12}"},
        {BUCKET_MEMBERS, "zz", "{\"id\":12}"},
        {BUCKET_MEMBERS, "00000000000000000b", "{\"id\":11}"},
        {BUCKET_MEMBERS, "0a", "{\"id\":10}"}, /* a second row of one member */
        {BUCKET_MEMBERS_REMOVED, "a", "removed"},
        {BUCKET_MEMBERS_REMOVED, "0", "removed"},
        {BUCKET_CLUSTER, "clusterVersion", "3"},
        {BUCKET_CLUSTER, "downgrade", "{\"target-version\":\"x\",\"enabled\":true}"},
        {BUCKET_CLUSTER, "downgrade", "{\"enabled\":true}"},
        {BUCKET_CLUSTER, "downgrade", "[]"},
        {BUCKET_CLUSTER, "downgrade", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        void *own = NULL;
        setup(&own);
        struct fixture *f = own;
        struct why why = {""};
        assert_int_equal(add(f, A, "http://a:1", false), ERR_OK);
        f->w->ops->bucket_put(f->w, bad[i].bucket, slice_str(bad[i].key), slice_str(bad[i].value));
        assert_int_equal(cluster_load(f->c, f->w, &why), ERR_DAMAGED);
        assert_non_null(strstr(why.text, bad[i].bucket));
        assert_int_equal(cluster_size(f->c), 1);
        teardown(&own);
    }
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_as_the_log_carries_them),
        T(test_add_keeps_order_and_writes_rows),
        T(test_add_refused),
        T(test_promote),
        T(test_update),
        T(test_remove_leaves_a_tombstone),
        T(test_malformed_changes),
        T(test_changes_of_3_4),
        T(test_update_as_in_3_4),
        T(test_members_are_bounded),
        T(test_quorum_when_adding),
        T(test_quorum_when_removing),
        T(test_quorum_when_promoting),
        T(test_attributes),
        T(test_attributes_from_json),
        T(test_version_is_reached),
        T(test_version),
        T(test_load_gives_what_was_applied),
        T(test_save_replaces_rows),
        cmocka_unit_test(test_damaged_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
