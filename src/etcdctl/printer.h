/* etcdctl/printer.h -- answers as --write-out wants them: one function an answer.
 *
 * Each prints and returns CLI_OK, or prints "Error: table not supported as output format" and
 * returns CLI_BAD_FEATURE where a format cannot show that answer. One file a format implements them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_PRINTER_H
#define ETCDCTL_PRINTER_H

#include <stdbool.h>
#include <stdio.h>

#include "pb/etcdserverpb.pb-c.h"

struct printer_format; /* etcdctl/printer_priv.h */

struct printer {
    FILE *out, *err;
    const struct printer_format *format;
    bool hex;
    bool value_only; /* simple: no keys */
    bool utf8;       /* json: keys and values as text */
};

/* Begin with a format by its name. False: there is none of that name. */
bool printer_init(struct printer *p, const char *format, bool hex, FILE *out, FILE *err);
bool printer_is_simple(const struct printer *p);
bool printer_is_fields(const struct printer *p);
bool printer_is_json(const struct printer *p);

/* What the client puts together of several endpoints. */
struct ep_health {
    const char *ep;
    bool health;
    const char *took;  /* "" if it failed */
    const char *error; /* "" if it is healthy */
};
struct ep_answer {
    const char *ep;
    const void *resp; /* a StatusResponse, or a HashKVResponse */
};

int print_del(struct printer *p, const Etcdserverpb__DeleteRangeResponse *r);
int print_get(struct printer *p, const Etcdserverpb__RangeResponse *r);
int print_put(struct printer *p, const Etcdserverpb__PutResponse *r);
int print_txn(struct printer *p, const Etcdserverpb__TxnResponse *r);
int print_watch(struct printer *p, const Etcdserverpb__WatchResponse *r);

int print_lease_grant(struct printer *p, const Etcdserverpb__LeaseGrantResponse *r);
int print_lease_revoke(struct printer *p, int64_t id, const Etcdserverpb__LeaseRevokeResponse *r);
int print_lease_keep_alive(struct printer *p, const Etcdserverpb__LeaseKeepAliveResponse *r);
int print_lease_time_to_live(struct printer *p, bool keys,
                             const Etcdserverpb__LeaseTimeToLiveResponse *r);
int print_lease_list(struct printer *p, const Etcdserverpb__LeaseLeasesResponse *r);

int print_member_add(struct printer *p, const Etcdserverpb__MemberAddResponse *r);
int print_member_remove(struct printer *p, uint64_t id,
                        const Etcdserverpb__MemberRemoveResponse *r);
int print_member_update(struct printer *p, uint64_t id,
                        const Etcdserverpb__MemberUpdateResponse *r);
int print_member_promote(struct printer *p, uint64_t id,
                         const Etcdserverpb__MemberPromoteResponse *r);
int print_member_list(struct printer *p, const Etcdserverpb__MemberListResponse *r);

int print_endpoint_health(struct printer *p, const struct ep_health *v, size_t n);
int print_endpoint_status(struct printer *p, const struct ep_answer *v, size_t n);
int print_endpoint_hashkv(struct printer *p, const struct ep_answer *v, size_t n);
int print_move_leader(struct printer *p, uint64_t leader, uint64_t target,
                      const Etcdserverpb__MoveLeaderResponse *r);

int print_downgrade_validate(struct printer *p, const Etcdserverpb__DowngradeResponse *r);
int print_downgrade_enable(struct printer *p, const Etcdserverpb__DowngradeResponse *r);
int print_downgrade_cancel(struct printer *p, const Etcdserverpb__DowngradeResponse *r);
int print_alarm(struct printer *p, const Etcdserverpb__AlarmResponse *r);

int print_role_add(struct printer *p, const char *role, const Etcdserverpb__AuthRoleAddResponse *r);
int print_role_get(struct printer *p, const char *role, const Etcdserverpb__AuthRoleGetResponse *r);
int print_role_delete(struct printer *p, const char *role,
                      const Etcdserverpb__AuthRoleDeleteResponse *r);
int print_role_list(struct printer *p, const Etcdserverpb__AuthRoleListResponse *r);
int print_role_grant_permission(struct printer *p, const char *role,
                                const Etcdserverpb__AuthRoleGrantPermissionResponse *r);
int print_role_revoke_permission(struct printer *p, const char *role, ProtobufCBinaryData key,
                                 ProtobufCBinaryData end,
                                 const Etcdserverpb__AuthRoleRevokePermissionResponse *r);

int print_user_add(struct printer *p, const char *user, const Etcdserverpb__AuthUserAddResponse *r);
int print_user_get(struct printer *p, const char *user, const Etcdserverpb__AuthUserGetResponse *r);
int print_user_list(struct printer *p, const Etcdserverpb__AuthUserListResponse *r);
int print_user_change_password(struct printer *p,
                               const Etcdserverpb__AuthUserChangePasswordResponse *r);
int print_user_grant_role(struct printer *p, const char *user, const char *role,
                          const Etcdserverpb__AuthUserGrantRoleResponse *r);
int print_user_revoke_role(struct printer *p, const char *user, const char *role,
                           const Etcdserverpb__AuthUserRevokeRoleResponse *r);
int print_user_delete(struct printer *p, const char *user,
                      const Etcdserverpb__AuthUserDeleteResponse *r);
int print_auth_status(struct printer *p, const Etcdserverpb__AuthStatusResponse *r);

#endif
