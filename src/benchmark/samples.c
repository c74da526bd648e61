/* benchmark/samples.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "benchmark/samples.h"

#include <math.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/mem.h"

void samples_init(struct samples *s, bool by_second)
{
    *s = (struct samples){.by_second = by_second, .least_ns = INT64_MAX};
    s->buckets = xcalloc(SAMPLES_BUCKETS, sizeof *s->buckets);
}

void samples_fini(struct samples *s)
{
    for (size_t i = 0; i < s->n_texts; i++)
        free(s->errors[i].text);
    free(s->seconds);
    free(s->buckets);
    *s = (struct samples){0};
}

/* ---- buckets ---------------------------------------------------------------------------------
 *
 * Values below 2^10 have a bucket each; above, the power of two and the ten bits below the highest
 * one name it. */

static size_t bucket_of(int64_t ns)
{
    uint64_t v = (uint64_t)ns;
    if (v >> SAMPLES_HALF_BITS == 0)
        return (size_t)v;
    unsigned power = 63u - (unsigned)__builtin_clzll(v) - SAMPLES_HALF_BITS;
    if (power >= SAMPLES_POWERS)
        return SAMPLES_BUCKETS - 1;
    return ((size_t)power << SAMPLES_HALF_BITS) + (size_t)(v >> power);
}

static int64_t bucket_start(size_t b)
{
    size_t power = b >> SAMPLES_HALF_BITS;
    if (power == 0)
        return (int64_t)b;
    int64_t mantissa = (int64_t)(b & ((1u << SAMPLES_HALF_BITS) - 1)) | 1 << SAMPLES_HALF_BITS;
    return mantissa << (power - 1);
}

