/* etcdctl/del.c -- etcdctl del KEY [END].
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "cli/quote.h"
#include "etcdctl/commands.h"
#include "etcdctl/ops.h"
#include "etcdctl/session.h"

enum {
    SECOND_THOUGHTS_S = 2, /* before a range is deleted that may be a slip */
};

static struct {
    bool prefix, prev_kv, from_key, range;
} opt;

static struct cli_flag flags[] = {
    {"prefix", .type = CLI_BOOL, .value = &opt.prefix, .usage = "delete keys with matching prefix"},
    {"prev-kv", .type = CLI_BOOL, .value = &opt.prev_kv, .usage = "return deleted key-value pairs"},
    {"from-key", .type = CLI_BOOL, .value = &opt.from_key,
     .usage = "delete keys that are greater than or equal to the given key using byte compare"},
    {"range", .type = CLI_BOOL, .value = &opt.range, .usage = "delete range of keys"},
    {0},
};

static void warn_and_wait(struct slice from, struct slice to)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "Warning: Keys between ");
    quote_add(&b, from);
    buf_add_str(&b, " and ");
    quote_add(&b, to);
    buf_addf(&b, " will be deleted. Please interrupt the command within next %d seconds to cancel. "
                 "You can provide `--range` flag to avoid the delay.\n",
             SECOND_THOUGHTS_S);
    fwrite(b.p, 1, b.n, stderr);
    nanosleep(&(struct timespec){.tv_sec = SECOND_THOUGHTS_S}, NULL);
}

int del_op(const struct slice *args, int n, struct arena *a, Etcdserverpb__DeleteRangeRequest *r)
{
    *r = (Etcdserverpb__DeleteRangeRequest)ETCDSERVERPB__DELETE_RANGE_REQUEST__INIT;
    if (n == 0 || n > 2)
        return cli_fail(CLI_BAD_ARGS, "del command needs one argument as key and an optional "
                                      "argument as range_end");
    if (opt.prefix && opt.from_key)
        return cli_fail(CLI_BAD_ARGS, "`--prefix` and `--from-key` cannot be set at the same time, "
                                      "choose one");
    if (n > 1 && (opt.prefix || opt.from_key))
        return cli_fail(CLI_BAD_ARGS, "too many arguments, only accept one argument when "
                                      "`--prefix` or `--from-key` is set");
    r->key = pb_bytes(args[0]);
    r->prev_kv = opt.prev_kv;
    if (n > 1) {
        r->range_end = pb_bytes(args[1]);
        if (!opt.range)
            warn_and_wait(args[0], args[1]);
    }
    if (opt.prefix)
        range_of_prefix(a, args[0], &r->key, &r->range_end);
    if (opt.from_key)
        range_from(args[0], &r->key, &r->range_end);
    return CLI_OK;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    struct arena *a = arena_new();
    Etcdserverpb__DeleteRangeRequest request;
    AUTO(session) struct session s = {0};
    int code = del_op(args_as_slices(a, argv, argc), argc, a, &request);
    if (code == CLI_OK)
        code = session_ask(&s, cmd, &etcd_rpc_delete_range, &request);
    if (code == CLI_OK)
        code = print_del(&s.printer, s.answer);
    arena_free(a);
    return code;
}

struct cli_command cmd_del = {
    .use = "del [options] <key> [range_end]",
    .summary = "Removes the specified key or range of keys [key, range_end)",
    .group = GROUP_KV,
    .flags = flags,
    .run = run,
};
