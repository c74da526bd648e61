/* server/peer_calls.c -- what other members ask on the peer port, apart from raft's own traffic:
 * upstream's small endpoints. Questions that a client could ask as well go the way of a client's
 * call; the answer is turned into upstream's HTTP here.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "pb/leasepb.pb-c.h"
#include "pb/pb_arena.h"
#include "server/server_priv.h"

/* ---- answers ------------------------------------------------------------------------------------ */

static void answer(struct server *s, struct transport_inbound *in, unsigned status,
                   const char *type, struct slice body)
{
    s->transport->ops->answer(s->transport, in, status, type, body);
}

/* Plain text with a newline, as Go's http.Error says it. */
static void answer_text(struct server *s, struct transport_inbound *in, unsigned status,
                        const char *text)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "%s\n", text);
    answer(s, in, status, "text/plain; charset=utf-8", buf_slice(&b));
}

/* Upstream's text of an error as its inner packages say it: without the prefix of the server. */
static const char *inner_text(enum err e)
{
    static const char prefix[] = "etcdserver: ";
    const char *text = err_text(e);
    return strncmp(text, prefix, sizeof prefix - 1) == 0 ? text + sizeof prefix - 1 : text;
}

/* ---- questions that go the way of a call ---------------------------------------------------------- */

struct peer_call {
    struct server_call call;
    struct server *server;
    struct transport_inbound *in;
    struct arena *arena; /* of the request */
};

static void peer_call_end(struct peer_call *p)
{
    blob_unref(p->call.response);
    arena_free(p->arena);
    free(p);
}

static struct peer_call *peer_call_new(struct server *s, struct transport_inbound *in)
{
    struct peer_call *p = xcalloc(1, sizeof *p);
    p->server = s;
    p->in = in;
    p->arena = arena_new();
    return p;
}

static void ask(struct peer_call *p, enum server_op op, const void *request,
                void (*done)(struct server_call *call))
{
    struct server *s = p->server;
    p->call.op = op;
    p->call.request = request;
    p->call.done = done;
    p->call.client = s->self;
    list_init(&p->call.task.link);
    p->call.id = atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed);
    call_run(s, &p->call.task);
}

static const void *response_of(struct peer_call *p, const ProtobufCMessageDescriptor *d)
{
    ProtobufCMessage *msg;
    enum err e = pb_unpack(d, blob_slice(p->call.response), p->arena, &msg);
    invariant(e == ERR_OK); /* our own bytes */
    return msg;
}

/* ---- /members/hashkv ---------------------------------------------------------------------------- */

static void hash_done(struct server_call *call)
{
    struct peer_call *p = CONTAINER_OF(call, struct peer_call, call);
    AUTO(buf) struct buf b = BUF_INIT;
    if (call->err == ERR_OK) {
        const Etcdserverpb__HashKVResponse *r =
            response_of(p, &etcdserverpb__hash_kvresponse__descriptor);
        buf_addf(&b, "{\"header\":{\"cluster_id\":%llu,\"member_id\":%llu,\"revision\":%lld},",
                 (unsigned long long)p->server->cluster_id, (unsigned long long)p->server->id,
                 (long long)r->header->revision);
        buf_addf(&b, "\"hash\":%u,\"compact_revision\":%lld,\"hash_revision\":%lld}\n", r->hash,
                 (long long)r->compact_revision, (long long)r->hash_revision);
        answer(p->server, p->in, 200, "application/json", buf_slice(&b));
    } else {
        answer_text(p->server, p->in, 400, inner_text(call->err));
    }
    peer_call_end(p);
}

/* {"revision":N}; N left out is 0. */
static bool parse_revision(struct slice body, int64_t *ret)
{
    static const char name[] = "\"revision\"";
    char text[64];
    size_t n = 0;
    *ret = 0;
    for (size_t i = 0; i < body.n; i++) {
        if (strchr(" \t\r\n", body.p[i]) != NULL && body.p[i] != '\0')
            continue;
        if (n == sizeof text - 1)
            return false;
        text[n++] = (char)body.p[i];
    }
    text[n] = '\0';
    if (n < 2 || text[0] != '{' || text[n - 1] != '}')
        return false;
    if (n == 2)
        return true;
    char end;
    return strncmp(text + 1, name, sizeof name - 1) == 0 &&
           sscanf(text + sizeof name, ":%20" SCNd64 "%c", ret, &end) == 2 && end == '}' && *ret >= 0;
}

