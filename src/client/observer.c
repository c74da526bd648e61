/* client/observer.c -- who leads, as it changes.
 *
 *   ASKING --nobody leads--> AWAITING --a key comes--> FOLLOWING --it goes--> ASKING
 *      +---------------somebody leads---------------------^
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "client/client_priv.h"

struct etcd_observer {
    struct etcd_client *client;
    char *prefix, *prefix_end;
    struct etcd_pending *call; /* while ASKING */
    struct etcd_watcher *watcher;
    struct etcd_watch *watch; /* else */
    bool following;
    bool telling, dead;
    void (*leader)(void *arg, const Etcdserverpb__RangeResponse *leader,
                   const struct etcd_error *error);
    void *arg;
};

static void ask(struct etcd_observer *o);

static void observer_delete(struct etcd_observer *o)
{
    if (o->call != NULL)
        etcd_call_cancel(o->call);
    etcd_watcher_free(o->watcher);
    free(o->prefix);
    free(o->prefix_end);
    free(o);
}

/* Call the user. Returns false if he freed the observer. */
static bool tell(struct etcd_observer *o, const Etcdserverpb__RangeResponse *r,
                 const struct etcd_error *e)
{
    o->telling = true;
    o->leader(o->arg, r, e);
    o->telling = false;
    if (!o->dead)
        return true;
    observer_delete(o);
    return false;
}

static bool tell_leader(struct etcd_observer *o, const Etcdserverpb__ResponseHeader *header,
                        int64_t rev, Mvccpb__KeyValue *kv)
{
    Etcdserverpb__ResponseHeader h = ETCDSERVERPB__RESPONSE_HEADER__INIT;
    Etcdserverpb__RangeResponse r = ETCDSERVERPB__RANGE_RESPONSE__INIT;
    if (header != NULL)
        h = *header;
    h.revision = rev;
    r.header = &h;
    r.kvs = &kv;
    r.n_kvs = 1;
    r.count = 1;
    return tell(o, &r, NULL);
}

/* ---- watching ---------------------------------------------------------------------------- */

static void on_watch(void *arg, const Etcdserverpb__WatchResponse *r, const struct etcd_error *e);

static void watch(struct etcd_observer *o, ProtobufCBinaryData key, ProtobufCBinaryData range_end,
                  int64_t from)
{
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = key;
    create.range_end = range_end;
    create.start_revision = from;
    o->watch = etcd_watch_start(o->watcher, &create, on_watch, o);
}

static void stop_watch(struct etcd_observer *o)
{
    if (o->watch != NULL)
        etcd_watch_cancel(o->watch);
    o->watch = NULL;
}

static void follow(struct etcd_observer *o, const Mvccpb__KeyValue *kv, int64_t from)
{
    o->following = true;
    watch(o, kv->key, (ProtobufCBinaryData){.len = 0}, from);
}

/* Return false if nothing more is to be read from this watch. */
static bool on_event(struct etcd_observer *o, const Etcdserverpb__WatchResponse *r,
                     const Mvccpb__Event *event)
{
    bool put = event->type == MVCCPB__EVENT__EVENT_TYPE__PUT;
    if (!o->following && !put)
        return true; /* of one that is not there any more */
    if (!put) {
        stop_watch(o);
        ask(o);
        return false;
    }
    int64_t rev = event->kv->mod_revision;
    if (o->following)
        return tell_leader(o, r->header, rev, event->kv);
    stop_watch(o);
    follow(o, event->kv, rev + 1);
    (void)tell_leader(o, r->header, rev, event->kv);
    return false;
}

static void on_watch(void *arg, const Etcdserverpb__WatchResponse *r, const struct etcd_error *e)
{
    struct etcd_observer *o = arg;
    if (r == NULL || r->canceled) {
        struct etcd_error why;
        o->watch = NULL;
        if (r != NULL && r->compact_revision != 0) {
            ask(o);
            return;
        }
        if (r != NULL)
            error_set(&why, ETCD_CANCELED, "%s", r->cancel_reason);
        (void)tell(o, NULL, r == NULL ? e : &why);
        return;
    }
    for (size_t i = 0; i < r->n_events; i++)
        if (r->events[i]->kv != NULL && !on_event(o, r, r->events[i]))
            return;
}

/* ---- asking ------------------------------------------------------------------------------ */

static void on_asked(void *arg, const void *response, const struct etcd_error *error)
{
    struct etcd_observer *o = arg;
    const Etcdserverpb__RangeResponse *r = response;
    o->call = NULL;
    if (r == NULL) {
        (void)tell(o, NULL, error);
        return;
    }
    int64_t rev = r->header != NULL ? r->header->revision : 0;
    if (r->n_kvs != 0) {
        follow(o, r->kvs[0], rev + 1);
        (void)tell(o, r, NULL);
        return;
    }
    o->following = false;
    watch(o, (ProtobufCBinaryData){.len = strlen(o->prefix), .data = (uint8_t *)o->prefix},
          (ProtobufCBinaryData){.len = strlen(o->prefix_end), .data = (uint8_t *)o->prefix_end},
          rev + 1);
}

static void ask(struct etcd_observer *o)
{
    Etcdserverpb__RangeRequest rq = ETCDSERVERPB__RANGE_REQUEST__INIT;
    rq.key = (ProtobufCBinaryData){.len = strlen(o->prefix), .data = (uint8_t *)o->prefix};
    rq.range_end =
        (ProtobufCBinaryData){.len = strlen(o->prefix_end), .data = (uint8_t *)o->prefix_end};
    rq.limit = 1;
    rq.sort_target = ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__CREATE;
    o->call = etcd_call_start(o->client, &etcd_rpc_range, &rq, -1, on_asked, o);
}

/* ---- the user's side --------------------------------------------------------------------- */

struct etcd_observer *etcd_observer_new(struct etcd_client *c, const char *name,
                                        void (*leader)(void *arg,
                                                       const Etcdserverpb__RangeResponse *leader,
                                                       const struct etcd_error *error),
                                        void *arg)
{
    struct etcd_observer *o = xcalloc(1, sizeof *o);
    o->client = c;
    o->prefix = xasprintf("%s/", name);
    o->prefix_end = xasprintf("%s%c", name, '/' + 1);
    o->leader = leader;
    o->arg = arg;
    o->watcher = etcd_watcher_new(c);
    ask(o);
    return o;
}

void etcd_observer_free(struct etcd_observer *o)
{
    if (o == NULL)
        return;
    o->dead = true;
    if (!o->telling)
        observer_delete(o);
}
