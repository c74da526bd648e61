/* tests/unit/apply/txn_test.c -- what a transaction sees, does, and answers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/apply/rig.h"

/* ---- revisions ------------------------------------------------------------------------------ */

static void writes_of_one_txn_share_a_revision(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_then(t, op_put(g->req, req_put(g->req, "b", "2")));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_int_equal(g->r.rev, 2);
    assert_int_equal(g->r.n_changes, 2);
    assert_int_equal(g->r.changes[0].row.main, 2);
    assert_int_equal(g->r.changes[0].row.sub, 0);
    assert_int_equal(g->r.changes[1].row.main, 2);
    assert_int_equal(g->r.changes[1].row.sub, 1);
    assert_int_equal(txn_response(g)->header->revision, 2);
}

static void reading_and_deleting_nothing_leave_the_revision(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_then(t, op_range(g->req, req_range(g->req, "a", NULL)));
    txn_then(t, op_delete(g->req, req_delete(g->req, "a", "z")));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_int_equal(g->r.rev, 1);
    assert_int_equal(g->r.n_changes, 0);
    assert_int_equal(txn_response(g)->header->revision, 1);
}

static void empty_txn_succeeds(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_txn(g, req_txn(g->req)), ERR_OK);
    assert_true(txn_response(g)->succeeded);
    assert_int_equal(txn_response(g)->n_responses, 0);
    assert_int_equal(g->r.rev, 1);
}

/* ---- what operations see --------------------------------------------------------------------- */

static void reads_see_earlier_writes(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_then(t, op_range(g->req, req_range(g->req, "a", NULL)));
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_then(t, op_range(g->req, req_range(g->req, "a", "z")));
    txn_then(t, op_delete(g->req, req_delete(g->req, "a", NULL)));
    txn_then(t, op_range(g->req, req_range(g->req, "a", "z")));
    assert_int_equal(do_txn(g, t), ERR_OK);
    Etcdserverpb__ResponseOp **r = txn_response(g)->responses;
    assert_int_equal(r[0]->response_range->count, 0);
    assert_int_equal(r[2]->response_range->count, 1);
    assert_true(pb_is(r[2]->response_range->kvs[0]->value, "1"));
    assert_int_equal(r[2]->response_range->kvs[0]->mod_revision, 2);
    assert_int_equal(r[3]->response_delete_range->deleted, 1);
    assert_int_equal(r[4]->response_range->count, 0);
    assert_int_equal(g->r.n_changes, 2);
    assert_int_equal(g->r.changes[1].row.sub, 1);
    assert_true(kv_row_is_tombstone(&g->r.changes[1].row));
}

static void nested_headers_hold_only_the_revision(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *inner = req_txn(g->req), *t = req_txn(g->req);
    txn_then(inner, op_put(g->req, req_put(g->req, "b", "2")));
    txn_then(t, op_range(g->req, req_range(g->req, "a", NULL)));
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_then(t, op_range(g->req, req_range(g->req, "a", NULL)));
    txn_then(t, op_txn(g->req, inner));
    txn_then(t, op_delete(g->req, req_delete(g->req, "x", NULL)));
    assert_int_equal(do_txn(g, t), ERR_OK);
    Etcdserverpb__ResponseOp **r = txn_response(g)->responses;
    assert_int_equal(r[0]->response_range->header->revision, 1);
    assert_int_equal(r[1]->response_put->header->revision, 2);
    assert_int_equal(r[2]->response_range->header->revision, 2);
    assert_int_equal(r[3]->response_txn->header->revision, 0);
    assert_int_equal(r[3]->response_txn->responses[0]->response_put->header->revision, 2);
    assert_int_equal(r[4]->response_delete_range->header->revision, 2);
    assert_int_equal(r[2]->response_range->header->cluster_id, 0);
    assert_int_equal(r[2]->response_range->header->member_id, 0);
    assert_int_equal(r[2]->response_range->header->raft_term, 0);
}

