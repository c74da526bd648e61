/* etcdctl/watch.c -- etcdctl watch, for keys of the command line or of lines that are typed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/terminal.h"
#include "etcdctl/commands.h"
#include "etcdctl/ops.h"
#include "etcdctl/session.h"
#include "etcdctl/watch_exec.h"
#include "etcdctl/words.h"

static struct {
    bool interactive, prefix, prev_kv, progress_notify;
    int64_t rev;
} opt;

static struct cli_flag flags[] = {
    {"interactive", .shorthand = 'i', .type = CLI_BOOL, .value = &opt.interactive,
     .usage = "Interactive mode"},
    {"prefix", .type = CLI_BOOL, .value = &opt.prefix,
     .usage = "Watch on a prefix if prefix is set"},
    {"rev", .type = CLI_INT64, .value = &opt.rev, .usage = "Revision to start watching"},
    {"prev-kv", .type = CLI_BOOL, .value = &opt.prev_kv,
     .usage = "get the previous key-value pair before the event happens"},
    {"progress-notify", .type = CLI_BOOL, .value = &opt.progress_notify,
     .usage = "get periodic watch progress notification from server"},
    {0},
};

/* ---- which keys, and what to run ---------------------------------------------------------------- */

struct wish {
    const char *key, *range_end; /* NULL: none */
    char **exec;                 /* NULL: nothing is run */
};

/* What stands before and behind "--", and in the environment. NULL: fine, else what is wrong. */
static const char *read_wish(const struct cli_command *cmd, int argc, char **argv,
                             struct wish *ret)
{
    const char *key = getenv("ETCDCTL_WATCH_KEY"), *end = getenv("ETCDCTL_WATCH_RANGE_END");
    bool from_env = key && *key;
    int n = cmd->dash >= 0 ? cmd->dash : argc;
    if (cmd->dash == argc)
        return "bad number of arguments (found separator --, but no commands)";
    if (n > 0 && from_env)
        return "bad number of arguments (found conflicting environment key)";
    if (n == 0 && !from_env)
        return "bad number of arguments";
    *ret = (struct wish){from_env ? key : argv[0], NULL, NULL};
    if (from_env && end && *end)
        ret->range_end = end;
    if (n == 2)
        ret->range_end = argv[1];
    if (cmd->dash >= 0)
        ret->exec = argv + cmd->dash;
    return NULL;
}

/* ---- one watch ---------------------------------------------------------------------------------- */

struct watching {
    struct session *s;
    struct etcd_watcher *watcher;
    struct arena *arena; /* lines that were typed */
    struct buf input;
    int open; /* watches that are not canceled */
    int code;
    bool end;
};

struct one_watch {
    struct watching *w;
    char **exec;
    bool created; /* the server has it; else a cancellation is a refusal */
};

static void show_canceled(const Etcdserverpb__WatchResponse *r, bool refused,
                          const struct etcd_error *error)
{
    const char *why;
    if (!r)
        why = error->text;
    else if (r->compact_revision)
        why = err_text(ERR_COMPACTED);
    else
        why = *r->cancel_reason ? r->cancel_reason : err_text(ERR_FUTURE_REV);
    /* What is refused is so in the server's own words. */
    bool known = refused || strncmp(why, "etcdserver: ", 12) == 0;
    fflush(stdout);
    fprintf(stderr, "watch was canceled (%s%s)\n",
            known ? "" : "rpc error: code = FailedPrecondition desc = ", why);
}

static bool is_progress(const Etcdserverpb__WatchResponse *r)
{
    return r->n_events == 0 && !r->canceled && !r->created && r->compact_revision == 0 &&
           r->header && r->header->revision != 0;
}

static int run_all(const struct one_watch *one, const Etcdserverpb__WatchResponse *r)
{
    int64_t revision = r->header ? r->header->revision : 0;
    for (size_t i = 0; i < r->n_events; i++) {
        int code = watch_exec(one->exec, revision, r->events[i]);
        if (code != CLI_OK)
            return code;
    }
    return CLI_OK;
}

static void on_response(void *arg, const Etcdserverpb__WatchResponse *response,
                        const struct etcd_error *error)
{
    Etcdserverpb__WatchResponse none = ETCDSERVERPB__WATCH_RESPONSE__INIT;
    none.canceled = 1;
    struct one_watch *one = arg;
    struct watching *w = one->w;
    if (!response && session_user_is_wrong(error)) {
        w->code = session_fail(CLI_BAD_CONNECTION, error);
        w->end = true;
        return;
    }
    bool canceled = !response || response->canceled;
    bool refused = !response || (canceled && !one->created && response->compact_revision == 0);
    const Etcdserverpb__WatchResponse *r = refused ? &none : response;
    one->created |= !canceled;
    if (r->created && !canceled && r->n_events == 0)
        return;
    if (canceled)
        show_canceled(response, refused, error);
    if (is_progress(r))
        printf("progress notify: %" PRId64 "\n", r->header->revision);
    w->code = print_watch(&w->s->printer, r);
    fflush(stdout);
    if (w->code == CLI_OK && one->exec)
        w->code = run_all(one, r);
    w->open -= canceled;
    w->end = w->code != CLI_OK || (w->open == 0 && !opt.interactive);
}

