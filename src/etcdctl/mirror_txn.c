/* etcdctl/mirror_txn.c -- see mirror_txn.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/mirror_txn.h"

#include <stdlib.h>

enum {
    BYTES_MAX = 1 << 20, /* of keys and values, so that a message stays below the server's limit */
};

void mirror_txn_init(struct mirror_txn *t, size_t max, const char *from, const char *to)
{
    *t = (struct mirror_txn){.max = max, .from = slice_str(from), .to = slice_str(to)};
    t->arena = arena_new();
}

void mirror_txn_fini(struct mirror_txn *t)
{
    arena_free(t->arena);
    free(t->ops);
}

bool mirror_txn_is_full(const struct mirror_txn *t, const Mvccpb__KeyValue *kv)
{
    return t->n > 0 && (t->n == t->max || t->bytes + kv->key.len + kv->value.len > BYTES_MAX);
}

static ProtobufCBinaryData copied(struct arena *a, ProtobufCBinaryData d)
{
    return (ProtobufCBinaryData){d.len, arena_dup(a, d.data, d.len)};
}

/* A key outside of `from` cannot come; it would be copied as it is. */
static ProtobufCBinaryData moved(const struct mirror_txn *t, ProtobufCBinaryData key)
{
    struct slice k = slice_make(key.data, key.len);
    if (!slice_starts_with(k, t->from))
        return copied(t->arena, key);
    size_t rest = k.n - t->from.n;
    uint8_t *p = arena_alloc(t->arena, t->to.n + rest + 1);
    memcpy(p, t->to.p, t->to.n);
    if (rest)
        memcpy(p + t->to.n, k.p + t->from.n, rest);
    return (ProtobufCBinaryData){t->to.n + rest, p};
}

static void op_delete(struct mirror_txn *t, Etcdserverpb__RequestOp *op, const Mvccpb__KeyValue *kv)
{
    Etcdserverpb__DeleteRangeRequest *del = arena_alloc(t->arena, sizeof *del);
    etcdserverpb__delete_range_request__init(del);
    del->key = moved(t, kv->key);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
    op->request_delete_range = del;
}

static void op_put(struct mirror_txn *t, Etcdserverpb__RequestOp *op, const Mvccpb__KeyValue *kv)
{
    Etcdserverpb__PutRequest *put = arena_alloc(t->arena, sizeof *put);
    etcdserverpb__put_request__init(put);
    put->key = moved(t, kv->key);
    put->value = copied(t->arena, kv->value);
    op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    op->request_put = put;
}

void mirror_txn_add(struct mirror_txn *t, const Mvccpb__KeyValue *kv, bool is_delete)
{
    t->ops = xrealloc(t->ops, (t->n + 1) * sizeof(*t->ops));
    Etcdserverpb__RequestOp *op = arena_alloc(t->arena, sizeof *op);
    etcdserverpb__request_op__init(op);
    if (is_delete)
        op_delete(t, op, kv);
    else
        op_put(t, op, kv);
    t->ops[t->n++] = op;
    t->bytes += kv->key.len + kv->value.len;
}

bool mirror_txn_send(struct mirror_txn *t, struct etcd_client *dest, struct etcd_error *ret_error)
{
    if (t->n == 0)
        return true;
    Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
    request.success = t->ops;
    request.n_success = t->n;
    void *r = etcd_call(dest, &etcd_rpc_txn, &request, -1, ret_error);
    bool done = r != NULL;
    etcd_response_free(r);
    t->n = t->bytes = 0;
    arena_reset(t->arena);
    return done;
}
