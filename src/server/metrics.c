/* server/metrics.c -- what the server counts, under upstream's names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>

#include "config/gates.h"
#include "peer/peers.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

#define COUNTER(var, name, help) struct metric var = METRIC_COUNTER(name, help)
#define GAUGE(var, name, help) struct metric var = METRIC_GAUGE(name, help)
#define HISTOGRAM(var, name, help, bounds, n)                                                      \
    struct metric var = METRIC_HISTOGRAM(name, help, bounds, n)

static const double from_100us[] = METRIC_DOUBLING(0.0001);
static const double from_1ms[] = METRIC_DOUBLING(0.001);
static const double from_10ms[] = METRIC_DOUBLING(0.01);
static const double from_100ms[] = METRIC_DOUBLING(0.1);
static const double from_half[] = METRIC_DOUBLING(0.5);
static const double from_1[] = METRIC_DOUBLING(1);
static const double from_100[] = METRIC_DOUBLING(100);

/* ---- counted where it happens --------------------------------------------------------------- */

HISTOGRAM(metric_wal_fsync, "etcd_disk_wal_fsync_duration_seconds",
          "The latency distributions of fsync called by WAL.", from_1ms, 14);
HISTOGRAM(metric_wal_write, "etcd_disk_wal_write_duration_seconds",
          "The latency distributions of write called by WAL.", from_1ms, 14);
HISTOGRAM(metric_backend_commit, "etcd_disk_backend_commit_duration_seconds",
          "The latency distributions of commit called by backend.", from_1ms, 14);
HISTOGRAM(metric_checkpoint, "etcd_debugging_snap_save_total_duration_seconds",
          "The total latency distributions of save called by snapshot.", from_1ms, 14);
HISTOGRAM(metric_defrag, "etcd_disk_backend_defrag_duration_seconds",
          "The latency distribution of backend defragmentation.", from_100ms, 13);
HISTOGRAM(metric_snapshot, "etcd_disk_backend_snapshot_duration_seconds",
          "The latency distribution of backend snapshots.", from_10ms, 17);
HISTOGRAM(metric_hash, "etcd_mvcc_hash_duration_seconds",
          "The latency distribution of storage hash operation.", from_10ms, 15);
HISTOGRAM(metric_hash_rev, "etcd_mvcc_hash_rev_duration_seconds",
          "The latency distribution of storage hash by revision operation.", from_10ms, 15);
HISTOGRAM(metric_compaction_total, "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
          "Bucketed histogram of db compaction total duration.", from_100, 14);
HISTOGRAM(metric_compaction_pause, "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
          "Bucketed histogram of db compaction pause duration.", from_1, 13);
static HISTOGRAM(lease_ttl, "etcd_debugging_lease_ttl_total", "Bucketed histogram of lease TTLs.",
                 from_1, METRIC_BOUNDS_MAX);
static struct metric apply_seconds = METRIC_HISTOGRAM_VEC(
    "etcd_server_apply_duration_seconds",
    "The latency distributions of v2 apply called by backend.", from_100us, 20, "version", "op",
    "success");

COUNTER(metric_lease_expired, "etcd_debugging_server_lease_expired_total",
        "The total number of expired leases.");
static COUNTER(lease_granted, "etcd_debugging_lease_granted_total",
               "The total number of granted leases.");
static COUNTER(lease_revoked, "etcd_debugging_lease_revoked_total",
               "The total number of revoked leases.");
COUNTER(metric_lease_renewed, "etcd_debugging_lease_renewed_total",
        "The number of renewed leases seen by the leader.");
GAUGE(metric_compaction_last, "etcd_debugging_mvcc_db_compaction_last",
      "The unix time of the last db compaction. Resets to 0 on start.");
static COUNTER(put_total, "etcd_mvcc_put_total", "Total number of puts seen by this member.");
static COUNTER(delete_total, "etcd_mvcc_delete_total",
               "Total number of deletes seen by this member.");
static COUNTER(txn_total, "etcd_mvcc_txn_total", "Total number of txns seen by this member.");
COUNTER(metric_range, "etcd_mvcc_range_total", "Total number of ranges seen by this member.");
static GAUGE(put_bytes, "etcd_debugging_mvcc_total_put_size_in_bytes",
             "The total size of put kv pairs seen by this member.");
COUNTER(metric_proposals_failed, "etcd_server_proposals_failed_total",
        "The total number of failed proposals seen.");
