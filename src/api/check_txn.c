/* api/check_txn.c -- is a transaction well formed, and can no branch of it change a key twice.
 *
 * The changes are laid out in the order in which upstream meets them: of each list of operations the
 * deletes, then the nested transactions, then the puts. A put is refused if an earlier change covers
 * its key, unless the two exclude each other as the branches of one nested transaction. So the walk
 * keeps the set of changes that a put must not meet, and takes the changes of a `success` branch out
 * of it while it walks the `failure` branch. Keys become ranks; a deleted range adds one from its
 * first rank to its last in a Fenwick tree, a put marks its rank.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/check.h"

/* ---- keys, numbers of operations ---------------------------------------------------------- */

static enum err check_ops(const Etcdserverpb__TxnRequest *r, uint64_t ops_max, size_t *changes);

static enum err check_op(const Etcdserverpb__RequestOp *op, uint64_t ops_max, size_t *changes)
{
    switch (op->request_case) {
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE:
        return check_range(op->request_range);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT:
        ++*changes;
        return check_put(op->request_put);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE:
        ++*changes;
        return check_delete_range(op->request_delete_range);
    case ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN:
        return check_ops(op->request_txn, ops_max, changes);
    default:
        return ERR_KEY_NOT_FOUND;
    }
}

static enum err check_branch(Etcdserverpb__RequestOp *const *ops, size_t n, uint64_t ops_max,
                             size_t *changes)
{
    for (size_t i = 0; i < n; i++) {
        enum err e = check_op(ops[i], ops_max, changes);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* A nested transaction has what its parent left over. */
static enum err check_ops(const Etcdserverpb__TxnRequest *r, uint64_t ops_max, size_t *changes)
{
    size_t n = r->n_compare;
    n = n < r->n_success ? r->n_success : n;
    n = n < r->n_failure ? r->n_failure : n;
    if (n > ops_max)
        return ERR_TOO_MANY_OPS;
    for (size_t i = 0; i < r->n_compare; i++)
        if (r->compare[i]->key.len == 0)
            return ERR_EMPTY_KEY;
    enum err e = check_branch(r->success, r->n_success, ops_max - n, changes);
    if (e != ERR_OK)
        return e;
    return check_branch(r->failure, r->n_failure, ops_max - n, changes);
}

/* ---- no key twice -------------------------------------------------------------------------- */

struct change {
    struct slice key, end; /* end.p NULL: a put of `key` */
    size_t lo, hi;         /* ranks: [lo, hi) of a delete, lo of a put */
};

struct overlap {
    struct change *changes;
    size_t n;
    size_t at;      /* the next change of the walk */
    size_t ranks;
    uint32_t *tree; /* Fenwick tree over the ranks: how many deletes cover each */
    uint32_t *puts; /* by rank: a put of this key is in the set */
};

static struct slice slice_of(ProtobufCBinaryData d)
{
    return slice_make(d.data, d.len);
}

static void overlap_collect(struct overlap *o, Etcdserverpb__RequestOp *const *ops, size_t n);

static void overlap_add(struct overlap *o, struct slice key, struct slice end)
{
    o->changes[o->n++] = (struct change){.key = key, .end = end};
}

/* A range that ends before it begins deletes nothing and meets nothing; upstream takes "\0" as an
 * end for such a one here. */
static bool delete_of(const Etcdserverpb__RequestOp *op, struct slice *ret_end)
{
    static const uint8_t no_end;
    if (op->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE)
        return false;
    struct slice key = slice_of(op->request_delete_range->key);
    *ret_end = slice_of(op->request_delete_range->range_end);
    if (ret_end->n == 0)
        *ret_end = slice_make(&no_end, 0); /* the key alone */
    return ret_end->n == 0 || slice_cmp(key, *ret_end) < 0;
}

static void overlap_collect(struct overlap *o, Etcdserverpb__RequestOp *const *ops, size_t n)
{
    struct slice end;
    for (size_t i = 0; i < n; i++)
        if (delete_of(ops[i], &end))
            overlap_add(o, slice_of(ops[i]->request_delete_range->key), end);
    for (size_t i = 0; i < n; i++) {
        if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN)
            continue;
        const Etcdserverpb__TxnRequest *t = ops[i]->request_txn;
        overlap_collect(o, t->success, t->n_success);
        overlap_collect(o, t->failure, t->n_failure);
    }
    for (size_t i = 0; i < n; i++)
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
            overlap_add(o, slice_of(ops[i]->request_put->key), slice_make(NULL, 0));
}

static int slice_order(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Return where the first of `keys` that is not below `key` stands. */
static size_t rank_of(const struct slice *keys, size_t n, struct slice key)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (slice_cmp(keys[mid], key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Only puts ask, so only their keys need a rank. */
static void overlap_rank(struct overlap *o, struct arena *a)
{
    struct slice *keys = arena_alloc(a, o->n * sizeof *keys);
    size_t n = 0;
    for (size_t i = 0; i < o->n; i++)
        if (o->changes[i].end.p == NULL)
            keys[n++] = o->changes[i].key;
    qsort(keys, n, sizeof *keys, slice_order);
    for (size_t i = 0; i < n; i++)
        if (o->ranks == 0 || !slice_eq(keys[i], keys[o->ranks - 1]))
            keys[o->ranks++] = keys[i];
    for (size_t i = 0; i < o->n; i++) {
        struct change *c = &o->changes[i];
        c->lo = rank_of(keys, o->ranks, c->key);
        if (c->end.p != NULL && c->end.n != 0)
            c->hi = rank_of(keys, o->ranks, c->end);
        else
            c->hi = c->lo + (c->lo < o->ranks && slice_eq(keys[c->lo], c->key));
    }
}

static void tree_add(struct overlap *o, size_t rank, uint32_t v)
{
    for (size_t i = rank + 1; i <= o->ranks; i += i & (0 - i))
        o->tree[i] += v; /* wraps around for -1 */
}

static uint32_t tree_get(const struct overlap *o, size_t rank)
{
    uint32_t v = 0;
    for (size_t i = rank + 1; i > 0; i -= i & (0 - i))
        v += o->tree[i];
    return v;
}

/* Put the changes [from, to) of the walk into the set, or take them out. */
static void overlap_set(struct overlap *o, size_t from, size_t to, bool in)
{
    for (size_t i = from; i < to; i++) {
        const struct change *c = &o->changes[i];
        if (c->end.p == NULL) {
            o->puts[c->lo] += in ? 1u : -1u;
        } else if (c->lo < c->hi) {
            tree_add(o, c->lo, in ? 1u : -1u);
            tree_add(o, c->hi, in ? -1u : 1u);
        }
    }
}

static bool overlap_walk(struct overlap *o, Etcdserverpb__RequestOp *const *ops, size_t n);

static bool overlap_walk_txn(struct overlap *o, const Etcdserverpb__TxnRequest *t)
{
    size_t from = o->at;
    if (!overlap_walk(o, t->success, t->n_success))
        return false;
    size_t to = o->at;
    if (t->n_failure == 0)
        return true;
    overlap_set(o, from, to, false);
    if (!overlap_walk(o, t->failure, t->n_failure))
        return false;
    overlap_set(o, from, to, true);
    return true;
}

/* Return false at a key that is changed twice. Meets the changes in the order of overlap_collect(). */
static bool overlap_walk(struct overlap *o, Etcdserverpb__RequestOp *const *ops, size_t n)
{
    struct slice end;
    for (size_t i = 0; i < n; i++)
        if (delete_of(ops[i], &end)) {
            overlap_set(o, o->at, o->at + 1, true);
            o->at++;
        }
    for (size_t i = 0; i < n; i++)
        if (ops[i]->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN &&
            !overlap_walk_txn(o, ops[i]->request_txn))
            return false;
    for (size_t i = 0; i < n; i++) {
        if (ops[i]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT)
            continue;
        size_t rank = o->changes[o->at].lo;
        if (o->puts[rank] != 0 || tree_get(o, rank) != 0)
            return false;
        o->puts[rank] = 1;
        o->at++;
    }
    return true;
}

static bool branch_is_disjoint(Etcdserverpb__RequestOp *const *ops, size_t n, size_t changes,
                               struct arena *a)
{
    if (n < 2 && (n == 0 || ops[0]->request_case != ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN))
        return true;
    struct overlap o = {.changes = arena_alloc(a, changes * sizeof *o.changes)};
    overlap_collect(&o, ops, n);
    overlap_rank(&o, a);
    o.tree = arena_calloc(a, (o.ranks + 1) * sizeof *o.tree);
    o.puts = arena_calloc(a, (o.ranks + 1) * sizeof *o.puts);
    return overlap_walk(&o, ops, n);
}

enum err check_txn(const Etcdserverpb__TxnRequest *r, uint64_t ops_max, struct arena *a)
{
    size_t changes = 0;
    enum err e = check_ops(r, ops_max, &changes);
    if (e != ERR_OK || changes < 2)
        return e;
    if (!branch_is_disjoint(r->success, r->n_success, changes, a) ||
        !branch_is_disjoint(r->failure, r->n_failure, changes, a))
        return ERR_DUPLICATE_KEY;
    return ERR_OK;
}
