/* server/drive.c -- the threads' work, a round at a time, for whoever drives a member by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/drive.h"

#include "server/server_priv.h"

bool server_log_round(struct server *s)
{
    struct list jobs;
    list_init(&jobs);
    if (!mailbox_take(s->log_inbox, &jobs, 0))
        return false;
    log_run(s, &jobs);
    return true;
}

bool server_keeper_round(struct server *s)
{
    struct list tasks;
    list_init(&tasks);
    if (!mailbox_take(s->keeper_inbox, &tasks, 0))
        return false;
    keeper_run(s, &tasks);
    return true;
}

bool server_has_mail(struct server *s)
{
    return !mailbox_is_empty(s->inbox);
}

bool server_log_has_mail(struct server *s)
{
    return !mailbox_is_empty(s->log_inbox);
}

bool server_keeper_has_mail(struct server *s)
{
    return !mailbox_is_empty(s->keeper_inbox);
}

void server_shut(struct server *s)
{
    atomic_store(&s->stopping, true);
    do {
        server_round(s);
    } while (server_keeper_round(s) || server_log_round(s) || server_has_mail(s));
    member_end(s);
}
