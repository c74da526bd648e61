/* cli/table.c -- drawing a table.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <ctype.h>
#include <stdlib.h>

/* Columns that a text takes: its characters. */
static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((uint8_t)*s & 0xc0) != 0x80;
    return n;
}

static void add_times(struct buf *b, const char *s, size_t times)
{
    while (times-- > 0)
        buf_add_str(b, s);
}

static void add_rule(struct buf *b, const size_t *widths, size_t n, const char *left,
                     const char *cross, const char *right)
{
    for (size_t i = 0; i < n; i++) {
        buf_add_str(b, i ? cross : left);
        add_times(b, "─", widths[i] + 2);
    }
    buf_addf(b, "%s\n", right);
}

static void add_cell(struct buf *b, const char *text, size_t before, size_t after)
{
    buf_add_str(b, "│ ");
    add_times(b, " ", before);
    buf_add_str(b, text);
    add_times(b, " ", after + 1);
}

/* "hash_revision" stands as "HASH REVISION". */
static char *head_text(const char *name)
{
    char *text = xstrdup(name);
    for (char *c = text; *c; c++)
        *c = *c == '_' ? ' ' : (char)toupper((unsigned char)*c);
    return text;
}

static size_t *measure(size_t n, const char *const *head, const char *const *cells, size_t rows)
{
    size_t *widths = xcalloc(n, sizeof(*widths));
    for (size_t i = 0; i < n; i++)
        widths[i] = width_of(head[i]);
    for (size_t i = 0; i < n * rows; i++) {
        size_t w = width_of(cells[i]);
        widths[i % n] = w > widths[i % n] ? w : widths[i % n];
    }
    return widths;
}

void table_add(struct buf *b, size_t n, const char *const *head, const char *const *cells,
               size_t rows)
{
    size_t *widths = measure(n, head, cells, rows);
    add_rule(b, widths, n, "┌", "┬", "┐");
    for (size_t i = 0; i < n; i++) {
        char *text = head_text(head[i]);
        size_t gap = widths[i] - width_of(text);
        add_cell(b, text, gap / 2, gap - gap / 2);
        free(text);
    }
    buf_add_str(b, "│\n");
    add_rule(b, widths, n, "├", "┼", "┤");
    for (size_t i = 0; i < n * rows; i++) {
        add_cell(b, cells[i], widths[i % n] - width_of(cells[i]), 0);
        if (i % n == n - 1)
            buf_add_str(b, "│\n");
    }
    add_rule(b, widths, n, "└", "┴", "┘");
    free(widths);
}
