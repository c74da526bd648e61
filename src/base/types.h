/* base/types.h -- numbers of the field that must not be mixed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdint.h>

typedef int64_t msec;         /* milliseconds: a span, or since an arbitrary fixed start */
typedef uint64_t raft_index;  /* position in the log, from 1; 0 is "none" */
typedef uint64_t raft_term;   /* election term, from 1; 0 is "none" */
typedef uint64_t member_id;   /* 0 is "none" */
typedef int64_t lease_id;     /* 0 is "no lease"; may be negative */
typedef int64_t revision;     /* main revision of the key space; the empty store is at 1 */

/* ---- big-endian 64 bits ------------------------------------------------------------------ */

static inline uint64_t be64_get(const uint8_t *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}

static inline void be64_put(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    __builtin_memcpy(p, &v, 8);
}

#endif
