/* cli/usage.c -- the layout of help, as users of cobra know it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/usage.h"

#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "cli/flags.h"
#include "cli/quote.h"

enum {
    NAME_WIDTH = 11, /* of a command in a list, at least */
};

/* ---- flags -------------------------------------------------------------------------------- */

struct flag_list {
    const struct cli_flag **v;
    size_t n;
};

static void list_add(struct flag_list *l, const struct cli_flag *f)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = f;
}

static void list_add_table(struct flag_list *l, const struct cli_flag *f, bool all)
{
    for (; f && f->name; f++) {
        if (all || !f->hidden)
            list_add(l, f);
    }
}

static int by_name(void *arg, const void *a, const void *b)
{
    (void)arg;
    return strcmp((*(const struct cli_flag *const *)a)->name,
                  (*(const struct cli_flag *const *)b)->name);
}

/* The name of the value: what stands in back quotes, or the type. *usage loses the quotes. */
static void add_value_word(struct buf *b, const struct cli_flag *f, struct buf *usage)
{
    const char *open = strchr(f->usage, '`');
    const char *close = open ? strchr(open + 1, '`') : NULL;
    if (!close) {
        buf_add_str(usage, f->usage);
        const char *word = flag_type_word(f);
        buf_addf(b, "%s%s", *word ? " " : "", word);
        return;
    }
    buf_add_byte(b, ' ');
    buf_add(b, open + 1, (size_t)(close - open - 1));
    buf_add(usage, f->usage, (size_t)(open - f->usage));
    buf_add(usage, open + 1, (size_t)(close - open - 1));
    buf_add_str(usage, close + 1);
}

/* What stands before the usage: "  -w, --write-out string". */
static void add_flag_head(struct buf *b, const struct cli_flag *f, struct buf *usage)
{
    if (f->shorthand)
        buf_addf(b, "  -%c, --%s", f->shorthand, f->name);
    else
        buf_addf(b, "      --%s", f->name);
    add_value_word(b, f, usage);
    if (f->bare && f->type != CLI_BOOL)
        buf_addf(b, f->type == CLI_STRING ? "[=\"%s\"]" : "[=%s]", f->bare);
}

static void add_flag_tail(struct buf *b, const struct cli_flag *f)
{
    const char *def = flag_default(f);
    if (def && f->type == CLI_STRING) {
        buf_add_str(b, " (default ");
        quote_add(b, slice_str(def));
        buf_add_byte(b, ')');
    } else if (def) {
        buf_addf(b, f->type == CLI_STRINGS ? " (default [%s])" : " (default %s)", def);
    }
    if (f->deprecated)
        buf_addf(b, " (DEPRECATED: %s)", f->deprecated);
}

static void add_indented(struct buf *b, const char *text, size_t indent)
{
    for (; *text; text++) {
        buf_add_byte(b, (uint8_t)*text);
        if (*text == '\n')
            buf_addf(b, "%*s", (int)indent, "");
    }
}

static void add_flag_lines(struct buf *b, struct flag_list *l)
{
    size_t width = 0;
    sort_stable(l->v, l->n, sizeof(*l->v), by_name, NULL);
    for (size_t i = 0; i < l->n; i++) {
        AUTO(buf) struct buf head = BUF_INIT;
        AUTO(buf) struct buf usage = BUF_INIT;
        add_flag_head(&head, l->v[i], &usage);
        width = head.n > width ? head.n : width;
    }
    for (size_t i = 0; i < l->n; i++) {
        AUTO(buf) struct buf head = BUF_INIT;
        AUTO(buf) struct buf usage = BUF_INIT;
        add_flag_head(&head, l->v[i], &usage);
        add_flag_tail(&usage, l->v[i]);
        buf_addf(b, "%-*s   ", (int)width, buf_cstr(&head));
        add_indented(b, buf_cstr(&usage), width + 3);
        buf_add_byte(b, '\n');
    }
}

void usage_add_flags(struct buf *b, const struct cli_flag *flags, bool all)
{
    struct flag_list l = {NULL, 0};
    list_add_table(&l, flags, all);
    add_flag_lines(b, &l);
    free(l.v);
}

/* ---- which flags a command shows ------------------------------------------------------------ */

static void trim_right(struct buf *b)
{
    while (b->n && strchr(" \t\n", b->p[b->n - 1]))
        b->n--;
}

static bool shows_help_flag(const struct cli_command *cmd)
{
    return cmd->parent || !cmd->program->hide_root_help;
}

static void add_local_flags(struct buf *b, struct cli_command *cmd)
{
    AUTO(buf) struct buf help_usage = BUF_INIT;
    struct slice name = cli_name(cmd);
    buf_addf(&help_usage, "help for %.*s", (int)name.n, (const char *)name.p);
    struct cli_flag help = cli_help_flag;
    help.usage = buf_cstr(&help_usage);

    struct flag_list l = {NULL, 0};
    list_add_table(&l, cmd->flags, false);
    list_add_table(&l, cmd->persistent, false);
    if (shows_help_flag(cmd))
        list_add(&l, &help);
    if (l.n) {
        buf_add_str(b, "\n\nFlags:\n");
        add_flag_lines(b, &l);
        trim_right(b);
    }
    free(l.v);
}

