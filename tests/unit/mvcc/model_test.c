/* tests/unit/mvcc/model_test.c -- the store against a list of all revisions.
 *
 * The model never forgets anything and answers by looking at everything. Thousands of random
 * transactions, ranges, compactions in steps, reloads and hashes must come out the same from both.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/random.h"
#include "iface/kv_wire.h"
#include "mvcc/hash.h"
#include "mvcc/range.h"
#include "tests/lib/mem_backend.h"

enum { OPS = 6000, ROWS_MAX = 40000, KEYS = 60, KEY_MAX = 6, VALUES = 5 };

/* ---- the model ------------------------------------------------------------------------------ */

struct model {
    struct kv_row rows[ROWS_MAX]; /* all there ever were, in order */
    size_t n;
    revision revision, compacted;
};

static const struct kv_row *model_get(const struct model *m, struct slice key, revision at)
{
    for (size_t i = m->n; i-- != 0;) {
        const struct kv_row *row = &m->rows[i];
        if (row->main <= at && slice_eq(row->key, key))
            return row;
    }
    return NULL;
}

static struct kv_row *model_add(struct model *m, struct slice key, revision main, int64_t sub)
{
    assert_true(m->n < ROWS_MAX);
    struct kv_row *row = &m->rows[m->n++];
    *row = (struct kv_row){.key = key, .main = main, .sub = sub};
    return row;
}

static void model_put(struct model *m, struct slice key, struct slice value, lease_id lease,
                      int64_t sub)
{
    const struct kv_row *old = model_get(m, key, INT64_MAX);
    bool live = old != NULL && !kv_row_is_tombstone(old);
    struct kv_row *row = model_add(m, key, m->revision + 1, sub);
    row->value = value;
    row->lease = lease;
    row->create = live ? old->create : row->main;
    row->version = live ? old->version + 1 : 1;
}

/* True if a compaction leaves this row. */
static bool model_retains(const struct model *m, const struct kv_row *row)
{
    if (row->main > m->compacted)
        return true;
    return model_get(m, row->key, m->compacted) == row &&
           (!kv_row_is_tombstone(row) || row->main == m->compacted);
}

static bool model_any_live(const struct model *m, revision rev)
{
    for (size_t i = 0; i < m->n && m->rows[i].main <= rev; i++)
        if (model_get(m, m->rows[i].key, rev) == &m->rows[i] &&
            !kv_row_is_tombstone(&m->rows[i]))
            return true;
    return false;
}

static uint32_t model_hash(const struct model *m, revision rev)
{
    uint32_t crc = crc32c(0, "key", 3);
    revision keep_at = model_any_live(m, rev) ? rev : m->compacted;
    for (size_t i = 0; i < m->n && m->rows[i].main <= rev; i++) {
        const struct kv_row *row = &m->rows[i];
        if (row->main <= m->compacted &&
            (kv_row_is_tombstone(row) || model_get(m, row->key, keep_at) != row))
            continue;
        uint8_t p[256];
        crc = crc32c(crc, p, kv_wire_rev_key(p, row));
        assert_true(kv_wire_size(row) <= sizeof p);
        crc = crc32c(crc, p, (size_t)(kv_wire_put(p, row) - p));
    }
    return crc;
}

/* ---- the world: keys, values, both stores --------------------------------------------------- */

struct world {
    struct rng rng;
    uint8_t key_bytes[KEYS][KEY_MAX];
    struct slice keys[KEYS]; /* ascending, all different */
    struct slice values[VALUES];
    struct mem_backend *backend;
    struct kv_writer *w;
    struct mvcc_store *store;
    struct model *model;
    size_t compactions; /* finished */
};

