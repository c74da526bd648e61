/* benchmark/stm_lock.c -- see stm.h.
 *
 * Upstream's recipe: everybody makes a key "stmlock/LEASE" and waits until those that were made
 * before it are gone, watching only the one right before it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "benchmark/answers.h"
#include "benchmark/stm.h"

enum { TTL_S = 60 };

static char lock_name[] = "stmlock", prefix[] = "stmlock/", prefix_end[] = "stmlock0";

static ProtobufCBinaryData text(char *s)
{
    return (ProtobufCBinaryData){strlen(s), (uint8_t *)s};
}

static ProtobufCBinaryData own_key(const struct locker *l)
{
    return (ProtobufCBinaryData){l->key.n, l->key.p};
}

static bool went_wrong(struct locker *l, const char *what, const struct etcd_error *error)
{
    if (error != NULL)
        load_fail(l->slot->load, what, error);
    return error != NULL;
}

static void call(struct locker *l, const struct etcd_method *m, const void *request,
                 void (*done)(void *arg, const void *response, const struct etcd_error *error))
{
    etcd_call_start(l->slot->worker->client, m, request, -1, done, l);
}

/* ---- the session ----------------------------------------------------------------------------- */

static void on_renewed(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *response,
                       const struct etcd_error *error)
{
    struct locker *l = arg;
    if (response == NULL)
        (void)went_wrong(l, "session", error);
}

static void on_granted(void *arg, const void *response, const struct etcd_error *error)
{
    struct locker *l = arg;
    if (went_wrong(l, "session", error))
        return;
    l->lease = ((const Etcdserverpb__LeaseGrantResponse *)response)->id;
    l->keepalive = etcd_keepalive_start(l->slot->worker->client, l->lease, on_renewed, l);
    buf_addf(&l->key, "%s%llx", prefix, (unsigned long long)l->lease);
    load_ready(l->slot);
}

void locker_prepare(struct locker *l, enum locker_kind kind, struct slot *s)
{
    l->kind = kind;
    l->slot = s;
    if (kind == LOCKER_NONE) {
        load_ready(s);
        return;
    }
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.ttl = TTL_S;
    call(l, &etcd_rpc_lease_grant, &request, on_granted);
}

void locker_fini(struct locker *l, struct fleet *f)
{
    if (l->keepalive != NULL)
        etcd_keepalive_stop(l->keepalive);
    etcd_watcher_free(l->watcher);
    if (l->lease != 0) {
        Etcdserverpb__LeaseRevokeRequest request = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
        struct etcd_error e;
        request.id = l->lease;
        etcd_response_free(fleet_call(f, &etcd_rpc_lease_revoke, &request, &e));
    }
    buf_fini(&l->key);
}

/* ---- lock-client ----------------------------------------------------------------------------- */

static void ask_before(struct locker *l);

static void on_watched(void *arg, const Etcdserverpb__WatchResponse *response,
                       const struct etcd_error *error)
{
    struct locker *l = arg;
    if (response == NULL || response->canceled) {
        struct etcd_error e = {.text = "the watch was canceled"};
        (void)went_wrong(l, "lock", error != NULL ? error : &e);
        return;
    }
    for (size_t i = 0; i < response->n_events; i++) {
        if (response->events[i]->type != MVCCPB__EVENT__EVENT_TYPE__DELETE)
            continue;
        etcd_watch_cancel(l->watch);
        l->watch = NULL;
        ask_before(l);
        return;
    }
}

static void on_still_there(void *arg, const void *response, const struct etcd_error *error)
{
    struct locker *l = arg;
    const Etcdserverpb__RangeResponse *r = response;
    struct etcd_error gone = {.text = "mutex: session is expired"};
    if (!went_wrong(l, "lock", error == NULL && r->n_kvs == 0 ? &gone : error))
        l->then(l->slot);
}

static void on_before(void *arg, const void *response, const struct etcd_error *error)
{
    struct locker *l = arg;
    const Etcdserverpb__RangeResponse *r = response;
    if (went_wrong(l, "lock", error))
        return;
    if (r->n_kvs == 0) {
        Etcdserverpb__RangeRequest mine = ETCDSERVERPB__RANGE_REQUEST__INIT;
        mine.key = own_key(l);
        call(l, &etcd_rpc_range, &mine, on_still_there);
        return;
    }
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = r->kvs[0]->key;
    create.start_revision = answer_revision(r->header);
    if (l->watcher == NULL)
        l->watcher = etcd_watcher_new(l->slot->worker->client);
    l->watch = etcd_watch_start(l->watcher, &create, on_watched, l);
}

