/* etcdutl/snapshot_cmd.c -- `snapshot restore`, `snapshot status` and `hashkv`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/quote.h"
#include "etcdutl/print.h"
#include "etcdutl/restore.h"
#include "etcdutl/status.h"

/* ---- restore -------------------------------------------------------------------------------- */

static struct {
    const char *data_dir, *wal_dir, *initial_cluster, *token, *peer_urls, *name;
    bool skip_hash_check, mark_compacted;
    uint64_t map_size, bump_revision;
} restore;

static struct cli_flag restore_flags[] = {
    {"data-dir", .type = CLI_STRING, .value = &restore.data_dir,
     .usage = "Path to the output data directory"},
    {"wal-dir", .type = CLI_STRING, .value = &restore.wal_dir,
     .usage = "Path to the WAL directory (use --data-dir if none given)"},
    {"initial-cluster", .type = CLI_STRING, .value = &restore.initial_cluster,
     .def = "default=http://localhost:2380",
     .usage = "Initial cluster configuration for restore bootstrap"},
    {"initial-cluster-token", .type = CLI_STRING, .value = &restore.token, .def = "etcd-cluster",
     .usage = "Initial cluster token for the etcd cluster during restore bootstrap"},
    {"initial-advertise-peer-urls", .type = CLI_STRING, .value = &restore.peer_urls,
     .def = "http://localhost:2380",
     .usage = "List of this member's peer URLs to advertise to the rest of the cluster"},
    {"name", .type = CLI_STRING, .value = &restore.name, .def = "default",
     .usage = "Human-readable name for this member"},
    {"skip-hash-check", .type = CLI_BOOL, .value = &restore.skip_hash_check,
     .usage = "Ignore snapshot integrity hash value (required if copied from data directory)"},
    {"initial-memory-map-size", .type = CLI_UINT64, .value = &restore.map_size,
     .usage = "Taken for compatibility; it has no effect: this database is not mapped into memory"},
    {"bump-revision", .type = CLI_UINT64, .value = &restore.bump_revision,
     .usage = "How much to increase the latest revision after restore"},
    {"mark-compacted", .type = CLI_BOOL, .value = &restore.mark_compacted,
     .usage = "Mark the latest revision after restore as the point of scheduled compaction "
              "(required if --bump-revision > 0, disallowed otherwise)"},
    {0},
};

static void say_restored(const struct restore_options *o, const struct restore_report *r)
{
    fprintf(stderr,
            "restored snapshot %s to %s: member %" PRIx64 " (%s) of cluster %" PRIx64
            " with %zu member%s, revision %" PRId64 "\n",
            o->snapshot, o->data_dir, r->member_id, o->founders.name, r->cluster_id, r->members,
            r->members == 1 ? "" : "s", r->raised);
}

static int restore_run_command(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "snapshot restore requires exactly one argument");
    if ((restore.bump_revision != 0) != restore.mark_compacted)
        return cli_fail(CLI_BAD_ARGS, "--mark-compacted required if --revision-bump > 0");
    char *dir = restore.data_dir[0] ? xstrdup(restore.data_dir)
                                    : xasprintf("%s.etcd", restore.name);
    struct restore_options o = {
        .snapshot = argv[0],
        .data_dir = dir,
        .wal_dir = restore.wal_dir,
        .founders = {restore.name, restore.initial_cluster, restore.token, restore.peer_urls},
        .skip_hash_check = restore.skip_hash_check,
        .bump_revision = restore.bump_revision,
    };
    struct restore_report report;
    struct why why = {""};
    enum err e = restore_run(&o, &report, &why);
    if (e == ERR_OK)
        say_restored(&o, &report);
    free(dir);
    return e == ERR_OK ? CLI_OK : utl_fail(e, &why);
}

static struct cli_command restore_command = {
    .use = "restore <filename> --data-dir {output dir} [options]",
    .summary = "Restores an etcd member snapshot to an etcd directory",
    .flags = restore_flags,
    .run = restore_run_command,
};

/* ---- status --------------------------------------------------------------------------------- */

static void add_size(char cell[96], int64_t size)
{
    AUTO(buf) struct buf b = BUF_INIT;
    number_add_bytes(&b, (uint64_t)size);
    snprintf(cell, 96, "%s", buf_cstr(&b));
}

