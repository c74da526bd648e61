/* etcdctl/printer_simple.c -- answers for people and for scripts that read lines.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/quote.h"
#include "etcdctl/printer_priv.h"

/* ---- keys ----------------------------------------------------------------------------------- */

static void put_raw(struct printer *p, ProtobufCBinaryData d)
{
    if (d.len)
        fwrite(d.data, 1, d.len, p->out);
}

static void put_bytes(struct printer *p, ProtobufCBinaryData d)
{
    if (!p->hex) {
        put_raw(p, d);
        return;
    }
    AUTO(buf) struct buf b = BUF_INIT;
    quote_add_hex(&b, pb_slice(d));
    put_raw(p, (ProtobufCBinaryData){b.n, b.p});
}

static void put_kv(struct printer *p, const Mvccpb__KeyValue *kv)
{
    if (!p->value_only) {
        put_bytes(p, kv->key);
        putc('\n', p->out);
    }
    put_bytes(p, kv->value);
    putc('\n', p->out);
}

static int del(struct printer *p, const Etcdserverpb__DeleteRangeResponse *r)
{
    fprintf(p->out, "%" PRId64 "\n", r->deleted);
    for (size_t i = 0; i < r->n_prev_kvs; i++)
        put_kv(p, r->prev_kvs[i]);
    return CLI_OK;
}

static int get(struct printer *p, const Etcdserverpb__RangeResponse *r)
{
    for (size_t i = 0; i < r->n_kvs; i++)
        put_kv(p, r->kvs[i]);
    return CLI_OK;
}

static int put(struct printer *p, const Etcdserverpb__PutResponse *r)
{
    fputs("OK\n", p->out);
    if (r->prev_kv)
        put_kv(p, r->prev_kv);
    return CLI_OK;
}

static int txn(struct printer *p, const Etcdserverpb__TxnResponse *r)
{
    fputs(r->succeeded ? "SUCCESS\n" : "FAILURE\n", p->out);
    for (size_t i = 0; i < r->n_responses; i++) {
        putc('\n', p->out);
        if (!printer_op(p, r->responses[i]))
            fputs("unexpected response\n", p->out);
    }
    return CLI_OK;
}

static int watch(struct printer *p, const Etcdserverpb__WatchResponse *r)
{
    for (size_t i = 0; i < r->n_events; i++) {
        const Mvccpb__Event *e = r->events[i];
        fputs(e->type == MVCCPB__EVENT__EVENT_TYPE__PUT ? "PUT\n" : "DELETE\n", p->out);
        if (e->prev_kv)
            put_kv(p, e->prev_kv);
        if (e->kv)
            put_kv(p, e->kv);
    }
    return CLI_OK;
}

/* ---- leases --------------------------------------------------------------------------------- */

static int lease_grant(struct printer *p, const Etcdserverpb__LeaseGrantResponse *r)
{
    fprintf(p->out, "lease %016" PRIx64 " granted with TTL(%" PRId64 "s)\n", r->id, r->ttl);
    return CLI_OK;
}

static int lease_revoke(struct printer *p, int64_t id, const Etcdserverpb__LeaseRevokeResponse *r)
{
    (void)r;
    fprintf(p->out, "lease %016" PRIx64 " revoked\n", id);
    return CLI_OK;
}

static int lease_keep_alive(struct printer *p, const Etcdserverpb__LeaseKeepAliveResponse *r)
{
    fprintf(p->out, "lease %016" PRIx64 " keepalived with TTL(%" PRId64 ")\n", r->id, r->ttl);
    return CLI_OK;
}

