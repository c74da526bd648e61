/* client/keepalive.c -- see client_priv.h.
 *
 *   IDLE --due--> WANTED --sent--> ASKED --answered--> IDLE
 *                    ^               |
 *                    +- stream lost -+
 *
 * All leases of a client are renewed over one stream, which asks for an endpoint that has a leader.
 * When an answer is missing after a third of the TTL the stream is given up for another, which goes
 * to the next endpoint.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/hashmap.h"
#include "client/client_priv.h"

enum {
    REOPEN_MS = 500,       /* after a stream on which nothing was heard */
    REOPEN_HEARD_MS = 25,  /* after another */
    ANSWER_MIN_MS = 500,   /* an answer may always take so long */
    FIRST_EXTRA_MS = 1000, /* the first one: as long as a connection, and this */
};

struct etcd_keepalive {
    struct list link, *at; /* keepers.idle, .wanted or .asked: its state */
    struct keepers *keepers;
    int64_t lease;
    struct deadline due; /* what is next: to be renewed, answered, or lost */
    msec asked_at; /* last */
    msec expires, ttl;
    uint64_t round; /* of the answer that it was told */
    bool telling, stopped;
    void (*on_response)(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *response,
                        const struct etcd_error *error);
    void *arg;
};

struct keepers {
    struct etcd_client *client;
    struct etcd_stream *stream;
    struct loop_timer reopen;
    bool pausing; /* `reopen` is set */
    struct list idle, wanted, asked;
    struct hashmap by_lease;
    struct deadlines due;
    uint64_t rounds;
    struct etcd_error error; /* of the last stream */
};

msec ttl_ms(int64_t ttl_s)
{
    return (ttl_s < 1 ? 1 : ttl_s < INT32_MAX ? ttl_s : INT32_MAX) * INT64_C(1000);
}

/* ---- one lease --------------------------------------------------------------------------- */

/* Go to another list, and say when that is over; the lease's end comes first. */
static void move(struct etcd_keepalive *k, struct list *to, msec until)
{
    struct deadlines *ds = &k->keepers->due;
    list_unlink(&k->link);
    list_add_tail(to, &k->link);
    k->at = to;
    deadlines_remove(ds, &k->due);
    deadlines_add(ds, &k->due, until < k->expires ? until : k->expires);
}

static uint64_t hash_lease(int64_t lease)
{
    return hash_int(0, (uint64_t)lease);
}

/* Out of everything; `telling` keeps the memory. */
static void drop(struct etcd_keepalive *k)
{
    k->stopped = true;
    hashmap_remove(&k->keepers->by_lease, hash_lease(k->lease), k);
    deadlines_remove(&k->keepers->due, &k->due);
    list_unlink(&k->link);
}

void etcd_keepalive_stop(struct etcd_keepalive *k)
{
    if (!k->stopped)
        drop(k);
    if (!k->telling)
        free(k);
}

static void tell(struct etcd_keepalive *k, const Etcdserverpb__LeaseKeepAliveResponse *r,
                 const struct etcd_error *e)
{
    k->telling = true;
    k->on_response(k->arg, r, e);
    k->telling = false;
    if (k->stopped)
        free(k);
}

/* Its end. */
static void fail(struct etcd_keepalive *k, const struct etcd_error *error)
{
    struct etcd_error e = *error;
    if (e.code == ETCD_OK)
        error_of_deadline(&e);
    drop(k);
    tell(k, NULL, &e);
}

static void on_answer(struct etcd_keepalive *k, const Etcdserverpb__LeaseKeepAliveResponse *r)
{
    if (r->ttl > 0) {
        msec now = loop_now(k->keepers->client->loop);
        k->ttl = ttl_ms(r->ttl);
        /* the server may have renewed it long before this came */
        k->expires = (k->at == &k->keepers->asked ? k->asked_at : now) + k->ttl;
        move(k, &k->keepers->idle, now + k->ttl / 3);
    } else {
        drop(k);
    }
    tell(k, r, NULL);
}

/* ---- the stream -------------------------------------------------------------------------- */

struct untold {
    int64_t lease;
    uint64_t round;
};

static bool is_untold(const void *obj, const void *key)
{
    const struct etcd_keepalive *k = obj;
    const struct untold *u = key;
    return k->lease == u->lease && k->round != u->round;
}

/* Several may keep one lease, and whoever is told may stop any of them. */
static void on_message(void *arg, const void *response)
{
    struct keepers *ks = arg;
    const Etcdserverpb__LeaseKeepAliveResponse *r = response;
    const struct untold u = {r->id, ++ks->rounds};
    struct etcd_keepalive *k;
    ks->error.code = ETCD_OK;
    while ((k = hashmap_find(&ks->by_lease, hash_lease(r->id), is_untold, &u)) != NULL) {
        k->round = u.round;
        on_answer(k, r);
    }
}

static void give_up_stream(struct keepers *ks, msec pause)
{
    etcd_stream_free(ks->stream);
    ks->stream = NULL;
    ks->pausing = true;
    loop_timer_set(&ks->reopen, pause);
    struct etcd_keepalive *k;
    LIST_FOREACH (k, &ks->asked, struct etcd_keepalive, link)
        move(k, &ks->wanted, k->expires);
}

static void on_done(void *arg, const struct etcd_error *e)
{
    struct keepers *ks = arg;
    ks->error = *e;
    client_debug(ks->client, "lease keep-alive: %s",
                 e->code == ETCD_OK ? "the server ended it" : e->text);
    give_up_stream(ks, ks->stream->heard ? REOPEN_HEARD_MS : REOPEN_MS);
    if (!error_is_final(&ks->error))
        return;
    struct list failed;
    list_init(&failed);
    list_splice_tail(&failed, &ks->wanted);
    while (!list_is_empty(&failed))
        fail(LIST_ENTRY(failed.next, struct etcd_keepalive, link), &ks->error);
}

