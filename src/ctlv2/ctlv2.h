/* ctlv2/ctlv2.h -- `ETCDCTL_API=2 etcdctl`: the commands of the v2 API.
 *
 * What they print, and the status they end with, is what Debian's etcdctl 3.4 does, to the byte.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_CTLV2_H
#define CTLV2_CTLV2_H

/* Run what the arguments say, argv[0] being the program. Return the status to exit with. */
int ctlv2_main(int argc, char **argv);

#endif
