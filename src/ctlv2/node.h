/* ctlv2/node.h -- what the keys of the v2 API answer with, and how it is printed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_NODE_H
#define CTLV2_NODE_H

#include "ctlv2/cluster.h"

struct node {
    struct buf key, value, expiration; /* expiration.n 0: it does not expire */
    bool dir, has_nodes;
    struct node *nodes; /* below a directory; `node_n` of them */
    size_t node_n;
    uint64_t created, modified;
    int64_t ttl;
};

struct reply {
    struct buf action;
    struct node node;
    bool has_prev;
    struct node prev;
    uint64_t index; /* X-Etcd-Index */
};

void reply_fini(struct reply *r);
static inline void reply_auto(struct reply *r)
{
    reply_fini(r);
}

/* Read an answer. False: it says, or is itself, what went wrong. */
MUST_USE bool reply_read(const struct answer *a, struct reply *ret_reply, struct trouble *t);

/* Print it in the format of --output. */
void reply_print(const struct reply *r, const char *format);
/* Print the paths in it as `ls` does; `slashes` marks directories. */
void reply_print_paths(const struct reply *r, bool slashes);

#endif
