/* api/unary.c -- methods of one question and one answer: check, ask the server, pass the answer on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/methods.h"
#include "api/services.h"

static void on_answer(struct server_call *sc)
{
    struct call *c = call_of_server_call(sc);
    if (sc->err != ERR_OK)
        call_fail(c, sc->err);
    else
        call_reply_blob(c, sc->response);
    call_release(c);
}

void unary_message(struct call *c, const ProtobufCMessage *req)
{
    enum err e = c->method->check != NULL ? c->method->check(c, req) : ERR_OK;
    if (e != ERR_OK)
        call_fail(c, e);
    else
        call_ask(c, c->method->op, req, on_answer);
}

void unary_not_enabled(struct call *c, const ProtobufCMessage *req)
{
    (void)req;
    call_fail(c, ERR_AUTH_NOT_ENABLED);
}

/* What gRPC answers for a method that is not there. */
void unary_unknown(struct call *c, const ProtobufCMessage *req)
{
    (void)req;
    char *msg = arena_printf(c->arena, "unknown method %s for service %s", c->method->name,
                             c->method->service);
    call_finish(c, GRPC_UNIMPLEMENTED, msg);
}
