/* tests/unit/api/fake_server.c -- a member that never fails unless it is told to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake_server.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iface/kv_wire.h"
#include "pb/etcdserverpb.pb-c.h"
#include "pb/pb_arena.h"

enum { CLUSTER = 1, MEMBER = 2, TERM = 3, LEASE_FIRST = 0x700 };

struct server_client {
    struct server *server;
    struct loop *loop;
    struct list watchers; /* of watcher.link */
    struct loop_timer feed;
    int64_t leases;
};

static void feed_run(struct loop_timer *t);

struct server *fake_server_new(const struct config *cfg)
{
    struct server *s = xcalloc(1, sizeof *s);
    s->cfg = cfg;
    s->rev = 1;
    s->arena = arena_new();
    list_init(&s->held);
    return s;
}

void fake_server_free(struct server *s)
{
    for (size_t i = 0; i < s->events_n; i++)
        blob_unref(s->events[i].field);
    arena_free(s->arena);
    free(s);
}

enum err server_client_new(struct server *s, struct loop *loop, struct server_client **ret,
                           struct why *why)
{
    (void)why;
    struct server_client *c = xcalloc(1, sizeof *c);
    c->server = s;
    c->loop = loop;
    list_init(&c->watchers);
    loop_timer_init(&c->feed, loop, feed_run);
    s->client = *ret = c;
    s->loop = loop;
    return ERR_OK;
}

void server_client_free(struct server_client *c)
{
    invariant(list_is_empty(&c->watchers) && list_is_empty(&c->server->held));
    loop_timer_fini(&c->feed);
    free(c);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct slice keep(struct server *s, struct slice b)
{
    return slice_make(arena_dup(s->arena, b.p, b.n), b.n);
}

static struct slice data(ProtobufCBinaryData d)
{
    return slice_make(d.data, d.len);
}

static bool in_range(struct slice key, struct slice from, struct slice end)
{
    if (end.n == 0)
        return slice_eq(key, from);
    bool open = end.n == 1 && end.p[0] == 0;
    return slice_cmp(key, from) >= 0 && (open || slice_cmp(key, end) < 0);
}

static size_t row_place(const struct server *s, struct slice key)
{
    size_t i = 0;
    while (i < s->rows_n && slice_cmp(s->rows[i].key, key) < 0)
        i++;
    return i;
}

static struct fake_row *row_find(struct server *s, struct slice key)
{
    size_t i = row_place(s, key);
    return i < s->rows_n && slice_eq(s->rows[i].key, key) ? &s->rows[i] : NULL;
}

static struct kv_row kv_row_of(const struct fake_row *r)
{
    return (struct kv_row){.main = r->mod,
                           .create = r->create,
                           .version = r->version,
                           .lease = r->lease,
                           .key = r->key,
                           .value = r->value};
}

/* An Event as field 11 of WatchResponse: the type if it is a delete, and the row. */
static void event_add(struct server *s, const struct kv_row *row)
{
    bool deleted = kv_row_is_tombstone(row);
    uint8_t event[4096], *p = event;
    size_t kv_n = kv_wire_size(row) + (deleted ? kv_wire_int_size(row->main) : 0);
    invariant(kv_n < 4000 && s->events_n < FAKE_EVENTS_MAX);
    if (deleted) {
        *p++ = 0x08;
        *p++ = 1;
    }
    *p++ = 0x12;
    p = varint_put(p, kv_n);
    p = kv_wire_put(p, row);
    if (deleted)
        p = kv_wire_int(p, 0x18, row->main);
    size_t n = (size_t)(p - event);
    struct blob *field = blob_new(1 + varint_size(n) + n);
    field->p[0] = 0x5a;
    memcpy(varint_put(field->p + 1, n), event, n);
    s->events[s->events_n++] = (struct fake_event){
        .rev = row->main, .deleted = deleted, .key = row->key, .field = field};
}

static void row_put(struct server *s, struct slice key, struct slice value, lease_id lease)
{
    struct fake_row *r = row_find(s, key);
    if (r == NULL) {
        size_t i = row_place(s, key);
        invariant(s->rows_n < FAKE_ROWS_MAX);
        r = &s->rows[i];
        memmove(r + 1, r, (s->rows_n++ - i) * sizeof *r);
        *r = (struct fake_row){.key = keep(s, key), .create = s->rev};
    }
    r->value = keep(s, value);
    r->mod = s->rev;
    r->version++;
    r->lease = lease;
    struct kv_row row = kv_row_of(r);
    event_add(s, &row);
}

static int64_t rows_delete(struct server *s, struct slice from, struct slice end)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->rows_n;) {
        if (!in_range(s->rows[i].key, from, end)) {
            i++;
            continue;
        }
        event_add(s, &(struct kv_row){.main = s->rev, .key = s->rows[i].key});
        s->rows_n--;
        memmove(&s->rows[i], &s->rows[i + 1], (s->rows_n - i) * sizeof *s->rows);
        n++;
    }
    return n;
}

