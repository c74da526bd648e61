/* server/handover.c -- leadership handed over: because an operator asks for it, or because we end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "server/server_priv.h"

/* ---- MoveLeader --------------------------------------------------------------------------------- */

void transfer_call(struct server *s, struct server_call *call)
{
    const Etcdserverpb__MoveLeaderRequest *req = (const void *)call->request;
    const struct member *m = cluster_find(s->cluster, req->targetid);
    if (!raft_is_leader(s->raft)) {
        call_answer(s, call, ERR_NOT_LEADER, NULL);
    } else if (m == NULL || m->is_learner) {
        call_answer(s, call, ERR_BAD_LEADER_TRANSFEREE, NULL);
    } else {
        if (m->id != s->id)
            log_info("leadership transfer starting", LOG_ID("local-member-id", s->id),
                     LOG_ID("transferee", m->id));
        raft_transfer_leader(s->raft, m->id);
        list_add_tail(&s->transfers, &call->task.link);
    }
}

void transfer_run(struct server *s)
{
    struct server_call *call;
    Etcdserverpb__MoveLeaderResponse resp = ETCDSERVERPB__MOVE_LEADER_RESPONSE__INIT;
    LIST_FOREACH (call, &s->transfers, struct server_call, task.link) {
        const Etcdserverpb__MoveLeaderRequest *req = (const void *)call->request;
        if (raft_leader(s->raft) == req->targetid)
            call_answer_pb(s, call, &resp.base);
        else if (call->deadline <= s->now)
            call_answer(s, call, ERR_TIMEOUT_TRANSFER, NULL);
    }
}

/* ---- before the end ----------------------------------------------------------------------------- */

struct handover {
    struct server_task task;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    msec deadline;
    bool done; /* under the lock */
};

static void handover_end(struct server *s)
{
    struct handover *h = s->handover;
    s->handover = NULL;
    pthread_mutex_lock(&h->lock);
    h->done = true;
    pthread_cond_signal(&h->cond);
    pthread_mutex_unlock(&h->lock);
}

static void handover_begin(struct server *s, struct server_task *t)
{
    struct handover *h = CONTAINER_OF(t, struct handover, task);
    bool can = raft_is_leader(s->raft) && !raft_single_voter(s->raft) && !atomic_load(&s->failed);
    member_id to = can ? member_best_successor(s) : 0;
    s->handover = h;
    h->deadline = s->now + (msec)s->cfg->election_timeout_ms;
    if (to == 0) {
        handover_end(s);
        return;
    }
    log_info("leadership transfer starting", LOG_ID("local-member-id", s->id),
             LOG_ID("transferee", to));
    raft_transfer_leader(s->raft, to);
}

void handover_run(struct server *s)
{
    struct handover *h = s->handover;
    if (h == NULL)
        return;
    member_id leader = raft_leader(s->raft);
    if (leader != 0 && leader != s->id)
        log_info("leadership transfer finished", LOG_ID("local-member-id", s->id),
                 LOG_ID("new-leader", leader));
    else if (s->now < h->deadline && !atomic_load(&s->failed))
        return;
    handover_end(s);
}

/* Control thread. */
void server_hand_over(struct server *s)
{
    struct handover h = {.task.run = handover_begin};
    pthread_mutex_init(&h.lock, NULL);
    pthread_cond_init(&h.cond, NULL);
    mailbox_post(s->inbox, &h.task.link);
    pthread_mutex_lock(&h.lock);
    while (!h.done)
        pthread_cond_wait(&h.cond, &h.lock);
    pthread_mutex_unlock(&h.lock);
    pthread_cond_destroy(&h.cond);
    pthread_mutex_destroy(&h.lock);
}
