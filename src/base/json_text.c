/* base/json_text.c -- UTF-8 and wide integers in JSON text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

enum { WIDE_DIGITS = 19 }; /* as many as INT64_MAX has */

/* Return the length of the sequence at `p`, or 0 if it is not UTF-8. `*p` is not ASCII. */
static size_t sequence_len(const uint8_t *p, size_t n)
{
    uint8_t c = p[0];
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || n < len)
        return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool utf8_is_valid(struct slice s)
{
    size_t i = 0;
    while (i < s.n) {
        uint64_t eight;
        if (s.n - i >= 8 && (memcpy(&eight, s.p + i, 8), (eight & 0x8080808080808080u) == 0)) {
            i += 8;
            continue;
        }
        size_t len = s.p[i] < 0x80 ? 1 : sequence_len(s.p + i, s.n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* Return the length of the string literal at the start of `s`, its quotes counted. */
static size_t string_len(struct slice s)
{
    size_t i = 1;
    while (i < s.n && s.p[i] != '"')
        i += s.p[i] == '\\' ? 2 : 1;
    return i < s.n ? i + 1 : s.n;
}

static bool is_number_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* True for an optional minus and WIDE_DIGITS or more digits without a leading zero. */
static bool is_wide_integer(struct slice s)
{
    size_t i = s.n > 0 && s.p[0] == '-' ? 1 : 0;
    if (s.n - i < WIDE_DIGITS || s.p[i] == '0')
        return false;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    return i == s.n;
}

void json_quote_wide_integers(struct slice text, struct buf *out)
{
    while (text.n > 0) {
        size_t len = 1;
        bool wide = false;
        if (text.p[0] == '"') {
            len = string_len(text);
        } else if (is_number_byte(text.p[0])) {
            while (len < text.n && is_number_byte(text.p[len]))
                len++;
            wide = is_wide_integer(slice_make(text.p, len));
        }
        if (wide)
            buf_add_byte(out, '"');
        buf_add(out, text.p, len);
        if (wide)
            buf_add_byte(out, '"');
        text = slice_make(text.p + len, text.n - len);
    }
}

static void add_escaped(struct buf *b, uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        buf_add_byte(b, '\\');
        buf_add_byte(b, c);
        break;
    case '\n':
        buf_add_str(b, "\\n");
        break;
    case '\r':
        buf_add_str(b, "\\r");
        break;
    case '\t':
        buf_add_str(b, "\\t");
        break;
    default:
        if (c < 0x20)
            buf_addf(b, "\\u%04x", c);
        else
            buf_add_byte(b, c);
    }
}

void json_add_string(struct buf *b, const char *s, size_t n)
{
    const uint8_t *p = (const uint8_t *)s;
    buf_add_byte(b, '"');
    while (n > 0) {
        size_t len = p[0] < 0x80 ? 1 : sequence_len(p, n);
        if (len == 0)
            buf_add_str(b, "\\ufffd");
        else if (p[0] < 0x80)
            add_escaped(b, p[0]);
        else
            buf_add(b, p, len);
        len = len ? len : 1;
        p += len;
        n -= len;
    }
    buf_add_byte(b, '"');
}
