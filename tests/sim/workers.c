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
    WIDE_PERMILLE = 400, /* of the operations are on several keys */
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
    uint64_t values;
    int64_t clock; /* of begins and ends */
    bool rest;
} all;

static const char *const kind_names[] = {"get", "stale", "write", "cas"};

static bool writes(const struct linear_op *op)
{
    return op->kind == LINEAR_WRITE || op->kind == LINEAR_CAS;
}

/* How many parts behind `i` go on with the next key, and are reads or deletions as that one is. */
static size_t neighbours(const struct linear_op *op, size_t i)
{
    size_t n = 0;
    while (i + n + 1 < op->n && op->parts[i + n + 1].key == op->parts[i].key + n + 1 &&
           op->parts[i + n + 1].value == op->parts[i].value)
        n++;
    return n;
}

/* Of a range over the parts from `i` up to and without `end`. */
static const char *range_end(const struct linear_op *op, size_t i, size_t end)
{
    return end == i + 1 ? NULL : key_name(op->parts[end - 1].key + 1);
}

/* ---- the end of an operation --------------------------------------------------------------------
 */

static struct linear_op *op_of(struct worker *w)
{
    return &all.ops[w->op];
}

/* What the worker knows of the key by now. */
static revision mod_after(const struct linear_op *op, const struct linear_part *p)
{
    return !op->changed ? p->saw_mod : p->value != 0 ? op->rev : 0;
}