static uint64_t draw(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

/* Short keys over few letters, so that many are prefixes of others. */
static struct slice make_key(struct world *w, uint8_t *p)
{
    static const uint8_t letters[] = {0, 'a', 'b', 0xff};
    size_t n = 1 + draw(w, KEY_MAX);
    for (size_t i = 0; i < n; i++)
        p[i] = letters[draw(w, ARRAY_LEN(letters))];
    return slice_make(p, n);
}

static void make_keys(struct world *w)
{
    for (size_t n = 0; n < KEYS;) {
        uint8_t p[KEY_MAX];
        struct slice key = make_key(w, p);
        size_t at = n;
        while (at != 0 && slice_cmp(slice_make(w->key_bytes[at - 1], w->keys[at - 1].n), key) >= 0)
            at--;
        if (at < n && slice_eq(slice_make(w->key_bytes[at], w->keys[at].n), key))
            continue;
        for (size_t i = n; i > at; i--) {
            memcpy(w->key_bytes[i], w->key_bytes[i - 1], KEY_MAX);
            w->keys[i].n = w->keys[i - 1].n;
        }
        memcpy(w->key_bytes[at], p, KEY_MAX);
        w->keys[at].n = key.n;
        n++;
    }
    for (size_t i = 0; i < KEYS; i++)
        w->keys[i].p = w->key_bytes[i];
}

static void world_init(struct world *w, uint64_t seed)
{
    static const char *const values[VALUES] = {"", "v", "value", "vb", "w"};
    *w = (struct world){.rng = {seed}};
    make_keys(w);
    for (size_t i = 0; i < VALUES; i++)
        w->values[i] = slice_str(values[i]);
    w->backend = mem_backend_new();
    w->w = mem_backend_writer(w->backend);
    w->store = mvcc_store_new();
    w->model = xcalloc(1, sizeof *w->model);
    w->model->revision = 1;
}

static void world_fini(struct world *w)
{
    mvcc_store_free(w->store);
    mem_backend_free(w->backend);
    free(w->model);
}

static struct slice any_key(struct world *w)
{
    return w->keys[draw(w, KEYS)];
}

/* A range end: none, everything above, the next key, or any (also before the beginning). */
static struct slice any_end(struct world *w)
{
    static const uint8_t zero[] = {0};
    switch (draw(w, 4)) {
    case 0:
        return slice_make(NULL, 0);
    case 1:
        return slice_make(zero, 1);
    default:
        return any_key(w);
    }
}

/* ---- writing -------------------------------------------------------------------------------- */

static void do_put(struct world *w, int64_t *sub)
{
    struct slice key = any_key(w), value = w->values[draw(w, VALUES)];
    lease_id lease = draw(w, 3) == 0 ? (lease_id)rng_next(&w->rng) : 0;
    mvcc_txn_put(w->store, key, value, lease);
    model_put(w->model, key, value, lease, (*sub)++);
}

static void do_delete(struct world *w, int64_t *sub)
{
    AUTO(buf) struct buf scratch = BUF_INIT;
    struct key_range r = key_range_make(any_key(w), any_end(w), &scratch);
    if (draw(w, 3) != 0) /* mostly small ones, lest nothing lives for long */
        r = key_range_make(r.begin, slice_make(NULL, 0), &scratch);
    int64_t n = 0;
    for (size_t i = 0; i < KEYS; i++) {
        const struct kv_row *row = model_get(w->model, w->keys[i], INT64_MAX);
        if (!key_range_has(&r, w->keys[i]) || row == NULL || kv_row_is_tombstone(row))
            continue;
        model_add(w->model, w->keys[i], w->model->revision + 1, (*sub)++);
        n++;
    }
    assert_int_equal(mvcc_txn_delete(w->store, &r), n);
}

static void expect_same_row(const struct kv_row *got, const struct kv_row *want)
{
    assert_int_equal(got->main, want->main);
    assert_int_equal(got->sub, want->sub);
    assert_int_equal(got->create, want->create);
    assert_int_equal(got->version, want->version);
    assert_int_equal(got->lease, want->lease);
    assert_true(slice_eq(got->key, want->key));
    assert_true(slice_eq(got->value, want->value));
}

static void do_txn(struct world *w)
{
    const struct mvcc_change *changes;
    size_t n;
    int64_t sub = 0;
    mvcc_txn_begin(w->store, w->w);
    for (uint64_t i = draw(w, 4) + 1; i-- != 0;) {
        if (draw(w, 3) != 0)
            do_put(w, &sub);
        else
            do_delete(w, &sub);
        assert_int_equal(mvcc_txn_revision(w->store), w->model->revision + (sub != 0));
    }
    w->model->revision += sub != 0;
    assert_int_equal(mvcc_txn_end(w->store, &changes, &n), w->model->revision);
    assert_int_equal(n, sub);
    for (size_t i = 0; i < n; i++)
        expect_same_row(&changes[i].row, &w->model->rows[w->model->n - n + i]);
}

/* ---- ranges --------------------------------------------------------------------------------- */

struct answer {
    struct kv_row rows[KEYS];
    size_t n;
    int64_t count;
    bool more;
};

static int64_t sort_value(const struct range_req *req, const struct kv_row *row)
{
    switch (req->target) {
    case RANGE_VERSION:
        return row->version;
    case RANGE_CREATE:
        return row->create;
    default:
        return row->main;
    }
}

static int row_cmp(const struct range_req *req, const struct kv_row *a, const struct kv_row *b)
{
    int c;
    if (req->target == RANGE_KEY)
        c = slice_cmp(a->key, b->key);
    else if (req->target == RANGE_VALUE)
        c = slice_cmp(a->value, b->value);
    else
        c = (sort_value(req, a) > sort_value(req, b)) - (sort_value(req, a) < sort_value(req, b));
    return req->order == RANGE_DESCEND ? -c : c;
}

/* Insert so that equal rows stay in the order they came. */
static void answer_add(struct answer *a, const struct range_req *req, const struct kv_row *row)
{
    size_t i = a->n++;
    for (; i != 0 && row_cmp(req, &a->rows[i - 1], row) > 0; i--)
        a->rows[i] = a->rows[i - 1];
    a->rows[i] = *row;
}

static bool model_wants(const struct range_req *req, const struct kv_row *row)
{
    return (req->min_mod == 0 || row->main >= req->min_mod) &&
           (req->max_mod == 0 || row->main <= req->max_mod) &&
           (req->min_create == 0 || row->create >= req->min_create) &&
           (req->max_create == 0 || row->create <= req->max_create);
}

static bool model_filters(const struct range_req *req)
{
    return req->min_mod != 0 || req->max_mod != 0 || req->min_create != 0 || req->max_create != 0;
}

static void model_range(const struct world *w, const struct range_req *req, struct answer *a)
{
    AUTO(buf) struct buf scratch = BUF_INIT;
    struct key_range r = key_range_make(req->key, req->range_end, &scratch);
    *a = (struct answer){0};
    for (size_t i = 0; i < KEYS; i++) {
        revision at = req->rev > 0 ? req->rev : w->model->revision;
        const struct kv_row *row = model_get(w->model, w->keys[i], at);
        if (!key_range_has(&r, w->keys[i]) || row == NULL || kv_row_is_tombstone(row))
            continue;
        a->count++;
        /* Upstream sorts what it has found when the limit is passed, if no order is named. */
        bool enough = req->limit > 0 && req->order == RANGE_NONE && !model_filters(req) &&
                      (int64_t)a->n > req->limit;
        if (!req->count_only && model_wants(req, row) && !enough)
            answer_add(a, req, row);
    }
    a->more = req->limit > 0 && (int64_t)a->n > req->limit;
    if (a->more)
        a->n = (size_t)req->limit;
    for (size_t i = 0; i < a->n && req->keys_only; i++) {
        a->rows[i].value = slice_make(NULL, 0);
        if (req->target != RANGE_VALUE)
            a->rows[i].lease = 0;
    }
}

struct emitted {
    struct world *w;
    const struct answer *want;
    const struct range_req *req;
    size_t n;
    size_t pause; /* return false each time so many came */
};

static bool emit(void *arg, const struct kv_row *row)
{
    struct emitted *e = arg;
    assert_true(e->n < e->want->n);
    struct kv_row want = e->want->rows[e->n++];
    if (e->req->keys_only)
        want.sub = row->sub;
    expect_same_row(row, &want);
    return e->n % e->pause != 0;
}

static revision any_bound(struct world *w)
{
    return draw(w, 3) == 0 ? (revision)draw(w, (uint64_t)w->model->revision) + 1 : 0;
}

/* None, or one from a little below the oldest to a little above the newest. */
static revision any_revision(struct world *w)
{
    const struct model *m = w->model;
    if (draw(w, 3) == 0)
        return (revision)draw(w, 2) - 1;
    return m->compacted - 3 + (revision)draw(w, (uint64_t)(m->revision - m->compacted) + 6);
}

static struct range_req any_req(struct world *w)
{
    struct range_req req = {
        .key = any_key(w),
        .range_end = any_end(w),
        .limit = (int64_t)draw(w, 3) == 0 ? (int64_t)draw(w, 12) - 1 : 0,
        .rev = any_revision(w),
        .order = (enum range_order)draw(w, 3),
        .target = (enum range_target)draw(w, 5),
        .keys_only = draw(w, 4) == 0,
        .count_only = draw(w, 6) == 0,
    };
    if (draw(w, 4) == 0) {
        req.min_mod = any_bound(w);
        req.max_mod = any_bound(w);
        req.min_create = any_bound(w);
        req.max_create = any_bound(w);
    }
    return req;
}

static enum err expected_error(const struct world *w, revision rev)
{
    if (rev <= 0)
        return ERR_OK;
    if (rev > w->model->revision)
        return ERR_FUTURE_REV;
    return rev < w->model->compacted ? ERR_COMPACTED : ERR_OK;
}

/* A write between plan and fetch, as happens when the lock is let go. */
static void do_txn_elsewhere(struct world *w)
{
    if (draw(w, 3) == 0)
        do_txn(w);
}

static void do_range(struct world *w)
{
    struct range_req req = any_req(w);
    struct answer want;
    struct arena *arena = arena_new();
    struct range_plan *plan = NULL;
    enum err e = range_plan_new(w->store, &req, w->model->revision, arena, &plan);
    assert_int_equal(e, expected_error(w, req.rev));
    if (e == ERR_OK) {
        model_range(w, &req, &want);
        struct kv_reader *r = mem_backend_reader(w->backend);
        size_t keys_max = draw(w, 2) == 0 ? 1 + draw(w, 5) : 1000;
        for (bool done = false; !done;) {
            assert_int_equal(range_plan_step(plan, w->store, keys_max, &done), ERR_OK);
            do_txn_elsewhere(w);
        }
        assert_int_equal(range_plan_count(plan), want.count);
        assert_int_equal(range_plan_more(plan), want.more);
        assert_int_equal(range_plan_rows(plan), want.n);
        struct emitted got = {w, &want, &req, 0, 1 + draw(w, 9)};
        do
            assert_int_equal(range_plan_fetch(plan, r, emit, &got), ERR_OK);
        while (got.n < want.n);
        assert_int_equal(range_plan_fetch(plan, r, emit, &got), ERR_OK);
        mem_reader_free(r);
    }
    range_plan_free(plan);
    arena_free(arena);
}

/* ---- compaction, reload, hash --------------------------------------------------------------- */

struct cursor {
    struct world *w;
    size_t i;
};

static bool expect_retained(void *arg, const struct kv_row *row)
{
    struct cursor *c = arg;
    const struct model *m = c->w->model;
    while (c->i < m->n && !model_retains(m, &m->rows[c->i]))
        c->i++;
    assert_true(c->i < m->n);
    expect_same_row(row, &m->rows[c->i++]);
    return true;
}

static void expect_only_retained_rows(struct world *w)
{
    struct cursor c = {w, 0};
    mem_backend_each(w->backend, expect_retained, &c);
    while (c.i < w->model->n)
        assert_false(model_retains(w->model, &w->model->rows[c.i++]));
}

static void do_compact(struct world *w)
{
    struct model *m = w->model;
    uint64_t span = (uint64_t)(m->revision - m->compacted);
    revision rev = m->compacted + (revision)draw(w, (draw(w, 4) == 0 ? span : span / 4) + 2);
    enum err want = rev > m->compacted ? ERR_OK : ERR_COMPACTED;
    if (rev > m->revision)
        want = ERR_FUTURE_REV;
    if (rev == 0 && m->compacted == 0)
        want = ERR_OK;
    assert_int_equal(mvcc_compact(w->store, w->w, rev), want);
    if (want == ERR_OK)
        m->compacted = rev;
}

static void do_compact_step(struct world *w)
{
    if (!mvcc_compact_pending(w->store))
        return;
    if (!mvcc_compact_step(w->store, w->w, 1 + draw(w, 40), 1 + draw(w, 40)))
        return;
    w->compactions++;
    expect_only_retained_rows(w);
}

static bool load_row(void *arg, const struct kv_row *row)
{
    mvcc_store_load(arg, row);
    return true;
}

static revision mark_get(struct world *w, const char *name)
{
    struct slice v;
    bool there = w->w->ops->bucket_get(w->w, BUCKET_META, slice_str(name), &v);
    return there ? (revision)be64_get(v.p) : 0;
}

static void do_reload(struct world *w)
{
    bool pending = mvcc_compact_pending(w->store);
    mvcc_store_free(w->store);
    w->store = mvcc_store_new();
    mem_backend_each(w->backend, load_row, w->store);
    mvcc_store_loaded(w->store, mark_get(w, "scheduledCompactRev"),
                      mark_get(w, "finishedCompactRev"));
    assert_int_equal(mvcc_compact_pending(w->store), pending);
}

struct hashing {
    struct mvcc_hash h;
    const struct mvcc_store *s;
};

static bool hash_row(void *arg, const struct kv_row *row)
{
    struct hashing *h = arg;
    mvcc_hash_add(&h->h, h->s, row);
    return true;
}

static void do_hash(struct world *w)
{
    const struct model *m = w->model;
    revision low = m->compacted > 0 ? m->compacted : 1;
    revision rev = low + (revision)draw(w, (uint64_t)(m->revision - low) + 1);
    struct hashing h = {.s = w->store};
    assert_int_equal(mvcc_hash_begin(&h.h, w->store, rev, m->revision), ERR_OK);
    mem_backend_each(w->backend, hash_row, &h);
    assert_int_equal(h.h.crc, model_hash(m, rev));
}

static void do_any(struct world *w)
{
    uint64_t dice = draw(w, 100);
    if (dice < 37)
        do_txn(w);
    else if (dice < 69)
        do_range(w);
    else if (dice < 70)
        do_compact(w);
    else if (dice < 92)
        do_compact_step(w);
    else if (dice < 93)
        do_reload(w);
    else
        do_hash(w);
}

static void store_is_the_model(void **state)
{
    (void)state;
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct world w;
    world_init(&w, seed);
    for (int i = 0; i < OPS; i++) {
        do_any(&w);
        assert_int_equal(mvcc_store_revision(w.store), w.model->revision);
        assert_int_equal(mvcc_store_compacted(w.store), w.model->compacted);
        mvcc_store_check(w.store);
    }
    assert_true(w.compactions > 5);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(store_is_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
