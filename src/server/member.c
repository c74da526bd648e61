/* server/member.c -- the member thread: the one place where replicated state changes.
 *
 * A round: take all that came in; propose what is to be proposed in one go; let raft say what is to
 * be written, sent and applied; apply; answer; do what is due. Nothing here waits but for messages.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum {
    TICKS_MAX = 10,      /* made up for after a pause */
    REMOVED_END_MS = 1000, /* from the removal to the end */
    READ_RETRY_MS = 500, /* until a read index is asked for again */
    CACHE_BYTES_MAX = 64 * 1024 * 1024, /* of entries in memory that are applied already */
    CACHE_BYTES_SENDING = 256 * 1024 * 1024, /* while a member is sent a snapshot */
    PROPOSE_BYTES_MAX = 1024 * 1024, /* proposed in one go; one call always fits */
    FORWARD_BYTES_MAX = 4 * 1024 * 1024, /* on their way to the leader; a transport queues as much */
};

msec member_request_timeout(const struct server *s)
{
    return 5000 + 2 * (msec)s->cfg->election_timeout_ms;
}

/* ---- answers ---------------------------------------------------------------------------- */

static void reply_run(struct loop_msg *m)
{
    struct server_call *call = CONTAINER_OF(m, struct server_call, reply);
    call->done(call);
}

void client_post(struct server_client *c, struct loop_msg *msg)
{
    list_add_tail(&c->outbox, &msg->link);
}

void call_answer(struct server *s, struct server_call *call, enum err e, struct blob *response)
{
    (void)s;
    list_unlink(&call->task.link);
    blob_unref(call->entry);
    call->entry = NULL;
    if (call->response != response)
        blob_unref(call->response);
    call->err = e;
    call->response = response;
    call->reply.run = reply_run;
    client_post(call->client, &call->reply);
}

void call_answer_pb(struct server *s, struct server_call *call, ProtobufCMessage *response)
{
    Etcdserverpb__ResponseHeader **header =
        (Etcdserverpb__ResponseHeader **)(void *)(response + 1);
    Etcdserverpb__ResponseHeader own = header_make(s, published_revision(s));
    if (*header == NULL) {
        *header = &own;
    } else {
        (*header)->cluster_id = own.cluster_id;
        (*header)->member_id = own.member_id;
        (*header)->raft_term = own.raft_term;
    }
    struct blob *b = message_blob(response);
    if (*header == &own)
        *header = NULL;
    call_answer(s, call, ERR_OK, b);
}

static void post_replies(struct server *s)
{
    while (!list_is_empty(&s->self->outbox)) { /* answers to other members */
        struct loop_msg *m = LIST_ENTRY(s->self->outbox.next, struct loop_msg, link);
        list_unlink(&m->link);
        m->run(m);
    }
    for (size_t i = 0; i < s->n_clients; i++)
        if (!list_is_empty(&s->clients[i]->outbox))
            loop_post_list(s->clients[i]->loop, &s->clients[i]->outbox);
}

static void fail_list(struct server *s, struct list *l, enum err e)
{
    struct server_call *call;
    LIST_FOREACH (call, l, struct server_call, task.link)
        call_answer(s, call, e, NULL);
}

static void fail_all(struct server *s, enum err e)
{
    struct list *all[] = {&s->timeouts,       &s->applied_calls,  &s->reads,
                          &s->reads_confirmed, &s->compact_waiters, &s->defrag_waiters,
                          &s->batch_calls,    &s->transfers};
    for (size_t i = 0; i < s->pending.mask + 1 && s->pending.bucket != NULL; i++)
        s->pending.bucket[i] = NULL;
    metric_add(&metric_proposals_failed, (int64_t)s->pending.n);
    s->pending.n = s->pending.bytes = 0;
    pending_forget_forwarded(&s->pending);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        fail_list(s, all[i], e);
    forward_fail_all(s, e);
}

void member_was_removed(struct server *s, member_id by)
{
    if (s->removed)
        return;
    s->removed = true;
    s->end_at = by != 0 ? s->now : s->now + REMOVED_END_MS;
    log_warn("the member has been permanently removed from the cluster",
             LOG_MESSAGE(MSG_REMOVED_SELF), LOG_ID("local-member-id", s->id), LOG_ID("told-by", by),
             LOG_STR("action", "the data directory of this member must be removed before it can "
                               "join again"));
}

