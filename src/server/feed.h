/* server/feed.h -- one batch of changes, shared by the hubs of all client loops.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_FEED_H
#define SERVER_FEED_H

#include "iface/kv_wire.h"
#include "loop/loop.h"

struct feed_event {
    revision rev;
    bool deleted, created;
    struct slice key;   /* inside of field */
    struct blob *field; /* field 11 of WatchResponse, without prev_kv */
};

struct feed {
    _Atomic uint32_t refs;
    revision rev; /* every change up to here has been fed */
    size_t n, cap;
    struct feed_event *ev; /* in order */
};

void feed_unref(struct feed *f);

/* Takes one reference to the feed, and itself. */
struct feed_msg {
    struct loop_msg msg;
    struct server_client *client;
    struct feed *feed;
};

/* watch.c: a feed, or the answer to a subscription, arrives at its client's loop. */
void hub_on_feed(struct loop_msg *m);

/* watch.c: a snapshot replaced the state: what lies between is not in the feed. Takes the message,
 * which has no feed. */
void hub_on_restore(struct loop_msg *m);

/* Return field 11 of WatchResponse, owned, with the mvccpb.Event of one row in it, without prev_kv.
 * The key of the row, which is not empty, lies inside at *ret_key. */
struct blob *event_encode(const struct kv_row *row, struct slice *ret_key);

/* Return the same field with `prev` as its prev_kv, owned. */
struct blob *event_with_prev(struct slice field, const struct kv_row *prev);

#endif
