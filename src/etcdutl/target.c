/* etcdutl/target.c -- see target.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "upstream/files.h"

enum {
    CACHE_SIZE = 32 * 1024 * 1024,
    LOCK_STEP_MS = 50,
    LOCK_TRIES = 40,
};

struct target {
    char *data_dir, *work, *member;
    char *wal_dir, *wal_work; /* NULL if log.db goes along with member/ */
    char *kv_path, *log_path;
    int lock_fd, wal_lock_fd; /* of the directories: one at a time */
    char *vfs;
    bool made_data_dir, made_wal_dir, moved_log, finished;
    bool has_owner;
    uid_t uid;
    gid_t gid;
};

/* ---- paths ---------------------------------------------------------------------------------- */

static struct target *target_new(const struct target_options *o)
{
    struct target *t = xcalloc(1, sizeof *t);
    t->data_dir = path_without_slash(o->data_dir);
    t->work = xasprintf("%s/" TARGET_UNFINISHED, t->data_dir);
    t->member = xasprintf("%s/member", t->data_dir);
    t->kv_path = xasprintf("%s/kv.db", t->work);
    t->vfs = o->vfs != NULL ? xstrdup(o->vfs) : NULL;
    t->lock_fd = t->wal_lock_fd = -1;
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

/* Two of us would write to the same files. One that was killed may take a moment to be gone. A file
 * system without locks is taken as it is. */
static enum err lock_dir(const char *path, int *ret_fd, struct why *why)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_fd == -1)
        return file_fail(why, "open", path, errno);
    for (int i = 0; flock(*ret_fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK; i++) {
        if (i == LOCK_TRIES)
            return why_set(why, ERR_LOCKED, "another etcdutl is at work in '%s'", path);
        (void)nanosleep(&step, NULL);
    }
    return ERR_OK;
}

/* Is the place free, or still upstream's? Another run may have ended meanwhile. */
static enum err check_place(const struct target *t, const struct target_options *o, struct why *why)
{
    if (!o->beside_member)
        return dir_is_empty(t->data_dir, TARGET_UNFINISHED)
                   ? ERR_OK
                   : why_set(why, ERR_EXISTS, "data-dir \"%s\" not empty or could not be read",
                             o->data_dir);
    char *kv = xasprintf("%s/kv.db", t->member);
    bool is_ours = exists(kv);
    free(kv);
    return is_ours ? why_set(why, ERR_EXISTS, "'%s' holds data of this etcd already", o->data_dir)
                   : ERR_OK;
}

/* A WAL directory below member/ goes along with it. */
static enum err make_wal_dir(struct target *t, const struct target_options *o, struct why *why)
{
    char *inside = path_inside(o->wal_dir, t->member);
    if (inside != NULL) {
        char *path = xasprintf("%s%s", t->work, inside);
        t->log_path = xasprintf("%s/log.db", path);
        enum err e = dirs_make(path, why);
        free(path);
        free(inside);
        return e;
    }
    t->wal_dir = path_without_slash(o->wal_dir);
    char *log = xasprintf("%s/log.db", t->wal_dir);
    bool is_taken =
        exists(log) || (!o->beside_member && !dir_is_empty(t->wal_dir, TARGET_UNFINISHED));
    free(log);
    if (is_taken)
        return why_set(why, ERR_EXISTS, "wal-dir \"%s\" exists", o->wal_dir);
    t->made_wal_dir = !exists(t->wal_dir);
    enum err e = dirs_make(t->wal_dir, why);
    if (e == ERR_OK)
        e = lock_dir(t->wal_dir, &t->wal_lock_fd, why);
    if (e != ERR_OK)
        return e;
    t->wal_work = xasprintf("%s/" TARGET_UNFINISHED, t->wal_dir);
    t->log_path = xasprintf("%s/log.db", t->wal_work);
    dir_remove(t->wal_work);
    return dirs_make(t->wal_work, why);
}

static enum err make_dirs(struct target *t, const struct target_options *o, struct why *why)
{
    t->made_data_dir = !exists(t->data_dir);
    enum err e = dirs_make(t->data_dir, why);
    if (e == ERR_OK)
        e = lock_dir(t->data_dir, &t->lock_fd, why);
    if (e == ERR_OK)
        e = check_place(t, o, why);
    if (e != ERR_OK)
        return e;
    t->finished = false;
    dir_remove(t->work);
    e = dirs_make(t->work, why);
    if (e == ERR_OK && o->wal_dir != NULL && o->wal_dir[0] != '\0')
        return make_wal_dir(t, o, why);
    t->log_path = xasprintf("%s/log.db", t->work);
    return e;
}

