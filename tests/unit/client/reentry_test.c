/* tests/unit/client/reentry_test.c -- whatever callbacks start, cancel and free, in any order.
 *
 * Two servers send what comes to their mind, and go away and come back; callbacks do the same to
 * the client. Nothing is asserted but that a thing that is over is not told again: what else goes
 * wrong is for the sanitizers to see. SEED in the environment runs one case alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pb/pb_arena.h"
#include "unit/client/fake.h"

enum { WATCHERS = 3, WATCHES = 12, LEASES = 6, CALLS = 12, STREAMS = 4, SEEDS = 20, STEPS = 150 };

static struct fake fakes[2];
static struct etcd_client *client;
static struct etcd_error error;
static struct rng rng;

static struct etcd_watcher *watchers[WATCHERS];
static struct watch {
    struct etcd_watch *w; /* NULL: none */
    size_t watcher;
} watches[WATCHES];
static struct etcd_keepalive *leases[LEASES];
static struct etcd_pending *calls[CALLS];
static struct etcd_stream *streams[STREAMS];

static size_t below(size_t n)
{
    return (size_t)rng_below(&rng, n);
}

static ProtobufCBinaryData bytes(const char *s)
{
    return (ProtobufCBinaryData){.len = strlen(s), .data = (uint8_t *)s};
}

/* ---- the servers ------------------------------------------------------------------------- */

static void send_watch_answer(struct grpc_call *c)
{
    Mvccpb__KeyValue kv = MVCCPB__KEY_VALUE__INIT;
    Mvccpb__Event event = MVCCPB__EVENT__INIT, *events[] = {&event};
    Etcdserverpb__ResponseHeader h = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__WatchResponse r = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    size_t kind = below(12);
    kv.key = bytes("k");
    event.kv = &kv;
    h.revision = (int64_t)below(50);
    r.header = &h;
    r.watch_id = (int64_t)below(6) - (kind == 0);
    r.created = kind >= 8;
    r.canceled = kind == 1 || kind == 11;
    r.compact_revision = kind == 1 ? 7 : 0;
    r.fragment = kind == 2 || kind == 3;
    r.events = events;
    r.n_events = kind >= 2 && kind <= 5;
    if (kind == 7)
        grpc_send(c, slice_str("\xff\xff"));
    else
        fake_send(c, &r.base);
}

static void send_lease_answer(struct grpc_call *c)
{
    Etcdserverpb__LeaseKeepAliveResponse r = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    r.id = (int64_t)below(3) + 1;
    r.ttl = (int64_t)below(4);
    fake_send(c, &r.base);
}

static void on_stream_message(struct fake *f, struct grpc_call *c, struct slice msg)
{
    bool watch = slice_is(http_stream_path(grpc_call_stream(c)), etcd_rpc_watch.path);
    for (size_t n = below(4); n > 0; n--) {
        if (watch)
            send_watch_answer(c);
        else
            send_lease_answer(c);
    }
    if (below(15) == 0)
        grpc_finish(c, below(2) ? GRPC_UNAVAILABLE : GRPC_PERMISSION_DENIED, "enough");
}

static void lose_connections(struct fake *f)
{
    http_server_close_all(f->http[0]);
    http_server_close_all(f->http[1]);
}

/* ---- the client -------------------------------------------------------------------------- */

static void act(void);

static void on_watch(void *arg, const Etcdserverpb__WatchResponse *r, const struct etcd_error *e)
{
    struct watch *w = arg;
    assert_non_null(w->w);
    bool over = r == NULL || r->canceled;
    if (below(4) == 0) {
        etcd_watch_cancel(w->w);
        over = true;
    }
    if (over)
        w->w = NULL;
    act();
}

static void on_lease(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *r,
                     const struct etcd_error *e)
{
    struct etcd_keepalive **k = arg;
    assert_non_null(*k);
    bool over = r == NULL || r->ttl <= 0;
    if (below(4) == 0) {
        etcd_keepalive_stop(*k);
        over = true;
    }
    if (over)
        *k = NULL;
    act();
}

static void on_call(void *arg, const void *response, const struct etcd_error *e)
{
    struct etcd_pending **p = arg;
    assert_non_null(*p);
    *p = NULL;
    act();
}

static void on_message(void *arg, const void *response)
{
    struct etcd_stream **s = arg;
    assert_non_null(*s);
    if (below(3) == 0) {
        etcd_stream_free(*s);
        *s = NULL;
    }
    act();
}

static void on_stream_done(void *arg, const struct etcd_error *e)
{
    struct etcd_stream **s = arg;
    assert_non_null(*s);
    etcd_stream_free(*s);
    *s = NULL;
    act();
}

