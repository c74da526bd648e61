/* mvcc/hash.h -- HashKV: one checksum over the retained history up to a revision.
 *
 * Equal on all members at equal revision and compaction. Rows are fed in order; a row at or below
 * the compacted revision counts only if it is its key's newest up to `rev`; or, if no key is live at
 * `rev`, if the compaction left it.
 *
 * The lock may be let go between rows. If meanwhile mvcc_store_compacted() went above `rev`, the
 * index no longer knows what counts: the hash is of no use, and the answer is ERR_COMPACTED.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MVCC_HASH_H
#define MVCC_HASH_H

#include "mvcc/store.h"

struct mvcc_hash {
    uint32_t crc;
    revision rev;
    revision compacted;
    revision keep_at; /* rows at or below `compacted` count if they are their key's newest up to here */
};

/* Under the lock. `rev` 0 is `current`. ERR_FUTURE_REV, ERR_COMPACTED (rev < compacted). */
MUST_USE enum err mvcc_hash_begin(struct mvcc_hash *h, const struct mvcc_store *s, revision rev,
                                  revision current);

/* Take one more row; under the lock. Rows above `rev` are passed over. */
void mvcc_hash_add(struct mvcc_hash *h, const struct mvcc_store *s, const struct kv_row *row);

#endif
