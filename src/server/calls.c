/* server/calls.c -- what a call asks for: a proposal, an answer from the member's own state, or a
 * read that has to be confirmed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "iface/kv_wire.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum {
    PENDING_BYTES_MAX = 256 * 1024 * 1024, /* of proposals that are not applied yet */
    PENDING_CALLS_MAX = 1024 * 1024,
    SPACE_ALARM_PAUSE_MS = 1000, /* between two proposals of the alarm */
};

/* ---- proposals -------------------------------------------------------------------------- */

struct blob *entry_encode(const Etcdserverpb__InternalRaftRequest *req)
{
    return message_blob(&req->base);
}

/* The number of the request's field in InternalRaftRequest; 0: this op is no proposal. */
static unsigned entry_field(const struct server_call *call)
{
    switch (call->op) {
    case OP_PUT:
        return 4;
    case OP_DELETE_RANGE:
        return 5;
    case OP_TXN: /* one that only reads waits for a read index instead */
        return txn_is_read_only((const void *)call->request) ? 0 : 6;
    case OP_COMPACT:
        return 7;
    case OP_LEASE_GRANT:
        return 8;
    case OP_LEASE_REVOKE:
        return 9;
    case OP_ALARM:
        return ((const Etcdserverpb__AlarmRequest *)(const void *)call->request)->action ==
                       ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET
                   ? 0
                   : 10;
    default:
        return 0;
    }
}

/* Encode `request` as field `field` of InternalRaftRequest, with a header that holds `id`: the
 * message is the same as entry_encode() makes, without a walk over all its fields. */
static struct blob *encode_field(unsigned field, const ProtobufCMessage *request, uint64_t id)
{
    size_t n = protobuf_c_message_get_packed_size(request);
    uint8_t header[16];
    uint8_t *h = header;
    *h++ = 0x08; /* RequestHeader.ID */
    h = varint_put(h, id);
    size_t header_n = (size_t)(h - header);
    struct blob *b = blob_new(1 + varint_size(n) + n + 3 + header_n);
    uint8_t *p = b->p;
    *p++ = (uint8_t)(field << 3 | 2);
    p = varint_put(p, n);
    p += protobuf_c_message_pack(request, p);
    *p++ = 0xa2; /* field 100, the header */
    *p++ = 0x06;
    *p++ = (uint8_t)header_n;
    memcpy(p, header, header_n);
    invariant(p + header_n == b->p + b->n);
    return b;
}

/* Client thread: the entry is encoded where the request is at hand. */
static void encode_call(struct server_call *call, unsigned field)
{
    Etcdserverpb__InternalRaftRequest view = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    const ProtobufCMessage *request = call->request;
    Etcdserverpb__LeaseGrantRequest grant;
    if (call->op == OP_PUT)
        view.put = (Etcdserverpb__PutRequest *)(void *)(uintptr_t)request;
    else if (call->op == OP_TXN)
        view.txn = (Etcdserverpb__TxnRequest *)(void *)(uintptr_t)request;
    else if (call->op == OP_LEASE_GRANT) {
        grant = *(const Etcdserverpb__LeaseGrantRequest *)(const void *)request;
        if (grant.id == 0)
            grant.id = (int64_t)(call->id & INT64_MAX);
        request = &grant.base;
        view.lease_grant = &grant;
    }
    call->cost = apply_cost(&view);
    call->entry = encode_field(field, request, call->id);
}

static void raise_nospace(struct server *s)
{
    if (s->now < s->next_space_alarm ||
        (applier_alarms(s->applier) & BIT(ETCDSERVERPB__ALARM_TYPE__NOSPACE)))
        return;
    s->next_space_alarm = s->now + SPACE_ALARM_PAUSE_MS;
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserverpb__AlarmRequest alarm = ETCDSERVERPB__ALARM_REQUEST__INIT;
    alarm.action = ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE;
    alarm.memberid = s->id;
    alarm.alarm = ETCDSERVERPB__ALARM_TYPE__NOSPACE;
    req.alarm = &alarm;
    member_propose(s, &req);
}

