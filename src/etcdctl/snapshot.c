/* etcdctl/snapshot.c -- etcdctl snapshot: a member's whole database into a file.
 *
 * It goes to FILE.part, which becomes FILE when all of it is on disk.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/duration.h"
#include "cli/quote.h"
#include "cli/terminal.h"
#include "etcdctl/commands.h"
#include "etcdctl/globals.h"
#include "etcdctl/interrupt.h"
#include "etcdctl/os_error.h"
#include "etcdctl/session.h"
#include "etcdctl/snapshot_forward.h"

enum {
    CHECKSUM_LEN = 32,
    SECTOR = 512, /* a database is a multiple of it, so a rest of CHECKSUM_LEN is the checksum */
};

struct save {
    struct session *session;
    const char *path;
    char *part; /* owned: "PATH.part" */
    int fd;
    uint64_t size;
    char *version; /* owned: the server's; "" before 3.6 */
    char *problem; /* owned: what went wrong, as it is printed */
    bool begun, over;
    struct progress progress;
};

static void fail(struct save *s, char *problem)
{
    s->over = true;
    if (s->problem)
        free(problem);
    else
        s->problem = problem;
}

/* ---- the stream -------------------------------------------------------------------------------- */

/* Write all of it. False: errno says why not. */
static bool write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, p, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        p += written;
        n -= (size_t)written;
    }
    return true;
}

static void on_message(void *arg, const void *response)
{
    struct save *s = arg;
    const Etcdserverpb__SnapshotResponse *r = response;
    if (s->over)
        return;
    if (!s->begun)
        s->version = xstrdup(r->version);
    s->begun = true;
    if (!write_all(s->fd, r->blob.data, r->blob.len)) {
        char *why = os_error(errno);
        fail(s, xasprintf("could not write snapshot: write %s: %s", s->part, why));
        free(why);
        return;
    }
    s->size += r->blob.len;
    AUTO(buf) struct buf done = BUF_INIT, all = BUF_INIT;
    number_add_bytes(&done, s->size);
    number_add_bytes(&all, s->size + r->remaining_bytes);
    progress_show(&s->progress, "%s of %s", buf_cstr(&done), buf_cstr(&all));
}

static void on_done(void *arg, const struct etcd_error *error)
{
    struct save *s = arg;
    s->over = true;
    if (!error || error->code == ETCD_OK)
        return;
    fail(s, xasprintf("%s%s", s->begun ? "could not write snapshot: " : "", error->text));
}

static void on_timeout(void *arg)
{
    struct save *s = arg;
    fail(s, xasprintf("%scontext deadline exceeded",
                      s->begun ? "could not write snapshot: " : ""));
}

/* Receive the whole stream; without --command-timeout it takes as long as it takes. */
static void receive(struct save *s, struct cli_command *cmd)
{
    struct etcd_client *c = s->session->client;
    Etcdserverpb__SnapshotRequest request = ETCDSERVERPB__SNAPSHOT_REQUEST__INIT;
    struct etcd_timer *timer = etcd_timer_new(c, on_timeout, s);
    if (cli_changed(cmd, "command-timeout"))
        etcd_timer_set(timer, duration_ms(globals.command_timeout));
    struct etcd_stream *stream =
        etcd_stream_open(c, &etcd_rpc_snapshot, &request, true, on_message, on_done, s);
    while (!s->over && etcd_client_poll(c, -1))
        ;
    progress_end(&s->progress);
    if (!s->over)
        fail(s, xstrdup("context canceled"));
    etcd_stream_free(stream);
    etcd_timer_free(timer);
}

/* ---- the file ----------------------------------------------------------------------------------- */

static bool create(struct save *s)
{
    s->fd = open(s->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return true;
    char *why = os_error(errno);
    fail(s, xasprintf("could not open %s (open %s: %s)", s->part, s->part, why));
    free(why);
    return false;
}

static void sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* best effort: the file itself is on disk */
        close(fd);
    }
    free(dir);
}

