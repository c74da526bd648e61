/* tests/sim/tails.c -- see tails.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/tails.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "pb/pb_arena.h"
#include "server/watch.h"
#include "tests/sim/asks.h"

enum { TAILS = 2, BLOCK_PERMILLE = 20, BLOCK_MAX = 500000, AGAIN = 1000 };

/* What a watcher of one key saw: an event, or (gap) that all up to there is compacted. */
struct sight {
    revision rev;
    bool gap;
};

struct tail {
    struct watcher w;
    struct node *node;
    int key; /* -1: all */
    bool watches;
    revision next; /* all below was seen */
    bool blocked;
    struct sim_event again; /* goes on */
    struct sight *seen;
    size_t n_seen;
};

/* A key, by the log. */
struct cell {
    uint64_t value;
    revision create, mod;
    int64_t version;
};

static struct tails {
    struct tail tails[NET_PLACES][TAILS];
    struct arena *arena;
    struct linear_event *log;
    size_t n, cap;
    struct cell cells[KEYS_MAX];
} all;

/* ---- keys and values
 * ------------------------------------------------------------------------------ */

const char *key_name(unsigned key)
{
    static char names[KEYS_MAX][16];
    invariant(key < KEYS_MAX);
    snprintf(names[key], sizeof names[key], "k%02u", key);
    return names[key];
}

unsigned key_number(struct slice name)
{
    unsigned key = 0;
    while (key < KEYS_MAX && !slice_is(name, key_name(key)))
        key++;
    return key;
}

const char *value_text(struct arena *a, uint64_t v)
{
    char *p = arena_alloc(a, VALUE_MAX + 32);
    size_t n = (size_t)snprintf(p, 32, "%" PRIu64, v);
    size_t more = v % 16 == 0 ? v * 7919 % VALUE_MAX : v * 31 % 64;
    memset(p + n, '.', more);
    p[n + more] = '\0';
    return p;
}

uint64_t value_number(struct slice text)
{
    char digits[21] = "";
    size_t n = 0;
    while (n < text.n && n < 20 && text.p[n] != '.')
        n++;
    memcpy(digits, text.p, n);
    uint64_t v = strtoull(digits, NULL, 10);
    struct arena *a = arena_new();
    bool right = slice_is(text, value_text(a, v));
    arena_free(a);
    return right ? v : 0;
}

/* ---- the log
 * -------------------------------------------------------------------------------------- */

revision tails_last(void)
{
    return 1 + (revision)all.n;
}

const struct linear_event *tails_log(size_t *ret_n)
{
    *ret_n = all.n;
    return all.log;
}

uint64_t tails_value(unsigned key, revision *ret_mod)
{
    *ret_mod = all.cells[key].mod;
    return all.cells[key].value;
}

static void log_add(const struct linear_event *e)
{
    if (all.n == all.cap) {
        all.cap = all.cap ? all.cap * 2 : 256;
        all.log = xrealloc(all.log, all.cap * sizeof *all.log);
    }
    all.log[all.n++] = *e;
    struct cell *c = &all.cells[e->key];
    if (e->value == 0)
        *c = (struct cell){0};
    else
        *c = (struct cell){e->value, c->create ? c->create : e->rev, e->rev, c->version + 1};
}

/* The numbers beside the value; they can be told only where the log ends with this event. */
static bool numbers_are_right(const Mvccpb__KeyValue *kv, const struct cell *c)
{
    if (c->value == 0)
        return kv->version == 0 && kv->create_revision == 0;
    return kv->version == c->version && kv->create_revision == c->create;
}

/* An event that a watcher of all keys saw. */
static void log_event(const struct tail *t, const Mvccpb__Event *ev, const struct linear_event *e)
{
    const char *name = world_name(t->node->place);
    if (e->rev > tails_last()) {
        log_add(e);
        if (!numbers_are_right(ev->kv, &all.cells[e->key]))
            sim_fail("%s: revision %" PRId64 " has a wrong version or create revision", name,
                     e->rev);
        return;
    }
    const struct linear_event *was = &all.log[e->rev - 2];
    if (was->key != e->key || was->value != e->value)
        sim_fail("%s has key %u = %" PRIu64 " at revision %" PRId64
                 ", where another member has key "
                 "%u = %" PRIu64,
                 name, e->key, e->value, e->rev, was->key, was->value);
}

/* ---- a watcher
 * --------------------------------------------------------------------------------------- */

static void see(struct tail *t, revision rev, bool gap)
{
    if (t->key < 0)
        return;
    if (t->n_seen % 64 == 0)
        t->seen = xrealloc(t->seen, (t->n_seen + 64) * sizeof *t->seen);
    t->seen[t->n_seen++] = (struct sight){rev, gap};
}

static void on_event(struct tail *t, const Mvccpb__Event *ev)
{
    const Mvccpb__KeyValue *kv = ev->kv;
    struct linear_event e = {.rev = kv->mod_revision,
                             .key = key_number(slice_make(kv->key.data, kv->key.len))};
    if (ev->type == MVCCPB__EVENT__EVENT_TYPE__PUT)
        e.value = value_number(slice_make(kv->value.data, kv->value.len));
    bool is_ours = e.key < KEYS_MAX &&
                   (e.value != 0 || ev->type != MVCCPB__EVENT__EVENT_TYPE__PUT) &&
                   (t->key < 0 || e.key == (unsigned)t->key);
    bool is_next = t->key < 0 ? e.rev == t->next : e.rev >= t->next;
    if (!is_ours || !is_next) {
        sim_fail("%s: a watcher that needs revision %" PRId64 " was given %" PRId64 " of key %u, "
                 "value %" PRIu64,
                 world_name(t->node->place), t->next, e.rev, e.key, e.value);
        return;
    }
    if (t->key < 0)
        log_event(t, ev, &e);
    see(t, e.rev, false);
    t->next = e.rev + 1;
}

