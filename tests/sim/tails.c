/* tests/sim/tails.c -- see tails.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/tails.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "pb/pb_arena.h"
#include "server/watch.h"
#include "tests/sim/asks.h"
#include "tests/sim/operator.h"

enum { BLOCK_PERMILLE = 20, BLOCK_MAX = 500000, AGAIN = 1000, VISIT_MAX = 1000000, KEEN_KEYS = 2 };

enum tail_kind { FOLLOWER, KEEN, VISITOR, TAILS };

/* What a keen one saw: an event, or (gap) that all up to there is compacted. */
struct sight {
    struct linear_event e;
    bool gap;
};

struct tail {
    struct watcher w;
    struct node *node;
    enum tail_kind kind;
    unsigned first, last; /* the keys that it watches */
    bool watches;
    revision next; /* all below was seen */
    bool blocked;
    struct sim_event again; /* goes on; a visitor: elsewhere */
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
    unsigned keys; /* of the workers */
} all;

/* ---- keys and values
 * ------------------------------------------------------------------------------ */

const char *key_name(unsigned key)
{
    static char names[KEYS_MAX + 1][16];
    invariant(key <= KEYS_MAX);
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
    return all.n != 0 ? all.log[all.n - 1].rev : 1;
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

static bool is_same(const struct linear_event *a, const struct linear_event *b)
{
    return a->rev == b->rev && a->key == b->key && a->value == b->value;
}

/* ---- what a watcher is given
 * -------------------------------------------------------------------------- */

struct given {
    struct linear_event e;
    const Mvccpb__KeyValue *kv, *prev; /* prev: NULL where none is given */
};

/* Return how many events of the message from `i` on have the revision of that one. */
static size_t same_revision(const struct given *g, size_t n, size_t i)
{
    size_t end = i + 1;
    while (end < n && g[end].e.rev == g[i].e.rev)
        end++;
    return end - i;
}

/* All of a revision that nobody saw before. */
static void follow_new(const struct tail *t, const struct given *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        log_add(&g[i].e);
        if (!numbers_are_right(g[i].kv, &all.cells[g[i].e.key]))
            sim_fail("%s: revision %" PRId64 " has a wrong version or create revision",
                     world_name(t->node->place), g[i].e.rev);
    }
}

static void follow(struct tail *t, const struct given *g, size_t n)
{
    const char *name = world_name(t->node->place);
    revision rev = g->e.rev;
    size_t at = linear_find(all.log, all.n, rev);
    if (rev != t->next) {
        sim_fail("%s: a watcher that needs revision %" PRId64 " was given %" PRId64 " of key %u, "
                 "value %" PRIu64,
                 name, t->next, rev, g->e.key, g->e.value);
        return;
    }
    t->next = rev + 1;
    if (rev > tails_last()) {
        follow_new(t, g, n);
        return;
    }
    if (linear_find(all.log, all.n, rev + 1) - at != n)
        sim_fail("%s has %zu events at revision %" PRId64 ", another member has %zu", name, n, rev,
                 linear_find(all.log, all.n, rev + 1) - at);
    for (size_t i = 0; i < n && sim_failure() == NULL; i++)
        if (!is_same(&all.log[at + i], &g[i].e))
            sim_fail("%s has key %u = %" PRIu64 " at revision %" PRId64
                     ", where another member has key %u = %" PRIu64,
                     name, g[i].e.key, g[i].e.value, rev, all.log[at + i].key,
                     all.log[at + i].value);
}

static void see(struct tail *t, const struct linear_event *e, bool gap)
{
    if (t->n_seen % 64 == 0)
        t->seen = xrealloc(t->seen, (t->n_seen + 64) * sizeof *t->seen);
    t->seen[t->n_seen++] = (struct sight){*e, gap};
}

/* The next place in the log that concerns it. */
static size_t of_interest(const struct tail *t, size_t at)
{
    while (at < all.n && (all.log[at].key < t->first || all.log[at].key > t->last))
        at++;
    return at;
}

