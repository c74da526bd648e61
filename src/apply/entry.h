/* apply/entry.h -- what a Normal entry of the log holds.
 *
 * Either an InternalRaftRequest, or a request of the v2 interface: bare, as members of 3.4 and 3.5
 * propose it, or wrapped in field 2 of the former. They are told apart by trying: a bare one has
 * its method where the wrapped one would be, and no method is the encoding of a request.
 *
 * A member that does not know a request stops for ever, and every restart meets it again: so what
 * is proposed must be known to the lowest member of the cluster (entry_is_known_to).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef APPLY_ENTRY_H
#define APPLY_ENTRY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"
#include "pb/raft_internal.pb-c.h"
#include "pb/v2request.pb-c.h"

/* Exactly one is set. */
struct entry {
    const Etcdserverpb__InternalRaftRequest *req;
    const Etcdserverpb__Request *v2;
};

/* Read the data, not empty, of an entry into the arena. A request with nothing but unknown fields
 * is read, and has no effect when it is applied. ERR_MALFORMED. */
MUST_USE enum err entry_decode(struct slice data, struct arena *a, struct entry *ret);

/* Return the proposer's number of the entry; 0: it has none. */
uint64_t entry_id(const struct entry *e);

/* True if a cluster whose lowest member is of version major.minor may get this request. False for
 * one that holds nothing, anything unknown, or a wrapped v2 request. */
bool entry_is_known_to(const Etcdserverpb__InternalRaftRequest *req, unsigned major,
                       unsigned minor);

/* Return the entry, owned, by which a member publishes itself in a cluster below 3.6, and the one
 * that sets the cluster version there: upstream's bare v2 requests, byte for byte. `id` is the
 * proposer's number. */
struct blob *entry_encode_v2_attributes(uint64_t id, member_id member, const char *name,
                                        const char *const *client_urls, size_t n_urls);
struct blob *entry_encode_v2_version(uint64_t id, const char *version);

#endif
