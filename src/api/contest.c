/* api/contest.c -- the steps that locks and elections share.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/contest.h"

#include <inttypes.h>

#include "api/check.h"
#include "api/services.h"
#include "api/wire.h"

enum { LEASE_TTL_S = 60 };

/* ---- life ---------------------------------------------------------------------------------------- */

struct contest *contest_new(struct call *c, struct slice name, int64_t lease)
{
    struct contest *ct = arena_calloc(c->arena, sizeof *ct);
    uint8_t *prefix = arena_alloc(c->arena, name.n + 1);
    if (name.n != 0)
        memcpy(prefix, name.p, name.n);
    prefix[name.n] = '/';
    ct->call = c;
    ct->name = name;
    ct->prefix = slice_make(prefix, name.n + 1);
    ct->lease = lease;
    ct->step = arena_new();
    c->user = ct;
    return ct;
}

void contest_set_key(struct contest *ct)
{
    const char *hex = arena_printf(ct->call->arena, "%" PRIx64, (uint64_t)ct->lease);
    size_t hex_n = strlen(hex), n = ct->prefix.n;
    uint8_t *key = arena_alloc(ct->call->arena, n + hex_n);
    memcpy(key, ct->prefix.p, n);
    memcpy(key + n, hex, hex_n);
    ct->key = slice_make(key, n + hex_n);
}

static void contest_free(struct contest *ct)
{
    ct->call->user = NULL;
    arena_free(ct->step);
}

static void ask(struct contest *ct, enum server_op op, const ProtobufCMessage *request,
                contest_step *next);

static void on_deleted(struct contest *ct)
{
    contest_free(ct);
}

/* The client is gone: leave no key behind that nobody would ever delete. */
static void contest_abandon(struct contest *ct)
{
    if (!ct->stands) {
        contest_free(ct);
        return;
    }
    ct->stands = false;
    struct contest_txn *t = contest_txn(ct);
    contest_if_created(t, ct->key, ct->rev);
    contest_then(t, contest_delete(ct, ct->key));
    ask(ct, OP_TXN, &t->request.base, on_deleted);
}

void contest_closed(struct call *c)
{
    struct contest *ct = c->user;
    if (ct == NULL)
        return;
    watcher_remove(&ct->watcher);
    if (!ct->asking)
        contest_abandon(ct); /* else when the answer comes */
}

void contest_fail(struct contest *ct, enum err e)
{
    call_finish(ct->call, GRPC_UNKNOWN, err_text(e));
}

void contest_reply(struct contest *ct, const ProtobufCMessage *msg)
{
    ct->stands = false;
    call_reply_msg(ct->call, msg);
}

/* ---- asking -------------------------------------------------------------------------------------- */

static void on_answer(struct server_call *sc)
{
    struct call *c = call_of_server_call(sc);
    struct contest *ct = c->user;
    contest_step *next = ct->next;
    ct->asking = false;
    ct->txn = NULL;
    if (sc->err == ERR_OK && sc->op == OP_TXN)
        ct->txn = (Etcdserverpb__TxnResponse *)wire_unpack(
            &etcdserverpb__txn_response__descriptor, ct->step, blob_slice(sc->response));
    bool ok = sc->err == ERR_OK && (sc->op != OP_TXN || ct->txn != NULL);
    if (next == on_deleted || (ok && !call_is_over(c)))
        next(ct);
    else if (!call_is_over(c))
        contest_fail(ct, sc->err != ERR_OK ? sc->err : ERR_MALFORMED);
    else
        contest_abandon(ct);
    if (sc->op != OP_LEASE_GRANT)
        blob_unref(sc->response);
    call_release(c);
}

static void ask(struct contest *ct, enum server_op op, const ProtobufCMessage *request,
                contest_step *next)
{
    ct->next = next;
    ct->asking = true;
    call_ask(ct->call, op, request, on_answer);
}
