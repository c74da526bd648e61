/* What is counted is what is written, in the form that Prometheus reads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "metrics/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const double seconds_bounds[] = METRIC_DOUBLING(0.001);

/* Write `families` into a string, owned by the caller. */
static char *write_all(struct metric *const *families, size_t n)
{
    struct metrics *r = metrics_new();
    struct buf b = BUF_INIT;
    metrics_add(r, families, n);
    metrics_write(r, &b);
    metrics_free(r);
    return buf_take_cstr(&b);
}

static void expect_text(struct metric *m, const char *want)
{
    char *text = write_all((struct metric *const[]){m}, 1);
    assert_string_equal(text, want);
    free(text);
}

static void counters_and_gauges(void **state)
{
    (void)state;
    static struct metric puts = METRIC_COUNTER("puts_total", "Puts.");
    static struct metric level = METRIC_GAUGE("level", "Back\\slash\nand line.");
    metric_add(&puts, 2);
    metric_add(&puts, 3);
    metric_set(&level, -7);
    assert_int_equal(metric_value(&puts), 5);
    char *text = write_all((struct metric *const[]){&puts, &level}, 2);
    assert_string_equal(text, "# HELP level Back\\\\slash\\nand line.\n"
                              "# TYPE level gauge\nlevel -7\n"
                              "# HELP puts_total Puts.\n# TYPE puts_total counter\nputs_total 5\n");
    free(text);
}

static void numbers_are_written_as_go_does(void **state)
{
    (void)state;
    static const struct {
        int64_t v;
        double per;
        const char *text;
    } cases[] = {
        {0, 1, "0"},
        {1000, 1, "1000"},
        {999999, 1, "999999"},
        {1000000, 1, "1e+06"},
        {2147483648, 1, "2.147483648e+09"},
        {170000000012, 100, "1.70000000012e+09"},
        {15, 100, "0.15"},
        {1, 1e5, "1e-05"},
        {-25, 10, "-2.5"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static struct metric g;
        g = (struct metric)METRIC_INIT("g", "G.", METRIC_TYPE_GAUGE, .per = cases[i].per);
        metric_set(&g, cases[i].v);
        char *want = xasprintf("# HELP g G.\n# TYPE g gauge\ng %s\n", cases[i].text);
        expect_text(&g, want);
        free(want);
    }
}

static void a_family_with_labels(void **state)
{
    (void)state;
    static struct metric sent = METRIC_COUNTER_VEC("sent_bytes_total", "Sent.", "To", "Kind");
    expect_text(&sent, "");
    struct metric_series *b = metric_labels(&sent, "b", "x");
    struct metric_series *a = metric_labels(&sent, "a\"\\\n", "y");
    assert_ptr_equal(metric_labels(&sent, "b", "x"), b);
    series_add(b, 10);
    series_add(a, 1);
    expect_text(&sent, "# HELP sent_bytes_total Sent.\n# TYPE sent_bytes_total counter\n"
                       "sent_bytes_total{To=\"a\\\"\\\\\\n\",Kind=\"y\"} 1\n"
                       "sent_bytes_total{To=\"b\",Kind=\"x\"} 10\n");
    series_retire(a);
    expect_text(&sent, "# HELP sent_bytes_total Sent.\n# TYPE sent_bytes_total counter\n"
                       "sent_bytes_total{To=\"b\",Kind=\"x\"} 10\n");
    series_retire(b);
    expect_text(&sent, "");
    assert_ptr_equal(metric_labels(&sent, "b", "x"), b);
    assert_int_equal(series_value(b), 0);
}

static void a_histogram(void **state)
{
    (void)state;
    static struct metric h = METRIC_HISTOGRAM("took_seconds", "Took.", seconds_bounds, 3);
    metric_observe(&h, 0.0005);
    metric_observe(&h, 0.001); /* a bound belongs to its bucket */
    metric_observe(&h, 0.003);
    metric_observe(&h, 9);
    expect_text(&h, "# HELP took_seconds Took.\n# TYPE took_seconds histogram\n"
                    "took_seconds_bucket{le=\"0.001\"} 2\n"
                    "took_seconds_bucket{le=\"0.002\"} 2\n"
                    "took_seconds_bucket{le=\"0.004\"} 3\n"
                    "took_seconds_bucket{le=\"+Inf\"} 4\n"
                    "took_seconds_sum 9.0045\n"
                    "took_seconds_count 4\n");
}

static void a_histogram_with_labels(void **state)
{
    (void)state;
    static struct metric h = METRIC_HISTOGRAM_VEC("rtt", "Rtt.", seconds_bounds, 1, "To");
    struct metric_series *s = metric_labels(&h, "1");
    series_observe(s, 2);
    expect_text(&h, "# HELP rtt Rtt.\n# TYPE rtt histogram\n"
                    "rtt_bucket{To=\"1\",le=\"0.001\"} 0\nrtt_bucket{To=\"1\",le=\"+Inf\"} 1\n"
                    "rtt_sum{To=\"1\"} 2\nrtt_count{To=\"1\"} 1\n");
    series_retire(s);
    assert_ptr_equal(metric_labels(&h, "1"), s);
    expect_text(&h, "# HELP rtt Rtt.\n# TYPE rtt histogram\n"
                    "rtt_bucket{To=\"1\",le=\"0.001\"} 0\nrtt_bucket{To=\"1\",le=\"+Inf\"} 0\n"
                    "rtt_sum{To=\"1\"} 0\nrtt_count{To=\"1\"} 0\n");
}

static void process_metrics(void **state)
{
    (void)state;
    static const char *const names[] = {
        "process_cpu_seconds_total ",     "process_max_fds ",
        "process_open_fds ",              "process_resident_memory_bytes ",
        "process_start_time_seconds ",    "process_virtual_memory_bytes ",
    };
    struct metrics *r = metrics_new();
    AUTO(buf) struct buf b = BUF_INIT;
    metrics_add_process(r);
    metrics_write(r, &b);
    const char *at = buf_cstr(&b);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *line = xasprintf("\n%s", names[i]);
        at = strstr(at, line);
        assert_non_null(at);
        double v = strtod(at + strlen(line), NULL);
        assert_true(i == 0 ? v >= 0 : v > 0);
        if (i == 4) /* between 2020 and 2100 */
            assert_true(v > 1577836800 && v < 4102444800);
        free(line);
    }
    metrics_free(r);
}

