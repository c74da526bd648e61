/* ctlv2/help.c -- the help texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/help.h"

#include <stdio.h>

#include "cli/quote.h"
#include "config.h"

const struct command v2_help_command = {"help", "Shows a list of commands or help for one command",
                                        "[command]", .run = NULL};
const struct option_spec v2_help_option = {"help", "h", OPTION_BOOL, "show help", NULL};

/* ---- two columns ------------------------------------------------------------------------- */

struct row {
    struct buf left, right;
};

static void rows_print(struct row *rows, size_t n, const char *last)
{
    size_t width = 0;
    for (size_t i = 0; i < n; i++)
        width = rows[i].left.n > width ? rows[i].left.n : width;
    for (size_t i = 0; i < n; i++) {
        printf("   %-*s  %s\n%s", (int)width, buf_cstr(&rows[i].left), buf_cstr(&rows[i].right),
               i + 1 < n ? "" : last);
        buf_fini(&rows[i].left);
        buf_fini(&rows[i].right);
    }
}

/* ---- options ----------------------------------------------------------------------------- */

/* Cut the word in `back quotes` out of `usage`, which stays there without them. */
static struct slice usage_unquote(const char *usage, struct buf *out)
{
    const char *open = strchr(usage, '`');
    const char *close = open != NULL ? strchr(open + 1, '`') : NULL;
    if (close == NULL) {
        buf_add_str(out, usage);
        return slice_make(NULL, 0);
    }
    struct slice word = slice_make(open + 1, (size_t)(close - open - 1));
    buf_add(out, usage, (size_t)(open - usage));
    buf_add_slice(out, word);
    buf_add_str(out, close + 1);
    return word;
}

static void add_form(struct buf *b, const char *name, const struct option_spec *s,
                     struct slice word)
{
    buf_addf(b, "%s%s", name[1] == '\0' ? "-" : "--", name);
    if (s->type != OPTION_BOOL && word.n == 0)
        word = slice_str("value");
    if (word.n != 0)
        buf_addf(b, " %.*s", (int)word.n, (const char *)word.p);
}

static void option_row(const struct option_spec *s, struct row *row)
{
    struct slice word = usage_unquote(s->usage, &row->right);
    add_form(&row->left, s->name, s, word);
    if (s->alias != NULL) {
        buf_add_str(&row->left, ", ");
        add_form(&row->left, s->alias, s, word);
    }
    if (s->def == NULL)
        return;
    buf_add_str(&row->right, " (default: ");
    if (s->type == OPTION_STRING)
        quote_add(&row->right, slice_str(s->def));
    else
        buf_add_str(&row->right, s->def);
    buf_add_byte(&row->right, ')');
}

static void options_print(const char *title, const struct option_spec *specs, size_t n,
                          const char *last)
{
    struct row rows[OPTIONS_MAX] = {0};
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        option_row(&specs[i], &rows[i]);
    printf("\n%s:\n", title);
    rows_print(rows, n, last);
}

/* ---- pages ------------------------------------------------------------------------------- */

enum { COMMANDS_MAX = 24 };

static void commands_print(const struct help_page *p)
{
    struct row rows[COMMANDS_MAX] = {0};
    size_t n = 0;
    for (const struct command *c = p->commands; c->name != NULL; c++) {
        invariant(n < COMMANDS_MAX - 1);
        buf_add_str(&rows[n].left, c->name);
        buf_add_str(&rows[n++].right, c->summary);
    }
    if (p->lists_help) {
        buf_addf(&rows[n].left, "%s, h", v2_help_command.name);
        buf_add_str(&rows[n++].right, v2_help_command.summary);
    }
    printf("\nCOMMANDS:\n");
    rows_print(rows, n, "");
}

void help_print_program(const struct help_page *p)
{
    printf("NAME:\n   %s - %s\n\nUSAGE:\n   %s [global options] command [command options] "
           "[arguments...]\n\nVERSION:\n   %s\n",
           p->name, p->summary, p->name, ETCD_API_VERSION);
    commands_print(p);
    options_print("GLOBAL OPTIONS", p->options, p->option_n, "");
}

void help_print_group(const struct help_page *p)
{
    printf("NAME:\n   %s - %s\n\nUSAGE:\n   %s command [command options] [arguments...]\n", p->name,
           p->summary, p->name);
    commands_print(p);
    options_print("OPTIONS", p->options, p->option_n, "   \n");
}

void help_print_command(const char *name, const struct command *c)
{
    printf("NAME:\n   %s - %s\n\nUSAGE:\n   %s%s %s\n", name, c->summary, name,
           c->option_n != 0 ? " [command options]" : "",
           c->operands != NULL ? c->operands : "[arguments...]");
    if (c->description != NULL)
        printf("\nDESCRIPTION:\n   %s\n", c->description);
    options_print("OPTIONS", c->options, c->option_n, "   \n");
}
