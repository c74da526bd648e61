/* tests/unit/apply/model_test.c -- random transactions against a naive model.
 *
 * The model is an array of keys and a recursive walk. Each random request must give the same answer
 * and the same keys in both, also after what a restart does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/apply/rig.h"

#include "base/random.h"

enum { KEYS = 8, ROUNDS = 20000, OPS_MAX = 5, DEPTH_MAX = 3, LEASES = 3 };

struct item {
    int64_t version; /* 0: it is not there */
    revision create, mod;
    lease_id lease;
    char value;
};

struct model {
    struct item items[KEYS];
    revision rev;
    bool leases[LEASES + 1]; /* by id, from 1 */
};

static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
static const char *const letters[] = {"u", "v", "w"};

static size_t place_of(ProtobufCBinaryData key)
{
    return (size_t)(key.data[0] - 'a');
}

/* Return the place behind the range. */
static size_t end_of(ProtobufCBinaryData key, ProtobufCBinaryData end)
{
    if (end.len == 0)
        return place_of(key) + 1;
    return end.data[0] == 0 ? KEYS : place_of(end);
}

/* ---- what a transaction does, said once more ------------------------------------------------- */

static bool is_of_value(const Etcdserverpb__Compare *c)
{
    return c->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE;
}

static int64_t item_number(const struct item *it, int target)
{
    switch (target) {
    case OF_VERSION:
        return it->version;
    case OF_CREATE:
        return it->create;
    case OF_MOD:
        return it->mod;
    case OF_LEASE:
        return it->lease;
    default:
        return it->value;
    }
}

static bool item_holds(const Etcdserverpb__Compare *c, const struct item *it)
{
    int64_t mine = item_number(it, (int)c->target);
    int64_t theirs = is_of_value(c) ? c->value.data[0] : c->version;
    switch ((int)c->result) {
    case IS_EQUAL:
        return mine == theirs;
    case IS_NOT_EQUAL:
        return mine != theirs;
    case IS_LESS:
        return mine < theirs;
    default:
        return mine > theirs;
    }
}

static bool compare_holds(const struct model *m, const Etcdserverpb__Compare *c)
{
    static const struct item none;
    bool any = false;
    for (size_t i = place_of(c->key); i < end_of(c->key, c->range_end); i++) {
        if (m->items[i].version == 0)
            continue;
        any = true;
        if (!item_holds(c, &m->items[i]))
            return false;
    }
    return any || (!is_of_value(c) && item_holds(c, &none));
}

static bool txn_holds(const struct model *m, const Etcdserverpb__TxnRequest *t)
{
    for (size_t i = 0; i < t->n_compare; i++)
        if (!compare_holds(m, t->compare[i]))
            return false;
    return true;
}

struct ops {
    Etcdserverpb__RequestOp **v;
    size_t n;
};

static struct ops chosen(const struct model *before, const Etcdserverpb__TxnRequest *t)
{
    return txn_holds(before, t) ? (struct ops){t->success, t->n_success}
                                : (struct ops){t->failure, t->n_failure};
}

static enum err op_check(const struct model *before, const Etcdserverpb__RequestOp *op)
{
    if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
        const Etcdserverpb__PutRequest *p = op->request_put;
        if ((p->ignore_value || p->ignore_lease) && before->items[place_of(p->key)].version == 0)
            return ERR_KEY_NOT_FOUND;
        if (p->lease != 0 && !before->leases[p->lease])
            return ERR_LEASE_NOT_FOUND;
    } else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN) {
        struct ops ops = chosen(before, op->request_txn);
        for (size_t i = 0; i < ops.n; i++) {
            enum err e = op_check(before, ops.v[i]);
            if (e != ERR_OK)
                return e;
        }
    }
    return ERR_OK;
}

static void model_put(struct model *m, const Etcdserverpb__PutRequest *p, revision rev)
{
    struct item *it = &m->items[place_of(p->key)];
    if (it->version++ == 0)
        it->create = rev;
    it->mod = rev;
    if (!p->ignore_value)
        it->value = (char)p->value.data[0];
    if (!p->ignore_lease)
        it->lease = p->lease;
}

static int64_t model_count(const struct model *m, ProtobufCBinaryData key, ProtobufCBinaryData end)
{
    int64_t n = 0;
    for (size_t i = place_of(key); i < end_of(key, end); i++)
        n += m->items[i].version != 0;
    return n;
}

