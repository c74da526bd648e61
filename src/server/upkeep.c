/* server/upkeep.c -- what the member does without being asked: expire leases, remove compacted
 * rows, give space back, have checkpoints made. All of it in bounded steps between two rounds, so
 * that no put waits long.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum {
    LEASES_A_ROUND = 20000,
    CHECKPOINTS_A_ROUND = 1000,
    /* The holder's TTL begins when it has the answer, and that is under way for a while. */
    LEASE_GRACE_MS = 10,
    COMPACT_KEYS = 4096, /* index keys a step */
    COMPACT_ROWS = 256,  /* rows a step */
    VACUUM_PAGES = 128,
    VACUUM_PAUSE_MS = 20,               /* between two steps, unless somebody waits */
    VACUUM_FREE_MIN = 16 * 1024 * 1024, /* free bytes that are left alone */
    CHECKPOINT_WAL_SIZE = 8 * 1024 * 1024, /* readers search the WAL first: a long one slows them */
    CHECKPOINT_WAL_MAX = 16 * 1024 * 1024, /* from here on the member helps to end the WAL */
    CHECKPOINT_PAUSE_MS = 1000, /* between two that only the length of the log asks for */
};

static msec sooner(msec a, msec b)
{
    return a < b ? a : b;
}

/* ---- the member itself ------------------------------------------------------------------ */

static void say_ready(struct server *s)
{
    if (s->ready_said || !s->published_self || cluster_version(s->cluster) == NULL)
        return;
    s->ready_said = true;
    s->events.ready(s->events.arg);
}

/* ---- leases ----------------------------------------------------------------------------- */

static msec lease_due(const struct server *s)
{
    msec next = lessor_next_expiry(s->lessor);
    return next == LESSOR_FOREVER ? MSEC_NEVER : next + LEASE_GRACE_MS;
}

static void expire_leases(struct server *s)
{
    static const size_t max = LEASES_A_ROUND;
    if (!lessor_is_primary(s->lessor) || lease_due(s) > s->now)
        return;
    lease_id *ids = xmalloc(max * sizeof *ids);
    size_t n = lessor_expire(s->lessor, s->now - LEASE_GRACE_MS, ids, max);
    for (size_t i = 0; i < n; i++) {
        Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
        Etcdserverpb__LeaseRevokeRequest revoke = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
        revoke.id = ids[i];
        req.lease_revoke = &revoke;
        member_propose(s, &req);
    }
    metric_add(&metric_lease_expired, (int64_t)n);
    free(ids);
}

/* How much is left of long leases, so that a new leader need not begin them anew. */
static void checkpoint_leases(struct server *s)
{
    struct lease_checkpoint due[CHECKPOINTS_A_ROUND];
    Etcdserverpb__LeaseCheckpoint points[CHECKPOINTS_A_ROUND], *list[CHECKPOINTS_A_ROUND];
    if (!s->cfg->gates.lease_checkpoint || lessor_next_checkpoint(s->lessor) > s->now)
        return;
    size_t n = lessor_checkpoints_due(s->lessor, s->now, due, CHECKPOINTS_A_ROUND);
    for (size_t i = 0; i < n; i++) {
        etcdserverpb__lease_checkpoint__init(&points[i]);
        points[i].id = due[i].id;
        points[i].remaining_ttl = due[i].remaining_s;
        list[i] = &points[i];
    }
    if (n == 0)
        return;
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserverpb__LeaseCheckpointRequest checkpoint = ETCDSERVERPB__LEASE_CHECKPOINT_REQUEST__INIT;
    checkpoint.n_checkpoints = n;
    checkpoint.checkpoints = list;
    req.lease_checkpoint = &checkpoint;
    member_propose(s, &req);
}

/* ---- compaction ------------------------------------------------------------------------- */

void upkeep_compaction_scheduled(struct server *s)
{
    s->compact_started = s->now;
    s->next_compact_step = s->now;
}

