/* server/server.c -- making and ending the member; what anybody may ask about it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

static void lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    /* The writer waits for readers of now, never for those that come while it waits. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

bool server_post(struct server *s, struct mailbox *to, struct server_task *t)
{
    pthread_rwlock_rdlock(&s->gate);
    bool open = !atomic_load_explicit(&s->stopping, memory_order_relaxed);
    if (open)
        mailbox_post(to, &t->link);
    pthread_rwlock_unlock(&s->gate);
    return open;
}

static void lists_init(struct server *s)
{
    struct list *all[] = {&s->batch_calls, &s->timeouts,        &s->applied_calls,
                          &s->reads,       &s->reads_confirmed, &s->compact_waiters,
                          &s->defrag_waiters, &s->log_held,     &s->forwards,
                          &s->transfers};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        list_init(all[i]);
}

/* Signals are the control thread's: the others are started with all of them blocked. */
static void thread_start(pthread_t *t, const char *name, void *(*main)(void *arg), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    invariant(pthread_create(t, NULL, main, arg) == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_setname_np(*t, name);
}

enum err server_open(const struct config *cfg, const struct server_events *events,
                     const struct server_world *world, struct server **ret, struct why *why)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->cfg = cfg;
    s->events = *events;
    s->world = *world;
    s->self = xcalloc(1, sizeof *s->self);
    s->self->server = s;
    list_init(&s->self->outbox);
    lists_init(s);
    lock_init(&s->index_lock);
    lock_init(&s->gate);
    pthread_mutex_init(&s->metrics_lock, NULL);
    pthread_mutex_init(&s->summary_lock, NULL);
    s->inbox = mailbox_new();
    s->log_inbox = mailbox_new();
    s->keeper_inbox = mailbox_new();
    if (world->transport == NULL)
        s->loop = loop_new();
    enum err e = server_boot(s, why);
    if (e != ERR_OK) {
        server_free(s);
        return e;
    }
    server_metrics_init(s);
    member_begin(s);
    *ret = s;
    return ERR_OK;
}

enum err server_start(const struct config *cfg, const struct server_events *events,
                      struct server **ret, struct why *why)
{
    struct server *s = NULL;
    static const struct server_world real;
    enum err e = server_open(cfg, events, &real, &s, why);
    if (e != ERR_OK)
        return e;
    e = peer_port_listen(s, why);
    if (e != ERR_OK) {
        server_free(s);
        return e;
    }
    thread_start(&s->log_thread, "etcd-log", log_main, s);
    thread_start(&s->keeper_thread, "etcd-keeper", keeper_main, s);
    thread_start(&s->member_thread, "etcd-member", member_main, s);
    s->threads_run = true;
    *ret = s;
    return ERR_OK;
}

/* ---- another configuration -------------------------------------------------------------------- */

struct compactor *compactor_as_configured(const struct config *cfg)
{
    return compactor_new(
        cfg->compaction_mode == CONFIG_COMPACT_PERIODIC ? cfg->compaction_period_ms : 0,
        cfg->compaction_mode == CONFIG_COMPACT_REVISION ? cfg->compaction_revisions : 0,
        clock_now_ms());
}

struct reconfigured {
    struct server_task task;
    const struct config *before;
};

/* What the member keeps of its configuration. A compactor that goes on keeps its samples. */
static void reconfigured_run(struct server *s, struct server_task *t)
{
    struct reconfigured *r = CONTAINER_OF(t, struct reconfigured, task);
    const struct config *was = r->before, *now = s->cfg;
    if (was->compaction_mode != now->compaction_mode ||
        was->compaction_period_ms != now->compaction_period_ms ||
        was->compaction_revisions != now->compaction_revisions) {
        compactor_free(s->compactor);
        s->compactor = compactor_as_configured(now);
    }
    s->space_warned = s->space_is_low = false;
    free(r);
}

