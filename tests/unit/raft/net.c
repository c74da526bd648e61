/* tests/unit/raft/net.c -- a cluster in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include "dd.h"
#include "raft/conf_codec.h"
#include "raft/raft_priv.h"

/* ---- what is known of the whole ---------------------------------------------------------- */

static void note_leader(struct net *net, const struct raft *r)
{
    size_t term = (size_t)raft_current_term(r);
    if (!raft_is_leader(r))
        return;
    if (term >= net->n_leaders) {
        net->leaders = xrealloc(net->leaders, (term + 1) * sizeof *net->leaders);
        memset(net->leaders + net->n_leaders, 0,
               (term + 1 - net->n_leaders) * sizeof *net->leaders);
        net->n_leaders = term + 1;
    }
    if (net->leaders[term] == raft_id(r))
        return;
    invariant(net->leaders[term] == 0); /* election safety */
    net->leaders[term] = raft_id(r);
    for (raft_index i = log_first_index(&r->log); i < net->n_history; i++) {
        if (net->history[i].hash != 0) /* leader completeness */
            invariant(log_matches(&r->log, i, net->history[i].term));
    }
}

static void note_applied(struct net *net, const struct machine *m)
{
    if (m->applied >= net->n_history) {
        size_t n = (size_t)m->applied + 1024;
        net->history = xrealloc(net->history, n * sizeof *net->history);
        memset(net->history + net->n_history, 0, (n - net->n_history) * sizeof *net->history);
        net->n_history = n;
    }
    if (net->history[m->applied].hash == 0) {
        net->history[m->applied].hash = m->hash;
        net->history[m->applied].term = m->term;
    }
    invariant(net->history[m->applied].hash == m->hash); /* state machine safety */
}

static void check(struct net *net, struct node *n)
{
    if (n->r == NULL)
        return;
    raft_check(n->r);
    note_leader(net, n->r);
}

void net_check_logs(struct net *net)
{
    for (size_t a = 0; a < net->n; a++) {
        for (size_t b = a + 1; b < net->n; b++) {
            struct memlog *x = &net->nodes[a].disk, *y = &net->nodes[b].disk;
            raft_index lo = x->base > y->base ? x->base : y->base;
            raft_index hi = memlog_last(x) < memlog_last(y) ? memlog_last(x) : memlog_last(y);
            bool same = false; /* from here down */
            for (raft_index i = hi; i > lo; i--) {
                const struct raft_entry *p = &x->entries.v[i - x->base - 1];
                const struct raft_entry *q = &y->entries.v[i - y->base - 1];
                same |= p->term == q->term;
                if (same)
                    invariant(p->term == q->term &&
                              slice_eq(blob_slice(p->data), blob_slice(q->data)));
            }
        }
    }
}

/* ---- machines ---------------------------------------------------------------------------- */

static void machine_copy(struct machine *to, const struct machine *from)
{
    raft_conf_state_fini(&to->cs);
    *to = *from;
    to->cs = raft_conf_state_copy(&from->cs);
}

static uint64_t hash_add(uint64_t hash, const struct raft_entry *e)
{
    struct rng mix = {hash ^ e->index * 31 ^ e->term};
    for (size_t i = 0; i < raft_entry_payload(e); i++)
        mix.state = mix.state * 33 + e->data->p[i];
    return rng_next(&mix) | 1;
}

static void apply_conf_change(struct node *n, const struct raft_entry *e)
{
    struct raft_conf_change cc;
    enum err err = raft_conf_change_decode(e->type, blob_slice(e->data), &cc);
    invariant(err == ERR_OK);
    raft_conf_state_fini(&n->now.cs);
    if (raft_apply_conf_change(n->r, &cc, &n->now.cs) != ERR_OK) {
        /* The change does not fit: all members refuse it alike. */
        err = raft_apply_conf_change(n->r, NULL, &n->now.cs);
        invariant(err == ERR_OK);
    }
    raft_conf_change_fini(&cc);
}

