/* Tests of apply/entry.h: the forms of an entry, told apart, made, and applied.
 * SPDX-License-Identifier: Apache-2.0 */
#include "apply/entry.h"
#include "pb/pb_arena.h"
#include "tests/unit/apply/rig.h"

#define MEMBER_M1 0xfc2d14ad1f78defbu

/* What follows the value: all that Go writes though it is not set. */
#define TAIL "\x28\0\x32\0\x38\0\x48\0\x50\0\x58\0\x60\0\x68\0\x70\0\x78\0\x80\x01\0"

/* Two entries from the log of a 3.4.23. */
static const char attributes_3_4[] = "\x08\x81\xac\xcc\xdd\xd6\xc1\xe8\xfd\xde\x01\x12\x03PUT"
                                     "\x1a&/0/members/fc2d14ad1f78defb/attributes"
                                     "\"5{\"name\":\"m1\",\"clientURLs\":["
                                     "\"http://127.0.0.1:52799\"]}" TAIL;
static const char version_3_4[] = "\x08\x84\xac\xcc\xdd\xd6\xc1\xe8\xfd\xde\x01\x12\x03PUT"
                                  "\x1a\n/0/version\"\x05"
                                  "3.4.0" TAIL;
#define ATTRIBUTES_ID 0xdefba20d6bb31601u
#define VERSION_ID    0xdefba20d6bb31604u

#define BYTES(literal) slice_make((literal), sizeof(literal) - 1)

static enum err decode(struct rig *g, struct slice data, struct entry *ret)
{
    struct blob *exact = blob_dup(data); /* so that reading beyond the end is seen */
    enum err e = entry_decode(blob_slice(exact), g->req, ret);
    blob_unref(exact);
    assert_true(e != ERR_OK || (ret->req == NULL) != (ret->v2 == NULL));
    return e;
}

static struct buf pack(const Etcdserverpb__InternalRaftRequest *req)
{
    struct buf b = BUF_INIT;
    pb_pack(&req->base, &b);
    return b;
}

/* Apply the bytes of an entry that is a v2 request. */
static enum err apply_v2(struct rig *g, struct slice data)
{
    struct entry e;
    assert_int_equal(decode(g, data, &e), ERR_OK);
    assert_non_null(e.v2);
    applier_apply_v2(g->applier, e.v2, &g->r);
    assert_null(g->r.response);
    return g->r.err;
}

static enum err apply_put(struct rig *g, const char *path, const char *value)
{
    Etcdserverpb__Request r = ETCDSERVERPB__REQUEST__INIT;
    r.has_path = r.has_val = r.has_method = true;
    r.method = req_bytes("PUT");
    r.path = req_bytes(path);
    r.val = req_bytes(value);
    applier_apply_v2(g->applier, &r, &g->r);
    return g->r.err;
}

static void add_member(struct rig *g, member_id id)
{
    struct raft_conf_change cc;
    struct member *m = member_new(id, NULL, 0, false);
    cluster_change_add(1, m, &cc);
    assert_int_equal(cluster_apply_change(g->cluster, &cc, mem_backend_writer(g->backend)), ERR_OK);
    raft_conf_change_fini(&cc);
    member_free(m);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void requests_of_all_forms(void **state)
{
    struct rig *g = *state;
    struct entry e;
    Etcdserverpb__InternalRaftRequest ir = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserverpb__RequestHeader h = ETCDSERVERPB__REQUEST_HEADER__INIT;
    h.id = 5;
    ir.header = &h;
    ir.put = req_put(g->req, "k", "v");
    struct buf b = pack(&ir);
    assert_int_equal(decode(g, buf_slice(&b), &e), ERR_OK);
    assert_true(e.req != NULL && pb_is(e.req->put->key, "k"));
    assert_int_equal(entry_id(&e), 5);
    buf_fini(&b);

    assert_int_equal(decode(g, BYTES(attributes_3_4), &e), ERR_OK);
    assert_true(e.v2 != NULL && pb_is(e.v2->method, "PUT"));
    assert_true(entry_id(&e) == ATTRIBUTES_ID);
    assert_true(e.v2->has_prevvalue && !e.v2->has_prevexist);

    /* The same, wrapped. */
    Etcdserverpb__InternalRaftRequest wrapper = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    wrapper.v2.data = (uint8_t *)(uintptr_t)version_3_4;
    wrapper.v2.len = sizeof version_3_4 - 1;
    b = pack(&wrapper);
    assert_int_equal(decode(g, buf_slice(&b), &e), ERR_OK);
    assert_true(e.v2 != NULL && pb_is(e.v2->val, "3.4.0"));
    assert_true(entry_id(&e) == VERSION_ID);
    buf_fini(&b);
}

/* No method can be taken for a wrapped request, whatever stands around it. */
static void bare_requests_by_method(void **state)
{
    static const char *const methods[] = {"PUT", "POST", "DELETE", "GET", "QGET", "SYNC"};
    struct rig *g = *state;
    struct entry e;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        for (unsigned fields = 0; fields < 4; fields++) {
            Etcdserverpb__Request r = ETCDSERVERPB__REQUEST__INIT;
            struct buf b = BUF_INIT;
            r.has_id = r.has_time = true;
            r.id = 9;
            r.has_method = true;
            r.method = req_bytes(methods[i]);
            r.has_path = fields & 1;
            r.path = req_bytes("/1/k");
            r.has_val = fields & 2;
            r.val = req_bytes("\xff\n\1"); /* neither UTF-8 nor a PutRequest */
            pb_pack(&r.base, &b);
            assert_int_equal(decode(g, buf_slice(&b), &e), ERR_OK);
            assert_true(e.v2 != NULL && pb_is(e.v2->method, methods[i]));
            assert_int_equal(entry_id(&e), 9);
            buf_fini(&b);
        }
    }
}

