/* client/watch.c -- see client_priv.h.
 *
 *   QUEUED --asked--> ASKED --created--> ACTIVE --canceled, cancelled--> OVER
 *      ^                |                  |
 *      +---- stream lost +------------------+
 *
 * The watches of a watcher share one stream. They are created one after the other: the answer names
 * no request, so that it can only be the one for the watch that was asked for. When the stream is
 * lost all are created again on another, each behind the last revision that it has seen: that of
 * its last event, or of a header that came without events, which says that there were none until
 * then.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/hashmap.h"
#include "client/client_priv.h"
#include "pb/pb_arena.h"

enum {
    REOPEN_FIRST_MS = 1, /* the pause before a lost stream is opened again, and its bounds */
    REOPEN_MAX_MS = 100,
    CREATE_TRIES_MAX = 3, /* with another token */
};

enum watch_state { WATCH_QUEUED, WATCH_ASKED, WATCH_ACTIVE, WATCH_OVER };

struct etcd_watch {
    struct list link; /* watcher.queue or watcher.active */
    struct etcd_watcher *watcher;
    enum watch_state state;
    int64_t id;                              /* the server's, when ACTIVE */
    Etcdserverpb__WatchCreateRequest create; /* start_revision: where it goes on */
    struct buf fragments;                    /* of an answer, one after the other */
    bool told_created;
    bool cancelled; /* while ASKED, or while it is told something */
    bool telling;
    bool marked; /* it is the turn of all that are */
    unsigned tries;
    void (*on_response)(void *arg, const Etcdserverpb__WatchResponse *response,
                        const struct etcd_error *error);
    void *arg;
};

struct etcd_watcher {
    struct etcd_client *client;
    struct list link; /* client.watchers */
    struct etcd_stream *stream;
    struct loop_timer reopen;
    bool pausing;      /* `reopen` is set */
    msec pause;        /* the last one; 0 once more was heard than that a watch is there */
    struct list queue; /* QUEUED, and first the one that is ASKED */
    struct list active;
    struct hashmap by_id; /* ACTIVE */
    bool wants_progress;  /* to be asked when all are created */
    struct arena *arena;
    unsigned busy; /* calls of on_data and the like, which free a dead watcher */
    bool dead;
};

/* ---- watches ----------------------------------------------------------------------------- */

static ProtobufCBinaryData bytes_dup(ProtobufCBinaryData b)
{
    ProtobufCBinaryData copy = {.len = b.len, .data = xmalloc(b.len)};
    if (b.len != 0)
        memcpy(copy.data, b.data, b.len);
    return copy;
}

static void watch_free(struct etcd_watch *w)
{
    invariant(w->state == WATCH_OVER && !w->telling);
    list_unlink(&w->link);
    buf_fini(&w->fragments);
    free(w->create.key.data);
    free(w->create.range_end.data);
    free(w->create.filters);
    free(w);
}

static bool has_id(const void *obj, const void *key)
{
    return ((const struct etcd_watch *)obj)->id == *(const int64_t *)key;
}

static uint64_t hash_id(int64_t id)
{
    return hash_int(0, (uint64_t)id);
}

static struct etcd_watch *find_active(const struct etcd_watcher *wr, int64_t id)
{
    return hashmap_find(&wr->by_id, hash_id(id), has_id, &id);
}

/* Take it out of its place; it is to go to another, or to be freed. */
static void watch_leave(struct etcd_watch *w, enum watch_state to)
{
    if (w->state == WATCH_ACTIVE)
        hashmap_remove(&w->watcher->by_id, hash_id(w->id), w);
    list_unlink(&w->link);
    w->state = to;
}

/* Call the user. Returns false if the watch is over then: he cancelled it, or the watcher. */
static bool watch_tell(struct etcd_watch *w, const Etcdserverpb__WatchResponse *r,
                       const struct etcd_error *e)
{
    w->telling = true;
    w->on_response(w->arg, r, e);
    w->telling = false;
    if (!w->cancelled)
        return true;
    watch_free(w);
    return false;
}

/* The last answer. */
static void watch_end(struct etcd_watch *w, const Etcdserverpb__WatchResponse *r,
                      const struct etcd_error *e)
{
    watch_leave(w, WATCH_OVER);
    if (watch_tell(w, r, e))
        watch_free(w);
}

/* ---- what is sent ------------------------------------------------------------------------ */

static void send_create(struct etcd_watcher *wr, struct etcd_watch *w)
{
    Etcdserverpb__WatchRequest rq = ETCDSERVERPB__WATCH_REQUEST__INIT;
    rq.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    rq.create_request = &w->create;
    w->state = WATCH_ASKED;
    etcd_stream_send(wr->stream, &rq);
}

