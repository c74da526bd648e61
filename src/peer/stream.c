/* peer/stream.c -- the four streams between us and one peer.
 *
 * One that we dial is asked for again 100 ms after it ended, at the next URL if it never came up.
 * One that the other side dialled is replaced when it dials again. Both sides make sure that
 * something is said every five seconds, and take five seconds of silence for the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "peer/peer_priv.h"

enum {
    REDIAL_MS = 100,
    REDIAL_MALFORMED_MS = 5000, /* of a peer that speaks nonsense, or another protocol */
    SILENCE_MS = 5000,
    STUCK_TICKS = 3, /* as long as SILENCE_MS */
    QUEUE_BYTES_MAX = 8 * 1024 * 1024,
    QUEUE_MESSAGES_MAX = 4096,
    SCRATCH_KEEP = 1024 * 1024,
};

const char *const peer_kind_names[PEER_KINDS] = {"msgapp", "message"};

static const char *kind_label(enum peer_kind kind)
{
    return kind == PEER_MSGAPP ? "stream MsgApp v2" : "stream Message";
}

/* ---- in ------------------------------------------------------------------------------------ */

static void in_redial(struct peer_in *in, msec delay)
{
    in->state = PEER_IN_IDLE;
    loop_timer_set(&in->redial, delay);
}

static void in_lost(struct peer_in *in, const char *why)
{
    log_warn("lost TCP streaming connection with remote peer",
             LOG_STR("stream-reader-type", kind_label(in->kind)),
             LOG_ID("local-member-id", in->peer->owner->cfg.id),
             LOG_ID("remote-peer-id", in->peer->id), LOG_STR("error", why));
    peer_update_activity(in->peer, why);
}

static void on_message(void *arg, struct raft_message *m)
{
    struct peer_in *in = arg;
    if (in->state != PEER_IN_UP)
        return; /* the receiver closed the peer meanwhile */
    if (m->type == RAFT_MSG_SNAP || !peers_receive(in->peer->owner, m))
        peer_count(in->peer, PEER_RECEIVED_FAILURES, 1);
}

static void on_data(struct http_request *r, struct slice data)
{
    struct peer_in *in = CONTAINER_OF(r, struct peer_in, request);
    if (in->state != PEER_IN_UP) {
        if (in->refusal.n + data.n <= PEER_TEXT_MAX)
            buf_add_slice(&in->refusal, data);
        return;
    }
    peer_count(in->peer, PEER_RECEIVED_BYTES, (int64_t)data.n);
    enum err e = peer_decoder_feed(&in->decoder, data, on_message, in);
    if (e == ERR_OK || in->state != PEER_IN_UP)
        return;
    peer_count(in->peer, PEER_RECEIVED_FAILURES, 1);
    http_request_cancel(&in->request);
    in_redial(in, REDIAL_MALFORMED_MS);
    in_lost(in, err_text(e));
}

/* Upstream speaks these streams since 2.1; one that gives no version is older. */
static bool in_is_supported(struct peer_in *in)
{
    struct peer *peer = in->peer;
    struct slice text = http_request_header(&in->request, "x-server-version");
    struct peer_version v = peer_version_parse(text);
    if (peer_version_cmp(v, (struct peer_version){2, 1}) < 0)
        return false;
    peer->version = v;
    return true;
}

/* Say once why the peer does not want us. 404 is no news: it has not heard of us yet. */
static void in_refused(struct peer_in *in, unsigned status, const char *why)
{
    struct peers *p = in->peer->owner;
    if (status == 410) {
        p->cfg.receiver.removed(p->cfg.receiver.arg, in->peer->id);
        return;
    }
    if (status == 404 || in->refusal_told)
        return;
    in->refusal_told = true;
    log_warn("a stream was refused by the remote peer",
             LOG_STR("stream-reader-type", kind_label(in->kind)),
             LOG_ID("local-member-id", p->cfg.id), LOG_ID("remote-peer-id", in->peer->id),
             LOG_UINT("status", status), LOG_STR("error", why));
}

static void on_headers(struct http_request *r)
{
    struct peer_in *in = CONTAINER_OF(r, struct peer_in, request);
    if (r->status != 200)
        return;
    if (!in_is_supported(in)) {
        http_request_cancel(r);
        in_redial(in, REDIAL_MS);
        peer_url_failed(in->peer, in->url);
        in_refused(in, 200, "unsupported stream type");
        return;
    }
    in->state = PEER_IN_UP;
    in->refusal_told = false;
    peer_decoder_fini(&in->decoder);
    peer_decoder_init(&in->decoder, in->kind == PEER_MSGAPP, in->peer->id, in->peer->owner->cfg.id);
    log_info("established TCP streaming connection with remote peer",
             LOG_STR("stream-reader-type", kind_label(in->kind)),
             LOG_ID("local-member-id", in->peer->owner->cfg.id),
             LOG_ID("remote-peer-id", in->peer->id));
    peer_update_activity(in->peer, "");
}

static void on_done(struct http_request *r, enum err e)
{
    struct peer_in *in = CONTAINER_OF(r, struct peer_in, request);
    bool was_up = in->state == PEER_IN_UP;
    in_redial(in, REDIAL_MS);
    if (was_up) {
        in_lost(in, e == ERR_OK ? "EOF" : r->why.text);
        return;
    }
    peer_url_failed(in->peer, in->url);
    while (in->refusal.n != 0 && in->refusal.p[in->refusal.n - 1] == '\n')
        in->refusal.n--;
    if (e == ERR_OK)
        in_refused(in, r->status, buf_cstr(&in->refusal));
}

