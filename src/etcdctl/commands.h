/* etcdctl/commands.h -- every command of etcdctl, one file each.
 *
 * A command's file holds its flags, its help and its function; commands.c says in which order they
 * stand in the tree. A new one is named here, put into that table, and listed in local.mk.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_COMMANDS_H
#define ETCDCTL_COMMANDS_H

#include "cli/command.h"

/* Groups of the help. */
#define GROUP_KV "kv"
#define GROUP_CLUSTER "cluster maintenance"
#define GROUP_CONCURRENCY "concurrency"
#define GROUP_AUTH "authentication"
#define GROUP_UTILITY "utility"

extern struct cli_program etcdctl_program;

/* keys */
extern struct cli_command cmd_get, cmd_put, cmd_del, cmd_txn, cmd_compaction, cmd_watch, cmd_lease,
    cmd_history, cmd_undelete, cmd_search, cmd_ls, cmd_tree;
/* cluster */
extern struct cli_command cmd_alarm, cmd_defrag, cmd_endpoint, cmd_move_leader, cmd_member,
    cmd_snapshot, cmd_make_mirror, cmd_downgrade;
/* concurrency, authentication, utilities */
extern struct cli_command cmd_lock, cmd_elect, cmd_auth, cmd_user, cmd_role, cmd_check, cmd_version,
    cmd_completion, cmd_options;

#endif
