/* api/range.h -- what the two ways of answering a range share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_RANGE_H
#define API_RANGE_H

#include "api/api_loop.h"
#include "mvcc/range.h"
#include "pb/etcdserverpb.pb-c.h"

enum { RANGE_ANSWER_MAX = INT32_MAX }; /* what gRPC sends in one message */

/* Lends the request's keys. */
void range_req_fill(struct range_req *q, const Etcdserverpb__RangeRequest *r);

/* Return the revision for the answer's header. */
revision range_header_revision(const struct api_loop *l, const struct range_req *q,
                               const struct range_plan *plan);

/* Append the fields behind the kvs. */
void range_add_tail(struct buf *out, bool more, int64_t count);

#endif
