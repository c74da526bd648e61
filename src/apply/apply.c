/* apply/apply.c -- which request is it, and what may it do now.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "apply/apply_priv.h"
#include "pb/leasepb.pb-c.h"

enum {
    COST_PUT = 256, /* of a put on the quota's account, beside key and value */
    COST_LEASE = 64,
};

#define ALARM_NOSPACE BIT(ETCDSERVERPB__ALARM_TYPE__NOSPACE)
#define ALARM_CORRUPT BIT(ETCDSERVERPB__ALARM_TYPE__CORRUPT)

struct applier *applier_new(const struct applier_stores *stores)
{
    struct applier *a = xcalloc(1, sizeof *a);
    a->st = *stores;
    return a;
}

void applier_free(struct applier *a)
{
    if (a == NULL)
        return;
    free(a->alarms);
    free(a);
}

void applier_persist_checkpoints(struct applier *a, bool persist)
{
    a->persist_checkpoints = persist;
}

/* ---- alarms ----------------------------------------------------------------------------- */

static size_t alarm_find(const struct applier *a, uint64_t member, Etcdserverpb__AlarmType type,
                         bool *ret_found)
{
    size_t i = 0;
    while (i < a->n_alarms && (a->alarms[i].memberid < member ||
                               (a->alarms[i].memberid == member && a->alarms[i].alarm < type)))
        i++;
    *ret_found = i < a->n_alarms && a->alarms[i].memberid == member && a->alarms[i].alarm == type;
    return i;
}

/* The key of an alarm in its bucket is the encoded AlarmMember; the value is empty. */
static struct slice alarm_key(const Etcdserverpb__AlarmMember *m, uint8_t buf[32])
{
    invariant(etcdserverpb__alarm_member__get_packed_size(m) <= 32);
    return slice_make(buf, etcdserverpb__alarm_member__pack(m, buf));
}

static void alarm_insert(struct applier *a, size_t at, uint64_t member,
                         Etcdserverpb__AlarmType type)
{
    a->alarms = xrealloc(a->alarms, (a->n_alarms + 1) * sizeof *a->alarms);
    memmove(a->alarms + at + 1, a->alarms + at, (a->n_alarms - at) * sizeof *a->alarms);
    etcdserverpb__alarm_member__init(&a->alarms[at]);
    a->alarms[at].memberid = member;
    a->alarms[at].alarm = type;
    a->n_alarms++;
}

unsigned applier_alarms(const struct applier *a)
{
    unsigned mask = 0;
    for (size_t i = 0; i < a->n_alarms; i++)
        mask |= BIT(a->alarms[i].alarm);
    return mask;
}

static void alarm_list_add(Etcdserverpb__AlarmResponse *resp, const Etcdserverpb__AlarmMember *m,
                           struct arena *arena)
{
    Etcdserverpb__AlarmMember *copy =
        PB_NEW(arena, Etcdserverpb__AlarmMember, etcdserverpb__alarm_member);
    copy->memberid = m->memberid;
    copy->alarm = m->alarm;
    resp->alarms[resp->n_alarms++] = copy;
}

Etcdserverpb__AlarmResponse *applier_alarm_list(const struct applier *a,
                                                Etcdserverpb__AlarmType type, struct arena *arena)
{
    Etcdserverpb__AlarmResponse *resp =
        PB_NEW(arena, Etcdserverpb__AlarmResponse, etcdserverpb__alarm_response);
    resp->alarms = arena_alloc(arena, (a->n_alarms + 1) * sizeof(Etcdserverpb__AlarmMember *));
    for (size_t i = 0; i < a->n_alarms; i++)
        if (type == ETCDSERVERPB__ALARM_TYPE__NONE || a->alarms[i].alarm == type)
            alarm_list_add(resp, &a->alarms[i], arena);
    return resp;
}

