/* metrics/metrics.c -- see metrics.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "metrics/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


/* Guards the making of series, in all families. Reading them takes no lock: they are only ever put
 * at the front of their list, complete. */
static pthread_mutex_t series_lock = PTHREAD_MUTEX_INITIALIZER;

enum { COLLECTORS_MAX = 8 };

struct metrics {
    struct metric **families; /* sorted by name */
    size_t n;
    struct collector {
        void (*fn)(void *arg);
        void *arg;
    } collectors[COLLECTORS_MAX];
    size_t collectors_n;
};

/* ---- counting ------------------------------------------------------------------------------- */

static void observe(const struct metric *m, struct metric_series *s, double v)
{
    size_t i = 0;
    while (i < m->bounds_n && v > m->bounds[i])
        i++;
    atomic_fetch_add_explicit(&s->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->value, (int64_t)(v * 1e9), memory_order_relaxed);
}

void series_observe(struct metric_series *s, double v)
{
    observe(s->metric, s, v);
}

void metric_observe(struct metric *m, double v)
{
    observe(m, &m->plain, v);
}

double metric_quantile(const struct metric *m, double q)
{
    uint64_t counts[METRIC_BOUNDS_MAX + 1], total = 0, below = 0;
    for (size_t i = 0; i <= m->bounds_n; i++)
        total += counts[i] = atomic_load_explicit(&m->plain.bucket[i], memory_order_relaxed);
    for (size_t i = 0; total != 0 && i < m->bounds_n; i++) {
        below += counts[i];
        if ((double)below >= q * (double)total)
            return m->bounds[i];
    }
    return total != 0 ? m->bounds[m->bounds_n - 1] : 0;
}

/* ---- series --------------------------------------------------------------------------------- */

/* Append the text between quotes: \, " and line ends are escaped. */
static void add_escaped(struct buf *b, const char *s, bool quotes)
{
    for (; *s != '\0'; s++) {
        if (*s == '\\')
            buf_add_str(b, "\\\\");
        else if (*s == '\n')
            buf_add_str(b, "\\n");
        else if (*s == '"' && quotes)
            buf_add_str(b, "\\\"");
        else
            buf_add_byte(b, (uint8_t)*s);
    }
}

static char *labels_text(const struct metric *m, const char *const *values)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; m->label_names[i] != NULL; i++) {
        buf_addf(&b, "%s%s=\"", i ? "," : "", m->label_names[i]);
        add_escaped(&b, values[i], true);
        buf_add_byte(&b, '"');
    }
    return buf_take_cstr(&b);
}

static struct metric_series *series_find(struct metric *m, const char *labels)
{
    struct metric_series *s = atomic_load_explicit(&m->series, memory_order_acquire);
    while (s != NULL && strcmp(s->labels, labels) != 0)
        s = s->next;
    return s;
}

/* Make a series; takes `labels`. What has no buckets does not pay for them. */
static struct metric_series *series_new(struct metric *m, char *labels)
{
    size_t buckets = m->type == METRIC_TYPE_HISTOGRAM ? m->bounds_n + 1 : 0;
    size_t size = offsetof(struct metric_series, bucket) + buckets * sizeof(uint64_t);
    struct metric_series *s = xcalloc(1, size);
    s->metric = m;
    s->labels = labels;
    s->next = atomic_load_explicit(&m->series, memory_order_relaxed);
    atomic_store_explicit(&m->series, s, memory_order_release);
    return s;
}

static void series_zero(struct metric_series *s)
{
    series_set(s, 0);
    for (size_t i = 0; s->metric->type == METRIC_TYPE_HISTOGRAM && i <= s->metric->bounds_n; i++)
        atomic_store_explicit(&s->bucket[i], 0, memory_order_relaxed);
}

struct metric_series *metric_series_get(struct metric *m, const char *const *values)
{
    invariant(m->label_names[0] != NULL && m->bounds_n <= METRIC_BOUNDS_MAX);
    char *labels = labels_text(m, values);
    pthread_mutex_lock(&series_lock);
    struct metric_series *s = series_find(m, labels);
    if (s == NULL) {
        s = series_new(m, labels);
        labels = NULL;
    } else if (atomic_load_explicit(&s->is_retired, memory_order_relaxed)) {
        series_zero(s);
        atomic_store_explicit(&s->is_retired, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&series_lock);
    free(labels);
    return s;
}

void series_retire(struct metric_series *s)
{
    pthread_mutex_lock(&series_lock);
    atomic_store_explicit(&s->is_retired, true, memory_order_relaxed);
    pthread_mutex_unlock(&series_lock);
}

/* ---- the registry --------------------------------------------------------------------------- */

struct metrics *metrics_new(void)
{
    return xcalloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *r)
{
    if (r == NULL)
        return;
    free(r->families);
    free(r);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct metric *const *)a)->name, (*(struct metric *const *)b)->name);
}