static int64_t model_delete(struct model *m, ProtobufCBinaryData key, ProtobufCBinaryData end)
{
    int64_t n = model_count(m, key, end);
    for (size_t i = place_of(key); i < end_of(key, end); i++)
        m->items[i] = (struct item){0};
    return n;
}

/* Run `t` and compare every answer. Return true if it changed anything. */
static bool model_run(struct model *m, const struct model *before,
                      const Etcdserverpb__TxnRequest *t, const Etcdserverpb__TxnResponse *resp)
{
    struct ops ops = chosen(before, t);
    bool changed = false;
    assert_int_equal(resp->succeeded, txn_holds(before, t));
    assert_int_equal(resp->n_responses, ops.n);
    for (size_t i = 0; i < ops.n; i++) {
        const Etcdserverpb__RequestOp *op = ops.v[i];
        const Etcdserverpb__ResponseOp *r = resp->responses[i];
        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
            model_put(m, op->request_put, before->rev + 1);
            changed = true;
        } else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE) {
            const Etcdserverpb__DeleteRangeRequest *d = op->request_delete_range;
            int64_t n = model_delete(m, d->key, d->range_end);
            assert_int_equal(r->response_delete_range->deleted, n);
            changed = changed || n != 0;
        } else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE) {
            const Etcdserverpb__RangeRequest *q = op->request_range;
            int64_t n = model_count(m, q->key, q->range_end);
            assert_int_equal(r->response_range->count, n);
            assert_int_equal(r->response_range->n_kvs, n);
        } else {
            changed |= model_run(m, before, op->request_txn, r->response_txn);
        }
    }
    return changed;
}

/* ---- random requests ------------------------------------------------------------------------- */

static ProtobufCBinaryData random_end(struct rng *rng)
{
    switch (rng_below(rng, 4)) {
    case 0:
        return req_open_end();
    case 1:
        return req_bytes(names[rng_below(rng, KEYS + 1)]);
    default:
        return req_bytes(NULL);
    }
}

static const char *random_key(struct rng *rng)
{
    return names[rng_below(rng, KEYS)];
}

static Etcdserverpb__PutRequest *random_put(struct rig *g, struct rng *rng)
{
    Etcdserverpb__PutRequest *p = req_put(g->req, random_key(rng), letters[rng_below(rng, 3)]);
    p->ignore_value = rng_below(rng, 16) == 0;
    p->ignore_lease = rng_below(rng, 16) == 0;
    if (!p->ignore_lease && rng_below(rng, 4) == 0)
        p->lease = 1 + (int64_t)rng_below(rng, LEASES);
    return p;
}

static void random_compare(struct rig *g, struct rng *rng, Etcdserverpb__TxnRequest *t,
                           revision rev)
{
    static const int numbers[] = {OF_VERSION, OF_CREATE, OF_MOD, OF_LEASE};
    int result = (int)rng_below(rng, 4);
    if (rng_below(rng, 3) == 0)
        txn_if_value(g->req, t, random_key(rng), result, letters[rng_below(rng, 3)]);
    else
        txn_if_number(g->req, t, random_key(rng), numbers[rng_below(rng, 4)], result,
                      rng_below(rng, 2) ? (int64_t)rng_below(rng, 4)
                                        : (int64_t)rng_below(rng, (uint64_t)rev + 2));
    t->compare[t->n_compare - 1]->range_end = random_end(rng);
}

static Etcdserverpb__TxnRequest *random_txn(struct rig *g, struct rng *rng, revision rev,
                                            unsigned depth);

static Etcdserverpb__RequestOp *random_op(struct rig *g, struct rng *rng, revision rev,
                                          unsigned depth)
{
    Etcdserverpb__DeleteRangeRequest *d;
    Etcdserverpb__RangeRequest *q;
    switch (rng_below(rng, depth < DEPTH_MAX ? 7 : 6)) {
    case 0:
        d = req_delete(g->req, random_key(rng), NULL);
        d->range_end = random_end(rng);
        return op_delete(g->req, d);
    case 1:
    case 2:
        q = req_range(g->req, random_key(rng), NULL);
        q->range_end = random_end(rng);
        return op_range(g->req, q);
    case 6:
        return op_txn(g->req, random_txn(g, rng, rev, depth + 1));
    default:
        return op_put(g->req, random_put(g, rng));
    }
}

