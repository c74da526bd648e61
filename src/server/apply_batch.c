/* server/apply_batch.c -- committed entries, a batch in one transaction of the key database.
 *
 * The order is what makes it safe: apply, commit, publish, then answer. A reader that sees the
 * published revision finds its rows committed; a caller that has its answer finds them published.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "apply/entry.h"
#include "base/log.h"
#include "raft/conf_codec.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

/* ---- calls by entry id ---------------------------------------------------------------------- */

enum { PENDING_FIRST = 1024 };

static struct server_call **pending_bucket(const struct pending *p, uint64_t id)
{
    return &p->bucket[id & p->mask]; /* ids count up: the low bits spread best */
}

static void pending_grow(struct pending *p)
{
    struct pending bigger = *p;
    bigger.mask = p->bucket ? p->mask * 2 + 1 : PENDING_FIRST - 1;
    bigger.bucket = xcalloc(bigger.mask + 1, sizeof(struct server_call *));
    for (size_t i = 0; p->bucket != NULL && i <= p->mask; i++) {
        for (struct server_call *c = p->bucket[i], *next; c != NULL; c = next) {
            next = c->hash_next;
            struct server_call **b = pending_bucket(&bigger, c->id);
            c->hash_next = *b;
            *b = c;
        }
    }
    free(p->bucket);
    *p = bigger;
}

void pending_add(struct pending *p, struct server_call *call)
{
    if (p->bucket == NULL || p->n > p->mask)
        pending_grow(p);
    struct server_call **b = pending_bucket(p, call->id);
    call->hash_next = *b;
    *b = call;
    call->forward_era = p->forward_era - 1; /* not forwarded */
    p->n++;
    p->bytes += call->entry->n;
}

struct server_call *pending_take(struct pending *p, uint64_t id)
{
    if (p->bucket == NULL)
        return NULL;
    for (struct server_call **at = pending_bucket(p, id); *at != NULL; at = &(*at)->hash_next) {
        struct server_call *c = *at;
        if (c->id == id) {
            *at = c->hash_next;
            p->n--;
            p->bytes -= c->entry->n;
            if (c->forward_era == p->forward_era)
                p->forwarded -= c->entry->n;
            return c;
        }
    }
    return NULL;
}

void pending_forwarded(struct pending *p, struct server_call *call)
{
    call->forward_era = p->forward_era;
    p->forwarded += call->entry->n;
}

void pending_forget_forwarded(struct pending *p)
{
    p->forward_era++;
    p->forwarded = 0;
}

/* ---- the end of a batch ---------------------------------------------------------------------- */

void store_applied(struct kv_writer *w, raft_index index, raft_term term)
{
    uint8_t v[8];
    be64_put(v, index);
    w->ops->bucket_put(w, BUCKET_META, slice_str("consistent_index"), slice_make(v, 8));
    be64_put(v, term);
    w->ops->bucket_put(w, BUCKET_META, slice_str("term"), slice_make(v, 8));
}

void publish_size(struct server *s)
{
    int64_t total, in_use;
    kvdb_size(s->kvdb, &total, &in_use);
    atomic_store_explicit(&s->db_size, total, memory_order_relaxed);
    atomic_store_explicit(&s->db_in_use, in_use, memory_order_relaxed);
}

static void publish(struct server *s)
{
    publish_size(s);
    atomic_store_explicit(&s->pending_shown, s->pending.n, memory_order_relaxed);
    atomic_store_explicit(&s->applied, s->applied_index, memory_order_relaxed);
    atomic_store_explicit(&s->published, mvcc_store_revision(s->kv), memory_order_release);
}

static bool waits_for_rows(const struct server_call *call)
{
    return call->op == OP_COMPACT && call->err == ERR_OK &&
           ((const Etcdserverpb__CompactionRequest *)(const void *)call->request)->physical;
}

static void answer_all(struct server *s)
{
    struct server_call *call;
    LIST_FOREACH (call, &s->applied_calls, struct server_call, task.link) {
        if (waits_for_rows(call) && mvcc_compact_pending(s->kv)) {
            list_unlink(&call->task.link);
            list_add_tail(&s->compact_waiters, &call->task.link);
        } else {
            call_answer(s, call, call->err, call->response);
        }
    }
}

