/* peer/stream_codec.c -- the frames of the two kinds of stream.
 *
 * A frame of form 01 is taken entry by entry as these come, everything else whole; each such piece
 * is a step, and what is too short for the next step waits in `pending`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "peer/codec.h"

enum form { FORM_HEARTBEAT = 0, FORM_ENTRIES = 1, FORM_MESSAGE = 2 };

enum {
    NUMBER_SIZE = 8,
    PENDING_KEEP = 1024 * 1024, /* an empty buffer above this is given back */
};

/* Of a step: the rest of it has not come yet, and nothing was taken. */
#define INCOMPLETE ERR_BUSY

/* ---- writing ------------------------------------------------------------------------------- */

void stream_encode(const struct raft_message *m, struct buf *out)
{
    buf_add_be64(out, peer_message_size(m));
    peer_message_encode(m, out);
}

void stream_encode_heartbeat(struct buf *out)
{
    stream_encode(&(struct raft_message){.type = RAFT_MSG_HEARTBEAT}, out);
}

void msgapp_encode_heartbeat(struct buf *out)
{
    buf_add_byte(out, FORM_HEARTBEAT);
}

static void encode_entries(struct msgapp_encoder *e, const struct raft_message *m, struct buf *out)
{
    buf_add_byte(out, FORM_ENTRIES);
    buf_add_be64(out, m->entries.n);
    for (size_t i = 0; i < m->entries.n; i++) {
        buf_add_be64(out, raft_entry_size(&m->entries.v[i]));
        peer_entry_encode(&m->entries.v[i], out);
    }
    buf_add_be64(out, m->commit);
    e->index += m->entries.n;
}

static raft_index last_index(const struct raft_message *m)
{
    return m->entries.n != 0 ? m->entries.v[m->entries.n - 1].index : m->index;
}

void msgapp_encode(struct msgapp_encoder *e, const struct raft_message *m, struct buf *out)
{
    invariant(m->type == RAFT_MSG_APP);
    if (m->index == e->index && m->log_term == e->term && m->term == e->term) {
        encode_entries(e, m, out);
        return;
    }
    buf_add_byte(out, FORM_MESSAGE);
    stream_encode(m, out);
    *e = (struct msgapp_encoder){.term = m->term, .index = last_index(m)};
}

/* ---- reading ------------------------------------------------------------------------------- */

struct sink {
    void (*message)(void *arg, struct raft_message *m);
    void *arg;
};

void peer_decoder_init(struct peer_decoder *d, bool is_msgapp, member_id from, member_id to)
{
    *d = (struct peer_decoder){.is_msgapp = is_msgapp, .from = from, .to = to};
}

void peer_decoder_fini(struct peer_decoder *d)
{
    buf_fini(&d->pending);
    raft_entries_fini(&d->entries);
}

static void deliver(const struct sink *sink, struct raft_message *m)
{
    bool is_link_heartbeat = m->type == RAFT_MSG_HEARTBEAT && m->from == 0 && m->to == 0;
    if (!is_link_heartbeat)
        sink->message(sink->arg, m);
    raft_message_fini(m);
}

static enum err take_number(struct slice *s, uint64_t *ret)
{
    if (s->n < NUMBER_SIZE)
        return INCOMPLETE;
    *ret = be64_get(s->p);
    *s = slice_make(s->p + NUMBER_SIZE, s->n - NUMBER_SIZE);
    return ERR_OK;
}

/* Take a length and as many bytes. */
static enum err take_sized(struct slice *s, uint64_t max, struct slice *ret)
{
    uint64_t n;
    struct slice rest = *s;
    enum err e = take_number(&rest, &n);
    if (e != ERR_OK)
        return e;
    if (n > max)
        return ERR_TOO_LARGE;
    if (n > rest.n)
        return INCOMPLETE;
    *ret = slice_make(rest.p, (size_t)n);
    *s = slice_make(rest.p + n, rest.n - (size_t)n);
    return ERR_OK;
}

