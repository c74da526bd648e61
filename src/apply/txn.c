/* apply/txn.c -- compare, then one of two branches.
 *
 * All comparisons, those of nested transactions too, are made against the state before the
 * transaction writes; what is chosen is then checked as a whole, so that a failure leaves nothing
 * behind.
 * SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply_priv.h"
#include "mvcc/range.h"

/* Which branch each transaction on the chosen path takes, in the order in which they are met. */
struct path {
    struct arena *arena;
    bool *took;
    size_t n, cap, next;
};

static void path_add(struct path *p, bool took)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        bool *v = arena_alloc(p->arena, cap * sizeof *v);
        if (p->n != 0)
            memcpy(v, p->took, p->n * sizeof *v);
        p->took = v;
        p->cap = cap;
    }
    p->took[p->n++] = took;
}

struct branch {
    Etcdserverpb__RequestOp *const *ops;
    size_t n;
};

static struct branch branch_of(const Etcdserverpb__TxnRequest *req, bool succeeded)
{
    return succeeded ? (struct branch){req->success, req->n_success}
                     : (struct branch){req->failure, req->n_failure};
}

/* ---- comparing -------------------------------------------------------------------------- */

static int cmp_int64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Compare one key's state (all zero: it does not exist) with what the request names. A request that
 * names nothing, or names what is not its target, is compared with 0 or with no bytes. */
static int compare_row(const Etcdserverpb__Compare *c, const struct kv_row *row)
{
    Etcdserverpb__Compare__TargetUnionCase named = c->target_union_case;
    bool is_value = named == ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE;
    switch (c->target) {
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE:
        return slice_cmp(row->value, is_value ? pb_slice(c->value) : slice_make(NULL, 0));
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__CREATE:
        return cmp_int64(row->create, named == ETCDSERVERPB__COMPARE__TARGET_UNION_CREATE_REVISION
                                          ? c->create_revision
                                          : 0);
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD:
        return cmp_int64(row->main, named == ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION
                                        ? c->mod_revision
                                        : 0);
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__VERSION:
        return cmp_int64(row->version,
                         named == ETCDSERVERPB__COMPARE__TARGET_UNION_VERSION ? c->version : 0);
    case ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE:
        return cmp_int64(row->lease,
                         named == ETCDSERVERPB__COMPARE__TARGET_UNION_LEASE ? c->lease : 0);
    default:
        return 0;
    }
}

static bool compare_holds(const Etcdserverpb__Compare *c, const struct kv_row *row)
{
    int d = compare_row(c, row);
    switch (c->result) {
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__EQUAL:
        return d == 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL:
        return d != 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER:
        return d > 0;
    case ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS:
        return d < 0;
    default:
        return true;
    }
}

struct compare_walk {
    struct applier *a;
    const Etcdserverpb__Compare *c;
    bool any, holds;
};

static bool compare_visit(void *arg, struct slice key, const struct mvcc_rev *rev)
{
    struct compare_walk *w = arg;
    struct kv_row row = {.main = rev->main, .create = rev->create, .version = rev->version};
    bool needs_row = w->c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE ||
                     w->c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE;
    w->any = true;
    if (needs_row && !w->a->st.writer->ops->get(w->a->st.writer, rev->pos, &row))
        w->holds = false; /* the writer remembers the failure */
    else
        w->holds = compare_holds(w->c, &row);
    return w->holds;
}

static bool compare_eval(struct applier *a, const Etcdserverpb__Compare *c)
{
    struct compare_walk w = {.a = a, .c = c};
    const struct mvcc_index *index = mvcc_store_index(a->st.kv);
    if (c->range_end.len == 0) {
        struct mvcc_rev rev;
        if (mvcc_index_get(index, pb_slice(c->key), mvcc_store_revision(a->st.kv), &rev))
            compare_visit(&w, pb_slice(c->key), &rev);
    } else {
        AUTO(buf) struct buf scratch = BUF_INIT;
        struct key_range range = key_range_make(pb_slice(c->key), pb_slice(c->range_end), &scratch);
        mvcc_index_range(index, &range, mvcc_store_revision(a->st.kv), compare_visit, &w);
    }
    if (w.any)
        return w.holds;
    /* No key: numbers are 0, a value is never equal nor unequal to anything. */
    return c->target != ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE &&
           compare_holds(c, &(struct kv_row){.main = 0});
}

