/* server/entry_cache.h -- the recent part of the log in memory: what raft reads back.
 *
 * Holds entries first..last without a gap and knows the term before the first. Entries are added as
 * raft hands them out and dropped once they are applied and no follower is likely to ask for them.
 * The rest of the log lives in log.db for restarts only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_ENTRY_CACHE_H
#define SERVER_ENTRY_CACHE_H

#include "iface/raft.h"

struct entry_cache {
    struct raft_entries list; /* live ones from `head` on */
    size_t head;
    size_t bytes;            /* of the live entries' data */
    raft_index before_index; /* of the entry before the first */
    raft_term before_term;
    /* Gives raft a snapshot when a follower needs what is not here any more; see raft_log_ops. */
    enum err (*snapshot)(void *arg, struct raft_snapshot *ret_snapshot);
    void *snapshot_arg;
};

/* Begin anew behind this entry, without entries; `snapshot` stays as it is. */
void entry_cache_reset(struct entry_cache *c, raft_index before_index, raft_term before_term);
void entry_cache_fini(struct entry_cache *c);

/* At start: entries were put into `list`, those behind this one. */
void entry_cache_loaded(struct entry_cache *c, raft_index before_index, raft_term before_term);

/* Append; entries from entries[0].index on are replaced. Keeps references to the data. */
void entry_cache_add(struct entry_cache *c, const struct raft_entry *entries, size_t n);

/* Drop all up to `index`, which is not above the last; nothing if they are gone. */
void entry_cache_trim(struct entry_cache *c, raft_index index);

/* Return the lowest index up to which entries must go for the rest to have at most `bytes` of data,
 * or `limit` if that is lower. */
raft_index entry_cache_excess(const struct entry_cache *c, size_t bytes, raft_index limit);

raft_index entry_cache_last(const struct entry_cache *c);

/* The cache as raft's view of the log; lends `c`. */
struct raft_log_reader entry_cache_reader(struct entry_cache *c);

#endif