static void what_cannot_be_read(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {
        {"\x22\x05", 2},            /* a put cut short */
        {"\x08\x01\x12\x03PAT", 7}, /* no such method */
        {"\x08\x01\x12\x03PU", 6},  /* cut short */
        {"\x08\x01\x12\x03PUT\x1a\x7f", 9},
        {"\xff", 1},
        {"\x0b", 1},
    };
    struct rig *g = *state;
    struct entry e;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(decode(g, slice_make(bad[i].p, bad[i].n), &e), ERR_MALFORMED);
    for (size_t n = 1; n < sizeof attributes_3_4 - 1; n++)
        (void)!decode(g, slice_make(attributes_3_4, n), &e);
}

static void unknown_fields_have_no_effect(void **state)
{
    struct rig *g = *state;
    struct entry e;
    /* Field 2000, a message, alone and beside a put. */
    assert_int_equal(decode(g, BYTES("\x82\x7d\x02\x08\x01"), &e), ERR_OK);
    assert_non_null(e.req);
    assert_int_equal(rig_apply(g, e.req), ERR_NOT_CAPABLE);
    assert_int_equal(g->r.rev, 1);
    assert_false(entry_is_known_to(e.req, 3, 7));
    assert_int_equal(decode(g, BYTES("\x22\x03\x0a\x01k\x82\x7d\x00"), &e), ERR_OK);
    assert_int_equal(rig_apply(g, e.req), ERR_OK);
    assert_false(entry_is_known_to(e.req, 3, 7));
}

/* ---- making ---------------------------------------------------------------------------------- */

static void made_as_3_4_makes_them(void **state)
{
    const char *url = "http://127.0.0.1:52799";
    struct blob *b = entry_encode_v2_attributes(ATTRIBUTES_ID, MEMBER_M1, "m1", &url, 1);
    assert_true(slice_eq(blob_slice(b), BYTES(attributes_3_4)));
    blob_unref(b);
    b = entry_encode_v2_version(VERSION_ID, "3.4.0");
    assert_true(slice_eq(blob_slice(b), BYTES(version_3_4)));
    blob_unref(b);
}

static void older_members_know_less(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__RequestHeader h = ETCDSERVERPB__REQUEST_HEADER__INIT;
    Etcdserverpb__AuthStatusRequest status = ETCDSERVERPB__AUTH_STATUS_REQUEST__INIT;
    Etcdserverpb__LeaseCheckpointRequest cp = ETCDSERVERPB__LEASE_CHECKPOINT_REQUEST__INIT;
    Membershippb__ClusterVersionSetRequest v = MEMBERSHIPPB__CLUSTER_VERSION_SET_REQUEST__INIT;
    Etcdserverpb__DowngradeVersionTestRequest t =
        ETCDSERVERPB__DOWNGRADE_VERSION_TEST_REQUEST__INIT;
    Etcdserverpb__InternalRaftRequest r = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    r.header = &h;
    assert_false(entry_is_known_to(&r, 3, 7)); /* it holds nothing */
    r.put = req_put(g->req, "k", "v");
    assert_true(entry_is_known_to(&r, 3, 0));
    assert_true(entry_is_known_to(&r, 4, 0));
    assert_false(entry_is_known_to(&r, 2, 3));
    r.auth_status = &status;
    assert_false(entry_is_known_to(&r, 3, 4));
    assert_true(entry_is_known_to(&r, 3, 5));
    r.auth_status = NULL;
    r.put = NULL;
    r.lease_checkpoint = &cp;
    assert_false(entry_is_known_to(&r, 3, 3));
    assert_true(entry_is_known_to(&r, 3, 4));
    r.lease_checkpoint = NULL;
    r.cluster_version_set = &v;
    assert_false(entry_is_known_to(&r, 3, 4));
    assert_true(entry_is_known_to(&r, 3, 5));
    r.cluster_version_set = NULL;
    r.downgrade_version_test = &t;
    assert_false(entry_is_known_to(&r, 3, 5));
    assert_true(entry_is_known_to(&r, 3, 6));
    r.v2 = req_bytes("x");
    assert_false(entry_is_known_to(&r, 3, 6));
}

