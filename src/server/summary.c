/* server/summary.c -- what the control thread sees of the member: one line's worth of state, signs of life.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum { SUMMARY_MS = 500 };

static void fill(struct server *s, struct server_summary *to)
{
    AUTO(buf) struct buf names = BUF_INIT;
    const struct member *leader = cluster_find(s->cluster, raft_leader(s->raft));
    *to = (struct server_summary){
        .leads = raft_is_leader(s->raft),
        .is_learner = raft_is_learner(s->raft, s->id),
        .restoring = s->restore != NULL,
        .leader = raft_leader(s->raft),
        .term = raft_current_term(s->raft),
        .voters = (unsigned)cluster_n_voters(s->cluster),
        .connected = (unsigned)network_active_voters(s, s->now + 1),
        .quota = s->cfg->quota_bytes,
    };
    network_add_missing(s, &names, false);
    snprintf(to->missing, sizeof to->missing, "%s", buf_cstr(&names));
    snprintf(to->leader_name, sizeof to->leader_name, "%s",
             leader != NULL && leader->name != NULL ? leader->name : "");
}

void summary_run(struct server *s)
{
    bool log_waits = s->log_in_flight != 0 && s->restore == NULL;
    if (s->world.transport != NULL) /* nobody asks in a simulation */
        return;
    atomic_store_explicit(&s->tick_beat, s->now, memory_order_relaxed);
    atomic_store_explicit(&s->log_beat, log_waits ? s->log_progress : 0, memory_order_relaxed);
    if (s->now < s->next_summary && s->summary.leader == raft_leader(s->raft))
        return;
    s->next_summary = s->now + SUMMARY_MS;
    struct server_summary now;
    fill(s, &now);
    pthread_mutex_lock(&s->summary_lock);
    s->summary = now;
    pthread_mutex_unlock(&s->summary_lock);
}

void server_summary(struct server *s, struct server_summary *ret)
{
    pthread_mutex_lock(&s->summary_lock);
    *ret = s->summary;
    pthread_mutex_unlock(&s->summary_lock);
    ret->rev = published_revision(s);
    ret->applied = atomic_load_explicit(&s->applied, memory_order_relaxed);
    ret->committed = atomic_load_explicit(&s->committed, memory_order_relaxed);
    ret->db_in_use = atomic_load_explicit(&s->db_in_use, memory_order_relaxed);
    ret->alarms = server_alarms(s);
    ret->fsync_p99 = (msec)(metric_quantile(&metric_wal_fsync, 0.99) * 1e3);
}

void server_pulse(const struct server *s, struct server_pulse *ret)
{
    ret->tick = atomic_load_explicit(&s->tick_beat, memory_order_relaxed);
    ret->log_since = atomic_load_explicit(&s->log_beat, memory_order_relaxed);
}

void member_progress(struct server *s, const char *doing, uint64_t done)
{
    if (s->events.progress != NULL && !s->ready_said)
        s->events.progress(s->events.arg, doing, done);
}