/* What stood at the key before the event at `at` of the log. It may be compacted by now. */
static void check_prev(const struct tail *t, const struct given *g, size_t at)
{
    const Mvccpb__KeyValue *kv = g->prev;
    const struct linear_event *was = NULL;
    for (size_t i = at; i > 0 && was == NULL; i--)
        if (all.log[i - 1].key == g->e.key)
            was = &all.log[i - 1];
    bool is_there = was != NULL && was->value != 0;
    bool right = kv == NULL
                     ? !is_there || !t->w.prev_kv || g->e.rev - 1 < operator_compacted()
                     : is_there && t->w.prev_kv && kv->mod_revision == was->rev &&
                           value_number(slice_make(kv->value.data, kv->value.len)) == was->value;
    if (!right)
        sim_fail("%s: key %u of revision %" PRId64 " comes with a wrong value before it",
                 world_name(t->node->place), g->e.key, g->e.rev);
}

/* What the log has at `at` and then; where a visitor is ahead of the log, it is believed. */
static size_t visit(const struct tail *t, const struct given *g, size_t at)
{
    const struct linear_event *e = &g->e;
    at = of_interest(t, at);
    if (e->rev > tails_last())
        return at;
    if (at == all.n || !is_same(&all.log[at], e)) {
        sim_fail("%s: a watcher that needs revision %" PRId64 " was given key %u = %" PRIu64
                 " at revision %" PRId64 " too early, or twice",
                 world_name(t->node->place), t->next, e->key, e->value, e->rev);
        return at;
    }
    check_prev(t, g, at);
    return at + 1;
}

static void visited(const struct tail *t, size_t at, revision up_to)
{
    at = of_interest(t, at);
    if (at < all.n && all.log[at].rev <= up_to)
        sim_fail("%s: a watcher is said to have all up to revision %" PRId64
                 ", and was not given key %u of revision %" PRId64,
                 world_name(t->node->place), up_to, all.log[at].key, all.log[at].rev);
}

static void give(struct tail *t, const struct given *g, size_t n, revision up_to)
{
    size_t at = linear_find(all.log, all.n, t->next);
    for (size_t i = 0; t->kind == FOLLOWER && i < n; i += same_revision(g, n, i))
        follow(t, g + i, same_revision(g, n, i));
    for (size_t i = 0; t->kind == KEEN && i < n; i++)
        see(t, &g[i].e, false);
    for (size_t i = 0; t->kind == VISITOR && i < n; i++)
        at = visit(t, &g[i], at);
    if (t->kind == VISITOR)
        visited(t, at, up_to);
}

/* ---- a watcher
 * --------------------------------------------------------------------------------------- */

static struct given given_make(const struct tail *t, const Mvccpb__Event *ev)
{
    const Mvccpb__KeyValue *kv = ev->kv;
    struct given g = {.e = {.rev = kv->mod_revision,
                            .key = key_number(slice_make(kv->key.data, kv->key.len))},
                      .kv = kv,
                      .prev = ev->prev_kv};
    bool is_put = ev->type == MVCCPB__EVENT__EVENT_TYPE__PUT;
    if (is_put)
        g.e.value = value_number(slice_make(kv->value.data, kv->value.len));
    if (g.e.key < t->first || g.e.key > t->last || (is_put && g.e.value == 0) || g.e.rev < t->next)
        sim_fail("%s: a watcher that needs revision %" PRId64 " was given %" PRId64 " of key %u, "
                 "value %" PRIu64,
                 world_name(t->node->place), t->next, g.e.rev, g.e.key, g.e.value);
    return g;
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

static void on_response(struct tail *t, const Etcdserverpb__WatchResponse *r, revision up_to)
{
    struct given *g = arena_alloc(all.arena, (r->n_events + 1) * sizeof *g);
    for (size_t i = 0; i < r->n_events; i++)
        g[i] = given_make(t, r->events[i]);
    if (sim_failure() == NULL)
        give(t, g, r->n_events, up_to);
    if ((r->n_events != 0 && up_to < g[r->n_events - 1].e.rev) || up_to + 1 < t->next)
        sim_fail("%s: events above the revision they are said to reach",
                 world_name(t->node->place));
    else if (t->kind != FOLLOWER)
        t->next = up_to + 1;
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
        ERR_OK)
        sim_fail("%s: events that cannot be read", world_name(t->node->place));
    else
        on_response(t, (const void *)msg, ev->rev);
    buf_fini(&b);
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
    if (t->kind == KEEN)
        see(t, &(struct linear_event){.rev = compacted}, true);
    sim_set(&t->again, AGAIN);
}

static void on_synced(struct watcher *w)
{
    (void)w;
}

