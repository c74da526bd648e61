/* base/duration.h -- spans of time as Go writes them: "100ms", "1h30m", "1.5s", "0".
 *
 * A span is a signed count of nanoseconds, the unit that configuration files use.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/types.h"

typedef int64_t nsec; /* nanoseconds, a span */

#define NSEC_US ((nsec)1000)
#define NSEC_MS ((nsec)1000000)
#define NSEC_S ((nsec)1000000000)
#define NSEC_MIN (60 * NSEC_S)
#define NSEC_HOUR (60 * NSEC_MIN)

/* Read `s`. False if it is not a duration, or one beyond 63 bits. */
MUST_USE bool duration_parse(const char *s, nsec *ret_span);

/* Append `span` the way Go prints it: "1h30m0s", "100ms", "0s". */
void duration_format(struct buf *b, nsec span);

/* Whole milliseconds, rounded up, so that no span above zero becomes zero. */
static inline msec duration_ms(nsec span)
{
    return span / NSEC_MS + (span % NSEC_MS > 0);
}

#endif
