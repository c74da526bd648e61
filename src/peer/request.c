/* peer/request.c -- small requests to one peer, at each of its URLs in turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "peer/peer_priv.h"

struct outgoing {
    struct list link; /* peer.outgoing, or peers.failed */
    struct peers *owner;
    struct peer *peer; /* NULL: it failed */
    struct transport_request *r;
    struct http_request request;
    bool is_running;
    char *headers;
    msec deadline;
    size_t first, tried; /* URLs: where it began, and how many */
};

static void outgoing_end(struct outgoing *o, unsigned status, struct slice body)
{
    struct transport_request *r = o->r;
    list_unlink(&o->link);
    r->impl = NULL;
    r->done(r, status, body);
    free(o->headers);
    free(o);
}

/* Tell it in the next round. */
static void outgoing_fail(struct outgoing *o)
{
    o->peer = NULL;
    list_unlink(&o->link);
    list_add_tail(&o->owner->failed, &o->link);
    peers_settle_soon(o->owner);
}

static void outgoing_try(struct outgoing *o);

static void on_done(struct http_request *r, enum err e)
{
    struct outgoing *o = CONTAINER_OF(r, struct outgoing, request);
    o->is_running = false;
    if (e == ERR_OK)
        outgoing_end(o, r->status, buf_slice(&r->answer));
    else
        outgoing_try(o);
}

/* A URL that does not answer leaves time for those that follow. */
static void outgoing_try(struct outgoing *o)
{
    struct peer *peer = o->peer;
    msec left = o->deadline - clock_now_ms();
    if (o->tried >= peer->n_urls || left <= 0) {
        outgoing_fail(o);
        return;
    }
    msec share = left / (msec)(peer->n_urls - o->tried);
    struct http_client *client = peer->urls[(o->first + o->tried) % peer->n_urls].client;
    o->tried++;
    o->is_running = true;
    o->request = (struct http_request){
        .method = o->r->method,
        .path = o->r->path,
        .headers = o->headers,
        .body = o->r->body,
        .idempotent = strcmp(o->r->method, "GET") == 0,
        .timeout_ms = share != 0 ? share : 1,
        .body_max = TRANSPORT_ANSWER_MAX,
        .done = on_done,
    };
    http_client_send(client, &o->request);
}

/* Only the check of hashes says which cluster it is about. */
static char *outgoing_headers(const struct peers *p, const struct transport_request *r)
{
    struct buf b = BUF_INIT;
    if (r->content_type != NULL)
        buf_addf(&b, "Content-Type: %s\r\n", r->content_type);
    if (strcmp(r->path, "/members/hashkv") == 0)
        buf_addf(&b, "X-Etcd-Cluster-Id: %" PRIx64 "\r\n", p->cfg.cluster_id);
    return buf_take_cstr(&b);
}

void peers_request(struct peers *p, struct transport_request *r)
{
    struct outgoing *o = xcalloc(1, sizeof *o);
    r->impl = o;
    list_init(&o->link);
    o->owner = p;
    o->r = r;
    o->headers = outgoing_headers(p, r);
    o->deadline = clock_now_ms() + r->timeout_ms;
    o->peer = peers_find(p, r->to);
    if (o->peer == NULL) {
        outgoing_fail(o);
        return;
    }
    list_add_tail(&o->peer->outgoing, &o->link);
    o->first = o->peer->picked;
    outgoing_try(o);
}

static void outgoing_drop(struct outgoing *o)
{
    if (o->is_running)
        http_request_cancel(&o->request);
    list_unlink(&o->link);
    o->r->impl = NULL;
    free(o->headers);
    free(o);
}

void peers_request_cancel(struct transport_request *r)
{
    if (r->impl != NULL)
        outgoing_drop(r->impl);
}

void peer_requests_stop(struct peer *peer)
{
    struct outgoing *o;
    LIST_FOREACH (o, &peer->outgoing, struct outgoing, link) {
        if (o->is_running)
            http_request_cancel(&o->request);
        o->is_running = false;
        o->first = o->tried = 0;
    }
}

void peer_requests_restart(struct peer *peer)
{
    struct outgoing *o;
    LIST_FOREACH (o, &peer->outgoing, struct outgoing, link)
        outgoing_try(o);
}

void peer_requests_fail(struct peer *peer)
{
    struct outgoing *o;
    LIST_FOREACH (o, &peer->outgoing, struct outgoing, link)
        outgoing_fail(o);
}

void peers_requests_settle(struct peers *p)
{
    struct list failed;
    list_init(&failed);
    list_splice_tail(&failed, &p->failed); /* new ones wait for the next round */
    while (!list_is_empty(&failed))
        outgoing_end(LIST_ENTRY(failed.next, struct outgoing, link), 0, slice_make(NULL, 0));
}

void peers_requests_drop(struct peers *p)
{
    while (!list_is_empty(&p->failed))
        outgoing_drop(LIST_ENTRY(p->failed.next, struct outgoing, link));
}
