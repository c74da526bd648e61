/* apply/kv.c -- put, delete and range on the key space, as one transaction sees it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply_priv.h"
#include "mvcc/range.h"

Etcdserverpb__ResponseHeader *header_new(struct arena *arena, revision rev)
{
    Etcdserverpb__ResponseHeader *h =
        PB_NEW(arena, Etcdserverpb__ResponseHeader, etcdserverpb__response_header);
    h->revision = rev;
    return h;
}

bool row_find(struct applier *a, struct slice key, struct kv_row *ret_row)
{
    struct mvcc_rev rev;
    if (!mvcc_index_get(mvcc_store_index(a->st.kv), key, mvcc_txn_revision(a->st.kv), &rev))
        return false;
    return a->st.writer->ops->get(a->st.writer, rev.pos, ret_row);
}

static ProtobufCBinaryData bytes_new(struct arena *arena, struct slice s)
{
    return (ProtobufCBinaryData){s.n, s.n ? arena_dup(arena, s.p, s.n) : NULL};
}

static Mvccpb__KeyValue *kv_new(struct arena *arena, const struct kv_row *row)
{
    Mvccpb__KeyValue *kv = PB_NEW(arena, Mvccpb__KeyValue, mvccpb__key_value);
    kv->key = bytes_new(arena, row->key);
    kv->create_revision = row->create;
    kv->mod_revision = row->main;
    kv->version = row->version;
    kv->value = bytes_new(arena, row->value);
    kv->lease = row->lease;
    return kv;
}

/* ---- put -------------------------------------------------------------------------------- */

enum err put_check(struct applier *a, const Etcdserverpb__PutRequest *req)
{
    struct mvcc_rev rev;
    if (req->key.len == 0) /* no member proposes it, but the bytes came from one */
        return ERR_EMPTY_KEY;
    if ((req->ignore_value || req->ignore_lease) &&
        !mvcc_index_get(mvcc_store_index(a->st.kv), pb_slice(req->key), mvcc_txn_revision(a->st.kv),
                        &rev))
        return ERR_KEY_NOT_FOUND;
    if (req->lease != 0 && !lessor_has(a->st.lessor, req->lease))
        return ERR_LEASE_NOT_FOUND;
    return ERR_OK;
}

Etcdserverpb__PutResponse *put_run(struct applier *a, const Etcdserverpb__PutRequest *req,
                                   struct arena *arena)
{
    Etcdserverpb__PutResponse *resp =
        PB_NEW(arena, Etcdserverpb__PutResponse, etcdserverpb__put_response);
    struct slice value = pb_slice(req->value);
    lease_id lease = req->lease;
    struct kv_row row;
    if ((req->prev_kv || req->ignore_value || req->ignore_lease) &&
        row_find(a, pb_slice(req->key), &row)) {
        Mvccpb__KeyValue *prev = kv_new(arena, &row);
        if (req->ignore_value)
            value = pb_slice(prev->value);
        if (req->ignore_lease)
            lease = prev->lease;
        if (req->prev_kv)
            resp->prev_kv = prev;
    }
    mvcc_txn_put(a->st.kv, pb_slice(req->key), value, lease);
    a->counts.puts++;
    a->counts.put_bytes += (int64_t)(req->key.len + value.n);
    resp->header = header_new(arena, mvcc_txn_revision(a->st.kv));
    return resp;
}

/* ---- range ------------------------------------------------------------------------------ */

/* The writer seen as a reader, so that a transaction's ranges see its own writes. */
struct writer_view {
    struct kv_reader reader;
    struct kv_writer *writer;
};

static enum err view_get(struct kv_reader *r, int64_t pos, struct kv_row *ret_row)
{
    struct kv_writer *w = CONTAINER_OF(r, struct writer_view, reader)->writer;
    return w->ops->get(w, pos, ret_row) ? ERR_OK : ERR_NOT_FOUND;
}

static const struct kv_reader_ops view_ops = {.get = view_get};

struct collect {
    struct arena *arena;
    Mvccpb__KeyValue **kvs;
    size_t n, cap;
};

