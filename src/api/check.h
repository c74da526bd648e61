/* api/check.h -- what is wrong with a request before anything is asked of the server.
 *
 * Pure. The order of the checks is upstream's, because clients see which error comes first.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CHECK_H
#define API_CHECK_H

#include "base/err.h"
#include "base/mem.h"
#include "pb/etcdserverpb.pb-c.h"

MUST_USE enum err check_range(const Etcdserverpb__RangeRequest *r);
/* RangeStream: no sorting but by ascending key, and no revision filters. */
MUST_USE enum err check_range_stream(const Etcdserverpb__RangeRequest *r);
MUST_USE enum err check_put(const Etcdserverpb__PutRequest *r);
MUST_USE enum err check_delete_range(const Etcdserverpb__DeleteRangeRequest *r);

/* All of a transaction: keys, numbers of operations, and that no branch can change a key twice. Puts
 * of one branch must differ from each other and lie in no deleted range; the branches of one nested
 * transaction exclude each other and may share keys. Takes O(n log n) time; memory from `a`. */
MUST_USE enum err check_txn(const Etcdserverpb__TxnRequest *r, uint64_t ops_max, struct arena *a);

#endif
