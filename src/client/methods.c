/* client/methods.c -- the methods of etcd's services.
 *
 * Which are repeatable is upstream's choice: what reads, and what does no harm when it is done
 * twice.
 * SPDX-License-Identifier: Apache-2.0 */
#include "client/etcdclient.h"

#define METHOD(name, package, service, method, request_, response_, repeatable_)                   \
    const struct etcd_method etcd_rpc_##name = {                                                   \
        .path = "/" #package "." #service "/" #method,                                             \
        .request = &package##__##request_##__descriptor,                                           \
        .response = &package##__##response_##__descriptor,                                         \
        .repeatable = repeatable_,                                                                 \
    }

METHOD(range, etcdserverpb, KV, Range, range_request, range_response, true);
METHOD(range_stream, etcdserverpb, KV, RangeStream, range_request, range_stream_response, true);
METHOD(put, etcdserverpb, KV, Put, put_request, put_response, false);
METHOD(delete_range, etcdserverpb, KV, DeleteRange, delete_range_request, delete_range_response,
       false);
METHOD(txn, etcdserverpb, KV, Txn, txn_request, txn_response, false);
METHOD(compact, etcdserverpb, KV, Compact, compaction_request, compaction_response, false);
METHOD(watch, etcdserverpb, Watch, Watch, watch_request, watch_response, false);
METHOD(lease_grant, etcdserverpb, Lease, LeaseGrant, lease_grant_request, lease_grant_response,
       true);
METHOD(lease_revoke, etcdserverpb, Lease, LeaseRevoke, lease_revoke_request, lease_revoke_response,
       true);
METHOD(lease_keep_alive, etcdserverpb, Lease, LeaseKeepAlive, lease_keep_alive_request,
       lease_keep_alive_response, true);
METHOD(lease_time_to_live, etcdserverpb, Lease, LeaseTimeToLive, lease_time_to_live_request,
       lease_time_to_live_response, true);
METHOD(lease_leases, etcdserverpb, Lease, LeaseLeases, lease_leases_request, lease_leases_response,
       true);
METHOD(member_add, etcdserverpb, Cluster, MemberAdd, member_add_request, member_add_response,
       false);
METHOD(member_remove, etcdserverpb, Cluster, MemberRemove, member_remove_request,
       member_remove_response, false);
METHOD(member_update, etcdserverpb, Cluster, MemberUpdate, member_update_request,
       member_update_response, false);
METHOD(member_list, etcdserverpb, Cluster, MemberList, member_list_request, member_list_response,
       true);
METHOD(member_promote, etcdserverpb, Cluster, MemberPromote, member_promote_request,
       member_promote_response, false);
METHOD(alarm, etcdserverpb, Maintenance, Alarm, alarm_request, alarm_response, true);
METHOD(status, etcdserverpb, Maintenance, Status, status_request, status_response, true);
METHOD(defragment, etcdserverpb, Maintenance, Defragment, defragment_request, defragment_response,
       false);
METHOD(hash, etcdserverpb, Maintenance, Hash, hash_request, hash_response, true);
METHOD(hash_kv, etcdserverpb, Maintenance, HashKV, hash_kvrequest, hash_kvresponse, true);
METHOD(snapshot, etcdserverpb, Maintenance, Snapshot, snapshot_request, snapshot_response, true);
METHOD(move_leader, etcdserverpb, Maintenance, MoveLeader, move_leader_request,
       move_leader_response, true);
METHOD(downgrade, etcdserverpb, Maintenance, Downgrade, downgrade_request, downgrade_response,
       false);
METHOD(auth_enable, etcdserverpb, Auth, AuthEnable, auth_enable_request, auth_enable_response,
       false);
METHOD(auth_disable, etcdserverpb, Auth, AuthDisable, auth_disable_request, auth_disable_response,
       false);
METHOD(auth_status, etcdserverpb, Auth, AuthStatus, auth_status_request, auth_status_response,
       false);
METHOD(authenticate, etcdserverpb, Auth, Authenticate, authenticate_request, authenticate_response,
       false);
METHOD(user_add, etcdserverpb, Auth, UserAdd, auth_user_add_request, auth_user_add_response, false);
METHOD(user_get, etcdserverpb, Auth, UserGet, auth_user_get_request, auth_user_get_response, true);
METHOD(user_list, etcdserverpb, Auth, UserList, auth_user_list_request, auth_user_list_response,
       true);
METHOD(user_delete, etcdserverpb, Auth, UserDelete, auth_user_delete_request,
       auth_user_delete_response, false);
METHOD(user_change_password, etcdserverpb, Auth, UserChangePassword,
       auth_user_change_password_request, auth_user_change_password_response, false);
METHOD(user_grant_role, etcdserverpb, Auth, UserGrantRole, auth_user_grant_role_request,
       auth_user_grant_role_response, false);
METHOD(user_revoke_role, etcdserverpb, Auth, UserRevokeRole, auth_user_revoke_role_request,
       auth_user_revoke_role_response, false);
METHOD(role_add, etcdserverpb, Auth, RoleAdd, auth_role_add_request, auth_role_add_response, false);
METHOD(role_get, etcdserverpb, Auth, RoleGet, auth_role_get_request, auth_role_get_response, true);
METHOD(role_list, etcdserverpb, Auth, RoleList, auth_role_list_request, auth_role_list_response,
       true);
METHOD(role_delete, etcdserverpb, Auth, RoleDelete, auth_role_delete_request,
       auth_role_delete_response, false);
METHOD(role_grant_permission, etcdserverpb, Auth, RoleGrantPermission,
       auth_role_grant_permission_request, auth_role_grant_permission_response, false);
METHOD(role_revoke_permission, etcdserverpb, Auth, RoleRevokePermission,
       auth_role_revoke_permission_request, auth_role_revoke_permission_response, false);
METHOD(lock_lock, v3lockpb, Lock, Lock, lock_request, lock_response, false);
METHOD(lock_unlock, v3lockpb, Lock, Unlock, unlock_request, unlock_response, false);
METHOD(election_campaign, v3electionpb, Election, Campaign, campaign_request, campaign_response,
       false);
METHOD(election_proclaim, v3electionpb, Election, Proclaim, proclaim_request, proclaim_response,
       false);
METHOD(election_leader, v3electionpb, Election, Leader, leader_request, leader_response, true);
METHOD(election_observe, v3electionpb, Election, Observe, leader_request, leader_response, false);
METHOD(election_resign, v3electionpb, Election, Resign, resign_request, resign_response, false);
