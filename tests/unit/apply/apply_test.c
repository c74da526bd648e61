/* tests/unit/apply/apply_test.c -- requests one by one: keys, leases, alarms, membership, loading.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/apply/rig.h"

enum {
    GET = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET,
    ACTIVATE = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE,
    DEACTIVATE = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE,
    NOSPACE = ETCDSERVERPB__ALARM_TYPE__NOSPACE,
    CORRUPT = ETCDSERVERPB__ALARM_TYPE__CORRUPT,
};

/* ---- keys ------------------------------------------------------------------------------------ */

static void puts_count_up(void **state)
{
    struct rig *g = *state;
    struct kv_row row;
    assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    assert_int_equal(g->r.rev, 2);
    assert_int_equal(RESPONSE(g, Etcdserverpb__PutResponse)->header->revision, 2);
    assert_int_equal(do_put(g, "a", "1"), ERR_OK); /* the same value is a new revision */
    assert_true(key_get(g, "a", &row));
    assert_int_equal(row.create, 2);
    assert_int_equal(row.main, 3);
    assert_int_equal(row.version, 2);
    assert_int_equal(do_delete(g, "a", NULL), ERR_OK);
    assert_int_equal(RESPONSE(g, Etcdserverpb__DeleteRangeResponse)->deleted, 1);
    assert_int_equal(do_put(g, "a", "2"), ERR_OK);
    assert_true(key_get(g, "a", &row));
    assert_int_equal(row.create, 5);
    assert_int_equal(row.version, 1);
}

static void deleting_nothing_is_no_revision(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_delete(g, "a", "z"), ERR_OK);
    assert_int_equal(g->r.rev, 1);
    assert_int_equal(do_put(g, "b", "1"), ERR_OK);
    assert_int_equal(do_delete(g, "c", "a"), ERR_OK); /* an end before the key is no range */
    assert_int_equal(RESPONSE(g, Etcdserverpb__DeleteRangeResponse)->deleted, 0);
    assert_int_equal(g->r.rev, 2);
}

static void tells_what_was_there(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__PutRequest *put = req_put(g->req, "a", "2");
    put->prev_kv = true;
    assert_int_equal(RIG_APPLY(g, put, put), ERR_OK);
    assert_null(RESPONSE(g, Etcdserverpb__PutResponse)->prev_kv);
    put->value = req_bytes("3");
    assert_int_equal(RIG_APPLY(g, put, put), ERR_OK);
    assert_true(pb_is(RESPONSE(g, Etcdserverpb__PutResponse)->prev_kv->value, "2"));
    assert_int_equal(do_put(g, "b", "4"), ERR_OK);
    Etcdserverpb__DeleteRangeRequest *del = req_delete(g->req, "a", NULL);
    del->range_end = req_open_end();
    del->prev_kv = true;
    assert_int_equal(RIG_APPLY(g, delete_range, del), ERR_OK);
    const Etcdserverpb__DeleteRangeResponse *resp = RESPONSE(g, Etcdserverpb__DeleteRangeResponse);
    assert_int_equal(resp->deleted, 2);
    assert_int_equal(resp->n_prev_kvs, 2);
    assert_true(pb_is(resp->prev_kvs[0]->value, "3"));
    assert_true(pb_is(resp->prev_kvs[1]->value, "4"));
    assert_int_equal(resp->header->revision, 5);
}

static void keeps_value_or_lease_when_asked(void **state)
{
    struct rig *g = *state;
    struct kv_row row;
    Etcdserverpb__PutRequest *put = req_put(g->req, "a", "");
    put->ignore_value = true;
    assert_int_equal(RIG_APPLY(g, put, put), ERR_KEY_NOT_FOUND);
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_put_lease(g, "a", 7), ERR_OK);
    put->ignore_lease = true;
    assert_int_equal(RIG_APPLY(g, put, put), ERR_OK);
    assert_true(key_get(g, "a", &row));
    assert_int_equal(row.lease, 7);
    assert_int_equal(row.version, 2);
    assert_true(key_is(g, "a", "v"));
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("a")), 7);
    put->ignore_lease = false; /* the value stays, the lease goes */
    assert_int_equal(RIG_APPLY(g, put, put), ERR_OK);
    assert_true(key_is(g, "a", "v"));
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("a")), 0);
}

