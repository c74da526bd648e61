/* etcdctl/check.h -- what the checks of a cluster share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_CHECK_H
#define ETCDCTL_CHECK_H

#include "etcdctl/load.h"
#include "etcdctl/session.h"

extern struct cli_command cmd_check_perf, cmd_check_datascale;

/* Run a check with a client, the configuration, and its size: 0 to 3 for a `load` of s, m, l, xl (or
 * small, medium, large, xLarge). Return the exit code. */
int check_run(struct cli_command *cmd, const char *load,
              int (*check)(struct etcd_client *c, const struct session_config *config, int size));

/* Refuse to go on if there are keys already. Return CLI_OK, or the exit code. `quote` stands around
 * the command that is advised. */
int check_is_empty(struct etcd_client *c, const char *prefix, const char *quote, int64_t timeout_ms);

/* Delete all keys of the prefix. Return the revision, or 0: *ret_error. */
int64_t check_clean_up(struct etcd_client *c, const char *prefix, int64_t timeout_ms,
                       struct etcd_error *ret_error);
/* Compact, and defragment each endpoint; say so. Return CLI_OK or the exit code. */
int check_compact(struct etcd_client *c, int64_t revision);
int check_defrag(const struct session_config *config);

/* Print the errors of a load. Return true if there were none. */
bool check_print_errors(const struct load_stats *s);

#endif
