/* tests/unit/client/watch_test.c -- watches and leases that outlive their streams.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pb/pb_arena.h"
#include "unit/client/fake.h"

static struct fake fakes[2];
static struct etcd_client *client;
static struct etcd_error error;

/* ---- the server's side --------------------------------------------------------------------- */

static struct {
    unsigned creates, cancels, progresses, renewals;
    int64_t start_revision; /* of the last create */
    int64_t lease;
    const char *refuse; /* creates, with this reason */
    int64_t ttl;        /* of renewals; -1: no answer */
} server;

static Etcdserverpb__ResponseHeader header_at(int64_t rev)
{
    Etcdserverpb__ResponseHeader h = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    h.revision = rev;
    return h;
}

static void on_watch_request(struct fake *f, struct grpc_call *c, struct slice msg)
{
    ProtobufCMessage *m;
    Etcdserverpb__WatchResponse r = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    Etcdserverpb__ResponseHeader h = header_at(10);
    r.header = &h;
    assert_int_equal(
        pb_unpack(&etcdserverpb__watch_request__descriptor, msg, grpc_call_arena(c), &m), ERR_OK);
    const Etcdserverpb__WatchRequest *rq = (const Etcdserverpb__WatchRequest *)m;
    if (rq->request_union_case == ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST) {
        r.watch_id = server.creates++;
        r.created = true;
        server.start_revision = rq->create_request->start_revision;
        if (server.refuse != NULL) {
            r.watch_id = -1;
            r.canceled = true;
            r.cancel_reason = (char *)server.refuse;
        }
        fake_send(c, &r.base);
    } else if (rq->request_union_case ==
               ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST) {
        server.cancels++;
    } else {
        server.progresses++;
        r.watch_id = -1;
        h.revision = 20;
        fake_send(c, &r.base);
    }
}

static void on_renewal(struct fake *f, struct grpc_call *c, struct slice msg)
{
    ProtobufCMessage *m;
    Etcdserverpb__LeaseKeepAliveResponse r = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    assert_int_equal(
        pb_unpack(&etcdserverpb__lease_keep_alive_request__descriptor, msg, grpc_call_arena(c), &m),
        ERR_OK);
    server.renewals++;
    server.lease = r.id = ((Etcdserverpb__LeaseKeepAliveRequest *)m)->id;
    r.ttl = server.ttl;
    if (server.ttl >= 0)
        fake_send(c, &r.base);
}

/* An event of the key "k" at each of the revisions from..to. */
static void send_events(int64_t id, int64_t from, int64_t to, bool fragment)
{
    Mvccpb__KeyValue kvs[8];
    Mvccpb__Event events[8], *list[8];
    Etcdserverpb__ResponseHeader h = header_at(100); /* of the store, which is ahead */
    Etcdserverpb__WatchResponse r = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    for (int64_t rev = from; rev <= to; rev++) {
        size_t i = r.n_events++;
        mvccpb__key_value__init(&kvs[i]);
        mvccpb__event__init(&events[i]);
        kvs[i].key = (ProtobufCBinaryData){1, (uint8_t *)"k"};
        kvs[i].mod_revision = rev;
        events[i].kv = &kvs[i];
        list[i] = &events[i];
    }
    r.header = &h;
    r.watch_id = id;
    r.events = list;
    r.fragment = fragment;
    assert_non_null(fakes[0].stream);
    fake_send(fakes[0].stream, &r.base);
}

static void send_canceled(int64_t id, int64_t compact_revision, const char *reason)
{
    Etcdserverpb__ResponseHeader h = header_at(100);
    Etcdserverpb__WatchResponse r = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    r.header = &h;
    r.watch_id = id;
    r.canceled = true;
    r.compact_revision = compact_revision;
    r.cancel_reason = (char *)reason;
    fake_send(fakes[0].stream, &r.base);
}

/* ---- the client's side --------------------------------------------------------------------- */

struct heard {
    struct etcd_watch *watch;
    unsigned created, progress, ended, answers;
    size_t events;
    int64_t last; /* revision */
    int64_t compact_revision;
    char reason[1024];
    struct etcd_watcher *free_watcher; /* then */
    bool cancel;
};

