/* etcdctl/put.c -- etcdctl put KEY [VALUE].
 * SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/quote.h"
#include "cli/terminal.h"
#include "etcdctl/commands.h"
#include "etcdctl/ops.h"
#include "etcdctl/session.h"

static struct {
    const char *lease;
    bool prev_kv, ignore_value, ignore_lease;
} opt;

static struct cli_flag flags[] = {
    {"lease", .type = CLI_STRING, .value = &opt.lease, .def = "0",
     .usage = "lease ID (in hexadecimal) to attach to the key"},
    {"prev-kv", .type = CLI_BOOL, .value = &opt.prev_kv,
     .usage = "return the previous key-value pair before modification"},
    {"ignore-value", .type = CLI_BOOL, .value = &opt.ignore_value,
     .usage = "updates the key using its current value"},
    {"ignore-lease", .type = CLI_BOOL, .value = &opt.ignore_lease,
     .usage = "updates the key using its current lease"},
    {0},
};

/* The second argument, or all of standard input. */
static bool read_value(const struct slice *args, int n, struct arena *a, ProtobufCBinaryData *ret)
{
    if (n > 1) {
        *ret = pb_bytes(args[1]);
        return true;
    }
    AUTO(buf) struct buf b = BUF_INIT;
    if (!terminal_read_all(STDIN_FILENO, &b) || b.n == 0)
        return false;
    *ret = (ProtobufCBinaryData){b.n, arena_dup(a, b.p, b.n)};
    return true;
}

int put_op(const struct slice *args, int n, struct arena *a, Etcdserverpb__PutRequest *r)
{
    static const char needs[] =
        "put command needs 1 argument and input from stdin or 2 arguments";
    *r = (Etcdserverpb__PutRequest)ETCDSERVERPB__PUT_REQUEST__INIT;
    if (n == 0)
        return cli_fail(CLI_BAD_ARGS, "%s", needs);
    if (opt.ignore_value && n > 1)
        return cli_fail(CLI_BAD_ARGS, "put command needs only 1 argument when 'ignore-value' is set");
    if (!opt.ignore_value && !read_value(args, n, a, &r->value))
        return cli_fail(CLI_BAD_ARGS, "%s", needs);
    AUTO(buf) struct buf problem = BUF_INIT;
    if (!number_parse_int(opt.lease, 16, 64, &r->lease, &problem))
        return cli_fail(CLI_BAD_ARGS, "bad lease ID (%s), expecting ID in Hex", buf_cstr(&problem));
    r->key = pb_bytes(args[0]);
    r->prev_kv = opt.prev_kv;
    r->ignore_value = opt.ignore_value;
    r->ignore_lease = opt.ignore_lease;
    return CLI_OK;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    struct arena *a = arena_new();
    Etcdserverpb__PutRequest request;
    AUTO(session) struct session s = {0};
    int code = put_op(args_as_slices(a, argv, argc), argc, a, &request);
    if (code == CLI_OK)
        code = session_ask(&s, cmd, &etcd_rpc_put, &request);
    if (code == CLI_OK)
        code = print_put(&s.printer, s.answer);
    arena_free(a);
    return code;
}

struct cli_command cmd_put = {
    .use = "put [options] <key> <value> (<value> can also be given from stdin)",
    .summary = "Puts the given key into the store",
    .details = "\n"
               "Puts the given key into the store.\n"
               "\n"
               "When <value> begins with '-', <value> is interpreted as a flag.\n"
               "Insert '--' for workaround:\n"
               "\n"
               "$ put <key> -- <value>\n"
               "$ put -- <key> <value>\n"
               "\n"
               "If <value> isn't given as a command line argument and '--ignore-value' is not "
               "specified,\n"
               "this command tries to read the value from standard input.\n"
               "\n"
               "If <lease> isn't given as a command line argument and '--ignore-lease' is not "
               "specified,\n"
               "this command tries to read the value from standard input.\n"
               "\n"
               "For example,\n"
               "$ cat file | put <key>\n"
               "will store the content of the file to <key>.\n",
    .group = GROUP_KV,
    .flags = flags,
    .run = run,
};
