/* ctlv2/main.c -- etcdctl-v2, what etcdctl becomes where ETCDCTL_API is 2.
 *
 * It is a program of its own because it needs libraries that the v3 commands do not, and each costs
 * memory and time in every process that has it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/ctlv2.h"

int main(int argc, char **argv)
{
    return ctlv2_main(argc, argv);
}