static Etcdserverpb__AlarmResponse *
alarm_change(struct applier *a, const Etcdserverpb__AlarmRequest *req, struct arena *arena)
{
    struct kv_writer *w = a->st.writer;
    Etcdserverpb__AlarmResponse *resp =
        PB_NEW(arena, Etcdserverpb__AlarmResponse, etcdserverpb__alarm_response);
    resp->alarms = arena_alloc(arena, sizeof(Etcdserverpb__AlarmMember *));
    uint8_t key[32];
    bool found;
    size_t i = alarm_find(a, req->memberid, req->alarm, &found);
    if (req->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE) {
        if (req->alarm == ETCDSERVERPB__ALARM_TYPE__NONE)
            return resp;
        if (!found) {
            alarm_insert(a, i, req->memberid, req->alarm);
            w->ops->bucket_put(w, BUCKET_ALARM, alarm_key(&a->alarms[i], key), slice_make(NULL, 0));
        }
        alarm_list_add(resp, &a->alarms[i], arena);
    } else if (found) {
        alarm_list_add(resp, &a->alarms[i], arena);
        w->ops->bucket_remove(w, BUCKET_ALARM, alarm_key(&a->alarms[i], key));
        a->n_alarms--;
        memmove(a->alarms + i, a->alarms + i + 1, (a->n_alarms - i) * sizeof *a->alarms);
    }
    return resp;
}

/* The numbers come from a client, and proto3 lets any through. */
static bool alarm_type_known(Etcdserverpb__AlarmType type)
{
    return (unsigned)type <= ETCDSERVERPB__ALARM_TYPE__CORRUPT;
}

static void alarm_run(struct applier *a, const Etcdserverpb__AlarmRequest *req, struct arena *arena,
                      struct apply_result *ret)
{
    switch (req->action) {
    case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET:
        ret->response = &applier_alarm_list(a, req->alarm, arena)->base;
        break;
    case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE:
    case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE:
        if (!alarm_type_known(req->alarm)) {
            ret->err = ERR_INVALID;
            break;
        }
        ret->response = &alarm_change(a, req, arena)->base;
        ret->what = APPLIED_ALARM;
        break;
    default:
        ret->err = ERR_INVALID;
        break;
    }
}

/* ---- loading ---------------------------------------------------------------------------- */

struct load {
    struct applier *a;
    enum err err;
};

static bool load_lease(void *arg, struct slice key, struct slice value)
{
    struct load *l = arg;
    Leasepb__Lease *lease = leasepb__lease__unpack(NULL, value.n, value.p);
    if (key.n != 8 || lease == NULL || lease->id != (lease_id)be64_get(key.p))
        l->err = ERR_DAMAGED;
    else
        l->err = lessor_load(l->a->st.lessor, lease->id, lease->ttl, lease->remainingttl);
    if (lease != NULL)
        leasepb__lease__free_unpacked(lease, NULL);
    return l->err == ERR_OK;
}

static bool load_alarm(void *arg, struct slice key, struct slice value)
{
    struct load *l = arg;
    (void)value;
    Etcdserverpb__AlarmMember *m = etcdserverpb__alarm_member__unpack(NULL, key.n, key.p);
    if (m == NULL || !alarm_type_known(m->alarm)) {
        l->err = ERR_DAMAGED;
    } else {
        bool found;
        size_t i = alarm_find(l->a, m->memberid, m->alarm, &found);
        if (!found)
            alarm_insert(l->a, i, m->memberid, m->alarm);
    }
    if (m != NULL)
        etcdserverpb__alarm_member__free_unpacked(m, NULL);
    return l->err == ERR_OK;
}

enum err applier_load(struct applier *a, struct why *why)
{
    struct kv_writer *w = a->st.writer;
    struct load l = {a, ERR_OK};
    w->ops->bucket_scan(w, BUCKET_LEASE, load_lease, &l);
    if (l.err != ERR_OK)
        return why_set(why, ERR_DAMAGED, "a stored lease cannot be read");
    w->ops->bucket_scan(w, BUCKET_ALARM, load_alarm, &l);
    if (l.err != ERR_OK)
        return why_set(why, ERR_DAMAGED, "a stored alarm cannot be read");
    return ERR_OK;
}

