/* server/boot.c -- from files to a running state: a new member, or one that was here before.
 * SPDX-License-Identifier: Apache-2.0 */
/* The plain SHA-1 functions: the EVP ones set up a provider and read its configuration, which costs
 * two megabytes for one digest at bootstrap. */
#define OPENSSL_API_COMPAT 0x10100000L
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/log.h"
#include "raft/conf_codec.h"
#include "server/feed.h"
#include "server/server_priv.h"

enum {
    TICKS_HEARTBEAT = 1,
    MAX_SIZE_PER_MSG = 512 * 1024,
    MAX_COMMITTED_PER_READY = 16 * 1024 * 1024,
    MAX_INFLIGHT = 512,
};

void sha1_digest(struct slice data, uint8_t ret[SHA1_SIZE])
{
    SHA_CTX ctx;
    invariant(SHA1_Init(&ctx) == 1 && SHA1_Update(&ctx, data.p, data.n) == 1 &&
              SHA1_Final(ret, &ctx) == 1);
}

/* ---- a new member ------------------------------------------------------------------------- */

static const char **url_texts(const struct url_list *urls)
{
    const char **v = xcalloc(urls->n, sizeof *v);
    for (size_t i = 0; i < urls->n; i++)
        v[i] = urls->items[i].text;
    return v;
}

/* The entry at `index` that brings in the member which bootstraps the cluster. */
static struct raft_entry bootstrap_entry(struct server *s, const struct config_member *m,
                                         raft_index index)
{
    const char **urls = url_texts(&m->peer_urls);
    struct member *self = member_new(s->id, urls, m->peer_urls.n, false);
    struct raft_conf_change cc = {0};
    cluster_change_add(0, self, &cc);
    struct raft_entry e = {.index = index, .term = 1, .type = RAFT_ENTRY_CONF_CHANGE,
                           .data = raft_conf_change_encode(&cc, true)};
    raft_conf_change_fini(&cc);
    member_free(self);
    free(urls);
    return e;
}

static enum err bootstrap(struct server *s, struct why *why)
{
    const struct config_member *m = &s->cfg->members[0];
    invariant(s->cfg->n_members == 1); /* the configuration refuses more for now */
    const char **urls = url_texts(&m->peer_urls);
    s->id = member_id_make(sha1_digest, urls, m->peer_urls.n, s->cfg->initial_cluster_token, 0);
    s->cluster_id = cluster_id_make(sha1_digest, &s->id, 1);
    free(urls);
    log_info("starting a new member of a new cluster", LOG_STR("name", s->cfg->name),
             LOG_STR("data-dir", s->cfg->data_dir), LOG_ID("local-member-id", s->id),
             LOG_ID("cluster-id", s->cluster_id),
             LOG_STR("initial-cluster", s->cfg->initial_cluster));
    enum err e = logdb_set_identity(s->logdb, s->cluster_id, s->id, why);
    if (e != ERR_OK)
        return e;
    struct raft_entry entry = bootstrap_entry(s, m, 1);
    e = logdb_append(s->logdb, &(struct raft_hard_state){.term = 1, .commit = 1}, &entry, 1, why);
    blob_unref(entry.data);
    return e == ERR_OK ? data_dir_sync(s->dir, why) : e;
}

/* ---- the key database --------------------------------------------------------------------- */

static bool meta_number(struct server *s, const char *name, size_t size, uint64_t *ret)
{
    struct kv_writer *w = kvdb_writer(s->kvdb);
    struct slice v;
    *ret = 0;
    if (!w->ops->bucket_get(w, BUCKET_META, slice_str(name), &v))
        return true;
    if (v.n != size)
        return false;
    *ret = be64_get(v.p);
    return true;
}

/* Inside a transaction that is rolled back: the writer reads only in one. */
static enum err load_buckets(struct server *s, revision *ret_scheduled, revision *ret_finished,
                             struct why *why)
{
    uint64_t scheduled, finished;
    if (!meta_number(s, "consistent_index", 8, &s->applied_index) ||
        !meta_number(s, "term", 8, &s->applied_term) ||
        !meta_number(s, "scheduledCompactRev", 17, &scheduled) ||
        !meta_number(s, "finishedCompactRev", 17, &finished))
        return why_set(why, ERR_DAMAGED, "a row of the meta bucket has a wrong length");
    *ret_scheduled = (revision)scheduled;
    *ret_finished = (revision)finished;
    enum err e = cluster_load(s->cluster, kvdb_writer(s->kvdb), why);
    return e == ERR_OK ? applier_load(s->applier, why) : e;
}

static enum err load_state(struct server *s, struct why *why)
{
    revision scheduled = 0, finished = 0;
    kvdb_begin(s->kvdb);
    enum err e = load_buckets(s, &scheduled, &finished, why);
    kvdb_rollback(s->kvdb);
    if (e == ERR_OK)
        e = rows_load(s, why);
    if (e != ERR_OK)
        return e;
    mvcc_store_loaded(s->kv, scheduled, finished);
    publish_size(s);
    atomic_store(&s->published, mvcc_store_revision(s->kv));
    atomic_store(&s->applied, s->applied_index);
    atomic_store(&s->alarms, applier_alarms(s->applier));
    const char *version = cluster_version(s->cluster);
    if (version != NULL)
        atomic_store(&s->cluster_version, arena_strdup(s->texts, version));
    return ERR_OK;
}

/* ---- the log ------------------------------------------------------------------------------ */

