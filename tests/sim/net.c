/* tests/sim/net.c -- see net.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/clock.h"
#include "tests/sim/events.h"

enum {
    PORT_FIRST = 12000,
    SOON = 1000,            /* until a sender hears that nobody is there, microseconds */
    SNAPSHOT_TIME = 300000, /* a snapshot takes at most that much longer */
};

struct peer {
    struct transport_peer known;
    bool unreachable; /* is to be said */
};

/* One life of a member. */
struct port {
    struct transport transport;
    struct net *net;
    unsigned place;
    uint64_t life;
    bool muted;
    member_id id;
    uint64_t cluster_id;
    struct transport_receiver receiver;
    struct peer *peers;
    size_t n_peers;
    struct sim_event tell; /* who is unreachable */
};

/* A message under way, or a snapshot, or what its sender is to be told of it. */
struct packet {
    struct sim_event event;
    struct list link;
    struct net *net;
    enum packet_kind { PACKET_MESSAGE, PACKET_SNAPSHOT, PACKET_SNAPSHOT_SENT, PACKET_REMOVED } kind;
    unsigned from, to; /* places */
    uint64_t life;     /* of the sender */
    struct raft_message m;
    struct blob *file;
    member_id about;
    bool ok;
};

/* A small request, there and back. */
struct exchange {
    struct sim_event event; /* the next leg of the journey */
    struct sim_event timeout;
    struct list link;
    struct net *net;
    struct transport_request *request; /* NULL: nobody waits any more */
    unsigned from, to;
    uint64_t life, to_life;
    bool is_there; /* the other member has it */
    char *method, *path;
    struct blob *body, *answer;
    unsigned status;
    struct transport_inbound in;
};

struct net {
    struct net_host host;
    struct net_weather weather;
    struct port *ports[NET_PLACES]; /* NULL: nobody lives there */
    bool cut[NET_PLACES][NET_PLACES];
    int64_t last[NET_PLACES][NET_PLACES]; /* when the newest message of the way arrives */
    uint64_t lives, delivered;
    struct list packets, exchanges;
};

/* ---- places ------------------------------------------------------------------------------------
 */

void net_url(unsigned place, char ret[NET_URL_MAX])
{
    snprintf(ret, NET_URL_MAX, "http://127.0.0.1:%u", PORT_FIRST + place);
}

unsigned net_place(const char *url)
{
    char own[NET_URL_MAX];
    unsigned place = 0;
    do
        net_url(place, own);
    while (strcmp(own, url) != 0 && ++place < NET_PLACES);
    return place;
}

static struct port *port_of(const struct net *n, member_id id)
{
    for (unsigned i = 0; i < NET_PLACES; i++)
        if (n->ports[i] != NULL && !n->ports[i]->muted && n->ports[i]->id == id)
            return n->ports[i];
    return NULL;
}

/* The member at `place`, if it is still in that life. */
static struct port *port_in_life(const struct net *n, unsigned place, uint64_t life)
{
    struct port *p = n->ports[place];
    return p != NULL && !p->muted && p->life == life ? p : NULL;
}

static struct peer *peer_find(const struct port *p, member_id id)
{
    for (size_t i = 0; i < p->n_peers; i++)
        if (p->peers[i].known.id == id)
            return &p->peers[i];
    return NULL;
}

static void peer_refresh(struct port *p, struct peer *peer)
{
    const struct net *n = p->net;
    struct port *other = port_of(n, peer->known.id);
    bool active = !p->muted && other != NULL && !n->cut[p->place][other->place] &&
                  !n->cut[other->place][p->place];
    if (active && !peer->known.active) {
        peer->known.active_since = clock_now_ms();
        sscanf(other->receiver.server_version(other->receiver.arg), "%u.%u", &peer->known.major,
               &peer->known.minor);
    }
    peer->known.active = active;
}

static void refresh(struct net *n)
{
    for (unsigned i = 0; i < NET_PLACES; i++)
        for (size_t k = 0; n->ports[i] != NULL && k < n->ports[i]->n_peers; k++)
            peer_refresh(n->ports[i], &n->ports[i]->peers[k]);
}

void net_cut(struct net *n, unsigned from, unsigned to)
{
    n->cut[from][to] = true;
    refresh(n);
}

