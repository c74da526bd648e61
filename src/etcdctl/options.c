/* etcdctl/options.c -- etcdctl options: the global flags, which help leaves out.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/usage.h"
#include "etcdctl/commands.h"
#include "etcdctl/globals.h"

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "The following options can be passed to any command:\n\n");
    usage_add_flags(&b, global_flags, true);
    fwrite(b.p, 1, b.n, stdout);
    return CLI_OK;
}

struct cli_command cmd_options = {
    .use = "options",
    .summary = "Show the global command-line flags",
    .group = GROUP_UTILITY,
    .run = run,
};