static void load_entry(void *arg, const struct raft_entry *e)
{
    struct server *s = arg;
    if (e->index == s->applied_index)
        s->applied_term = e->term;
    else if (e->index > s->applied_index)
        raft_entries_add(&s->cache.list, e, 1);
}

static enum err load_log(struct server *s, struct logdb_start *start, struct why *why)
{
    enum err e = logdb_load(s->logdb, load_entry, s, start, why);
    if (e != ERR_OK)
        return e;
    if (s->applied_index > start->last_index || s->applied_index < start->trimmed_index)
        return why_set(why, ERR_DAMAGED,
                       "the key database stands at entry %llu, but the log holds %llu to %llu: the "
                       "files are not of one member, or one of them lost data; restore a backup",
                       (unsigned long long)s->applied_index,
                       (unsigned long long)start->trimmed_index,
                       (unsigned long long)start->last_index);
    s->cache.before_index = s->applied_index;
    s->cache.before_term = s->applied_term;
    s->durable_index = s->applied_index;
    return ERR_OK;
}

static struct raft_conf_state conf_state_of(const struct cluster *c)
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
        .seed = s->id ^ (uint64_t)clock_wall_ns(),
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

/* ---- all of it ------------------------------------------------------------------------------ */

static enum err open_files(struct server *s, struct why *why)
{
    struct data_dir_options dir = {s->cfg->data_dir, s->cfg->wal_dir, true};
    enum err e = data_dir_open(&dir, &s->dir, why);
    if (e != ERR_OK)
        return e;
    for (size_t i = 0; data_dir_warning(s->dir, i) != NULL; i++)
        log_warn(data_dir_warning(s->dir, i));
    struct logdb_options log = {.create = true, .no_sync = s->cfg->unsafe_no_fsync};
    struct kvdb_options kv = {.create = true, .no_sync = s->cfg->unsafe_no_fsync};
    if (s->cfg->unsafe_no_fsync)
        log_warn("unsafe-no-fsync is set: a crash of the machine loses or damages data");
    e = logdb_open(data_dir_log_path(s->dir), &log, &s->logdb, why);
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

static enum err open_or_bootstrap(struct server *s, struct logdb_start *start, struct why *why)
{
    enum err e = load_log(s, start, why);
    if (e != ERR_OK)
        return e;
    if (start->last_index == 0) {
        e = bootstrap(s, why);
        return e == ERR_OK ? load_log(s, start, why) : e;
    }
    s->cluster_id = start->cluster_id;
    s->id = start->member_id;
    log_info("restarting local member", LOG_STR("name", s->cfg->name),
             LOG_STR("data-dir", s->cfg->data_dir), LOG_ID("local-member-id", s->id),
             LOG_ID("cluster-id", s->cluster_id),
             LOG_UINT("commit-index", start->hard_state.commit),
             LOG_UINT("applied-index", s->applied_index),
             LOG_INT("revision", mvcc_store_revision(s->kv)));
    return ERR_OK;
}

/* Leases last at least one and a half elections, so that they outlive a change of leaders. */
static int64_t min_lease_ttl(const struct config *cfg)
{
    return (3 * (int64_t)cfg->election_timeout_ms / 2 + 999) / 1000;
}

enum err server_boot(struct server *s, struct why *why)
{
    struct logdb_start start;
    s->kv = mvcc_store_new();
    s->lessor = lessor_new(min_lease_ttl(s->cfg));
    s->cluster = cluster_new(0);
    s->arena = arena_new();
    s->texts = arena_new();
    atomic_store(&s->cluster_version, "not_decided");
    enum err e = open_files(s, why);
    if (e != ERR_OK)
        return e;
    struct applier_stores stores = {s->kv, s->lessor, s->cluster, kvdb_writer(s->kvdb)};
    s->applier = applier_new(&stores);
    e = load_state(s, why);
    if (e == ERR_OK)
        e = open_or_bootstrap(s, &start, why);
    if (e != ERR_OK)
        return e;
    cluster_set_id(s->cluster, s->cluster_id);
    cluster_set_learners_max(s->cluster, s->cfg->max_learners);
    atomic_store(&s->next_id, (s->id & 0xffff) << 48 |
                                  ((uint64_t)(clock_wall_ns() / 1000000) & 0xffffffffff) << 8);
    s->compactor = compactor_new(
        s->cfg->compaction_mode == CONFIG_COMPACT_PERIODIC ? s->cfg->compaction_period_ms : 0,
        s->cfg->compaction_mode == CONFIG_COMPACT_REVISION ? s->cfg->compaction_revisions : 0,
        clock_now_ms());
    s->last_checkpoint = s->compact_started = clock_now_ms();
    return start_raft(s, &start, why);
}

void server_unboot(struct server *s)
{
    raft_ready_fini(&s->ready);
    raft_free(s->raft);
    compactor_free(s->compactor);
    applier_free(s->applier);
    cluster_free(s->cluster);
    lessor_free(s->lessor);
    mvcc_store_free(s->kv);
    arena_free(s->arena);
    arena_free(s->texts);
    entry_cache_fini(&s->cache);
    raft_entries_fini(&s->batch);
    free(s->pending.bucket);
    if (s->feed != NULL)
        feed_unref(s->feed);
    kvdb_reader_close(s->keeper_reader);
    kvdb_checkpointer_close(s->keeper_cp);
    kvdb_checkpointer_close(s->member_cp);
    kvdb_close(s->kvdb);
    logdb_close(s->logdb);
    data_dir_close(s->dir);
}
