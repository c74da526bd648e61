/* benchmark/samples.h -- how long requests took: any number of them, in memory that does not grow.
 *
 * A latency goes into one of the buckets of a log-linear histogram, which are 0.1 % wide; the
 * smallest, the largest, the mean and the deviation are exact. Errors are counted by their text.
 * With `by_second` there is a row for each second besides. One thread adds; merging comes after it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_SAMPLES_H
#define BENCHMARK_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAMPLES_HALF_BITS = 10, /* each power of two has 1024 buckets */
    SAMPLES_POWERS = 34,    /* latencies above 2^44 ns, which are hours, share the last one */
    SAMPLES_BUCKETS = (SAMPLES_POWERS + 1) << SAMPLES_HALF_BITS,
    SAMPLES_ERRORS_MAX = 64, /* different texts; what comes later is counted as "other errors" */
};

/* What began in one second. */
struct samples_second {
    int64_t least_ns, most_ns, sum_ns;
    uint64_t n;
};

struct samples_error {
    char *text;
    uint64_t n;
};

struct samples {
    uint64_t n, n_errors;
    int64_t least_ns, most_ns;
    uint64_t n_least;     /* that took exactly least_ns */
    double mean_s, sq_s2; /* Welford's */
    uint64_t *buckets;
    bool by_second;
    int64_t first_second; /* of the wall clock, of seconds[0] */
    struct samples_second *seconds;
    size_t n_seconds, seconds_cap;
    struct samples_error errors[SAMPLES_ERRORS_MAX + 1];
    size_t n_texts;
};

void samples_init(struct samples *s, bool by_second);
void samples_fini(struct samples *s);

/* Add one that began at `began_ns` of the wall clock (used only by_second). */
void samples_add(struct samples *s, int64_t began_ns, int64_t took_ns);
void samples_add_error(struct samples *s, const char *text);
/* Add all of `from`. */
void samples_merge(struct samples *s, const struct samples *from);

/* The sample at place `i` (from 0) in the order of their sizes. */
int64_t samples_at(const struct samples *s, uint64_t i);
/* How many took at most `ns`. */
uint64_t samples_up_to(const struct samples *s, double ns);
/* The standard deviation, seconds. */
double samples_deviation_s(const struct samples *s);

#endif
