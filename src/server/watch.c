/* server/watch.c -- the hub of one client loop: who is given what, from the feed or from history.
 *
 *   SYNCED  --stream full--> WAITING --watcher_resume--> BEHIND --caught up--> SYNCED
 *
 * Synced watchers stand in one group and the feed is matched against it; those behind stand in
 * another, against which slices of the history are matched, one scan for all. Those that wait stand
 * in none.
 *
 * The member feeds a hub only while it has watchers. A hub that gets its first one subscribes;
 * until the member says from which revision on it is fed, all its watchers are behind.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/watch.h"

#include <stdlib.h>

#include "server/feed.h"
#include "server/hub.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum {
    SLICE_ROWS = 1000,        /* of history a turn; a revision is never cut */
    SLICE_BYTES = 512 * 1024, /* of events built a turn */
    RETRY_MS = 100,           /* after the history could not be read */
};

/* An event at hand: from the feed, or built from a row of the history. */
struct hub_event {
    revision rev;
    bool deleted, created;
    struct slice key;
    struct blob *field; /* lent by the feed, or owned when `own` */
    struct blob *with_prev; /* owned; made when the first watcher wants it */
    bool own, prev_known;
};

/* A watcher's next event in the batch at hand. */
struct pick {
    uint32_t event;
    uint32_t next; /* index + 1 */
};

struct hub {
    struct server_client *client;
    struct watch_group *synced, *behind;
    struct list by_state[3]; /* watcher.link */
    size_t n;
    bool live;        /* fed from feed_rev on */
    uint64_t generation; /* of the newest subscription */
    revision feed_rev;
    struct loop_timer turn; /* the next slice of history */

    /* the batch at hand */
    struct hub_event *ev;
    size_t ev_n, ev_cap;
    struct pick *picks;
    size_t picks_n, picks_cap;
    struct watcher **dirty; /* those to call back; NULL where one was removed meanwhile */
    size_t dirty_n, dirty_cap;
    struct slice *fields; /* of the watcher being served */
    revision *revs;
    size_t out_cap;
    size_t current; /* event being matched */
};

static void turn_run(struct loop_timer *t);

struct hub *hub_new(struct server_client *c)
{
    struct hub *h = xcalloc(1, sizeof *h);
    h->client = c;
    h->synced = watch_group_new();
    h->behind = watch_group_new();
    for (size_t i = 0; i < ARRAY_LEN(h->by_state); i++)
        list_init(&h->by_state[i]);
    loop_timer_init(&h->turn, c->loop, turn_run);
    return h;
}

void hub_free(struct hub *h)
{
    invariant(h->n == 0);
    loop_timer_fini(&h->turn);
    watch_group_free(h->synced);
    watch_group_free(h->behind);
    free(h->ev);
    free(h->picks);
    free(h->dirty);
    free(h->fields);
    free(h->revs);
    free(h);
}

/* ---- subscribing to the feed --------------------------------------------------------------- */

struct subscription {
    struct server_task task;
    struct loop_msg msg;
    struct server_client *client;
    bool on;
    uint64_t generation;
    revision rev;
};

static void hub_catch_up(struct hub *h);

static void subscribed(struct loop_msg *m)
{
    struct subscription *sub = CONTAINER_OF(m, struct subscription, msg);
    struct hub *h = sub->client->hub;
    /* An older answer would hide the gap between it and the newer one. */
    if (sub->generation == h->generation) {
        h->live = true;
        h->feed_rev = sub->rev;
        hub_catch_up(h);
    }
    free(sub);
}

/* Member thread. */
static void subscription_run(struct server *s, struct server_task *t)
{
    struct subscription *sub = CONTAINER_OF(t, struct subscription, task);
    bool any = false;
    sub->client->subscribed = sub->on;
    for (size_t i = 0; i < s->n_clients; i++)
        any = any || s->clients[i]->subscribed;
    atomic_store_explicit(&s->feeding, any, memory_order_relaxed);
    if (!sub->on) {
        free(sub);
        return;
    }
    sub->rev = published_revision(s);
    sub->msg.run = subscribed;
    client_post(sub->client, &sub->msg);
}

static void hub_subscribe(struct hub *h, bool on)
{
    struct subscription *sub = xcalloc(1, sizeof *sub);
    sub->task.run = subscription_run;
    sub->client = h->client;
    sub->on = on;
    sub->generation = ++h->generation;
    h->live = false;
    if (!server_post(h->client->server, h->client->server->inbox, &sub->task))
        free(sub); /* there will be no more events */
}

/* ---- states --------------------------------------------------------------------------------- */

