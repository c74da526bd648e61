/* pb/pb_arena.c -- a look over the wire bytes, then protobuf-c's own unpacking.
 *
 * The look costs one step a field: bytes fields are passed over, text is checked for UTF-8, and
 * messages are entered. What it does not judge (wire types that do not fit, unknown fields,
 * missing ones) protobuf-c does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pb/pb_arena.h"

#include "base/json_text.h"
#include "base/varint.h"

/* ---- the allocator ------------------------------------------------------------------------- */

static void *allocate(void *arg, size_t n)
{
    return arena_alloc(arg, n);
}

static void release(void *arg, void *p)
{
}

ProtobufCAllocator pb_arena_allocator(struct arena *a)
{
    return (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = a};
}

/* ---- the look ------------------------------------------------------------------------------ */

/* A NUL would end the C string early, and one name could pass for another. */
static bool text_is_good(struct slice s)
{
    return (s.n == 0 || memchr(s.p, '\0', s.n) == NULL) && utf8_is_valid(s);
}

/* `depth`: how many messages more may be nested, this one counted. */
static bool look(const ProtobufCMessageDescriptor *desc, struct slice s, unsigned depth)
{
    if (depth == 0)
        return false;
    while (s.n > 0) {
        struct proto_field field;
        if (!proto_take(&s, &field))
            return false;
        if (field.wire != PROTO_BYTES)
            continue;
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field(desc, field.number);
        if (f == NULL)
            continue;
        if (f->type == PROTOBUF_C_TYPE_STRING && !text_is_good(field.bytes))
            return false;
        if (f->type == PROTOBUF_C_TYPE_MESSAGE && !look(f->descriptor, field.bytes, depth - 1))
            return false;
    }
    return true;
}

/* ---- to and from bytes --------------------------------------------------------------------- */

static enum err unpack(const ProtobufCMessageDescriptor *desc, struct slice wire, struct arena *a,
                       unsigned depth, ProtobufCMessage **ret)
{
    if (!look(desc, wire, depth))
        return ERR_MALFORMED;
    ProtobufCAllocator allocator = pb_arena_allocator(a);
    ProtobufCMessage *msg = protobuf_c_message_unpack(desc, &allocator, wire.n, wire.p);
    if (msg == NULL)
        return ERR_MALFORMED;
    *ret = msg;
    return ERR_OK;
}

enum err pb_unpack(const ProtobufCMessageDescriptor *desc, struct slice wire, struct arena *a,
                   ProtobufCMessage **ret)
{
    return unpack(desc, wire, a, PB_DEPTH_MAX, ret);
}

enum err pb_unpack_wrapped(const ProtobufCMessageDescriptor *desc, struct slice wire,
                           struct arena *a, ProtobufCMessage **ret)
{
    return unpack(desc, wire, a, PB_DEPTH_MAX + 1, ret);
}

void pb_pack(const ProtobufCMessage *msg, struct buf *out)
{
    size_t n = protobuf_c_message_get_packed_size(msg);
    if (n == 0)
        return;
    size_t packed = protobuf_c_message_pack(msg, buf_reserve(out, n));
    invariant(packed == n);
    out->n += n;
}
