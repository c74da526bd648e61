/* upstream/files.c -- see files.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WALK_FDS = 16 };

enum err file_fail(struct why *why, const char *doing, const char *path, int code)
{
    bool is_full = code == ENOSPC || code == EDQUOT || code == EFBIG;
    enum err e = is_full ? ERR_DISK_FULL : code == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    return why_set(why, e, "%s %s: %s", doing, path, errno_text(code).text);
}

enum err file_read(const char *path, size_t max, struct buf *ret, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return file_fail(why, "open", path, errno);
    enum err e = ERR_OK;
    for (ssize_t n = 1; e == ERR_OK && n != 0;) {
        enum { PART = 64 * 1024 };
        n = read(fd, buf_reserve(ret, PART), PART);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            e = file_fail(why, "read", path, errno);
        else if (ret->n + (size_t)n > max)
            e = why_set(why, ERR_TOO_LARGE, "'%s' has more than %zu bytes", path, max);
        else
            ret->n += (size_t)n;
    }
    close(fd);
    return e;
}

enum err file_write(int fd, const char *path, struct slice bytes, struct why *why)
{
    while (bytes.n != 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return file_fail(why, "write", path, errno);
        bytes = slice_make(bytes.p + n, bytes.n - (size_t)n);
    }
    return ERR_OK;
}

enum err file_create(const char *path, struct slice bytes, struct why *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd == -1)
        return file_fail(why, "create", path, errno);
    enum err e = file_write(fd, path, bytes, why);
    if (e == ERR_OK && fsync(fd) == -1)
        e = file_fail(why, "sync", path, errno);
    close(fd);
    return e;
}

/* A directory that was just made lasts when the one above it is synced. One that we may pass
 * through and not read cannot be synced by us. */
static enum err sync_above(const char *path, struct why *why)
{
    char *above = xasprintf("%s/..", path);
    enum err e = access(above, R_OK) == 0 ? path_sync(above, why) : ERR_OK;
    free(above);
    return e;
}

enum err dirs_make(const char *path, struct why *why)
{
    AUTO(buf) struct buf part = BUF_INIT;
    for (const char *p = path; *p != '\0';) {
        const char *slash = strchr(p + 1, '/');
        p = slash ? slash : p + strlen(p);
        buf_clear(&part);
        buf_add(&part, path, (size_t)(p - path));
        if (mkdir(buf_cstr(&part), 0700) == -1) {
            if (errno != EEXIST)
                return file_fail(why, "mkdir", buf_cstr(&part), errno);
            continue;
        }
        enum err e = sync_above(buf_cstr(&part), why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

enum err path_sync(const char *path, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return file_fail(why, "open", path, errno);
    enum err e = fsync(fd) == -1 ? file_fail(why, "sync", path, errno) : ERR_OK;
    close(fd);
    return e;
}

char *path_without_slash(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return xstrndup(path, n);
}

/* Resolve links in what is there of the path; what is not there yet is kept as it is. With
 * `keep_last` a link in the last place stays one: it goes where its directory goes. Owned. */
static char *path_resolve(const char *path, bool keep_last)
{
    char *real = keep_last ? NULL : realpath(path, NULL);
    if (real != NULL || strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
        return real != NULL ? real : xstrdup(path);
    char *parent = path_without_slash(path), *slash = strrchr(parent, '/');
    char *name = xstrdup(slash == NULL ? parent : slash + 1);
    if (slash != NULL)
        *slash = '\0';
    char *above = path_resolve(slash == NULL ? "." : slash == parent ? "/" : parent, false);
    real = xasprintf("%s/%s", strcmp(above, "/") == 0 ? "" : above, name);
    free(above);
    free(name);
    free(parent);
    return real;
}

static char *rest_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    bool is_below = strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
    return is_below ? xstrdup(path + n) : NULL;
}

char *path_inside(const char *path, const char *dir)
{
    char *real_dir = path_resolve(dir, false), *link = path_resolve(path, true);
    char *rest = rest_below(link, real_dir);
    if (rest == NULL) {
        char *real = path_resolve(path, false);
        rest = rest_below(real, real_dir);
        free(real);
    }
    free(real_dir);
    free(link);
    return rest;
}

bool dir_is_empty(const char *path, const char *except)
{
    DIR *d = opendir(path);
    if (d == NULL)
        return errno == ENOENT;
    struct dirent *ent;
    bool is_empty = true;
    while (is_empty && (ent = readdir(d)) != NULL)
        is_empty = strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0 ||
                   strcmp(ent->d_name, "lost+found") == 0 ||
                   (except != NULL && strcmp(ent->d_name, except) == 0);
    closedir(d);
    return is_empty;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    (void)remove(path);
    return 0;
}

void dir_remove(const char *path)
{
    (void)nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