static void apply_entry(struct net *net, struct node *n, const struct raft_entry *e)
{
    invariant(e->index == n->now.applied + 1);
    n->now.applied = e->index;
    n->now.term = e->term;
    n->now.hash = hash_add(n->now.hash, e);
    if (e->type != RAFT_ENTRY_NORMAL)
        apply_conf_change(n, e);
    note_applied(net, &n->now);
}

static struct raft_snapshot machine_snapshot(const struct machine *m)
{
    struct raft_snapshot s = {
        .meta = {m->applied, m->term, raft_conf_state_copy(&m->cs)},
        .data = blob_new(8),
    };
    be64_put(s.data->p, m->hash);
    return s;
}

static void machine_restore(struct machine *m, const struct raft_snapshot *s)
{
    raft_conf_state_fini(&m->cs);
    *m = (struct machine){
        .applied = s->meta.index,
        .term = s->meta.term,
        .hash = be64_get(s->data->p),
        .cs = raft_conf_state_copy(&s->meta.conf_state),
    };
}

/* ---- nodes ------------------------------------------------------------------------------- */

struct raft_options net_options(void)
{
    return (struct raft_options){
        .election_tick = 10,
        .heartbeat_tick = 1,
        .max_size_per_msg = RAFT_NO_LIMIT,
        .max_inflight_msgs = 256,
        .seed = 1,
    };
}

static void node_start(struct net *net, struct node *n)
{
    struct raft_options o = net->options;
    o.id = n->id;
    o.seed = net->seed + n->id * 1000;
    net->seed++;
    o.log = memlog_reader(&n->disk);
    o.applied = n->kept.applied;
    machine_copy(&n->now, &n->kept);
    enum err e = raft_new(&o, &n->disk.hs, &n->kept.cs, &n->r);
    invariant(e == ERR_OK);
    check(net, n);
}

static struct node *add_node(struct net *net)
{
    invariant(net->n < NET_NODES_MAX);
    struct node *n = &net->nodes[net->n++];
    n->id = net->n;
    return n;
}

struct net *net_new(size_t voters, size_t learners, const struct raft_options *options)
{
    struct net *net = xcalloc(1, sizeof *net);
    net->options = options ? *options : net_options();
    net->seed = net->options.seed;
    struct machine first = {.applied = 1, .term = 1, .hash = 1};
    for (size_t i = 1; i <= voters + learners; i++)
        raft_ids_add(i <= voters ? &first.cs.voters : &first.cs.learners, i);
    for (size_t i = 0; i < voters + learners; i++) {
        struct node *n = add_node(net);
        machine_copy(&n->kept, &first);
        struct raft_snapshot s = machine_snapshot(&first);
        memlog_restore(&n->disk, &s);
        raft_snapshot_fini(&s);
        n->disk.hs = (struct raft_hard_state){.term = 1, .commit = 1};
        node_start(net, n);
    }
    note_applied(net, &first);
    raft_conf_state_fini(&first.cs);
    return net;
}

void net_add(struct net *net)
{
    node_start(net, add_node(net));
}

static void readies_drop(struct ready_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        raft_ready_fini(&l->v[i]);
    free(l->v);
    *l = (struct ready_list){0};
}

static void readies_add(struct ready_list *l, struct raft_ready rd)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof *l->v);
    l->v[l->n++] = rd;
}

static void readies_shift(struct ready_list *l)
{
    raft_ready_fini(&l->v[0]);
    l->n--;
    memmove(l->v, l->v + 1, l->n * sizeof *l->v);
}

static void reads_drop(struct node *n)
{
    for (size_t i = 0; i < n->n_reads; i++)
        blob_unref(n->reads[i].ctx);
    free(n->reads);
    n->reads = NULL;
    n->n_reads = 0;
}

static void node_stop(struct node *n)
{
    raft_free(n->r);
    n->r = NULL;
    readies_drop(&n->writes);
    readies_drop(&n->applies);
    n->n_acks = 0;
    reads_drop(n);
}

void net_free(struct net *net)
{
    for (size_t i = 0; i < net->n; i++) {
        struct node *n = &net->nodes[i];
        node_stop(n);
        memlog_fini(&n->disk);
        raft_conf_state_fini(&n->kept.cs);
        raft_conf_state_fini(&n->now.cs);
    }
    raft_messages_fini(&net->messages);
    free(net->history);
    free(net->leaders);
    free(net);
}