static void changed(struct server *s)
{
    if (s->client != NULL)
        loop_timer_set(&s->client->feed, 0);
}

void fake_put(struct server *s, const char *key, const char *value)
{
    s->rev++;
    row_put(s, slice_str(key), slice_str(value), 0);
    changed(s);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static Etcdserverpb__ResponseHeader *header(struct server *s, struct arena *a)
{
    Etcdserverpb__ResponseHeader *h = arena_alloc(a, sizeof *h);
    etcdserverpb__response_header__init(h);
    h->cluster_id = CLUSTER;
    h->member_id = MEMBER;
    h->raft_term = TERM;
    h->revision = s->rev;
    return h;
}

#define NEW(a, type, init)                                                                         \
    ({                                                                                             \
        type *m_ = arena_alloc(a, sizeof *m_);                                                     \
        init(m_);                                                                                  \
        m_;                                                                                        \
    })

static Mvccpb__KeyValue *kv_of(struct arena *a, const struct fake_row *r)
{
    Mvccpb__KeyValue *kv = NEW(a, Mvccpb__KeyValue, mvccpb__key_value__init);
    kv->key = (ProtobufCBinaryData){r->key.n, (uint8_t *)(uintptr_t)r->key.p};
    kv->value = (ProtobufCBinaryData){r->value.n, (uint8_t *)(uintptr_t)r->value.p};
    kv->create_revision = r->create;
    kv->mod_revision = r->mod;
    kv->version = r->version;
    kv->lease = r->lease;
    return kv;
}

/* One row at most, by create revision where that is asked for: what locks and elections ask. */
static void op_range(struct server *s, struct arena *a, const Etcdserverpb__RangeRequest *r,
                     Etcdserverpb__ResponseOp *out)
{
    bool descend = r->sort_order == ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND;
    const struct fake_row *best = NULL;
    for (size_t i = 0; i < s->rows_n; i++) {
        const struct fake_row *row = &s->rows[i];
        if (!in_range(row->key, data(r->key), data(r->range_end)) ||
            (r->max_create_revision != 0 && row->create > r->max_create_revision))
            continue;
        if (best == NULL || (descend ? row->create > best->create : row->create < best->create))
            best = row;
    }
    Etcdserverpb__RangeResponse *resp =
        NEW(a, Etcdserverpb__RangeResponse, etcdserverpb__range_response__init);
    resp->kvs = arena_alloc(a, sizeof *resp->kvs);
    if (best != NULL)
        resp->kvs[resp->n_kvs++] = kv_of(a, best);
    out->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE;
    out->response_range = resp;
}

static void txn_op(struct server *s, struct arena *a, const Etcdserverpb__RequestOp *op,
                   Etcdserverpb__ResponseOp *out)
{
    if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT) {
        row_put(s, data(op->request_put->key), data(op->request_put->value),
                op->request_put->lease);
        out->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_PUT;
        out->response_put = NEW(a, Etcdserverpb__PutResponse, etcdserverpb__put_response__init);
    } else if (op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE) {
        const Etcdserverpb__DeleteRangeRequest *r = op->request_delete_range;
        rows_delete(s, data(r->key), data(r->range_end));
        out->response_case = ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_DELETE_RANGE;
        out->response_delete_range = NEW(a, Etcdserverpb__DeleteRangeResponse,
                                         etcdserverpb__delete_range_response__init);
    } else {
        op_range(s, a, op->request_range, out);
    }
}