void applier_load_row(struct applier *a, const struct kv_row *row)
{
    if (lessor_count(a->st.lessor) == 0)
        return;
    if (row->lease == 0 || lessor_attach(a->st.lessor, row->lease, row->key) != ERR_OK)
        lessor_detach(a->st.lessor, row->key);
}

/* ---- leases ----------------------------------------------------------------------------- */

static void lease_store(struct applier *a, lease_id id)
{
    struct kv_writer *w = a->st.writer;
    struct lease_info info;
    if (lessor_get(a->st.lessor, id, 0, &info) != ERR_OK)
        return;
    Leasepb__Lease lease = LEASEPB__LEASE__INIT;
    lease.id = id;
    lease.ttl = info.ttl_s;
    lease.remainingttl = info.checkpoint_s;
    uint8_t key[8], value[64];
    be64_put(key, (uint64_t)id);
    invariant(leasepb__lease__get_packed_size(&lease) <= sizeof value);
    w->ops->bucket_put(w, BUCKET_LEASE, slice_make(key, 8),
                       slice_make(value, leasepb__lease__pack(&lease, value)));
}

static void lease_grant(struct applier *a, const Etcdserverpb__LeaseGrantRequest *req, msec now,
                        struct arena *arena, struct apply_result *ret)
{
    if (req->id == 0) {
        ret->err = ERR_LEASE_NOT_FOUND;
        return;
    }
    ret->err = lessor_grant(a->st.lessor, req->id, req->ttl, now);
    if (ret->err != ERR_OK)
        return;
    lease_store(a, req->id);
    struct lease_info info;
    invariant(lessor_get(a->st.lessor, req->id, now, &info) == ERR_OK);
    Etcdserverpb__LeaseGrantResponse *resp =
        PB_NEW(arena, Etcdserverpb__LeaseGrantResponse, etcdserverpb__lease_grant_response);
    resp->id = req->id;
    resp->ttl = info.ttl_s;
    ret->response = &resp->base;
}

static void lease_delete_key(void *arg, struct slice key)
{
    struct applier *a = arg;
    AUTO(buf) struct buf scratch = BUF_INIT;
    struct key_range one = key_range_make(key, slice_make(NULL, 0), &scratch);
    mvcc_txn_delete(a->st.kv, &one);
    a->counts.deletes++;
}

static void lease_revoke(struct applier *a, const Etcdserverpb__InternalRaftRequest *req,
                         struct arena *arena, struct apply_result *ret)
{
    lease_id id = req->lease_revoke->id;
    if (!lessor_has(a->st.lessor, id)) {
        ret->err = ERR_LEASE_NOT_FOUND;
        return;
    }
    lessor_each_key(a->st.lessor, id, lease_delete_key, a);
    invariant(lessor_revoke(a->st.lessor, id) == ERR_OK);
    uint8_t key[8];
    be64_put(key, (uint64_t)id);
    a->st.writer->ops->bucket_remove(a->st.writer, BUCKET_LEASE, slice_make(key, 8));
    ret->response =
        &PB_NEW(arena, Etcdserverpb__LeaseRevokeResponse, etcdserverpb__lease_revoke_response)
             ->base;
}

/* That a remainder is gone is always stored: one of 3.6 must not outlive a downgrade. */
static bool checkpoint_is_stored(const struct applier *a, const Etcdserverpb__LeaseCheckpoint *c)
{
    return c->remaining_ttl <= 0 || a->persist_checkpoints ||
           cluster_version_reached(a->st.cluster, 3, 6);
}

static void lease_checkpoint(struct applier *a, const Etcdserverpb__LeaseCheckpointRequest *req,
                             struct arena *arena, struct apply_result *ret)
{
    for (size_t i = 0; i < req->n_checkpoints; i++) {
        const Etcdserverpb__LeaseCheckpoint *c = req->checkpoints[i];
        if (lessor_checkpoint(a->st.lessor, c->id, c->remaining_ttl) == ERR_OK &&
            checkpoint_is_stored(a, c))
            lease_store(a, c->id);
    }
    ret->response = &PB_NEW(arena, Etcdserverpb__LeaseCheckpointResponse,
                            etcdserverpb__lease_checkpoint_response)
                         ->base;
}