static bool batch_commit(struct server *s)
{
    struct why why = {""};
    int64_t start = clock_now_us();
    store_applied(kvdb_writer(s->kvdb), s->applied_index, s->applied_term);
    if (kvdb_commit(s->kvdb, &why) != ERR_OK) {
        member_fail(s, "the key database cannot be written", why.text);
        return false;
    }
    metric_observe(&metric_backend_commit, (double)(clock_now_us() - start) / 1e6);
    publish(s);
    feed_post(s, mvcc_store_revision(s->kv));
    answer_all(s);
    return true;
}

/* Publish what was applied so far, and go on in a new transaction. */
static bool batch_split(struct server *s)
{
    if (mvcc_store_revision(s->kv) == published_revision(s))
        return true;
    if (!batch_commit(s))
        return false;
    kvdb_begin(s->kvdb);
    return true;
}

/* ---- one entry ------------------------------------------------------------------------------ */

static void on_cluster_version(struct server *s)
{
    const char *v = cluster_version(s->cluster);
    if (v == NULL)
        return;
    const char *old = atomic_load(&s->cluster_version);
    if (strcmp(old, v) == 0)
        return;
    log_info(strcmp(old, "not_decided") == 0 ? "set initial cluster version"
                                             : "updated cluster version",
             LOG_ID("cluster-id", s->cluster_id), LOG_ID("local-member-id", s->id),
             LOG_STR("cluster-version", v));
    log_info("enabled capabilities for version", LOG_STR("cluster-version", v));
    atomic_store(&s->cluster_version, arena_strdup(s->texts, v));
    struct kv_writer *w = kvdb_writer(s->kvdb);
    w->ops->bucket_put(w, BUCKET_META, slice_str("storageVersion"), slice_str(v));
}

static void on_attributes(struct server *s)
{
    if (s->published_self || !version_self_is_published(s))
        return;
    s->published_self = true;
    log_info("published local member to cluster through raft", LOG_ID("local-member-id", s->id),
             LOG_STR("name", s->cfg->name), LOG_ID("cluster-id", s->cluster_id));
}

static void on_downgrade(struct server *s)
{
    const char *target = cluster_downgrade_target(s->cluster);
    if (target != NULL)
        log_warn("the cluster is being downgraded", LOG_STR("target-version", target));
    else
        log_info("the downgrade of the cluster has ended");
}

static void on_alarm(struct server *s)
{
    static const struct {
        unsigned bit;
        const char *name, *action;
        enum message raised, cleared;
    } alarms[] = {
        {BIT(ETCDSERVERPB__ALARM_TYPE__NOSPACE), "NOSPACE",
         "free space: compact, then 'etcdctl alarm disarm'; or raise --quota-backend-bytes",
         MSG_NOSPACE_RAISED, MSG_NOSPACE_CLEARED},
        {BIT(ETCDSERVERPB__ALARM_TYPE__CORRUPT), "CORRUPT", "compare the members' hashes",
         MSG_HASH_MISMATCH, MSG_NONE},
    };
    unsigned now = applier_alarms(s->applier);
    unsigned changed = atomic_exchange(&s->alarms, now) ^ now;
    for (size_t i = 0; i < ARRAY_LEN(alarms); i++) {
        if (changed & now & alarms[i].bit)
            log_warn("alarm raised", LOG_MESSAGE(alarms[i].raised),
                     LOG_STR("alarm", alarms[i].name),
                     LOG_STR("action", alarms[i].action));
        else if (changed & alarms[i].bit)
            log_info("alarm disarmed", LOG_MESSAGE(alarms[i].cleared),
                     LOG_STR("alarm", alarms[i].name));
    }
    if (!(now & BIT(ETCDSERVERPB__ALARM_TYPE__NOSPACE))) {
        s->space_warned = false;
        s->next_space_alarm = 0;
    }
}

static void answer_pack(struct server *s, struct server_call *call, struct apply_result *r)
{
    Etcdserverpb__ResponseHeader *h =
        *(Etcdserverpb__ResponseHeader **)(void *)(r->response + 1);
    h->cluster_id = s->cluster_id;
    h->member_id = s->id;
    h->raft_term = atomic_load_explicit(&s->term, memory_order_relaxed);
    call->response = message_blob(r->response);
}

