/* cli/parse.c -- which command is meant, and what its flags are set to.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/command.h"
#include "cli/flags.h"
#include "cli/quote.h"

static bool help_value;
struct cli_flag cli_help_flag = {
    "help", .shorthand = 'h', .type = CLI_BOOL, .value = &help_value, .usage = "help"};

/* ---- flags of a command ------------------------------------------------------------------- */

static struct cli_flag *table_or_next(struct cli_command *cmd, struct cli_flag *f)
{
    if (f && f->name)
        return f;
    while (cmd) {
        if (cmd->persistent && cmd->persistent->name)
            return cmd->persistent;
        cmd = cmd->parent;
    }
    return NULL;
}

static bool in_table(const struct cli_flag *table, const struct cli_flag *f)
{
    for (; table && table->name; table++) {
        if (table == f)
            return true;
    }
    return false;
}

struct cli_flag *cli_flag_next(struct cli_command *cmd, struct cli_flag *f)
{
    if (!f)
        return table_or_next(cmd, cmd->flags);
    if (in_table(cmd->flags, f))
        return table_or_next(cmd, f + 1);
    for (struct cli_command *c = cmd; c; c = c->parent) {
        if (in_table(c->persistent, f))
            return f[1].name ? f + 1 : table_or_next(c->parent, NULL);
    }
    return NULL;
}

static struct cli_flag *find_long(struct cli_command *cmd, struct slice name)
{
    CLI_FLAG_FOREACH(f, cmd) {
        if (slice_is(name, f->name))
            return f;
    }
    return NULL;
}

static struct cli_flag *find_short(struct cli_command *cmd, char c)
{
    CLI_FLAG_FOREACH(f, cmd) {
        if (f->shorthand == c)
            return f;
    }
    return NULL;
}

struct cli_flag *cli_flag_find(struct cli_command *cmd, const char *name)
{
    return find_long(cmd, slice_str(name));
}

bool cli_changed(struct cli_command *cmd, const char *name)
{
    const struct cli_flag *f = cli_flag_find(cmd, name);
    return f && f->changed;
}

void cli_reset(struct cli_command *cmd)
{
    for (struct cli_flag *f = cmd->flags; f && f->name; f++)
        flag_reset(f);
}

bool cli_set(struct cli_flag *f, const char *text, struct buf *problem)
{
    AUTO(buf) struct buf cause = BUF_INIT;
    if (!flag_store(f, text, &cause)) {
        const char dash_letter[] = {'-', f->shorthand, ',', ' ', '\0'};
        buf_add_str(problem, "invalid argument ");
        quote_add(problem, slice_str(text));
        buf_addf(problem, " for \"%s--%s\" flag: %s", f->shorthand ? dash_letter : "", f->name,
                 buf_cstr(&cause));
        return false;
    }
    f->changed = true;
    if (f->deprecated)
        fprintf(stderr, "Flag --%s has been deprecated, %s\n", f->name, f->deprecated);
    return true;
}

/* ---- parsing ------------------------------------------------------------------------------ */

/* What is left of the arguments: taken from the front, kept ones put back at `kept`. */
struct rest {
    int argc, at, kept;
    char **argv;
};

static char *rest_take(struct rest *r)
{
    return r->at < r->argc ? r->argv[r->at++] : NULL;
}

static bool parse_long(struct cli_command *cmd, const char *arg, struct rest *r,
                       struct buf *problem)
{
    const char *name = arg + 2;
    if (*name == '-' || *name == '=') {
        buf_addf(problem, "bad flag syntax: %s", arg);
        return false;
    }
    const char *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    struct cli_flag *f = find_long(cmd, slice_make(name, n));
    if (!f && n == 4 && memcmp(name, "help", 4) == 0)
        f = &cli_help_flag;
    if (!f) {
        buf_addf(problem, "unknown flag: --%.*s", (int)n, name);
        return false;
    }
    const char *value = equals ? equals + 1 : flag_bare(f);
    if (!value)
        value = rest_take(r);
    if (!value) {
        buf_addf(problem, "flag needs an argument: --%.*s", (int)n, name);
        return false;
    }
    return cli_set(f, value, problem);
}

/* The value of the flag that `letters` begins with; *ret_last says whether more letters follow. */
static const char *short_value(const struct cli_flag *f, const char *letters, struct rest *r,
                               bool *ret_last)
{
    *ret_last = true;
    if (letters[1] == '=' && letters[2])
        return letters + 2;
    if (flag_bare(f)) {
        *ret_last = false;
        return flag_bare(f);
    }
    return letters[1] ? letters + 1 : rest_take(r);
}

static bool parse_shorts(struct cli_command *cmd, const char *letters, struct rest *r,
                         struct buf *problem)
{
    bool last = false;
    for (; *letters && !last; letters++) {
        struct cli_flag *f = find_short(cmd, *letters);
        if (!f && *letters == 'h')
            f = &cli_help_flag;
        if (!f) {
            buf_addf(problem, "unknown shorthand flag: '%c' in -%s", *letters, letters);
            return false;
        }
        const char *value = short_value(f, letters, r, &last);
        if (!value) {
            buf_addf(problem, "flag needs an argument: '%c' in -%s", *letters, letters);
            return false;
        }
        if (!cli_set(f, value, problem))
            return false;
    }
    return true;
}

