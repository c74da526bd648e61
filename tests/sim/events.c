/* tests/sim/events.c -- see events.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/events.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/random.h"
#include "loop/clock.h"

#define TIME_START 1000000000          /* of the monotonic clock, microseconds */
#define WALL_START 1700000000000000000 /* nanoseconds */
#define HASH_START 0xcbf29ce484222325u /* FNV-1a */
#define HASH_PRIME 0x100000001b3u

static struct sim {
    struct sim_event **heap; /* the earliest first */
    size_t n, cap;
    uint64_t order;
    int64_t now, wall_offset;
    struct rng rng;
    bool print;
    uint64_t hash;
    char *failure;
} sim;

/* ---- time ------------------------------------------------------------------------------------ */

static int64_t wall_ns(void)
{
    return WALL_START + (sim.now - TIME_START + sim.wall_offset) * 1000;
}

int64_t sim_now(void)
{
    return sim.now;
}

void sim_wall_offset(int64_t us)
{
    sim.wall_offset = us;
}

void sim_begin(uint64_t seed, bool print_trace)
{
    sim = (struct sim){.now = TIME_START, .rng = {seed}, .print = print_trace, .hash = HASH_START};
    clock_simulate(sim_now, wall_ns);
}

void sim_end(void)
{
    clock_simulate(NULL, NULL);
    free(sim.heap);
    free(sim.failure);
    sim = (struct sim){0};
}

/* ---- the heap ----------------------------------------------------------------------------------
 */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put_at(size_t place, struct sim_event *e)
{
    sim.heap[place - 1] = e;
    e->place = place;
}

static void move_up(struct sim_event *e)
{
    size_t at = e->place;
    for (; at > 1 && is_before(e, sim.heap[at / 2 - 1]); at /= 2)
        put_at(at, sim.heap[at / 2 - 1]);
    put_at(at, e);
}

static void move_down(struct sim_event *e)
{
    size_t at = e->place;
    while (at * 2 <= sim.n) {
        size_t next = at * 2;
        if (next < sim.n && is_before(sim.heap[next], sim.heap[next - 1]))
            next++;
        if (!is_before(sim.heap[next - 1], e))
            break;
        put_at(at, sim.heap[next - 1]);
        at = next;
    }
    put_at(at, e);
}

void sim_clear(struct sim_event *e)
{
    if (e->place == 0)
        return;
    struct sim_event *last = sim.heap[--sim.n];
    if (last != e) {
        put_at(e->place, last);
        move_up(last);
        move_down(last);
    }
    e->place = 0;
}

void sim_set(struct sim_event *e, int64_t delay)
{
    sim_clear(e);
    if (sim.n == sim.cap) {
        sim.cap = sim.cap ? sim.cap * 2 : 64;
        sim.heap = xrealloc(sim.heap, sim.cap * sizeof(struct sim_event *));
    }
    e->at = sim.now + (delay > 0 ? delay : 0);
    e->order = sim.order++;
    put_at(++sim.n, e);
    move_up(e);
}

void sim_set_earlier(struct sim_event *e, int64_t delay)
{
    if (e->place == 0 || sim.now + delay < e->at)
        sim_set(e, delay);
}

bool sim_step(int64_t until)
{
    if (sim.n == 0 || sim.heap[0]->at >= until) {
        sim.now = until;
        return false;
    }
    struct sim_event *e = sim.heap[0];
    sim_clear(e);
    sim.now = e->at;
    e->run(e);
    return true;
}

/* ---- chance ------------------------------------------------------------------------------------
 */

uint64_t sim_random(void)
{
    return rng_next(&sim.rng);
}

uint64_t sim_below(uint64_t n)
{
    return rng_below(&sim.rng, n);
}

int64_t sim_between(int64_t low, int64_t high)
{
    return low + (int64_t)sim_below((uint64_t)(high - low));
}

bool sim_chance(unsigned permille)
{
    return sim_below(1000) < permille;
}

/* ---- what is said ------------------------------------------------------------------------------
 */

void sim_trace(const char *fmt, ...)
{
    char line[512];
    va_list ap;
    int n = snprintf(line, sizeof line, "%9.6f ", (double)(sim.now - TIME_START) / 1e6);
    va_start(ap, fmt);
    vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    for (const char *p = line; *p != '\0'; p++)
        sim.hash = (sim.hash ^ (uint8_t)*p) * HASH_PRIME;
    if (sim.print)
        puts(line);
}

uint64_t sim_trace_hash(void)
{
    return sim.hash;
}

void sim_fail(const char *fmt, ...)
{
    if (sim.failure != NULL)
        return;
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    sim.failure = buf_take_cstr(&b);
    sim_trace("FAILED: %s", sim.failure);
}

const char *sim_failure(void)
{
    return sim.failure;
}
