/* tests/unit/raft/fuzz_test.c -- random runs of whole clusters: lost, repeated and reordered
 * messages, slow disks, crashes that lose what was not written, compaction, transfers and changes
 * of the configuration. After each run everything heals, and all members must agree.
 *
 * RAFT_FUZZ_SEED runs one seed, RAFT_FUZZ_RUNS that many.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "net.h"
#include "raft/raft_priv.h"

enum { STEPS = 12000, RUNS = 300 };

struct fuzz {
    struct net *net;
    struct rng rng;
    bool changes; /* of the configuration */
    uint64_t proposals;
};

static uint64_t below(struct fuzz *f, uint64_t n)
{
    return rng_below(&f->rng, n);
}

static bool one_in(struct fuzz *f, uint64_t n)
{
    return below(f, n) == 0;
}

static struct node *any_node(struct fuzz *f)
{
    return &f->net->nodes[below(f, f->net->n)];
}

/* ---- what may happen ---------------------------------------------------------------------- */

static void do_message(struct fuzz *f)
{
    size_t n = f->net->messages.n;
    if (n == 0)
        return;
    /* Mostly in order, at times from anywhere. */
    size_t i = one_in(f, 4) ? below(f, n) : 0;
    if (one_in(f, 12))
        net_lose(f->net, i);
    else if (one_in(f, 12))
        net_duplicate(f->net, i);
    else
        net_deliver(f->net, i);
}

static void do_disk(struct fuzz *f)
{
    struct node *n = any_node(f);
    if (!net_write(f->net, n) || one_in(f, 2))
        (void)net_ack(n, n->n_acks != 0 ? below(f, n->n_acks) : 0);
}

static void do_propose(struct fuzz *f)
{
    struct node *n = any_node(f);
    if (n->r == NULL)
        return;
    struct raft_entry v[4] = {0};
    size_t count = 1 + below(f, ARRAY_LEN(v));
    for (size_t i = 0; i < count; i++) {
        v[i].data = blob_new(8 + below(f, 40));
        memset(v[i].data->p, 0, v[i].data->n);
        be64_put(v[i].data->p, ++f->proposals);
    }
    enum err e = raft_propose(n->r, v, count);
    invariant(e == ERR_OK || e == ERR_PROPOSAL_DROPPED);
    for (size_t i = 0; i < count; i++)
        blob_unref(v[i].data);
    raft_check(n->r);
}

static void do_change(struct fuzz *f)
{
    struct node *n = any_node(f);
    if (n->r == NULL || !f->changes)
        return;
    struct raft_conf_change_single v[3];
    struct raft_conf_change cc = {.changes = v, .n_changes = below(f, 4)};
    cc.transition = (enum raft_conf_transition)below(f, 3);
    for (size_t i = 0; i < cc.n_changes; i++) {
        static const enum raft_conf_change_type types[] = {
            RAFT_CONF_ADD_NODE, RAFT_CONF_ADD_NODE, RAFT_CONF_ADD_LEARNER, RAFT_CONF_REMOVE_NODE};
        v[i].type = types[below(f, ARRAY_LEN(types))];
        v[i].node = 1 + below(f, f->net->n);
    }
    enum err e = raft_propose_conf_change(n->r, &cc, false);
    invariant(e == ERR_OK || e == ERR_PROPOSAL_DROPPED);
    raft_check(n->r);
}

static void do_read(struct fuzz *f)
{
    struct node *n = any_node(f);
    uint64_t ctx = ++f->proposals;
    if (n->r != NULL)
        raft_read_index(n->r, slice_make(&ctx, sizeof ctx));
}

static void do_crash(struct fuzz *f)
{
    struct node *n = any_node(f);
    if (n->r != NULL)
        net_crash(n);
    if (!one_in(f, 8))
        net_restart(f->net, n);
}

static void do_cut(struct fuzz *f)
{
    if (!one_in(f, 4))
        net_heal(f->net);
    else
        net_isolate(f->net, any_node(f)->id);
}

static void do_rare(struct fuzz *f)
{
    struct node *n = any_node(f);
    switch (below(f, 10)) {
    case 0:
    case 8:
    case 9:
        do_crash(f);
        break;
    case 1:
        do_cut(f);
        break;
    case 2:
        do_change(f);
        break;
    case 3:
        if (n->r != NULL)
            raft_transfer_leader(n->r, any_node(f)->id);
        break;
    case 4:
        net_compact(n);
        break;
    case 5:
        if (n->r != NULL)
            raft_forget_leader(n->r);
        break;
    case 6:
        n->disk.snapshot_busy = one_in(f, 2);
        break;
    default:
        net_check_logs(f->net);
        break;
    }
}