static int lease_time_to_live(struct printer *p, bool keys,
                              const Etcdserverpb__LeaseTimeToLiveResponse *r)
{
    if (r->grantedttl == 0 && r->ttl == -1) {
        fprintf(p->out, "lease %016" PRIx64 " already expired\n", r->id);
        return CLI_OK;
    }
    fprintf(p->out, "lease %016" PRIx64 " granted with TTL(%" PRId64 "s), remaining(%" PRId64 "s)",
            r->id, r->grantedttl, r->ttl);
    if (keys) {
        fputs(", attached keys([", p->out);
        for (size_t i = 0; i < r->n_keys; i++) {
            if (i)
                putc(' ', p->out);
            put_raw(p, r->keys[i]);
        }
        fputs("])", p->out);
    }
    putc('\n', p->out);
    return CLI_OK;
}

static int lease_list(struct printer *p, const Etcdserverpb__LeaseLeasesResponse *r)
{
    fprintf(p->out, "found %zu leases\n", r->n_leases);
    for (size_t i = 0; i < r->n_leases; i++)
        fprintf(p->out, "%016" PRIx64 "\n", r->leases[i]->id);
    return CLI_OK;
}

/* ---- members and endpoints ------------------------------------------------------------------- */

static uint64_t cluster_of(const Etcdserverpb__ResponseHeader *h)
{
    return h ? h->cluster_id : 0;
}

static int member_add(struct printer *p, const Etcdserverpb__MemberAddResponse *r)
{
    fprintf(p->out, "Member %16" PRIx64 " added%sto cluster %16" PRIx64 "\n",
            r->member ? r->member->id : 0,
            r->member && r->member->islearner ? " as learner " : " ", cluster_of(r->header));
    return CLI_OK;
}

static int member_changed(struct printer *p, uint64_t id, const char *how,
                          const Etcdserverpb__ResponseHeader *h)
{
    fprintf(p->out, "Member %16" PRIx64 " %s cluster %16" PRIx64 "\n", id, how, cluster_of(h));
    return CLI_OK;
}

static int member_remove(struct printer *p, uint64_t id,
                         const Etcdserverpb__MemberRemoveResponse *r)
{
    return member_changed(p, id, "removed from", r->header);
}

static int member_update(struct printer *p, uint64_t id,
                         const Etcdserverpb__MemberUpdateResponse *r)
{
    return member_changed(p, id, "updated in", r->header);
}

static int member_promote(struct printer *p, uint64_t id,
                          const Etcdserverpb__MemberPromoteResponse *r)
{
    return member_changed(p, id, "promoted in", r->header);
}

static int put_rows(struct printer *p, const struct rows *rows)
{
    for (size_t i = 0; i < rows->n * rows->columns; i++)
        fprintf(p->out, "%s%s", rows->cells[i], (i + 1) % rows->columns ? ", " : "\n");
    return CLI_OK;
}

static int member_list(struct printer *p, const Etcdserverpb__MemberListResponse *r)
{
    AUTO(rows) struct rows rows;
    rows_of_members(&rows, r);
    return put_rows(p, &rows);
}

static int endpoint_health(struct printer *p, const struct ep_health *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (*v[i].error == '\0') {
            fprintf(p->out, "%s is healthy: successfully committed proposal: took = %s\n", v[i].ep,
                    v[i].took);
            continue;
        }
        fflush(p->out);
        fprintf(p->err, "%s is unhealthy: failed to commit proposal: %s\n", v[i].ep, v[i].error);
    }
    return CLI_OK;
}

static int endpoint_status(struct printer *p, const struct ep_answer *v, size_t n)
{
    AUTO(rows) struct rows rows;
    rows_of_status(&rows, v, n);
    return put_rows(p, &rows);
}

static int endpoint_hashkv(struct printer *p, const struct ep_answer *v, size_t n)
{
    AUTO(rows) struct rows rows;
    rows_of_hashkv(&rows, v, n);
    return put_rows(p, &rows);
}

static int move_leader(struct printer *p, uint64_t leader, uint64_t target,
                       const Etcdserverpb__MoveLeaderResponse *r)
{
    (void)r;
    fprintf(p->out, "Leadership transferred from %" PRIx64 " to %" PRIx64 "\n", leader, target);
    return CLI_OK;
}

