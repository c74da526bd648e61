/* tests/sim/faults.h -- what goes wrong in a simulated cluster, now and then, as chance has it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include <stdint.h>

enum fault {
    FAULT_PARTITIONS = 1, /* also in one direction only */
    FAULT_WEATHER = 2,    /* messages are lost, late, twice, out of order */
    FAULT_CRASHES = 4,    /* of processes and of machines; of all at once */
    FAULT_TORN = 8,       /* the power goes in the middle of a write */
    FAULT_PAUSES = 16,    /* a member does not run for a while */
    FAULT_DISKS = 32,     /* slow, hanging, full */
    FAULT_CLOCKS = 64,    /* the wall clock jumps */
    FAULT_MEMBERS = 128,  /* the membership changes: the operator's work */
    FAULT_ELECTIONS = 256, /* whoever comes to a new term crashes, or is cut off from most */
    FAULT_ALL = 511,
};

struct faults_setup {
    unsigned which;    /* enum fault, or'ed */
    int64_t pause_max; /* microseconds between two */
};

struct node;

void faults_begin(const struct faults_setup *setup);
/* A snapshot came to `n`: a good time to crash. */
void faults_snapshot(struct node *n);
/* It is in a term that it was not in before: it has voted, stands, or leads. */
void faults_term(struct node *n);
/* No more of them; mend all that is broken. */
void faults_mend(void);

#endif
