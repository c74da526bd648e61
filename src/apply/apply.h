/* apply/apply.h -- one committed request in, one answer out.
 *
 * The applier joins the stores: keys, leases, membership, alarms. Every member applies the same
 * requests in the same order and gets the same state and the same answers; so nothing here
 * depends on time (but for when a lease runs out, which only the leader acts on), on chance or on
 * who asked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef APPLY_APPLY_H
#define APPLY_APPLY_H

#include "base/why.h"
#include "iface/backend.h"
#include "lease/lessor.h"
#include "membership/cluster.h"
#include "mvcc/store.h"
#include "pb/raft_internal.pb-c.h"
#include "pb/v2request.pb-c.h"

struct applier;

/* The stores are lent for the applier's life. */
struct applier_stores {
    struct mvcc_store *kv;
    struct lessor *lessor;
    struct cluster *cluster;
    struct kv_writer *writer;
};

struct applier *applier_new(const struct applier_stores *stores);
void applier_free(struct applier *a); /* NULL is fine */

/* Store the remainders of lease checkpoints also below cluster version 3.6; from then on they are
 * always stored. */
void applier_persist_checkpoints(struct applier *a, bool persist);

/* On a new applier over a new lessor, at start and when a snapshot takes the place of the state:
 * read leases and alarms from their buckets, then show every row of the history, ascending, so that
 * keys find their leases. ERR_DAMAGED. */
MUST_USE enum err applier_load(struct applier *a, struct why *why);
void applier_load_row(struct applier *a, const struct kv_row *row);

/* What a request did to the key space, nested operations counted each. */
struct apply_counts {
    int64_t ranges, puts, deletes;
    int64_t put_bytes; /* keys and values put */
};

/* What a request led to. Everything lives in the arena or is lent until the next apply. */
struct apply_result {
    enum err err;
    ProtobufCMessage *response; /* NULL on error; its header holds the revision only */
    revision rev;               /* the store's, afterwards */
    const struct mvcc_change *changes;
    size_t n_changes;
    struct apply_counts counts;
    enum {
        APPLIED_NOTHING_SPECIAL,
        APPLIED_ALARM,           /* alarms changed */
        APPLIED_CLUSTER_VERSION, /* the cluster version was set */
        APPLIED_ATTRIBUTES,      /* a member published its name and URLs */
        APPLIED_DOWNGRADE,       /* a downgrade began or ended */
        APPLIED_COMPACTION,      /* a compaction was scheduled */
    } what;
};

/* Apply one request; under the write lock of the index. `now` is the leader's clock for leases. One
 * that holds nothing known fails with ERR_NOT_CAPABLE and has no effect. Those that only members
 * propose (attributes, versions, downgrades) succeed without a response. */
void applier_apply(struct applier *a, const Etcdserverpb__InternalRaftRequest *req, msec now,
                   struct arena *arena, struct apply_result *ret);

/* Apply a request of the v2 interface, as members of 3.4 and 3.5 make it. Those by which a member
 * publishes itself or the cluster version is set do what their successors do; the err of `ret` is
 * then what cluster.h says. Any other touches only the v2 tree, which is not kept: it succeeds as
 * APPLIED_NOTHING_SPECIAL. There is never a response. */
void applier_apply_v2(struct applier *a, const Etcdserverpb__Request *req,
                      struct apply_result *ret);

/* True if neither branch, nested ones included, changes anything. */
bool txn_is_read_only(const Etcdserverpb__TxnRequest *txn);

/* Bit 1 << type for each type that some member has raised. */
unsigned applier_alarms(const struct applier *a);
/* Return the alarms of `type` (NONE: all) as a response in the arena, header unset. */
Etcdserverpb__AlarmResponse *applier_alarm_list(const struct applier *a,
                                                Etcdserverpb__AlarmType type, struct arena *arena);

/* Return what the request adds to the quota's account: upstream's 256 bytes a put, 64 a lease. 0:
 * it costs nothing. */
int64_t apply_cost(const Etcdserverpb__InternalRaftRequest *req);

#endif
