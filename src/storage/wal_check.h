/* storage/wal_check.h -- does SQLite's WAL end where it seems to?
 *
 * SQLite takes the first frame that is not sound for the end: so does a crash in the middle of a write look.
 * A bit that flipped in there looks the same, and all that was committed behind it would be dropped
 * without a word. The two can be told apart where each commit is synced (synchronous=FULL): behind a
 * frame that never got to the disk there is no later transaction.
 *
 * Not seen: damage in the last two transactions, which may be a crash's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_WAL_CHECK_H
#define STORAGE_WAL_CHECK_H

#include "base/check.h"
#include "base/why.h"

/* Look at the WAL of the database `path`, which nobody has open; it need not be there. ERR_DAMAGED. */
MUST_USE enum err wal_check(const char *path, struct why *why);

#endif
