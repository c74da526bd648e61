/* api/wire.h -- reading requests into an arena, and writing responses by hand where it pays.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_WIRE_H
#define API_WIRE_H

#include "base/mem.h"
#include "iface/kv_wire.h"
#include "pb/pb_arena.h"

/* Unpack a message that lies in `a` as a whole. NULL: the bytes are no such message. */
static inline ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *desc,
                                            struct arena *a, struct slice wire)
{
    ProtobufCMessage *msg;
    return pb_unpack(desc, wire, a, &msg) == ERR_OK ? msg : NULL;
}

static inline struct slice wire_slice(ProtobufCBinaryData d)
{
    return slice_make(d.data, d.len);
}

static inline ProtobufCBinaryData wire_data(struct slice s)
{
    return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

/* ---- fields; those with their default are left out ---- */

static inline void wire_add_int(struct buf *b, uint8_t tag, int64_t v)
{
    uint8_t *p = buf_reserve(b, 12);
    b->n += (size_t)(kv_wire_int(p, tag, v) - p);
}

static inline void wire_add_bytes(struct buf *b, uint8_t tag, struct slice s)
{
    uint8_t *p = buf_reserve(b, s.n + 12);
    b->n += (size_t)(kv_wire_bytes(p, tag, s) - p);
}

/* Append field `tag` holding the row as a KeyValue. */
static inline void wire_add_kv(struct buf *b, uint8_t tag, const struct kv_row *row)
{
    size_t n = kv_wire_size(row);
    uint8_t *p = buf_reserve(b, n + 12);
    uint8_t *q = p;
    *q++ = tag;
    q = varint_put(q, n);
    q = kv_wire_put(q, row);
    b->n += (size_t)(q - p);
}

/* ---- a response that becomes a blob without being copied ---- */

/* Begin such a response in the empty `b`: what is appended from here on is the blob's content. */
static inline void wire_blob_begin(struct buf *b)
{
    buf_reserve(b, sizeof(struct blob) + 256);
    b->n = sizeof(struct blob);
}

static inline struct slice wire_blob_content(const struct buf *b)
{
    return slice_make(b->p + sizeof(struct blob), b->n - sizeof(struct blob));
}

/* Return the content as a blob with one reference; the buf is empty without memory. */
struct blob *wire_blob_take(struct buf *b);

#endif
