/* tests/unit/client/recipe_test.c -- locks and elections where something goes wrong meanwhile.
 *
 * The server knows two keys below a name: that of the client, and an older one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pb/pb_arena.h"
#include "unit/client/fake.h"

static struct fake fake;
static struct etcd_client *client;
static struct etcd_error error;

/* ---- the server -------------------------------------------------------------------------- */

enum { OLDER_REV = 5, MY_REV = 10, NOW_REV = 20 };

static struct {
    int64_t ttl;
    bool is_mute; /* no lease is renewed */
    bool older_is_there;
    int64_t mine; /* its create revision; 0: it is not there */
    unsigned deletions, watches;
    int64_t watched_from;
    void (*on_watch)(struct grpc_call *c, Etcdserverpb__WatchResponse *r); /* it was created */
} store;

static Etcdserverpb__ResponseHeader header = ETCDSERVERPB__RESPONSE_HEADER__INIT;

static ProtobufCMessage *unpack(struct grpc_call *c, const ProtobufCMessageDescriptor *d,
                                struct slice msg)
{
    ProtobufCMessage *m;
    assert_int_equal(pb_unpack(d, msg, grpc_call_arena(c), &m), ERR_OK);
    return m;
}

static ProtobufCBinaryData bytes(const char *s)
{
    return (ProtobufCBinaryData){.len = strlen(s), .data = (uint8_t *)s};
}

/* An answer with one key or none. */
struct answer {
    Mvccpb__KeyValue kv, *kvs[1];
    Etcdserverpb__RangeResponse range;
    Etcdserverpb__ResponseOp op;
};

static void answer_init(struct answer *a, int64_t create_revision)
{
    mvccpb__key_value__init(&a->kv);
    etcdserverpb__range_response__init(&a->range);
    etcdserverpb__response_op__init(&a->op);
    a->kv.key = bytes(create_revision == OLDER_REV ? "n/1" : "n/4d");
    a->kv.create_revision = a->kv.mod_revision = create_revision;
    a->kvs[0] = &a->kv;
    a->range.kvs = a->kvs;
    a->range.n_kvs = create_revision != 0;
    a->range.header = &header;
    a->op.response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
    a->op.response_range = &a->range;
}

static int64_t oldest(void)
{
    return store.older_is_there ? OLDER_REV : store.mine;
}

static void on_txn(struct grpc_call *c, const Etcdserverpb__TxnRequest *rq)
{
    Etcdserverpb__TxnResponse r = ETCDSERVERPB__TXN_RESPONSE__INIT;
    Etcdserverpb__ResponseHeader h = header;
    struct answer mine, first;
    Etcdserverpb__ResponseOp *ops[] = {&mine.op, &first.op};
    bool make = rq->compare[0]->create_revision == 0;
    r.header = &h;
    r.responses = ops;
    r.succeeded = rq->compare[0]->create_revision == store.mine;
    if (make) {
        h.revision = MY_REV;
        store.mine = MY_REV;
        r.n_responses = 2;
    } else if (r.succeeded) {
        store.deletions++;
        store.mine = 0;
    }
    answer_init(&mine, store.mine);
    answer_init(&first, oldest());
    fake_answer(c, &r.base);
}

static void on_range(struct grpc_call *c, const Etcdserverpb__RangeRequest *rq)
{
    struct answer a;
    bool of_older = rq->max_create_revision != 0;
    bool of_all = rq->range_end.len != 0;
    answer_init(&a, of_older ? (store.older_is_there ? OLDER_REV : 0)
                    : of_all ? oldest()
                             : store.mine);
    fake_answer(c, &a.range.base);
}

static void on_unary(struct fake *f, struct grpc_call *c, struct slice msg)
{
    struct slice path = http_stream_path(grpc_call_stream(c));
    if (slice_is(path, etcd_rpc_lease_grant.path)) {
        Etcdserverpb__LeaseGrantResponse r = ETCDSERVERPB__LEASE_GRANT_RESPONSE__INIT;
        r.id = 77;
        r.ttl = store.ttl;
        fake_answer(c, &r.base);
    } else if (slice_is(path, etcd_rpc_txn.path)) {
        on_txn(c, (Etcdserverpb__TxnRequest *)unpack(c, etcd_rpc_txn.request, msg));
    } else {
        on_range(c, (Etcdserverpb__RangeRequest *)unpack(c, etcd_rpc_range.request, msg));
    }
}

static void on_watch_request(struct grpc_call *c, const Etcdserverpb__WatchRequest *rq)
{
    Etcdserverpb__WatchResponse r = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    if (rq->request_union_case != ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST)
        return;
    r.header = &header;
    r.watch_id = store.watches++;
    r.created = true;
    store.watched_from = rq->create_request->start_revision;
    fake_send(c, &r.base);
    r.created = false;
    if (store.on_watch != NULL)
        store.on_watch(c, &r);
}