void server_reconfigure(struct server *s, const struct config *cfg)
{
    struct reconfigured *r = xcalloc(1, sizeof *r);
    r->task.run = reconfigured_run;
    r->before = atomic_exchange(&s->cfg, cfg);
    if (!server_post(s, s->inbox, &r->task))
        free(r);
}

/* ---- the end ------------------------------------------------------------------------------------ */

/* Run what is left in the member's inbox. */
static void drain_mail(struct server *s)
{
    struct list left;
    list_init(&left);
    mailbox_take(s->inbox, &left, 0);
    while (!list_is_empty(&left)) {
        struct server_task *t = LIST_ENTRY(left.next, struct server_task, link);
        list_unlink(&t->link);
        t->run(s, t);
    }
}

static void stop_run(struct server *s, struct server_task *t)
{
    (void)t;
    keeper_stop(s);
}

/* First the gate: what was posted before it closed is in front of the stop, and is answered. The
 * keeper ends before the member, so that its answers find the member; the log last, so that the
 * member's last entries find it. */
void server_stop(struct server *s)
{
    if (!s->threads_run)
        return;
    pthread_rwlock_wrlock(&s->gate);
    atomic_store(&s->stopping, true);
    pthread_rwlock_unlock(&s->gate);
    s->stop.run = stop_run;
    mailbox_post(s->inbox, &s->stop.link);
    pthread_join(s->keeper_thread, NULL);
    pthread_join(s->member_thread, NULL);
    log_stop(s);
    pthread_join(s->log_thread, NULL);
    s->threads_run = false;
    struct kvdb_checkpoint_stats stats;
    struct why why = {""};
    if (!atomic_load(&s->failed) &&
        kvdb_checkpoint(s->keeper_cp, KVDB_CHECKPOINT_TRUNCATE_IF_IDLE, &stats, &why) != ERR_OK)
        log_warn("the key database could not be synced at the end; the log has what it lacks",
                 LOG_STR("error", why.text));
}

void server_free(struct server *s)
{
    if (s == NULL)
        return;
    invariant(!s->threads_run);
    atomic_store(&s->stopping, true);
    atomic_store(&s->failed, true);
    drain_mail(s); /* what the log thread reported last */
    log_drop_held(s);
    restore_drop(s);
    server_unboot(s);
    log_group_free(s->log_group);
    metrics_free(s->metrics);
    mailbox_free(s->inbox);
    mailbox_free(s->log_inbox);
    mailbox_free(s->keeper_inbox);
    loop_free(s->loop);
    free(s->self);
    pthread_rwlock_destroy(&s->index_lock);
    pthread_rwlock_destroy(&s->gate);
    pthread_mutex_destroy(&s->metrics_lock);
    pthread_mutex_destroy(&s->summary_lock);
    free(s);
}

/* ---- what it is ----------------------------------------------------------------------------- */

uint64_t server_cluster_id(const struct server *s)
{
    return s->cluster_id;
}

member_id server_member_id(const struct server *s)
{
    return s->id;
}

bool server_is_leader(const struct server *s)
{
    return atomic_load(&s->leads);
}

bool server_has_leader(const struct server *s)
{
    return atomic_load_explicit(&s->leader, memory_order_relaxed) != 0;
}

bool server_is_learner(const struct server *s)
{
    return atomic_load_explicit(&s->is_learner, memory_order_relaxed);
}

const char *server_cluster_version(const struct server *s)
{
    return atomic_load(&s->cluster_version);
}

unsigned server_alarms(const struct server *s)
{
    return atomic_load(&s->alarms);
}

unsigned server_client_threads(const struct server *s)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (s->cfg->client_threads != 0)
        return (unsigned)s->cfg->client_threads;
    if (cores < 1)
        return 1;
    return cores > CONFIG_CLIENT_THREADS_MAX ? CONFIG_CLIENT_THREADS_MAX : (unsigned)cores;
}
