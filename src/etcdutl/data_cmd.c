/* etcdutl/data_cmd.c -- `defrag`, `migrate` and `backup`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/quote.h"
#include "etcdutl/member_dir.h"
#include "etcdutl/migrate.h"
#include "etcdutl/utl.h"
#include "upstream/backup.h"

/* ---- defrag --------------------------------------------------------------------------------- */

static struct {
    const char *data_dir, *wal_dir;
} defrag;

static struct cli_flag defrag_flags[] = {
    {"data-dir", .type = CLI_STRING, .value = &defrag.data_dir,
     .usage = "Required. Defragments a data directory not in use by etcd."},
    {"wal-dir", .type = CLI_STRING, .value = &defrag.wal_dir, .usage = UTL_WAL_DIR_USAGE},
    {0},
};

enum { VACUUM_PAGES = 4096 };

static enum err defragment(struct why *why)
{
    AUTO(member_dir) struct member_dir *m = NULL;
    enum err e = member_dir_open_kv(defrag.data_dir, defrag.wal_dir, utl_lock_wait(), &m, why);
    if (e == ERR_OK)
        kvdb_reader_end(m->reader);
    for (unsigned freed = 1; e == ERR_OK && freed != 0;)
        e = kvdb_vacuum_step(m->kv, VACUUM_PAGES, &freed, why);
    return e; /* closing the database brings it into its file */
}

static int defrag_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (utl_lacks(cmd, "data-dir"))
        return CLI_ERROR;
    struct why why = {""};
    enum err e = defragment(&why);
    if (e != ERR_OK)
        return cli_fail(CLI_ERROR, "Failed to defragment etcd data[%s] (%s)", defrag.data_dir,
                        why.text);
    return CLI_OK;
}

struct cli_command utl_defrag = {
    .use = "defrag",
    .summary = "Defragments the storage of the etcd",
    .flags = defrag_flags,
    .run = defrag_run,
};

/* ---- migrate -------------------------------------------------------------------------------- */

static struct {
    const char *data_dir, *wal_dir, *target;
    bool force;
} migrate;

static struct cli_flag migrate_flags[] = {
    {"data-dir", .type = CLI_STRING, .value = &migrate.data_dir,
     .usage = "Path to the etcd data dir"},
    {"wal-dir", .type = CLI_STRING, .value = &migrate.wal_dir, .usage = UTL_WAL_DIR_USAGE},
    {"target-version", .type = CLI_STRING, .value = &migrate.target,
     .usage = "Target etcd version to migrate contents of data dir. Minimal value 3.5. Format "
              "\"X.Y\" for example 3.6."},
    {"force", .type = CLI_BOOL, .value = &migrate.force,
     .usage = "Ignore migration failure and forcefully override storage version. Not recommended."},
    {0},
};

static bool parse_part(const char *text, size_t n, unsigned *ret, struct buf *problem)
{
    char *part = xstrndup(text, n);
    int64_t v = 0;
    bool is = number_parse_int(part, 10, 64, &v, problem) && v >= 0 && v <= UINT16_MAX;
    *ret = (unsigned)v;
    free(part);
    return is;
}

/* Read "X.Y"; false, with the sentence printed. */
static bool parse_target(const char *text, unsigned *major, unsigned *minor)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    const char *dot = strchr(text, '.');
    if (dot == NULL || strchr(dot + 1, '.') != NULL) {
        quote_add(&problem, slice_str(text));
        (void)cli_fail(CLI_BAD_ARGS, "wrong target version format, expected \"X.Y\", got %s",
                       buf_cstr(&problem));
        return false;
    }
    if (!parse_part(text, (size_t)(dot - text), major, &problem) ||
        !parse_part(dot + 1, strlen(dot + 1), minor, &problem)) {
        (void)cli_fail(CLI_BAD_ARGS, "failed to parse target version: %s", buf_cstr(&problem));
        return false;
    }
    if (*major < 3 || (*major == 3 && *minor < 5)) {
        (void)cli_fail(CLI_BAD_ARGS, "target version \"%u.%u\" not supported. Minimal \"3.5\"",
                       *major, *minor);
        return false;
    }
    return true;
}

static void say(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static int migrate_run_command(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (utl_lacks(cmd, "data-dir") || utl_lacks(cmd, "target-version"))
        return CLI_ERROR;
    struct migrate_options o = {.data_dir = migrate.data_dir,
                                .wal_dir = migrate.wal_dir,
                                .force = migrate.force,
                                .lock_wait_ms = utl_lock_wait(),
                                .say = say};
    if (!parse_target(migrate.target, &o.major, &o.minor))
        return CLI_BAD_ARGS;
    struct why why = {""};
    enum err e = migrate_run(&o, &why);
    return e == ERR_OK ? CLI_OK : utl_fail(e, &why);
}

struct cli_command utl_migrate = {
    .use = "migrate",
    .summary = "Migrates schema of etcd data dir files to make them compatible with different etcd "
               "version",
    .flags = migrate_flags,
    .run = migrate_run_command,
};

/* ---- backup --------------------------------------------------------------------------------- */

static struct {
    const char *data_dir, *wal_dir, *backup_dir, *backup_wal_dir;
    bool with_v3;
} backup;

static struct cli_flag backup_flags[] = {
    {"data-dir", .type = CLI_STRING, .value = &backup.data_dir,
     .usage = "Path to the etcd data dir"},
    {"wal-dir", .type = CLI_STRING, .value = &backup.wal_dir, .usage = "Path to the etcd wal dir"},
    {"backup-dir", .type = CLI_STRING, .value = &backup.backup_dir,
     .usage = "Path to the backup dir"},
    {"backup-wal-dir", .type = CLI_STRING, .value = &backup.backup_wal_dir,
     .usage = "Path to the backup wal dir"},
    {"with-v3", .type = CLI_BOOL, .value = &backup.with_v3, .def = "true",
     .usage = "Backup v3 backend data"},
    {0},
};

static int backup_run_command(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (utl_lacks(cmd, "data-dir") || utl_lacks(cmd, "backup-dir"))
        return CLI_ERROR;
    char *ours = xasprintf("%s/member/kv.db", backup.data_dir);
    bool is_ours = access(ours, F_OK) == 0;
    free(ours);
    if (is_ours)
        return cli_fail(CLI_ERROR, "'%s' is a data directory of this etcd, and backup is for those "
                        "of upstream's; use: etcdctl snapshot save", backup.data_dir);
    struct backup_options o = {.data_dir = backup.data_dir,
                               .wal_dir = backup.wal_dir,
                               .backup_dir = backup.backup_dir,
                               .backup_wal_dir = backup.backup_wal_dir,
                               .with_v3 = backup.with_v3,
                               .lock_wait_ms = utl_lock_wait()};
    struct why why = {""};
    enum err e = backup_run(&o, &why);
    return e == ERR_OK ? CLI_OK : utl_fail(e, &why);
}

struct cli_command utl_backup = {
    .use = "backup",
    .summary = "[legacy] offline backup of etcd directory",
    .details = "Prefer: `etcdctl snapshot save` instead.\n",
    .flags = backup_flags,
    .run = backup_run_command,
};
