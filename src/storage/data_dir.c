/* storage/data_dir.c -- see data_dir.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { WARNINGS_MAX = 16 };

/* Upstream's etcd would find nothing of its own in our member/, and begin an empty member under the same
 * name. It ends instead, and names this path, where it cannot have its directory of snapshots. */
#define GUARD "snap"

static const char guard_text[] =
    "The data in this directory (kv.db, log.db) can be read by the etcd that made them, and by no other\n"
    "release of etcd. This file stands where the others keep their snapshots, so that none of them starts\n"
    "here without the data. With that etcd, stopped, this makes data that another release can read:\n"
    "    etcdutl export --data-dir DATA-DIR --to NEW-DATA-DIR\n"
    "To begin without these data, move this directory away.\n";

struct data_dir {
    char *path;
    char *member_path;
    char *wal_path; /* where log.db is; member_path if it has no place of its own */
    char *kv_path;
    char *log_path;
    int lock_fd;
    int wal_lock_fd; /* -1 if wal_path is member_path */
    bool has_kv, has_log;
    char *warnings[WARNINGS_MAX];
    size_t warnings_n;
};

static void add_warning(struct data_dir *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Keep a sentence; what does not fit is dropped, the first ones say enough. */
static void add_warning(struct data_dir *d, const char *fmt, ...)
{
    if (d->warnings_n == WARNINGS_MAX)
        return;
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    d->warnings[d->warnings_n++] = buf_take_cstr(&b);
}

/* Say that `doing` to `path` failed with `code`, and what an administrator can do about it. */
static enum err fail(struct why *why, const char *doing, const char *path, int code)
{
    if (code == ENOENT)
        return why_set(why, ERR_NOT_FOUND, "%s '%s': %s", doing, path, strerror(code));
    if (code == EROFS || code == EACCES || code == EPERM)
        return why_set(why, ERR_IO,
                       "%s '%s': %s. If systemd runs etcd, give it this place with a drop-in:"
                       " write '[Service]' and 'ReadWritePaths=%s' on two lines to"
                       " /etc/systemd/system/etcd.service.d/data-dir.conf, then run"
                       " 'systemctl daemon-reload'; and see that it is there and that the user of"
                       " the service owns it",
                       doing, path, strerror(code), path);
    bool is_full = code == ENOSPC || code == EDQUOT;
    return why_set(why, is_full ? ERR_DISK_FULL : ERR_IO, "%s '%s': %s", doing, path,
                   strerror(code));
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Make a directory and those above it, mode 0700. */
static enum err make_dirs(const char *path, struct why *why)
{
    AUTO(buf) struct buf part = BUF_INIT;
    for (const char *p = path; *p != '\0';) {
        const char *slash = strchr(p + 1, '/');
        p = slash ? slash : p + strlen(p);
        buf_clear(&part);
        buf_add(&part, path, (size_t)(p - path));
        int code = mkdir(buf_cstr(&part), 0700) == -1 ? errno : 0;
        if (code != 0 && code != EEXIST && !exists(buf_cstr(&part)))
            return fail(why, "create directory", path, code);
    }
    return ERR_OK;
}

/* Warn about a directory that others may enter; fail if it is none. */
static enum err check_mode(struct data_dir *d, const char *path, struct why *why)
{
    struct stat st;
    if (stat(path, &st) == -1)
        return fail(why, "open", path, errno);
    if (!S_ISDIR(st.st_mode))
        return fail(why, "open", path, ENOTDIR);
    if ((st.st_mode & 077) != 0)
        add_warning(d, "'%s' has mode %04o: others on this host may get at the data; 0700 is right",
                    path, (unsigned)(st.st_mode & 07777));
    return ERR_OK;
}

/* ---- looking into directories --------------------------------------------------------------- */

/* Call `fn` for the names in `path`, until it returns false. */
static enum err each_name(const char *path, bool (*fn)(void *arg, const char *name), void *arg,
                          struct why *why)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return fail(why, "open", path, errno);
    struct dirent *ent;
    while ((errno = 0, ent = readdir(dir)) != NULL) {
        if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0 &&
            !fn(arg, ent->d_name))
            break;
    }
    int code = ent == NULL ? errno : 0;
    closedir(dir);
    return code ? fail(why, "read", path, code) : ERR_OK;
}

struct suffix_search {
    const char *suffix;
    bool is_found;
};

static bool name_has_suffix(void *arg, const char *name)
{
    struct suffix_search *s = arg;
    size_t n = strlen(name), m = strlen(s->suffix);
    s->is_found = n >= m && strcmp(name + n - m, s->suffix) == 0;
    return !s->is_found;
}

/* True if there is a file with this suffix in `dir`/`sub`. */
static bool has_file(const char *dir, const char *sub, const char *suffix)
{
    struct suffix_search s = {.suffix = suffix};
    char *path = xasprintf("%s/%s", dir, sub);
    enum err e = each_name(path, name_has_suffix, &s, NULL);
    free(path);
    return e == ERR_OK && s.is_found;
}

