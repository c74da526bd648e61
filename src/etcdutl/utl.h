/* etcdutl/utl.h -- what the commands share: the global flags, and how they print and fail.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_UTL_H
#define ETCDUTL_UTL_H

#include "base/types.h"
#include "base/why.h"
#include "cli/command.h"

enum utl_format { UTL_SIMPLE, UTL_JSON, UTL_FIELDS, UTL_TABLE, UTL_PROTOBUF };

#define UTL_WAL_DIR_USAGE "Path to the directory of the log, if it has one of its own"

/* --timeout in milliseconds; -1: wait for ever. */
msec utl_lock_wait(void);

/* Read --write-out. Return CLI_OK, or the exit code after the sentence was printed: for a word that
 * is none, and for protobuf, which no command has. */
int utl_format(enum utl_format *ret);

/* Print the sentence of `why`, or the text of `e` if there is none, and return the exit code. */
int utl_fail(enum err e, const struct why *why);

/* True, with the sentence printed, if the flag was not given. */
bool utl_lacks(struct cli_command *cmd, const char *flag);

extern struct cli_command utl_snapshot, utl_hashkv, utl_defrag, utl_migrate, utl_check, utl_backup,
    utl_import, utl_export, utl_recover;

#endif
