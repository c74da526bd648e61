/* upstream/v2.h -- what the v2 interface of upstream left behind.
 *
 * Members publish themselves and the cluster version as v2 requests below 3.6, so a request alone
 * is no content: what writes elsewhere than under /0 (the store of the cluster) is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_V2_H
#define UPSTREAM_V2_H

#include "upstream/raftpb.h"

struct v2_request {
    struct slice method, path;
};

/* Look into the data of a Normal entry. True if it is a request of the v2 interface, bare (3.4,
 * 3.5) or wrapped. */
bool v2_request_find(struct slice data, struct v2_request *ret);

/* True if the request may write a key, a user or a role of somebody's. */
bool v2_request_is_content(const struct v2_request *r);

/* True if a member of 3.4 or 3.5 made the request by itself: it publishes itself, or sets the
 * cluster version. Those are all that 3.6 takes. */
bool v2_request_is_members_own(const struct v2_request *r);
/* True if it is the former. */
bool v2_request_is_attributes(const struct v2_request *r);

/* Return how many of the entries are such ones. */
size_t v2_content_count(const struct wal_entry *entries, size_t n);

#endif