static void path_find(struct applier *a, const Etcdserverpb__TxnRequest *req, struct path *p)
{
    bool succeeded = true;
    for (size_t i = 0; i < req->n_compare && succeeded; i++)
        succeeded = compare_eval(a, req->compare[i]);
    path_add(p, succeeded);
    struct branch b = branch_of(req, succeeded);
    for (size_t i = 0; i < b.n; i++)
        if (b.ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
            path_find(a, b.ops[i]->request_txn, p);
}

/* ---- checking and running the chosen path ----------------------------------------------- */

static enum err path_check(struct applier *a, const Etcdserverpb__TxnRequest *req, struct path *p)
{
    struct branch b = branch_of(req, p->took[p->next++]);
    enum err e = ERR_OK;
    for (size_t i = 0; i < b.n && e == ERR_OK; i++) {
        const Etcdserverpb__RequestOp *op = b.ops[i];
        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
            e = put_check(a, op->request_put);
        else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE)
            e = range_check(a, op->request_range);
        else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
            e = path_check(a, op->request_txn, p);
    }
    return e;
}

static Etcdserverpb__TxnResponse *path_run(struct applier *a, const Etcdserverpb__TxnRequest *req,
                                           struct path *p, struct arena *arena);

static Etcdserverpb__ResponseOp *op_run(struct applier *a, const Etcdserverpb__RequestOp *op,
                                        struct path *p, struct arena *arena)
{
    Etcdserverpb__ResponseOp *resp =
        PB_NEW(arena, Etcdserverpb__ResponseOp, etcdserverpb__response_op);
    switch (op->request_case) {
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
        resp->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
        resp->response_range = range_run(a, op->request_range, arena);
        break;
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
        resp->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
        resp->response_put = put_run(a, op->request_put, arena);
        break;
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
        resp->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
        resp->response_delete_range = delete_run(a, op->request_delete_range, arena);
        break;
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
        resp->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_TXN;
        resp->response_txn = path_run(a, op->request_txn, p, arena);
        /* Upstream leaves the header of a nested transaction empty. */
        resp->response_txn->header = header_new(arena, 0);
        break;
    default:
        break;
    }
    return resp;
}

static Etcdserverpb__TxnResponse *path_run(struct applier *a, const Etcdserverpb__TxnRequest *req,
                                           struct path *p, struct arena *arena)
{
    Etcdserverpb__TxnResponse *resp =
        PB_NEW(arena, Etcdserverpb__TxnResponse, etcdserverpb__txn_response);
    resp->succeeded = p->took[p->next++];
    struct branch b = branch_of(req, resp->succeeded);
    resp->responses = arena_alloc(arena, b.n * sizeof(Etcdserverpb__ResponseOp *));
    for (size_t i = 0; i < b.n; i++)
        resp->responses[resp->n_responses++] = op_run(a, b.ops[i], p, arena);
    resp->header = header_new(arena, mvcc_txn_revision(a->st.kv));
    return resp;
}

enum err txn_run(struct applier *a, const Etcdserverpb__TxnRequest *req, struct arena *arena,
                 Etcdserverpb__TxnResponse **ret)
{
    struct path path = {.arena = arena};
    path_find(a, req, &path);
    enum err e = path_check(a, req, &path);
    if (e != ERR_OK)
        return e;
    path.next = 0;
    *ret = path_run(a, req, &path, arena);
    return ERR_OK;
}

/* ---- what a transaction is, without running it ------------------------------------------ */

static bool ops_read_only(Etcdserverpb__RequestOp *const *ops, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool reads = ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE ||
                     (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN &&
                      txn_is_read_only(ops[i]->request_txn));
        if (!reads)
            return false;
    }
    return true;
}

bool txn_is_read_only(const Etcdserverpb__TxnRequest *txn)
{
    return ops_read_only(txn->success, txn->n_success) &&
           ops_read_only(txn->failure, txn->n_failure);
}
