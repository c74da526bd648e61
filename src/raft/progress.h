/* raft/progress.h -- what a leader knows of one member's log, and how much it may send there.
 *
 *   PROBE      the match is not known: one append at a time, until it is answered
 *   REPLICATE  appends are sent ahead of their answers, as far as `inflights` allows
 *   SNAPSHOT   a snapshot was sent: no append until it is answered or reported
 *
 *   PROBE --ack--> REPLICATE --reject, unreachable--> PROBE
 *   PROBE, REPLICATE --log is compacted--> SNAPSHOT --reported--> PROBE
 *   SNAPSHOT --ack at or beyond our first index--> REPLICATE
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RAFT_PROGRESS_H
#define RAFT_PROGRESS_H

#include "iface/raft.h"
#include "raft/quorum.h"
#include "raft/raft.h"

/* The unanswered appends, oldest first: the last index and the payload bytes of each. A ring that
 * grows up to `max`. */
struct inflights {
    struct inflight {
        raft_index index;
        uint64_t bytes;
    } *v;
    size_t cap;
    size_t start;
    size_t n;
    size_t max;
    uint64_t bytes;
    uint64_t max_bytes; /* 0: no limit */
};

bool inflights_is_full(const struct inflights *in);
/* Add an append that ends at `index`; not when full. */
void inflights_add(struct inflights *in, raft_index index, uint64_t bytes);
/* Drop all that end at or below `index`. */
void inflights_free_to(struct inflights *in, raft_index index);
void inflights_clear(struct inflights *in);
void inflights_fini(struct inflights *in);

struct progress {
    member_id id;
    raft_index match; /* highest index known to be the same there */
    raft_index next;  /* next index to send; above match */
    raft_index pending_snapshot; /* in SNAPSHOT: its index, else 0 */
    raft_index sent_commit;      /* highest commit index sent, as far as its log reaches */
    uint64_t read_ack;           /* the last round of reads it has confirmed */
    enum raft_progress_state state;
    enum vote vote;     /* in the election under way */
    bool learner;
    bool recent_active; /* heard of since the last check of the quorum */
    bool append_paused;
    struct inflights inflights;
};

void progress_become_probe(struct progress *p);
void progress_become_replicate(struct progress *p);
void progress_become_snapshot(struct progress *p, raft_index index);

/* An append of `n` entries with `bytes` of payload from `next` on was sent. */
void progress_sent(struct progress *p, size_t n, uint64_t bytes);
/* An acknowledgement up to `index` came. Return false if it is an old one. */
bool progress_ack(struct progress *p, raft_index index);
/* A rejection of an append after `rejected` came, with the guess `hint` where the logs meet. Return
 * false if it is an old one. */
bool progress_reject(struct progress *p, raft_index rejected, raft_index hint);

bool progress_is_paused(const struct progress *p);
/* True if an append that carries `commit` would tell it something new. */
bool progress_wants_commit(const struct progress *p, raft_index commit);

#endif
