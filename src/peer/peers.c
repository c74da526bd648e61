/* peer/peers.c -- all peers: the transport's functions, and what is owed to the receiver.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer/peer_priv.h"

enum {
    REMOTES_MAX = 64,
    REMOTE_URLS_MAX = 16,
};

/* ---- versions ------------------------------------------------------------------------------ */

static bool take_number(struct slice *s, unsigned *ret)
{
    size_t i = 0;
    unsigned v = 0;
    for (; i < s->n && i < 6 && isdigit(s->p[i]); i++)
        v = v * 10 + (unsigned)(s->p[i] - '0');
    *ret = v;
    *s = slice_make(s->p + i, s->n - i);
    return i != 0;
}

struct peer_version peer_version_parse(struct slice text)
{
    struct peer_version v;
    if (!take_number(&text, &v.major) || text.n == 0 || text.p[0] != '.')
        return (struct peer_version){2, 0};
    text = slice_make(text.p + 1, text.n - 1);
    if (!take_number(&text, &v.minor) || (text.n != 0 && text.p[0] != '.'))
        return (struct peer_version){2, 0};
    return v;
}

int peer_version_cmp(struct peer_version a, struct peer_version b)
{
    if (a.major != b.major)
        return a.major < b.major ? -1 : 1;
    return (a.minor > b.minor) - (a.minor < b.minor);
}

/* ---- finding ------------------------------------------------------------------------------- */

static struct peer *list_find(const struct list *l, member_id id)
{
    struct peer *peer;
    LIST_FOREACH (peer, l, struct peer, link)
        if (peer->id == id)
            return peer;
    return NULL;
}

struct peer *peers_find(struct peers *p, member_id id)
{
    struct peer *peer = list_find(&p->peers, id);
    return peer != NULL ? peer : list_find(&p->remotes, id);
}

static void remote_close(struct peers *p, struct peer *remote)
{
    p->n_remotes--;
    peer_close(remote);
}

/* Split at commas; what is no http or https URL is left out. */
static size_t remote_urls(struct slice text, char **ret_urls)
{
    size_t n = 0;
    while (text.n != 0 && n < REMOTE_URLS_MAX) {
        const uint8_t *comma = memchr(text.p, ',', text.n);
        struct slice one = slice_make(text.p, comma != NULL ? (size_t)(comma - text.p) : text.n);
        size_t used = one.n + (comma != NULL);
        struct peer_address a;
        if (peer_address_parse(one, &a, NULL) == ERR_OK && a.port != NULL)
            ret_urls[n++] = xstrndup((const char *)one.p, one.n);
        peer_address_fini(&a);
        text = slice_make(text.p + used, text.n - used);
    }
    return n;
}

void peers_add_remote(struct peers *p, member_id id, struct slice text)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    if (id == 0 || id == p->cfg.id || peers_find(p, id) != NULL || r->is_removed(r->arg, id))
        return;
    char *urls[REMOTE_URLS_MAX];
    size_t n = remote_urls(text, urls);
    if (n != 0) {
        if (p->n_remotes == REMOTES_MAX)
            remote_close(p, LIST_ENTRY(p->remotes.next, struct peer, link));
        struct peer *remote = peer_new(p, id, true);
        list_add_tail(&p->remotes, &remote->link);
        p->n_remotes++;
        peer_set_urls(remote, (const char *const *)urls, n);
    }
    while (n > 0)
        free(urls[--n]);
}

char *peers_headers(const struct peers *p, const char *more)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    return xasprintf("X-Server-From: %" PRIx64 "\r\n"
                     "X-Server-Version: %s\r\n"
                     "X-Min-Cluster-Version: " PEER_MIN_CLUSTER_VERSION "\r\n"
                     "X-Etcd-Cluster-Id: %" PRIx64 "\r\n"
                     "X-Peerurls: %s\r\n"
                     "%s",
                     p->cfg.id, r->server_version(r->arg), p->cfg.cluster_id, p->own_urls, more);
}

/* ---- receiving ----------------------------------------------------------------------------- */

bool peers_receive(struct peers *p, struct raft_message *m)
{
    const struct transport_receiver *r = &p->cfg.receiver;
    if (raft_message_type_is_local(m->type) || m->to != p->cfg.id || r->is_removed(r->arg, m->from))
        return false;
    p->round_due = true;
    return r->message(r->arg, m);
}

/* ---- rounds and timers --------------------------------------------------------------------- */

void peers_settle_soon(struct peers *p)
{
    loop_timer_set(&p->settle, 0);
}

/* The receiver may change the lists: begin anew after each. */
static struct peer *first_unreachable(const struct list *peers)
{
    struct peer *peer;
    LIST_FOREACH (peer, peers, struct peer, link)
        if (peer->is_unreachable)
            return peer;
    return NULL;
}

static void settle_unreachable(struct peers *p, const struct list *peers)
{
    struct peer *peer;
    while ((peer = first_unreachable(peers)) != NULL) {
        peer->is_unreachable = false;
        p->cfg.receiver.unreachable(p->cfg.receiver.arg, peer->id);
    }
}

static void on_settle(struct loop_timer *t)
{
    struct peers *p = CONTAINER_OF(t, struct peers, settle);
    settle_unreachable(p, &p->peers);
    settle_unreachable(p, &p->remotes);
    peers_requests_settle(p);
    peers_snapshots_settle(p);
    while (!list_is_empty(&p->dead))
        peer_free(LIST_ENTRY(p->dead.next, struct peer, link));
}

