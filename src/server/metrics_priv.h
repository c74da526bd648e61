/* server/metrics_priv.h -- the families that this room counts with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_METRICS_PRIV_H
#define SERVER_METRICS_PRIV_H

#include "metrics/metrics.h"
#include "server/server.h"

extern struct metric metric_wal_fsync;        /* seconds */
extern struct metric metric_backend_commit;   /* seconds */
extern struct metric metric_lease_expired;
extern struct metric metric_lease_granted, metric_lease_revoked, metric_lease_renewed;
extern struct metric metric_compaction_total; /* milliseconds */
extern struct metric metric_compaction_keys;
extern struct metric metric_put, metric_delete, metric_txn, metric_range;
extern struct metric metric_put_bytes;
extern struct metric metric_proposals_failed;
extern struct metric metric_leader_changes;
extern struct metric metric_events, metric_watchers, metric_slow_watchers;
extern struct metric metric_slow_apply;
extern struct metric metric_defrag, metric_snapshot, metric_hash_rev; /* seconds */
extern struct metric metric_wal_bytes;

/* Register all families of the server and the process, with a collector for what is read off `s`. */
void server_metrics_init(struct server *s);

#endif
