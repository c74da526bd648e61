/* etcdutl/import_cmd.c -- `import` and `export`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "etcdutl/export.h"
#include "etcdutl/import.h"
#include "etcdutl/utl.h"
#include "upstream/files.h"

/* ---- import --------------------------------------------------------------------------------- */

static struct {
    const char *from, *wal_dir, *data_dir;
    bool drop_v2;
} import;

static struct cli_flag import_flags[] = {
    {"from", .type = CLI_STRING, .value = &import.from,
     .usage = "Required. A data directory of upstream's etcd, not in use by it."},
    {"wal-dir", .type = CLI_STRING, .value = &import.wal_dir,
     .usage = "Path to the directory of its log, if it has one of its own"},
    {"data-dir", .type = CLI_STRING, .value = &import.data_dir,
     .usage = "Path to a new data directory (default: in place, what is there is put aside)"},
    {"drop-v2", .type = CLI_BOOL, .value = &import.drop_v2,
     .usage = "Leave behind what was written through the v2 API"},
    {0},
};

static void add_kept(struct buf *b, const struct import_report *r)
{
    if (r->kept != NULL)
        buf_addf(b, "the files of upstream's etcd are kept as they were, in %s", r->kept);
    if (r->wal_kept != NULL)
        buf_addf(b, " and %s", r->wal_kept);
    if (r->kept != NULL)
        buf_add_str(b, "; once all is well they can be removed\n");
}

static void add_cluster(struct buf *b, const struct import_report *r)
{
    if (r->members > 1)
        buf_addf(b,
                 "the cluster has %zu members: this one goes on where it stopped, with the same "
                 "flags, beside members of upstream's etcd and imported ones alike\n",
                 r->members);
}

static void say_resumed(const struct import_options *o, const struct import_report *r)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b,
             "an import of member %" PRIx64 " of cluster %" PRIx64
             " into %s was interrupted before "
             "its last step, which is done now\n",
             r->member_id, r->cluster_id, o->from);
    add_kept(&b, r);
    fwrite(b.p, 1, b.n, stdout);
}

static void say_imported(const struct import_options *o, const struct import_report *r)
{
    AUTO(buf) struct buf b = BUF_INIT;
    bool in_place = o->data_dir[0] == '\0';
    buf_add_slice(&b, buf_slice(&r->notes));
    buf_addf(&b,
             "imported member %" PRIx64 " (%s) of cluster %" PRIx64 " from %s into %s\n"
             "revision %" PRId64 ", hash %" PRIu32 " on both sides, compacted at %" PRId64 "\n"
             "%zu leases, %zu alarms, auth is %s; %" PRIu64
             " entries of the log are applied when etcd starts\n",
             r->member_id, r->name, r->cluster_id, o->from, in_place ? o->from : o->data_dir,
             r->hash.revision, r->hash.hash, r->hash.compacted, r->leases, r->alarms,
             r->auth ? "enabled" : "disabled", r->last - r->applied);
    if (r->v2_writes != 0)
        buf_addf(&b, "%zu writes of the v2 API were left behind\n", r->v2_writes);
    if (r->auth)
        buf_add_str(&b,
                    "this release of etcd does not start where auth is enabled: go back, disable "
                    "it with 'etcdctl auth disable', and import again\n");
    add_cluster(&b, r);
    add_kept(&b, r);
    fwrite(b.p, 1, b.n, stdout);
}

static void date_text(char ret[32])
{
    time_t now = time(NULL);
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(ret, 32, "%Y%m%d-%H%M%S", &tm);
}

static int import_run_command(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (utl_lacks(cmd, "from"))
        return CLI_ERROR;
    char date[32];
    date_text(date);
    char *from = path_without_slash(import.from);
    struct import_options o = {.from = from,
                               .wal_dir = import.wal_dir,
                               .data_dir = import.data_dir,
                               .lock_wait_ms = utl_lock_wait(),
                               .drop_v2 = import.drop_v2,
                               .date = date};
    struct import_report report;
    struct why why = {""};
    enum err e = import_run(&o, &report, &why);
    if (e == ERR_OK)
        (report.resumed ? say_resumed : say_imported)(&o, &report);
    import_report_fini(&report);
    free(from);
    return e == ERR_OK ? CLI_OK : utl_fail(e, &why);
}

struct cli_command utl_import = {
    .use = "import --from {data dir} [options]",
    .summary = "Turns a data directory of upstream's etcd into one of this etcd",
    .flags = import_flags,
    .args = CLI_ARGS_NONE,
    .addition = true,
    .run = import_run_command,
};

/* ---- export --------------------------------------------------------------------------------- */

static struct {
    const char *data_dir, *wal_dir, *to, *target;
} export;

static const char *const targets[] = {"3.4", "3.5", "3.6", "3.7", NULL};

static struct cli_flag export_flags[] = {
    {"data-dir", .type = CLI_STRING, .value = &export.data_dir,
     .usage = "Required. A data directory of this etcd, not in use by it."},
    {"wal-dir", .type = CLI_STRING, .value = &export.wal_dir,
     .usage = "Path to the directory of its log, if it has one of its own"},
    {"to", .type = CLI_STRING, .value = &export.to,
     .usage = "Required. The data directory for upstream's etcd that is made"},
    {"target-version", .type = CLI_STRING, .value = &export.target, .def = "3.4", .values = targets,
     .usage = "The version of upstream's etcd that shall start on it"},
    {0},
};

static int export_run_command(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (utl_lacks(cmd, "data-dir") || utl_lacks(cmd, "to"))
        return CLI_ERROR;
    struct export_options o = {.data_dir = export.data_dir,
                               .wal_dir = export.wal_dir,
                               .to = export.to,
                               .target = export.target,
                               .lock_wait_ms = utl_lock_wait()};
    struct export_report r;
    struct why why = {""};
    enum err e = export_run(&o, &r, &why);
    if (e != ERR_OK)
        return utl_fail(e, &why);
    printf("exported member %" PRIx64 " of cluster %" PRIx64 " from %s into %s, for etcd %s: "
           "applied entry %" PRIu64 ", last entry %" PRIu64 "\n",
           r.member_id, r.cluster_id, o.data_dir, o.to, o.target, r.applied, r.last);
    return CLI_OK;
}

struct cli_command utl_export = {
    .use = "export --data-dir {data dir} --to {output dir} [options]",
    .summary = "Turns a data directory of this etcd into one of upstream's etcd",
    .flags = export_flags,
    .args = CLI_ARGS_NONE,
    .addition = true,
    .run = export_run_command,
};
