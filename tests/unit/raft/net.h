/* tests/unit/raft/net.h -- a cluster in memory: members with slow disks and slow appliers, and the
 * messages between them. The test decides what happens next; the same seed gives the same run.
 *
 * Each step checks the members' own invariants, and over the whole cluster:
 *   election safety       at most one leader in a term
 *   state machine safety  all that apply an index apply the same history up to it
 *   leader completeness   a new leader has every entry that anyone has applied
 * net_check_logs() compares the logs themselves (log matching).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_RAFT_NET_H
#define TESTS_RAFT_NET_H

#include "memlog.h"

enum { NET_NODES_MAX = 8 };

/* What a member has applied: how far, the hash of all of it, and the configuration. */
struct machine {
    raft_index applied;
    raft_term term;
    uint64_t hash;
    struct raft_conf_state cs;
};

struct ready_list {
    struct raft_ready *v;
    size_t n;
};

struct node {
    member_id id;
    struct raft *r;      /* NULL: down */
    struct memlog disk;  /* survives a crash */
    struct machine kept; /* the same */
    struct machine now;
    struct ready_list writes;  /* given to the disk, not written */
    struct ready_list applies; /* given to the applier, not applied */
    uint64_t acks[64];         /* written, not reported */
    size_t n_acks;
    struct raft_read_state *reads;
    size_t n_reads;
};

struct net {
    struct node nodes[NET_NODES_MAX]; /* ids 1.. */
    size_t n;
    struct raft_options options;
    struct raft_messages messages; /* under way */
    bool cut[NET_NODES_MAX + 1][NET_NODES_MAX + 1];
    bool (*drop)(const struct raft_message *m); /* of settled messages; NULL: none */
    uint64_t seed;

    struct { /* what is known of the whole */
        raft_term term;
        uint64_t hash; /* of the history up to here; 0: nobody applied it yet */
    } *history;
    size_t n_history;
    member_id *leaders; /* by term */
    size_t n_leaders;
};

/* Start `voters` voters with ids from 1 on, and `learners` learners behind them; the log begins
 * with an applied snapshot at index 1. `options` may be NULL. */
struct net *net_new(size_t voters, size_t learners, const struct raft_options *options);
/* Add a member that knows nothing yet. */
void net_add(struct net *net);
void net_free(struct net *net);
struct node *net_node(struct net *net, member_id id);
struct raft *net_raft(struct net *net, member_id id);
struct raft_options net_options(void);

/* ---- single steps; false if there is nothing to do ------------------------------------------ */

bool net_take(struct net *net, struct node *n);  /* one ready: send, queue its writes and applies */
bool net_write(struct net *net, struct node *n); /* the oldest write becomes durable */
bool net_ack(struct node *n, size_t i);          /* report a write, not always the oldest */
bool net_apply(struct net *net, struct node *n); /* apply the oldest batch */
void net_deliver(struct net *net, size_t i);
void net_lose(struct net *net, size_t i);
void net_duplicate(struct net *net, size_t i);
void net_tick(struct node *n);
void net_checkpoint(struct node *n); /* keep what is applied, and make it the snapshot to send */
void net_compact(struct node *n);    /* drop the log below the kept state */
void net_crash(struct node *n);      /* lose all that is not written or kept */
void net_restart(struct net *net, struct node *n);

/* ---- whole runs ------------------------------------------------------------------------------ */

/* Do everything that is to be done, in order, until nothing is left. */
void net_settle(struct net *net);
/* The same, without delivering messages. */
void net_settle_node(struct net *net, member_id id);
void net_ticks(struct net *net, member_id id, unsigned n);
/* Make `id` campaign and settle; it must win. */
void net_elect(struct net *net, member_id id);
void net_isolate(struct net *net, member_id id);
void net_heal(struct net *net);
enum err net_propose(struct net *net, member_id id, const char *data);
/* Propose "v1 l2 r3". */
enum err net_change(struct net *net, member_id id, enum raft_conf_transition transition,
                    const char *changes);
void net_check_logs(struct net *net);
/* Return the leader of the highest term, 0 if there is none. */
member_id net_leader(struct net *net);

#endif