static bool exists_in(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    bool is_there = exists(path);
    free(path);
    return is_there;
}

/* Recognise what must not be opened: upstream's files, and what upstream would not open either. */
static enum err check_foreign(const struct data_dir *d, struct why *why)
{
    bool has_wal_dir = strcmp(d->wal_path, d->member_path) != 0;
    if (exists(d->member_path) && exists_in(d->path, "proxy"))
        return why_set(why, ERR_INVALID,
                       "invalid datadir. Both member and proxy directories exist.");
    if (exists_in(d->member_path, "snap/db") || has_file(d->member_path, "snap", ".snap") ||
        has_file(d->member_path, "wal", ".wal") || has_file(d->wal_path, "", ".wal"))
        return why_set(why, ERR_FOREIGN_DATA,
                       "'%s' holds the data of another implementation of etcd (member/snap,"
                       " member/wal), which is left as it is; run: etcdutl import --from %s%s%s"
                       " - it makes data of this one in their place and keeps them in"
                       " member.upstream-DATE",
                       d->path, d->path, has_wal_dir ? " --wal-dir " : "",
                       has_wal_dir ? d->wal_path : "");
    return ERR_OK;
}

/* ---- entries -------------------------------------------------------------------------------- */

static bool is_known(const char *name)
{
    static const char *const known[] = {
        "lock",   "kv.db",      "kv.db-wal",  "kv.db-shm", "kv.db-journal",
        "log.db", "log.db-wal", "log.db-shm", "log.db-journal", GUARD,
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(name, known[i]) == 0)
            return true;
    }
    return false;
}

/* A spool is removed: whoever made it is dead, for we have the lock. */
static bool look_at_member_entry(void *arg, const char *name)
{
    struct data_dir *d = arg;
    if (strncmp(name, DATA_DIR_SPOOL_PREFIX, strlen(DATA_DIR_SPOOL_PREFIX)) == 0) {
        char *path = xasprintf("%s/%s", d->member_path, name);
        if (unlink(path) == -1)
            add_warning(d, "cannot remove '%s': %s", path, strerror(errno));
        free(path);
    } else if (!is_known(name)) {
        add_warning(d, "'%s/%s' is not etcd's", d->member_path, name);
    }
    return true;
}

