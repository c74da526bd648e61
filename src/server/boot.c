/* server/boot.c -- from files to a running state: a new member, or one that was here before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

/* The plain SHA-1 functions: the EVP ones set up a provider and read its configuration, which costs
 * two megabytes for one digest at bootstrap. */
#define OPENSSL_API_COMPAT 0x10100000L
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "peer/peers.h"
#include "server/bootstrap.h"
#include "server/feed.h"
#include "server/server_priv.h"

enum {
    TICKS_HEARTBEAT = 1,
    MAX_SIZE_PER_MSG = 512 * 1024,
    MAX_COMMITTED_PER_READY = 16 * 1024 * 1024,
    MAX_INFLIGHT = 512,
    PROGRESS_ENTRIES = 1024,
    SNAPSHOT_RATE = 512 * 1024 * 1024, /* bytes a second to one member */
};

void sha1_digest(struct slice data, uint8_t ret[SHA1_SIZE])
{
    SHA_CTX ctx;
    invariant(SHA1_Init(&ctx) == 1 && SHA1_Update(&ctx, data.p, data.n) == 1 &&
              SHA1_Final(ret, &ctx) == 1);
}

/* ---- the key database --------------------------------------------------------------------- */

static bool meta_number(struct kv_writer *w, const char *name, size_t size, uint64_t *ret)
{
    struct slice v;
    *ret = 0;
    if (!w->ops->bucket_get(w, BUCKET_META, slice_str(name), &v))
        return true;
    if (v.n != size)
        return false;
    *ret = be64_get(v.p);
    return true;
}

/* A snapshot that was restored has no version of a cluster any more, but it has that of its data. */
static enum err check_storage_version(struct server *s, struct why *why)
{
    struct slice v;
    char text[CLUSTER_VERSION_MAX] = "";
    struct kv_writer *w = kvdb_writer(s->kvdb);
    kvdb_begin(s->kvdb);
    if (w->ops->bucket_get(w, BUCKET_META, slice_str("storageVersion"), &v) && v.n < sizeof text)
        memcpy(text, v.p, v.n);
    kvdb_rollback(s->kvdb);
    if (strverscmp(text, ETCD_CLUSTER_VERSION) <= 0)
        return ERR_OK;
    return why_set(why, ERR_NEWER_SCHEMA,
                   "the keys in '%s' were written by etcd %s, and this program reads up to %s; "
                   "install that version",
                   s->cfg->data_dir, text, ETCD_CLUSTER_VERSION);
}

/* True if users and roles are to be enforced. */
static bool is_protected(struct kv_writer *w)
{
    struct slice v;
    return w->ops->bucket_get(w, BUCKET_AUTH, slice_str("authEnabled"), &v) && v.n == 1 && v.p[0] == 1;
}

/* Inside a transaction: the writer reads only in one. */
static enum err load_buckets(struct server *s, struct state *st, revision *ret_scheduled,
                             revision *ret_finished, struct why *why)
{
    struct kv_writer *w = kvdb_writer(s->kvdb);
    uint64_t scheduled, finished;
    if (!meta_number(w, "consistent_index", 8, &st->applied_index) ||
        !meta_number(w, "term", 8, &st->applied_term) ||
        !meta_number(w, "scheduledCompactRev", 17, &scheduled) ||
        !meta_number(w, "finishedCompactRev", 17, &finished))
        return why_set(why, ERR_DAMAGED, "a row of the meta bucket has a wrong length");
    *ret_scheduled = (revision)scheduled;
    *ret_finished = (revision)finished;
    if (is_protected(w))
        return why_set(why, ERR_NOT_CAPABLE,
                       "authentication is enabled in this data, and this release cannot enforce it: it "
                       "would be open to everybody; disable it where the data comes from (etcdctl auth "
                       "disable), then import or restore again");
    enum err e = cluster_load(st->cluster, w, why);
    return e == ERR_OK ? applier_load(st->applier, why) : e;
}

/* Leases last at least one and a half elections, so that they outlive a change of leaders. */
static int64_t min_lease_ttl(const struct config *cfg)
{
    return (3 * (int64_t)cfg->election_timeout_ms / 2 + 999) / 1000;
}

void state_fini(struct state *st)
{
    applier_free(st->applier);
    cluster_free(st->cluster);
    lessor_free(st->lessor);
    mvcc_store_free(st->kv);
    *st = (struct state){0};
}

