/* api/range_stream.c -- KV.RangeStream: one range in many messages, all read from one view.
 *
 * The first message is small so that the client has something soon; the others are about as large as
 * a request may be. The last one carries what concerns the whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/check.h"
#include "api/range.h"
#include "api/services.h"
#include "api/wire.h"

enum {
    FIRST_ROWS = 10,
    PREFIX = 16, /* room for the field that the chunk is wrapped in */
    TAG_KVS = 2 << 3 | 2,
    TAG_RESPONSE = 1 << 3 | 2,
};

/* In the call's arena. */
struct range_stream {
    struct call *call;
    struct range_req req;
    struct range_plan *plan;
    struct server_view *view;
    revision rev; /* for the header */
    uint64_t rows_sent;
    struct buf chunk;
    uint64_t chunk_rows;
};

static uint64_t rows_left(const struct range_stream *s)
{
    return range_plan_rows(s->plan) - s->rows_sent - s->chunk_rows;
}

static bool emit_kv(void *arg, const struct kv_row *row)
{
    struct range_stream *s = arg;
    wire_add_kv(&s->chunk, TAG_KVS, row);
    s->chunk_rows++;
    if (s->rows_sent == 0 && s->chunk_rows >= FIRST_ROWS)
        return false;
    return s->chunk.n < s->call->loop->cfg->max_request_bytes;
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
    s->rows_sent += s->chunk_rows;
}

static void chunk_begin(struct range_stream *s)
{
    buf_clear(&s->chunk);
    buf_reserve(&s->chunk, PREFIX + API_HEADER_MAX);
    s->chunk.n = PREFIX;
    s->chunk_rows = 0;
}

/* A field out of order is as good as in order: the header goes behind the kvs here. */
static void chunk_add_whole(struct range_stream *s)
{
    uint8_t *p = buf_reserve(&s->chunk, API_HEADER_MAX);
    s->chunk.n += api_header_put(s->call->loop, s->rev, p);
    range_add_tail(&s->chunk, range_plan_more(s->plan), range_plan_count(s->plan));
}

static void range_stream_pump(struct range_stream *s)
{
    struct call *c = s->call;
    for (bool last = false; !last;) {
        if (call_pending(c) >= API_STREAM_QUEUE_MAX)
            return; /* range_stream_drain() goes on */
        chunk_begin(s);
        enum err e = server_view_fetch(s->view, s->plan, emit_kv, s);
        if (e != ERR_OK) {
            call_fail(c, e);
            return;
        }
        last = s->chunk_rows == 0 || rows_left(s) == 0;
        if (last)
            chunk_add_whole(s);
        chunk_send(s);
    }
    call_finish(c, GRPC_OK, "");
}

static void range_stream_start(struct range_stream *s)
{
    struct call *c = s->call;
    enum err e = server_view_open(c->loop->client, &s->req, c->arena, &s->plan, &s->view);
    if (e != ERR_OK) {
        call_fail(c, e);
        return;
    }
    s->rev = range_header_revision(c->loop, &s->req, s->plan);
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
    c->user = s;
    if (r->serializable || server_read_is_local(c->loop->client))
        range_stream_start(s);
    else
        call_ask(c, OP_READ_INDEX, NULL, on_read_index);
}

void range_stream_drain(struct call *c)
{
    struct range_stream *s = c->user;
    if (s != NULL && s->view != NULL)
        range_stream_pump(s);
}

/* Nobody reads what waits for a read index; then there is no view yet. */
void range_stream_closed(struct call *c)
{
    struct range_stream *s = c->user;
    if (s == NULL || s->view == NULL)
        return;
    server_view_close(s->view);
    range_plan_free(s->plan);
    buf_fini(&s->chunk);
    s->view = NULL;
}
