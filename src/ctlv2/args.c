/* ctlv2/args.c -- options and operands.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/args.h"

#include <stdlib.h>

#include "cli/quote.h"

/* ---- values ------------------------------------------------------------------------------ */

static bool spec_is(const struct option_spec *s, struct slice name)
{
    return slice_is(name, s->name) || (s->alias != NULL && slice_is(name, s->alias));
}

static void value_reset(const struct option_spec *s, struct option_value *v)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    *v = (struct option_value){.text = s->def != NULL ? s->def : ""};
    if (s->type == OPTION_DURATION && s->def != NULL) {
        bool ok = number_parse_duration(s->def, &v->number, &problem);
        invariant(ok);
    }
}

static bool ends_with(const struct buf *b, const char *end)
{
    size_t n = strlen(end);
    return b->n >= n && memcmp(b->p + b->n - n, end, n) == 0;
}

/* Return NULL, or what is wrong with `text`, as Go's flag says it. */
static const char *value_set(const struct option_spec *s, struct option_value *v, const char *text)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    bool ok = true;
    switch (s->type) {
    case OPTION_BOOL:
        ok = number_parse_bool(text, &v->yes, &problem);
        break;
    case OPTION_STRING:
        v->text = text;
        break;
    case OPTION_INT:
        ok = number_parse_int(text, 0, 64, &v->number, &problem);
        break;
    case OPTION_DURATION:
        ok = number_parse_duration(text, &v->number, &problem);
        break;
    case OPTION_STRINGS:
        v->texts = xrealloc(v->texts, (v->text_n + 1) * sizeof *v->texts);
        v->texts[v->text_n++] = text;
        break;
    }
    if (ok)
        return NULL;
    return ends_with(&problem, "value out of range") ? "value out of range" : "parse error";
}

static const struct option_spec *find_spec(const struct args *a, struct slice name)
{
    for (size_t i = 0; i < a->n; i++) {
        if (spec_is(&a->specs[i], name))
            return &a->specs[i];
    }
    return NULL;
}

/* ---- one option -------------------------------------------------------------------------- */

struct option_text {
    struct slice name;
    const char *value; /* behind the =; NULL: none */
};

static struct option_text option_split(const char *arg)
{
    arg += arg[1] == '-' ? 2 : 1;
    const char *equals = *arg != '\0' ? strchr(arg + 1, '=') : NULL;
    return (struct option_text){equals != NULL ? slice_make(arg, (size_t)(equals - arg))
                                               : slice_str(arg),
                                equals != NULL ? equals + 1 : NULL};
}

static bool set_option(struct args *a, const struct option_spec *s, struct slice name,
                       const char *value, struct buf *problem)
{
    struct option_value *v = &a->values[s - a->specs];
    const char *wrong = value_set(s, v, value);
    if (wrong != NULL) {
        buf_add_str(problem, s->type == OPTION_BOOL ? "invalid boolean value " : "invalid value ");
        quote_add(problem, slice_str(value));
        buf_addf(problem, " for %s-%.*s: %s", s->type == OPTION_BOOL ? "" : "flag ", (int)name.n,
                 (const char *)name.p, wrong);
        return false;
    }
    if (slice_is(name, s->name))
        v->by_name = true;
    else
        v->by_alias = true;
    return true;
}

/* Read the option at argv[0]. Return how many arguments it took; 0, and the sentence, if it is
 * none. */
static int take_option(struct args *a, int argc, char **argv, struct buf *problem)
{
    struct option_text o = option_split(argv[0]);
    if (o.name.n == 0 || o.name.p[0] == '-' || o.name.p[0] == '=') {
        buf_addf(problem, "bad flag syntax: %s", argv[0]);
        return 0;
    }
    const struct option_spec *s = find_spec(a, o.name);
    if (s == NULL) {
        buf_addf(problem, "flag provided but not defined: -%.*s", (int)o.name.n,
                 (const char *)o.name.p);
        return 0;
    }
    int taken = 1;
    if (o.value == NULL && s->type == OPTION_BOOL) {
        o.value = "true";
    } else if (o.value == NULL && argc < 2) {
        buf_addf(problem, "flag needs an argument: -%.*s", (int)o.name.n, (const char *)o.name.p);
        return 0;
    } else if (o.value == NULL) {
        o.value = argv[1];
        taken = 2;
    }
    return set_option(a, s, o.name, o.value, problem) ? taken : 0;
}