static struct tail *tail_of(struct watcher *w)
{
    return CONTAINER_OF(w, struct tail, w);
}

static bool on_writable(struct watcher *w)
{
    struct tail *t = tail_of(w);
    if (!t->blocked && sim_chance(BLOCK_PERMILLE)) {
        t->blocked = true;
        sim_set(&t->again, sim_between(0, BLOCK_MAX));
    }
    return !t->blocked;
}

static void on_events(struct watcher *w, const struct watch_events *ev)
{
    struct tail *t = tail_of(w);
    struct buf b = BUF_INIT;
    ProtobufCMessage *msg;
    for (size_t i = 0; i < ev->n; i++)
        buf_add_slice(&b, ev->field[i]);
    arena_reset(all.arena);
    if (pb_unpack(&etcdserverpb__watch_response__descriptor, buf_slice(&b), all.arena, &msg) !=
        ERR_OK) {
        sim_fail("%s: events that cannot be read", world_name(t->node->place));
    } else {
        const Etcdserverpb__WatchResponse *r = (const void *)msg;
        for (size_t i = 0; i < r->n_events; i++)
            on_event(t, r->events[i]);
    }
    buf_fini(&b);
    if (ev->rev + 1 < t->next)
        sim_fail("%s: events above the revision they are said to reach",
                 world_name(t->node->place));
    else if (t->key >= 0)
        t->next = ev->rev + 1;
}

static void on_compacted(struct watcher *w, revision compacted)
{
    struct tail *t = tail_of(w);
    sim_trace("%s: watcher at %" PRId64 " is told of compaction at %" PRId64,
              world_name(t->node->place), t->next, compacted);
    if (compacted < t->next || compacted > tails_last())
        sim_fail("%s: a watcher that needs revision %" PRId64 " is told that %" PRId64
                 " is compacted",
                 world_name(t->node->place), t->next, compacted);
    t->watches = false;
    t->next = compacted + 1;
    see(t, compacted, true);
    sim_set(&t->again, AGAIN);
}

static void on_synced(struct watcher *w)
{
    (void)w;
}

static const struct watcher_ops ops = {on_writable, on_events, on_compacted, on_synced};

static void watch(struct tail *t)
{
    struct slice key = slice_str("k"), end = slice_str("l");
    if (t->key >= 0) {
        key = slice_str(key_name((unsigned)t->key));
        end = slice_make(NULL, 0);
    }
    node_enter(t->node);
    t->w = (struct watcher){0};
    t->watches = true;
    t->blocked = false;
    watcher_add(t->node->client, &t->w, &ops, key, end, t->next, 0, false);
    node_touch(t->node);
}

static void again_run(struct sim_event *e)
{
    struct tail *t = CONTAINER_OF(e, struct tail, again);
    if (t->node->paused_until > sim_now()) {
        sim_set(e, t->node->paused_until - sim_now());
    } else if (!t->watches) {
        watch(t);
    } else {
        t->blocked = false;
        node_enter(t->node);
        watcher_resume(&t->w);
        node_touch(t->node);
    }
}

/* ---- all of them
 * --------------------------------------------------------------------------------------- */

void tails_begin(unsigned keys)
{
    all = (struct tails){.arena = arena_new()};
    for (unsigned p = 0; p < NET_PLACES; p++)
        for (unsigned i = 0; i < TAILS; i++)
            all.tails[p][i] = (struct tail){
                .again.run = again_run, .next = 2, .key = i == 0 ? -1 : (int)(p % keys)};
}

void tails_end(void)
{
    for (unsigned p = 0; p < NET_PLACES; p++)
        for (unsigned i = 0; i < TAILS; i++)
            free(all.tails[p][i].seen);
    arena_free(all.arena);
    free(all.log);
}

void tails_started(struct node *n)
{
    for (unsigned i = 0; i < TAILS; i++) {
        struct tail *t = &all.tails[n->place][i];
        t->node = n;
        watch(t);
    }
}

void tails_ended(struct node *n)
{
    for (unsigned i = 0; i < TAILS; i++) {
        struct tail *t = &all.tails[n->place][i];
        sim_clear(&t->again);
        if (t->watches)
            watcher_remove(&t->w);
        t->watches = false;
    }
}

bool tails_are_up_to_date(const struct node *n)
{
    return all.tails[n->place][0].next == tails_last() + 1;
}

static void check_one(const struct tail *t)
{
    size_t at = 0;
    for (size_t i = 0; i < all.n; i++) {
        if (all.log[i].key != (unsigned)t->key)
            continue;
        while (at < t->n_seen && t->seen[at].gap && t->seen[at].rev < all.log[i].rev)
            at++;
        if (at == t->n_seen && all.log[i].rev >= t->next)
            return; /* it has not asked for that yet */
        if (at < t->n_seen && t->seen[at].gap)
            continue;
        if (at == t->n_seen || t->seen[at].rev != all.log[i].rev) {
            sim_fail("%s: the watcher of key %d has not seen revision %" PRId64,
                     world_name(t->node->place), t->key, all.log[i].rev);
            return;
        }
        at++;
    }
    while (at < t->n_seen && t->seen[at].gap)
        at++;
    if (at != t->n_seen)
        sim_fail("%s: the watcher of key %d saw revision %" PRId64 " as well",
                 world_name(t->node->place), t->key, t->seen[at].rev);
}

void tails_check(void)
{
    for (unsigned p = 0; p < NET_PLACES; p++)
        if (all.tails[p][1].node != NULL)
            check_one(&all.tails[p][1]);
}
