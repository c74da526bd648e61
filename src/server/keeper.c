/* server/keeper.c -- the housekeeping thread: what takes long and may wait. It reads through
 * snapshots of its own and writes nothing but the checkpoint of kv.db and snapshot spools.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "mvcc/hash.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"
#include "storage/snapshot_file.h"

enum { KEEPER_NICE = 5 };

static bool stops(const struct server *s)
{
    return atomic_load_explicit(&s->stopping, memory_order_relaxed);
}

/* ---- checkpoint --------------------------------------------------------------------------- */

struct checkpoint_job {
    struct server_task task;
    enum err err;
    struct kvdb_checkpoint_stats stats;
    struct why why;
};

static void checkpointed(struct server *s, struct server_task *t)
{
    struct checkpoint_job *job = CONTAINER_OF(t, struct checkpoint_job, task);
    s->checkpoint_running = false;
    s->end_wal_due = !job->stats.complete;
    if (job->err != ERR_OK)
        member_fail(s, "the key database cannot be synced", job->why.text);
    else if (job->stats.complete)
        upkeep_durable(s, s->checkpoint_index);
    free(job);
}

static void checkpoint_run(struct server *s, struct server_task *t)
{
    struct checkpoint_job *job = CONTAINER_OF(t, struct checkpoint_job, task);
    int64_t start = clock_now_us();
    job->err = kvdb_checkpoint(s->keeper_cp, KVDB_CHECKPOINT_PASSIVE, &job->stats, &job->why);
    metric_observe(&metric_checkpoint, (double)(clock_now_us() - start) / 1e6);
    job->task.run = checkpointed;
    mailbox_post(s->inbox, &job->task.link);
}

/* Member thread. */
void keeper_checkpoint(struct server *s)
{
    struct checkpoint_job *job = xcalloc(1, sizeof *job);
    s->checkpoint_running = true;
    s->checkpoint_index = s->applied_index;
    job->task.run = checkpoint_run;
    mailbox_post(s->keeper_inbox, &job->task.link);
}

/* ---- hashes ----------------------------------------------------------------------------- */

enum { HASH_LOCK_ROWS = 256 }; /* rows a hold of the index lock */

struct hash_walk {
    struct server *s;
    struct mvcc_hash hash;
    unsigned held;
};

static bool hash_row(void *arg, const struct kv_row *row)
{
    struct hash_walk *w = arg;
    if (w->held == 0)
        pthread_rwlock_rdlock(&w->s->index_lock);
    mvcc_hash_add(&w->hash, w->s->kv, row);
    if (++w->held == HASH_LOCK_ROWS) {
        pthread_rwlock_unlock(&w->s->index_lock);
        w->held = 0;
    }
    return row->main <= w->hash.rev && !stops(w->s);
}

static enum err hash_kv(struct server *s, revision rev, struct hash_walk *w, revision *ret_current)
{
    struct kv_reader *kv = kvdb_reader_kv(s->keeper_reader);
    *ret_current = published_revision(s);
    enum err e = kvdb_reader_begin(s->keeper_reader, NULL);
    if (e != ERR_OK)
        return e;
    *w = (struct hash_walk){.s = s};
    pthread_rwlock_rdlock(&s->index_lock);
    e = mvcc_hash_begin(&w->hash, s->kv, rev, *ret_current);
    pthread_rwlock_unlock(&s->index_lock);
    if (e == ERR_OK) {
        e = kv->ops->scan(kv, 0, INT64_MAX, hash_row, w);
        if (w->held != 0)
            pthread_rwlock_unlock(&s->index_lock);
    }
    kvdb_reader_end(s->keeper_reader);
    return e == ERR_OK && stops(s) ? ERR_STOPPED : e;
}

/* A compaction that began meanwhile may have taken from the index what the hash still needed. */
static bool hash_overtaken(struct server *s, const struct hash_walk *w)
{
    pthread_rwlock_rdlock(&s->index_lock);
    revision compacted = mvcc_store_compacted(s->kv);
    pthread_rwlock_unlock(&s->index_lock);
    return compacted != w->hash.compacted;
}

struct hash_done {
    struct server_task task;
    struct server_call *call;
    enum err err;
    Etcdserverpb__HashKVResponse kv;
    Etcdserverpb__HashResponse all;
    Etcdserverpb__ResponseHeader header;
};