COUNTER(metric_read_failed, "etcd_server_read_indexes_failed_total",
        "The total number of failed read indexes seen.");
COUNTER(metric_leader_changes, "etcd_server_leader_changes_seen_total",
        "The number of leader changes seen.");
COUNTER(metric_events, "etcd_debugging_mvcc_events_total",
        "Total number of events sent by this member.");
COUNTER(metric_slow_apply, "etcd_server_slow_apply_total",
        "The total number of slow apply requests (likely overloaded from slow disk).");
GAUGE(metric_wal_bytes, "etcd_disk_wal_write_bytes_total",
      "Total number of bytes written in WAL.");
GAUGE(metric_watchers, "etcd_debugging_mvcc_watcher_total", "Total number of watchers.");
GAUGE(metric_slow_watchers, "etcd_debugging_mvcc_slow_watcher_total",
      "Total number of unsynced slow watchers.");
GAUGE(metric_defrag_inflight, "etcd_disk_defrag_inflight",
      "Whether or not defrag is active on the member. 1 means active, 0 means not.");

/* ---- read off the server when they are asked for --------------------------------------------- */

static GAUGE(db_total, "etcd_mvcc_db_total_size_in_bytes",
             "Total size of the underlying database physically allocated in bytes.");
static GAUGE(db_total_old, "etcd_debugging_mvcc_db_total_size_in_bytes",
             "Total size of the underlying database physically allocated in bytes.");
static GAUGE(db_in_use, "etcd_mvcc_db_total_size_in_use_in_bytes",
             "Total size of the underlying database logically in use in bytes.");
static GAUGE(has_leader, "etcd_server_has_leader",
             "Whether or not a leader exists. 1 is existence, 0 is not.");
static GAUGE(is_leader, "etcd_server_is_leader",
             "Whether or not this member is a leader. 1 if is, 0 otherwise.");
static GAUGE(applied, "etcd_server_proposals_applied_total",
             "The total number of consensus proposals applied.");
static GAUGE(committed, "etcd_server_proposals_committed_total",
             "The total number of consensus proposals committed.");
static GAUGE(pending, "etcd_server_proposals_pending",
             "The current number of pending proposals to commit.");
static GAUGE(quota, "etcd_server_quota_backend_bytes",
             "Current backend storage quota size in bytes.");
static GAUGE(keys, "etcd_debugging_mvcc_keys_total", "Total number of keys.");
static GAUGE(current_revision, "etcd_debugging_mvcc_current_revision",
             "The current revision of store.");
static GAUGE(compact_revision, "etcd_debugging_mvcc_compact_revision",
             "The revision of the last compaction in store.");
static GAUGE(fd_limit, "os_fd_limit", "The file descriptor limit.");
static GAUGE(fd_used, "os_fd_used", "The number of used file descriptors.");
static GAUGE(auth_revision, "etcd_debugging_auth_revision",
             "The current revision of auth store.");
static struct metric version = METRIC_GAUGE_VEC(
    "etcd_server_version",
    "Which version is running. 1 for 'server_version' label with current version.",
    "server_version");
static struct metric build = METRIC_GAUGE_VEC(
    "etcd_build_info", "The version of the program itself, beside the API version it serves.",
    "package_version", "language");
static struct metric cluster_ver = METRIC_GAUGE_VEC(
    "etcd_cluster_version",
    "Which version is running. 1 for 'cluster_version' label with current cluster version",
    "cluster_version");
static struct metric server_id = METRIC_GAUGE_VEC(
    "etcd_server_id",
    "Server or member ID in hexadecimal format. 1 for 'server_id' label with current ID.",
    "server_id");
static struct metric alarms = METRIC_GAUGE_VEC(
    "etcd_debugging_server_alarms",
    "Alarms for every member in cluster. 1 for 'server_id' label with current ID. 2 for "
    "'alarm_type' label with type of this alarm",
    "server_id", "alarm_type");
static struct metric features = METRIC_GAUGE_VEC(
    "etcd_server_feature_enabled", "Whether or not a feature is enabled. 1 is enabled, 0 is not.",
    "name", "stage");

/* ---- what a member alone never does: dashboards and alerts ask for these by name ------------- */

static GAUGE(is_learner, "etcd_server_is_learner",
             "Whether or not this member is a learner. 1 if is, 0 otherwise.");
