/* etcdctl/main.c -- etcdctl, the client program.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "etcdctl/commands.h"
#include "etcdctl/settings_file.h"

/* Become the program of the v2 commands: the one beside this (a tree that was built), or the installed
 * one. Return only if there is none. */
static int become_v2(char **argv)
{
    static const char name[] = "etcdctl-v2";
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        char *beside = xasprintf("%.*s/%s", slash ? (int)(slash - self) : 0, self, name);
        execv(beside, argv);
        free(beside);
    }
    execv(V2_PROGRAM, argv);
    return cli_fail(CLI_ERROR, "cannot run %s: %s", V2_PROGRAM, strerror(errno));
}

int main(int argc, char **argv)
{
    settings_file_apply();
    const char *api = getenv("ETCDCTL_API");
    bool v2 = api != NULL && strcmp(api, "2") == 0;
    if (api != NULL && api[0] != '\0' && !v2 && strcmp(api, "3") != 0) {
        fprintf(stderr, "unsupported API version %s\n", api);
        return CLI_ERROR;
    }
    unsetenv("ETCDCTL_API"); /* it is no flag of a command, nor meant for what a command starts */
    if (v2)
        return become_v2(argv);
    return cli_main(&etcdctl_program, argc, argv);
}
