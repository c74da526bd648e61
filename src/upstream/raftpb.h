/* upstream/raftpb.h -- the records of raftpb and walpb that upstream's files are made of, as bytes.
 *
 * Reading takes unknown fields and both styles of writing (every scalar, as 3.4 to 3.6; only what
 * is set, as 3.7); a known field of a wrong wire type is an error. Writing puts every scalar.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_RAFTPB_H
#define UPSTREAM_RAFTPB_H

#include "base/mem.h"
#include "base/types.h"
#include "iface/raft.h"

enum { RAFTPB_CONF_IDS_MAX = 1024 }; /* members in one list of a ConfState */

/* An entry whose data is lent from a file. */
struct wal_entry {
    raft_index index;
    raft_term term;
    enum raft_entry_type type;
    struct slice data;
};

/* Read one; ERR_MALFORMED, also for a type that is none. */
MUST_USE enum err raftpb_entry_read(struct slice bytes, struct wal_entry *ret);
MUST_USE enum err raftpb_hard_state_read(struct slice bytes, struct raft_hard_state *ret);
/* `ret_data` is lent; `ret_meta` owns its ConfState, and is all zero after an error. */
MUST_USE enum err raftpb_snapshot_read(struct slice bytes, struct raft_snapshot_meta *ret_meta,
                                       struct slice *ret_data);
/* walpb.Snapshot, without its ConfState. */
MUST_USE enum err walpb_snapshot_read(struct slice bytes, raft_index *ret_index,
                                      raft_term *ret_term);
/* etcdserverpb.Metadata: whose log it is. */
MUST_USE enum err wal_metadata_read(struct slice bytes, uint64_t *ret_cluster,
                                    member_id *ret_member);

void raftpb_entry_add(struct buf *b, const struct wal_entry *e);
void raftpb_hard_state_add(struct buf *b, const struct raft_hard_state *hs);
void raftpb_conf_state_add(struct buf *b, const struct raft_conf_state *cs);
void raftpb_snapshot_add(struct buf *b, const struct raft_snapshot_meta *meta, struct slice data);
void walpb_snapshot_add(struct buf *b, const struct raft_snapshot_meta *meta);
void wal_metadata_add(struct buf *b, uint64_t cluster, member_id member);

/* Append one field; its number is below 16. */
void proto_add_number(struct buf *b, unsigned field, uint64_t v);
void proto_add_bytes(struct buf *b, unsigned field, struct slice v);

#endif
