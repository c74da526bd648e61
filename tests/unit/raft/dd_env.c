/* tests/unit/raft/dd_env.c -- scenarios of whole clusters: synchronous members, and messages that
 * wait until a command delivers or drops them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "dd.h"
#include "raft/conf_codec.h"
#include "raft/raft_priv.h"

enum { NODES_MAX = 16, ELECTION_TICK = 3, HEARTBEAT_TICK = 1 };

struct node {
    struct raft *r;
    struct memlog disk;
    struct raft_snapshot state; /* as of what was applied; this is what it sends */
};

struct dd_env {
    struct node nodes[NODES_MAX];
    size_t n;
    struct raft_messages messages; /* under way */
    bool quiet;
};

struct dd_env *dd_env_new(void)
{
    return xcalloc(1, sizeof(struct dd_env));
}

void dd_env_free(struct dd_env *env)
{
    for (size_t i = 0; i < env->n; i++) {
        raft_free(env->nodes[i].r);
        memlog_fini(&env->nodes[i].disk);
        raft_snapshot_fini(&env->nodes[i].state);
    }
    raft_messages_fini(&env->messages);
    free(env);
}

static struct node *node_at(struct dd_env *env, uint64_t id)
{
    invariant(id >= 1 && id <= env->n);
    return &env->nodes[id - 1];
}

static struct node *first_node(struct dd_env *env, const struct dd_case *c)
{
    return node_at(env, strtoull(c->args[0].key, NULL, 10));
}

static void add_indented(struct buf *out, struct buf *text)
{
    const char *s = buf_cstr(text);
    while (*s != '\0') {
        size_t n = strcspn(s, "\n");
        buf_add_str(out, "  ");
        buf_add(out, s, n);
        buf_add_byte(out, '\n');
        s += s[n] == '\n' ? n + 1 : n;
    }
    buf_fini(text);
}

/* ---- nodes ------------------------------------------------------------------------------- */

static void parse_ids(const struct dd_arg *a, struct raft_ids *ids)
{
    for (size_t i = 0; a != NULL && i < a->n; i++)
        raft_ids_add(ids, strtoull(a->values[i], NULL, 10));
}

static bool arg_is(const struct dd_case *c, const char *key, const char *value)
{
    const struct dd_arg *a = dd_arg(c, key);
    return a != NULL && a->n == 1 && strcmp(a->values[0], value) == 0;
}

static struct raft_options parse_options(const struct dd_case *c)
{
    return (struct raft_options){
        .election_tick = ELECTION_TICK,
        .heartbeat_tick = HEARTBEAT_TICK,
        .applied = dd_number(c, "index", 0),
        .max_size_per_msg = RAFT_NO_LIMIT,
        .max_committed_size_per_ready = dd_number(c, "max-committed-size-per-ready", 0),
        .max_inflight_msgs = (size_t)dd_number(c, "inflight", INT32_MAX),
        .check_quorum = dd_bool(c, "checkquorum"),
        .pre_vote = dd_bool(c, "prevote"),
        .read_only = arg_is(c, "read-only", "lease-based") ? RAFT_READ_LEASE : RAFT_READ_SAFE,
        .disable_conf_change_validation = dd_bool(c, "disable-conf-change-validation"),
        .step_down_on_removal = dd_bool(c, "step-down-on-removal"),
        .synchronous = true,
        .seed = 1,
    };
}

static void set_sent_snapshot(struct node *n)
{
    raft_snapshot_fini(&n->disk.snapshot);
    n->disk.snapshot = raft_snapshot_copy(&n->state);
}

static void add_node(struct dd_env *env, struct raft_options o, const struct raft_snapshot *s)
{
    invariant(env->n < NODES_MAX);
    struct node *n = &env->nodes[env->n++];
    if (s->meta.index != 0)
        memlog_restore(&n->disk, s);
    n->state = raft_snapshot_copy(s);
    set_sent_snapshot(n);
    o.id = env->n;
    o.log = memlog_reader(&n->disk);
    enum err e = raft_new(&o, &n->disk.hs, &s->meta.conf_state, &n->r);
    invariant(e == ERR_OK);
}