static void hash_answer(struct server *s, struct server_task *t)
{
    struct hash_done *d = CONTAINER_OF(t, struct hash_done, task);
    d->kv.header = d->all.header = &d->header;
    if (d->err != ERR_OK)
        call_answer(s, d->call, d->err, NULL);
    else
        call_answer_pb(s, d->call, d->call->op == OP_HASH ? &d->all.base : &d->kv.base);
    free(d);
}

static void hash_kv_fill(struct server *s, struct hash_done *d)
{
    const Etcdserverpb__HashKVRequest *req = (const void *)d->call->request;
    struct hash_walk w;
    revision current;
    do {
        d->err = hash_kv(s, req->revision, &w, &current);
    } while (d->err == ERR_OK && hash_overtaken(s, &w));
    d->header.revision = current;
    if (d->err != ERR_OK)
        return;
    d->kv.hash = w.hash.crc;
    d->kv.compact_revision = w.hash.compacted ? w.hash.compacted : -1;
    d->kv.hash_revision = w.hash.rev;
}

static void hash_all_fill(struct server *s, struct hash_done *d)
{
    d->header.revision = published_revision(s);
    d->err = kvdb_reader_begin(s->keeper_reader, NULL);
    if (d->err != ERR_OK)
        return;
    d->err = snapshot_hash(s->keeper_reader, &d->all.hash, NULL);
    kvdb_reader_end(s->keeper_reader);
}

static void hash_run(struct server *s, struct server_task *t)
{
    struct server_call *call = CONTAINER_OF(t, struct server_call, task);
    struct hash_done *d = xcalloc(1, sizeof *d);
    int64_t start = clock_now_us();
    etcdserverpb__hash_kvresponse__init(&d->kv);
    etcdserverpb__hash_response__init(&d->all);
    d->header = header_make(s, 0);
    d->call = call;
    d->task.run = hash_answer;
    if (call->op == OP_HASH)
        hash_all_fill(s, d);
    else
        hash_kv_fill(s, d);
    metric_observe(call->op == OP_HASH ? &metric_hash : &metric_hash_rev,
                   (double)(clock_now_us() - start) / 1e6);
    mailbox_post(s->inbox, &d->task.link);
}

/* Member thread. */
void keeper_call(struct server *s, struct server_call *call)
{
    call->task.run = hash_run;
    mailbox_post(s->keeper_inbox, &call->task.link);
}

/* ---- snapshots ---------------------------------------------------------------------------- */

static bool snapshot_goes_on(void *arg, uint64_t written)
{
    (void)written;
    return !stops(arg);
}

/* The buckets of a reader's view, as cluster_load() asks for them. */
struct bucket_view {
    struct kv_writer w;
    struct kvdb_reader *reader;
};

static bool view_get(struct kv_writer *w, const char *bucket, struct slice key, struct slice *ret)
{
    struct bucket_view *v = CONTAINER_OF(w, struct bucket_view, w);
    return kvdb_reader_bucket_get(v->reader, bucket, key, ret) == ERR_OK;
}

static void view_scan(struct kv_writer *w, const char *bucket,
                      bool (*visit)(void *arg, struct slice key, struct slice value), void *arg)
{
    struct bucket_view *v = CONTAINER_OF(w, struct bucket_view, w);
    enum err e = kvdb_reader_bucket_scan(v->reader, bucket, visit, arg);
    (void)e; /* what is missing is missed by whoever loads it */
}

static uint64_t view_number(struct bucket_view *v, const char *name)
{
    struct slice n;
    return view_get(&v->w, BUCKET_META, slice_str(name), &n) && n.n == 8 ? be64_get(n.p) : 0;
}

/* The entry that the view stands for, and the members as of then. */
static enum err describe(struct server *s, struct keeper_spool *ret, struct why *why)
{
    static const struct kv_writer_ops ops = {.bucket_get = view_get, .bucket_scan = view_scan};
    struct bucket_view view = {{&ops}, s->keeper_reader};
    ret->index = view_number(&view, "consistent_index");
    ret->term = view_number(&view, "term");
    ret->cluster = cluster_new(s->cluster_id);
    enum err e = cluster_load(ret->cluster, &view.w, why);
    if (e == ERR_OK && (ret->index == 0 || ret->term == 0 || cluster_size(ret->cluster) == 0))
        e = why_set(why, ERR_BUSY, "nothing is applied yet");
    if (e == ERR_OK)
        return ERR_OK;
    cluster_free(ret->cluster);
    ret->cluster = NULL;
    return e;
}

