/* metrics/metrics.h -- counters, gauges and histograms, and their text for Prometheus (0.0.4).
 *
 * A family is a static object of whoever counts with it; to be written out it is added to a
 * registry. Counting is a relaxed atomic addition: any thread, no lock, no allocation. Families
 * with labels have one series for each set of label values; a series is made once (that locks and
 * allocates), kept by its user, and counted with afterwards.
 *
 *   static struct metric puts = METRIC_COUNTER("etcd_mvcc_put_total", "Total number of puts.");
 *   static const double fsync_bounds[] = METRIC_DOUBLING(0.001);
 *   static struct metric fsync = METRIC_HISTOGRAM("etcd_disk_wal_fsync_duration_seconds",
 *                                                 "The latency distributions.", fsync_bounds, 14);
 *   metric_add(&puts, 1);
 *   metric_observe(&fsync, seconds);
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

enum { METRIC_BOUNDS_MAX = 20, METRIC_LABELS_MAX = 4 };

enum metric_type { METRIC_TYPE_COUNTER, METRIC_TYPE_GAUGE, METRIC_TYPE_HISTOGRAM };

/* The value of one set of labels. Fields are private to the room and its inline functions. */
struct metric_series {
    struct metric *metric;
    struct metric_series *next;
    char *labels; /* a="x",b="y", escaped; NULL: none */
    _Atomic bool is_retired;
    _Atomic int64_t value; /* histogram: the sum, in billionths */
    /* Histogram: how many fell into each bucket, the last being above all bounds. Others have
     * none. */
    _Atomic uint64_t bucket[METRIC_BOUNDS_MAX + 1];
};

/* A family. Made with the macros below, never copied, lives as long as the process. */
struct metric {
    const char *name;
    const char *help;
    enum metric_type type;
    double per;           /* how many counts make 1 in the text */
    const double *bounds; /* histogram: ascending upper bounds */
    size_t bounds_n;
    const char *label_names[METRIC_LABELS_MAX + 1]; /* ended by NULL; none: only `plain` counts */
    struct metric_series *_Atomic series;
    struct metric_series plain; /* the series of a family without labels */
};

#define METRIC_INIT(n, h, t, ...)                                                                  \
    {                                                                                              \
        .name = (n), .help = (h), .type = (t), __VA_ARGS__                                         \
    }
#define METRIC_COUNTER(n, h) METRIC_INIT(n, h, METRIC_TYPE_COUNTER, .per = 1)
#define METRIC_GAUGE(n, h) METRIC_INIT(n, h, METRIC_TYPE_GAUGE, .per = 1)
#define METRIC_HISTOGRAM(n, h, b, b_n)                                                             \
    METRIC_INIT(n, h, METRIC_TYPE_HISTOGRAM, .per = 1, .bounds = (b), .bounds_n = (b_n))
/* With labels: the label names follow. */
#define METRIC_COUNTER_VEC(n, h, ...)                                                              \
    METRIC_INIT(n, h, METRIC_TYPE_COUNTER, .per = 1, .label_names = {__VA_ARGS__})
#define METRIC_GAUGE_VEC(n, h, ...)                                                                \
    METRIC_INIT(n, h, METRIC_TYPE_GAUGE, .per = 1, .label_names = {__VA_ARGS__})
#define METRIC_HISTOGRAM_VEC(n, h, b, b_n, ...)                                                    \
    METRIC_INIT(n, h, METRIC_TYPE_HISTOGRAM, .per = 1, .bounds = (b), .bounds_n = (b_n),          \
                .label_names = {__VA_ARGS__})

/* Twenty bounds, each twice the one before; a histogram uses as many of them as it names. */
#define METRIC_DOUBLING(s)                                                                         \
    {                                                                                              \
        (s), (s) * 0x1p1, (s) * 0x1p2, (s) * 0x1p3, (s) * 0x1p4, (s) * 0x1p5, (s) * 0x1p6,         \
            (s) * 0x1p7, (s) * 0x1p8, (s) * 0x1p9, (s) * 0x1p10, (s) * 0x1p11, (s) * 0x1p12,       \
            (s) * 0x1p13, (s) * 0x1p14, (s) * 0x1p15, (s) * 0x1p16, (s) * 0x1p17, (s) * 0x1p18,    \
            (s) * 0x1p19                                                                           \
    }

/* ---- counting; any thread ------------------------------------------------------------------ */

static inline void series_add(struct metric_series *s, int64_t n)
{
    atomic_fetch_add_explicit(&s->value, n, memory_order_relaxed);
}

static inline void series_set(struct metric_series *s, int64_t v)
{
    atomic_store_explicit(&s->value, v, memory_order_relaxed);
}

static inline int64_t series_value(const struct metric_series *s)
{
    return atomic_load_explicit(&s->value, memory_order_relaxed);
}

/* Count `v` (seconds, mostly) in a histogram. */
void series_observe(struct metric_series *s, double v);

/* The same for a family without labels. */
static inline void metric_add(struct metric *m, int64_t n)
{
    series_add(&m->plain, n);
}

static inline void metric_set(struct metric *m, int64_t v)
{
    series_set(&m->plain, v);
}

static inline int64_t metric_value(const struct metric *m)
{
    return series_value(&m->plain);
}

void metric_observe(struct metric *m, double v);

/* Return the bound below which the share `q` of all that a histogram without labels counted lies (the
 * highest bound if it lies above all), or 0 if it counted nothing. Any thread. */
double metric_quantile(const struct metric *m, double q);

/* Return the series with these label values, in the order of the names, made at the first call. It
 * stays valid for the life of the process. Any thread. */
struct metric_series *metric_series_get(struct metric *m, const char *const *values);
/* The same, with the values as arguments: metric_labels(&m, "a", "b"). */
#define metric_labels(m, ...) metric_series_get((m), (const char *const[]){__VA_ARGS__, NULL})

/* Leave a series out of the text, for a peer that is gone say. Getting it again brings it back,
 * from 0. Any thread. */
void series_retire(struct metric_series *s);

/* ---- the registry; one thread, or under the caller's lock ----------------------------------- */

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *r); /* NULL is fine */

/* Add a table of families, which outlive the registry. A name is added once. */
void metrics_add(struct metrics *r, struct metric *const *families, size_t n);

/* Have `fn` called before each writing, to set gauges from what they show. */
void metrics_add_collector(struct metrics *r, void (*fn)(void *arg), void *arg);

/* Add the process_* families: CPU, descriptors, memory, start time. */
void metrics_add_process(struct metrics *r);

/* Append all families to `b`, sorted by name. */
void metrics_write(struct metrics *r, struct buf *b);

#endif
