/* config/value.c -- the text of an option becomes a value, and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "config/gates.h"
#include "config/options.h"
#include "config/text.h"

/* ---- numbers ------------------------------------------------------------------------------ */

bool bool_parse(struct slice s, bool *ret)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (!slice_is(s, yes[i]) && !slice_is(s, no[i]))
            continue;
        *ret = slice_is(s, yes[i]);
        return true;
    }
    return false;
}

bool bool_parse_quoted(const char *text, bool *ret)
{
    size_t n = strlen(text);
    bool quoted = n >= 2 && text[0] == '"' && text[n - 1] == '"';
    return bool_parse(quoted ? slice_make(text + 1, n - 2) : slice_str(text), ret);
}

/* Go's base 0: "0x", "0b", "0o" or a plain "0" in front say the base. */
static int number_base(const char **p)
{
    const char *s = *p;
    if (s[0] != '0' || s[1] == '\0')
        return 10;
    *p += 2;
    switch (s[1] | 0x20) {
    case 'x':
        return 16;
    case 'b':
        return 2;
    case 'o':
        return 8;
    default:
        *p = s + 1;
        return 8;
    }
}

static enum err uint_parse(const char *s, uint64_t max, uint64_t *ret, struct why *why)
{
    int base = number_base(&s);
    char *end;
    if (base == 16 ? !strchr("0123456789abcdefABCDEF", *s) : *s < '0' || *s > '9')
        return why_set(why, ERR_INVALID, "parse error");
    errno = 0;
    unsigned long long v = strtoull(s, &end, base);
    if (end == s || *end != '\0')
        return why_set(why, ERR_INVALID, "parse error");
    if (errno == ERANGE || v > max)
        return why_set(why, ERR_TOO_LARGE, "value out of range");
    *ret = v;
    return ERR_OK;
}

static enum err int_parse(const char *s, int64_t *ret, struct why *why)
{
    bool negative = *s == '-';
    uint64_t v = 0;
    if (*s == '-' || *s == '+')
        s++;
    enum err e = uint_parse(s, (uint64_t)INT64_MAX + negative, &v, why);
    if (e == ERR_OK)
        *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return e;
}

/* This one flag speaks in the words of another Go function. */
static enum err uint32_parse(const char *s, uint64_t *ret, struct why *why)
{
    enum err e = uint_parse(s, UINT32_MAX, ret, NULL);
    if (e == ERR_OK)
        return ERR_OK;
    return why_set(why, e, "strconv.ParseUint: parsing \"%.128s\": %s", s,
                   e == ERR_TOO_LARGE ? "value out of range" : "invalid syntax");
}

/* ---- lists -------------------------------------------------------------------------------- */

static bool str_list_has(const struct str_list *l, struct slice s)
{
    for (size_t i = 0; i < l->n; i++) {
        if (slice_is(s, l->items[i]))
            return true;
    }
    return false;
}

void str_list_add(struct str_list *l, struct slice item)
{
    l->items = xrealloc(l->items, (l->n + 1) * sizeof(l->items[0]));
    l->items[l->n++] = xstrndup((const char *)item.p, item.n);
}

enum err str_list_parse(const char *text, struct str_list *ret_list, struct why *why)
{
    struct str_list l = {NULL, 0};
    struct slice item, rest = slice_str(text);
    while (rest.n > 0) {
        slice_cut(rest, ',', &item, &rest);
        item = slice_trim(item);
        if (item.n == 0 || str_list_has(&l, item))
            continue;
        if (l.n == URL_LIST_MAX) {
            str_list_fini(&l);
            return why_set(why, ERR_TOO_LARGE, "more than %d items", URL_LIST_MAX);
        }
        str_list_add(&l, item);
    }
    *ret_list = l;
    return ERR_OK;
}

void str_list_fini(struct str_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct str_list){NULL, 0};
}

static void str_list_format(struct buf *b, const struct str_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        buf_addf(b, "%s%s", i ? "," : "", l->items[i]);
}

static enum err origins_parse(const char *text, struct str_list *ret, struct why *why)
{
    struct url_list urls = {NULL, 0};
    if (*text != '\0' && strcmp(text, "*") != 0) {
        enum err e = url_list_parse(text, true, &urls, why);
        if (e != ERR_OK)
            return e;
        url_list_fini(&urls);
    }
    return str_list_parse(text, ret, why);
}

/* ---- options ------------------------------------------------------------------------------ */

union value {
    char *string;
    bool boolean;
    int64_t i;
    uint64_t u;
    struct url_list urls;
    struct str_list strings;
};

static bool choices_has(const char *choices, const char *text)
{
    struct slice choice, rest = slice_str(choices);
    while (rest.n > 0) {
        slice_cut(rest, ' ', &choice, &rest);
        if (slice_is(choice, text))
            return true;
    }
    return false;
}