static void hash_kv(struct server *s, struct transport_inbound *in)
{
    int64_t rev;
    char own[24];
    snprintf(own, sizeof own, "%llx", (unsigned long long)s->cluster_id);
    if (in->cluster_id.p != NULL && !slice_is(in->cluster_id, own)) {
        answer_text(s, in, 412, "cluster ID mismatch");
    } else if (!parse_revision(in->body, &rev)) {
        answer_text(s, in, 400, "error unmarshalling request");
    } else {
        struct peer_call *p = peer_call_new(s, in);
        Etcdserverpb__HashKVRequest *req = arena_alloc(p->arena, sizeof *req);
        etcdserverpb__hash_kvrequest__init(req);
        req->revision = rev;
        ask(p, OP_HASH_KV, req, hash_done);
    }
}

/* ---- /members, /members/promote ------------------------------------------------------------------ */

static void members(struct server *s, struct transport_inbound *in)
{
    AUTO(buf) struct buf b = BUF_INIT;
    cluster_add_json(s->cluster, &b);
    buf_add_byte(&b, '\n');
    answer(s, in, 200, "application/json", buf_slice(&b));
}

static void promote_done(struct server_call *call)
{
    struct peer_call *p = CONTAINER_OF(call, struct peer_call, call);
    AUTO(buf) struct buf b = BUF_INIT;
    switch (call->err) {
    case ERR_OK:
        members(p->server, p->in);
        break;
    case ERR_MEMBER_NOT_FOUND:
        answer_text(p->server, p->in, 404, "membership: ID not found");
        break;
    case ERR_MEMBER_NOT_LEARNER:
        answer_text(p->server, p->in, 412, "membership: can only promote a learner member");
        break;
    case ERR_LEARNER_NOT_READY:
        answer_text(p->server, p->in, 412, err_text(call->err));
        break;
    default:
        buf_addf(&b, "{\"message\":\"%s\"}\n", err_text(call->err));
        answer(p->server, p->in, 500, "application/json", buf_slice(&b));
        break;
    }
    peer_call_end(p);
}

static bool parse_id(struct slice text, uint64_t *ret)
{
    uint64_t id = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = (unsigned)text.p[i] - '0';
        if (digit > 9 || id > (UINT64_MAX - digit) / 10)
            return false;
        id = id * 10 + digit;
    }
    *ret = id;
    return text.n != 0;
}

static void promote(struct server *s, struct transport_inbound *in, struct slice id_text)
{
    uint64_t id;
    AUTO(buf) struct buf b = BUF_INIT;
    if (!parse_id(id_text, &id)) {
        buf_add_str(&b, "member ");
        buf_add_slice(&b, id_text);
        buf_add_str(&b, " not found in cluster");
        answer_text(s, in, 404, buf_cstr(&b));
        return;
    }
    struct peer_call *p = peer_call_new(s, in);
    Etcdserverpb__MemberPromoteRequest *req = arena_alloc(p->arena, sizeof *req);
    etcdserverpb__member_promote_request__init(req);
    req->id = id;
    ask(p, OP_MEMBER_PROMOTE, req, promote_done);
}

/* ---- /leases ------------------------------------------------------------------------------------ */

