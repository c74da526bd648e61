/* etcdctl/main.c -- etcdctl, the client program.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/commands.h"

int main(int argc, char **argv)
{
    return cli_main(&etcdctl_program, argc, argv);
}
