/* tests/sim/workers.h -- clients that write and read, one operation at a time each, and remember
 * it. SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WORKERS_H
#define TESTS_SIM_WORKERS_H

#include "tests/sim/tails.h"

struct workers_setup {
    unsigned n;        /* workers */
    unsigned keys;     /* at most KEYS_MAX */
    int64_t think_max; /* microseconds between two operations */
};

void workers_begin(const struct workers_setup *setup);
void workers_end(void); /* all members have ended */

/* Ask nothing more. */
void workers_rest(void);
bool workers_are_at_rest(void);
/* How many operations were answered. */
size_t workers_done(void);
/* Is the history one that a single store could have given? The log is whole. */
void workers_check(void);

#endif
