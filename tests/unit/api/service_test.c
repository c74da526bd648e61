/* tests/unit/api/service_test.c -- the services as a client of the gateway sees them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rig.h"

#define HEADER(rev) "{\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\",\"revision\":\"" rev "\",\"raft_term\":\"3\"}"
#define RESULT(rev) "{\"result\":" HEADER(rev)

static int setup(void **state)
{
    struct rig *r = xcalloc(1, sizeof *r);
    rig_init(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static struct client *client(void **state)
{
    return client_new(*state, API_PORT_CLIENT);
}

/* ---- KV -------------------------------------------------------------------------------------- */

static void put_and_range(void **state)
{
    struct client *c = client(state);
    client_ask(c, "/v3/kv/put", "{\"key\":\"Zm9v\",\"value\":\"YmFy\"}", 200, HEADER("2") "}");
    client_ask(c, "/v3/kv/range", "{\"key\":\"Zm9v\"}", 200,
               HEADER("2") ",\"kvs\":[{\"key\":\"Zm9v\",\"create_revision\":\"2\","
                           "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"YmFy\"}],"
                           "\"count\":\"1\"}");
    client_ask(c, "/v3beta/kv/range", "{\"key\":\"YQ==\",\"range_end\":\"eg==\",\"limit\":1}", 200,
               "\"count\":\"1\"}");
    client_ask(c, "/v3/kv/range", "{\"key\":\"bm8=\"}", 200, HEADER("2") "}");
}

static void range_waits_for_a_read_index(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->server->not_local = true;
    client_ask(c, "/v3/kv/range", "{\"key\":\"Zm9v\"}", 200, HEADER("1"));
    assert_int_equal(r->server->calls, 1);
    client_ask(c, "/v3/kv/range", "{\"key\":\"Zm9v\",\"serializable\":true}", 200, HEADER("1"));
    assert_int_equal(r->server->calls, 1);
    r->server->fail = ERR_TIMEOUT;
    client_ask(c, "/v3/kv/range", "{\"key\":\"Zm9v\"}", 503,
               "{\"code\":14,\"message\":\"etcdserver: request timed out\"}");
}

static void large_range(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    char value[3001];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%02d", i);
        fake_put(r->server, key, value);
    }
    client_ask(c, "/v3/kv/range", "{\"key\":\"aw==\",\"range_end\":\"bA==\"}", 200,
               "\"count\":\"50\"}");
}

static void refusals(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    client_ask(c, "/v3/kv/range", "{}", 400,
               "{\"code\":3,\"message\":\"etcdserver: key is not provided\"}");
    client_ask(c, "/v3/kv/range", "", 400, "key is not provided");
    client_ask(c, "/v3/kv/put", "{", 400, "{\"code\":3,\"message\":\"proto: ");
    client_ask(c, "/v3/kv/range", "{\"key\":\"YQ==\",\"revision\":9}", 400, "{\"code\":11,");
    client_ask(c, "/v3/kv/nothing", "{}", 404, "{\"code\":5,\"message\":\"Not Found\"}");
    client_ask(c, "/v3/auth/enable", "{}", 501,
               "\"message\":\"unknown method AuthEnable for service etcdserverpb.Auth\"}");
    client_ask(c, "/v3/auth/authenticate", "{}", 400, "{\"code\":9,");
    client_ask(c, "/v3/cluster/member/add", "{\"peerURLs\":[\"nonsense\"]}", 400,
               "etcdserver: given member URLs are invalid");
    client_get(c, "/v3/kv/range", 501, "{\"code\":12,\"message\":\"Method Not Allowed\"}");
    assert_int_equal(r->server->calls, 0);
    r->cfg.max_request_bytes = 30;
    client_ask(c, "/v3/kv/put", "{\"key\":\"YWFhYWFhYWFhYWFhYWFhYWFh\"}", 400,
               "etcdserver: request is too large");
}

static void needs_a_leader(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->server->no_leader = true;
    client_send(c, "POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nGrpc-Metadata-Hasleader: true\r\n"
                   "Content-Length: 14\r\n\r\n{\"key\":\"YQ==\"}");
    client_expect(c, "503 ");
    client_expect(c, "{\"code\":14,\"message\":\"etcdserver: no leader\"}");
}

static void client_goes_before_the_answer(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state), *other = client(state);
    r->server->hold = true;
    client_post(c, "/v3/kv/put", "{\"key\":\"YQ==\"}");
    client_get(other, "/health?serializable=true", 200, "true");
    assert_int_equal(r->server->calls, 1);
    client_close(c);
    client_get(other, "/health?serializable=true", 200, "true");
    fake_release(r->server);
    client_ask(other, "/v3/kv/range", "{\"key\":\"YQ==\"}", 200, "\"count\":\"1\"}");
}

