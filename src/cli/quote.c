/* cli/quote.c -- Go's quoting and numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/quote.h"



#include "base/duration.h"
#include "cli/printable.h"

/* ---- UTF-8 -------------------------------------------------------------------------------- */

/* The character at p (n > 0 bytes) and its length; -1 and 1 if it is not UTF-8. */
static int32_t rune_at(const uint8_t *p, size_t n, size_t *ret_len)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    *ret_len = 1;
    if (len == 1)
        return p[0];
    if (len == 0 || len > n)
        return -1;
    int32_t c = p[0] & (0x7f >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return -1;
    *ret_len = len;
    return c;
}

static void rune_add(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_add_byte(b, (uint8_t)c);
        return;
    }
    static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    buf_add_byte(b, (uint8_t)(lead[more] | c >> (6 * more)));
    while (more-- > 0)
        buf_add_byte(b, (uint8_t)(0x80 | (c >> (6 * more) & 0x3f)));
}

static bool rune_is_printable(uint32_t c)
{
    size_t low = 0, high = ARRAY_LEN(printable);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > printable[mid][1])
            low = mid + 1;
        else
            high = mid;
    }
    return low < ARRAY_LEN(printable) && c >= printable[low][0];
}

/* ---- quoting ------------------------------------------------------------------------------- */

/* Letters of the escapes, and what they stand for. */
static const char escape_letters[] = "abfnrtv\\\"";
static const char escape_values[] = "\a\b\f\n\r\t\v\\\"";

static void add_escaped(struct buf *b, uint32_t c)
{
    const char *known = c && c < 0x80 ? strchr(escape_values, (int)c) : NULL;
    if (known)
        buf_addf(b, "\\%c", escape_letters[known - escape_values]);
    else if (c < 0x80)
        buf_addf(b, "\\x%02x", c);
    else
        buf_addf(b, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

void quote_add(struct buf *b, struct slice s)
{
    buf_add_byte(b, '"');
    for (size_t i = 0, len; i < s.n; i += len) {
        int32_t c = rune_at(s.p + i, s.n - i, &len);
        if (c < 0)
            buf_addf(b, "\\x%02x", s.p[i]);
        else if (c == '"' || c == '\\' || !rune_is_printable((uint32_t)c))
            add_escaped(b, (uint32_t)c);
        else
            buf_add(b, s.p + i, len);
    }
    buf_add_byte(b, '"');
}

void quote_add_hex(struct buf *b, struct slice s)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *p = buf_reserve(b, 4 * s.n);
    for (size_t i = 0; i < s.n; i++, p += 4) {
        p[0] = '\\';
        p[1] = 'x';
        p[2] = (uint8_t)digits[s.p[i] >> 4];
        p[3] = (uint8_t)digits[s.p[i] & 15];
    }
    b->n += 4 * s.n;
}

/* ---- unquoting ------------------------------------------------------------------------------ */

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Exactly `n` digits of `base`, at s[*at]. */
static bool take_digits(struct slice s, size_t *at, int n, int base, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (*at >= s.n || digit_of(s.p[*at]) >= base)
            return false;
        *ret = *ret * (uint32_t)base + (uint32_t)digit_of(s.p[*at]);
    }
    return true;
}

/* s[*at] is what follows a backslash. */
static bool take_escape(struct slice s, size_t *at, struct buf *text)
{
    uint32_t v;
    if (*at >= s.n)
        return false;
    uint8_t c = s.p[(*at)++];
    const char *known = c ? strchr(escape_letters, c) : NULL;
    if (known) {
        buf_add_byte(text, (uint8_t)escape_values[known - escape_letters]);
        return true;
    }
    if (c == 'u' || c == 'U') {
        if (!take_digits(s, at, c == 'u' ? 4 : 8, 16, &v) || v > 0x10ffff ||
            (v >= 0xd800 && v < 0xe000))
            return false;
        rune_add(text, v);
        return true;
    }
    bool octal = c >= '0' && c <= '7';
    if (octal)
        (*at)--;
    if (!(octal || c == 'x') || !take_digits(s, at, octal ? 3 : 2, octal ? 8 : 16, &v) || v > 255)
        return false;
    buf_add_byte(text, (uint8_t)v);
    return true;
}

size_t quote_read(struct slice s, struct buf *text)
{
    if (s.n == 0 || (s.p[0] != '"' && s.p[0] != '`'))
        return 0;
    if (s.p[0] == '`') {
        const uint8_t *end = memchr(s.p + 1, '`', s.n - 1);
        if (end)
            buf_add(text, s.p + 1, (size_t)(end - s.p) - 1);
        return end ? (size_t)(end - s.p) + 1 : 0;
    }
    for (size_t at = 1; at < s.n;) {
        uint8_t c = s.p[at++];
        if (c == '"')
            return at;
        if (c == '\n')
            return 0;
        if (c != '\\')
            buf_add_byte(text, c);
        else if (!take_escape(s, &at, text))
            return 0;
    }
    return 0;
}
