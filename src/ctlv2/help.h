/* ctlv2/help.h -- the help texts, in the layout of urfave/cli.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_HELP_H
#define CTLV2_HELP_H

#include "ctlv2/command.h"

/* What is common to a program and to a command with commands below it. */
struct help_page {
    const char *name; /* "etcdctl member" */
    const char *summary;
    const struct command *commands;
    bool lists_help; /* the command "help" is among them */
    const struct option_spec *options;
    size_t option_n;
};

extern const struct command v2_help_command;
extern const struct option_spec v2_help_option;

void help_print_program(const struct help_page *p);
void help_print_group(const struct help_page *p);
/* Print the help of `c`, whose whole name is `name`. */
void help_print_command(const char *name, const struct command *c);

#endif