/* ---- leases ---------------------------------------------------------------------------------- */

static void leases_are_granted_once(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 0, 60), ERR_LEASE_NOT_FOUND);
    assert_int_equal(do_grant(g, 7, 1), ERR_OK);
    assert_int_equal(RESPONSE(g, Etcdserverpb__LeaseGrantResponse)->id, 7);
    assert_int_equal(RESPONSE(g, Etcdserverpb__LeaseGrantResponse)->ttl, 2);
    assert_int_equal(g->r.rev, 1);
    assert_int_equal(do_grant(g, 7, 60), ERR_LEASE_EXISTS);
    assert_int_equal(do_grant(g, 8, LESSOR_TTL_MAX_S + 1), ERR_LEASE_TTL_TOO_LARGE);
    assert_int_equal(do_put_lease(g, "a", 8), ERR_LEASE_NOT_FOUND);
    assert_int_equal(mvcc_store_revision(g->kv), 1);
}

static void keys_follow_their_leases(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_grant(g, 8, 60), ERR_OK);
    assert_int_equal(do_put_lease(g, "c", 7), ERR_OK);
    assert_int_equal(do_put_lease(g, "a", 7), ERR_OK);
    assert_int_equal(do_put_lease(g, "moved", 7), ERR_OK);
    assert_int_equal(do_put_lease(g, "moved", 8), ERR_OK);
    assert_int_equal(do_put_lease(g, "freed", 7), ERR_OK);
    assert_int_equal(do_put(g, "freed", "v"), ERR_OK);
    assert_int_equal(do_put_lease(g, "gone", 7), ERR_OK);
    assert_int_equal(do_delete(g, "gone", NULL), ERR_OK);
    revision before = mvcc_store_revision(g->kv);
    assert_int_equal(do_revoke(g, 7), ERR_OK);
    /* Its keys go in one revision, in their order. */
    assert_int_equal(g->r.rev, before + 1);
    assert_int_equal(g->r.n_changes, 2);
    assert_true(slice_is(g->r.changes[0].row.key, "a"));
    assert_true(slice_is(g->r.changes[1].row.key, "c"));
    assert_int_equal(g->r.changes[1].row.sub, 1);
    assert_true(key_is(g, "moved", "v"));
    assert_true(key_is(g, "freed", "v"));
    assert_int_equal(do_revoke(g, 7), ERR_LEASE_NOT_FOUND);
    assert_int_equal(g->r.rev, before + 1);
}

static void empty_lease_is_revoked_without_a_revision(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_revoke(g, 7), ERR_OK);
    assert_int_equal(g->r.rev, 1);
    assert_int_equal(RESPONSE(g, Etcdserverpb__LeaseRevokeResponse)->header->revision, 1);
}

/* Of a txn's changes to one key the last decides. */
static void leases_follow_a_txn(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    Etcdserverpb__PutRequest *put = req_put(g->req, "a", "v");
    put->lease = 7;
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_then(t, op_put(g->req, put));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("a")), 7);
    txn_then(t, op_delete(g->req, req_delete(g->req, "a", NULL)));
    assert_int_equal(do_txn(g, t), ERR_OK);
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("a")), 0);
}

