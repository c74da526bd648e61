/* api/contest.c -- the steps that locks and elections share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/contest.h"

#include <inttypes.h>

#include "api/check.h"
#include "api/services.h"
#include "api/wire.h"

enum { LEASE_TTL_S = 60 };

/* ---- life ------------------------------------------------------------------------------------ */

struct contest *contest_new(struct call *c, struct slice name, int64_t lease)
{
    struct contest *ct = arena_calloc(c->arena, sizeof *ct);
    uint8_t *prefix = arena_alloc(c->arena, name.n + 1);
    if (name.n != 0)
        memcpy(prefix, name.p, name.n);
    prefix[name.n] = '/';
    ct->call = c;
    ct->name = name;
    ct->prefix = slice_make(prefix, name.n + 1);
    ct->lease = lease;
    ct->step = arena_new();
    c->user = ct;
    return ct;
}

void contest_set_key(struct contest *ct)
{
    const char *hex = arena_printf(ct->call->arena, "%" PRIx64, (uint64_t)ct->lease);
    size_t hex_n = strlen(hex), n = ct->prefix.n;
    uint8_t *key = arena_alloc(ct->call->arena, n + hex_n);
    memcpy(key, ct->prefix.p, n);
    memcpy(key + n, hex, hex_n);
    ct->key = slice_make(key, n + hex_n);
}

static void contest_free(struct contest *ct)
{
    ct->call->user = NULL;
    arena_free(ct->step);
}

static void ask(struct contest *ct, enum server_op op, const ProtobufCMessage *request,
                contest_step *next);

/* The last step of all: whether the key could be deleted or not, there is nobody to tell. */
static void on_deleted(struct contest *ct)
{
    contest_free(ct);
}

/* The client is gone: leave no key behind that nobody would ever delete. */
static void contest_abandon(struct contest *ct)
{
    if (!ct->stands) {
        contest_free(ct);
        return;
    }
    ct->stands = false;
    struct contest_txn *t = contest_txn(ct);
    contest_if_created(t, ct->key, ct->rev);
    contest_then(t, contest_delete(ct, ct->key));
    ask(ct, OP_TXN, &t->request.base, on_deleted);
}

void contest_closed(struct call *c)
{
    struct contest *ct = c->user;
    if (ct == NULL)
        return;
    watcher_remove(&ct->watcher);
    if (!ct->asking)
        contest_abandon(ct); /* else when the answer comes */
}

void contest_fail(struct contest *ct, enum err e)
{
    call_finish(ct->call, GRPC_UNKNOWN, err_text(e));
}

