/* benchmark/load.h -- requests, as many at a time as there are clients, as fast as wanted.
 *
 * A load has slots (upstream's clients), spread over the workers of a fleet. Each slot has one
 * request under way: when it is done, the slot takes the next number, waits for its turn if there
 * is a rate, and begins again, until all numbers are taken. Nothing is allocated for a request.
 *
 *   static void put_begin(struct slot *s)          -- begin the request number s->number
 *   {
 *       etcd_call_start(s->worker->client, &etcd_rpc_put, &request, -1, put_done, s);
 *   }
 *   static void put_done(void *arg, const void *response, const struct etcd_error *error)
 *   {
 *       load_done(arg, 0, error);                  -- measured as kind 0
 *   }
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_LOAD_H
#define BENCHMARK_LOAD_H

#include "benchmark/fleet.h"
#include "benchmark/report.h"

enum { LOAD_KINDS_MAX = 2, LOAD_UNMEASURED = -1 };

struct slot {
    struct worker *worker;
    struct load *load;
    struct list link; /* worker.paced */
    size_t id;
    uint64_t number; /* of its request, from 0 */
    uint64_t taken;  /* requests so far */
    int64_t due_ns, began_ns;
    void *own; /* load.slot_size zeroed bytes, the sub-command's */
};

struct load {
    /* set before load_run() */
    struct fleet *fleet;
    size_t n_slots;
    uint64_t total;    /* requests */
    uint64_t per_slot; /* in place of total: each slot's; its numbers are id * per_slot + ... */
    int rate, burst; /* requests a second, 0: no limit; and how many at once after a pause, 0: 1 */
    bool stays;      /* it ends by load_stop() only */
    uint64_t progress_total; /* of the progress line; 0: total */
    size_t slot_size;
    void *arg;
    size_t n_kinds;
    const char *ops[LOAD_KINDS_MAX]; /* names of the reports */
    /* Make the slot ready, then call load_ready(). NULL: it is. Not measured. */
    void (*prepare)(struct slot *s);
    void (*begin)(struct slot *s);

    /* the result */
    struct report reports[LOAD_KINDS_MAX];

    /* its own */
    struct slot *slots;
    unsigned char *own;
    _Atomic uint64_t next;
    _Atomic int64_t next_ns; /* when the next request may begin */
    int64_t interval_ns;
    int64_t wall_minus_monotonic_ns;
    int64_t began_ns;
    atomic_bool stopped, failed;
    char failure[1100];
};

/* Start the workers. */
void load_start(struct load *l);
/* Wait for the end, with a progress line on a terminal, and gather the reports. Return CLI_OK, or
 * CLI_ERROR after load_fail()'s sentence was printed. */
int load_wait(struct load *l);
/* Both. */
int load_run(struct load *l);
/* Free the slots and reports; requests are not under way any more. */
void load_fini(struct load *l);
static inline void load_auto(struct load *l)
{
    load_fini(l);
}

/* The request of the slot ended: take its time, and go on. NULL or ETCD_OK is a success. */
void load_done(struct slot *s, int kind, const struct etcd_error *error);
/* The slot is prepared. */
void load_ready(struct slot *s);
/* Add a sample that is no slot's, in the worker's thread, and count it in the progress line. */
void load_add(struct worker *w, int kind, int64_t began_ns, int64_t took_ns);
/* End all workers. Any thread. */
void load_stop(struct load *l);
/* The same, because the benchmark cannot go on. The first one is printed: "WHAT: ERROR". */
void load_fail(struct load *l, const char *what, const struct etcd_error *error);

int64_t load_now_ns(void);

#endif