static void state_enter(struct watcher *w, enum watcher_state state)
{
    struct hub *h = w->client->hub;
    w->state = state;
    w->in_turn = false;
    if (state != WATCHER_SYNCED)
        metric_add(&metric_slow_watchers, 1);
    list_add_tail(&h->by_state[state], &w->link);
    if (state == WATCHER_SYNCED)
        watch_group_add(h->synced, &w->node, w->key, w->range_end);
    else if (state == WATCHER_BEHIND)
        watch_group_add(h->behind, &w->node, w->key, w->range_end);
}

static void state_leave(struct watcher *w)
{
    struct hub *h = w->client->hub;
    list_unlink(&w->link);
    if (w->state != WATCHER_SYNCED)
        metric_add(&metric_slow_watchers, -1);
    if (w->state == WATCHER_SYNCED)
        watch_group_remove(h->synced, &w->node);
    else if (w->state == WATCHER_BEHIND)
        watch_group_remove(h->behind, &w->node);
}

static void state_move(struct watcher *w, enum watcher_state state)
{
    state_leave(w);
    state_enter(w, state);
}

void watcher_add(struct server_client *c, struct watcher *w, const struct watcher_ops *ops,
                 struct slice key, struct slice range_end, revision start, unsigned filters,
                 bool prev_kv)
{
    struct hub *h = c->hub;
    uint8_t *bytes = xmalloc(key.n + range_end.n);
    memcpy(bytes, key.p, key.n);
    if (range_end.n != 0)
        memcpy(bytes + key.n, range_end.p, range_end.n);
    *w = (struct watcher){.ops = ops, .client = c, .filters = filters, .prev_kv = prev_kv};
    w->key = slice_make(bytes, key.n);
    w->range_end = slice_make(bytes + key.n, range_end.n);
    w->next = start > 0 ? start : published_revision(c->server) + 1;
    list_init(&w->link);
    metric_add(&metric_watchers, 1);
    bool synced = h->live && w->next > h->feed_rev;
    state_enter(w, synced ? WATCHER_SYNCED : WATCHER_BEHIND);
    if (h->n++ == 0)
        hub_subscribe(h, true);
    else if (h->live && !synced)
        loop_timer_set(&h->turn, 0);
}

void watcher_remove(struct watcher *w)
{
    if (w->client == NULL)
        return;
    struct hub *h = w->client->hub;
    state_leave(w);
    for (size_t i = 0; i < h->dirty_n; i++)
        if (h->dirty[i] == w)
            h->dirty[i] = NULL;
    free((void *)(uintptr_t)w->key.p);
    w->client = NULL;
    metric_add(&metric_watchers, -1);
    if (--h->n == 0)
        hub_subscribe(h, false);
}

void watcher_resume(struct watcher *w)
{
    if (w->client == NULL || w->state != WATCHER_WAITING)
        return;
    state_move(w, WATCHER_BEHIND);
    if (w->client->hub->live)
        loop_timer_set(&w->client->hub->turn, 0);
}

bool watcher_is_synced(const struct watcher *w)
{
    return w->client != NULL && w->state == WATCHER_SYNCED;
}

revision watcher_feed_revision(const struct server_client *c)
{
    return c->hub->feed_rev;
}

/* ---- the batch at hand: match, then serve ------------------------------------------------- */

static void batch_begin(struct hub *h)
{
    h->ev_n = h->picks_n = h->dirty_n = 0;
}

static void batch_end(struct hub *h)
{
    for (size_t i = 0; i < h->dirty_n; i++)
        if (h->dirty[i] != NULL)
            h->dirty[i]->pick_first = h->dirty[i]->pick_last = 0;
    for (size_t i = 0; i < h->ev_n; i++) {
        if (h->ev[i].own)
            blob_unref(h->ev[i].field);
        blob_unref(h->ev[i].with_prev);
    }
    h->ev_n = h->dirty_n = 0;
}

#define GROW(array, n, cap)                                                                        \
    do {                                                                                           \
        if ((n) == (cap)) {                                                                        \
            (cap) = (cap) ? (cap) * 2 : 64;                                                        \
            (array) = xrealloc((array), (cap) * sizeof *(array));                                  \
        }                                                                                          \
    } while (0)

static void dirty_add(struct hub *h, struct watcher *w)
{
    GROW(h->dirty, h->dirty_n, h->dirty_cap);
    h->dirty[h->dirty_n++] = w;
}

static void pick_visit(void *arg, struct watch_node *n)
{
    struct hub *h = arg;
    struct watcher *w = CONTAINER_OF(n, struct watcher, node);
    const struct hub_event *e = &h->ev[h->current];
    if (e->rev < w->next || (w->filters & (e->deleted ? WATCH_NO_DELETE : WATCH_NO_PUT)))
        return;
    GROW(h->picks, h->picks_n, h->picks_cap);
    h->picks[h->picks_n++] = (struct pick){.event = (uint32_t)h->current};
    if (w->pick_first == 0) {
        dirty_add(h, w);
        w->pick_first = (uint32_t)h->picks_n;
    } else {
        h->picks[w->pick_last - 1].next = (uint32_t)h->picks_n;
    }
    w->pick_last = (uint32_t)h->picks_n;
}