static void answer(struct server *s, struct server_call *call, struct apply_result *r)
{
    list_unlink(&call->task.link);
    list_add_tail(&s->applied_calls, &call->task.link);
    call->err = r->err;
    if (r->err == ERR_OK && call->op == OP_DOWNGRADE)
        downgrade_applied(s, call);
    else if (r->err == ERR_OK && call->op == OP_LEASE_KEEP_ALIVE)
        lease_renewed(s, call);
    else if (r->err == ERR_OK && r->response != NULL)
        answer_pack(s, call, r);
}

static void on_applied(struct server *s, const struct apply_result *r)
{
    switch (r->what) {
    case APPLIED_ALARM:
        on_alarm(s);
        break;
    case APPLIED_CLUSTER_VERSION:
        on_cluster_version(s);
        break;
    case APPLIED_ATTRIBUTES:
        on_attributes(s);
        break;
    case APPLIED_COMPACTION:
        upkeep_compaction_scheduled(s);
        break;
    case APPLIED_DOWNGRADE:
        on_downgrade(s);
        break;
    case APPLIED_NOTHING_SPECIAL:
        break;
    }
}

/* Count the request, and warn if it took long. */
static void measure_apply(struct server *s, const struct raft_entry *e,
                          const Etcdserverpb__InternalRaftRequest *req,
                          const struct apply_result *r)
{
    int64_t now = clock_now_us(), took = now - s->apply_mark_us;
    s->apply_mark_us = now;
    metrics_count_apply(req, r, (double)took / 1e6);
    if (s->cfg->warning_apply_duration <= 0 || took <= s->cfg->warning_apply_duration / 1000)
        return;
    metric_add(&metric_slow_apply, 1);
    log_warn("apply request took too long", LOG_MESSAGE(MSG_REQUEST_SLOW),
             LOG_MS("took", took / 1000),
             LOG_MS("expected-duration", s->cfg->warning_apply_duration / 1000000),
             LOG_UINT("index", e->index), LOG_UINT("request-size", e->data->n));
}

static void apply_request(struct server *s, const struct raft_entry *e)
{
    struct entry entry;
    arena_reset(s->arena);
    if (entry_decode(blob_slice(e->data), s->arena, &entry) != ERR_OK) {
        /* Every member sees the same bytes and passes over them alike. */
        log_error("an entry that cannot be read has no effect", LOG_UINT("index", e->index));
        return;
    }
    const Etcdserverpb__InternalRaftRequest *req = entry.req;
    struct apply_result r;
    /* What is compacted must be published, or readers of the newest revision would fail. */
    if (req != NULL && req->compaction != NULL && !batch_split(s))
        return;
    pthread_rwlock_wrlock(&s->index_lock);
    if (req != NULL)
        applier_apply(s->applier, req, req->lease_grant ? clock_now_ms() : s->now, s->arena, &r);
    else
        applier_apply_v2(s->applier, entry.v2, &r);
    pthread_rwlock_unlock(&s->index_lock);
    if (r.n_changes != 0)
        feed_add(s, r.changes, r.n_changes);
    on_applied(s, &r);
    struct server_call *call = pending_take(&s->pending, entry_id(&entry));
    if (call != NULL)
        answer(s, call, &r);
    if (req != NULL)
        measure_apply(s, e, req, &r);
}

void store_conf_state(struct kv_writer *w, const struct raft_conf_state *cs)
{
    AUTO(buf) struct buf json = BUF_INIT;
    const struct raft_ids *sets[] = {&cs->voters, &cs->learners};
    buf_add_str(&json, "{\"voters\":[");
    for (size_t set = 0; set < 2; set++) {
        if (set == 1 && sets[1]->n == 0)
            break;
        if (set == 1)
            buf_add_str(&json, "],\"learners\":[");
        for (size_t i = 0; i < sets[set]->n; i++)
            buf_addf(&json, "%s%llu", i ? "," : "", (unsigned long long)sets[set]->v[i]);
    }
    buf_add_str(&json, "],\"auto_leave\":false}");
    w->ops->bucket_put(w, BUCKET_META, slice_str("confState"), buf_slice(&json));
}

static void tell_network(struct server *s, const struct raft_conf_change *cc)
{
    for (size_t i = 0; i < cc->n_changes; i++) {
        member_id id = cc->changes[i].node;
        const struct member *m = cluster_find(s->cluster, id);
        if (m != NULL)
            network_set(s, m);
        else
            network_remove(s, id);
    }
}

