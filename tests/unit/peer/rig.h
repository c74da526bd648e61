/* tests/unit/peer/rig.h -- members without raft, far ends that follow a script, and bare sockets,
 * all turned by one loop.
 *
 * rig_until() runs the loop until a condition holds; one that does not come true within
 * RIG_PATIENCE_MS fails the test.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PEER_RIG_H
#define TESTS_UNIT_PEER_RIG_H

#include "http/listener.h"
#include "http/server.h"
#include "peer/peers.h"

enum { RIG_PATIENCE_MS = 20000, RIG_SOCKETS_MAX = 32, CLUSTER = 0xc1u };

/* A connected socket: what came is kept. */
struct sock {
    int fd;
    struct buf in, out;
    bool eof;
    bool is_deaf; /* reads nothing */
};

/* A port whose connections are answered by script. */
struct far {
    struct rig *rig;
    int fd;
    char url[64];
    const char *answer; /* said to each request; NULL: nothing is */
    bool hang_up;       /* after the answer */
    unsigned conns;     /* that came */
};

struct rig {
    struct loop *loop;
    struct loop_timer tick;
    msec give_up;
    bool (*cond)(void *arg);
    void *cond_arg;
    bool met;
    struct sock *socks[RIG_SOCKETS_MAX];
    struct far *owner[RIG_SOCKETS_MAX]; /* of an accepted socket */
    bool answered[RIG_SOCKETS_MAX];
    size_t n_socks;
    struct far *fars[4];
    size_t n_fars;
    char dir[64];
};

void rig_init(struct rig *r);
void rig_fini(struct rig *r);
void rig_until(struct rig *r, bool (*cond)(void *arg), void *arg);
/* Let a few rounds go by. */
void rig_turn(struct rig *r);

void far_init(struct far *f, struct rig *r, const char *answer, bool hang_up);

struct sock *rig_connect(struct rig *r, uint16_t port);
void sock_send(struct sock *s, const char *text);
void sock_send_bytes(struct sock *s, const void *p, size_t n);
void sock_close(struct sock *s);
/* Wait for `text`; for the end of the connection. */
void rig_until_text(struct rig *r, struct sock *s, const char *text);
void rig_until_eof(struct rig *r, struct sock *s);
bool buf_has(const struct buf *b, const char *text);

/* ---- a member ------------------------------------------------------------------------------ */

struct node {
    struct rig *rig;
    member_id id;
    uint16_t port; /* 0: the kernel chooses */
    char url[64];
    const char *urls[1];
    struct http_server *server;
    struct acceptor *acceptor;
    struct peers *peers;
    struct transport *t;

    /* what it was told */
    struct raft_messages got;
    unsigned rounds, unreachable, removed, sent_ok, sent_failed;
    member_id unreachable_id, removed_by;
    int snapshot_fd;
    uint64_t snapshot_size, snapshot_index;
    unsigned snapshots;
    struct transport_inbound *asked;
    unsigned asks;

    /* what it says */
    member_id removed_id;
    bool refuses; /* raft messages */
    bool answers; /* small requests, at once */
    const char *version;
    uint64_t cluster_id, snapshot_rate;
};

void node_init(struct node *n, struct rig *r, member_id id);
void node_start(struct node *n);
/* Go, as a process does; may be started again, on the same port. */
void node_stop(struct node *n);
void node_fini(struct node *n);
/* `n` learns of `other`. */
void node_meet(struct node *n, const struct node *other);
void node_send(struct node *n, member_id to, enum raft_message_type type, raft_index index);
/* A MSG_APP with one entry of `size` bytes. */
void node_send_entry(struct node *n, member_id to, raft_index index, size_t size);

bool node_is_active(struct node *n, member_id id);
struct raft_message snapshot_message(member_id from, member_id to, raft_index index);
/* Wait until `*at` is at least so much; until so many messages have come. */
void rig_until_count(struct rig *r, const unsigned *at, unsigned least);
void node_until_messages(struct node *n, size_t least);

/* Two members, which do not know of each other until they are joined. */
struct pair {
    struct rig rig;
    struct node a, b;
};

enum { A = 0xa1, B = 0xb2, C = 0xc3, X = 0xdd };

void pair_init(struct pair *p);
/* Wait until the four streams are there. */
void pair_join(struct pair *p);
bool pair_is_active(void *arg);
void pair_fini(struct pair *p);

/* What comes before a raft message that `from` posts. */
#define HEADERS(from)                                                                              \
    "Host: x\r\nX-Server-From: " from "\r\nX-Server-Version: 3.4.23\r\n"                           \
    "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: c1\r\n"

#endif