void metrics_add(struct metrics *r, struct metric *const *families, size_t n)
{
    r->families = xrealloc(r->families, (r->n + n) * sizeof *r->families);
    for (size_t i = 0; i < n; i++) {
        invariant(families[i]->bounds_n <= METRIC_BOUNDS_MAX);
        r->families[r->n + i] = families[i];
    }
    r->n += n;
    qsort(r->families, r->n, sizeof *r->families, by_name);
    for (size_t i = 1; i < r->n; i++)
        invariant(strcmp(r->families[i - 1]->name, r->families[i]->name) != 0);
}

void metrics_add_collector(struct metrics *r, void (*fn)(void *arg), void *arg)
{
    invariant(r->collectors_n < COLLECTORS_MAX);
    r->collectors[r->collectors_n++] = (struct collector){fn, arg};
}

/* ---- the text ------------------------------------------------------------------------------- */

/* Append `v` as Go writes numbers: the shortest digits that read back as `v`. */
static void add_number(struct buf *b, double v)
{
    char text[40];
    if (isnan(v) || isinf(v)) {
        buf_add_str(b, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    int digits = 0; /* behind the first one */
    do {
        snprintf(text, sizeof text, "%.*e", digits, v);
    } while (strtod(text, NULL) != v && digits++ < 16);
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 6)
        buf_add_str(b, text);
    else
        buf_addf(b, "%.*f", digits > exponent ? digits - exponent : 0, v);
}

/* Append `name{labels,le="bound"} value`; what is NULL is left out. */
static void add_sample(struct buf *b, const char *name, const char *suffix, const char *labels,
                       const char *le, double v)
{
    buf_addf(b, "%s%s", name, suffix);
    if (labels != NULL || le != NULL)
        buf_addf(b, "{%s%s", labels ? labels : "", labels && le ? "," : "");
    if (le != NULL)
        buf_addf(b, "le=\"%s\"", le);
    buf_add_str(b, labels || le ? "} " : " ");
    add_number(b, v);
    buf_add_byte(b, '\n');
}

/* The counts may move meanwhile; each is read once, so that the buckets, the last bucket and the
 * count agree with each other. */
static void add_histogram(struct buf *b, const struct metric *m, const struct metric_series *s)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= m->bounds_n; i++) {
        AUTO(buf) struct buf le = BUF_INIT;
        add_number(&le, i < m->bounds_n ? m->bounds[i] : (double)INFINITY);
        count += atomic_load_explicit(&s->bucket[i], memory_order_relaxed);
        add_sample(b, m->name, "_bucket", s->labels, buf_cstr(&le), (double)count);
    }
    add_sample(b, m->name, "_sum", s->labels, NULL, (double)series_value(s) / 1e9);
    add_sample(b, m->name, "_count", s->labels, NULL, (double)count);
}

static void add_series(struct buf *b, const struct metric *m, const struct metric_series *s)
{
    if (atomic_load_explicit(&s->is_retired, memory_order_relaxed))
        return;
    if (m->type == METRIC_TYPE_HISTOGRAM)
        add_histogram(b, m, s);
    else
        add_sample(b, m->name, "", s->labels, NULL, (double)series_value(s) / m->per);
}

static bool has_series(const struct metric *m)
{
    const struct metric_series *s = atomic_load_explicit(&m->series, memory_order_acquire);
    while (s != NULL && atomic_load_explicit(&s->is_retired, memory_order_relaxed))
        s = s->next;
    return s != NULL;
}

static int by_labels(const void *a, const void *b)
{
    return strcmp((*(struct metric_series *const *)a)->labels,
                  (*(struct metric_series *const *)b)->labels);
}

static void add_all_series(struct buf *b, const struct metric *m)
{
    struct metric_series *first = atomic_load_explicit(&m->series, memory_order_acquire);
    size_t n = 0;
    for (struct metric_series *s = first; s != NULL; s = s->next)
        n++;
    struct metric_series **sorted = xmalloc(n * sizeof *sorted);
    size_t i = 0;
    for (struct metric_series *s = first; s != NULL; s = s->next)
        sorted[i++] = s;
    qsort(sorted, n, sizeof *sorted, by_labels);
    for (i = 0; i < n; i++)
        add_series(b, m, sorted[i]);
    free(sorted);
}

static void add_family(struct buf *b, const struct metric *m)
{
    static const char *const type_names[] = {"counter", "gauge", "histogram"};
    bool has_labels = m->label_names[0] != NULL;
    if (has_labels && !has_series(m))
        return;
    buf_addf(b, "# HELP %s ", m->name);
    add_escaped(b, m->help, false);
    buf_addf(b, "\n# TYPE %s %s\n", m->name, type_names[m->type]);
    if (has_labels)
        add_all_series(b, m);
    else
        add_series(b, m, &m->plain);
}

void metrics_write(struct metrics *r, struct buf *b)
{
    for (size_t i = 0; i < r->collectors_n; i++)
        r->collectors[i].fn(r->collectors[i].arg);
    for (size_t i = 0; i < r->n; i++)
        add_family(b, r->families[i]);
}
