/* etcdctl/version.c -- etcdctl version.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "config.h"
#include "etcdctl/commands.h"

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    const char *patch = strrchr(ETCD_API_VERSION, '.');
    printf("etcdctl version: %s\n", ETCD_API_VERSION);
    printf("API version: %.*s\n", (int)(patch - ETCD_API_VERSION), ETCD_API_VERSION);
    return CLI_OK;
}

struct cli_command cmd_version = {
    .use = "version",
    .summary = "Prints the version of etcdctl",
    .group = GROUP_UTILITY,
    .run = run,
};
