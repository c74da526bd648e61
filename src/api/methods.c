/* api/methods.c -- the table, and finding things in it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/methods.h"

#include <stdlib.h>

#include "api/check.h"
#include "api/services.h"
#include "config/url.h"
#include "pb/etcdserverpb.pb-c.h"
#include "pb/health.pb-c.h"
#include "pb/v3electionpb.pb-c.h"
#include "pb/v3lockpb.pb-c.h"

#define KV "etcdserverpb.KV"
#define LEASE "etcdserverpb.Lease"
#define CLUSTER "etcdserverpb.Cluster"
#define MAINTENANCE "etcdserverpb.Maintenance"
#define AUTH "etcdserverpb.Auth"
#define ELECTION "v3electionpb.Election"
#define LOCK "v3lockpb.Lock"
#define HEALTH "grpc.health.v1.Health"

/* ---- the checks ------------------------------------------------------------------------------ */

static enum err put_check(const struct call *c, const ProtobufCMessage *req)
{
    (void)c;
    return check_put((const Etcdserverpb__PutRequest *)req);
}

static enum err delete_range_check(const struct call *c, const ProtobufCMessage *req)
{
    (void)c;
    return check_delete_range((const Etcdserverpb__DeleteRangeRequest *)req);
}

static enum err txn_check(const struct call *c, const ProtobufCMessage *req)
{
    return check_txn((const Etcdserverpb__TxnRequest *)req, c->loop->cfg->max_txn_ops, c->arena);
}

