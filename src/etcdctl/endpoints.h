/* etcdctl/endpoints.h -- commands that ask every endpoint by itself.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_ENDPOINTS_H
#define ETCDCTL_ENDPOINTS_H

#include "etcdctl/session.h"

struct ep_list {
    char **v; /* owned */
    size_t n;
};

/* Those of --endpoints, or with `of_cluster` the client URLs of all members. Return CLI_OK, or the
 * exit code after the error was printed. */
int ep_list_get(struct ep_list *ep, const struct session_config *config, int64_t timeout_ms,
                  bool of_cluster);
void ep_list_fini(struct ep_list *ep);
static inline void ep_list_auto(struct ep_list *ep)
{
    ep_list_fini(ep);
}

/* One endpoint's turn. */
struct visit {
    const char *ep;
    void *arg;       /* the command's own */
    void *response;  /* freed with the visits */
    int64_t took_ns; /* of the call, without making the client */
    bool dialed;     /* a client could be made and the user is known */
    struct etcd_error error; /* where there is no response */
    char *problem;           /* owned; a command's own words for what is wrong; NULL: none */
};

/* Visit all endpoints at once, each in a thread with a client of its own, and return when all are
 * done: visits[i] is endpoint i's. */
struct visit *endpoints_visit(const struct ep_list *ep, const struct session_config *config,
                              void (*fn)(struct etcd_client *c, struct visit *v), void *arg);
void visits_free(struct visit *v, size_t n);

/* Call and keep answer, error and time. */
void visit_call(struct visit *v, struct etcd_client *c, const struct etcd_method *m,
                const void *request, int64_t timeout_ms);

#endif
