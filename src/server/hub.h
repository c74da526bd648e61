/* server/hub.h -- the hub and the view of a client loop, to the files of this room.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_HUB_H
#define SERVER_HUB_H

#include "server/watch.h"

struct hub;

struct hub *hub_new(struct server_client *c);
void hub_free(struct hub *h); /* no watcher is left */

/* client.c: open the round's view so that it holds all that is published now, and lend its rows. */
enum err client_view(struct server_client *c);
struct kv_reader *client_view_kv(struct server_client *c);

#endif
