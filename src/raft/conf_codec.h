/* raft/conf_codec.h -- raftpb's ConfChange and ConfChangeV2 as bytes.
 *
 * The core has to look into the change entries that pass through it, so it reads them itself. Field
 * numbers: ConfChange {1 id, 2 type, 3 node_id, 4 context}; ConfChangeV2 {1 transition, 2 changes
 * {1 type, 2 node_id}, 3 context}. Unknown fields are skipped.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_CONF_CODEC_H
#define RAFT_CONF_CODEC_H

#include "iface/raft.h"

enum { RAFT_CONF_CHANGES_MAX = 1024 }; /* singles in one change */

/* Return the bytes of `cc`, or NULL where they are none. Version 1 needs exactly one single. */
struct blob *raft_conf_change_encode(const struct raft_conf_change *cc, bool v1);

/* Read the data of an entry of a conf change type into `ret_cc`, owned. Fail with ERR_MALFORMED,
 * or ERR_TOO_LARGE above RAFT_CONF_CHANGES_MAX. */
MUST_USE enum err raft_conf_change_decode(enum raft_entry_type type, struct slice data,
                                          struct raft_conf_change *ret_cc);

#endif