/* ---- membership ------------------------------------------------------------------------- */

static void set_attributes(struct applier *a, const Membershippb__ClusterMemberAttrSetRequest *req,
                           struct apply_result *ret)
{
    const Membershippb__Attributes *at = req->member_attributes;
    ret->what = APPLIED_ATTRIBUTES;
    if (at != NULL)
        ret->err = cluster_set_attributes(a->st.cluster, req->member_id, at->name,
                                          (const char *const *)at->client_urls, at->n_client_urls,
                                          a->st.writer);
}

static void set_version(struct applier *a, const Membershippb__ClusterVersionSetRequest *req,
                        struct apply_result *ret)
{
    ret->what = APPLIED_CLUSTER_VERSION;
    ret->err = cluster_set_version(a->st.cluster, req->ver, a->st.writer);
}

static void set_downgrade(struct applier *a, const Membershippb__DowngradeInfoSetRequest *req,
                          struct apply_result *ret)
{
    ret->what = APPLIED_DOWNGRADE;
    ret->err = cluster_set_downgrade(a->st.cluster, req->enabled ? req->ver : NULL, a->st.writer);
}

/* ---- the key space ---------------------------------------------------------------------- */

static void compact(struct applier *a, const Etcdserverpb__CompactionRequest *req,
                    struct arena *arena, struct apply_result *ret)
{
    ret->err = mvcc_compact(a->st.kv, a->st.writer, req->revision);
    if (ret->err != ERR_OK)
        return;
    ret->response =
        &PB_NEW(arena, Etcdserverpb__CompactionResponse, etcdserverpb__compaction_response)->base;
    ret->what = APPLIED_COMPACTION;
}

/* Reads and writes of keys. */
static void key_op(struct applier *a, const Etcdserverpb__InternalRaftRequest *req,
                   struct arena *arena, struct apply_result *ret)
{
    if (req->put != NULL) {
        /* Upstream looks for the lease first here, and for the key first in a transaction. */
        bool no_lease = req->put->lease != 0 && !lessor_has(a->st.lessor, req->put->lease);
        ret->err = no_lease ? ERR_LEASE_NOT_FOUND : put_check(a, req->put);
        if (ret->err == ERR_OK)
            ret->response = &put_run(a, req->put, arena)->base;
    } else if (req->delete_range != NULL) {
        ret->response = &delete_run(a, req->delete_range, arena)->base;
    } else if (req->txn != NULL) {
        Etcdserverpb__TxnResponse *resp = NULL;
        ret->err = txn_run(a, req->txn, arena, &resp);
        ret->response = resp ? &resp->base : NULL;
    } else {
        ret->err = range_check(a, req->range);
        if (ret->err == ERR_OK)
            ret->response = &range_run(a, req->range, arena)->base;
    }
}

/* Keys follow their leases: what the transaction put is attached, what it deleted is detached. */
static void follow_leases(struct applier *a, const struct apply_result *r)
{
    if (lessor_count(a->st.lessor) == 0)
        return;
    for (size_t i = 0; i < r->n_changes; i++)
        applier_load_row(a, &r->changes[i].row);
}

/* What changes keys does so in one transaction. */
static void in_txn(struct applier *a, const Etcdserverpb__InternalRaftRequest *req,
                   struct arena *arena, struct apply_result *ret,
                   void (*run)(struct applier *a, const Etcdserverpb__InternalRaftRequest *req,
                               struct arena *arena, struct apply_result *ret))
{
    mvcc_txn_begin(a->st.kv, a->st.writer);
    run(a, req, arena, ret);
    (void)mvcc_txn_end(a->st.kv, &ret->changes, &ret->n_changes);
    invariant(ret->err == ERR_OK || ret->n_changes == 0);
    follow_leases(a, ret);
}

static bool is_key_op(const Etcdserverpb__InternalRaftRequest *req)
{
    return req->put != NULL || req->delete_range != NULL || req->txn != NULL || req->range != NULL;
}