static enum err member_add_check(const struct call *c, const ProtobufCMessage *req)
{
    (void)c;
    const Etcdserverpb__MemberAddRequest *r = (const Etcdserverpb__MemberAddRequest *)req;
    for (size_t i = 0; i < r->n_peerurls; i++) {
        struct url url;
        if (url_parse(slice_str(r->peerurls[i]), &url, NULL) != ERR_OK)
            return ERR_MEMBER_BAD_URLS;
        url_fini(&url);
    }
    return r->n_peerurls == 0 ? ERR_MEMBER_BAD_URLS : ERR_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define METHOD(s, n, k, req, resp)                                                                 \
    .service = s, .name = n, .kind = METHOD_##k, .request = &req##__descriptor,                    \
    .response = &resp##__descriptor

/* A unary method that the server answers. */
#define ASKED(s, n, req, resp, o)                                                                  \
    METHOD(s, n, UNARY, etcdserverpb__##req, etcdserverpb__##resp), .op = o,                       \
        .message = unary_message

/* A method of Auth that waits for authentication. */
#define UNKNOWN(n, msg, path)                                                                      \
    {                                                                                              \
        METHOD(AUTH, n, UNARY, etcdserverpb__##msg##_request, etcdserverpb__##msg##_response),     \
            .message = unary_unknown, .paths = {"/v3/auth/" path},                                 \
    }

const struct api_method api_methods[] = {
    {
        METHOD(KV, "Range", UNARY, etcdserverpb__range_request, etcdserverpb__range_response),
        .message = range_message,
        .paths = {"/v3/kv/range"},
    },
    {
        METHOD(KV, "RangeStream", SERVER_STREAM, etcdserverpb__range_request,
               etcdserverpb__range_stream_response),
        .message = range_stream_message,
        .drain = range_stream_drain,
        .closed = range_stream_closed,
    },
    {
        ASKED(KV, "Put", put_request, put_response, OP_PUT),
        .check = put_check,
        .paths = {"/v3/kv/put"},
        .is_write = true,
    },
    {
        ASKED(KV, "DeleteRange", delete_range_request, delete_range_response, OP_DELETE_RANGE),
        .check = delete_range_check,
        .paths = {"/v3/kv/deleterange"},
        .is_write = true,
    },
    {
        ASKED(KV, "Txn", txn_request, txn_response, OP_TXN),
        .check = txn_check,
        .paths = {"/v3/kv/txn"},
        .is_write = true,
    },
    {
        ASKED(KV, "Compact", compaction_request, compaction_response, OP_COMPACT),
        .paths = {"/v3/kv/compaction"},
    },
    {
        METHOD("etcdserverpb.Watch", "Watch", BIDI, etcdserverpb__watch_request,
               etcdserverpb__watch_response),
        .open = watch_open,
        .message = watch_message,
        .drain = watch_drain,
        .closed = watch_closed,
        .paths = {"/v3/watch"},
    },
    {
        ASKED(LEASE, "LeaseGrant", lease_grant_request, lease_grant_response, OP_LEASE_GRANT),
        .paths = {"/v3/lease/grant"},
    },
    {
        ASKED(LEASE, "LeaseRevoke", lease_revoke_request, lease_revoke_response, OP_LEASE_REVOKE),
        .paths = {"/v3/lease/revoke", "/v3/kv/lease/revoke"},
    },
    {
        METHOD(LEASE, "LeaseKeepAlive", BIDI, etcdserverpb__lease_keep_alive_request,
               etcdserverpb__lease_keep_alive_response),
        .open = keepalive_open,
        .message = keepalive_message,
        .half_close = keepalive_half_close,
        .drain = keepalive_drain,
        .paths = {"/v3/lease/keepalive"},
    },
    {
        ASKED(LEASE, "LeaseTimeToLive", lease_time_to_live_request, lease_time_to_live_response,
              OP_LEASE_TIME_TO_LIVE),
        .paths = {"/v3/lease/timetolive", "/v3/kv/lease/timetolive"},
    },
    {
        ASKED(LEASE, "LeaseLeases", lease_leases_request, lease_leases_response, OP_LEASE_LEASES),
        .paths = {"/v3/lease/leases", "/v3/kv/lease/leases"},
    },
    {
        ASKED(CLUSTER, "MemberAdd", member_add_request, member_add_response, OP_MEMBER_ADD),
        .check = member_add_check,
        .paths = {"/v3/cluster/member/add"},
    },
    {
        ASKED(CLUSTER, "MemberRemove", member_remove_request, member_remove_response,
              OP_MEMBER_REMOVE),
        .paths = {"/v3/cluster/member/remove"},
    },
    {
        ASKED(CLUSTER, "MemberUpdate", member_update_request, member_update_response,
              OP_MEMBER_UPDATE),
        .paths = {"/v3/cluster/member/update"},
    },
    {
        ASKED(CLUSTER, "MemberList", member_list_request, member_list_response, OP_MEMBER_LIST),
        .paths = {"/v3/cluster/member/list"},
    },
    {
        ASKED(CLUSTER, "MemberPromote", member_promote_request, member_promote_response,
              OP_MEMBER_PROMOTE),
        .paths = {"/v3/cluster/member/promote"},
    },
    {
        ASKED(MAINTENANCE, "Alarm", alarm_request, alarm_response, OP_ALARM),
        .paths = {"/v3/maintenance/alarm"},
    },
    {
        ASKED(MAINTENANCE, "Status", status_request, status_response, OP_STATUS),
        .paths = {"/v3/maintenance/status"},
    },
    {
        ASKED(MAINTENANCE, "Defragment", defragment_request, defragment_response, OP_DEFRAGMENT),
        .paths = {"/v3/maintenance/defragment"},
    },
    {
        ASKED(MAINTENANCE, "Hash", hash_request, hash_response, OP_HASH),
        .paths = {"/v3/maintenance/hash"},
    },
    {
        ASKED(MAINTENANCE, "HashKV", hash_kvrequest, hash_kvresponse, OP_HASH_KV),
        .paths = {"/v3/maintenance/hashkv"},
    },
    {
        METHOD(MAINTENANCE, "Snapshot", SERVER_STREAM, etcdserverpb__snapshot_request,
               etcdserverpb__snapshot_response),
        .message = snapshot_message,
        .drain = snapshot_drain,
        .closed = snapshot_closed,
        .paths = {"/v3/maintenance/snapshot"},
    },
    {
        ASKED(MAINTENANCE, "MoveLeader", move_leader_request, move_leader_response,
              OP_MOVE_LEADER),
        .paths = {"/v3/maintenance/transfer-leadership"},
    },
    {
        ASKED(MAINTENANCE, "Downgrade", downgrade_request, downgrade_response, OP_DOWNGRADE),
        .paths = {"/v3/maintenance/downgrade"},
    },
    {
        ASKED(AUTH, "AuthStatus", auth_status_request, auth_status_response, OP_AUTH_STATUS),
        .paths = {"/v3/auth/status"},
    },
    {
        METHOD(AUTH, "Authenticate", UNARY, etcdserverpb__authenticate_request,
               etcdserverpb__authenticate_response),
        .message = unary_not_enabled,
        .paths = {"/v3/auth/authenticate"},
    },
    UNKNOWN("AuthEnable", auth_enable, "enable"),
    UNKNOWN("AuthDisable", auth_disable, "disable"),
    UNKNOWN("UserAdd", auth_user_add, "user/add"),
    UNKNOWN("UserGet", auth_user_get, "user/get"),
    UNKNOWN("UserList", auth_user_list, "user/list"),
    UNKNOWN("UserDelete", auth_user_delete, "user/delete"),
    UNKNOWN("UserChangePassword", auth_user_change_password, "user/changepw"),
    UNKNOWN("UserGrantRole", auth_user_grant_role, "user/grant"),
    UNKNOWN("UserRevokeRole", auth_user_revoke_role, "user/revoke"),
    UNKNOWN("RoleAdd", auth_role_add, "role/add"),
    UNKNOWN("RoleGet", auth_role_get, "role/get"),
    UNKNOWN("RoleList", auth_role_list, "role/list"),
    UNKNOWN("RoleDelete", auth_role_delete, "role/delete"),
    UNKNOWN("RoleGrantPermission", auth_role_grant_permission, "role/grant"),
    UNKNOWN("RoleRevokePermission", auth_role_revoke_permission, "role/revoke"),
    {
        METHOD(ELECTION, "Campaign", UNARY, v3electionpb__campaign_request,
               v3electionpb__campaign_response),
        .message = campaign_message,
        .closed = contest_closed,
        .paths = {"/v3/election/campaign"},
    },
    {
        METHOD(ELECTION, "Proclaim", UNARY, v3electionpb__proclaim_request,
               v3electionpb__proclaim_response),
        .message = proclaim_message,
        .closed = contest_closed,
        .paths = {"/v3/election/proclaim"},
    },
    {
        METHOD(ELECTION, "Leader", UNARY, v3electionpb__leader_request,
               v3electionpb__leader_response),
        .message = leader_message,
        .closed = contest_closed,
        .paths = {"/v3/election/leader"},
    },
    {
        METHOD(ELECTION, "Observe", SERVER_STREAM, v3electionpb__leader_request,
               v3electionpb__leader_response),
        .message = observe_message,
        .drain = observe_drain,
        .closed = contest_closed,
        .paths = {"/v3/election/observe"},
    },
    {
        METHOD(ELECTION, "Resign", UNARY, v3electionpb__resign_request,
               v3electionpb__resign_response),
        .message = resign_message,
        .closed = contest_closed,
        .paths = {"/v3/election/resign"},
    },
    {
        METHOD(LOCK, "Lock", UNARY, v3lockpb__lock_request, v3lockpb__lock_response),
        .message = lock_message,
        .closed = contest_closed,
        .paths = {"/v3/lock/lock"},
    },
    {
        METHOD(LOCK, "Unlock", UNARY, v3lockpb__unlock_request, v3lockpb__unlock_response),
        .message = unlock_message,
        .closed = contest_closed,
        .paths = {"/v3/lock/unlock"},
    },
    {
        METHOD(HEALTH, "Check", UNARY, grpc__health__v1__health_check_request,
               grpc__health__v1__health_check_response),
        .message = health_check_message,
    },
    {
        METHOD(HEALTH, "Watch", SERVER_STREAM, grpc__health__v1__health_check_request,
               grpc__health__v1__health_check_response),
        .message = health_watch_message,
    },
};

enum { METHODS_N = ARRAY_LEN(api_methods) };
const size_t api_methods_n = METHODS_N;

/* ---- finding --------------------------------------------------------------------------------- */

struct path_entry {
    struct slice path;
    int method;
};

static struct path_entry grpc_paths[METHODS_N]; /* sorted */
static struct path_entry json_paths[2 * METHODS_N];
static size_t json_paths_n;
static const char *path_texts[METHODS_N];

static int path_order(const void *a, const void *b)
{
    return slice_cmp(((const struct path_entry *)a)->path, ((const struct path_entry *)b)->path);
}

void methods_init(void)
{
    if (path_texts[0] != NULL)
        return;
    for (int i = 0; i < METHODS_N; i++) {
        const struct api_method *m = &api_methods[i];
        path_texts[i] = xasprintf("/%s/%s", m->service, m->name);
        grpc_paths[i] = (struct path_entry){slice_str(path_texts[i]), i};
        for (int j = 0; j < 2; j++)
            if (m->paths[j] != NULL)
                json_paths[json_paths_n++] = (struct path_entry){slice_str(m->paths[j]), i};
    }
    qsort(grpc_paths, METHODS_N, sizeof *grpc_paths, path_order);
    qsort(json_paths, json_paths_n, sizeof *json_paths, path_order);
}

static int path_find(const struct path_entry *paths, size_t n, struct slice path)
{
    struct path_entry key = {path, 0};
    const struct path_entry *e = bsearch(&key, paths, n, sizeof *paths, path_order);
    return e != NULL ? e->method : -1;
}

static bool service_is_known(struct slice path)
{
    const uint8_t *slash = path.n != 0 ? memrchr(path.p, '/', path.n) : NULL;
    if (slash == NULL || slash == path.p || path.p[0] != '/')
        return false;
    struct slice service = slice_make(path.p + 1, (size_t)(slash - path.p) - 1);
    for (size_t i = 0; i < METHODS_N; i++)
        if (slice_is(service, api_methods[i].service))
            return true;
    return false;
}

int method_find(struct slice path, bool *ret_service_known)
{
    int i = path_find(grpc_paths, METHODS_N, path);
    *ret_service_known = i >= 0 || service_is_known(path);
    return i;
}

const struct api_method *method_find_json(struct slice path)
{
    int i = path_find(json_paths, json_paths_n, path);
    return i < 0 ? NULL : &api_methods[i];
}

const char *method_path(size_t i)
{
    return path_texts[i];
}
