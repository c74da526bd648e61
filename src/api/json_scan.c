/* api/json_scan.c -- splitting a sequence of JSON values.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/json_scan.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Take one byte; true if it completes the value. */
static bool scan_byte(struct json_scan *s, uint8_t c)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
        return !s->in_string && s->depth == 0;
    }
    if (is_space(c))
        return s->begun && s->depth == 0; /* behind a number or a word */
    s->begun = true;
    if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ']') {
        if (s->depth > 0)
            s->depth--;
        return s->depth == 0;
    }
    return false;
}

bool json_scan_value(struct json_scan *s, struct slice text)
{
    while (s->at < text.n)
        if (scan_byte(s, text.p[s->at++]))
            return true;
    return false;
}

bool json_is_blank(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_space(text.p[i]))
            return false;
    return true;
}
