/* benchmark/answers.h -- parts of answers, which a server may have left out.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_ANSWERS_H
#define BENCHMARK_ANSWERS_H

#include "client/etcdclient.h"

static inline int64_t answer_revision(const Etcdserverpb__ResponseHeader *header)
{
    return header != NULL ? header->revision : 0;
}

/* The answer to the `i`-th operation, a range. NULL: it is not there, or something else. */
static inline const Etcdserverpb__RangeResponse *answer_range(const Etcdserverpb__TxnResponse *r,
                                                              size_t i)
{
    if (i >= r->n_responses ||
        r->responses[i]->response_case != ETCDSERVERPB__RESPONSE_OP__RESPONSE_RESPONSE_RANGE)
        return NULL;
    return r->responses[i]->response_range;
}

/* What is said of an answer that lacks something. */
static inline struct etcd_error answer_error(void)
{
    return (struct etcd_error){.code = ETCD_INTERNAL, .text = "the server's answer is incomplete"};
}

#endif
