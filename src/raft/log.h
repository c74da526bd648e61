/* raft/log.h -- the log as the core sees it: the persisted part, read from its owner, and behind it
 * the part that is not yet persisted, kept here.
 *
 *     first_index ... offset-1 | offset ... handed-1 | handed ... last
 *          the owner's             under way            not given out yet
 *
 * A snapshot that is not yet persisted replaces all that is the owner's; offset is then the index
 * behind it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_LOG_H
#define RAFT_LOG_H

#include "iface/raft.h"

/* Committed entries that were given out and are not applied yet: where they end, their size on the
 * wire and their payload. */
struct log_batch {
    raft_index last;
    uint64_t size;
    uint64_t payload;
};

struct raft_log {
    struct raft_log_reader reader;

    struct raft_entries unstable; /* the first `head` places are used up */
    size_t head;
    raft_index offset; /* index of unstable.v[head], or where it would be */
    raft_index handed; /* first index that was not given out for persisting */
    struct raft_snapshot *snapshot; /* not persisted; NULL: none */
    bool snapshot_handed;

    raft_index committed;
    raft_index applying; /* given out for applying up to here */
    raft_index applied;

    struct log_batch *batches;
    size_t n_batches;
    size_t cap_batches;
    uint64_t applying_size;
    uint64_t max_applying_size; /* above 0 */
    bool applying_paused;
    bool apply_unstable; /* give out committed entries that are not persisted */
};

void log_init(struct raft_log *l, struct raft_log_reader reader, uint64_t max_applying_size,
              bool apply_unstable);
void log_fini(struct raft_log *l);

raft_index log_first_index(const struct raft_log *l);
raft_index log_last_index(const struct raft_log *l);
raft_term log_last_term(const struct raft_log *l);
/* Fail with ERR_COMPACTED or ERR_NOT_FOUND. */
MUST_USE enum err log_term(const struct raft_log *l, raft_index i, raft_term *ret_term);
bool log_matches(const struct raft_log *l, raft_index i, raft_term term);
/* True if a log that ends at (index, term) is not behind ours. */
bool log_is_up_to_date(const struct raft_log *l, raft_index index, raft_term term);

/* Append to `out` the entries of [lo, hi) up to `max_size`, at least one. hi <= last + 1. Fail with
 * ERR_COMPACTED, `out` unchanged. */
MUST_USE enum err log_slice(const struct raft_log *l, raft_index lo, raft_index hi,
                            uint64_t max_size, struct raft_entries *out);
/* True if there is a configuration change in [lo, hi), all of which are there. */
bool log_has_conf_change(const struct raft_log *l, raft_index lo, raft_index hi);
/* Return an owned snapshot. Fail with ERR_BUSY. */
MUST_USE enum err log_snapshot(const struct raft_log *l, struct raft_snapshot *ret_snapshot);

/* Append one entry of `term` at the end; keeps a reference to `data` (may be NULL). */
void log_append_one(struct raft_log *l, raft_term term, enum raft_entry_type type,
                    struct blob *data);
/* Put entries in place of all from v[0].index on, which is above committed and not above last+1. */
void log_replace(struct raft_log *l, const struct raft_entry *v, size_t n);
/* Return the first of the entries that our log has not, or 0. */
raft_index log_find_conflict(const struct raft_log *l, const struct raft_entry *v, size_t n);
/* Return the highest index at or below `index` where our term is at most `term`, and that term; the
 * term is 0 where it is not known. */
raft_index log_find_conflict_by_term(const struct raft_log *l, raft_index index, raft_term term,
                                     raft_term *ret_term);
/* `i` is not above the last index; a lower one than committed does nothing. */
void log_commit_to(struct raft_log *l, raft_index i);
/* Replace all by a snapshot; copies it. */
void log_restore(struct raft_log *l, const struct raft_snapshot *s);

/* ---- what goes to the log thread and to the applier ----------------------------------------- */

bool log_has_unhanded(const struct raft_log *l);
/* Append all entries that were not given out to `out`; from here they are. */
void log_hand_out(struct raft_log *l, struct raft_entries *out);
/* The entries up to `i` are persisted; lower than before does nothing. */
void log_stable_to(struct raft_log *l, raft_index i);
/* The snapshot at `i` is persisted, unless there is a newer one. */
void log_snapshot_stable(struct raft_log *l, raft_index i);

bool log_has_committed(const struct raft_log *l);
void log_hand_out_committed(struct raft_log *l, struct raft_entries *out);
/* Entries up to `i` were applied: return the payload bytes that are done with. */
uint64_t log_applied_to(struct raft_log *l, raft_index i);

#endif
