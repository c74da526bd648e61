/* server/snapshot_receive.c -- a snapshot of the leader replaces all that we have.
 *
 * The file came whole. Raft takes the message (or finds that it is old news); then the keeper loads
 * the file into the key database in one transaction, while another thread makes the key index anew
 * from the same file; then the log begins anew behind the snapshot; then raft hears that it is
 * durable. Between the last two steps on disk, a mark in the key database (bucket "local") says what
 * the log still lacks: a crash there is mended at the next start.
 *
 * While it is loaded nothing is applied, and nothing is written to the log. Readers go on with the
 * old state; for the commit and the change to the new state the keeper holds the index lock.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "membership/v2_tree.h"
#include "server/feed.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"
#include "storage/snapshot_reader.h"

#define RESTORED_KEY "restored" /* in BUCKET_LOCAL: index and term, 16 bytes */

struct restore {
    struct server_task task;
    int fd;
    uint64_t size;
    raft_index index;
    raft_term term;
    struct blob *data; /* the cluster, as upstream's v2 tree */
    bool locked;       /* the keeper holds the index lock to write */
    struct server *server;
    struct snapshot_reader *reader;
    struct state next, before; /* next.kv is the indexing thread's while there is one */
    pthread_t indexer;
    bool has_indexer;
    enum err index_err;
    struct why index_why;
    msec started;
    enum err err;
    struct why why;
};

/* ---- it came ------------------------------------------------------------------------------- */

static void offered_drop(struct snapshot_offered *o)
{
    if (o->fd != -1)
        close(o->fd);
    blob_unref(o->data);
    *o = (struct snapshot_offered){.fd = -1};
}

/* Only look at it: is it a snapshot file at all? */
static bool is_readable(struct server *s, member_id from, int fd, uint64_t size)
{
    struct snapshot_reader *reader = NULL;
    struct why why = {""};
    enum err e = snapshot_reader_open(fd, size, &reader, &why);
    snapshot_reader_close(reader);
    if (e != ERR_OK)
        log_warn("a snapshot that came cannot be read", LOG_ID("local-member-id", s->id),
                 LOG_ID("from", from), LOG_STR("error", why.text));
    return e == ERR_OK;
}

bool restore_offer(struct server *s, struct raft_message *m, int fd, uint64_t size)
{
    /* One at a time: raft may have taken the first, and names no file when it asks for it. */
    if (s->restore != NULL || s->offered.fd != -1 || m->snapshot == NULL ||
        !is_readable(s, m->from, fd, size)) {
        close(fd);
        return false;
    }
    s->offered = (struct snapshot_offered){
        .fd = fd,
        .size = size,
        .index = m->snapshot->meta.index,
        .data = m->snapshot->data != NULL ? blob_ref(m->snapshot->data) : NULL,
    };
    enum err e = raft_step(s->raft, m);
    if (e == ERR_OK)
        return true;
    offered_drop(&s->offered);
    return false;
}

void restore_drop_unused(struct server *s)
{
    if (s->offered.fd != -1)
        offered_drop(&s->offered);
}

/* ---- the keeper loads it --------------------------------------------------------------------- */

/* The members are those that the message tells; a file may be older in this (upstream's 3.5 forgot
 * to update its bucket). */
static enum err load_cluster(const struct restore *r, struct kv_writer *w, struct cluster *c,
                             struct why *why)
{
    bool has_user_keys = false;
    struct why unread = {""};
    enum err e = cluster_load(c, w, &unread);
    if (r->data != NULL && r->data->n != 0) {
        enum err tree = cluster_load_v2_json(c, blob_slice(r->data), &has_user_keys, &unread);
        if (tree != ERR_NOT_FOUND)
            e = tree;
    }
    if (has_user_keys)
        log_warn("the cluster holds keys of the v2 API: this member does not keep them",
                 LOG_STR("action", "do not let it lead while those keys are needed"));
    return e == ERR_OK ? e : why_set(why, ERR_DAMAGED, "the snapshot's members: %s", unread.text);
}

static enum err write_cluster(const struct restore *r, struct kv_writer *w, struct why *why)
{
    struct cluster *c = cluster_new(r->server->cluster_id);
    enum err e = load_cluster(r, w, c, why);
    if (e == ERR_OK) {
        struct raft_conf_state cs = conf_state_of(c);
        cluster_save(c, w);
        store_conf_state(w, &cs);
        raft_conf_state_fini(&cs);
    }
    cluster_free(c);
    return e;
}