static void print_status(enum utl_format format, const struct db_status *s)
{
    struct print_field f[] = {
        {.json = "hash", .field = "Hash", .head = "hash"},
        {.json = "revision", .field = "Revision", .head = "revision"},
        {.json = "totalKey", .field = "Keys", .head = "total keys"},
        {.json = "totalSize", .field = "Size", .head = "total size"},
        {.json = "version", .field = "Version", .head = "version", .is_text = true},
    };
    snprintf(f[0].text, sizeof f[0].text, "%" PRIu32, s->hash);
    snprintf(f[0].cell, sizeof f[0].cell, "%" PRIx32, s->hash);
    snprintf(f[1].text, sizeof f[1].text, "%" PRId64, s->revision);
    snprintf(f[2].text, sizeof f[2].text, "%" PRId64, s->keys);
    snprintf(f[3].text, sizeof f[3].text, "%" PRId64, s->size);
    add_size(f[3].cell, s->size);
    snprintf(f[4].text, sizeof f[4].text, "%s", s->version);
    print_record(format, f, ARRAY_LEN(f));
}

static int status_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "snapshot status requires exactly one argument");
    enum utl_format format;
    int rc = utl_format(&format);
    if (rc != CLI_OK)
        return rc;
    AUTO(db_file) struct db_file *f = NULL;
    struct db_status s;
    struct why why = {""};
    enum err e = db_file_open(argv[0], utl_lock_wait(), &f, &why);
    if (e == ERR_OK)
        e = db_status_read(f, &s, &why);
    if (e != ERR_OK)
        return utl_fail(e, &why);
    print_status(format, &s);
    return CLI_OK;
}

static struct cli_command status_command = {
    .use = "status <filename>",
    .summary = "Gets backend snapshot status of a given file",
    .details =
        "When --write-out is set to simple, this command prints out comma-separated status lists "
        "for each endpoint.\nThe items in the lists are hash, revision, total keys, total size.\n",
    .run = status_run,
};

static struct cli_command *const snapshot_commands[] = {&restore_command, &status_command, NULL};

struct cli_command utl_snapshot = {
    .use = "snapshot <subcommand>",
    .summary = "Manages etcd node snapshots",
    .commands = snapshot_commands,
};

/* ---- hashkv --------------------------------------------------------------------------------- */

static struct {
    int64_t rev;
} hash_options;

static struct cli_flag hashkv_flags[] = {
    {"rev", .type = CLI_INT64, .value = &hash_options.rev,
     .usage = "maximum revision to hash (default: latest revision)"},
    {0},
};

static void print_hashkv(enum utl_format format, const struct hashkv *h)
{
    struct print_field f[] = {
        {.json = "hash", .field = "Hash", .head = "hash"},
        {.json = "hashRevision", .field = "Hash revision", .head = "hash revision"},
        {.json = "compactRevision", .field = "Compact revision", .head = "compact revision"},
    };
    snprintf(f[0].text, sizeof f[0].text, "%" PRIu32, h->hash);
    snprintf(f[1].text, sizeof f[1].text, "%" PRId64, h->revision);
    snprintf(f[2].text, sizeof f[2].text, "%" PRId64, h->compacted);
    print_record(format, f, ARRAY_LEN(f));
}

static int hashkv_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    enum utl_format format;
    int rc = utl_format(&format);
    if (rc != CLI_OK)
        return rc;
    AUTO(db_file) struct db_file *f = NULL;
    struct hashkv h;
    struct why why = {""};
    enum err e = db_file_open(argv[0], utl_lock_wait(), &f, &why);
    if (e == ERR_OK)
        e = hashkv_read(f, hash_options.rev, &h, &why);
    if (e != ERR_OK)
        return utl_fail(e, &why);
    print_hashkv(format, &h);
    return CLI_OK;
}

struct cli_command utl_hashkv = {
    .use = "hashkv <filename>",
    .summary = "Prints the KV history hash of a given file",
    .flags = hashkv_flags,
    .args = CLI_ARGS_EXACTLY,
    .n_args = 1,
    .run = hashkv_run,
};
