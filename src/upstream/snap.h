/* upstream/snap.h -- upstream's raft snapshots: member/snap/TERM-INDEX.snap.
 *
 * A protobuf message {1 crc (CRC-32C of the data), 2 data}; the data is a raftpb.Snapshot, and its
 * data the v2 key tree as JSON, which has the members of the cluster (membership/v2_tree.h). The
 * keys of version 3 stand in the database beside it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_SNAP_H
#define UPSTREAM_SNAP_H

#include "base/why.h"
#include "upstream/raftpb.h"

enum { SNAP_SIZE_MAX = 512 * 1024 * 1024 };

struct snap {
    struct raft_snapshot_meta meta; /* owned; index 0: there is none */
    struct slice tree;              /* in `bytes` */
    struct buf bytes;
};

/* Read the bytes of a file into `ret`. ERR_DAMAGED; `ret` is empty then. */
MUST_USE enum err snap_read(struct slice bytes, struct snap *ret, struct why *why);
void snap_fini(struct snap *s);

/* Find the newest one in the folder that can be read and for which `may(arg, index, term)` holds.
 * None is no error: ret->meta.index is 0 then. `passed_over` gets the names of newer ones that
 * cannot be read. */
MUST_USE enum err snap_find(const char *dir, bool (*may)(void *arg, raft_index, raft_term),
                            void *arg, struct snap *ret, struct buf *passed_over, struct why *why);

/* Append the bytes of a file. */
void snap_add(struct buf *b, const struct raft_snapshot_meta *meta, struct slice tree);
/* Make the file in the folder, by its name, and sync it. */
MUST_USE enum err snap_create(const char *dir, const struct raft_snapshot_meta *meta,
                              struct slice tree, struct why *why);

#endif
