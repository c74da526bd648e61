/* ctlv2/watch.c -- `watch` and `exec-watch`.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctlv2/keys.h"
#include "loop/clock.h"

extern char **environ;

struct watch {
    struct cluster *cluster;
    const char *key;
    uint64_t next; /* the index to wait for; 0: whatever comes next */
    bool recursive;
};

static struct watch watch_new(const struct context *c, struct cluster *cluster, const char *key)
{
    int64_t after = args_number(c->args, "after-index");
    return (struct watch){cluster, key, after != 0 ? (uint64_t)after + 1 : 0,
                          args_bool(c->args, "recursive")};
}

static bool watch_ask(struct watch *w, struct reply *ret_reply, struct trouble *t)
{
    AUTO(buf) struct buf path = BUF_INIT, query = BUF_INIT;
    AUTO(answer) struct answer answer = {0};
    keys_path(w->key, &path);
    add_text(&query, "recursive", w->recursive ? "true" : "false");
    add_text(&query, "wait", "true");
    add_uint(&query, "waitIndex", w->next);
    const struct action a = {.method = "GET",
                             .path = buf_cstr(&path),
                             .keep_slash = true,
                             .query = buf_cstr(&query),
                             .wait = true};
    return v2_cluster_do(w->cluster, &a, MSEC_NEVER, &answer, t) &&
           reply_read(&answer, ret_reply, t);
}

/* Wait for the next event. Otherwise it is over: return the status to exit with in *ret_status. */
static bool watch_next(struct watch *w, struct reply *ret_reply, int *ret_status)
{
    AUTO(trouble) struct trouble t = TROUBLE_INIT;
    do {
        trouble_fini(&t);
        if (watch_ask(w, ret_reply, &t)) {
            w->next = ret_reply->node.modified + 1;
            return true;
        }
    } while (t.kind == TROUBLE_EMPTY); /* the server ended the wait without an event */
    *ret_status = t.kind == TROUBLE_INTERRUPTED ? 0 : trouble_fail(&t, EXIT_SERVER);
    return false;
}

/* ---- watch ------------------------------------------------------------------------------- */

/* Print the next event. Return whether to go on. */
static bool print_event(const struct context *c, struct watch *w, int *ret_status)
{
    AUTO(reply) struct reply r = {0};
    if (!watch_next(w, &r, ret_status))
        return false;
    if (r.node.dir)
        return true;
    if (w->recursive) {
        printf("[%s] ", buf_cstr(&r.action));
        print_bytes(stdout, &r.node.key);
        putchar('\n');
    }
    reply_print(&r, args_text(c->globals, "output"));
    fflush(stdout);
    return args_bool(c->args, "forever");
}

int run_watch(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    int status = keys_open(c, &cluster);
    if (status != 0)
        return status;
    struct watch w = watch_new(c, cluster, c->argv[0]);
    v2_cluster_end_on_interrupt(cluster);
    while (print_event(c, &w, &status))
        ;
    return status;
}

/* ---- exec-watch -------------------------------------------------------------------------- */

static void set_environment(const struct reply *r)
{
    const struct {
        const char *name;
        struct slice value;
    } vars[] = {
        {"ETCD_WATCH_ACTION", buf_slice(&r->action)},
        {"ETCD_WATCH_KEY", buf_slice(&r->node.key)},
        {"ETCD_WATCH_VALUE", buf_slice(&r->node.value)},
    };
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, r->node.modified);
    setenv("ETCD_WATCH_MODIFIED_INDEX", number, 1);
    for (size_t i = 0; i < ARRAY_LEN(vars); i++) {
        char *value =
            xstrndup(vars[i].value.n ? (const char *)vars[i].value.p : "", vars[i].value.n);
        setenv(vars[i].name, value, 1);
        free(value);
    }
}

static int fail_command(const char *name, int number)
{
    fflush(stdout);
    if (strchr(name, '/') == NULL && number == ENOENT) {
        fprintf(stderr, "exec: \"%s\": executable file not found in $PATH", name);
        return EXIT_BAD_ARGS;
    }
    AUTO(buf) struct buf text = BUF_INIT;
    buf_add_str(&text, strerror(number));
    text.p[0] = (uint8_t)(text.p[0] | 0x20);
    fprintf(stderr, "fork/exec %s: %s", name, buf_cstr(&text));
    return EXIT_BAD_ARGS;
}

/* Start the command and do not wait for it; the next one may run beside it. */
static int start_command(char **command)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    pid_t pid;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGCHLD);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int number = posix_spawnp(&pid, command[0], &files, &attributes, command, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return number == 0 ? 0 : fail_command(command[0], number);
}

/* Wait for an event and run the command for it. Return whether to go on. */
static bool run_event(struct watch *w, char **command, int *ret_status)
{
    AUTO(reply) struct reply r = {0};
    if (!watch_next(w, &r, ret_status))
        return false;
    if (r.node.dir) {
        fprintf(stderr, "Ignored dir %s change\n", buf_cstr(&r.node.key));
        return true;
    }
    set_environment(&r);
    *ret_status = start_command(command);
    return *ret_status == 0;
}

/* The key comes first if "--" stands behind it; otherwise it is the last operand. */
static char **split_operands(const struct context *c, const char **ret_key)
{
    char **command = xcalloc((size_t)c->argc, sizeof *command);
    int first = c->args->dash > 0 ? 1 : 0;
    if (c->argc > 1 && strcmp(c->argv[1], "--") == 0)
        first = 2; /* an option before the key took it along */
    *ret_key = first != 0 ? c->argv[0] : c->argv[c->argc - 1];
    size_t n = (size_t)(first != 0 ? c->argc - first : c->argc - 1);
    memcpy(command, c->argv + first, n * sizeof *command);
    return command;
}

int run_exec_watch(const struct context *c)
{
    AUTO(cluster) struct cluster *cluster = NULL;
    const char *key;
    int status = v2_session_open(c, &cluster);
    if (status != 0)
        return status;
    if (c->argc < 2)
        return fail_error(EXIT_BAD_ARGS, "key and command to exec required");
    char **command = split_operands(c, &key);
    struct watch w = watch_new(c, cluster, key);
    v2_cluster_end_on_interrupt(cluster);
    signal(SIGCHLD, SIG_IGN); /* no zombies */
    if (command[0] == NULL)
        status = fail_error(EXIT_BAD_ARGS, "key and command to exec required");
    else
        while (run_event(&w, command, &status))
            ;
    free(command);
    return status;
}