static struct metric shared = METRIC_COUNTER("shared_total", "Shared.");
static struct metric shared_vec =
    METRIC_HISTOGRAM_VEC("shared", "Shared.", seconds_bounds, 20, "n");

enum { THREADS = 4, ROUNDS = 2000 };

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        const char label[] = {(char)('a' + i % 8), '\0'};
        metric_add(&shared, 1);
        series_observe(metric_labels(&shared_vec, label), 0.5);
    }
    return NULL;
}

static void many_threads_count(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
    char *text = write_all((struct metric *const[]){&shared_vec, &shared}, 2);
    free(text);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_value(&shared), THREADS * ROUNDS);
    int64_t sum = 0;
    for (char c = 'a'; c < 'i'; c++) {
        const char label[] = {c, '\0'};
        sum += series_value(metric_labels(&shared_vec, label));
    }
    assert_int_equal(sum, (int64_t)THREADS * ROUNDS * 500000000);
}

static void a_quantile_is_the_bound_above_it(void **state)
{
    (void)state;
    static const double bounds[] = METRIC_DOUBLING(0.001);
    static struct metric m = METRIC_HISTOGRAM("q_seconds", "Durations.", bounds, 4);
    assert_true(metric_quantile(&m, 0.99) == 0);
    for (int i = 0; i < 98; i++)
        metric_observe(&m, 0.0005);
    assert_true(metric_quantile(&m, 0.99) == 0.001);
    metric_observe(&m, 0.003);
    metric_observe(&m, 0.003);
    assert_true(metric_quantile(&m, 0.5) == 0.001);
    assert_true(metric_quantile(&m, 0.99) == 0.004);
    for (int i = 0; i < 100; i++)
        metric_observe(&m, 5);
    assert_true(metric_quantile(&m, 0.99) == 0.008); /* the highest that there is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_is_the_bound_above_it),
        cmocka_unit_test(counters_and_gauges),
        cmocka_unit_test(numbers_are_written_as_go_does),
        cmocka_unit_test(a_family_with_labels),
        cmocka_unit_test(a_histogram),
        cmocka_unit_test(a_histogram_with_labels),
        cmocka_unit_test(process_metrics),
        cmocka_unit_test(many_threads_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
