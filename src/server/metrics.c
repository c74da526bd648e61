/* server/metrics.c -- what the server counts, under upstream's names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdio.h>
#include <sys/resource.h>

#include "server/metrics_priv.h"
#include "server/server_priv.h"

#define COUNTER(var, name, help) struct metric var = METRIC_COUNTER(name, help)
#define GAUGE(var, name, help) static struct metric var = METRIC_GAUGE(name, help)

static const double from_1ms[] = METRIC_DOUBLING(0.001);
static const double from_10ms[] = METRIC_DOUBLING(0.01);
static const double from_100ms[] = METRIC_DOUBLING(0.1);
static const double from_100ms_in_ms[] = METRIC_DOUBLING(100);

struct metric metric_wal_fsync =
    METRIC_HISTOGRAM("etcd_disk_wal_fsync_duration_seconds",
                     "The latency distributions of fsync called by WAL.", from_1ms, 14);
struct metric metric_backend_commit =
    METRIC_HISTOGRAM("etcd_disk_backend_commit_duration_seconds",
                     "The latency distributions of commit called by backend.", from_1ms, 14);
struct metric metric_defrag =
    METRIC_HISTOGRAM("etcd_disk_backend_defrag_duration_seconds",
                     "The latency distribution of backend defragmentation.", from_100ms, 13);
struct metric metric_snapshot =
    METRIC_HISTOGRAM("etcd_disk_backend_snapshot_duration_seconds",
                     "The latency distribution of backend snapshots.", from_10ms, 17);
struct metric metric_hash_rev =
    METRIC_HISTOGRAM("etcd_mvcc_hash_rev_duration_seconds",
                     "The latency distribution of storage hash by revision operation.", from_10ms, 15);
struct metric metric_compaction_total =
    METRIC_HISTOGRAM("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                     "Bucketed histogram of db compaction total duration.", from_100ms_in_ms, 14);

COUNTER(metric_lease_expired, "etcd_debugging_server_lease_expired_total",
        "The total number of expired leases.");
COUNTER(metric_lease_granted, "etcd_debugging_lease_granted_total",
        "The total number of granted leases.");
COUNTER(metric_lease_revoked, "etcd_debugging_lease_revoked_total",
        "The total number of revoked leases.");
COUNTER(metric_lease_renewed, "etcd_debugging_lease_renewed_total",
        "The number of renewed leases seen by the leader.");
COUNTER(metric_compaction_keys, "etcd_debugging_mvcc_db_compaction_keys_total",
        "Total number of db keys compacted.");
COUNTER(metric_put, "etcd_mvcc_put_total", "Total number of puts seen by this member.");
COUNTER(metric_delete, "etcd_mvcc_delete_total", "Total number of deletes seen by this member.");
COUNTER(metric_txn, "etcd_mvcc_txn_total", "Total number of txns seen by this member.");
COUNTER(metric_range, "etcd_mvcc_range_total", "Total number of ranges seen by this member.");
COUNTER(metric_put_bytes, "etcd_debugging_mvcc_total_put_size_in_bytes",
        "The total size of put kv pairs seen by this member.");
COUNTER(metric_proposals_failed, "etcd_server_proposals_failed_total",
        "The total number of failed proposals seen.");
COUNTER(metric_leader_changes, "etcd_server_leader_changes_seen_total",
        "The number of leader changes seen.");
COUNTER(metric_events, "etcd_debugging_mvcc_events_total",
        "Total number of events sent by this member.");
COUNTER(metric_slow_apply, "etcd_server_slow_apply_total",
        "The total number of slow apply requests (likely overloaded from slow disk).");
COUNTER(metric_wal_bytes, "etcd_disk_wal_write_bytes_total", "Total number of bytes written in WAL.");
struct metric metric_watchers =
    METRIC_GAUGE("etcd_debugging_mvcc_watcher_total", "Total number of watchers.");
struct metric metric_slow_watchers = METRIC_GAUGE("etcd_debugging_mvcc_slow_watcher_total",
                                                  "Total number of unsynced slow watchers.");

/* Read off the server when they are asked for. */
GAUGE(db_total, "etcd_mvcc_db_total_size_in_bytes",
      "Total size of the underlying database physically allocated in bytes.");
GAUGE(db_total_old, "etcd_debugging_mvcc_db_total_size_in_bytes",
      "Total size of the underlying database physically allocated in bytes.");
GAUGE(db_in_use, "etcd_mvcc_db_total_size_in_use_in_bytes",
      "Total size of the underlying database logically in use in bytes.");
GAUGE(has_leader, "etcd_server_has_leader",
      "Whether or not a leader exists. 1 is existence, 0 is not.");
GAUGE(is_leader, "etcd_server_is_leader",
      "Whether or not this member is a leader. 1 if is, 0 otherwise.");
GAUGE(is_learner, "etcd_server_is_learner",
      "Whether or not this member is a learner. 1 if is, 0 otherwise.");
GAUGE(applied, "etcd_server_proposals_applied_total",
      "The total number of consensus proposals applied.");
GAUGE(committed, "etcd_server_proposals_committed_total",
      "The total number of consensus proposals committed.");
GAUGE(pending, "etcd_server_proposals_pending", "The current number of pending proposals to commit.");
GAUGE(quota, "etcd_server_quota_backend_bytes", "Current backend storage quota size in bytes.");
GAUGE(keys, "etcd_debugging_mvcc_keys_total", "Total number of keys.");
GAUGE(current_revision, "etcd_debugging_mvcc_current_revision",
      "The current revision of store.");
