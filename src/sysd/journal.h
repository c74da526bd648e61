/* sysd/journal.h -- records to systemd's journal, in its native protocol.
 *
 * A record becomes a sentence (MESSAGE) and its parts: PRIORITY, the place in the code, MESSAGE_ID where
 * the catalog explains it, and each field of the record as ETCD_NAME, so that
 * `journalctl -u etcd ETCD_PEER=...` finds it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SYSD_JOURNAL_H
#define SYSD_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/mem.h"

/* True if what is written to stderr goes to the journal (JOURNAL_STREAM names it). */
bool journal_has_stderr(void);
/* True if a journal runs here. */
bool journal_is_there(void);

/* From now on each record says whose it is; the numbers may be 0. Keeps the text of `name`. Call it
 * before other threads start, or from one that alone logs; `name` NULL: as before. */
void journal_set_member(const char *name, uint64_t member, uint64_t cluster);

/* Write one record; false if the journal did not take it. For log_set_journal(). */
bool journal_write(const struct log_record *r);

/* ---- for tests ---- */

/* Append the sentence of MESSAGE. */
void journal_add_sentence(struct buf *b, const struct log_record *r);
/* Append the journal's name of a field of the record: "ETCD_PEER". */
void journal_add_name(struct buf *b, const struct log_record *r, const struct log_field *f);

#endif