void contest_reply(struct contest *ct, const ProtobufCMessage *msg)
{
    ct->stands = false;
    call_reply_msg(ct->call, msg);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static ProtobufCMessage *unpack_answer(struct contest *ct, const struct server_call *sc)
{
    const ProtobufCMessageDescriptor *desc = sc->op == OP_TXN
                                                 ? &etcdserverpb__txn_response__descriptor
                                                 : &etcdserverpb__lease_grant_response__descriptor;
    return sc->err != ERR_OK ? NULL : wire_unpack(desc, ct->step, blob_slice(sc->response));
}

/* Take from the answer what the next step works with. */
static void take_answer(struct contest *ct, enum server_op op, ProtobufCMessage *msg)
{
    ct->txn = NULL;
    if (op == OP_LEASE_GRANT) {
        ct->lease = ((const Etcdserverpb__LeaseGrantResponse *)msg)->id;
        return;
    }
    ct->txn = (Etcdserverpb__TxnResponse *)msg;
    if (!ct->claims)
        return;
    const Mvccpb__KeyValue *mine = ct->txn->succeeded ? NULL : contest_row(ct, 0);
    ct->rev = mine != NULL ? mine->create_revision : ct->txn->header->revision;
    ct->claims = false;
    ct->stands = true;
}

static void on_answer(struct server_call *sc)
{
    struct call *c = call_of_server_call(sc);
    struct contest *ct = c->user;
    enum err e = sc->err;
    ProtobufCMessage *msg = unpack_answer(ct, sc);
    blob_unref(sc->response);
    ct->asking = false;
    if (e == ERR_OK && msg == NULL)
        e = ERR_MALFORMED;
    if (e == ERR_OK)
        take_answer(ct, sc->op, msg);
    if (ct->next == on_deleted)
        on_deleted(ct);
    else if (call_is_over(c))
        contest_abandon(ct);
    else if (e != ERR_OK)
        contest_fail(ct, e);
    else
        ct->next(ct);
    call_release(c);
}

static void ask(struct contest *ct, enum server_op op, const ProtobufCMessage *request,
                contest_step *next)
{
    ct->next = next;
    ct->asking = true;
    call_set_waiting(ct->call, false);
    call_ask(ct->call, op, request, on_answer);
}

void contest_need_lease(struct contest *ct, contest_step *next)
{
    if (ct->lease != 0) {
        next(ct);
        return;
    }
    Etcdserverpb__LeaseGrantRequest *r = arena_alloc(ct->step, sizeof *r);
    etcdserverpb__lease_grant_request__init(r);
    r->ttl = LEASE_TTL_S;
    ask(ct, OP_LEASE_GRANT, &r->base, next);
}

void contest_ask(struct contest *ct, struct contest_txn *t, contest_step *next)
{
    enum err e = check_txn(&t->request, ct->call->loop->cfg->max_txn_ops, ct->step);
    if (e != ERR_OK)
        contest_fail(ct, e);
    else
        ask(ct, OP_TXN, &t->request.base, next);
}

void contest_claim(struct contest *ct, struct contest_txn *t, contest_step *next)
{
    ct->claims = true;
    contest_ask(ct, t, next);
}

Mvccpb__KeyValue *contest_row(const struct contest *ct, size_t i)
{
    if (i >= ct->txn->n_responses)
        return NULL;
    const Etcdserverpb__ResponseOp *op = ct->txn->responses[i];
    if (op->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE)
        return NULL;
    return op->response_range->n_kvs != 0 ? op->response_range->kvs[0] : NULL;
}

/* ---- transactions ---------------------------------------------------------------------------- */

struct contest_txn *contest_txn(struct contest *ct)
{
    arena_reset(ct->step);
    struct contest_txn *t = arena_calloc(ct->step, sizeof *t);
    etcdserverpb__txn_request__init(&t->request);
    t->request.compare = t->compares;
    t->request.success = t->success;
    t->request.failure = t->failure;
    return t;
}

void contest_if_created(struct contest_txn *t, struct slice key, revision rev)
{
    Etcdserverpb__Compare *cmp = &t->compare;
    etcdserverpb__compare__init(cmp);
    cmp->target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE;
    cmp->result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL;
    cmp->key = wire_data(key);
    cmp->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION;
    cmp->create_revision = rev;
    t->compares[0] = cmp;
    t->request.n_compare = 1;
}

void contest_then(struct contest_txn *t, Etcdserverpb__RequestOp *op)
{
    invariant(t->request.n_success < CONTEST_OPS_MAX);
    t->success[t->request.n_success++] = op;
}

void contest_else(struct contest_txn *t, Etcdserverpb__RequestOp *op)
{
    invariant(t->request.n_failure < CONTEST_OPS_MAX);
    t->failure[t->request.n_failure++] = op;
}

static Etcdserverpb__RequestOp *op_new(struct contest *ct)
{
    Etcdserverpb__RequestOp *op = arena_alloc(ct->step, sizeof *op);
    etcdserverpb__request_op__init(op);
    return op;
}

Etcdserverpb__RequestOp *contest_put(struct contest *ct, struct slice key)
{
    Etcdserverpb__RequestOp *op = op_new(ct);
    Etcdserverpb__PutRequest *r = arena_alloc(ct->step, sizeof *r);
    etcdserverpb__put_request__init(r);
    r->key = wire_data(key);
    r->value = wire_data(ct->value);
    r->lease = ct->lease;
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op->request_put = r;
    return op;
}

Etcdserverpb__RequestOp *contest_delete(struct contest *ct, struct slice key)
{
    Etcdserverpb__RequestOp *op = op_new(ct);
    Etcdserverpb__DeleteRangeRequest *r = arena_alloc(ct->step, sizeof *r);
    etcdserverpb__delete_range_request__init(r);
    r->key = wire_data(key);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    op->request_delete_range = r;
    return op;
}

Etcdserverpb__RequestOp *contest_get(struct contest *ct, struct slice key)
{
    Etcdserverpb__RequestOp *op = op_new(ct);
    Etcdserverpb__RangeRequest *r = arena_alloc(ct->step, sizeof *r);
    etcdserverpb__range_request__init(r);
    r->key = wire_data(key);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op->request_range = r;
    return op;
}

/* Everything below the prefix, one row, by age. */
static Etcdserverpb__RequestOp *get_by_age(struct contest *ct, bool oldest)
{
    Etcdserverpb__RequestOp *op = contest_get(ct, ct->prefix);
    Etcdserverpb__RangeRequest *r = op->request_range;
    uint8_t *end = arena_dup(ct->step, ct->prefix.p, ct->prefix.n);
    end[ct->prefix.n - 1] = '/' + 1;
    r->range_end = wire_data(slice_make(end, ct->prefix.n));
    r->limit = 1;
    r->sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE;
    r->sort_order = oldest ? ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__ASCEND
                           : ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    return op;
}

Etcdserverpb__RequestOp *contest_get_owner(struct contest *ct)
{
    return get_by_age(ct, true);
}

/* ---- waiting for those before ---------------------------------------------------------------- */

static void await_ask(struct contest *ct);

static bool on_writable(struct watcher *w)
{
    (void)w;
    return true; /* nothing is sent of what this watcher sees */
}

/* A put to the awaited key changes nothing; its delete is the reason to look again. */
static void on_events(struct watcher *w, const struct watch_events *ev)
{
    (void)ev;
    struct contest *ct = CONTAINER_OF(w, struct contest, watcher);
    watcher_remove(w);
    await_ask(ct);
}

static void on_compacted(struct watcher *w, revision compacted)
{
    (void)compacted;
    on_events(w, NULL);
}

static void on_synced(struct watcher *w)
{
    (void)w;
}

static const struct watcher_ops await_ops = {
    .writable = on_writable,
    .events = on_events,
    .compacted = on_compacted,
    .synced = on_synced,
};

/* Of the older keys the youngest is awaited, so a release wakes one waiter only. */
static void on_older(struct contest *ct)
{
    const Mvccpb__KeyValue *older = contest_row(ct, 0);
    if (older == NULL) {
        ct->awaited(ct);
        return;
    }
    call_set_waiting(ct->call, true);
    watcher_add(ct->call->loop->client, &ct->watcher, &await_ops, wire_slice(older->key),
                slice_make(NULL, 0), ct->txn->header->revision + 1, WATCH_NO_PUT, false);
}

static void await_ask(struct contest *ct)
{
    struct contest_txn *t = contest_txn(ct);
    Etcdserverpb__RequestOp *op = get_by_age(ct, false);
    op->request_range->max_create_revision = ct->rev - 1;
    op->request_range->keys_only = true;
    contest_then(t, op);
    contest_ask(ct, t, on_older);
}

void contest_await_older(struct contest *ct, contest_step *next)
{
    ct->awaited = next;
    await_ask(ct);
}
