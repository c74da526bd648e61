/* cli/flags.c -- values of flags.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/duration.h"
#include "cli/quote.h"

/* ---- lists: comma separated, a field in "double quotes" if it holds a comma or a quote ------ */

static void strings_add(struct cli_strings *l, struct buf *word)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = buf_take_cstr(word);
}

static void strings_clear(struct cli_strings *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
    *l = (struct cli_strings){NULL, 0};
}

static bool list_problem(struct buf *problem, const char *start, const char *at, const char *what)
{
    buf_addf(problem, "parse error on line 1, column %zu: %s", (size_t)(at - start) + 1, what);
    return false;
}

/* Read one field at *p and leave *p behind it. */
static bool field_take(const char *start, const char **p, struct buf *word, struct buf *problem)
{
    const char *s = *p;
    if (*s != '"') {
        for (; *s && *s != ','; s++) {
            if (*s == '"')
                return list_problem(problem, start, s, "bare \" in non-quoted-field");
            buf_add_byte(word, (uint8_t)*s);
        }
        *p = s;
        return true;
    }
    bool closed = false;
    for (s++; *s; s++) {
        closed = *s == '"' && *++s != '"';
        if (closed)
            break;
        buf_add_byte(word, (uint8_t)*s);
    }
    if (!closed || (*s != ',' && *s != '\0'))
        return list_problem(problem, start, s - closed, "extraneous or missing \" in quoted-field");
    *p = s;
    return true;
}

static bool list_parse(const char *text, struct cli_strings *list, struct buf *problem)
{
    if (*text == '\0')
        return true;
    for (const char *p = text;; p++) {
        AUTO(buf) struct buf word = BUF_INIT;
        if (!field_take(text, &p, &word, problem))
            return false;
        strings_add(list, &word);
        if (*p == '\0')
            return true;
    }
}

static bool list_store(struct cli_flag *f, const char *text, struct buf *problem)
{
    struct cli_strings more = {NULL, 0};
    if (!list_parse(text, &more, problem)) {
        strings_clear(&more);
        return false;
    }
    struct cli_strings *list = f->value;
    if (!f->changed)
        strings_clear(list);
    list->v = xrealloc(list->v, (list->n + more.n + 1) * sizeof(*list->v));
    for (size_t i = 0; i < more.n; i++)
        list->v[list->n++] = more.v[i];
    free(more.v);
    return true;
}

/* ---- store -------------------------------------------------------------------------------- */

static bool store_int(struct cli_flag *f, const char *text, struct buf *problem)
{
    int64_t v;
    if (!number_parse_int(text, 0, 64, &v, problem))
        return false;
    if (f->type == CLI_INT64) {
        *(int64_t *)f->value = v;
        return true;
    }
    if (v < INT32_MIN || v > INT32_MAX)
        return number_parse_int(text, 0, 32, &v, problem);
    *(int *)f->value = (int)v;
    return true;
}

static bool store_uint(struct cli_flag *f, const char *text, struct buf *problem)
{
    uint64_t v;
    if (!number_parse_uint(text, 0, f->type == CLI_UINT64 ? 64 : 32, &v, problem))
        return false;
    if (f->type == CLI_UINT64)
        *(uint64_t *)f->value = v;
    else if (f->type == CLI_UINT32)
        *(uint32_t *)f->value = (uint32_t)v;
    else
        *(unsigned *)f->value = (unsigned)v;
    return true;
}

bool flag_store(struct cli_flag *f, const char *text, struct buf *problem)
{
    switch (f->type) {
    case CLI_BOOL:
        return number_parse_bool(text, f->value, problem);
    case CLI_STRING:
        *(const char **)f->value = text;
        return true;
    case CLI_INT:
    case CLI_INT64:
        return store_int(f, text, problem);
    case CLI_UINT:
    case CLI_UINT32:
    case CLI_UINT64:
        return store_uint(f, text, problem);
    case CLI_FLOAT:
        return number_parse_float(text, f->value, problem);
    case CLI_DURATION:
        return number_parse_duration(text, f->value, problem);
    case CLI_STRINGS:
        return list_store(f, text, problem);
    }
    invariant(false); /* every type has a reader */
    return false;
}

static const char *zero_of(enum cli_type type)
{
    switch (type) {
    case CLI_BOOL:
        return "false";
    case CLI_STRING:
    case CLI_STRINGS:
        return "";
    case CLI_DURATION:
        return "0s";
    default:
        return "0";
    }
}

void flag_reset(struct cli_flag *f)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    f->changed = false;
    bool good = flag_store(f, f->def ? f->def : zero_of(f->type), &problem);
    invariant(good);
}

/* ---- show --------------------------------------------------------------------------------- */

const char *flag_bare(const struct cli_flag *f)
{
    return f->type == CLI_BOOL && !f->bare ? "true" : f->bare;
}

const char *flag_type_word(const struct cli_flag *f)
{
    static const char *const words[] = {
        [CLI_BOOL] = "",         [CLI_STRING] = "string", [CLI_INT] = "int",
        [CLI_INT64] = "int",     [CLI_UINT] = "uint",     [CLI_UINT32] = "uint32",
        [CLI_UINT64] = "uint",   [CLI_FLOAT] = "float",   [CLI_DURATION] = "duration",
        [CLI_STRINGS] = "strings",
    };
    return words[f->type];
}

const char *flag_default(const struct cli_flag *f)
{
    return !f->def || strcmp(f->def, zero_of(f->type)) == 0 ? NULL : f->def;
}

static void add_list(struct buf *b, const struct cli_strings *list)
{
    buf_add_byte(b, '[');
    for (size_t i = 0; i < list->n; i++) {
        const char *word = list->v[i];
        bool quoted = strpbrk(word, ",\"\r\n") != NULL || word[0] == ' ';
        if (i)
            buf_add_byte(b, ',');
        if (quoted)
            buf_add_byte(b, '"');
        for (const char *s = word; *s; s++)
            buf_add_str(b, *s == '"' ? "\"\"" : (char[]){*s, '\0'});
        if (quoted)
            buf_add_byte(b, '"');
    }
    buf_add_byte(b, ']');
}

void flag_add_value(struct buf *b, const struct cli_flag *f)
{
    switch (f->type) {
    case CLI_BOOL:
        buf_add_str(b, *(bool *)f->value ? "true" : "false");
        break;
    case CLI_STRING:
        buf_add_str(b, *(const char **)f->value);
        break;
    case CLI_INT:
        buf_addf(b, "%d", *(int *)f->value);
        break;
    case CLI_INT64:
        buf_addf(b, "%" PRId64, *(int64_t *)f->value);
        break;
    case CLI_UINT:
        buf_addf(b, "%u", *(unsigned *)f->value);
        break;
    case CLI_UINT32:
        buf_addf(b, "%" PRIu32, *(uint32_t *)f->value);
        break;
    case CLI_UINT64:
        buf_addf(b, "%" PRIu64, *(uint64_t *)f->value);
        break;
    case CLI_FLOAT:
        buf_addf(b, "%g", *(double *)f->value);
        break;
    case CLI_DURATION:
        duration_format(b, *(int64_t *)f->value);
        break;
    case CLI_STRINGS:
        add_list(b, f->value);
        break;
    }
}
