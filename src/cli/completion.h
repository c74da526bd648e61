/* cli/completion.h -- scripts with which a shell completes commands, flags and their values.
 *
 * The scripts ask the program itself, by its hidden command `__complete`, so that they never fall behind
 * it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "cli/command.h"

/* Append the script for "bash", "zsh", "fish" or "powershell". False: another shell. */
bool completion_add_script(struct buf *b, const struct cli_program *p, const char *shell);

/* Append what may stand in place of the last of `argv`: lines of "word<TAB>what it is", and ":N" with
 * what the shell shall do besides (4: no file names). */
void completion_add_answer(struct buf *b, struct cli_program *p, int argc, char **argv);

/* A command `completion SHELL` for a tree that wants upstream's default one (etcd-benchmark,
 * etcdutl). */
extern struct cli_command cli_completion_command;

#endif