static void do_add_nodes(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    struct raft_snapshot s = {.meta = {.index = dd_number(c, "index", 0)}};
    s.meta.term = s.meta.index != 0;
    parse_ids(dd_arg(c, "voters"), &s.meta.conf_state.voters);
    parse_ids(dd_arg(c, "learners"), &s.meta.conf_state.learners);
    uint64_t count = strtoull(c->args[0].key, NULL, 10);
    for (uint64_t i = 0; i < count; i++)
        add_node(env, parse_options(c), &s);
    raft_snapshot_fini(&s);
}

/* ---- readies ----------------------------------------------------------------------------- */

static void apply_entry(struct node *n, const struct raft_entry *e)
{
    n->state.meta.index = e->index;
    n->state.meta.term = e->term;
    if (e->type == RAFT_ENTRY_NORMAL)
        return;
    struct raft_conf_change cc;
    enum err err = raft_conf_change_decode(e->type, blob_slice(e->data), &cc);
    invariant(err == ERR_OK);
    raft_conf_state_fini(&n->state.meta.conf_state);
    err = raft_apply_conf_change(n->r, &cc, &n->state.meta.conf_state);
    invariant(err == ERR_OK);
    raft_conf_change_fini(&cc);
}

static void post(struct dd_env *env, struct raft_messages *l)
{
    for (size_t i = 0; i < l->n; i++)
        raft_messages_add(&env->messages, raft_message_copy(&l->v[i]));
}

/* Scenarios do not count a snapshot, which upstream stores and syncs by itself. */
static bool must_sync_without_snapshot(const struct node *n, const struct raft_ready *rd)
{
    const struct raft_hard_state *a = &n->disk.hs, *b = &rd->hard_state;
    bool voted = rd->has_hard_state && (a->term != b->term || a->vote != b->vote);
    bool must = voted || rd->entries.n != 0;
    invariant(rd->must_sync == (must || rd->snapshot.meta.index != 0));
    return must;
}

static void process_ready(struct dd_env *env, struct node *n, struct buf *out)
{
    struct raft_ready rd = {0};
    raft_ready(n->r, &rd);
    raft_check(n->r);
    dd_add_ready(out, &rd, must_sync_without_snapshot(n, &rd));
    memlog_persist(&n->disk, &rd);
    for (size_t i = 0; i < rd.committed.n; i++)
        apply_entry(n, &rd.committed.v[i]);
    set_sent_snapshot(n);
    post(env, &rd.messages);
    post(env, &rd.messages_after_persist);
    raft_advance(n->r, &rd);
    raft_check(n->r);
    raft_ready_fini(&rd);
}

static void do_process_ready(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    for (size_t i = 0; i < c->n_args; i++) {
        struct node *n = node_at(env, strtoull(c->args[i].key, NULL, 10));
        if (c->n_args == 1) {
            process_ready(env, n, out);
            return;
        }
        buf_addf(out, "> %s handling Ready\n", c->args[i].key);
        struct buf text = BUF_INIT;
        process_ready(env, n, &text);
        add_indented(out, &text);
    }
}

/* ---- messages ---------------------------------------------------------------------------- */

/* Take the messages to `id` out of what is under way; of any type if it is -1. */
static struct raft_messages take_messages(struct dd_env *env, member_id id, int type)
{
    struct raft_messages taken = {0};
    size_t kept = 0;
    for (size_t i = 0; i < env->messages.n; i++) {
        struct raft_message m = env->messages.v[i];
        if (m.to == id && (type < 0 || (int)m.type == type))
            raft_messages_add(&taken, m);
        else
            env->messages.v[kept++] = m;
    }
    env->messages.n = kept;
    return taken;
}

static size_t deliver(struct dd_env *env, member_id id, int type, bool drop, struct buf *out)
{
    struct raft_messages l = take_messages(env, id, type);
    size_t n = l.n;
    for (size_t i = 0; i < n; i++) {
        if (drop)
            buf_add_str(out, "dropped: ");
        dd_add_message(out, &l.v[i]);
        buf_add_byte(out, '\n');
        if (drop)
            continue;
        struct raft *r = node_at(env, id)->r;
        enum err e = raft_step(r, &l.v[i]);
        raft_check(r);
        if (e != ERR_OK)
            buf_addf(out, "%s\n", err_text(e));
    }
    raft_messages_fini(&l);
    return n;
}

