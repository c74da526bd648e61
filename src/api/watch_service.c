/* api/watch_service.c -- Watch.Watch: the watchers of one stream, and what each is told.
 *
 * Everything of a stream is sent in one order: `created` before the first event of a watcher, and a
 * progress answer behind all events up to its revision. Once more is queued than the client takes,
 * watchers fall behind in the hub and requests are left unread until the queue has drained.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/services.h"
#include "api/watch_wire.h"
#include "api/wire.h"
#include "base/hashmap.h"
#include "pb/etcdserverpb.pb-c.h"
#include "server/watch.h"

#define PROGRESS_INTERVAL_MS 600000 /* where none is configured */

enum { PROGRESS_JITTER_PART = 10, WATCH_ID_NONE = -1 };

/* In the call's arena. */
struct watch_stream {
    struct call *call;
    struct list watchers;   /* of watch.link */
    struct list blocked;    /* of watch.blocked_link: the stream was full when they had something */
    struct hashmap by_id;
    uint64_t seed;
    size_t n;
    int64_t next_id;
    struct loop_timer timer; /* of progress_notify */
    bool has_timer;
    bool progress_wanted; /* a progress request waits until all watchers are synced */
};

struct watch {
    struct watcher w;
    struct watch_stream *stream;
    struct list link, blocked_link;
    int64_t id;
    revision start;
    bool fragment;
    bool progress_notify, progress_due; /* due: nothing was sent since the last tick */
};

static const struct watcher_ops watch_ops;

/* ---- sending --------------------------------------------------------------------------------- */

static void stream_pace(struct watch_stream *s)
{
    call_pause(s->call, call_pending(s->call) >= API_STREAM_QUEUE_MAX);
}

/* Send a response without events. */
static void send_control(struct watch_stream *s, const struct watch_control *ctl)
{
    struct buf *b = &s->call->loop->out;
    buf_clear(b);
    b->n += api_header_put(s->call->loop, ctl->rev, buf_reserve(b, API_HEADER_MAX));
    watch_add_control(b, ctl);
    call_send(s->call, buf_slice(b));
    stream_pace(s);
}

static void send_refusal(struct watch_stream *s, const char *reason)
{
    send_control(s, &(struct watch_control){.rev = api_revision(s->call->loop),
                                            .id = WATCH_ID_NONE,
                                            .created = true,
                                            .canceled = true,
                                            .reason = reason});
}

/* ---- progress -------------------------------------------------------------------------------- */

static bool watch_has_all(const struct watch *w)
{
    return watcher_is_synced(&w->w) && watcher_feed_revision(w->w.client) >= w->start;
}

/* Answer a progress request if every watcher is synced. Those that are move to the end of the list, so
 * the first one that is not stands in front and its sync is when it is worth looking again. */
static void progress_try(struct watch_stream *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct watch *w = LIST_ENTRY(s->watchers.next, struct watch, link);
        if (!watch_has_all(w))
            return;
        list_unlink(&w->link);
        list_add_tail(&s->watchers, &w->link);
    }
    s->progress_wanted = false;
    if (s->n != 0)
        send_control(s, &(struct watch_control){
                            .rev = watcher_feed_revision(s->call->loop->client),
                            .id = WATCH_ID_NONE});
}

static void on_synced(struct watcher *hub_w)
{
    struct watch *w = CONTAINER_OF(hub_w, struct watch, w);
    struct watch_stream *s = w->stream;
    if (s->progress_wanted && s->watchers.next == &w->link)
        progress_try(s);
}

static msec progress_delay(struct api_loop *l)
{
    msec ms = l->cfg->watch_progress_notify_interval / 1000000;
    if (ms <= 0)
        ms = PROGRESS_INTERVAL_MS;
    return ms + (msec)rng_below(&l->rng, (uint64_t)ms / PROGRESS_JITTER_PART + 1);
}

