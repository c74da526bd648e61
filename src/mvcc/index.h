/* mvcc/index.h -- every key in order, and where each of its revisions stands in the history.
 *
 * A B+tree in memory. It is the one structure that threads share: the member writes it under a
 * write lock, readers look under a read lock (the lock is the server's; nothing here knows of it).
 * A reader names the revision it reads at, so what is newer is invisible to it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MVCC_INDEX_H
#define MVCC_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/types.h"

struct mvcc_index;

/* One revision of a key. A tombstone has version 0. */
struct mvcc_rev {
    revision main;
    int64_t pos;
    revision create;
    int64_t version;
};

/* Keys from `begin` up to but not including `end`; with `open` there is no end. */
struct key_range {
    struct slice begin;
    struct slice end;
    bool open;
};

/* Return the range that a request names: no range_end is the one key, "\0" is all from `key` on.
 * `scratch` (owned by the caller, which frees it) holds the bytes of an end that had to be made: of
 * the one key. It may be NULL where range_end is not empty. */
struct key_range key_range_make(struct slice key, struct slice range_end, struct buf *scratch);
bool key_range_is_empty(const struct key_range *r);
bool key_range_has(const struct key_range *r, struct slice key);

struct mvcc_index *mvcc_index_new(void);
void mvcc_index_free(struct mvcc_index *ix); /* NULL is fine */

/* Append a revision to the key's history; it is newer than all there is. Copies `key`. */
void mvcc_index_add(struct mvcc_index *ix, struct slice key, struct mvcc_rev rev);

/* Find the key's newest revision with main <= at. False if there is none or it is a tombstone. */
bool mvcc_index_get(const struct mvcc_index *ix, struct slice key, revision at,
                    struct mvcc_rev *ret_rev);

/* Visit, in key order, each key of the range that is live at `at`, until `visit` returns false.
 * `key` is lent to `visit`. */
void mvcc_index_range(const struct mvcc_index *ix, const struct key_range *range, revision at,
                      bool (*visit)(void *arg, struct slice key, const struct mvcc_rev *rev),
                      void *arg);

/* Return how many keys of the range are live at the newest revision. O(log n). */
int64_t mvcc_index_count(const struct mvcc_index *ix, const struct key_range *range);

/* Return how many keys are live at the newest revision, and how many have any history. */
int64_t mvcc_index_live_keys(const struct mvcc_index *ix);
int64_t mvcc_index_keys(const struct mvcc_index *ix);

/* Forget what a compaction at `rev` makes unneeded: of each key, all that is older than its newest
 * revision <= rev, and that one too if it is a tombstone with main < rev. Works through at most
 * `keys_max` keys from `cursor` (the next key to visit; empty at first) and leaves the cursor where
 * it stopped. `drop` gets the pos of each revision forgotten. Return true when the last key was
 * done. */
MUST_USE bool mvcc_index_compact(struct mvcc_index *ix, revision rev, struct buf *cursor,
                                 size_t keys_max, void (*drop)(void *arg, int64_t pos), void *arg);

/* Assert all that the index believes of itself. O(n). */
void mvcc_index_check(const struct mvcc_index *ix);

#endif
