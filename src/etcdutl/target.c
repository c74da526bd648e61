/* etcdutl/target.c -- see target.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "upstream/files.h"

enum { CACHE_SIZE = 32 * 1024 * 1024 };

struct target {
    char *data_dir, *work, *member, *wal_dir; /* wal_dir: as it is while in the making */
    char *kv_path, *log_path;
    char *vfs;
    bool made_data_dir, made_wal_dir, finished;
    bool beside_wal; /* the WAL directory holds what is not ours */
    bool has_owner;
    uid_t uid;
    gid_t gid;
};

/* ---- paths ---------------------------------------------------------------------------------- */

/* Where the WAL directory is meanwhile: one below member/ goes along with the rename. */
static char *wal_path(const struct target *t, const char *wal_dir, bool *ret_is_inside)
{
    size_t n = strlen(t->member);
    *ret_is_inside = strncmp(wal_dir, t->member, n) == 0 && (wal_dir[n] == '/' || !wal_dir[n]);
    return *ret_is_inside ? xasprintf("%s%s", t->work, wal_dir + n) : xstrdup(wal_dir);
}

static struct target *target_new(const struct target_options *o)
{
    struct target *t = xcalloc(1, sizeof *t);
    t->data_dir = path_without_slash(o->data_dir);
    t->work = xasprintf("%s/" TARGET_UNFINISHED, t->data_dir);
    t->member = xasprintf("%s/member", t->data_dir);
    t->kv_path = xasprintf("%s/kv.db", t->work);
    t->vfs = o->vfs != NULL ? xstrdup(o->vfs) : NULL;
    return t;
}

static void find_owner(struct target *t, const char *like)
{
    struct stat st;
    t->has_owner = stat(like, &st) == 0 && st.st_uid != geteuid();
    if (t->has_owner) {
        t->uid = st.st_uid;
        t->gid = st.st_gid;
    }
}

/* ---- begin ---------------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static enum err make_wal_dir(struct target *t, const char *wal_dir, bool beside_member,
                             struct why *why)
{
    bool is_inside;
    char *path = path_without_slash(wal_dir);
    t->wal_dir = wal_path(t, path, &is_inside);
    free(path);
    t->beside_wal = beside_member && !is_inside;
    char *log = xasprintf("%s/log.db", t->wal_dir);
    bool has_log = exists(log);
    free(log);
    if (has_log || (!is_inside && !t->beside_wal && !dir_is_empty(t->wal_dir, NULL)))
        return why_set(why, ERR_EXISTS, "wal-dir \"%s\" exists", wal_dir);
    t->made_wal_dir = !is_inside && !exists(t->wal_dir);
    return dirs_make(t->wal_dir, why);
}

enum err target_begin(const struct target_options *o, struct target **ret, struct why *why)
{
    AUTO(target) struct target *t = target_new(o);
    if (o->owner_like != NULL || exists(t->data_dir))
        find_owner(t, o->owner_like != NULL ? o->owner_like : t->data_dir);
    t->finished = true; /* nothing of ours is there yet */
    if (!o->beside_member && !dir_is_empty(t->data_dir, TARGET_UNFINISHED))
        return why_set(why, ERR_EXISTS, "data-dir \"%s\" not empty or could not be read",
                       o->data_dir);
    t->made_data_dir = !exists(t->data_dir);
    t->finished = false;
    dir_remove(t->work);
    enum err e = dirs_make(t->work, why);
    bool has_wal_dir = o->wal_dir != NULL && o->wal_dir[0] != '\0';
    if (e == ERR_OK && has_wal_dir)
        e = make_wal_dir(t, o->wal_dir, o->beside_member, why);
    if (e != ERR_OK)
        return e;
    t->log_path = xasprintf("%s/log.db", has_wal_dir ? t->wal_dir : t->work);
    *ret = t;
    t = NULL;
    return ERR_OK;
}

enum err target_open_kv(struct target *t, struct kvdb **ret, struct why *why)
{
    struct kvdb_options o = {
        .create = true, .bulk = true, .writer_cache_size = CACHE_SIZE, .vfs = t->vfs};
    return kvdb_open(t->kv_path, &o, ret, why);
}

enum err target_open_log(struct target *t, struct logdb **ret, struct why *why)
{
    struct logdb_options o = {.create = true, .no_sync = true, .vfs = t->vfs};
    return logdb_open(t->log_path, &o, ret, why);
}