GAUGE(compact_revision, "etcd_debugging_mvcc_compact_revision",
      "The revision of the last compaction in store.");
GAUGE(fd_limit, "os_fd_limit", "The file descriptor limit.");
GAUGE(defrag_inflight, "etcd_disk_defrag_inflight",
      "Whether or not defrag is active on the member. 1 means active, 0 means not.");
static struct metric version = METRIC_GAUGE_VEC("etcd_server_version", "Which version is running. 1 "
                                                "for 'server_version' label with current version.",
                                                "server_version");
static struct metric build = METRIC_GAUGE_VEC(
    "etcd_build_info", "The version of the program itself, beside the API version it serves.",
    "package_version", "language");
static struct metric cluster_ver = METRIC_GAUGE_VEC(
    "etcd_cluster_version", "Running server version. 1 for 'cluster_version' label with current "
    "cluster version", "cluster_version");
static struct metric server_id = METRIC_GAUGE_VEC(
    "etcd_server_id", "Server or member ID in hexadecimal format. 1 for 'server_id' label with "
    "current ID.", "server_id");
static struct metric alarms = METRIC_GAUGE_VEC("etcd_debugging_server_alarms",
                                               "Alarms for every member in cluster. 1 for "
                                               "'server_id' label with current ID. 2 for "
                                               "'alarm_type' label with type of this alarm",
                                               "server_id", "alarm_type");

static struct metric *const families[] = {
    &metric_wal_fsync, &metric_backend_commit, &metric_defrag, &metric_snapshot, &metric_hash_rev,
    &metric_compaction_total, &metric_lease_expired, &metric_lease_granted, &metric_lease_revoked,
    &metric_lease_renewed, &metric_compaction_keys, &metric_put, &metric_delete, &metric_txn,
    &metric_range, &metric_put_bytes, &metric_proposals_failed, &metric_leader_changes,
    &metric_events, &metric_slow_apply, &metric_wal_bytes, &metric_watchers, &metric_slow_watchers,
    &db_total, &db_total_old, &db_in_use, &has_leader, &is_leader, &is_learner, &applied,
    &committed, &pending, &quota, &keys, &current_revision, &compact_revision, &fd_limit,
    &defrag_inflight, &version, &build, &cluster_ver, &server_id, &alarms,
};

static void collect_version(struct server *s)
{
    static struct metric_series *shown;
    const char *v = atomic_load(&s->cluster_version);
    char minor[32];
    if (strcmp(v, "not_decided") == 0)
        return;
    snprintf(minor, sizeof minor, "%.*s", (int)(strrchr(v, '.') - v), v);
    struct metric_series *now = metric_labels(&cluster_ver, minor);
    if (shown != NULL && shown != now)
        series_set(shown, 0);
    series_set(now, 1);
    shown = now;
}

static void collect_alarms(struct server *s)
{
    char id[32];
    snprintf(id, sizeof id, "%llx", (unsigned long long)s->id);
    unsigned mask = atomic_load(&s->alarms);
    if (mask != 0 || series_value(metric_labels(&alarms, id, "NOSPACE")) != 0) {
        series_set(metric_labels(&alarms, id, "NOSPACE"), (mask >> 1) & 1);
        series_set(metric_labels(&alarms, id, "CORRUPT"), (mask >> 2) & 1);
    }
}

static void collect(void *arg)
{
    struct server *s = arg;
    struct rlimit files;
    metric_set(&db_total, atomic_load(&s->db_size));
    metric_set(&db_total_old, atomic_load(&s->db_size));
    metric_set(&db_in_use, atomic_load(&s->db_in_use));
    metric_set(&has_leader, atomic_load(&s->leader) != 0);
    metric_set(&is_leader, atomic_load(&s->leads));
    metric_set(&applied, (int64_t)atomic_load(&s->applied));
    metric_set(&committed, (int64_t)atomic_load(&s->committed));
    metric_set(&pending, (int64_t)atomic_load(&s->pending_shown));
    metric_set(&quota, s->cfg->quota_bytes);
    pthread_rwlock_rdlock(&s->index_lock);
    metric_set(&keys, mvcc_index_live_keys(mvcc_store_index(s->kv)));
    metric_set(&compact_revision, mvcc_store_compacted(s->kv));
    pthread_rwlock_unlock(&s->index_lock);
    metric_set(&current_revision, published_revision(s));
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        metric_set(&fd_limit, (int64_t)files.rlim_cur);
    collect_version(s);
    collect_alarms(s);
}

void server_metrics_init(struct server *s)
{
    char id[32];
    s->metrics = metrics_new();
    metrics_add(s->metrics, families, ARRAY_LEN(families));
    metrics_add_collector(s->metrics, collect, s);
    metrics_add_process(s->metrics);
    series_set(metric_labels(&version, ETCD_API_VERSION), 1);
    series_set(metric_labels(&build, PACKAGE_VERSION, "C"), 1);
    snprintf(id, sizeof id, "%llx", (unsigned long long)s->id);
    series_set(metric_labels(&server_id, id), 1);
}

void server_metrics_add(struct server *s, struct metric *const *more, size_t n)
{
    pthread_mutex_lock(&s->metrics_lock);
    metrics_add(s->metrics, more, n);
    pthread_mutex_unlock(&s->metrics_lock);
}

void server_metrics_text(struct server *s, struct buf *out)
{
    pthread_mutex_lock(&s->metrics_lock);
    metrics_write(s->metrics, out);
    pthread_mutex_unlock(&s->metrics_lock);
}
