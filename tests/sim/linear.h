/* tests/sim/linear.h -- is this history one that a single, correct store could have given?
 *
 * An operation reads or writes a few keys at once. What clients saw (operations with the times of
 * their begin and end) is held against the log: every revision of the key space, as watchers saw
 * it. The log is the witness of the order, so the check is near-linear: each acknowledged write
 * stands in the log at its revision, whole, once, and nothing stands there that nobody wrote; each
 * operation saw all of its keys as the log has them at that point; and the order of the log
 * contradicts no time. What ended without an answer may stand in the log, whole, or not at all.
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
    LINEAR_PARTS_MAX = 4,
    LINEAR_SEARCH_MAX = 12
};

enum linear_kind {
    LINEAR_GET,
    LINEAR_STALE_GET, /* may see any state that was committed before its end */
    LINEAR_WRITE,
    LINEAR_CAS, /* if the first key's mod revision is `compare`, write; else only read */
};

enum linear_outcome {
    LINEAR_DONE,
    LINEAR_UNKNOWN,  /* no answer: may take effect at any later time, or never */
    LINEAR_NOT_DONE, /* refused: must have no effect */
};

/* What an operation does to one key. */
struct linear_part {
    unsigned key;       /* < LINEAR_KEYS_MAX; no two of one operation are equal */
    uint64_t value;     /* that is written: no two writes have the same; 0: the key is deleted */
    uint64_t saw;       /* the value of the key just before; 0: there was none */
    revision saw_mod;   /* and its mod revision */
};

struct linear_op {
    enum linear_kind kind;
    enum linear_outcome outcome;
    revision compare;   /* 0: there is no such key */
    int64_t begin, end; /* on one scale; no two of all are equal */
    size_t n;           /* parts, in the order in which they are written */
    struct linear_part parts[LINEAR_PARTS_MAX];

    /* of what is done */
    revision rev; /* of the answer's header; of a stale read: that which it saw */
    bool changed; /* it wrote, or deleted something */
};

/* Those of one revision follow each other in the order of their sub-revisions; the first revision
 * is 2, and each is one more than the one before. */
struct linear_event {
    revision rev;
    unsigned key;
    uint64_t value; /* 0: deleted */
};

/* Where the first event is whose revision is not below `rev`; `n`: nowhere. */
size_t linear_find(const struct linear_event *log, size_t n, revision rev);

/* Return false and say in `why` what is wrong. Orders `ops` anew. */
bool linear_check(struct linear_op *ops, size_t n, const struct linear_event *log, size_t log_n,
                  struct why *why);

/* The same for at most LINEAR_SEARCH_MAX operations; none is a LINEAR_STALE_GET. */
bool linear_search(const struct linear_op *ops, size_t n, const struct linear_event *log,
                   size_t log_n);

#endif