void net_heal(struct net *n)
{
    memset(n->cut, 0, sizeof n->cut);
    refresh(n);
}

bool net_is_cut(const struct net *n, unsigned from, unsigned to)
{
    return n->cut[from][to];
}

void net_set_weather(struct net *n, const struct net_weather *w)
{
    n->weather = *w;
}

uint64_t net_delivered(const struct net *n)
{
    return n->delivered;
}

static int64_t travel_time(const struct net *n)
{
    return sim_between(n->weather.delay_min, n->weather.delay_max + 1);
}

/* A member that does not run will look at it later. */
static bool is_paused(const struct net *n, unsigned place, struct sim_event *e)
{
    int64_t left = n->host.pause_left(place);
    if (left != 0)
        sim_set(e, left);
    return left != 0;
}

/* ---- packets -----------------------------------------------------------------------------------
 */

static void packet_free(struct packet *k)
{
    sim_clear(&k->event);
    list_unlink(&k->link);
    raft_message_fini(&k->m);
    blob_unref(k->file);
    free(k);
}

static void tell_sender(struct packet *k, enum packet_kind what, member_id about, bool ok);

static int file_make(const struct blob *b)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    invariant(fd != -1 && pwrite(fd, b->p, b->n, 0) == (ssize_t)b->n);
    return fd;
}

static void packet_arrive(struct packet *k, struct port *to)
{
    struct net *n = k->net;
    const struct transport_receiver *r = &to->receiver;
    sim_trace("%u>%u type %d term %llu index %llu commit %llu entries %zu", k->from, k->to,
              (int)k->m.type, (unsigned long long)k->m.term, (unsigned long long)k->m.index,
              (unsigned long long)k->m.commit, k->m.entries.n);
    n->delivered++;
    n->host.enter(k->to);
    if (r->is_removed(r->arg, k->m.from)) {
        tell_sender(k, PACKET_REMOVED, to->id, true);
        return;
    }
    if (k->kind == PACKET_SNAPSHOT) {
        bool ok = r->snapshot(r->arg, &k->m, file_make(k->file), k->file->n);
        tell_sender(k, PACKET_SNAPSHOT_SENT, to->id, ok);
        n->host.snapshot_came(to->place);
    } else {
        r->message(r->arg, &k->m);
    }
    r->round(r->arg);
    n->host.touched(k->to);
}

/* The member that sent it hears of it. */
static void packet_return(struct packet *k, struct port *to)
{
    const struct transport_receiver *r = &to->receiver;
    k->net->host.enter(to->place);
    sim_trace("%u hears %d of %llx: %d", to->place, (int)k->kind, (unsigned long long)k->about,
              k->ok);
    if (k->kind == PACKET_REMOVED)
        r->removed(r->arg, k->about);
    else
        r->snapshot_sent(r->arg, k->about, k->ok);
    k->net->host.touched(to->place);
}

static void packet_run(struct sim_event *e)
{
    struct packet *k = CONTAINER_OF(e, struct packet, event);
    bool returns = k->kind == PACKET_SNAPSHOT_SENT || k->kind == PACKET_REMOVED;
    struct port *to = returns ? port_in_life(k->net, k->from, k->life) : port_of(k->net, k->m.to);
    if (to != NULL && is_paused(k->net, to->place, e))
        return;
    if (returns && to != NULL)
        packet_return(k, to);
    else if (!returns && to != NULL && !k->net->cut[k->from][to->place])
        packet_arrive(k, to);
    else if (k->kind == PACKET_SNAPSHOT)
        tell_sender(k, PACKET_SNAPSHOT_SENT, k->m.to, false);
    packet_free(k);
}

static struct packet *packet_new(struct net *n, enum packet_kind kind, unsigned from, uint64_t life)
{
    struct packet *k = xcalloc(1, sizeof *k);
    k->event.run = packet_run;
    k->net = n;
    k->kind = kind;
    k->from = from;
    k->life = life;
    list_add_tail(&n->packets, &k->link);
    return k;
}

static void tell_sender(struct packet *k, enum packet_kind what, member_id about, bool ok)
{
    struct packet *back = packet_new(k->net, what, k->from, k->life);
    back->about = about;
    back->ok = ok;
    sim_set(&back->event, SOON + travel_time(k->net));
}

/* ---- the transport: messages -------------------------------------------------------------------
 */

