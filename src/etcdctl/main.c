/* etcdctl/main.c -- etcdctl, the client program.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlv2/ctlv2.h"
#include "etcdctl/commands.h"

int main(int argc, char **argv)
{
    const char *api = getenv("ETCDCTL_API");
    bool v2 = api != NULL && strcmp(api, "2") == 0;
    if (api != NULL && api[0] != '\0' && !v2 && strcmp(api, "3") != 0) {
        fprintf(stderr, "unsupported API version %s\n", api);
        return CLI_ERROR;
    }
    unsetenv("ETCDCTL_API"); /* it is no flag of a command, nor meant for what a command starts */
    if (v2)
        return ctlv2_main(argc, argv);
    return cli_main(&etcdctl_program, argc, argv);
}