static void do_deliver(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    const struct dd_arg *type_arg = dd_arg(c, "type");
    int type = type_arg != NULL ? dd_message_type(type_arg->values[0]) : -1;
    size_t n = 0;
    for (size_t i = 0; i < c->n_args; i++) {
        const struct dd_arg *a = &c->args[i];
        if (a->n == 0)
            n += deliver(env, strtoull(a->key, NULL, 10), type, false, out);
        for (size_t k = 0; strcmp(a->key, "drop") == 0 && k < a->n; k++)
            n += deliver(env, strtoull(a->values[k], NULL, 10), type, true, out);
    }
    if (n == 0)
        buf_add_str(out, "no messages\n");
}

static bool has_messages(const struct dd_env *env, member_id id)
{
    for (size_t i = 0; i < env->messages.n; i++) {
        if (env->messages.v[i].to == id)
            return true;
    }
    return false;
}

/* One round over the nodes; false if nothing was to be done. */
static bool stabilize_round(struct dd_env *env, const struct raft_ids *ids, struct buf *out)
{
    bool busy = false;
    for (size_t i = 0; i < ids->n; i++) {
        struct node *n = node_at(env, ids->v[i]);
        if (!raft_has_ready(n->r))
            continue;
        buf_addf(out, "> %" PRIu64 " handling Ready\n", ids->v[i]);
        struct buf text = BUF_INIT;
        process_ready(env, n, &text);
        add_indented(out, &text);
        busy = true;
    }
    for (size_t i = 0; i < ids->n; i++) {
        if (!has_messages(env, ids->v[i]))
            continue;
        buf_addf(out, "> %" PRIu64 " receiving messages\n", ids->v[i]);
        struct buf text = BUF_INIT;
        deliver(env, ids->v[i], -1, false, &text);
        add_indented(out, &text);
        busy = true;
    }
    return busy;
}

static void do_stabilize(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    struct raft_ids ids = {0};
    for (size_t i = 0; i < c->n_args; i++) {
        if (c->args[i].n == 0)
            raft_ids_add(&ids, strtoull(c->args[i].key, NULL, 10));
    }
    bool all = ids.n == 0;
    for (size_t i = 0; all && i < env->n; i++)
        raft_ids_add(&ids, i + 1);
    size_t start = out->n;
    while (stabilize_round(env, &ids, out)) {
    }
    if (arg_is(c, "log-level", "none"))
        out->n = start;
    raft_ids_fini(&ids);
}

/* ---- the other commands ------------------------------------------------------------------ */

static void add_log(struct buf *out, const struct memlog *d)
{
    if (d->entries.n == 0)
        buf_addf(out, "log is empty: first index=%" PRIu64 ", last index=%" PRIu64, d->base + 1,
                 d->base);
    dd_add_entries(out, &d->entries);
}

static void do_raft_log(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    add_log(out, &first_node(env, c)->disk);
}

static void do_compact(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    struct node *n = first_node(env, c);
    memlog_compact(&n->disk, strtoull(c->args[1].key, NULL, 10));
    add_log(out, &n->disk);
}

static void do_raft_state(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)c;
    for (size_t i = 0; i < env->n; i++) {
        const struct raft *r = env->nodes[i].r;
        bool voter = tracker_is_voter(&r->tracker, raft_id(r));
        buf_addf(out, "%" PRIu64 ": %s %s Term:%" PRIu64 " Lead:%" PRIu64 "\n", raft_id(r),
                 dd_role_name(raft_role(r)), voter ? "(Voter)" : "(Non-Voter)",
                 raft_current_term(r), raft_leader(r));
    }
}

static void do_status(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    const struct raft *r = first_node(env, c)->r;
    for (size_t i = 0; raft_is_leader(r) && i < raft_progress_count(r); i++) {
        struct raft_progress_info p;
        raft_progress_at(r, i, &p);
        dd_add_progress(out, &p);
    }
}