/* What the raised alarms forbid. */
static enum err alarm_check(const struct applier *a, const Etcdserverpb__InternalRaftRequest *req)
{
    unsigned alarms = applier_alarms(a);
    if (alarms == 0)
        return ERR_OK;
    bool txn_writes = req->txn != NULL && !txn_is_read_only(req->txn);
    bool changes = req->put != NULL || req->delete_range != NULL || txn_writes ||
                   req->compaction != NULL || req->lease_grant != NULL || req->lease_revoke != NULL;
    if ((alarms & ALARM_CORRUPT) && changes)
        return ERR_CORRUPT;
    if ((alarms & ALARM_NOSPACE) && apply_cost(req) > 0)
        return ERR_NO_SPACE;
    return ERR_OK;
}

/* An entry has one operation; of several, which no member makes, this does the first. */
static void dispatch(struct applier *a, const Etcdserverpb__InternalRaftRequest *req, msec now,
                     struct arena *arena, struct apply_result *ret)
{
    if (is_key_op(req))
        in_txn(a, req, arena, ret, key_op);
    else if (req->compaction != NULL)
        compact(a, req->compaction, arena, ret);
    else if (req->lease_grant != NULL)
        lease_grant(a, req->lease_grant, now, arena, ret);
    else if (req->lease_revoke != NULL)
        in_txn(a, req, arena, ret, lease_revoke);
    else if (req->lease_checkpoint != NULL)
        lease_checkpoint(a, req->lease_checkpoint, arena, ret);
    else if (req->alarm != NULL)
        alarm_run(a, req->alarm, arena, ret);
    else if (req->cluster_member_attr_set != NULL)
        set_attributes(a, req->cluster_member_attr_set, ret);
    else if (req->cluster_version_set != NULL)
        set_version(a, req->cluster_version_set, ret);
    else if (req->downgrade_info_set != NULL)
        set_downgrade(a, req->downgrade_info_set, ret);
    else if (req->downgrade_version_test == NULL) /* which does nothing, on purpose */
        ret->err = ERR_NOT_CAPABLE;
}

void applier_apply(struct applier *a, const Etcdserverpb__InternalRaftRequest *req, msec now,
                   struct arena *arena, struct apply_result *ret)
{
    *ret = (struct apply_result){.err = alarm_check(a, req)};
    a->counts = (struct apply_counts){0};
    if (ret->err == ERR_OK)
        dispatch(a, req, now, arena, ret);
    ret->rev = mvcc_store_revision(a->st.kv);
    ret->counts = a->counts;
    if (ret->err != ERR_OK || ret->response == NULL)
        return;
    /* Every response has its header as the first field. */
    Etcdserverpb__ResponseHeader **header =
        (Etcdserverpb__ResponseHeader **)(void *)(ret->response + 1);
    if (*header == NULL)
        *header = header_new(arena, ret->rev);
    else
        (*header)->revision = ret->rev;
}

/* ---- the quota's account ------------------------------------------------------------------ */

static int64_t put_cost(const Etcdserverpb__PutRequest *put)
{
    return COST_PUT + (int64_t)put->key.len + (int64_t)put->value.len;
}

static int64_t txn_cost(const Etcdserverpb__TxnRequest *txn);

static int64_t ops_cost(Etcdserverpb__RequestOp *const *ops, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
            sum += put_cost(ops[i]->request_put);
        else if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
            sum += txn_cost(ops[i]->request_txn);
    }
    return sum;
}

static int64_t txn_cost(const Etcdserverpb__TxnRequest *txn)
{
    int64_t success = ops_cost(txn->success, txn->n_success);
    int64_t failure = ops_cost(txn->failure, txn->n_failure);
    return success > failure ? success : failure;
}

int64_t apply_cost(const Etcdserverpb__InternalRaftRequest *req)
{
    if (req->put != NULL)
        return put_cost(req->put);
    if (req->txn != NULL)
        return txn_cost(req->txn);
    return req->lease_grant != NULL ? COST_LEASE : 0;
}