/* What stands for the samples of a bucket: its middle, as far as there are any. */
static int64_t bucket_value(const struct samples *s, size_t b)
{
    int64_t v = b + 1 < SAMPLES_BUCKETS ? (bucket_start(b) + bucket_start(b + 1)) / 2 : s->most_ns;
    if (v <= s->least_ns)
        v = s->least_ns + 1;
    return v < s->most_ns ? v : s->most_ns;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static void add_least(struct samples *s, int64_t ns, uint64_t n)
{
    if (ns < s->least_ns) {
        s->least_ns = ns;
        s->n_least = n;
    } else if (ns == s->least_ns) {
        s->n_least += n;
    }
}

/* Lend the row of a second of the wall clock. NULL: its clock went back before the first one. */
static struct samples_second *second_at(struct samples *s, int64_t second)
{
    if (s->n_seconds == 0)
        s->first_second = second;
    if (second < s->first_second)
        return NULL;
    size_t i = (size_t)(second - s->first_second);
    if (i >= s->seconds_cap) {
        size_t cap = i * 2 + 64;
        s->seconds = xrealloc(s->seconds, cap * sizeof *s->seconds);
        memset(s->seconds + s->seconds_cap, 0, (cap - s->seconds_cap) * sizeof *s->seconds);
        s->seconds_cap = cap;
    }
    if (i >= s->n_seconds)
        s->n_seconds = i + 1;
    return &s->seconds[i];
}

static void second_add(struct samples_second *to, const struct samples_second *from)
{
    if (from->n == 0)
        return;
    if (to->n == 0 || from->least_ns < to->least_ns)
        to->least_ns = from->least_ns;
    if (from->most_ns > to->most_ns)
        to->most_ns = from->most_ns;
    to->sum_ns += from->sum_ns;
    to->n += from->n;
}

void samples_add(struct samples *s, int64_t began_ns, int64_t took_ns)
{
    if (took_ns < 0)
        took_ns = 0;
    s->n++;
    s->buckets[bucket_of(took_ns)]++;
    add_least(s, took_ns, 1);
    if (took_ns > s->most_ns)
        s->most_ns = took_ns;
    double x = (double)took_ns / 1e9, from_mean = x - s->mean_s;
    s->mean_s += from_mean / (double)s->n;
    s->sq_s2 += from_mean * (x - s->mean_s);
    if (s->by_second) {
        struct samples_second *row = second_at(s, began_ns / NSEC_S);
        const struct samples_second one = {took_ns, took_ns, took_ns, 1};
        if (row != NULL)
            second_add(row, &one);
    }
}

static void add_errors(struct samples *s, const char *text, uint64_t n)
{
    size_t i = 0;
    s->n_errors += n;
    while (i < s->n_texts && strcmp(s->errors[i].text, text) != 0)
        i++;
    if (i >= SAMPLES_ERRORS_MAX && i == s->n_texts) {
        i = SAMPLES_ERRORS_MAX;
        text = "other errors";
    }
    if (i == s->n_texts)
        s->errors[s->n_texts++] = (struct samples_error){.text = xstrdup(text)};
    s->errors[i].n += n;
}

void samples_add_error(struct samples *s, const char *text)
{
    add_errors(s, text, 1);
}

/* ---- merging --------------------------------------------------------------------------------- */

static void merge_seconds(struct samples *s, const struct samples *from)
{
    if (from->n_seconds == 0)
        return;
    if (s->n_seconds > 0 && from->first_second < s->first_second) {
        /* the other one began earlier: make room in front */
        size_t more = (size_t)(s->first_second - from->first_second);
        struct samples_second *wider = xcalloc(more + s->n_seconds, sizeof *wider);
        memcpy(wider + more, s->seconds, s->n_seconds * sizeof *wider);
        free(s->seconds);
        s->seconds = wider;
        s->n_seconds = s->seconds_cap = more + s->n_seconds;
        s->first_second = from->first_second;
    }
    for (size_t i = 0; i < from->n_seconds; i++)
        second_add(second_at(s, from->first_second + (int64_t)i), &from->seconds[i]);
}

static void merge_moments(struct samples *s, const struct samples *from)
{
    double n = (double)s->n, m = (double)from->n, apart = from->mean_s - s->mean_s;
    s->mean_s += apart * m / (n + m);
    s->sq_s2 += from->sq_s2 + apart * apart * n * m / (n + m);
    s->n += from->n;
}

void samples_merge(struct samples *s, const struct samples *from)
{
    for (size_t i = 0; i < from->n_texts; i++)
        add_errors(s, from->errors[i].text, from->errors[i].n);
    if (from->n == 0)
        return;
    merge_moments(s, from);
    add_least(s, from->least_ns, from->n_least);
    if (from->most_ns > s->most_ns)
        s->most_ns = from->most_ns;
    for (size_t b = 0; b < SAMPLES_BUCKETS; b++)
        s->buckets[b] += from->buckets[b];
    merge_seconds(s, from);
}

/* ---- asking ---------------------------------------------------------------------------------- */

int64_t samples_at(const struct samples *s, uint64_t i)
{
    if (i < s->n_least)
        return s->least_ns;
    if (i + 1 >= s->n)
        return s->most_ns;
    uint64_t before = 0;
    for (size_t b = bucket_of(s->least_ns); b < SAMPLES_BUCKETS; b++) {
        before += s->buckets[b];
        if (before > i)
            return bucket_value(s, b);
    }
    return s->most_ns;
}

uint64_t samples_up_to(const struct samples *s, double ns)
{
    if (s->n == 0 || ns >= (double)s->most_ns)
        return s->n;
    uint64_t n = 0;
    size_t least = bucket_of(s->least_ns);
    for (size_t b = least; b < SAMPLES_BUCKETS; b++) {
        if (b == least)
            n = s->n_least;
        uint64_t here = s->buckets[b] - (b == least ? s->n_least : 0);
        if (here > 0 && (double)bucket_value(s, b) > ns)
            break;
        n += here;
    }
    return n;
}

double samples_deviation_s(const struct samples *s)
{
    return s->n > 0 ? sqrt(s->sq_s2 / (double)s->n) : 0;
}
