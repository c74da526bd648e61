/* server/log_thread.c -- the only writer of log.db: everything that has come meanwhile in one
 * transaction, one sync.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum log_kind { LOG_APPEND, LOG_TRIM, LOG_STOP };

/* Goes to the log thread, and an append comes back to the member when it is on disk. */
struct log_job {
    struct server_task task;
    enum log_kind kind;
    uint64_t number; /* of the ready */
    bool has_hard_state;
    struct raft_hard_state hard_state;
    struct raft_entries entries;
    raft_index index; /* LOG_TRIM */
    enum err err;
    struct why why;
};

static void job_free(struct log_job *job)
{
    raft_entries_fini(&job->entries);
    free(job);
}

/* ---- member thread ---------------------------------------------------------------------- */

static void appended(struct server *s, struct server_task *t)
{
    struct log_job *job = CONTAINER_OF(t, struct log_job, task);
    if (job->err != ERR_OK)
        member_fail(s, "the log cannot be written", job->why.text);
    else
        raft_persisted(s->raft, job->number);
    job_free(job);
}

static void job_post(struct server *s, struct log_job *job)
{
    mailbox_post(s->log_inbox, &job->task.link);
}

void log_append(struct server *s, struct raft_ready *rd)
{
    if (!rd->has_hard_state && rd->entries.n == 0) {
        raft_persisted(s->raft, rd->number);
        return;
    }
    struct log_job *job = xcalloc(1, sizeof *job);
    job->kind = LOG_APPEND;
    job->task.run = appended;
    job->number = rd->number;
    job->has_hard_state = rd->has_hard_state;
    job->hard_state = rd->hard_state;
    job->entries = rd->entries;
    rd->entries = (struct raft_entries){0};
    job_post(s, job);
}

void log_trim(struct server *s, raft_index index)
{
    struct log_job *job = xcalloc(1, sizeof *job);
    job->kind = LOG_TRIM;
    job->index = index;
    job_post(s, job);
}

void log_stop(struct server *s)
{
    struct log_job *job = xcalloc(1, sizeof *job);
    job->kind = LOG_STOP;
    job_post(s, job);
}

/* ---- log thread ------------------------------------------------------------------------- */

/* What one transaction will hold. */
struct group {
    struct list jobs;
    struct raft_entries entries;
    const struct raft_hard_state *hard_state;
};

static void group_write(struct server *s, struct group *g)
{
    if (list_is_empty(&g->jobs))
        return;
    struct why why = {""};
    int64_t start = clock_now_us();
    enum err e = logdb_append(s->logdb, g->hard_state, g->entries.v, g->entries.n, &why);
    metric_observe(&metric_wal_fsync, (double)(clock_now_us() - start) / 1e6);
    struct log_job *job;
    LIST_FOREACH (job, &g->jobs, struct log_job, task.link) {
        list_unlink(&job->task.link);
        job->err = e;
        job->why = why;
        mailbox_post(s->inbox, &job->task.link);
    }
    raft_entries_cut(&g->entries, 0);
    g->hard_state = NULL;
}

static void group_add(struct server *s, struct group *g, struct log_job *job)
{
    bool follows = job->entries.n == 0 || g->entries.n == 0 ||
                   job->entries.v[0].index == g->entries.v[g->entries.n - 1].index + 1;
    if (!follows)
        group_write(s, g); /* these entries replace some of those */
    raft_entries_add(&g->entries, job->entries.v, job->entries.n);
    if (job->has_hard_state)
        g->hard_state = &job->hard_state;
    list_add_tail(&g->jobs, &job->task.link);
}

void *log_main(void *arg)
{
    struct server *s = arg;
    struct group g = {.hard_state = NULL};
    struct list jobs;
    list_init(&g.jobs);
    list_init(&jobs);
    for (bool stop = false; !stop;) {
        mailbox_take(s->log_inbox, &jobs, MSEC_NEVER);
        struct log_job *job;
        LIST_FOREACH (job, &jobs, struct log_job, task.link) {
            list_unlink(&job->task.link);
            if (job->kind == LOG_APPEND) {
                group_add(s, &g, job);
                continue;
            }
            if (job->kind == LOG_TRIM)
                logdb_trim(s->logdb, job->index);
            else
                stop = true;
            job_free(job);
        }
        group_write(s, &g);
    }
    raft_entries_fini(&g.entries);
    return NULL;
}