static bool quota_allows(struct server *s, const struct server_call *call)
{
    int64_t in_use = atomic_load_explicit(&s->db_in_use, memory_order_relaxed);
    if (call->cost == 0 || s->cfg->quota_bytes <= 0 || in_use + call->cost < s->cfg->quota_bytes)
        return true;
    if (!s->space_warned)
        log_warn("exceeded backend quota; will raise a NOSPACE alarm",
                 LOG_INT("quota-size-bytes", s->cfg->quota_bytes),
                 LOG_INT("db-in-use-bytes", in_use));
    s->space_warned = true;
    raise_nospace(s);
    return false;
}

static void call_propose(struct server *s, struct server_call *call)
{
    if (s->pending.n >= PENDING_CALLS_MAX ||
        s->pending.bytes + call->entry->n > PENDING_BYTES_MAX) {
        call_answer(s, call, ERR_TOO_MANY_REQUESTS, NULL);
        return;
    }
    if (!quota_allows(s, call)) {
        call_answer(s, call, ERR_NO_SPACE, NULL);
        return;
    }
    pending_add(&s->pending, call);
    list_add_tail(&s->batch_calls, &call->task.link);
}

void call_propose_request(struct server *s, struct server_call *call,
                          Etcdserverpb__InternalRaftRequest *req)
{
    Etcdserverpb__RequestHeader header = ETCDSERVERPB__REQUEST_HEADER__INIT;
    if (!version_allows(s, req)) {
        call_answer(s, call, ERR_NOT_CAPABLE, NULL);
        return;
    }
    /* A new one: in a call that has waited, `id` was what it waited for. */
    header.id = call->id = atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed);
    req->header = &header;
    call->entry = entry_encode(req);
    req->header = NULL;
    call_propose(s, call);
}

/* ---- leases ----------------------------------------------------------------------------- */

/* A lease that begins anew has nothing left over from before, and the next leader must know that
 * before the holder counts on it. Return false if there is nothing to forget. */
static bool forget_checkpoint(struct server *s, struct server_call *call, lease_id id)
{
    struct lease_info info;
    if (lessor_get(s->lessor, id, s->now, &info) != ERR_OK || info.checkpoint_s == 0)
        return false;
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserverpb__LeaseCheckpointRequest checkpoint = ETCDSERVERPB__LEASE_CHECKPOINT_REQUEST__INIT;
    Etcdserverpb__LeaseCheckpoint point = ETCDSERVERPB__LEASE_CHECKPOINT__INIT, *points = &point;
    point.id = id;
    checkpoint.n_checkpoints = 1;
    checkpoint.checkpoints = &points;
    req.lease_checkpoint = &checkpoint;
    call_propose_request(s, call, &req);
    return true;
}

void lease_renewed(struct server *s, struct server_call *call)
{
    const Etcdserverpb__LeaseKeepAliveRequest *req = (const void *)call->request;
    Etcdserverpb__LeaseKeepAliveResponse resp = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    Etcdserverpb__ResponseHeader header = header_make(s, mvcc_store_revision(s->kv));
    struct lease_info info;
    resp.header = &header;
    resp.id = req->id;
    if (lessor_get(s->lessor, req->id, s->now, &info) == ERR_OK)
        resp.ttl = info.ttl_s;
    call->response = message_blob(&resp.base);
}

/* A lease that is not here may be in what is not applied yet: our disk may be slower than those of a
 * majority, or the term so young that we do not know what is committed. Then wait for that, once. */
static bool lease_may_come(struct server *s, struct server_call *call, bool waited)
{
    raft_index until = raft_committed_in_term(s->raft) ? raft_committed(s->raft)
                                                       : raft_last_index(s->raft);
    if (waited || s->applied_index >= until)
        return false;
    call->id = until;
    list_add_tail(&s->reads_confirmed, &call->task.link);
    return true;
}

