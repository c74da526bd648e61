/* api/observe.c -- Election.Observe: who leads, from now on, and what it proclaims.
 *
 * LOOK --a leader--> FOLLOW its key --deleted--> LOOK
 * LOOK --nobody--> AWAIT the first key below the prefix --put--> LOOK
 *
 * A value between two looks may be missed, the latest one never is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/contest.h"
#include "api/services.h"
#include "api/wire.h"
#include "pb/v3electionpb.pb-c.h"

static void look(struct contest *ct);

static void send_leader(struct contest *ct, Etcdserverpb__ResponseHeader *header,
                        Mvccpb__KeyValue *kv)
{
    V3electionpb__LeaderResponse r = V3ELECTIONPB__LEADER_RESPONSE__INIT;
    struct buf *b = &ct->call->loop->out;
    r.header = header;
    r.kv = kv;
    buf_clear(b);
    pb_pack(&r.base, b);
    call_send(ct->call, buf_slice(b));
}

/* ---- watching -------------------------------------------------------------------------------- */

static bool on_writable(struct watcher *w)
{
    struct contest *ct = CONTAINER_OF(w, struct contest, watcher);
    ct->blocked = call_pending(ct->call) >= API_STREAM_QUEUE_MAX;
    return !ct->blocked;
}

static Mvccpb__Event *event_of(struct contest *ct, struct slice field)
{
    const uint8_t *p = field.p + 1;
    while (*p++ & 0x80) {
    }
    struct slice body = slice_make(p, (size_t)(field.p + field.n - p));
    return (Mvccpb__Event *)wire_unpack(&mvccpb__event__descriptor, ct->step, body);
}

/* Pass on what the leader says, until its key is deleted. */
static void on_leader_events(struct watcher *w, const struct watch_events *ev)
{
    struct contest *ct = CONTAINER_OF(w, struct contest, watcher);
    bool deleted = false;
    for (size_t i = 0; i < ev->n && !deleted; i++) {
        arena_reset(ct->step);
        Mvccpb__Event *e = event_of(ct, ev->field[i]);
        invariant(e != NULL && e->kv != NULL);
        deleted = e->type == MVCCPB__EVENT__EVENT_TYPE__DELETE;
        ct->header.revision = ev->rev;
        if (!deleted)
            send_leader(ct, &ct->header, e->kv);
    }
    if (deleted) {
        watcher_remove(w);
        look(ct);
    }
}

static void on_first_events(struct watcher *w, const struct watch_events *ev)
{
    (void)ev;
    struct contest *ct = CONTAINER_OF(w, struct contest, watcher);
    watcher_remove(w);
    look(ct);
}

static void on_compacted(struct watcher *w, revision compacted)
{
    (void)compacted;
    on_first_events(w, NULL);
}

static void on_synced(struct watcher *w)
{
    (void)w;
}

static const struct watcher_ops leader_ops = {
    .writable = on_writable,
    .events = on_leader_events,
    .compacted = on_compacted,
    .synced = on_synced,
};

static const struct watcher_ops first_ops = {
    .writable = on_writable,
    .events = on_first_events,
    .compacted = on_compacted,
    .synced = on_synced,
};

/* ---- looking --------------------------------------------------------------------------------- */

static void await_first(struct contest *ct)
{
    uint8_t *end = arena_dup(ct->step, ct->prefix.p, ct->prefix.n);
    end[ct->prefix.n - 1] = '/' + 1;
    call_set_waiting(ct->call, true);
    watcher_add(ct->call->loop->client, &ct->watcher, &first_ops, ct->prefix,
                slice_make(end, ct->prefix.n), ct->header.revision + 1, WATCH_NO_DELETE, false);
}

static void on_looked(struct contest *ct)
{
    Mvccpb__KeyValue *kv = contest_row(ct, 0);
    ct->header = *ct->txn->header;
    if (kv == NULL) {
        await_first(ct);
        return;
    }
    send_leader(ct, &ct->header, kv);
    call_set_waiting(ct->call, true);
    watcher_add(ct->call->loop->client, &ct->watcher, &leader_ops, wire_slice(kv->key),
                slice_make(NULL, 0), ct->header.revision + 1, 0, false);
}

static void look(struct contest *ct)
{
    struct contest_txn *t = contest_txn(ct);
    contest_then(t, contest_get_owner(ct));
    contest_ask(ct, t, on_looked);
}

void observe_message(struct call *c, const ProtobufCMessage *req)
{
    const V3electionpb__LeaderRequest *r = (const V3electionpb__LeaderRequest *)req;
    look(contest_new(c, wire_slice(r->name), 0));
}

void observe_drain(struct call *c)
{
    struct contest *ct = c->user;
    if (ct != NULL && ct->blocked)
        watcher_resume(&ct->watcher);
}