const char *target_path(const struct target *t)
{
    return t->work;
}

/* ---- finish --------------------------------------------------------------------------------- */

static enum err own_and_sync(const struct target *t, const char *path, struct why *why)
{
    if (t->has_owner && lchown(path, t->uid, t->gid) == -1)
        return file_fail(why, "give to its owner", path, errno);
    return path_sync(path, why);
}

static bool is_log(const char *name)
{
    return strncmp(name, "log.db", 6) == 0;
}

/* The files of a directory, then the directory; only those of our log where others have some. */
static enum err settle_dir(const struct target *t, const char *path, bool only_log,
                           struct why *why)
{
    DIR *d = opendir(path);
    if (d == NULL)
        return file_fail(why, "open", path, errno);
    enum err e = ERR_OK;
    struct dirent *ent;
    struct stat st;
    while (e == ERR_OK && (ent = readdir(d)) != NULL) {
        if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0 ||
            (only_log && !is_log(ent->d_name)))
            continue;
        char *name = xasprintf("%s/%s", path, ent->d_name);
        if (lstat(name, &st) == 0 && S_ISDIR(st.st_mode))
            e = settle_dir(t, name, false, why);
        else
            e = own_and_sync(t, name, why);
        free(name);
    }
    closedir(d);
    if (e != ERR_OK)
        return e;
    return only_log ? path_sync(path, why) : own_and_sync(t, path, why);
}

static enum err rename_path(const char *from, const char *to, struct why *why)
{
    return rename(from, to) == 0 ? ERR_OK : file_fail(why, "rename", from, errno);
}

/* Two renames, where the file system cannot swap; the first is taken back if the second fails. */
static enum err put_aside(struct target *t, const char *old_member, struct why *why)
{
    enum err e = rename_path(t->member, old_member, why);
    if (e != ERR_OK)
        return e;
    e = rename_path(t->work, t->member, why);
    if (e != ERR_OK)
        (void)rename(old_member, t->member);
    return e;
}

/* Never is there no member: etcd would take the directory for one of a new cluster. So the new one
 * gets the name of what is put aside, and then the two are swapped. */
static enum err take_place(struct target *t, const char *old_member, struct why *why)
{
    enum err e = rename_path(t->work, old_member, why);
    if (e != ERR_OK)
        return e;
    if (renameat2(AT_FDCWD, old_member, AT_FDCWD, t->member, RENAME_EXCHANGE) == 0)
        return ERR_OK;
    int code = errno;
    e = rename_path(old_member, t->work, why);
    if (e == ERR_OK && code != EINVAL && code != ENOSYS)
        e = file_fail(why, "put aside", t->member, code);
    return e == ERR_OK ? put_aside(t, old_member, why) : e;
}

enum err target_finish(struct target *t, const char *old_member, struct why *why)
{
    enum err e = ERR_OK;
    if (t->wal_dir != NULL)
        e = settle_dir(t, t->wal_dir, t->beside_wal, why);
    if (e == ERR_OK)
        e = settle_dir(t, t->work, false, why);
    if (e == ERR_OK && t->made_data_dir)
        e = own_and_sync(t, t->data_dir, why);
    if (e == ERR_OK)
        e = old_member != NULL ? take_place(t, old_member, why)
                               : rename_path(t->work, t->member, why);
    if (e != ERR_OK)
        return e;
    t->finished = true;
    e = path_sync(t->data_dir, why);
    char *parent = xasprintf("%s/..", t->data_dir);
    if (e == ERR_OK && t->made_data_dir)
        e = path_sync(parent, why);
    free(parent);
    return e;
}

static void remove_unfinished(struct target *t)
{
    dir_remove(t->work);
    if (t->made_wal_dir) {
        dir_remove(t->wal_dir);
    } else if (t->wal_dir != NULL && t->log_path != NULL) {
        static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
            char *path = xasprintf("%s%s", t->log_path, suffixes[i]);
            (void)unlink(path);
            free(path);
        }
    }
    if (t->made_data_dir)
        (void)rmdir(t->data_dir);
}

void target_free(struct target *t)
{
    if (t == NULL)
        return;
    if (!t->finished)
        remove_unfinished(t);
    free(t->data_dir);
    free(t->work);
    free(t->member);
    free(t->wal_dir);
    free(t->kv_path);
    free(t->log_path);
    free(t->vfs);
    free(t);
}
