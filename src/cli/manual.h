/* cli/manual.h -- a program's commands and flags as the text of its manual page.
 *
 * A page is written by hand but for the part that `PROGRAM __manual` prints: what the tables of
 * commands know is said once. The text is scdoc's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include "cli/command.h"

/* Append the flags of all commands, then the commands by their groups, each with its flags. */
void manual_add(struct buf *b, struct cli_program *p);

#endif
