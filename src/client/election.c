/* client/election.c -- elections.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/recipe.h"

struct etcd_election {
    struct claim claim;
    bool leads;
};

struct etcd_election *etcd_election_new(struct etcd_session *s, const char *name)
{
    struct etcd_election *e = xcalloc(1, sizeof *e);
    claim_init(&e->claim, s, name);
    return e;
}

void etcd_election_free(struct etcd_election *e)
{
    if (e == NULL)
        return;
    claim_fini(&e->claim);
    free(e);
}

/* Let the key, which the session had already, hold `value`. */
static bool adopt(struct claim *k, const Etcdserverpb__TxnResponse *r, ProtobufCBinaryData value,
                  struct etcd_error *ret_error)
{
    if (r->succeeded)
        return true;
    const Mvccpb__KeyValue *kv = r->responses[0]->response_range->kvs[0];
    bool held = false;
    if (slice_eq(slice_make(kv->value.data, kv->value.len), slice_make(value.data, value.len)))
        return true;
    if (!claim_update(k, value, &held, ret_error))
        return false;
    if (!held)
        error_set(ret_error, ETCD_UNKNOWN, "%s", err_text(ERR_ELECTION_NOT_LEADER));
    return held;
}

bool etcd_election_campaign(struct etcd_election *e, ProtobufCBinaryData value,
                            struct etcd_error *ret_error)
{
    struct claim *k = &e->claim;
    struct etcd_error ignored; /* the lease takes the key away */
    Etcdserverpb__TxnResponse *r = claim_make(k, value, DEADLINE_NONE, ret_error);
    if (r == NULL)
        return false;
    e->leads = adopt(k, r, value, ret_error) && claim_wait(k, DEADLINE_NONE, ret_error);
    if (e->leads)
        claim_set_header(k, r->header);
    else
        (void)claim_drop(k, &ignored);
    etcd_response_free(r);
    return e->leads;
}

bool etcd_election_proclaim(struct etcd_election *e, ProtobufCBinaryData value,
                            struct etcd_error *ret_error)
{
    if (e->leads && !claim_update(&e->claim, value, &e->leads, ret_error))
        return false;
    if (!e->leads)
        error_set(ret_error, ETCD_UNKNOWN, "%s", err_text(ERR_ELECTION_NOT_LEADER));
    return e->leads;
}

bool etcd_election_resign(struct etcd_election *e, struct etcd_error *ret_error)
{
    bool led = e->leads;
    e->leads = false;
    return !led || claim_drop(&e->claim, ret_error);
}

const char *etcd_election_key(const struct etcd_election *e)
{
    return e->leads ? e->claim.key : "";
}

const Etcdserverpb__ResponseHeader *etcd_election_header(const struct etcd_election *e)
{
    return e->claim.header;
}