static void on_response(void *arg, const Etcdserverpb__WatchResponse *r, const struct etcd_error *e)
{
    struct heard *h = arg;
    h->answers++;
    assert_int_equal(h->ended, 0);
    if (r == NULL || r->canceled) {
        h->ended++;
        h->compact_revision = r != NULL ? r->compact_revision : 0;
        snprintf(h->reason, sizeof h->reason, "%s", r != NULL ? r->cancel_reason : e->text);
        assert_true(r == NULL || !r->created);
    } else if (r->created) {
        h->created++;
    } else if (r->n_events == 0) {
        h->progress++;
    }
    for (size_t i = 0; r != NULL && i < r->n_events; i++) {
        assert_true(r->events[i]->kv->mod_revision > h->last);
        h->last = r->events[i]->kv->mod_revision;
        h->events++;
    }
    if (h->cancel)
        etcd_watch_cancel(h->watch);
    if (h->free_watcher != NULL)
        etcd_watcher_free(h->free_watcher);
}

static void watch(struct heard *h, struct etcd_watcher *w, int64_t from)
{
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    *h = (struct heard){.created = 0};
    create.key = (ProtobufCBinaryData){1, (uint8_t *)"k"};
    create.start_revision = from;
    h->watch = etcd_watch_start(w, &create, on_response, h);
}

static bool is_created(void *arg)
{
    return ((struct heard *)arg)->created != 0;
}

static bool has_ended(void *arg)
{
    return ((struct heard *)arg)->ended != 0;
}

static bool has_progressed(void *arg)
{
    return ((struct heard *)arg)->progress != 0;
}

static struct heard *counted;
static bool has_events(void *arg)
{
    return counted->events == *(size_t *)arg;
}

static void until_events(struct heard *h, size_t n)
{
    counted = h;
    poll_until(client, has_events, &n);
}

static bool has_creates(void *arg)
{
    return server.creates == *(unsigned *)arg;
}

static void until_creates(unsigned n)
{
    poll_until(client, has_creates, &n);
}

static bool has_cancels(void *arg)
{
    return server.cancels == 1;
}

static void lose_connections(void)
{
    http_server_close_all(fakes[0].http[0]);
    http_server_close_all(fakes[0].http[1]);
}

static int setup(void **state)
{
    const char *urls[] = {fakes[0].url, fakes[1].url};
    memset(&server, 0, sizeof server);
    server.ttl = 1;
    fake_listen(&fakes[0]);
    fake_listen(&fakes[1]);
    client = etcd_client_new(&(struct etcd_client_config){.endpoints = urls,
                                                          .n_endpoints = 1,
                                                          .user = "u",
                                                          .password = "p",
                                                          .require_leader = true},
                             &error);
    assert_non_null(client);
    fake_serve(&fakes[0], client);
    fakes[0].message = on_watch_request;
    return 0;
}

static int teardown(void **state)
{
    fake_stop(&fakes[0]);
    fake_stop(&fakes[1]);
    etcd_client_free(client);
    return 0;
}

/* ---- watches ----------------------------------------------------------------------------- */

static void watches_share_a_stream(void **state)
{
    struct heard a, b;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 0);
    watch(&b, w, 5);
    poll_until(client, is_created, &a);
    poll_until(client, is_created, &b);
    assert_int_equal(fakes[0].streams, 1);
    assert_true(fakes[0].has_leader);
    send_events(1, 11, 12, false);
    send_events(0, 11, 11, false);
    until_events(&a, 1);
    assert_int_equal(b.events, 2);
    etcd_watch_cancel(a.watch);
    send_events(0, 13, 13, false);
    send_events(1, 13, 13, false);
    until_events(&b, 3);
    assert_int_equal(a.events, 1);
    poll_until(client, has_cancels, NULL);
    etcd_watcher_free(w);
}

static void a_watch_goes_on_where_it_was(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 0);
    poll_until(client, is_created, &a);
    lose_connections();
    until_creates(2);
    assert_int_equal(server.start_revision, 11); /* behind the first header */
    send_events(1, 11, 13, false);
    until_events(&a, 3);
    lose_connections();
    until_creates(3);
    assert_int_equal(server.start_revision, 14); /* behind the last event, not the header */
    etcd_watcher_request_progress(w);
    poll_until(client, has_progressed, &a);
    lose_connections();
    until_creates(4);
    assert_int_equal(server.start_revision, 21); /* behind the progress */
    assert_int_equal(a.created, 1);
    assert_int_equal(a.ended, 0);
    etcd_watcher_free(w);
}