static void compaction_done(struct server *s)
{
    log_info("finished scheduled compaction", LOG_MESSAGE(MSG_COMPACTED),
             LOG_INT("compact-revision", mvcc_store_compacted(s->kv)),
             LOG_MS("took", clock_now_ms() - s->compact_started),
             LOG_INT("current-db-size-bytes", atomic_load(&s->db_size)),
             LOG_INT("current-db-size-in-use-bytes", atomic_load(&s->db_in_use)));
    corruption_compacted(s, mvcc_store_compacted(s->kv));
    metric_observe(&metric_compaction_total, (double)(clock_now_ms() - s->compact_started));
    metric_set(&metric_compaction_last, clock_wall_ns() / 1000000000);
    struct server_call *call;
    LIST_FOREACH (call, &s->compact_waiters, struct server_call, task.link)
        call_answer(s, call, ERR_OK, call->response);
}

/* A step that began at `start_us` has ended: leave as long again to others. */
static msec after_step(int64_t start_us)
{
    int64_t now_us = clock_now_us();
    return (2 * now_us - start_us) / 1000 + 1;
}

/* One step takes a millisecond or two. */
static void compact_step(struct server *s)
{
    if (s->restore != NULL || !mvcc_compact_pending(s->kv) || s->now < s->next_compact_step)
        return;
    struct why why = {""};
    int64_t start = clock_now_us();
    kvdb_begin(s->kvdb);
    pthread_rwlock_wrlock(&s->index_lock);
    bool done = mvcc_compact_step(s->kv, kvdb_writer(s->kvdb), COMPACT_KEYS, COMPACT_ROWS);
    pthread_rwlock_unlock(&s->index_lock);
    if (kvdb_commit(s->kvdb, &why) != ERR_OK) {
        member_fail(s, "the key database cannot be written", why.text);
        return;
    }
    metric_observe(&metric_compaction_pause, (double)(clock_now_us() - start) / 1e3);
    s->next_compact_step = after_step(start);
    if (done) {
        publish_size(s);
        compaction_done(s);
    }
}

static void auto_compact(struct server *s)
{
    if (s->compactor == NULL || s->restore != NULL)
        return;
    revision rev = compactor_run(s->compactor, s->now, mvcc_store_revision(s->kv),
                                 atomic_load(&s->leads));
    if (rev <= mvcc_store_compacted(s->kv))
        return;
    log_info("starting auto compaction", LOG_INT("revision", rev));
    Etcdserverpb__InternalRaftRequest req = ETCDSERVERPB__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserverpb__CompactionRequest compaction = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    compaction.revision = rev;
    req.compaction = &compaction;
    member_propose(s, &req);
}

/* ---- space ------------------------------------------------------------------------------ */

static bool wants_vacuum(const struct server *s)
{
    int64_t total = atomic_load_explicit(&s->db_size, memory_order_relaxed);
    int64_t free_bytes = total - atomic_load_explicit(&s->db_in_use, memory_order_relaxed);
    if (!list_is_empty(&s->defrag_waiters))
        return true;
    /* Start at a quarter, end at a tenth: free pages are better used again than moved about. */
    return free_bytes > VACUUM_FREE_MIN && free_bytes > total / (s->vacuuming ? 10 : 4);
}

/* Once above four fifths of the quota; again after it has been below three quarters. */
static void watch_space(struct server *s)
{
    int64_t in_use = atomic_load_explicit(&s->db_in_use, memory_order_relaxed);
    int64_t quota = s->cfg->quota_bytes;
    if (quota > 0 && in_use > quota / 5 * 4 && !s->space_is_low) {
        s->space_is_low = true;
        log_warn("the key database has used four fifths of its quota", LOG_MESSAGE(MSG_SPACE_LOW),
                 LOG_INT("db-in-use-bytes", in_use), LOG_INT("quota-size-bytes", quota),
                 LOG_STR("action", "compact old revisions, or raise --quota-backend-bytes"));
    } else if (quota <= 0 || in_use < quota / 4 * 3) {
        s->space_is_low = false;
    }
}

