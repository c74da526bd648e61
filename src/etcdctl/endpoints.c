/* etcdctl/endpoints.c -- see endpoints.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/endpoints.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "etcdctl/globals.h"

/* The user is unknown to the server: upstream's client cannot be made then. */
static bool is_unauthenticated(const struct etcd_error *e)
{
    return *globals.user && strcmp(e->text, err_text(ERR_AUTH_FAILED)) == 0;
}

/* ---- which endpoints -------------------------------------------------------------------------- */

static void add(struct ep_list *ep, const char *s)
{
    ep->v = xrealloc(ep->v, (ep->n + 1) * sizeof *ep->v);
    ep->v[ep->n++] = xstrdup(s);
}

void ep_list_fini(struct ep_list *ep)
{
    for (size_t i = 0; i < ep->n; i++)
        free(ep->v[i]);
    free(ep->v);
    *ep = (struct ep_list){0};
}

static int of_cluster_get(struct ep_list *ep, const struct session_config *config,
                          int64_t timeout_ms)
{
    int code;
    struct etcd_client *c = session_dial(config, NULL, &code);
    if (!c)
        return code;
    Etcdserverpb__MemberListRequest request = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    request.linearizable = true;
    struct etcd_error e;
    Etcdserverpb__MemberListResponse *r =
        etcd_call(c, &etcd_rpc_member_list, &request, timeout_ms, &e);
    for (size_t i = 0; r && i < r->n_members; i++)
        for (size_t j = 0; j < r->members[i]->n_clienturls; j++)
            add(ep, r->members[i]->clienturls[j]);
    if (!r && is_unauthenticated(&e)) {
        code = session_fail(CLI_ERROR, &e);
    } else if (!r) {
        code = cli_fail(CLI_ERROR, "failed to fetch endpoints from etcd cluster member list: %s",
                        e.text);
    }
    etcd_response_free(r);
    etcd_client_free(c);
    return code;
}

int ep_list_get(struct ep_list *ep, const struct session_config *config, int64_t timeout_ms,
                  bool of_cluster)
{
    *ep = (struct ep_list){0};
    if (of_cluster)
        return of_cluster_get(ep, config, timeout_ms);
    for (size_t i = 0; i < config->n_endpoints; i++)
        add(ep, config->endpoints[i]);
    return CLI_OK;
}

/* ---- visits ----------------------------------------------------------------------------------- */

struct traveller {
    pthread_t thread;
    const struct session_config *config;
    void (*fn)(struct etcd_client *c, struct visit *v);
    struct visit *visit;
};

static void *travel(void *arg)
{
    struct traveller *t = arg;
    struct etcd_client_config config = t->config->client;
    config.endpoints = &t->visit->ep;
    config.n_endpoints = 1;
    struct etcd_client *c = etcd_client_new(&config, &t->visit->error);
    t->visit->dialed = c != NULL;
    if (c)
        t->fn(c, t->visit);
    etcd_client_free(c);
    return NULL;
}

struct visit *endpoints_visit(const struct ep_list *ep, const struct session_config *config,
                              void (*fn)(struct etcd_client *c, struct visit *v), void *arg)
{
    struct visit *visits = xcalloc(ep->n + 1, sizeof *visits);
    struct traveller *travellers = xcalloc(ep->n + 1, sizeof *travellers);
    for (size_t i = 0; i < ep->n; i++) {
        visits[i] = (struct visit){.ep = ep->v[i], .arg = arg};
        travellers[i] = (struct traveller){.config = config, .fn = fn, .visit = &visits[i]};
        if (pthread_create(&travellers[i].thread, NULL, travel, &travellers[i]) != 0) {
            travel(&travellers[i]); /* no more threads: one after the other */
            travellers[i].fn = NULL;
        }
    }
    for (size_t i = 0; i < ep->n; i++)
        if (travellers[i].fn)
            pthread_join(travellers[i].thread, NULL);
    free(travellers);
    return visits;
}

void visits_free(struct visit *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        etcd_response_free(v[i].response);
        free(v[i].problem);
    }
    free(v);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void visit_call(struct visit *v, struct etcd_client *c, const struct etcd_method *m,
                const void *request, int64_t timeout_ms)
{
    int64_t began = now_ns();
    v->response = etcd_call(c, m, request, timeout_ms, &v->error);
    v->took_ns = now_ns() - began;
    if (!v->response && is_unauthenticated(&v->error))
        v->dialed = false;
}
