/* tests/unit/apply/rig.h -- an applier over stores in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_APPLY_RIG_H
#define TESTS_UNIT_APPLY_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apply/apply.h"
#include "tests/lib/mem_backend.h"
#include "tests/unit/apply/requests.h"

struct rig {
    struct mem_backend *backend;
    struct mvcc_store *kv;
    struct lessor *lessor;
    struct cluster *cluster;
    struct applier *applier;
    struct arena *req;  /* of the requests; never reset */
    struct arena *resp; /* of the last result */
    struct apply_result r;
};

static inline bool rig_load_row(void *arg, const struct kv_row *row)
{
    struct rig *g = arg;
    mvcc_store_load(g->kv, row);
    applier_load_row(g->applier, row);
    return true;
}

/* Make new stores from what the backend holds. */
static inline void rig_open(struct rig *g)
{
    struct why why = {""};
    g->kv = mvcc_store_new();
    g->lessor = lessor_new(2);
    g->cluster = cluster_new(1);
    struct applier_stores st = {g->kv, g->lessor, g->cluster, mem_backend_writer(g->backend)};
    g->applier = applier_new(&st);
    assert_int_equal(applier_load(g->applier, &why), ERR_OK);
    mem_backend_each(g->backend, rig_load_row, g);
    mvcc_store_loaded(g->kv, 0, 0);
}

static inline void rig_close(struct rig *g)
{
    mvcc_store_check(g->kv);
    lessor_check(g->lessor);
    applier_free(g->applier);
    cluster_free(g->cluster);
    lessor_free(g->lessor);
    mvcc_store_free(g->kv);
}

/* What a restart does. */
static inline void rig_reopen(struct rig *g)
{
    rig_close(g);
    rig_open(g);
}

static inline int rig_setup(void **state)
{
    struct rig *g = xcalloc(1, sizeof *g);
    g->backend = mem_backend_new();
    g->req = arena_new();
    g->resp = arena_new();
    rig_open(g);
    *state = g;
    return 0;
}

static inline int rig_teardown(void **state)
{
    struct rig *g = *state;
    rig_close(g);
    arena_free(g->req);
    arena_free(g->resp);
    mem_backend_free(g->backend);
    free(g);
    return 0;
}

static inline enum err rig_apply(struct rig *g, const Etcdserverpb__InternalRaftRequest *req)
{
    arena_reset(g->resp);
    applier_apply(g->applier, req, 0, g->resp, &g->r);
    assert_true((g->r.err == ERR_OK) == (g->r.response != NULL) ||
                req->cluster_version_set != NULL || req->cluster_member_attr_set != NULL ||
                req->downgrade_info_set != NULL || req->downgrade_version_test != NULL);
    return g->r.err;
}

#define RIG_APPLY(g, field, request)                                                               \
    ({                                                                                             \
        Etcdserverpb__InternalRaftRequest ir_ = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;         \
        ir_.field = (request);                                                                     \
        rig_apply((g), &ir_);                                                                      \
    })

static inline enum err do_put(struct rig *g, const char *key, const char *value)
{
    return RIG_APPLY(g, put, req_put(g->req, key, value));
}

static inline enum err do_put_lease(struct rig *g, const char *key, lease_id lease)
{
    Etcdserverpb__PutRequest *r = req_put(g->req, key, "v");
    r->lease = lease;
    return RIG_APPLY(g, put, r);
}

static inline enum err do_delete(struct rig *g, const char *key, const char *end)
{
    return RIG_APPLY(g, delete_range, req_delete(g->req, key, end));
}

static inline enum err do_txn(struct rig *g, Etcdserverpb__TxnRequest *t)
{
    return RIG_APPLY(g, txn, t);
}

static inline enum err do_grant(struct rig *g, lease_id id, int64_t ttl)
{
    Etcdserverpb__LeaseGrantRequest r = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    r.id = id;
    r.ttl = ttl;
    return RIG_APPLY(g, lease_grant, &r);
}

static inline enum err do_revoke(struct rig *g, lease_id id)
{
    Etcdserverpb__LeaseRevokeRequest r = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    r.id = id;
    return RIG_APPLY(g, lease_revoke, &r);
}

static inline enum err do_compact(struct rig *g, revision rev)
{
    Etcdserverpb__CompactionRequest r = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    r.revision = rev;
    return RIG_APPLY(g, compaction, &r);
}

static inline enum err do_alarm(struct rig *g, int action, uint64_t member, int type)
{
    Etcdserverpb__AlarmRequest r = ETCDSERVERPB__ALARM_REQUEST__INIT;
    r.action = (Etcdserverpb__AlarmRequest__AlarmAction)action;
    r.memberid = member;
    r.alarm = (Etcdserverpb__AlarmType)type;
    return RIG_APPLY(g, alarm, &r);
}

/* The last response, as what it is. */
#define RESPONSE(g, T) ((const T *)(const void *)(g)->r.response)

static inline Etcdserverpb__TxnResponse *txn_response(const struct rig *g)
{
    return (Etcdserverpb__TxnResponse *)(void *)g->r.response;
}

/* Read a key as it is now; false if there is none. Lent until the next read or write. */
static inline bool key_get(struct rig *g, const char *key, struct kv_row *ret_row)
{
    struct mvcc_rev rev;
    struct kv_writer *w = mem_backend_writer(g->backend);
    return mvcc_index_get(mvcc_store_index(g->kv), slice_str(key), INT64_MAX, &rev) &&
           w->ops->get(w, rev.pos, ret_row);
}

static inline bool key_is(struct rig *g, const char *key, const char *value)
{
    struct kv_row row;
    return key_get(g, key, &row) && slice_is(row.value, value);
}

static inline bool pb_is(ProtobufCBinaryData b, const char *s)
{
    return slice_is(slice_make(b.data, b.len), s);
}

#endif
