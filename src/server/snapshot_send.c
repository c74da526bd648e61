/* server/snapshot_send.c -- a follower needs what the log does not hold any more.
 *
 * Raft names the follower; the keeper spools the key database as it is by then, which may be newer,
 * and the message is made to fit what was spooled. So the sender's memory does not depend on the
 * database, and the member goes on meanwhile. One is spooled at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "membership/v2_tree.h"
#include "server/server_priv.h"

enum { HOLD_ENTRIES_MS = 30000 }; /* after a snapshot arrived: the follower asks for what follows */

struct snapshot_job {
    struct server_task task;
    struct raft_message message;
    struct keeper_spool spool;
    enum err err;
    struct why why;
};

/* What raft is told when it asks for a snapshot: the state that is applied now. */
enum err snapshot_offer(void *arg, struct raft_snapshot *ret)
{
    struct server *s = arg;
    if (s->restore != NULL || s->applied_index == 0)
        return ERR_BUSY;
    *ret = (struct raft_snapshot){.meta = {.index = s->applied_index,
                                           .term = s->applied_term,
                                           .conf_state = raft_conf_state(s->raft)}};
    return ERR_OK;
}

static void give_up(struct server *s, struct snapshot_job *job)
{
    s->snapshots_out--;
    raft_report_snapshot(s->raft, job->message.to, false);
    raft_message_fini(&job->message);
    free(job);
}

/* Make the message fit the file. */
static void fill(struct snapshot_job *job)
{
    AUTO(buf) struct buf json = BUF_INIT;
    struct raft_snapshot *snap = job->message.snapshot;
    cluster_add_v2_json(job->spool.cluster, &json);
    snap->meta.index = job->spool.index;
    snap->meta.term = job->spool.term;
    raft_conf_state_fini(&snap->meta.conf_state);
    snap->meta.conf_state = conf_state_of(job->spool.cluster);
    blob_unref(snap->data);
    snap->data = blob_dup(buf_slice(&json));
}

/* Member thread: it is spooled. */
static void spooled(struct server *s, struct server_task *t)
{
    struct snapshot_job *job = CONTAINER_OF(t, struct snapshot_job, task);
    if (job->err == ERR_OK && (atomic_load(&s->stopping) || !raft_is_leader(s->raft))) {
        close(job->spool.fd);
        job->err = ERR_STOPPED;
    } else if (job->err != ERR_OK && job->err != ERR_CLOSED) {
        log_warn("a snapshot for a member could not be made", LOG_ID("to", job->message.to),
                 LOG_STR("error", job->why.text));
    }
    if (job->err == ERR_OK) {
        fill(job);
        log_info("sending database snapshot", LOG_ID("local-member-id", s->id),
                 LOG_ID("to", job->message.to), LOG_UINT("snapshot-index", job->spool.index),
                 LOG_UINT("bytes", job->spool.size));
        s->transport->ops->send_snapshot(s->transport, &job->message, job->spool.fd,
                                         job->spool.size);
    }
    cluster_free(job->spool.cluster);
    if (job->err != ERR_OK)
        give_up(s, job);
    else
        free(job); /* snapshot_sent() follows */
}

/* Keeper thread. */
static void spool(struct server *s, struct server_task *t)
{
    struct snapshot_job *job = CONTAINER_OF(t, struct snapshot_job, task);
    job->err = keeper_spool(s, &job->spool, &job->why);
    job->task.run = spooled;
    mailbox_post(s->inbox, &job->task.link);
}

void snapshot_send(struct server *s, struct raft_message *m)
{
    struct snapshot_job *job = xcalloc(1, sizeof *job);
    job->task.run = spool;
    job->message = *m;
    *m = (struct raft_message){.type = RAFT_MSG_HUP};
    if (s->snapshots_out++ == 0)
        s->hold_entries_from = s->applied_index;
    log_info("a member needs a snapshot", LOG_ID("to", job->message.to));
    mailbox_post(s->keeper_inbox, &job->task.link);
}

void snapshot_sent(struct server *s, member_id id, bool ok)
{
    invariant(s->snapshots_out > 0);
    s->snapshots_out--;
    if (ok)
        s->hold_entries_until = s->now + HOLD_ENTRIES_MS;
    raft_report_snapshot(s->raft, id, ok);
}
