/* server/drive.h -- a member without threads, for whoever drives it by hand: the simulation.
 *
 * The same code runs as in a process: what the threads do in their loops is done here a round at a
 * time, when and in which order the driver wants. Time is what loop/clock.h says it is.
 *
 *     server_open(cfg, &events, &world, &s, &why)
 *     now and then, in any order:
 *         due = server_round(s)         the member's round: takes messages, ticks, applies, answers
 *         server_log_round(s)           what the log thread was given: written and synced
 *         server_keeper_round(s)        the same for the keeper: what it was given
 *     server_shut(s); for a crash, the disk has lost its power before
 *     server_client_free() of all clients, server_free(s)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_DRIVE_H
#define SERVER_DRIVE_H

#include <stdbool.h>

#include "iface/transport.h"
#include "server/server.h"

struct server_fetched {
    unsigned status;
    uint64_t cluster_id; /* of the X-Etcd-Cluster-Id header; 0: none */
    struct buf body;
};

/* Where a member stands. A field that is NULL or 0 means the real thing. */
struct server_world {
    const char *vfs; /* the SQLite VFS of both databases */
    uint64_t seed;   /* of the election timeouts */
    bool log_apart;  /* everything goes through server_log_round(), a lone entry as well */
    /* Make the transport, which outlives the member. `r` is to be copied. */
    struct transport *(*transport)(void *arg, const struct transport_receiver *r, member_id id,
                                   uint64_t cluster_id);
    /* GET url + path of another member before the member runs (joining). ERR_CLOSED or ERR_TIMEOUT
     * if nobody answers. */
    enum err (*fetch)(void *arg, const char *url, const char *path, struct server_fetched *ret);
    void *arg;
};

/* As server_start(), without threads. `world` is copied. */
MUST_USE enum err server_open(const struct config *cfg, const struct server_events *events,
                              const struct server_world *world, struct server **ret,
                              struct why *why);

/* One round of the member: take what came, do what is due; return the time (clock_now_ms) of the
 * next thing that is due. */
msec server_round(struct server *s);
/* Return false if there was nothing to do. */
bool server_log_round(struct server *s);
bool server_keeper_round(struct server *s);
/* True if a round, a log round or a keeper round would find something now. */
bool server_has_mail(struct server *s);
bool server_log_has_mail(struct server *s);
bool server_keeper_has_mail(struct server *s);

/* Finish what is under way, answer what waits with ERR_STOPPED, and refuse new calls. */
void server_shut(struct server *s);

#endif
