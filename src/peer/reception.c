/* peer/reception.c -- snapshots that come in: POST /raft/snapshot, written to a file without a
 * name while it comes.
 *
 *   MESSAGE --all of it--> FILE --end--> handed over; any trouble is answered at once
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "peer/peer_priv.h"

enum {
    RECEPTIONS_MAX = 2,
    SILENCE_MS = 60000,
    LENGTH = 8, /* bytes of the frame's length */
};

struct reception {
    struct list link; /* peers.receptions */
    struct peers *owner;
    struct http_stream *stream;
    struct buf head; /* length and message */
    bool has_message;
    struct raft_message message;
    member_id from; /* set with the message, which the receiver takes */
    int fd;
    uint64_t size;
    msec started, heard;
};

/* The peer that the snapshot is of, to count with; NULL: not known. */
static struct peer *reception_peer(const struct reception *r)
{
    return r->has_message ? peers_find(r->owner, r->from) : NULL;
}

static void reception_free(struct reception *r)
{
    if (r->has_message)
        peer_count(reception_peer(r), PEER_SNAPSHOT_RECEIVING, -1);
    list_unlink(&r->link);
    r->owner->n_receptions--;
    if (r->stream != NULL)
        http_stream_handle(r->stream, NULL, NULL);
    raft_message_fini(&r->message);
    buf_fini(&r->head);
    if (r->fd != -1)
        close(r->fd);
    free(r);
}

static void reception_failed(struct reception *r, const char *why)
{
    log_warn("failed to receive a database snapshot", LOG_ID("local-member-id", r->owner->cfg.id),
             LOG_ID("remote-snapshot-sender-id", r->from), LOG_UINT("bytes", r->size),
             LOG_STR("error", why));
    peer_count(reception_peer(r), PEER_SNAPSHOT_RECEIVED_FAILURES, 1);
}

/* Refuse with `text` and forget the reception. */
static void reception_refuse(struct reception *r, unsigned status, const char *text)
{
    reception_failed(r, text);
    inbound_error(r->owner, r->stream, status, text);
    reception_free(r);
}

static void reception_undecodable(struct reception *r, const char *why)
{
    char text[128];
    snprintf(text, sizeof text, "failed to decode raft message (%s)", why);
    reception_refuse(r, 400, text);
}

static void reception_unsaved(struct reception *r, const char *what, int error)
{
    char text[256];
    snprintf(text, sizeof text, "failed to save KV snapshot (%s: %s)", what, strerror(error));
    reception_refuse(r, 500, text);
}

/* ---- the file ------------------------------------------------------------------------------ */

static int spool_open(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char *path = xasprintf("%s/receive.XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd != -1)
        unlink(path);
    free(path);
    return fd;
}

/* Return false if the reception is over. */
static bool reception_write(struct reception *r, struct slice data)
{
    while (data.n != 0) {
        ssize_t n = write(r->fd, data.p, data.n);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1) {
            reception_unsaved(r, "write", errno);
            return false;
        }
        r->size += (uint64_t)n;
        data = slice_make(data.p + n, data.n - (size_t)n);
    }
    return true;
}

/* ---- the message --------------------------------------------------------------------------- */

static bool reception_decode(struct reception *r)
{
    struct slice bytes = slice_make(r->head.p + LENGTH, r->head.n - LENGTH);
    enum err e = peer_message_decode(bytes, &r->message);
    r->from = r->message.from;
    if (e != ERR_OK) {
        reception_undecodable(r, err_text(e));
        return false;
    }
    if (r->message.type != RAFT_MSG_SNAP || r->message.snapshot == NULL) {
        reception_refuse(r, 400, "wrong raft message type");
        return false;
    }
    if (!inbound_check_message(r->owner, r->stream, &r->message)) {
        reception_free(r);
        return false;
    }
    r->has_message = true;
    peer_count(reception_peer(r), PEER_SNAPSHOT_RECEIVING, 1);
    r->fd = spool_open(r->owner->cfg.spool_dir);
    if (r->fd == -1) {
        reception_unsaved(r, r->owner->cfg.spool_dir, errno);
        return false;
    }
    buf_fini(&r->head);
    log_info("receiving database snapshot", LOG_ID("local-member-id", r->owner->cfg.id),
             LOG_ID("remote-snapshot-sender-id", r->from),
             LOG_UINT("incoming-snapshot-index", r->message.snapshot->meta.index));
    return true;
}

