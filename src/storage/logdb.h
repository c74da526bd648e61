/* storage/logdb.h -- log.db: the raft log and the hard state, in SQLite.
 *
 * One connection, owned by the log thread. The journal is a WAL, synchronous=FULL: when a call that
 * writes returns ERR_OK, what it wrote is on disk. One call is one transaction and one sync.
 *
 * After any error the state on disk is not known: every later call returns the same error, and the
 * process must stop.
 *
 * The file is open to `sqlite3 -readonly`. Schema 2; application_id 0x65744c47, user_version 2:
 *
 *   CREATE TABLE entry(idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, type INTEGER NOT NULL,
 *       data BLOB, crc INTEGER);
 *   CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), term INTEGER NOT NULL,
 *       vote INTEGER NOT NULL, commit_index INTEGER NOT NULL, trimmed_index INTEGER NOT NULL,
 *       trimmed_term INTEGER NOT NULL, cluster INTEGER NOT NULL, member INTEGER NOT NULL,
 *       crc INTEGER);
 *
 * The entries are contiguous: from trimmed_index + 1 on. IDs of 64 bits are stored as the signed
 * number of the same bits.
 *
 * `crc` is the CRC-32C of the rest of the row: the numbers but for `id`, each as 64 bits big-endian; of an
 * entry, idx, term, type, the length of the data (~0 if they are NULL), then the data. NULL in rows that
 * schema 1 wrote, which had none; opening brings such a file up to schema 2.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_LOGDB_H
#define STORAGE_LOGDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/types.h"
#include "base/why.h"
#include "iface/raft.h"

struct logdb;

struct logdb_options {
    bool create;             /* make the file if it is not there */
    bool no_sync;            /* never sync (--unsafe-no-fsync) */
    int64_t checkpoint_size; /* bytes in the WAL at which an append also checkpoints; 0: 4 MiB */
    const char *vfs;         /* SQLite VFS by name, for tests; NULL: the default one */
};

/* Open the log. Errors as of kvdb_open(). */
MUST_USE enum err logdb_open(const char *path, const struct logdb_options *options,
                             struct logdb **ret_db, struct why *why);
void logdb_close(struct logdb *db); /* NULL is fine */
static inline void logdb_auto(struct logdb **db)
{
    logdb_close(*db);
}

/* What stands beside the entries. All 0 in a new log. */
struct logdb_start {
    struct raft_hard_state hard_state;
    raft_index trimmed_index; /* the entries begin behind it */
    raft_term trimmed_term;
    raft_index last_index; /* trimmed_index if there are no entries */
    uint64_t cluster_id;
    member_id member_id;
};

/* Read the log at start: visit the entries ascending (`visit` may be NULL). An entry and its data
 * are lent; blob_ref() keeps the data. Fail with ERR_DAMAGED on a row whose checksum is wrong, on a gap,
 * on numbers that cannot be, or if the hard state and the entries do not fit together. */
MUST_USE enum err logdb_load(struct logdb *db, void (*visit)(void *arg, const struct raft_entry *e),
                             void *arg, struct logdb_start *ret_start, struct why *why);

/* Write whose log this is. One sync. */
MUST_USE enum err logdb_set_identity(struct logdb *db, uint64_t cluster_id, member_id id,
                                     struct why *why);

/* Write the hard state (unless NULL) and `n` entries with consecutive indexes, in one transaction
 * and one sync. Entries from entries[0].index on that were there are replaced. entries[0].index is
 * at most one behind the last, and above the trimmed index. Keeps no reference. */
MUST_USE enum err logdb_append(struct logdb *db, const struct raft_hard_state *hard_state,
                               const struct raft_entry *entries, size_t n, struct why *why);

/* Let go of the entries up to `index`, which is not above the last. Lazy: later appends remove them
 * in their own transactions, 64 or some more at a time; fewer are left until it is worth it. An
 * index below an earlier one does nothing. */
void logdb_trim(struct logdb *db, raft_index index);

/* Forget all entries and begin anew behind (index, term), which a snapshot stands for, with this
 * hard state; a commit index above it belongs to entries that are still to be appended, and is
 * left to them. One transaction, one sync. */
MUST_USE enum err logdb_reset(struct logdb *db, const struct raft_hard_state *hard_state,
                              raft_index index, raft_term term, struct why *why);

/* Bring all of the log into its one file, so that this can be moved. */
MUST_USE enum err logdb_gather(struct logdb *db, struct why *why);

/* Verify the whole file: SQLite's own check, which sees what the checksums of rows do not: that rows were
 * lost at the end. logdb_load() is what looks at the entries. */
MUST_USE enum err logdb_check(struct logdb *db, struct why *why);

/* Return the index up to which entries are really gone, and the last index. */
raft_index logdb_trimmed_index(const struct logdb *db);
raft_index logdb_last_index(const struct logdb *db);

#endif
