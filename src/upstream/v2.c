/* upstream/v2.c -- see v2.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/v2.h"

#include "base/varint.h"
#include "membership/member.h"

enum { REQUEST_METHOD = 2, REQUEST_PATH = 3, WRAPPED_V2 = 2 };

/* etcdserverpb.Request; without a method it is not one that somebody made. */
static bool read_bare(struct slice data, struct v2_request *ret)
{
    static const char *const methods[] = {"PUT", "POST", "DELETE", "GET", "QGET", "SYNC"};
    struct proto_field f;
    *ret = (struct v2_request){.method = slice_make("", 0), .path = slice_make("", 0)};
    while (data.n != 0) {
        if (!proto_take(&data, &f))
            return false;
        if (f.number == REQUEST_METHOD && f.wire == PROTO_BYTES)
            ret->method = f.bytes;
        else if (f.number == REQUEST_PATH && f.wire == PROTO_BYTES)
            ret->path = f.bytes;
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (slice_is(ret->method, methods[i]))
            return true;
    return false;
}

bool v2_request_find(struct slice data, struct v2_request *ret)
{
    struct slice rest = data;
    struct proto_field f;
    if (read_bare(data, ret))
        return true;
    while (rest.n != 0 && proto_take(&rest, &f))
        if (f.number == WRAPPED_V2 && f.wire == PROTO_BYTES && read_bare(f.bytes, ret))
            return true;
    return false;
}

bool v2_request_is_content(const struct v2_request *r)
{
    bool writes = slice_is(r->method, "PUT") || slice_is(r->method, "POST") ||
                  slice_is(r->method, "DELETE");
    return writes && !slice_starts_with(r->path, slice_str("/0/"));
}

bool v2_request_is_attributes(const struct v2_request *r)
{
    static const char before[] = "/0/members/", after[] = "/attributes";
    size_t fixed = strlen(before) + strlen(after);
    member_id id;
    if (!slice_is(r->method, "PUT") || r->path.n <= fixed ||
        !slice_starts_with(r->path, slice_str(before)) ||
        !slice_is(slice_make(r->path.p + r->path.n - strlen(after), strlen(after)), after))
        return false;
    return member_id_from_hex(slice_make(r->path.p + strlen(before), r->path.n - fixed), &id);
}

bool v2_request_is_members_own(const struct v2_request *r)
{
    return v2_request_is_attributes(r) ||
           (slice_is(r->method, "PUT") && slice_is(r->path, "/0/version"));
}

size_t v2_content_count(const struct wal_entry *entries, size_t n)
{
    struct v2_request r;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (entries[i].type == RAFT_ENTRY_NORMAL && v2_request_find(entries[i].data, &r) &&
            v2_request_is_content(&r))
            count++;
    return count;
}
