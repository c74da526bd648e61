/* A small program for the tests of this room: its commands and flags.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CLI_PROGRAM_H
#define TESTS_UNIT_CLI_PROGRAM_H

#include "cli/command.h"

static struct {
    const char *order;
    int64_t limit;
    bool prefix, force;
    struct cli_strings tags;
    int64_t wait_ns;
    unsigned count;
    double ratio;
} local;

static struct {
    const char *format;
    struct cli_strings endpoints;
    bool hex;
} global;

static struct {
    int calls, argc, dash;
    char args[8][64];
} seen;

static int note_run(struct cli_command *cmd, int argc, char **argv)
{
    seen.calls++;
    seen.argc = argc;
    seen.dash = cmd->dash;
    for (int i = 0; i < argc && i < 8; i++)
        snprintf(seen.args[i], sizeof(seen.args[i]), "%s", argv[i]);
    return 7;
}

static const char *const orders[] = {"ASCEND", "DESCEND", NULL};

static struct cli_flag get_flags[] = {
    {"order", .type = CLI_STRING, .value = &local.order, .values = orders,
     .usage = "Order of results; ASCEND or DESCEND"},
    {"limit", .shorthand = 'l', .type = CLI_INT64, .value = &local.limit, .def = "10",
     .usage = "Maximum number of results"},
    {"prefix", .shorthand = 'p', .type = CLI_BOOL, .value = &local.prefix,
     .usage = "Get keys with matching prefix"},
    {"force", .shorthand = 'f', .type = CLI_BOOL, .value = &local.force, .usage = "Do it"},
    {"tags", .type = CLI_STRINGS, .value = &local.tags, .usage = "some `words`"},
    {"wait", .type = CLI_DURATION, .value = &local.wait_ns, .def = "2s", .usage = "time"},
    {"count", .type = CLI_UINT, .value = &local.count, .usage = "how many"},
    {"ratio", .type = CLI_FLOAT, .value = &local.ratio, .usage = "how much\nof it"},
    {"old", .type = CLI_BOOL, .value = &local.force, .usage = "old", .deprecated = "use --force"},
    {0},
};

static struct cli_flag root_flags[] = {
    {"write-out", .shorthand = 'w', .type = CLI_STRING, .value = &global.format, .def = "simple",
     .usage = "set the output format"},
    {"endpoints", .type = CLI_STRINGS, .value = &global.endpoints, .def = "127.0.0.1:2379",
     .usage = "gRPC endpoints"},
    {"hex", .type = CLI_BOOL, .value = &global.hex, .usage = "print hex", .hidden = true},
    {0},
};

static struct cli_command get = {.use = "get [options] <key>", .summary = "Gets keys",
                                 .group = "kv", .flags = get_flags, .run = note_run};
static struct cli_command put = {.use = "put <key>", .summary = "Puts keys", .group = "kv",
                                 .run = note_run};
static struct cli_command grant = {.use = "grant <ttl>", .summary = "Creates leases",
                                   .args = CLI_ARGS_EXACTLY, .n_args = 1, .run = note_run};
static struct cli_command list = {.use = "list", .summary = "Lists leases", .args = CLI_ARGS_NONE,
                                  .aliases = (const char *const[]){"ls-leases", NULL},
                                  .run = note_run};
static struct cli_command lease = {
    .use = "lease <subcommand>", .summary = "Lease commands", .details = "Lease related commands",
    .group = "kv", .commands = (struct cli_command *const[]){&grant, &list, NULL}};
static struct cli_command guess = {.use = "guess", .summary = "Guesses", .addition = true,
                                   .suggest_for = (const char *const[]){"divine", NULL},
                                   .run = note_run};
static struct cli_command phantom = {.use = "phantom", .summary = "Not seen", .hidden = true,
                                   .run = note_run};

static struct cli_command root = {
    .use = "tool",
    .summary = "A tool.",
    .persistent = root_flags,
    .commands = (struct cli_command *const[]){&get, &put, &lease, &guess, &phantom, NULL}};

static const struct cli_group groups[] = {{"kv", "Key-value commands"}, {NULL, NULL}};

static struct cli_program program = {.root = &root};

#endif