static enum err gates_value(const char *text, union value *v, struct why *why)
{
    struct config_feature_gates scratch;
    enum err e = gates_parse(text, &scratch, why);
    if (e == ERR_OK)
        v->string = xstrdup(text);
    return e;
}

static enum err value_parse(const struct option *o, const char *text, union value *v,
                            struct why *why)
{
    switch (o->kind) {
    case OPT_ENUM:
        if (!choices_has(o->choices, text))
            return why_set(why, ERR_INVALID, "invalid value");
        v->string = xstrdup(text);
        return ERR_OK;
    case OPT_GATES:
        return gates_value(text, v, why);
    case OPT_STRING:
        v->string = xstrdup(text);
        return ERR_OK;
    case OPT_BOOL:
    case OPT_ACTION:
        if (!bool_parse_quoted(text, &v->boolean))
            return why_set(why, ERR_INVALID, "parse error");
        return ERR_OK;
    case OPT_INT:
        return int_parse(text, &v->i, why);
    case OPT_UINT:
        return uint_parse(text, UINT64_MAX, &v->u, why);
    case OPT_UINT32:
        return uint32_parse(text, &v->u, why);
    case OPT_DURATION:
        if (!duration_parse(text, &v->i))
            return why_set(why, ERR_INVALID, "parse error");
        return ERR_OK;
    case OPT_URLS:
        text = *text ? text : o->initial;
        v->urls = (struct url_list){NULL, 0};
        return *text ? url_list_parse(text, true, &v->urls, why) : ERR_OK;
    case OPT_STRINGS:
        return str_list_parse(text, &v->strings, why);
    case OPT_ORIGINS:
        return origins_parse(text, &v->strings, why);
    case OPT_BARE:
        return ERR_OK;
    case OPT_GONE:
        break;
    }
    return why_set(why, ERR_INVALID, "flag \"-%s\" is no longer supported: use %s instead", o->name,
                   o->help);
}

static void value_fini(const struct option *o, union value *v)
{
    if (o->kind == OPT_STRING || o->kind == OPT_ENUM || o->kind == OPT_GATES)
        free(v->string);
    else if (o->kind == OPT_URLS)
        url_list_fini(&v->urls);
    else if (o->kind == OPT_STRINGS || o->kind == OPT_ORIGINS)
        str_list_fini(&v->strings);
}

static size_t value_size(const struct option *o)
{
    switch (o->kind) {
    case OPT_STRING:
    case OPT_ENUM:
    case OPT_GATES:
        return sizeof(char *);
    case OPT_BOOL:
        return sizeof(bool);
    case OPT_URLS:
        return sizeof(struct url_list);
    case OPT_STRINGS:
    case OPT_ORIGINS:
        return sizeof(struct str_list);
    default:
        return sizeof(int64_t);
    }
}

enum err option_check(const struct option *o, const char *text, struct why *why)
{
    union value v;
    enum err e = value_parse(o, text, &v, why);
    if (e == ERR_OK)
        value_fini(o, &v);
    return e;
}

enum err option_set(const struct option *o, struct config *c, const char *text, struct why *why)
{
    invariant(o->offset != OPT_NO_FIELD);
    union value v;
    enum err e = value_parse(o, text, &v, why);
    if (e != ERR_OK)
        return e;
    option_fini(o, c);
    memcpy(option_field(o, c), &v, value_size(o));
    return ERR_OK;
}

void option_fini(const struct option *o, struct config *c)
{
    union value v;
    memcpy(&v, option_field(o, c), value_size(o));
    value_fini(o, &v);
    memset(option_field(o, c), 0, value_size(o));
}

void option_format(const struct option *o, const struct config *c, struct buf *b)
{
    union value v;
    memcpy(&v, (const char *)c + o->offset, value_size(o));
    switch (o->kind) {
    case OPT_STRING:
    case OPT_ENUM:
    case OPT_GATES:
        buf_add_str(b, v.string);
        break;
    case OPT_BOOL:
        buf_add_str(b, v.boolean ? "true" : "false");
        break;
    case OPT_INT:
        buf_addf(b, "%" PRId64, v.i);
        break;
    case OPT_UINT:
    case OPT_UINT32:
        buf_addf(b, "%" PRIu64, v.u);
        break;
    case OPT_DURATION:
        duration_format(b, v.i);
        break;
    case OPT_URLS:
        url_list_format(b, &v.urls);
        break;
    case OPT_STRINGS:
    case OPT_ORIGINS:
        str_list_format(b, &v.strings);
        break;
    case OPT_ACTION:
    case OPT_BARE:
    case OPT_GONE:
        break;
    }
}
