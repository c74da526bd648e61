/* etcdctl/interrupt.h -- SIGINT and SIGTERM end a wait, so that what is held can be given back.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_INTERRUPT_H
#define ETCDCTL_INTERRUPT_H

#include "client/etcdclient.h"

/* From now on these signals interrupt `c` instead of ending the process. What follows within a second
 * is the same signal. */
void interrupt_client(struct etcd_client *c);
/* From now on they do nothing here; a program that is started gets them as ever. */
void interrupt_nothing(void);
/* From now on they end the process again. */
void interrupt_process(void);
/* True once one came. */
bool interrupt_came(void);

#endif
