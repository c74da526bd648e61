/* Tests of base/duration: Go's notation, both ways.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"

static void reads_what_go_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        nsec span;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"+5s", 5 * NSEC_S},
        {"-5s", -5 * NSEC_S},
        {"100ms", 100 * NSEC_MS},
        {"5s", 5 * NSEC_S},
        {"1h30m", 90 * NSEC_MIN},
        {"1.5s", 1500 * NSEC_MS},
        {".5s", 500 * NSEC_MS},
        {"1.s", NSEC_S},
        {"1h2m3.004005006s", NSEC_HOUR + 2 * NSEC_MIN + 3 * NSEC_S + 4005006},
        {"7us", 7 * NSEC_US},
        {"7\xc2\xb5s", 7 * NSEC_US},
        {"7\xce\xbcs", 7 * NSEC_US},
        {"600000000000ns", 10 * NSEC_MIN},
        {"0.3333333333333333333333333h", 1200 * NSEC_S},
        {"9223372036854775807ns", INT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        nsec span = -1;
        if (!duration_parse(rows[i].text, &span))
            fail_msg("%s is not read", rows[i].text);
        /* Digits beyond a nanosecond may be cut. */
        if (span != rows[i].span && span + 1 != rows[i].span)
            fail_msg("%s is read as %lld", rows[i].text, (long long)span);
    }
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "-",
        "+",
        "5",
        ".",
        ".s",
        "s",
        "1x",
        "1s ",
        " 1s",
        "--1s",
        "1s-2s",
        "3000000h",
        "9223372036854775808ns",
        "99999999999999999999s",
        "1e3s",
        "0x1s",
        "zz",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        nsec span;
        if (duration_parse(rows[i], &span))
            fail_msg("\"%s\" is read", rows[i]);
    }
}

static void prints_as_go_prints(void **state)
{
    (void)state;
    static const struct {
        nsec span;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {1100, "1.1\xc2\xb5s"},
        {100 * NSEC_MS, "100ms"},
        {1500 * NSEC_US, "1.5ms"},
        {5 * NSEC_S, "5s"},
        {90 * NSEC_S, "1m30s"},
        {2 * NSEC_HOUR, "2h0m0s"},
        {-NSEC_MIN, "-1m0s"},
        {NSEC_HOUR + 1, "1h0m0.000000001s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        duration_format(&b, rows[i].span);
        assert_string_equal(buf_cstr(&b), rows[i].text);
    }
}

static void milliseconds_round_up(void **state)
{
    (void)state;
    assert_int_equal(duration_ms(0), 0);
    assert_int_equal(duration_ms(1), 1);
    assert_int_equal(duration_ms(NSEC_MS), 1);
    assert_int_equal(duration_ms(NSEC_MS + 1), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_go_reads),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(prints_as_go_prints),
        cmocka_unit_test(milliseconds_round_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