static struct port *port_cast(struct transport *t)
{
    return CONTAINER_OF(t, struct port, transport);
}

static void port_peer_set(struct transport *t, member_id id, const char *const *urls, size_t n)
{
    struct port *p = port_cast(t);
    (void)urls;
    (void)n;
    invariant(id != p->id);
    if (peer_find(p, id) != NULL)
        return;
    p->peers = xrealloc(p->peers, (p->n_peers + 1) * sizeof *p->peers);
    p->peers[p->n_peers] = (struct peer){.known = {.id = id}};
    peer_refresh(p, &p->peers[p->n_peers++]);
}

static void port_peer_remove(struct transport *t, member_id id)
{
    struct port *p = port_cast(t);
    struct peer *peer = peer_find(p, id);
    if (peer != NULL)
        *peer = p->peers[--p->n_peers];
}

static bool port_peer_get(struct transport *t, member_id id, struct transport_peer *ret)
{
    struct peer *peer = peer_find(port_cast(t), id);
    if (peer != NULL)
        *ret = peer->known;
    return peer != NULL;
}

static void tell_unreachable(struct sim_event *e)
{
    struct port *p = CONTAINER_OF(e, struct port, tell);
    if (p->muted || is_paused(p->net, p->place, e))
        return;
    p->net->host.enter(p->place);
    for (size_t i = 0; i < p->n_peers; i++)
        if (p->peers[i].unreachable) {
            p->peers[i].unreachable = false;
            p->receiver.unreachable(p->receiver.arg, p->peers[i].known.id);
        }
    p->net->host.touched(p->place);
}

/* On its way, unless it is lost. Takes the message. */
static void dispatch(struct port *p, struct raft_message *m, unsigned to)
{
    struct net *n = p->net;
    int64_t *last = &n->last[p->place][to];
    int64_t at = sim_now() + travel_time(n);
    if (!sim_chance(n->weather.overtake)) {
        if (at <= *last)
            at = *last + 1;
        *last = at;
    }
    struct packet *k = packet_new(n, PACKET_MESSAGE, p->place, p->life);
    k->to = to;
    k->m = *m;
    *m = (struct raft_message){0};
    sim_set(&k->event, at - sim_now());
}

static void send_one(struct port *p, struct raft_message *m)
{
    struct peer *peer = peer_find(p, m->to);
    struct port *to = port_of(p->net, m->to);
    const struct net_weather *w = &p->net->weather;
    /* Whoever has us as a peer has told us its URL by its streams. */
    if (p->muted || (peer == NULL && (to == NULL || peer_find(to, p->id) == NULL)))
        return;
    if (to == NULL || p->net->cut[p->place][to->place]) {
        if (peer != NULL)
            peer->unreachable = true;
        sim_set_earlier(&p->tell, SOON);
        return;
    }
    if (sim_chance(w->loss))
        return;
    /* A proposal that came twice would be two: connections do not do that. */
    if (m->type != RAFT_MSG_PROP && sim_chance(w->twice)) {
        struct raft_message copy = raft_message_copy(m);
        dispatch(p, &copy, to->place);
    }
    dispatch(p, m, to->place);
}

static void port_send(struct transport *t, struct raft_message *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        invariant(m[i].type != RAFT_MSG_SNAP);
        send_one(port_cast(t), &m[i]);
        raft_message_fini(&m[i]);
    }
}

static void port_send_snapshot(struct transport *t, struct raft_message *m, int fd, uint64_t size)
{
    struct port *p = port_cast(t);
    struct port *to = port_of(p->net, m->to);
    struct packet *k = packet_new(p->net, PACKET_SNAPSHOT, p->place, p->life);
    k->to = to != NULL ? to->place : p->place;
    k->m = *m;
    *m = (struct raft_message){0};
    k->file = blob_new(size);
    invariant(pread(fd, k->file->p, size, 0) == (ssize_t)size);
    close(fd);
    if (p->muted) {
        packet_free(k);
        return;
    }
    if (sim_chance(p->net->weather.loss * 2)) { /* the connection breaks */
        tell_sender(k, PACKET_SNAPSHOT_SENT, k->m.to, false);
        packet_free(k);
        return;
    }
    sim_set(&k->event, travel_time(p->net) + sim_between(0, SNAPSHOT_TIME));
}

