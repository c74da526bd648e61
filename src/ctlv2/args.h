/* ctlv2/args.h -- options and operands of the v2 commands, as users of urfave/cli know them.
 *
 * An option is "-name" or "--name", with its value behind = or as the next argument. Among the
 * arguments of a command, options may stand behind the operands: those that the command knows are
 * moved to the front, each with the argument behind it, and "--" ends them. (So a value that
 * follows an option without value is moved with it, which changes nothing.)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_ARGS_H
#define CTLV2_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

enum option_type { OPTION_BOOL, OPTION_STRING, OPTION_INT, OPTION_DURATION, OPTION_STRINGS };

struct option_spec {
    const char *name;
    const char *alias; /* NULL: none */
    enum option_type type;
    const char *usage; /* a word in `back quotes` names the value */
    const char *def;   /* the default, as it would be typed; NULL: "", 0 */
};

enum { OPTIONS_MAX = 20 };

struct option_value {
    bool by_name, by_alias; /* how it was given */
    bool yes;               /* OPTION_BOOL */
    const char *text;       /* OPTION_STRING, lent by the arguments */
    int64_t number;         /* OPTION_INT; OPTION_DURATION in nanoseconds */
    const char **texts;     /* OPTION_STRINGS */
    size_t text_n;
};

struct args {
    const struct option_spec *specs; /* `n` of them */
    size_t n;
    struct option_value values[OPTIONS_MAX];
    char **operands; /* lent by the arguments; in memory of this struct's */
    int operand_n;
    int dash; /* how many operands stood before "--", as they came; -1: it was not there */
    char **storage;
};

/* Read `argv`, moving options to the front first if `reorder`. False: the sentence is in `problem`,
 * and what was read before is kept. */
bool args_parse(struct args *a, const struct option_spec *specs, size_t n, int argc, char **argv,
                bool reorder, struct buf *problem);
/* Both forms of one option were given: false, and the sentence. */
bool args_check_forms(const struct args *a, struct buf *problem);
void args_fini(struct args *a);

/* The value of an option that is known to be one. */
bool args_bool(const struct args *a, const char *name);
const char *args_text(const struct args *a, const char *name);
int64_t args_number(const struct args *a, const char *name);
const struct option_value *args_value(const struct args *a, const char *name);

#endif