static void step(struct fuzz *f)
{
    uint64_t dice = below(f, 100);
    if (dice < 40)
        do_message(f);
    else if (dice < 58)
        (void)net_take(f->net, any_node(f));
    else if (dice < 74)
        do_disk(f);
    else if (dice < 82)
        (void)net_apply(f->net, any_node(f));
    else if (dice < 90)
        net_tick(any_node(f));
    else if (dice < 93)
        do_propose(f);
    else if (dice < 95)
        net_checkpoint(any_node(f));
    else if (dice < 96)
        do_read(f);
    else if (dice < 98)
        do_rare(f);
}

/* ---- the end ------------------------------------------------------------------------------ */

static bool agrees(const struct node *n, const struct raft *leader)
{
    return raft_applied_index(n->r) == raft_last_index(leader) &&
           raft_last_index(n->r) == raft_last_index(leader);
}

/* True if there is one leader, and every member of its configuration has applied all. */
static bool has_converged(struct net *net)
{
    member_id id = net_leader(net);
    if (id == 0 || !raft_committed_in_term(net_raft(net, id)))
        return false;
    const struct raft *leader = net_raft(net, id);
    for (size_t i = 0; i < raft_progress_count(leader); i++) {
        struct raft_progress_info p;
        raft_progress_at(leader, i, &p);
        if (!agrees(net_node(net, p.id), leader))
            return false;
    }
    return true;
}

/* A change takes effect when it is applied, so a member may have applied its own removal while the
 * voters that remain do not know that it is committed, and still need its vote. If its log is
 * longer than theirs it must refuse, and cannot stand itself: etcd's raft is stuck there, and so
 * are we. */
static bool is_stuck_by_removal(struct net *net)
{
    const struct raft *best = net->nodes[0].r;
    for (size_t i = 1; i < net->n; i++) {
        const struct raft *r = net->nodes[i].r;
        if (log_is_up_to_date(&best->log, log_last_index(&r->log), log_last_term(&r->log)))
            best = r;
    }
    return net_leader(net) == 0 && !raft_is_promotable(best);
}

static void heal_all(struct fuzz *f)
{
    net_heal(f->net);
    for (size_t i = 0; i < f->net->n; i++) {
        f->net->nodes[i].disk.snapshot_busy = false;
        net_restart(f->net, &f->net->nodes[i]);
    }
}

static bool converges(struct fuzz *f)
{
    heal_all(f);
    for (int round = 0; round < 600; round++) {
        net_settle(f->net);
        if (has_converged(f->net))
            return true;
        for (size_t i = 0; i < f->net->n; i++) {
            net_tick(&f->net->nodes[i]);
            net_checkpoint(&f->net->nodes[i]);
        }
    }
    return false;
}

static struct raft_options random_options(struct fuzz *f, uint64_t seed)
{
    struct raft_options o = net_options();
    o.seed = seed;
    o.election_tick = 2 + (unsigned)below(f, 8);
    o.check_quorum = one_in(f, 2);
    o.pre_vote = one_in(f, 2);
    o.max_size_per_msg = one_in(f, 2) ? RAFT_NO_LIMIT : below(f, 200);
    o.max_committed_size_per_ready = one_in(f, 2) ? 0 : 1 + below(f, 300);
    o.max_inflight_msgs = 1 + below(f, 8);
    o.max_uncommitted_size = one_in(f, 2) ? 0 : 100;
    o.step_down_on_removal = one_in(f, 2);
    return o;
}

static bool run(uint64_t seed)
{
    struct fuzz f = {.rng = {seed}};
    struct raft_options o = random_options(&f, seed);
    f.changes = one_in(&f, 2);
    f.net = net_new(3 + below(&f, 3), below(&f, 2), &o);
    if (f.changes)
        net_add(f.net);
    for (int i = 0; i < STEPS; i++)
        step(&f);
    bool ok = converges(&f) || (f.changes && is_stuck_by_removal(f.net));
    net_check_logs(f.net);
    member_id leader = net_leader(f.net);
    printf("seed %" PRIu64 ": %s, %zu members, term %" PRIu64 ", applied %" PRIu64 "\n", seed,
           ok ? "ok" : "DOES NOT CONVERGE", f.net->n,
           leader ? raft_current_term(net_raft(f.net, leader)) : 0,
           leader ? raft_applied_index(net_raft(f.net, leader)) : 0);
    net_free(f.net);
    return ok;
}

int main(void)
{
    const char *seed = getenv("RAFT_FUZZ_SEED");
    const char *runs = getenv("RAFT_FUZZ_RUNS");
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (seed != NULL)
        return !run(strtoull(seed, NULL, 10));
    uint64_t n = runs != NULL ? strtoull(runs, NULL, 10) : RUNS;
    bool ok = true;
    for (uint64_t s = 1; s <= n; s++)
        ok &= run(s);
    return !ok;
}
