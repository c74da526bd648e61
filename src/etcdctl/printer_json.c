/* etcdctl/printer_json.c -- answers as Go's encoding/json prints upstream's structures.
 *
 * A message is walked by its description: fields in the order of their numbers, which is upstream's,
 * those without a value left out. What upstream's client puts into structures of its own (leases,
 * watches, endpoints) is written out below.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/json.h"
#include "etcdctl/printer_priv.h"

/* ---- any message ---------------------------------------------------------------------------- */

struct walk {
    struct json *j;
    bool utf8;
};

static void add_message(const struct walk *w, const char *key, const ProtobufCMessage *m);

static void add_bytes(const struct walk *w, const char *key, const ProtobufCBinaryData *d)
{
    if (w->utf8)
        json_text(w->j, key, pb_slice(*d));
    else
        json_base64(w->j, key, pb_slice(*d));
}

/* One value at `at`, as the field's type says. */
static void add_value(const struct walk *w, const char *key, const ProtobufCFieldDescriptor *f,
                      const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        json_int(w->j, key, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
        json_int(w->j, key, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        json_uint(w->j, key, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        json_uint(w->j, key, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        json_bool(w->j, key, *(const protobuf_c_boolean *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        json_string(w->j, key, *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        add_bytes(w, key, at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        add_message(w, key, *(const ProtobufCMessage *const *)at);
        break;
    default:
        invariant(false); /* etcd's messages have no other types */
    }
}

static bool is_zero(const ProtobufCFieldDescriptor *f, const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return *(const int64_t *)at == 0;
    case PROTOBUF_C_TYPE_STRING:
        return **(char *const *)at == '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const void *const *)at == NULL;
    default:
        return *(const int32_t *)at == 0;
    }
}

static size_t size_of(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(int64_t);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return sizeof(int32_t);
    }
}

static void add_field(const struct walk *w, const ProtobufCMessage *m,
                      const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;
    const void *at = base + f->offset;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)(base + f->quantifier_offset);
        if (n == 0)
            return;
        json_open_array(w->j, f->name);
        for (size_t i = 0; i < n; i++)
            add_value(w, NULL, f, *(const char *const *)at + i * size_of(f));
        json_close_array(w->j);
        return;
    }
    bool one_of = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (one_of ? *(const uint32_t *)(base + f->quantifier_offset) != f->id : is_zero(f, at))
        return;
    add_value(w, f->name, f, at);
}

static void add_message(const struct walk *w, const char *key, const ProtobufCMessage *m)
{
    /* Go has a structure more around the alternatives of an answer. */
    bool wrapped = m->descriptor == &etcdserverpb__response_op__descriptor;
    json_open(w->j, key);
    if (wrapped)
        json_open(w->j, "Response");
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        add_field(w, m, &m->descriptor->fields[i]);
    if (wrapped)
        json_close(w->j);
    json_close(w->j);
}

/* The fields of the header in the midst of another structure. */
static void add_header_fields(struct json *j, const Etcdserverpb__ResponseHeader *h)
{
    const struct walk w = {j, false};
    for (unsigned i = 0; h && i < h->base.descriptor->n_fields; i++)
        add_field(&w, &h->base, &h->base.descriptor->fields[i]);
}

static int finish(struct printer *p, struct json *j)
{
    buf_add_byte(&j->text, '\n');
    fwrite(j->text.p, 1, j->text.n, p->out);
    return CLI_OK;
}

static int print_message(struct printer *p, const ProtobufCMessage *m)
{
    AUTO(json) struct json j = JSON_INIT;
    const struct walk w = {&j, p->utf8};
    add_message(&w, NULL, m);
    return finish(p, &j);
}

/* ---- watch and leases ------------------------------------------------------------------------ */

static int watch(struct printer *p, const Etcdserverpb__WatchResponse *r)
{
    AUTO(json) struct json j = JSON_INIT;
    const struct walk w = {&j, p->utf8};
    json_open(&j, NULL);
    if (r->header)
        add_message(&w, "Header", &r->header->base);
    else
        json_null(&j, "Header");
    if (r->header || r->n_events) {
        json_open_array(&j, "Events");
        for (size_t i = 0; i < r->n_events; i++)
            add_message(&w, NULL, &r->events[i]->base);
        json_close_array(&j);
    } else {
        json_null(&j, "Events");
    }
    json_int(&j, "CompactRevision", r->compact_revision);
    json_bool(&j, "Canceled", r->canceled);
    json_bool(&j, "Created", r->created);
    json_string(&j, "CancelReason", r->cancel_reason);
    json_close(&j);
    return finish(p, &j);
}

static int lease_grant(struct printer *p, const Etcdserverpb__LeaseGrantResponse *r)
{
    AUTO(json) struct json j = JSON_INIT;
    json_open(&j, NULL);
    add_header_fields(&j, r->header);
    json_int(&j, "ID", r->id);
    json_int(&j, "TTL", r->ttl);
    json_string(&j, "Error", r->error);
    json_close(&j);
    return finish(p, &j);
}

static int lease_keep_alive(struct printer *p, const Etcdserverpb__LeaseKeepAliveResponse *r)
{
    AUTO(json) struct json j = JSON_INIT;
    json_open(&j, NULL);
    add_header_fields(&j, r->header);
    json_int(&j, "ID", r->id);
    json_int(&j, "TTL", r->ttl);
    json_close(&j);
    return finish(p, &j);
}

static int lease_time_to_live(struct printer *p, bool keys,
                              const Etcdserverpb__LeaseTimeToLiveResponse *r)
{
    (void)keys;
    AUTO(json) struct json j = JSON_INIT;
    const struct walk w = {&j, p->utf8};
    json_open(&j, NULL);
    add_header_fields(&j, r->header);
    json_int(&j, "id", r->id);
    json_int(&j, "ttl", r->ttl);
    json_int(&j, "granted-ttl", r->grantedttl);
    if (r->n_keys) {
        json_open_array(&j, "keys");
        for (size_t i = 0; i < r->n_keys; i++)
            add_bytes(&w, NULL, &r->keys[i]);
        json_close_array(&j);
    } else {
        json_null(&j, "keys");
    }
    json_close(&j);
    return finish(p, &j);
}

static int lease_list(struct printer *p, const Etcdserverpb__LeaseLeasesResponse *r)
{
    AUTO(json) struct json j = JSON_INIT;
    json_open(&j, NULL);
    add_header_fields(&j, r->header);
    json_open_array(&j, "leases");
    for (size_t i = 0; i < r->n_leases; i++) {
        json_open(&j, NULL);
        json_int(&j, "id", r->leases[i]->id);
        json_close(&j);
    }
    json_close_array(&j);
    json_close(&j);
    return finish(p, &j);
}

/* ---- members: with --hex their numbers are strings of hexadecimal digits ----------------------- */

static void add_hex(struct json *j, const char *key, uint64_t id)
{
    char text[20];
    snprintf(text, sizeof(text), "%" PRIx64, id);
    json_string(j, key, text);
}

static void add_hex_header(struct json *j, const Etcdserverpb__ResponseHeader *h)
{
    json_open(j, "header");
    add_hex(j, "cluster_id", h->cluster_id);
    add_hex(j, "member_id", h->member_id);
    if (h->revision)
        json_int(j, "revision", h->revision);
    if (h->raft_term)
        json_uint(j, "raft_term", h->raft_term);
    json_close(j);
}

static void add_hex_member(struct json *j, const char *key, const Etcdserverpb__Member *m)
{
    const struct walk w = {j, false};
    json_open(j, key);
    add_hex(j, "ID", m->id);
    for (unsigned i = 1; i < m->base.descriptor->n_fields; i++)
        add_field(&w, &m->base, &m->base.descriptor->fields[i]);
    json_close(j);
}

static int hex_members(struct printer *p, const Etcdserverpb__ResponseHeader *header,
                       const Etcdserverpb__Member *member, Etcdserverpb__Member *const *members,
                       size_t n)
{
    AUTO(json) struct json j = JSON_INIT;
    json_open(&j, NULL);
    add_hex_header(&j, header);
    if (member)
        add_hex_member(&j, "member", member);
    json_open_array(&j, "members");
    for (size_t i = 0; i < n; i++)
        add_hex_member(&j, NULL, members[i]);
    json_close_array(&j);
    json_close(&j);
    return finish(p, &j);
}

static int member_add(struct printer *p, const Etcdserverpb__MemberAddResponse *r)
{
    if (!p->hex || !r->header)
        return print_message(p, &r->base);
    return hex_members(p, r->header, r->member, r->members, r->n_members);
}

static int member_list(struct printer *p, const Etcdserverpb__MemberListResponse *r)
{
    if (!p->hex || !r->header)
        return print_message(p, &r->base);
    return hex_members(p, r->header, NULL, r->members, r->n_members);
}

#define CHANGED_MEMBER(name_, type_)                                                               \
    static int name_(struct printer *p, uint64_t id, const Etcdserverpb__##type_ *r)               \
    {                                                                                              \
        (void)id;                                                                                  \
        if (!p->hex || !r->header)                                                                 \
            return print_message(p, &r->base);                                                     \
        return hex_members(p, r->header, NULL, r->members, r->n_members);                          \
    }
CHANGED_MEMBER(member_remove, MemberRemoveResponse)
CHANGED_MEMBER(member_update, MemberUpdateResponse)
CHANGED_MEMBER(member_promote, MemberPromoteResponse)

/* ---- endpoints -------------------------------------------------------------------------------- */

static int endpoint_health(struct printer *p, const struct ep_health *v, size_t n)
{
    AUTO(json) struct json j = JSON_INIT;
    json_open_array(&j, NULL);
    for (size_t i = 0; i < n; i++) {
        json_open(&j, NULL);
        json_string(&j, "endpoint", v[i].ep);
        json_bool(&j, "health", v[i].health);
        json_string(&j, "took", v[i].took);
        if (*v[i].error)
            json_string(&j, "error", v[i].error);
        json_close(&j);
    }
    json_close_array(&j);
    return finish(p, &j);
}

static int put_answers(struct printer *p, const char *key, const struct ep_answer *v, size_t n)
{
    AUTO(json) struct json j = JSON_INIT;
    const struct walk w = {&j, false};
    json_open_array(&j, NULL);
    for (size_t i = 0; i < n; i++) {
        json_open(&j, NULL);
        json_string(&j, "Endpoint", v[i].ep);
        add_message(&w, key, v[i].resp);
        json_close(&j);
    }
    json_close_array(&j);
    return finish(p, &j);
}

static int endpoint_status(struct printer *p, const struct ep_answer *v, size_t n)
{
    return put_answers(p, "Status", v, n);
}

static int endpoint_hashkv(struct printer *p, const struct ep_answer *v, size_t n)
{
    return put_answers(p, "HashKV", v, n);
}

const struct printer_format printer_json = {
    .name = "json",
    .message = print_message,
    .watch = watch,
    .lease_grant = lease_grant,
    .lease_keep_alive = lease_keep_alive,
    .lease_time_to_live = lease_time_to_live,
    .lease_list = lease_list,
    .member_add = member_add,
    .member_remove = member_remove,
    .member_update = member_update,
    .member_promote = member_promote,
    .member_list = member_list,
    .endpoint_health = endpoint_health,
    .endpoint_status = endpoint_status,
    .endpoint_hashkv = endpoint_hashkv,
};
