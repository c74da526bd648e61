/* benchmark/perfdash.h -- the report as a file that perf-dash reads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_PERFDASH_H
#define BENCHMARK_PERFDASH_H

#include "benchmark/report.h"

/* Write EtcdAPI_benchmark_OP_TIME.json to the folder $ARTIFACTS (default: _artifacts), which is
 * made, and say on stdout where it is, or why it could not be written. */
void perfdash_write(const struct report *r);

#endif
