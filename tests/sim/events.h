/* tests/sim/events.h -- virtual time: what happens next, chance, and the trace of it all.
 *
 * There is one simulation at a time. Time stands still while an event runs and jumps to the next
 * one then; loop/clock.h says the same time. All chance comes from the seed, so the same seed gives
 * the same trace, byte for byte. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_EVENTS_H
#define TESTS_SIM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

/* Lives inside its owner; all zero but `run`: not set. */
struct sim_event {
    void (*run)(struct sim_event *e);
    int64_t at;     /* microseconds */
    uint64_t order; /* among those of one time */
    size_t place;   /* in the heap, from 1; 0: not set */
};

void sim_begin(uint64_t seed, bool print_trace);
void sim_end(void);

int64_t sim_now(void); /* microseconds */
/* What the wall clock says is that much off. */
void sim_wall_offset(int64_t us);

/* Let it run once, `delay` from now; replaces an earlier setting. */
void sim_set(struct sim_event *e, int64_t delay);
/* The same, unless it is set to an earlier time. */
void sim_set_earlier(struct sim_event *e, int64_t delay);
void sim_clear(struct sim_event *e);
/* Run the next event, if it is due before `until`; else let time be `until` and return false. */
bool sim_step(int64_t until);

uint64_t sim_random(void);
uint64_t sim_below(uint64_t n);
/* From `low` up to and without `high`. */
int64_t sim_between(int64_t low, int64_t high);
bool sim_chance(unsigned permille);

/* A line of the trace, after the time. No pointer, nor anything that another run may not repeat. */
void sim_trace(const char *fmt, ...) PRINTF_LIKE(1, 2);
uint64_t sim_trace_hash(void);

/* Something is wrong. The first sentence is kept. */
void sim_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
const char *sim_failure(void); /* NULL: nothing is wrong */

#endif
