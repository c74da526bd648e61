/* api/lock_service.c -- v3lockpb.Lock: a lock is owned by whoever has the oldest key below its name.
 *
 * Lock:  LEASE -> CLAIM -> (owner: answer) | AWAIT OLDER -> LOOK (key gone: error) -> answer
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/contest.h"
#include "api/services.h"
#include "api/wire.h"
#include "pb/v3lockpb.pb-c.h"

static void lock_answer(struct contest *ct)
{
    V3lockpb__LockResponse r = V3LOCKPB__LOCK_RESPONSE__INIT;
    r.header = ct->txn->header;
    r.key = wire_data(ct->key);
    contest_reply(ct, &r.base);
}

/* The lease may have ended while the lock was waited for. */
static void on_looked(struct contest *ct)
{
    if (contest_row(ct, 0) == NULL)
        contest_fail(ct, ERR_SESSION_EXPIRED);
    else
        lock_answer(ct);
}

static void on_free(struct contest *ct)
{
    struct contest_txn *t = contest_txn(ct);
    contest_then(t, contest_get(ct, ct->key));
    contest_ask(ct, t, on_looked);
}

static void on_claimed(struct contest *ct)
{
    const Mvccpb__KeyValue *owner = contest_row(ct, 1);
    if (owner == NULL || owner->create_revision == ct->rev)
        lock_answer(ct);
    else
        contest_await_older(ct, on_free);
}

static void on_lease(struct contest *ct)
{
    contest_set_key(ct);
    struct contest_txn *t = contest_txn(ct);
    contest_if_created(t, ct->key, 0);
    contest_then(t, contest_put(ct, ct->key));
    contest_then(t, contest_get_owner(ct));
    contest_else(t, contest_get(ct, ct->key));
    contest_else(t, contest_get_owner(ct));
    contest_claim(ct, t, on_claimed);
}

void lock_message(struct call *c, const ProtobufCMessage *req)
{
    const V3lockpb__LockRequest *r = (const V3lockpb__LockRequest *)req;
    contest_need_lease(contest_new(c, wire_slice(r->name), r->lease), on_lease);
}

static void on_unlocked(struct contest *ct)
{
    V3lockpb__UnlockResponse r = V3LOCKPB__UNLOCK_RESPONSE__INIT;
    r.header = ct->txn->header;
    contest_reply(ct, &r.base);
}

void unlock_message(struct call *c, const ProtobufCMessage *req)
{
    const V3lockpb__UnlockRequest *r = (const V3lockpb__UnlockRequest *)req;
    struct contest *ct = contest_new(c, slice_make(NULL, 0), 0);
    struct contest_txn *t = contest_txn(ct);
    contest_then(t, contest_delete(ct, wire_slice(r->key)));
    contest_ask(ct, t, on_unlocked);
}
