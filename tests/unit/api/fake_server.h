/* tests/unit/api/fake_server.h -- the server's three headers over a few rows in memory.
 *
 * One thread, one client. Every call is answered from the loop in the order it came, a range at once.
 * History is kept whole, so watchers may start anywhere.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_API_FAKE_SERVER_H
#define TESTS_UNIT_API_FAKE_SERVER_H

#include "server/client.h"
#include "server/watch.h"

enum { FAKE_ROWS_MAX = 2000, FAKE_EVENTS_MAX = 4000 };

struct fake_row {
    struct slice key, value;
    revision create, mod;
    int64_t version;
    lease_id lease;
};

struct fake_event {
    revision rev;
    bool deleted;
    struct slice key;
    struct blob *field;
};

struct server {
    const struct config *cfg;
    struct server_client *client;
    struct loop *loop; /* of the newest client */
    struct arena *arena;
    revision rev, compacted;
    struct fake_row rows[FAKE_ROWS_MAX]; /* sorted by key */
    size_t rows_n;
    struct fake_event events[FAKE_EVENTS_MAX];
    size_t events_n;
    unsigned calls; /* how many were asked */
    unsigned views; /* open now */

    /* what a test may set */
    bool no_leader, not_local;
    bool hold; /* calls are kept until fake_release() */
    enum err fail; /* what every call gets */
    unsigned alarms;
    uint64_t snapshot_size;
    struct list held; /* of server_call.reply.link */
};

struct server *fake_server_new(const struct config *cfg);
void fake_server_free(struct server *s);
/* Answer what was held, and go on answering. */
void fake_release(struct server *s);
void fake_put(struct server *s, const char *key, const char *value);

#endif
