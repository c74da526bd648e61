/* server/log_thread.c -- writing log.db: all that has come meanwhile in one transaction, one sync.
 *
 * The log thread writes, beside the member's own work. A few entries that come alone are written by
 * the member itself, unless it leads others: then it has their answers to hear meanwhile, which may
 * be a majority without our own disk. That saves two changes of threads. log.db has one user at a
 * time: the member takes it only while the log thread has nothing.
 *
 * While a snapshot is being loaded (snapshot_receive.c), jobs are held back: the first of them makes
 * the log begin anew behind the snapshot, and that must not be on disk before the snapshot is.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum {
    ALONE_MAX = 4,          /* entries that the member writes itself */
    COMMIT_LAG_MAX = 10000, /* entries that the stored commit index may lag behind */
    SLOW_SYNC_MS = 1000,    /* worth a warning */
};

/* Goes to the log thread, and comes back to the member when it is on disk. */
struct log_job {
    struct server_task task;
    bool stop;       /* end the thread; does not come back */
    uint64_t number; /* of the ready */
    bool has_hard_state;
    struct raft_hard_state hard_state;
    struct raft_entries entries;
    raft_index trim; /* let go of the entries up to here; 0: none */
    raft_index reset_index; /* 0, or first of all begin anew behind this entry */
    raft_term reset_term;
    struct raft_messages messages; /* the member's: to be sent once this is durable */
    enum err err;
    struct why why;
};

static void job_free(struct log_job *job)
{
    raft_entries_fini(&job->entries);
    raft_messages_fini(&job->messages);
    free(job);
}

/* ---- member thread ---------------------------------------------------------------------- */

/* Readies become durable in their order: one without anything to sync counts as soon as those
 * before it do. */
static void report_durable(struct server *s, uint64_t number)
{
    if (s->log_in_flight == 0 && s->log_unsynced > number)
        number = s->log_unsynced;
    if (number != 0)
        raft_persisted(s->raft, number);
}

static void appended(struct server *s, struct server_task *t)
{
    struct log_job *job = CONTAINER_OF(t, struct log_job, task);
    s->log_in_flight--;
    s->log_progress = clock_now_ms();
    if (s->log_last == job)
        s->log_last = NULL;
    if (job->err != ERR_OK) {
        member_fail(s, "the log cannot be written", job->why.text);
    } else if (!atomic_load_explicit(&s->failed, memory_order_relaxed)) {
        network_send(s, &job->messages);
        report_durable(s, job->number);
    }
    job_free(job);
}

/* Commit indexes alone need not be durable: now and then one goes with an append, so that a restart
 * need not wait for all of the log to be committed again. The log is never trimmed beyond the
 * stored one. */
static void take_hard_state(struct server *s, const struct raft_ready *rd)
{
    if (!rd->has_hard_state)
        return;
    const struct raft_hard_state *was = &s->hard_state, *now = &rd->hard_state;
    if (now->term != was->term || now->vote != was->vote ||
        now->commit > s->stored_commit + COMMIT_LAG_MAX)
        s->hard_state_due = true;
    s->hard_state = *now;
}

static struct log_job *job_new(struct server *s, struct raft_ready *rd)
{
    struct log_job *job = xcalloc(1, sizeof *job);
    job->task.run = appended;
    job->number = rd->number;
    job->has_hard_state =
        s->hard_state_due || s->trim_index != 0 || rd->snapshot.meta.index != 0;
    job->hard_state = s->hard_state;
    job->entries = rd->entries;
    job->trim = s->trim_index;
    job->reset_index = rd->snapshot.meta.index;
    job->reset_term = rd->snapshot.meta.term;
    rd->entries = (struct raft_entries){0};
    if (job->has_hard_state)
        s->stored_commit = s->hard_state.commit;
    s->hard_state_due = false;
    s->trim_index = 0;
    return job;
}

/* Writing and syncing are one call. */
static void measure_write(const struct log_job *job, int64_t took_us)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < job->entries.n; i++)
        bytes += (int64_t)raft_entry_size(&job->entries.v[i]);
    metric_add(&metric_wal_bytes, bytes);
    metric_observe(&metric_wal_fsync, (double)took_us / 1e6);
    metric_observe(&metric_wal_write, (double)took_us / 1e6);
    if (took_us > SLOW_SYNC_MS * 1000)
        log_warn("slow fdatasync", LOG_MESSAGE(MSG_FSYNC_SLOW), LOG_MS("took", took_us / 1000),
                 LOG_MS("expected-duration", SLOW_SYNC_MS));
}

static void job_write(struct server *s, struct log_job *job)
{
    int64_t start = clock_now_us();
    if (job->reset_index != 0) {
        job->err = logdb_reset(s->logdb, &job->hard_state, job->reset_index, job->reset_term,
                               &job->why);
        if (job->err != ERR_OK)
            return;
    }
    logdb_trim(s->logdb, job->trim);
    job->err = logdb_append(s->logdb, job->has_hard_state ? &job->hard_state : NULL,
                            job->entries.v, job->entries.n, &job->why);
    measure_write(job, clock_now_us() - start);
}

/* What leaves only once this ready is durable goes with the job, or with the last one under way. */
static void take_messages(struct raft_messages *to, struct raft_messages *from)
{
    for (size_t i = 0; i < from->n; i++)
        raft_messages_add(to, from->v[i]);
    from->n = 0;
}