/* ---- all of them ------------------------------------------------------------------------- */

static bool is_known_option(const struct args *a, const char *arg)
{
    if (arg[0] != '-' || arg[1] == '\0' || strcmp(arg, "--") == 0)
        return false;
    struct slice name = slice_str(arg + (arg[1] == '-' ? 2 : 1));
    const uint8_t *equals = name.n != 0 ? memchr(name.p, '=', name.n) : NULL;
    if (equals != NULL)
        name.n = (size_t)(equals - name.p);
    return find_spec(a, name) != NULL;
}

/* Fill `to` with the options (each with what may be its value), then the operands. */
static void move_options(struct args *a, int argc, char **argv, char **to)
{
    static char dashes[] = "--";
    char **rest = xmalloc((size_t)(argc + 1) * sizeof *rest);
    int options = 0, operands = 0, end = -1;
    bool may_be_value = false;
    for (int i = 0; i < argc && end == -1; i++) {
        if (may_be_value && !is_known_option(a, argv[i])) {
            may_be_value = false;
            to[options++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            end = i;
        } else if (is_known_option(a, argv[i])) {
            to[options++] = argv[i];
            may_be_value = strchr(argv[i], '=') == NULL;
        } else {
            rest[operands++] = argv[i];
        }
    }
    if (end != -1)
        to[options++] = dashes;
    a->dash = end != -1 ? operands : -1;
    for (int i = 0; i < operands; i++)
        to[options++] = rest[i];
    for (int i = end + 1; end != -1 && i < argc; i++)
        to[options++] = argv[i];
    invariant(options == argc);
    free(rest);
}

bool args_parse(struct args *a, const struct option_spec *specs, size_t n, int argc, char **argv,
                bool reorder, struct buf *problem)
{
    invariant(n <= OPTIONS_MAX);
    *a = (struct args){.specs = specs, .n = n, .dash = -1};
    for (size_t i = 0; i < n; i++)
        value_reset(&specs[i], &a->values[i]);
    a->storage = xcalloc((size_t)argc + 1, sizeof *a->storage);
    if (reorder)
        move_options(a, argc, argv, a->storage);
    else
        memcpy(a->storage, argv, (size_t)argc * sizeof *argv);

    int i = 0;
    bool ok = true;
    while (ok && i < argc && a->storage[i][0] == '-' && a->storage[i][1] != '\0') {
        if (strcmp(a->storage[i], "--") == 0) {
            i++;
            break;
        }
        int taken = take_option(a, argc - i, a->storage + i, problem);
        ok = taken != 0;
        i += taken;
    }
    a->operands = a->storage + i;
    a->operand_n = argc - i;
    return ok;
}

bool args_check_forms(const struct args *a, struct buf *problem)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->values[i].by_name && a->values[i].by_alias) {
            buf_addf(problem, "Cannot use two forms of the same flag: %s %s", a->specs[i].alias,
                     a->specs[i].name);
            return false;
        }
    }
    return true;
}

void args_fini(struct args *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->values[i].texts);
    free(a->storage);
    *a = (struct args){0};
}

/* ---- asking ------------------------------------------------------------------------------ */

const struct option_value *args_value(const struct args *a, const char *name)
{
    const struct option_spec *s = find_spec(a, slice_str(name));
    invariant(s != NULL);
    return &a->values[s - a->specs];
}

bool args_bool(const struct args *a, const char *name)
{
    return args_value(a, name)->yes;
}

const char *args_text(const struct args *a, const char *name)
{
    return args_value(a, name)->text;
}

int64_t args_number(const struct args *a, const char *name)
{
    return args_value(a, name)->number;
}
