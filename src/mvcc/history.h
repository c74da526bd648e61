/* mvcc/history.h -- one key and its revisions, packed. Private to this room.
 *
 * Most keys have one revision, so that one lies in the same piece of memory as the key's bytes;
 * only a second one makes an array.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MVCC_HISTORY_H
#define MVCC_HISTORY_H

#include "mvcc/index.h"

struct history {
    uint32_t key_n;
    uint32_t n; /* revisions, oldest first; at least 1 */
    union {
        struct mvcc_rev one; /* n == 1 */
        struct {
            struct mvcc_rev *p;
            uint32_t cap;
        } many; /* n > 1 */
    };
    uint8_t key[];
};

static inline struct slice history_key(const struct history *h)
{
    return slice_make(h->key, h->key_n);
}

static inline const struct mvcc_rev *history_newest(const struct history *h)
{
    return h->n == 1 ? &h->one : &h->many.p[h->n - 1];
}

static inline bool history_is_live(const struct history *h)
{
    return history_newest(h)->version != 0;
}

struct history *history_new(struct slice key, struct mvcc_rev rev);
void history_free(struct history *h);

/* Append a revision, newer than all there are. */
void history_add(struct history *h, struct mvcc_rev rev);

/* Return the newest revision with main <= at; NULL if there is none or it is a tombstone. */
const struct mvcc_rev *history_at(const struct history *h, revision at);

/* Forget what a compaction at `rev` makes unneeded (mvcc_index_compact), giving each pos to `drop`.
 * Return true if nothing is left; then only history_free() may follow. */
MUST_USE bool history_compact(struct history *h, revision rev, void (*drop)(void *arg, int64_t pos),
                              void *arg);

void history_check(const struct history *h);

#endif
