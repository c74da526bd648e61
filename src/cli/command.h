/* cli/command.h -- a program's commands and flags, as its user types them.
 *
 * A program is a tree of `struct cli_command`, written as static tables, and one call of cli_main().
 * What a user sees is what users of cobra and pflag know: flags anywhere among the arguments
 * (--x=v, --x v, -x v, -xv, --x for a bool, -- ends them), a flag of a command known to the
 * commands below it if it is persistent, commands by any unambiguous beginning of their name,
 * "unknown command" with what may have been meant, help and usage in the same layout.
 *
 *   static struct { bool prefix; int64_t limit; } opt;
 *   static struct cli_flag flags[] = {
 *       {"prefix", .type = CLI_BOOL, .value = &opt.prefix, .usage = "Get keys with ..."},
 *       {"limit", .type = CLI_INT64, .value = &opt.limit, .usage = "Maximum number of results"},
 *       {0}};
 *   struct cli_command cmd_get = {
 *       .use = "get [options] <key> [range_end]", .summary = "Gets the key or a range of keys",
 *       .flags = flags, .run = get_run};
 *
 * Nothing here ends the process: a command returns its exit code, and cli_main() hands it to main.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* Exit codes that all programs share. */
enum {
    CLI_OK = 0,
    CLI_ERROR = 1,
    CLI_BAD_CONNECTION = 2,
    CLI_INVALID_INPUT = 3, /* what stood in a txn or watch request */
    CLI_BAD_FEATURE = 4,   /* a valid flag with a value that is not supported */
    CLI_INTERRUPTED = 5,
    CLI_IO = 6,
    CLI_BAD_ARGS = 128,
};

/* ---- flags -------------------------------------------------------------------------------- */

enum cli_type {
    CLI_BOOL = 1, /* bool */
    CLI_STRING,   /* const char *, lent by the arguments or the environment */
    CLI_INT,      /* int */
    CLI_INT64,    /* int64_t */
    CLI_UINT,     /* unsigned */
    CLI_UINT32,   /* uint32_t */
    CLI_UINT64,   /* uint64_t */
    CLI_FLOAT,    /* double */
    CLI_DURATION, /* int64_t, nanoseconds (base/duration.h); typed as "1.5s", "2m3s" */
    CLI_STRINGS,  /* struct cli_strings; typed as "a,b" or several times */
};

struct cli_strings {
    char **v; /* owned by the flag */
    size_t n;
};

struct cli_flag {
    const char *name; /* NULL ends a table */
    char shorthand;   /* 0: none */
    enum cli_type type;
    void *value;               /* where it is kept, as the type says */
    const char *def;           /* the default as it would be typed; NULL: false, "", 0, no strings */
    const char *usage;         /* one line; a word in `back quotes` names the value */
    const char *bare;          /* value of "--x" without one (a bool has "true"); NULL: one is needed */
    const char *const *values; /* what completion offers, ended by NULL; NULL: nothing */
    const char *deprecated;    /* what to use instead: printed to stderr when the flag is given */
    bool hidden;               /* neither in help nor in completion */
    bool changed;              /* set by parsing: given by arguments or environment */
};

/* ---- commands ----------------------------------------------------------------------------- */

struct cli_command;
struct cli_program;

/* How many arguments a command takes is checked by itself, but for these. */
enum cli_args {
    CLI_ARGS_ANY,
    CLI_ARGS_NONE,      /* unknown command "x" for "etcdctl y" */
    CLI_ARGS_EXACTLY,   /* accepts 1 arg(s), received 2 */
    CLI_ARGS_VALID_ONE, /* exactly one, and one of valid_args */
};

