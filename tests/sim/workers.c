/* tests/sim/workers.c -- see workers.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/workers.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/asks.h"

enum {
    WORKERS_MAX = 16,
    STICKY_PERMILLE = 700,
    RETRY = 100000, /* nobody is up */
    PATIENCE_MIN = 500000,
    PATIENCE_MAX = 9000000,
};

struct worker {
    unsigned number;
    struct sim_event next, give_up;
    struct node *node;
    struct ask *ask;         /* NULL: none is under way */
    size_t op;               /* in the history */
    revision mods[KEYS_MAX]; /* as last seen */
};

static struct workers {
    struct workers_setup setup;
    struct worker workers[WORKERS_MAX];
    struct linear_op *ops;
    size_t n, cap, done;
    int64_t clock; /* of begins and ends */
    bool rest;
} all;

static const char *const kind_names[] = {"get", "stale", "put", "delete", "cas"};

/* ---- the end of an operation --------------------------------------------------------------------
 */

static struct linear_op *op_of(struct worker *w)
{
    return &all.ops[w->op];
}

static void finish(struct worker *w, enum linear_outcome outcome)
{
    struct linear_op *op = op_of(w);
    op->outcome = outcome;
    op->end = ++all.clock;
    w->ask = NULL;
    sim_clear(&w->give_up);
    if (outcome == LINEAR_DONE) {
        all.done++;
        w->mods[op->key] = op->changed ? (op->kind == LINEAR_DELETE ? 0 : op->rev) : op->saw_mod;
        sim_trace("worker %u: %s k%u=%" PRIu64 " at %s: revision %" PRId64
                  " changed %d saw %" PRIu64,
                  w->number, kind_names[op->kind], op->key, op->value, world_name(w->node->place),
                  op->rev, op->changed, op->saw);
    }
    if (!all.rest)
        sim_set(&w->next, sim_between(0, all.setup.think_max));
}

static void failed(struct worker *w, enum err e)
{
    bool refused =
        e == ERR_TOO_MANY_REQUESTS || e == ERR_NO_SPACE || e == ERR_NOT_SUPPORTED_FOR_LEARNER;
    sim_trace("worker %u: %s at %s: %s", w->number, kind_names[op_of(w)->kind],
              world_name(w->node->place), err_text(e));
    w->node = NULL;
    finish(w, refused ? LINEAR_NOT_DONE : LINEAR_UNKNOWN);
}

/* `kv` may be NULL: the key was not there. */
static void saw(struct worker *w, const Mvccpb__KeyValue *kv)
{
    struct linear_op *op = op_of(w);
    if (kv == NULL)
        return;
    op->saw = value_number(slice_make(kv->value.data, kv->value.len));
    op->saw_mod = kv->mod_revision;
    if (op->saw == 0 || key_number(slice_make(kv->key.data, kv->key.len)) != op->key)
        sim_fail("worker %u asked for key %u and was given something else", w->number, op->key);
}

static void put_done(void *arg, enum err e, const void *response)
{
    struct worker *w = arg;
    const Etcdserverpb__PutResponse *r = response;
    if (e != ERR_OK) {
        failed(w, e);
        return;
    }
    op_of(w)->rev = r->header->revision;
    op_of(w)->changed = true;
    saw(w, r->prev_kv);
    finish(w, LINEAR_DONE);
}

static void delete_done(void *arg, enum err e, const void *response)
{
    struct worker *w = arg;
    const Etcdserverpb__DeleteRangeResponse *r = response;
    if (e != ERR_OK) {
        failed(w, e);
        return;
    }
    op_of(w)->rev = r->header->revision;
    op_of(w)->changed = r->deleted != 0;
    saw(w, r->n_prev_kvs != 0 ? r->prev_kvs[0] : NULL);
    finish(w, LINEAR_DONE);
}

/* Of a compare-and-put, and of a transaction that only reads. The range comes first in both. */
static void txn_done(void *arg, enum err e, const void *response)
{
    struct worker *w = arg;
    const Etcdserverpb__TxnResponse *r = response;
    if (e != ERR_OK) {
        failed(w, e);
        return;
    }
    const Etcdserverpb__RangeResponse *range = r->responses[0]->response_range;
    op_of(w)->rev = r->header->revision;
    op_of(w)->changed = op_of(w)->kind == LINEAR_CAS && r->succeeded;
    saw(w, range->n_kvs != 0 ? range->kvs[0] : NULL);
    finish(w, LINEAR_DONE);
}

/* ---- reads at the client loop
 * ---------------------------------------------------------------------- */

static bool saw_row(void *arg, const struct kv_row *row)
{
    struct worker *w = arg;
    struct linear_op *op = op_of(w);
    op->saw = value_number(row->value);
    op->saw_mod = row->main;
    if (op->saw == 0 || key_number(row->key) != op->key)
        sim_fail("worker %u read key %u and was given something else", w->number, op->key);
    return true;
}

static void read_now(struct worker *w)
{
    struct arena *a = arena_new();
    struct range_req req = {.key = slice_str(key_name(op_of(w)->key))};
    struct range_plan *plan;
    node_enter(w->node);
    enum err e = server_range_plan(w->node->client, &req, a, &plan);
    if (e == ERR_OK) {
        op_of(w)->rev = range_plan_revision(plan);
        e = server_range_fetch(w->node->client, plan, saw_row, w);
    }
    range_plan_free(plan);
    arena_free(a);
    if (e == ERR_OK)
        finish(w, LINEAR_DONE);
    else
        failed(w, e);
}

static void may_read(void *arg, enum err e, const void *response)
{
    (void)response;
    if (e == ERR_OK)
        read_now(arg);
    else
        failed(arg, e);
}

