/* tests/unit/apply/requests.h -- requests in an arena, built in one expression each.
 *
 * Text keys and values are lent: string constants mostly.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_APPLY_REQUESTS_H
#define TESTS_UNIT_APPLY_REQUESTS_H

#include "base/mem.h"
#include "pb/raft_internal.pb-c.h"

enum { TXN_OPS_MAX = 32 };

#define REQ_NEW(arena, T, prefix)                                                                  \
    ({                                                                                             \
        T *m_ = arena_alloc((arena), sizeof *m_);                                                  \
        prefix##__init(m_);                                                                        \
        m_;                                                                                        \
    })

static inline ProtobufCBinaryData req_bytes(const char *s)
{
    return (ProtobufCBinaryData){s ? strlen(s) : 0, (uint8_t *)(uintptr_t)s};
}

/* The range end that means "all keys from here on". */
static inline ProtobufCBinaryData req_open_end(void)
{
    static uint8_t zero;
    return (ProtobufCBinaryData){1, &zero};
}

static inline Etcdserverpb__PutRequest *req_put(struct arena *a, const char *key, const char *value)
{
    Etcdserverpb__PutRequest *r = REQ_NEW(a, Etcdserverpb__PutRequest, etcdserverpb__put_request);
    r->key = req_bytes(key);
    r->value = req_bytes(value);
    return r;
}

static inline Etcdserverpb__DeleteRangeRequest *req_delete(struct arena *a, const char *key,
                                                           const char *end)
{
    Etcdserverpb__DeleteRangeRequest *r =
        REQ_NEW(a, Etcdserverpb__DeleteRangeRequest, etcdserverpb__delete_range_request);
    r->key = req_bytes(key);
    r->range_end = req_bytes(end);
    return r;
}

static inline Etcdserverpb__RangeRequest *req_range(struct arena *a, const char *key,
                                                    const char *end)
{
    Etcdserverpb__RangeRequest *r =
        REQ_NEW(a, Etcdserverpb__RangeRequest, etcdserverpb__range_request);
    r->key = req_bytes(key);
    r->range_end = req_bytes(end);
    return r;
}

static inline Etcdserverpb__RequestOp *op_put(struct arena *a, Etcdserverpb__PutRequest *put)
{
    Etcdserverpb__RequestOp *op = REQ_NEW(a, Etcdserverpb__RequestOp, etcdserverpb__request_op);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op->request_put = put;
    return op;
}

static inline Etcdserverpb__RequestOp *op_delete(struct arena *a,
                                                 Etcdserverpb__DeleteRangeRequest *del)
{
    Etcdserverpb__RequestOp *op = REQ_NEW(a, Etcdserverpb__RequestOp, etcdserverpb__request_op);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    op->request_delete_range = del;
    return op;
}

static inline Etcdserverpb__RequestOp *op_range(struct arena *a, Etcdserverpb__RangeRequest *range)
{
    Etcdserverpb__RequestOp *op = REQ_NEW(a, Etcdserverpb__RequestOp, etcdserverpb__request_op);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    op->request_range = range;
    return op;
}

static inline Etcdserverpb__RequestOp *op_txn(struct arena *a, Etcdserverpb__TxnRequest *txn)
{
    Etcdserverpb__RequestOp *op = REQ_NEW(a, Etcdserverpb__RequestOp, etcdserverpb__request_op);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN;
    op->request_txn = txn;
    return op;
}

/* A transaction with room for TXN_OPS_MAX of each kind. */
static inline Etcdserverpb__TxnRequest *req_txn(struct arena *a)
{
    Etcdserverpb__TxnRequest *t = REQ_NEW(a, Etcdserverpb__TxnRequest, etcdserverpb__txn_request);
    t->compare = arena_alloc(a, TXN_OPS_MAX * sizeof *t->compare);
    t->success = arena_alloc(a, TXN_OPS_MAX * sizeof *t->success);
    t->failure = arena_alloc(a, TXN_OPS_MAX * sizeof *t->failure);
    return t;
}

static inline void txn_then(Etcdserverpb__TxnRequest *t, Etcdserverpb__RequestOp *op)
{
    invariant(t->n_success < TXN_OPS_MAX);
    t->success[t->n_success++] = op;
}

static inline void txn_else(Etcdserverpb__TxnRequest *t, Etcdserverpb__RequestOp *op)
{
    invariant(t->n_failure < TXN_OPS_MAX);
    t->failure[t->n_failure++] = op;
}

static inline Etcdserverpb__Compare *txn_if(struct arena *a, Etcdserverpb__TxnRequest *t,
                                            const char *key,
                                            Etcdserverpb__Compare__CompareTarget target,
                                            Etcdserverpb__Compare__CompareResult result)
{
    Etcdserverpb__Compare *c = REQ_NEW(a, Etcdserverpb__Compare, etcdserverpb__compare);
    invariant(t->n_compare < TXN_OPS_MAX);
    t->compare[t->n_compare++] = c;
    c->key = req_bytes(key);
    c->target = target;
    c->result = result;
    return c;
}

/* Short names of the compare's enums. */
enum {
    IS_EQUAL = ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL,
    IS_GREATER = ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER,
    IS_LESS = ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS,
    IS_NOT_EQUAL = ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL,
    OF_VERSION = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION,
    OF_CREATE = ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE,
    OF_MOD = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD,
    OF_VALUE = ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE,
    OF_LEASE = ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE,
};

/* Compare a number of the key: `target` is OF_VERSION, OF_CREATE, OF_MOD or OF_LEASE. */
static inline void txn_if_number(struct arena *a, Etcdserverpb__TxnRequest *t, const char *key,
                                 int target, int result, int64_t number)
{
    Etcdserverpb__Compare *c = txn_if(a, t, key, (Etcdserverpb__Compare__CompareTarget)target,
                                      (Etcdserverpb__Compare__CompareResult)result);
    c->version = number; /* all numbers share the place of this one */
    c->target_union_case = target == OF_VERSION ? ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION
                           : target == OF_CREATE
                               ? ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION
                           : target == OF_MOD ? ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION
                                              : ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE;
}

static inline Etcdserverpb__Compare *txn_if_value(struct arena *a, Etcdserverpb__TxnRequest *t,
                                                  const char *key, int result, const char *value)
{
    Etcdserverpb__Compare *c = txn_if(a, t, key, ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE,
                                      (Etcdserverpb__Compare__CompareResult)result);
    c->value = req_bytes(value);
    c->target_union_case = ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
    return c;
}

#endif
