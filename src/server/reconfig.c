/* server/reconfig.c -- changes of membership: checked, proposed, and answered when they are applied.
 *
 * The checks here spare the log what would be refused anyway, and (if reconfiguration is strict) keep
 * an operator from losing the quorum. What decides is the check at apply, the same on all members.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "raft/conf_codec.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum { HEALTH_MS = 5000 }; /* connected for so long counts as healthy */

static bool strict(const struct server *s)
{
    return s->cfg->strict_reconfig_check;
}

static size_t healthy_voters(struct server *s)
{
    return network_active_voters(s, s->now - HEALTH_MS);
}

static enum err may_add(struct server *s, const struct raft_conf_change *cc)
{
    enum err e = cluster_check_change(s->cluster, cc);
    if (e != ERR_OK || !strict(s))
        return e;
    e = cluster_check_quorum(s->cluster, cc);
    if (e == ERR_OK && healthy_voters(s) < cluster_n_voters(s->cluster))
        e = ERR_UNHEALTHY;
    return e;
}

/* A member that is down may go; while some are down, one that is up may not if that costs the
 * quorum. */
static enum err may_remove(struct server *s, const struct raft_conf_change *cc, member_id id)
{
    enum err e = cluster_check_change(s->cluster, cc);
    const struct member *m = cluster_find(s->cluster, id);
    if (e != ERR_OK || !strict(s) || m->is_learner)
        return e;
    e = cluster_check_quorum(s->cluster, cc);
    if (e != ERR_OK || (id != s->id && !network_is_active_since(s, id, MSEC_NEVER)))
        return e;
    size_t others = cluster_n_voters(s->cluster) - 1;
    return healthy_voters(s) - 1 < 1 + others / 2 && others != 0 ? ERR_UNHEALTHY : ERR_OK;
}

/* Nine tenths of what the leader has. */
static bool is_caught_up(struct server *s, member_id id)
{
    struct raft_progress_info p;
    return raft_progress_of(s->raft, id, &p) && p.match >= raft_last_index(s->raft) / 10 * 9;
}

static enum err may_promote(struct server *s, const struct raft_conf_change *cc, member_id id)
{
    enum err e = cluster_check_change(s->cluster, cc);
    if (e != ERR_OK)
        return e;
    if (!raft_is_leader(s->raft))
        return ERR_NOT_LEADER;
    if (!is_caught_up(s, id))
        return ERR_LEARNER_NOT_READY;
    return strict(s) ? cluster_check_quorum(s->cluster, cc) : ERR_OK;
}

static enum err prepare_add(struct server *s, const struct server_call *call,
                            struct raft_conf_change *cc)
{
    const Etcdserverpb__MemberAddRequest *req = (const void *)call->request;
    const char *const *urls = (const char *const *)req->peerurls;
    member_id id =
        member_id_make(sha1_digest, urls, req->n_peerurls, "", clock_wall_ns() / 1000000000);
    struct member *m = member_new(id, urls, req->n_peerurls, req->islearner);
    cluster_change_add(call->id, m, cc);
    member_free(m);
    return may_add(s, cc);
}

static enum err prepare(struct server *s, const struct server_call *call,
                        struct raft_conf_change *cc)
{
    const void *request = call->request;
    const Etcdserverpb__MemberUpdateRequest *update = request;
    member_id id;
    switch (call->op) {
    case OP_MEMBER_ADD:
        return prepare_add(s, call, cc);
    case OP_MEMBER_REMOVE:
        id = ((const Etcdserverpb__MemberRemoveRequest *)request)->id;
        cluster_change_remove(call->id, id, cc);
        return may_remove(s, cc, id);
    case OP_MEMBER_UPDATE:
        cluster_change_update(call->id, update->id, (const char *const *)update->peerurls,
                              update->n_peerurls, cc);
        return cluster_check_change(s->cluster, cc);
    default:
        id = ((const Etcdserverpb__MemberPromoteRequest *)request)->id;
        cluster_change_promote(call->id, id, cc);
        return may_promote(s, cc, id);
    }
}

void reconfig_call(struct server *s, struct server_call *call)
{
    struct raft_conf_change cc = {0};
    enum err e = prepare(s, call, &cc);
    if (e == ERR_OK) {
        call->entry = raft_conf_change_encode(&cc, true);
        call->entry_type = RAFT_ENTRY_CONF_CHANGE;
        pending_add(&s->pending, call);
        list_add_tail(&s->batch_calls, &call->task.link);
    } else if (e == ERR_NOT_LEADER && call->client != s->self) {
        forward_call(s, call);
    } else {
        call_answer(s, call, e, NULL);
    }
    raft_conf_change_fini(&cc);
}

/* ---- applied ---------------------------------------------------------------------------------- */

void member_to_pb(const struct member *m, Etcdserverpb__Member *ret)
{
    etcdserverpb__member__init(ret);
    ret->id = m->id;
    ret->name = m->name;
    ret->peerurls = m->peer_urls.v;
    ret->n_peerurls = m->peer_urls.n;
    ret->clienturls = m->client_urls.v;
    ret->n_clienturls = m->client_urls.n;
    ret->islearner = m->is_learner;
}

struct blob *members_response(struct server *s, enum server_op op, const struct member *added,
                              const struct member *const *members, size_t n)
{
    Etcdserverpb__ResponseHeader header = header_make(s, 0);
    Etcdserverpb__Member *all = xcalloc(n + 1, sizeof *all);
    Etcdserverpb__Member **list = xcalloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        member_to_pb(members[i], &all[i]);
        list[i] = &all[i];
    }
    /* The others' fields are as those of a MemberListResponse: header 1, members 2. */
    Etcdserverpb__MemberListResponse resp = ETCDSERVERPB__MEMBER_LIST_RESPONSE__INIT;
    Etcdserverpb__MemberAddResponse add = ETCDSERVERPB__MEMBER_ADD_RESPONSE__INIT;
    ProtobufCMessage *msg = &resp.base;
    resp.header = add.header = &header;
    resp.n_members = add.n_members = n;
    resp.members = add.members = list;
    if (op == OP_MEMBER_ADD) {
        member_to_pb(added, &all[n]);
        add.member = &all[n];
        msg = &add.base;
    }
    struct blob *b = message_blob(msg);
    free(list);
    free(all);
    return b;
}

struct blob *cluster_response(struct server *s, enum server_op op, const struct member *added)
{
    size_t n = cluster_size(s->cluster);
    const struct member **members = xcalloc(n, sizeof *members);
    for (size_t i = 0; i < n; i++)
        members[i] = cluster_at(s->cluster, i);
    struct blob *b = members_response(s, op, added, members, n);
    free(members);
    return b;
}

void reconfig_applied(struct server *s, const struct raft_conf_change *cc, enum err e)
{
    struct server_call *call = cc->id != 0 ? pending_take(&s->pending, cc->id) : NULL;
    if (call == NULL)
        return;
    list_unlink(&call->task.link);
    list_add_tail(&s->applied_calls, &call->task.link);
    call->err = e;
    if (e != ERR_OK)
        return;
    if (call->op == OP_MEMBER_PROMOTE)
        metric_add(&metric_promoted, 1);
    call->response = cluster_response(s, call->op, cluster_find(s->cluster, cc->changes[0].node));
}
