/* tests/sim/linear.h -- is this history one that a single, correct store could have given?
 *
 * What clients saw (operations with the times of their begin and end) is held against the log:
 * every revision of the key space, as watchers saw it. The log is the witness of the order, so the
 * check is near-linear: each acknowledged write stands in the log at its revision, once, and
 * nothing stands there that nobody wrote; each operation saw its key as the log has it at that
 * point; and the order of the log contradicts no time. What ended without an answer may stand in
 * the log or not.
 *
 * linear_search() asks the same of small histories in another way (Wing and Gong: it tries all
 * orders that the times allow), so that the two can be held against each other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_LINEAR_H
#define TESTS_SIM_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"
#include "base/why.h"

enum {
    LINEAR_KEYS_MAX = 64,
    LINEAR_FOREIGN_KEY = 48, /* from here on keys that others write, unknown to the check */
    LINEAR_SEARCH_MAX = 12
};

enum linear_kind {
    LINEAR_GET,
    LINEAR_STALE_GET, /* may see any state that was committed before its end */
    LINEAR_PUT,
    LINEAR_DELETE,
    LINEAR_CAS, /* if the key's mod revision is `compare`, put */
};

enum linear_outcome {
    LINEAR_DONE,
    LINEAR_UNKNOWN,  /* no answer: may take effect at any later time, or never */
    LINEAR_NOT_DONE, /* refused: must have no effect */
};

struct linear_op {
    enum linear_kind kind;
    enum linear_outcome outcome;
    unsigned key;       /* < LINEAR_KEYS_MAX */
    uint64_t value;     /* that is written: not 0, and no two operations write the same */
    revision compare;   /* 0: there is no such key */
    int64_t begin, end; /* on one scale; no two of all are equal */

    /* of what is done */
    revision rev;     /* of the answer's header */
    bool changed;     /* it wrote, or deleted something */
    uint64_t saw;     /* the value of its key just before; 0: there was none */
    revision saw_mod; /* and its mod revision */
};

/* One revision; the first is 2, and each is one more than the one before. */
struct linear_event {
    revision rev;
    unsigned key;
    uint64_t value; /* 0: deleted */
};

/* Return false and say in `why` what is wrong. Orders `ops` anew. */
bool linear_check(struct linear_op *ops, size_t n, const struct linear_event *log, size_t log_n,
                  struct why *why);

/* The same for at most LINEAR_SEARCH_MAX operations; none is a LINEAR_STALE_GET. */
bool linear_search(const struct linear_op *ops, size_t n, const struct linear_event *log,
                   size_t log_n);

#endif