static void lease_done(struct server_call *call)
{
    struct peer_call *p = CONTAINER_OF(call, struct peer_call, call);
    bool renewal = call->op == OP_LEASE_KEEP_ALIVE;
    AUTO(buf) struct buf b = BUF_INIT;
    if (call->err != ERR_OK) {
        answer_text(p->server, p->in, 400, "not a primary lessor");
        peer_call_end(p);
        return;
    }
    Leasepb__LeaseInternalResponse internal = LEASEPB__LEASE_INTERNAL_RESPONSE__INIT;
    Etcdserverpb__LeaseKeepAliveResponse renewed = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    const ProtobufCMessage *out = renewal ? &renewed.base : &internal.base;
    bool found;
    if (renewal) {
        const Etcdserverpb__LeaseKeepAliveResponse *r =
            response_of(p, &etcdserverpb__lease_keep_alive_response__descriptor);
        found = r->ttl > 0;
        renewed.id = r->id;
        renewed.ttl = r->ttl;
    } else {
        internal.leasetimetoliveresponse = (Etcdserverpb__LeaseTimeToLiveResponse *)(uintptr_t)
            response_of(p, &etcdserverpb__lease_time_to_live_response__descriptor);
        found = internal.leasetimetoliveresponse->grantedttl != 0;
    }
    if (found) {
        size_t n = protobuf_c_message_get_packed_size(out);
        b.n = protobuf_c_message_pack(out, buf_reserve(&b, n));
        answer(p->server, p->in, 200, "application/protobuf", buf_slice(&b));
    } else {
        answer_text(p->server, p->in, 404, inner_text(ERR_LEASE_NOT_FOUND));
    }
    peer_call_end(p);
}

static void lease(struct server *s, struct transport_inbound *in, bool renewal)
{
    struct peer_call *p = peer_call_new(s, in);
    ProtobufCMessage *msg;
    const void *request = NULL;
    enum err e = pb_unpack(renewal ? &etcdserverpb__lease_keep_alive_request__descriptor
                                   : &leasepb__lease_internal_request__descriptor,
                           in->body, p->arena, &msg);
    if (e == ERR_OK)
        request = renewal ? (const void *)msg
                          : ((Leasepb__LeaseInternalRequest *)(void *)msg)->leasetimetoliverequest;
    if (request == NULL) {
        answer_text(s, in, 400, "error unmarshalling request");
        peer_call_end(p);
    } else if (!lessor_is_primary(s->lessor)) {
        answer_text(s, in, 400, "not a primary lessor");
        peer_call_end(p);
    } else {
        ask(p, renewal ? OP_LEASE_KEEP_ALIVE : OP_LEASE_TIME_TO_LIVE, request, lease_done);
    }
}

/* ---- the rest ----------------------------------------------------------------------------------- */

static void version(struct server *s, struct transport_inbound *in)
{
    AUTO(buf) struct buf b = BUF_INIT;
    version_add_json(s, &b);
    answer(s, in, 200, "application/json", buf_slice(&b));
}

static void downgrade_enabled(struct server *s, struct transport_inbound *in)
{
    answer(s, in, 200, "text/plain",
           slice_str(cluster_downgrade_enabled(s->cluster) ? "true" : "false"));
}

struct route {
    const char *path, *method;
    void (*run)(struct server *s, struct transport_inbound *in);
};

static void leases(struct server *s, struct transport_inbound *in)
{
    lease(s, in, true);
}

static void leases_internal(struct server *s, struct transport_inbound *in)
{
    lease(s, in, false);
}

static const struct route routes[] = {
    {"/members", "GET", members},
    {"/members/hashkv", "GET", hash_kv},
    {"/leases", "POST", leases},
    {"/leases/internal", "POST", leases_internal},
    {"/version", "GET", version},
    {"/downgrade/enabled", "GET", downgrade_enabled},
};

void peer_request(struct server *s, struct transport_inbound *in)
{
    static const char promote_path[] = "/members/promote/";
    const struct slice prefix = slice_make(promote_path, sizeof promote_path - 1);
    bool is_promote = slice_starts_with(in->path, prefix);
    const struct route *r = NULL;
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (slice_is(in->path, routes[i].path))
            r = &routes[i];
    if (s->stop_now || atomic_load_explicit(&s->failed, memory_order_relaxed))
        answer_text(s, in, 503, "server stopped");
    else if (r == NULL && !is_promote)
        answer_text(s, in, 404, "404 page not found");
    else if (!slice_is(in->method, r != NULL ? r->method : "POST"))
        answer_text(s, in, 405, "Method Not Allowed");
    else if (r != NULL)
        r->run(s, in);
    else
        promote(s, in, slice_make(in->path.p + prefix.n, in->path.n - prefix.n));
}
