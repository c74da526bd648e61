/* server/client.h -- what a client loop asks of the member.
 *
 * A `struct server_client` belongs to one event loop and is used in its thread only. It holds the
 * loop's own read-only view of the key database, so ranges are served here without asking anyone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "base/list.h"
#include "loop/loop.h"
#include "mvcc/range.h"
#include "server/server.h"

struct server_client;

/* A message to one of the server's own threads. */
struct server_task {
    struct list link;
    void (*run)(struct server *s, struct server_task *t);
};

MUST_USE enum err server_client_new(struct server *s, struct loop *loop, struct server_client **ret,
                                    struct why *why);
/* No call of this client is pending, no watcher is left, and its loop does not run any more. Not
 * while server_stop() runs. */
void server_client_free(struct server_client *c);

/* ---- calls: one request message in, one encoded response message out ------------------------ */

/* The request and the response are the messages of the RPC of the same name, except where noted. */
enum server_op {
    OP_PUT,
    OP_DELETE_RANGE,
    OP_TXN,
    OP_COMPACT, /* with `physical`, answered when the rows are gone */
    OP_LEASE_GRANT, /* ID 0: the server picks one */
    OP_LEASE_REVOKE,
    OP_LEASE_KEEP_ALIVE, /* unknown lease: TTL 0 */
    OP_LEASE_TIME_TO_LIVE,
    OP_LEASE_LEASES,
    OP_MEMBER_ADD,
    OP_MEMBER_REMOVE,
    OP_MEMBER_UPDATE,
    OP_MEMBER_LIST,
    OP_MEMBER_PROMOTE,
    OP_ALARM,
    OP_STATUS,
    OP_DEFRAGMENT,
    OP_HASH,
    OP_HASH_KV,
    OP_MOVE_LEADER,
    OP_DOWNGRADE,
    OP_AUTH_STATUS,
    OP_READ_INDEX, /* no request, no response: done when a read of now would be linearizable */
};

/* Lives in the caller's memory from server_call() until `done`. */
struct server_call {
    enum server_op op;
    const ProtobufCMessage *request;      /* lent until done */
    /* In the loop's thread, once; never inside server_call(). */
    void (*done)(struct server_call *call);

    enum err err; /* out */
    /* Out: the encoded response with its header; `done` takes it. NULL on an error. */
    struct blob *response;

    /* the server's own */
    struct server_task task;
    struct loop_msg reply;
    struct server_client *client;
    struct server_call *hash_next;
    struct blob *entry; /* the request as a log entry; NULL: not one */
    int entry_type;     /* enum raft_entry_type */
    int64_t cost;       /* on the quota's account */
    uint64_t id;
    uint64_t forward_era;
    msec deadline;
};

/* Hand the call to the member. It is always answered: by the member, or with ERR_TIMEOUT (5 s and
 * two election timeouts), ERR_TOO_MANY_REQUESTS or ERR_STOPPED. The request was checked by the
 * caller (sizes, keys, duplicate keys); quota, leases and alarms are the server's. */
void server_call(struct server_client *c, struct server_call *call);

/* ---- ranges ---------------------------------------------------------------------------------- */

/* True if a linearizable read may be served right now without asking (the only voter leads). Else
 * OP_READ_INDEX first. */
bool server_read_is_local(const struct server_client *c);

/* Plan a range over what is applied now. `req` and the arena `a` outlive the plan. */
MUST_USE enum err server_range_plan(struct server_client *c, const struct range_req *req,
                                    struct arena *a, struct range_plan **ret_plan);

/* Fetch the plan's rows (range_plan_fetch), in the same round of the loop: the view ends with it.
 * Each plan is fetched before the next is made. */
MUST_USE enum err server_range_fetch(struct server_client *c, struct range_plan *plan,
                                     bool (*emit)(void *arg, const struct kv_row *row), void *arg);

/* A read view of its own, for a fetch that lasts longer than a round (RangeStream). */
struct server_view;
MUST_USE enum err server_view_open(struct server_client *c, const struct range_req *req,
                                   struct arena *a, struct range_plan **ret_plan,
                                   struct server_view **ret_view);
MUST_USE enum err server_view_fetch(struct server_view *v, struct range_plan *plan,
                                    bool (*emit)(void *arg, const struct kv_row *row), void *arg);
void server_view_close(struct server_view *v);

/* ---- the response header --------------------------------------------------------------------- */

struct server_header {
    uint64_t cluster_id;
    member_id member;
    revision rev; /* newest that is published */
    raft_term term;
};
void server_header_get(const struct server_client *c, struct server_header *ret);

/* ---- snapshot: the database as upstream's file, in pieces ------------------------------------ */

/* Spooled by the housekeeping thread first. `done` once; on ERR_OK `fd` is an open, unlinked file
 * of `size` bytes, positioned at 0, and is the caller's to close. */
struct server_snapshot {
    void (*done)(struct server_snapshot *snap); /* in the loop's thread */
    enum err err;
    int fd;
    uint64_t size;
    revision rev;
    struct server_task task; /* the server's own, from here on */
    struct loop_msg reply;
    struct server_client *client;
};
void server_snapshot(struct server_client *c, struct server_snapshot *snap);

#endif