static void add_inherited_flags(struct buf *b, struct cli_command *cmd)
{
    struct flag_list l = {NULL, 0};
    for (struct cli_command *c = cmd->parent; c; c = c->parent)
        list_add_table(&l, c->persistent, false);
    if (l.n) {
        buf_add_str(b, "\n\nGlobal Flags:\n");
        add_flag_lines(b, &l);
        trim_right(b);
    }
    free(l.v);
}

static bool has_visible_flag(struct cli_command *cmd)
{
    CLI_FLAG_FOREACH(f, cmd) {
        if (!f->hidden)
            return true;
    }
    return shows_help_flag(cmd);
}

void usage_add_line(struct buf *b, struct cli_command *cmd)
{
    if (cmd->parent) {
        cli_path(cmd->parent, b);
        buf_add_byte(b, ' ');
    }
    buf_add_str(b, cmd->use);
    if (!cmd->plain_use_line && has_visible_flag(cmd) && !strstr(cmd->use, "[flags]"))
        buf_add_str(b, " [flags]");
}

/* ---- commands ------------------------------------------------------------------------------ */

struct command_list {
    struct cli_command **v;
    size_t n, width;
};

static bool is_help(const struct cli_command *cmd)
{
    return !cmd->parent->parent && slice_is(cli_name(cmd), "help");
}

static int by_command_name(void *arg, const void *a, const void *b)
{
    (void)arg;
    return slice_cmp(cli_name(*(struct cli_command *const *)a),
                     cli_name(*(struct cli_command *const *)b));
}

static struct command_list list_commands(struct cli_command *cmd)
{
    struct command_list l = {NULL, 0, NAME_WIDTH};
    struct cli_command *child;
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++) {
        size_t n = cli_name(child).n;
        if (n > l.width && !child->hidden)
            l.width = n;
        if (!cli_is_available(child) && !is_help(child))
            continue;
        l.v = xrealloc(l.v, (l.n + 1) * sizeof(struct cli_command *));
        l.v[l.n++] = child;
    }
    sort_stable(l.v, l.n, sizeof(struct cli_command *), by_command_name, NULL);
    return l;
}

/* One paragraph: the commands of `group`; NULL: those of none. */
static void add_group(struct buf *b, const struct command_list *l, const char *group,
                      const char *title)
{
    buf_addf(b, "\n\n%s", title);
    for (size_t i = 0; i < l->n; i++) {
        const struct cli_command *c = l->v[i];
        if (group ? !c->group || strcmp(c->group, group) != 0 : c->group != NULL)
            continue;
        struct slice name = cli_name(c);
        buf_addf(b, "\n  %-*.*s %s", (int)l->width, (int)name.n, (const char *)name.p, c->summary);
    }
}

static void add_commands(struct buf *b, struct cli_command *cmd)
{
    struct command_list l = list_commands(cmd);
    const struct cli_group *groups = cmd->parent ? NULL : cmd->program->groups;
    bool ungrouped = false;
    for (size_t i = 0; i < l.n; i++)
        ungrouped |= l.v[i]->group == NULL;
    if (!groups) {
        add_group(b, &l, NULL, "Available Commands:");
    } else {
        for (const struct cli_group *g = groups; g->id; g++)
            add_group(b, &l, g->id, g->title);
        if (ungrouped)
            add_group(b, &l, NULL, "Additional Commands:");
    }
    free(l.v);
}

static bool has_available_child(struct cli_command *cmd)
{
    struct cli_command *child;
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++) {
        if (cli_is_available(child))
            return true;
    }
    return false;
}

static void add_aliases(struct buf *b, const struct cli_command *cmd)
{
    buf_add_str(b, "\n\nAliases:\n  ");
    buf_add_slice(b, cli_name(cmd));
    for (const char *const *a = cmd->aliases; *a; a++)
        buf_addf(b, ", %s", *a);
}

void usage_add(struct buf *b, struct cli_command *cmd)
{
    bool children = has_available_child(cmd);
    buf_add_str(b, "Usage:");
    if (cmd->run) {
        buf_add_str(b, "\n  ");
        usage_add_line(b, cmd);
    }
    if (children) {
        buf_add_str(b, "\n  ");
        cli_path(cmd, b);
        buf_add_str(b, " [command]");
    }
    if (cmd->aliases)
        add_aliases(b, cmd);
    if (cmd->example)
        buf_addf(b, "\n\nExamples:\n%s", cmd->example);
    if (children)
        add_commands(b, cmd);
    add_local_flags(b, cmd);
    add_inherited_flags(b, cmd);
    if (children) {
        buf_add_str(b, "\n\nUse \"");
        cli_path(cmd, b);
        buf_add_str(b, " [command] --help\" for more information about a command.");
    }
    buf_add_byte(b, '\n');
}

void usage_add_help(struct buf *b, struct cli_command *cmd)
{
    if (!cmd->program->help_is_usage) {
        buf_add_str(b, cmd->details ? cmd->details : cmd->summary);
        trim_right(b);
        if (b->n)
            buf_add_str(b, "\n\n");
    }
    usage_add(b, cmd);
    if (cmd->program->help_footer)
        buf_addf(b, "%s\n", cmd->program->help_footer);
}