static void lease_keep_alive(struct server *s, struct server_call *call, bool waited)
{
    const Etcdserverpb__LeaseKeepAliveRequest *req = (const void *)call->request;
    Etcdserverpb__LeaseKeepAliveResponse resp = ETCDSERVERPB__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    int64_t ttl = 0;
    if (!lessor_is_primary(s->lessor) && call->client != s->self) {
        forward_call(s, call);
        return;
    }
    enum err e = lessor_renew(s->lessor, req->id, clock_now_ms(), &ttl);
    if (e == ERR_LEASE_NOT_FOUND && lease_may_come(s, call, waited))
        return;
    if (e != ERR_OK && e != ERR_LEASE_NOT_FOUND) {
        call_answer(s, call, e == ERR_NOT_LEADER ? ERR_NO_LEADER : e, NULL);
        return;
    }
    if (e == ERR_OK)
        metric_add(&metric_lease_renewed, 1);
    if (e == ERR_OK && forget_checkpoint(s, call, req->id))
        return;
    resp.id = req->id;
    resp.ttl = ttl;
    call_answer_pb(s, call, &resp.base);
}

static void add_key(void *arg, struct slice key)
{
    Etcdserverpb__LeaseTimeToLiveResponse *resp = arg;
    resp->keys = xrealloc(resp->keys, (resp->n_keys + 1) * sizeof *resp->keys);
    resp->keys[resp->n_keys++] = (ProtobufCBinaryData){key.n, (uint8_t *)(uintptr_t)key.p};
}

static void lease_time_to_live(struct server *s, struct server_call *call, bool waited)
{
    const Etcdserverpb__LeaseTimeToLiveRequest *req = (const void *)call->request;
    Etcdserverpb__LeaseTimeToLiveResponse resp = ETCDSERVERPB__LEASE_TIME_TO_LIVE_RESPONSE__INIT;
    struct lease_info info;
    if (!lessor_is_primary(s->lessor) && call->client != s->self) {
        forward_call(s, call);
        return;
    }
    resp.id = req->id;
    resp.ttl = -1;
    if (lessor_get(s->lessor, req->id, s->now, &info) == ERR_OK) {
        resp.grantedttl = info.ttl_s;
        resp.ttl = info.remaining_ms == LESSOR_FOREVER ? info.ttl_s : info.remaining_ms / 1000;
        if (req->keys)
            lessor_each_key(s->lessor, req->id, add_key, &resp);
    } else if (lease_may_come(s, call, waited)) {
        return;
    }
    call_answer_pb(s, call, &resp.base);
    free(resp.keys);
}

static void add_lease(void *arg, lease_id id)
{
    Etcdserverpb__LeaseLeasesResponse *resp = arg;
    etcdserverpb__lease_status__init(resp->leases[resp->n_leases]);
    resp->leases[resp->n_leases++]->id = id;
}

static void lease_leases(struct server *s, struct server_call *call)
{
    size_t n = lessor_count(s->lessor);
    Etcdserverpb__LeaseLeasesResponse resp = ETCDSERVERPB__LEASE_LEASES_RESPONSE__INIT;
    Etcdserverpb__LeaseStatus *status = xcalloc(n, sizeof *status);
    resp.leases = xcalloc(n, sizeof(Etcdserverpb__LeaseStatus *));
    for (size_t i = 0; i < n; i++)
        resp.leases[i] = &status[i];
    lessor_each(s->lessor, add_lease, &resp);
    call_answer_pb(s, call, &resp.base);
    free(resp.leases);
    free(status);
}

/* ---- the member and its cluster ----------------------------------------------------------- */

static void member_list(struct server *s, struct server_call *call)
{
    call_answer(s, call, ERR_OK, cluster_response(s, call->op, NULL));
}

static void alarm_get(struct server *s, struct server_call *call)
{
    const Etcdserverpb__AlarmRequest *req = (const void *)call->request;
    arena_reset(s->arena);
    call_answer_pb(s, call, &applier_alarm_list(s->applier, req->alarm, s->arena)->base);
}