static void send_cancel(struct etcd_watcher *wr, int64_t id)
{
    Etcdserverpb__WatchCancelRequest cancel = ETCDSERVERPB__WATCH_CANCEL_REQUEST__INIT;
    Etcdserverpb__WatchRequest rq = ETCDSERVERPB__WATCH_REQUEST__INIT;
    cancel.watch_id = id;
    rq.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST;
    rq.cancel_request = &cancel;
    if (wr->stream != NULL)
        etcd_stream_send(wr->stream, &rq);
}

static void send_progress(struct etcd_watcher *wr)
{
    Etcdserverpb__WatchProgressRequest progress = ETCDSERVERPB__WATCH_PROGRESS_REQUEST__INIT;
    Etcdserverpb__WatchRequest rq = ETCDSERVERPB__WATCH_REQUEST__INIT;
    rq.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
    rq.progress_request = &progress;
    wr->wants_progress = false;
    etcd_stream_send(wr->stream, &rq);
}

static void on_data(void *arg, struct slice msg);
static void on_done(void *arg, const struct etcd_error *e);

/* Ask for what is next; open the stream if there is none. */
static void watcher_go(struct etcd_watcher *wr)
{
    if (wr->dead || (list_is_empty(&wr->queue) && !wr->wants_progress))
        return;
    if (wr->stream == NULL) {
        if (wr->pausing)
            return;
        wr->stream = stream_open(wr->client, &etcd_rpc_watch, wr->client->cfg.require_leader,
                                 on_data, NULL, on_done, wr);
    }
    if (list_is_empty(&wr->queue)) {
        send_progress(wr);
        return;
    }
    struct etcd_watch *first = LIST_ENTRY(wr->queue.next, struct etcd_watch, link);
    if (first->state == WATCH_QUEUED)
        send_create(wr, first);
}

/* ---- what comes -------------------------------------------------------------------------- */

static void see_revision(struct etcd_watch *w, int64_t seen)
{
    if (seen >= w->create.start_revision && seen < INT64_MAX)
        w->create.start_revision = seen + 1;
}

/* A server that was restarted has forgotten its tokens. */
static bool was_refused_for_token(struct etcd_watch *w, const char *reason)
{
    struct etcd_error e = {.from_server = true};
    const char *text = strstr(reason, "etcdserver: ");
    if (text == NULL || ++w->tries > CREATE_TRIES_MAX)
        return false;
    error_set(&e, ETCD_UNAUTHENTICATED, "%s", text);
    e.from_server = true;
    return token_is_to_blame(&w->watcher->stream->attempt, &e);
}

static void stream_lost(struct etcd_watcher *wr);

static void on_created(struct etcd_watcher *wr, Etcdserverpb__WatchResponse *r)
{
    struct etcd_watch *w =
        list_is_empty(&wr->queue) ? NULL : LIST_ENTRY(wr->queue.next, struct etcd_watch, link);
    if (w == NULL || w->state != WATCH_ASKED)
        return;
    bool refused = r->watch_id == -1 || r->canceled;
    if (w->cancelled) {
        if (!refused)
            send_cancel(wr, r->watch_id);
        watch_leave(w, WATCH_OVER);
        watch_free(w);
    } else if (refused) {
        r->created = false; /* it never was */
        r->canceled = true;
        if (was_refused_for_token(w, r->cancel_reason))
            stream_lost(wr);
        else
            watch_end(w, r, NULL);
    } else {
        watch_leave(w, WATCH_ACTIVE);
        w->id = r->watch_id;
        w->tries = 0;
        list_add_tail(&wr->active, &w->link);
        hashmap_add(&wr->by_id, hash_id(w->id), w);
        if (w->create.start_revision == 0 && r->header != NULL)
            see_revision(w, r->header->revision);
        bool first = !w->told_created;
        w->told_created = true;
        if (first)
            (void)watch_tell(w, r, NULL);
    }
    watcher_go(wr);
}

static void mark_all(struct list *watches)
{
    struct etcd_watch *w;
    LIST_FOREACH (w, watches, struct etcd_watch, link)
        w->marked = true;
}

/* Return the first of the list if it is marked, and take the mark off: whoever is told something
 * may cancel any of the others, or add more behind them. */
static struct etcd_watch *next_marked(struct list *watches)
{
    struct etcd_watch *w = LIST_ENTRY(watches->next, struct etcd_watch, link);
    if (list_is_empty(watches) || !w->marked)
        return NULL;
    w->marked = false;
    return w;
}