static void fragments_are_put_together(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 0);
    poll_until(client, is_created, &a);
    send_events(0, 11, 13, true);
    send_events(0, 14, 14, true);
    send_events(0, 15, 16, false);
    until_events(&a, 6);
    assert_int_equal(a.answers, 2); /* created, and all events */
    send_events(0, 17, 17, true);
    lose_connections();
    until_creates(2);
    assert_int_equal(server.start_revision, 17); /* half of it was not told */
    etcd_watcher_free(w);
}

static void a_compaction_ends_the_watch(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 3);
    poll_until(client, is_created, &a);
    send_canceled(0, 7, "etcdserver: mvcc: required revision has been compacted");
    poll_until(client, has_ended, &a);
    assert_int_equal(a.compact_revision, 7);
    etcd_watcher_free(w);
}

static void a_refusal_ends_the_watch(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    server.refuse = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    watch(&a, w, 0);
    poll_until(client, has_ended, &a);
    assert_string_equal(a.reason, server.refuse);
    assert_int_equal(a.answers, 1);
    etcd_watcher_free(w);
}

static bool token_was_renewed(void *arg)
{
    if (fakes[0].authenticates == 2)
        server.refuse = NULL;
    return fakes[0].authenticates == 2;
}

static void a_token_is_renewed_for_a_watch(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    fakes[0].password = "p";
    fakes[0].good_token = "t";
    server.refuse = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    watch(&a, w, 0);
    poll_until(client, token_was_renewed, NULL);
    poll_until(client, is_created, &a);
    assert_int_equal(a.ended, 0);
    etcd_watcher_free(w);
}

static void no_leader_ends_the_watch(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 0);
    poll_until(client, is_created, &a);
    grpc_fail(fakes[0].stream, ERR_NO_LEADER);
    poll_until(client, has_ended, &a);
    assert_string_equal(a.reason, "etcdserver: no leader");
    etcd_watcher_free(w);
}

static void a_callback_may_end_everything(void **state)
{
    struct heard a, b;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 0);
    watch(&b, w, 0);
    a.cancel = true; /* when it is created */
    poll_until(client, is_created, &b);
    b.free_watcher = w;
    etcd_watcher_request_progress(w);
    poll_until(client, has_progressed, &b);
    assert_int_equal(a.answers, 1);
}

static void send_progress(int64_t rev)
{
    Etcdserverpb__ResponseHeader h = header_at(rev);
    Etcdserverpb__WatchResponse r = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    r.header = &h;
    r.watch_id = -1;
    fake_send(fakes[0].stream, &r.base);
}

/* What a header says does not cover the events of an answer that is half there. */
static void progress_between_fragments_skips_nothing(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 1);
    poll_until(client, is_created, &a);
    send_events(0, 11, 12, true);
    send_progress(50);
    poll_until(client, has_progressed, &a);
    lose_connections();
    until_creates(2);
    assert_int_equal(server.start_revision, 1);
    etcd_watcher_free(w);
}

static void a_revision_at_the_end_of_all_is_no_trouble(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    watch(&a, w, 1);
    poll_until(client, is_created, &a);
    send_events(0, INT64_MAX - 1, INT64_MAX - 1, false);
    until_events(&a, 1);
    send_progress(INT64_MAX);
    poll_until(client, has_progressed, &a);
    lose_connections();
    until_creates(2);
    assert_int_equal(server.start_revision, INT64_MAX);
    etcd_watcher_free(w);
}

static void on_request_send_garbage(struct fake *f, struct grpc_call *c, struct slice msg)
{
    server.creates++;
    grpc_send(c, slice_str("\xff\xff\xff"));
}