static int downgraded(struct printer *p, const char *what, const Etcdserverpb__DowngradeResponse *r)
{
    fprintf(p->out, "Downgrade %s success, cluster version %s\n", what, r->version);
    return CLI_OK;
}

static int downgrade_validate(struct printer *p, const Etcdserverpb__DowngradeResponse *r)
{
    return downgraded(p, "validate", r);
}

static int downgrade_enable(struct printer *p, const Etcdserverpb__DowngradeResponse *r)
{
    return downgraded(p, "enable", r);
}

static int downgrade_cancel(struct printer *p, const Etcdserverpb__DowngradeResponse *r)
{
    return downgraded(p, "cancel", r);
}

static int alarm(struct printer *p, const Etcdserverpb__AlarmResponse *r)
{
    for (size_t i = 0; i < r->n_alarms; i++) {
        const Etcdserverpb__AlarmMember *a = r->alarms[i];
        if (a->memberid)
            fprintf(p->out, "memberID:%" PRIu64 " ", a->memberid);
        const ProtobufCEnumValue *name = protobuf_c_enum_descriptor_get_value(
            &etcdserverpb__alarm_type__descriptor, (int)a->alarm);
        if (a->alarm && name)
            fprintf(p->out, "alarm:%s ", name->name);
        putc('\n', p->out);
    }
    return CLI_OK;
}

/* ---- roles ---------------------------------------------------------------------------------- */

static int role_add(struct printer *p, const char *role, const Etcdserverpb__AuthRoleAddResponse *r)
{
    (void)r;
    fprintf(p->out, "Role %s created\n", role);
    return CLI_OK;
}

/* True if `end` is where the keys that begin with `key` end. */
static bool is_prefix_range(ProtobufCBinaryData key, ProtobufCBinaryData end)
{
    size_t n = key.len;
    while (n > 0 && key.data[n - 1] == 0xff)
        n--;
    if (n == 0)
        return key.len > 0 && end.len == 1 && end.data[0] == 0;
    return end.len == n && memcmp(key.data, end.data, n - 1) == 0 &&
           end.data[n - 1] == key.data[n - 1] + 1;
}

static bool is_open(ProtobufCBinaryData end)
{
    return end.len == 1 && end.data[0] == 0;
}

static void put_permission(struct printer *p, const Authpb__Permission *perm)
{
    const ProtobufCBinaryData *key = &perm->key, *end = &perm->range_end;
    fputs(end->len ? "\t[" : "\t", p->out);
    put_raw(p, *key);
    if (end->len && is_open(*end))
        fputs(", <open ended>", p->out);
    else if (end->len)
        fprintf(p->out, ", %.*s)", (int)end->len, (const char *)end->data);
    if (end->len && is_prefix_range(*key, *end))
        fprintf(p->out, " (prefix %.*s)", (int)key->len, (const char *)key->data);
    putc('\n', p->out);
}

static void put_permissions(struct printer *p, const Etcdserverpb__AuthRoleGetResponse *r,
                            Authpb__Permission__Type type)
{
    for (size_t i = 0; i < r->n_perm; i++) {
        if (r->perm[i]->permtype == type ||
            r->perm[i]->permtype == AUTHPB__PERMISSION__TYPE__READWRITE)
            put_permission(p, r->perm[i]);
    }
}

static int role_get(struct printer *p, const char *role, const Etcdserverpb__AuthRoleGetResponse *r)
{
    bool all = strcmp(role, "root") == 0 && r->n_perm == 0;
    fprintf(p->out, "Role %s\nKV Read:\n%s", role, all ? "\t[, <open ended>\n" : "");
    put_permissions(p, r, AUTHPB__PERMISSION__TYPE__READ);
    fprintf(p->out, "KV Write:\n%s", all ? "\t[, <open ended>\n" : "");
    put_permissions(p, r, AUTHPB__PERMISSION__TYPE__WRITE);
    return CLI_OK;
}