struct cli_command {
    const char *use; /* usage line without the parents; its first word is the name */
    const char *summary;
    const char *details;             /* in place of the summary in its help; NULL: none */
    const char *example;             /* NULL: none */
    const char *group;               /* id of a cli_group of the program; NULL: none */
    const char *const *aliases;      /* ended by NULL; NULL: none */
    const char *const *suggest_for;  /* likewise: "Did you mean this?" for these words too */
    const char *const *valid_args;   /* likewise: first arguments that completion offers */
    struct cli_flag *flags;          /* of this command only; ended by a nameless one; NULL: none */
    struct cli_flag *persistent;     /* of this command and those below it */
    struct cli_command *const *commands; /* ended by NULL; NULL: none */
    enum cli_args args;
    int n_args; /* of CLI_ARGS_EXACTLY */
    bool hidden;
    bool addition;       /* gives way where a beginning is ambiguous otherwise */
    bool plain_use_line; /* do not append [flags] to the usage line */
    /* Return the exit code. argv holds the arguments without flags. NULL: only help. */
    int (*run)(struct cli_command *cmd, int argc, char **argv);

    struct cli_command *parent; /* set by cli_main() */
    struct cli_program *program;
    int dash; /* set by parsing: how many arguments stood before "--"; -1 without one */
};

struct cli_group {
    const char *id, *title;
};

struct cli_program {
    struct cli_command *root;
    const struct cli_group *groups;  /* of the root's help; ended by a nameless one; NULL: none */
    const char *help_group;          /* the group of the help command */
    const char *help_footer;         /* a last line of each help; NULL: none */
    bool help_is_usage;              /* --help prints the usage without the text above it */
    bool hide_root_help;             /* no --help line in the root's flags */
    int argc; /* set by cli_main(): the arguments as they came */
    char **argv;
};

/* Find the command, parse its flags and run it. Return the exit code of the process. Standard
 * output is flushed; if that fails (a full disk) stderr says so and the code is CLI_IO unless it was
 * worse. */
int cli_main(struct cli_program *p, int argc, char **argv);

/* Set parents and program of every command; cli_main() does it by itself. */
void cli_tie(struct cli_program *p);
/* Parse `argv` (without a command name) by the flags of `cmd` and its parents, all set to their
 * defaults first. Return the count of arguments, moved to the front of argv, or -1: the sentence
 * is in `problem`. "--help" is not special here. */
int cli_parse(struct cli_command *cmd, int argc, char **argv, struct buf *problem);
/* Set all flags of `cmd` itself to their defaults. */
void cli_reset(struct cli_command *cmd);
/* Return the flag of that name which `cmd` knows, its parents' included, or NULL. */
struct cli_flag *cli_flag_find(struct cli_command *cmd, const char *name);
/* Set it as if it was given. False: *problem says why not, in Go's words. */
bool cli_set(struct cli_flag *flag, const char *text, struct buf *problem);
/* True if it was given by an argument or the environment. */
bool cli_changed(struct cli_command *cmd, const char *name);
/* Find the command that the arguments name, as cli_main() does, and take its name (and its parents')
 * out of argv. NULL: *problem says why. */
struct cli_command *cli_find(struct cli_program *p, int *argc, char **argv, struct buf *problem);
/* The i-th command below `cmd`, those that every program has included; NULL behind the last. */
struct cli_command *cli_child(struct cli_command *cmd, size_t i);
/* True if help shows it: not hidden, and something to run in it. */
bool cli_is_available(struct cli_command *cmd);
/* The name of a command: the first word of its use; and with its parents: "etcdctl lease list". */
struct slice cli_name(const struct cli_command *cmd);
void cli_path(const struct cli_command *cmd, struct buf *b);

/* For each flag `f` that `cmd` knows, its own first, then its parents' persistent ones. */
struct cli_flag *cli_flag_next(struct cli_command *cmd, struct cli_flag *f);
#define CLI_FLAG_FOREACH(f, cmd)                                                                   \
    for (struct cli_flag *f = cli_flag_next(cmd, NULL); f; f = cli_flag_next(cmd, f))

/* Every command takes -h, --help; this is it. */
extern struct cli_flag cli_help_flag;

/* ---- errors ------------------------------------------------------------------------------- */

/* Print "Error: ..." and a newline to stderr, after flushing stdout. Return `code`. */
int cli_fail(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Print the text of `cmd`'s help to stdout, as --help does. Return 0. */
int cli_help(struct cli_command *cmd);

#endif
