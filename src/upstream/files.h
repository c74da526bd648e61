/* upstream/files.h -- small things about files that the readers and the writers here share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_FILES_H
#define UPSTREAM_FILES_H

#include "base/mem.h"
#include "base/why.h"

/* Say that `doing` to `path` failed with `code`: ERR_NOT_FOUND, ERR_DISK_FULL or ERR_IO. */
enum err file_fail(struct why *why, const char *doing, const char *path, int code);

/* Read all of a file that is at most `max` bytes long. ERR_TOO_LARGE. */
MUST_USE enum err file_read(const char *path, size_t max, struct buf *ret, struct why *why);

/* Make a file of mode 0600 that is not there yet, with these bytes, and sync it. */
MUST_USE enum err file_create(const char *path, struct slice bytes, struct why *why);

/* Write all of it at the end of `fd`. */
MUST_USE enum err file_write(int fd, const char *path, struct slice bytes, struct why *why);

/* Make a directory, and those above it, with mode 0700, to last; one that is there is fine. */
MUST_USE enum err dirs_make(const char *path, struct why *why);

/* Sync a directory (or a file), so that it lasts. */
MUST_USE enum err path_sync(const char *path, struct why *why);

/* Return the path without slashes at its end, owned. */
char *path_without_slash(const char *path);

/* If `path` is `dir` or below it, however the two are spelled, return what follows `dir` in it (""
 * or
 * "/..."), owned; NULL if it is elsewhere. */
char *path_inside(const char *path, const char *dir);

/* True if nothing but `except` (may be NULL) is in the directory, or it is not there. */
bool dir_is_empty(const char *path, const char *except);

/* Remove a directory with all that is in it; what cannot be removed stays. */
void dir_remove(const char *path);

#endif