static COUNTER(heartbeat_failures, "etcd_server_heartbeat_send_failures_total",
               "The total number of leader heartbeat send failures (likely overloaded from slow "
               "disk).");
COUNTER(metric_slow_reads, "etcd_server_slow_read_indexes_total",
               "The total number of pending read indexes not in sync with leader's or timed out "
               "read index requests.");
static struct metric promote_failures = METRIC_COUNTER_VEC(
    "etcd_server_learner_promote_failures",
    "The total number of failed learner promotions (likely learner not ready) while this member is "
    "leader.",
    "Reason");
COUNTER(metric_promoted, "etcd_server_learner_promote_successes",
               "The total number of successful learner promotions while this member is leader.");
GAUGE(metric_restoring, "etcd_server_snapshot_apply_in_progress_total",
             "1 if the server is applying the incoming snapshot. 0 if none.");
static GAUGE(pending_events, "etcd_debugging_mvcc_pending_events_total",
             "Total number of pending events to be sent.");
static HISTOGRAM(index_pause, "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
                 "Bucketed histogram of index compaction pause duration.", from_half, 14);
static HISTOGRAM(commit_rebalance, "etcd_debugging_disk_backend_commit_rebalance_duration_seconds",
                 "The latency distributions of commit.rebalance called by bboltdb backend.",
                 from_1ms, 14);
static HISTOGRAM(commit_spill, "etcd_debugging_disk_backend_commit_spill_duration_seconds",
                 "The latency distributions of commit.spill called by bboltdb backend.", from_1ms,
                 14);
static HISTOGRAM(commit_write, "etcd_debugging_disk_backend_commit_write_duration_seconds",
                 "The latency distributions of commit.write called by bboltdb backend.", from_1ms,
                 14);
static HISTOGRAM(snap_marshalling, "etcd_debugging_snap_save_marshalling_duration_seconds",
                 "The marshalling cost distributions of save called by snapshot.", from_1ms, 14);
static HISTOGRAM(snap_fsync, "etcd_snap_fsync_duration_seconds",
                 "The latency distributions of fsync called by snap.", from_1ms, 14);
static HISTOGRAM(snap_db_fsync, "etcd_snap_db_fsync_duration_seconds",
                 "The latency distributions of fsyncing .snap.db file", from_1ms, 14);
static HISTOGRAM(snap_db_save, "etcd_snap_db_save_total_duration_seconds",
                 "The total latency distributions of v3 snapshot save", from_100ms, 10);
static struct metric peers_known = METRIC_GAUGE_VEC(
    "etcd_network_known_peers", "The current number of known peers.", "Local", "Remote");

static struct metric *const families[] = {
    &metric_wal_fsync, &metric_wal_write, &metric_backend_commit, &metric_checkpoint,
    &metric_defrag, &metric_snapshot, &metric_hash, &metric_hash_rev, &metric_compaction_total,
    &metric_compaction_pause, &lease_ttl, &apply_seconds, &metric_lease_expired, &lease_granted,
    &lease_revoked, &metric_lease_renewed, &metric_compaction_last, &put_total,
    &delete_total, &txn_total, &metric_range, &put_bytes, &metric_proposals_failed,
    &metric_read_failed,
    &metric_leader_changes, &metric_events, &metric_slow_apply, &metric_wal_bytes,
    &metric_watchers, &metric_slow_watchers, &metric_defrag_inflight, &db_total, &db_total_old,
    &db_in_use, &has_leader, &is_leader, &applied, &committed, &pending, &quota, &keys,
    &current_revision, &compact_revision, &fd_limit, &fd_used, &auth_revision, &version, &build,
    &cluster_ver, &server_id, &alarms, &features, &is_learner, &heartbeat_failures, &metric_slow_reads,
    &promote_failures, &metric_promoted, &metric_restoring, &snap_fsync, &snap_db_fsync,
    &snap_db_save, &pending_events, &index_pause, &commit_rebalance, &commit_spill, &commit_write,
    &snap_marshalling, &peers_known,
};

/* ---- applied requests ----------------------------------------------------------------------- */

enum { OP_KINDS = 10 };

static const char *const op_names[OP_KINDS] = {
    "Range",       "Put",         "DeleteRange",     "Txn",   "Compaction",
    "LeaseGrant",  "LeaseRevoke", "LeaseCheckpoint", "Alarm", "Membership",
};
static struct metric_series *op_series[OP_KINDS][2]; /* of apply_seconds, by success */