/* After a while in which the others may still be told. */
static void end_if_removed(struct server *s)
{
    if (!s->removed || s->now < s->end_at || atomic_exchange(&s->failed, true))
        return;
    fail_all(s, ERR_STOPPED);
    s->events.fatal(s->events.arg, 0, err_text(ERR_REMOVED));
}

void member_fail(struct server *s, const char *what, const char *text)
{
    if (atomic_exchange(&s->failed, true))
        return;
    log_fatal(what, LOG_MESSAGE(MSG_MEMBER_FAILED), LOG_STR("error", text),
              LOG_STR("action", "the member stops; nothing is acknowledged any more; mend the "
                                "cause and start it again"));
    fail_all(s, ERR_STOPPED);
    s->events.fatal(s->events.arg, 1, text);
}

/* ---- proposals -------------------------------------------------------------------------- */

void member_propose_entry(struct server *s, struct blob *data)
{
    raft_entries_add(&s->batch, &(struct raft_entry){.data = data}, 1);
    blob_unref(data);
}

void member_propose(struct server *s, Etcdserverpb__InternalRaftRequest *req)
{
    if (!version_allows(s, req))
        return;
    Etcdserverpb__RequestHeader header = ETCDSERVERPB__REQUEST_HEADER__INIT;
    header.id = atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed);
    req->header = &header;
    member_propose_entry(s, entry_encode(req));
    req->header = NULL;
}

static void proposal_failed(struct server *s, struct server_call *call, enum err e)
{
    pending_take(&s->pending, call->id);
    metric_add(&metric_proposals_failed, 1);
    call_answer(s, call, e, NULL);
}

/* The leader gets no more from us than it can take: what has no answer yet counts, but only while
 * this leader leads, and not for ever, as a message may be lost. */
static bool may_propose(struct server *s)
{
    if (raft_leader(s->raft) == 0 || raft_transferee(s->raft) != 0)
        return false;
    if (s->propose_term != raft_current_term(s->raft) ||
        s->now - s->last_propose > (msec)s->cfg->election_timeout_ms)
        pending_forget_forwarded(&s->pending);
    s->propose_term = raft_current_term(s->raft);
    return raft_is_leader(s->raft) || s->pending.forwarded < FORWARD_BYTES_MAX;
}

/* What the server proposes by itself, and as many of the calls as one message may well hold. */
static void propose_some(struct server *s)
{
    struct list calls;
    struct server_call *call;
    size_t bytes = 0;
    list_init(&calls);
    LIST_FOREACH (call, &s->batch_calls, struct server_call, task.link) {
        if (bytes != 0 && bytes + call->entry->n > PROPOSE_BYTES_MAX)
            break;
        bytes += call->entry->n;
        raft_entries_add(&s->batch, &(struct raft_entry){.type = (enum raft_entry_type)
                                                             call->entry_type,
                                                         .data = call->entry}, 1);
        list_unlink(&call->task.link);
        list_add_tail(&calls, &call->task.link);
    }
    enum err e = raft_propose(s->raft, s->batch.v, s->batch.n);
    LIST_FOREACH (call, &calls, struct server_call, task.link)
        if (e == ERR_OK)
            pending_forwarded(&s->pending, call);
        else
            proposal_failed(s, call, ERR_TOO_MANY_REQUESTS);
    list_splice_tail(&s->timeouts, &calls);
    raft_entries_cut(&s->batch, 0);
    s->last_propose = s->now;
}

/* While nobody leads, or the leader is handing over, proposals wait: most elections are over before
 * a call's time is. */
static void propose_all(struct server *s)
{
    while ((s->batch.n != 0 || !list_is_empty(&s->batch_calls)) && may_propose(s))
        propose_some(s);
}

/* Why did a call that came at `start` find no majority in time? In upstream's words. */
static enum err timeout_reason(struct server *s, msec start)
{
    msec lost = s->leader_since - 2 * (msec)s->cfg->election_timeout_ms;
    member_id leader = raft_leader(s->raft);
    if (start > lost && start < s->leader_since)
        return ERR_TIMEOUT_LEADER_FAIL;
    if (leader == 0)
        return ERR_TIMEOUT;
    bool connected = leader == s->id ? network_has_quorum_since(s, start)
                                     : network_is_active_since(s, leader, start);
    return connected ? ERR_TIMEOUT : ERR_TIMEOUT_CONN_LOST;
}

