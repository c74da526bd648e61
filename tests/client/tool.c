/* tests/client/tool.c -- the client library as a program, for the tests that disturb it.
 *
 *   tool ENDPOINTS watch PREFIX FROM N   print the revision of each of N events
 *   tool ENDPOINTS put PREFIX N          put N keys, and say what became of each
 *   tool ENDPOINTS list PREFIX           print each key and its version
 *   tool ENDPOINTS keep KEY TTL MS       hold a key by a lease for so long, and say if that was so
 *   tool ENDPOINTS lock NAME MS          hold a lock for so long; print its key when it is held
 *   tool ENDPOINTS lead NAME VALUE MS    win an election, print the key; proclaim VALUE+ when half of
 *                                        the time is over, and resign in the end
 *   tool ENDPOINTS observe NAME N        print the values of N leaders
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/etcdclient.h"

enum { ENDPOINTS = 8, CALL_MS = 10000 };

static struct etcd_client *client;
static struct etcd_error error;

static ProtobufCBinaryData bytes(const char *s)
{
    return (ProtobufCBinaryData){.len = strlen(s), .data = (uint8_t *)s};
}

/* Behind all that begins with `prefix`, whose last character is no 0xff. */
static ProtobufCBinaryData prefix_end(const char *prefix)
{
    static char end[256];
    snprintf(end, sizeof end, "%s", prefix);
    end[strlen(end) - 1]++;
    return bytes(end);
}

/* ---- watch ------------------------------------------------------------------------------- */

static long events_left;

static void on_events(void *arg, const Etcdserverpb__WatchResponse *r, const struct etcd_error *e)
{
    if (r == NULL || r->canceled) {
        printf("ended: %s\n", r != NULL ? r->cancel_reason : e->text);
        events_left = 0;
        return;
    }
    if (r->created)
        printf("created\n");
    for (size_t i = 0; i < r->n_events; i++, events_left--)
        printf("%" PRId64 "\n", r->events[i]->kv->mod_revision);
    fflush(stdout);
}

static int watch(const char *prefix, int64_t from, long n)
{
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    struct etcd_watcher *w = etcd_watcher_new(client);
    create.key = bytes(prefix);
    create.range_end = prefix_end(prefix);
    create.start_revision = from;
    events_left = n;
    (void)etcd_watch_start(w, &create, on_events, NULL);
    while (events_left > 0 && etcd_client_poll(client, -1))
        ;
    etcd_watcher_free(w);
    return events_left == 0 ? 0 : 1;
}

/* ---- keys -------------------------------------------------------------------------------- */

static int put(const char *prefix, long n)
{
    for (long i = 0; i < n; i++) {
        char key[256];
        Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
        snprintf(key, sizeof key, "%s%06ld", prefix, i);
        rq.key = bytes(key);
        void *r = etcd_call(client, &etcd_rpc_put, &rq, 0, &error);
        printf("%s %s\n", r != NULL ? "ok" : "failed", r != NULL ? key : error.text);
        fflush(stdout);
        etcd_response_free(r);
    }
    return 0;
}

static int list(const char *prefix)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    rq.key = bytes(prefix);
    rq.range_end = prefix_end(prefix);
    Etcdserverpb__RangeResponse *r = etcd_call(client, &etcd_rpc_range, &rq, 0, &error);
    if (r == NULL) {
        printf("%s\n", error.text);
        return 1;
    }
    for (size_t i = 0; i < r->n_kvs; i++)
        printf("%.*s %" PRId64 "\n", (int)r->kvs[i]->key.len, (const char *)r->kvs[i]->key.data,
               r->kvs[i]->version);
    etcd_response_free(r);
    return 0;
}

/* ---- leases ------------------------------------------------------------------------------ */

static void on_time_over(void *arg)
{
    *(int *)arg = 1;
}

static int keep(const char *key, int64_t ttl, int64_t ms)
{
    int over = 0;
    struct etcd_session *s = etcd_session_new(client, ttl, 0, &error);
    if (s == NULL) {
        printf("%s\n", error.text);
        return 1;
    }
    Etcdserverpb__PutRequest rq = ETCDSERVERPB__PUT_REQUEST__INIT;
    rq.key = bytes(key);
    rq.lease = etcd_session_lease(s);
    void *r = etcd_call(client, &etcd_rpc_put, &rq, 0, &error);
    printf("%s\n", r != NULL ? "held" : error.text);
    fflush(stdout);
    etcd_response_free(r);
    struct etcd_timer *t = etcd_timer_new(client, on_time_over, &over);
    etcd_timer_set(t, ms);
    while (!over && etcd_session_is_alive(s))
        (void)etcd_client_poll(client, -1);
    printf("%s\n", etcd_session_is_alive(s) ? "alive" : "lost");
    etcd_timer_free(t);
    etcd_session_free(s, false);
    return 0;
}

