/* api/errand.h -- an HTTP request that asks the server something before it is answered.
 *
 * The errand lives until it was answered or its client went away, and the server has answered.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ERRAND_H
#define API_ERRAND_H

#include "api/web.h"
#include "pb/etcdserverpb.pb-c.h"

struct errand {
    struct web web; /* web.stream is NULL once the client is gone */
    struct arena *arena;
    void *user;
    void (*step)(struct errand *e); /* the answer has come: `server.err`, `status` */
    struct server_call server;
    Etcdserverpb__StatusResponse *status; /* of the last question for it, NULL if it failed */
};

/* Begin an errand; from within `request`. The caller asks something and returns. */
struct errand *errand_new(const struct web *w);
/* Ask, and have `step` called with the answer, unless the client has gone by then. */
void errand_read_index(struct errand *e, void (*step)(struct errand *e));
void errand_status(struct errand *e, void (*step)(struct errand *e));
/* The request has been answered through errand_web(): free the errand. */
void errand_end(struct errand *e);
/* Take the request from the errand to answer it. */
struct web errand_web(struct errand *e);

#endif
