/* api/wire.c -- messages to bytes and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/wire.h"

#include <stdatomic.h>

#include "base/json_text.h"

static void *arena_pb_alloc(void *arena, size_t n)
{
    return arena_alloc(arena, n);
}

static void arena_pb_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *desc, struct arena *a,
                              struct slice wire)
{
    static const uint8_t empty;
    ProtobufCAllocator alloc = {arena_pb_alloc, arena_pb_free, a};
    return protobuf_c_message_unpack(desc, &alloc, wire.n, wire.n != 0 ? wire.p : &empty);
}

static bool string_is_valid(const char *s)
{
    return s == NULL || utf8_is_valid(slice_str(s));
}

bool wire_strings_are_valid(const ProtobufCMessage *msg)
{
    const ProtobufCMessageDescriptor *d = msg->descriptor;
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const char *at = (const char *)msg + f->offset;
        if (f->type != PROTOBUF_C_TYPE_STRING)
            continue;
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
            if (!string_is_valid(*(char *const *)at))
                return false;
            continue;
        }
        size_t n = *(const size_t *)((const char *)msg + f->quantifier_offset);
        for (size_t j = 0; j < n; j++)
            if (!string_is_valid((*(char **const *)at)[j]))
                return false;
    }
    return true;
}

void wire_pack(struct buf *out, const ProtobufCMessage *msg)
{
    uint8_t *p = buf_reserve(out, protobuf_c_message_get_packed_size(msg) + 1);
    out->n += protobuf_c_message_pack(msg, p);
}

struct blob *wire_blob_take(struct buf *b)
{
    struct blob *blob = (struct blob *)b->p;
    atomic_init(&blob->refs, 1);
    blob->n = b->n - sizeof *blob;
    *b = BUF_INIT;
    return blob;
}