static const struct watcher_ops ops = {on_writable, on_events, on_compacted, on_synced};

static void watch(struct tail *t)
{
    struct slice end = slice_make(NULL, 0);
    if (t->first != t->last)
        end = slice_str(key_name(t->last + 1));
    node_enter(t->node);
    t->w = (struct watcher){0};
    t->watches = true;
    t->blocked = false;
    watcher_add(t->node->client, &t->w, &ops, slice_str(key_name(t->first)), end, t->next,
                0, t->kind == VISITOR && sim_chance(500));
    node_touch(t->node);
}

/* Any keys, from any revision on; it may be compacted. */
static void go_elsewhere(struct tail *t)
{
    unsigned a = (unsigned)sim_below(all.keys), b = (unsigned)sim_below(all.keys);
    bool everything = sim_chance(500);
    t->first = everything ? 0 : a < b ? a : b;
    t->last = everything ? KEYS_MAX - 1 : a < b ? b : a;
    t->next = sim_between(1, tails_last() + 1);
    watch(t);
}

static void visitor_run(struct tail *t)
{
    if (t->watches && t->blocked) {
        t->blocked = false;
        watcher_resume(&t->w);
    } else if (t->watches) {
        watcher_remove(&t->w);
        go_elsewhere(t);
    } else { /* behind what was compacted */
        watch(t);
    }
    sim_set(&t->again, sim_between(0, VISIT_MAX));
}

static void again_run(struct sim_event *e)
{
    struct tail *t = CONTAINER_OF(e, struct tail, again);
    if (t->node->paused_until > sim_now()) {
        sim_set(e, t->node->paused_until - sim_now());
        return;
    }
    node_enter(t->node);
    if (t->kind == VISITOR) {
        visitor_run(t);
    } else if (!t->watches) {
        watch(t);
    } else {
        t->blocked = false;
        watcher_resume(&t->w);
    }
    node_touch(t->node);
}

/* ---- all of them
 * --------------------------------------------------------------------------------------- */

static void tail_init(struct tail *t, enum tail_kind kind, unsigned place)
{
    *t = (struct tail){.kind = kind, .again.run = again_run, .next = 2, .last = KEYS_MAX - 1};
    if (kind == KEEN) {
        t->first = place % all.keys;
        t->last = t->first + (place % KEEN_KEYS);
    }
}

void tails_begin(unsigned keys)
{
    all = (struct tails){.arena = arena_new(), .keys = keys};
    for (unsigned p = 0; p < NET_PLACES; p++)
        for (unsigned i = 0; i < TAILS; i++)
            tail_init(&all.tails[p][i], (enum tail_kind)i, p);
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
        if (t->kind == VISITOR)
            sim_set(&t->again, sim_between(0, VISIT_MAX));
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
    return all.tails[n->place][FOLLOWER].next == tails_last() + 1;
}

/* Leave out what it was told to be compacted up to and without `rev`. */
static size_t skip_gaps(const struct tail *t, size_t at, revision rev)
{
    while (at < t->n_seen && t->seen[at].gap && t->seen[at].e.rev < rev)
        at++;
    return at;
}

static void check_one(const struct tail *t)
{
    size_t at = 0;
    for (size_t i = of_interest(t, 0); i < all.n; i = of_interest(t, i + 1)) {
        const struct linear_event *e = &all.log[i];
        at = skip_gaps(t, at, e->rev);
        if (at == t->n_seen && e->rev >= t->next)
            return; /* it has not asked for that yet */
        if (at < t->n_seen && t->seen[at].gap)
            continue;
        if (at == t->n_seen || !is_same(&t->seen[at].e, e)) {
            sim_fail("%s: the watcher of keys %u to %u has not seen key %u of revision %" PRId64
                     " right",
                     world_name(t->node->place), t->first, t->last, e->key, e->rev);
            return;
        }
        at++;
    }
    at = skip_gaps(t, at, tails_last() + 1);
    if (at != t->n_seen)
        sim_fail("%s: the watcher of keys %u to %u saw revision %" PRId64 " as well",
                 world_name(t->node->place), t->first, t->last, t->seen[at].e.rev);
}

void tails_check(void)
{
    for (unsigned p = 0; p < NET_PLACES; p++)
        if (all.tails[p][KEEN].node != NULL)
            check_one(&all.tails[p][KEEN]);
}
