/* tests/unit/server/server_test.c -- a whole member: calls, restarts, and the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/rig.h"

#include <string.h>
#include <unistd.h>

#include "storage/kvdb.h"

enum {
    ACTIVATE = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE,
    DEACTIVATE = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE,
    NOSPACE = ETCDSERVERPB__ALARM_TYPE__NOSPACE,
    CORRUPT = ETCDSERVERPB__ALARM_TYPE__CORRUPT,
    VALIDATE = ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__VALIDATE,
    ENABLE = ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__ENABLE,
    CANCEL = ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__CANCEL,
};

static void value_is(struct rig *g, const char *key, const char *expected)
{
    const char *values;
    int64_t count;
    assert_int_equal(rig_range(g, key, NULL, 0, &values, &count), ERR_OK);
    assert_string_equal(values, expected);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void puts_and_reads(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    const char *values;
    int64_t count;
    assert_int_equal(rig_put(g, "a", "1"), 2);
    assert_int_equal(rig_put(g, "b", "2"), 3);
    assert_int_equal(rig_put(g, "a", "3"), 4);
    assert_int_equal(rig_range(g, "a", "z", 0, &values, &count), ERR_OK);
    assert_string_equal(values, "3 2");
    assert_int_equal(count, 2);
    assert_int_equal(rig_range(g, "a", "z", 3, &values, &count), ERR_OK);
    assert_string_equal(values, "1 2");
    assert_int_equal(rig_range(g, "a", "z", 5, &values, &count), ERR_FUTURE_REV);
    rig_stop(g);
}

static void answers_with_whole_headers(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    Etcdserverpb__TxnRequest *t = req_txn(g->arena);
    Etcdserverpb__TxnResponse *resp;
    txn_then(t, op_put(g->arena, req_put(g->arena, "a", "1")));
    assert_int_equal(
        rig_call(g, OP_TXN, t, &etcdserverpb__txn_response__descriptor, &resp), ERR_OK);
    assert_int_equal(resp->header->cluster_id, server_cluster_id(g->server));
    assert_int_equal(resp->header->member_id, server_member_id(g->server));
    assert_int_equal(resp->header->revision, 2);
    assert_int_equal(resp->header->raft_term, 2);
    Etcdserverpb__ResponseHeader *nested = resp->responses[0]->response_put->header;
    assert_int_equal(nested->cluster_id, 0);
    assert_int_equal(nested->revision, 2);
    assert_int_equal(rig_status(g)->header->revision, 2);
    assert_true(rig_status(g)->leader == server_member_id(g->server));
    rig_stop(g);
}

static void linearizable_reads_are_confirmed(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    assert_int_equal(rig_call(g, OP_READ_INDEX, NULL, NULL, NULL), ERR_OK);
    Etcdserverpb__MemberListRequest r = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    Etcdserverpb__MemberListResponse *resp;
    r.linearizable = true;
    assert_int_equal(rig_call(g, OP_MEMBER_LIST, &r,
                              &etcdserverpb__member_list_response__descriptor, &resp),
                     ERR_OK);
    assert_int_equal(resp->n_members, 1);
    assert_string_equal(resp->members[0]->name, "m");
    assert_int_equal(resp->header->revision, 0);
    rig_stop(g);
}

static enum err downgrade(struct rig *g, int action, const char *target, const char **ret_version)
{
    Etcdserverpb__DowngradeRequest r = ETCDSERVERPB__DOWNGRADE_REQUEST__INIT;
    Etcdserverpb__DowngradeResponse *resp;
    r.action = (Etcdserverpb__DowngradeRequest__DowngradeAction)action;
    r.version = arena_strdup(g->arena, target);
    enum err e = rig_call(g, OP_DOWNGRADE, &r, &etcdserverpb__downgrade_response__descriptor, &resp);
    *ret_version = e == ERR_OK ? resp->version : "";
    return e;
}

static bool has_cluster_version(void *arg)
{
    const char *version;
    return downgrade(arg, VALIDATE, "3.6", &version) != ERR_NO_CLUSTER_VERSION;
}

static void downgrades_begin_and_are_cancelled(void **state)
{
    struct rig *g = *state;
    const char *version;
    rig_start(g, NULL, NULL);
    while (!has_cluster_version(g)) /* the leader decides on it soon */
        ;
    assert_int_equal(downgrade(g, CANCEL, "", &version), ERR_OK); /* there is none */
    assert_string_equal(version, "3.7");
    assert_int_equal(downgrade(g, 7, "3.6", &version), ERR_UNKNOWN_METHOD);
    assert_false(rig_status(g)->downgradeinfo->enabled);
    assert_int_equal(downgrade(g, ENABLE, "3.6.0", &version), ERR_OK);
    assert_true(rig_status(g)->downgradeinfo->enabled);
    assert_int_equal(downgrade(g, CANCEL, "", &version), ERR_OK);
    assert_false(rig_status(g)->downgradeinfo->enabled);
    rig_stop(g);
}