/* Take up to `want` bytes of the head; true when it has them. */
static bool head_fill(struct reception *r, struct slice *data, size_t want)
{
    if (r->head.n < want) {
        size_t n = want - r->head.n < data->n ? want - r->head.n : data->n;
        buf_add(&r->head, data->p, n);
        *data = slice_make(data->p + n, data->n - n);
    }
    return r->head.n >= want;
}

/* Return true when the message is there. What was decoded first is gone from `data`. */
static bool reception_message(struct reception *r, struct slice *data)
{
    if (r->has_message)
        return true;
    if (!head_fill(r, data, LENGTH))
        return false;
    uint64_t n = be64_get(r->head.p);
    if (n > PEER_MESSAGE_MAX) {
        reception_undecodable(r, "rafthttp: error limit exceeded");
        return false;
    }
    return head_fill(r, data, LENGTH + (size_t)n) && reception_decode(r);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void reception_finish(struct reception *r)
{
    struct peers *p = r->owner;
    struct peer *peer = reception_peer(r);
    const struct transport_receiver *to = &p->cfg.receiver;
    msec took = clock_now_ms() - r->started;
    log_info("received and saved database snapshot", LOG_MESSAGE(MSG_SNAPSHOT_RECEIVED),
             LOG_ID("local-member-id", p->cfg.id),
             LOG_ID("remote-snapshot-sender-id", r->from),
             LOG_UINT("incoming-snapshot-index", r->message.snapshot->meta.index),
             LOG_UINT("incoming-snapshot-size-bytes", r->size), LOG_MS("download-took", took));
    peer_count(peer, PEER_RECEIVED_BYTES, (int64_t)r->size);
    peer_observe(peer, PEER_SNAPSHOT_RECEIVE_SECONDS, (double)took / 1000);
    int fd = r->fd;
    r->fd = -1;
    p->round_due = true;
    if (!to->snapshot(to->arg, &r->message, fd, r->size)) {
        reception_refuse(r, 500, "failed to process raft message (it was refused)");
        return;
    }
    peer_count(reception_peer(r), PEER_SNAPSHOT_RECEIVED, 1);
    inbound_done(p, r->stream);
    reception_free(r);
}

/* All that was to come has come. */
static void reception_end(struct reception *r)
{
    if (!r->has_message)
        reception_undecodable(r, r->head.n == 0 ? "EOF" : "unexpected EOF");
    else if (r->size == 0)
        reception_refuse(r, 400, "failed to save KV snapshot (unexpected EOF)");
    else
        reception_finish(r);
}

static void on_data(struct http_stream *s, struct slice data, bool end)
{
    struct reception *r = http_stream_user(s);
    r->heard = clock_now_ms();
    http_stream_consume(s, data.n);
    if (!end) {
        if (reception_message(r, &data))
            reception_write(r, data);
        return;
    }
    reception_end(r);
}

static void on_close(struct http_stream *s, enum http_close why)
{
    (void)why;
    struct reception *r = http_stream_user(s);
    reception_failed(r, "connection closed");
    reception_free(r);
}

/* ---- life ---------------------------------------------------------------------------------- */

void reception_start(struct peers *p, struct http_stream *s)
{
    static const struct http_handler handler = {.data = on_data, .close = on_close};
    if (p->n_receptions >= RECEPTIONS_MAX) {
        inbound_error(p, s, 503, "too many snapshots are being received");
        return;
    }
    struct reception *r = xcalloc(1, sizeof *r);
    r->owner = p;
    r->stream = s;
    r->fd = -1;
    r->started = r->heard = clock_now_ms();
    list_add_tail(&p->receptions, &r->link);
    p->n_receptions++;
    http_stream_set_body_max(s, UINT64_MAX);
    http_stream_handle(s, &handler, r);
}

static void reception_drop(struct reception *r)
{
    struct http_stream *s = r->stream;
    reception_free(r);
    http_stream_reset(s, HTTP_RESET_CANCEL);
}

void receptions_tick(struct peers *p)
{
    msec now = clock_now_ms();
    struct reception *r;
    LIST_FOREACH (r, &p->receptions, struct reception, link)
        if (now - r->heard >= SILENCE_MS) {
            reception_failed(r, "i/o timeout");
            reception_drop(r);
        }
}

void receptions_drop(struct peers *p)
{
    struct reception *r;
    LIST_FOREACH (r, &p->receptions, struct reception, link)
        reception_drop(r);
}