static void on_timer(struct loop_timer *t)
{
    struct watch_stream *s = CONTAINER_OF(t, struct watch_stream, timer);
    struct watch *w;
    LIST_FOREACH(w, &s->watchers, struct watch, link) {
        if (!w->progress_notify)
            continue;
        if (w->progress_due && watch_has_all(w))
            send_control(s, &(struct watch_control){.rev = watcher_feed_revision(w->w.client),
                                                    .id = w->id});
        w->progress_due = true;
    }
    loop_timer_set(t, progress_delay(s->call->loop));
}

static void timer_start(struct watch_stream *s)
{
    if (s->has_timer)
        return;
    s->has_timer = true;
    loop_timer_init(&s->timer, s->call->loop->loop, on_timer);
    loop_timer_set(&s->timer, progress_delay(s->call->loop));
}

/* ---- the hub's callbacks --------------------------------------------------------------------- */

static bool on_writable(struct watcher *hub_w)
{
    struct watch *w = CONTAINER_OF(hub_w, struct watch, w);
    if (call_pending(w->stream->call) < API_STREAM_QUEUE_MAX)
        return true;
    if (list_is_empty(&w->blocked_link))
        list_add_tail(&w->stream->blocked, &w->blocked_link);
    return false;
}

/* Send the events [from, to), all of one response. */
static void send_events(struct watch *w, const struct watch_events *ev, size_t from, size_t to,
                        bool more)
{
    struct call *c = w->stream->call;
    struct buf *b = &c->loop->out;
    buf_clear(b);
    b->n += api_header_put(c->loop, ev->rev, buf_reserve(b, API_HEADER_MAX));
    watch_add_id(b, w->id, more);
    if (ev->shared != NULL) {
        call_send_blob(c, buf_slice(b), ev->shared);
        return;
    }
    for (size_t i = from; i < to; i++)
        buf_add_slice(b, ev->field[i]);
    call_send(c, buf_slice(b));
    if (b->cap > API_OUT_KEPT_MAX)
        buf_fini(b);
}

static void on_events(struct watcher *hub_w, const struct watch_events *ev)
{
    struct watch *w = CONTAINER_OF(hub_w, struct watch, w);
    size_t max = SIZE_MAX;
    w->progress_due = false;
    if (w->fragment)
        max = (size_t)w->stream->call->loop->cfg->max_request_bytes + API_TRANSPORT_EXTRA;
    for (size_t from = 0; from < ev->n;) {
        size_t to = watch_fragment_end(ev->field, ev->n, from, max);
        send_events(w, ev, from, to, to < ev->n);
        from = to;
    }
}

static void watch_free(struct watch *w);

static void on_compacted(struct watcher *hub_w, revision compacted)
{
    struct watch *w = CONTAINER_OF(hub_w, struct watch, w);
    struct watch_stream *s = w->stream;
    struct watch_control ctl = {.id = w->id, .canceled = true, .compacted = compacted};
    watch_free(w);
    send_control(s, &ctl);
    if (s->progress_wanted)
        progress_try(s);
}

static const struct watcher_ops watch_ops = {
    .writable = on_writable,
    .events = on_events,
    .compacted = on_compacted,
    .synced = on_synced,
};

/* ---- watchers -------------------------------------------------------------------------------- */

static bool watch_has_id(const void *obj, const void *key)
{
    return ((const struct watch *)obj)->id == *(const int64_t *)key;
}

static struct watch *watch_find(const struct watch_stream *s, int64_t id)
{
    return hashmap_find(&s->by_id, hash_int(s->seed, (uint64_t)id), watch_has_id, &id);
}

static void watch_free(struct watch *w)
{
    struct watch_stream *s = w->stream;
    watcher_remove(&w->w);
    list_unlink(&w->link);
    list_unlink(&w->blocked_link);
    hashmap_remove(&s->by_id, hash_int(s->seed, (uint64_t)w->id), w);
    s->n--;
    free(w);
}

static unsigned filters_of(const Etcdserverpb__WatchCreateRequest *r)
{
    unsigned filters = 0;
    for (size_t i = 0; i < r->n_filters; i++) {
        if (r->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT)
            filters |= WATCH_NO_PUT;
        else if (r->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NODELETE)
            filters |= WATCH_NO_DELETE;
    }
    return filters;
}

