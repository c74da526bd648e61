/* benchmark/fleet.h -- the connections of a benchmark, and the threads that serve them.
 *
 * --conns connections to each endpoint are spread over a few workers: a worker is a client of the
 * library, whose calls go round its connections, and while a load (load.h) runs, a thread. On a
 * machine that also runs the server, half the processors are left to it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_FLEET_H
#define BENCHMARK_FLEET_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "benchmark/samples.h"
#include "client/etcdclient.h"

struct load;
struct slot;

struct worker {
    struct fleet *fleet;
    struct etcd_client *client;
    size_t n_conns;
    struct etcd_timer *sync; /* --auto-sync-interval; NULL: not wanted */

    /* of the load that runs */
    struct load *load;
    pthread_t thread;
    struct samples *samples; /* one a kind */
    struct list paced;       /* slot.link, the first due first */
    int timer_fd;            /* fires when the first of them is due */
    size_t n_slots, n_idle;
    int64_t now_ns;          /* of the monotonic clock; read at each event */
    _Atomic uint64_t n_done; /* for the progress line */
};

struct fleet {
    struct worker *workers;
    size_t n;
};

/* Connect --conns times (`conns` 0), or `conns` times, for at most `clients` requests at once.
 * Return CLI_OK, or the exit code after the error was printed. */
int fleet_open(struct fleet *f, unsigned conns, unsigned clients);
void fleet_close(struct fleet *f);
static inline void fleet_auto(struct fleet *f)
{
    fleet_close(f);
}

/* Call and wait, with the first client, while no load runs. NULL: *ret_error says why. */
void *fleet_call(struct fleet *f, const struct etcd_method *m, const void *request,
                 struct etcd_error *ret_error);

#endif