/* ---- locks ------------------------------------------------------------------------------- */

static int lock(const char *name, int64_t ms)
{
    int over = 0;
    struct etcd_session *s = etcd_session_new(client, 10, 0, &error);
    struct etcd_mutex *m = s != NULL ? etcd_mutex_new(s, name) : NULL;
    bool held = m != NULL && etcd_mutex_lock(m, false, 0, &error);
    printf("%s\n", held ? etcd_mutex_key(m) : error.text);
    fflush(stdout);
    struct etcd_timer *t = etcd_timer_new(client, on_time_over, &over);
    etcd_timer_set(t, ms);
    while (held && !over)
        (void)etcd_client_poll(client, -1);
    bool good = held && etcd_session_is_alive(s) && etcd_mutex_unlock(m, &error);
    printf("%s\n", good ? "unlocked" : error.text);
    etcd_timer_free(t);
    etcd_mutex_free(m);
    etcd_session_free(s, true);
    return good ? 0 : 1;
}

/* ---- elections --------------------------------------------------------------------------- */

static void wait_for(int64_t ms)
{
    int over = 0;
    struct etcd_timer *t = etcd_timer_new(client, on_time_over, &over);
    etcd_timer_set(t, ms);
    while (!over)
        (void)etcd_client_poll(client, -1);
    etcd_timer_free(t);
}

static int lead(const char *name, const char *value, int64_t ms)
{
    char other[256];
    struct etcd_session *s = etcd_session_new(client, 2, 0, &error);
    struct etcd_election *e = s != NULL ? etcd_election_new(s, name) : NULL;
    bool good = e != NULL && etcd_election_campaign(e, bytes(value), &error);
    printf("%s\n", good ? etcd_election_key(e) : error.text);
    fflush(stdout);
    snprintf(other, sizeof other, "%s+", value);
    if (good)
        wait_for(ms / 2);
    good = good && etcd_election_proclaim(e, bytes(other), &error);
    if (good)
        wait_for(ms / 2);
    good = good && etcd_election_resign(e, &error);
    bool after = good && etcd_election_proclaim(e, bytes("late"), &error);
    printf("%s\n", good && !after ? "resigned" : error.text);
    etcd_election_free(e);
    etcd_session_free(s, true);
    return good && !after ? 0 : 1;
}

static void on_leader(void *arg, const Etcdserverpb__RangeResponse *r, const struct etcd_error *e)
{
    if (r == NULL) {
        printf("ended: %s\n", e->text);
        events_left = 0;
        return;
    }
    printf("%.*s\n", (int)r->kvs[0]->value.len, (const char *)r->kvs[0]->value.data);
    fflush(stdout);
    events_left--;
}

static int observe(const char *name, long n)
{
    events_left = n;
    struct etcd_observer *o = etcd_observer_new(client, name, on_leader, NULL);
    while (events_left > 0 && etcd_client_poll(client, -1))
        ;
    etcd_observer_free(o);
    return 0;
}

/* ---- main -------------------------------------------------------------------------------- */

static int run(int argc, char **argv)
{
    const char *verb = argv[2];
    if (argc == 6 && strcmp(verb, "watch") == 0)
        return watch(argv[3], strtoll(argv[4], NULL, 10), strtol(argv[5], NULL, 10));
    if (argc == 5 && strcmp(verb, "put") == 0)
        return put(argv[3], strtol(argv[4], NULL, 10));
    if (argc == 4 && strcmp(verb, "list") == 0)
        return list(argv[3]);
    if (argc == 6 && strcmp(verb, "keep") == 0)
        return keep(argv[3], strtoll(argv[4], NULL, 10), strtoll(argv[5], NULL, 10));
    if (argc == 5 && strcmp(verb, "lock") == 0)
        return lock(argv[3], strtoll(argv[4], NULL, 10));
    if (argc == 6 && strcmp(verb, "lead") == 0)
        return lead(argv[3], argv[4], strtoll(argv[5], NULL, 10));
    if (argc == 5 && strcmp(verb, "observe") == 0)
        return observe(argv[3], strtol(argv[4], NULL, 10));
    fprintf(stderr, "tool: see its source\n");
    return 2;
}

static void on_debug(void *arg, const char *text)
{
    fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
    const char *endpoints[ENDPOINTS];
    size_t n = 0;
    if (argc < 3)
        return 2;
    for (char *p = argv[1]; p != NULL && n < ENDPOINTS;)
        endpoints[n++] = strsep(&p, ",");
    const struct etcd_client_config config = {
        .endpoints = endpoints, .n_endpoints = n, .call_timeout_ms = CALL_MS, .debug = on_debug};
    client = etcd_client_new(&config, &error);
    if (client == NULL) {
        fprintf(stderr, "tool: %s\n", error.text);
        return 2;
    }
    int rc = run(argc, argv);
    etcd_client_free(client);
    return rc;
}