/* Worth writing it here and now? */
static bool is_alone(struct server *s, const struct log_job *job)
{
    return s->log_in_flight == 0 && job->entries.n <= ALONE_MAX && job->reset_index == 0 &&
           !s->world.log_apart &&
           (raft_single_voter(s->raft) ||
            (!raft_is_leader(s->raft) && mailbox_is_empty(s->inbox)));
}

static void job_give(struct server *s, struct log_job *job)
{
    if (is_alone(s, job)) {
        s->log_in_flight++;
        job_write(s, job);
        appended(s, &job->task);
        return;
    }
    if (s->log_in_flight++ == 0)
        s->log_progress = s->now;
    s->log_last = job;
    if (s->restore != NULL || job->reset_index != 0)
        list_add_tail(&s->log_held, &job->task.link);
    else
        mailbox_post(s->log_inbox, &job->task.link);
}

void log_append(struct server *s, struct raft_ready *rd)
{
    take_hard_state(s, rd);
    if (!rd->must_sync && rd->entries.n == 0) {
        s->log_unsynced = rd->number;
        if (s->log_last == NULL) {
            if (rd->committed.n != 0)
                network_hold_answers(s, &rd->messages_after_persist);
            network_send(s, &rd->messages_after_persist);
        } else {
            take_messages(&s->log_last->messages, &rd->messages_after_persist);
        }
        report_durable(s, 0);
        return;
    }
    struct log_job *job = job_new(s, rd);
    take_messages(&job->messages, &rd->messages_after_persist);
    job_give(s, job);
}

void log_store_commit(struct server *s)
{
    struct raft_ready nothing = {.number = 0};
    s->hard_state_due = true;
    job_give(s, job_new(s, &nothing));
}

void log_release(struct server *s)
{
    struct server_task *t;
    s->log_progress = s->now;
    LIST_FOREACH (t, &s->log_held, struct server_task, link) {
        list_unlink(&t->link);
        mailbox_post(s->log_inbox, &t->link);
    }
}

void log_drop_held(struct server *s)
{
    struct server_task *t;
    LIST_FOREACH (t, &s->log_held, struct server_task, link) {
        list_unlink(&t->link);
        job_free(CONTAINER_OF(t, struct log_job, task));
    }
}

void log_trim(struct server *s, raft_index index)
{
    s->trim_index = index; /* goes with the next append */
}

void log_stop(struct server *s)
{
    struct log_job *job = xcalloc(1, sizeof *job);
    job->stop = true;
    mailbox_post(s->log_inbox, &job->task.link);
}

/* ---- log thread ------------------------------------------------------------------------- */

/* What one transaction will hold: a job that others were added to. */
struct log_group {
    struct log_job all;
    struct list jobs;
};

static void group_write(struct server *s, struct log_group *g)
{
    if (list_is_empty(&g->jobs))
        return;
    job_write(s, &g->all);
    struct server_task *t;
    LIST_FOREACH (t, &g->jobs, struct server_task, link) {
        struct log_job *job = CONTAINER_OF(t, struct log_job, task);
        list_unlink(&t->link);
        job->err = g->all.err;
        job->why = g->all.why;
        mailbox_post(s->inbox, &t->link);
    }
    raft_entries_cut(&g->all.entries, 0);
    g->all.has_hard_state = false;
    g->all.trim = 0;
    g->all.reset_index = 0;
}

static void group_add(struct server *s, struct log_group *g, struct log_job *job)
{
    struct raft_entries *all = &g->all.entries;
    bool follows = job->entries.n == 0 || all->n == 0 ||
                   job->entries.v[0].index == all->v[all->n - 1].index + 1;
    if (!follows || job->reset_index != 0)
        group_write(s, g); /* these entries replace some of those, or all */
    raft_entries_add(all, job->entries.v, job->entries.n);
    if (job->has_hard_state) {
        g->all.has_hard_state = true;
        g->all.hard_state = job->hard_state;
    }
    if (job->trim != 0)
        g->all.trim = job->trim;
    if (job->reset_index != 0) {
        g->all.reset_index = job->reset_index;
        g->all.reset_term = job->reset_term;
    }
    list_add_tail(&g->jobs, &job->task.link);
}

bool log_run(struct server *s, struct list *jobs)
{
    struct log_group *g = s->log_group;
    bool stop = false;
    if (g == NULL) {
        g = s->log_group = xcalloc(1, sizeof *g);
        list_init(&g->jobs);
    }
    while (!list_is_empty(jobs)) {
        struct server_task *t = LIST_ENTRY(jobs->next, struct server_task, link);
        struct log_job *job = CONTAINER_OF(t, struct log_job, task);
        list_unlink(&t->link);
        if (job->stop) {
            stop = true;
            job_free(job);
        } else {
            group_add(s, g, job);
        }
    }
    group_write(s, g);
    return !stop;
}

void log_group_free(struct log_group *g)
{
    if (g == NULL)
        return;
    raft_entries_fini(&g->all.entries);
    free(g);
}

void *log_main(void *arg)
{
    struct server *s = arg;
    struct list jobs;
    list_init(&jobs);
    do
        mailbox_take(s->log_inbox, &jobs, MSEC_NEVER);
    while (log_run(s, &jobs));
    return NULL;
}