/* Renew all that is wanted. */
static void keepers_go(struct keepers *ks)
{
    if (ks->pausing || list_is_empty(&ks->wanted))
        return;
    if (ks->stream == NULL) {
        ks->stream = stream_open(ks->client, &etcd_rpc_lease_keep_alive, true, NULL, on_message,
                                 on_done, ks);
    }
    msec now = loop_now(ks->client->loop);
    struct etcd_keepalive *k;
    LIST_FOREACH (k, &ks->wanted, struct etcd_keepalive, link) {
        Etcdserverpb__LeaseKeepAliveRequest rq = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
        rq.id = k->lease;
        etcd_stream_send(ks->stream, &rq);
        k->asked_at = now;
        move(k, &ks->asked, now + (k->ttl / 3 > ANSWER_MIN_MS ? k->ttl / 3 : ANSWER_MIN_MS));
    }
}

static void on_reopen(struct loop_timer *t)
{
    struct keepers *ks = CONTAINER_OF(t, struct keepers, reopen);
    ks->pausing = false;
    keepers_go(ks);
}

static void on_due(struct deadline *d)
{
    struct etcd_keepalive *k = CONTAINER_OF(d, struct etcd_keepalive, due);
    struct keepers *ks = k->keepers;
    if (loop_now(ks->client->loop) >= k->expires) {
        fail(k, &ks->error);
    } else if (k->at == &ks->asked) {
        endpoint_shun(ks->stream->attempt.endpoint);
        give_up_stream(ks, 0);
    } else {
        move(k, &ks->wanted, k->expires);
        keepers_go(ks);
    }
}

/* ---- the user's side --------------------------------------------------------------------- */

static struct keepers *keepers_get(struct etcd_client *c)
{
    if (c->keepers == NULL) {
        struct keepers *ks = xcalloc(1, sizeof *ks);
        ks->client = c;
        list_init(&ks->idle);
        list_init(&ks->wanted);
        list_init(&ks->asked);
        loop_timer_init(&ks->reopen, c->loop, on_reopen);
        deadlines_init(&ks->due, c->loop, on_due);
        c->keepers = ks;
    }
    return c->keepers;
}

struct etcd_keepalive *
keepalive_start(struct etcd_client *c, int64_t lease, msec ttl,
                void (*on_response)(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *response,
                                    const struct etcd_error *error),
                void *arg)
{
    struct keepers *ks = keepers_get(c);
    struct etcd_keepalive *k = xcalloc(1, sizeof *k);
    k->keepers = ks;
    k->lease = lease;
    k->on_response = on_response;
    k->arg = arg;
    k->due.at = DEADLINE_NONE;
    k->ttl = ttl;
    k->expires = loop_now(c->loop) + ttl;
    k->round = ks->rounds;
    list_init(&k->link);
    hashmap_add(&ks->by_lease, hash_lease(lease), k);
    move(k, &ks->wanted, k->expires);
    keepers_go(ks);
    return k;
}

struct etcd_keepalive *etcd_keepalive_start(
    struct etcd_client *c, int64_t lease,
    void (*on_response)(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *response,
                        const struct etcd_error *error),
    void *arg)
{
    return keepalive_start(c, lease, c->cfg.dial_timeout_ms + FIRST_EXTRA_MS, on_response, arg);
}

static void stop_all(struct list *leases)
{
    while (!list_is_empty(leases))
        etcd_keepalive_stop(LIST_ENTRY(leases->next, struct etcd_keepalive, link));
}

void keepers_fini(struct etcd_client *c)
{
    struct keepers *ks = c->keepers;
    if (ks == NULL)
        return;
    stop_all(&ks->idle);
    stop_all(&ks->wanted);
    stop_all(&ks->asked);
    etcd_stream_free(ks->stream);
    loop_timer_fini(&ks->reopen);
    deadlines_fini(&ks->due);
    hashmap_fini(&ks->by_lease);
    free(ks);
}

/* ---- once -------------------------------------------------------------------------------- */

struct once {
    struct etcd_keepalive *k; /* NULL: it is over by itself */
    bool over;
    Etcdserverpb__LeaseKeepAliveResponse *response;
    struct etcd_error *error;
};

static void on_once(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *r,
                    const struct etcd_error *e)
{
    struct once *o = arg;
    if (r == NULL || r->ttl <= 0)
        o->k = NULL;
    if (o->over)
        return;
    o->over = true;
    if (r == NULL)
        *o->error = *e;
    else if (r->ttl <= 0)
        error_set(o->error, ETCD_NOT_FOUND, "%s", err_text(ERR_LEASE_NOT_FOUND));
    else
        o->response = response_dup(&r->base);
}

Etcdserverpb__LeaseKeepAliveResponse *etcd_keepalive_once(struct etcd_client *c, int64_t lease,
                                                          struct etcd_error *ret_error)
{
    struct once o = {.error = ret_error};
    if (!client_may_wait(c, ret_error))
        return NULL;
    msec timeout = c->cfg.call_timeout_ms > 0 ? c->cfg.call_timeout_ms : INT32_MAX;
    o.k = keepalive_start(c, lease, timeout, on_once, &o);
    while (!o.over && etcd_client_poll(c, -1))
        ;
    if (!o.over)
        error_set(ret_error, ETCD_CANCELED, "context canceled");
    if (o.k != NULL)
        etcd_keepalive_stop(o.k);
    return o.response;
}
