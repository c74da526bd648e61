/* peer/fetch.h -- one GET of another member before this one runs: for joining and bootstrapping.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PEER_FETCH_H
#define PEER_FETCH_H

#include "base/mem.h"
#include "base/types.h"
#include "base/why.h"

/* GET `url` (scheme://host:port, as in a peer URL) + `path` and wait for the answer: its status,
 * its body (owned by the caller, also on failure), and the value of its X-Etcd-Cluster-Id header
 * (0: none). Blocks for up to `timeout_ms`; runs a loop of its own. Fail with ERR_CLOSED,
 * ERR_TIMEOUT, ERR_MALFORMED or ERR_TOO_LARGE (above `body_max`). */
MUST_USE enum err peer_fetch(const char *url, const char *path, msec timeout_ms, size_t body_max,
                             unsigned *ret_status, uint64_t *ret_cluster_id, struct buf *ret_body,
                             struct why *why);

#endif
