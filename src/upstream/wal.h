/* upstream/wal.h -- upstream's write-ahead log, read.
 *
 * A folder of files SEQ-INDEX.wal (16 hex digits each; the index is that of the first entry in it).
 * A file is a row of frames:
 *   u64 length, little-endian: the low 56 bits are the record's; the top byte is 0x80 | padding
 *   walpb.Record {1 type, 2 crc, 3 data} | padding to a multiple of 8
 * A length of 0, and the end of the file, end it: files are made 64 MB long beforehand. The types:
 *   1 metadata (whose log it is)   2 raftpb.Entry   3 raftpb.HardState
 *   4 crc: the checksum so far, at the start of each file   5 walpb.Snapshot
 * The crc is a running CRC-32C over all data. An entry replaces those from its index on.
 *
 * The last file may end in a record that was not written whole; what stands before it is the log.
 * Anything else that does not fit is damage. Files are mapped and must not be cut meanwhile: hold
 * the lock of the data directory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_WAL_H
#define UPSTREAM_WAL_H

#include "base/why.h"
#include "upstream/raftpb.h"

struct wal;

/* A snapshot that the log mentions. */
struct wal_snapshot {
    raft_index index;
    raft_term term;
};

/* Map all files of `dir` and read through them once. ERR_NOT_FOUND if there is none, ERR_DAMAGED,
 * ERR_IO. */
MUST_USE enum err wal_open(const char *dir, struct wal **ret, struct why *why);
void wal_close(struct wal *w); /* NULL is fine */
static inline void wal_auto(struct wal **w)
{
    wal_close(*w);
}

/* True if the folder has a file of such a log. */
bool wal_is_there(const char *dir);

uint64_t wal_cluster_id(const struct wal *w);
member_id wal_member_id(const struct wal *w);
const struct raft_hard_state *wal_hard_state(const struct wal *w);
/* Lend the snapshots, in the order of the log; {0, 0} may be among them. */
const struct wal_snapshot *wal_snapshots(const struct wal *w, size_t *ret_n);
/* Return how many bytes at the end were not written whole. */
size_t wal_torn_size(const struct wal *w);

/* Read the entries behind the snapshot `start` ({0, 0}: from the first on). ERR_DAMAGED if some are
 * missing, or if the log does not mention this snapshot. */
MUST_USE enum err wal_load(struct wal *w, struct wal_snapshot start, struct why *why);
/* Lend what wal_load() read: contiguous, from start.index + 1 on. */
const struct wal_entry *wal_entries(const struct wal *w, size_t *ret_n);

#endif
