/* etcdctl/gather.h -- a range that comes in pieces, put together.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_GATHER_H
#define ETCDCTL_GATHER_H

#include "etcdctl/session.h"

struct gather {
    Etcdserverpb__RangeResponse all;
    void **pieces; /* the answers, which own what `all` points to */
    size_t n_pieces;
    bool done;
    struct etcd_error error;
};

/* Ask by RangeStream and wait for all of it. An exit code after the error was printed; *g is to be
 * given back in any case. */
int gather_range(struct session *s, const Etcdserverpb__RangeRequest *request, struct gather *g);
void gather_fini(struct gather *g);
static inline void gather_auto(struct gather *g)
{
    gather_fini(g);
}

#endif
