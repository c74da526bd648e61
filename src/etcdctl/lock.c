/* etcdctl/lock.c -- etcdctl lock: hold a named lock, for as long as a command runs or until a
 * signal comes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "etcdctl/child.h"
#include "etcdctl/commands.h"
#include "etcdctl/interrupt.h"
#include "etcdctl/session.h"

extern char **environ;

enum {
    EXIT_OF_SIGNALLED = 255, /* upstream's -1 */
};

static struct {
    int ttl;
} opt;

/* ---- a command under the lock ------------------------------------------------------------------ */

static void set_environment(const struct etcd_mutex *m)
{
    const Etcdserverpb__ResponseHeader *header = etcd_mutex_header(m);
    char *revision = xasprintf("%lld", header ? (long long)header->revision : 0);
    setenv("ETCD_LOCK_KEY", etcd_mutex_key(m), 1);
    setenv("ETCD_LOCK_REV", revision, 1);
    free(revision);
}

static int start_failed(const char *name, int error)
{
    AUTO(buf) struct buf why = BUF_INIT;
    child_add_start_error(&why, name, error);
    return cli_fail(CLI_ERROR, "%s", buf_cstr(&why));
}

/* Start with no standard input: the terminal stays with who holds the lock. */
static int start(char **argv, pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    int error = posix_spawnp(ret_pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static void on_end(void *arg, int fd)
{
    (void)fd;
    *(bool *)arg = true;
}

/* Wait for the command while the lease is kept alive. */
static int wait_for(struct etcd_client *c, pid_t pid)
{
    int status = 0;
    bool ended = false;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0) {
        etcd_client_on_readable(c, fd, on_end, &ended);
        while (!ended)
            etcd_client_poll(c, -1);
        etcd_client_on_readable(c, fd, NULL, NULL);
        close(fd);
    }
    while (waitpid(pid, &status, fd >= 0 ? 0 : WNOHANG) == 0)
        etcd_client_poll(c, 100); /* a kernel without pidfd: look ten times a second */
    return status;
}

static int exit_code_of(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return CLI_OK;
    AUTO(buf) struct buf how = BUF_INIT;
    child_add_end(&how, status);
    return cli_fail(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_OF_SIGNALLED, "%s",
                    buf_cstr(&how));
}

static int run_command(struct session *s, struct etcd_mutex *m, char **argv)
{
    interrupt_nothing(); /* the command decides how long it goes on */
    etcd_client_resume(s->client);
    set_environment(m);
    fflush(stdout);
    pid_t pid;
    int error = start(argv, &pid);
    int code = error ? start_failed(argv[0], error) : exit_code_of(wait_for(s->client, pid));
    struct etcd_error e;
    if (!etcd_mutex_unlock(m, &e) && code == CLI_OK)
        code = session_fail(CLI_ERROR, &e);
    return code;
}

/* ---- until a signal comes ----------------------------------------------------------------------- */

static int print_key(struct session *s, struct etcd_mutex *m)
{
    const char *key = etcd_mutex_key(m);
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = (ProtobufCBinaryData){strlen(key), (uint8_t *)key};
    struct etcd_error e;
    Etcdserverpb__RangeResponse *r = etcd_call(s->client, &etcd_rpc_range, &request, -1, &e);
    int code;
    if (!r)
        code = session_fail(CLI_ERROR, &e);
    else if (r->n_kvs == 0)
        code = cli_fail(CLI_ERROR, "lock lost on init");
    else
        code = print_get(&s->printer, r);
    fflush(s->printer.out);
    etcd_response_free(r);
    return code;
}

static int hold(struct session *s, struct etcd_session *lease, struct etcd_mutex *m)
{
    int code = print_key(s, m);
    while (code == CLI_OK && etcd_session_is_alive(lease) && etcd_client_poll(s->client, -1))
        ;
    etcd_client_resume(s->client);
    struct etcd_error e;
    if (code == CLI_OK && !etcd_session_is_alive(lease))
        code = cli_fail(CLI_ERROR, "session expired");
    else if (!etcd_mutex_unlock(m, &e) && code == CLI_OK)
        code = session_fail(CLI_ERROR, &e);
    return code;
}

/* ---- the command --------------------------------------------------------------------------------- */

static int run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc == 0)
        return cli_fail(CLI_BAD_ARGS,
                        "lock takes a lock name argument and an optional command to execute");
    AUTO(session) struct session s;
    int code = session_open(&s, cmd);
    if (code != CLI_OK)
        return code;
    struct etcd_error e;
    struct etcd_session *lease = etcd_session_new(s.client, opt.ttl, 0, &e);
    if (!lease)
        return session_fail(CLI_ERROR, &e);
    struct etcd_mutex *m = etcd_mutex_new(lease, argv[0]);
    interrupt_client(s.client);
    if (!etcd_mutex_lock(m, false, -1, &e))
        code = session_fail(CLI_ERROR, &e);
    else
        code = argc > 1 ? run_command(&s, m, argv + 1) : hold(&s, lease, m);
    etcd_client_resume(s.client);
    etcd_mutex_free(m);
    etcd_session_free(lease, true);
    interrupt_nothing(); /* it ends anyway */
    return code;
}

static struct cli_flag flags[] = {
    {"ttl", .type = CLI_INT, .value = &opt.ttl, .def = "10", .usage = "timeout for session"},
    {0},
};

struct cli_command cmd_lock = {
    .use = "lock <lockname> [exec-command arg1 arg2 ...]",
    .summary = "Acquires a named lock",
    .group = GROUP_CONCURRENCY,
    .flags = flags,
    .run = run,
};
