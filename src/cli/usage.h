/* cli/usage.h -- the text of help and usage.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_USAGE_H
#define CLI_USAGE_H

#include "cli/command.h"

/* Append "Usage:" and all that stands below it. */
void usage_add(struct buf *b, struct cli_command *cmd);
/* Append what --help prints: the details, the usage, the footer of the program. */
void usage_add_help(struct buf *b, struct cli_command *cmd);
/* Append the lines of a table of flags, in the order of their names; hidden ones too if `all`. */
void usage_add_flags(struct buf *b, const struct cli_flag *flags, bool all);
/* Append "etcdctl lease grant <ttl> [flags]". */
void usage_add_line(struct buf *b, struct cli_command *cmd);

#endif