/* Return what is wrong with the request, or NULL. */
static const char *create_trouble(const struct watch_stream *s, struct slice key,
                                  const Etcdserverpb__WatchCreateRequest *r)
{
    struct slice end = wire_slice(r->range_end);
    if (r->start_revision < 0)
        return err_text(ERR_COMPACTED);
    if (end.n != 0 && !(end.n == 1 && end.p[0] == 0) && slice_cmp(key, end) >= 0)
        return "mvcc: watcher range is empty";
    if (r->watch_id != 0 && watch_find(s, r->watch_id) != NULL)
        return "mvcc: duplicate watch ID provided on the WatchStream";
    return NULL;
}

static int64_t id_for(struct watch_stream *s, int64_t wanted)
{
    if (wanted != 0)
        return wanted;
    while (watch_find(s, s->next_id) != NULL)
        s->next_id++;
    return s->next_id++;
}

static void watch_create(struct watch_stream *s, const Etcdserverpb__WatchCreateRequest *r)
{
    static const uint8_t least = 0;
    struct slice key = r->key.len != 0 ? wire_slice(r->key) : slice_make(&least, 1);
    const char *trouble = create_trouble(s, key, r);
    if (trouble != NULL) {
        send_refusal(s, trouble);
        return;
    }
    struct watch *w = xcalloc(1, sizeof *w);
    w->stream = s;
    w->id = id_for(s, r->watch_id);
    w->start = r->start_revision;
    w->fragment = r->fragment;
    w->progress_notify = w->progress_due = r->progress_notify;
    list_init(&w->blocked_link);
    list_add_tail(&s->watchers, &w->link);
    hashmap_add(&s->by_id, hash_int(s->seed, (uint64_t)w->id), w);
    s->n++;
    watcher_add(s->call->loop->client, &w->w, &watch_ops, key, wire_slice(r->range_end),
                r->start_revision, filters_of(r), r->prev_kv);
    if (w->progress_notify)
        timer_start(s);
    send_control(s, &(struct watch_control){
                        .rev = api_revision(s->call->loop), .id = w->id, .created = true});
}

static void watch_cancel(struct watch_stream *s, int64_t id)
{
    struct watch *w = watch_find(s, id);
    if (w == NULL)
        return;
    watch_free(w);
    send_control(s, &(struct watch_control){
                        .rev = api_revision(s->call->loop), .id = id, .canceled = true});
    if (s->progress_wanted)
        progress_try(s);
}

/* ---- the stream ------------------------------------------------------------------------------ */

void watch_open(struct call *c)
{
    struct watch_stream *s = arena_calloc(c->arena, sizeof *s);
    s->call = c;
    s->seed = rng_next(&c->loop->rng);
    list_init(&s->watchers);
    list_init(&s->blocked);
    c->user = s;
    call_send_headers(c);
    call_set_waiting(c, true);
}

void watch_message(struct call *c, const ProtobufCMessage *req)
{
    struct watch_stream *s = c->user;
    const Etcdserverpb__WatchRequest *r = (const Etcdserverpb__WatchRequest *)req;
    switch (r->request_union_case) {
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
        watch_create(s, r->create_request);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST:
        watch_cancel(s, r->cancel_request->watch_id);
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST:
        s->progress_wanted = true;
        progress_try(s);
        break;
    default:
        break; /* an unknown kind of request is passed over */
    }
}

void watch_drain(struct call *c)
{
    struct watch_stream *s = c->user;
    struct list blocked;
    list_init(&blocked);
    list_splice_tail(&blocked, &s->blocked);
    while (!list_is_empty(&blocked)) {
        struct watch *w = LIST_ENTRY(blocked.next, struct watch, blocked_link);
        list_unlink(&w->blocked_link);
        watcher_resume(&w->w);
    }
    stream_pace(s);
}

void watch_closed(struct call *c)
{
    struct watch_stream *s = c->user;
    if (s == NULL)
        return; /* refused before it was opened */
    while (!list_is_empty(&s->watchers))
        watch_free(LIST_ENTRY(s->watchers.next, struct watch, link));
    hashmap_fini(&s->by_id);
    if (s->has_timer)
        loop_timer_fini(&s->timer);
    c->user = NULL;
}