/* ---- the index, made beside the transaction ---- */

static bool goes_on(void *arg)
{
    const struct restore *r = arg;
    return !atomic_load_explicit(&r->server->stopping, memory_order_relaxed);
}

static bool index_row(void *arg, const struct kv_row *row)
{
    struct restore *r = arg;
    mvcc_store_load(r->next.kv, row);
    return goes_on(r);
}

static void *index_main(void *arg)
{
    struct restore *r = arg;
    r->index_err = snapshot_reader_rows(r->reader, index_row, r, &r->index_why);
    return NULL;
}

static void index_begin(struct restore *r)
{
    state_init(r->server, &r->next);
    r->has_indexer = true;
    invariant(pthread_create(&r->indexer, NULL, index_main, r) == 0);
}

static enum err index_end(struct restore *r, struct why *why)
{
    if (r->has_indexer)
        pthread_join(r->indexer, NULL);
    r->has_indexer = false;
    return r->index_err == ERR_OK ? ERR_OK : why_set(why, r->index_err, "%s", r->index_why.text);
}

static bool attach_row(void *arg, const struct kv_row *row)
{
    struct restore *r = arg;
    applier_load_row(r->next.applier, row);
    return goes_on(r);
}

/* All that is to be known is in the transaction. */
static enum err complete_state(struct restore *r, struct why *why)
{
    enum err e = index_end(r, why);
    if (e == ERR_OK)
        e = state_load_buckets(r->server, &r->next, why);
    if (e == ERR_OK && lessor_count(r->next.lessor) != 0)
        e = snapshot_reader_rows(r->reader, attach_row, r, why);
    return e == ERR_OK && !goes_on(r) ? ERR_CLOSED : e;
}

/* ---- the transaction ---- */

/* Last in it. From here on nobody may read: what is committed and what the index says are not the
 * same until the new index is in its place. */
static enum err write_local(void *arg, struct kv_writer *w, struct why *why)
{
    struct restore *r = arg;
    uint8_t mark[16];
    be64_put(mark, r->index);
    be64_put(mark + 8, r->term);
    w->ops->bucket_put(w, BUCKET_LOCAL, slice_str(RESTORED_KEY), slice_make(mark, sizeof mark));
    store_applied(w, r->index, r->term);
    enum err e = write_cluster(r, w, why);
    if (e == ERR_OK)
        e = complete_state(r, why);
    if (e != ERR_OK)
        return e;
    pthread_rwlock_wrlock(&r->server->index_lock);
    r->locked = true;
    return ERR_OK;
}

static enum err load_file(struct server *s, struct restore *r)
{
    struct snapshot_restore how = {.local = write_local, .go_on = goes_on, .arg = r};
    index_begin(r);
    enum err e = snapshot_restore(r->reader, s->kvdb, &how, &r->why);
    if (r->has_indexer) {
        struct why why = {""};
        enum err index = index_end(r, &why); /* there is a failure already, which counts */
        (void)index;
    }
    return e;
}

static enum err load(struct server *s, struct restore *r)
{
    enum err e = snapshot_reader_open(r->fd, r->size, &r->reader, &r->why);
    if (e == ERR_OK)
        e = load_file(s, r);
    snapshot_reader_close(r->reader);
    r->reader = NULL;
    if (e != ERR_OK) {
        state_fini(&r->next);
        return e;
    }
    r->before.kv = s->kv;
    s->kv = r->next.kv;
    atomic_fetch_add(&s->generation, 1);
    atomic_store(&s->published, mvcc_store_revision(s->kv));
    return ERR_OK;
}

/* Member thread. */
static void tell_clients(struct server *s)
{
    for (size_t i = 0; i < s->n_clients; i++) {
        struct feed_msg *m = xmalloc(sizeof *m);
        *m = (struct feed_msg){.msg.run = hub_on_restore, .client = s->clients[i]};
        client_post(s->clients[i], &m->msg);
    }
}

static void restore_free(struct restore *r)
{
    if (r->fd != -1)
        close(r->fd);
    blob_unref(r->data);
    free(r);
}