int cli_parse(struct cli_command *cmd, int argc, char **argv, struct buf *problem)
{
    CLI_FLAG_FOREACH(f, cmd)
        flag_reset(f);
    flag_reset(&cli_help_flag);
    cmd->dash = -1;
    struct rest r = {argc, 0, 0, argv};
    for (char *arg; (arg = rest_take(&r)) != NULL;) {
        bool good = true;
        if (arg[0] != '-' || arg[1] == '\0') {
            argv[r.kept++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            cmd->dash = r.kept;
            while ((arg = rest_take(&r)) != NULL)
                argv[r.kept++] = arg;
        } else if (arg[1] == '-') {
            good = parse_long(cmd, arg, &r, problem);
        } else {
            good = parse_shorts(cmd, arg + 1, &r, problem);
        }
        if (!good)
            return -1;
    }
    argv[r.kept] = NULL;
    return r.kept;
}

/* ---- finding the command ------------------------------------------------------------------ */

/* True if the argument is a flag whose value stands in the next one, for all that `cmd` knows. A
 * flag of a command further down is taken for one with a value. */
static bool takes_next(struct cli_command *cmd, const char *arg)
{
    if (arg[0] != '-' || arg[1] == '\0' || strchr(arg, '='))
        return false;
    const struct cli_flag *f;
    if (arg[1] == '-')
        f = find_long(cmd, slice_str(arg + 2));
    else if (arg[2] == '\0')
        f = find_short(cmd, arg[1]);
    else
        return false;
    if (!f && !cmd->parent && cmd->program->hide_root_help &&
        (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0))
        f = &cli_help_flag;
    return !f || !flag_bare(f);
}

/* The first argument that is no flag and no flag's value, or -1. */
static int first_word(struct cli_command *cmd, int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (takes_next(cmd, argv[i]))
            i++;
        else if (argv[i][0] != '-' && argv[i][0] != '\0')
            return i;
    }
    return -1;
}

static bool has_prefix(const char *text, size_t n, const char *prefix)
{
    size_t k = strlen(prefix);
    return k <= n && memcmp(text, prefix, k) == 0;
}

/* 2: `word` is its name or an alias, 1: the beginning of one, 0: neither. */
static int matches(const struct cli_command *cmd, const char *word)
{
    struct slice name = cli_name(cmd);
    int best = slice_is(name, word) ? 2 : has_prefix((const char *)name.p, name.n, word);
    for (const char *const *a = cmd->aliases; a && *a; a++) {
        int m = strcmp(*a, word) == 0 ? 2 : has_prefix(*a, strlen(*a), word);
        best = m > best ? m : best;
    }
    return best;
}

static struct cli_command *find_child(struct cli_command *cmd, const char *word)
{
    struct cli_command *found[2] = {NULL, NULL}; /* first choice, additions */
    int count[2] = {0, 0};
    struct cli_command *child;
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++) {
        int m = matches(child, word);
        if (m == 2)
            return child;
        if (m == 1) {
            found[child->addition] = child;
            count[child->addition]++;
        }
    }
    int side = count[0] == 0;
    return count[side] == 1 ? found[side] : NULL;
}

/* How many letters must be changed, added or left out, without regard to case. */
static size_t distance(const char *a, struct slice b)
{
    enum { WORD_MAX = 64 };
    size_t n = strlen(a), row[WORD_MAX + 1];
    if (n > WORD_MAX || b.n > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t up = row[j];
            size_t same = strncasecmp(&a[i - 1], (const char *)&b.p[j - 1], 1) != 0;
            size_t best = diagonal + same;
            best = up + 1 < best ? up + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = up;
            row[j] = best;
        }
    }
    return row[b.n];
}

static void suggest(struct cli_command *cmd, const char *word, struct buf *b)
{
    bool any = false;
    struct cli_command *child;
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++) {
        if (!cli_is_available(child))
            continue;
        struct slice name = cli_name(child);
        size_t n = strlen(word);
        bool near = distance(word, name) <= 2 ||
                    (n <= name.n && strncasecmp(word, (const char *)name.p, n) == 0);
        for (const char *const *s = child->suggest_for; s && *s; s++)
            near |= strcasecmp(*s, word) == 0;
        if (!near)
            continue;
        if (!any)
            buf_add_str(b, "\n\nDid you mean this?\n");
        any = true;
        buf_addf(b, "\t%.*s\n", (int)name.n, (const char *)name.p);
    }
}

struct cli_command *cli_find(struct cli_program *p, int *argc, char **argv, struct buf *problem)
{
    struct cli_command *cmd = p->root;
    int at;
    while ((at = first_word(cmd, *argc, argv)) >= 0) {
        struct cli_command *child = find_child(cmd, argv[at]);
        if (!child)
            break;
        memmove(&argv[at], &argv[at + 1], (size_t)(*argc - at) * sizeof(*argv));
        (*argc)--;
        cmd = child;
    }
    if (at < 0 || cmd->parent || !cmd->commands)
        return cmd;
    buf_add_str(problem, "unknown command ");
    quote_add(problem, slice_str(argv[at]));
    buf_add_str(problem, " for \"");
    cli_path(cmd, problem);
    buf_add_byte(problem, '"');
    suggest(cmd, argv[at], problem);
    return NULL;
}
