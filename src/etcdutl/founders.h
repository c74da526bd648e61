/* etcdutl/founders.h -- the members that a restored cluster begins with, from --initial-cluster.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_FOUNDERS_H
#define ETCDUTL_FOUNDERS_H

#include "base/why.h"
#include "iface/raft.h"
#include "membership/cluster.h"
#include "storage/logdb.h"

struct founders_options {
    const char *name;
    const char *initial_cluster;
    const char *token;
    const char *peer_urls; /* --initial-advertise-peer-urls */
};

struct founders {
    uint64_t cluster_id;
    member_id self;
    struct member **v; /* by ascending id */
    size_t n;
};

/* Read and check, with the sentences of the server. ERR_INVALID. */
MUST_USE enum err founders_read(const struct founders_options *o, struct founders *ret,
                                struct why *why);
void founders_fini(struct founders *f);
static inline void founders_auto(struct founders *f)
{
    founders_fini(f);
}

/* Make them the members of the cluster, in place of all that the buckets name. Its version
 * stays. */
MUST_USE enum err founders_store(const struct founders *f, struct kv_writer *w, struct why *why);

/* Write the log of such a cluster: an entry that brings in each member, all of them committed. */
MUST_USE enum err founders_log(const struct founders *f, struct logdb *log, struct why *why);

#endif
