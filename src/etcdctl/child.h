/* etcdctl/child.h -- a program that was run for the user: what went wrong with it, as Go words it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_CHILD_H
#define ETCDCTL_CHILD_H

#include "base/mem.h"

/* Append why `name` could not be started: the error of posix_spawnp(). */
void child_add_start_error(struct buf *b, const char *name, int error);
/* Append how it ended, from the status of waitpid(): "exit status 1", "signal: killed". */
void child_add_end(struct buf *b, int status);

#endif