static void add_error(Etcdserverpb__StatusResponse *resp, char *text)
{
    resp->errors = xrealloc(resp->errors, (resp->n_errors + 1) * sizeof(char *));
    resp->errors[resp->n_errors++] = text;
}

static void status(struct server *s, struct server_call *call)
{
    Etcdserverpb__StatusResponse resp = ETCDSERVERPB__STATUS_RESPONSE__INIT;
    char version[] = ETCD_API_VERSION, storage[] = ETCD_CLUSTER_VERSION;
    resp.version = version;
    resp.storageversion = storage;
    resp.dbsize = atomic_load(&s->db_size);
    resp.dbsizeinuse = atomic_load(&s->db_in_use);
    resp.dbsizequota = s->cfg->quota_bytes;
    resp.leader = raft_leader(s->raft);
    resp.raftindex = raft_committed(s->raft);
    resp.raftappliedindex = s->applied_index;
    resp.raftterm = raft_current_term(s->raft);
    resp.islearner = raft_is_learner(s->raft, s->id);
    Etcdserverpb__DowngradeInfo downgrade = ETCDSERVERPB__DOWNGRADE_INFO__INIT;
    const char *target = cluster_downgrade_target(s->cluster);
    char target_text[CLUSTER_VERSION_MAX];
    snprintf(target_text, sizeof target_text, "%s", target != NULL ? target : "");
    downgrade.enabled = target != NULL;
    downgrade.targetversion = target_text;
    resp.downgradeinfo = &downgrade;
    char no_leader[64];
    snprintf(no_leader, sizeof no_leader, "%s", err_text(ERR_NO_LEADER));
    if (resp.leader == 0)
        add_error(&resp, no_leader);
    arena_reset(s->arena);
    Etcdserverpb__AlarmResponse *alarms =
        applier_alarm_list(s->applier, ETCDSERVERPB__ALARM_TYPE__NONE, s->arena);
    for (size_t i = 0; i < alarms->n_alarms; i++)
        add_error(&resp, arena_printf(s->arena, "memberID:%llu alarm:%s ",
                                      (unsigned long long)alarms->alarms[i]->memberid,
                                      alarms->alarms[i]->alarm == ETCDSERVERPB__ALARM_TYPE__NOSPACE
                                          ? "NOSPACE"
                                          : "CORRUPT"));
    call_answer_pb(s, call, &resp.base);
    free(resp.errors);
}

static void auth_status(struct server *s, struct server_call *call)
{
    Etcdserverpb__AuthStatusResponse resp = ETCDSERVERPB__AUTH_STATUS_RESPONSE__INIT;
    resp.authrevision = 1;
    call_answer_pb(s, call, &resp.base);
}

/* ---- reads ------------------------------------------------------------------------------ */

/* Evaluated where the writing ones are, but not logged. The writer reads inside a transaction only. */
static void read_txn(struct server *s, struct server_call *call)
{
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    struct apply_result r;
    struct why why = {""};
    req.txn = (Etcdserverpb__TxnRequest *)(void *)(uintptr_t)call->request;
    arena_reset(s->arena);
    kvdb_begin(s->kvdb);
    pthread_rwlock_wrlock(&s->index_lock);
    applier_apply(s->applier, &req, s->now, s->arena, &r);
    pthread_rwlock_unlock(&s->index_lock);
    invariant(r.n_changes == 0);
    if (kvdb_commit(s->kvdb, &why) != ERR_OK) { /* nothing was written, but a read may have failed */
        call_answer(s, call, ERR_STOPPED, NULL);
        member_fail(s, "the key database cannot be read", why.text);
    } else if (r.err != ERR_OK)
        call_answer(s, call, r.err, NULL);
    else
        call_answer_pb(s, call, r.response);
}