/* A progress answer for all of them. */
static void on_progress(struct etcd_watcher *wr, const Etcdserverpb__WatchResponse *r)
{
    struct etcd_watch *w;
    mark_all(&wr->active);
    while ((w = next_marked(&wr->active)) != NULL) {
        list_unlink(&w->link);
        list_add_tail(&wr->active, &w->link);
        if (w->fragments.n == 0) /* else there were events until then */
            see_revision(w, r->header->revision);
        (void)watch_tell(w, r, NULL);
    }
}

static void on_events(struct etcd_watch *w, const Etcdserverpb__WatchResponse *r)
{
    const Mvccpb__Event *last = r->n_events != 0 ? r->events[r->n_events - 1] : NULL;
    if (last != NULL && last->kv != NULL)
        see_revision(w, last->kv->mod_revision);
    else if (last == NULL && r->header != NULL)
        see_revision(w, r->header->revision);
    (void)watch_tell(w, r, NULL);
}

static Etcdserverpb__WatchResponse *unpack(struct etcd_watcher *wr, struct slice msg)
{
    ProtobufCMessage *m;
    if (pb_unpack(&etcdserverpb__watch_response__descriptor, msg, wr->arena, &m) != ERR_OK)
        return NULL;
    return (Etcdserverpb__WatchResponse *)m;
}

/* Fragments one after the other are one message, as protobuf reads it. */
static void on_fragment(struct etcd_watch *w, struct slice msg, bool more)
{
    struct etcd_watcher *wr = w->watcher;
    struct etcd_error e;
    if (w->fragments.n + msg.n > wr->client->cfg.recv_max) {
        error_set(&e, ETCD_RESOURCE_EXHAUSTED,
                  "rpc error: code = ResourceExhausted desc = grpc: received message larger than "
                  "max (%zu vs. %u)",
                  w->fragments.n + msg.n, wr->client->cfg.recv_max);
        send_cancel(wr, w->id);
        watch_end(w, NULL, &e);
        return;
    }
    buf_add_slice(&w->fragments, msg);
    if (more)
        return;
    struct buf whole = w->fragments;
    w->fragments = BUF_INIT;
    Etcdserverpb__WatchResponse *r = unpack(wr, buf_slice(&whole));
    buf_fini(&whole);
    if (r == NULL)
        return; /* cannot be: each part was read */
    r->fragment = false;
    on_events(w, r);
}

static void on_response(struct etcd_watcher *wr, Etcdserverpb__WatchResponse *r, struct slice msg)
{
    struct etcd_watch *w;
    if (r->created) {
        on_created(wr, r);
    } else if (r->watch_id == -1 && r->n_events == 0 && !r->canceled) {
        if (r->header != NULL)
            on_progress(wr, r);
    } else if ((w = find_active(wr, r->watch_id)) == NULL) {
        ; /* it was cancelled, and this was on its way */
    } else if (r->canceled) {
        watch_end(w, r, NULL);
    } else if (r->fragment || w->fragments.n != 0) {
        on_fragment(w, msg, r->fragment);
    } else {
        on_events(w, r);
    }
}

/* ---- the stream -------------------------------------------------------------------------- */

static void watcher_unref(struct etcd_watcher *wr)
{
    if (--wr->busy != 0 || !wr->dead)
        return;
    hashmap_fini(&wr->by_id);
    arena_free(wr->arena);
    free(wr);
}

static void on_data(void *arg, struct slice msg)
{
    struct etcd_watcher *wr = arg;
    wr->busy++;
    Etcdserverpb__WatchResponse *r = unpack(wr, msg);
    if (r != NULL) {
        if (!r->created)
            wr->pause = 0;
        on_response(wr, r, msg);
    } else {
        stream_lost(wr);
    }
    arena_reset(wr->arena);
    watcher_unref(wr);
}

/* All that were created, and the one that was asked for, are to be created again. */
static void requeue(struct etcd_watcher *wr)
{
    struct etcd_watch *w;
    struct list again;
    list_init(&again);
    LIST_FOREACH (w, &wr->active, struct etcd_watch, link) {
        watch_leave(w, WATCH_QUEUED);
        buf_clear(&w->fragments);
        list_add_tail(&again, &w->link);
    }
    LIST_FOREACH (w, &wr->queue, struct etcd_watch, link) {
        watch_leave(w, WATCH_QUEUED);
        if (w->cancelled) {
            w->state = WATCH_OVER;
            watch_free(w);
        } else {
            list_add_tail(&again, &w->link);
        }
    }
    list_splice_tail(&wr->queue, &again);
}

