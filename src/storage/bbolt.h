/* storage/bbolt.h -- the numbers of upstream's file format (bbolt), for its writer and its reader.
 *
 * Everything is little-endian. A page, and what its elements are:
 *   header   u64 id | u16 flags | u16 count | u32 overflow (pages that follow and belong to it)
 *   leaf     u32 flags (1: a bucket) | u32 pos | u32 key size | u32 value size
 *   branch   u32 pos | u32 key size | u64 page
 * where pos is counted from the element itself. The value of a bucket is u64 root page |
 * u64 sequence; if the root page is 0, the bucket's only leaf follows as it is.
 *   meta     u32 magic | u32 version | u32 page size | u32 flags | u64 root | u64 sequence |
 *            u64 free list | u64 pages | u64 transaction | u64 FNV-1a of the 56 bytes before
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_BBOLT_H
#define STORAGE_BBOLT_H

#include <stddef.h>
#include <stdint.h>

#define BBOLT_MAGIC        0xed0cdaedu
#define BBOLT_NO_FREE_LIST UINT64_MAX /* the list of free pages is not stored */
#define BBOLT_KEY_BUCKET   "key"      /* the history */

enum {
    BBOLT_VERSION = 2,
    BBOLT_HEADER_SIZE = 16,
    BBOLT_ELEMENT_SIZE = 16,
    BBOLT_BUCKET_HEADER_SIZE = 16,
    BBOLT_META_SIZE = 64, /* behind the header */
    BBOLT_META_SUMMED = 56,
    BBOLT_KEY_MAX = 32768,
    BBOLT_VALUE_MAX = INT32_MAX - 1,
    BBOLT_BRANCH = 1, /* flags of a page */
    BBOLT_LEAF = 2,
    BBOLT_META = 4,
    BBOLT_ITEM_BUCKET = 1, /* flag of an element */
};

static inline uint64_t bbolt_sum(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

#endif
