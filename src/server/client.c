/* server/client.c -- a client loop's own side: its view of the key database, and ranges.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "server/hub.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum {
    PLAN_KEYS = 2048,                    /* keys a hold of the index lock */
    ROW_CACHE_BYTES = 96 * 1024 * 1024,  /* of all client loops together */
};

/* The view of the key database lasts until the end of the loop's round. */
static void view_end(void *arg)
{
    struct server_client *c = arg;
    if (c->view_open)
        kvdb_reader_end(c->reader);
    c->view_open = false;
}

/* ---- joining and leaving ------------------------------------------------------------------ */

/* The member changes its list of clients itself; the caller waits for it. */
struct join {
    struct server_task task;
    struct server_client *client;
    bool leave;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void join_run(struct server *s, struct server_task *t)
{
    struct join *j = CONTAINER_OF(t, struct join, task);
    size_t i = 0;
    if (!j->leave) {
        invariant(s->n_clients < CLIENTS_MAX);
        s->clients[s->n_clients++] = j->client;
    } else {
        while (s->clients[i] != j->client)
            i++;
        s->clients[i] = s->clients[--s->n_clients];
    }
    pthread_mutex_lock(&j->lock);
    j->done = true;
    pthread_cond_signal(&j->cond);
    pthread_mutex_unlock(&j->lock);
}

static void join_member(struct server_client *c, bool leave)
{
    struct join j = {.task.run = join_run, .client = c, .leave = leave};
    pthread_mutex_init(&j.lock, NULL);
    pthread_cond_init(&j.cond, NULL);
    if (c->server->threads_run)
        mailbox_post(c->server->inbox, &j.task.link);
    else /* nobody else looks at the list */
        join_run(c->server, &j.task);
    pthread_mutex_lock(&j.lock);
    while (!j.done)
        pthread_cond_wait(&j.cond, &j.lock);
    pthread_mutex_unlock(&j.lock);
    pthread_cond_destroy(&j.cond);
    pthread_mutex_destroy(&j.lock);
}

enum err server_client_new(struct server *s, struct loop *loop, struct server_client **ret,
                           struct why *why)
{
    struct server_client *c = xcalloc(1, sizeof *c);
    c->server = s;
    c->loop = loop;
    list_init(&c->outbox);
    enum err e = kvdb_reader_open(s->kvdb, &c->reader, why);
    if (e != ERR_OK) {
        free(c);
        return e;
    }
    c->cache = row_cache_new(kvdb_reader_kv(c->reader), ROW_CACHE_BYTES / server_client_threads(s));
    c->hub = hub_new(c);
    loop_on_round_end(loop, view_end, c);
    join_member(c, false);
    *ret = c;
    return ERR_OK;
}

void server_client_free(struct server_client *c)
{
    if (c == NULL)
        return;
    join_member(c, true);
    loop_remove_round_end(c->loop, view_end, c);
    view_end(c);
    hub_free(c->hub);
    kvdb_reader_close(c->spare);
    row_cache_free(c->cache);
    kvdb_reader_close(c->reader);
    free(c);
}

void server_header_get(const struct server_client *c, struct server_header *ret)
{
    *ret = (struct server_header){
        .cluster_id = c->server->cluster_id,
        .member = c->server->id,
        .rev = published_revision(c->server),
        .term = atomic_load_explicit(&c->server->term, memory_order_relaxed),
    };
}

/* ---- the view of this round --------------------------------------------------------------- */

enum err client_view(struct server_client *c)
{
    struct server *s = c->server;
    uint64_t generation = atomic_load(&s->generation); /* before the view: it may be newer, never older */
    revision rev = published_revision(s);
    if (c->view_open && c->view_rev == rev && c->view_generation == generation)
        return ERR_OK;
    view_end(c);
    if (c->view_generation != generation)
        row_cache_clear(c->cache);
    c->view_generation = generation;
    enum err e = kvdb_reader_begin(c->reader, NULL);
    if (e != ERR_OK)
        return e;
    c->view_open = true;
    c->view_rev = rev;
    return ERR_OK;
}

struct kv_reader *client_view_kv(struct server_client *c)
{
    return row_cache_reader(c->cache);
}

/* ---- ranges ------------------------------------------------------------------------------- */

bool server_read_is_local(const struct server_client *c)
{
    return atomic_load_explicit(&c->server->read_local, memory_order_acquire);
}

/* One hold of the lock. ERR_BUSY: the state is not the one that the view belongs to. */
static enum err plan_step(struct server *s, const struct range_req *req, revision current,
                          uint64_t generation, struct arena *a, struct range_plan **plan,
                          bool *ret_done)
{
    enum err e = ERR_BUSY;
    pthread_rwlock_rdlock(&s->index_lock);
    if (atomic_load_explicit(&s->generation, memory_order_relaxed) == generation)
        e = *plan != NULL ? ERR_OK : range_plan_new(s->kv, req, current, a, plan);
    if (e == ERR_OK)
        e = range_plan_step(*plan, s->kv, PLAN_KEYS, ret_done);
    pthread_rwlock_unlock(&s->index_lock);
    return e;
}

/* The view at `current` is open. The lock is let go between steps; the plan pins the revision. */
static enum err plan_range(struct server *s, const struct range_req *req, revision current,
                           uint64_t generation, struct arena *a, struct range_plan **ret)
{
    bool done = false;
    enum err e;
    *ret = NULL;
    metric_add(&metric_range, 1);
    do
        e = plan_step(s, req, current, generation, a, ret, &done);
    while (e == ERR_OK && !done);
    if (e != ERR_OK) {
        range_plan_free(*ret);
        *ret = NULL;
    }
    return e;
}

/* A compaction may overtake a read of the current revision, and a snapshot any read; it reads then at
 * the newer state, which is published already. */
static bool is_overtaken(const struct server *s, const struct range_req *req, enum err e,
                         revision rev)
{
    return e == ERR_BUSY ||
           (e == ERR_COMPACTED && req->rev <= 0 && rev != published_revision(s));
}

enum err server_range_plan(struct server_client *c, const struct range_req *req, struct arena *a,
                           struct range_plan **ret_plan)
{
    enum err e;
    *ret_plan = NULL;
    do {
        e = client_view(c);
        if (e == ERR_OK)
            e = plan_range(c->server, req, c->view_rev, c->view_generation, a, ret_plan);
    } while (is_overtaken(c->server, req, e, c->view_rev));
    return e;
}

enum err server_range_fetch(struct server_client *c, struct range_plan *plan,
                            bool (*emit)(void *arg, const struct kv_row *row), void *arg)
{
    invariant(c->view_open);
    return range_plan_fetch(plan, client_view_kv(c), emit, arg);
}

/* ---- a view that lasts --------------------------------------------------------------------- */

struct server_view {
    struct server_client *client;
    struct kvdb_reader *reader;
};

static void view_free(struct server_view *v)
{
    if (v->client->spare == NULL)
        v->client->spare = v->reader;
    else
        kvdb_reader_close(v->reader);
    free(v);
}

enum err server_view_open(struct server_client *c, const struct range_req *req, struct arena *a,
                          struct range_plan **ret_plan, struct server_view **ret_view)
{
    struct server_view *v = xcalloc(1, sizeof *v);
    *ret_plan = NULL;
    v->client = c;
    v->reader = c->spare;
    c->spare = NULL;
    enum err e = ERR_OK;
    if (v->reader == NULL)
        e = kvdb_reader_open(c->server->kvdb, &v->reader, NULL);
    if (e != ERR_OK) {
        free(v);
        return e;
    }
    revision rev;
    do {
        uint64_t generation = atomic_load(&c->server->generation);
        rev = published_revision(c->server);
        e = kvdb_reader_begin(v->reader, NULL);
        if (e != ERR_OK)
            break;
        e = plan_range(c->server, req, rev, generation, a, ret_plan);
        if (e != ERR_OK)
            kvdb_reader_end(v->reader);
    } while (is_overtaken(c->server, req, e, rev));
    if (e != ERR_OK) {
        view_free(v);
        return e;
    }
    *ret_view = v;
    return ERR_OK;
}

enum err server_view_fetch(struct server_view *v, struct range_plan *plan,
                           bool (*emit)(void *arg, const struct kv_row *row), void *arg)
{
    return range_plan_fetch(plan, kvdb_reader_kv(v->reader), emit, arg);
}

void server_view_close(struct server_view *v)
{
    if (v == NULL)
        return;
    kvdb_reader_end(v->reader);
    view_free(v);
}
