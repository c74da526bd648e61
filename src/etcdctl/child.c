/* etcdctl/child.c -- see child.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/child.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "etcdctl/os_error.h"

void child_add_start_error(struct buf *b, const char *name, int error)
{
    if (!strchr(name, '/') && (error == ENOENT || error == EACCES)) {
        buf_addf(b, "exec: \"%s\": executable file not found in $PATH", name);
        return;
    }
    char *why = os_error(error);
    buf_addf(b, "fork/exec %s: %s", name, why);
    free(why);
}

void child_add_end(struct buf *b, int status)
{
    if (WIFEXITED(status)) {
        buf_addf(b, "exit status %d", WEXITSTATUS(status));
        return;
    }
    const char *name = strsignal(WTERMSIG(status));
    buf_addf(b, "signal: %c%s%s", tolower((unsigned char)name[0]), name + 1,
             WCOREDUMP(status) ? " (core dumped)" : "");
}
