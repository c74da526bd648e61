/* benchmark/report.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "benchmark/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "benchmark/globals.h"
#include "benchmark/perfdash.h"

enum { BARS = 10, BAR_WIDTH = 40 };

static const double percents[] = {10, 25, 50, 75, 90, 95, 99, 99.9};

void report_init(struct report *r, const char *op)
{
    *r = (struct report){.op = op};
    samples_init(&r->samples, globals.sample);
}

void report_fini(struct report *r)
{
    samples_fini(&r->samples);
}

/* ---- numbers --------------------------------------------------------------------------------- */

void report_add_shortest(struct buf *b, double v)
{
    char text[40];
    int digits = 1;
    if (!isfinite(v)) {
        buf_add_str(b, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    do
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
    while (strtod(text, NULL) != v && ++digits <= 17);
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 6)
        buf_add_str(b, text);
    else
        buf_addf(b, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, v);
}

static void add_number(struct buf *b, double v)
{
    if (globals.precise)
        report_add_shortest(b, v);
    else
        buf_addf(b, "%4.4f", v);
}

static void add_line_secs(struct buf *b, const char *name, double s)
{
    buf_addf(b, "  %s:\t", name);
    add_number(b, s);
    buf_add_str(b, " secs.\n");
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void add_summary(struct buf *b, const struct report *r)
{
    const struct samples *s = &r->samples;
    double total_s = (double)r->took_ns / 1e9;
    double weight = r->rate_weight > 0 ? r->rate_weight : 1;
    buf_add_str(b, "\nSummary:\n");
    add_line_secs(b, "Total", total_s);
    add_line_secs(b, "Slowest", (double)s->most_ns / 1e9);
    add_line_secs(b, "Fastest", (double)s->least_ns / 1e9);
    add_line_secs(b, "Average", s->mean_s);
    add_line_secs(b, "Stddev", samples_deviation_s(s));
    buf_add_str(b, "  Requests/sec:\t");
    add_number(b, (double)s->n * weight / total_s);
    buf_add_byte(b, '\n');
}

static void add_histogram(struct buf *b, const struct samples *s)
{
    uint64_t counts[BARS + 1], before = 0, most = 0;
    double bounds[BARS + 1];
    double step = (double)(s->most_ns - s->least_ns) / BARS;
    for (int i = 0; i <= BARS; i++) {
        bounds[i] = i < BARS ? (double)s->least_ns + step * i : (double)s->most_ns;
        uint64_t up_to = samples_up_to(s, bounds[i]);
        counts[i] = up_to - before;
        before = up_to;
        if (counts[i] > most)
            most = counts[i];
    }
    buf_add_str(b, "\nResponse time histogram:\n");
    for (int i = 0; i <= BARS; i++) {
        buf_add_str(b, "  ");
        add_number(b, bounds[i] / 1e9);
        buf_addf(b, " [%llu]\t|", (unsigned long long)counts[i]);
        for (uint64_t n = counts[i] * BAR_WIDTH / most; n > 0; n--)
            buf_add_str(b, "∎");
        buf_add_byte(b, '\n');
    }
}

/* The place of the first sample with at least `percent` of all before it. */
static uint64_t place_of(double percent, uint64_t n)
{
    uint64_t i = (uint64_t)(percent * (double)n / 100);
    if (i > 0)
        i--;
    while ((double)i * 100 / (double)n < percent)
        i++;
    return i;
}

void report_percentiles(const struct samples *s, double at_s[static REPORT_PERCENTS])
{
    uint64_t next = 0;
    for (size_t p = 0; p < ARRAY_LEN(percents); p++) {
        at_s[p] = 0;
        if (next >= s->n)
            continue;
        uint64_t i = place_of(percents[p], s->n);
        if (i < next)
            i = next; /* with few samples each one stands for one percentile only */
        if (i < s->n)
            at_s[p] = (double)samples_at(s, i) / 1e9;
        next = i + 1;
    }
}

static void add_latencies(struct buf *b, const struct samples *s)
{
    double at_s[REPORT_PERCENTS];
    report_percentiles(s, at_s);
    buf_add_str(b, "\nLatency distribution:\n");
    for (size_t p = 0; p < ARRAY_LEN(percents); p++) {
        if (at_s[p] <= 0)
            continue;
        buf_addf(b, "  %g%% in ", percents[p]);
        add_number(b, at_s[p]);
        buf_add_str(b, " secs.\n");
    }
}

static void add_seconds(struct buf *b, const struct samples *s)
{
    buf_add_str(b, "\nSample in one second (unix latency throughput):\n"
                   "UNIX-SECOND,MIN-LATENCY-MS,AVG-LATENCY-MS,MAX-LATENCY-MS,AVG-THROUGHPUT\n");
    for (size_t i = 0; i < s->n_seconds; i++) {
        const struct samples_second *row = &s->seconds[i];
        const nsec spans[] = {row->least_ns, row->n ? row->sum_ns / (int64_t)row->n : 0,
                              row->most_ns};
        buf_addf(b, "%lld", (long long)(s->first_second + (int64_t)i));
        for (size_t k = 0; k < ARRAY_LEN(spans); k++) {
            buf_add_byte(b, ',');
            duration_format(b, spans[k]);
        }
        buf_addf(b, ",%llu\n", (unsigned long long)row->n);
    }
    buf_add_byte(b, '\n');
}

static int more_first(const void *a, const void *b)
{
    const struct samples_error *x = a, *y = b;
    return (x->n < y->n) - (x->n > y->n);
}

static void add_errors(struct buf *b, const struct samples *s)
{
    struct samples_error sorted[SAMPLES_ERRORS_MAX + 1];
    memcpy(sorted, s->errors, s->n_texts * sizeof *sorted);
    qsort(sorted, s->n_texts, sizeof *sorted, more_first);
    buf_add_str(b, "\nError distribution:\n");
    for (size_t i = 0; i < s->n_texts; i++)
        buf_addf(b, "  [%llu]\t%s\n", (unsigned long long)sorted[i].n, sorted[i].text);
}

/* ---- all of it ------------------------------------------------------------------------------- */

void report_add_text(struct buf *b, const struct report *r)
{
    const struct samples *s = &r->samples;
    if (s->n > 0) {
        add_summary(b, r);
        add_histogram(b, s);
        add_latencies(b, s);
        if (s->by_second)
            add_seconds(b, s);
    }
    if (s->n_texts > 0)
        add_errors(b, s);
}

int report_print(const struct report *r)
{
    AUTO(buf) struct buf b = BUF_INIT;
    if (globals.report_perfdash)
        perfdash_write(r);
    report_add_text(&b, r);
    if (b.n != 0) /* a report of nothing is empty */
        fwrite(b.p, 1, b.n, stdout);
    return r->samples.n == 0 && r->samples.n_errors > 0 ? CLI_ERROR : CLI_OK;
}
