/* api/election_service.c -- v3electionpb.Election, but for Observe: the leader is whoever has the oldest
 * key below the election's name, and the key's value is what it proclaims.
 *
 * Campaign:  LEASE -> CLAIM -> (key was there with another value: PROCLAIM) -> AWAIT OLDER -> answer
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/contest.h"
#include "api/services.h"
#include "api/wire.h"
#include "pb/v3electionpb.pb-c.h"

/* ---- Campaign -------------------------------------------------------------------------------- */

static void on_elected(struct contest *ct)
{
    V3electionpb__LeaderKey leader = V3ELECTIONPB__LEADER_KEY__INIT;
    leader.name = wire_data(ct->name);
    leader.key = wire_data(ct->key);
    leader.rev = ct->rev;
    leader.lease = ct->lease;
    V3electionpb__CampaignResponse r = V3ELECTIONPB__CAMPAIGN_RESPONSE__INIT;
    r.header = &ct->header;
    r.leader = &leader;
    contest_reply(ct, &r.base);
}

static void on_value_set(struct contest *ct)
{
    if (!ct->txn->succeeded)
        contest_fail(ct, ERR_ELECTION_NOT_LEADER);
    else
        contest_await_older(ct, on_elected);
}

/* Put the value if the key is still the same one. */
static void ask_proclaim(struct contest *ct, contest_step *next)
{
    struct contest_txn *t = contest_txn(ct);
    contest_if_created(t, ct->key, ct->rev);
    contest_then(t, contest_put(ct, ct->key));
    contest_ask(ct, t, next);
}

static void on_candidate(struct contest *ct)
{
    const Mvccpb__KeyValue *mine = ct->txn->succeeded ? NULL : contest_row(ct, 0);
    ct->header = *ct->txn->header;
    if (mine != NULL && !slice_eq(wire_slice(mine->value), ct->value))
        ask_proclaim(ct, on_value_set);
    else
        contest_await_older(ct, on_elected);
}

static void on_campaign_lease(struct contest *ct)
{
    contest_set_key(ct);
    struct contest_txn *t = contest_txn(ct);
    contest_if_created(t, ct->key, 0);
    contest_then(t, contest_put(ct, ct->key));
    contest_else(t, contest_get(ct, ct->key));
    contest_claim(ct, t, on_candidate);
}

void campaign_message(struct call *c, const ProtobufCMessage *req)
{
    const V3electionpb__CampaignRequest *r = (const V3electionpb__CampaignRequest *)req;
    struct contest *ct = contest_new(c, wire_slice(r->name), r->lease);
    ct->value = wire_slice(r->value);
    contest_need_lease(ct, on_campaign_lease);
}

/* ---- Proclaim, Resign ------------------------------------------------------------------------ */

/* Make the contest of one who says that it leads; NULL if it does not say where. */
static struct contest *resume(struct call *c, const V3electionpb__LeaderKey *leader)
{
    if (leader == NULL) {
        call_fail(c, ERR_ELECTION_LEADER_FIELD);
        return NULL;
    }
    struct contest *ct = contest_new(c, wire_slice(leader->name), leader->lease);
    ct->key = wire_slice(leader->key);
    ct->rev = leader->rev;
    return ct;
}

static void on_proclaimed(struct contest *ct)
{
    if (!ct->txn->succeeded) {
        contest_fail(ct, ERR_ELECTION_NOT_LEADER);
        return;
    }
    V3electionpb__ProclaimResponse r = V3ELECTIONPB__PROCLAIM_RESPONSE__INIT;
    r.header = ct->txn->header;
    contest_reply(ct, &r.base);
}

static void on_proclaim_lease(struct contest *ct)
{
    ask_proclaim(ct, on_proclaimed);
}

void proclaim_message(struct call *c, const ProtobufCMessage *req)
{
    const V3electionpb__ProclaimRequest *r = (const V3electionpb__ProclaimRequest *)req;
    struct contest *ct = resume(c, r->leader);
    if (ct == NULL)
        return;
    ct->value = wire_slice(r->value);
    contest_need_lease(ct, on_proclaim_lease);
}

static void on_resigned(struct contest *ct)
{
    V3electionpb__ResignResponse r = V3ELECTIONPB__RESIGN_RESPONSE__INIT;
    r.header = ct->txn->header;
    contest_reply(ct, &r.base);
}

static void on_resign_lease(struct contest *ct)
{
    struct contest_txn *t = contest_txn(ct);
    contest_if_created(t, ct->key, ct->rev);
    contest_then(t, contest_delete(ct, ct->key));
    contest_ask(ct, t, on_resigned);
}

void resign_message(struct call *c, const ProtobufCMessage *req)
{
    const V3electionpb__ResignRequest *r = (const V3electionpb__ResignRequest *)req;
    struct contest *ct = resume(c, r->leader);
    if (ct != NULL)
        contest_need_lease(ct, on_resign_lease);
}

/* ---- Leader ---------------------------------------------------------------------------------- */

static void on_leader(struct contest *ct)
{
    Mvccpb__KeyValue *kv = contest_row(ct, 0);
    if (kv == NULL) {
        contest_fail(ct, ERR_ELECTION_NO_LEADER);
        return;
    }
    V3electionpb__LeaderResponse r = V3ELECTIONPB__LEADER_RESPONSE__INIT;
    r.header = ct->txn->header;
    r.kv = kv;
    contest_reply(ct, &r.base);
}

void leader_message(struct call *c, const ProtobufCMessage *req)
{
    const V3electionpb__LeaderRequest *r = (const V3electionpb__LeaderRequest *)req;
    struct contest *ct = contest_new(c, wire_slice(r->name), 0);
    struct contest_txn *t = contest_txn(ct);
    contest_then(t, contest_get_owner(ct));
    contest_ask(ct, t, on_leader);
}
