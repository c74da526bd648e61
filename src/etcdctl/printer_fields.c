/* etcdctl/printer_fields.c -- answers as lines of "Name" : value.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/quote.h"
#include "etcdctl/printer_priv.h"

/* ---- lines ---------------------------------------------------------------------------------- */

static void put_quoted(struct printer *p, const char *prefix, const char *name, struct slice s)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "\"%s%s\" : ", prefix, name);
    quote_add(&b, s);
    buf_add_byte(&b, '\n');
    fwrite(b.p, 1, b.n, p->out);
}

static void put_text(struct printer *p, const char *name, const char *text)
{
    put_quoted(p, "", name, slice_str(text));
}

static void put_int(struct printer *p, const char *name, int64_t v)
{
    fprintf(p->out, "\"%s\" : %" PRId64 "\n", name, v);
}

static void put_uint(struct printer *p, const char *name, uint64_t v)
{
    fprintf(p->out, "\"%s\" : %" PRIu64 "\n", name, v);
}

static void put_bool(struct printer *p, const char *name, bool v)
{
    fprintf(p->out, "\"%s\" : %s\n", name, v ? "true" : "false");
}

/* The number of a member or a cluster. */
static void put_id(struct printer *p, const char *name, uint64_t id)
{
    fprintf(p->out, p->hex ? "\"%s\" : %" PRIx64 "\n" : "\"%s\" : %" PRIu64 "\n", name, id);
}

static void put_lease(struct printer *p, const char *prefix, const char *name, int64_t id)
{
    fprintf(p->out, p->hex ? "\"%s%s\" : %016" PRIx64 "\n" : "\"%s%s\" : %" PRId64 "\n", prefix,
            name, id);
}

