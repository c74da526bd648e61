/* api/range.c -- KV.Range: from the key database straight into the bytes of the answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/range.h"

#include "api/check.h"
#include "api/services.h"
#include "api/wire.h"

enum {
    SAMPLE_ROWS = 256,
    COPY_MAX = 16 * 1024, /* larger answers are handed over, not copied */
    TAG_KVS = 2 << 3 | 2,
    TAG_MORE = 3 << 3,
    TAG_COUNT = 4 << 3,
};

void range_req_fill(struct range_req *q, const Etcdserverpb__RangeRequest *r)
{
    *q = (struct range_req){
        .key = wire_slice(r->key),
        .range_end = wire_slice(r->range_end),
        .limit = r->limit,
        .rev = r->revision,
        .order = (enum range_order)r->sort_order,
        .target = (enum range_target)r->sort_target,
        .keys_only = r->keys_only,
        .count_only = r->count_only,
        .min_mod = r->min_mod_revision,
        .max_mod = r->max_mod_revision,
        .min_create = r->min_create_revision,
        .max_create = r->max_create_revision,
    };
}

revision range_header_revision(const struct api_loop *l, const struct range_req *q,
                               const struct range_plan *plan)
{
    /* A client watches on from the header's revision, so a read of "now" says what it read at. */
    return q->rev <= 0 ? range_plan_revision(plan) : api_revision(l);
}

void range_add_tail(struct buf *out, bool more, int64_t count)
{
    wire_add_int(out, TAG_MORE, more);
    wire_add_int(out, TAG_COUNT, count);
}

struct emission {
    struct buf *out;
    size_t rows, n; /* in all, and so far */
};

static bool emit_kv(void *arg, const struct kv_row *row)
{
    struct emission *e = arg;
    wire_add_kv(e->out, TAG_KVS, row);
    if (++e->n == SAMPLE_ROWS && e->rows > 4 * SAMPLE_ROWS) {
        /* Room for all of it at once, going by the first rows: a large buffer that grows in steps is moved about. */
        size_t expected = e->out->n / SAMPLE_ROWS * e->rows;
        buf_reserve(e->out, (expected < RANGE_ANSWER_MAX ? expected : RANGE_ANSWER_MAX) * 9 / 8);
    }
    return e->out->n < RANGE_ANSWER_MAX;
}

/* Make the answer in l->out, behind room for a blob's head. */
static enum err range_answer(struct api_loop *l, const struct range_req *q, struct arena *a)
{
    struct range_plan *plan;
    enum err e = server_range_plan(l->client, q, a, &plan);
    if (e != ERR_OK)
        return e;
    struct buf *out = &l->out;
    buf_clear(out);
    wire_blob_begin(out);
    out->n += api_header_put(l, range_header_revision(l, q, plan), buf_reserve(out, API_HEADER_MAX));
    struct emission emission = {.out = out, .rows = range_plan_rows(plan)};
    e = server_range_fetch(l->client, plan, emit_kv, &emission);
    range_add_tail(out, range_plan_more(plan), range_plan_count(plan));
    range_plan_free(plan);
    return e;
}

static void range_run(struct call *c, const struct range_req *q)
{
    struct api_loop *l = c->loop;
    enum err e = range_answer(l, q, c->arena);
    if (e != ERR_OK) {
        call_fail(c, e);
        return;
    }
    struct slice msg = wire_blob_content(&l->out);
    if (l->out.n >= RANGE_ANSWER_MAX)
        call_finish(c, GRPC_RESOURCE_EXHAUSTED,
                    arena_printf(c->arena,
                                 "grpc: trying to send message larger than max (%zu vs. %d)",
                                 msg.n, RANGE_ANSWER_MAX));
    else if (msg.n <= COPY_MAX)
        call_reply(c, msg);
    else
        call_reply_blob(c, wire_blob_take(&l->out));
    if (l->out.cap > API_OUT_KEPT_MAX)
        buf_fini(&l->out);
}

/* What must be true before the read: everything that was acknowledged is applied. */
static void on_read_index(struct server_call *sc)
{
    struct call *c = call_of_server_call(sc);
    if (sc->err != ERR_OK)
        call_fail(c, sc->err);
    else if (!call_is_over(c))
        range_run(c, c->user);
    call_release(c);
}

void range_message(struct call *c, const ProtobufCMessage *req)
{
    const Etcdserverpb__RangeRequest *r = (const Etcdserverpb__RangeRequest *)req;
    enum err e = check_range(r);
    if (e != ERR_OK) {
        call_fail(c, e);
        return;
    }
    struct range_req *q = arena_alloc(c->arena, sizeof *q);
    range_req_fill(q, r);
    c->user = q;
    if (r->serializable || server_read_is_local(c->loop->client))
        range_run(c, q);
    else
        call_ask(c, OP_READ_INDEX, NULL, on_read_index);
}
