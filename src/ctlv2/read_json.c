/* ctlv2/read_json.c -- the JSON of servers' answers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/read_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/json_text.h"

enum { WIDE_DIGITS = 19 }; /* a number of so many is a string by json_quote_wide_integers() */

json_t *read_json(struct slice text)
{
    AUTO(buf) struct buf quoted = BUF_INIT;
    json_quote_wide_integers(text, &quoted);
    if (quoted.n == 0)
        return NULL;
    return json_loadb((const char *)quoted.p, quoted.n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
}

void read_json_free(json_t *j)
{
    json_decref(j);
}

json_t *read_json_copy(const json_t *j)
{
    return json_deep_copy(j);
}

bool read_json_equal(const json_t *a, const json_t *b)
{
    return (a == NULL && b == NULL) || json_equal(a, b) == 1;
}

bool read_is_object(const json_t *j)
{
    return json_is_object(j);
}

bool read_is_array(const json_t *j)
{
    return json_is_array(j);
}

size_t read_count(const json_t *array)
{
    return json_array_size(array);
}

const json_t *read_item(const json_t *array, size_t i)
{
    return json_array_get(array, i);
}

void texts_fini(struct texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->at[i]);
    free(t->at);
    *t = (struct texts){0};
}

void texts_join(const struct texts *t, const char *separator, struct buf *b)
{
    for (size_t i = 0; i < t->n; i++)
        buf_addf(b, "%s%s", i != 0 ? separator : "", t->at[i]);
}

const json_t *read_field(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return json_is_null(v) ? NULL : v;
}

bool read_text(const json_t *object, const char *name, struct buf *ret)
{
    const json_t *v = read_field(object, name);
    if (v == NULL)
        return true;
    if (!json_is_string(v))
        return false;
    buf_clear(ret);
    buf_add(ret, json_string_value(v), json_string_length(v));
    return true;
}

bool read_texts(const json_t *object, const char *name, struct texts *ret)
{
    const json_t *v = read_field(object, name);
    if (v == NULL)
        return true;
    if (!json_is_array(v))
        return false;
    size_t n = json_array_size(v);
    ret->at = xcalloc(n + 1, sizeof *ret->at);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(v, i);
        if (!json_is_string(item))
            return false;
        ret->at[ret->n++] = xstrdup(json_string_value(item));
    }
    return true;
}

bool read_uint(const json_t *object, const char *name, uint64_t *ret)
{
    const json_t *v = read_field(object, name);
    if (v == NULL)
        return true;
    if (json_is_integer(v)) {
        *ret = (uint64_t)json_integer_value(v);
        return json_integer_value(v) >= 0;
    }
    const char *digits = json_string_value(v);
    if (digits == NULL || strlen(digits) < WIDE_DIGITS || digits[0] < '1' || digits[0] > '9')
        return false;
    char *end;
    errno = 0;
    *ret = strtoull(digits, &end, 10);
    return errno == 0 && *end == '\0';
}

bool read_int(const json_t *object, const char *name, int64_t *ret)
{
    const json_t *v = read_field(object, name);
    if (v == NULL)
        return true;
    *ret = json_integer_value(v);
    return json_is_integer(v);
}

bool read_bool(const json_t *object, const char *name, bool *ret)
{
    const json_t *v = read_field(object, name);
    if (v == NULL)
        return true;
    *ret = json_is_true(v);
    return json_is_boolean(v);
}

static size_t skip_blanks(struct slice text, size_t i)
{
    while (i < text.n && text.p[i] != '\0' && strchr(" \t\r\n", text.p[i]) != NULL)
        i++;
    return i;
}

/* Return where something stands behind a number that is the whole value ("404 page not found"), or
 * text.n. */
static size_t behind_number(struct slice text, size_t i)
{
    size_t end = i;
    while (end < text.n && text.p[end] >= '0' && text.p[end] <= '9')
        end++;
    return end > i && text.p[i] != '0' ? skip_blanks(text, end) : text.n;
}

void read_json_complain(struct slice text, struct buf *ret)
{
    size_t i = skip_blanks(text, 0);
    size_t more = behind_number(text, i);
    if (more < text.n && text.p[more] > ' ' && text.p[more] < 0x7f &&
        strchr(".eE", text.p[more]) == NULL)
        buf_addf(ret, "invalid character '%c' after top-level value", text.p[more]);
    else if (i == text.n)
        buf_add_str(ret, "unexpected end of JSON input");
    else if (strchr("{[\"-0123456789tfn", text.p[i]) == NULL && text.p[i] > ' ' &&
             text.p[i] < 0x7f && text.p[i] != '\'')
        buf_addf(ret, "invalid character '%c' looking for beginning of value", text.p[i]);
    else
        buf_add_str(ret, "the answer is not the JSON document that was asked for");
}
