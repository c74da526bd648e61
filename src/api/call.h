/* api/call.h -- one RPC in flight, whether it came by gRPC or by the JSON gateway.
 *
 * A call belongs to its loop's thread. It is over when one side ended it: by call_reply(),
 * call_finish() and their kin, or because the client went away. The method's `closed` runs once,
 * from inside the function that ended it; afterwards everything that sends does nothing. The memory
 * stays until call_release() has undone every call_hold(), so whoever waits for the server holds the
 * call and may look at it when the answer comes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CALL_H
#define API_CALL_H

#include <protobuf-c/protobuf-c.h>

#include "api/api_loop.h"
#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "server/client.h"

struct call;
struct api_method;

/* What carries the call. None of these calls back, but finish and the replies end in call_closed(). */
struct call_transport {
    void (*send)(struct call *c, struct slice msg);
    void (*send_blob)(struct call *c, struct slice head, struct blob *tail);
    void (*send_headers)(struct call *c);
    void (*reply)(struct call *c, struct slice msg);
    void (*reply_blob)(struct call *c, struct blob *msg); /* keeps a reference if it needs one */
    void (*finish)(struct call *c, enum grpc_code code, const char *msg);
    void (*pause)(struct call *c, bool pause);
    size_t (*pending)(const struct call *c);
    struct slice (*metadata)(const struct call *c, const char *name);
};

struct call {
    uint32_t magic;
    unsigned holds;
    const struct api_method *method;
    struct api_loop *loop;
    struct arena *arena; /* the request, and whatever the service needs until the end */
    const struct call_transport *transport; /* NULL: the call is over */
    void *handle;                           /* the transport's */
    void *user;                             /* the service's, NULL at first */
    size_t request_bytes;                   /* encoded size of the message that is being handled */
    const ProtobufCMessage *request;        /* of a unary method, in the arena; NULL: none came */
    const char *remote; /* the client's address, lent by the transport to call_closed(); or NULL */
    bool reading_paused;
    msec started;
    int64_t started_us; /* where the times of calls are kept */
    struct list link;          /* among the loop's idle calls, or its calls that need a leader */
    struct list waiting;       /* among the loop's calls to which nothing is owed */
    struct server_call server; /* for a service that asks one thing at a time */
};

/* ---- for transports ---- */

/* Make a call; the transport puts it where it finds it again, and then begins it. A call that may not
 * begin has been finished when call_begin() returns false. */
struct call *call_new(struct api_loop *l, const struct api_method *m,
                      const struct call_transport *transport, void *handle);
bool call_begin(struct call *c);
/* An encoded or a decoded message came. A decoded one lives in the call's arena. */
void call_message(struct call *c, struct slice wire);
void call_message_decoded(struct call *c, const ProtobufCMessage *msg);
void call_half_close(struct call *c);
void call_drain(struct call *c);
/* The transport has ended, the last time that it says anything. */
void call_closed(struct call *c, enum grpc_code code);
/* Free the calls that are kept for reuse. */
void call_free_idle(struct api_loop *l);

/* ---- for services ---- */

static inline bool call_is_over(const struct call *c)
{
    return c->transport == NULL;
}

void call_hold(struct call *c);
void call_release(struct call *c);

/* Answer with the one message of a unary method and end. */
void call_reply(struct call *c, struct slice msg);
/* The same with a message that is shared, not copied, when it is large; takes the reference. */
void call_reply_blob(struct call *c, struct blob *msg);
/* Pack `msg` and reply with it. */
void call_reply_msg(struct call *c, const ProtobufCMessage *msg);

/* Queue one message of a stream: the bytes, or `head` followed by `tail` (a reference is kept). */
void call_send(struct call *c, struct slice msg);
void call_send_blob(struct call *c, struct slice head, struct blob *tail);
void call_send_headers(struct call *c);
/* Bytes queued and not yet on their way; the method's `drain` tells when they got few. */
size_t call_pending(const struct call *c);
/* Stop or go on taking messages. */
void call_pause(struct call *c, bool pause);

/* Say whether the call waits for what others do, so that no answer is owed: when the server stops, it ends
 * such calls at once. */
void call_set_waiting(struct call *c, bool waits);

/* End the call: with a status, or with the code and text of `e` (OK included). */
void call_finish(struct call *c, enum grpc_code code, const char *msg);
void call_fail(struct call *c, enum err e);

/* Ask the server through c->server; the call is held until `done`, which must call_release() it. */
void call_ask(struct call *c, enum server_op op, const ProtobufCMessage *request,
              void (*done)(struct server_call *sc));
static inline struct call *call_of_server_call(struct server_call *sc)
{
    return CONTAINER_OF(sc, struct call, server);
}


#endif
