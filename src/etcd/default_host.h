/* etcd/default_host.h -- the address by which other machines most likely reach this one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCD_DEFAULT_HOST_H
#define ETCD_DEFAULT_HOST_H

/* Return the IPv4 address of the interface that has the default route, owned by the caller, or NULL. */
char *default_host(void *arg);

#endif
