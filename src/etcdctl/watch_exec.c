/* etcdctl/watch_exec.c -- the program that watch runs for each event.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/watch_exec.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/quote.h"
#include "etcdctl/child.h"

enum {
    OWN_VARIABLES = 4,
};

static char *setting(const char *name, struct slice value)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "%s=", name);
    quote_add(&b, value);
    return buf_take_cstr(&b);
}

static struct slice bytes(ProtobufCBinaryData d)
{
    return slice_make(d.data, d.len);
}

/* Our environment, and the event in it. The last OWN_VARIABLES and the array are the caller's. */
static char **make_env(int64_t revision, const Mvccpb__Event *event, size_t *ret_own)
{
    static const Mvccpb__KeyValue none = MVCCPB__KEY_VALUE__INIT;
    const Mvccpb__KeyValue *kv = event->kv ? event->kv : &none;
    size_t n = 0;
    while (environ[n])
        n++;
    char **env = xcalloc(n + OWN_VARIABLES + 1, sizeof(*env));
    memcpy(env, environ, n * sizeof(*env));
    *ret_own = n;
    env[n++] = xasprintf("ETCD_WATCH_REVISION=%" PRId64, revision);
    env[n++] = xasprintf("ETCD_WATCH_EVENT_TYPE=\"%s\"",
                         event->type == MVCCPB__EVENT__EVENT_TYPE__PUT ? "PUT" : "DELETE");
    env[n++] = setting("ETCD_WATCH_KEY", bytes(kv->key));
    env[n++] = setting("ETCD_WATCH_VALUE", bytes(kv->value));
    return env;
}

static int fail(char *const *argv, const char *why)
{
    AUTO(buf) struct buf b = BUF_INIT;
    for (size_t i = 0; argv[i]; i++) {
        buf_add_str(&b, i ? " " : "");
        quote_add(&b, slice_str(argv[i]));
    }
    fprintf(stderr, "command [%s] error (%s)\n", buf_cstr(&b), why);
    return CLI_ERROR;
}

int watch_exec(char *const *argv, int64_t revision, const Mvccpb__Event *event)
{
    size_t own;
    pid_t pid;
    int status = 0;
    char **env = make_env(revision, event, &own);
    AUTO(buf) struct buf why = BUF_INIT;
    fflush(stdout);
    int e = posix_spawnp(&pid, argv[0], NULL, NULL, argv, env);
    for (size_t i = own; env[i]; i++)
        free(env[i]);
    free(env);
    if (e != 0) {
        child_add_start_error(&why, argv[0], e);
        return fail(argv, buf_cstr(&why));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CLI_OK;
    child_add_end(&why, status);
    return fail(argv, buf_cstr(&why));
}
