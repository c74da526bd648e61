/* tests/sim/operator.c -- see operator.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/asks.h"

enum { HASHES_MAX = 256, SETTLE_PAUSE = 300000, MEMBERS_WANTED = 5 };

/* Where two vote and one of them is removed, the other one may lose the news that it is committed
 * along with its power, and cannot ask anybody any more: of raft, and not to be had against it. */
enum { VOTERS_LEAST = 2 };

/* What some member said. */
struct hash_seen {
    revision rev, compacted;
    uint32_t hash;
    unsigned place;
};

struct listed {
    member_id id;
    unsigned place;
    bool is_learner;
};

static struct operator
{
    struct operator_setup setup;
    struct sim_event next;
    struct ask *ask;
    struct node *asked;
    struct listed listed[NET_PLACES];
    size_t n_listed;
    bool list_is_new; /* it is linearizable, and nothing was changed since */
    char *cluster;    /* --initial-cluster of those */
    bool settles, is_settled;
    struct hash_seen hashes[HASHES_MAX];
    size_t n_hashes;
    unsigned to_compare, compared;
    revision compacted;
    revision compare_rev;
}
op;

static void go_on(void)
{
    op.ask = NULL;
    sim_set(&op.next, op.settles ? SETTLE_PAUSE : sim_between(0, op.setup.pause_max));
}

static void said(const char *what, enum err e)
{
    sim_trace("operator: %s at %s: %s", what, world_name(op.asked->place), err_text(e));
}

/* One question at a time. */
static struct arena *ask_somebody(struct node *n, ask_done_fn *done, void *arg)
{
    op.asked = n;
    op.ask = ask_new(n, done, arg);
    return ask_arena(op.ask);
}

/* ---- upkeep
 * ------------------------------------------------------------------------------------------ */

static void upkeep_done(void *arg, enum err e, const void *response)
{
    (void)arg;
    (void)response;
    said("upkeep", e);
    go_on();
}

static void compact(struct node *n)
{
    struct arena *a = ask_somebody(n, upkeep_done, NULL);
    Etcdserverpb__CompactionRequest *r =
        REQ_NEW(a, Etcdserverpb__CompactionRequest, etcdserverpb__compaction_request);
    r->revision = sim_between(1, tails_last() + 1); /* never beyond what some watcher saw */
    r->physical = sim_chance(500);
    if (r->revision > op.compacted)
        op.compacted = r->revision;
    sim_trace("operator: compact at %" PRId64, r->revision);
    ask_send(op.ask, OP_COMPACT, r, NULL);
}

static void defragment(struct node *n)
{
    struct arena *a = ask_somebody(n, upkeep_done, NULL);
    Etcdserverpb__DefragmentRequest *r =
        REQ_NEW(a, Etcdserverpb__DefragmentRequest, etcdserverpb__defragment_request);
    ask_send(op.ask, OP_DEFRAGMENT, r, NULL);
}

static void move_leader(struct node *n)
{
    struct node *to = world_up(sim_random());
    struct arena *a = ask_somebody(n, upkeep_done, NULL);
    Etcdserverpb__MoveLeaderRequest *r =
        REQ_NEW(a, Etcdserverpb__MoveLeaderRequest, etcdserverpb__move_leader_request);
    r->targetid = to->id;
    sim_trace("operator: move the leader to %s", world_name(to->place));
    ask_send(op.ask, OP_MOVE_LEADER, r, NULL);
}

/* ---- hashes
 * ------------------------------------------------------------------------------------------ */

static void hash_compare(const struct hash_seen *h)
{
    for (size_t i = 0; i < op.n_hashes; i++) {
        const struct hash_seen *o = &op.hashes[i];
        if (o->rev == h->rev && o->compacted == h->compacted && o->hash != h->hash)
            sim_fail(
                "the hash at revision %" PRId64 " (compacted %" PRId64 ") is %08x at %s and %08x "
                "at %s",
                h->rev, h->compacted, o->hash, world_name(o->place), h->hash, world_name(h->place));
    }
    op.hashes[op.n_hashes++ % HASHES_MAX] = *h;
    if (op.n_hashes > HASHES_MAX)
        op.n_hashes = HASHES_MAX;
}

static void hash_seen(const struct node *n, const Etcdserverpb__HashKVResponse *r)
{
    struct hash_seen h = {r->hash_revision, r->compact_revision, r->hash, n->place};
    sim_trace("%s: hash %08x at revision %" PRId64 ", compacted %" PRId64, world_name(n->place),
              h.hash, h.rev, h.compacted);
    hash_compare(&h);
}