struct node *net_node(struct net *net, member_id id)
{
    invariant(id >= 1 && id <= net->n);
    return &net->nodes[id - 1];
}

struct raft *net_raft(struct net *net, member_id id)
{
    return net_node(net, id)->r;
}

/* ---- single steps ------------------------------------------------------------------------ */

static void post(struct net *net, struct raft_messages *l)
{
    for (size_t i = 0; i < l->n; i++)
        raft_messages_add(&net->messages, l->v[i]);
    l->n = 0;
}

static void keep_reads(struct node *n, struct raft_ready *rd)
{
    n->reads = xrealloc(n->reads, (n->n_reads + rd->n_read_states) * sizeof *n->reads);
    for (size_t i = 0; i < rd->n_read_states; i++)
        n->reads[n->n_reads++] = rd->read_states[i];
    rd->n_read_states = 0;
}

bool net_take(struct net *net, struct node *n)
{
    if (n->r == NULL || !raft_has_ready(n->r))
        return false;
    struct raft_ready rd = {0};
    raft_ready(n->r, &rd);
    post(net, &rd.messages);
    keep_reads(n, &rd);
    if (rd.committed.n != 0) {
        struct raft_ready batch = {0};
        batch.committed = rd.committed;
        rd.committed = (struct raft_entries){0};
        readies_add(&n->applies, batch);
    }
    readies_add(&n->writes, rd);
    check(net, n);
    return true;
}

bool net_write(struct net *net, struct node *n)
{
    if (n->r == NULL || n->writes.n == 0 || n->n_acks == ARRAY_LEN(n->acks))
        return false;
    struct raft_ready *rd = &n->writes.v[0];
    /* What is acknowledged up to here must be what the log will hold from now on. */
    memlog_persist(&n->disk, rd);
    if (rd->snapshot.meta.index != 0) {
        machine_restore(&n->now, &rd->snapshot);
        machine_copy(&n->kept, &n->now);
        readies_drop(&n->applies); /* of before the snapshot */
        note_applied(net, &n->now);
    }
    post(net, &rd->messages_after_persist);
    n->acks[n->n_acks++] = rd->number;
    readies_shift(&n->writes);
    return true;
}

bool net_ack(struct node *n, size_t i)
{
    if (n->r == NULL || i >= n->n_acks)
        return false;
    raft_persisted(n->r, n->acks[i]);
    raft_check(n->r);
    n->acks[i] = n->acks[--n->n_acks];
    return true;
}

bool net_apply(struct net *net, struct node *n)
{
    if (n->r == NULL || n->applies.n == 0)
        return false;
    struct raft_entries *l = &n->applies.v[0].committed;
    for (size_t i = 0; i < l->n; i++)
        apply_entry(net, n, &l->v[i]);
    readies_shift(&n->applies);
    raft_applied(n->r, n->now.applied);
    check(net, n);
    return true;
}

static struct raft_message take_message(struct net *net, size_t i)
{
    struct raft_message m = net->messages.v[i];
    net->messages.n--;
    memmove(&net->messages.v[i], &net->messages.v[i + 1],
            (net->messages.n - i) * sizeof *net->messages.v);
    return m;
}

static void report(struct net *net, const struct raft_message *m, bool ok)
{
    struct raft *r = net_raft(net, m->from);
    if (r == NULL)
        return;
    if (m->type == RAFT_MSG_SNAP)
        raft_report_snapshot(r, m->to, ok);
    else if (!ok && m->type == RAFT_MSG_APP)
        raft_report_unreachable(r, m->to);
    raft_check(r);
}

void net_deliver(struct net *net, size_t i)
{
    struct raft_message m = take_message(net, i);
    struct node *to = net_node(net, m.to);
    bool ok = to->r != NULL && !net->cut[m.from][m.to];
    if (ok) {
        enum err e = raft_step(to->r, &m);
        invariant(e == ERR_OK || e == ERR_PROPOSAL_DROPPED || e == ERR_STEP_PEER_NOT_FOUND);
        check(net, to);
    }
    report(net, &m, ok);
    raft_message_fini(&m);
}

