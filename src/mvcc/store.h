/* mvcc/store.h -- the versioned key space: revisions, transactions, ranges, compaction.
 *
 * Pure: rows live behind iface/backend.h, time and threads do not exist. The store is written by
 * its owner only. What readers on other threads may call is said at each function; they hold the
 * owner's read lock meanwhile ("under the lock"), and the owner holds the write lock around every
 * function that changes the index ("under the write lock").
 *
 * Numbers. The empty store is at revision 1. A transaction that changes anything makes the next
 * main revision; its changes get sub 0, 1, 2... The place of a row is
 *     pos = max(last pos + 1, main << POS_SUB_BITS)
 * so a revision's rows are found from main << POS_SUB_BITS on, whatever their count.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MVCC_STORE_H
#define MVCC_STORE_H

#include "iface/backend.h"
#include "mvcc/index.h"

enum { POS_SUB_BITS = KV_POS_SUB_BITS };

/* Where the rows of revisions >= main start; rows of older revisions may stand there too, and are
 * told apart by their main. */
static inline int64_t mvcc_pos_of(revision main)
{
    return main << POS_SUB_BITS;
}

struct mvcc_store;

struct mvcc_store *mvcc_store_new(void);
void mvcc_store_free(struct mvcc_store *s);

/* ---- loading at start: every row ascending, then the two compaction marks of bucket meta ---- */

void mvcc_store_load(struct mvcc_store *s, const struct kv_row *row);
/* Marks are 0 where the bucket has none. If `scheduled` > `finished` a compaction is pending. */
void mvcc_store_loaded(struct mvcc_store *s, revision scheduled, revision finished);

/* ---- reading what it is; under the lock ---- */

revision mvcc_store_revision(const struct mvcc_store *s);  /* newest applied */
revision mvcc_store_compacted(const struct mvcc_store *s); /* 0: never compacted */
const struct mvcc_index *mvcc_store_index(const struct mvcc_store *s);

/* ---- transactions; one at a time, under the write lock from begin to end ---- */

/* A change of the transaction. Slices are lent by whoever called put or delete, or by the store,
 * until the next begin. prev.version is 0 where there was no live key before. */
struct mvcc_change {
    struct kv_row row;
    struct mvcc_rev prev;
};

void mvcc_txn_begin(struct mvcc_store *s, struct kv_writer *w);

/* Put. The caller has checked the lease and the ignore_ flags. The slices stay lent until the next
 * begin. */
void mvcc_txn_put(struct mvcc_store *s, struct slice key, struct slice value, lease_id lease);

/* Delete all live keys of the range, in key order. Return how many. */
int64_t mvcc_txn_delete(struct mvcc_store *s, const struct key_range *range);

/* The revision that reads in this transaction see: the next one as soon as it changed something. */
revision mvcc_txn_revision(const struct mvcc_store *s);

/* End it. Return the store's revision; lend the changes until the next begin. */
revision mvcc_txn_end(struct mvcc_store *s, const struct mvcc_change **ret_changes, size_t *ret_n);

/* ---- compaction ---- */

/* Schedule a compaction at `rev`: reads below it fail from now on. ERR_COMPACTED if rev is not
 * above the last one (0 on a store that was never compacted is accepted and does nothing),
 * ERR_FUTURE_REV if it is above the current revision. Writes the mark to the meta bucket. */
MUST_USE enum err mvcc_compact(struct mvcc_store *s, struct kv_writer *w, revision rev);

/* True while rows wait to be removed. */
bool mvcc_compact_pending(const struct mvcc_store *s);

/* Do one bounded piece of the pending compaction, the index first and then the rows: at most
 * `keys_max` keys looked at, or `rows_max` rows removed. Under the write lock. Return true when
 * that finished it; the finished mark is then written. */
MUST_USE bool mvcc_compact_step(struct mvcc_store *s, struct kv_writer *w, size_t keys_max,
                                size_t rows_max);

void mvcc_store_check(const struct mvcc_store *s);

#endif
