/* benchmark/fleet.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "benchmark/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/mem.h"
#include "benchmark/globals.h"
#include "cli/terminal.h"

/* What is asked for once and then used for every connection. */
static struct {
    bool known;
    char *user, *password;
    char *leader; /* its client URL */
} once;

/* ---- the configuration ----------------------------------------------------------------------- */

static int fail(const char *what, const char *text)
{
    fprintf(stderr, "%s%s\n", what, text);
    return CLI_ERROR;
}

static int ask_user(void)
{
    if (once.known || !*globals.user)
        return CLI_OK;
    const char *colon = strchr(globals.user, ':');
    once.password = colon ? xstrdup(colon + 1) : terminal_ask_secret("Password: ");
    if (once.password == NULL)
        return fail("bad user information: ", "no password");
    once.user =
        colon ? xstrndup(globals.user, (size_t)(colon - globals.user)) : xstrdup(globals.user);
    once.known = true;
    return CLI_OK;
}

static const char *file_of(const char *flag)
{
    return *flag ? flag : NULL;
}

static struct etcd_client_config config_of(const char *const *endpoints, size_t n)
{
    return (struct etcd_client_config){
        .endpoints = endpoints,
        .n_endpoints = n,
        .user = once.user,
        .password = once.password,
        .cert_file = file_of(globals.cert),
        .key_file = file_of(globals.key),
        .ca_file = file_of(globals.cacert),
        .insecure_skip_verify = globals.insecure_skip_tls_verify,
        .tls = globals.insecure_skip_tls_verify,
        .dial_timeout_ms = duration_ms(globals.dial_timeout),
        .call_timeout_ms = -1,
        .fail_fast = true,
    };
}

static const char *trimmed(struct arena *a, const char *s)
{
    s += strspn(s, " \t\r\n");
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
        n--;
    char *copy = arena_calloc(a, n + 1);
    memcpy(copy, s, n);
    return copy;
}

/* Lend the endpoints `times` over, which makes so many connections to each. */
static const char **endpoints_times(struct arena *a, const char *const *texts, size_t n,
                                    size_t times)
{
    const char **all = arena_calloc(a, (n * times + 1) * sizeof *all);
    for (size_t i = 0; i < n * times; i++)
        all[i] = trimmed(a, texts[i % n]);
    return all;
}

/* ---- --target-leader ------------------------------------------------------------------------- */

static uint64_t leader_id(struct etcd_client *c)
{
    size_t n;
    (void)etcd_client_endpoints(c, &n);
    for (size_t i = 0; i < n; i++) {
        Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
        struct etcd_error e;
        Etcdserverpb__StatusResponse *r = etcd_call_at(c, i, &etcd_rpc_status, &request, -1, &e);
        uint64_t id = r != NULL ? r->leader : 0;
        etcd_response_free(r);
        if (id != 0)
            return id;
    }
    return 0;
}

static int find_leader(struct etcd_client *c)
{
    Etcdserverpb__MemberListRequest request = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    struct etcd_error e;
    Etcdserverpb__MemberListResponse *r = etcd_call(c, &etcd_rpc_member_list, &request, -1, &e);
    if (r == NULL)
        return fail("failed to get a member list: ", e.text);
    uint64_t id = leader_id(c);
    for (size_t i = 0; i < r->n_members; i++)
        if (id != 0 && r->members[i]->id == id && r->members[i]->n_clienturls > 0)
            once.leader = xstrdup(r->members[i]->clienturls[0]);
    etcd_response_free(r);
    return once.leader ? CLI_OK : fail("failed to find a leader endpoint", "");
}

/* ---- --auto-sync-interval -------------------------------------------------------------------- */

static void set_endpoints(struct worker *w, const Etcdserverpb__MemberListResponse *r)
{
    struct arena *a = arena_new();
    size_t n = 0;
    const char *urls[ETCD_ENDPOINTS_MAX];
    for (size_t i = 0; i < r->n_members; i++)
        for (size_t k = 0; k < r->members[i]->n_clienturls && n < ARRAY_LEN(urls); k++)
            if (!r->members[i]->islearner)
                urls[n++] = r->members[i]->clienturls[k];
    if (n > 0) {
        size_t times = w->n_conns * n <= ETCD_ENDPOINTS_MAX ? w->n_conns : ETCD_ENDPOINTS_MAX / n;
        struct etcd_error e;
        (void)etcd_client_set_endpoints(w->client, endpoints_times(a, urls, n, times), n * times,
                                        &e);
    }
    arena_free(a);
}

