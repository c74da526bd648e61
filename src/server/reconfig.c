/* server/reconfig.c -- changes of membership: checked as upstream checks them, and then refused,
 * because a second member cannot be spoken to yet.
 * SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "server/server_priv.h"

static enum err check(struct server *s, struct raft_conf_change *cc)
{
    enum err e = cluster_check_change(s->cluster, cc);
    if (e == ERR_OK && s->cfg->strict_reconfig_check)
        e = cluster_check_quorum(s->cluster, cc);
    raft_conf_change_fini(cc);
    return e == ERR_OK ? ERR_NOT_CAPABLE : e;
}

static enum err check_add(struct server *s, const Etcdserverpb__MemberAddRequest *req)
{
    struct raft_conf_change cc = {0};
    const char *const *urls = (const char *const *)req->peerurls;
    member_id id = member_id_make(sha1_digest, urls, req->n_peerurls, "", time(NULL));
    struct member *m = member_new(id, urls, req->n_peerurls, req->islearner);
    cluster_change_add(0, m, &cc);
    member_free(m);
    return check(s, &cc);
}

void reconfig_call(struct server *s, struct server_call *call)
{
    struct raft_conf_change cc = {0};
    const void *request = call->request;
    const Etcdserverpb__MemberUpdateRequest *update = request;
    enum err e;
    switch (call->op) {
    case OP_MEMBER_ADD:
        e = check_add(s, request);
        break;
    case OP_MEMBER_REMOVE:
        cluster_change_remove(0, ((const Etcdserverpb__MemberRemoveRequest *)request)->id, &cc);
        e = check(s, &cc);
        break;
    case OP_MEMBER_UPDATE:
        cluster_change_update(0, update->id, (const char *const *)update->peerurls,
                              update->n_peerurls, &cc);
        e = check(s, &cc);
        break;
    default:
        cluster_change_promote(0, ((const Etcdserverpb__MemberPromoteRequest *)request)->id, &cc);
        e = check(s, &cc);
        break;
    }
    call_answer(s, call, e, NULL);
}
