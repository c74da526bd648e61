/* base/stdio.c -- see stdio.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void stdio_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)open("/dev/null", O_RDWR); /* the lowest number that is free: fd */
    }
}

bool stdio_flush(void)
{
    errno = 0;
    bool earlier = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !earlier)
        return true;
    fprintf(stderr, "Error: standard output: %s\n", errno ? strerror(errno) : "not written");
    return false;
}
