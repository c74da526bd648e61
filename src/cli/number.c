/* cli/number.c -- numbers, bools and durations, read as Go reads them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/duration.h"
#include "cli/quote.h"

static bool problem_with(struct buf *problem, const char *function, const char *s,
                         const char *what)
{
    buf_addf(problem, "strconv.%s: parsing ", function);
    quote_add(problem, slice_str(s));
    buf_addf(problem, ": %s", what);
    return false;
}

/* ---- integers ------------------------------------------------------------------------------- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* The base that a prefix names; *s is behind the prefix. */
static int base_of(const char **s)
{
    static const struct {
        char letter;
        int base;
    } prefixes[] = {{'x', 16}, {'b', 2}, {'o', 8}};
    if ((*s)[0] != '0')
        return 10;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (((*s)[1] | 0x20) == prefixes[i].letter && (*s)[2]) {
            *s += 2;
            return prefixes[i].base;
        }
    }
    if ((*s)[1] == '\0')
        return 10;
    (*s)++;
    return 8;
}

/* An underscore stands between digits, or between a prefix and a digit. */
static bool underscores_are_fine(const char *digits)
{
    for (const char *c = digits; *c; c++) {
        if (*c == '_' && (c[1] == '_' || c[1] == '\0'))
            return false;
    }
    return true;
}

enum reading { READ_FINE, READ_SYNTAX, READ_RANGE };

static enum reading read_magnitude(const char *s, int base, uint64_t *ret)
{
    bool underscores = base == 0;
    const char *whole = s;
    if (base == 0)
        base = base_of(&s);
    *ret = 0;
    bool over = false;
    if (*s == '\0' || (*s == '_' && s == whole) || (underscores && !underscores_are_fine(s)))
        return READ_SYNTAX;
    for (; *s; s++) {
        if (underscores && *s == '_')
            continue;
        int digit = digit_value(*s);
        if (digit >= base)
            return READ_SYNTAX;
        over |= __builtin_mul_overflow(*ret, (uint64_t)base, ret);
        over |= __builtin_add_overflow(*ret, (uint64_t)digit, ret);
    }
    return over ? READ_RANGE : READ_FINE;
}

bool number_parse_int(const char *s, int base, int bits, int64_t *ret, struct buf *problem)
{
    uint64_t v;
    bool minus = *s == '-';
    uint64_t limit = (UINT64_C(1) << (bits - 1)) - (minus ? 0 : 1);
    enum reading r = read_magnitude(*s == '-' || *s == '+' ? s + 1 : s, base, &v);
    if (r == READ_SYNTAX)
        return problem_with(problem, "ParseInt", s, "invalid syntax");
    if (r == READ_RANGE || v > limit)
        return problem_with(problem, "ParseInt", s, "value out of range");
    *ret = (int64_t)(minus ? 0 - v : v);
    return true;
}

bool number_parse_uint(const char *s, int base, int bits, uint64_t *ret, struct buf *problem)
{
    uint64_t v;
    enum reading r = read_magnitude(s, base, &v);
    if (r == READ_SYNTAX)
        return problem_with(problem, "ParseUint", s, "invalid syntax");
    if (r == READ_RANGE || (bits < 64 && v >> bits != 0))
        return problem_with(problem, "ParseUint", s, "value out of range");
    *ret = v;
    return true;
}

/* ---- the rest ------------------------------------------------------------------------------- */

bool number_parse_bool(const char *s, bool *ret, struct buf *problem)
{
    static const char *const words[][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                           {"1", "t", "T", "true", "TRUE", "True"}};
    for (int v = 0; v < 2; v++) {
        for (size_t i = 0; i < ARRAY_LEN(words[v]); i++) {
            if (strcmp(s, words[v][i]) == 0) {
                *ret = v;
                return true;
            }
        }
    }
    return problem_with(problem, "ParseBool", s, "invalid syntax");
}

bool number_parse_float(const char *s, double *ret, struct buf *problem)
{
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end || *s == ' ' || *s == '\t')
        return problem_with(problem, "ParseFloat", s, "invalid syntax");
    if (errno == ERANGE && isinf(v))
        return problem_with(problem, "ParseFloat", s, "value out of range");
    *ret = v;
    return true;
}

/* Why duration_parse() refused it: a number without a unit, one with a strange unit, or anything
 * else. */
static void add_duration_problem(const char *s, struct buf *problem)
{
    static const char digits[] = "0123456789.";
    const char *p = s + (*s == '-' || *s == '+');
    for (;;) {
        size_t n = strspn(p, digits), unit = strcspn(p + n, digits);
        bool number = strcspn(p, ".") < n ? n > 1 : n > 0;
        AUTO(buf) struct buf name = BUF_INIT;
        buf_add(&name, p + n, unit);
        bool known = false;
        for (size_t i = 0; i < 8; i++) {
            static const char *const units[8] = {"ns", "us", "\xc2\xb5s", "\xce\xbcs",
                                                 "ms", "s",  "m",         "h"};
            known |= slice_is(buf_slice(&name), units[i]);
        }
        if (number && known && p[n + unit]) {
            p += n + unit;
            continue;
        }
        buf_add_str(problem, number && !unit    ? "time: missing unit in duration "
                             : number && !known ? "time: unknown unit "
                                                : "time: invalid duration ");
        if (number && unit && !known) {
            quote_add(problem, buf_slice(&name));
            buf_add_str(problem, " in duration ");
        }
        quote_add(problem, slice_str(s));
        return;
    }
}

bool number_parse_duration(const char *s, int64_t *ret_ns, struct buf *problem)
{
    if (duration_parse(s, ret_ns))
        return true;
    add_duration_problem(s, problem);
    return false;
}

void number_add_bytes(struct buf *b, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 10) {
        buf_addf(b, "%d B", (int)bytes);
        return;
    }
    size_t unit = 0;
    double v = (double)bytes;
    for (double step = 1000; (double)bytes >= step && unit + 1 < ARRAY_LEN(units); step *= 1000) {
        unit++;
        v = (double)bytes / step;
    }
    v = (double)(int64_t)(v * 10 + 0.5) / 10;
    buf_addf(b, v < 10 ? "%.1f %s" : "%.0f %s", v, units[unit]);
}