/* No key is put twice, or put and deleted, on one path: the callers of apply see to that. */
static bool path_is_allowed(const struct model *before, const Etcdserverpb__TxnRequest *t,
                            bool touched[KEYS])
{
    struct ops ops = chosen(before, t);
    for (size_t i = 0; i < ops.n; i++) {
        const Etcdserverpb__RequestOp *op = ops.v[i];
        ProtobufCBinaryData key = {0}, end = {0};
        if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_TXN) {
            if (!path_is_allowed(before, op->request_txn, touched))
                return false;
            continue;
        } else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
            key = op->request_put->key;
        } else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE) {
            key = op->request_delete_range->key;
            end = op->request_delete_range->range_end;
        } else {
            continue;
        }
        for (size_t k = place_of(key); k < end_of(key, end); k++) {
            if (touched[k])
                return false;
            touched[k] = true;
        }
    }
    return true;
}

static Etcdserverpb__TxnRequest *random_txn(struct rig *g, struct rng *rng, revision rev,
                                            unsigned depth)
{
    Etcdserverpb__TxnRequest *t = req_txn(g->req);
    for (size_t i = rng_below(rng, 3); i > 0; i--)
        random_compare(g, rng, t, rev);
    for (size_t i = rng_below(rng, OPS_MAX); i > 0; i--)
        txn_then(t, random_op(g, rng, rev, depth));
    for (size_t i = rng_below(rng, OPS_MAX); i > 0; i--)
        txn_else(t, random_op(g, rng, rev, depth));
    return t;
}

/* ---- both, side by side ---------------------------------------------------------------------- */

static void step_txn(struct rig *g, struct model *m, struct rng *rng)
{
    struct model before = *m;
    bool touched[KEYS] = {false};
    Etcdserverpb__TxnRequest *t = random_txn(g, rng, m->rev, 1);
    if (!path_is_allowed(&before, t, touched))
        return;
    enum err expected = op_check(&before, op_txn(g->req, t));
    assert_int_equal(do_txn(g, t), expected);
    if (expected == ERR_OK && model_run(m, &before, t, txn_response(g)))
        m->rev++;
    assert_int_equal(g->r.rev, m->rev);
}

static void step_lease(struct rig *g, struct model *m, struct rng *rng)
{
    lease_id id = 1 + (lease_id)rng_below(rng, LEASES);
    if (rng_below(rng, 2)) {
        assert_int_equal(do_grant(g, id, 60), m->leases[id] ? ERR_LEASE_EXISTS : ERR_OK);
        m->leases[id] = true;
        return;
    }
    bool changed = false;
    assert_int_equal(do_revoke(g, id), m->leases[id] ? ERR_OK : ERR_LEASE_NOT_FOUND);
    m->leases[id] = false;
    for (size_t i = 0; i < KEYS; i++)
        if (m->items[i].lease == id) {
            m->items[i] = (struct item){0};
            changed = true;
        }
    m->rev += changed;
}

static void same(struct rig *g, const struct model *m)
{
    assert_int_equal(mvcc_store_revision(g->kv), m->rev);
    for (size_t i = 0; i < KEYS; i++) {
        struct kv_row row = {.version = 0};
        assert_int_equal(key_get(g, names[i], &row), m->items[i].version != 0);
        assert_int_equal(row.version, m->items[i].version);
        if (row.version == 0)
            continue;
        assert_int_equal(row.create, m->items[i].create);
        assert_int_equal(row.main, m->items[i].mod);
        assert_int_equal(row.lease, m->items[i].lease);
        assert_int_equal(row.value.p[0], m->items[i].value);
        assert_int_equal(lessor_lease_of(g->lessor, slice_str(names[i])), m->items[i].lease);
    }
}

static void random_requests_do_as_the_model(void **state)
{
    struct rig *g = *state;
    struct model m = {.rev = 1};
    struct rng rng = {7};
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(g->req);
        if (rng_below(&rng, 8) == 0)
            step_lease(g, &m, &rng);
        else
            step_txn(g, &m, &rng);
        if (i % 16 == 0)
            same(g, &m);
        if (i % 4000 == 3999) {
            rig_reopen(g);
            same(g, &m);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_requests_do_as_the_model, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
