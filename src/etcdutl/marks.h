/* etcdutl/marks.h -- what the meta bucket says beside the data, and the digest that ids are made
 * with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_MARKS_H
#define ETCDUTL_MARKS_H

#include "iface/backend.h"
#include "iface/hasher.h"
#include "membership/cluster.h"

/* Say that the data stand at this entry. */
void marks_set_applied(struct kv_writer *w, raft_index index, raft_term term);
/* Say who votes, as JSON. */
void marks_set_conf_state(struct kv_writer *w, const struct cluster *c);
/* Schedule a compaction: reads below `rev` fail from the next start on. */
void marks_set_scheduled_compaction(struct kv_writer *w, revision rev);

/* Who votes and who learns. Owned. */
struct raft_conf_state conf_state_of_cluster(const struct cluster *c);

void sha1_of(struct slice data, uint8_t ret[SHA1_SIZE]);

/* Compare two versions "3.6.0" and "3.7" by their numbers, as far as both go. */
int version_cmp(const char *a, const char *b);

#endif