/* ---- Watch ----------------------------------------------------------------------------------- */

static void watch_history_and_feed(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    fake_put(r->server, "a", "1");
    fake_put(r->server, "b", "1");
    client_post(c, "/v3/watch", "{\"create_request\":{\"key\":\"YQ==\",\"start_revision\":1}}");
    client_expect(c, "Grpc-Metadata-Content-Type: application/grpc\r\n");
    client_expect(c, RESULT("3") ",\"created\":true}}\n");
    client_expect(c, RESULT("3") ",\"events\":[{\"kv\":{\"key\":\"YQ==\",\"create_revision\":\"2\","
                                 "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"MQ==\"}}]}}\n");
    fake_put(r->server, "a", "2");
    client_expect(c, RESULT("4") ",\"events\":[{\"kv\":{");
    client_ask(client(state), "/v3/kv/deleterange", "{\"key\":\"YQ==\"}", 200, "\"deleted\":\"1\"");
    client_expect(c, ",\"events\":[{\"type\":\"DELETE\",\"kv\":{\"key\":\"YQ==\",");
}

static void watch_ids(void **state)
{
    struct client *c = client(state);
    client_post(c, "/v3/watch",
                "{\"create_request\":{\"key\":\"YQ==\",\"watch_id\":1}} "
                "{\"create_request\":{\"key\":\"YQ==\"}}"
                "{\"create_request\":{\"key\":\"YQ==\"}}\n"
                "{\"create_request\":{\"key\":\"YQ==\",\"watch_id\":2}}"
                "{\"create_request\":{\"key\":\"Yg==\",\"range_end\":\"YQ==\"}}"
                "{\"create_request\":{\"range_end\":\"AA==\",\"start_revision\":-1}}"
                "{\"cancel_request\":{\"watch_id\":7}}"
                "{\"cancel_request\":{\"watch_id\":2}}");
    client_expect(c, RESULT("1") ",\"watch_id\":\"1\",\"created\":true}}\n");
    client_expect(c, RESULT("1") ",\"created\":true}}\n");
    client_expect(c, RESULT("1") ",\"watch_id\":\"2\",\"created\":true}}\n");
    client_expect(c, RESULT("1") ",\"watch_id\":\"-1\",\"created\":true,\"canceled\":true,"
                                 "\"cancel_reason\":\"mvcc: duplicate watch ID provided on the "
                                 "WatchStream\"}}\n");
    client_expect(c, ",\"cancel_reason\":\"mvcc: watcher range is empty\"}}\n");
    client_expect(c, ",\"watch_id\":\"-1\",\"created\":true,\"canceled\":true,\"cancel_reason\":"
                     "\"etcdserver: mvcc: required revision has been compacted\"}}\n");
    client_expect(c, RESULT("1") ",\"watch_id\":\"2\",\"canceled\":true}}\n");
}

static void watch_compacted(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->server->compacted = 5;
    client_post(c, "/v3/watch", "{\"create_request\":{\"key\":\"YQ==\",\"start_revision\":2}}");
    client_expect(c, ",\"created\":true}}\n");
    client_expect(c, "{\"result\":{\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\","
                     "\"raft_term\":\"3\"},\"canceled\":true,\"compact_revision\":\"5\"}}\n");
}

static void watch_progress(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    fake_put(r->server, "a", "1");
    client_post(c, "/v3/watch",
                "{\"progress_request\":{}}" /* nobody watches: no answer */
                "{\"create_request\":{\"key\":\"YQ==\",\"start_revision\":2}}"
                "{\"create_request\":{\"key\":\"eA==\"}}"
                "{\"progress_request\":{}}");
    client_expect(c, RESULT("2") ",\"created\":true}}\n");
    client_expect(c, RESULT("2") ",\"watch_id\":\"1\",\"created\":true}}\n");
    client_expect(c, "\"events\":");
    client_expect(c, RESULT("2") ",\"watch_id\":\"-1\"}}\n");
}

static void watch_progress_notify(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->cfg.watch_progress_notify_interval = 5 * 1000000;
    client_post(c, "/v3/watch",
                "{\"create_request\":{\"key\":\"YQ==\",\"progress_notify\":true}}"
                "{\"create_request\":{\"key\":\"YQ==\",\"progress_notify\":true,"
                "\"start_revision\":2}}");
    client_expect(c, RESULT("1") ",\"watch_id\":\"1\",\"created\":true}}\n");
    client_expect(c, RESULT("1") "}}\n");
    client_expect(c, RESULT("1") "}}\n"); /* the other one's start has not come */
    fake_put(r->server, "x", "1");
    client_expect(c, RESULT("2") ",\"watch_id\":\"1\"}}\n");
}