static void say_done(struct worker *w)
{
    const struct linear_op *op = op_of(w);
    sim_trace("worker %u: %s at %s: revision %" PRId64 " changed %d", w->number,
              kind_names[op->kind], world_name(w->node->place), op->rev, op->changed);
    for (size_t i = 0; i < op->n; i++)
        sim_trace("    k%02u=%" PRIu64 ", saw %" PRIu64 " of %" PRId64, op->parts[i].key,
                  op->parts[i].value, op->parts[i].saw, op->parts[i].saw_mod);
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
        for (size_t i = 0; i < op->n && op->kind != LINEAR_STALE_GET; i++)
            w->mods[op->parts[i].key] = mod_after(op, &op->parts[i]);
        say_done(w);
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

/* ---- what it is told ------------------------------------------------------------------------- */

static void saw(struct worker *w, struct slice key, struct slice value, revision mod)
{
    struct linear_op *op = op_of(w);
    size_t i = 0;
    while (i < op->n && op->parts[i].key != key_number(key))
        i++;
    if (i == op->n || op->parts[i].saw != 0 || value_number(value) == 0) {
        sim_fail("worker %u was given key %.*s, which it did not ask for, or twice, or spoilt",
                 w->number, (int)key.n, (const char *)key.p);
        return;
    }
    op->parts[i].saw = value_number(value);
    op->parts[i].saw_mod = mod;
}

/* `kv` may be NULL: the key was not there. */
static void saw_kv(struct worker *w, const Mvccpb__KeyValue *kv)
{
    if (kv != NULL)
        saw(w, slice_make(kv->key.data, kv->key.len), slice_make(kv->value.data, kv->value.len),
            kv->mod_revision);
}

static void saw_kvs(struct worker *w, Mvccpb__KeyValue *const *kvs, size_t n, int64_t count)
{
    for (size_t i = 0; i < n; i++)
        saw_kv(w, kvs[i]);
    if (count != (int64_t)n)
        sim_fail("worker %u was told of %" PRId64 " keys and given %zu", w->number, count, n);
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
    saw_kv(w, r->prev_kv);
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
    saw_kvs(w, r->prev_kvs, r->n_prev_kvs, r->deleted);
    finish(w, LINEAR_DONE);
}

static void txn_part_done(struct worker *w, const Etcdserverpb__ResponseOp *r)
{
    struct linear_op *op = op_of(w);
    if (r->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE) {
        saw_kvs(w, r->response_range->kvs, r->response_range->n_kvs, r->response_range->count);
    } else if (r->response_case == ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT) {
        saw_kv(w, r->response_put->prev_kv);
        op->changed = true;
    } else {
        const Etcdserverpb__DeleteRangeResponse *d = r->response_delete_range;
        saw_kvs(w, d->prev_kvs, d->n_prev_kvs, d->deleted);
        op->changed = op->changed || d->deleted != 0;
    }
}

static void txn_done(void *arg, enum err e, const void *response)
{
    struct worker *w = arg;
    const Etcdserverpb__TxnResponse *r = response;
    if (e != ERR_OK) {
        failed(w, e);
        return;
    }
    op_of(w)->rev = r->header->revision;
    for (size_t i = 0; i < r->n_responses; i++)
        txn_part_done(w, r->responses[i]);
    finish(w, LINEAR_DONE);
}

/* ---- reads at the client loop
 * ---------------------------------------------------------------------- */

static bool saw_row(void *arg, const struct kv_row *row)
{
    saw(arg, row->key, row->value, row->main);
    return true;
}

/* `rev` 0: of what the member has now. */
static void read_now(struct worker *w, revision rev)
{
    struct arena *a = arena_new();
    const struct linear_op *op = op_of(w);
    struct range_req req = {.key = slice_str(key_name(op->parts[0].key)), .rev = rev};
    if (op->n > 1)
        req.range_end = slice_str(range_end(op, 0, op->n));
    struct range_plan *plan;
    node_enter(w->node);
    enum err e = server_range_plan(w->node->client, &req, a, &plan);
    if (e == ERR_OK) {
        op_of(w)->rev = rev != 0 ? rev : range_plan_revision(plan);
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
        read_now(arg, 0);
    else
        failed(arg, e);
}

/* ---- the begin of an operation
 * --------------------------------------------------------------------- */

static size_t parts_max(void)
{
    return all.setup.keys < LINEAR_PARTS_MAX ? all.setup.keys : LINEAR_PARTS_MAX;
}

/* Keys that follow each other, in their order; a transaction begins with any of them. */
static void choose_keys(struct linear_op *op)
{
    op->n = sim_chance(WIDE_PERMILLE) ? 1 + sim_below(parts_max()) : 1;
    unsigned first = (unsigned)sim_below(all.setup.keys - op->n + 1);
    uint64_t turn = writes(op) ? sim_below(op->n) : 0;
    for (size_t i = 0; i < op->n; i++)
        op->parts[i].key = first + (unsigned)((i + turn) % op->n);
}

/* Whether it compares tells the answer by what it put: so it does put. */
static void choose_values(struct linear_op *op)
{
    unsigned deletes = sim_chance(250) ? 1000 : sim_chance(500) ? 0 : 500;
    for (size_t i = 0; i < op->n; i++)
        if (!sim_chance(deletes) || (op->kind == LINEAR_CAS && i == 0))
            op->parts[i].value = ++all.values;
}

static void op_add(struct worker *w)
{
    static const enum linear_kind kinds[] = {
        LINEAR_GET,   LINEAR_GET,   LINEAR_GET,   LINEAR_STALE_GET, LINEAR_WRITE, LINEAR_WRITE,
        LINEAR_WRITE, LINEAR_WRITE, LINEAR_WRITE, LINEAR_CAS,       LINEAR_CAS};
    if (all.n == all.cap) {
        all.cap = all.cap ? all.cap * 2 : 256;
        all.ops = xrealloc(all.ops, all.cap * sizeof *all.ops);
    }
    w->op = all.n++;
    struct linear_op *op = op_of(w);
    *op = (struct linear_op){.kind = kinds[sim_below(ARRAY_LEN(kinds))], .begin = ++all.clock};
    choose_keys(op);
    if (writes(op))
        choose_values(op);
    if (op->kind == LINEAR_CAS)
        op->compare = sim_chance(800) ? w->mods[op->parts[0].key] : tails_last();
}

/* One request of a transaction, for the parts from `i` on; return where it ends. */
static size_t txn_read(struct arena *a, const struct linear_op *op, size_t i,
                       Etcdserverpb__RequestOp **ret)
{
    size_t end = i + 1 + (sim_chance(500) ? neighbours(op, i) : 0);
    *ret = op_range(a, req_range(a, key_name(op->parts[i].key), range_end(op, i, end)));
    return end;
}

static size_t txn_write(struct arena *a, const struct linear_op *op, size_t i,
                        Etcdserverpb__RequestOp **ret)
{
    const struct linear_part *p = &op->parts[i];
    if (p->value != 0) {
        *ret = op_put(a, req_put(a, key_name(p->key), value_text(a, p->value)));
        (*ret)->request_put->prev_kv = true;
        return i + 1;
    }
    size_t end = i + 1 + (sim_chance(500) ? neighbours(op, i) : 0);
    *ret = op_delete(a, req_delete(a, key_name(p->key), range_end(op, i, end)));
    (*ret)->request_delete_range->prev_kv = true;
    return end;
}

static void ask_txn(struct worker *w, const struct linear_op *op)
{
    Etcdserverpb__RequestOp *part;
    w->ask = ask_new(w->node, txn_done, w);
    struct arena *a = ask_arena(w->ask);
    Etcdserverpb__TxnRequest *t = req_txn(a);
    for (size_t i = 0; i < op->n; txn_then(t, part))
        i = writes(op) ? txn_write(a, op, i, &part) : txn_read(a, op, i, &part);
    for (size_t i = 0; op->kind == LINEAR_CAS && i < op->n; txn_else(t, part))
        i = txn_read(a, op, i, &part);
    if (op->kind == LINEAR_CAS)
        txn_if_number(a, t, key_name(op->parts[0].key), OF_MOD, IS_EQUAL, op->compare);
    ask_send(w->ask, OP_TXN, t, &etcdserverpb__txn_response__descriptor);
}

static void ask_put(struct worker *w, const struct linear_op *op)
{
    w->ask = ask_new(w->node, put_done, w);
    struct arena *a = ask_arena(w->ask);
    const struct linear_part *p = &op->parts[0];
    Etcdserverpb__PutRequest *r = req_put(a, key_name(p->key), value_text(a, p->value));
    r->prev_kv = true;
    ask_send(w->ask, OP_PUT, r, &etcdserverpb__put_response__descriptor);
}

static void ask_delete(struct worker *w, const struct linear_op *op)
{
    w->ask = ask_new(w->node, delete_done, w);
    struct arena *a = ask_arena(w->ask);
    Etcdserverpb__DeleteRangeRequest *r =
        req_delete(a, key_name(op->parts[0].key), range_end(op, 0, op->n));
    r->prev_kv = true;
    ask_send(w->ask, OP_DELETE_RANGE, r, &etcdserverpb__delete_range_response__descriptor);
}

static void ask_get(struct worker *w, const struct linear_op *op)
{
    if (sim_chance(300)) {
        ask_txn(w, op);
    } else if (server_read_is_local(w->node->client)) {
        read_now(w, 0);
    } else {
        w->ask = ask_new(w->node, may_read, w);
        ask_send(w->ask, OP_READ_INDEX, NULL, NULL);
    }
}

static void begin(struct worker *w)
{
    op_add(w);
    const struct linear_op *op = op_of(w);
    bool one_range = neighbours(op, 0) + 1 == op->n;
    sim_set(&w->give_up, sim_between(PATIENCE_MIN, PATIENCE_MAX));
    if (op->kind == LINEAR_STALE_GET)
        read_now(w, sim_chance(500) ? sim_between(1, tails_last() + 1) : 0);
    else if (op->kind == LINEAR_GET)
        ask_get(w, op);
    else if (op->kind == LINEAR_WRITE && op->parts[0].value == 0 && one_range)
        ask_delete(w, op);
    else if (op->kind == LINEAR_WRITE && op->n == 1)
        ask_put(w, op);
    else
        ask_txn(w, op);
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