static enum err do_checkpoint(struct rig *g, lease_id id, int64_t remaining)
{
    Etcdserverpb__LeaseCheckpoint c = ETCDSERVERPB__LEASE_CHECKPOINT__INIT;
    Etcdserverpb__LeaseCheckpoint *list[] = {&c};
    Etcdserverpb__LeaseCheckpointRequest r = ETCDSERVERPB__LEASE_CHECKPOINT_REQUEST__INIT;
    r.n_checkpoints = 1;
    r.checkpoints = list;
    c.id = id;
    c.remaining_ttl = remaining;
    return RIG_APPLY(g, lease_checkpoint, &r);
}

static int64_t checkpoint_of(struct rig *g, lease_id id)
{
    struct lease_info info;
    assert_int_equal(lessor_get(g->lessor, id, 0, &info), ERR_OK);
    return info.checkpoint_s;
}

static enum err do_version(struct rig *g, const char *version)
{
    Membershippb__ClusterVersionSetRequest r = MEMBERSHIPPB__CLUSTER_VERSION_SET_REQUEST__INIT;
    r.ver = arena_strdup(g->req, version);
    return RIG_APPLY(g, cluster_version_set, &r);
}

static void checkpoints_are_kept(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    applier_persist_checkpoints(g->applier, true);
    assert_int_equal(do_checkpoint(g, 7, 20), ERR_OK);
    rig_reopen(g);
    assert_int_equal(checkpoint_of(g, 7), 20);
    assert_int_equal(do_checkpoint(g, 8, 20), ERR_OK); /* unknown: passed over */
}

static void checkpoints_are_stored_from_3_6_on(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_version(g, "3.5.0"), ERR_OK);
    assert_int_equal(do_checkpoint(g, 7, 20), ERR_OK);
    assert_int_equal(checkpoint_of(g, 7), 20);
    rig_reopen(g);
    assert_int_equal(checkpoint_of(g, 7), 0);
    assert_int_equal(do_version(g, "3.6.0"), ERR_OK);
    assert_int_equal(do_checkpoint(g, 7, 10), ERR_OK);
    assert_int_equal(do_version(g, "3.5.0"), ERR_OK);
    rig_reopen(g);
    assert_int_equal(checkpoint_of(g, 7), 10);
    assert_int_equal(do_checkpoint(g, 7, 0), ERR_OK);
    rig_reopen(g);
    assert_int_equal(checkpoint_of(g, 7), 0);
}

/* ---- alarms ---------------------------------------------------------------------------------- */

static void no_space_refuses_what_grows(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_alarm(g, ACTIVATE, 5, NOSPACE), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_ALARM);
    assert_int_equal(applier_alarms(g->applier), 1 << NOSPACE);
    assert_int_equal(do_put(g, "a", "2"), ERR_NO_SPACE);
    assert_int_equal(do_grant(g, 8, 60), ERR_NO_SPACE);
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_then(t, op_delete(g->req, req_delete(g->req, "b", NULL)));
    assert_int_equal(do_txn(g, t), ERR_OK);
    txn_else(t, op_put(g->req, req_put(g->req, "c", "1"))); /* even where it is not taken */
    assert_int_equal(do_txn(g, t), ERR_NO_SPACE);
    assert_int_equal(do_delete(g, "a", NULL), ERR_OK);
    assert_int_equal(do_revoke(g, 7), ERR_OK);
    assert_int_equal(do_compact(g, 2), ERR_OK);
    assert_int_equal(do_alarm(g, DEACTIVATE, 5, NOSPACE), ERR_OK);
    assert_int_equal(do_put(g, "a", "2"), ERR_OK);
}

static void corruption_refuses_all_changes(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_alarm(g, ACTIVATE, 5, CORRUPT), ERR_OK);
    assert_int_equal(do_put(g, "a", "1"), ERR_CORRUPT);
    assert_int_equal(do_delete(g, "a", NULL), ERR_CORRUPT);
    assert_int_equal(do_grant(g, 8, 60), ERR_CORRUPT);
    assert_int_equal(do_revoke(g, 7), ERR_CORRUPT);
    assert_int_equal(do_compact(g, 1), ERR_CORRUPT);
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    assert_int_equal(do_txn(g, t), ERR_OK);
    txn_then(t, op_delete(g->req, req_delete(g->req, "b", NULL)));
    assert_int_equal(do_txn(g, t), ERR_CORRUPT);
    assert_int_equal(do_alarm(g, DEACTIVATE, 5, CORRUPT), ERR_OK);
    assert_int_equal(do_txn(g, t), ERR_OK);
}