static void on_time_over(void *arg)
{
    *(bool *)arg = true;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

static bool happened_twice(void *arg)
{
    return *(const unsigned *)arg >= 2;
}

/* Go on for so long. */
static void pass_time(int64_t ms)
{
    bool over = false;
    struct etcd_timer *t = etcd_timer_new(client, on_time_over, &over);
    etcd_timer_set(t, ms);
    poll_until(client, is_true, &over);
    etcd_timer_free(t);
}

static void a_server_of_garbage_is_asked_less_and_less(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    fakes[0].message = on_request_send_garbage;
    watch(&a, w, 1);
    poll_until(client, happened_twice, &server.creates);
    pass_time(500);
    assert_in_range(server.creates, 2, 20);
    etcd_watcher_free(w);
}

static void on_request_create_and_end(struct fake *f, struct grpc_call *c, struct slice msg)
{
    on_watch_request(f, c, msg);
    grpc_finish(c, GRPC_UNAVAILABLE, "no more");
}

static void a_server_that_ends_each_stream_is_asked_less_and_less(void **state)
{
    struct heard a;
    struct etcd_watcher *w = etcd_watcher_new(client);
    fakes[0].message = on_request_create_and_end;
    watch(&a, w, 1);
    poll_until(client, happened_twice, &server.creates);
    pass_time(500);
    assert_int_equal(a.created, 1);
    assert_in_range(server.creates, 2, 20);
    etcd_watcher_free(w);
}

static void on_renewal_of_another(struct fake *f, struct grpc_call *c, struct slice msg)
{
    Etcdserverpb__LeaseKeepAliveResponse r = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    server.renewals++;
    r.id = 99;
    r.ttl = 60;
    fake_send(c, &r.base);
    grpc_finish(c, GRPC_OK, "");
}

/* The request is forgotten at once, with what its maker's own protocol knew beyond ours. */
static void a_request_may_be_freed(void **state)
{
    static const uint8_t wire[] = {0x0a, 1, 'k', 0xaa, 0x3e, 2, 'u', 'u'};
    struct heard a = {.created = 0};
    struct arena *arena = arena_new();
    ProtobufCMessage *m;
    assert_int_equal(pb_unpack(&etcdserverpb__watch_create_request__descriptor,
                               slice_make(wire, sizeof wire), arena, &m),
                     ERR_OK);
    struct etcd_watcher *w = etcd_watcher_new(client);
    struct etcd_watch *first =
        etcd_watch_start(w, (const Etcdserverpb__WatchCreateRequest *)m, on_response, &a);
    arena_free(arena);
    poll_until(client, is_created, &a);
    lose_connections();
    until_creates(2);
    etcd_watch_cancel(first);
    etcd_watcher_free(w);
}

/* ---- leases ------------------------------------------------------------------------------ */

static struct {
    struct etcd_keepalive *k;
    unsigned answers, ended;
    int64_t ttl;
    char words[1024];
} lease;

static void on_kept(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *r,
                    const struct etcd_error *e)
{
    lease.answers++;
    lease.ttl = r != NULL ? r->ttl : -1;
    lease.ended += r == NULL || r->ttl <= 0;
    snprintf(lease.words, sizeof lease.words, "%s", e != NULL ? e->text : "");
}

static bool lease_answers(void *arg)
{
    return lease.answers >= *(unsigned *)arg;
}

static bool lease_ended(void *arg)
{
    return lease.ended != 0;
}

static void keep(void)
{
    memset(&lease, 0, sizeof lease);
    fakes[0].message = on_renewal;
    lease.k = etcd_keepalive_start(client, 77, on_kept, NULL);
}

static void a_lease_is_renewed_on_any_stream(void **state)
{
    unsigned n = 1;
    keep();
    poll_until(client, lease_answers, &n);
    assert_true(fakes[0].has_leader);
    assert_int_equal(server.lease, 77);
    lose_connections();
    n = 3;
    poll_until(client, lease_answers, &n);
    assert_true(fakes[0].streams >= 2);
    etcd_keepalive_stop(lease.k);
}

static void a_lease_that_is_gone_is_told(void **state)
{
    server.ttl = 0;
    keep();
    poll_until(client, lease_ended, NULL);
    assert_int_equal(lease.ttl, 0);
    assert_null(etcd_keepalive_once(client, 77, &error));
    assert_string_equal(error.text, "etcdserver: requested lease not found");
    server.ttl = 9;
    Etcdserverpb__LeaseKeepAliveResponse *r = etcd_keepalive_once(client, 77, &error);
    assert_non_null(r);
    assert_int_equal(r->ttl, 9);
    etcd_response_free(r);
}

static void a_silent_endpoint_is_left(void **state)
{
    const char *urls[] = {fakes[0].url, fakes[1].url};
    unsigned n = 3;
    server.ttl = 3;
    fakes[0].message = NULL; /* silent */
    fake_serve(&fakes[1], client);
    fakes[1].message = on_renewal;
    assert_true(etcd_client_set_endpoints(client, urls, 2, &error));
    memset(&lease, 0, sizeof lease);
    lease.k = etcd_keepalive_start(client, 77, on_kept, NULL);
    poll_until(client, lease_answers, &n);
    assert_int_equal(lease.ended, 0);
    etcd_keepalive_stop(lease.k);
}

static void a_lease_that_is_not_renewed_is_lost(void **state)
{
    unsigned n = 1;
    keep();
    poll_until(client, lease_answers, &n);
    fakes[0].message = NULL;
    poll_until(client, lease_ended, NULL);
    assert_int_equal(lease.ttl, -1);
}

static struct grpc_call *late;

static void on_renewal_wait(struct fake *f, struct grpc_call *c, struct slice msg)
{
    server.renewals++;
    late = c;
}

static void answer_late(void *answered_at)
{
    Etcdserverpb__LeaseKeepAliveResponse r = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    r.id = 77;
    r.ttl = 1;
    assert_non_null(late);
    fake_send(late, &r.base);
    *(msec *)answered_at = clock_now_ms();
}

/* The lease's time runs from when it was asked for, not from when the answer came. */
static void a_late_answer_gives_no_more_time(void **state)
{
    unsigned n = 1;
    msec answered = 0;
    struct etcd_timer *t = etcd_timer_new(client, answer_late, &answered);
    keep();
    fakes[0].message = on_renewal_wait;
    msec began = clock_now_ms();
    etcd_timer_set(t, 500);
    poll_until(client, lease_answers, &n);
    poll_until(client, lease_ended, NULL);
    assert_true(clock_now_ms() - began >= 950);
    assert_true(clock_now_ms() - answered < 950); /* a second, had it begun with the answer */
    etcd_timer_free(t);
}

static void renewals_are_not_asked_for_in_haste(void **state)
{
    keep();
    fakes[0].message = on_renewal_of_another;
    poll_until(client, happened_twice, &server.renewals);
    pass_time(500);
    assert_in_range(server.renewals, 2, 40);
    etcd_keepalive_stop(lease.k);
}

/* The error of a stream that was lost long ago is not why. */
static void an_old_error_is_forgotten(void **state)
{
    unsigned n = 1;
    keep();
    poll_until(client, lease_answers, &n);
    lose_connections();
    n = 3;
    poll_until(client, lease_answers, &n);
    fakes[0].message = NULL;
    poll_until(client, lease_ended, NULL);
    assert_string_equal(lease.words, "context deadline exceeded");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(watches_share_a_stream),           TEST(a_watch_goes_on_where_it_was),
        TEST(fragments_are_put_together),       TEST(a_compaction_ends_the_watch),
        TEST(a_refusal_ends_the_watch),         TEST(a_token_is_renewed_for_a_watch),
        TEST(no_leader_ends_the_watch),         TEST(a_callback_may_end_everything),
        TEST(a_lease_is_renewed_on_any_stream), TEST(a_lease_that_is_gone_is_told),
        TEST(a_silent_endpoint_is_left),        TEST(a_lease_that_is_not_renewed_is_lost),
        TEST(an_old_error_is_forgotten),        TEST(progress_between_fragments_skips_nothing),
        TEST(a_request_may_be_freed),           TEST(a_revision_at_the_end_of_all_is_no_trouble),
        TEST(a_server_of_garbage_is_asked_less_and_less),
        TEST(a_late_answer_gives_no_more_time),
        TEST(a_server_that_ends_each_stream_is_asked_less_and_less),
        TEST(renewals_are_not_asked_for_in_haste),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
