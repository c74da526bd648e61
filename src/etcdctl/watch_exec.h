/* etcdctl/watch_exec.h -- the program that watch runs for each event.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_WATCH_EXEC_H
#define ETCDCTL_WATCH_EXEC_H

#include <stdint.h>

#include "pb/mvccpb.pb-c.h"

/* Run argv (ended by NULL) and wait for it; the event stands in ETCD_WATCH_... of its environment.
 * Return CLI_OK if it exited with 0; else CLI_ERROR after that was printed. */
int watch_exec(char *const *argv, int64_t revision, const Mvccpb__Event *event);

#endif
