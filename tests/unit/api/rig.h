/* tests/unit/api/rig.h -- one client loop over the fake server, and HTTP/1 clients turned by that loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_API_RIG_H
#define TESTS_UNIT_API_RIG_H

#include "api/api_loop.h"
#include "fake_server.h"

struct rig {
    struct config cfg;
    struct server *server;
    struct api_loop l;
    struct loop_timer give_up;
    struct list clients; /* of client.link */
    bool met;
};

struct client {
    struct rig *rig;
    struct list link;
    int fd;
    struct event *readable;
    struct buf in;
    bool eof, deaf; /* deaf: it does not read */
    const char *wanted;
};

void rig_init(struct rig *r);
void rig_fini(struct rig *r); /* clients included; nothing may be left behind in the loop */

struct client *client_new(struct rig *r, enum api_port_kind kind);
void client_close(struct client *c);
void client_send(struct client *c, const char *text);
/* Send a POST request with this body. */
void client_post(struct client *c, const char *path, const char *body);
/* Turn the loop until the client has read `text`; forget all up to its end. */
void client_expect(struct client *c, const char *text);
/* Post, and expect the status line and the body. */
void client_ask(struct client *c, const char *path, const char *body, unsigned status,
                const char *answer);
void client_get(struct client *c, const char *path, unsigned status, const char *answer);
/* Turn the loop until `cond` holds. */
void rig_until(struct rig *r, bool (*cond)(struct rig *r));

#endif