static void act_on_watch(void)
{
    struct watch *w = &watches[below(WATCHES)];
    if (w->w != NULL) {
        etcd_watch_cancel(w->w);
        w->w = NULL;
        return;
    }
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = bytes("k");
    w->watcher = below(WATCHERS);
    w->w = etcd_watch_start(watchers[w->watcher], &create, on_watch, w);
}

static void act_on_watcher(void)
{
    size_t i = below(WATCHERS);
    if (below(2) == 0) {
        etcd_watcher_request_progress(watchers[i]);
        return;
    }
    etcd_watcher_free(watchers[i]);
    for (size_t j = 0; j < WATCHES; j++)
        if (watches[j].watcher == i)
            watches[j].w = NULL;
    watchers[i] = etcd_watcher_new(client);
}

static void act_on_lease(void)
{
    struct etcd_keepalive **k = &leases[below(LEASES)];
    if (*k != NULL)
        etcd_keepalive_stop(*k);
    *k = below(2) == 0 ? NULL
                       : etcd_keepalive_start(client, (int64_t)below(3) + 1, on_lease, k);
}

static void act_on_call(void)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    struct etcd_pending **p = &calls[below(CALLS)];
    fakes[0].n_orders = fakes[0].next = fakes[1].n_orders = fakes[1].next = 0;
    fake_order(&fakes[below(2)], (enum order)below(ORDER_STALL + 1));
    if (*p != NULL)
        etcd_call_cancel(*p);
    *p = below(3) == 0
             ? NULL
             : etcd_call_start(client, below(2) ? &etcd_rpc_range : &etcd_rpc_put, &rq,
                               (int64_t)below(30) + 1, on_call, p);
}

static void act_on_stream(void)
{
    Etcdserverpb__WatchRequest rq = ETCDSERVERPB__WATCH_REQUEST__INIT;
    struct etcd_stream **s = &streams[below(STREAMS)];
    if (*s != NULL && below(2) == 0) {
        etcd_stream_send(*s, &rq);
        return;
    }
    etcd_stream_free(*s);
    *s = etcd_stream_open(client, &etcd_rpc_watch, &rq, false, on_message, on_stream_done, s);
}

static void act_on_endpoints(void)
{
    const char *urls[] = {fakes[0].url, fakes[1].url, "127.0.0.1:1"};
    size_t first = below(3);
    assert_true(etcd_client_set_endpoints(client, urls + first, 1 + below(3 - first), &error));
}

static void act(void)
{
    static void (*const acts[])(void) = {act_on_watch, act_on_watch, act_on_watcher, act_on_lease,
                                         act_on_call,  act_on_call,  act_on_stream};
    if (below(20) == 0)
        act_on_endpoints();
    for (size_t n = below(3); n > 0; n--)
        acts[below(ARRAY_LEN(acts))]();
}

/* From outside of callbacks. */
static void disturb(void)
{
    struct fake *f = &fakes[below(2)];
    if (below(6) == 0)
        lose_connections(f);
    if (f->stream != NULL && below(2) == 0)
        on_stream_message(f, f->stream, slice_str(""));
}

static void run(uint64_t seed)
{
    rng = (struct rng){.state = seed};
    const char *urls[] = {fakes[0].url, fakes[1].url};
    fake_listen(&fakes[0]);
    fake_listen(&fakes[1]);
    client = etcd_client_new(&(struct etcd_client_config){.endpoints = urls,
                                                          .n_endpoints = 2,
                                                          .dial_timeout_ms = 20,
                                                          .user = seed % 2 ? "u" : NULL,
                                                          .password = "p",
                                                          .fail_fast = seed % 3 == 0},
                             &error);
    assert_non_null(client);
    for (size_t i = 0; i < 2; i++) {
        fake_serve(&fakes[i], client);
        fakes[i].message = on_stream_message;
        fakes[i].code = GRPC_UNAVAILABLE;
        fakes[i].text = "not now";
    }
    for (size_t i = 0; i < WATCHERS; i++)
        watchers[i] = etcd_watcher_new(client);
    for (unsigned i = 0; i < STEPS; i++) {
        act();
        disturb();
        (void)etcd_client_poll(client, (int64_t)below(3));
    }
    lose_connections(&fakes[0]);
    lose_connections(&fakes[1]);
    (void)etcd_client_poll(client, 1);
    fake_stop(&fakes[0]);
    fake_stop(&fakes[1]);
    etcd_client_free(client);
    memset(watches, 0, sizeof watches);
    memset(leases, 0, sizeof leases);
    memset(calls, 0, sizeof calls);
    memset(streams, 0, sizeof streams);
}

static void callbacks_do_what_they_like(void **state)
{
    const char *one = getenv("SEED");
    if (one != NULL)
        run(strtoull(one, NULL, 10));
    for (uint64_t seed = 1; one == NULL && seed <= SEEDS; seed++) {
        print_message("seed %u\n", (unsigned)seed);
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(callbacks_do_what_they_like)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
