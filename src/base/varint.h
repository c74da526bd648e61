/* base/varint.h -- protobuf's variable-length numbers, and its fields one by one.
 *
 * A number is written in groups of seven bits, the lowest first; the top bit of a byte says that
 * more follow. Reading never goes beyond the slice, refuses what is longer than ten bytes, and
 * drops the bits above the 64th, as protobuf does.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include "base/mem.h"

enum { VARINT_MAX = 10 }; /* bytes of the longest */

static inline size_t varint_size(uint64_t v)
{
    return (size_t)(70 - __builtin_clzll(v | 1)) / 7;
}

/* Write `v` at `p`, which has room for varint_size(); return the end. */
static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

/* Take a number off the front of `s`. Return false, and take nothing, if it is cut off or too long.
 */
static inline bool varint_take(struct slice *s, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s->n && i < VARINT_MAX; i++) {
        v |= (uint64_t)(s->p[i] & 0x7f) << (7 * i);
        if (s->p[i] < 0x80) {
            *s = slice_make(s->p + i + 1, s->n - i - 1);
            *ret = v;
            return true;
        }
    }
    return false;
}

/* ---- fields -------------------------------------------------------------------------------- */

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

struct proto_field {
    uint32_t number; /* never 0 */
    enum proto_wire wire;
    uint64_t value;     /* of a varint; 0 otherwise */
    struct slice bytes; /* of the others, lent */
};

static inline bool proto_take_bytes(struct slice *s, uint64_t n, struct slice *ret)
{
    if (n > s->n)
        return false;
    *ret = slice_make(s->p, (size_t)n);
    *s = slice_make(s->p + n, s->n - (size_t)n);
    return true;
}

/* Take the next field off the front of `s`. Return false if there is no whole one; groups, which
 * protobuf has given up, are none. */
static inline bool proto_take(struct slice *s, struct proto_field *ret)
{
    uint64_t tag, n;
    if (!varint_take(s, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    *ret = (struct proto_field){.number = (uint32_t)(tag >> 3), .wire = tag & 7};
    switch (ret->wire) {
    case PROTO_VARINT:
        return varint_take(s, &ret->value);
    case PROTO_FIXED64:
        return proto_take_bytes(s, 8, &ret->bytes);
    case PROTO_BYTES:
        return varint_take(s, &n) && proto_take_bytes(s, n, &ret->bytes);
    case PROTO_FIXED32:
        return proto_take_bytes(s, 4, &ret->bytes);
    default:
        return false;
    }
}

#endif
