/* upstream/wal_writer.h -- a new log of upstream's, in one file; wal.h has the format.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_WAL_WRITER_H
#define UPSTREAM_WAL_WRITER_H

#include "base/why.h"
#include "upstream/raftpb.h"

struct wal_writer;

/* Make the first file in the folder, which has none, and say whose log it is. */
MUST_USE enum err wal_writer_open(const char *dir, uint64_t cluster, member_id member,
                                  struct wal_writer **ret, struct why *why);
/* Add what the log holds, in this order: snapshots that stand before the entries, the entries, the
 * hard state. The first error is remembered for the end. */
void wal_writer_snapshot(struct wal_writer *w, const struct raft_snapshot_meta *meta);
void wal_writer_entry(struct wal_writer *w, const struct wal_entry *e);
void wal_writer_state(struct wal_writer *w, const struct raft_hard_state *hs);
/* Sync and close. */
MUST_USE enum err wal_writer_finish(struct wal_writer *w, struct why *why);
/* Close without more ado. NULL is fine. */
void wal_writer_drop(struct wal_writer *w);

#endif