/* Make what was received durable, then give it its name. */
static void finish(struct save *s)
{
    if (s->size % SECTOR != CHECKSUM_LEN) {
        fail(s, xasprintf("sha256 checksum not found [bytes: %llu]", (unsigned long long)s->size));
        return;
    }
    char *why = NULL;
    if (fsync(s->fd) != 0) {
        why = os_error(errno);
        fail(s, xasprintf("could not fsync snapshot: sync %s: %s", s->part, why));
    } else if (rename(s->part, s->path) != 0) {
        why = os_error(errno);
        fail(s, xasprintf("could not rename %s to %s (rename %s %s: %s)", s->part, s->path, s->part,
                          s->path, why));
    } else {
        sync_parent(s->path);
    }
    free(why);
}

static void save_file(struct save *s, struct cli_command *cmd)
{
    s->part = xasprintf("%s.part", s->path);
    s->version = NULL;
    if (!create(s))
        return;
    interrupt_client(s->session->client);
    receive(s, cmd);
    if (!s->problem)
        finish(s);
    close(s->fd);
    if (s->problem)
        unlink(s->part);
    interrupt_process();
}

/* ---- the command -------------------------------------------------------------------------------- */

static int check_endpoints(struct etcd_client *c)
{
    size_t n;
    const char *const *v = etcd_client_endpoints(c, &n);
    if (n == 1)
        return CLI_OK;
    AUTO(buf) struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%s%s", i ? " " : "", v[i]);
    return cli_fail(CLI_INTERRUPTED,
                    "snapshot must be requested to one selected node, not multiple [%s]",
                    buf_cstr(&b));
}

static int save_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "snapshot save expects one argument <filename>");
    AUTO(session) struct session session;
    int code = session_open(&session, cmd);
    if (code == CLI_OK)
        code = check_endpoints(session.client);
    if (code != CLI_OK)
        return code;
    struct save s = {.session = &session, .path = argv[0], .fd = -1};
    progress_init(&s.progress);
    save_file(&s, cmd);
    if (s.problem) {
        code = cli_fail(CLI_INTERRUPTED, "%s", s.problem);
    } else {
        printf("Snapshot saved at %s\n", s.path);
        if (s.version && *s.version)
            printf("Server version %s\n", s.version);
    }
    free(s.part);
    free(s.version);
    free(s.problem);
    return code;
}

static const char example[] =
    "  # Save snapshot to a given file\n"
    "  etcdctl snapshot save /backup/etcd-snapshot.db\n"
    "  \n"
    "  # Get snapshot from given address and save it to file\n"
    "  etcdctl snapshot save --endpoints=127.0.0.1:3000 /backup/etcd-snapshot.db\n"
    "  \n"
    "  # Get snapshot from given address with certificates\n"
    "  etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/ca.crt "
    "--cert=/etc/etcd/etcd.crt --key=/etc/etcd/etcd.key snapshot save /backup/etcd-snapshot.db\n"
    "  \n"
    "  # Get snapshot with certain user and password\n"
    "  etcdctl --user=root --password=password123 snapshot save /backup/etcd-snapshot.db\n"
    "  \n"
    "  # Get snapshot from given address with timeout\n"
    "  etcdctl --endpoints=https://127.0.0.1:2379 --dial-timeout=20s snapshot save "
    "/backup/etcd-snapshot.db\n"
    "  \n"
    "  # Save snapshot with desirable time format\n"
    "  etcdctl snapshot save /mnt/backup/etcd/backup_$(date +%Y%m%d_%H%M%S).db";

static struct cli_command cmd_save = {
    .use = "save <filename>",
    .summary = "Stores an etcd node backend snapshot to a given file",
    .example = example,
    .run = save_run,
};

static struct cli_command *const commands[] = {
    &cmd_save, &cmd_snapshot_status, &cmd_snapshot_restore, NULL,
};

struct cli_command cmd_snapshot = {
    .use = "snapshot <subcommand>",
    .summary = "Manages etcd node snapshots",
    .example = example,
    .group = GROUP_CLUSTER,
    .commands = commands,
};