static void vacuum_answer(struct server *s)
{
    struct server_call *call;
    LIST_FOREACH (call, &s->defrag_waiters, struct server_call, task.link) {
        metric_observe(&metric_defrag, (double)(clock_now_ms() - s->defrag_started) / 1e3);
        call_answer(s, call, ERR_OK, blob_new(0)); /* upstream answers without a header */
    }
    metric_set(&metric_defrag_inflight, 0);
}

static void vacuum_step(struct server *s)
{
    s->vacuuming = wants_vacuum(s) && s->restore == NULL;
    if (!s->vacuuming || mvcc_compact_pending(s->kv) || s->now < s->next_vacuum)
        return;
    struct why why = {""};
    unsigned freed = 0;
    int64_t start = clock_now_us();
    if (kvdb_vacuum_step(s->kvdb, VACUUM_PAGES, &freed, &why) != ERR_OK) {
        member_fail(s, "the key database cannot be written", why.text);
        return;
    }
    publish_size(s);
    bool waited_for = !list_is_empty(&s->defrag_waiters);
    s->next_vacuum = waited_for ? after_step(start) : clock_now_ms() + VACUUM_PAUSE_MS;
    if (freed < VACUUM_PAGES) {
        log_info("gave free space back to the file system", LOG_MESSAGE(MSG_VACUUMED),
                 LOG_INT("current-db-size-bytes", atomic_load(&s->db_size)),
                 LOG_INT("current-db-size-in-use-bytes", atomic_load(&s->db_in_use)));
        vacuum_answer(s);
        s->vacuuming = false;
    }
}

/* ---- checkpoints ------------------------------------------------------------------------ */

void upkeep_durable(struct server *s, raft_index index)
{
    if (index <= s->durable_index)
        return;
    s->durable_index = index;
    log_trim(s, index < s->cache.before_index ? index : s->cache.before_index);
    log_info("saved snapshot", LOG_MESSAGE(MSG_SNAPSHOT_SAVED), LOG_UINT("snapshot-index", index));
}

/* The keeper copies most of the WAL while commits go on, so it hardly ever reaches their end. When
 * the WAL has grown all the same, the member copies the short rest between two batches: the next
 * commit starts it anew. */
static void end_wal(struct server *s)
{
    struct kvdb_checkpoint_stats stats;
    struct why why = {""};
    raft_index index = s->applied_index;
    s->end_wal_due = false;
    if (kvdb_checkpoint(s->member_cp, KVDB_CHECKPOINT_PASSIVE, &stats, &why) != ERR_OK)
        member_fail(s, "the key database cannot be synced", why.text);
    else if (stats.complete)
        upkeep_durable(s, index);
    s->last_checkpoint = clock_now_ms();
}

static void checkpoint(struct server *s)
{
    if (s->checkpoint_running || s->restore != NULL || atomic_load(&s->stopping))
        return;
    int64_t wal = kvdb_wal_size(s->kvdb);
    bool many = s->applied_index - s->durable_index > s->cfg->snapshot_count;
    if (s->end_wal_due && wal > CHECKPOINT_WAL_MAX) {
        end_wal(s);
    } else if ((wal >= CHECKPOINT_WAL_SIZE && wal != s->checkpoint_wal) ||
               (many && s->now - s->last_checkpoint >= CHECKPOINT_PAUSE_MS)) {
        s->checkpoint_wal = wal;
        s->last_checkpoint = s->now;
        keeper_checkpoint(s);
    }
}

/* ---- all of it ---------------------------------------------------------------------------- */

msec upkeep_run(struct server *s)
{
    msec due = sooner(versions_run(s), corruption_run(s));
    say_ready(s);
    expire_leases(s);
    checkpoint_leases(s);
    auto_compact(s);
    compact_step(s);
    vacuum_step(s);
    checkpoint(s);
    watch_space(s);
    if (lessor_is_primary(s->lessor))
        due = sooner(due, lease_due(s));
    if (s->compactor != NULL)
        due = sooner(due, compactor_next(s->compactor));
    if (s->restore != NULL)
        return due;
    if (mvcc_compact_pending(s->kv))
        due = sooner(due, s->next_compact_step);
    else if (s->vacuuming)
        due = sooner(due, s->next_vacuum);
    return due;
}