void state_init(struct server *s, struct state *st)
{
    *st = (struct state){.kv = mvcc_store_new(),
                         .lessor = lessor_new(min_lease_ttl(s->cfg)),
                         .cluster = cluster_new(s->cluster_id)};
    struct applier_stores stores = {st->kv, st->lessor, st->cluster, kvdb_writer(s->kvdb)};
    st->applier = applier_new(&stores);
    applier_persist_checkpoints(st->applier, s->cfg->gates.lease_checkpoint_persist);
    cluster_set_learners_max(st->cluster, s->cfg->max_learners);
}

enum err state_load_buckets(struct server *s, struct state *st, struct why *why)
{
    revision scheduled = 0, finished = 0;
    enum err e = load_buckets(s, st, &scheduled, &finished, why);
    if (e == ERR_OK)
        mvcc_store_loaded(st->kv, scheduled, finished);
    return e;
}

enum err state_load(struct server *s, struct state *ret, struct why *why)
{
    struct state st;
    revision scheduled = 0, finished = 0;
    state_init(s, &st);
    kvdb_begin(s->kvdb);
    enum err e = load_buckets(s, &st, &scheduled, &finished, why);
    kvdb_rollback(s->kvdb);
    if (e == ERR_OK)
        e = rows_load(s, &st, why);
    if (e != ERR_OK) {
        state_fini(&st);
        return e;
    }
    mvcc_store_loaded(st.kv, scheduled, finished);
    *ret = st;
    return ERR_OK;
}

void state_publish(struct server *s, const struct state *st)
{
    s->lessor = st->lessor;
    s->cluster = st->cluster;
    s->applier = st->applier;
    s->applied_index = st->applied_index;
    s->applied_term = st->applied_term;
    publish_size(s);
    atomic_store(&s->applied, s->applied_index);
    atomic_store(&s->alarms, applier_alarms(s->applier));
    const char *version = cluster_version(s->cluster);
    if (version != NULL)
        atomic_store(&s->cluster_version, arena_strdup(s->texts, version));
}

/* ---- the log ------------------------------------------------------------------------------ */

static void load_entry(void *arg, const struct raft_entry *e)
{
    struct server *s = arg;
    if (e->index == s->applied_index)
        s->applied_term = e->term;
    raft_entries_add(&s->cache.list, e, 1);
    if (e->index % PROGRESS_ENTRIES == 0)
        member_progress(s, "reading the log: entry", e->index);
}

static enum err load_log(struct server *s, struct logdb_start *start, struct why *why)
{
    entry_cache_reset(&s->cache, 0, 0);
    enum err e = logdb_check(s->logdb, why);
    if (e == ERR_OK)
        e = logdb_load(s->logdb, load_entry, s, start, why);
    if (e == ERR_OK && s->applied_index == start->trimmed_index)
        s->applied_term = start->trimmed_term;
    if (e == ERR_OK)
        e = restore_finish(s, start, why);
    if (e != ERR_OK)
        return e;
    if (s->applied_index > start->last_index || s->applied_index < start->trimmed_index)
        return why_set(why, ERR_DAMAGED,
                       "the key database stands at entry %llu, but the log holds %llu to %llu: the "
                       "files are not of one member, or one of them lost data; restore a backup",
                       (unsigned long long)s->applied_index,
                       (unsigned long long)start->trimmed_index,
                       (unsigned long long)start->last_index);
    entry_cache_loaded(&s->cache, start->trimmed_index, start->trimmed_term);
    s->durable_index = s->applied_index;
    return ERR_OK;
}

struct raft_conf_state conf_state_of(const struct cluster *c)
{
    struct raft_conf_state cs = {0};
    for (size_t i = 0; i < cluster_size(c); i++) {
        const struct member *m = cluster_at(c, i);
        raft_ids_add(m->is_learner ? &cs.learners : &cs.voters, m->id);
    }
    return cs;
}

static enum err start_raft(struct server *s, const struct logdb_start *start, struct why *why)
{
    uint64_t tick = s->cfg->heartbeat_interval_ms;
    struct raft_options options = {
        .id = s->id,
        .election_tick = (unsigned)(s->cfg->election_timeout_ms / tick),
        .heartbeat_tick = TICKS_HEARTBEAT,
        .log = entry_cache_reader(&s->cache),
        .applied = s->applied_index,
        .max_size_per_msg = MAX_SIZE_PER_MSG,
        .max_committed_size_per_ready = MAX_COMMITTED_PER_READY,
        .max_inflight_msgs = MAX_INFLIGHT,
        .check_quorum = true,
        .pre_vote = s->cfg->pre_vote,
        .seed = s->world.seed ? s->world.seed : s->id ^ (uint64_t)clock_wall_ns(),
    };
    struct raft_conf_state cs = conf_state_of(s->cluster);
    struct raft_hard_state hs = start->hard_state;
    s->stored_commit = hs.commit;
    if (hs.commit < s->applied_index)
        hs.commit = s->applied_index; /* it was known to be committed when it was applied */
    s->hard_state = hs;
    enum err e = raft_new(&options, &hs, &cs, &s->raft);
    raft_conf_state_fini(&cs);
    if (e != ERR_OK)
        return why_set(why, e, "the log cannot be used: %s", err_text(e));
    return ERR_OK;
}

