/* tests/unit/server/watch_test.c -- watchers of a running member: every event once, in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/rig.h"

#include "base/random.h"

/* Revisions first..first+n-1, each once. */
static void saw_exactly(const struct rig_watch *w, revision first, size_t n)
{
    assert_int_equal(w->n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(w->revs[i], first + (revision)i);
}

static void puts_many(struct rig *g, const char *key, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rig_put(g, key, "1");
}

static void sees_what_comes(void **state)
{
    struct rig *g = *state;
    struct rig_watch w = {.keep = true, .prev_kv = true};
    rig_start(g, NULL, NULL);
    rig_put(g, "a", "0");
    rig_watch(g, &w, "a", NULL, 0);
    rig_put(g, "b", "1");
    rig_put(g, "a", "1");
    rig_watch_wait(&w, 1);
    saw_exactly(&w, 4, 1);
    assert_int_equal(w.last->n_events, 1);
    const Mvccpb__Event *e = w.last->events[0];
    assert_int_equal(e->type, MVCCPB__EVENT__EVENT_TYPE__PUT);
    assert_int_equal(e->kv->version, 2);
    assert_int_equal(e->prev_kv->mod_revision, 2);
    assert_memory_equal(e->prev_kv->value.data, "0", 1);
    assert_int_equal(
        rig_call(g, OP_DELETE_RANGE, req_delete(g->arena, "a", NULL), NULL, NULL), ERR_OK);
    rig_watch_wait(&w, 2);
    e = w.last->events[0];
    assert_int_equal(e->type, MVCCPB__EVENT__EVENT_TYPE__DELETE);
    assert_int_equal(e->kv->mod_revision, 5);
    assert_int_equal(e->kv->version, 0);
    assert_memory_equal(e->prev_kv->value.data, "1", 1);
    rig_put(g, "a", "2"); /* created anew: nothing was there */
    rig_watch_wait(&w, 3);
    assert_null(w.last->events[0]->prev_kv);
    rig_watch_fini(&w);
    rig_stop(g);
}

static void one_txn_is_one_batch(void **state)
{
    struct rig *g = *state;
    struct rig_watch w = {.keep = true};
    rig_start(g, NULL, NULL);
    rig_watch(g, &w, "a", "z", 2);
    Etcdserverpb__TxnRequest *t = req_txn(g->arena);
    txn_then(t, op_put(g->arena, req_put(g->arena, "a", "1")));
    txn_then(t, op_put(g->arena, req_put(g->arena, "b", "1")));
    assert_int_equal(rig_call(g, OP_TXN, t, NULL, NULL), ERR_OK);
    rig_watch_wait(&w, 2);
    assert_int_equal(w.last->n_events, 2);
    assert_int_equal(w.revs[0], 2);
    assert_int_equal(w.revs[1], 2);
    assert_int_equal(w.upto, 2);
    rig_watch_fini(&w);
    rig_stop(g);
}

static void filters_drop_kinds(void **state)
{
    struct rig *g = *state;
    struct rig_watch puts = {.filters = WATCH_NO_DELETE}, deletes = {.filters = WATCH_NO_PUT};
    rig_start(g, NULL, NULL);
    const void *del = req_delete(g->arena, "a", NULL);
    for (int i = 0; i < 3; i++) {
        rig_put(g, "a", "1");
        assert_int_equal(rig_call(g, OP_DELETE_RANGE, del, NULL, NULL), ERR_OK);
    }
    rig_watch(g, &puts, "a", NULL, 1); /* the history ... */
    rig_watch(g, &deletes, "a", NULL, 1);
    rig_put(g, "a", "1"); /* ... and the feed */
    assert_int_equal(rig_call(g, OP_DELETE_RANGE, del, NULL, NULL), ERR_OK);
    rig_watch_wait(&puts, 4);
    rig_watch_wait(&deletes, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(puts.revs[i], 2 + 2 * i);
        assert_int_equal(deletes.revs[i], 3 + 2 * i);
    }
    rig_watch_fini(&puts);
    rig_watch_fini(&deletes);
    rig_stop(g);
}

static void reads_the_history_up(void **state)
{
    struct rig *g = *state;
    struct rig_watch all = {.n = 0}, later = {.n = 0}, future = {.n = 0};
    rig_start(g, NULL, NULL);
    puts_many(g, "a", 3000);
    rig_watch(g, &all, "a", NULL, 1);
    rig_watch(g, &later, "", "", 2500);
    rig_watch(g, &future, "a", NULL, 3010);
    puts_many(g, "a", 20);
    rig_watch_wait(&all, 3020);
    rig_watch_wait(&later, 3022 - 2500);
    rig_watch_wait(&future, 12);
    saw_exactly(&all, 2, 3020);
    saw_exactly(&later, 2500, 3022 - 2500);
    saw_exactly(&future, 3010, 12);
    assert_true(all.synced);
    rig_watch_fini(&all);
    rig_watch_fini(&later);
    rig_watch_fini(&future);
    rig_stop(g);
}

/* A stream that is full now and then, from the feed and from the history. */
static void slow_stream_loses_nothing(void **state)
{
    struct rig *g = *state;
    struct rig_watch slow = {.room = 2}, fast = {.n = 0};
    rig_start(g, NULL, NULL);
    puts_many(g, "a", 2500);
    rig_watch(g, &slow, "a", NULL, 2);
    rig_watch(g, &fast, "a", NULL, 0);
    for (int round = 0; round < 50; round++) {
        rig_watch_wait_blocked(&slow);
        size_t before = slow.n;
        puts_many(g, "a", 7);
        assert_int_equal(slow.n, before);
        pthread_mutex_lock(&g->lock);
        slow.room = 1 + (size_t)round % 3;
        pthread_mutex_unlock(&g->lock);
        rig_watch_resume(&slow);
        puts_many(g, "a", 3);
    }
    pthread_mutex_lock(&g->lock);
    slow.room = 0;
    pthread_mutex_unlock(&g->lock);
    rig_watch_resume(&slow);
    rig_watch_wait(&slow, 3000);
    rig_watch_wait(&fast, 500);
    saw_exactly(&slow, 2, 3000);
    saw_exactly(&fast, 2502, 500);
    rig_watch_fini(&slow);
    rig_watch_fini(&fast);
    rig_stop(g);
}

/* One that becomes writable while another is served: it was not in that slice of the history. */
struct waker {
    struct rig_watch w;
    struct rig_watch *other;
    const struct watcher_ops *inner;
};

static struct waker *waker_of(struct watcher *w)
{
    return CONTAINER_OF(CONTAINER_OF(w, struct rig_watch, w), struct waker, w);
}

static bool waker_writable(struct watcher *w)
{
    return waker_of(w)->inner->writable(w);
}

static void waker_events(struct watcher *w, const struct watch_events *ev)
{
    struct rig_watch *other = waker_of(w)->other;
    pthread_mutex_lock(&other->rig->lock);
    other->blocked = false;
    pthread_mutex_unlock(&other->rig->lock);
    watcher_resume(&other->w);
    waker_of(w)->inner->events(w, ev);
}

static void waker_synced(struct watcher *w)
{
    waker_of(w)->inner->synced(w);
}

static const struct watcher_ops waker_ops = {waker_writable, waker_events, NULL, waker_synced};

static void waker_install(void *arg)
{
    struct waker *k = arg;
    k->inner = k->w.w.ops;
    k->w.w.ops = &waker_ops;
}

static void resumed_inside_a_callback(void **state)
{
    struct rig *g = *state;
    struct rig_watch waits = {.blocked = true};
    struct waker wakes = {.other = &waits, .w.blocked = true};
    rig_start(g, NULL, NULL);
    puts_many(g, "a", 1500);
    rig_watch(g, &waits, "a", NULL, 2);
    rig_watch_wait_blocked(&waits);
    rig_watch(g, &wakes.w, "a", NULL, 2);
    rig_watch_wait_blocked(&wakes.w);
    rig_run(g, waker_install, &wakes);
    rig_watch_resume(&wakes.w);
    rig_watch_wait(&wakes.w, 1500);
    rig_watch_wait(&waits, 1500);
    saw_exactly(&waits, 2, 1500);
    saw_exactly(&wakes.w, 2, 1500);
    rig_watch_fini(&waits);
    rig_watch_fini(&wakes.w);
    rig_stop(g);
}

/* ---- compaction ------------------------------------------------------------------------------ */

static bool is_compacted(void *arg)
{
    return ((const struct rig_watch *)arg)->compacted != 0;
}

static void compacted_start_is_told(void **state)
{
    struct rig *g = *state;
    struct rig_watch early = {.n = 0}, exact = {.n = 0}, now = {.n = 0}, waits = {.room = 1};
    rig_start(g, NULL, NULL);
    rig_watch(g, &waits, "a", NULL, 2);
    puts_many(g, "a", 10);
    rig_watch_wait_blocked(&waits);
    assert_int_equal(rig_compact(g, 8, true), ERR_OK);
    rig_watch(g, &early, "a", NULL, 7);
    rig_watch(g, &exact, "a", NULL, 8);
    rig_watch(g, &now, "a", NULL, 0);
    rig_wait(g, is_compacted, &early);
    assert_int_equal(early.compacted, 8);
    assert_int_equal(early.n, 0);
    rig_watch_wait(&exact, 4);
    saw_exactly(&exact, 8, 4);
    rig_watch_resume(&waits); /* it needs what is gone */
    rig_wait(g, is_compacted, &waits);
    assert_int_equal(waits.compacted, 8);
    rig_put(g, "a", "1");
    rig_watch_wait(&now, 1);
    saw_exactly(&now, 12, 1);
    rig_watch_fini(&early);
    rig_watch_fini(&exact);
    rig_watch_fini(&now);
    rig_watch_fini(&waits);
    rig_stop(g);
}

/* Compaction runs behind a watcher that reads up: it gets all from some revision on, or is told. */
static void compaction_overtakes(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    revision last = 1;
    for (int round = 0; round < 20; round++) {
        struct rig_watch w = {.n = 0};
        for (size_t i = 0; i < 150; i++)
            last = rig_put(g, "a", "1");
        rig_watch(g, &w, "a", NULL, last - 140);
        struct rig_call c;
        Etcdserverpb__CompactionRequest r = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
        r.revision = last - 70;
        r.physical = true;
        rig_call_begin(g, &c, OP_COMPACT, &r);
        assert_int_equal(rig_call_end(&c, NULL, NULL), ERR_OK);
        last = rig_put(g, "a", "1");
        pthread_mutex_lock(&g->lock);
        while (w.compacted == 0 && w.n < 142)
            pthread_cond_wait(&g->changed, &g->lock);
        pthread_mutex_unlock(&g->lock);
        for (size_t i = 0; i < w.n; i++)
            assert_int_equal(w.revs[i], last - 141 + (revision)i);
        rig_watch_fini(&w);
    }
    rig_stop(g);
}

/* A watch and a read of now never fail for a compaction at the newest revision. */
static void compacting_the_newest_revision(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    struct rig_call calls[2];
    for (int round = 0; round < 100; round++) {
        struct rig_watch w = {.n = 0};
        const char *values;
        int64_t count;
        Etcdserverpb__CompactionRequest r = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
        r.revision = round + 2;
        rig_call_begin(g, &calls[0], OP_PUT, req_put(g->arena, "a", "1"));
        rig_call_begin(g, &calls[1], OP_COMPACT, &r);
        rig_watch(g, &w, "a", NULL, 0);
        assert_int_equal(rig_range(g, "a", NULL, 0, &values, &count), ERR_OK);
        assert_int_equal(rig_call_end(&calls[0], NULL, NULL), ERR_OK);
        assert_int_equal(rig_call_end(&calls[1], NULL, NULL), ERR_OK);
        assert_int_equal(w.compacted, 0);
        rig_watch_fini(&w);
    }
    rig_stop(g);
}

/* ---- many, and coming and going -------------------------------------------------------------- */

enum { MANY = 1000 };

static void thousand_watchers(void **state)
{
    struct rig *g = *state;
    struct rig_watch *w = xcalloc(MANY, sizeof *w);
    rig_start(g, NULL, NULL);
    double events = rig_metric(g, "etcd_debugging_mvcc_events_total");
    puts_many(g, "a", 5);
    for (size_t i = 0; i < MANY; i++)
        rig_watch(g, &w[i], "a", i % 2 ? "b" : NULL, i % 3 ? 0 : 2);
    assert_true(rig_metric(g, "etcd_debugging_mvcc_watcher_total") == MANY);
    puts_many(g, "a", 5);
    for (size_t i = 0; i < MANY; i++) {
        size_t n = i % 3 ? 5 : 10;
        rig_watch_wait(&w[i], n);
        saw_exactly(&w[i], 12 - (revision)n, n);
    }
    assert_true(rig_metric(g, "etcd_debugging_mvcc_slow_watcher_total") == 0);
    events = rig_metric(g, "etcd_debugging_mvcc_events_total") - events;
    assert_int_equal(events, 666 * 5 + 334 * 10);
    for (size_t i = 0; i < MANY; i++)
        rig_watch_fini(&w[i]);
    assert_true(rig_metric(g, "etcd_debugging_mvcc_watcher_total") == 0);
    free(w);
    rig_stop(g);
}

/* The last watcher goes and the first one comes while changes are under way: what one is given
 * begins where it asked and has no hole. */
static void subscribing_over_and_over(void **state)
{
    struct rig *g = *state;
    struct rng rng = {20};
    rig_start(g, NULL, NULL);
    revision last = rig_put(g, "a", "1");
    enum { BURST = 8 };
    for (int round = 0; round < 300; round++) {
        struct rig_call calls[BURST];
        struct rig_watch w = {.n = 0};
        size_t before = rng_below(&rng, BURST);
        revision start = last + 1 - (revision)rng_below(&rng, 3);
        start = start < 2 ? 2 : start;
        for (size_t i = 0; i < BURST; i++) {
            if (i == before)
                rig_watch(g, &w, "a", NULL, start);
            rig_call_begin(g, &calls[i], OP_PUT, req_put(g->arena, "a", "1"));
        }
        for (size_t i = 0; i < BURST; i++)
            assert_int_equal(rig_call_end(&calls[i], NULL, NULL), ERR_OK);
        last += BURST;
        if (round % 3 != 0)
            rig_watch_wait(&w, (size_t)(last - start + 1));
        rig_unwatch(&w);
        for (size_t i = 0; i < w.n; i++)
            assert_int_equal(w.revs[i], start + (revision)i);
        rig_watch_fini(&w);
    }
    rig_stop(g);
}

/* The loop goes on, and its watchers go, after the server has stopped. */
static void watchers_outlive_the_stop(void **state)
{
    struct rig *g = *state;
    struct rig_watch w = {.n = 0}, late = {.n = 0};
    rig_start(g, NULL, NULL);
    rig_watch(g, &w, "a", NULL, 0);
    rig_put(g, "a", "1");
    rig_stop_server(g);
    rig_watch_fini(&w);
    rig_watch(g, &late, "a", NULL, 0);
    rig_watch_fini(&late);
    rig_stop(g);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sees_what_comes),
        TEST(one_txn_is_one_batch),
        TEST(filters_drop_kinds),
        TEST(reads_the_history_up),
        TEST(slow_stream_loses_nothing),
        TEST(resumed_inside_a_callback),
        TEST(compacted_start_is_told),
        TEST(compaction_overtakes),
        TEST(compacting_the_newest_revision),
        TEST(thousand_watchers),
        TEST(subscribing_over_and_over),
        TEST(watchers_outlive_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
