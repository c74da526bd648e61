/* etcdctl/load.h -- puts of random keys, many at once, and how long each took.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_LOAD_H
#define ETCDCTL_LOAD_H

#include "client/etcdclient.h"

struct load_plan {
    const char *prefix;
    size_t key_size, value_size; /* the key's without the prefix */
    unsigned clients;            /* puts at once */
    unsigned rate;               /* puts a second; 0: as fast as they are answered */
    unsigned duration_s;         /* 0: until `total` are done */
    unsigned total;
};

enum {
    LOAD_ERRORS_MAX = 64, /* different errors that are told apart */
};

struct load_stats {
    double rate;            /* puts a second */
    double slowest, stddev; /* seconds */
    struct {
        char *text;
        unsigned n;
    } errors[LOAD_ERRORS_MAX];
    size_t n_errors;
};

/* Put until the plan is fulfilled or the client is interrupted; what was begun is waited for. Shows
 * its progress on a terminal. */
void load_run(struct etcd_client *c, const struct load_plan *plan, struct load_stats *ret_stats);
void load_stats_fini(struct load_stats *s);

#endif