static void leases_are_granted_renewed_and_revoked(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    assert_int_equal(rig_grant(g, 7, 60), ERR_OK);
    assert_int_equal(rig_grant(g, 7, 60), ERR_LEASE_EXISTS);
    assert_int_equal(rig_grant(g, 0, 60), ERR_OK);
    Etcdserverpb__PutRequest *put = req_put(g->arena, "a", "1");
    put->lease = 7;
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_OK);
    put->lease = 8;
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_LEASE_NOT_FOUND);

    Etcdserverpb__LeaseTimeToLiveRequest ask = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    Etcdserverpb__LeaseTimeToLiveResponse *ttl;
    ask.id = 7;
    ask.keys = true;
    const ProtobufCMessageDescriptor *d = &etcdserverpb__lease_time_to_live_response__descriptor;
    assert_int_equal(rig_call(g, OP_LEASE_TIME_TO_LIVE, &ask, d, &ttl), ERR_OK);
    assert_int_equal(ttl->grantedttl, 60);
    assert_in_range(ttl->ttl, 50, 60);
    assert_int_equal(ttl->n_keys, 1);

    Etcdserverpb__LeaseKeepAliveRequest keep = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    Etcdserverpb__LeaseKeepAliveResponse *kept;
    keep.id = 7;
    const ProtobufCMessageDescriptor *kd = &etcdserverpb__lease_keep_alive_response__descriptor;
    assert_int_equal(rig_call(g, OP_LEASE_KEEP_ALIVE, &keep, kd, &kept), ERR_OK);
    assert_int_equal(kept->ttl, 60);
    keep.id = 99;
    assert_int_equal(rig_call(g, OP_LEASE_KEEP_ALIVE, &keep, kd, &kept), ERR_OK);
    assert_int_equal(kept->ttl, 0);

    Etcdserverpb__LeaseRevokeRequest revoke = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    revoke.id = 7;
    assert_int_equal(rig_call(g, OP_LEASE_REVOKE, &revoke, NULL, NULL), ERR_OK);
    assert_int_equal(rig_call(g, OP_LEASE_REVOKE, &revoke, NULL, NULL), ERR_LEASE_NOT_FOUND);
    value_is(g, "a", "");
    assert_int_equal(rig_call(g, OP_LEASE_TIME_TO_LIVE, &ask, d, &ttl), ERR_OK);
    assert_int_equal(ttl->ttl, -1);
    rig_stop(g);
}

/* A lease that nobody renews takes its key with it: seen by a watcher, not by waiting. */
static void leases_run_out(void **state)
{
    struct rig *g = *state;
    struct rig_watch w = {.n = 0};
    rig_start(g, "--heartbeat-interval=10", "--election-timeout=100");
    assert_int_equal(rig_grant(g, 7, 1), ERR_OK);
    Etcdserverpb__PutRequest *put = req_put(g->arena, "a", "1");
    put->lease = 7;
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_OK);
    rig_watch(g, &w, "a", NULL, 3);
    rig_watch_wait(&w, 1);
    assert_int_equal(w.revs[0], 3);
    value_is(g, "a", "");
    rig_watch_fini(&w);
    rig_stop(g);
}

static void physical_compaction_is_answered_when_done(void **state)
{
    struct rig *g = *state;
    const char *values;
    int64_t count;
    rig_start(g, NULL, NULL);
    for (int i = 0; i < 1000; i++)
        rig_put(g, "a", "1");
    assert_int_equal(rig_compact(g, 500, false), ERR_OK);
    assert_int_equal(rig_compact(g, 1000, true), ERR_OK);
    assert_int_equal(rig_compact(g, 1000, true), ERR_COMPACTED);
    assert_int_equal(rig_compact(g, 1002, true), ERR_FUTURE_REV);
    assert_int_equal(rig_range(g, "a", NULL, 999, &values, &count), ERR_COMPACTED);
    assert_int_equal(rig_range(g, "a", NULL, 1000, &values, &count), ERR_OK);
    assert_int_equal(rig_metric(g, "etcd_debugging_mvcc_compact_revision"), 1000);
    rig_stop(g);
}