/* What `etcdutl import` put aside is the administrator's to remove. */
static bool is_put_aside(const char *name)
{
    static const char prefix[] = "member.upstream-";
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool look_at_entry(void *arg, const char *name)
{
    struct data_dir *d = arg;
    if (strcmp(name, "member") != 0 && strcmp(name, "lost+found") != 0 && !is_put_aside(name))
        add_warning(d, "'%s/%s' is not etcd's", d->path, name);
    return true;
}

/* ---- the lock ------------------------------------------------------------------------------- */

/* Read the pid that a lock file names; "another process" if it names none. */
static const char *lock_holder(int fd, char buf[64])
{
    char pid[32];
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    size_t digits = n > 0 ? strspn((pid[n] = '\0', pid), "0123456789") : 0;
    if (digits == 0)
        return "another process";
    snprintf(buf, 64, "process %.*s", (int)digits, pid);
    return buf;
}

/* A lock that root makes belongs to whom the directory belongs, who could not open it else. */
static void give_lock(int fd, const char *dir)
{
    struct stat st;
    if (geteuid() == 0 && stat(dir, &st) == 0 && st.st_uid != 0 &&
        fchown(fd, st.st_uid, st.st_gid) == -1)
        return; /* a file system without owners: what the owner may open is decided elsewhere */
}

/* Lock `dir`; the lock lasts as long as the descriptor. */
static enum err take_lock(const char *dir, int *ret_fd, struct why *why)
{
    char *path = xasprintf("%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int code = errno;
    free(path);
    if (fd == -1)
        return fail(why, "lock", dir, code);
    give_lock(fd, dir);
    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        char buf[64];
        code = errno;
        enum err e = code == EWOULDBLOCK
                         ? why_set(why, ERR_LOCKED, "'%s' is in use by %s; stop it first", dir,
                                   lock_holder(fd, buf))
                         : fail(why, "lock", dir, code);
        close(fd);
        return e;
    }
    if (ftruncate(fd, 0) == -1 || dprintf(fd, "%ld\n", (long)getpid()) < 0) {
        code = errno;
        close(fd);
        return fail(why, "write the lock of", dir, code);
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void put_guard(struct data_dir *d)
{
    char *path = xasprintf("%s/" GUARD, d->member_path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1 && errno != EEXIST)
        add_warning(d, "cannot make '%s', without which another etcd may start here: %s", path,
                    strerror(errno));
    if (fd != -1 && write(fd, guard_text, sizeof guard_text - 1) == -1)
        add_warning(d, "cannot write '%s': %s", path, strerror(errno)); /* empty, it guards as well */
    if (fd != -1)
        close(fd);
    free(path);
}

/* "a" and "a/" are the same place. */
static char *path_without_slash(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return xstrndup(path, n);
}

static struct data_dir *data_dir_new(const struct data_dir_options *o)
{
    struct data_dir *d = xcalloc(1, sizeof *d);
    d->lock_fd = d->wal_lock_fd = -1;
    d->path = path_without_slash(o->path);
    d->member_path = xasprintf("%s/member", d->path);
    bool has_wal_dir = o->wal_dir != NULL && o->wal_dir[0] != '\0';
    d->wal_path = has_wal_dir ? path_without_slash(o->wal_dir) : xstrdup(d->member_path);
    d->kv_path = xasprintf("%s/kv.db", d->member_path);
    d->log_path = xasprintf("%s/log.db", d->wal_path);
    return d;
}

static enum err open_dirs(struct data_dir *d, bool create, struct why *why)
{
    const char *const paths[] = {d->path, d->member_path, d->wal_path};
    size_t n = strcmp(d->wal_path, d->member_path) == 0 ? 2 : 3;
    for (size_t i = 0; i < n; i++) {
        enum err e = create ? make_dirs(paths[i], why) : ERR_OK;
        if (e == ERR_OK)
            e = check_mode(d, paths[i], why);
        if (e != ERR_OK)
            return e;
    }
    enum err e = take_lock(d->member_path, &d->lock_fd, why);
    if (e == ERR_OK && n == 3)
        e = take_lock(d->wal_path, &d->wal_lock_fd, why);
    return e;
}

static enum err check_entries(struct data_dir *d, struct why *why)
{
    enum err e = each_name(d->member_path, look_at_member_entry, d, why);
    if (e == ERR_OK)
        e = each_name(d->path, look_at_entry, d, why);
    if (e != ERR_OK)
        return e;
    d->has_kv = exists(d->kv_path);
    d->has_log = exists(d->log_path);
    if (d->has_kv && !d->has_log)
        return why_set(why, ERR_INVALID, /* may well come back: of a file system not mounted yet */
                       "'%s' is there, but its log '%s' is not: was the wal-dir changed, or not"
                       " mounted? Without its log this member cannot keep what it promised",
                       d->kv_path, d->log_path);
    return ERR_OK;
}

enum err data_dir_open(const struct data_dir_options *options, struct data_dir **ret_dir,
                       struct why *why)
{
    AUTO(data_dir) struct data_dir *d = data_dir_new(options);
    enum err e = check_foreign(d, why);
    if (e == ERR_OK)
        e = open_dirs(d, options->create, why);
    if (e == ERR_OK)
        e = check_entries(d, why);
    if (e != ERR_OK)
        return e;
    if (options->create)
        put_guard(d);
    *ret_dir = d;
    d = NULL;
    return ERR_OK;
}

void data_dir_close(struct data_dir *d)
{
    if (d == NULL)
        return;
    if (d->lock_fd != -1)
        close(d->lock_fd);
    if (d->wal_lock_fd != -1)
        close(d->wal_lock_fd);
    for (size_t i = 0; i < d->warnings_n; i++)
        free(d->warnings[i]);
    free(d->path);
    free(d->member_path);
    free(d->wal_path);
    free(d->kv_path);
    free(d->log_path);
    free(d);
}

/* ---- what it is ----------------------------------------------------------------------------- */

const char *data_dir_member_path(const struct data_dir *d)
{
    return d->member_path;
}

const char *data_dir_kv_path(const struct data_dir *d)
{
    return d->kv_path;
}

const char *data_dir_log_path(const struct data_dir *d)
{
    return d->log_path;
}

bool data_dir_has_log(const struct data_dir *d)
{
    return d->has_log;
}

bool data_dir_has_kv(const struct data_dir *d)
{
    return d->has_kv;
}

const char *data_dir_warning(const struct data_dir *d, size_t i)
{
    return i < d->warnings_n ? d->warnings[i] : NULL;
}

static enum err sync_dir(const char *dir, const char *name, struct why *why)
{
    char *path = xasprintf("%s%s", dir, name);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = ERR_OK;
    /* A parent that we may pass through and not read cannot be synced by us. */
    if (fd == -1 && !(errno == EACCES && name[0] != '\0'))
        e = fail(why, "open", path, errno);
    else if (fd != -1 && fsync(fd) == -1)
        e = fail(why, "sync", path, errno);
    if (fd != -1)
        close(fd);
    free(path);
    return e;
}

enum err data_dir_sync(const struct data_dir *d, struct why *why)
{
    enum err e = sync_dir(d->member_path, "", why);
    if (e == ERR_OK)
        e = sync_dir(d->path, "", why);
    if (e == ERR_OK)
        e = sync_dir(d->path, "/..", why);
    if (e == ERR_OK && d->wal_lock_fd != -1)
        e = sync_dir(d->wal_path, "", why);
    if (e == ERR_OK && d->wal_lock_fd != -1)
        e = sync_dir(d->wal_path, "/..", why);
    return e;
}
