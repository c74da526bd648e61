/* loop/clock.h -- what time it is. One place, so that a simulation can say it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_CLOCK_H
#define LOOP_CLOCK_H

#include "base/types.h"

#define MSEC_NEVER INT64_MAX

/* The monotonic clock in milliseconds, and in microseconds. */
msec clock_now_ms(void);
int64_t clock_now_us(void);
/* Wall clock, nanoseconds since 1970. */
int64_t clock_wall_ns(void);

/* From now on the clocks say what these functions say; NULL, NULL: the system's again. For one
 * thread. */
void clock_simulate(int64_t (*now_us)(void), int64_t (*wall_ns)(void));

#endif