static void on_round_end(void *arg)
{
    struct peers *p = arg;
    bool due = p->round_due;
    p->round_due = false;
    if (peers_has_ended_snapshot(p))
        peers_settle_soon(p);
    if (due)
        p->cfg.receiver.round(p->cfg.receiver.arg);
}

static void on_tick(struct loop_timer *t)
{
    struct peers *p = CONTAINER_OF(t, struct peers, tick);
    loop_timer_set(t, PEER_TICK_MS);
    struct peer *peer;
    LIST_FOREACH (peer, &p->peers, struct peer, link)
        for (int k = 0; k < PEER_KINDS; k++)
            peer_out_tick(&peer->out[k]);
    receptions_tick(p);
}

static void on_probe(struct loop_timer *t)
{
    struct peers *p = CONTAINER_OF(t, struct peers, probe);
    loop_timer_set(t, PEER_PROBE_MS);
    struct peer *peer;
    LIST_FOREACH (peer, &p->peers, struct peer, link)
        peer_probe(peer);
}

/* ---- the transport ------------------------------------------------------------------------- */

static void op_peer_set(struct transport *t, member_id id, const char *const *urls, size_t n)
{
    struct peers *p = peers_of(t);
    invariant(id != 0 && id != p->cfg.id);
    struct peer *peer = peers_find(p, id);
    if (peer != NULL && peer->is_remote) {
        remote_close(p, peer);
        peer = NULL;
    }
    if (peer == NULL) {
        peer = peer_new(p, id, false);
        list_add_tail(&p->peers, &peer->link);
    } else if (peer_has_urls(peer, urls, n)) {
        return;
    }
    peer_set_urls(peer, urls, n);
}

static void op_peer_remove(struct transport *t, member_id id)
{
    struct peer *peer = list_find(&peers_of(t)->peers, id);
    if (peer != NULL)
        peer_close(peer);
}

static bool op_peer_get(struct transport *t, member_id id, struct transport_peer *ret)
{
    const struct peer *peer = list_find(&peers_of(t)->peers, id);
    if (peer == NULL)
        return false;
    *ret = (struct transport_peer){
        .id = id,
        .active = peer->is_active,
        .active_since = peer->active_since,
        .major = peer->version.major,
        .minor = peer->version.minor,
    };
    return true;
}

static void op_send(struct transport *t, struct raft_message *m, size_t n)
{
    struct peers *p = peers_of(t);
    for (size_t i = 0; i < n; i++) {
        struct peer *peer = peers_find(p, m[i].to);
        if (peer != NULL)
            peer_send(peer, &m[i]);
        else
            raft_message_fini(&m[i]);
    }
}

static void op_send_snapshot(struct transport *t, struct raft_message *m, int fd, uint64_t size)
{
    peers_send_snapshot(peers_of(t), m, fd, size);
}

static void op_request(struct transport *t, struct transport_request *r)
{
    peers_request(peers_of(t), r);
}

static void op_request_cancel(struct transport *t, struct transport_request *r)
{
    (void)t;
    peers_request_cancel(r);
}

static void op_answer(struct transport *t, struct transport_inbound *in, unsigned status,
                      const char *content_type, struct slice body)
{
    inbound_answer(peers_of(t), in, status, content_type, body);
}

static const struct transport_ops peers_ops = {
    .peer_set = op_peer_set,
    .peer_remove = op_peer_remove,
    .peer_get = op_peer_get,
    .send = op_send,
    .send_snapshot = op_send_snapshot,
    .request = op_request,
    .request_cancel = op_request_cancel,
    .answer = op_answer,
};

/* ---- life ---------------------------------------------------------------------------------- */

static char *join_urls(const char *const *urls, size_t n)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s%s", i != 0 ? "," : "", urls[i]);
    return buf_take_cstr(&b);
}

struct peers *peers_new(const struct peers_config *config)
{
    struct peers *p = xcalloc(1, sizeof *p);
    p->transport.ops = &peers_ops;
    p->cfg = *config;
    p->own_urls = join_urls(config->urls, config->n_urls);
    snprintf(p->cluster_hex, sizeof p->cluster_hex, "%" PRIx64, config->cluster_id);
    struct list *const lists[] = {&p->peers,      &p->remotes, &p->dead,  &p->inbounds,
                                  &p->receptions, &p->senders, &p->failed};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
    loop_timer_init(&p->settle, config->loop, on_settle);
    loop_timer_init(&p->tick, config->loop, on_tick);
    loop_timer_init(&p->probe, config->loop, on_probe);
    loop_timer_set(&p->tick, PEER_TICK_MS);
    loop_timer_set(&p->probe, PEER_PROBE_MS);
    loop_on_round_end(config->loop, on_round_end, p);
    return p;
}

static void close_all(struct list *peers)
{
    while (!list_is_empty(peers))
        peer_close(LIST_ENTRY(peers->next, struct peer, link));
}

void peers_free(struct peers *p)
{
    if (p == NULL)
        return;
    close_all(&p->peers);
    close_all(&p->remotes);
    inbounds_drop(p);
    receptions_drop(p);
    peers_requests_drop(p);
    peers_snapshots_drop(p);
    while (!list_is_empty(&p->dead))
        peer_free(LIST_ENTRY(p->dead.next, struct peer, link));
    loop_remove_round_end(p->cfg.loop, on_round_end, p);
    loop_timer_fini(&p->settle);
    loop_timer_fini(&p->tick);
    loop_timer_fini(&p->probe);
    buf_fini(&p->scratch);
    free(p->own_urls);
    free(p);
}

struct transport *peers_transport(struct peers *p)
{
    return &p->transport;
}
