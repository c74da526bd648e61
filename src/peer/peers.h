/* peer/peers.h -- upstream's peer protocol (rafthttp): the transport between members.
 *
 * Each member dials two streams to every other member, msgapp and message, and receives over them;
 * it sends over the two that the other dialled. What fits no stream goes by POST /raft (pipeline).
 * Snapshots go by POST /raft/snapshot, each in a thread and on a connection of its own, at a
 * bounded rate. Probes (/raft/probing) measure the round trip and the clock's difference.
 *
 *   PEER streams:  IDLE --dial--> ASKING --200--> UP; any --error--> IDLE, dialled again 100 ms
 *   later, at the next URL of the peer.
 *
 * Everything but the snapshot senders runs in the loop's thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PEER_PEERS_H
#define PEER_PEERS_H

#include "base/why.h"
#include "http/io.h"
#include "iface/transport.h"
#include "loop/loop.h"

struct peers;
struct http_stream;
struct metric;

struct peers_config {
    struct loop *loop;
    uint64_t cluster_id;
    member_id id;
    const char *const *urls; /* our advertised peer URLs, lent for the life of the peers */
    size_t n_urls;
    const char *spool_dir;  /* where snapshots that come in are put, in files without a name */
    msec dial_timeout_ms;   /* 1 s and an election timeout */
    uint64_t snapshot_rate; /* bytes a second to one member; 0: no limit */
    struct transport_receiver receiver;
    const struct http_io_ops
        *client_ops; /* of connections that we make to https URLs; NULL: none */
    void *client_io_arg;
};

/* No peer is known yet. `receiver.round` is called from a round-end hook of the loop. What it, or
 * any other function of the receiver, sends is written in the same round if the http_server was
 * made first; otherwise, or outside of the loop's rounds, call loop_flush(). */
struct peers *peers_new(const struct peers_config *config);
/* End all streams and requests; wait for the snapshot senders, which end at once unless the name of
 * a host is being looked up. The receiver is not called, nor any request's `done`. Not from inside
 * of the receiver. */
void peers_free(struct peers *p); /* NULL is fine */

/* Lend the transport. */
struct transport *peers_transport(struct peers *p);

/* A request came in on a peer listener (the handler of an http_server of the same loop). */
void peers_handle(struct peers *p, struct http_stream *s);

/* The families that this room counts with, ended by NULL. */
extern struct metric *const peers_metrics[];

#endif
