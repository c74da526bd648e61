/* etcdctl/discovery.h -- endpoints from DNS.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_DISCOVERY_H
#define ETCDCTL_DISCOVERY_H

#include <stdbool.h>

#include "base/mem.h"

/* Read the SRV records _etcd-client-ssl._tcp.DOMAIN (https) and _etcd-client._tcp.DOMAIN (http),
 * with "-SERVICE" behind the name if that is not empty. Without `insecure` the http ones are named
 * on stderr and left out. The list is owned by the caller. False: *problem says what failed. */
bool discovery_find(const char *domain, const char *service, bool insecure, char ***ret_endpoints,
                    size_t *ret_n, struct buf *problem);

#endif
