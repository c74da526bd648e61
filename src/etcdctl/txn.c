/* etcdctl/txn.c -- etcdctl txn: conditions and requests, a line each, in three paragraphs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/terminal.h"
#include "cli/usage.h"
#include "etcdctl/commands.h"
#include "etcdctl/ops.h"
#include "etcdctl/session.h"
#include "etcdctl/words.h"

static bool interactive;

static struct cli_flag flags[] = {
    {"interactive", .shorthand = 'i', .type = CLI_BOOL, .value = &interactive,
     .usage = "Input transaction in interactive mode"},
    {0},
};

static void prompt(const char *text)
{
    if (interactive)
        printf("%s\n", text);
    fflush(stdout);
}

/* ---- one request: a small program of its own, with the flags that the commands have ------------ */

/* Fill `op` from the arguments of the command that was found. */
static int fill(const char *name, const struct slice *args, int n, struct arena *a,
                Etcdserverpb__RequestOp *op)
{
    switch (name[0]) {
    case 'g':
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        op->request_range = arena_alloc(a, sizeof(*op->request_range));
        return get_op(args, n, a, op->request_range);
    case 'p':
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op->request_put = arena_alloc(a, sizeof(*op->request_put));
        return put_op(args, n, a, op->request_put);
    default:
        op->request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_DELETE_RANGE;
        op->request_delete_range = arena_alloc(a, sizeof(*op->request_delete_range));
        return del_op(args, n, a, op->request_delete_range);
    }
}

static int invalid(const char *what, struct slice line)
{
    return cli_fail(CLI_INVALID_INPUT, "%s%.*s", what, (int)line.n, (const char *)line.p);
}

static int parse_request(struct arena *a, struct slice line, Etcdserverpb__RequestOp *op)
{
    struct words w;
    if (!words_cut(a, line, &w))
        return cli_fail(CLI_INVALID_INPUT, "invalid syntax");
    if (w.n < 2)
        return invalid("invalid txn compare request: ", line);

    struct cli_command get = cmd_get, put = cmd_put, del = cmd_del;
    struct cli_command *const all[] = {&put, &get, &del, NULL};
    struct cli_command root = {.use = "", .summary = "", .commands = all};
    struct cli_program p = {.root = &root};
    AUTO(buf) struct buf problem = BUF_INIT;
    cli_tie(&p);
    char **argv = words_argv(a, &w);
    int argc = w.n;
    struct cli_command *cmd = cli_find(&p, &argc, argv, &problem);
    if (cmd != &get && cmd != &put && cmd != &del)
        return invalid("invalid txn request: ", line);
    int n = cli_parse(cmd, argc, argv, &problem);
    if (n < 0) {
        AUTO(buf) struct buf usage = BUF_INIT;
        usage_add(&usage, cmd);
        fprintf(stderr, "%s\n", buf_cstr(&usage));
        return invalid("invalid txn request: ", line);
    }
    struct slice *args = arena_alloc(a, ((size_t)n + 1) * sizeof(*args));
    for (int i = 0; i < n; i++)
        args[i] = words_find(&w, argv[i]);
    *op = (Etcdserverpb__RequestOp)ETCDSERVERPB__REQUEST_OP__INIT;
    return fill(cmd->use, args, n, a, op);
}

/* ---- paragraphs --------------------------------------------------------------------------------- */

/* The next line without blanks around it, kept in the arena. */
static int read_line(struct arena *a, struct slice *ret)
{
    AUTO(buf) struct buf line = BUF_INIT;
    if (!terminal_read_line(stdin, &line) || line.p[line.n - 1] != '\n')
        return cli_fail(CLI_INVALID_INPUT, "EOF");
    struct slice s = buf_slice(&line);
    while (s.n && strchr(" \t\r\n\v\f", s.p[s.n - 1]))
        s.n--;
    while (s.n && strchr(" \t\r\n\v\f", s.p[0]))
        s = slice_make(s.p + 1, s.n - 1);
    *ret = slice_make(arena_dup(a, s.p, s.n), s.n);
    return CLI_OK;
}

static int read_compares(struct arena *a, Etcdserverpb__TxnRequest *txn)
{
    for (struct slice line;;) {
        AUTO(buf) struct buf problem = BUF_INIT;
        int code = read_line(a, &line);
        if (code != CLI_OK || line.n == 0)
            return code;
        Etcdserverpb__Compare *c = arena_alloc(a, sizeof(*c));
        if (!compare_parse(a, line, c, &problem))
            return cli_fail(CLI_INVALID_INPUT, "%s", buf_cstr(&problem));
        txn->compare = xrealloc(txn->compare, (txn->n_compare + 1) * sizeof(*txn->compare));
        txn->compare[txn->n_compare++] = c;
    }
}

static int read_requests(struct arena *a, Etcdserverpb__RequestOp ***ops, size_t *n)
{
    for (struct slice line;;) {
        int code = read_line(a, &line);
        if (code != CLI_OK || line.n == 0)
            return code;
        Etcdserverpb__RequestOp *op = arena_alloc(a, sizeof(*op));
        code = parse_request(a, line, op);
        if (code != CLI_OK)
            return code;
        *ops = xrealloc(*ops, (*n + 1) * sizeof(**ops));
        (*ops)[(*n)++] = op;
    }
}

static int read_txn(struct arena *a, Etcdserverpb__TxnRequest *txn)
{
    prompt("compares:");
    int code = read_compares(a, txn);
    if (code != CLI_OK)
        return code;
    prompt("success requests (get, put, del):");
    code = read_requests(a, &txn->success, &txn->n_success);
    if (code != CLI_OK)
        return code;
    prompt("failure requests (get, put, del):");
    return read_requests(a, &txn->failure, &txn->n_failure);
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "txn command does not accept argument");
    struct arena *a = arena_new();
    Etcdserverpb__TxnRequest request = ETCDSERVERPB__TXN_REQUEST__INIT;
    AUTO(session) struct session s = {0};
    int code = session_open(&s, cmd);
    if (code == CLI_OK)
        code = read_txn(a, &request);
    if (code == CLI_OK)
        code = session_call(&s, &etcd_rpc_txn, &request, &s.answer);
    if (code == CLI_OK)
        code = print_txn(&s.printer, s.answer);
    free(request.compare);
    free(request.success);
    free(request.failure);
    arena_free(a);
    return code;
}

struct cli_command cmd_txn = {
    .use = "txn [options]",
    .summary = "Txn processes all the requests in one transaction",
    .details = "Txn reads multiple etcd requests from standard input and applies them as a single "
               "atomic transaction.\n"
               "\n"
               "A transaction consists of three components:\n"
               "1) a list of conditions,\n"
               "2) a list of requests to apply if all the conditions are true,\n"
               "3) a list of requests to apply if any condition is false.\n"
               "\n"
               "Example interactive stdin usage:\n"
               "\n"
               "---\n"
               "etcdctl txn -i\n"
               "# compares:\n"
               "mod(\"key1\") > \"0\"\n"
               "\n"
               "# success requests (get, put, delete):\n"
               "put key1 \"overwrote-key1\"\n"
               "\n"
               "# failure requests (get, put, delete):\n"
               "put key1 \"created-key1\"\n"
               "put key2 \"some extra key\"\n"
               "---\n"
               "\n"
               "Refer to https://github.com/etcd-io/etcd/blob/main/etcdctl/README.md#txn-options.",
    .group = GROUP_KV,
    .flags = flags,
    .run = run,
};
