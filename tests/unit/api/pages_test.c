/* tests/unit/api/pages_test.c -- probes, versions, metrics, and who may ask.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pb/etcdserverpb.pb-c.h"
#include "rig.h"

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

static void version(void **state)
{
    struct client *c = client(state);
    client_get(c, "/version", 200,
               "{\"etcdserver\":\"3.7.1\",\"etcdcluster\":\"3.7.0\",\"storage\":\"3.7.0\"}");
    client_ask(c, "/version", "", 405, "Method Not Allowed\n");
    client_get(c, "/debug/vars", 200, "\"raft.status\": {\"id\":\"2\",");
}

static void health(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    client_get(c, "/health", 200, "\r\n\r\n{\"health\":\"true\",\"reason\":\"\"}");
    client_ask(c, "/health", "", 405, "Allow: GET\r\n");
    r->server->alarms = BIT(ETCDSERVERPB__ALARM_TYPE__NOSPACE);
    client_get(c, "/health", 503, "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n");
    client_get(c, "/health?exclude=NOSPACE", 200, "{\"health\":\"true\"");
    client_get(c, "/health?exclude=CORRUPT&exclude=NOSPAC%45", 200, "{\"health\":\"true\"");
    r->server->alarms = BIT(ETCDSERVERPB__ALARM_TYPE__CORRUPT);
    client_get(c, "/health?exclude=NOSPACE", 503, "\"reason\":\"ALARM CORRUPT\"}\n");
    r->server->alarms = 0;
    r->server->no_leader = true;
    client_get(c, "/health", 503, "\"reason\":\"RAFT NO LEADER\"}\n");
    client_get(c, "/health?serializable=true", 200, "\"reason\":\"\"}");
    r->server->no_leader = false;
    r->server->fail = ERR_TIMEOUT;
    client_get(c, "/health", 503, "\"reason\":\"RANGE ERROR:etcdserver: request timed out\"}\n");
}

static void live_and_ready(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    client_get(c, "/livez", 200, "\r\n\r\nok\n");
    client_get(c, "/livez?verbose", 200, "\r\n\r\n[+]serializable_read ok\nok\n");
    client_get(c, "/livez/serializable_read", 200, "\r\n\r\nok\n");
    client_get(c, "/livez/linearizable_read", 404, "404 page not found\n");
    client_get(c, "/readyz?verbose", 200,
               "\r\n\r\n[+]data_corruption ok\n[+]serializable_read ok\n"
               "[+]linearizable_read ok\n[+]non_learner ok\nok\n");
    r->server->fail = ERR_NO_LEADER;
    client_get(c, "/readyz", 503,
               "[-]linearizable_read failed: etcdserver: no leader\n[+]non_learner ok\n");
    client_get(c, "/readyz/linearizable_read", 503, "[-]linearizable_read failed");
    client_get(c, "/readyz?exclude=linearizable_read&exclude=nothing", 200, "\r\n\r\nok\n");
    client_get(c, "/livez", 200, "\r\n\r\nok\n");
    r->server->alarms = BIT(ETCDSERVERPB__ALARM_TYPE__CORRUPT);
    client_get(c, "/readyz/data_corruption", 503,
               "[-]data_corruption failed: alarm activated: CORRUPT\n");
    client_ask(c, "/readyz", "", 405, "Method Not Allowed\n");
}

static void probe_of_a_client_that_leaves(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state), *other = client(state);
    r->server->hold = true;
    client_send(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    client_get(other, "/metrics", 200, "etcd_fake 1");
    client_get(other, "/metrics", 200, "etcd_fake 1");
    client_close(c);
    client_get(other, "/metrics", 200, "etcd_fake 1");
    fake_release(r->server);
    client_get(other, "/health", 200, "true");
}

static void no_such_page(void **state)
{
    struct client *c = client(state);
    client_get(c, "/", 404, "X-Content-Type-Options: nosniff\r\n");
    client_get(c, "/v2/keys", 404, "404 page not found\n");
    client_get(c, "/debug/pprof/", 404, "404 page not found\n");
}

static void metrics_port(void **state)
{
    struct client *c = client_new(*state, API_PORT_METRICS);
    client_get(c, "/metrics", 200, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    client_get(c, "/health", 200, "true");
    client_get(c, "/readyz/serializable_read", 200, "ok\n");
    client_get(c, "/version", 404, "404 page not found\n");
    client_ask(c, "/v3/kv/range", "{}", 404, "404 page not found\n");
}

static void other_origins(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    client_get(c, "/health", 200, "Access-Control-Allow-Origin: *\r\n");
    client_ask(c, "/v3/kv/range", "{}", 400, "Access-Control-Allow-Origin: *\r\n");
    client_expect(c, "provided\"}");
    client_send(c, "OPTIONS /v3/kv/range HTTP/1.1\r\nHost: x\r\n\r\n");
    client_expect(c, "HTTP/1.1 200 ");
    client_expect(c, "Access-Control-Allow-Headers: accept, content-type, authorization\r\n");
    client_expect(c, "\r\n\r\n");

    char *origins[] = {"http://here"};
    r->cfg.cors = (struct str_list){origins, 1};
    client_send(c, "GET /health HTTP/1.1\r\nHost: x\r\nOrigin: http://here\r\n\r\n");
    client_expect(c, "Access-Control-Allow-Origin: http://here\r\n");
    client_expect(c, "}");
    client_send(c, "GET /health HTTP/1.1\r\nHost: x\r\nOrigin: http://there\r\n\r\n");
    client_expect(c, "200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 29");
}

static void hosts(void **state)
{
    struct rig *r = *state;
    struct client *c = client(state);
    char *names[] = {"good", "::1"};
    r->cfg.host_whitelist = (struct str_list){names, 2};
    client_get(c, "/health", 421, "e.g. etcd --host-whitelist \"x\"\n");
    client_send(c, "GET /health HTTP/1.1\r\nHost: good:2379\r\n\r\n");
    client_expect(c, "HTTP/1.1 200 ");
    client_send(c, "GET /health HTTP/1.1\r\nHost: [::1]:2379\r\n\r\n");
    client_expect(c, "HTTP/1.1 200 ");
    char *any[] = {"*"};
    r->cfg.host_whitelist = (struct str_list){any, 1};
    client_get(c, "/health", 200, "true");
}

static void no_gateway(void **state)
{
    struct rig *r = *state;
    r->cfg.enable_grpc_gateway = false;
    client_ask(client(state), "/v3/kv/range", "{}", 404, "404 page not found\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(version),      TEST(health),        TEST(live_and_ready), TEST(probe_of_a_client_that_leaves),
        TEST(no_such_page), TEST(metrics_port),  TEST(other_origins),  TEST(hosts),
        TEST(no_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