static void alarms_belong_to_members(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_alarm(g, ACTIVATE, 9, NOSPACE), ERR_OK);
    assert_int_equal(RESPONSE(g, Etcdserverpb__AlarmResponse)->n_alarms, 1);
    assert_int_equal(do_alarm(g, ACTIVATE, 9, NOSPACE), ERR_OK); /* again: nothing new */
    assert_int_equal(do_alarm(g, ACTIVATE, UINT64_MAX, NOSPACE), ERR_OK);
    assert_int_equal(do_alarm(g, ACTIVATE, 5, CORRUPT), ERR_OK);
    assert_int_equal(do_alarm(g, GET, 0, ETCDSERVERPB__ALARM_TYPE__NONE), ERR_OK);
    const Etcdserverpb__AlarmResponse *resp = RESPONSE(g, Etcdserverpb__AlarmResponse);
    assert_int_equal(resp->n_alarms, 3);
    assert_int_equal(resp->alarms[0]->memberid, 5);
    assert_true(resp->alarms[2]->memberid == UINT64_MAX);
    assert_int_equal(
        applier_alarm_list(g->applier, ETCDSERVERPB__ALARM_TYPE__NOSPACE, g->resp)->n_alarms, 2);
    rig_reopen(g);
    assert_int_equal(applier_alarms(g->applier), 1 << NOSPACE | 1 << CORRUPT);
    assert_int_equal(do_alarm(g, DEACTIVATE, 5, NOSPACE), ERR_OK); /* not raised by it */
    assert_int_equal(RESPONSE(g, Etcdserverpb__AlarmResponse)->n_alarms, 0);
    assert_int_equal(do_alarm(g, DEACTIVATE, UINT64_MAX, NOSPACE), ERR_OK);
    assert_int_equal(applier_alarms(g->applier), 1 << NOSPACE | 1 << CORRUPT);
    assert_int_equal(do_alarm(g, DEACTIVATE, 9, NOSPACE), ERR_OK);
    assert_int_equal(do_alarm(g, DEACTIVATE, 5, CORRUPT), ERR_OK);
    rig_reopen(g);
    assert_int_equal(applier_alarms(g->applier), 0);
}

/* Numbers that no enum has come from a client; they must not be kept. */
static void unknown_alarms_are_refused(void **state)
{
    struct rig *g = *state;
    static const int types[] = {3, 32, 1000, -1, INT32_MIN};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        assert_int_equal(do_alarm(g, ACTIVATE, 5, types[i]), ERR_INVALID);
        assert_int_equal(do_alarm(g, DEACTIVATE, 5, types[i]), ERR_INVALID);
    }
    assert_int_equal(do_alarm(g, 77, 5, NOSPACE), ERR_INVALID);
    assert_int_equal(do_alarm(g, ACTIVATE, 5, ETCDSERVERPB__ALARM_TYPE__NONE), ERR_OK);
    assert_int_equal(applier_alarms(g->applier), 0);
    rig_reopen(g);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void compaction_is_checked(void **state)
{
    struct rig *g = *state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    assert_int_equal(do_compact(g, 0), ERR_OK);
    assert_int_equal(do_compact(g, 7), ERR_FUTURE_REV);
    assert_int_equal(do_compact(g, 4), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_COMPACTION);
    assert_int_equal(RESPONSE(g, Etcdserverpb__CompactionResponse)->header->revision, 6);
    assert_int_equal(do_compact(g, 4), ERR_COMPACTED);
    assert_int_equal(do_compact(g, 3), ERR_COMPACTED);
}

