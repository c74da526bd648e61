/* client/recipe.c -- see recipe.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "client/recipe.h"

#include <stdlib.h>

typedef Etcdserverpb__RequestOp op;

static ProtobufCBinaryData bytes(const char *s)
{
    return (ProtobufCBinaryData){.len = strlen(s), .data = (uint8_t *)s};
}

/* ---- life -------------------------------------------------------------------------------- */

void claim_init(struct claim *k, struct etcd_session *s, const char *name)
{
    *k = (struct claim){.session = s, .client = session_client(s)};
    k->prefix = xasprintf("%s/", name);
    k->prefix_end = xasprintf("%s%c", name, '/' + 1);
    k->key = xasprintf("%s/%llx", name, (unsigned long long)etcd_session_lease(s));
}

void claim_fini(struct claim *k)
{
    free(k->prefix);
    free(k->prefix_end);
    free(k->key);
    etcd_response_free(k->header);
}

void claim_set_header(struct claim *k, const Etcdserverpb__ResponseHeader *h)
{
    etcd_response_free(k->header);
    k->header = h != NULL ? response_dup(&h->base) : NULL;
}

/* ---- time -------------------------------------------------------------------------------- */

int64_t time_left(struct etcd_client *c, msec deadline)
{
    if (deadline == DEADLINE_NONE)
        return -1;
    msec left = deadline - loop_now(c->loop);
    return left > 0 ? left : 1;
}

bool tidy_begin(struct etcd_client *c)
{
    return atomic_exchange(&c->interrupted, false);
}

void tidy_end(struct etcd_client *c, bool interrupted)
{
    if (interrupted)
        atomic_store(&c->interrupted, true);
}

/* ---- transactions ------------------------------------------------------------------------ */

/* If the key's create revision is `rev`, do `then`, else `otherwise`. */
static Etcdserverpb__TxnResponse *transact(struct claim *k, int64_t rev, op **then, size_t n_then,
                                           op **otherwise, size_t n_otherwise, int64_t timeout_ms,
                                           struct etcd_error *ret_error)
{
    Etcdserverpb__Compare compare = ETCDSERVERPB__COMPARE__INIT, *compares[] = {&compare};
    Etcdserverpb__TxnRequest rq = ETCDSERVERPB__TXN_REQUEST__INIT;
    compare.key = bytes(k->key);
    compare.result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL;
    compare.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
    compare.target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
    compare.create_revision = rev;
    rq.compare = compares;
    rq.n_compare = 1;
    rq.success = then;
    rq.n_success = n_then;
    rq.failure = otherwise;
    rq.n_failure = n_otherwise;
    return etcd_call(k->client, &etcd_rpc_txn, &rq, timeout_ms, ret_error);
}

static void put_init(struct claim *k, ProtobufCBinaryData value, Etcdserverpb__PutRequest *put,
                     op *o)
{
    etcdserverpb__put_request__init(put);
    etcdserverpb__request_op__init(o);
    put->key = bytes(k->key);
    put->value = value;
    put->lease = etcd_session_lease(k->session);
    o->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    o->request_put = put;
}

static void range_op_init(Etcdserverpb__RangeRequest *range, op *o)
{
    etcdserverpb__request_op__init(o);
    o->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    o->request_range = range;
}

static void oldest_init(struct claim *k, Etcdserverpb__RangeRequest *range)
{
    etcdserverpb__range_request__init(range);
    range->key = bytes(k->prefix);
    range->range_end = bytes(k->prefix_end);
    range->limit = 1;
    range->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE;
    range->sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND;
}

static const Etcdserverpb__RangeResponse *range_of(const Etcdserverpb__ResponseOp *r)
{
    bool is_range = r->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
    return is_range ? r->response_range : NULL;
}

/* The answer has the shape that was asked for. */
static bool is_made_well(const Etcdserverpb__TxnResponse *r)
{
    if (r->header == NULL || r->n_responses != 2 || range_of(r->responses[1]) == NULL)
        return false;
    const Etcdserverpb__RangeResponse *mine = range_of(r->responses[0]);
    return r->succeeded || (mine != NULL && mine->n_kvs == 1);
}

Etcdserverpb__TxnResponse *claim_make(struct claim *k, ProtobufCBinaryData value, msec deadline,
                                      struct etcd_error *ret_error)
{
    Etcdserverpb__PutRequest put;
    Etcdserverpb__RangeRequest mine = ETCDSERVERPB__RANGE_REQUEST__INIT, oldest;
    op put_op, mine_op, oldest_op;
    put_init(k, value, &put, &put_op);
    mine.key = bytes(k->key);
    range_op_init(&mine, &mine_op);
    oldest_init(k, &oldest);
    range_op_init(&oldest, &oldest_op);
    op *then[] = {&put_op, &oldest_op}, *otherwise[] = {&mine_op, &oldest_op};
    Etcdserverpb__TxnResponse *r =
        transact(k, 0, then, 2, otherwise, 2, time_left(k->client, deadline), ret_error);
    if (r == NULL)
        return NULL;
    if (!is_made_well(r)) {
        error_set(ret_error, ETCD_INTERNAL, "the answer is not one to the transaction");
        etcd_response_free(r);
        return NULL;
    }
    k->create_revision = r->succeeded ? r->header->revision
                                      : r->responses[0]->response_range->kvs[0]->create_revision;
    return r;
}

