/* base/duration.c -- Go's notation of durations.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

static const struct unit {
    const char *name;
    nsec span;
} units[] = {
    /* A name that begins another stands behind it. */
    {"ns", 1},       {"us", NSEC_US}, {"\xc2\xb5s", NSEC_US}, {"\xce\xbcs", NSEC_US},
    {"ms", NSEC_MS}, {"s", NSEC_S},   {"m", NSEC_MIN},        {"h", NSEC_HOUR},
};

static const struct unit *unit_take(const char **p)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t n = strlen(units[i].name);
        if (strncmp(*p, units[i].name, n) == 0) {
            *p += n;
            return &units[i];
        }
    }
    return NULL;
}

/* Read digits, then perhaps a point and more digits: whole, and the fraction as part of scale. */
struct decimal {
    int64_t whole, part, scale;
};

static bool decimal_take(const char **p, struct decimal *d)
{
    const char *start = *p;
    *d = (struct decimal){0, 0, 1};
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        if (__builtin_mul_overflow(d->whole, 10, &d->whole) ||
            __builtin_add_overflow(d->whole, **p - '0', &d->whole))
            return false;
    }
    if (**p != '.')
        return *p > start;
    const char *point = (*p)++;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        if (d->scale >= NSEC_S * NSEC_MS)
            continue; /* digits too small to matter */
        d->part = d->part * 10 + (**p - '0');
        d->scale *= 10;
    }
    return point > start || *p > point + 1;
}

static bool decimal_times(const struct decimal *d, nsec unit, nsec *ret)
{
    nsec whole;
    if (__builtin_mul_overflow(d->whole, unit, &whole))
        return false;
    __int128 part = (__int128)d->part * unit / d->scale;
    return !__builtin_add_overflow(whole, (nsec)part, ret);
}

bool duration_parse(const char *s, nsec *ret_span)
{
    bool negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    nsec sum = 0;
    bool zero = strcmp(s, "0") == 0;
    if (*s == '\0')
        return false;
    while (*s && !zero) {
        struct decimal d;
        nsec span;
        if (!decimal_take(&s, &d))
            return false;
        const struct unit *u = unit_take(&s);
        if (!u || !decimal_times(&d, u->span, &span) || __builtin_add_overflow(sum, span, &sum))
            return false;
    }
    *ret_span = negative ? -sum : sum;
    return true;
}

/* Append value/unit with the fraction's trailing zeroes cut. */
static void add_fraction(struct buf *b, uint64_t v, uint64_t unit, const char *name)
{
    buf_addf(b, "%llu", (unsigned long long)(v / unit));
    uint64_t rest = v % unit;
    if (rest)
        buf_add_byte(b, '.');
    while (rest) {
        unit /= 10;
        buf_add_byte(b, (uint8_t)('0' + rest / unit));
        rest %= unit;
    }
    buf_add_str(b, name);
}

void duration_format(struct buf *b, nsec span)
{
    uint64_t v = span < 0 ? 0 - (uint64_t)span : (uint64_t)span;
    const uint64_t s = (uint64_t)NSEC_S;
    if (span < 0)
        buf_add_byte(b, '-');
    if (v == 0)
        buf_add_str(b, "0s");
    else if (v < (uint64_t)NSEC_US)
        add_fraction(b, v, 1, "ns");
    else if (v < (uint64_t)NSEC_MS)
        add_fraction(b, v, (uint64_t)NSEC_US, "\xc2\xb5s");
    else if (v < s)
        add_fraction(b, v, (uint64_t)NSEC_MS, "ms");
    else {
        if (v >= 3600 * s)
            buf_addf(b, "%lluh", (unsigned long long)(v / (3600 * s)));
        if (v >= 60 * s)
            buf_addf(b, "%llum", (unsigned long long)(v / (60 * s) % 60));
        add_fraction(b, v % (60 * s), s, "s");
    }
}