/* ---- the transport: small requests
 * --------------------------------------------------------------- */

static void exchange_free(struct exchange *x)
{
    sim_clear(&x->event);
    sim_clear(&x->timeout);
    list_unlink(&x->link);
    free(x->method);
    free(x->path);
    blob_unref(x->body);
    blob_unref(x->answer);
    free(x);
}

/* Tell who waits, if anybody still does. */
static void exchange_done(struct exchange *x, unsigned status)
{
    struct transport_request *r = x->request;
    sim_clear(&x->timeout);
    x->request = NULL;
    if (r == NULL || port_in_life(x->net, x->from, x->life) == NULL)
        return;
    x->net->host.enter(x->from);
    sim_trace("%u %s answered %u by %u", x->from, x->path, status, x->to);
    r->done(r, status, status != 0 ? blob_slice(x->answer) : slice_make(NULL, 0));
    x->net->host.touched(x->from);
}

static void exchange_back(struct sim_event *e)
{
    struct exchange *x = CONTAINER_OF(e, struct exchange, event);
    if (is_paused(x->net, x->from, e))
        return;
    exchange_done(x, x->status);
    exchange_free(x);
}

static void exchange_timeout(struct sim_event *e)
{
    struct exchange *x = CONTAINER_OF(e, struct exchange, timeout);
    if (is_paused(x->net, x->from, e))
        return;
    exchange_done(x, 0);
    if (!x->is_there) /* else the other one still has it in its hands */
        exchange_free(x);
}

static void exchange_there(struct sim_event *e)
{
    struct exchange *x = CONTAINER_OF(e, struct exchange, event);
    struct net *n = x->net;
    struct port *to = n->ports[x->to];
    if (is_paused(n, x->to, e))
        return;
    x->event.run = exchange_back;
    if (to == NULL || to->muted || n->cut[x->from][x->to]) {
        sim_set(&x->event, SOON);
        return;
    }
    x->in = (struct transport_inbound){
        .method = slice_str(x->method), .path = slice_str(x->path), .body = blob_slice(x->body)};
    list_init(&x->in.link);
    x->is_there = true;
    x->to_life = to->life;
    n->host.enter(x->to);
    to->receiver.request(to->receiver.arg, &x->in);
    n->host.touched(x->to);
}

static struct exchange *exchange_new(struct net *n, unsigned from, unsigned to, const char *method,
                                     const char *path, struct slice body)
{
    struct exchange *x = xcalloc(1, sizeof *x);
    x->net = n;
    x->from = from;
    x->to = to;
    x->method = xstrdup(method);
    x->path = xstrdup(path);
    x->body = blob_dup(body);
    list_add_tail(&n->exchanges, &x->link);
    return x;
}

static void port_request(struct transport *t, struct transport_request *r)
{
    struct port *p = port_cast(t);
    struct port *to = port_of(p->net, r->to);
    struct exchange *x = exchange_new(p->net, p->place, to != NULL ? to->place : p->place,
                                      r->method, r->path, r->body);
    x->request = r;
    x->life = p->life;
    r->impl = x;
    x->timeout.run = exchange_timeout;
    sim_set(&x->timeout, r->timeout_ms * 1000);
    if (to == NULL || p->muted) {
        x->event.run = exchange_back; /* nobody is there */
        sim_set(&x->event, SOON);
    } else if (!sim_chance(p->net->weather.loss)) {
        x->event.run = exchange_there;
        sim_set(&x->event, travel_time(p->net));
    }
}

static void port_request_cancel(struct transport *t, struct transport_request *r)
{
    struct exchange *x = r->impl;
    (void)t;
    x->request = NULL;
    sim_clear(&x->timeout);
    if (!x->is_there)
        exchange_free(x);
}

static void port_answer(struct transport *t, struct transport_inbound *in, unsigned status,
                        const char *content_type, struct slice body)
{
    struct port *p = port_cast(t);
    struct exchange *x = CONTAINER_OF(in, struct exchange, in);
    (void)content_type;
    invariant(x->is_there && body.n <= TRANSPORT_ANSWER_MAX);
    x->is_there = false;
    x->status = status;
    x->answer = blob_dup(body);
    if (x->request == NULL)
        exchange_free(x);
    else if (!p->muted && !p->net->cut[x->to][x->from] && x->event.run == exchange_back)
        sim_set(&x->event, travel_time(p->net));
    /* else nothing comes back, until the time is up; or net_fetch() looks itself */
}