static void read_answer(struct server *s, struct server_call *call)
{
    if (call->op == OP_TXN)
        read_txn(s, call);
    else if (call->op == OP_MEMBER_LIST)
        member_list(s, call);
    else if (call->op == OP_DOWNGRADE)
        downgrade_call(s, call);
    else if (call->op == OP_LEASE_KEEP_ALIVE)
        lease_keep_alive(s, call, true);
    else if (call->op == OP_LEASE_TIME_TO_LIVE)
        lease_time_to_live(s, call, true);
    else
        call_answer(s, call, ERR_OK, NULL);
}

static void read_ask(struct server *s, struct server_call *call)
{
    if (atomic_load_explicit(&s->read_local, memory_order_relaxed))
        read_answer(s, call);
    else {
        call->id = 0;
        list_add_tail(&s->reads, &call->task.link);
    }
}

void reads_serve(struct server *s)
{
    struct server_call *call;
    LIST_FOREACH (call, &s->reads_confirmed, struct server_call, task.link)
        if (call->id <= s->applied_index && s->restore == NULL) {
            list_unlink(&call->task.link);
            read_answer(s, call);
        }
}

/* ---- dispatch --------------------------------------------------------------------------- */

void call_run(struct server *s, struct server_task *t)
{
    struct server_call *call = CONTAINER_OF(t, struct server_call, task);
    if (atomic_load(&s->stopping) || atomic_load(&s->failed)) {
        call_answer(s, call, ERR_STOPPED, NULL);
        return;
    }
    call->deadline = s->now + member_request_timeout(s);
    if (call->entry != NULL) {
        call_propose(s, call);
        return;
    }
    switch (call->op) {
    case OP_LEASE_KEEP_ALIVE:
        lease_keep_alive(s, call, false);
        break;
    case OP_LEASE_TIME_TO_LIVE:
        lease_time_to_live(s, call, false);
        break;
    case OP_LEASE_LEASES:
        lease_leases(s, call);
        break;
    case OP_MEMBER_LIST:
        if (((const Etcdserverpb__MemberListRequest *)(const void *)call->request)->linearizable)
            read_ask(s, call);
        else
            member_list(s, call);
        break;
    case OP_ALARM:
        alarm_get(s, call);
        break;
    case OP_STATUS:
        status(s, call);
        break;
    case OP_DEFRAGMENT:
        if (list_is_empty(&s->defrag_waiters))
            s->defrag_started = s->now;
        metric_set(&metric_defrag_inflight, 1);
        list_add_tail(&s->defrag_waiters, &call->task.link);
        break;
    case OP_HASH:
    case OP_HASH_KV:
        keeper_call(s, call);
        break;
    case OP_MOVE_LEADER:
        transfer_call(s, call);
        break;
    case OP_AUTH_STATUS:
        auth_status(s, call);
        break;
    case OP_DOWNGRADE:
    case OP_TXN:
    case OP_READ_INDEX:
        read_ask(s, call);
        break;
    case OP_MEMBER_ADD:
    case OP_MEMBER_REMOVE:
    case OP_MEMBER_UPDATE:
    case OP_MEMBER_PROMOTE:
        reconfig_call(s, call);
        break;
    default:
        invariant(false); /* the others are proposals */
    }
}

static void stopped_reply(struct loop_msg *m)
{
    struct server_call *call = CONTAINER_OF(m, struct server_call, reply);
    call->err = ERR_STOPPED;
    call->done(call);
}

void server_call(struct server_client *c, struct server_call *call)
{
    struct server *s = c->server;
    call->client = c;
    call->err = ERR_OK;
    call->response = NULL;
    call->entry = NULL;
    call->entry_type = RAFT_ENTRY_NORMAL;
    call->cost = 0;
    call->task.run = call_run;
    call->id = atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed);
    unsigned field = entry_field(call);
    if (field != 0)
        encode_call(call, field);
    if (server_post(s, s->inbox, &call->task))
        return;
    blob_unref(call->entry);
    call->entry = NULL;
    call->reply.run = stopped_reply;
    loop_post(c->loop, &call->reply);
}