/* Who came right before us? */
static void ask_before(struct locker *l)
{
    Etcdserverpb__RangeRequest last = ETCDSERVERPB__RANGE_REQUEST__INIT;
    last.key = text(prefix);
    last.range_end = text(prefix_end);
    last.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    last.sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE;
    last.limit = 1;
    last.max_create_revision = l->revision - 1;
    call(l, &etcd_rpc_range, &last, on_before);
}

static void on_queued(void *arg, const void *response, const struct etcd_error *error)
{
    struct locker *l = arg;
    const Etcdserverpb__TxnResponse *r = response;
    const struct etcd_error incomplete = answer_error();
    const Etcdserverpb__RangeResponse *mine = error == NULL ? answer_range(r, 0) : NULL;
    const Etcdserverpb__RangeResponse *owner = error == NULL ? answer_range(r, 1) : NULL;
    if (error == NULL && owner == NULL)
        error = &incomplete;
    if (went_wrong(l, "lock", error))
        return;
    l->revision = mine != NULL && mine->n_kvs > 0 ? mine->kvs[0]->create_revision
                                                  : answer_revision(r->header);
    if (owner->n_kvs == 0 || owner->kvs[0]->create_revision == l->revision)
        l->then(l->slot);
    else
        ask_before(l);
}

static void queue_up(struct locker *l)
{
    Etcdserverpb__Compare is_new = ETCDSERVERPB__COMPARE__INIT, *compares[] = {&is_new};
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RangeRequest mine = ETCDSERVERPB__RANGE_REQUEST__INIT,
                               first = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RequestOp put_op = ETCDSERVERPB__REQUEST_OP__INIT,
                            mine_op = ETCDSERVERPB__REQUEST_OP__INIT,
                            first_op = ETCDSERVERPB__REQUEST_OP__INIT;
    Etcdserverpb__RequestOp *then[] = {&put_op, &first_op}, *otherwise[] = {&mine_op, &first_op};
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    is_new.key = put.key = mine.key = own_key(l);
    is_new.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
    is_new.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
    put.lease = l->lease;
    first.key = text(prefix);
    first.range_end = text(prefix_end);
    first.sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE;
    first.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
    first.limit = 1;
    put_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    put_op.request_put = &put;
    mine_op.request_case = first_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    mine_op.request_range = &mine;
    first_op.request_range = &first;
    txn.n_compare = 1;
    txn.compare = compares;
    txn.n_success = txn.n_failure = 2;
    txn.success = then;
    txn.failure = otherwise;
    call(l, &etcd_rpc_txn, &txn, on_queued);
}

/* ---- lock-rpc -------------------------------------------------------------------------------- */

static void on_locked(void *arg, const void *response, const struct etcd_error *error)
{
    struct locker *l = arg;
    const V3lockpb__LockResponse *r = response;
    if (went_wrong(l, "lock", error))
        return;
    buf_clear(&l->key);
    buf_add(&l->key, r->key.data, r->key.len);
    l->then(l->slot);
}

/* ---- both ------------------------------------------------------------------------------------ */

void locker_lock(struct locker *l, void (*then)(struct slot *s))
{
    l->then = then;
    if (l->kind == LOCKER_NONE) {
        then(l->slot);
    } else if (l->kind == LOCKER_CLIENT) {
        queue_up(l);
    } else {
        V3lockpb__LockRequest request = V3LOCKPB__LOCK_REQUEST__INIT;
        request.name = text(lock_name);
        request.lease = l->lease;
        call(l, &etcd_rpc_lock_lock, &request, on_locked);
    }
}

static void on_unlocked(void *arg, const void *response, const struct etcd_error *error)
{
    struct locker *l = arg;
    (void)response;
    if (!went_wrong(l, "unlock", error))
        l->then(l->slot);
}

void locker_unlock(struct locker *l, void (*then)(struct slot *s))
{
    l->then = then;
    if (l->kind == LOCKER_NONE) {
        then(l->slot);
    } else if (l->kind == LOCKER_CLIENT) {
        Etcdserverpb__DeleteRangeRequest request = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
        request.key = own_key(l);
        call(l, &etcd_rpc_delete_range, &request, on_unlocked);
    } else {
        V3lockpb__UnlockRequest request = V3LOCKPB__UNLOCK_REQUEST__INIT;
        request.key = own_key(l);
        call(l, &etcd_rpc_lock_unlock, &request, on_unlocked);
    }
}
