/* etcdctl/commands.c -- the tree of commands.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/commands.h"

#include "etcdctl/globals.h"

static const struct cli_group groups[] = {
    {GROUP_KV, "Key-value commands"},
    {GROUP_CLUSTER, "Cluster maintenance commands"},
    {GROUP_CONCURRENCY, "Concurrency commands"},
    {GROUP_AUTH, "Authentication commands"},
    {GROUP_UTILITY, "Utility commands"},
    {NULL, NULL},
};

/* In upstream's order, which suggestions keep; additions last. */
static struct cli_command *const commands[] = {
    &cmd_get,
    &cmd_put,
    &cmd_del,
    &cmd_txn,
    &cmd_compaction,
    &cmd_alarm,
    &cmd_defrag,
    &cmd_endpoint,
    &cmd_move_leader,
    &cmd_watch,
    &cmd_version,
    &cmd_lease,
    &cmd_member,
    &cmd_snapshot,
    &cmd_make_mirror,
    &cmd_lock,
    &cmd_elect,
    &cmd_auth,
    &cmd_user,
    &cmd_role,
    &cmd_check,
    &cmd_completion,
    &cmd_downgrade,
    &cmd_options,
    &cmd_ls,
    &cmd_tree,
    &cmd_history,
    &cmd_undelete,
    &cmd_search,
    NULL,
};

static struct cli_command root = {
    .use = "etcdctl",
    .summary = "A simple command line client for etcd3.",
    .persistent = global_flags,
    .commands = commands,
};

struct cli_program etcdctl_program = {
    .root = &root,
    .groups = groups,
    .help_group = GROUP_UTILITY,
    .help_footer = "Use \"etcdctl options\" for a list of global command-line options (applies to "
                   "all commands).",
    .hide_root_help = true,
};
