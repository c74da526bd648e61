/* tests/sim/leases.c -- see leases.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/leases.h"

#include <inttypes.h>

#include "tests/sim/asks.h"

enum {
    SECOND = 1000000,
    TTL_MIN = 2, /* seconds; above one and a half elections */
    TTL_MAX = 6,
    THINK_MAX = SECOND / 2,
    RETRY = 100000, /* nobody is up */
    PATIENCE = 3 * SECOND,
};

static const uint64_t first_value = (uint64_t)1 << 40; /* not one of the workers' */

/* FREE --grant--> GRANTED --put--> HELD --revoke--> REVOKED; HELD --let go--> LEFT. From the last
 * two FREE again when the keys are seen to be gone. LOST: a put without an answer may come true at
 * any time; nothing is certain any more. */
enum holder_state { FREE, GRANTED, HELD, LEFT, REVOKED, LOST };

struct holder {
    unsigned number, first, keys;
    enum holder_state state;
    lease_id lease;
    int64_t ttl;
    uint64_t value;
    int64_t sure_until; /* the keys are there */
    int64_t asked_at;
    struct node *node;
    struct ask *ask; /* NULL: none is under way */
    struct sim_event next, give_up;
};

static struct leases {
    struct holder v[HOLDERS_MAX];
    unsigned n;
    uint64_t values;
    bool rest;
} all;

/* ---- answers --------------------------------------------------------------------------------- */

static void move(struct holder *h, enum holder_state to)
{
    h->state = to;
    if (to != HELD && to != LEFT)
        h->sure_until = 0;
}

static void answered(struct holder *h)
{
    h->ask = NULL;
    sim_clear(&h->give_up);
    sim_set(&h->next, sim_between(0, THINK_MAX));
}

static void is_gone(struct holder *h, const char *who)
{
    if (sim_now() < h->sure_until)
        sim_fail("holder %u: %s at %s that its lease is over, %" PRId64 " us too early", h->number,
                 who, world_name(h->node->place), h->sure_until - sim_now());
    move(h, h->state == LOST ? LOST : FREE);
}

static void extend(struct holder *h, int64_t ttl)
{
    if (h->asked_at + ttl * SECOND > h->sure_until)
        h->sure_until = h->asked_at + ttl * SECOND;
}

static void granted(void *arg, enum err e, const void *response)
{
    struct holder *h = arg;
    (void)response;
    answered(h);
    sim_trace("holder %u: grant %" PRId64 ": %s", h->number, h->lease, err_text(e));
    if (e != ERR_OK)
        return; /* perhaps it was: it hurts nobody */
    move(h, GRANTED);
    h->sure_until = h->asked_at + h->ttl * SECOND; /* that the lease is there */
}

static void put(void *arg, enum err e, const void *response)
{
    struct holder *h = arg;
    (void)response;
    answered(h);
    sim_trace("holder %u: put: %s", h->number, err_text(e));
    if (e == ERR_OK)
        h->state = HELD;
    else if (e == ERR_LEASE_NOT_FOUND)
        is_gone(h, "it is told");
    else
        move(h, LOST);
}

static void renewed(void *arg, enum err e, const void *response)
{
    struct holder *h = arg;
    const Etcdserverpb__LeaseKeepAliveResponse *r = response;
    answered(h);
    sim_trace("holder %u: renew: %s, %" PRId64, h->number, err_text(e),
              e == ERR_OK ? r->ttl : -1);
    if (e == ERR_OK && r->ttl > 0)
        extend(h, r->ttl);
    else if (e == ERR_OK || e == ERR_LEASE_NOT_FOUND)
        is_gone(h, "it is told");
}

static void revoked(void *arg, enum err e, const void *response)
{
    struct holder *h = arg;
    (void)response;
    answered(h);
    sim_trace("holder %u: revoke: %s", h->number, err_text(e));
    move(h, e == ERR_OK ? REVOKED : LEFT);
}

/* ---- reads ----------------------------------------------------------------------------------- */

struct seen {
    const struct holder *h;
    unsigned n;
};

static bool see(void *arg, const struct kv_row *row)
{
    struct seen *s = arg;
    bool is_next = slice_is(row->key, key_name(s->h->first + s->n++));
    if (!is_next || value_number(row->value) != s->h->value || row->lease != s->h->lease)
        sim_fail("holder %u sees another key, value or lease", s->h->number);
    return true;
}

static void read_now(struct holder *h)
{
    struct arena *a = arena_new();
    struct range_req req = {.key = slice_str(key_name(h->first)),
                            .range_end = slice_str(key_name(h->first + h->keys))};
    struct range_plan *plan;
    struct seen s = {h, 0};
    node_enter(h->node);
    enum err e = server_range_plan(h->node->client, &req, a, &plan);
    if (e == ERR_OK)
        e = server_range_fetch(h->node->client, plan, see, &s);
    range_plan_free(plan);
    arena_free(a);
    if (e != ERR_OK)
        return;
    sim_trace("holder %u: of its %u keys %u are there", h->number, h->keys, s.n);
    if (s.n != 0 && s.n != h->keys)
        sim_fail("holder %u sees %u of its %u keys at %s", h->number, s.n, h->keys,
                 world_name(h->node->place));
    if (s.n != 0 && h->state == REVOKED)
        sim_fail("holder %u has revoked its lease, and sees its keys at %s", h->number,
                 world_name(h->node->place));
    if (s.n == 0)
        is_gone(h, "it sees");
}

static void may_read(void *arg, enum err e, const void *response)
{
    struct holder *h = arg;
    (void)response;
    answered(h);
    if (e == ERR_OK)
        read_now(h);
}

