/* client/session.c -- a lease that is granted and kept.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/recipe.h"

struct etcd_session {
    struct etcd_client *client;
    int64_t lease, ttl_s;
    struct etcd_keepalive *keepalive; /* NULL: the lease ran out */
};

static void on_renewed(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *r,
                       const struct etcd_error *e)
{
    struct etcd_session *s = arg;
    if (r != NULL && r->ttl > 0)
        return;
    client_debug(s->client, "session %016llx: %s", (unsigned long long)s->lease,
                 e != NULL ? e->text : "the lease ran out");
    s->keepalive = NULL;
}

/* Return the lease's ID, and how long it lives; or 0. */
static int64_t grant(struct etcd_client *c, int64_t ttl_s, msec *ret_ttl,
                     struct etcd_error *ret_error)
{
    Etcdserverpb__LeaseGrantRequest rq = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    rq.ttl = ttl_s;
    Etcdserverpb__LeaseGrantResponse *r = etcd_call(c, &etcd_rpc_lease_grant, &rq, 0, ret_error);
    if (r == NULL)
        return 0;
    int64_t id = r->id;
    *ret_ttl = ttl_ms(r->ttl);
    if (id == 0)
        error_set(ret_error, ETCD_INTERNAL, "the lease that was granted has no ID");
    etcd_response_free(r);
    return id;
}

struct etcd_session *etcd_session_new(struct etcd_client *c, int64_t ttl_s, int64_t lease,
                                      struct etcd_error *ret_error)
{
    msec ttl = 0; /* not known */
    if (lease == 0)
        lease = grant(c, ttl_s, &ttl, ret_error);
    if (lease == 0)
        return NULL;
    struct etcd_session *s = xcalloc(1, sizeof *s);
    s->client = c;
    s->lease = lease;
    s->ttl_s = ttl_s;
    s->keepalive = ttl != 0 ? keepalive_start(c, lease, ttl, on_renewed, s)
                            : etcd_keepalive_start(c, lease, on_renewed, s);
    return s;
}

int64_t etcd_session_lease(const struct etcd_session *s)
{
    return s->lease;
}

bool etcd_session_is_alive(const struct etcd_session *s)
{
    return s->keepalive != NULL;
}

struct etcd_client *session_client(const struct etcd_session *s)
{
    return s->client;
}

void etcd_session_free(struct etcd_session *s, bool revoke)
{
    if (s == NULL)
        return;
    bool alive = s->keepalive != NULL;
    if (alive)
        etcd_keepalive_stop(s->keepalive);
    if (alive && revoke) {
        Etcdserverpb__LeaseRevokeRequest rq = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
        struct etcd_error ignored; /* it runs out by itself */
        rq.id = s->lease;
        bool interrupted = tidy_begin(s->client);
        /* a revocation that takes longer than the TTL is of no use any more */
        etcd_response_free(etcd_call(s->client, &etcd_rpc_lease_revoke, &rq,
                                     s->ttl_s > 0 ? ttl_ms(s->ttl_s) : 0, &ignored));
        tidy_end(s->client, interrupted);
    }
    free(s);
}
