/* iface/transport.h -- how members reach each other, as a member sees it.
 *
 * The peer room implements it over upstream's peer protocol; tests implement it in memory, on
 * virtual time. All of it, in both directions, happens on the member's own thread. No function
 * here calls the receiver before it returns.
 *
 * What goes out: raft messages in order (each peer has its own queues: a slow one never delays
 * another; what cannot be queued is dropped, and the receiver is told that the peer is
 * unreachable); snapshots, beside everything else; and small requests to one peer with one answer.
 * What comes in: the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef IFACE_TRANSPORT_H
#define IFACE_TRANSPORT_H

#include "base/list.h"
#include "iface/raft.h"

struct transport;

enum {
    TRANSPORT_REQUEST_MAX = 64 * 1024,     /* bytes of the body of a small request */
    TRANSPORT_ANSWER_MAX = 4 * 1024 * 1024, /* bytes of its answer */
};

/* A small request to one member: upstream's HTTP endpoints on the peer port (/members, /version,
 * /leases, ...). Lives in the caller's memory until `done`. */
struct transport_request {
    member_id to;
    const char *method; /* static */
    const char *path;   /* lent until done */
    const char *content_type; /* static; NULL: none */
    struct slice body;  /* lent until done */
    msec timeout_ms;    /* of all of it; all URLs of the peer are tried meanwhile */
    /* Once, unless cancelled. `status` 0: nobody answered in time. The body is lent. */
    void (*done)(struct transport_request *r, unsigned status, struct slice body);
    void *impl; /* the transport's own */
};

/* A small request of another member (or of whoever reaches the peer port), to be answered once,
 * now or later, by transport_ops.answer. */
struct transport_inbound {
    struct slice method, path; /* without the query; lent until the answer */
    struct slice cluster_id;   /* value of X-Etcd-Cluster-Id; p NULL: none */
    struct slice body;         /* at most TRANSPORT_REQUEST_MAX; lent until the answer */
    struct list link;          /* for whoever answers later */
};

/* What is known of a peer. */
struct transport_peer {
    member_id id;
    bool active;              /* a stream of it to us is up */
    msec active_since;        /* clock_now_ms() time; meaningful if active */
    unsigned major, minor;    /* of its server version as it last said; 0.0: not known */
};

struct transport_ops {
    /* Add the peer `id`, or give it other URLs. Copies them. Never our own id. */
    void (*peer_set)(struct transport *t, member_id id, const char *const *urls, size_t n);
    void (*peer_remove)(struct transport *t, member_id id);
    /* Return false if `id` is not a peer. */
    bool (*peer_get)(struct transport *t, member_id id, struct transport_peer *ret);

    /* Send `n` messages, in order. Takes the content of each (which is all zero afterwards). A
     * message to nobody known is dropped. MSG_SNAP does not come this way. */
    void (*send)(struct transport *t, struct raft_message *m, size_t n);
    /* Send the MSG_SNAP `m`, whose content is taken, and the `size` bytes of the file `fd`, which
     * is taken and read from 0. The receiver's snapshot_sent() follows, once. */
    void (*send_snapshot)(struct transport *t, struct raft_message *m, int fd, uint64_t size);

    void (*request)(struct transport *t, struct transport_request *r);
    /* `done` will not be called any more. */
    void (*request_cancel)(struct transport *t, struct transport_request *r);
    /* Answer; copies the body. The inbound is dead afterwards. */
    void (*answer)(struct transport *t, struct transport_inbound *in, unsigned status,
                   const char *content_type, struct slice body);
};

struct transport {
    const struct transport_ops *ops;
};

/* What a transport tells the member, and asks of it. */
struct transport_receiver {
    /* A raft message for us came. Lends it; its content may be taken by leaving it all zero.
     * Return false if raft refused it: the sender is told (500). */
    bool (*message)(void *arg, struct raft_message *m);
    /* All that had come together was handed over: the time to act on it. */
    void (*round)(void *arg);
    /* A MSG_SNAP came with its whole file `fd` of `size` bytes, both taken. */
    bool (*snapshot)(void *arg, struct raft_message *m, int fd, uint64_t size);
    /* A message to `id` could not be sent. */
    void (*unreachable)(void *arg, member_id id);
    void (*snapshot_sent)(void *arg, member_id id, bool ok);
    /* A peer says that we were removed from the cluster (403, 410): stop. */
    void (*removed)(void *arg, member_id by);
    void (*request)(void *arg, struct transport_inbound *in);

    /* Asked at any time; what is returned is lent until the next round. */
    bool (*is_removed)(void *arg, member_id id);   /* was a member, and is not any more */
    const char *(*server_version)(void *arg);      /* "3.7.0": what we say we are */
    void *arg;
};

#endif
