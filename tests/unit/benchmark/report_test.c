/* The samples' figures against those of a sorted list, and the report's text line by line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "benchmark/globals.h"
#include "benchmark/report.h"

struct globals globals;

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t far_apart(struct rng *rng)
{
    return (int64_t)(rng_next(rng) >> (20 + rng_below(rng, 40)));
}

static void test_samples_tell_what_a_sorted_list_would(void **state)
{
    enum { N = 20000 };
    (void)state;
    struct rng rng = {7};
    struct samples s, parts[2];
    int64_t *all = xcalloc(N, sizeof *all);
    double sum = 0, squares = 0;
    samples_init(&s, false);
    for (int k = 0; k < 2; k++)
        samples_init(&parts[k], false);
    for (int i = 0; i < N; i++) {
        all[i] = far_apart(&rng);
        samples_add(&parts[i % 3 == 0], 0, all[i]);
        sum += (double)all[i] / 1e9;
    }
    for (int k = 0; k < 2; k++)
        samples_merge(&s, &parts[k]);
    for (int i = 0; i < N; i++)
        squares += pow((double)all[i] / 1e9 - sum / N, 2);
    qsort(all, N, sizeof *all, by_size);
    assert_int_equal(s.n, N);
    assert_int_equal(s.least_ns, all[0]);
    assert_int_equal(s.most_ns, all[N - 1]);
    assert_true(fabs(s.mean_s - sum / N) < 1e-9 * sum);
    assert_true(fabs(samples_deviation_s(&s) / sqrt(squares / N) - 1) < 1e-6);
    for (uint64_t i = 0; i < N; i += 7) {
        double told = (double)samples_at(&s, i), right = (double)all[i];
        assert_true(fabs(told - right) <= right / 1000 + 1);
    }
    for (int i = 0; i < 100; i++) {
        double bound = (double)far_apart(&rng);
        uint64_t low = 0, high = 0, told = samples_up_to(&s, bound);
        for (int k = 0; k < N; k++) {
            low += (double)all[k] < bound * 0.999 - 1;
            high += (double)all[k] <= bound * 1.001 + 1;
        }
        assert_in_range(told, low, high);
    }
    samples_fini(&s);
    for (int k = 0; k < 2; k++)
        samples_fini(&parts[k]);
    free(all);
}

static void test_any_latency_has_a_place(void **state)
{
    (void)state;
    static const int64_t edges[] = {
        -5, 0, 1, 1023, 1024, 2047, 2048, INT64_C(1) << 43, INT64_C(1) << 44, INT64_MAX};
    struct samples s;
    samples_init(&s, false);
    for (size_t i = 0; i < ARRAY_LEN(edges); i++)
        samples_add(&s, 0, edges[i]);
    assert_int_equal(s.least_ns, 0);
    assert_int_equal(s.n_least, 2);
    assert_int_equal(samples_at(&s, 1), 0);
    assert_int_equal(samples_at(&s, 3), 1023);
    assert_int_equal(samples_at(&s, 9), INT64_MAX);
    assert_int_equal(samples_up_to(&s, 1023), 4);
    samples_fini(&s);
}

static void expect_text(const struct report *r, const char *want)
{
    AUTO(buf) struct buf b = BUF_INIT;
    report_add_text(&b, r);
    assert_string_equal(buf_cstr(&b), want);
}

static void test_the_report_of_ten(void **state)
{
    (void)state;
    struct report r;
    report_init(&r, "put");
    for (int i = 1; i <= 10; i++)
        samples_add(&r.samples, 0, i * 1000000);
    samples_add_error(&r.samples, "etcdserver: no leader");
    samples_add_error(&r.samples, "context deadline exceeded");
    samples_add_error(&r.samples, "context deadline exceeded");
    r.took_ns = 20000000;
    expect_text(&r, "\nSummary:\n"
                    "  Total:\t0.0200 secs.\n"
                    "  Slowest:\t0.0100 secs.\n"
                    "  Fastest:\t0.0010 secs.\n"
                    "  Average:\t0.0055 secs.\n"
                    "  Stddev:\t0.0029 secs.\n"
                    "  Requests/sec:\t500.0000\n"
                    "\nResponse time histogram:\n"
                    "  0.0010 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0019 [0]\t|\n"
                    "  0.0028 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0037 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0046 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0055 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0064 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0073 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0082 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0091 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "  0.0100 [1]\t|∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎∎\n"
                    "\nLatency distribution:\n"
                    "  10% in 0.0020 secs.\n"
                    "  25% in 0.0040 secs.\n"
                    "  50% in 0.0060 secs.\n"
                    "  75% in 0.0090 secs.\n"
                    "  90% in 0.0100 secs.\n"
                    "\nError distribution:\n"
                    "  [2]\tcontext deadline exceeded\n"
                    "  [1]\tetcdserver: no leader\n");
    report_fini(&r);
}

static void test_nothing_but_errors(void **state)
{
    (void)state;
    struct report r;
    report_init(&r, "put");
    expect_text(&r, "");
    for (int i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "error %03d", i);
        samples_add_error(&r.samples, text);
    }
    assert_int_equal(r.samples.n_errors, 200);
    assert_int_equal(r.samples.n_texts, SAMPLES_ERRORS_MAX + 1);
    assert_string_equal(r.samples.errors[SAMPLES_ERRORS_MAX].text, "other errors");
    assert_int_equal(r.samples.errors[SAMPLES_ERRORS_MAX].n, 200 - SAMPLES_ERRORS_MAX);
    report_fini(&r);
}

static void test_seconds(void **state)
{
    (void)state;
    struct samples later, s;
    globals.sample = true;
    struct report r;
    report_init(&r, "put");
    globals.sample = false;
    samples_init(&s, true);
    samples_init(&later, true);
    samples_add(&later, INT64_C(1700000003) * 1000000000, 4000000);
    samples_add(&s, INT64_C(1700000000) * 1000000000, 1500);
    samples_add(&s, INT64_C(1700000000) * 1000000000 + 5, 2500);
    samples_merge(&r.samples, &later);
    samples_merge(&r.samples, &s);
    r.took_ns = 1;
    AUTO(buf) struct buf b = BUF_INIT;
    report_add_text(&b, &r);
    const char *at = strstr(buf_cstr(&b), "\nSample in");
    assert_non_null(at);
    assert_string_equal(at, "\nSample in one second (unix latency throughput):\n"
                            "UNIX-SECOND,MIN-LATENCY-MS,AVG-LATENCY-MS,MAX-LATENCY-MS,"
                            "AVG-THROUGHPUT\n"
                            "1700000000,1.5µs,2µs,2.5µs,2\n"
                            "1700000001,0s,0s,0s,0\n"
                            "1700000002,0s,0s,0s,0\n"
                            "1700000003,4ms,4ms,4ms,1\n"
                            "\n");
    samples_fini(&s);
    samples_fini(&later);
    report_fini(&r);
}

static void test_shortest_numbers(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0, "0"},
                 {1, "1"},
                 {0.1, "0.1"},
                 {0.0001, "0.0001"},
                 {0.00001, "1e-05"},
                 {123456, "123456"},
                 {1234567, "1.234567e+06"},
                 {63522.417716339965, "63522.417716339965"},
                 {100000, "100000"},
                 {1e6, "1e+06"},
                 {0.006868781900000001, "0.006868781900000001"},
                 {2.5e-7, "2.5e-07"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        report_add_shortest(&b, cases[i].v);
        assert_string_equal(buf_cstr(&b), cases[i].text);
    }
}

static void test_keys_are_go_varints(void **state)
{
    (void)state;
    uint8_t key[4];
    key_fill(key, sizeof key, 63);
    assert_memory_equal(key, "\x7e\0\0\0", 4);
    key_fill(key, sizeof key, 64);
    assert_memory_equal(key, "\x80\x01\0\0", 4);
    key_fill(key, sizeof key, 0);
    assert_memory_equal(key, "\0\0\0\0", 4);
    assert_int_equal(check_keys(1, 64), CLI_OK);
    assert_int_equal(check_keys(1, 65), CLI_ERROR);
    assert_int_equal(check_keys(8, 0), CLI_ERROR);
    assert_int_equal(check_keys(-1, 1), CLI_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_tell_what_a_sorted_list_would),
        cmocka_unit_test(test_any_latency_has_a_place),
        cmocka_unit_test(test_the_report_of_ten),
        cmocka_unit_test(test_nothing_but_errors),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_shortest_numbers),
        cmocka_unit_test(test_keys_are_go_varints),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