bool claim_update(struct claim *k, ProtobufCBinaryData value, bool *ret_held,
                  struct etcd_error *ret_error)
{
    Etcdserverpb__PutRequest put;
    op put_op, *then[] = {&put_op};
    put_init(k, value, &put, &put_op);
    Etcdserverpb__TxnResponse *r = transact(k, k->create_revision, then, 1, NULL, 0, 0, ret_error);
    if (r == NULL)
        return false;
    *ret_held = r->succeeded;
    if (r->succeeded)
        claim_set_header(k, r->header);
    etcd_response_free(r);
    return true;
}

bool claim_drop(struct claim *k, struct etcd_error *ret_error)
{
    Etcdserverpb__DeleteRangeRequest del = ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    op del_op = ETCDSERVERPB__REQUEST_OP__INIT, *then[] = {&del_op};
    del.key = bytes(k->key);
    del_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    del_op.request_delete_range = &del;
    bool interrupted = tidy_begin(k->client);
    Etcdserverpb__TxnResponse *r = transact(k, k->create_revision, then, 1, NULL, 0, 0, ret_error);
    tidy_end(k->client, interrupted);
    if (r == NULL)
        return false;
    claim_set_header(k, r->header);
    etcd_response_free(r);
    k->create_revision = 0;
    return true;
}

/* ---- waiting ----------------------------------------------------------------------------- */

/* What a watch of an older key told. */
struct deletion {
    bool seen; /* or it may have been missed */
    bool over;
    struct etcd_error *error;
};

static void on_event(void *arg, const Etcdserverpb__WatchResponse *r, const struct etcd_error *e)
{
    struct deletion *d = arg;
    d->over = r == NULL || r->canceled;
    if (r == NULL)
        *d->error = *e;
    else if (r->canceled && r->compact_revision != 0)
        d->seen = true;
    else if (r->canceled)
        error_set(d->error, ETCD_CANCELED, "%s", r->cancel_reason);
    for (size_t i = 0; r != NULL && i < r->n_events; i++)
        d->seen |= r->events[i]->type == MVCCPB__EVENT__EVENT_TYPE__DELETE;
}

static bool wait_deletion(struct claim *k, ProtobufCBinaryData key, int64_t from, msec deadline,
                          struct etcd_error *ret_error)
{
    struct etcd_client *c = k->client;
    struct deletion d = {.error = ret_error};
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = key;
    create.start_revision = from;
    struct etcd_watcher *w = etcd_watcher_new(c);
    (void)etcd_watch_start(w, &create, on_event, &d);
    while (!d.seen && !d.over) {
        if (!etcd_session_is_alive(k->session))
            error_set(ret_error, ETCD_UNKNOWN, "%s", err_text(ERR_SESSION_EXPIRED));
        else if (deadline != DEADLINE_NONE && loop_now(c->loop) >= deadline)
            error_of_deadline(ret_error);
        else if (!etcd_client_poll(c, time_left(c, deadline)))
            error_set(ret_error, ETCD_CANCELED, "context canceled");
        else
            continue;
        break;
    }
    etcd_watcher_free(w);
    return d.seen;
}

/* The key is there, and no older one: unless it went with its lease meanwhile. */
static bool confirm(struct claim *k, msec deadline, struct etcd_error *ret_error)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    rq.key = bytes(k->key);
    Etcdserverpb__RangeResponse *r =
        etcd_call(k->client, &etcd_rpc_range, &rq, time_left(k->client, deadline), ret_error);
    if (r == NULL)
        return false;
    bool is_ours = r->n_kvs != 0 && r->kvs[0]->create_revision == k->create_revision;
    if (is_ours)
        claim_set_header(k, r->header);
    else
        error_set(ret_error, ETCD_UNKNOWN, "%s", err_text(ERR_SESSION_EXPIRED));
    etcd_response_free(r);
    return is_ours;
}

bool claim_wait(struct claim *k, msec deadline, struct etcd_error *ret_error)
{
    Etcdserverpb__RangeRequest rq;
    oldest_init(k, &rq);
    rq.sort_order = ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND; /* the next older one */
    rq.max_create_revision = k->create_revision - 1;
    for (bool waited = true; waited;) {
        Etcdserverpb__RangeResponse *r =
            etcd_call(k->client, &etcd_rpc_range, &rq, time_left(k->client, deadline), ret_error);
        if (r == NULL)
            return false;
        bool alone = r->n_kvs == 0;
        if (!alone)
            waited = wait_deletion(k, r->kvs[0]->key, r->header != NULL ? r->header->revision : 0,
                                   deadline, ret_error);
        etcd_response_free(r);
        if (alone)
            return confirm(k, deadline, ret_error);
    }
    return false;
}
