/* ctlv2/backup.c -- `backup`: a member's data directory as the seed of another cluster.
 *
 * It is etcdutl's, as it was when upstream had both; here are 3.4's words for what goes wrong. The
 * keys of version 3 come along with --with-v3; the database is locked then, which waits for an etcd
 * that has it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/quote.h"
#include "ctlv2/command.h"
#include "upstream/backup.h"
#include "upstream/dir.h"
#include "upstream/files.h"

enum { LOCK_PATIENCE_MS = 1000 }; /* before it is said what is waited for */

static void say(const char *line)
{
    struct timespec now;
    struct tm local;
    char date[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &local) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &local);
    fprintf(stderr, "%s.%06ld I | %s\n", date, now.tv_nsec / 1000, line);
}

/* ---- directories ------------------------------------------------------------------------- */

static char *path_below(const char *dir, const char *rest)
{
    return xasprintf("%s%s%s", dir, dir[0] != '\0' ? "/" : "", rest);
}

static enum err check_directory(const char *path, struct why *why)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return file_fail(why, "open", path, errno);
    closedir(dir);
    return ERR_OK;
}

static enum err check_source(const struct backup_options *o, struct why *why)
{
    char *snap = path_below(o->data_dir, "member/snap");
    char *wal = o->wal_dir[0] != '\0' ? xstrdup(o->wal_dir) : path_below(o->data_dir, "member/wal");
    enum err e = check_directory(snap, why);
    if (e == ERR_OK)
        e = check_directory(wal, why);
    free(snap);
    free(wal);
    return e;
}

/* Fail if anything is in the directory. */
static enum err check_empty(const char *path, struct why *why)
{
    AUTO(buf) struct buf names = BUF_INIT, quoted = BUF_INIT;
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        bool dots = strcmp(entries[i]->d_name, ".") == 0 || strcmp(entries[i]->d_name, "..") == 0;
        if (!dots) {
            buf_add_str(&names, names.n != 0 ? " " : "");
            quote_add(&names, slice_str(entries[i]->d_name));
        }
        free(entries[i]);
    }
    free(entries);
    if (names.n == 0)
        return ERR_OK;
    quote_add(&quoted, slice_str(path));
    return why_set(why, ERR_EXISTS, "expected %s to be empty, got [%s]", buf_cstr(&quoted),
                   buf_cstr(&names));
}

/* Make the folder for snapshots, which must be empty. */
static enum err make_target(const struct backup_options *o, struct why *why)
{
    struct why inner = {""};
    char *path = path_below(o->backup_dir, "member/snap");
    enum err e = dirs_make(path, &inner);
    if (e == ERR_OK)
        e = check_empty(path, &inner);
    if (e != ERR_OK)
        why_set(why, e, "failed creating backup snapshot dir %s: %.800s", path, inner.text);
    free(path);
    return e;
}

/* ---- all of it --------------------------------------------------------------------------- */

/* Wait for the database, saying so if that takes long. */
static enum err run_patiently(struct backup_options *o, struct why *why)
{
    enum err e = backup_run(o, why);
    if (e == ERR_LOCKED) {
        AUTO(buf) struct buf line = BUF_INIT;
        buf_addf(&line, "waiting to acquire lock on %s/member/snap/db", o->data_dir);
        say(buf_cstr(&line));
        o->lock_wait_ms = UPSTREAM_WAIT_FOR_EVER;
        e = backup_run(o, why);
    }
    return e == ERR_EXISTS ? why_set(why, e, "file already exists") : e; /* which is the log */
}

static const char *or_here(const char *dir)
{
    return dir[0] != '\0' ? dir : ".";
}

int run_backup(const struct context *c)
{
    struct backup_options o = {.data_dir = args_text(c->args, "data-dir"),
                               .wal_dir = args_text(c->args, "wal-dir"),
                               .backup_dir = args_text(c->args, "backup-dir"),
                               .backup_wal_dir = args_text(c->args, "backup-wal-dir"),
                               .with_v3 = args_bool(c->args, "with-v3"),
                               .lock_wait_ms = LOCK_PATIENCE_MS,
                               .say = say};
    struct why why = {""};
    enum err e = make_target(&o, &why);
    if (e == ERR_OK)
        e = check_source(&o, &why);
    o.data_dir = or_here(o.data_dir);
    o.backup_dir = or_here(o.backup_dir);
    if (e == ERR_OK)
        e = run_patiently(&o, &why);
    if (e != ERR_OK)
        say(why.text);
    return e == ERR_OK ? 0 : EXIT_BAD_ARGS;
}