enum err net_fetch(struct net *n, unsigned place, const char *url, const char *path,
                   struct server_fetched *ret)
{
    struct transport_request nobody;
    unsigned at = net_place(url);
    struct port *to = at < NET_PLACES ? n->ports[at] : NULL;
    if (to == NULL || to->muted || n->cut[place][at] || n->cut[at][place] ||
        n->host.pause_left(at) != 0)
        return ERR_CLOSED;
    struct exchange *x = exchange_new(n, place, at, "GET", path, slice_make(NULL, 0));
    x->request = &nobody;
    x->is_there = true;
    x->to_life = to->life;
    x->in = (struct transport_inbound){.method = slice_str(x->method), .path = slice_str(x->path)};
    list_init(&x->in.link);
    n->host.enter(at);
    to->receiver.request(to->receiver.arg, &x->in);
    n->host.touched(at);
    n->host.enter(place);
    x->request = NULL;
    if (x->is_there)
        return ERR_TIMEOUT; /* it goes when it is answered */
    *ret = (struct server_fetched){.status = x->status, .cluster_id = to->cluster_id};
    buf_add_slice(&ret->body, blob_slice(x->answer));
    exchange_free(x);
    return ERR_OK;
}

/* ---- coming and going
 * ---------------------------------------------------------------------------- */

static const struct transport_ops ops = {
    .peer_set = port_peer_set,
    .peer_remove = port_peer_remove,
    .peer_get = port_peer_get,
    .send = port_send,
    .send_snapshot = port_send_snapshot,
    .request = port_request,
    .request_cancel = port_request_cancel,
    .answer = port_answer,
};

struct transport *net_join(struct net *n, unsigned place, const struct transport_receiver *r,
                           member_id id, uint64_t cluster_id)
{
    struct port *p = xcalloc(1, sizeof *p);
    invariant(n->ports[place] == NULL);
    p->transport.ops = &ops;
    p->net = n;
    p->place = place;
    p->life = ++n->lives;
    p->id = id;
    p->cluster_id = cluster_id;
    p->receiver = *r;
    p->tell.run = tell_unreachable;
    n->ports[place] = p;
    refresh(n);
    return &p->transport;
}

void net_mute(struct net *n, unsigned place)
{
    struct port *p = n->ports[place];
    struct exchange *x;
    if (p == NULL)
        return;
    p->muted = true;
    sim_clear(&p->tell);
    LIST_FOREACH (x, &n->exchanges, struct exchange, link)
        if (x->request != NULL && x->from == place && x->life == p->life) {
            sim_clear(&x->timeout);
            sim_clear(&x->event);
        }
    refresh(n);
}

/* What it asked, nobody waits for; what it was asked, it will never answer. */
static void exchanges_end(struct net *n, const struct port *p)
{
    struct exchange *x;
    LIST_FOREACH (x, &n->exchanges, struct exchange, link) {
        bool asked = x->from == p->place && x->life == p->life;
        if (x->is_there && x->to == p->place && x->to_life == p->life) {
            x->is_there = false;
            x->status = 0;
            if (x->request != NULL && !asked)
                sim_set(&x->event, SOON);
            else
                asked = true;
        }
        if (asked && !x->is_there)
            exchange_free(x);
        else if (asked)
            x->request = NULL;
    }
}

void net_leave(struct net *n, unsigned place)
{
    struct port *p = n->ports[place];
    if (p == NULL)
        return;
    net_mute(n, place);
    exchanges_end(n, p);
    n->ports[place] = NULL;
    free(p->peers);
    free(p);
}

struct net *net_new(const struct net_host *host)
{
    struct net *n = xcalloc(1, sizeof *n);
    n->host = *host;
    list_init(&n->packets);
    list_init(&n->exchanges);
    return n;
}

void net_free(struct net *n)
{
    struct packet *k;
    struct exchange *x;
    if (n == NULL)
        return;
    LIST_FOREACH (k, &n->packets, struct packet, link)
        packet_free(k);
    LIST_FOREACH (x, &n->exchanges, struct exchange, link)
        exchange_free(x);
    free(n);
}
