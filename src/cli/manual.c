/* cli/manual.c -- see cli/manual.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/manual.h"

#include "cli/flags.h"
#include "cli/usage.h"

/* Append text that scdoc shall not read as markup, each line after the first behind `indent`. */
static void add_plain(struct buf *b, const char *text, const char *indent)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\n') {
            while (p[1] == '\n' || p[1] == ' ' || p[1] == '\t')
                p++;
            if (p[1])
                buf_addf(b, "\n%s", indent);
            continue;
        }
        bool leads = p == text || p[-1] == '\n' || p[-1] == ' ' || p[-1] == '\t';
        if (strchr("\\*_#<>[]|~", *p) != NULL || (*p == '-' && leads))
            buf_add_byte(b, '\\');
        buf_add_byte(b, *p == '\t' ? ' ' : (uint8_t)*p);
    }
}

/* ---- flags ------------------------------------------------------------------------------------ */

static void add_default(struct buf *b, const struct cli_flag *f)
{
    const char *def = flag_default(f);
    if (def == NULL)
        return;
    buf_add_str(b, " Default: ");
    add_plain(b, def, "");
    buf_add_byte(b, '.');
}

static void add_usage(struct buf *b, const struct cli_flag *f, const char *indent)
{
    AUTO(buf) struct buf usage = BUF_INIT;
    for (const char *p = f->usage; *p; p++)
        if (*p != '`')
            buf_add_byte(&usage, (uint8_t)*p);
    size_t n = usage.n;
    add_plain(b, buf_cstr(&usage), indent);
    bool ends = n > 1 && usage.p[n - 1] == ')' && usage.p[n - 2] == '.';
    if (n > 0 && !ends && strchr(".!?", usage.p[n - 1]) == NULL)
        buf_add_byte(b, '.');
}

static void add_flags(struct buf *b, const struct cli_flag *f, bool all, const char *indent)
{
    for (; f != NULL && f->name != NULL; f++) {
        if (f->hidden && !all)
            continue;
        const char *word = flag_type_word(f);
        buf_add_str(b, indent);
        if (f->shorthand)
            buf_addf(b, "*-%c*, ", f->shorthand);
        buf_addf(b, "*--%s*%s%s%s\n%s\t", f->name, *word ? "=_" : "", word, *word ? "_" : "",
                 indent);
        add_usage(b, f, indent);
        add_default(b, f);
        buf_add_str(b, "\n\n");
    }
}

/* ---- commands --------------------------------------------------------------------------------- */

static bool is_in(const struct cli_command *cmd, const char *group)
{
    return group == NULL ? cmd->group == NULL : cmd->group != NULL && strcmp(cmd->group, group) == 0;
}

static void add_description(struct buf *b, const struct cli_command *cmd)
{
    const char *text = cmd->details != NULL ? cmd->details : cmd->summary;
    buf_add_byte(b, '\t');
    add_plain(b, text, "\t");
    if (*text && strchr(".!?\n", text[strlen(text) - 1]) == NULL)
        buf_add_byte(b, '.');
    if (cmd->addition)
        buf_add_str(b, " This command is an addition: etcd's own program has none of this name.");
    buf_add_str(b, "\n\n");
}

static void add_command(struct buf *b, struct cli_command *cmd)
{
    struct cli_command *child;
    if (!cli_is_available(cmd))
        return;
    if (cmd->run != NULL) {
        AUTO(buf) struct buf path = BUF_INIT;
        if (cmd->parent != NULL && cmd->parent->parent != NULL) {
            cli_path(cmd->parent, &path);
            buf_consume(&path, strcspn(buf_cstr(&path), " ") + 1);
            buf_add_byte(&path, ' ');
        }
        buf_add_slice(&path, cli_name(cmd));
        buf_addf(b, "*%s*", buf_cstr(&path));
        add_plain(b, cmd->use + cli_name(cmd).n, "");
        buf_add_str(b, "\n");
        add_description(b, cmd);
    }
    add_flags(b, cmd->persistent, false, "\t");
    add_flags(b, cmd->flags, false, "\t");
    for (size_t i = 0; (child = cli_child(cmd, i)) != NULL; i++)
        add_command(b, child);
}

static void add_group(struct buf *b, struct cli_program *p, const char *id, const char *title)
{
    struct cli_command *child;
    if (title != NULL)
        buf_addf(b, "## %s\n\n", title);
    for (size_t i = 0; (child = cli_child(p->root, i)) != NULL; i++)
        if (is_in(child, id))
            add_command(b, child);
}

void manual_add(struct buf *b, struct cli_program *p)
{
    buf_add_str(b, "# OPTIONS OF ALL COMMANDS\n\n*-h*, *--help*\n\tPrint help, of the command that "
                   "is named.\n\n");
    add_flags(b, p->root->persistent, true, "");
    buf_add_str(b, "# COMMANDS\n\n");
    for (const struct cli_group *g = p->groups; g != NULL && g->id != NULL; g++)
        add_group(b, p, g->id, g->title);
    if (p->groups == NULL)
        add_group(b, p, NULL, NULL);
}