static void hash_done(void *arg, enum err e, const void *response)
{
    (void)arg;
    if (e == ERR_OK)
        hash_seen(op.asked, response);
    else
        said("hash", e);
    go_on();
}

static void hash_ask(struct ask *ask, revision rev)
{
    Etcdserverpb__HashKVRequest *r =
        REQ_NEW(ask_arena(ask), Etcdserverpb__HashKVRequest, etcdserverpb__hash_kvrequest);
    r->revision = rev;
    ask_send(ask, OP_HASH_KV, r, &etcdserverpb__hash_kvresponse__descriptor);
}

static void hash(struct node *n)
{
    ask_somebody(n, hash_done, NULL);
    hash_ask(op.ask, tails_last() / 8 * 8); /* so that members are asked for the same */
}

static void compare_done(void *arg, enum err e, const void *response)
{
    struct node *n = arg;
    const Etcdserverpb__HashKVResponse *r = response;
    op.compared++;
    if (e != ERR_OK)
        sim_fail("%s tells no hash: %s", world_name(n->place), err_text(e));
    else if (r->hash_revision != op.compare_rev)
        sim_fail("%s stands at revision %" PRId64 " instead of %" PRId64, world_name(n->place),
                 r->hash_revision, op.compare_rev);
    else
        hash_seen(n, r);
}

void operator_compare(void)
{
    op.to_compare = op.compared = 0;
    op.compare_rev = tails_last();
    for (unsigned i = 0; i < NET_PLACES; i++) {
        struct node *n = world_node(i);
        if (n->state != NODE_UP)
            continue;
        op.to_compare++;
        hash_ask(ask_new(n, compare_done, n), 0);
    }
}

bool operator_has_compared(void)
{
    return op.compared == op.to_compare;
}

/* ---- who is a member
 * ------------------------------------------------------------------------------------ */

static void list_take(Etcdserverpb__Member *const *members, size_t n)
{
    struct buf cluster = BUF_INIT;
    op.n_listed = 0;
    for (size_t i = 0; i < n; i++) {
        const Etcdserverpb__Member *m = members[i];
        unsigned place = m->n_peerurls != 0 ? net_place(m->peerurls[0]) : NET_PLACES;
        if (place == NET_PLACES || op.n_listed == NET_PLACES) {
            sim_fail("the list of members has one that is none of ours");
            break;
        }
        op.listed[op.n_listed++] = (struct listed){m->id, place, m->islearner};
        buf_addf(&cluster, "%s%s=%s", i ? "," : "", world_name(place), m->peerurls[0]);
    }
    free(op.cluster);
    op.cluster = buf_take_cstr(&cluster);
    sim_trace("operator: members %s", op.cluster);
}

static const struct listed *listed_at(unsigned place)
{
    for (size_t i = 0; i < op.n_listed; i++)
        if (op.listed[i].place == place)
            return &op.listed[i];
    return NULL;
}

/* Those that were added begin to run. In the end those that were removed stop. */
static void follow_list(bool is_linear)
{
    bool all = true;
    for (unsigned i = 0; i < NET_PLACES; i++) {
        struct node *n = world_node(i);
        bool is_listed = listed_at(i) != NULL;
        if (is_listed && n->state == NODE_JOINING)
            node_start(n, op.cluster);
        if (op.settles && is_linear && !is_listed && n->state == NODE_UP) {
            node_end(n, NODE_STOP, -1);
            n->state = NODE_GONE;
        }
        all = all && is_listed == (n->state == NODE_UP);
    }
    op.is_settled = op.settles && is_linear && all;
}

static void list_done(void *arg, enum err e, const void *response)
{
    const Etcdserverpb__MemberListResponse *r = response;
    if (e == ERR_OK) {
        list_take(r->members, r->n_members);
        op.list_is_new = arg != NULL;
        follow_list(arg != NULL);
    } else {
        said("list members", e);
    }
    go_on();
}

/* The other kind of list may be old, but can be had where the cluster waits for a member to start.
 */