/* NULL: fine, else what is wrong. */
static const char *start(struct watching *w, const struct wish *wish)
{
    if (wish->range_end && opt.prefix)
        return "`range_end` and `--prefix` are mutually exclusive";
    struct slice key = slice_str(wish->key);
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    /* No key has no name: an empty one is the least, as in upstream's client. */
    create.key = key.n ? pb_bytes(key) : (ProtobufCBinaryData){1, (uint8_t *)arena_calloc(w->arena, 1)};
    if (wish->range_end)
        create.range_end = pb_bytes(slice_str(wish->range_end));
    if (opt.prefix)
        range_of_prefix(w->arena, key, &create.key, &create.range_end);
    create.start_revision = opt.rev;
    create.prev_kv = opt.prev_kv;
    create.progress_notify = opt.progress_notify;
    struct one_watch *one = arena_alloc(w->arena, sizeof(*one));
    *one = (struct one_watch){.w = w, .exec = wish->exec};
    etcd_watch_start(w->watcher, &create, on_response, one);
    w->open++;
    return NULL;
}

/* ---- lines that are typed ------------------------------------------------------------------------ */

static void finish(struct watching *w, int code)
{
    w->code = code;
    w->end = true;
}

static void refuse(struct slice line, const char *why)
{
    fprintf(stderr, "Invalid command %.*s (%s)\n", (int)line.n, (const char *)line.p, why);
}

/* The flags of a typed line are those of the command, and nobody's else. */
static void start_typed(struct watching *w, struct slice line, const struct words *words)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    struct wish wish;
    struct cli_command watch = cmd_watch;
    watch.parent = NULL;
    const char *env_key = getenv("ETCDCTL_WATCH_KEY");
    if (words->n < 2 && !(env_key && *env_key)) {
        refuse(line, "command type or key is not provided");
        return;
    }
    char **argv = words_argv(w->arena, words);
    int n = cli_parse(&watch, words->n - 1, argv + 1, &problem);
    opt.interactive = true;
    const char *wrong = n < 0 ? buf_cstr(&problem) : read_wish(&watch, n, argv + 1, &wish);
    if (wrong) {
        finish(w, cli_fail(CLI_BAD_ARGS, "%s", wrong));
        return;
    }
    wrong = start(w, &wish);
    if (wrong)
        refuse(line, wrong);
}

static void on_line(struct watching *w, struct slice line)
{
    struct words words;
    if (!words_cut(w->arena, line, &words)) {
        finish(w, cli_fail(CLI_INVALID_INPUT, "invalid syntax"));
    } else if (words.n < 1) {
        fprintf(stderr, "Invalid command: %.*s (watch and progress supported)\n", (int)line.n,
                (const char *)line.p);
    } else if (slice_is(words.v[0], "watch")) {
        start_typed(w, line, &words);
    } else if (slice_is(words.v[0], "progress")) {
        etcd_watcher_request_progress(w->watcher);
    } else {
        refuse(line, "only support watch");
    }
}

static void on_input(void *arg, int fd)
{
    enum { PIECE = 4096 };
    struct watching *w = arg;
    ssize_t n = read(fd, buf_reserve(&w->input, PIECE), PIECE);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    w->input.n += n > 0 ? (size_t)n : 0;
    const uint8_t *newline;
    while (!w->end && w->input.n &&
           (newline = memchr(w->input.p, '\n', w->input.n)) != NULL) {
        size_t len = (size_t)(newline - w->input.p);
        on_line(w, slice_make(w->input.p, len));
        buf_consume(&w->input, len + 1);
    }
    if (!w->end && (n <= 0 || w->input.n > TERMINAL_LINE_MAX))
        finish(w, cli_fail(CLI_INVALID_INPUT, "error reading watch request line: %s",
                           n < 0 ? strerror(errno) : n == 0 ? "EOF" : "line too long"));
}

static void listen_to_lines(struct watching *w)
{
    struct stat st;
    bool file = fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode);
    while (file && !w->end)
        on_input(w, STDIN_FILENO); /* nobody waits for a file */
    if (!file)
        etcd_client_on_readable(w->s->client, STDIN_FILENO, on_input, w);
}

/* ---- the command ---------------------------------------------------------------------------------- */

static int run_watch(struct watching *w, const struct wish *wish)
{
    w->watcher = etcd_watcher_new(w->s->client);
    if (opt.interactive) {
        listen_to_lines(w);
    } else {
        const char *wrong = start(w, wish);
        if (wrong)
            finish(w, cli_fail(CLI_BAD_ARGS, "%s", wrong));
    }
    while (!w->end)
        etcd_client_poll(w->s->client, -1);
    if (w->code == CLI_OK)
        w->code = cli_fail(CLI_INTERRUPTED, "watch is canceled by the server");
    if (opt.interactive)
        etcd_client_on_readable(w->s->client, STDIN_FILENO, NULL, NULL);
    etcd_watcher_free(w->watcher);
    return w->code;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    const char *key = getenv("ETCDCTL_WATCH_KEY"), *end = getenv("ETCDCTL_WATCH_RANGE_END");
    if (!(key && *key) && end && *end)
        return cli_fail(CLI_BAD_ARGS,
                        "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=\"%s\"", end);
    struct wish wish = {NULL, NULL, NULL};
    const char *wrong = opt.interactive ? NULL : read_wish(cmd, argc, argv, &wish);
    if (wrong)
        return cli_fail(CLI_BAD_ARGS, "%s", wrong);
    AUTO(session) struct session s;
    int code = session_open_with_leader(&s, cmd);
    if (code != CLI_OK)
        return code;
    struct watching w = {.s = &s, .arena = arena_new()};
    code = run_watch(&w, &wish);
    buf_fini(&w.input);
    arena_free(w.arena);
    return code;
}

struct cli_command cmd_watch = {
    .use = "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
    .summary = "Watches events stream on keys or prefixes",
    .group = GROUP_KV,
    .flags = flags,
    .run = run,
};
