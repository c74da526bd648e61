/* loop/clock.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "loop/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t (*simulated_now_us)(void);
static int64_t (*simulated_wall_ns)(void);

void clock_simulate(int64_t (*now_us)(void), int64_t (*wall_ns)(void))
{
    simulated_now_us = now_us;
    simulated_wall_ns = wall_ns;
}

msec clock_now_ms(void)
{
    return clock_now_us() / 1000;
}

int64_t clock_now_us(void)
{
    if (simulated_now_us != NULL)
        return simulated_now_us();
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_ns(void)
{
    if (simulated_wall_ns != NULL)
        return simulated_wall_ns();
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}