static enum err spool_file(struct server *s, int fd, bool described, struct keeper_spool *ret,
                           struct why *why)
{
    struct snapshot_progress progress = {snapshot_goes_on, s};
    ret->rev = published_revision(s);
    enum err e = kvdb_reader_begin(s->keeper_reader, why);
    if (e != ERR_OK)
        return e;
    if (described)
        e = describe(s, ret, why);
    if (e == ERR_OK)
        e = snapshot_file_write(s->keeper_reader, fd, &progress, &ret->size, why);
    kvdb_reader_end(s->keeper_reader);
    if (e == ERR_OK && lseek(fd, 0, SEEK_SET) != 0)
        e = why_set(why, ERR_IO, "seek in the snapshot: %s", strerror(errno));
    if (e != ERR_OK) {
        cluster_free(ret->cluster);
        ret->cluster = NULL;
    }
    return e;
}

static enum err spool(struct server *s, bool described, struct keeper_spool *ret, struct why *why)
{
    int64_t start = clock_now_us();
    *ret = (struct keeper_spool){.fd = -1};
    enum err e = stops(s) ? ERR_CLOSED : ERR_OK;
    if (e == ERR_OK)
        e = snapshot_spool_open(data_dir_member_path(s->dir), &ret->fd, why);
    if (e == ERR_OK)
        e = spool_file(s, ret->fd, described, ret, why);
    metric_observe(&metric_snapshot, (double)(clock_now_us() - start) / 1e6);
    if (e == ERR_OK)
        return ERR_OK;
    if (ret->fd != -1)
        close(ret->fd);
    ret->fd = -1;
    return e;
}

enum err keeper_spool(struct server *s, struct keeper_spool *ret, struct why *why)
{
    return spool(s, true, ret, why);
}

static void snapshot_reply(struct loop_msg *m)
{
    struct server_snapshot *snap = CONTAINER_OF(m, struct server_snapshot, reply);
    snap->done(snap);
}

static void snapshot_run(struct server *s, struct server_task *t)
{
    struct server_snapshot *snap = CONTAINER_OF(t, struct server_snapshot, task);
    struct keeper_spool spooled;
    struct why why = {""};
    log_info("sending database snapshot to client");
    snap->err = spool(s, false, &spooled, &why);
    snap->fd = spooled.fd;
    snap->size = spooled.size;
    snap->rev = spooled.rev;
    if (snap->err == ERR_CLOSED)
        snap->err = ERR_STOPPED;
    else if (snap->err != ERR_OK)
        log_warn("a snapshot could not be made", LOG_STR("error", why.text));
    snap->reply.run = snapshot_reply;
    loop_post(snap->client->loop, &snap->reply);
}

/* Client thread. */
void server_snapshot(struct server_client *c, struct server_snapshot *snap)
{
    snap->client = c;
    snap->err = ERR_OK;
    snap->fd = -1;
    snap->task.run = snapshot_run;
    if (server_post(c->server, c->server->keeper_inbox, &snap->task))
        return;
    snap->err = ERR_STOPPED;
    snap->reply.run = snapshot_reply;
    loop_post(c->loop, &snap->reply);
}

/* ---- the thread --------------------------------------------------------------------------- */

/* Member thread: the keeper has answered all it was asked. */
static void ended(struct server *s, struct server_task *t)
{
    (void)t;
    s->stop_now = true;
}

static void stop_run(struct server *s, struct server_task *t)
{
    t->run = ended;
    mailbox_post(s->inbox, &t->link);
}

/* Member thread. */
void keeper_stop(struct server *s)
{
    s->keeper_end.run = stop_run;
    mailbox_post(s->keeper_inbox, &s->keeper_end.link);
}

bool keeper_run(struct server *s, struct list *tasks)
{
    bool stop = false;
    while (!list_is_empty(tasks)) {
        struct server_task *t = LIST_ENTRY(tasks->next, struct server_task, link);
        list_unlink(&t->link);
        stop = stop || t->run == stop_run;
        t->run(s, t);
    }
    return !stop;
}

void *keeper_main(void *arg)
{
    struct server *s = arg;
    struct list tasks;
    list_init(&tasks);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), KEEPER_NICE); /* of this thread alone */
    do
        mailbox_take(s->keeper_inbox, &tasks, MSEC_NEVER);
    while (keeper_run(s, &tasks));
    return NULL;
}
