/* mvcc/range.c -- range requests: plan and fetch.
 *
 * The plan notes where each wanted row stands. Its key is noted only where the row itself will not
 * be read, its value only where rows are sorted by it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mvcc/range.h"

#include "base/sort.h"

#define RANGE_PLAN_MAGIC 0x72616e67u

enum { HINT_AHEAD = 8 }; /* rows between the hint and the fetch */

struct range_item {
    struct mvcc_rev rev;
    struct slice bytes; /* the key or the value, in the arena; or nothing */
};

struct range_plan {
    unsigned magic;
    const struct range_req *req;
    struct arena *arena;
    revision at;
    struct key_range rest; /* what is still to be looked at */
    size_t left;           /* how many keys this step may still look at */
    int64_t count;
    bool counted;  /* `count` is final already */
    bool done;     /* the plan is complete */
    bool arranged; /* the items are in their final order */
    bool more;
    size_t items_max; /* further items are not wanted */
    struct range_item *items;
    size_t n, cap, next;
};

/* ---- the request ---------------------------------------------------------------------------- */

/* Return the order to sort in; RANGE_NONE for key order, in which rows are found. */
static enum range_order req_order(const struct range_req *req)
{
    if (req->target == RANGE_KEY)
        return req->order == RANGE_DESCEND ? RANGE_DESCEND : RANGE_NONE;
    return req->order == RANGE_DESCEND ? RANGE_DESCEND : RANGE_ASCEND;
}

static bool req_is_single(const struct range_req *req)
{
    return req->range_end.n == 0;
}

/* True if rows can be emitted from what the index knows. */
static bool req_needs_no_row(const struct range_req *req)
{
    return req->keys_only && req->target != RANGE_VALUE;
}

static bool within(revision v, revision min, revision max)
{
    return (min == 0 || v >= min) && (max == 0 || v <= max);
}

static bool req_wants(const struct range_req *req, const struct mvcc_rev *rev)
{
    return within(rev->main, req->min_mod, req->max_mod) &&
           within(rev->create, req->min_create, req->max_create);
}

static bool req_filters(const struct range_req *req)
{
    return (req->min_mod | req->max_mod | req->min_create | req->max_create) != 0;
}

/* Return how many items the plan has to hold before the limit makes the rest unneeded. Upstream looks at
 * one more than the limit when no order is named, and sorts what it has then, whatever the target. */
static size_t req_items_max(const struct range_req *req)
{
    if (req->count_only)
        return 0;
    if (req->limit <= 0)
        return SIZE_MAX;
    if (req_order(req) == RANGE_NONE)
        return (size_t)req->limit;
    return req->order == RANGE_NONE && !req_filters(req) ? (size_t)req->limit + 1 : SIZE_MAX;
}

/* ---- the plan ------------------------------------------------------------------------------- */

static enum err revision_check(const struct mvcc_store *s, revision at, revision current)
{
    if (at > current)
        return ERR_FUTURE_REV;
    return at < mvcc_store_compacted(s) ? ERR_COMPACTED : ERR_OK;
}

static void items_resize(struct range_plan *p, size_t cap)
{
    struct range_item *items = arena_alloc(p->arena, cap * sizeof *items);
    if (p->n != 0)
        memcpy(items, p->items, p->n * sizeof *items);
    p->items = items;
    p->cap = cap;
}

/* Nothing is newer than what the plan reads, so the index knows the count without looking. */
static void plan_count(struct range_plan *p, const struct mvcc_store *s)
{
    p->counted = true;
    p->count = mvcc_index_count(mvcc_store_index(s), &p->rest);
    if (p->count == 0 || p->req->count_only)
        p->done = true;
    else
        items_resize(p, (uint64_t)p->count < p->items_max ? (size_t)p->count : p->items_max);
}

enum err range_plan_new(const struct mvcc_store *s, const struct range_req *req, revision current,
                        struct arena *a, struct range_plan **ret_plan)
{
    revision at = req->rev > 0 ? req->rev : current;
    enum err e = revision_check(s, at, current);
    if (e != ERR_OK)
        return e;
    struct range_plan *p = arena_calloc(a, sizeof *p);
    p->magic = RANGE_PLAN_MAGIC;
    p->req = req;
    p->arena = a;
    p->at = at;
    p->items_max = req_items_max(req);
    if (!req_is_single(req)) {
        p->rest = key_range_make(req->key, req->range_end, NULL);
        if (at >= mvcc_txn_revision(s))
            plan_count(p, s);
    }
    *ret_plan = p;
    return ERR_OK;
}

static void plan_add(struct range_plan *p, struct slice key, const struct mvcc_rev *rev)
{
    if (p->n == p->items_max) {
        p->more = true;
        return;
    }
    if (p->n == p->cap)
        items_resize(p, p->cap == 0 ? 1 : p->cap * 4);
    struct range_item *it = &p->items[p->n++];
    it->rev = *rev;
    it->bytes = slice_make(NULL, 0);
    if (req_needs_no_row(p->req))
        it->bytes = slice_make(arena_dup(p->arena, key.p, key.n), key.n);
}

/* Take in one live key. Return false if no further key matters. */
static bool plan_take(struct range_plan *p, struct slice key, const struct mvcc_rev *rev)
{
    if (!p->counted)
        p->count++;
    if (!p->req->count_only && req_wants(p->req, rev))
        plan_add(p, key, rev);
    return !p->counted || !p->more;
}

static bool plan_visit(void *arg, struct slice key, const struct mvcc_rev *rev)
{
    struct range_plan *p = CAST_OBJ(struct range_plan, arg, RANGE_PLAN_MAGIC);
    if (p->left == 0) {
        p->rest.begin = slice_make(arena_dup(p->arena, key.p, key.n), key.n);
        p->done = false;
        return false;
    }
    p->left--;
    return plan_take(p, key, rev);
}

