/* apply/entry.c -- telling the forms of an entry apart, and making those of older members.
 * SPDX-License-Identifier: Apache-2.0 */
#include "apply/entry.h"

#include <inttypes.h>
#include <stdio.h>

#include "membership/member.h"
#include "pb/pb_arena.h"

/* ---- from bytes ---------------------------------------------------------------------------- */

static struct slice bytes_of(ProtobufCBinaryData b)
{
    return slice_make(b.data, b.len);
}

static enum err decode_v2(struct slice data, struct arena *a, struct entry *ret)
{
    ProtobufCMessage *msg;
    enum err e = pb_unpack(&etcdserverpb__request__descriptor, data, a, &msg);
    if (e == ERR_OK)
        *ret = (struct entry){.v2 = (const void *)msg};
    return e;
}

/* Without a method it is not a request that somebody made: any message has a few readable fields.
 */
static enum err decode_bare_v2(struct slice data, struct arena *a, struct entry *ret)
{
    static const char *const methods[] = {"PUT", "SYNC", "POST", "DELETE", "QGET", "GET"};
    struct entry e;
    if (decode_v2(data, a, &e) != ERR_OK)
        return ERR_MALFORMED;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (slice_is(bytes_of(e.v2->method), methods[i])) {
            *ret = e;
            return ERR_OK;
        }
    }
    return ERR_MALFORMED;
}

enum err entry_decode(struct slice data, struct arena *a, struct entry *ret)
{
    ProtobufCMessage *msg;
    if (pb_unpack_wrapped(&etcdserverpb__internal_raft_request__descriptor, data, a, &msg) !=
        ERR_OK)
        return decode_bare_v2(data, a, ret);
    const Etcdserverpb__InternalRaftRequest *req = (const void *)msg;
    if (req->v2.len == 0)
        *ret = (struct entry){.req = req};
    else if (decode_v2(bytes_of(req->v2), a, ret) != ERR_OK)
        return decode_bare_v2(data, a, ret);
    return ERR_OK;
}

uint64_t entry_id(const struct entry *e)
{
    if (e->v2 != NULL)
        return e->v2->id;
    return e->req->id == 0 && e->req->header != NULL ? e->req->header->id : e->req->id;
}

/* ---- what may be proposed ------------------------------------------------------------------ */

/* The fields of InternalRaftRequest that ask for something, and the 3.x that brought them. */
static const struct {
    uint32_t field;
    unsigned minor;
} known_since[] = {
    {3, 0},    /* range */
    {4, 0},    /* put */
    {5, 0},    /* delete_range */
    {6, 0},    /* txn */
    {7, 0},    /* compaction */
    {8, 0},    /* lease_grant */
    {9, 0},    /* lease_revoke */
    {10, 0},   /* alarm */
    {11, 4},   /* lease_checkpoint */
    {1000, 0}, /* auth_enable */
    {1011, 0}, /* auth_disable */
    {1012, 0}, /* authenticate */
    {1013, 5}, /* auth_status; in 3.4 from a late patch on only */
    {1100, 0}, /* auth_user_add */
    {1101, 0}, /* auth_user_delete */
    {1102, 0}, /* auth_user_get */
    {1103, 0}, /* auth_user_change_password */
    {1104, 0}, /* auth_user_grant_role */
    {1105, 0}, /* auth_user_revoke_role */
    {1106, 0}, /* auth_user_list */
    {1107, 0}, /* auth_role_list */
    {1200, 0}, /* auth_role_add */
    {1201, 0}, /* auth_role_delete */
    {1202, 0}, /* auth_role_get */
    {1203, 0}, /* auth_role_grant_permission */
    {1204, 0}, /* auth_role_revoke_permission */
    {1300, 5}, /* cluster_version_set */
    {1301, 5}, /* cluster_member_attr_set */
    {1302, 5}, /* downgrade_info_set */
    {9900, 6}, /* downgrade_version_test */
};

enum { FIELD_HEADER = 100 };

static bool is_set(const Etcdserverpb__InternalRaftRequest *req, const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_MESSAGE &&
           *(const void *const *)((const char *)req + f->offset) != NULL;
}

static bool field_is_known_to(uint32_t field, unsigned major, unsigned minor)
{
    for (size_t i = 0; i < ARRAY_LEN(known_since); i++) {
        if (known_since[i].field == field)
            return major > 3 || (major == 3 && minor >= known_since[i].minor);
    }
    return false;
}

bool entry_is_known_to(const Etcdserverpb__InternalRaftRequest *req, unsigned major, unsigned minor)
{
    const ProtobufCMessageDescriptor *desc = &etcdserverpb__internal_raft_request__descriptor;
    bool asks = false;
    if (req->v2.len != 0 || req->base.n_unknown_fields != 0)
        return false;
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        if (f->id == FIELD_HEADER || !is_set(req, f))
            continue;
        if (!field_is_known_to(f->id, major, minor))
            return false;
        asks = true;
    }
    return asks;
}

/* ---- v2 requests --------------------------------------------------------------------------- */

/* Upstream writes every field but those that may be absent, empty or not. */
static void set_all_fields(Etcdserverpb__Request *r)
{
    const ProtobufCMessageDescriptor *desc = &etcdserverpb__request__descriptor;
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        *(protobuf_c_boolean *)((char *)r + f->quantifier_offset) = true;
    }
    r->has_prevexist = false;
    r->has_refresh = false;
}

static ProtobufCBinaryData lend(struct slice s)
{
    return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static struct blob *encode_put(uint64_t id, const char *path, struct slice value)
{
    Etcdserverpb__Request r = ETCDSERVERPB__REQUEST__INIT;
    set_all_fields(&r);
    r.id = id;
    r.method = lend(slice_str("PUT"));
    r.path = lend(slice_str(path));
    r.val = lend(value);
    struct blob *b = blob_new(etcdserverpb__request__get_packed_size(&r));
    etcdserverpb__request__pack(&r, b->p);
    return b;
}

struct blob *entry_encode_v2_attributes(uint64_t id, member_id member, const char *name,
                                        const char *const *client_urls, size_t n_urls)
{
    char path[64];
    AUTO(buf) struct buf json = BUF_INIT;
    member_add_attributes(name, client_urls, n_urls, &json);
    snprintf(path, sizeof path, "/0/members/%" PRIx64 "/attributes", member);
    return encode_put(id, path, buf_slice(&json));
}

struct blob *entry_encode_v2_version(uint64_t id, const char *version)
{
    return encode_put(id, "/0/version", slice_str(version));
}
