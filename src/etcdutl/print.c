/* etcdutl/print.c -- see print.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdutl/print.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_text.h"
#include "cli/table.h"

static const char *cell_of(const struct print_field *f)
{
    return f->cell[0] != '\0' ? f->cell : f->text;
}

static void add_simple(struct buf *b, const struct print_field *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(b, "%s%s", i ? ", " : "", cell_of(&f[i]));
    buf_add_str(b, "\n");
}

static void add_json(struct buf *b, const struct print_field *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, "%s\"%s\":", i ? "," : "{", f[i].json);
        if (f[i].is_text)
            json_add_string(b, f[i].text, strlen(f[i].text));
        else
            buf_add_str(b, f[i].text);
    }
    buf_add_str(b, "}\n");
}

static void add_fields(struct buf *b, const struct print_field *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(b, "\"%s\" : %s\n", f[i].field, f[i].text);
}

static void add_table(struct buf *b, const struct print_field *f, size_t n)
{
    const char **head = xcalloc(n, sizeof *head), **cells = xcalloc(n, sizeof *cells);
    for (size_t i = 0; i < n; i++) {
        head[i] = f[i].head;
        cells[i] = cell_of(&f[i]);
    }
    table_add(b, n, head, cells, 1);
    free(head);
    free(cells);
}

void print_record(enum utl_format format, const struct print_field *fields, size_t n)
{
    AUTO(buf) struct buf b = BUF_INIT;
    if (format == UTL_JSON)
        add_json(&b, fields, n);
    else if (format == UTL_FIELDS)
        add_fields(&b, fields, n);
    else if (format == UTL_TABLE)
        add_table(&b, fields, n);
    else
        add_simple(&b, fields, n);
    fwrite(b.p, 1, b.n, stdout);
}
