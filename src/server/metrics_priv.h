/* server/metrics_priv.h -- the families that this room counts with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_PRIV_H
#define SERVER_METRICS_PRIV_H

#include "apply/apply.h"
#include "metrics/metrics.h"
#include "server/server.h"

/* Histograms; of seconds where nothing else is said. */
extern struct metric metric_wal_fsync, metric_wal_write;
extern struct metric metric_backend_commit, metric_checkpoint;
extern struct metric metric_defrag, metric_snapshot, metric_hash, metric_hash_rev;
extern struct metric metric_compaction_total; /* milliseconds */
extern struct metric metric_compaction_pause; /* milliseconds: of one step */

extern struct metric metric_lease_expired, metric_lease_renewed;
extern struct metric metric_compaction_last; /* Unix time */
extern struct metric metric_range;
extern struct metric metric_proposals_failed, metric_read_failed;
extern struct metric metric_leader_changes;
extern struct metric metric_events, metric_watchers, metric_slow_watchers;
extern struct metric metric_slow_apply;
extern struct metric metric_defrag_inflight;
extern struct metric metric_wal_bytes;
extern struct metric metric_slow_reads, metric_promoted, metric_restoring;

/* Count an applied request, which took `seconds`. */
void metrics_count_apply(const Etcdserverpb__InternalRaftRequest *req,
                         const struct apply_result *r, double seconds);

/* `peer` is, or is not any more, one of our peers. */
void metrics_know_peer(struct server *s, member_id peer, bool known);

/* Register all families of the server and the process, with a collector for what is read off
 * `s`. */
void server_metrics_init(struct server *s);

#endif
