/* config/file.c -- a whole configuration file in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "config/config.h"

static enum err file_error(struct why *why, const char *what, const char *path, int number)
{
    enum err e = number == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    return why_set(why, e, "%s %s: %s", what, path, errno_text(number).text);
}

static enum err fd_read(int fd, const char *path, struct buf *b, struct why *why)
{
    ssize_t n;
    do {
        n = read(fd, buf_reserve(b, 65536), 65536);
        if (n < 0 && errno != EINTR)
            return file_error(why, "read", path, errno);
        b->n += n > 0 ? (size_t)n : 0;
        if (b->n > CONFIG_FILE_MAX)
            return why_set(why, ERR_TOO_LARGE, "read %s: the file is larger than %d bytes", path,
                           CONFIG_FILE_MAX);
    } while (n != 0);
    return ERR_OK;
}

enum err file_read(const char *path, struct buf *b, struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd == -1)
        return file_error(why, "open", path, errno);
    enum err e = fd_read(fd, path, b, why);
    close(fd);
    return e;
}