enum err target_begin(const struct target_options *o, struct target **ret, struct why *why)
{
    AUTO(target) struct target *t = target_new(o);
    if (o->owner_like != NULL || exists(t->data_dir))
        find_owner(t, o->owner_like != NULL ? o->owner_like : t->data_dir);
    t->finished = true; /* nothing of ours is there yet */
    enum err e = check_place(t, o, why);
    if (e == ERR_OK)
        e = make_dirs(t, o, why);
    if (e != ERR_OK)
        return e;
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

const char *target_kv_path(const struct target *t)
{
    return t->kv_path;
}

const char *target_log_path(const struct target *t)
{
    return t->log_path;
}

/* ---- finish --------------------------------------------------------------------------------- */

static enum err own_and_sync(const struct target *t, const char *path, struct why *why)
{
    if (t->has_owner && lchown(path, t->uid, t->gid) == -1)
        return file_fail(why, "give to its owner", path, errno);
    return path_sync(path, why);
}

/* The files of a directory, then the directory. */
static enum err settle_dir(const struct target *t, const char *path, struct why *why)
{
    DIR *d = opendir(path);
    if (d == NULL)
        return file_fail(why, "open", path, errno);
    enum err e = ERR_OK;
    struct dirent *ent;
    struct stat st;
    while (e == ERR_OK && (ent = readdir(d)) != NULL) {
        if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
            continue;
        char *name = xasprintf("%s/%s", path, ent->d_name);
        if (lstat(name, &st) == 0 && S_ISDIR(st.st_mode))
            e = settle_dir(t, name, why);
        else
            e = own_and_sync(t, name, why);
        free(name);
    }
    closedir(d);
    return e == ERR_OK ? own_and_sync(t, path, why) : e;
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

/* The log is in its one file; what SQLite had beside it is not needed. */
static enum err move_log(const char *wal_dir, struct why *why)
{
    char *work = xasprintf("%s/" TARGET_UNFINISHED, wal_dir);
    char *from = xasprintf("%s/log.db", work), *to = xasprintf("%s/log.db", wal_dir);
    enum err e = exists(from) ? rename_path(from, to, why) : ERR_OK;
    if (e == ERR_OK)
        dir_remove(work);
    if (e == ERR_OK)
        e = path_sync(wal_dir, why);
    free(work);
    free(from);
    free(to);
    return e;
}

static enum err settle(const struct target *t, struct why *why)
{
    enum err e = t->wal_dir != NULL ? settle_dir(t, t->wal_work, why) : ERR_OK;
    if (e == ERR_OK && t->made_wal_dir)
        e = own_and_sync(t, t->wal_dir, why);
    if (e == ERR_OK)
        e = settle_dir(t, t->work, why);
    if (e == ERR_OK && t->made_data_dir)
        e = own_and_sync(t, t->data_dir, why);
    return e;
}

enum err target_finish(struct target *t, const char *old_member, struct why *why)
{
    enum err e = settle(t, why);
    if (e == ERR_OK && t->wal_dir != NULL && old_member == NULL) {
        e = move_log(t->wal_dir, why);
        t->moved_log = e == ERR_OK;
    }
    if (e == ERR_OK)
        e = old_member != NULL ? take_place(t, old_member, why)
                               : rename_path(t->work, t->member, why);
    if (e != ERR_OK)
        return e;
    t->finished = true;
    e = path_sync(t->data_dir, why);
    return e == ERR_OK && t->wal_dir != NULL && old_member != NULL ? move_log(t->wal_dir, why) : e;
}

/* ---- ending what was interrupted ------------------------------------------------------------ */

static enum err check_identity(const char *log_path, uint64_t cluster_id, member_id id,
                               struct why *why)
{
    AUTO(logdb) struct logdb *log = NULL;
    struct logdb_options o = {.no_sync = true};
    struct logdb_start start;
    enum err e = logdb_open(log_path, &o, &log, why);
    if (e == ERR_OK)
        e = logdb_load(log, NULL, NULL, &start, why);
    if (e == ERR_OK && (start.cluster_id != cluster_id || start.member_id != id))
        e = why_set(why, ERR_INVALID, "'%s' is not the log of the same member", log_path);
    return e;
}

enum err target_resume(const char *data_dir, const char *wal_dir, uint64_t cluster_id, member_id id,
                       struct why *why)
{
    int lock_fd;
    char *path = xasprintf("%s/" TARGET_UNFINISHED "/log.db", wal_dir);
    if (!exists(path)) {
        free(path);
        path = xasprintf("%s/log.db", wal_dir);
    }
    enum err e = lock_dir(data_dir, &lock_fd, why);
    if (e == ERR_OK)
        e = check_identity(path, cluster_id, id, why);
    if (e == ERR_OK)
        e = move_log(wal_dir, why);
    if (lock_fd != -1)
        close(lock_fd);
    free(path);
    return e;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void remove_unfinished(struct target *t)
{
    dir_remove(t->work);
    if (t->wal_work != NULL)
        dir_remove(t->wal_work);
    if (t->moved_log) {
        char *log = xasprintf("%s/log.db", t->wal_dir);
        (void)unlink(log);
        free(log);
    }
    if (t->made_wal_dir)
        (void)rmdir(t->wal_dir);
    if (t->made_data_dir)
        (void)rmdir(t->data_dir);
}

void target_free(struct target *t)
{
    if (t == NULL)
        return;
    if (!t->finished)
        remove_unfinished(t);
    if (t->lock_fd != -1)
        close(t->lock_fd);
    if (t->wal_lock_fd != -1)
        close(t->wal_lock_fd);
    free(t->data_dir);
    free(t->work);
    free(t->member);
    free(t->wal_dir);
    free(t->wal_work);
    free(t->kv_path);
    free(t->log_path);
    free(t->vfs);
    free(t);
}