static void put_header(struct printer *p, const Etcdserverpb__ResponseHeader *h)
{
    static const Etcdserverpb__ResponseHeader none = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    h = h ? h : &none;
    put_id(p, "ClusterID", h->cluster_id);
    put_id(p, "MemberID", h->member_id);
    if (h->revision > 0)
        put_int(p, "Revision", h->revision);
    put_uint(p, "RaftTerm", h->raft_term);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void put_kv(struct printer *p, const char *prefix, const Mvccpb__KeyValue *kv)
{
    put_quoted(p, prefix, "Key", pb_slice(kv->key));
    fprintf(p->out, "\"%sCreateRevision\" : %" PRId64 "\n", prefix, kv->create_revision);
    fprintf(p->out, "\"%sModRevision\" : %" PRId64 "\n", prefix, kv->mod_revision);
    fprintf(p->out, "\"%sVersion\" : %" PRId64 "\n", prefix, kv->version);
    put_quoted(p, prefix, "Value", pb_slice(kv->value));
    put_lease(p, prefix, "Lease", kv->lease);
}

static int del(struct printer *p, const Etcdserverpb__DeleteRangeResponse *r)
{
    put_header(p, r->header);
    put_int(p, "Deleted", r->deleted);
    for (size_t i = 0; i < r->n_prev_kvs; i++)
        put_kv(p, "Prev", r->prev_kvs[i]);
    return CLI_OK;
}

static int get(struct printer *p, const Etcdserverpb__RangeResponse *r)
{
    put_header(p, r->header);
    for (size_t i = 0; i < r->n_kvs; i++)
        put_kv(p, "", r->kvs[i]);
    put_bool(p, "More", r->more);
    put_int(p, "Count", r->count);
    return CLI_OK;
}

static int put(struct printer *p, const Etcdserverpb__PutResponse *r)
{
    put_header(p, r->header);
    if (r->prev_kv)
        put_kv(p, "Prev", r->prev_kv);
    return CLI_OK;
}

static int txn(struct printer *p, const Etcdserverpb__TxnResponse *r)
{
    put_header(p, r->header);
    put_bool(p, "Succeeded", r->succeeded);
    for (size_t i = 0; i < r->n_responses; i++) {
        if (!printer_op(p, r->responses[i]))
            put_text(p, "Unknown", "<nil>");
    }
    return CLI_OK;
}

static int watch(struct printer *p, const Etcdserverpb__WatchResponse *r)
{
    put_header(p, r->header);
    for (size_t i = 0; i < r->n_events; i++) {
        const Mvccpb__Event *e = r->events[i];
        fprintf(p->out, "\"Type\" : %s\n",
                e->type == MVCCPB__EVENT__EVENT_TYPE__PUT ? "PUT" : "DELETE");
        if (e->prev_kv)
            put_kv(p, "Prev", e->prev_kv);
        if (e->kv)
            put_kv(p, "", e->kv);
    }
    return CLI_OK;
}

/* ---- leases --------------------------------------------------------------------------------- */

static int lease_grant(struct printer *p, const Etcdserverpb__LeaseGrantResponse *r)
{
    put_header(p, r->header);
    put_lease(p, "", "ID", r->id);
    put_int(p, "TTL", r->ttl);
    return CLI_OK;
}

static int lease_keep_alive(struct printer *p, const Etcdserverpb__LeaseKeepAliveResponse *r)
{
    put_header(p, r->header);
    put_lease(p, "", "ID", r->id);
    put_int(p, "TTL", r->ttl);
    return CLI_OK;
}

static int lease_time_to_live(struct printer *p, bool keys,
                              const Etcdserverpb__LeaseTimeToLiveResponse *r)
{
    (void)keys;
    put_header(p, r->header);
    put_lease(p, "", "ID", r->id);
    put_int(p, "TTL", r->ttl);
    put_int(p, "GrantedTTL", r->grantedttl);
    for (size_t i = 0; i < r->n_keys; i++)
        put_quoted(p, "", "Key", pb_slice(r->keys[i]));
    return CLI_OK;
}

static int lease_list(struct printer *p, const Etcdserverpb__LeaseLeasesResponse *r)
{
    put_header(p, r->header);
    for (size_t i = 0; i < r->n_leases; i++)
        put_lease(p, "", "ID", r->leases[i]->id);
    return CLI_OK;
}

/* ---- members and endpoints ------------------------------------------------------------------- */

static int member_list(struct printer *p, const Etcdserverpb__MemberListResponse *r)
{
    put_header(p, r->header);
    for (size_t i = 0; i < r->n_members; i++) {
        const Etcdserverpb__Member *m = r->members[i];
        put_id(p, "ID", m->id);
        put_text(p, "Name", m->name);
        for (size_t k = 0; k < m->n_peerurls; k++)
            put_text(p, "PeerURL", m->peerurls[k]);
        for (size_t k = 0; k < m->n_clienturls; k++)
            put_text(p, "ClientURL", m->clienturls[k]);
        put_bool(p, "IsLearner", m->islearner);
        putc('\n', p->out);
    }
    return CLI_OK;
}

static int endpoint_health(struct printer *p, const struct ep_health *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_text(p, "Endpoint", v[i].ep);
        put_bool(p, "Health", v[i].health);
        fprintf(p->out, "\"Took\" : %s\n\"Error\" : %s\n\n", v[i].took, v[i].error);
    }
    return CLI_OK;
}

static int endpoint_status(struct printer *p, const struct ep_answer *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const Etcdserverpb__StatusResponse *s = v[i].resp;
        const Etcdserverpb__DowngradeInfo *d = s->downgradeinfo;
        put_header(p, s->header);
        put_text(p, "Version", s->version);
        put_text(p, "StorageVersion", s->storageversion);
        put_int(p, "DBSize", s->dbsize);
        put_int(p, "DBSizeInUse", s->dbsizeinuse);
        put_int(p, "DBSizeQuota", s->dbsizequota);
        put_uint(p, "Leader", s->leader);
        put_bool(p, "IsLearner", s->islearner);
        put_uint(p, "RaftIndex", s->raftindex);
        put_uint(p, "RaftAppliedIndex", s->raftappliedindex);
        fputs("\"Errors\" : [", p->out);
        for (size_t k = 0; k < s->n_errors; k++)
            fprintf(p->out, "%s%s", k ? " " : "", s->errors[k]);
        fputs("]\n", p->out);
        put_text(p, "Endpoint", v[i].ep);
        put_text(p, "DowngradeTargetVersion", d ? d->targetversion : "");
        put_bool(p, "DowngradeEnabled", d && d->enabled);
        putc('\n', p->out);
    }
    return CLI_OK;
}