/* ---- space and alarms ------------------------------------------------------------------------ */

static void no_space_refuses_what_grows(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    rig_put(g, "a", "1");
    assert_int_equal(rig_alarm(g, ACTIVATE, NOSPACE), ERR_OK);
    assert_int_equal(server_alarms(g->server), 1 << NOSPACE);
    const void *put = req_put(g->arena, "a", "2");
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_NO_SPACE);
    assert_int_equal(rig_grant(g, 7, 60), ERR_NO_SPACE);
    Etcdserverpb__TxnRequest *t = req_txn(g->arena);
    txn_then(t, op_range(g->arena, req_range(g->arena, "a", NULL)));
    assert_int_equal(rig_call(g, OP_TXN, t, NULL, NULL), ERR_OK);
    txn_else(t, op_put(g->arena, req_put(g->arena, "a", "3")));
    assert_int_equal(rig_call(g, OP_TXN, t, NULL, NULL), ERR_NO_SPACE);
    assert_int_equal(rig_call(g, OP_DELETE_RANGE, req_delete(g->arena, "a", NULL), NULL, NULL),
                     ERR_OK);
    assert_int_equal(rig_compact(g, 2, true), ERR_OK);
    Etcdserverpb__DefragmentRequest defrag = ETCDSERVERPB__DEFRAGMENT_REQUEST__INIT;
    assert_int_equal(rig_call(g, OP_DEFRAGMENT, &defrag, NULL, NULL), ERR_OK);
    assert_int_equal(rig_status(g)->n_errors, 1);
    assert_int_equal(rig_alarm(g, DEACTIVATE, NOSPACE), ERR_OK);
    assert_int_equal(server_alarms(g->server), 0);
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_OK);
    rig_stop(g);
}

static void unknown_alarm_is_refused(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    assert_int_equal(rig_alarm(g, ACTIVATE, 1000), ERR_INVALID);
    assert_int_equal(rig_alarm(g, ACTIVATE, CORRUPT), ERR_OK);
    rig_restart(g);
    assert_int_equal(server_alarms(g->server), 1 << CORRUPT);
    const void *put = req_put(g->arena, "a", "2");
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_CORRUPT);
    rig_stop(g);
}

static bool alarm_is_raised(void *arg)
{
    return server_alarms(((struct rig *)arg)->server) != 0;
}

static void quota_raises_the_alarm(void **state)
{
    struct rig *g = *state;
    rig_start(g, "--quota-backend-bytes=1000000", NULL);
    char *big = xmalloc(100001);
    memset(big, 'x', 100000);
    big[100000] = '\0';
    enum err e = ERR_OK;
    int n = 0;
    for (; e == ERR_OK && n < 100; n++)
        e = rig_call(g, OP_PUT, req_put(g->arena, "a", big), NULL, NULL);
    assert_int_equal(e, ERR_NO_SPACE);
    assert_in_range(n, 5, 15);
    while (!alarm_is_raised(g)) /* its entry is on its way: each call comes behind it */
        rig_status(g);
    assert_int_equal(rig_call(g, OP_PUT, req_put(g->arena, "b", "1"), NULL, NULL), ERR_NO_SPACE);
    assert_true(rig_metric(g, "etcd_server_quota_backend_bytes") == 1000000);
    free(big);
    rig_stop(g);
}

static void defrag_gives_space_back(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    char big[4097];
    memset(big, 'x', 4096);
    big[4096] = '\0';
    for (int i = 0; i < 500; i++)
        rig_put(g, "a", big);
    assert_int_equal(rig_compact(g, 501, true), ERR_OK);
    int64_t before = rig_status(g)->dbsize;
    Etcdserverpb__DefragmentRequest defrag = ETCDSERVERPB__DEFRAGMENT_REQUEST__INIT;
    assert_int_equal(rig_call(g, OP_DEFRAGMENT, &defrag, NULL, NULL), ERR_OK);
    assert_true(rig_status(g)->dbsize < before / 4);
    value_is(g, "a", big);
    rig_stop(g);
}

