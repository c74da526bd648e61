/* server/server.h -- one member: what comes in, raft, what goes to disk, apply, what is answered.
 *
 * Threads (docs/architecture.md): the member thread owns raft, leases, membership and the key
 * database's writer; the log thread owns log.db; the housekeeping thread does checkpoints, hashes
 * and snapshots; client loops (server/client.h) ask and are answered. This header is for the
 * program that assembles them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"
#include "base/why.h"

struct config;
struct listen_sockets; /* http/listener.h */
struct server;

/* Called with `arg`; the first two from the member thread, at most once each. */
struct server_events {
    /* The member leads (or follows), has published itself, and can serve. */
    void (*ready)(void *arg);
    /* It cannot go on: the disk failed, say. Acknowledgements stopped before. The process must end
     * with exit status `status`. The text is lent. */
    void (*fatal)(void *arg, int status, const char *text);
    void *arg;
    /* Starting goes on: so many rows of the history, or entries of the log, are done. May be NULL. Any
     * thread, that of server_start() as well. */
    void (*progress)(void *arg, const char *doing, uint64_t done);
    /* The member is about to serve its peers: return the sockets that they connect to, whose descriptors are
     * taken. Not earlier: members of a new cluster ask each other whether somebody serves already. May be
     * NULL: nobody connects. From the thread that starts the server. */
    enum err (*peer_sockets)(void *arg, struct listen_sockets *ret, struct why *why);
};

/* Open (or make) the data directory, bring the state up, and start the threads. On failure nothing
 * runs, and `why` says what to do. `cfg` is lent for the server's life. */
MUST_USE enum err server_start(const struct config *cfg, const struct server_events *events,
                               struct server **ret, struct why *why);

/* Go on with another configuration, of which only what can change at run time differs. Both are lent for the
 * server's life. */
void server_reconfigure(struct server *s, const struct config *cfg);

/* If this member leads, let another one lead; returns when that is done, or an election timeout
 * has passed. Before the clients are sent away. */
void server_hand_over(struct server *s);

/* Answer all that waits with ERR_STOPPED, refuse new calls, end the threads, and sync. Client loops
 * may still run, and call: they are answered ERR_STOPPED. */
void server_stop(struct server *s);
/* Close the databases. The server was stopped, and then all its server_clients were freed. */
void server_free(struct server *s);

/* ---- what the member is; any thread ---- */

uint64_t server_cluster_id(const struct server *s);
member_id server_member_id(const struct server *s);
bool server_is_leader(const struct server *s);
bool server_has_leader(const struct server *s);
bool server_is_learner(const struct server *s);
/* The cluster version as text ("3.7.0"), or "not_decided". Static or kept for the server's life. */
const char *server_cluster_version(const struct server *s);
/* Bit 1 << alarm type (1 NOSPACE, 2 CORRUPT) for each type that any member has raised. */
unsigned server_alarms(const struct server *s);

/* What an operator wants to see in one line. */
struct server_summary {
    bool leads, is_learner, restoring;
    member_id leader; /* 0: none */
    raft_term term;
    unsigned voters, connected; /* ourselves among them */
    revision rev;
    raft_index applied, committed;
    int64_t db_in_use, quota; /* bytes; no limit if 0 */
    msec fsync_p99;           /* of the log, at most; 0: nothing was written yet */
    unsigned alarms;
    char leader_name[64];
    char missing[256]; /* names of members that are not connected */
};
void server_summary(struct server *s, struct server_summary *ret);

/* Signs of life, for a watchdog. */
struct server_pulse {
    msec tick;      /* when raft's clock last ticked */
    msec log_since; /* since when a write of the log is under way; 0: none is */
};
void server_pulse(const struct server *s, struct server_pulse *ret);

/* How many client loops there are to be: as configured, or one a core, at most 8. */
unsigned server_client_threads(const struct server *s);

/* Add families of other rooms, which outlive the server, to what is written out. */
struct metric;
void server_metrics_add(struct server *s, struct metric *const *families, size_t n);

/* Append the Prometheus text of all families of the process. */
void server_metrics_text(struct server *s, struct buf *out);

#endif