static bool is_learner(const struct server *s, member_id id)
{
    const struct member *m = cluster_find(s->cluster, id);
    return m != NULL && m->is_learner;
}

static void say_conf_change(const struct server *s, const struct raft_conf_change_single *ch,
                            bool was_learner)
{
    const struct member *m = cluster_find(s->cluster, ch->node);
    const char *url = m != NULL && m->peer_urls.n != 0 ? m->peer_urls.v[0] : "";
    static const struct {
        const char *msg;
        enum message message;
    } texts[] = {
        [RAFT_CONF_ADD_NODE] = {"added member", MSG_MEMBER_ADDED},
        [RAFT_CONF_REMOVE_NODE] = {"removed member", MSG_MEMBER_REMOVED},
        [RAFT_CONF_UPDATE_NODE] = {"updated the peer URLs of a member", MSG_NONE},
        [RAFT_CONF_ADD_LEARNER] = {"added member as a learner", MSG_LEARNER_ADDED},
    };
    bool promoted = ch->type == RAFT_CONF_ADD_NODE && was_learner;
    log_info(promoted ? "promoted a learner: it votes now" : texts[ch->type].msg,
             LOG_MESSAGE(promoted ? MSG_LEARNER_PROMOTED : texts[ch->type].message),
             LOG_ID("cluster-id", s->cluster_id), LOG_ID("local-member-id", s->id),
             LOG_ID("peer-id", ch->node), LOG_STR("peer-url", url));
}

static void apply_conf_change(struct server *s, const struct raft_entry *e)
{
    struct raft_conf_change cc = {0};
    struct raft_conf_state cs = {0};
    enum err refused = raft_conf_change_decode(e->type, blob_slice(e->data), &cc);
    bool was_learner = refused == ERR_OK && cc.n_changes == 1 && is_learner(s, cc.changes[0].node);
    if (refused == ERR_OK)
        refused = cluster_apply_change(s->cluster, &cc, kvdb_writer(s->kvdb));
    enum err damaged = raft_apply_conf_change(s->raft, refused == ERR_OK ? &cc : NULL, &cs);
    if (damaged != ERR_OK) {
        member_fail(s, "a configuration change contradicts the log", err_text(damaged));
    } else {
        store_conf_state(kvdb_writer(s->kvdb), &cs);
        s->conf_changed = true;
        if (refused == ERR_OK)
            tell_network(s, &cc);
        for (size_t i = 0; i < cc.n_changes && refused == ERR_OK; i++)
            say_conf_change(s, &cc.changes[i], was_learner);
        atomic_store(&s->is_learner, raft_is_learner(s->raft, s->id));
        reconfig_applied(s, &cc, refused);
    }
    raft_conf_change_fini(&cc);
    raft_conf_state_fini(&cs);
}

static void apply_entry(struct server *s, const struct raft_entry *e)
{
    if (e->type != RAFT_ENTRY_NORMAL)
        apply_conf_change(s, e);
    else if (e->data != NULL && e->data->n != 0)
        apply_request(s, e);
    else if (raft_is_leader(s->raft) && e->term == raft_current_term(s->raft) &&
             !lessor_is_primary(s->lessor))
        /* The first entry of our term: everything before it is committed, so time may run. */
        lessor_promote(s->lessor, s->now, (msec)s->cfg->election_timeout_ms);
    s->applied_index = e->index;
    s->applied_term = e->term;
}

/* ---- all of them ---------------------------------------------------------------------------- */

void member_apply(struct server *s, const struct raft_entry *entries, size_t n)
{
    kvdb_begin(s->kvdb);
    s->apply_mark_us = clock_now_us();
    for (size_t i = 0; i < n && !atomic_load_explicit(&s->failed, memory_order_relaxed); i++)
        if (entries[i].index > s->applied_index)
            apply_entry(s, &entries[i]);
    if (!atomic_load_explicit(&s->failed, memory_order_relaxed))
        batch_commit(s);
    if (s->conf_changed && !atomic_load_explicit(&s->failed, memory_order_relaxed))
        log_store_commit(s);
    s->conf_changed = false;
    if (cluster_is_removed(s->cluster, s->id))
        member_was_removed(s, 0);
}
