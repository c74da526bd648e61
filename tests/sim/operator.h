/* tests/sim/operator.h -- whoever looks after the cluster: compacts, compares hashes, moves the
 * leader, adds, promotes and removes members; and at the end makes sure that all is well.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_OPERATOR_H
#define TESTS_SIM_OPERATOR_H

#include "tests/sim/tails.h"

struct operator_setup {
    bool changes_members;
    int64_t pause_max; /* microseconds between two deeds */
};

void operator_begin(const struct operator_setup *setup);

/* The highest revision that a compaction was ever asked for. */
revision operator_compacted(void);

/* From now on only see to it that the members that run are those that the cluster lists. */
void operator_settle(void);
/* They are, as of a list that was asked for after operator_settle(). */
bool operator_is_settled(void);

/* Ask all members for the hash of everything: they must be equal. Done when it says so. */
void operator_compare(void);
bool operator_has_compared(void);

void operator_end(void);

#endif
