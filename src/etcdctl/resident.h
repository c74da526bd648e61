/* etcdctl/resident.h -- how much memory a server takes, by its own word.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_RESIDENT_H
#define ETCDCTL_RESIDENT_H

#include "etcdctl/session.h"

/* Return process_resident_memory_bytes of the first endpoint's /metrics, or 0 after what is wrong was
 * printed. */
double resident_bytes(const struct session_config *config);

#endif
