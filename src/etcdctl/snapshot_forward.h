/* etcdctl/snapshot_forward.h -- snapshot commands that moved to etcdutl.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_SNAPSHOT_FORWARD_H
#define ETCDCTL_SNAPSHOT_FORWARD_H

#include "cli/command.h"

extern struct cli_command cmd_snapshot_status, cmd_snapshot_restore;

#endif
