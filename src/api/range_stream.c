/* api/range_stream.c -- KV.RangeStream: one range in many messages, all of one revision.
 *
 * The first message is small so that the client has something soon; the others are about as large as
 * a request may be. The last one carries what concerns the whole.
 *
 * While messages flow they are read from one view. A client that stops reading for long loses the view,
 * because it costs disk; when it reads on, a new one is opened for the rest at the same revision.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/check.h"
#include "api/range.h"
#include "api/services.h"
#include "api/wire.h"

enum {
    FIRST_ROWS = 10,
    VIEW_IDLE_MS = 5000, /* how long a view is kept for a client that does not read */
    PREFIX = 16,         /* room for the field that the chunk is wrapped in */
    TAG_KVS = 2 << 3 | 2,
    TAG_RESPONSE = 1 << 3 | 2,
};

/* In the call's arena; c->user from the first view on. */
struct range_stream {
    struct call *call;
    struct range_req req; /* what is left to read */
    struct server_view *view; /* NULL between two views */
    struct arena *arena;      /* of the plan */
    struct range_plan *plan;
    uint64_t plan_rows; /* sent from this plan */
    struct loop_timer idle;

    /* of the whole */
    revision header_rev;
    int64_t count;
    bool more;
    uint64_t rows;

    struct buf chunk;
    uint64_t chunk_rows;
    struct buf last_key;
};

/* ---- views ----------------------------------------------------------------------------------- */

static void view_close(struct range_stream *s)
{
    if (s->view == NULL)
        return;
    range_plan_free(s->plan);
    server_view_close(s->view);
    arena_free(s->arena);
    s->view = NULL;
    s->plan = NULL;
}

static enum err view_open(struct range_stream *s)
{
    s->arena = arena_new();
    s->plan_rows = 0;
    enum err e = server_view_open(s->call->loop->client, &s->req, s->arena, &s->plan, &s->view);
    if (e != ERR_OK)
        arena_free(s->arena);
    return e;
}

/* Ask from now on for what stands behind the last key that was sent. */
static void on_idle(struct loop_timer *t)
{
    struct range_stream *s = CONTAINER_OF(t, struct range_stream, idle);
    s->req.rev = range_plan_revision(s->plan);
    view_close(s);
    buf_add_byte(&s->last_key, 0);
    s->req.key.n = s->last_key.n;
    s->req.key.p = arena_dup(s->call->arena, s->last_key.p, s->last_key.n);
    if (s->req.limit > 0)
        s->req.limit -= (int64_t)s->plan_rows;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static bool emit_kv(void *arg, const struct kv_row *row)
{
    struct range_stream *s = arg;
    wire_add_kv(&s->chunk, TAG_KVS, row);
    s->chunk_rows++;
    buf_clear(&s->last_key);
    buf_add_slice(&s->last_key, row->key);
    if (s->rows == 0 && s->chunk_rows >= FIRST_ROWS)
        return false;
    return s->chunk.n < s->call->loop->cfg->max_request_bytes;
}

static void chunk_begin(struct range_stream *s)
{
    buf_clear(&s->chunk);
    buf_reserve(&s->chunk, PREFIX + API_HEADER_MAX);
    s->chunk.n = PREFIX;
    s->chunk_rows = 0;
}

/* Append what concerns the whole; fields may stand in any order. */
static void chunk_add_whole(struct range_stream *s)
{
    uint8_t *p = buf_reserve(&s->chunk, API_HEADER_MAX);
    s->chunk.n += api_header_put(s->call->loop, s->header_rev, p);
    range_add_tail(&s->chunk, s->more, s->count);
}

/* Send the chunk as field 1 of a RangeStreamResponse. */
static void chunk_send(struct range_stream *s)
{
    uint8_t *start = s->chunk.p + PREFIX;
    size_t n = s->chunk.n - PREFIX;
    uint8_t *head = start - 1 - varint_size(n);
    head[0] = TAG_RESPONSE;
    varint_put(head + 1, n);
    call_send(s->call, slice_make(head, (size_t)(s->chunk.p + s->chunk.n - head)));
}

/* Read and send one chunk; the last one ends the call. False if there is nothing more to do. */
static bool send_next(struct range_stream *s)
{
    struct call *c = s->call;
    chunk_begin(s);
    enum err e = s->view == NULL ? view_open(s) : ERR_OK;
    if (e == ERR_OK)
        e = server_view_fetch(s->view, s->plan, emit_kv, s);
    if (e != ERR_OK) {
        call_fail(c, e);
        return false;
    }
    s->rows += s->chunk_rows;
    s->plan_rows += s->chunk_rows;
    bool last = s->chunk_rows == 0 || s->plan_rows == range_plan_rows(s->plan);
    if (last)
        chunk_add_whole(s);
    chunk_send(s);
    if (last)
        call_finish(c, GRPC_OK, "");
    return !last;
}

static void range_stream_pump(struct range_stream *s)
{
    loop_timer_clear(&s->idle);
    do {
        if (call_pending(s->call) >= API_STREAM_QUEUE_MAX) {
            loop_timer_set(&s->idle, VIEW_IDLE_MS);
            return; /* range_stream_drain() goes on */
        }
    } while (send_next(s));
}

/* ---- the call -------------------------------------------------------------------------------- */

static void range_stream_start(struct range_stream *s)
{
    struct call *c = s->call;
    enum err e = view_open(s);
    if (e != ERR_OK) {
        call_fail(c, e);
        return;
    }
    s->header_rev = range_header_revision(c->loop, &s->req, s->plan);
    s->count = range_plan_count(s->plan);
    s->more = range_plan_more(s->plan);
    loop_timer_init(&s->idle, c->loop->loop, on_idle);
    c->user = s;
    range_stream_pump(s);
}

static void on_read_index(struct server_call *sc)
{
    struct call *c = call_of_server_call(sc);
    struct range_stream *s = c->user;
    c->user = NULL;
    if (sc->err != ERR_OK)
        call_fail(c, sc->err);
    else if (!call_is_over(c))
        range_stream_start(s);
    call_release(c);
}

void range_stream_message(struct call *c, const ProtobufCMessage *req)
{
    const Etcdserverpb__RangeRequest *r = (const Etcdserverpb__RangeRequest *)req;
    enum err e = check_range_stream(r);
    if (e != ERR_OK) {
        call_fail(c, e);
        return;
    }
    struct range_stream *s = arena_calloc(c->arena, sizeof *s);
    s->call = c;
    range_req_fill(&s->req, r);
    if (r->serializable || server_read_is_local(c->loop->client)) {
        range_stream_start(s);
    } else {
        c->user = s;
        call_ask(c, OP_READ_INDEX, NULL, on_read_index);
    }
}

void range_stream_drain(struct call *c)
{
    struct range_stream *s = c->user;
    if (s != NULL && s->header_rev != 0)
        range_stream_pump(s);
}

void range_stream_closed(struct call *c)
{
    struct range_stream *s = c->user;
    if (s == NULL || s->header_rev == 0)
        return; /* it waits for its read index, and has nothing yet */
    view_close(s);
    loop_timer_fini(&s->idle);
    buf_fini(&s->chunk);
    buf_fini(&s->last_key);
    c->user = NULL;
}