/* ---- hashes and snapshots -------------------------------------------------------------------- */

static void hashes_are_of_the_history(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    for (int i = 0; i < 100; i++)
        rig_put(g, i % 2 ? "a" : "b", "1");
    uint32_t at50 = rig_hash_kv(g, 50)->hash, now = rig_hash_kv(g, 0)->hash;
    assert_int_equal(rig_hash_kv(g, 101)->hash, now);
    assert_int_equal(rig_hash_kv(g, 0)->compact_revision, -1);
    assert_int_equal(rig_hash_kv(g, 0)->hash_revision, 101);
    assert_int_not_equal(at50, now);
    rig_put(g, "c", "1");
    assert_int_equal(rig_hash_kv(g, 50)->hash, at50);
    assert_int_equal(rig_compact(g, 60, true), ERR_OK);
    assert_int_equal(rig_hash_kv(g, 0)->compact_revision, 60);
    Etcdserverpb__HashKVRequest r = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    r.revision = 50;
    assert_int_equal(rig_call(g, OP_HASH_KV, &r, NULL, NULL), ERR_COMPACTED);
    r.revision = 1000;
    assert_int_equal(rig_call(g, OP_HASH_KV, &r, NULL, NULL), ERR_FUTURE_REV);
    Etcdserverpb__HashRequest all = ETCDSERVERPB__HASH_REQUEST__INIT;
    assert_int_equal(rig_call(g, OP_HASH, &all, NULL, NULL), ERR_OK);
    rig_stop(g);
}

struct snapshot_job {
    struct server_snapshot snap;
    struct rig *rig;
    bool done;
};

static void snapshot_done(struct server_snapshot *snap)
{
    struct snapshot_job *j = CONTAINER_OF(snap, struct snapshot_job, snap);
    pthread_mutex_lock(&j->rig->lock);
    j->done = true;
    rig_changed(j->rig);
    pthread_mutex_unlock(&j->rig->lock);
}

static void snapshot_begin(void *arg)
{
    struct snapshot_job *j = arg;
    j->snap.done = snapshot_done;
    server_snapshot(j->rig->client, &j->snap);
}

static bool snapshot_is_done(void *arg)
{
    return ((struct snapshot_job *)arg)->done;
}

static void snapshots_are_whole(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    rig_put(g, "a", "1");
    struct snapshot_job j = {.rig = g};
    rig_run(g, snapshot_begin, &j);
    rig_wait(g, snapshot_is_done, &j);
    assert_int_equal(j.snap.err, ERR_OK);
    assert_int_equal(j.snap.rev, 2);
    assert_int_equal(lseek(j.snap.fd, 0, SEEK_CUR), 0);
    assert_int_equal(lseek(j.snap.fd, 0, SEEK_END), j.snap.size);
    close(j.snap.fd);
    rig_stop_server(g);
    j.done = false;
    rig_run(g, snapshot_begin, &j);
    rig_wait(g, snapshot_is_done, &j);
    assert_int_equal(j.snap.err, ERR_STOPPED);
    rig_stop(g);
}

/* ---- the end, and the next start ------------------------------------------------------------- */

static void restart_keeps_everything(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    assert_int_equal(rig_grant(g, 7, 600), ERR_OK);
    assert_int_equal(rig_grant(g, 8, 600), ERR_OK);
    Etcdserverpb__PutRequest *put = req_put(g->arena, "leased", "1");
    put->lease = 7;
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_OK);
    Etcdserverpb__PutRequest *moved = req_put(g->arena, "moved", "1");
    moved->lease = 8;
    assert_int_equal(rig_call(g, OP_PUT, moved, NULL, NULL), ERR_OK);
    rig_put(g, "moved", "2");
    for (int i = 0; i < 300; i++)
        rig_put(g, "a", "1");
    assert_int_equal(rig_compact(g, 100, true), ERR_OK);
    Etcdserverpb__LeaseRevokeRequest revoke = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    revoke.id = 8;
    assert_int_equal(rig_call(g, OP_LEASE_REVOKE, &revoke, NULL, NULL), ERR_OK);
    assert_int_equal(rig_alarm(g, ACTIVATE, NOSPACE), ERR_OK);
    const Etcdserverpb__HashKVResponse *was = rig_hash_kv(g, 0);
    uint64_t cluster = server_cluster_id(g->server);
    for (int i = 0; i < 3; i++) {
        rig_restart(g);
        const Etcdserverpb__HashKVResponse *now = rig_hash_kv(g, 0);
        assert_int_equal(now->hash, was->hash);
        assert_int_equal(now->hash_revision, was->hash_revision);
        assert_int_equal(now->compact_revision, was->compact_revision);
        assert_int_equal(server_alarms(g->server), 1 << NOSPACE);
        assert_int_equal(server_cluster_id(g->server), cluster);
        assert_string_equal(server_cluster_version(g->server), "3.7.0");
    }
    value_is(g, "moved", "2");
    revoke.id = 7;
    assert_int_equal(rig_call(g, OP_LEASE_REVOKE, &revoke, NULL, NULL), ERR_OK);
    value_is(g, "leased", "");
    rig_stop(g);
}