static void watch_filters(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    client_post(c, "/v3/watch",
                "{\"create_request\":{\"key\":\"Yg==\",\"filters\":[\"NOPUT\"]}}"
                "{\"create_request\":{\"key\":\"Yg==\",\"filters\":[\"NODELETE\"]}}");
    client_expect(c, "\"watch_id\":\"1\",\"created\":true}}\n");
    fake_put(r->server, "b", "1");
    client_expect(c, "\"watch_id\":\"1\",\"events\":[{\"kv\"");
    client_ask(client(state), "/v3/kv/deleterange", "{\"key\":\"Yg==\"}", 200, "\"deleted\":\"1\"");
    client_expect(c, RESULT("3") ",\"events\":[{\"type\":\"DELETE\"");
}

static void watch_of_more_than_a_stream_holds(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    char value[3000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    client_post(c, "/v3/watch", "{\"create_request\":{\"key\":\"YQ==\"}}");
    client_expect(c, "\"created\":true}}\n");
    /* 1500 events of 4 kB in JSON at once: the watcher has to wait, and nothing may be lost. */
    for (int i = 0; i < 1500; i++)
        fake_put(r->server, "a", value);
    fake_put(r->server, "a", "last");
    client_expect(c, "\"value\":\"bGFzdA==\"}}]}}\n");
}

static void no_leader_ends_streams(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->cfg.election_timeout_ms = 5;
    loop_timer_set(&r->l.leader_timer, 5);
    client_send(c, "POST /v3/watch HTTP/1.1\r\nHost: x\r\nGrpc-Metadata-Hasleader: true\r\n"
                   "Content-Length: 2\r\n\r\n{}");
    client_get(client(state), "/health", 200, "true");
    r->server->no_leader = true;
    client_expect(c, "{\"error\":{\"code\":14,\"message\":\"etcdserver: no leader\"}}\n");
}

/* ---- Lease, Maintenance ---------------------------------------------------------------------- */

static void keepalives_in_order(void **state)
{
    struct client *c = client(state);
    AUTO(buf) struct buf body = BUF_INIT;
    for (int i = 1; i <= 300; i++)
        buf_addf(&body, "{\"ID\":%d}", i);
    client_post(c, "/v3/lease/keepalive", buf_cstr(&body));
    for (int i = 1; i <= 300; i++) {
        char line[48];
        snprintf(line, sizeof line, ",\"ID\":\"%d\",\"TTL\":\"5\"}}\n", i);
        client_expect(c, line);
    }
    client_expect(c, "0\r\n\r\n"); /* the last answer ends the stream */
}

static void keepalive_fails(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->server->fail = ERR_NO_LEADER;
    client_ask(c, "/v3/lease/keepalive", "{\"ID\":1}{\"ID\":2}", 503,
               "{\"error\":{\"code\":14,\"message\":\"etcdserver: no leader\"}}\n");
}

static void snapshot_pieces_and_sum(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->server->snapshot_size = 100000; /* zeros */
    client_post(c, "/v3/maintenance/snapshot", "{}");
    client_expect(c, "{\"result\":{\"remaining_bytes\":\"67232\",\"blob\":\"AAAA");
    client_expect(c, "\"remaining_bytes\":\"34464\"");
    client_expect(c, "\"remaining_bytes\":\"1696\"");
    client_expect(c, "{\"result\":{\"blob\":\"AAAA");
    client_expect(c, "{\"result\":{\"blob\":\"kZLCW3NPy62+MtrcKAicYNsOOfkMwgzi5XM/VyYazAw=\","
                     "\"version\":\"3.7.0\"}}\n");
    client_expect(c, "0\r\n\r\n");
}

static void snapshot_of_a_large_file(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    r->server->snapshot_size = 20 * 1000 * 1000;
    client_post(c, "/v3/maintenance/snapshot", "{}");
    client_expect(c, "\"version\":\"3.7.0\"}}\n");
    client_expect(c, "0\r\n\r\n");
}

/* ---- Lock, Election -------------------------------------------------------------------------- */

static void locks(void **state)
{
    struct rig *r = *state;
    struct client *a = client(state), *b = client(state), *c = client(state);
    client_ask(a, "/v3/lock/lock", "{\"name\":\"bA==\",\"lease\":16}", 200,
               HEADER("2") ",\"key\":\"bC8xMA==\"}"); /* l/10 */
    client_ask(a, "/v3/lock/lock", "{\"name\":\"bA==\",\"lease\":16}", 200,
               HEADER("2") ",\"key\":\"bC8xMA==\"}"); /* again by the owner */
    client_post(b, "/v3/lock/lock", "{\"name\":\"bA==\",\"lease\":17}");
    client_get(a, "/health", 200, "true");
    client_post(c, "/v3/lock/lock", "{\"name\":\"bA==\"}"); /* with a lease of its own */
    client_get(a, "/health", 200, "true");
    client_get(a, "/health", 200, "true");
    client_ask(a, "/v3/lock/unlock", "{\"key\":\"bC8xMA==\"}", 200, HEADER("5") "}");
    client_expect(b, ",\"key\":\"bC8xMQ==\"}");
    client_ask(a, "/v3/lock/unlock", "{\"key\":\"bC8xMQ==\"}", 200, HEADER("6") "}");
    client_expect(c, ",\"key\":\"bC83MDA=\"}");
    assert_int_equal(r->server->rows_n, 1);
}

static bool one_row(struct rig *r)
{
    return r->server->rows_n == 1;
}

static bool two_rows(struct rig *r)
{
    return r->server->rows_n == 2;
}

static void lock_of_a_client_that_leaves(void **state)
{
    struct rig *r = *state;
    struct client *a = client(state), *b = client(state);
    client_ask(a, "/v3/lock/lock", "{\"name\":\"bA==\",\"lease\":16}", 200, "\"key\"");
    client_post(b, "/v3/lock/lock", "{\"name\":\"bA==\",\"lease\":17}");
    rig_until(r, two_rows);
    client_close(b);
    rig_until(r, one_row);
}

static void lock_whose_lease_ends(void **state)
{
    struct rig *r = *state;
    struct client *a = client(state), *b = client(state);
    client_ask(a, "/v3/lock/lock", "{\"name\":\"bA==\",\"lease\":16}", 200, "\"key\"");
    client_post(b, "/v3/lock/lock", "{\"name\":\"bA==\",\"lease\":17}");
    rig_until(r, two_rows);
    client_ask(a, "/v3/kv/deleterange", "{\"key\":\"bA==\",\"range_end\":\"bQ==\"}", 200,
               "\"deleted\":\"2\"");
    client_expect(b, "500 ");
    client_expect(b, "mutex: session is expired");
}

#define LEADER "\"leader\":{\"name\":\"ZQ==\",\"key\":\"ZS8xMA==\",\"rev\":\"2\",\"lease\":\"16\"}"

static void elections(void **state)
{
    struct client *a = client(state), *b = client(state), *o = client(state);
    client_ask(a, "/v3/election/leader", "{\"name\":\"ZQ==\"}", 500, "election: no leader");
    client_ask(a, "/v3/election/proclaim", "{}", 500, "\\\"leader\\\" field must be provided");
    client_post(o, "/v3/election/observe", "{\"name\":\"ZQ==\"}");
    client_get(a, "/health", 200, "true");
    client_ask(a, "/v3/election/campaign", "{\"name\":\"ZQ==\",\"lease\":16,\"value\":\"MQ==\"}", 200,
               HEADER("2") "," LEADER "}");
    client_expect(o, RESULT("2") ",\"kv\":{\"key\":\"ZS8xMA==\",\"create_revision\":\"2\","
                                 "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"MQ==\","
                                 "\"lease\":\"16\"}}}\n");
    client_post(b, "/v3/election/campaign", "{\"name\":\"ZQ==\",\"lease\":17,\"value\":\"Mg==\"}");
    rig_until(*state, two_rows);
    client_ask(a, "/v3/election/proclaim", "{" LEADER ",\"value\":\"MWI=\"}", 200, HEADER("4") "}");
    client_expect(o, "\"value\":\"MWI=\"");
    client_ask(a, "/v3/election/leader", "{\"name\":\"ZQ==\"}", 200, "\"value\":\"MWI=\"");
    client_ask(a, "/v3/election/resign", "{" LEADER "}", 200, HEADER("5") "}");
    client_expect(b, HEADER("3") ",\"leader\":{\"name\":\"ZQ==\",\"key\":\"ZS8xMQ==\",\"rev\":\"3\",");
    client_expect(o, "\"value\":\"Mg==\"");
    client_ask(a, "/v3/election/proclaim", "{" LEADER "}", 500, "election: not leader");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(put_and_range),
        TEST(range_waits_for_a_read_index),
        TEST(large_range),
        TEST(refusals),
        TEST(needs_a_leader),
        TEST(client_goes_before_the_answer),
        TEST(watch_history_and_feed),
        TEST(watch_ids),
        TEST(watch_compacted),
        TEST(watch_progress),
        TEST(watch_progress_notify),
        TEST(watch_filters),
        TEST(watch_of_more_than_a_stream_holds),
        TEST(no_leader_ends_streams),
        TEST(keepalives_in_order),
        TEST(keepalive_fails),
        TEST(snapshot_pieces_and_sum),
        TEST(snapshot_of_a_large_file),
        TEST(locks),
        TEST(lock_of_a_client_that_leaves),
        TEST(lock_whose_lease_ends),
        TEST(elections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