void restore_drop(struct server *s)
{
    if (s->restore != NULL)
        restore_free(s->restore);
    s->restore = NULL;
}

static void loaded(struct server *s, struct server_task *t)
{
    struct restore *r = CONTAINER_OF(t, struct restore, task);
    metric_set(&metric_restoring, 0);
    if (r->err != ERR_OK) {
        /* We end. Until then nothing goes to the log: raft stands behind a snapshot that we lack. */
        if (r->err != ERR_CLOSED)
            member_fail(s, "a snapshot of the leader cannot be loaded", r->why.text);
        return;
    }
    s->restore = NULL;
    r->before.lessor = s->lessor;
    r->before.cluster = s->cluster;
    r->before.applier = s->applier;
    r->next.applied_index = r->index;
    r->next.applied_term = r->term;
    state_publish(s, &r->next);
    state_fini(&r->before);
    cluster_set_id(s->cluster, s->cluster_id);
    s->durable_index = s->applied_index;
    s->trim_index = 0;
    atomic_store(&s->is_learner, raft_is_learner(s->raft, s->id));
    network_sync(s);
    tell_clients(s);
    log_info("applied snapshot", LOG_ID("local-member-id", s->id),
             LOG_UINT("snapshot-index", r->index), LOG_UINT("snapshot-term", r->term),
             LOG_INT("revision", published_revision(s)), LOG_MS("took", s->now - r->started));
    restore_free(r);
    log_release(s);
}

/* Keeper thread. */
static void load_run(struct server *s, struct server_task *t)
{
    struct restore *r = CONTAINER_OF(t, struct restore, task);
    r->err = load(s, r);
    if (r->locked)
        pthread_rwlock_unlock(&s->index_lock);
    close(r->fd); /* giving back its space takes a while: not on the member thread */
    r->fd = -1;
    r->task.run = loaded;
    mailbox_post(s->inbox, &r->task.link);
}

void restore_begin(struct server *s, const struct raft_ready *rd)
{
    const struct raft_snapshot_meta *meta = &rd->snapshot.meta;
    invariant(s->restore == NULL && s->offered.fd != -1 && s->offered.index == meta->index);
    struct restore *r = xcalloc(1, sizeof *r);
    r->task.run = load_run;
    r->fd = s->offered.fd;
    r->size = s->offered.size;
    r->data = s->offered.data;
    r->index = meta->index;
    r->term = meta->term;
    r->server = s;
    r->started = s->now;
    s->offered = (struct snapshot_offered){.fd = -1};
    s->restore = r;
    metric_set(&metric_restoring, 1);
    log_info("applying snapshot", LOG_ID("local-member-id", s->id),
             LOG_UINT("current-applied-index", s->applied_index),
             LOG_UINT("snapshot-index", r->index), LOG_UINT("bytes", r->size));
    mailbox_post(s->keeper_inbox, &r->task.link);
}

/* ---- at start -------------------------------------------------------------------------------- */

enum err restore_finish(struct server *s, struct logdb_start *start, struct why *why)
{
    struct slice mark;
    raft_index index = 0;
    raft_term term = 0;
    struct kv_writer *w = kvdb_writer(s->kvdb);
    kvdb_begin(s->kvdb);
    if (w->ops->bucket_get(w, BUCKET_LOCAL, slice_str(RESTORED_KEY), &mark) && mark.n == 16) {
        index = be64_get(mark.p);
        term = be64_get(mark.p + 8);
    }
    kvdb_rollback(s->kvdb);
    if (index == 0 || index != s->applied_index)
        return ERR_OK; /* there is more than the snapshot, or the caller says what is wrong */
    if (index <= start->last_index && term == s->applied_term)
        return ERR_OK; /* the log has begun anew */
    log_warn("a snapshot was loaded, but the log does not begin behind it yet: mended",
             LOG_UINT("snapshot-index", index));
    struct raft_hard_state hs = start->hard_state;
    if (hs.term < term)
        hs = (struct raft_hard_state){.term = term};
    hs.commit = index;
    enum err e = logdb_reset(s->logdb, &hs, index, term, why);
    if (e != ERR_OK)
        return e;
    s->applied_term = term;
    entry_cache_reset(&s->cache, 0, 0);
    return logdb_load(s->logdb, NULL, NULL, start, why);
}
