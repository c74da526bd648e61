/* Upstream's raft snapshots, and what the v2 interface left behind.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/storage/scratch.h"
#include "upstream/files.h"
#include "upstream/snap.h"
#include "upstream/v2.h"

static void create(raft_index index, raft_term term, const char *tree)
{
    struct raft_snapshot_meta meta = {.index = index, .term = term};
    raft_ids_add(&meta.conf_state.voters, 0x8e9e05c52164694d);
    raft_ids_add(&meta.conf_state.learners, 5);
    OK(snap_create(scratch_dir, &meta, slice_str(tree), &scratch_why));
    raft_conf_state_fini(&meta.conf_state);
}

/* The log mentions what is at or below the index. */
static bool may(void *arg, raft_index index, raft_term term)
{
    (void)term;
    return index <= *(raft_index *)arg;
}

static raft_index find(raft_index limit, struct buf *passed_over)
{
    struct snap s;
    OK(snap_find(scratch_dir, may, &limit, &s, passed_over, &scratch_why));
    raft_index index = s.meta.index;
    snap_fini(&s);
    return index;
}

static void test_newest(void **state)
{
    (void)state;
    AUTO(buf) struct buf passed_over = BUF_INIT;
    struct snap s;
    raft_index limit = 1000;
    assert_int_equal(find(1000, &passed_over), 0);
    create(10, 2, "{\"a\":1}");
    create(20, 2, "{\"b\":2}");
    create(15, 3, "");
    OK(snap_find(scratch_dir, may, &limit, &s, &passed_over, &scratch_why));
    assert_int_equal(s.meta.index, 15); /* the term goes before the index, as the names do */
    assert_int_equal(s.meta.term, 3);
    assert_int_equal(s.tree.n, 0);
    assert_true(raft_ids_has(&s.meta.conf_state.voters, 0x8e9e05c52164694d));
    assert_true(raft_ids_has(&s.meta.conf_state.learners, 5));
    snap_fini(&s);
    assert_int_equal(find(12, &passed_over), 10);
    assert_int_equal(find(9, &passed_over), 0);
    assert_int_equal(passed_over.n, 0);
}

static void test_damaged_is_passed_over(void **state)
{
    (void)state;
    AUTO(buf) struct buf bytes = BUF_INIT;
    static const char name[] = "0000000000000002-0000000000000014.snap";
    create(10, 2, "{\"a\":1}");
    create(20, 2, "{\"b\":2}");
    OK(file_read(scratch_path(name), 4096, &bytes, &scratch_why));
    for (size_t at = 0; at < bytes.n; at++) {
        AUTO(buf) struct buf passed_over = BUF_INIT;
        bytes.p[at] ^= 4;
        unlink(scratch_path(name));
        OK(file_create(scratch_path(name), buf_slice(&bytes), &scratch_why));
        assert_int_equal(find(1000, &passed_over), 10);
        assert_non_null(strstr(buf_cstr(&passed_over), name));
        bytes.p[at] ^= 4;
    }
    for (size_t n = 0; n < bytes.n; n++) {
        AUTO(buf) struct buf passed_over = BUF_INIT;
        unlink(scratch_path(name));
        OK(file_create(scratch_path(name), slice_make(bytes.p, n), &scratch_why));
        assert_int_equal(find(1000, &passed_over), 10);
    }
}

/* ---- v2 ------------------------------------------------------------------------------------- */

static bool is_content(const char *method, const char *path, bool wrapped, bool *ret_own)
{
    AUTO(buf) struct buf bare = BUF_INIT;
    AUTO(buf) struct buf outer = BUF_INIT;
    struct v2_request r;
    proto_add_number(&bare, 1, 77);
    proto_add_bytes(&bare, 2, slice_str(method));
    proto_add_bytes(&bare, 3, slice_str(path));
    proto_add_bytes(&outer, 2, buf_slice(&bare));
    assert_true(v2_request_find(buf_slice(wrapped ? &outer : &bare), &r));
    *ret_own = v2_request_is_members_own(&r);
    return v2_request_is_content(&r);
}

static void test_v2_requests(void **state)
{
    (void)state;
    bool own;
    for (int wrapped = 0; wrapped < 2; wrapped++) {
        assert_false(is_content("PUT", "/0/members/8e9e05c52164694d/attributes", wrapped, &own));
        assert_true(own);
        assert_false(is_content("PUT", "/0/version", wrapped, &own));
        assert_true(own);
        assert_true(is_content("PUT", "/1/a", wrapped, &own));
        assert_false(own);
        assert_true(is_content("POST", "/2/users/root", wrapped, &own));
        assert_true(is_content("DELETE", "/1/a", wrapped, &own));
        assert_false(is_content("SYNC", "", wrapped, &own));
        assert_false(own);
        assert_false(is_content("QGET", "/1/a", wrapped, &own));
        assert_false(is_content("PUT", "/0/members/x/attributes", wrapped, &own));
        assert_false(own);
    }
    /* A put of version 3: field 4. */
    struct v2_request r;
    static const uint8_t put[] = {0x22, 0x06, 0x0a, 0x01, 'k', 0x12, 0x01, 'v'};
    assert_false(v2_request_find(slice_make(put, sizeof put), &r));
    assert_false(v2_request_find(slice_make("", 0), &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_is_passed_over, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(test_v2_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
