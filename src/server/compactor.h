/* server/compactor.h -- auto-compaction: which revision is old enough to be compacted, and when.
 *
 * Periodic: the revision is sampled ten times a period (at least every six minutes); what is older
 * than a period is compacted, every period or every hour, whichever is shorter. Revision: every
 * five minutes, all but the newest N revisions. Pure: time comes in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_COMPACTOR_H
#define SERVER_COMPACTOR_H

#include <stdbool.h>

#include "base/types.h"

struct compactor;

/* With `period_ms` > 0 periodic; else with `keep` > 0 by revision; else NULL: off. */
struct compactor *compactor_new(msec period_ms, int64_t keep, msec now);
void compactor_free(struct compactor *c); /* NULL is fine */

/* Return when compactor_run() is due next. */
msec compactor_next(const struct compactor *c);

/* Do what is due. Return the revision to compact at, or 0. `leads` false pauses it: samples are
 * dropped. */
revision compactor_run(struct compactor *c, msec now, revision current, bool leads);

#endif
