/* etcdctl/printer_priv.h -- what a format implements; for the printers only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_PRINTER_PRIV_H
#define ETCDCTL_PRINTER_PRIV_H

#include "base/mem.h"
#include "cli/command.h"
#include "etcdctl/printer.h"

#define P struct printer *p
#define R(type) const Etcdserverpb__##type *r

/* X(answer, parameters, arguments): every answer that is one message, `r`. */
#define PRINTER_ANSWERS(X)                                                                         \
    X(del, (P, R(DeleteRangeResponse)), (p, r))                                                    \
    X(get, (P, R(RangeResponse)), (p, r))                                                          \
    X(put, (P, R(PutResponse)), (p, r))                                                            \
    X(txn, (P, R(TxnResponse)), (p, r))                                                            \
    X(watch, (P, R(WatchResponse)), (p, r))                                                        \
    X(lease_grant, (P, R(LeaseGrantResponse)), (p, r))                                             \
    X(lease_revoke, (P, int64_t id, R(LeaseRevokeResponse)), (p, id, r))                           \
    X(lease_keep_alive, (P, R(LeaseKeepAliveResponse)), (p, r))                                    \
    X(lease_time_to_live, (P, bool keys, R(LeaseTimeToLiveResponse)), (p, keys, r))                \
    X(lease_list, (P, R(LeaseLeasesResponse)), (p, r))                                             \
    X(member_add, (P, R(MemberAddResponse)), (p, r))                                               \
    X(member_remove, (P, uint64_t id, R(MemberRemoveResponse)), (p, id, r))                        \
    X(member_update, (P, uint64_t id, R(MemberUpdateResponse)), (p, id, r))                        \
    X(member_promote, (P, uint64_t id, R(MemberPromoteResponse)), (p, id, r))                      \
    X(member_list, (P, R(MemberListResponse)), (p, r))                                             \
    X(move_leader, (P, uint64_t leader, uint64_t target, R(MoveLeaderResponse)),                   \
      (p, leader, target, r))                                                                      \
    X(downgrade_validate, (P, R(DowngradeResponse)), (p, r))                                       \
    X(downgrade_enable, (P, R(DowngradeResponse)), (p, r))                                         \
    X(downgrade_cancel, (P, R(DowngradeResponse)), (p, r))                                         \
    X(alarm, (P, R(AlarmResponse)), (p, r))                                                        \
    X(role_add, (P, const char *role, R(AuthRoleAddResponse)), (p, role, r))                       \
    X(role_get, (P, const char *role, R(AuthRoleGetResponse)), (p, role, r))                       \
    X(role_delete, (P, const char *role, R(AuthRoleDeleteResponse)), (p, role, r))                 \
    X(role_list, (P, R(AuthRoleListResponse)), (p, r))                                             \
    X(role_grant_permission, (P, const char *role, R(AuthRoleGrantPermissionResponse)),            \
      (p, role, r))                                                                                \
    X(role_revoke_permission,                                                                      \
      (P, const char *role, ProtobufCBinaryData key, ProtobufCBinaryData end,                      \
       R(AuthRoleRevokePermissionResponse)),                                                       \
      (p, role, key, end, r))                                                                      \
    X(user_add, (P, const char *user, R(AuthUserAddResponse)), (p, user, r))                       \
    X(user_get, (P, const char *user, R(AuthUserGetResponse)), (p, user, r))                       \
    X(user_list, (P, R(AuthUserListResponse)), (p, r))                                             \
    X(user_change_password, (P, R(AuthUserChangePasswordResponse)), (p, r))                        \
    X(user_grant_role, (P, const char *user, const char *role, R(AuthUserGrantRoleResponse)),      \
      (p, user, role, r))                                                                          \
    X(user_revoke_role, (P, const char *user, const char *role, R(AuthUserRevokeRoleResponse)),    \
      (p, user, role, r))                                                                          \
    X(user_delete, (P, const char *user, R(AuthUserDeleteResponse)), (p, user, r))                 \
    X(auth_status, (P, R(AuthStatusResponse)), (p, r))

/* NULL: the answer is printed by `message`; no list: it is not supported. */
struct printer_format {
    const char *name;
    int (*message)(struct printer *p, const ProtobufCMessage *m);
#define X(answer, params, args) int(*answer) params;
    PRINTER_ANSWERS(X)
#undef X
    int (*endpoint_health)(struct printer *p, const struct ep_health *v, size_t n);
    int (*endpoint_status)(struct printer *p, const struct ep_answer *v, size_t n);
    int (*endpoint_hashkv)(struct printer *p, const struct ep_answer *v, size_t n);
};

extern const struct printer_format printer_simple, printer_fields, printer_json, printer_protobuf,
    printer_table;

int printer_unsupported(struct printer *p);
/* Print one answer of a transaction. False: it is none that we know. */
bool printer_op(struct printer *p, const Etcdserverpb__ResponseOp *op);

static inline struct slice pb_slice(ProtobufCBinaryData d)
{
    return slice_make(d.data, d.len);
}

/* Rows as `simple` and `table` show them. */
struct rows {
    const char *const *head;
    size_t columns, n;
    char **cells; /* owned, n * columns */
};
void rows_of_members(struct rows *rows, const Etcdserverpb__MemberListResponse *r);
void rows_of_health(struct rows *rows, const struct ep_health *v, size_t n);
void rows_of_status(struct rows *rows, const struct ep_answer *v, size_t n);
void rows_of_hashkv(struct rows *rows, const struct ep_answer *v, size_t n);
void rows_fini(struct rows *rows);
static inline void rows_auto(struct rows *rows)
{
    rows_fini(rows);
}

#endif