static int endpoint_hashkv(struct printer *p, const struct ep_answer *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const Etcdserverpb__HashKVResponse *h = v[i].resp;
        put_header(p, h->header);
        put_text(p, "Endpoint", v[i].ep);
        put_uint(p, "Hash", h->hash);
        put_int(p, "HashRevision", h->hash_revision);
        putc('\n', p->out);
    }
    return CLI_OK;
}

static int alarm(struct printer *p, const Etcdserverpb__AlarmResponse *r)
{
    put_header(p, r->header);
    for (size_t i = 0; i < r->n_alarms; i++) {
        const ProtobufCEnumValue *name = protobuf_c_enum_descriptor_get_value(
            &etcdserverpb__alarm_type__descriptor, (int)r->alarms[i]->alarm);
        put_id(p, "MemberID", r->alarms[i]->memberid);
        if (name)
            fprintf(p->out, "\"AlarmType\" : %s\n\n", name->name);
        else
            fprintf(p->out, "\"AlarmType\" : %d\n\n", (int)r->alarms[i]->alarm);
    }
    return CLI_OK;
}

/* ---- roles and users ------------------------------------------------------------------------- */

static int role_get(struct printer *p, const char *role, const Etcdserverpb__AuthRoleGetResponse *r)
{
    static const char *const types[] = {"READ", "WRITE", "READWRITE"};
    (void)role;
    put_header(p, r->header);
    for (size_t i = 0; i < r->n_perm; i++) {
        unsigned type = (unsigned)r->perm[i]->permtype;
        fprintf(p->out, "\"PermType\" :  %s\n", type < ARRAY_LEN(types) ? types[type] : "UNKNOWN");
        put_quoted(p, "", "Key", pb_slice(r->perm[i]->key));
        put_quoted(p, "", "RangeEnd", pb_slice(r->perm[i]->range_end));
    }
    return CLI_OK;
}

static int role_list(struct printer *p, const Etcdserverpb__AuthRoleListResponse *r)
{
    AUTO(buf) struct buf b = BUF_INIT;
    put_header(p, r->header);
    buf_add_str(&b, "\"Roles\" :");
    for (size_t i = 0; i < r->n_roles; i++) {
        buf_add_byte(&b, ' ');
        quote_add(&b, slice_str(r->roles[i]));
    }
    buf_add_byte(&b, '\n');
    fwrite(b.p, 1, b.n, p->out);
    return CLI_OK;
}

/* Answers that say nothing but that it is done: their header. */
static int header_only(struct printer *p, const ProtobufCMessage *m)
{
    static const ProtobufCMessageDescriptor *const plain[] = {
        &etcdserverpb__lease_revoke_response__descriptor,
        &etcdserverpb__auth_role_add_response__descriptor,
        &etcdserverpb__auth_role_delete_response__descriptor,
        &etcdserverpb__auth_role_grant_permission_response__descriptor,
        &etcdserverpb__auth_role_revoke_permission_response__descriptor,
        &etcdserverpb__auth_user_add_response__descriptor,
        &etcdserverpb__auth_user_change_password_response__descriptor,
        &etcdserverpb__auth_user_grant_role_response__descriptor,
        &etcdserverpb__auth_user_revoke_role_response__descriptor,
        &etcdserverpb__auth_user_delete_response__descriptor,
    };
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (m->descriptor != plain[i])
            continue;
        /* They all have the shape of this one. */
        put_header(p, ((const Etcdserverpb__LeaseRevokeResponse *)m)->header);
        return CLI_OK;
    }
    return printer_unsupported(p);
}

const struct printer_format printer_fields = {
    .name = "fields",
    .message = header_only,
    .del = del,
    .get = get,
    .put = put,
    .txn = txn,
    .watch = watch,
    .lease_grant = lease_grant,
    .lease_keep_alive = lease_keep_alive,
    .lease_time_to_live = lease_time_to_live,
    .lease_list = lease_list,
    .member_list = member_list,
    .endpoint_health = endpoint_health,
    .endpoint_status = endpoint_status,
    .endpoint_hashkv = endpoint_hashkv,
    .alarm = alarm,
    .role_get = role_get,
    .role_list = role_list,
};
