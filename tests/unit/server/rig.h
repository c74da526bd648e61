/* tests/unit/server/rig.h -- a whole member in a temporary folder, with one client loop.
 *
 * The test's thread asks and waits; what belongs to the loop is run in the loop's thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SERVER_RIG_H
#define TESTS_UNIT_SERVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "config/config.h"
#include "server/client.h"
#include "server/watch.h"
#include "tests/unit/apply/requests.h"

struct rig {
    char dir[256];
    struct config *cfg;
    struct server *server;
    struct loop *loop;
    pthread_t thread;
    struct server_client *client;
    struct arena *arena; /* of requests and responses; never reset */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready, failed; /* under the lock */
};

int rig_setup(void **state); /* makes the folder; starts nothing */
int rig_teardown(void **state);

/* Start the member with up to three more flags (NULL: none), and wait until it is ready. */
void rig_start(struct rig *g, const char *flag1, const char *flag2);
/* Stop the server; the loop still runs. */
void rig_stop_server(struct rig *g);
/* Stop and free everything that rig_start() made. */
void rig_stop(struct rig *g);
void rig_restart(struct rig *g);

/* Run `fn` in the loop's thread and wait for its end. */
void rig_run(struct rig *g, void (*fn)(void *arg), void *arg);

/* Wait for rig_changed() until `holds(arg)`; it is asked under the lock. */
void rig_wait(struct rig *g, bool (*holds)(void *arg), void *arg);
/* Let waiters look again. The lock is held. */
void rig_changed(struct rig *g);

/* ---- calls ---------------------------------------------------------------------------------- */

struct rig_call {
    struct server_call call;
    struct rig *rig;
    bool done; /* under the lock */
};

/* Hand it in, from the loop's thread, and go on. `c` lives until rig_call_end(). */
void rig_call_begin(struct rig *g, struct rig_call *c, enum server_op op, const void *request);
/* Wait for the answer; `ret` (may be NULL) is the response in the rig's arena. */
enum err rig_call_end(struct rig_call *c, const ProtobufCMessageDescriptor *desc, void *ret);
enum err rig_call(struct rig *g, enum server_op op, const void *request,
                  const ProtobufCMessageDescriptor *desc, void *ret);

/* Put, and return the revision that its answer tells. */
revision rig_put(struct rig *g, const char *key, const char *value);
enum err rig_compact(struct rig *g, revision rev, bool physical);
enum err rig_grant(struct rig *g, lease_id id, int64_t ttl);
enum err rig_alarm(struct rig *g, int action, int type);
const Etcdserverpb__StatusResponse *rig_status(struct rig *g);
const Etcdserverpb__HashKVResponse *rig_hash_kv(struct rig *g, revision rev);
/* Read a range as a client does; the values of its rows joined by spaces, in the rig's arena. */
enum err rig_range(struct rig *g, const char *key, const char *end, revision rev,
                   const char **ret_values, int64_t *ret_count);
/* Return the value of a line of the metrics, such as `etcd_mvcc_put_total`; -1 if there is none. */
double rig_metric(struct rig *g, const char *name);

/* ---- watchers ------------------------------------------------------------------------------- */

enum { SEEN_MAX = 40000 };

/* What one watcher was given. */
struct rig_watch {
    struct watcher w;
    struct rig *rig;
    const char *key, *end;
    revision start;
    unsigned filters;
    bool prev_kv;
    /* under the lock */
    bool blocked; /* its stream is full ... */
    size_t room;  /* ... or will be after so many batches; 0: it has no end */
    revision *revs;
    size_t n;
    revision upto; /* of the newest batch */
    revision compacted;
    bool synced, asked; /* asked: it was not writable when it was asked */
    const Etcdserverpb__WatchResponse *last; /* in the rig's arena, if `keep` */
    bool keep;
};

/* `end`: NULL for one key, "" for all from `key` on. */
void rig_watch(struct rig *g, struct rig_watch *w, const char *key, const char *end,
               revision start);
void rig_unwatch(struct rig_watch *w);
/* Wait until it has seen at least `n` events. */
void rig_watch_wait(struct rig_watch *w, size_t n);
/* Wait until it was found full. */
void rig_watch_wait_blocked(struct rig_watch *w);
/* Open the stream again. */
void rig_watch_resume(struct rig_watch *w);
void rig_watch_fini(struct rig_watch *w);

#endif