/* ---- files ---------------------------------------------------------------------------------- */

static enum err open_dir(struct server *s, struct why *why)
{
    struct data_dir_options dir = {s->cfg->data_dir, s->cfg->wal_dir, true};
    enum err e = data_dir_open(&dir, &s->dir, why);
    for (size_t i = 0; e == ERR_OK && data_dir_warning(s->dir, i) != NULL; i++)
        log_warn(data_dir_warning(s->dir, i));
    return e;
}

static enum err open_files(struct server *s, struct why *why)
{
    bool no_sync = s->cfg->unsafe_no_fsync;
    struct logdb_options log = {.create = true, .no_sync = no_sync, .vfs = s->world.vfs};
    struct kvdb_options kv = {.create = true, .no_sync = no_sync, .vfs = s->world.vfs};
    if (no_sync)
        log_warn("unsafe-no-fsync is set: a crash of the machine loses or damages data");
    enum err e = logdb_open(data_dir_log_path(s->dir), &log, &s->logdb, why);
    if (e == ERR_OK)
        e = kvdb_open(data_dir_kv_path(s->dir), &kv, &s->kvdb, why);
    if (e == ERR_OK)
        e = kvdb_checkpointer_open(s->kvdb, &s->member_cp, why);
    if (e == ERR_OK)
        e = kvdb_checkpointer_open(s->kvdb, &s->keeper_cp, why);
    if (e == ERR_OK)
        e = kvdb_reader_open(s->kvdb, &s->keeper_reader, why);
    return e;
}

static void close_files(struct server *s)
{
    kvdb_reader_close(s->keeper_reader);
    kvdb_checkpointer_close(s->keeper_cp);
    kvdb_checkpointer_close(s->member_cp);
    kvdb_close(s->kvdb);
    logdb_close(s->logdb);
    s->keeper_reader = NULL;
    s->keeper_cp = s->member_cp = NULL;
    s->kvdb = NULL;
    s->logdb = NULL;
}

static enum err load_files(struct server *s, struct logdb_start *start, struct why *why)
{
    struct state st;
    enum err e = open_files(s, why);
    if (e == ERR_OK)
        e = check_storage_version(s, why);
    if (e == ERR_OK)
        e = state_load(s, &st, why);
    if (e != ERR_OK)
        return e;
    s->kv = st.kv;
    state_publish(s, &st);
    atomic_store(&s->published, mvcc_store_revision(s->kv));
    return load_log(s, start, why);
}

static void unload(struct server *s)
{
    struct state st = {s->kv, s->lessor, s->cluster, s->applier, 0, 0};
    state_fini(&st);
    s->kv = NULL;
    s->lessor = NULL;
    s->cluster = NULL;
    s->applier = NULL;
    close_files(s);
}

/* The files that no leader ever wrote to, of a cluster that is not wanted any more. */
static enum err discard_files(struct server *s, struct why *why)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    const char *paths[] = {data_dir_kv_path(s->dir), data_dir_log_path(s->dir)};
    log_warn("the data directory never took a write, and the configuration has changed: the cluster "
             "is bootstrapped anew", LOG_STR("data-dir", s->cfg->data_dir));
    unload(s);
    for (size_t i = 0; i < ARRAY_LEN(paths) * ARRAY_LEN(suffixes); i++) {
        char *path = xasprintf("%s%s", paths[i / ARRAY_LEN(suffixes)],
                               suffixes[i % ARRAY_LEN(suffixes)]);
        int rc = unlink(path);
        if (rc == -1 && errno != ENOENT) {
            why_set(why, ERR_IO, "remove '%s': %s", path, strerror(errno));
            free(path);
            return ERR_IO;
        }
        free(path);
    }
    return ERR_OK;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static enum err restart(struct server *s, struct logdb_start *start, struct why *why)
{
    bool reload = false;
    s->cluster_id = start->cluster_id;
    s->id = start->member_id;
    log_info("restarting local member", LOG_STR("name", s->cfg->name),
             LOG_STR("data-dir", s->cfg->data_dir), LOG_ID("local-member-id", s->id),
             LOG_ID("cluster-id", s->cluster_id),
             LOG_UINT("commit-index", start->hard_state.commit),
             LOG_UINT("applied-index", s->applied_index),
             LOG_INT("revision", mvcc_store_revision(s->kv)));
    enum err e = bootstrap_restart(s, start, &reload, why);
    return e == ERR_OK && reload ? load_log(s, start, why) : e;
}