/* Of either stream: a renewal is a number alone. */
static void on_message(struct fake *f, struct grpc_call *c, struct slice msg)
{
    Etcdserverpb__LeaseKeepAliveResponse r = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    if (slice_is(http_stream_path(grpc_call_stream(c)), etcd_rpc_watch.path)) {
        on_watch_request(c,
                         (Etcdserverpb__WatchRequest *)unpack(c, etcd_rpc_watch.request, msg));
        return;
    }
    r.id = 77;
    r.ttl = store.ttl;
    if (!store.is_mute)
        fake_send(c, &r.base);
}

static void send_event(struct grpc_call *c, Etcdserverpb__WatchResponse *r, bool put, int64_t rev)
{
    Mvccpb__KeyValue kv = MVCCPB__KEY_VALUE__INIT;
    Mvccpb__Event event = MVCCPB__EVENT__INIT, *events[] = {&event};
    kv.key = bytes("n/1");
    kv.create_revision = kv.mod_revision = rev;
    event.kv = &kv;
    event.type = put ? MVCCPB__EVENT__EVENT_TYPE__PUT : MVCCPB__EVENT__EVENT_TYPE__DELETE;
    r->events = events;
    r->n_events = 1;
    fake_send(c, &r->base);
}

/* ---- what happens while the client waits --------------------------------------------------- */

static void the_older_one_goes(struct grpc_call *c, Etcdserverpb__WatchResponse *r)
{
    store.older_is_there = false;
    send_event(c, r, false, NOW_REV + 1);
}

static void history_is_compacted(struct grpc_call *c, Etcdserverpb__WatchResponse *r)
{
    store.older_is_there = false;
    r->canceled = true;
    r->compact_revision = 1000;
    fake_send(c, &r->base);
}

static void both_go(struct grpc_call *c, Etcdserverpb__WatchResponse *r)
{
    store.mine = 0;
    the_older_one_goes(c, r);
}

/* Somebody deletes the key, and makes one of the same name, behind others. */
static void mine_is_another(struct grpc_call *c, Etcdserverpb__WatchResponse *r)
{
    store.mine = NOW_REV;
    the_older_one_goes(c, r);
}

static void the_lease_runs_out(struct grpc_call *c, Etcdserverpb__WatchResponse *r)
{
    store.ttl = 0;
}

/* ---- locks ------------------------------------------------------------------------------- */

static int setup(void **state)
{
    const char *urls[] = {fake.url};
    memset(&store, 0, sizeof store);
    store.ttl = 1;
    header.revision = NOW_REV;
    fake_listen(&fake);
    client = etcd_client_new(
        &(struct etcd_client_config){.endpoints = urls, .n_endpoints = 1, .dial_timeout_ms = 50},
        &error);
    assert_non_null(client);
    fake_serve(&fake, client);
    fake.unary = on_unary;
    fake.message = on_message;
    return 0;
}

static int teardown(void **state)
{
    fake_stop(&fake);
    etcd_client_free(client);
    return 0;
}