/* Clients cannot ask for it; a member whose bytes we apply could. */
static void empty_keys_are_not_put(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_then(t, op_put(g->req, req_put(g->req, "", "1")));
    assert_int_equal(do_put(g, "", "1"), ERR_EMPTY_KEY);
    assert_int_equal(do_txn(g, t), ERR_EMPTY_KEY);
    assert_int_equal(g->r.rev, 1);
}

/* Nor could a client ask for two things in one. */
static void of_several_operations_one_is_done(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_put(g, "a", "1"), ERR_OK);
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    Etcdserverpb__CompactionRequest compaction = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    Etcdserverpb__LeaseRevokeRequest revoke = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    compaction.revision = 2;
    revoke.id = 7;
    req.compaction = &compaction;
    req.lease_revoke = &revoke;
    assert_int_equal(rig_apply(g, &req), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_COMPACTION);
    assert_true(lessor_has(g->lessor, 7));
}

static void unknown_requests_have_no_effect(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__InternalRaftRequest empty = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    assert_int_equal(rig_apply(g, &empty), ERR_NOT_CAPABLE);
    assert_int_equal(g->r.rev, 1);
}

static void version_is_set(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_version(g, "three"), ERR_MALFORMED);
    assert_int_equal(do_version(g, "3.7.0"), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_CLUSTER_VERSION);
    assert_string_equal(cluster_version(g->cluster), "3.7.0");
}

static void downgrade_begins_and_ends(void **state)
{
    struct rig *g = *state;
    struct why why;
    char target[] = "3.6.0";
    Membershippb__DowngradeInfoSetRequest r = MEMBERSHIPPB__DOWNGRADE_INFO_SET_REQUEST__INIT;
    Etcdserverpb__DowngradeVersionTestRequest t =
        ETCDSERVERPB__DOWNGRADE_VERSION_TEST_REQUEST__INIT;
    assert_int_equal(do_version(g, "3.7.0"), ERR_OK);
    r.enabled = true;
    assert_int_equal(RIG_APPLY(g, downgrade_info_set, &r), ERR_MALFORMED);
    assert_false(cluster_downgrade_enabled(g->cluster));
    r.ver = target;
    assert_int_equal(RIG_APPLY(g, downgrade_info_set, &r), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_DOWNGRADE);
    assert_true(cluster_downgrade_enabled(g->cluster));
    assert_string_equal(cluster_downgrade_target(g->cluster), "3.6.0");
    assert_int_equal(do_version(g, "3.6.0"), ERR_OK);
    assert_int_equal(RIG_APPLY(g, downgrade_version_test, &t), ERR_OK);
    assert_int_equal(g->r.what, APPLIED_NOTHING_SPECIAL);
    assert_int_equal(cluster_load(g->cluster, mem_backend_writer(g->backend), &why), ERR_OK);
    assert_string_equal(cluster_version(g->cluster), "3.6.0");
    assert_true(cluster_downgrade_enabled(g->cluster));
    r.enabled = false;
    assert_int_equal(RIG_APPLY(g, downgrade_info_set, &r), ERR_OK);
    assert_false(cluster_downgrade_enabled(g->cluster));
    assert_int_equal(g->r.rev, 1);
}

