/* server/feed.c -- the changes of a batch, on their way to the watch hubs of the client loops.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/feed.h"

#include <stdlib.h>

#include "server/server_priv.h"

struct blob *event_encode(const struct kv_row *row, struct slice *ret_key)
{
    bool deleted = kv_row_is_tombstone(row);
    size_t kv_n = kv_wire_size(row) + (deleted ? kv_wire_int_size(row->main) : (size_t)0);
    size_t event_n = (size_t)(deleted ? 2 : 0) + 1 + varint_size(kv_n) + kv_n;
    struct blob *b = blob_new(1 + varint_size(event_n) + event_n);
    uint8_t *p = b->p;
    *p++ = 11 << 3 | 2;
    p = varint_put(p, event_n);
    if (deleted) {
        *p++ = 0x08; /* type = DELETE */
        *p++ = 1;
    }
    *p++ = 0x12; /* kv */
    p = varint_put(p, kv_n);
    *ret_key = slice_make(p + 1 + varint_size(row->key.n), row->key.n);
    p = kv_wire_put(p, row);
    if (deleted)
        p = kv_wire_int(p, 0x18, row->main);
    invariant(p == b->p + b->n);
    return b;
}

struct blob *event_with_prev(struct slice field, const struct kv_row *prev)
{
    const uint8_t *body = field.p + 1;
    while (*body++ & 0x80)
        ;
    size_t body_n = field.n - (size_t)(body - field.p);
    size_t prev_n = kv_wire_size(prev);
    size_t event_n = body_n + 1 + varint_size(prev_n) + prev_n;
    struct blob *b = blob_new(1 + varint_size(event_n) + event_n);
    uint8_t *p = b->p;
    *p++ = field.p[0];
    p = varint_put(p, event_n);
    memcpy(p, body, body_n);
    p += body_n;
    *p++ = 0x1a; /* prev_kv */
    p = varint_put(p, prev_n);
    p = kv_wire_put(p, prev);
    invariant(p == b->p + b->n);
    return b;
}

void feed_unref(struct feed *f)
{
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < f->n; i++)
        blob_unref(f->ev[i].field);
    free(f->ev);
    free(f);
}

static void feed_event(struct feed *f, const struct mvcc_change *c)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 8;
        f->ev = xrealloc(f->ev, f->cap * sizeof *f->ev);
    }
    struct feed_event *e = &f->ev[f->n++];
    *e = (struct feed_event){.rev = c->row.main,
                             .deleted = kv_row_is_tombstone(&c->row),
                             .created = c->row.version == 1};
    e->field = event_encode(&c->row, &e->key);
}

void feed_add(struct server *s, const struct mvcc_change *changes, size_t n)
{
    if (!atomic_load_explicit(&s->feeding, memory_order_relaxed))
        return;
    if (s->feed == NULL) {
        s->feed = xcalloc(1, sizeof *s->feed);
        atomic_init(&s->feed->refs, 1);
    }
    for (size_t i = 0; i < n; i++)
        feed_event(s->feed, &changes[i]);
}

void feed_post(struct server *s, revision rev)
{
    struct feed *f = s->feed;
    if (f == NULL)
        return;
    s->feed = NULL;
    f->rev = rev;
    for (size_t i = 0; i < s->n_clients; i++) {
        if (!s->clients[i]->subscribed)
            continue;
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
        struct feed_msg *m = xmalloc(sizeof *m);
        *m = (struct feed_msg){.msg.run = hub_on_feed, .client = s->clients[i], .feed = f};
        client_post(s->clients[i], &m->msg);
    }
    feed_unref(f);
}
