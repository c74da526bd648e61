/* cli/command.c -- running a program: find, parse, run; and the commands that all programs have.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdlib.h>
#include <stdio.h>

#include "base/stdio.h"
#include "cli/completion.h"
#include "cli/manual.h"
#include "cli/quote.h"
#include "cli/usage.h"

/* ---- names -------------------------------------------------------------------------------- */

struct slice cli_name(const struct cli_command *cmd)
{
    return slice_make(cmd->use, strcspn(cmd->use, " "));
}

void cli_path(const struct cli_command *cmd, struct buf *b)
{
    if (cmd->parent) {
        cli_path(cmd->parent, b);
        buf_add_byte(b, ' ');
    }
    buf_add_slice(b, cli_name(cmd));
}

/* ---- commands of every program ------------------------------------------------------------- */

static int help_run(struct cli_command *cmd, int argc, char **argv)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    AUTO(buf) struct buf text = BUF_INIT;
    buf_add_str(&text, "Unknown help topic [");
    for (int i = 0; i < argc; i++) {
        buf_addf(&text, "%s%c", i ? " " : "", '`');
        buf_addf(&text, "%s`", argv[i]);
    }
    buf_add_str(&text, "]\n");
    struct cli_command *topic = cli_find(cmd->program, &argc, argv, &problem);
    if (topic)
        return cli_help(topic);
    usage_add(&text, cmd->program->root);
    fputs(buf_cstr(&text), stderr);
    return CLI_OK;
}

static int complete_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(buf) struct buf b = BUF_INIT;
    struct cli_program *p = cmd->program;
    completion_add_answer(&b, p, p->argc - 2, p->argv + 2);
    fwrite(b.p, 1, b.n, stdout);
    return CLI_OK;
}

static struct cli_command help_command = {
    .use = "help [command]", .summary = "Help about any command", .run = help_run};

static struct cli_command complete_command = {
    .use = "__complete [command-line]",
    .summary = "Request shell completion choices for the specified command-line",
    .hidden = true,
    .run = complete_run};

static int manual_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(buf) struct buf b = BUF_INIT;
    manual_add(&b, cmd->program);
    fwrite(b.p, 1, b.n, stdout);
    return CLI_OK;
}

static struct cli_command manual_command = {
    .use = "__manual",
    .summary = "Print the commands and flags for the manual page",
    .hidden = true,
    .args = CLI_ARGS_NONE,
    .run = manual_run};

static bool has_completion(const struct cli_command *root)
{
    for (size_t i = 0; root->commands[i]; i++) {
        if (slice_is(cli_name(root->commands[i]), "completion"))
            return true;
    }
    return false;
}

struct cli_command *cli_child(struct cli_command *cmd, size_t i)
{
    if (!cmd->commands)
        return NULL;
    size_t n = 0;
    while (n < i && cmd->commands[n])
        n++;
    if (n == i && cmd->commands[n])
        return cmd->commands[n];
    if (cmd->parent)
        return NULL;
    struct cli_command *more[] = {
        &help_command, &complete_command, &manual_command,
        has_completion(cmd) ? NULL : &cli_completion_command, NULL};
    return more[i - n];
}

bool cli_is_available(struct cli_command *cmd)
{
    if (cmd->hidden || cmd == &help_command)
        return false;
    if (cmd->run)
        return true;
    struct cli_command *child;
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++) {
        if (cli_is_available(child))
            return true;
    }
    return false;
}

static void tie(struct cli_program *p, struct cli_command *cmd, struct cli_command *parent)
{
    cmd->program = p;
    cmd->parent = parent;
    struct cli_command *child;
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++)
        tie(p, child, cmd);
}

void cli_tie(struct cli_program *p)
{
    help_command.group = p->help_group;
    tie(p, p->root, NULL);
}

/* ---- errors and help ----------------------------------------------------------------------- */

int cli_fail(int code, const char *fmt, ...)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "Error: ");
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    buf_add_byte(&b, '\n');
    fflush(stdout);
    fwrite(b.p, 1, b.n, stderr);
    return code;
}

int cli_help(struct cli_command *cmd)
{
    AUTO(buf) struct buf b = BUF_INIT;
    usage_add_help(&b, cmd);
    fwrite(b.p, 1, b.n, stdout);
    return CLI_OK;
}

static int fail_with_usage(struct cli_command *cmd, const char *problem)
{
    AUTO(buf) struct buf b = BUF_INIT;
    usage_add(&b, cmd);
    return cli_fail(CLI_ERROR, "%s\n%s", problem, buf_cstr(&b));
}

static int fail_not_found(const struct cli_command *root, const char *problem)
{
    AUTO(buf) struct buf path = BUF_INIT;
    cli_path(root, &path);
    return cli_fail(CLI_ERROR, "%s\nRun '%s --help' for usage.", problem, buf_cstr(&path));
}

/* ---- the count of arguments ----------------------------------------------------------------- */

static bool is_valid_arg(const struct cli_command *cmd, const char *arg)
{
    for (const char *const *v = cmd->valid_args; v && *v; v++) {
        if (strcmp(*v, arg) == 0)
            return true;
    }
    return false;
}

static bool args_are_fine(struct cli_command *cmd, int argc, char **argv, struct buf *problem)
{
    int wanted = cmd->args == CLI_ARGS_VALID_ONE ? 1 : cmd->n_args;
    bool counted = cmd->args == CLI_ARGS_VALID_ONE || cmd->args == CLI_ARGS_EXACTLY;
    if (counted && argc != wanted) {
        buf_addf(problem, "accepts %d arg(s), received %d", wanted, argc);
        return false;
    }
    const char *what = NULL;
    if (cmd->args == CLI_ARGS_NONE && argc > 0)
        what = "unknown command ";
    if (cmd->args == CLI_ARGS_VALID_ONE && !is_valid_arg(cmd, argv[0]))
        what = "invalid argument ";
    if (!what)
        return true;
    buf_add_str(problem, what);
    quote_add(problem, slice_str(argv[0]));
    buf_add_str(problem, " for \"");
    cli_path(cmd, problem);
    buf_add_byte(problem, '"');
    return false;
}

/* ---- main ---------------------------------------------------------------------------------- */

static int run(struct cli_program *p, int argc, char **argv)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    struct cli_command *cmd = cli_find(p, &argc, argv, &problem);
    if (!cmd)
        return fail_not_found(p->root, buf_cstr(&problem));
    if (cmd == &complete_command)
        return complete_run(cmd, argc, argv);
    int n = cli_parse(cmd, argc, argv, &problem);
    if (n < 0)
        return fail_with_usage(cmd, buf_cstr(&problem));
    if (*(bool *)cli_help_flag.value || !cmd->run)
        return cli_help(cmd);
    if (!args_are_fine(cmd, n, argv, &problem))
        return fail_with_usage(cmd, buf_cstr(&problem));
    return cmd->run(cmd, n, argv);
}

int cli_main(struct cli_program *p, int argc, char **argv)
{
    stdio_open();
    cli_tie(p);
    p->argc = argc;
    p->argv = argv;
    int count = argc > 0 ? argc - 1 : 0;
    char **copy = xcalloc((size_t)count + 1, sizeof(*copy));
    for (int i = 0; i < count; i++)
        copy[i] = argv[i + 1];
    int code = run(p, count, copy);
    free(copy);
    return stdio_flush() || code != CLI_OK ? code : CLI_IO;
}
