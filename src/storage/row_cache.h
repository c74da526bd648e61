/* storage/row_cache.h -- rows that were read lately, in memory, before a reader of the key database.
 *
 * A row never changes and its pos is never used again, so nothing in here becomes stale. Which rows may
 * be asked for is the caller's knowledge: the cache also answers for rows that a view is too young or too old to
 * hold. One thread. Bounded in bytes; when it is full, what stands at the hand of a clock makes room.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_ROW_CACHE_H
#define STORAGE_ROW_CACHE_H

#include "iface/backend.h"

struct row_cache;

/* `inner` is lent for the cache's life. */
struct row_cache *row_cache_new(struct kv_reader *inner, size_t bytes_max);
void row_cache_free(struct row_cache *c); /* NULL is fine */

/* Forget all: the rows are of a history that was replaced. */
void row_cache_clear(struct row_cache *c);

/* Lend the reader: `get` goes through the cache, `scan` past it. A row is lent until the next call. */
struct kv_reader *row_cache_reader(struct row_cache *c);

/* Return the bytes in use, with what each row costs beside its key and value. */
size_t row_cache_bytes(const struct row_cache *c);

#endif