/* What stood at the event's key before; nothing if it was created, or is compacted away. */
static void event_find_prev(struct hub *h, struct hub_event *e)
{
    struct server *s = h->client->server;
    struct mvcc_rev prev;
    struct kv_row row;
    e->prev_known = true;
    if (e->created || client_view(h->client) != ERR_OK)
        return;
    pthread_rwlock_rdlock(&s->index_lock);
    bool found = e->rev - 1 >= mvcc_store_compacted(s->kv) &&
                 mvcc_index_get(mvcc_store_index(s->kv), e->key, e->rev - 1, &prev);
    pthread_rwlock_unlock(&s->index_lock);
    struct kv_reader *kv = client_view_kv(h->client);
    if (found && kv->ops->get(kv, prev.pos, &row) == ERR_OK)
        e->with_prev = event_with_prev(blob_slice(e->field), &row);
}

static struct blob *event_field(struct hub *h, const struct watcher *w, struct hub_event *e)
{
    if (!w->prev_kv)
        return e->field;
    if (!e->prev_known)
        event_find_prev(h, e);
    return e->with_prev ? e->with_prev : e->field;
}

/* Give a watcher its picked events. `rev`: with them it has everything up to there. */
static void serve(struct hub *h, struct watcher *w, revision rev)
{
    struct watch_events out = {.rev = rev};
    struct blob *only = NULL;
    for (uint32_t i = w->pick_first; i != 0; i = h->picks[i - 1].next) {
        struct hub_event *e = &h->ev[h->picks[i - 1].event];
        if (out.n == h->out_cap) {
            h->out_cap = h->out_cap ? h->out_cap * 2 : 64;
            h->fields = xrealloc(h->fields, h->out_cap * sizeof *h->fields);
            h->revs = xrealloc(h->revs, h->out_cap * sizeof *h->revs);
        }
        only = event_field(h, w, e);
        h->fields[out.n] = blob_slice(only);
        h->revs[out.n++] = e->rev;
        out.bytes += only->n;
    }
    w->pick_first = w->pick_last = 0;
    out.field = h->fields;
    out.revs = h->revs;
    out.shared = out.n == 1 ? only : NULL;
    metric_add(&metric_events, (int64_t)out.n);
    w->ops->events(w, &out);
}

static void serve_all(struct hub *h, revision rev)
{
    for (size_t i = 0; i < h->dirty_n; i++) {
        struct watcher *w = h->dirty[i];
        if (w == NULL)
            continue;
        h->dirty[i] = NULL; /* it may remove itself */
        revision first = h->ev[h->picks[w->pick_first - 1].event].rev;
        if (w->ops->writable(w)) {
            serve(h, w, rev);
        } else {
            w->pick_first = w->pick_last = 0;
            w->next = first;
            state_move(w, WATCHER_WAITING);
        }
    }
    h->dirty_n = 0;
}

static struct hub_event *event_add(struct hub *h)
{
    GROW(h->ev, h->ev_n, h->ev_cap);
    h->ev[h->ev_n] = (struct hub_event){.rev = 0};
    return &h->ev[h->ev_n++];
}

void hub_on_feed(struct loop_msg *m)
{
    struct feed_msg *fm = CONTAINER_OF(m, struct feed_msg, msg);
    struct hub *h = fm->client->hub;
    const struct feed *f = fm->feed;
    if (h->live) {
        batch_begin(h);
        h->feed_rev = f->rev;
        for (size_t i = 0; i < f->n; i++) {
            h->current = h->ev_n;
            *event_add(h) = (struct hub_event){.rev = f->ev[i].rev,
                                               .deleted = f->ev[i].deleted,
                                               .created = f->ev[i].created,
                                               .key = f->ev[i].key,
                                               .field = f->ev[i].field};
            watch_group_match(h->synced, f->ev[i].key, pick_visit, h);
        }
        serve_all(h, f->rev);
        batch_end(h);
    }
    feed_unref(fm->feed);
    free(fm);
}

void hub_on_restore(struct loop_msg *m)
{
    struct feed_msg *fm = CONTAINER_OF(m, struct feed_msg, msg);
    struct hub *h = fm->client->hub;
    struct watcher *w;
    LIST_FOREACH (w, &h->by_state[WATCHER_SYNCED], struct watcher, link) {
        if (w->next <= h->feed_rev)
            w->next = h->feed_rev + 1;
        state_move(w, WATCHER_BEHIND);
    }
    if (h->n != 0)
        hub_subscribe(h, true);
    free(fm);
}

