/* ctlv2/ctlv2.c -- from the arguments to the command.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/ctlv2.h"

#include <stdio.h>

#include "base/stdio.h"
#include "config.h"
#include "ctlv2/help.h"

#define PROGRAM "etcdctl"

static const struct command *find_command(const struct command *commands, const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return strcmp(name, "help") == 0 || strcmp(name, "h") == 0 ? &v2_help_command : NULL;
}

static int fail_usage(struct buf *problem)
{
    fflush(stdout);
    fprintf(stderr, "%s\n", buf_cstr(problem));
    return EXIT_BAD_ARGS;
}

/* Print the help of one of the page's commands. */
static int show_topic(const struct help_page *page, const char *topic)
{
    AUTO(buf) struct buf name = BUF_INIT;
    const struct command *c = find_command(page->commands, topic);
    if (c == NULL) {
        fprintf(stderr, "No help topic for '%s'\n", topic);
        return EXIT_NO_TOPIC;
    }
    /* The name of the first page's "help" is empty there, too. */
    if (c != &v2_help_command || !page->lists_help)
        buf_addf(&name, "%s %s", page->name, c->name);
    help_print_command(buf_cstr(&name), c);
    return 0;
}

static int run_help(const struct help_page *page, const struct args *a)
{
    if (a->operand_n != 0)
        return show_topic(page, a->operands[0]);
    help_print_program(page);
    return 0;
}

/* ---- a command --------------------------------------------------------------------------- */

static int run_parsed(const struct help_page *page, const struct command *c,
                      const struct args *globals, const struct args *a)
{
    if (args_bool(a, "help"))
        return show_topic(page, c->name);
    if (c == &v2_help_command)
        return run_help(page, a);
    struct context context = {globals, a, a->operand_n, a->operands};
    return c->run(&context);
}

/* Run the command that argv[0] names. */
static int run_command(const struct help_page *page, const struct command *c,
                       const struct args *globals, int argc, char **argv)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    struct option_spec specs[OPTIONS_MAX];
    size_t n = c->option_n;
    struct args a;
    int status;
    invariant(n < OPTIONS_MAX);
    if (n != 0)
        memcpy(specs, c->options, n * sizeof *specs);
    specs[n++] = v2_help_option;
    if (args_parse(&a, specs, n, argc - 1, argv + 1, true, &problem) &&
        args_check_forms(&a, &problem)) {
        status = run_parsed(page, c, globals, &a);
    } else {
        printf("Incorrect Usage: %s\n\n", buf_cstr(&problem));
        show_topic(page, c->name);
        status = fail_usage(&problem);
    }
    args_fini(&a);
    return status;
}

/* ---- commands with commands below them --------------------------------------------------- */

static int run_group_parsed(const struct help_page *page, const struct args *globals,
                            const struct args *a)
{
    if (args_bool(a, "help") || a->operand_n == 0) {
        help_print_group(page);
        return 0;
    }
    const struct command *c = find_command(page->commands, a->operands[0]);
    if (c == NULL)
        return show_topic(page, a->operands[0]);
    return run_command(page, c, globals, a->operand_n, a->operands);
}

static int run_group(const struct command *group, const struct args *globals, int argc, char **argv)
{
    AUTO(buf) struct buf name = BUF_INIT;
    AUTO(buf) struct buf problem = BUF_INIT;
    struct args a;
    int status;
    buf_addf(&name, PROGRAM " %s", group->name);
    const struct help_page page = {.name = buf_cstr(&name),
                                   .summary = group->summary,
                                   .commands = group->commands,
                                   .options = &v2_help_option,
                                   .option_n = 1};
    bool ok = args_parse(&a, &v2_help_option, 1, argc - 1, argv + 1, false, &problem);
    AUTO(buf) struct buf forms = BUF_INIT;
    if (!args_check_forms(&a, &forms)) {
        printf("%s\n\n", buf_cstr(&forms));
        help_print_group(&page);
        status = fail_usage(&forms);
    } else if (!ok) {
        printf("Incorrect Usage. %s\n\n", buf_cstr(&problem));
        help_print_group(&page);
        status = fail_usage(&problem);
    } else {
        status = run_group_parsed(&page, globals, &a);
    }
    args_fini(&a);
    return status;
}

/* ---- the program ------------------------------------------------------------------------- */

static int run_program(const struct help_page *page, const struct args *globals)
{
    if (args_bool(globals, "help")) {
        help_print_program(page);
        return 0;
    }
    if (args_bool(globals, "version")) {
        printf(PROGRAM " version: %s\nAPI version: 2\n", ETCD_API_VERSION);
        return 0;
    }
    if (globals->operand_n == 0)
        return run_help(page, globals);
    const struct command *c = find_command(page->commands, globals->operands[0]);
    if (c == NULL)
        return show_topic(page, globals->operands[0]);
    if (c->commands != NULL)
        return run_group(c, globals, globals->operand_n, globals->operands);
    return run_command(page, c, globals, globals->operand_n, globals->operands);
}

int ctlv2_main(int argc, char **argv)
{
    static const struct help_page page = {.name = PROGRAM,
                                          .summary = "A simple command line client for etcd.",
                                          .commands = v2_commands,
                                          .lists_help = true,
                                          .options = v2_globals};
    struct help_page program = page;
    AUTO(buf) struct buf problem = BUF_INIT, forms = BUF_INIT;
    struct args globals;
    int status;
    stdio_open();
    program.option_n = v2_global_n;
    bool ok = args_parse(&globals, v2_globals, v2_global_n, argc - 1, argv + 1, false, &problem);
    if (!args_check_forms(&globals, &forms)) {
        printf("%s\n", buf_cstr(&forms));
        help_print_program(&program);
        status = fail_usage(&forms);
    } else if (!ok) {
        printf("Incorrect Usage. %s\n\n", buf_cstr(&problem));
        help_print_program(&program);
        status = fail_usage(&problem);
    } else {
        status = run_program(&program, &globals);
    }
    args_fini(&globals);
    return stdio_flush() || status != 0 ? status : EXIT_BAD_ARGS;
}