/* A field that is added to the message and not to the table could never be proposed. */
static void every_request_is_in_the_table(void **state)
{
    const ProtobufCMessageDescriptor *desc = &etcdserverpb__internal_raft_request__descriptor;
    for (unsigned i = 0; i < desc->n_fields; i++) {
        Etcdserverpb__InternalRaftRequest r = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->id == 100)
            continue;
        *(void **)(void *)((char *)&r + f->offset) = &r;
        assert_true(entry_is_known_to(&r, 3, 7));
    }
}

/* ---- applying -------------------------------------------------------------------------------- */

static void v2_requests_of_members_apply(void **state)
{
    struct rig *g = *state;
    assert_int_equal(apply_v2(g, BYTES(attributes_3_4)), ERR_MEMBER_NOT_FOUND);
    add_member(g, MEMBER_M1);
    assert_int_equal(apply_v2(g, BYTES(attributes_3_4)), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_ATTRIBUTES);
    assert_int_equal(g->r.rev, 1);
    const struct member *m = cluster_find(g->cluster, MEMBER_M1);
    assert_string_equal(m->name, "m1");
    assert_string_equal(m->client_urls.v[0], "http://127.0.0.1:52799");
    assert_int_equal(apply_v2(g, BYTES(version_3_4)), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_CLUSTER_VERSION);
    assert_string_equal(cluster_version(g->cluster), "3.4.0");
}

static void damaged_v2_requests_change_nothing(void **state)
{
    struct rig *g = *state;
    add_member(g, MEMBER_M1);
    assert_int_equal(apply_v2(g, BYTES(version_3_4)), ERR_OK);
    assert_int_equal(apply_put(g, "/0/version", ""), ERR_MALFORMED);
    assert_int_equal(apply_put(g, "/0/version", "3.5"), ERR_MALFORMED);
    Etcdserverpb__Request r = ETCDSERVERPB__REQUEST__INIT;
    r.method = req_bytes("PUT");
    r.path = req_bytes("/0/version");
    r.val = (ProtobufCBinaryData){7, (uint8_t *)(uintptr_t) "3.5.0\0x"};
    applier_apply_v2(g->applier, &r, &g->r);
    assert_int_equal(g->r.err, ERR_MALFORMED);
    assert_string_equal(cluster_version(g->cluster), "3.4.0");
    assert_int_equal(apply_put(g, "/0/members/fc2d14ad1f78defb/attributes", "x"), ERR_MALFORMED);
    assert_false(member_is_started(cluster_find(g->cluster, MEMBER_M1)));
}

static void other_v2_requests_have_no_effect(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "/1/version",
        "/0/version/",
        "/0/members/attributes",
        "/0/members//attributes",
        "/0/members/xyz/attributes",
        "/0/members/fc2d14ad1f78defb/raftAttributes",
        "/0/members/0fc2d14ad1f78defb/attributes",
        "/1/0/members/fc2d14ad1f78defb/attributes",
    };
    struct rig *g = *state;
    add_member(g, MEMBER_M1);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(apply_put(g, paths[i], "3.4.0"), ERR_OK);
        assert_int_equal(g->r.what, APPLIED_NOTHING_SPECIAL);
    }
    /* A leader of 3.4 says this twice a second while keys of users have a TTL. */
    assert_int_equal(apply_v2(g, BYTES("\x08\x01\x12\x04SYNC\x1a\0\x78\x05")), ERR_OK);
    /* What has a condition is of users. */
    Etcdserverpb__Request r = ETCDSERVERPB__REQUEST__INIT;
    r.method = req_bytes("PUT");
    r.path = req_bytes("/0/version");
    r.val = req_bytes("3.4.0");
    r.has_prevexist = true;
    applier_apply_v2(g->applier, &r, &g->r);
    r.has_prevexist = false;
    r.method = req_bytes("DELETE");
    applier_apply_v2(g->applier, &r, &g->r);
    assert_int_equal(g->r.err, ERR_OK);
    assert_null(cluster_version(g->cluster));
    assert_false(member_is_started(cluster_find(g->cluster, MEMBER_M1)));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_of_all_forms),
        TEST(bare_requests_by_method),
        TEST(what_cannot_be_read),
        TEST(unknown_fields_have_no_effect),
        cmocka_unit_test(made_as_3_4_makes_them),
        TEST(older_members_know_less),
        cmocka_unit_test(every_request_is_in_the_table),
        TEST(v2_requests_of_members_apply),
        TEST(damaged_v2_requests_change_nothing),
        TEST(other_v2_requests_have_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