static size_t op_kind(const Etcdserverpb__InternalRaftRequest *req)
{
    const void *const fields[OP_KINDS - 1] = {
        req->range,       req->put,          req->delete_range,     req->txn,   req->compaction,
        req->lease_grant, req->lease_revoke, req->lease_checkpoint, req->alarm,
    };
    size_t i = 0;
    while (i < OP_KINDS - 1 && fields[i] == NULL)
        i++;
    return i;
}

static void op_series_init(void)
{
    for (size_t i = 0; i < OP_KINDS; i++) {
        op_series[i][0] = metric_labels(&apply_seconds, "v3", op_names[i], "false");
        op_series[i][1] = metric_labels(&apply_seconds, "v3", op_names[i], "true");
    }
}

void metrics_count_apply(const Etcdserverpb__InternalRaftRequest *req,
                         const struct apply_result *r, double seconds)
{
    const struct apply_counts *n = &r->counts;
    series_observe(op_series[op_kind(req)][r->err == ERR_OK], seconds);
    metric_add(&metric_range, n->ranges);
    metric_add(&put_total, n->puts);
    metric_add(&delete_total, n->deletes);
    metric_add(&put_bytes, n->put_bytes);
    metric_add(&txn_total, n->ranges + n->puts + n->deletes > 1);
    if (r->err != ERR_OK)
        return;
    if (req->lease_grant != NULL) {
        metric_add(&lease_granted, 1);
        metric_observe(&lease_ttl, (double)req->lease_grant->ttl);
    } else if (req->lease_revoke != NULL) {
        metric_add(&lease_revoked, 1);
    }
}

/* ---- collecting ----------------------------------------------------------------------------- */

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

static void collect_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        metric_set(&fd_limit, (int64_t)files.rlim_cur);
    int64_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    metric_set(&fd_used, n > 3 ? n - 3 : 0); /* "." and "..", and the folder's own */
}

static void collect(void *arg)
{
    struct server *s = arg;
    metric_set(&db_total, atomic_load(&s->db_size));
    metric_set(&db_total_old, atomic_load(&s->db_size));
    metric_set(&db_in_use, atomic_load(&s->db_in_use));
    metric_set(&has_leader, atomic_load(&s->leader) != 0);
    metric_set(&is_leader, atomic_load(&s->leads));
    metric_set(&is_learner, atomic_load(&s->is_learner));
    metric_set(&applied, (int64_t)atomic_load(&s->applied));
    metric_set(&committed, (int64_t)atomic_load(&s->committed));
    metric_set(&pending, (int64_t)atomic_load(&s->pending_shown));
    metric_set(&quota, s->cfg->quota_bytes);
    pthread_rwlock_rdlock(&s->index_lock);
    metric_set(&keys, mvcc_index_live_keys(mvcc_store_index(s->kv)));
    metric_set(&compact_revision, mvcc_store_compacted(s->kv));
    pthread_rwlock_unlock(&s->index_lock);
    metric_set(&current_revision, published_revision(s));
    collect_files();
    collect_version(s);
    collect_alarms(s);
}

static void features_init(const struct config_feature_gates *g)
{
#define X(name, field, initial, stage, works)                                                       \
    series_set(metric_labels(&features, name, stage), g->field);
    GATES_TABLE(X)
#undef X
}

void metrics_know_peer(struct server *s, member_id peer, bool known)
{
    char local[24], remote[24];
    snprintf(local, sizeof local, "%llx", (unsigned long long)s->id);
    snprintf(remote, sizeof remote, "%llx", (unsigned long long)peer);
    series_set(metric_labels(&peers_known, local, remote), known);
}

static size_t count_families(struct metric *const *list)
{
    size_t n = 0;
    while (list[n] != NULL)
        n++;
    return n;
}

void server_metrics_init(struct server *s)
{
    char id[32];
    s->metrics = metrics_new();
    metrics_add(s->metrics, families, ARRAY_LEN(families));
    metrics_add(s->metrics, peers_metrics, count_families(peers_metrics));
    metrics_add_collector(s->metrics, collect, s);
    metrics_add_process(s->metrics);
    op_series_init();
    features_init(&s->cfg->gates);
    metric_set(&auth_revision, 1);
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
