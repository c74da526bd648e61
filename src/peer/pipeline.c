/* peer/pipeline.c -- raft messages by POST /raft, for a peer that has no stream from us.
 *
 * At most four at once: they may overtake each other, which raft does not mind.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "peer/peer_priv.h"

enum {
    WAITING_MAX = 64,
    RUNNING_MAX = 4,
    POST_TIMEOUT_MS = 30000,
};

struct post {
    struct list link; /* peer.posts_waiting or .posts_running */
    struct peer *peer;
    struct http_request request;
    size_t url; /* which it went to */
    struct buf body;
    char *headers;
};

static void post_free(struct post *t)
{
    list_unlink(&t->link);
    buf_fini(&t->body);
    free(t->headers);
    free(t);
}

bool peer_answer_says_removed(unsigned status, struct slice body)
{
    return status == 403 && body.p != NULL &&
           (memmem(body.p, body.n, "removed member", 14) != NULL ||
            memmem(body.p, body.n, "mismatch member", 15) != NULL);
}

static void post_failed(struct post *t, struct slice why)
{
    struct peer *peer = t->peer;
    char text[256];
    peer_url_failed(peer, t->url);
    peer_count(peer, PEER_SENT_FAILURES, 1);
    peer_report_unreachable(peer);
    if (peer->refusal_told || t->request.status == 0)
        return; /* whether it is there at all, the streams say */
    peer->refusal_told = true;
    while (why.n != 0 && why.p[why.n - 1] == '\n')
        why.n--;
    snprintf(text, sizeof text, "%.*s", (int)why.n, (const char *)why.p);
    log_warn("a message was refused by the remote peer", LOG_ID("remote-peer-id", peer->id),
             LOG_UINT("status", t->request.status), LOG_STR("error", text));
}

static void posts_start(struct peer *peer);

static void on_done(struct http_request *r, enum err e)
{
    struct post *t = CONTAINER_OF(r, struct post, request);
    struct peer *peer = t->peer;
    struct peers *p = peer->owner;
    bool removed = false;
    list_unlink(&t->link);
    peer->n_posts_running--;
    if (e == ERR_OK && r->status == 204) {
        peer->refusal_told = false;
        peer_count(peer, PEER_SENT_BYTES, (int64_t)t->body.n);
    } else {
        struct slice body = buf_slice(&r->answer);
        removed = e == ERR_OK && peer_answer_says_removed(r->status, body);
        post_failed(t, e == ERR_OK ? body : slice_str(r->why.text));
    }
    post_free(t);
    posts_start(peer);
    if (removed)
        p->cfg.receiver.removed(p->cfg.receiver.arg, peer->id);
}

static void post_start(struct post *t)
{
    struct peer *peer = t->peer;
    list_unlink(&t->link);
    peer->n_posts_waiting--;
    list_add_tail(&peer->posts_running, &t->link);
    peer->n_posts_running++;
    t->url = peer->picked;
    t->headers = peers_headers(peer->owner, "Content-Type: application/protobuf\r\n");
    t->request = (struct http_request){
        .method = "POST",
        .path = "/raft",
        .headers = t->headers,
        .body = buf_slice(&t->body),
        .idempotent = true,
        .timeout_ms = POST_TIMEOUT_MS,
        .body_max = PEER_TEXT_MAX,
        .done = on_done,
    };
    http_client_send(peer_client(peer), &t->request);
}

static void posts_start(struct peer *peer)
{
    while (peer->n_posts_running < RUNNING_MAX && !list_is_empty(&peer->posts_waiting))
        post_start(LIST_ENTRY(peer->posts_waiting.next, struct post, link));
}

bool peer_pipeline_send(struct peer *peer, const struct raft_message *m)
{
    if (peer->n_posts_waiting >= WAITING_MAX || peer_client(peer) == NULL)
        return false;
    struct post *t = xcalloc(1, sizeof *t);
    t->peer = peer;
    peer_message_encode(m, &t->body);
    list_add_tail(&peer->posts_waiting, &t->link);
    peer->n_posts_waiting++;
    posts_start(peer);
    return true;
}

void peer_pipeline_stop(struct peer *peer)
{
    if (peer->n_posts_waiting + peer->n_posts_running != 0)
        peer_report_unreachable(peer);
    struct post *t;
    LIST_FOREACH (t, &peer->posts_running, struct post, link) {
        http_request_cancel(&t->request);
        post_free(t);
    }
    LIST_FOREACH (t, &peer->posts_waiting, struct post, link)
        post_free(t);
    peer->n_posts_waiting = peer->n_posts_running = 0;
}
