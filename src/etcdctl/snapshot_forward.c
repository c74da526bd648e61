/* etcdctl/snapshot_forward.c -- etcdctl snapshot status and restore, for scripts of before 3.6:
 * etcdutl has them now, and is run with what was typed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/snapshot_forward.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/flags.h"
#include "etcdctl/os_error.h"

static struct {
    const char *data_dir, *wal_dir, *name, *cluster, *token, *peer_urls;
    bool skip_hash_check, mark_compacted;
    uint64_t bump_revision, memory_map_size;
} opt;

/* ---- the arguments ------------------------------------------------------------------------------ */

struct args {
    char **v; /* owned, ended by NULL */
    size_t n;
};

static void args_add(struct args *a, char *owned)
{
    a->v = xrealloc(a->v, (a->n + 2) * sizeof *a->v);
    a->v[a->n++] = owned;
    a->v[a->n] = NULL;
}

static void args_add_flag(struct args *a, const struct cli_flag *f)
{
    if (!f || !f->changed)
        return;
    AUTO(buf) struct buf value = BUF_INIT;
    flag_add_value(&value, f);
    args_add(a, xasprintf("--%s=%s", f->name, buf_cstr(&value)));
}

static void args_free(struct args *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->v[i]);
    free(a->v);
}

static struct args args_make(struct cli_command *cmd, int argc, char **argv)
{
    struct args a = {0};
    AUTO(buf) struct buf name = BUF_INIT;
    buf_add_slice(&name, cli_name(cmd));
    args_add(&a, xstrdup("etcdutl"));
    args_add_flag(&a, cli_flag_find(cmd, "write-out"));
    args_add(&a, xstrdup("snapshot"));
    args_add(&a, xstrdup(buf_cstr(&name)));
    for (struct cli_flag *f = cmd->flags; f && f->name; f++)
        args_add_flag(&a, f);
    args_add(&a, xstrdup("--"));
    for (int i = 0; i < argc; i++)
        args_add(&a, xstrdup(argv[i]));
    return a;
}

/* ---- the program -------------------------------------------------------------------------------- */

/* Become etcdutl: the one beside this program, or the one in $PATH. Return only if there is none. */
static void become(char **argv)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        char *beside = xasprintf("%.*s/etcdutl", slash ? (int)(slash - self) : 0, self);
        execv(beside, argv);
        free(beside);
    }
    execvp("etcdutl", argv);
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    AUTO(buf) struct buf name = BUF_INIT;
    buf_add_slice(&name, cli_name(cmd));
    fprintf(stderr, "Deprecated: Use `etcdutl snapshot %s` instead.\n\n", buf_cstr(&name));
    struct args a = args_make(cmd, argc, argv);
    become(a.v);
    char *why = os_error(errno);
    int code = cli_fail(CLI_ERROR, "cannot run etcdutl: %s", why);
    free(why);
    args_free(&a);
    return code;
}

static struct cli_flag restore_flags[] = {
    {"data-dir", .type = CLI_STRING, .value = &opt.data_dir, .usage = "Path to the data directory"},
    {"wal-dir", .type = CLI_STRING, .value = &opt.wal_dir,
     .usage = "Path to the WAL directory (use --data-dir if none given)"},
    {"initial-cluster", .type = CLI_STRING, .value = &opt.cluster,
     .def = "default=http://localhost:2380",
     .usage = "Initial cluster configuration for restore bootstrap"},
    {"initial-cluster-token", .type = CLI_STRING, .value = &opt.token, .def = "etcd-cluster",
     .usage = "Initial cluster token for the etcd cluster during restore bootstrap"},
    {"initial-advertise-peer-urls", .type = CLI_STRING, .value = &opt.peer_urls,
     .def = "http://localhost:2380",
     .usage = "List of this member's peer URLs to advertise to the rest of the cluster"},
    {"name", .type = CLI_STRING, .value = &opt.name, .def = "default",
     .usage = "Human-readable name for this member"},
    {"skip-hash-check", .type = CLI_BOOL, .value = &opt.skip_hash_check,
     .usage = "Ignore snapshot integrity hash value (required if copied from data directory)"},
    {"bump-revision", .type = CLI_UINT64, .value = &opt.bump_revision,
     .usage = "How much to increase the latest revision after restore"},
    {"mark-compacted", .type = CLI_BOOL, .value = &opt.mark_compacted,
     .usage = "Mark the latest revision after restore as the point of scheduled compaction "
              "(required if --bump-revision > 0, disallowed otherwise)"},
    {"initial-memory-map-size", .type = CLI_UINT64, .value = &opt.memory_map_size,
     .usage = "Initial memory map size of the database in bytes"},
    {0},
};

struct cli_command cmd_snapshot_status = {
    .use = "status <filename>",
    .summary = "[deprecated] Gets backend snapshot status of a given file",
    .hidden = true,
    .addition = true,
    .run = run,
};
struct cli_command cmd_snapshot_restore = {
    .use = "restore <filename> [options]",
    .summary = "[deprecated] Restores an etcd member snapshot to an etcd directory",
    .flags = restore_flags,
    .hidden = true,
    .addition = true,
    .run = run,
};