static void expire_calls(struct server *s)
{
    struct list *proposals[] = {&s->timeouts, &s->batch_calls};
    struct server_call *call;
    for (size_t i = 0; i < ARRAY_LEN(proposals); i++)
        LIST_FOREACH (call, proposals[i], struct server_call, task.link) {
            if (call->deadline > s->now)
                break;
            proposal_failed(s, call,
                            timeout_reason(s, call->deadline - member_request_timeout(s)));
        }
    LIST_FOREACH (call, &s->reads, struct server_call, task.link) {
        if (call->deadline > s->now)
            break;
        s->read_round = 0; /* it was lost: those that came later ask anew */
        metric_add(&metric_read_failed, 1);
        call_answer(s, call, ERR_TIMEOUT, NULL);
    }
    LIST_FOREACH (call, &s->reads_confirmed, struct server_call, task.link) {
        if (call->deadline > s->now)
            break;
        metric_add(&metric_read_failed, 1);
        call_answer(s, call, ERR_TIMEOUT_WAIT_APPLIED, NULL);
    }
}

/* ---- raft ------------------------------------------------------------------------------- */

/* What was asked of the leader before may never be answered. */
static void fail_asked_reads(struct server *s)
{
    struct server_call *call;
    if (s->read_term == raft_current_term(s->raft))
        return; /* it was asked of this one */
    LIST_FOREACH (call, &s->reads, struct server_call, task.link)
        if (s->read_round != 0 && call->id == s->read_round) {
            metric_add(&metric_read_failed, 1);
            call_answer(s, call, ERR_LEADER_CHANGED, NULL);
        }
    s->read_round = 0;
}

static void on_new_leader(struct server *s, member_id leader)
{
    member_id before = atomic_load(&s->leader);
    if (leader != 0) {
        metric_add(&metric_leader_changes, 1);
        s->leader_since = s->now;
        fail_asked_reads(s);
    }
    if (leader == 0)
        log_warn("lost the leader", LOG_MESSAGE(MSG_LEADER_LOST),
                 LOG_ID("local-member-id", s->id), LOG_ID("lost-leader", before),
                 LOG_UINT("term", raft_current_term(s->raft)));
    else if (leader != s->id)
        log_info("found a leader", LOG_MESSAGE(MSG_LEADER_ELECTED),
                 LOG_ID("local-member-id", s->id), LOG_ID("leader", leader),
                 LOG_UINT("term", raft_current_term(s->raft)));
}

static void on_soft_state(struct server *s, const struct raft_soft_state *soft)
{
    bool leads = soft->role == RAFT_LEADER;
    if (leads != atomic_load(&s->leads)) {
        log_info(leads ? "became leader" : "lost leadership",
                 LOG_MESSAGE(leads ? MSG_LEADER_ELECTED : MSG_LEADER_LOST),
                 LOG_ID("local-member-id", s->id),
                 LOG_UINT("term", raft_current_term(s->raft)));
        if (!leads)
            lessor_demote(s->lessor);
    }
    if (soft->leader != atomic_load(&s->leader))
        on_new_leader(s, soft->leader);
    atomic_store(&s->leads, leads);
    atomic_store(&s->leader, soft->leader);
}

static void take_read_states(struct server *s)
{
    for (size_t i = 0; i < s->ready.n_read_states; i++) {
        struct slice ctx = blob_slice(s->ready.read_states[i].ctx);
        if (ctx.n != 8 || be64_get(ctx.p) != s->read_round)
            continue;
        s->read_round = 0;
        struct server_call *call;
        LIST_FOREACH (call, &s->reads, struct server_call, task.link)
            if (call->id == be64_get(ctx.p)) {
                call->id = s->ready.read_states[i].index; /* from now on: the index to wait for */
                list_unlink(&call->task.link);
                list_add_tail(&s->reads_confirmed, &call->task.link);
            }
    }
}

/* All reads that have come while a round was under way share the next one. A round without an answer
 * is asked again after a while: its message may be lost. */