static void stream_lost(struct etcd_watcher *wr)
{
    etcd_stream_free(wr->stream);
    wr->stream = NULL;
    requeue(wr);
    wr->pause = wr->pause == 0 ? REOPEN_FIRST_MS : wr->pause * 2;
    if (wr->pause > REOPEN_MAX_MS)
        wr->pause = REOPEN_MAX_MS;
    wr->pausing = true;
    loop_timer_set(&wr->reopen, wr->pause);
}

static void on_reopen(struct loop_timer *t)
{
    struct etcd_watcher *wr = CONTAINER_OF(t, struct etcd_watcher, reopen);
    wr->pausing = false;
    watcher_go(wr);
}

static void on_done(void *arg, const struct etcd_error *e)
{
    struct etcd_watcher *wr = arg;
    struct etcd_error copy = *e;
    client_debug(wr->client, "watch: %s", e->code == ETCD_OK ? "the server ended it" : e->text);
    wr->busy++;
    stream_lost(wr);
    if (error_is_final(&copy) || error_is(&copy, ERR_NO_LEADER) ||
        endpoints_are_down(wr->client, SIZE_MAX)) {
        struct etcd_watch *w;
        mark_all(&wr->queue);
        while ((w = next_marked(&wr->queue)) != NULL)
            watch_end(w, NULL, &copy);
    }
    watcher_unref(wr);
}

/* ---- the user's side --------------------------------------------------------------------- */

struct etcd_watcher *etcd_watcher_new(struct etcd_client *c)
{
    struct etcd_watcher *wr = xcalloc(1, sizeof *wr);
    wr->client = c;
    wr->busy = 1;
    wr->arena = arena_new();
    list_init(&wr->queue);
    list_init(&wr->active);
    list_init(&wr->link);
    list_add_tail(&c->watchers, &wr->link);
    loop_timer_init(&wr->reopen, c->loop, on_reopen);
    return wr;
}

static void drop_all(struct list *watches)
{
    struct etcd_watch *w;
    LIST_FOREACH (w, watches, struct etcd_watch, link) {
        watch_leave(w, WATCH_OVER);
        w->cancelled = true;
        if (!w->telling)
            watch_free(w);
    }
}

void etcd_watcher_free(struct etcd_watcher *wr)
{
    if (wr == NULL)
        return;
    drop_all(&wr->queue);
    drop_all(&wr->active);
    etcd_stream_free(wr->stream);
    wr->stream = NULL;
    loop_timer_fini(&wr->reopen);
    list_unlink(&wr->link);
    wr->dead = true;
    watcher_unref(wr);
}

void watchers_fini(struct etcd_client *c)
{
    while (!list_is_empty(&c->watchers))
        etcd_watcher_free(LIST_ENTRY(c->watchers.next, struct etcd_watcher, link));
}

void etcd_watcher_request_progress(struct etcd_watcher *wr)
{
    wr->wants_progress = true;
    watcher_go(wr);
}

struct etcd_watch *
etcd_watch_start(struct etcd_watcher *wr, const Etcdserverpb__WatchCreateRequest *create,
                 void (*on_response_)(void *arg, const Etcdserverpb__WatchResponse *response,
                                      const struct etcd_error *error),
                 void *arg)
{
    struct etcd_watch *w = xcalloc(1, sizeof *w);
    w->watcher = wr;
    w->create = *create;
    w->create.watch_id = 0;
    w->create.base.n_unknown_fields = 0;
    w->create.key = bytes_dup(create->key);
    w->create.range_end = bytes_dup(create->range_end);
    w->create.filters = xmalloc(create->n_filters * sizeof *create->filters);
    if (create->n_filters != 0)
        memcpy(w->create.filters, create->filters, create->n_filters * sizeof *create->filters);
    w->on_response = on_response_;
    w->arg = arg;
    list_init(&w->link);
    list_add_tail(&wr->queue, &w->link);
    watcher_go(wr);
    return w;
}

void etcd_watch_cancel(struct etcd_watch *w)
{
    struct etcd_watcher *wr = w->watcher;
    w->cancelled = true;
    if (w->state == WATCH_ASKED || w->state == WATCH_OVER)
        return; /* it is freed when its answer comes, or when its function returns */
    if (w->state == WATCH_ACTIVE)
        send_cancel(wr, w->id);
    watch_leave(w, WATCH_OVER);
    if (!w->telling)
        watch_free(w);
}