static int role_delete(struct printer *p, const char *role,
                       const Etcdserverpb__AuthRoleDeleteResponse *r)
{
    (void)r;
    fprintf(p->out, "Role %s deleted\n", role);
    return CLI_OK;
}

static int role_list(struct printer *p, const Etcdserverpb__AuthRoleListResponse *r)
{
    for (size_t i = 0; i < r->n_roles; i++)
        fprintf(p->out, "%s\n", r->roles[i]);
    return CLI_OK;
}

static int role_grant_permission(struct printer *p, const char *role,
                                 const Etcdserverpb__AuthRoleGrantPermissionResponse *r)
{
    (void)r;
    fprintf(p->out, "Role %s updated\n", role);
    return CLI_OK;
}

static int role_revoke_permission(struct printer *p, const char *role, ProtobufCBinaryData key,
                                  ProtobufCBinaryData end,
                                  const Etcdserverpb__AuthRoleRevokePermissionResponse *r)
{
    (void)r;
    fputs(end.len ? "Permission of range [" : "Permission of key ", p->out);
    put_raw(p, key);
    if (end.len && is_open(end))
        fputs(", <open ended>", p->out);
    else if (end.len)
        fprintf(p->out, ", %.*s)", (int)end.len, (const char *)end.data);
    fprintf(p->out, " is revoked from role %s\n", role);
    return CLI_OK;
}

/* ---- users ---------------------------------------------------------------------------------- */

static int user_add(struct printer *p, const char *user, const Etcdserverpb__AuthUserAddResponse *r)
{
    (void)r;
    fprintf(p->out, "User %s created\n", user);
    return CLI_OK;
}

static int user_get(struct printer *p, const char *user, const Etcdserverpb__AuthUserGetResponse *r)
{
    fprintf(p->out, "User: %s\nRoles:", user);
    for (size_t i = 0; i < r->n_roles; i++)
        fprintf(p->out, " %s", r->roles[i]);
    putc('\n', p->out);
    return CLI_OK;
}

static int user_list(struct printer *p, const Etcdserverpb__AuthUserListResponse *r)
{
    for (size_t i = 0; i < r->n_users; i++)
        fprintf(p->out, "%s\n", r->users[i]);
    return CLI_OK;
}

static int user_change_password(struct printer *p,
                                const Etcdserverpb__AuthUserChangePasswordResponse *r)
{
    (void)r;
    fputs("Password updated\n", p->out);
    return CLI_OK;
}

static int user_grant_role(struct printer *p, const char *user, const char *role,
                           const Etcdserverpb__AuthUserGrantRoleResponse *r)
{
    (void)r;
    fprintf(p->out, "Role %s is granted to user %s\n", role, user);
    return CLI_OK;
}

static int user_revoke_role(struct printer *p, const char *user, const char *role,
                            const Etcdserverpb__AuthUserRevokeRoleResponse *r)
{
    (void)r;
    fprintf(p->out, "Role %s is revoked from user %s\n", role, user);
    return CLI_OK;
}

static int user_delete(struct printer *p, const char *user,
                       const Etcdserverpb__AuthUserDeleteResponse *r)
{
    (void)r;
    fprintf(p->out, "User %s deleted\n", user);
    return CLI_OK;
}

static int auth_status(struct printer *p, const Etcdserverpb__AuthStatusResponse *r)
{
    fprintf(p->out, "Authentication Status: %s\nAuthRevision: %" PRIu64 "\n",
            r->enabled ? "true" : "false", r->authrevision);
    return CLI_OK;
}

const struct printer_format printer_simple = {
    .name = "simple",
#define X(answer, params, args) .answer = answer,
    PRINTER_ANSWERS(X)
#undef X
    .endpoint_health = endpoint_health,
    .endpoint_status = endpoint_status,
    .endpoint_hashkv = endpoint_hashkv,
};