static enum err open_or_bootstrap(struct server *s, struct logdb_start *start, struct why *why)
{
    enum err e = load_files(s, start, why);
    if (e == ERR_OK && start->last_index != 0 && bootstrap_is_stale(s, start)) {
        e = discard_files(s, why);
        if (e == ERR_OK)
            e = load_files(s, start, why);
    }
    if (e != ERR_OK)
        return e;
    if (start->last_index != 0)
        return restart(s, start, why);
    e = bootstrap_new(s, why);
    if (e == ERR_OK)
        e = data_dir_sync(s->dir, why);
    return e == ERR_OK ? load_log(s, start, why) : e;
}

static void start_transport(struct server *s)
{
    struct transport_receiver receiver = network_receiver(s);
    if (s->world.transport != NULL) {
        s->transport = s->world.transport(s->world.arg, &receiver, s->id, s->cluster_id);
        return;
    }
    const char **urls = xcalloc(s->cfg->initial_advertise_peer_urls.n, sizeof *urls);
    for (size_t i = 0; i < s->cfg->initial_advertise_peer_urls.n; i++)
        urls[i] = s->cfg->initial_advertise_peer_urls.items[i].text;
    struct peers_config config = {
        .loop = s->loop,
        .cluster_id = s->cluster_id,
        .id = s->id,
        .urls = urls,
        .n_urls = s->cfg->initial_advertise_peer_urls.n,
        .spool_dir = data_dir_member_path(s->dir),
        .dial_timeout_ms = 1000 + (msec)s->cfg->election_timeout_ms,
        .snapshot_rate = SNAPSHOT_RATE,
        .receiver = receiver,
    };
    s->own_urls = urls;
    peer_port_new(s);
    s->peers = peers_new(&config);
    s->transport = peers_transport(s->peers);
}

enum err server_boot(struct server *s, struct why *why)
{
    struct logdb_start start;
    s->arena = arena_new();
    s->texts = arena_new();
    s->offered.fd = -1;
    atomic_store(&s->cluster_version, "not_decided");
    enum err e = open_dir(s, why);
    if (e == ERR_OK)
        e = open_or_bootstrap(s, &start, why);
    if (e != ERR_OK)
        return e;
    cluster_set_id(s->cluster, s->cluster_id);
    atomic_store(&s->next_id, (s->id & 0xffff) << 48 |
                                  ((uint64_t)(clock_wall_ns() / 1000000) & 0xffffffffff) << 8);
    s->compactor = compactor_as_configured(s->cfg);
    s->now = s->last_checkpoint = s->compact_started = clock_now_ms();
    s->next_waiting_report = s->now + (msec)s->cfg->election_timeout_ms * 3;
    s->cache.snapshot = snapshot_offer;
    s->cache.snapshot_arg = s;
    e = start_raft(s, &start, why);
    if (e != ERR_OK)
        return e;
    member_trim(s);
    start_transport(s);
    network_sync(s);
    for (size_t i = 0; i < s->n_remotes; i++)
        network_set(s, s->remotes[i]);
    return ERR_OK;
}

void server_unboot(struct server *s)
{
    peers_free(s->peers); /* from here on no request of ours is answered */
    peer_port_free(s);
    versions_free(s->versions);
    corruption_free(s->corruption);
    free(s->own_urls);
    raft_message_fini(&s->held_answer);
    raft_ready_fini(&s->ready);
    raft_free(s->raft);
    compactor_free(s->compactor);
    arena_free(s->arena);
    arena_free(s->texts);
    entry_cache_fini(&s->cache);
    raft_entries_fini(&s->batch);
    free(s->pending.bucket);
    if (s->feed != NULL)
        feed_unref(s->feed);
    for (size_t i = 0; i < s->n_remotes; i++)
        member_free(s->remotes[i]);
    free(s->remotes);
    unload(s);
    data_dir_close(s->dir);
}
