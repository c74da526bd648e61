/* benchmark/report.h -- what was measured, as upstream's benchmark prints it.
 *
 *   Summary:
 *     Total:        0.0123 secs.
 *     ...
 *   Response time histogram:
 *     0.0001 [1]    |
 *     ...
 *   Latency distribution:
 *     10% in 0.0002 secs.
 *     ...
 *   Error distribution:
 *     [3]   etcdserver: request timed out
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_REPORT_H
#define BENCHMARK_REPORT_H

#include "base/mem.h"
#include "benchmark/samples.h"

struct report {
    const char *op;     /* names the file of --report-perfdash */
    double rate_weight; /* multiplies Requests/sec: what one sample stands for; 0: 1 */
    struct samples samples;
    int64_t took_ns; /* all of it */
};

/* An empty one; --sample is heeded. */
void report_init(struct report *r, const char *op);
void report_fini(struct report *r);

/* Append the text, by --precise. */
void report_add_text(struct buf *b, const struct report *r);
/* Print the text to stdout, and write the file of --report-perfdash if it is wanted. Return the
 * exit code: CLI_ERROR if there were errors and nothing else. */
int report_print(const struct report *r);

/* The latencies at 10, 25, 50, 75, 90, 95, 99 and 99.9 %, seconds; 0: too few samples to tell. */
enum { REPORT_PERCENTS = 8 };
void report_percentiles(const struct samples *s, double at_s[static REPORT_PERCENTS]);

/* Append as Go's %g does: as few digits as tell the number; an exponent below 1e-04, from 1e+06. */
void report_add_shortest(struct buf *b, double v);

#endif