/* ---- questions ------------------------------------------------------------------------------- */

static void ask_grant(struct holder *h)
{
    h->ask = ask_new(h->node, granted, h);
    Etcdserverpb__LeaseGrantRequest *r =
        REQ_NEW(ask_arena(h->ask), Etcdserverpb__LeaseGrantRequest,
                etcdserverpb__lease_grant_request);
    r->id = h->lease += HOLDERS_MAX;
    r->ttl = h->ttl = sim_between(TTL_MIN, TTL_MAX + 1);
    ask_send(h->ask, OP_LEASE_GRANT, r, NULL);
}

static void ask_put(struct holder *h)
{
    h->ask = ask_new(h->node, put, h);
    struct arena *a = ask_arena(h->ask);
    h->value = first_value + ++all.values;
    Etcdserverpb__TxnRequest *t = req_txn(a);
    for (unsigned i = 0; i < h->keys; i++) {
        Etcdserverpb__PutRequest *r =
            req_put(a, key_name(h->first + i), value_text(a, h->value));
        r->lease = h->lease;
        txn_then(t, op_put(a, r));
    }
    ask_send(h->ask, OP_TXN, t, NULL);
}

static void ask_renew(struct holder *h)
{
    h->ask = ask_new(h->node, renewed, h);
    Etcdserverpb__LeaseKeepAliveRequest *r =
        REQ_NEW(ask_arena(h->ask), Etcdserverpb__LeaseKeepAliveRequest,
                etcdserverpb__lease_keep_alive_request);
    r->id = h->lease;
    ask_send(h->ask, OP_LEASE_KEEP_ALIVE, r, &etcdserverpb__lease_keep_alive_response__descriptor);
}

static void ask_revoke(struct holder *h)
{
    h->ask = ask_new(h->node, revoked, h);
    h->state = LEFT;
    h->sure_until = 0; /* it may come true at any time, with or without an answer */
    Etcdserverpb__LeaseRevokeRequest *r =
        REQ_NEW(ask_arena(h->ask), Etcdserverpb__LeaseRevokeRequest,
                etcdserverpb__lease_revoke_request);
    r->id = h->lease;
    ask_send(h->ask, OP_LEASE_REVOKE, r, NULL);
}

static void ask_read(struct holder *h)
{
    h->ask = ask_new(h->node, may_read, h);
    ask_send(h->ask, OP_READ_INDEX, NULL, NULL);
}

static void ask(struct holder *h)
{
    uint64_t what = sim_below(10);
    h->asked_at = sim_now();
    sim_set(&h->give_up, PATIENCE);
    if (h->state == FREE)
        ask_grant(h);
    else if (h->state == GRANTED)
        ask_put(h);
    else if (h->state != HELD || what < 4)
        ask_read(h);
    else if (what < 8)
        ask_renew(h);
    else if (what < 9)
        ask_revoke(h);
    else
        h->state = LEFT;
    if (h->ask == NULL)
        answered(h);
}

static void next_run(struct sim_event *e)
{
    struct holder *h = CONTAINER_OF(e, struct holder, next);
    if (all.rest || h->state == LOST)
        return;
    h->node = world_up(sim_random());
    if (h->node == NULL || h->node->paused_until > sim_now())
        sim_set(e, RETRY);
    else
        ask(h);
}

static void give_up_run(struct sim_event *e)
{
    struct holder *h = CONTAINER_OF(e, struct holder, give_up);
    if (h->ask == NULL)
        return;
    ask_forget(h->ask);
    if (h->state == GRANTED)
        move(h, LOST); /* its put may still come true */
    answered(h);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void leases_begin(unsigned n)
{
    all = (struct leases){.n = n};
    invariant(n <= HOLDERS_MAX);
    for (unsigned i = 0; i < n; i++) {
        struct holder *h = &all.v[i];
        *h = (struct holder){.number = i, .lease = 1 + (lease_id)i,
                             .first = LEASE_KEY_FIRST + i * HOLDER_KEYS_MAX,
                             .keys = 1 + (unsigned)sim_below(HOLDER_KEYS_MAX),
                             .next.run = next_run, .give_up.run = give_up_run};
        sim_set(&h->next, sim_between(0, THINK_MAX));
    }
}

void leases_rest(void)
{
    all.rest = true;
}

bool leases_are_gone(void)
{
    revision mod;
    for (unsigned i = 0; i < all.n; i++)
        if (all.v[i].ask != NULL || tails_value(all.v[i].first, &mod) != 0)
            return false;
    return true;
}

/* The keys of `h` in the revision that begins at `at`: all or none, in order, of one value. */
static void check_one(const struct holder *h, const struct linear_event *log, size_t n, size_t at)
{
    unsigned seen = 0;
    bool right = true;
    for (size_t i = at; i < n && log[i].rev == log[at].rev; i++)
        if (log[i].key - h->first < HOLDER_KEYS_MAX) {
            right = right && log[i].key == h->first + seen && log[i].value == log[at].value;
            seen++;
        }
    if (!right || (seen != 0 && seen != h->keys))
        sim_fail("revision %" PRId64 " has %u of the %u keys of holder %u, or not in order",
                 log[at].rev, seen, h->keys, h->number);
}

void leases_check(void)
{
    size_t n;
    const struct linear_event *log = tails_log(&n);
    for (size_t i = 0; i < n; i = linear_find(log, n, log[i].rev + 1))
        for (unsigned k = 0; k < all.n; k++)
            check_one(&all.v[k], log, n, i);
}
