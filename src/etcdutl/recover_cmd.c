/* etcdutl/recover_cmd.c -- `recover`: what is left, which is newest, and what to do now.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/table.h"
#include "etcdutl/recover.h"
#include "etcdutl/utl.h"

static struct {
    const char *to, *to_wal_dir;
    struct cli_strings wal_dirs;
} recover;

static struct cli_flag recover_flags[] = {
    {"to", .type = CLI_STRING, .value = &recover.to,
     .usage = "A new data directory: make the cluster of one in it. Without it nothing is written"},
    {"wal-dir", .type = CLI_STRINGS, .value = &recover.wal_dirs,
     .usage = "Paths to the directories of the logs, if they have some of their own: one for each "
              "data dir"},
    {"to-wal-dir", .type = CLI_STRING, .value = &recover.to_wal_dir,
     .usage = "A new WAL directory for the cluster of one (default: in the new data directory)"},
    {0},
};

/* ---- what is left --------------------------------------------------------------------------- */

enum { COLUMNS = 8 };

static void print_members(const struct recover_member *m, size_t n, size_t newest)
{
    static const char *const head[COLUMNS] = {"data directory", "member",   "name", "last term",
                                              "last entry",     "revision", "hash", "newest"};
    AUTO(buf) struct buf b = BUF_INIT;
    struct arena *a = arena_new();
    const char **cells = arena_alloc(a, n * COLUMNS * sizeof *cells);
    for (size_t i = 0; i < n; i++) {
        const char **c = cells + i * COLUMNS;
        c[0] = m[i].path;
        c[1] = arena_printf(a, "%" PRIx64, m[i].id);
        c[2] = m[i].name;
        c[3] = arena_printf(a, "%" PRIu64, m[i].last_term);
        c[4] = arena_printf(a, "%" PRIu64, m[i].last);
        c[5] = arena_printf(a, "%" PRId64, m[i].hash.revision);
        c[6] = arena_printf(a, "%" PRIu32, m[i].hash.hash);
        c[7] = i == newest ? "yes" : "";
    }
    table_add(&b, COLUMNS, head, cells, n);
    fwrite(b.p, 1, b.n, stdout);
    arena_free(a);
}

/* ---- what to do ----------------------------------------------------------------------------- */

static void add_urls(struct buf *b, const struct urls *u)
{
    for (size_t i = 0; i < u->n; i++)
        buf_addf(b, "%s%s", i ? "," : "", u->v[i]);
}

static void add_start(struct buf *b, const struct member *self, const char *to)
{
    buf_addf(b,
             "\n%s holds a cluster of one: member %s (%" PRIx64 ").\n"
             "Start it on the host of %s, with its old flags and this data directory:\n"
             "    etcd --name %s --data-dir %s --initial-advertise-peer-urls ",
             to, self->name, self->id, self->name, self->name, to);
    add_urls(b, &self->peer_urls);
    if (recover.to_wal_dir[0] != '\0')
        buf_addf(b, " --wal-dir %s", recover.to_wal_dir);
    buf_add_str(b, " ...\n");
}

/* Each other member comes back empty, under a new id. */
static void add_other(struct buf *b, struct buf *cluster, const struct member *m)
{
    AUTO(buf) struct buf urls = BUF_INIT;
    add_urls(&urls, &m->peer_urls);
    const char *name = member_is_started(m) ? m->name : "NAME";
    for (size_t i = 0; i < m->peer_urls.n; i++)
        buf_addf(cluster, ",%s=%s", name, m->peer_urls.v[i]);
    buf_addf(b,
             "\nWhen the cluster is healthy, member %s again (it was %" PRIx64 "):\n"
             "    on its host: stop etcd, and move its data directory away\n"
             "    etcdctl member add %s --peer-urls=%s\n"
             "    on its host: etcd --name %s --initial-cluster %s --initial-cluster-state "
             "existing --initial-advertise-peer-urls %s ...\n",
             name, m->id, name, buf_cstr(&urls), name, buf_cstr(cluster), buf_cstr(&urls));
}

static void say_what_to_do(const struct member *self, struct member *const *others, size_t n,
                           const char *to)
{
    AUTO(buf) struct buf b = BUF_INIT;
    AUTO(buf) struct buf cluster = BUF_INIT;
    for (size_t i = 0; i < self->peer_urls.n; i++)
        buf_addf(&cluster, "%s%s=%s", i ? "," : "", self->name, self->peer_urls.v[i]);
    add_start(&b, self, to);
    for (size_t i = 0; i < n; i++)
        add_other(&b, &cluster, others[i]);
    if (n != 0)
        buf_add_str(&b, "\nNever start a member of the old cluster with its old data again.\n");
    fwrite(b.p, 1, b.n, stdout);
}

static int make(const struct recover_member *from)
{
    struct recover_options o = {.data_dir = from->path,
                                .wal_dir = from->wal_dir,
                                .to_data_dir = recover.to,
                                .to_wal_dir = recover.to_wal_dir,
                                .lock_wait_ms = utl_lock_wait()};
    struct member *self, **others;
    size_t n;
    struct why why = {""};
    enum err e = recover_make(&o, &self, &others, &n, &why);
    if (e == ERR_OK)
        say_what_to_do(self, others, n, recover.to);
    for (size_t i = 0; i < n; i++)
        member_free(others[i]);
    free(others);
    member_free(self);
    return e == ERR_OK ? CLI_OK : utl_fail(e, &why);
}

static void say_next(int argc, char **argv)
{
    printf("\nIf the other members are lost for good, make a cluster of one of the newest:\n"
           "    etcdutl recover");
    for (int i = 0; i < argc; i++)
        printf(" %s", argv[i]);
    for (size_t i = 0; i < recover.wal_dirs.n; i++)
        printf("%s%s", i == 0 ? " --wal-dir " : ",", recover.wal_dirs.v[i]);
    printf(" --to NEW_DATA_DIR%s\n", recover.wal_dirs.n ? " --to-wal-dir NEW_WAL_DIR" : "");
}

static int recover_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc == 0)
        return cli_help(cmd);
    if (argc > RECOVER_DIRS_MAX)
        return cli_fail(CLI_BAD_ARGS, "more than %d data directories", RECOVER_DIRS_MAX);
    if (recover.wal_dirs.n != 0 && recover.wal_dirs.n != (size_t)argc)
        return cli_fail(CLI_BAD_ARGS, "--wal-dir is given %zu times for %d data directories",
                        recover.wal_dirs.n, argc);
    struct recover_member *m = xcalloc((size_t)argc, sizeof *m);
    size_t newest = 0;
    struct why why = {""};
    enum err e = ERR_OK;
    for (int i = 0; i < argc && e == ERR_OK; i++)
        e = recover_look(argv[i], recover.wal_dirs.n ? recover.wal_dirs.v[i] : NULL,
                         utl_lock_wait(), &m[i], &why);
    if (e == ERR_OK)
        e = recover_choose(m, (size_t)argc, &newest, &why);
    int rc = e == ERR_OK ? CLI_OK : utl_fail(e, &why);
    if (rc == CLI_OK)
        print_members(m, (size_t)argc, newest);
    if (rc == CLI_OK && recover.to[0] != '\0')
        rc = make(&m[newest]);
    else if (rc == CLI_OK)
        say_next(argc, argv);
    free(m);
    return rc;
}

struct cli_command utl_recover = {
    .use = "recover <data dir>... [--to {new data dir}]",
    .summary = "Leads out of a lost quorum: finds the newest data, makes a cluster of one of them",
    .flags = recover_flags,
    .addition = true,
    .run = recover_run,
};