/* Compares create revisions for equality only. */
static ProtobufCMessage *txn(struct server *s, struct arena *a, const Etcdserverpb__TxnRequest *t)
{
    Etcdserverpb__TxnResponse *resp =
        NEW(a, Etcdserverpb__TxnResponse, etcdserverpb__txn_response__init);
    resp->succeeded = true;
    for (size_t i = 0; i < t->n_compare; i++) {
        const struct fake_row *r = row_find(s, data(t->compare[i]->key));
        resp->succeeded &= (r ? r->create : 0) == t->compare[i]->create_revision;
    }
    size_t n = resp->succeeded ? t->n_success : t->n_failure;
    Etcdserverpb__RequestOp **ops = resp->succeeded ? t->success : t->failure;
    resp->responses = arena_alloc(a, (n + 1) * sizeof *resp->responses);
    size_t events = s->events_n;
    s->rev++;
    for (size_t i = 0; i < n; i++) {
        Etcdserverpb__ResponseOp *out =
            NEW(a, Etcdserverpb__ResponseOp, etcdserverpb__response_op__init);
        txn_op(s, a, ops[i], out);
        resp->responses[resp->n_responses++] = out;
    }
    s->rev -= s->events_n == events;
    resp->header = header(s, a);
    return &resp->base;
}

static ProtobufCMessage *delete_range(struct server *s, struct arena *a,
                                      const Etcdserverpb__DeleteRangeRequest *r)
{
    Etcdserverpb__DeleteRangeResponse *resp =
        NEW(a, Etcdserverpb__DeleteRangeResponse, etcdserverpb__delete_range_response__init);
    s->rev++;
    resp->deleted = rows_delete(s, data(r->key), data(r->range_end));
    s->rev -= resp->deleted == 0;
    resp->header = header(s, a);
    return &resp->base;
}

static ProtobufCMessage *put(struct server *s, struct arena *a, const Etcdserverpb__PutRequest *r)
{
    Etcdserverpb__PutResponse *resp =
        NEW(a, Etcdserverpb__PutResponse, etcdserverpb__put_response__init);
    s->rev++;
    row_put(s, data(r->key), data(r->value), r->lease);
    resp->header = header(s, a);
    return &resp->base;
}

static ProtobufCMessage *grant(struct server *s, struct arena *a)
{
    Etcdserverpb__LeaseGrantResponse *resp =
        NEW(a, Etcdserverpb__LeaseGrantResponse, etcdserverpb__lease_grant_response__init);
    resp->header = header(s, a);
    resp->id = LEASE_FIRST + s->client->leases++;
    return &resp->base;
}

static ProtobufCMessage *renew(struct server *s, struct arena *a,
                               const Etcdserverpb__LeaseKeepAliveRequest *r)
{
    Etcdserverpb__LeaseKeepAliveResponse *resp = NEW(a, Etcdserverpb__LeaseKeepAliveResponse,
                                                     etcdserverpb__lease_keep_alive_response__init);
    resp->header = header(s, a);
    resp->id = r->id;
    resp->ttl = 5;
    return &resp->base;
}

static ProtobufCMessage *status(struct server *s, struct arena *a)
{
    Etcdserverpb__StatusResponse *resp =
        NEW(a, Etcdserverpb__StatusResponse, etcdserverpb__status_response__init);
    resp->header = header(s, a);
    resp->version = "3.7.1";
    resp->storageversion = "3.7.0";
    return &resp->base;
}

static ProtobufCMessage *answer(struct server *s, struct arena *a, const struct server_call *c)
{
    switch (c->op) {
    case OP_PUT:
        return put(s, a, (const Etcdserverpb__PutRequest *)c->request);
    case OP_DELETE_RANGE:
        return delete_range(s, a, (const Etcdserverpb__DeleteRangeRequest *)c->request);
    case OP_TXN:
        return txn(s, a, (const Etcdserverpb__TxnRequest *)c->request);
    case OP_LEASE_GRANT:
        return grant(s, a);
    case OP_LEASE_KEEP_ALIVE:
        return renew(s, a, (const Etcdserverpb__LeaseKeepAliveRequest *)c->request);
    default:
        return status(s, a);
    }
}

static void call_run(struct loop_msg *m)
{
    struct server_call *c = CONTAINER_OF(m, struct server_call, reply);
    struct server *s = c->client->server;
    c->err = s->fail;
    c->response = NULL;
    if (c->err == ERR_OK && c->op != OP_READ_INDEX) {
        struct arena *a = arena_new();
        AUTO(buf) struct buf b = BUF_INIT;
        pb_pack(answer(s, a, c), &b);
        c->response = blob_dup(buf_slice(&b));
        arena_free(a);
    }
    changed(s);
    c->done(c);
}

