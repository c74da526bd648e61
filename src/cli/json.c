/* cli/json.c -- writing JSON as Go does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_text.h"

/* Where Go's spelling is another than that of json_add_string(). */
static const struct {
    const char *plain, *go;
} spellings[] = {{"<", "\\u003c"},
                 {">", "\\u003e"},
                 {"&", "\\u0026"},
                 {"\xe2\x80\xa8", "\\u2028"},
                 {"\xe2\x80\xa9", "\\u2029"},
                 {"\\u0008", "\\b"},
                 {"\\u000c", "\\f"}};

/* Append what stands at the start of `s` and return how many bytes that was. */
static size_t add_one(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        if (slice_starts_with(s, slice_str(spellings[i].plain))) {
            buf_add_str(b, spellings[i].go);
            return strlen(spellings[i].plain);
        }
    }
    size_t n = s.p[0] == '\\' ? 2 : 1; /* an escape is no beginning of another */
    buf_add(b, s.p, n);
    return n;
}

static void add_escaped(struct buf *b, struct slice s)
{
    AUTO(buf) struct buf plain = BUF_INIT;
    json_add_string(&plain, (const char *)s.p, s.n);
    for (size_t i = 0; i < plain.n;)
        i += add_one(b, slice_make(plain.p + i, plain.n - i));
}

/* The comma and the key before a value. */
static void begin(struct json *j, const char *key)
{
    if (j->comma)
        buf_add_byte(&j->text, ',');
    j->comma = true;
    if (key) {
        buf_add_byte(&j->text, '"');
        buf_add_str(&j->text, key);
        buf_add_str(&j->text, "\":");
    }
}

static void open_with(struct json *j, const char *key, char bracket)
{
    begin(j, key);
    buf_add_byte(&j->text, (uint8_t)bracket);
    j->comma = false;
}

static void close_with(struct json *j, char bracket)
{
    buf_add_byte(&j->text, (uint8_t)bracket);
    j->comma = true;
}

void json_open(struct json *j, const char *key)
{
    open_with(j, key, '{');
}

void json_close(struct json *j)
{
    close_with(j, '}');
}

void json_open_array(struct json *j, const char *key)
{
    open_with(j, key, '[');
}

void json_close_array(struct json *j)
{
    close_with(j, ']');
}

void json_text(struct json *j, const char *key, struct slice s)
{
    begin(j, key);
    add_escaped(&j->text, s);
}

void json_base64(struct json *j, const char *key, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    begin(j, key);
    buf_add_byte(&j->text, '"');
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)s.p[i] << 16 | (left > 1 ? (uint32_t)s.p[i + 1] << 8 : 0) |
                     (left > 2 ? (uint32_t)s.p[i + 2] : 0);
        char out[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                       left > 2 ? digits[v & 63] : '='};
        buf_add(&j->text, out, sizeof(out));
    }
    buf_add_byte(&j->text, '"');
}

void json_int(struct json *j, const char *key, int64_t v)
{
    begin(j, key);
    buf_addf(&j->text, "%" PRId64, v);
}

void json_uint(struct json *j, const char *key, uint64_t v)
{
    begin(j, key);
    buf_addf(&j->text, "%" PRIu64, v);
}

void json_bool(struct json *j, const char *key, bool v)
{
    begin(j, key);
    buf_add_str(&j->text, v ? "true" : "false");
}

void json_word(struct json *j, const char *key, const char *word)
{
    begin(j, key);
    buf_add_str(&j->text, word);
}