static void loads_what_was_stored(void **state)
{
    struct rig *g = *state;
    assert_int_equal(do_grant(g, 7, 60), ERR_OK);
    assert_int_equal(do_grant(g, -8, 70), ERR_OK);
    assert_int_equal(do_grant(g, 9, 70), ERR_OK);
    assert_int_equal(do_put_lease(g, "a", 7), ERR_OK);
    assert_int_equal(do_put_lease(g, "b", 7), ERR_OK);
    assert_int_equal(do_put_lease(g, "b", -8), ERR_OK);
    assert_int_equal(do_put_lease(g, "c", 7), ERR_OK);
    assert_int_equal(do_put(g, "c", "v"), ERR_OK);
    assert_int_equal(do_put_lease(g, "d", 9), ERR_OK);
    assert_int_equal(do_revoke(g, 9), ERR_OK);
    assert_int_equal(do_grant(g, 9, 70), ERR_OK); /* the same number, another lease */
    rig_reopen(g);
    assert_int_equal(lessor_count(g->lessor), 3);
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("a")), 7);
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("b")), -8);
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("c")), 0);
    assert_int_equal(lessor_lease_of(g->lessor, slice_str("d")), 0);
    assert_int_equal(mvcc_store_revision(g->kv), 8);
    assert_int_equal(do_revoke(g, 7), ERR_OK);
    assert_int_equal(g->r.n_changes, 1);
}

static void damage_is_found_at_loading(void **state)
{
    struct rig *g = *state;
    struct kv_writer *w = mem_backend_writer(g->backend);
    struct why why = {""};
    static const char *const buckets[] = {BUCKET_LEASE, BUCKET_ALARM};
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++) {
        w->ops->bucket_put(w, buckets[i], slice_str("\xff\xff"), slice_str("\xff"));
        assert_int_equal(applier_load(g->applier, &why), ERR_DAMAGED);
        assert_string_not_equal(why.text, "");
        w->ops->bucket_remove(w, buckets[i], slice_str("\xff\xff"));
    }
    assert_int_equal(applier_load(g->applier, &why), ERR_OK);
}

static void quota_counts_puts_and_leases(void **state)
{
    struct rig *g = *state;
    Etcdserverpb__InternalRaftRequest ir = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    assert_int_equal(apply_cost(&ir), 0);
    ir.put = req_put(g->req, "key", "value");
    assert_int_equal(apply_cost(&ir), 256 + 8);
    ir.put = NULL;
    Etcdserverpb__LeaseGrantRequest grant = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    ir.lease_grant = &grant;
    assert_int_equal(apply_cost(&ir), 64);
    ir.lease_grant = NULL;
    ir.delete_range = req_delete(g->req, "a", NULL);
    assert_int_equal(apply_cost(&ir), 0);
    ir.delete_range = NULL;
    Etcdserverpb__TxnRequest *inner = req_txn(g->req), *t = req_txn(g->req);
    txn_then(inner, op_put(g->req, req_put(g->req, "c", "33")));
    txn_then(t, op_put(g->req, req_put(g->req, "a", "1")));
    txn_else(t, op_range(g->req, req_range(g->req, "a", NULL)));
    ir.txn = t;
    assert_int_equal(apply_cost(&ir), 258);
    txn_else(t, op_put(g->req, req_put(g->req, "b", "")));
    txn_else(t, op_txn(g->req, inner)); /* the dearer branch counts */
    assert_int_equal(apply_cost(&ir), 257 + 259);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(puts_count_up),
        TEST(deleting_nothing_is_no_revision),
        TEST(tells_what_was_there),
        TEST(keeps_value_or_lease_when_asked),
        TEST(leases_are_granted_once),
        TEST(keys_follow_their_leases),
        TEST(empty_lease_is_revoked_without_a_revision),
        TEST(leases_follow_a_txn),
        TEST(checkpoints_are_kept),
        TEST(checkpoints_are_stored_from_3_6_on),
        TEST(no_space_refuses_what_grows),
        TEST(corruption_refuses_all_changes),
        TEST(alarms_belong_to_members),
        TEST(unknown_alarms_are_refused),
        TEST(compaction_is_checked),
        TEST(empty_keys_are_not_put),
        TEST(of_several_operations_one_is_done),
        TEST(unknown_requests_have_no_effect),
        TEST(version_is_set),
        TEST(downgrade_begins_and_ends),
        TEST(loads_what_was_stored),
        TEST(damage_is_found_at_loading),
        TEST(quota_counts_puts_and_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