void server_call(struct server_client *c, struct server_call *call)
{
    call->client = c;
    call->reply.run = call_run;
    c->server->calls++;
    if (c->server->hold)
        list_add_tail(&c->server->held, &call->reply.link);
    else
        loop_post(c->loop, &call->reply);
}

void fake_release(struct server *s)
{
    s->hold = false;
    while (!list_is_empty(&s->held)) {
        struct server_call *c = LIST_ENTRY(s->held.next, struct server_call, reply.link);
        list_unlink(&c->reply.link);
        loop_post(s->client->loop, &c->reply);
    }
}

static void snapshot_run(struct loop_msg *m)
{
    struct server_snapshot *snap = CONTAINER_OF(m, struct server_snapshot, reply);
    struct server *s = snap->client->server;
    snap->err = s->fail;
    snap->size = s->snapshot_size;
    snap->fd = memfd_create("snapshot", MFD_CLOEXEC);
    invariant(snap->fd != -1 && ftruncate(snap->fd, (off_t)snap->size) == 0);
    snap->done(snap);
}

void server_snapshot(struct server_client *c, struct server_snapshot *snap)
{
    snap->client = c;
    snap->reply.run = snapshot_run;
    loop_post(c->loop, &snap->reply);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

struct range_plan {
    struct server *server;
    const struct range_req *req;
    struct slice *keys;
    size_t n, at;
    int64_t count;
};

bool server_read_is_local(const struct server_client *c)
{
    return !c->server->not_local;
}

enum err server_range_plan(struct server_client *c, const struct range_req *req, struct arena *a,
                           struct range_plan **ret_plan)
{
    struct server *s = c->server;
    if (req->rev > s->rev)
        return ERR_FUTURE_REV;
    struct range_plan *p = arena_calloc(a, sizeof *p);
    p->server = s;
    p->req = req;
    p->keys = arena_alloc(a, (s->rows_n + 1) * sizeof *p->keys);
    for (size_t i = 0; i < s->rows_n; i++)
        if (in_range(s->rows[i].key, req->key, req->range_end)) {
            p->count++;
            if (!req->count_only && (req->limit <= 0 || (int64_t)p->n < req->limit))
                p->keys[p->n++] = s->rows[i].key;
        }
    *ret_plan = p;
    return ERR_OK;
}

enum err server_range_fetch(struct server_client *c, struct range_plan *p,
                            bool (*emit)(void *arg, const struct kv_row *row), void *arg)
{
    while (p->at < p->n) {
        struct kv_row row = kv_row_of(row_find(c->server, p->keys[p->at++]));
        if (!emit(arg, &row))
            break;
    }
    return ERR_OK;
}

int64_t range_plan_count(const struct range_plan *p)
{
    return p->count;
}

bool range_plan_more(const struct range_plan *p)
{
    return !p->req->count_only && p->count > (int64_t)p->n;
}

revision range_plan_revision(const struct range_plan *p)
{
    return p->req->rev > 0 ? p->req->rev : p->server->rev;
}

size_t range_plan_rows(const struct range_plan *p)
{
    return p->n;
}

void range_plan_free(struct range_plan *p)
{
    (void)p;
}

struct server_view {
    struct server_client *client;
};

enum err server_view_open(struct server_client *c, const struct range_req *req, struct arena *a,
                          struct range_plan **ret_plan, struct server_view **ret_view)
{
    enum err e = server_range_plan(c, req, a, ret_plan);
    if (e != ERR_OK)
        return e;
    *ret_view = xcalloc(1, sizeof **ret_view);
    (*ret_view)->client = c;
    c->server->views++;
    return ERR_OK;
}

enum err server_view_fetch(struct server_view *v, struct range_plan *plan,
                           bool (*emit)(void *arg, const struct kv_row *row), void *arg)
{
    return server_range_fetch(v->client, plan, emit, arg);
}

void server_view_close(struct server_view *v)
{
    v->client->server->views--;
    free(v);
}

/* ---- what it is ------------------------------------------------------------------------------ */

void server_header_get(const struct server_client *c, struct server_header *ret)
{
    *ret = (struct server_header){CLUSTER, MEMBER, c->server->rev, TERM};
}

uint64_t server_cluster_id(const struct server *s)
{
    (void)s;
    return CLUSTER;
}

member_id server_member_id(const struct server *s)
{
    (void)s;
    return MEMBER;
}

bool server_is_leader(const struct server *s)
{
    return !s->no_leader;
}

bool server_is_learner(const struct server *s)
{
    (void)s;
    return false;
}

bool server_has_leader(const struct server *s)
{
    return !s->no_leader;
}

const char *server_cluster_version(const struct server *s)
{
    (void)s;
    return "3.7.0";
}

unsigned server_alarms(const struct server *s)
{
    return s->alarms;
}

unsigned server_client_threads(const struct server *s)
{
    (void)s;
    return 1;
}

void server_metrics_add(struct server *s, struct metric *const *families, size_t n)
{
    (void)s;
    (void)families;
    (void)n;
}

void server_metrics_text(struct server *s, struct buf *out)
{
    (void)s;
    buf_add_str(out, "etcd_fake 1\n");
}

/* ---- watchers -------------------------------------------------------------------------------- */

static bool watcher_wants(const struct watcher *w, const struct fake_event *e)
{
    return e->rev >= w->next && in_range(e->key, w->key, w->range_end) &&
           !(w->filters & (e->deleted ? WATCH_NO_DELETE : WATCH_NO_PUT));
}

/* Give one watcher all that it lacks, in one response. It may be gone afterwards. */
static void watcher_feed(struct watcher *w)
{
    struct server *s = w->client->server;
    struct slice fields[64];
    revision revs[64];
    struct watch_events ev = {.rev = s->rev, .field = fields, .revs = revs};
    struct blob *only = NULL;
    if (w->next < s->compacted) {
        const struct watcher_ops *ops = w->ops;
        watcher_remove(w);
        ops->compacted(w, s->compacted);
        return;
    }
    for (size_t i = 0; i < s->events_n && ev.n < ARRAY_LEN(fields); i++)
        if (watcher_wants(w, &s->events[i])) {
            only = s->events[i].field;
            fields[ev.n] = blob_slice(only);
            revs[ev.n++] = s->events[i].rev;
            ev.bytes += only->n;
        }
    ev.shared = ev.n == 1 ? only : NULL;
    if (ev.n != 0 && !w->ops->writable(w)) {
        w->state = WATCHER_WAITING;
        return;
    }
    bool was_behind = w->state != WATCHER_SYNCED;
    bool cut = ev.n == ARRAY_LEN(fields);
    if (cut)
        ev.rev = revs[ev.n - 1];
    w->next = w->next > ev.rev ? w->next : ev.rev + 1;
    w->state = cut ? WATCHER_BEHIND : WATCHER_SYNCED;
    if (cut)
        changed(s);
    if (ev.n != 0)
        w->ops->events(w, &ev);
    if (was_behind && watcher_is_synced(w))
        w->ops->synced(w);
}

static void feed_run(struct loop_timer *t)
{
    struct server_client *c = CONTAINER_OF(t, struct server_client, feed);
    struct list all;
    list_init(&all);
    list_splice_tail(&all, &c->watchers);
    while (!list_is_empty(&all)) {
        struct watcher *w = LIST_ENTRY(all.next, struct watcher, link);
        list_unlink(&w->link);
        list_add_tail(&c->watchers, &w->link);
        if (w->state != WATCHER_WAITING)
            watcher_feed(w);
    }
}

void watcher_add(struct server_client *c, struct watcher *w, const struct watcher_ops *ops,
                 struct slice key, struct slice range_end, revision start, unsigned filters,
                 bool prev_kv)
{
    struct server *s = c->server;
    *w = (struct watcher){.ops = ops, .client = c, .filters = filters, .prev_kv = prev_kv};
    w->key = keep(s, key);
    w->range_end = keep(s, range_end);
    w->next = start > 0 ? start : s->rev + 1;
    w->state = WATCHER_BEHIND;
    list_add_tail(&c->watchers, &w->link);
    changed(s);
}

void watcher_remove(struct watcher *w)
{
    if (w->client == NULL)
        return;
    list_unlink(&w->link);
    w->client = NULL;
}

void watcher_resume(struct watcher *w)
{
    if (w->client == NULL || w->state != WATCHER_WAITING)
        return;
    w->state = WATCHER_BEHIND;
    changed(w->client->server);
}

bool watcher_is_synced(const struct watcher *w)
{
    return w->client != NULL && w->state == WATCHER_SYNCED;
}

revision watcher_feed_revision(const struct server_client *c)
{
    return c->server->rev;
}