static void list(struct node *n)
{
    bool is_linear = sim_chance(500);
    struct arena *a = ask_somebody(n, list_done, is_linear ? n : NULL);
    Etcdserverpb__MemberListRequest *r =
        REQ_NEW(a, Etcdserverpb__MemberListRequest, etcdserverpb__member_list_request);
    r->linearizable = is_linear;
    ask_send(op.ask, OP_MEMBER_LIST, r, &etcdserverpb__member_list_response__descriptor);
}

static void change_done(void *arg, enum err e, const void *response)
{
    (void)arg;
    (void)response;
    said("change of members", e);
    op.list_is_new = false;
    go_on();
}

/* It is started once a list shows it; even where the answer was lost it may have been added. */
static void add(struct node *n, unsigned place)
{
    struct arena *a = ask_somebody(n, change_done, NULL);
    Etcdserverpb__MemberAddRequest *r =
        REQ_NEW(a, Etcdserverpb__MemberAddRequest, etcdserverpb__member_add_request);
    char *url = arena_alloc(a, NET_URL_MAX);
    net_url(place, url);
    r->peerurls = arena_dup(a, &url, sizeof url);
    r->n_peerurls = 1;
    r->islearner = sim_chance(600);
    world_node(place)->state = NODE_JOINING;
    sim_trace("operator: add %s%s", world_name(place), r->islearner ? " as a learner" : "");
    ask_send(op.ask, OP_MEMBER_ADD, r, NULL);
}

static void promote(struct node *n, const struct listed *l)
{
    struct arena *a = ask_somebody(n, change_done, NULL);
    Etcdserverpb__MemberPromoteRequest *r =
        REQ_NEW(a, Etcdserverpb__MemberPromoteRequest, etcdserverpb__member_promote_request);
    r->id = l->id;
    sim_trace("operator: promote %s", world_name(l->place));
    ask_send(op.ask, OP_MEMBER_PROMOTE, r, NULL);
}

static void take_out(struct node *n, const struct listed *l)
{
    struct arena *a = ask_somebody(n, change_done, NULL);
    Etcdserverpb__MemberRemoveRequest *r =
        REQ_NEW(a, Etcdserverpb__MemberRemoveRequest, etcdserverpb__member_remove_request);
    r->id = l->id;
    sim_trace("operator: remove %s", world_name(l->place));
    ask_send(op.ask, OP_MEMBER_REMOVE, r, NULL);
}

/* Nobody lived there; a member that is listed will. */
static bool is_fresh(const struct node *n)
{
    return n->state == NODE_NONE ||
           (n->state == NODE_JOINING && n->life == 0 && listed_at(n->place) == NULL);
}

static size_t voters(void)
{
    size_t voters = 0;
    for (size_t i = 0; i < op.n_listed; i++)
        voters += !op.listed[i].is_learner;
    return voters;
}

static void change_members(struct node *n)
{
    const struct listed *any = &op.listed[sim_below(op.n_listed)];
    unsigned fresh = 0;
    while (fresh < NET_PLACES && !is_fresh(world_node(fresh)))
        fresh++;
    if (any->is_learner && sim_chance(800))
        promote(n, any);
    else if (op.n_listed < MEMBERS_WANTED && fresh < NET_PLACES && sim_chance(600))
        add(n, fresh);
    else if (op.list_is_new && (any->is_learner || voters() > VOTERS_LEAST))
        take_out(n, any);
    else
        list(n);
}

/* ---- what next
 * ---------------------------------------------------------------------------------------------- */

static void next_run(struct sim_event *e)
{
    struct node *n = world_up(sim_random());
    (void)e;
    if (n == NULL || n->paused_until > sim_now()) {
        go_on();
        return;
    }
    uint64_t what = sim_below(100);
    if (op.settles)
        list(n);
    else if (op.setup.changes_members && op.n_listed != 0 && what < 30)
        change_members(n);
    else if (op.setup.changes_members && what < 50)
        list(n);
    else if (what < 75)
        hash(n);
    else if (what < 88)
        compact(n);
    else if (what < 95)
        move_leader(n);
    else
        defragment(n);
}

void operator_begin(const struct operator_setup *setup)
{
    op = (struct operator){.setup = *setup, .next.run = next_run};
    go_on();
}

revision operator_compacted(void)
{
    return op.compacted;
}

void operator_settle(void)
{
    op.settles = true;
    if (op.ask == NULL)
        sim_set(&op.next, SETTLE_PAUSE);
}

bool operator_is_settled(void)
{
    return op.is_settled;
}

void operator_end(void)
{
    free(op.cluster);
    op.cluster = NULL;
}
