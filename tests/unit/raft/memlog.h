/* tests/unit/raft/memlog.h -- a disk in memory: the log, hard state and snapshot of one member.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_RAFT_MEMLOG_H
#define TESTS_RAFT_MEMLOG_H

#include "iface/raft.h"
#include "raft/raft.h"

struct memlog {
    raft_index base; /* first index - 1 */
    raft_term base_term;
    struct raft_entries entries; /* base + 1 and on */
    struct raft_hard_state hs;
    struct raft_snapshot snapshot; /* what snapshot() gives */
    bool snapshot_busy;
};

void memlog_fini(struct memlog *d);
struct raft_log_reader memlog_reader(struct memlog *d);
raft_index memlog_last(const struct memlog *d);

/* Write entries; they replace all from their first index on. */
void memlog_write(struct memlog *d, const struct raft_entry *v, size_t n);
/* Replace the log by a snapshot. */
void memlog_restore(struct memlog *d, const struct raft_snapshot *s);
/* Persist all that `rd` wants to have persisted. */
void memlog_persist(struct memlog *d, const struct raft_ready *rd);
/* Drop entries up to `index`, which is covered by the snapshot if one is to be sent. */
void memlog_compact(struct memlog *d, raft_index index);
/* Make the snapshot that is sent: takes `cs`. */
void memlog_make_snapshot(struct memlog *d, raft_index index, struct raft_conf_state cs);

#endif