/* The log is cut behind what kv.db has synced, and the next start does without the rest. */
static void restart_from_a_trimmed_log(void **state)
{
    struct rig *g = *state;
    static const char saves[] = "etcd_debugging_snap_save_total_duration_seconds_count";
    rig_start(g, "--snapshot-count=10", NULL);
    for (double before = rig_metric(g, saves); rig_metric(g, saves) < before + 2;)
        rig_put(g, "a", "1");
    for (int i = 0; i < 200; i++) /* what is let go goes with later appends */
        rig_put(g, "b", "2");
    uint32_t hash = rig_hash_kv(g, 0)->hash;
    rig_restart(g);
    assert_int_equal(rig_hash_kv(g, 0)->hash, hash);
    rig_stop(g);
}

enum { PENDING = 200 };

struct burst {
    struct rig *rig;
    struct rig_call calls[PENDING];
    const void *puts[PENDING];
};

static void burst_done(struct server_call *call)
{
    struct rig_call *c = CONTAINER_OF(call, struct rig_call, call);
    pthread_mutex_lock(&c->rig->lock);
    c->done = true;
    rig_changed(c->rig);
    pthread_mutex_unlock(&c->rig->lock);
}

static void burst_begin(void *arg)
{
    struct burst *b = arg;
    static const enum server_op reads[] = {OP_STATUS, OP_HASH_KV, OP_READ_INDEX, OP_DEFRAGMENT};
    static const Etcdserverpb__HashKVRequest hash = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    for (size_t i = 0; i < PENDING; i++) {
        struct rig_call *c = &b->calls[i];
        *c = (struct rig_call){.rig = b->rig, .call.done = burst_done};
        c->call.op = i % 8 != 0 ? OP_PUT : reads[i / 8 % ARRAY_LEN(reads)];
        c->call.request = i % 8 != 0 ? b->puts[i] : &hash.base;
        server_call(b->rig->client, &c->call);
    }
}

static void stopping_answers_all(void **state)
{
    struct rig *g = *state;
    struct burst *b = xcalloc(1, sizeof *b);
    b->rig = g;
    for (size_t i = 0; i < PENDING; i++)
        b->puts[i] = req_put(g->arena, "a", "1");
    for (int round = 0; round < 5; round++) {
        rig_start(g, NULL, NULL);
        rig_run(g, burst_begin, b);
        rig_stop_server(g);
        for (size_t i = 0; i < PENDING; i++) {
            enum err e = rig_call_end(&b->calls[i], NULL, NULL);
            assert_true(e == ERR_OK || e == ERR_STOPPED);
        }
        rig_run(g, burst_begin, b);
        for (size_t i = 0; i < PENDING; i++)
            assert_int_equal(rig_call_end(&b->calls[i], NULL, NULL), ERR_STOPPED);
        rig_stop(g);
    }
    free(b);
}

static bool has_failed(void *arg)
{
    return ((const struct rig *)arg)->failed;
}

/* Another writer holds kv.db: what is committed in the log cannot be applied, so nothing more is
 * acknowledged; a later start has it. */