static bool collect_row(void *arg, const struct kv_row *row)
{
    struct collect *c = arg;
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 8;
        Mvccpb__KeyValue **kvs = arena_alloc(c->arena, cap * sizeof(Mvccpb__KeyValue *));
        if (c->n != 0)
            memcpy(kvs, c->kvs, c->n * sizeof(Mvccpb__KeyValue *));
        c->kvs = kvs;
        c->cap = cap;
    }
    c->kvs[c->n++] = kv_new(c->arena, row);
    return true;
}

static struct range_req range_req_of(const Etcdserverpb__RangeRequest *req)
{
    return (struct range_req){
        .key = pb_slice(req->key),
        .range_end = pb_slice(req->range_end),
        .limit = req->limit,
        .rev = req->revision,
        .order = (enum range_order)req->sort_order,
        .target = (enum range_target)req->sort_target,
        .keys_only = req->keys_only,
        .count_only = req->count_only,
        .min_mod = req->min_mod_revision,
        .max_mod = req->max_mod_revision,
        .min_create = req->min_create_revision,
        .max_create = req->max_create_revision,
    };
}

static enum err collect_range(struct applier *a, const struct range_req *req, struct collect *c,
                              struct range_plan **ret_plan)
{
    struct mvcc_store *kv = a->st.kv;
    enum err e = range_plan_new(kv, req, mvcc_txn_revision(kv), c->arena, ret_plan);
    for (bool done = false; e == ERR_OK && !done;)
        e = range_plan_step(*ret_plan, kv, SIZE_MAX, &done);
    if (e != ERR_OK)
        return e;
    struct writer_view view = {{&view_ops}, a->st.writer};
    return range_plan_fetch(*ret_plan, &view.reader, collect_row, c);
}

enum err range_check(struct applier *a, const Etcdserverpb__RangeRequest *req)
{
    /* Here, unlike in a plain range, upstream takes a negative revision for one that is
     * compacted; a store that never was counts as compacted at -1. */
    revision compacted = mvcc_store_compacted(a->st.kv);
    if (req->revision == 0)
        return ERR_OK;
    if (req->revision > mvcc_store_revision(a->st.kv))
        return ERR_FUTURE_REV;
    return req->revision < (compacted ? compacted : -1) ? ERR_COMPACTED : ERR_OK;
}

Etcdserverpb__RangeResponse *range_run(struct applier *a, const Etcdserverpb__RangeRequest *req,
                                       struct arena *arena)
{
    Etcdserverpb__RangeResponse *resp =
        PB_NEW(arena, Etcdserverpb__RangeResponse, etcdserverpb__range_response);
    struct collect c = {.arena = arena};
    struct range_req rr = range_req_of(req);
    struct range_plan *plan = NULL;
    /* A failed read is remembered by the writer and stops the commit; a bad revision was found by
     * range_check(). */
    if (collect_range(a, &rr, &c, &plan) == ERR_OK) {
        resp->kvs = c.kvs;
        resp->n_kvs = c.n;
        resp->count = range_plan_count(plan);
        resp->more = range_plan_more(plan);
    }
    range_plan_free(plan);
    a->counts.ranges++;
    resp->header = header_new(arena, mvcc_txn_revision(a->st.kv));
    return resp;
}

/* ---- delete ----------------------------------------------------------------------------- */

Etcdserverpb__DeleteRangeResponse *
delete_run(struct applier *a, const Etcdserverpb__DeleteRangeRequest *req, struct arena *arena)
{
    Etcdserverpb__DeleteRangeResponse *resp =
        PB_NEW(arena, Etcdserverpb__DeleteRangeResponse, etcdserverpb__delete_range_response);
    if (req->prev_kv) {
        struct collect c = {.arena = arena};
        struct range_req rr = {.key = pb_slice(req->key), .range_end = pb_slice(req->range_end)};
        struct range_plan *plan = NULL;
        if (collect_range(a, &rr, &c, &plan) == ERR_OK) {
            resp->prev_kvs = c.kvs;
            resp->n_prev_kvs = c.n;
        }
        range_plan_free(plan);
    }
    AUTO(buf) struct buf scratch = BUF_INIT;
    struct key_range range = key_range_make(pb_slice(req->key), pb_slice(req->range_end), &scratch);
    resp->deleted = mvcc_txn_delete(a->st.kv, &range);
    a->counts.deletes++;
    resp->header = header_new(arena, mvcc_txn_revision(a->st.kv));
    return resp;
}