static void add_error(struct buf *out, enum err e)
{
    if (e != ERR_OK)
        buf_add_str(out, err_text(e));
}

static void do_propose(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    struct raft_entry e = {.data = blob_dup(slice_str(c->args[1].key))};
    add_error(out, raft_propose(first_node(env, c)->r, &e, 1));
    blob_unref(e.data);
}

static void do_propose_conf_change(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    struct raft_conf_change cc;
    dd_parse_changes(c->input, &cc);
    if (arg_is(c, "transition", "implicit"))
        cc.transition = RAFT_CONF_JOINT_IMPLICIT;
    if (arg_is(c, "transition", "explicit"))
        cc.transition = RAFT_CONF_JOINT_EXPLICIT;
    add_error(out, raft_propose_conf_change(first_node(env, c)->r, &cc, dd_bool(c, "v1")));
    raft_conf_change_fini(&cc);
}

static void do_send_snapshot(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    struct node *n = first_node(env, c);
    struct raft_message m = {
        .type = RAFT_MSG_SNAP,
        .from = raft_id(n->r),
        .to = strtoull(c->args[1].key, NULL, 10),
        .term = raft_current_term(n->r),
        .snapshot = xmalloc(sizeof *m.snapshot),
    };
    *m.snapshot = raft_snapshot_copy(&n->state);
    dd_add_message(out, &m);
    raft_messages_add(&env->messages, m);
}

static void ticks(struct raft *r, int n)
{
    for (int i = 0; i < n; i++)
        raft_tick(r);
}

static void do_campaign(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    raft_campaign(first_node(env, c)->r);
}

static void do_tick_election(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    ticks(first_node(env, c)->r, ELECTION_TICK);
}

static void do_tick_heartbeat(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    ticks(first_node(env, c)->r, HEARTBEAT_TICK);
}

static void do_transfer(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    raft_transfer_leader(node_at(env, dd_number(c, "from", 0))->r, dd_number(c, "to", 0));
}

static void do_forget_leader(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    raft_forget_leader(first_node(env, c)->r);
}

static void do_report_unreachable(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    raft_report_unreachable(first_node(env, c)->r, strtoull(c->args[1].key, NULL, 10));
}

static void do_set_timeout(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    first_node(env, c)->r->randomized_timeout = (unsigned)dd_number(c, "timeout", 0);
}

static void do_log_level(struct dd_env *env, const struct dd_case *c, struct buf *out)
{
    (void)out;
    env->quiet = strcmp(c->args[0].key, "none") == 0;
}

void dd_env_handle(void *arg, const struct dd_case *c, struct buf *out)
{
    static const struct {
        const char *cmd;
        void (*run)(struct dd_env *env, const struct dd_case *c, struct buf *out);
    } commands[] = {
        {"add-nodes", do_add_nodes},
        {"campaign", do_campaign},
        {"compact", do_compact},
        {"deliver-msgs", do_deliver},
        {"forget-leader", do_forget_leader},
        {"log-level", do_log_level},
        {"process-ready", do_process_ready},
        {"propose", do_propose},
        {"propose-conf-change", do_propose_conf_change},
        {"raft-log", do_raft_log},
        {"raft-state", do_raft_state},
        {"report-unreachable", do_report_unreachable},
        {"send-snapshot", do_send_snapshot},
        {"set-randomized-election-timeout", do_set_timeout},
        {"stabilize", do_stabilize},
        {"status", do_status},
        {"tick-election", do_tick_election},
        {"tick-heartbeat", do_tick_heartbeat},
        {"transfer-leadership", do_transfer},
    };
    struct dd_env *env = arg;
    size_t i = 0;
    while (i < ARRAY_LEN(commands) && strcmp(commands[i].cmd, c->cmd) != 0)
        i++;
    if (i == ARRAY_LEN(commands)) {
        buf_add_str(out, "unknown command");
        return;
    }
    commands[i].run(env, c, out);
    for (size_t k = 0; k < env->n; k++)
        raft_check(env->nodes[k].r);
    if (env->quiet && strstr(c->cmd, "propose") == NULL)
        buf_clear(out);
}