static void range_reads_an_old_revision(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    assert_int_equal(do_put(g, "a", "2"), ERR_OK);
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    Etcdserverpb__RangeRequest *old = req_range(g->req, "a", NULL);
    old->revision = 2;
    txn_then(t, op_range(g->req, old));
    txn_then(t, op_put(g->req, req_put(g->req, "a", "3")));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_true(pb_is(txn_response(g)->responses[0]->response_range->kvs[0]->value, "1"));
}

static void range_options_work_inside(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    static const char *const keys[] = {"a", "b", "c"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        txn_then(t, op_put(g->req, req_put(g->req, keys[i], "v")));
    Etcdserverpb__RangeRequest *r = req_range(g->req, "a", NULL);
    r->range_end = req_open_end();
    r->limit = 2;
    r->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    r->keys_only = true;
    txn_then(t, op_range(g->req, r));
    assert_int_equal(do_txn(g, t), ERR_OK);
    Etcdserverpb__RangeResponse *resp = txn_response(g)->responses[3]->response_range;
    assert_int_equal(resp->n_kvs, 2);
    assert_int_equal(resp->count, 3);
    assert_true(resp->more);
    assert_true(pb_is(resp->kvs[0]->key, "c"));
    assert_int_equal(resp->kvs[0]->value.len, 0);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool number_holds(struct rig *g, const char *key, int target, int result, int64_t number)
{
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_if_number(g->req, t, key, target, result, number);
    assert_int_equal(do_txn(g, t), ERR_OK);
    return txn_response(g)->succeeded;
}

static bool value_holds(struct rig *g, const char *key, int result, const char *value)
{
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_if_value(g->req, t, key, result, value);
    assert_int_equal(do_txn(g, t), ERR_OK);
    return txn_response(g)->succeeded;
}

static void compares_each_target(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    assert_int_equal(do_put_lease(g, "a", 7), ERR_OK);
    assert_true(number_holds(g, "a", OF_VERSION, IS_EQUAL, 2));
    assert_true(number_holds(g, "a", OF_CREATE, IS_EQUAL, 2));
    assert_true(number_holds(g, "a", OF_MOD, IS_EQUAL, 3));
    assert_true(number_holds(g, "a", OF_LEASE, IS_EQUAL, 7));
    assert_true(number_holds(g, "a", OF_MOD, IS_GREATER, 2));
    assert_false(number_holds(g, "a", OF_MOD, IS_GREATER, 3));
    assert_true(number_holds(g, "a", OF_MOD, IS_LESS, 4));
    assert_false(number_holds(g, "a", OF_MOD, IS_LESS, 3));
    assert_true(number_holds(g, "a", OF_MOD, IS_NOT_EQUAL, 2));
    assert_true(value_holds(g, "a", IS_EQUAL, "v"));
    assert_true(value_holds(g, "a", IS_GREATER, "u"));
    assert_true(value_holds(g, "a", IS_LESS, "va"));
    assert_false(value_holds(g, "a", IS_NOT_EQUAL, "v"));
}

static void missing_key_compares_as_zero_and_never_by_value(void **state)
{
    struct rig *g = *state;
    static const int numbers[] = {OF_VERSION, OF_CREATE, OF_MOD, OF_LEASE};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_true(number_holds(g, "a", numbers[i], IS_EQUAL, 0));
        assert_true(number_holds(g, "a", numbers[i], IS_GREATER, -1));
        assert_false(number_holds(g, "a", numbers[i], IS_NOT_EQUAL, 0));
    }
    static const int results[] = {IS_EQUAL, IS_NOT_EQUAL, IS_LESS, IS_GREATER};
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        assert_false(value_holds(g, "a", results[i], ""));
}

/* A compare that names nothing is against 0, or no bytes. */
static void compare_without_a_target_value(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_put(g, "full", "1"), ERR_OK);
    assert_int_equal(do_put(g, "empty", ""), ERR_OK);
    static const struct {
        const char *key;
        int target;
        bool holds;
    } cases[] = {
        {"full", OF_VALUE, false},  {"empty", OF_VALUE, true}, {"full", OF_VERSION, false},
        {"none", OF_VERSION, true}, {"full", OF_LEASE, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Etcdserverpb__TxnRequest *t = req_txn(g->req);
        txn_if(g->req, t, cases[i].key, (Etcdserverpb__Compare__CompareTarget)cases[i].target,
               ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL);
        assert_int_equal(do_txn(g, t), ERR_OK);
        assert_int_equal(txn_response(g)->succeeded, cases[i].holds);
    }
}

static void range_compare_asks_every_key(void **state)
{
    struct rig *g = *state;
    static const struct {
        const char *key, *end;
        bool open, value, holds;
    } cases[] = {
        {"a", "c", false, false, true},  /* a and b have version 1 */
        {"a", "d", false, false, false}, /* c has version 2 */
        {"a", NULL, true, false, false}, {"x", "z", false, false, false}, /* none: 0 != 1 */
        {"x", "z", false, true, false},  {"a", "c", false, true, true},
    };
    assert_int_equal(do_put(g, "a", "v"), ERR_OK);
    assert_int_equal(do_put(g, "b", "v"), ERR_OK);
    assert_int_equal(do_put(g, "c", "v"), ERR_OK);
    assert_int_equal(do_put(g, "c", "v"), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        Etcdserverpb__TxnRequest *t = req_txn(g->req);
        if (cases[i].value)
            txn_if_value(g->req, t, cases[i].key, IS_EQUAL, "v");
        else
            txn_if_number(g->req, t, cases[i].key, OF_VERSION, IS_EQUAL, 1);
        t->compare[0]->range_end = cases[i].open ? req_open_end() : req_bytes(cases[i].end);
        assert_int_equal(do_txn(g, t), ERR_OK);
        assert_int_equal(txn_response(g)->succeeded, cases[i].holds);
    }
    assert_true(number_holds(g, "x", OF_VERSION, IS_EQUAL, 0));
}

static void all_compares_must_hold(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_if_value(g->req, t, "a", IS_EQUAL, "1");
    txn_if_number(g->req, t, "a", OF_VERSION, IS_EQUAL, 9);
    txn_then(t, op_put(g->req, req_put(g->req, "a", "then")));
    txn_else(t, op_put(g->req, req_put(g->req, "a", "else")));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_false(txn_response(g)->succeeded);
    assert_true(key_is(g, "a", "else"));
}

/* Nested compares, too, are made before anything is written. */
static void compares_see_the_state_before(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *inner = req_txn(g->req), *t = req_txn(g->req);
    txn_if_number(g->req, inner, "a", OF_VERSION, IS_EQUAL, 0);
    txn_then(inner, op_put(g->req, req_put(g->req, "b", "absent")));
    txn_else(inner, op_put(g->req, req_put(g->req, "b", "present")));
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_then(t, op_txn(g->req, inner));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_true(txn_response(g)->responses[1]->response_txn->succeeded);
    assert_true(key_is(g, "b", "absent"));
}

static void siblings_take_their_own_branches(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *one = req_txn(g->req), *two = req_txn(g->req),
                             *deep = req_txn(g->req), *t = req_txn(g->req);
    txn_if_number(g->req, one, "x", OF_MOD, IS_EQUAL, 9);
    txn_if_number(g->req, deep, "x", OF_MOD, IS_EQUAL, 0);
    txn_then(deep, op_put(g->req, req_put(g->req, "deep", "then")));
    txn_else(deep, op_put(g->req, req_put(g->req, "deep", "else")));
    txn_then(one, op_put(g->req, req_put(g->req, "one", "then")));
    txn_else(one, op_txn(g->req, deep));
    txn_then(two, op_put(g->req, req_put(g->req, "two", "then")));
    txn_else(two, op_put(g->req, req_put(g->req, "two", "else")));
    txn_then(t, op_txn(g->req, one));
    txn_then(t, op_txn(g->req, two));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_false(key_is(g, "one", "then"));
    assert_true(key_is(g, "deep", "then"));
    assert_true(key_is(g, "two", "then"));
    assert_int_equal(g->r.rev, 2);
}

/* ---- refusing -------------------------------------------------------------------------------- */

static void nothing_happened(struct rig *g, Etcdserverpb__RequestOp *bad, enum err expected)
{
    revision before = mvcc_store_revision(g->kv);
    size_t rows = mem_backend_rows(g->backend);
    Etcdserverpb__TxnRequest *inner = req_txn(g->req), *t = req_txn(g->req);
    txn_then(inner, bad);
    txn_then(t, op_put(g->req, req_put(g->req, "first", "1")));
    txn_then(t, op_delete(g->req, req_delete(g->req, "a", "zz")));
    txn_then(t, op_txn(g->req, inner));
    assert_int_equal(do_txn(g, t), expected);
    assert_int_equal(g->r.n_changes, 0);
    assert_int_equal(mvcc_store_revision(g->kv), before);
    assert_int_equal(mem_backend_rows(g->backend), rows);
    assert_false(key_is(g, "first", "1"));
}

static void a_failing_check_undoes_the_whole_txn(void **state)
{
    struct rig *g = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    assert_int_equal(do_compact(g, 4), ERR_OK);
    Etcdserverpb__PutRequest *put = req_put(g->req, "b", "2");
    put->lease = 5;
    nothing_happened(g, op_put(g->req, put), ERR_LEASE_NOT_FOUND);
    put = req_put(g->req, "b", "");
    put->ignore_value = true;
    nothing_happened(g, op_put(g->req, put), ERR_KEY_NOT_FOUND);
    put = req_put(g->req, "b", "1");
    put->ignore_lease = true;
    nothing_happened(g, op_put(g->req, put), ERR_KEY_NOT_FOUND);
    Etcdserverpb__RangeRequest *range = req_range(g->req, "a", NULL);
    range->revision = 7;
    nothing_happened(g, op_range(g->req, range), ERR_FUTURE_REV);
    range->revision = 3;
    nothing_happened(g, op_range(g->req, range), ERR_COMPACTED);
}

/* What stands in the branch that is not taken cannot fail. */
static void the_other_branch_is_not_checked(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    Etcdserverpb__PutRequest *bad = req_put(g->req, "b", "2");
    bad->lease = 5;
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_else(t, op_put(g->req, bad));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_true(key_is(g, "a", "1"));
}

/* ---- what a transaction is ------------------------------------------------------------------- */

static void tells_reading_from_writing(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *t = req_txn(g->req), *outer = req_txn(g->req);
    assert_true(txn_is_read_only(t));
    txn_then(t, op_range(g->req, req_range(g->req, "a", NULL)));
    txn_else(outer, op_txn(g->req, t));
    assert_true(txn_is_read_only(outer));
    txn_else(t, op_delete(g->req, req_delete(g->req, "a", NULL)));
    assert_false(txn_is_read_only(t));
    assert_false(txn_is_read_only(outer));
}

static void counts_nested_operations(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *inner = req_txn(g->req), *t = req_txn(g->req);
    txn_then(inner, op_put(g->req, req_put(g->req, "bb", "222")));
    txn_then(inner, op_range(g->req, req_range(g->req, "bb", NULL)));
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_then(t, op_txn(g->req, inner));
    txn_then(t, op_delete(g->req, req_delete(g->req, "x", NULL)));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_int_equal(g->r.counts.puts, 2);
    assert_int_equal(g->r.counts.put_bytes, 7);
    assert_int_equal(g->r.counts.ranges, 1);
    assert_int_equal(g->r.counts.deletes, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_of_one_txn_share_a_revision),
        TEST(reading_and_deleting_nothing_leave_the_revision),
        TEST(empty_txn_succeeds),
        TEST(reads_see_earlier_writes),
        TEST(nested_headers_hold_only_the_revision),
        TEST(range_reads_an_old_revision),
        TEST(range_options_work_inside),
        TEST(compares_each_target),
        TEST(missing_key_compares_as_zero_and_never_by_value),
        TEST(compare_without_a_target_value),
        TEST(range_compare_asks_every_key),
        TEST(all_compares_must_hold),
        TEST(compares_see_the_state_before),
        TEST(siblings_take_their_own_branches),
        TEST(a_failing_check_undoes_the_whole_txn),
        TEST(the_other_branch_is_not_checked),
        TEST(tells_reading_from_writing),
        TEST(counts_nested_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
