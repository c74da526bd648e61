/* server/watch.h -- watchers of one client loop.
 *
 * The hub of a loop is fed with every change, in order. A watcher is either synced (its next event
 * comes from the feed) or it is read up from the history in slices, shared with the others that are
 * behind; it changes sides by itself. A watcher whose stream is not writable falls behind and is
 * read up later, so nothing is lost and nothing piles up.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include "mvcc/watch_group.h"
#include "server/client.h"

struct watcher;

/* Events for one watcher, in order: whole revisions only. */
struct watch_events {
    revision rev; /* with this the watcher has all its events up to here; goes into the header */
    size_t n;
    /* Event i as field 11 of WatchResponse: tag, length and the mvccpb.Event. Lent. Events of one
     * revision have equal revs[i]. */
    const struct slice *field;
    const revision *revs;
    size_t bytes;        /* sum of field[i].n */
    struct blob *shared; /* if n == 1: the same bytes as a blob, lent; else NULL */
};

struct watcher_ops {
    /* May this watcher's stream take more now? If not, the watcher waits until watcher_resume(). */
    bool (*writable)(struct watcher *w);
    void (*events)(struct watcher *w, const struct watch_events *ev);
    /* The first revision that it needs was compacted away: the watcher is out of the hub. */
    void (*compacted)(struct watcher *w, revision compacted);
    /* It has become synced. */
    void (*synced)(struct watcher *w);
};

enum { WATCH_NO_PUT = 1, WATCH_NO_DELETE = 2 };

enum watcher_state { WATCHER_SYNCED, WATCHER_BEHIND, WATCHER_WAITING };

/* Zeroed by the caller, who embeds it. Fields are the hub's own. */
struct watcher {
    const struct watcher_ops *ops;
    struct server_client *client; /* NULL: not added */
    struct watch_node node;       /* in the group of its state, if any */
    struct list link;             /* among all of its state */
    enum watcher_state state;
    bool in_turn;                 /* behind, and part of the slice of history at hand */
    revision next;                /* the first revision that it may still be given */
    struct slice key, range_end;  /* one allocation, at key.p */
    unsigned filters;
    bool prev_kv;
    uint32_t pick_first, pick_last; /* its events in the batch at hand, + 1; 0: none */
};

/* Begin to watch. `start` 0: from the next revision on. Copies key and range_end (as in the
 * request, key not empty). Nothing is called back from inside. */
void watcher_add(struct server_client *c, struct watcher *w, const struct watcher_ops *ops,
                 struct slice key, struct slice range_end, revision start, unsigned filters,
                 bool prev_kv);
void watcher_remove(struct watcher *w); /* not added: does nothing; fine inside its own callbacks */

/* The stream can take more again. */
void watcher_resume(struct watcher *w);

/* True if everything up to watcher_feed_revision() has been given to it. */
bool watcher_is_synced(const struct watcher *w);
revision watcher_feed_revision(const struct server_client *c);

#endif