/* ---- the begin of an operation
 * --------------------------------------------------------------------- */

static enum linear_kind any_kind(void)
{
    static const enum linear_kind kinds[] = {
        LINEAR_GET, LINEAR_GET, LINEAR_GET,    LINEAR_STALE_GET, LINEAR_PUT, LINEAR_PUT,
        LINEAR_PUT, LINEAR_PUT, LINEAR_DELETE, LINEAR_CAS,       LINEAR_CAS};
    return kinds[sim_below(ARRAY_LEN(kinds))];
}

static void op_add(struct worker *w)
{
    if (all.n == all.cap) {
        all.cap = all.cap ? all.cap * 2 : 256;
        all.ops = xrealloc(all.ops, all.cap * sizeof *all.ops);
    }
    w->op = all.n++;
    all.ops[w->op] = (struct linear_op){.kind = any_kind(),
                                        .key = (unsigned)sim_below(all.setup.keys),
                                        .value = all.n,
                                        .begin = ++all.clock};
    struct linear_op *op = op_of(w);
    if (op->kind == LINEAR_CAS)
        op->compare = sim_chance(800) ? w->mods[op->key] : tails_last();
}

static void ask_txn(struct worker *w, const struct linear_op *op, const char *key)
{
    w->ask = ask_new(w->node, txn_done, w);
    struct arena *a = ask_arena(w->ask);
    Etcdserverpb__TxnRequest *t = req_txn(a);
    txn_then(t, op_range(a, req_range(a, key, NULL)));
    if (op->kind == LINEAR_CAS) {
        txn_if_number(a, t, key, OF_MOD, IS_EQUAL, op->compare);
        txn_then(t, op_put(a, req_put(a, key, value_text(a, op->value))));
        txn_else(t, op_range(a, req_range(a, key, NULL)));
    }
    ask_send(w->ask, OP_TXN, t, &etcdserverpb__txn_response__descriptor);
}

static void ask_put(struct worker *w, const struct linear_op *op, const char *key)
{
    w->ask = ask_new(w->node, put_done, w);
    struct arena *a = ask_arena(w->ask);
    Etcdserverpb__PutRequest *r = req_put(a, key, value_text(a, op->value));
    r->prev_kv = true;
    ask_send(w->ask, OP_PUT, r, &etcdserverpb__put_response__descriptor);
}

static void ask_delete(struct worker *w, const char *key)
{
    w->ask = ask_new(w->node, delete_done, w);
    Etcdserverpb__DeleteRangeRequest *r = req_delete(ask_arena(w->ask), key, NULL);
    r->prev_kv = true;
    ask_send(w->ask, OP_DELETE_RANGE, r, &etcdserverpb__delete_range_response__descriptor);
}

static void ask_get(struct worker *w, const struct linear_op *op, const char *key)
{
    if (sim_chance(300)) {
        ask_txn(w, op, key);
    } else if (server_read_is_local(w->node->client)) {
        read_now(w);
    } else {
        w->ask = ask_new(w->node, may_read, w);
        ask_send(w->ask, OP_READ_INDEX, NULL, NULL);
    }
}

static void begin(struct worker *w)
{
    op_add(w);
    const struct linear_op *op = op_of(w);
    const char *key = key_name(op->key);
    sim_set(&w->give_up, sim_between(PATIENCE_MIN, PATIENCE_MAX));
    if (op->kind == LINEAR_PUT)
        ask_put(w, op, key);
    else if (op->kind == LINEAR_DELETE)
        ask_delete(w, key);
    else if (op->kind == LINEAR_CAS)
        ask_txn(w, op, key);
    else if (op->kind == LINEAR_GET)
        ask_get(w, op, key);
    else
        read_now(w);
}

static void next_run(struct sim_event *e)
{
    struct worker *w = CONTAINER_OF(e, struct worker, next);
    if (all.rest)
        return;
    if (w->node == NULL || w->node->state != NODE_UP || !sim_chance(STICKY_PERMILLE))
        w->node = world_up(sim_random());
    if (w->node == NULL || w->node->paused_until > sim_now())
        sim_set(e, RETRY);
    else
        begin(w);
}

static void give_up_run(struct sim_event *e)
{
    struct worker *w = CONTAINER_OF(e, struct worker, give_up);
    if (w->ask == NULL)
        return;
    ask_forget(w->ask);
    failed(w, ERR_DEADLINE);
}

/* ---- all of them
 * ------------------------------------------------------------------------------------- */

void workers_begin(const struct workers_setup *setup)
{
    all = (struct workers){.setup = *setup};
    invariant(setup->n <= WORKERS_MAX && setup->keys <= LEASE_KEY_FIRST);
    for (unsigned i = 0; i < setup->n; i++) {
        struct worker *w = &all.workers[i];
        *w = (struct worker){.number = i, .next.run = next_run, .give_up.run = give_up_run};
        sim_set(&w->next, sim_between(0, setup->think_max));
    }
}

void workers_end(void)
{
    free(all.ops);
}

void workers_rest(void)
{
    all.rest = true;
}

bool workers_are_at_rest(void)
{
    for (unsigned i = 0; i < all.setup.n; i++)
        if (all.workers[i].ask != NULL)
            return false;
    return all.rest;
}

size_t workers_done(void)
{
    return all.done;
}

void workers_check(void)
{
    struct why why = {""};
    size_t n;
    const struct linear_event *log = tails_log(&n);
    if (!linear_check(all.ops, all.n, log, n, &why))
        sim_fail("the history is not linearizable: %s", why.text);
}
