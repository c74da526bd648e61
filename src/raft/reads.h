/* raft/reads.h -- the reads that wait for a leader to be confirmed.
 *
 * Reads are numbered from 1 in a leader's term. A heartbeat carries the number of the latest; a
 * quorum of answers with number `n` or above confirms all reads up to `n`, so that all reads that
 * wait at the same time share one round.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_READS_H
#define RAFT_READS_H

#include "iface/raft.h"

enum { RAFT_READS_MAX = 65536 }; /* waiting reads; more are dropped, as if their message was lost */

struct read_request {
    member_id from;
    raft_index index; /* the commit index when it came */
    struct blob *ctx;
};

struct read_queue {
    struct read_request *v;
    size_t n;
    size_t cap;
};

struct reads {
    struct read_queue early;   /* came before the first commit of the leader's term */
    struct read_queue waiting; /* number confirmed + 1 and on */
    uint64_t confirmed;
};

void reads_clear(struct reads *reads);
void reads_fini(struct reads *reads);

/* Append a request; keeps a reference to `ctx`. Return false if the queue is full. */
bool read_queue_add(struct read_queue *q, member_id from, raft_index index, struct blob *ctx);
/* Drop the first `n` requests. */
void read_queue_drop(struct read_queue *q, size_t n);

/* Return the number of the latest read, 0 if none waits. */
uint64_t reads_round(const struct reads *reads);
/* Return the context of a heartbeat for the waiting reads, NULL if none waits. */
struct blob *reads_heartbeat_ctx(const struct reads *reads);
/* Return the number that an answer with `ctx` confirms; 0 if it is not one of ours. */
uint64_t reads_parse_ctx(const struct reads *reads, const struct blob *ctx);

#endif
