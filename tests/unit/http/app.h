/* tests/unit/http/app.h -- the application behind the server in the tests of this folder.
 *
 *   /404        answered at once          /hold       never answered by itself (app.held)
 *   /reset      reset at once             /stream     app.to_write bytes, under back-pressure
 *   /slow-body  consumed only by the test; answered "taken" at its end
 *   /ws         a WebSocket: messages come back, "bye" closes
 *   /ws-slow    the same, consumed only by the test
 *   else        the body and what the accessors say, echoed
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_HTTP_APP_H
#define TESTS_UNIT_HTTP_APP_H

#include "unit/http/rig.h"

#define APP_BODY_MAX 100000

struct app {
    unsigned requests, closes, drains, messages;
    enum http_close last_close;
    struct http_stream *held; /* of /hold, /stream, /slow-body and /ws-slow */
    size_t unconsumed, data_bytes;
    bool data_end;
    size_t to_write; /* what /stream still has to queue */
    size_t pending_max;
};

extern struct app app;

/* Reset `app`, and return the configuration that serves it. */
struct http_config app_config(void);
void app_start(struct rig *r);

/* Conditions for rig_until(). */
bool app_holds(void *arg);      /* a request is held */
bool app_closed_one(void *arg); /* a stream was closed */
bool app_conns_gone(void *rig); /* no connection is left */

/* Run until the server has received `n` bytes more than at the call, `n` of them sent here. */
void app_send_received(struct rig *r, struct client *c, const void *p, size_t n);

#endif