static void on_time_over(void *arg)
{
    *(bool *)arg = true;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

static bool is_dead(void *arg)
{
    return !etcd_session_is_alive(arg);
}

/* Once it was granted it lives for its TTL, however long the first renewal takes. */
static void a_session_lives_as_long_as_its_lease(void **state)
{
    bool over = false;
    struct etcd_timer *t = etcd_timer_new(client, on_time_over, &over);
    store.ttl = 3;
    store.is_mute = true;
    struct etcd_session *s = etcd_session_new(client, 60, 0, &error);
    etcd_timer_set(t, 1500);
    poll_until(client, is_true, &over);
    assert_true(etcd_session_is_alive(s));
    poll_until(client, is_dead, s);
    etcd_timer_free(t);
    etcd_session_free(s, false);
}

static bool lock_while(void (*happens)(struct grpc_call *c, Etcdserverpb__WatchResponse *r))
{
    struct etcd_session *s = etcd_session_new(client, 60, 0, &error);
    struct etcd_mutex *m = etcd_mutex_new(s, "n");
    store.older_is_there = true;
    store.on_watch = happens;
    bool held = etcd_mutex_lock(m, false, 10000, &error);
    assert_string_equal(etcd_mutex_key(m), held ? "n/4d" : "");
    etcd_mutex_free(m);
    etcd_session_free(s, false);
    return held;
}

static void a_lock_is_waited_for(void **state)
{
    assert_true(lock_while(the_older_one_goes));
    assert_int_equal(store.watched_from, NOW_REV);
}

/* A wait may be long, and the connection be lost in it: then look again. */
static void a_wait_outlives_a_compaction(void **state)
{
    assert_true(lock_while(history_is_compacted));
}

static void a_lock_whose_key_is_gone_is_not_held(void **state)
{
    assert_false(lock_while(both_go));
    assert_string_equal(error.text, err_text(ERR_SESSION_EXPIRED));
}

static void a_lock_whose_key_is_another_is_not_held(void **state)
{
    assert_false(lock_while(mine_is_another));
    assert_string_equal(error.text, err_text(ERR_SESSION_EXPIRED));
    assert_int_equal(store.mine, NOW_REV); /* it is not ours to delete */
}

static void a_wait_ends_with_the_session(void **state)
{
    assert_false(lock_while(the_lease_runs_out));
    assert_string_equal(error.text, err_text(ERR_SESSION_EXPIRED));
    assert_int_equal(store.deletions, 1);
}

static void a_wait_ends_in_time(void **state)
{
    struct etcd_session *s = etcd_session_new(client, 60, 0, &error);
    struct etcd_mutex *m = etcd_mutex_new(s, "n");
    store.older_is_there = true;
    assert_false(etcd_mutex_lock(m, false, 50, &error));
    assert_int_equal(error.code, ETCD_DEADLINE_EXCEEDED);
    assert_int_equal(store.mine, 0);
    assert_false(etcd_mutex_lock(m, true, 0, &error));
    assert_int_equal(error.code, ETCD_ALREADY_EXISTS);
    assert_int_equal(store.mine, 0);
    store.older_is_there = false;
    assert_true(etcd_mutex_lock(m, false, INT64_MAX, &error));
    etcd_mutex_free(m);
    etcd_session_free(s, false);
}

/* ---- elections --------------------------------------------------------------------------- */

static bool campaign_while(void (*happens)(struct grpc_call *c, Etcdserverpb__WatchResponse *r))
{
    struct etcd_session *s = etcd_session_new(client, 60, 0, &error);
    struct etcd_election *e = etcd_election_new(s, "n");
    store.older_is_there = true;
    store.on_watch = happens;
    bool leads = etcd_election_campaign(e, bytes("me"), &error);
    assert_string_equal(etcd_election_key(e), leads ? "n/4d" : "");
    if (leads) {
        assert_true(etcd_election_resign(e, &error));
        assert_int_equal(store.mine, 0);
        assert_string_equal(etcd_election_key(e), "");
    }
    etcd_election_free(e);
    etcd_session_free(s, false);
    return leads;
}

static void a_campaign_is_won(void **state)
{
    assert_true(campaign_while(the_older_one_goes));
}

static void nobody_leads_whose_key_is_gone(void **state)
{
    assert_false(campaign_while(both_go));
    assert_string_equal(error.text, err_text(ERR_SESSION_EXPIRED));
    assert_false(campaign_while(mine_is_another));
}

/* ---- observers --------------------------------------------------------------------------- */

static struct {
    unsigned told;
    int64_t last; /* revision */
    bool over, free_it;
    struct etcd_observer *o;
} seen;

static void on_leader(void *arg, const Etcdserverpb__RangeResponse *r, const struct etcd_error *e)
{
    seen.told++;
    seen.over = r == NULL;
    seen.last = r != NULL ? r->kvs[0]->mod_revision : 0;
    if (seen.free_it)
        etcd_observer_free(seen.o);
}

static bool has_told(void *arg)
{
    return seen.told >= *(unsigned *)arg;
}

static void until_told(unsigned n)
{
    poll_until(client, has_told, &n);
}

/* The first watch is that of the leader there is; the second one waits for anybody. */
static void leaders_come_and_go(struct grpc_call *c, Etcdserverpb__WatchResponse *r)
{
    if (store.watches == 1) {
        send_event(c, r, true, NOW_REV + 1);
        the_older_one_goes(c, r);
    } else if (store.watches == 2) {
        send_event(c, r, true, NOW_REV + 2);
    } else if (store.watches == 3) {
        r->n_events = 0;
        r->canceled = true;
        r->cancel_reason = "no more";
        fake_send(c, &r->base);
    }
}

static void leaders_are_observed(void **state)
{
    memset(&seen, 0, sizeof seen);
    store.older_is_there = true;
    store.on_watch = leaders_come_and_go;
    seen.o = etcd_observer_new(client, "n", on_leader, NULL);
    until_told(1);
    assert_int_equal(seen.last, OLDER_REV);
    until_told(4);
    assert_int_equal(store.watches, 3);
    assert_int_equal(store.watched_from, NOW_REV + 3);
    assert_true(seen.over);
    etcd_observer_free(seen.o);
}

static void an_observer_is_freed_by_what_it_tells(void **state)
{
    memset(&seen, 0, sizeof seen);
    store.older_is_there = true;
    store.on_watch = leaders_come_and_go;
    seen.free_it = true; /* by the answer */
    seen.o = etcd_observer_new(client, "n", on_leader, NULL);
    until_told(1);
    store.older_is_there = false;
    store.watches = 1;
    seen.o = etcd_observer_new(client, "n", on_leader, NULL);
    until_told(2); /* by the event */
    assert_int_equal(seen.last, NOW_REV + 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_lives_as_long_as_its_lease),
        TEST(a_lock_is_waited_for),
        TEST(a_wait_outlives_a_compaction),
        TEST(a_lock_whose_key_is_gone_is_not_held),
        TEST(a_lock_whose_key_is_another_is_not_held),
        TEST(a_wait_ends_with_the_session),
        TEST(a_wait_ends_in_time),
        TEST(a_campaign_is_won),
        TEST(nobody_leads_whose_key_is_gone),
        TEST(leaders_are_observed),
        TEST(an_observer_is_freed_by_what_it_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