static enum err take_message(struct peer_decoder *d, struct slice *s, const struct sink *sink)
{
    struct slice body;
    struct raft_message m;
    enum err e = take_sized(s, PEER_MESSAGE_MAX, &body);
    if (e == ERR_OK)
        e = peer_message_decode(body, &m);
    if (e != ERR_OK)
        return e;
    d->term = m.term;
    d->index = last_index(&m);
    deliver(sink, &m);
    return ERR_OK;
}

static enum err begin_entries(struct peer_decoder *d, struct slice *s)
{
    enum err e = take_number(s, &d->entries_left);
    if (e != ERR_OK)
        return e;
    if (d->entries_left > PEER_ENTRIES_MAX)
        return ERR_TOO_LARGE;
    d->in_entries = true;
    d->entries_bytes = 0;
    return ERR_OK;
}

static enum err take_entry(struct peer_decoder *d, struct slice *s)
{
    struct slice body;
    struct raft_entry entry;
    enum err e = take_sized(s, PEER_MESSAGE_MAX - d->entries_bytes, &body);
    if (e == ERR_OK)
        e = peer_entry_decode(body, &entry);
    if (e != ERR_OK)
        return e;
    raft_entries_reserve(&d->entries, 1);
    d->entries.v[d->entries.n++] = entry;
    d->entries_bytes += body.n;
    d->entries_left--;
    return ERR_OK;
}

static enum err end_entries(struct peer_decoder *d, struct slice *s, const struct sink *sink)
{
    struct raft_message m = {
        .type = RAFT_MSG_APP,
        .to = d->to,
        .from = d->from,
        .term = d->term,
        .log_term = d->term,
        .index = d->index,
    };
    enum err e = take_number(s, &m.commit);
    if (e != ERR_OK)
        return e;
    m.entries = d->entries;
    d->entries = (struct raft_entries){0};
    d->index += m.entries.n;
    d->in_entries = false;
    deliver(sink, &m);
    return ERR_OK;
}

static enum err take_form(struct peer_decoder *d, struct slice *s, const struct sink *sink)
{
    if (s->n == 0)
        return INCOMPLETE;
    struct slice rest = slice_make(s->p + 1, s->n - 1);
    enum err e = ERR_OK;
    if (*s->p == FORM_ENTRIES)
        e = begin_entries(d, &rest);
    else if (*s->p == FORM_MESSAGE)
        e = take_message(d, &rest, sink);
    else if (*s->p != FORM_HEARTBEAT)
        e = ERR_MALFORMED;
    if (e == ERR_OK)
        *s = rest;
    return e;
}

static enum err take_step(struct peer_decoder *d, struct slice *s, const struct sink *sink)
{
    if (!d->is_msgapp)
        return take_message(d, s, sink);
    if (!d->in_entries)
        return take_form(d, s, sink);
    if (d->entries_left != 0)
        return take_entry(d, s);
    return end_entries(d, s, sink);
}

static void keep_rest(struct peer_decoder *d, struct slice rest)
{
    if (d->pending.n != 0)
        buf_consume(&d->pending, d->pending.n - rest.n);
    else
        buf_add_slice(&d->pending, rest);
    if (d->pending.n == 0 && d->pending.cap > PENDING_KEEP)
        buf_fini(&d->pending);
}

enum err peer_decoder_feed(struct peer_decoder *d, struct slice data,
                           void (*message)(void *arg, struct raft_message *m), void *arg)
{
    const struct sink sink = {message, arg};
    struct slice s = data;
    enum err e;
    if (d->pending.n != 0) {
        buf_add_slice(&d->pending, data);
        s = buf_slice(&d->pending);
    }
    do
        e = take_step(d, &s, &sink);
    while (e == ERR_OK);
    if (e != INCOMPLETE)
        return e;
    keep_rest(d, s);
    return ERR_OK;
}
