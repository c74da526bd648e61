/* etcdctl/history_read.c -- reading the revisions of a key.
 *
 * A watch from the first revision that is kept tells every change. Where it ends is told by the state
 * of the key now: its last change is that state's; and for a key that is not there, by the server's
 * word that the watch has told all up to the present. Servers before 3.4.25 give that word too early;
 * so where nothing was told at all, it is asked for several times, with a pause.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "etcdctl/history.h"
#include "etcdctl/ops.h"

enum {
    QUIET_ANSWERS = 6,
    QUIET_PAUSE_MS = 100, /* as long as a server takes until it looks at a new watch */
};

struct reading {
    struct session *s;
    struct history *h;
    struct etcd_watcher *watcher;
    struct slice key;
    int64_t last;     /* modification of the key as it is now; 0: it is not there */
    int64_t start;    /* revision to begin with */
    int quiet;        /* answers that say that this is all, while nothing was told */
    struct etcd_timer *pause;
    bool again, done; /* again: begin at `start`, which the server named */
    struct etcd_error error;
};

/* A copy that belongs to the history. */
static void keep_event(struct history *h, const Mvccpb__Event *e)
{
    AUTO(buf) struct buf b = BUF_INIT;
    b.n = mvccpb__event__pack(e, buf_reserve(&b, mvccpb__event__get_packed_size(e)));
    Mvccpb__Event *copy = mvccpb__event__unpack(NULL, b.n, b.p);
    invariant(copy != NULL);
    h->events = xrealloc(h->events, (h->n + 1) * sizeof(*h->events));
    h->events[h->n++] = copy;
}

void history_fini(struct history *h)
{
    for (size_t i = 0; i < h->n; i++)
        mvccpb__event__free_unpacked(h->events[i], NULL);
    free(h->events);
}

static int64_t newest(const struct history *h)
{
    return h->n && h->events[h->n - 1]->kv ? h->events[h->n - 1]->kv->mod_revision : 0;
}

/* A key that is not there must end deleted, or never have been. */
static bool is_plausible_end(const struct reading *r)
{
    const struct history *h = r->h;
    return h->n == 0 || h->events[h->n - 1]->type == MVCCPB__EVENT__EVENT_TYPE__DELETE;
}

static void on_response(void *arg, const Etcdserverpb__WatchResponse *w,
                        const struct etcd_error *error)
{
    struct reading *r = arg;
    if (!w || w->canceled) {
        r->again = w && w->compact_revision > 0;
        r->start = r->again ? w->compact_revision : 0;
        r->done = true;
        if (!w)
            r->error = *error;
        return;
    }
    for (size_t i = 0; i < w->n_events; i++) {
        const Mvccpb__KeyValue *kv = w->events[i]->kv;
        if (kv && kv->mod_revision > newest(r->h) && kv->mod_revision <= r->h->header.revision)
            keep_event(r->h, w->events[i]);
    }
    if (r->last > 0) {
        r->done = newest(r->h) >= r->last;
        return;
    }
    bool caught_up = w->n_events == 0 && !w->created && w->header &&
                     w->header->revision >= r->h->header.revision;
    r->quiet += caught_up && r->h->n == 0;
    r->done = caught_up && is_plausible_end(r) && (r->h->n > 0 || r->quiet >= QUIET_ANSWERS);
    if (!r->done)
        etcd_timer_set(r->pause, caught_up ? QUIET_PAUSE_MS : 0);
}

static void on_pause(void *arg)
{
    struct reading *r = arg;
    etcd_watcher_request_progress(r->watcher);
}

static void on_timeout(void *arg)
{
    struct reading *r = arg;
    r->done = true;
    r->error = (struct etcd_error){.code = ETCD_DEADLINE_EXCEEDED,
                                   .text = "context deadline exceeded"};
}

/* Watch once, from r->start. */
static void watch_from_start(struct reading *r)
{
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = pb_bytes(r->key);
    create.start_revision = r->start;
    r->again = r->done = false;
    r->watcher = etcd_watcher_new(r->s->client);
    struct etcd_timer *t = etcd_timer_new(r->s->client, on_timeout, r);
    r->pause = etcd_timer_new(r->s->client, on_pause, r);
    r->quiet = 0;
    etcd_timer_set(t, r->s->timeout_ms);
    etcd_watch_start(r->watcher, &create, on_response, r);
    while (!r->done)
        etcd_client_poll(r->s->client, -1);
    etcd_timer_free(t);
    etcd_timer_free(r->pause);
    etcd_watcher_free(r->watcher);
}

/* The key as of `revision`, 0: now. An exit code after the error was printed. */
static int get(struct reading *r, int64_t revision, Etcdserverpb__RangeResponse **ret)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = pb_bytes(r->key);
    request.revision = revision;
    return session_call(r->s, &etcd_rpc_range, &request, (void **)ret);
}

/* After a compaction the state at that revision is kept, though its change is no event any more. */
static int read_oldest(struct reading *r)
{
    Etcdserverpb__RangeResponse *state;
    int code = get(r, r->start, &state);
    if (code != CLI_OK)
        return code;
    if (state->n_kvs > 0) {
        Mvccpb__Event e = MVCCPB__EVENT__INIT;
        e.kv = state->kvs[0];
        keep_event(r->h, &e);
    }
    r->h->compacted = r->start;
    etcd_response_free(state);
    return CLI_OK;
}

int history_read(struct session *s, struct slice key, struct history *h)
{
    *h = (struct history){.header = ETCDSERVERPB__RESPONSE_HEADER__INIT};
    struct reading r = {.s = s, .h = h, .key = key, .start = 1};
    Etcdserverpb__RangeResponse *now;
    int code = get(&r, 0, &now);
    if (code != CLI_OK)
        return code;
    if (now->header) {
        h->header = *now->header;
        h->header.base.n_unknown_fields = 0;
        h->header.base.unknown_fields = NULL;
    }
    r.last = now->n_kvs ? now->kvs[0]->mod_revision : 0;
    etcd_response_free(now);
    watch_from_start(&r);
    while (r.again) {
        history_fini(h);
        h->events = NULL;
        h->n = 0;
        code = read_oldest(&r);
        if (code != CLI_OK)
            return code;
        if (r.last > 0 && newest(h) >= r.last)
            return CLI_OK;
        watch_from_start(&r);
    }
    return r.error.code == ETCD_OK ? CLI_OK : session_fail(CLI_ERROR, &r.error);
}
