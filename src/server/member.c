/* server/member.c -- the member thread: the one place where replicated state changes.
 *
 * A round: take all that came in; propose what is to be proposed in one go; let raft say what is to
 * be written, sent and applied; apply; answer; do what is due. Nothing here waits but for messages.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "server/metrics_priv.h"
#include "server/server_priv.h"

enum { TICKS_MAX = 10 }; /* made up for after a pause */

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
    struct blob *b = blob_new(protobuf_c_message_get_packed_size(response));
    protobuf_c_message_pack(response, b->p);
    if (*header == &own)
        *header = NULL;
    call_answer(s, call, ERR_OK, b);
}

static void post_replies(struct server *s)
{
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
                          &s->batch_calls};
    for (size_t i = 0; i < s->pending.mask + 1 && s->pending.bucket != NULL; i++)
        s->pending.bucket[i] = NULL;
    metric_add(&metric_proposals_failed, (int64_t)s->pending.n);
    s->pending.n = s->pending.bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        fail_list(s, all[i], e);
}

void member_fail(struct server *s, const char *what, const char *text)
{
    if (atomic_exchange(&s->failed, true))
        return;
    log_fatal(what, LOG_STR("error", text), LOG_STR("action", "the member stops; nothing is "
              "acknowledged any more; mend the cause and start it again"));
    fail_all(s, ERR_STOPPED);
    s->events.fatal(s->events.arg, 1, text);
}

/* ---- proposals -------------------------------------------------------------------------- */

void member_propose(struct server *s, Etcdserverpb__InternalRaftRequest *req)
{
    Etcdserverpb__RequestHeader header = ETCDSERVERPB__REQUEST_HEADER__INIT;
    header.id = atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed);
    req->header = &header;
    struct raft_entry e = {.data = entry_encode(req)};
    raft_entries_add(&s->batch, &e, 1);
    blob_unref(e.data);
    req->header = NULL;
}

static void proposal_failed(struct server *s, struct server_call *call, enum err e)
{
    pending_take(&s->pending, call->id);
    metric_add(&metric_proposals_failed, 1);
    call_answer(s, call, e, NULL);
}

static void propose_batch(struct server *s)
{
    if (s->batch.n == 0)
        return;
    enum err e = raft_propose(s->raft, s->batch.v, s->batch.n);
    if (e == ERR_OK) {
        list_splice_tail(&s->timeouts, &s->batch_calls);
    } else {
        struct server_call *call;
        e = raft_leader(s->raft) == 0 ? ERR_NO_LEADER : ERR_TOO_MANY_REQUESTS;
        LIST_FOREACH (call, &s->batch_calls, struct server_call, task.link)
            proposal_failed(s, call, e);
    }
    raft_entries_cut(&s->batch, 0);
}

static void expire_calls(struct server *s)
{
    struct server_call *call;
    LIST_FOREACH (call, &s->timeouts, struct server_call, task.link) {
        if (call->deadline > s->now)
            break;
        proposal_failed(s, call, ERR_TIMEOUT);
    }
    LIST_FOREACH (call, &s->reads, struct server_call, task.link) {
        if (call->deadline > s->now)
            break;
        s->read_round = 0; /* it was lost: those that came later ask anew */
        metric_add(&metric_read_failed, 1);
        call_answer(s, call, ERR_TIMEOUT, NULL);
    }
}

/* ---- raft ------------------------------------------------------------------------------- */

static void on_soft_state(struct server *s, const struct raft_soft_state *soft)
{
    bool leads = soft->role == RAFT_LEADER;
    if (leads != atomic_load(&s->leads)) {
        log_info(leads ? "became leader" : "lost leadership", LOG_ID("local-member-id", s->id),
                 LOG_UINT("term", raft_current_term(s->raft)));
        if (!leads)
            lessor_demote(s->lessor);
    }
    if (soft->leader != 0 && soft->leader != atomic_load(&s->leader))
        metric_add(&metric_leader_changes, 1);
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

/* All reads that have come while a round was under way share the next one. */
static void ask_read_index(struct server *s)
{
    if (s->read_round != 0 || list_is_empty(&s->reads))
        return;
    s->read_round = atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed);
    struct server_call *call;
    LIST_FOREACH (call, &s->reads, struct server_call, task.link)
        call->id = s->read_round;
    uint8_t ctx[8];
    be64_put(ctx, s->read_round);
    raft_read_index(s->raft, slice_make(ctx, sizeof ctx));
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
        entry_cache_add(&s->cache, rd->entries.v, rd->entries.n);
        log_append(s, rd);
        if (rd->committed.n != 0 && !atomic_load(&s->failed)) {
            member_apply(s, rd->committed.v, rd->committed.n);
            raft_applied(s->raft, s->applied_index);
            entry_cache_trim(&s->cache, s->applied_index);
        }
    }
    atomic_store_explicit(&s->committed, raft_committed(s->raft), memory_order_relaxed);
    atomic_store_explicit(&s->read_local,
                          atomic_load(&s->leads) && raft_single_voter(s->raft) &&
                              raft_committed_in_term(s->raft),
                          memory_order_release);
}

static void run_ticks(struct server *s)
{
    msec tick = (msec)s->cfg->heartbeat_interval_ms;
    for (int i = 0; s->now >= s->next_tick && i < TICKS_MAX; i++) {
        raft_tick(s->raft);
        s->next_tick += tick;
    }
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
    if (atomic_load(&s->failed))
        return MSEC_NEVER;
    propose_batch(s);
    ask_read_index(s);
    run_ticks(s);
    run_raft(s);
    if (atomic_load(&s->failed))
        return MSEC_NEVER;
    reads_serve(s);
    expire_calls(s);
    msec due = upkeep_run(s);
    propose_batch(s); /* what upkeep proposed */
    run_raft(s);
    upkeep_publish(s);
    if (s->batch.n != 0)
        return 0;
    return due < s->next_tick ? due : s->next_tick;
}

void *member_main(void *arg)
{
    struct server *s = arg;
    struct list msgs;
    list_init(&msgs);
    s->now = clock_now_ms();
    s->next_tick = s->now + (msec)s->cfg->heartbeat_interval_ms;
    run_raft(s); /* applies the configuration that a new log begins with */
    if (raft_single_voter(s->raft))
        raft_campaign(s->raft);
    while (run_messages(s, &msgs), !s->stop_now) {
        msec due = work(s);
        post_replies(s);
        mailbox_take(s->inbox, &msgs, due);
        s->now = clock_now_ms();
    }
    fail_all(s, ERR_STOPPED);
    post_replies(s);
    return NULL;
}