static void ask_read_index(struct server *s)
{
    struct server_call *call;
    uint8_t ctx[8];
    if (list_is_empty(&s->reads) || raft_leader(s->raft) == 0)
        return;
    if (s->read_round != 0 && s->now < s->next_read_ask)
        return;
    if (s->read_round != 0) {
        metric_add(&metric_slow_reads, 1);
    } else {
        s->read_round = atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed);
        LIST_FOREACH (call, &s->reads, struct server_call, task.link)
            call->id = s->read_round;
    }
    be64_put(ctx, s->read_round);
    s->read_term = raft_current_term(s->raft);
    raft_read_index(s->raft, slice_make(ctx, sizeof ctx));
    s->next_read_ask = s->now + READ_RETRY_MS;
}

static void run_raft(struct server *s)
{
    while (!atomic_load(&s->failed) && raft_has_ready(s->raft)) {
        struct raft_ready *rd = &s->ready;
        raft_ready(s->raft, rd);
        if (rd->has_soft_state)
            on_soft_state(s, &rd->soft_state);
        atomic_store_explicit(&s->term, raft_current_term(s->raft), memory_order_relaxed);
        take_read_states(s);
        if (rd->snapshot.meta.index != 0)
            entry_cache_reset(&s->cache, rd->snapshot.meta.index, rd->snapshot.meta.term);
        entry_cache_add(&s->cache, rd->entries.v, rd->entries.n);
        network_send(s, &rd->messages);
        log_append(s, rd);
        if (rd->snapshot.meta.index != 0)
            restore_begin(s, rd);
        if (rd->committed.n != 0 && !atomic_load(&s->failed)) {
            member_apply(s, rd->committed.v, rd->committed.n);
            raft_applied(s->raft, s->applied_index);
            member_trim(s);
            member_progress(s, "applying the log: entry", s->applied_index);
        }
    }
    restore_drop_unused(s);
    atomic_store_explicit(&s->committed, raft_committed(s->raft), memory_order_relaxed);
    atomic_store_explicit(&s->read_local,
                          atomic_load(&s->leads) && raft_single_voter(s->raft) &&
                              raft_committed_in_term(s->raft),
                          memory_order_release);
}

/* ---- what raft can read back --------------------------------------------------------------- */

/* The lowest index that an active follower has, if we lead. */
static raft_index slowest_follower(const struct server *s)
{
    raft_index lowest = s->applied_index;
    for (size_t i = 0; raft_is_leader(s->raft) && i < raft_progress_count(s->raft); i++) {
        struct raft_progress_info p;
        raft_progress_at(s->raft, i, &p);
        if (p.recent_active && p.state != RAFT_SNAPSHOT && p.match < lowest)
            lowest = p.match;
    }
    return lowest;
}

/* Alone, nobody asks for what is applied. Else a part stays, so that a member that was away for a
 * moment needs no snapshot: as many entries as configured, and more for those that are just being
 * served, as far as memory allows. */