void peer_in_dial(struct peer_in *in)
{
    struct peer *peer = in->peer;
    struct http_client *client = peer_client(peer);
    if (client == NULL || in->state != PEER_IN_IDLE)
        return;
    loop_timer_clear(&in->redial);
    in->state = PEER_IN_ASKING;
    in->url = peer->picked;
    buf_clear(&in->refusal);
    free(in->headers);
    char to[48];
    snprintf(to, sizeof to, "X-Raft-To: %" PRIx64 "\r\n", peer->id);
    in->headers = peers_headers(peer->owner, to);
    in->request = (struct http_request){
        .method = "GET",
        .path = in->path,
        .headers = in->headers,
        .idempotent = true,
        .idle_timeout_ms = SILENCE_MS,
        .headers_done = on_headers,
        .data = on_data,
        .done = on_done,
    };
    http_client_send(client, &in->request);
}

static void on_redial(struct loop_timer *t)
{
    peer_in_dial(CONTAINER_OF(t, struct peer_in, redial));
}

void peer_in_init(struct peer_in *in, struct peer *peer, enum peer_kind kind)
{
    in->peer = peer;
    in->kind = kind;
    in->path = xasprintf("/raft/stream/%s/%" PRIx64, peer_kind_names[kind], peer->owner->cfg.id);
    loop_timer_init(&in->redial, peer->owner->cfg.loop, on_redial);
}

void peer_in_stop(struct peer_in *in)
{
    if (in->state != PEER_IN_IDLE)
        http_request_cancel(&in->request);
    in->state = PEER_IN_IDLE;
    loop_timer_clear(&in->redial);
}

void peer_in_fini(struct peer_in *in)
{
    loop_timer_fini(&in->redial);
    peer_decoder_fini(&in->decoder);
    buf_fini(&in->refusal);
    free(in->path);
    free(in->headers);
}

/* ---- out ----------------------------------------------------------------------------------- */

static void out_lost(struct peer_out *out, const char *why)
{
    out->stream = NULL;
    log_warn("lost TCP streaming connection with remote peer",
             LOG_STR("stream-writer-type", kind_label(out->kind)),
             LOG_ID("local-member-id", out->peer->owner->cfg.id),
             LOG_ID("remote-peer-id", out->peer->id), LOG_STR("error", why));
    peer_report_unreachable(out->peer);
}

static void on_out_close(struct http_stream *s, enum http_close why)
{
    (void)why;
    out_lost(http_stream_user(s), "connection closed");
}

static const struct http_handler out_handler = {.close = on_out_close};

/* What is queued is lost: a connection that stands still would keep it for minutes. */
static void out_drop(struct peer_out *out)
{
    struct http_stream *s = out->stream;
    if (s == NULL)
        return;
    if (http_stream_pending(s) != 0)
        peer_report_unreachable(out->peer);
    out->stream = NULL;
    http_stream_handle(s, NULL, NULL);
    http_stream_reset(s, HTTP_RESET_CANCEL);
}

void peer_out_attach(struct peer_out *out, struct http_stream *s)
{
    out_drop(out);
    *out = (struct peer_out){.peer = out->peer, .kind = out->kind, .stream = s};
    http_stream_handle(s, &out_handler, out);
    log_info("established TCP streaming connection with remote peer",
             LOG_STR("stream-writer-type", kind_label(out->kind)),
             LOG_ID("local-member-id", out->peer->owner->cfg.id),
             LOG_ID("remote-peer-id", out->peer->id));
}

static void out_write(struct peer_out *out, struct buf *bytes)
{
    http_stream_write(out->stream, buf_slice(bytes));
    out->written += bytes->n;
    out->wrote = true;
    peer_count(out->peer, PEER_SENT_BYTES, (int64_t)bytes->n);
    if (bytes->cap > SCRATCH_KEEP)
        buf_fini(bytes);
    buf_clear(bytes);
}

bool peer_out_send(struct peer_out *out, const struct raft_message *m)
{
    struct buf *bytes = &out->peer->owner->scratch;
    size_t pending = http_stream_pending(out->stream);
    if (pending == 0)
        out->queued = 0;
    if (pending > QUEUE_BYTES_MAX || out->queued >= QUEUE_MESSAGES_MAX)
        return false;
    out->queued++;
    if (out->kind == PEER_MSGAPP)
        msgapp_encode(&out->encoder, m, bytes);
    else
        stream_encode(m, bytes);
    out_write(out, bytes);
    return true;
}

static void out_heartbeat(struct peer_out *out)
{
    struct buf *bytes = &out->peer->owner->scratch;
    if (out->kind == PEER_MSGAPP)
        msgapp_encode_heartbeat(bytes);
    else
        stream_encode_heartbeat(bytes);
    out_write(out, bytes);
}

void peer_out_tick(struct peer_out *out)
{
    if (out->stream == NULL)
        return;
    size_t pending = http_stream_pending(out->stream);
    uint64_t moved = out->written - pending;
    out->stuck_ticks = pending != 0 && moved == out->moved ? out->stuck_ticks + 1 : 0;
    out->moved = moved;
    if (out->stuck_ticks >= STUCK_TICKS) {
        out_drop(out);
        out_lost(out, "i/o timeout");
        return;
    }
    if (!out->wrote && pending == 0)
        out_heartbeat(out);
    out->wrote = false;
}

void peer_out_detach(struct peer_out *out)
{
    out_drop(out);
}
