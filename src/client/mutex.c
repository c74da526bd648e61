/* client/mutex.c -- locks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/recipe.h"

struct etcd_mutex {
    struct claim claim;
    bool held;
};

struct etcd_mutex *etcd_mutex_new(struct etcd_session *s, const char *name)
{
    struct etcd_mutex *m = xcalloc(1, sizeof *m);
    claim_init(&m->claim, s, name);
    return m;
}

void etcd_mutex_free(struct etcd_mutex *m)
{
    if (m == NULL)
        return;
    claim_fini(&m->claim);
    free(m);
}

/* The key was made: take the lock if it is free. */
static bool is_owner(struct claim *k, const Etcdserverpb__TxnResponse *r)
{
    const Etcdserverpb__RangeResponse *oldest = r->responses[1]->response_range;
    if (oldest->n_kvs != 0 && oldest->kvs[0]->create_revision != k->create_revision)
        return false;
    claim_set_header(k, r->header);
    return true;
}

bool etcd_mutex_lock(struct etcd_mutex *m, bool try_only, int64_t timeout_ms,
                     struct etcd_error *ret_error)
{
    struct claim *k = &m->claim;
    struct etcd_error ignored; /* the lease takes the key away */
    msec deadline = deadline_in(k->client, timeout_ms);
    Etcdserverpb__TxnResponse *r =
        claim_make(k, (ProtobufCBinaryData){.len = 0}, deadline, ret_error);
    if (r == NULL)
        return false;
    m->held = is_owner(k, r);
    etcd_response_free(r);
    if (m->held)
        return true;
    if (try_only)
        error_set(ret_error, ETCD_ALREADY_EXISTS, "mutex: Locked by another session");
    else
        m->held = claim_wait(k, deadline, ret_error);
    if (!m->held)
        (void)claim_drop(k, &ignored);
    return m->held;
}

bool etcd_mutex_unlock(struct etcd_mutex *m, struct etcd_error *ret_error)
{
    if (!m->held) {
        error_set(ret_error, ETCD_FAILED_PRECONDITION, "mutex: lock has already been released");
        return false;
    }
    m->held = !claim_drop(&m->claim, ret_error);
    return !m->held;
}

const char *etcd_mutex_key(const struct etcd_mutex *m)
{
    return m->held ? m->claim.key : "";
}

const Etcdserverpb__ResponseHeader *etcd_mutex_header(const struct etcd_mutex *m)
{
    return m->claim.header;
}
