/* server/forward.c -- what only the leader can answer, asked of it in the name of a call.
 *
 * Renewing and looking at leases goes to the primary lessor, promoting a learner to whoever knows its
 * progress: upstream's endpoints on the peer port. Until its time is up a call is tried again, for the
 * leader may just be changing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "pb/leasepb.pb-c.h"
#include "pb/pb_arena.h"
#include "server/server_priv.h"

enum { RETRY_MS = 50 };

struct forward {
    struct list link;
    struct transport_request request;
    struct server *server;
    struct server_call *call;
    struct buf body;
    char path[64];
    bool asked; /* the request is under way */
    msec next;
};

static void forward_end(struct forward *f, enum err e, struct blob *response)
{
    list_unlink(&f->link);
    call_answer(f->server, f->call, e, response);
    buf_fini(&f->body);
    free(f);
}

static void forward_answer_pb(struct forward *f, ProtobufCMessage *response)
{
    list_unlink(&f->link);
    call_answer_pb(f->server, f->call, response);
    buf_fini(&f->body);
    free(f);
}

/* Not decided yet: ask again. */
static void again(struct forward *f)
{
    f->next = f->server->now + RETRY_MS;
}

static void renewed(struct forward *f, unsigned status, struct slice body)
{
    const Etcdserverpb__LeaseKeepAliveRequest *req = (const void *)f->call->request;
    Etcdserverpb__LeaseKeepAliveResponse own = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    ProtobufCMessage *msg;
    arena_reset(f->server->arena);
    own.id = req->id;
    if (status == 404) {
        forward_answer_pb(f, &own.base); /* TTL 0: there is no such lease */
    } else if (status == 200 && pb_unpack(&etcdserverpb__lease_keep_alive_response__descriptor, body,
                                          f->server->arena, &msg) == ERR_OK) {
        own.ttl = ((const Etcdserverpb__LeaseKeepAliveResponse *)(const void *)msg)->ttl;
        forward_answer_pb(f, &own.base);
    } else {
        again(f);
    }
}

static void looked_at(struct forward *f, unsigned status, struct slice body)
{
    ProtobufCMessage *msg;
    arena_reset(f->server->arena);
    if (status == 404) {
        const Etcdserverpb__LeaseTimeToLiveRequest *req = (const void *)f->call->request;
        Etcdserverpb__LeaseTimeToLiveResponse none =
            ETCDSERVERPB__LEASE_TIME_TO_LIVE_RESPONSE__INIT;
        none.id = req->id;
        none.ttl = -1;
        forward_answer_pb(f, &none.base);
    } else if (status == 200 && pb_unpack(&leasepb__lease_internal_response__descriptor, body,
                                          f->server->arena, &msg) == ERR_OK &&
               ((Leasepb__LeaseInternalResponse *)(void *)msg)->leasetimetoliveresponse != NULL) {
        forward_answer_pb(
            f, &((Leasepb__LeaseInternalResponse *)(void *)msg)->leasetimetoliveresponse->base);
    } else {
        again(f);
    }
}

static void promoted(struct forward *f, unsigned status, struct slice body)
{
    struct member **members = NULL;
    size_t n = 0;
    bool not_ready = body.n != 0 && memmem(body.p, body.n, "in sync with leader", 19) != NULL;
    if (status == 200 && members_from_json(body, CLUSTER_MEMBERS_MAX, &members, &n) == ERR_OK) {
        forward_end(f, ERR_OK,
                    members_response(f->server, f->call->op, NULL,
                                     (const struct member *const *)members, n));
        for (size_t i = 0; i < n; i++)
            member_free(members[i]);
        free(members);
    } else if (status == 412) {
        forward_end(f, not_ready ? ERR_LEARNER_NOT_READY : ERR_MEMBER_NOT_LEARNER, NULL);
    } else if (status == 404) {
        forward_end(f, ERR_MEMBER_NOT_FOUND, NULL);
    } else {
        again(f);
    }
}

static void forward_done(struct transport_request *r, unsigned status, struct slice body)
{
    struct forward *f = CONTAINER_OF(r, struct forward, request);
    f->asked = false;
    if (f->call->op == OP_LEASE_KEEP_ALIVE)
        renewed(f, status, body);
    else if (f->call->op == OP_LEASE_TIME_TO_LIVE)
        looked_at(f, status, body);
    else
        promoted(f, status, body);
}

static void ask(struct forward *f)
{
    struct server *s = f->server;
    f->request.to = raft_leader(s->raft);
    f->request.timeout_ms = f->call->deadline - s->now;
    f->asked = true;
    s->transport->ops->request(s->transport, &f->request);
}

static void pack(struct buf *b, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    b->n += protobuf_c_message_pack(m, buf_reserve(b, n));
}

static void prepare(struct forward *f)
{
    const void *request = f->call->request;
    f->request.method = "POST";
    f->request.path = f->path;
    f->request.done = forward_done;
    if (f->call->op == OP_LEASE_KEEP_ALIVE) {
        snprintf(f->path, sizeof f->path, "/leases");
        pack(&f->body, f->call->request);
    } else if (f->call->op == OP_LEASE_TIME_TO_LIVE) {
        Leasepb__LeaseInternalRequest internal = LEASEPB__LEASE_INTERNAL_REQUEST__INIT;
        internal.leasetimetoliverequest =
            (Etcdserverpb__LeaseTimeToLiveRequest *)(uintptr_t)request;
        snprintf(f->path, sizeof f->path, "/leases/internal");
        pack(&f->body, &internal.base);
    } else {
        snprintf(f->path, sizeof f->path, "/members/promote/%llu",
                 (unsigned long long)((const Etcdserverpb__MemberPromoteRequest *)request)->id);
    }
    if (f->body.n != 0)
        f->request.content_type = "application/protobuf";
    f->request.body = buf_slice(&f->body);
}

void forward_call(struct server *s, struct server_call *call)
{
    struct forward *f = xcalloc(1, sizeof *f);
    f->server = s;
    f->call = call;
    prepare(f);
    list_add_tail(&s->forwards, &f->link);
    forward_run(s);
}

/* A leader that became us answers itself. */
static void run_here(struct forward *f)
{
    struct server *s = f->server;
    struct server_call *call = f->call;
    list_unlink(&f->link);
    buf_fini(&f->body);
    free(f);
    call_run(s, &call->task);
}

void forward_run(struct server *s)
{
    struct forward *f;
    LIST_FOREACH (f, &s->forwards, struct forward, link) {
        member_id leader = raft_leader(s->raft);
        if (f->call->deadline <= s->now) {
            if (f->asked)
                s->transport->ops->request_cancel(s->transport, &f->request);
            forward_end(f, ERR_TIMEOUT, NULL);
        } else if (!f->asked && s->now >= f->next && leader == s->id) {
            if (f->call->op == OP_MEMBER_PROMOTE || lessor_is_primary(s->lessor))
                run_here(f);
        } else if (!f->asked && s->now >= f->next && leader != 0) {
            ask(f);
        }
    }
}

void forward_fail_all(struct server *s, enum err e)
{
    struct forward *f;
    LIST_FOREACH (f, &s->forwards, struct forward, link) {
        if (f->asked)
            s->transport->ops->request_cancel(s->transport, &f->request);
        forward_end(f, e, NULL);
    }
}
