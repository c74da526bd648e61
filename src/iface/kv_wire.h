/* iface/kv_wire.h -- a row as the bytes of mvccpb.KeyValue.
 *
 * The encoding is canonical (fields ascending, defaults left out, shortest varints), because hashes
 * and snapshot files are made of it and must be equal on all members. A tombstone is its key alone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef IFACE_KV_WIRE_H
#define IFACE_KV_WIRE_H

#include "base/varint.h"
#include "iface/backend.h"

/* 5 tags, 5 numbers of at most 10 bytes, 2 lengths of at most 5. */
#define KV_WIRE_OVERHEAD_MAX 64

static inline uint8_t *kv_wire_int(uint8_t *p, uint8_t tag, int64_t v)
{
    if (v == 0)
        return p;
    *p++ = tag;
    return varint_put(p, (uint64_t)v);
}

static inline uint8_t *kv_wire_bytes(uint8_t *p, uint8_t tag, struct slice s)
{
    if (s.n == 0)
        return p;
    *p++ = tag;
    p = varint_put(p, s.n);
    memcpy(p, s.p, s.n);
    return p + s.n;
}

static inline size_t kv_wire_int_size(int64_t v)
{
    return v == 0 ? 0 : 1 + varint_size((uint64_t)v);
}

static inline size_t kv_wire_bytes_size(struct slice s)
{
    return s.n == 0 ? 0 : 1 + varint_size(s.n) + s.n;
}

/* Return how many bytes kv_wire_put() writes for `row`. */
static inline size_t kv_wire_size(const struct kv_row *row)
{
    size_t n = kv_wire_bytes_size(row->key);
    if (kv_row_is_tombstone(row))
        return n;
    return n + kv_wire_int_size(row->create) + kv_wire_int_size(row->main) +
           kv_wire_int_size(row->version) + kv_wire_bytes_size(row->value) +
           kv_wire_int_size(row->lease);
}

/* Write the KeyValue at `p`, which has room for kv_wire_size(); return the end. */
static inline uint8_t *kv_wire_put(uint8_t *p, const struct kv_row *row)
{
    p = kv_wire_bytes(p, 0x0a, row->key);
    if (kv_row_is_tombstone(row))
        return p;
    p = kv_wire_int(p, 0x10, row->create);
    p = kv_wire_int(p, 0x18, row->main);
    p = kv_wire_int(p, 0x20, row->version);
    p = kv_wire_bytes(p, 0x2a, row->value);
    return kv_wire_int(p, 0x30, row->lease);
}

/* The key of the row in upstream's `key` bucket: main, '_', sub, and 't' behind a tombstone. (A row
 * without a key is none: it stands for a revision that was jumped to.) Return its length, 17 or
 * 18. */
static inline size_t kv_wire_rev_key(uint8_t p[18], const struct kv_row *row)
{
    be64_put(p, (uint64_t)row->main);
    p[8] = '_';
    be64_put(p + 9, (uint64_t)row->sub);
    p[17] = 't';
    return kv_row_is_tombstone(row) && row->key.n != 0 ? 18 : 17;
}

#endif
