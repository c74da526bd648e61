/* etcdutl/check_cmd.c -- `check` and `check v2store`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "etcdutl/check.h"
#include "etcdutl/utl.h"
#include "membership/v2_tree.h"
#include "upstream/dir.h"
#include "upstream/v2.h"

/* ---- check v2store -------------------------------------------------------------------------- */

static struct {
    const char *data_dir, *wal_dir;
} v2store;

static struct cli_flag v2store_flags[] = {
    {"data-dir", .type = CLI_STRING, .value = &v2store.data_dir,
     .usage = "Required. A data directory not in use by etcd."},
    {"wal-dir", .type = CLI_STRING, .value = &v2store.wal_dir,
     .usage = "Optional. A dedicated WAL directory."},
    {0},
};

/* Does the log hold a request that no member makes by itself? */
static bool log_has_custom(const struct upstream_dir *d)
{
    size_t n;
    const struct wal_entry *e = wal_entries(d->wal, &n);
    struct v2_request r;
    for (size_t i = 0; i < n; i++)
        if (e[i].type == RAFT_ENTRY_NORMAL && v2_request_find(e[i].data, &r) &&
            !v2_request_is_members_own(&r))
            return true;
    return false;
}

static enum err tree_has_custom(const struct upstream_dir *d, bool *ret, struct why *why)
{
    *ret = false;
    if (d->snap.tree.n == 0)
        return ERR_OK;
    struct cluster *c = cluster_new(0);
    enum err e = cluster_load_v2_json(c, d->snap.tree, ret, why);
    cluster_free(c);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static int v2store_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (utl_lacks(cmd, "data-dir"))
        return CLI_ERROR;
    AUTO(upstream_dir) struct upstream_dir *d = NULL;
    struct upstream_options o = {.path = v2store.data_dir, .wal_dir = v2store.wal_dir};
    struct why why = {""};
    bool in_tree = false, in_log = false;
    enum err e = upstream_dir_open_log(&o, &d, &why);
    if (e == ERR_OK) {
        e = tree_has_custom(d, &in_tree, &why);
        in_log = log_has_custom(d);
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return utl_fail(e, &why);
    if (in_tree && in_log)
        return cli_fail(CLI_ERROR, "detected custom v2 content in both v2store and WAL records");
    if (in_tree)
        return cli_fail(CLI_ERROR, "detected custom content in v2store");
    if (in_log)
        return cli_fail(CLI_ERROR, "detected custom v2 content in WAL records");
    puts("No custom content found in both v2store and WAL records.");
    return CLI_OK;
}

static struct cli_command v2store_command = {
    .use = "v2store",
    .summary = "Check custom content in v2store",
    .flags = v2store_flags,
    .args = CLI_ARGS_NONE,
    .run = v2store_run,
};

/* ---- check DIR ------------------------------------------------------------------------------ */

static struct {
    const char *wal_dir;
} check;

static struct cli_flag check_flags[] = {
    {"wal-dir", .type = CLI_STRING, .value = &check.wal_dir,
     .usage = UTL_WAL_DIR_USAGE},
    {0},
};

static int check_run_command(struct cli_command *cmd, int argc, char **argv)
{
    if (argc == 0)
        return cli_help(cmd);
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "check requires exactly one data directory");
    struct check_report r;
    struct why why = {""};
    enum err e = check_run(argv[0], check.wal_dir, utl_lock_wait(), &r, &why);
    if (e != ERR_OK)
        return utl_fail(e, &why);
    printf("%s is sound: member %" PRIx64 " of cluster %" PRIx64 ", %zu member%s\n"
           "revision %" PRId64 ", hash %" PRIu32 ", compacted at %" PRId64 "\n"
           "log: %" PRIu64 " entries up to %" PRIu64 ", committed %" PRIu64 ", applied %" PRIu64
           ", term %" PRIu64 "\n",
           argv[0], r.member_id, r.cluster_id, r.members, r.members == 1 ? "" : "s",
           r.hash.revision, r.hash.hash, r.hash.compacted, r.last + 1 - r.first, r.last,
           r.committed, r.applied, r.term);
    return CLI_OK;
}

static struct cli_command *const check_commands[] = {&v2store_command, NULL};

struct cli_command utl_check = {
    .use = "check <data dir> | <subcommand>",
    .summary = "commands for checking properties",
    .details = "With a data directory of this etcd: checks both of its databases, and that they "
               "fit together.\n",
    .flags = check_flags,
    .commands = check_commands,
    .run = check_run_command,
};