static void on_members(void *arg, const void *response, const struct etcd_error *error)
{
    struct worker *w = arg;
    if (error == NULL)
        set_endpoints(w, response);
    etcd_timer_set(w->sync, duration_ms(globals.auto_sync_interval));
}

static void on_sync(void *arg)
{
    struct worker *w = arg;
    Etcdserverpb__MemberListRequest request = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    request.linearizable = true;
    etcd_call_start(w->client, &etcd_rpc_member_list, &request, 5000, on_members, w);
}

/* ---- the fleet ------------------------------------------------------------------------------- */

static size_t at_most(size_t n, size_t max)
{
    return n < max ? n : max;
}

/* How many workers for so many connections: half the processors', more where one client of the
 * library cannot have so many. */
static size_t count_workers(size_t conns, size_t n_endpoints)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = at_most(cpus > 3 ? (size_t)cpus / 2 : 1, conns);
    size_t each = ETCD_ENDPOINTS_MAX / n_endpoints;
    size_t least = (conns + each - 1) / each;
    return n > least ? n : least;
}

static int worker_open(struct worker *w, const char *const *texts, size_t n)
{
    struct arena *a = arena_new();
    const char **endpoints = endpoints_times(a, texts, n, w->n_conns);
    const struct etcd_client_config config = config_of(endpoints, n * w->n_conns);
    struct etcd_error e;
    w->client = etcd_client_new(&config, &e);
    arena_free(a);
    if (w->client == NULL)
        return fail("dial error: ", e.text);
    if (globals.auto_sync_interval > 0) {
        w->sync = etcd_timer_new(w->client, on_sync, w);
        etcd_timer_set(w->sync, duration_ms(globals.auto_sync_interval));
    }
    return etcd_client_login(w->client, &e) ? CLI_OK : fail("dial error: ", e.text);
}

static int open_leader(const char *const *texts, size_t n)
{
    struct worker w = {.n_conns = 1};
    int code = worker_open(&w, texts, n);
    if (code == CLI_OK)
        code = find_leader(w.client);
    etcd_timer_free(w.sync);
    etcd_client_free(w.client);
    return code;
}

int fleet_open(struct fleet *f, unsigned conns, unsigned clients)
{
    *f = (struct fleet){0};
    const char *const *texts = (const char *const *)globals.endpoints.v;
    size_t n = globals.endpoints.n;
    if (globals.conns == 0 || globals.clients == 0)
        return cli_fail(CLI_ERROR, "expected positive --conns and --clients, got (%u) and (%u)",
                        globals.conns, globals.clients);
    if (n == 0 || n > ETCD_ENDPOINTS_MAX)
        return cli_fail(CLI_ERROR, "expected 1 to %d --endpoints, got %zu", ETCD_ENDPOINTS_MAX, n);
    int code = ask_user();
    if (code == CLI_OK && globals.target_leader && once.leader == NULL)
        code = open_leader(texts, n);
    if (code != CLI_OK)
        return code;
    const char *leader = once.leader;
    if (leader != NULL) {
        texts = &leader;
        n = 1;
    }
    size_t want = at_most(conns > 0 ? conns : globals.conns, clients);
    f->n = count_workers(want, n);
    f->workers = xcalloc(f->n, sizeof *f->workers);
    for (size_t i = 0; i < f->n && code == CLI_OK; i++) {
        f->workers[i].fleet = f;
        f->workers[i].n_conns = want / f->n + (i < want % f->n);
        code = worker_open(&f->workers[i], texts, n);
    }
    if (code != CLI_OK)
        fleet_close(f);
    return code;
}

void fleet_close(struct fleet *f)
{
    for (size_t i = 0; i < f->n; i++) {
        etcd_timer_free(f->workers[i].sync);
        etcd_client_free(f->workers[i].client);
    }
    free(f->workers);
    *f = (struct fleet){0};
}

void *fleet_call(struct fleet *f, const struct etcd_method *m, const void *request,
                 struct etcd_error *ret_error)
{
    etcd_client_resume(f->workers[0].client);
    return etcd_call(f->workers[0].client, m, request, -1, ret_error);
}
