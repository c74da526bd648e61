/* api/contest.h -- what the Lock and Election services are made of.
 *
 * Who competes for a name puts a key below it, bound to a lease; the key with the least create revision
 * owns the name, the others wait until all older ones are gone. A contest is one such request: a
 * sequence of transactions and waits, each step being called when the one before is done. When the
 * client goes away meanwhile, a key that the contest stands for is deleted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CONTEST_H
#define API_CONTEST_H

#include "api/call.h"
#include "pb/etcdserverpb.pb-c.h"
#include "server/watch.h"

struct contest;
typedef void contest_step(struct contest *ct);

/* In the call's arena. */
struct contest {
    struct call *call;
    struct slice name, prefix, key; /* prefix: "NAME/"; key: "NAME/LEASE" with the lease in hex */
    struct slice value;
    int64_t lease;
    revision rev;       /* create revision of `key` */
    bool claims;        /* the transaction at hand puts `key`, or finds it, with its first operation */
    bool stands;        /* `key` is to be deleted when the client goes away before the answer */
    struct arena *step; /* the question at hand and its answer */
    Etcdserverpb__TxnResponse *txn;
    contest_step *next, *awaited;
    bool asking;
    Etcdserverpb__ResponseHeader header; /* of an earlier answer, for the last one */
    struct watcher watcher;
    bool blocked; /* the watcher waits for the stream to drain */
};

/* Make the contest of a call for `name`. */
struct contest *contest_new(struct call *c, struct slice name, int64_t lease);
/* Set `key` from the prefix and the lease. */
void contest_set_key(struct contest *ct);

/* End the call as upstream's client library does that runs inside the server: with the text of the
 * error, and code Unknown. A key that stands is deleted. */
void contest_fail(struct contest *ct, enum err e);
/* Answer; the key stays. */
void contest_reply(struct contest *ct, const ProtobufCMessage *msg);

/* Go on with a lease: the one that was given, or a new one of 60 s. */
void contest_need_lease(struct contest *ct, contest_step *next);

/* ---- transactions, in the arena of the step ---- */

enum { CONTEST_OPS_MAX = 2 };

struct contest_txn {
    Etcdserverpb__TxnRequest request;
    Etcdserverpb__Compare compare, *compares[1];
    Etcdserverpb__RequestOp *success[CONTEST_OPS_MAX], *failure[CONTEST_OPS_MAX];
};

/* Begin one; what the step before answered is gone. */
struct contest_txn *contest_txn(struct contest *ct);
/* Only if the create revision of `key` is `rev`. */
void contest_if_created(struct contest_txn *t, struct slice key, revision rev);
void contest_then(struct contest_txn *t, Etcdserverpb__RequestOp *op);
void contest_else(struct contest_txn *t, Etcdserverpb__RequestOp *op);
Etcdserverpb__RequestOp *contest_put(struct contest *ct, struct slice key);
Etcdserverpb__RequestOp *contest_delete(struct contest *ct, struct slice key);
Etcdserverpb__RequestOp *contest_get(struct contest *ct, struct slice key);
/* The oldest key below the prefix. */
Etcdserverpb__RequestOp *contest_get_owner(struct contest *ct);
/* Ask; a refusal ends the contest, else `next` finds the answer in ct->txn. */
void contest_ask(struct contest *ct, struct contest_txn *t, contest_step *next);
/* The same, and then the key stands and ct->rev is known. */
void contest_claim(struct contest *ct, struct contest_txn *t, contest_step *next);
/* Return the first row of the i-th operation of the answer, a range; NULL if it has none. */
Mvccpb__KeyValue *contest_row(const struct contest *ct, size_t i);

/* Go on when no key below the prefix is older than ct->rev. */
void contest_await_older(struct contest *ct, contest_step *next);

#endif