static void failing_database_ends_the_member(void **state)
{
    struct rig *g = *state;
    struct kvdb *other;
    char path[400];
    rig_start(g, NULL, NULL);
    rig_put(g, "a", "1");
    snprintf(path, sizeof path, "%s/data/member/kv.db", g->dir);
    assert_int_equal(kvdb_open(path, &(struct kvdb_options){.create = false}, &other, NULL),
                     ERR_OK);
    kvdb_begin(other);
    struct kv_writer *w = kvdb_writer(other);
    w->ops->bucket_put(w, "test", slice_str("k"), slice_str("v"));
    const void *put = req_put(g->arena, "a", "2");
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_STOPPED);
    rig_wait(g, has_failed, g);
    assert_int_equal(rig_call(g, OP_PUT, put, NULL, NULL), ERR_STOPPED);
    value_is(g, "a", "1"); /* reads go on until the end */
    kvdb_rollback(other);
    kvdb_close(other);
    rig_restart(g);
    value_is(g, "a", "2");
    rig_stop(g);
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void counts_what_it_does(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    double put0 = rig_metric(g, "etcd_mvcc_put_total");
    double bytes0 = rig_metric(g, "etcd_debugging_mvcc_total_put_size_in_bytes");
    double txn0 = rig_metric(g, "etcd_mvcc_txn_total");
    double del0 = rig_metric(g, "etcd_mvcc_delete_total");
    double range0 = rig_metric(g, "etcd_mvcc_range_total");
    double granted0 = rig_metric(g, "etcd_debugging_lease_granted_total");
    rig_put(g, "a", "12345");
    value_is(g, "a", "12345");
    assert_int_equal(rig_call(g, OP_DELETE_RANGE, req_delete(g->arena, "a", NULL), NULL, NULL),
                     ERR_OK);
    Etcdserverpb__TxnRequest *t = req_txn(g->arena);
    txn_then(t, op_put(g->arena, req_put(g->arena, "a", "1")));
    txn_then(t, op_range(g->arena, req_range(g->arena, "a", NULL)));
    assert_int_equal(rig_call(g, OP_TXN, t, NULL, NULL), ERR_OK);
    assert_int_equal(rig_grant(g, 7, 60), ERR_OK);
    assert_true(rig_metric(g, "etcd_mvcc_put_total") == put0 + 2);
    assert_true(rig_metric(g, "etcd_debugging_mvcc_total_put_size_in_bytes") == bytes0 + 8);
    assert_true(rig_metric(g, "etcd_mvcc_txn_total") == txn0 + 1);
    assert_true(rig_metric(g, "etcd_mvcc_delete_total") == del0 + 1);
    assert_true(rig_metric(g, "etcd_mvcc_range_total") == range0 + 2);
    assert_true(rig_metric(g, "etcd_debugging_lease_granted_total") == granted0 + 1);
    assert_true(rig_metric(g, "etcd_server_has_leader") == 1);
    assert_true(rig_metric(g, "etcd_server_is_leader") == 1);
    assert_true(rig_metric(g, "etcd_server_leader_changes_seen_total") >= 1);
    assert_true(rig_metric(g, "etcd_disk_wal_write_bytes_total") > 0);
    assert_true(rig_metric(g, "etcd_disk_wal_fsync_duration_seconds_count") > 0);
    assert_true(rig_metric(g, "etcd_disk_backend_commit_duration_seconds_count") > 0);
    assert_true(rig_metric(g, "etcd_debugging_mvcc_keys_total") == 1);
    assert_true(rig_metric(g, "etcd_cluster_version{cluster_version=\"3.7\"}") == 1);
    assert_true(rig_metric(g, "etcd_server_is_learner") == 0);
    assert_true(rig_metric(g, "os_fd_used") > 5);
    rig_stop(g);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(puts_and_reads),
        TEST(answers_with_whole_headers),
        TEST(linearizable_reads_are_confirmed),
        TEST(downgrades_begin_and_are_cancelled),
        TEST(leases_are_granted_renewed_and_revoked),
        TEST(leases_run_out),
        TEST(physical_compaction_is_answered_when_done),
        TEST(no_space_refuses_what_grows),
        TEST(unknown_alarm_is_refused),
        TEST(quota_raises_the_alarm),
        TEST(defrag_gives_space_back),
        TEST(hashes_are_of_the_history),
        TEST(snapshots_are_whole),
        TEST(restart_keeps_everything),
        TEST(restart_from_a_trimmed_log),
        TEST(stopping_answers_all),
        TEST(failing_database_ends_the_member),
        TEST(counts_what_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