void member_trim(struct server *s)
{
    raft_index to = s->applied_index;
    if (cluster_size(s->cluster) > 1) {
        bool sending = s->snapshots_out != 0 || s->now < s->hold_entries_until;
        raft_index keep = s->cfg->snapshot_catchup_entries;
        raft_index oldest = s->applied_index > keep ? s->applied_index - keep : 0;
        raft_index slowest = slowest_follower(s);
        to = oldest < slowest ? oldest : slowest;
        if (sending && s->hold_entries_from < to)
            to = s->hold_entries_from;
        raft_index excess = entry_cache_excess(
            &s->cache, sending ? CACHE_BYTES_SENDING : CACHE_BYTES_MAX, s->applied_index);
        if (to < excess)
            to = excess;
    }
    entry_cache_trim(&s->cache, to);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Nobody hears of what a disk that hangs would have to confirm: another one had better lead. */
static void watch_disk(struct server *s)
{
    msec timeout = (msec)s->cfg->election_timeout_ms;
    msec waits = s->log_in_flight != 0 && s->restore == NULL ? s->now - s->log_progress : 0;
    bool hangs = waits >= timeout && !raft_single_voter(s->raft);
    if (hangs && !s->disk_hangs)
        log_error("the disk of the log does not answer", LOG_MESSAGE(MSG_DISK_HANGS),
                  LOG_MS("waiting", waits),
                  LOG_STR("action", atomic_load(&s->leads) ? "another member is to lead"
                                                           : "this member waits for it"));
    else if (!hangs && s->disk_hangs)
        log_info("the disk of the log answers again");
    if (hangs && !s->disk_hangs && raft_is_leader(s->raft))
        raft_transfer_leader(s->raft, member_best_successor(s));
    if (hangs && waits >= timeout * 3 / 2)
        raft_step_down(s->raft);
    s->disk_hangs = hangs;
}

/* The first election need not wait for the whole time-out once a majority is there. */
static void advance_ticks(struct server *s)
{
    if (s->ticks_advanced || !s->cfg->initial_election_tick_advance)
        return;
    if (raft_leader(s->raft) == 0 && !network_has_quorum_since(s, s->now + 1))
        return;
    s->ticks_advanced = true;
    for (uint64_t i = 1; i < s->cfg->election_timeout_ms / s->cfg->heartbeat_interval_ms; i++)
        if (raft_leader(s->raft) == 0)
            raft_tick(s->raft);
}

static void run_ticks(struct server *s)
{
    msec tick = (msec)s->cfg->heartbeat_interval_ms;
    if (s->now >= s->next_tick) {
        watch_disk(s);
        advance_ticks(s);
        network_release_answer(s);
    }
    for (int i = 0; s->now >= s->next_tick && i < TICKS_MAX; i++) {
        if (!s->disk_hangs || raft_is_leader(s->raft)) /* it could not even vote for itself */
            raft_tick(s->raft);
        s->next_tick += tick;
    }
    summary_run(s);
    if (s->next_tick <= s->now)
        s->next_tick = s->now + tick;
}

/* ---- the round ---------------------------------------------------------------------------- */

static void run_messages(struct server *s, struct list *msgs)
{
    while (!list_is_empty(msgs)) {
        struct server_task *t = LIST_ENTRY(msgs->next, struct server_task, link);
        list_unlink(&t->link);
        t->run(s, t);
    }
}

/* Do what the messages of this round led to. Return when the next round is due at the latest. */
static msec work(struct server *s)
{
    if (atomic_load(&s->failed)) {
        handover_run(s); /* nobody need wait for it */
        return MSEC_NEVER;
    }
    propose_all(s);
    ask_read_index(s);
    run_ticks(s);
    run_raft(s);
    if (atomic_load(&s->failed))
        return MSEC_NEVER;
    reads_serve(s);
    expire_calls(s);
    transfer_run(s);
    forward_run(s);
    handover_run(s);
    network_report_waiting(s);
    end_if_removed(s);
    if (atomic_load(&s->failed))
        return MSEC_NEVER;
    msec due = upkeep_run(s);
    propose_all(s); /* what upkeep proposed, and what an election held up */
    ask_read_index(s);
    run_raft(s);
    return due < s->next_tick ? due : s->next_tick;
}

void member_begin(struct server *s)
{
    s->now = clock_now_ms();
    s->next_tick = s->now + (msec)s->cfg->heartbeat_interval_ms;
    atomic_store(&s->is_learner, raft_is_learner(s->raft, s->id));
    run_raft(s); /* applies the configuration that a new log begins with */
    if (raft_single_voter(s->raft))
        raft_campaign(s->raft);
}

msec server_round(struct server *s)
{
    struct list msgs;
    list_init(&msgs);
    mailbox_take(s->inbox, &msgs, 0);
    s->now = clock_now_ms();
    run_messages(s, &msgs);
    msec due = work(s);
    post_replies(s);
    return due;
}

void member_end(struct server *s)
{
    fail_all(s, ERR_STOPPED);
    post_replies(s);
}

void *member_main(void *arg)
{
    struct server *s = arg;
    struct list msgs;
    list_init(&msgs);
    while (run_messages(s, &msgs), !s->stop_now) {
        msec due = work(s);
        post_replies(s);
        loop_flush(s->loop); /* before it sleeps */
        mailbox_take_in_loop(s->inbox, s->loop, &msgs, due);
        s->now = clock_now_ms();
    }
    member_end(s);
    return NULL;
}