/* ---- the history ----------------------------------------------------------------------------- */

struct scan {
    struct hub *h;
    revision from, last; /* last: the revision of the newest row taken */
    size_t rows, bytes;
    bool cut; /* it stopped before the end */
};

static bool scan_row(void *arg, const struct kv_row *row)
{
    struct scan *sc = arg;
    struct hub *h = sc->h;
    if (row->main < sc->from)
        return true;
    if (row->main > h->feed_rev)
        return false;
    if ((sc->rows >= SLICE_ROWS || sc->bytes >= SLICE_BYTES) && row->main != sc->last) {
        sc->cut = true;
        return false;
    }
    sc->rows++;
    sc->last = row->main;
    size_t picked = h->picks_n;
    h->current = h->ev_n;
    *event_add(h) = (struct hub_event){.rev = row->main, .deleted = kv_row_is_tombstone(row)};
    watch_group_match(h->behind, row->key, pick_visit, h);
    if (h->picks_n == picked) {
        h->ev_n--; /* nobody wants it */
        return true;
    }
    struct hub_event *e = &h->ev[h->current];
    e->created = row->version == 1;
    e->own = true;
    e->field = event_encode(row, &e->key);
    sc->bytes += e->field->n;
    return true;
}

/* Sort out who cannot be served now. Return the oldest revision that somebody behind needs, or
 * 0. */
static revision behind_from(struct hub *h)
{
    struct server *s = h->client->server;
    pthread_rwlock_rdlock(&s->index_lock);
    revision compacted = mvcc_store_compacted(s->kv);
    pthread_rwlock_unlock(&s->index_lock);
    revision from = 0;
    struct watcher *w;
    h->dirty_n = 0;
    LIST_FOREACH (w, &h->by_state[WATCHER_BEHIND], struct watcher, link) {
        if (w->next < compacted) {
            dirty_add(h, w);
        } else if (!w->ops->writable(w)) {
            state_move(w, WATCHER_WAITING);
        } else {
            w->in_turn = true;
            if (from == 0 || w->next < from)
                from = w->next;
        }
    }
    for (size_t i = 0; i < h->dirty_n; i++) {
        if ((w = h->dirty[i]) == NULL)
            continue;
        watcher_remove(w);
        w->ops->compacted(w, compacted);
    }
    h->dirty_n = 0;
    return from;
}

/* Who was part of the slice has everything up to `to`. Those that came to be behind while it was
 * given out have not. */
static void behind_advance(struct hub *h, revision to)
{
    struct watcher *w;
    h->dirty_n = 0;
    LIST_FOREACH (w, &h->by_state[WATCHER_BEHIND], struct watcher, link) {
        if (!w->in_turn)
            continue;
        if (w->next <= to)
            w->next = to + 1;
        if (w->next > h->feed_rev) {
            state_move(w, WATCHER_SYNCED);
            dirty_add(h, w);
        }
    }
    for (size_t i = 0; i < h->dirty_n; i++)
        if (h->dirty[i] != NULL)
            h->dirty[i]->ops->synced(h->dirty[i]);
    h->dirty_n = 0;
}

/* Give out a slice of the history that begins at `from`. */
static enum err behind_serve(struct hub *h, revision from)
{
    struct scan sc = {.h = h, .from = from};
    struct kv_reader *kv = client_view_kv(h->client);
    batch_begin(h);
    enum err e = kv->ops->scan(kv, mvcc_pos_of(from), INT64_MAX, scan_row, &sc);
    revision to = sc.cut ? sc.last : h->feed_rev;
    if (e == ERR_OK)
        serve_all(h, to);
    batch_end(h);
    if (e == ERR_OK)
        behind_advance(h, to);
    return e;
}

static void hub_catch_up(struct hub *h)
{
    if (!h->live || list_is_empty(&h->by_state[WATCHER_BEHIND]))
        return;
    /* The view comes before the look at what is compacted: rows that were not compacted by then are
     * in it. */
    enum err e = client_view(h->client);
    revision from = e == ERR_OK ? behind_from(h) : 0;
    if (from > h->feed_rev)
        behind_advance(h, h->feed_rev);
    else if (from != 0 && h->live)
        e = behind_serve(h, from);
    if (h->live && !list_is_empty(&h->by_state[WATCHER_BEHIND]))
        loop_timer_set(&h->turn, e == ERR_OK ? 0 : RETRY_MS);
}

static void turn_run(struct loop_timer *t)
{
    hub_catch_up(CONTAINER_OF(t, struct hub, turn));
}
