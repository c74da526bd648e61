/* etcdutl/replay.h -- the members of the cluster as of an entry of upstream's log.
 *
 * A snapshot has them as they were then; the entries behind it that changed them (change entries,
 * and the requests by which members publish themselves and a cluster version is set) follow.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_REPLAY_H
#define ETCDUTL_REPLAY_H

#include "membership/cluster.h"
#include "upstream/dir.h"

/* Make `c` what upstream's member knew when it had applied the entry `d->applied`: from the buckets
 * that `w` has, the snapshot and the entries. Writes to the buckets of members. ERR_DAMAGED. */
MUST_USE enum err replay_members(const struct upstream_dir *d, struct cluster *c,
                                 struct kv_writer *w, struct why *why);

#endif