/* All was looked at: what a limit leaves is known now, though not yet in which order. */
static void plan_finish(struct range_plan *p)
{
    int64_t limit = p->req->limit;
    if (limit > 0 && p->n > (uint64_t)limit)
        p->more = true;
}

static void plan_look(struct range_plan *p, const struct mvcc_index *ix, size_t keys_max)
{
    struct mvcc_rev rev;
    p->done = true; /* unless plan_visit() stops before the end */
    p->left = keys_max;
    if (!req_is_single(p->req))
        mvcc_index_range(ix, &p->rest, p->at, plan_visit, p);
    else if (mvcc_index_get(ix, p->req->key, p->at, &rev))
        plan_take(p, p->req->key, &rev);
}

enum err range_plan_step(struct range_plan *p, const struct mvcc_store *s, size_t keys_max,
                         bool *ret_done)
{
    invariant(p->magic == RANGE_PLAN_MAGIC && keys_max != 0);
    if (p->at < mvcc_store_compacted(s))
        return ERR_COMPACTED;
    if (!p->done) {
        plan_look(p, mvcc_store_index(s), keys_max);
        if (p->done)
            plan_finish(p);
    }
    *ret_done = p->done;
    return ERR_OK;
}

int64_t range_plan_count(const struct range_plan *p)
{
    return p->count;
}

bool range_plan_more(const struct range_plan *p)
{
    return p->more;
}

revision range_plan_revision(const struct range_plan *p)
{
    return p->at;
}

size_t range_plan_rows(const struct range_plan *p)
{
    int64_t limit = p->req->limit;
    return limit > 0 && p->n > (uint64_t)limit ? (size_t)limit : p->n;
}

void range_plan_free(struct range_plan *p)
{
    if (p != NULL)
        p->magic = 0;
}

/* ---- fetching ------------------------------------------------------------------------------- */

static int item_cmp(void *arg, const void *a, const void *b)
{
    const struct range_req *req = ((const struct range_plan *)arg)->req;
    const struct range_item *x = a, *y = b;
    if (req->order == RANGE_DESCEND) {
        x = b;
        y = a;
    }
    switch (req->target) {
    case RANGE_VERSION:
        return (x->rev.version > y->rev.version) - (x->rev.version < y->rev.version);
    case RANGE_CREATE:
        return (x->rev.create > y->rev.create) - (x->rev.create < y->rev.create);
    case RANGE_MOD:
        return (x->rev.main > y->rev.main) - (x->rev.main < y->rev.main);
    case RANGE_VALUE:
        return slice_cmp(x->bytes, y->bytes);
    case RANGE_KEY:
        break;
    }
    return 0;
}

static void items_reverse(struct range_plan *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        struct range_item it = p->items[i];
        p->items[i] = p->items[p->n - 1 - i];
        p->items[p->n - 1 - i] = it;
    }
}

/* Read a row that must be there. */
static enum err row_get(struct kv_reader *r, int64_t pos, struct kv_row *ret_row)
{
    enum err e = r->ops->get(r, pos, ret_row);
    return e == ERR_NOT_FOUND ? ERR_DAMAGED : e;
}

static enum err plan_load_values(struct range_plan *p, struct kv_reader *r)
{
    for (size_t i = 0; i < p->n; i++) {
        struct range_item *it = &p->items[i];
        struct kv_row row;
        enum err e = row_get(r, it->rev.pos, &row);
        if (e != ERR_OK)
            return e;
        it->bytes = slice_make(arena_dup(p->arena, row.value.p, row.value.n), row.value.n);
    }
    return ERR_OK;
}

/* Bring the items into their final order. */
static enum err plan_arrange(struct range_plan *p, struct kv_reader *r)
{
    if (req_order(p->req) != RANGE_NONE) {
        enum err e = p->req->target == RANGE_VALUE ? plan_load_values(p, r) : ERR_OK;
        if (e != ERR_OK)
            return e;
        if (p->req->target == RANGE_KEY)
            items_reverse(p);
        else
            sort_stable(p->items, p->n, sizeof *p->items, item_cmp, p);
    }
    p->arranged = true;
    return ERR_OK;
}

static enum err item_row(const struct range_plan *p, const struct range_item *it,
                         struct kv_reader *r, struct kv_row *ret_row)
{
    if (req_needs_no_row(p->req)) {
        *ret_row = (struct kv_row){.pos = it->rev.pos,
                                   .main = it->rev.main,
                                   .create = it->rev.create,
                                   .version = it->rev.version,
                                   .key = it->bytes};
        return ERR_OK;
    }
    enum err e = row_get(r, it->rev.pos, ret_row);
    if (e == ERR_OK && p->req->keys_only)
        ret_row->value = slice_make(NULL, 0);
    return e;
}

enum err range_plan_fetch(struct range_plan *p, struct kv_reader *r,
                          bool (*emit)(void *arg, const struct kv_row *row), void *arg)
{
    invariant(p->magic == RANGE_PLAN_MAGIC && p->done);
    if (!p->arranged) {
        enum err e = plan_arrange(p, r);
        if (e != ERR_OK)
            return e;
    }
    size_t rows = range_plan_rows(p);
    for (bool go_on = true; go_on && p->next < rows;) {
        struct kv_row row;
        if (r->ops->hint != NULL && !req_needs_no_row(p->req) && p->next + HINT_AHEAD < rows)
            r->ops->hint(r, p->items[p->next + HINT_AHEAD].rev.pos);
        enum err e = item_row(p, &p->items[p->next], r, &row);
        if (e != ERR_OK)
            return e;
        p->next++;
        go_on = emit(arg, &row);
    }
    return ERR_OK;
}
