/* api/api.h -- everything a client sees on the client port: gRPC, JSON, probes, metrics.
 *
 * The api owns the client loops: threads that each have an event loop, a server_client, and the
 * connections dealt to them. A request is decoded, checked and answered in the loop it arrived in;
 * the loops share nothing but the server.
 *
 * The order at the end is: api_drain(), server_stop(), api_stop(), server_free(), api_free().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>

#include "base/err.h"
#include "base/types.h"
#include "base/why.h"
#include "http/listener.h"

struct api;
struct config;
struct server;

struct api_sockets {
    struct listen_sockets client;      /* gRPC, and HTTP unless that has its own */
    struct listen_sockets client_http; /* if not empty, HTTP is served only there */
    struct listen_sockets metrics;
};

/* Start the client threads, which accept from `sockets`. `cfg`, `server` and the paths of the sockets are
 * lent for the api's life; the descriptors are taken in any case. On failure nothing runs. */
MUST_USE enum err api_start(const struct config *cfg, struct server *server,
                            const struct api_sockets *sockets, struct api **ret, struct why *why);

/* Go on with another configuration, of which only what can change at run time differs; lent like the first
 * one. Messages and connections that come from now on are held to its limits. */
void api_reconfigure(struct api *a, const struct config *cfg);

/* Return true if each client loop has turned since this was last asked (false at first). The control
 * thread only. */
bool api_has_turned(struct api *a);

/* Accept no more connections, ask the clients to go, and wait until they have or `bound` is over. */
void api_drain(struct api *a, msec bound);

/* Close every connection, wait for the answers that the server still owes (server_stop() has seen to
 * it that they come), give the server_clients back and end the threads. */
void api_stop(struct api *a);
void api_free(struct api *a); /* NULL is fine; stopped before */

#endif