void net_lose(struct net *net, size_t i)
{
    struct raft_message m = take_message(net, i);
    report(net, &m, false);
    raft_message_fini(&m);
}

void net_duplicate(struct net *net, size_t i)
{
    raft_messages_add(&net->messages, raft_message_copy(&net->messages.v[i]));
}

void net_tick(struct node *n)
{
    if (n->r == NULL)
        return;
    raft_tick(n->r);
    raft_check(n->r);
}

void net_checkpoint(struct node *n)
{
    if (n->r == NULL || n->now.applied <= n->kept.applied || n->now.applied < n->disk.base)
        return;
    /* The state may not be kept before the log that leads to it is. */
    if (n->now.applied > memlog_last(&n->disk))
        return;
    machine_copy(&n->kept, &n->now);
    raft_snapshot_fini(&n->disk.snapshot);
    n->disk.snapshot = machine_snapshot(&n->kept);
}

void net_compact(struct node *n)
{
    if (n->kept.applied > n->disk.base && n->kept.applied <= memlog_last(&n->disk) &&
        (n->r == NULL || n->r->log.snapshot == NULL))
        memlog_compact(&n->disk, n->kept.applied);
}

void net_crash(struct node *n)
{
    node_stop(n);
}

void net_restart(struct net *net, struct node *n)
{
    if (n->r == NULL)
        node_start(net, n);
}

/* ---- whole runs -------------------------------------------------------------------------- */

static bool settle_node_once(struct net *net, struct node *n)
{
    bool busy = net_take(net, n);
    while (net_write(net, n))
        busy = true;
    while (net_ack(n, 0))
        busy = true;
    while (net_apply(net, n))
        busy = true;
    check(net, n);
    return busy;
}

void net_settle_node(struct net *net, member_id id)
{
    while (settle_node_once(net, net_node(net, id))) {
    }
}

void net_settle(struct net *net)
{
    bool busy = true;
    while (busy) {
        busy = false;
        for (size_t i = 0; i < net->n; i++)
            busy |= settle_node_once(net, &net->nodes[i]);
        for (size_t n = net->messages.n; n > 0; n--) {
            busy = true;
            if (net->drop != NULL && net->drop(&net->messages.v[0]))
                net_lose(net, 0);
            else
                net_deliver(net, 0);
        }
    }
}

void net_ticks(struct net *net, member_id id, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        net_tick(net_node(net, id));
}

void net_elect(struct net *net, member_id id)
{
    raft_campaign(net_raft(net, id));
    net_settle(net);
    invariant(raft_is_leader(net_raft(net, id)));
}

void net_isolate(struct net *net, member_id id)
{
    for (size_t i = 1; i <= net->n; i++)
        net->cut[id][i] = net->cut[i][id] = true;
}

void net_heal(struct net *net)
{
    memset(net->cut, 0, sizeof net->cut);
}

enum err net_propose(struct net *net, member_id id, const char *data)
{
    struct raft_entry e = {.data = blob_dup(slice_str(data))};
    enum err err = raft_propose(net_raft(net, id), &e, 1);
    blob_unref(e.data);
    raft_check(net_raft(net, id));
    return err;
}

enum err net_change(struct net *net, member_id id, enum raft_conf_transition transition,
                    const char *changes)
{
    struct raft_conf_change cc;
    dd_parse_changes(changes, &cc);
    cc.transition = transition;
    enum err e = raft_propose_conf_change(net_raft(net, id), &cc, false);
    raft_conf_change_fini(&cc);
    raft_check(net_raft(net, id));
    return e;
}

member_id net_leader(struct net *net)
{
    member_id leader = 0;
    raft_term term = 0;
    for (size_t i = 0; i < net->n; i++) {
        const struct raft *r = net->nodes[i].r;
        if (r != NULL && raft_is_leader(r) && raft_current_term(r) > term) {
            leader = raft_id(r);
            term = raft_current_term(r);
        }
    }
    return leader;
}
