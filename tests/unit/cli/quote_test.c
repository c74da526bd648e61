/* Tests of cli/quote: texts and numbers as Go prints and reads them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/quote.h"

#define S(literal) slice_make(literal, sizeof(literal) - 1)

static void quotes_as_go_does(void **state)
{
    (void)state;
    const struct {
        struct slice raw;
        const char *quoted;
    } rows[] = {
        {S(""), "\"\""},
        {S("plain text"), "\"plain text\""},
        {S("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {S("\a\b\f\n\r\t\v"), "\"\\a\\b\\f\\n\\r\\t\\v\""},
        {S("\0\x01\x7f"), "\"\\x00\\x01\\x7f\""},
        {S("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {S("\xff\xc3"), "\"\\xff\\xc3\""},
        {S("\xc0\x80"), "\"\\xc0\\x80\""},         /* an overlong zero */
        {S("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\""}, /* a surrogate */
        {S("\xc2\xad\xe2\x80\xa8"), "\"\\u00ad\\u2028\""},
        {S("\xf3\xa0\x80\x81"), "\"\\U000e0001\""},
        {S("'single'"), "\"'single'\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        quote_add(&b, rows[i].raw);
        assert_string_equal(buf_cstr(&b), rows[i].quoted);
    }
}

static void reads_back_what_it_quotes(void **state)
{
    (void)state;
    AUTO(buf) struct buf all = BUF_INIT;
    for (int c = 0; c < 256; c++)
        buf_add_byte(&all, (uint8_t)c);
    AUTO(buf) struct buf quoted = BUF_INIT;
    AUTO(buf) struct buf back = BUF_INIT;
    quote_add(&quoted, buf_slice(&all));
    assert_int_equal(quote_read(buf_slice(&quoted), &back), quoted.n);
    assert_true(slice_eq(buf_slice(&back), buf_slice(&all)));
}

static void reads_escapes(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t taken;
        struct slice value;
    } rows[] = {
        {"\"a\\x41\\101\\u0041\\U0001F600\" rest", 27, S("aAAA\xf0\x9f\x98\x80")},
        {"`raw\\n`x", 7, S("raw\\n")},
        {"\"\\u00e9\\u20ac\"", 14, S("\xc3\xa9\xe2\x82\xac")},
        {"\"\"", 2, S("")},
        {"\"\\z\"", 0, S("")},     /* no such escape */
        {"\"\\'\"", 0, S("")},     /* not in double quotes */
        {"\"\\x4\"", 0, S("")},    /* too few digits */
        {"\"\\777\"", 0, S("")},   /* above a byte */
        {"\"\\ud800\"", 0, S("")}, /* a surrogate */
        {"\"open", 0, S("")},
        {"\"line\nbreak\"", 0, S("")},
        {"bare", 0, S("")},
        {"", 0, S("")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        assert_int_equal(quote_read(slice_str(rows[i].text), &b), rows[i].taken);
        if (rows[i].taken)
            assert_true(slice_eq(buf_slice(&b), rows[i].value));
    }
}

static void writes_hex_escapes(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    quote_add_hex(&b, S("f\0\xff"));
    assert_string_equal(buf_cstr(&b), "\\x66\\x00\\xff");
}

static void reads_integers(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int base, bits;
        int64_t value;
        const char *problem; /* NULL: none */
    } rows[] = {
        {"0", 10, 64, 0, NULL},
        {"-12", 0, 64, -12, NULL},
        {"+7", 10, 64, 7, NULL},
        {"0x1F", 0, 64, 31, NULL},
        {"0b101", 0, 64, 5, NULL},
        {"0o17", 0, 64, 15, NULL},
        {"017", 0, 64, 15, NULL},
        {"1_000", 0, 64, 1000, NULL},
        {"7587862094a1b2c3", 16, 64, 0x7587862094a1b2c3, NULL},
        {"9223372036854775807", 10, 64, INT64_MAX, NULL},
        {"-9223372036854775808", 10, 64, INT64_MIN, NULL},
        {"9223372036854775808", 10, 64, 0,
         "strconv.ParseInt: parsing \"9223372036854775808\": value out of range"},
        {"2147483648", 0, 32, 0, "strconv.ParseInt: parsing \"2147483648\": value out of range"},
        {"99999999999999999999999", 10, 64, 0,
         "strconv.ParseInt: parsing \"99999999999999999999999\": value out of range"},
        {"", 10, 64, 0, "strconv.ParseInt: parsing \"\": invalid syntax"},
        {"x", 10, 64, 0, "strconv.ParseInt: parsing \"x\": invalid syntax"},
        {"12a", 10, 64, 0, "strconv.ParseInt: parsing \"12a\": invalid syntax"},
        {" 1", 10, 64, 0, "strconv.ParseInt: parsing \" 1\": invalid syntax"},
        {"1_000", 10, 64, 0, "strconv.ParseInt: parsing \"1_000\": invalid syntax"},
        {"0x", 0, 64, 0, "strconv.ParseInt: parsing \"0x\": invalid syntax"},
        {"_1", 0, 64, 0, "strconv.ParseInt: parsing \"_1\": invalid syntax"},
        {"1__0", 0, 64, 0, "strconv.ParseInt: parsing \"1__0\": invalid syntax"},
        {"zz", 16, 64, 0, "strconv.ParseInt: parsing \"zz\": invalid syntax"},
        {"-", 10, 64, 0, "strconv.ParseInt: parsing \"-\": invalid syntax"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf problem = BUF_INIT;
        int64_t v = 0;
        bool good = number_parse_int(rows[i].text, rows[i].base, rows[i].bits, &v, &problem);
        assert_int_equal(good, rows[i].problem == NULL);
        assert_string_equal(buf_cstr(&problem), rows[i].problem ? rows[i].problem : "");
        if (good)
            assert_int_equal(v, rows[i].value);
    }
}

static void reads_unsigned_integers(void **state)
{
    (void)state;
    AUTO(buf) struct buf problem = BUF_INIT;
    uint64_t v;
    assert_true(number_parse_uint("18446744073709551615", 10, 64, &v, &problem));
    assert_true(v == UINT64_MAX);
    assert_false(number_parse_uint("4294967296", 10, 32, &v, &problem));
    assert_string_equal(buf_cstr(&problem),
                        "strconv.ParseUint: parsing \"4294967296\": value out of range");
    buf_clear(&problem);
    assert_false(number_parse_uint("-1", 10, 64, &v, &problem));
    assert_string_equal(buf_cstr(&problem), "strconv.ParseUint: parsing \"-1\": invalid syntax");
}

static void reads_bools_and_floats(void **state)
{
    (void)state;
    AUTO(buf) struct buf problem = BUF_INIT;
    bool b = false;
    double d;
    assert_true(number_parse_bool("T", &b, &problem) && b);
    assert_true(number_parse_bool("False", &b, &problem) && !b);
    assert_false(number_parse_bool("yes", &b, &problem));
    assert_string_equal(buf_cstr(&problem), "strconv.ParseBool: parsing \"yes\": invalid syntax");
    buf_clear(&problem);
    assert_true(number_parse_float("1.5e3", &d, &problem) && d > 1499.9 && d < 1500.1);
    assert_false(number_parse_float("1.5x", &d, &problem));
    assert_string_equal(buf_cstr(&problem), "strconv.ParseFloat: parsing \"1.5x\": invalid syntax");
}

static void says_what_is_wrong_with_a_duration(void **state)
{
    (void)state;
    const struct {
        const char *text, *problem;
    } rows[] = {
        {"5", "time: missing unit in duration \"5\""},
        {"1m5", "time: missing unit in duration \"1m5\""},
        {"5x", "time: unknown unit \"x\" in duration \"5x\""},
        {"5s7days", "time: unknown unit \"days\" in duration \"5s7days\""},
        {"", "time: invalid duration \"\""},
        {"fast", "time: invalid duration \"fast\""},
        {".s", "time: invalid duration \".s\""},
        {"-", "time: invalid duration \"-\""},
    };
    int64_t ns;
    AUTO(buf) struct buf none = BUF_INIT;
    assert_true(number_parse_duration("2m3s", &ns, &none));
    assert_int_equal(ns, INT64_C(123000000000));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf problem = BUF_INIT;
        assert_false(number_parse_duration(rows[i].text, &ns, &problem));
        assert_string_equal(buf_cstr(&problem), rows[i].problem);
    }
}

static void prints_sizes_in_decimal_units(void **state)
{
    (void)state;
    const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},           {9, "9 B"},
        {10, "10 B"},         {999, "999 B"},
        {1000, "1.0 kB"},     {20480, "20 kB"},
        {2147483648, "2.1 GB"}, {82854982, "83 MB"},
        {UINT64_MAX, "18 EB"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        number_add_bytes(&b, rows[i].bytes);
        assert_string_equal(buf_cstr(&b), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_as_go_does),
        cmocka_unit_test(reads_back_what_it_quotes),
        cmocka_unit_test(reads_escapes),
        cmocka_unit_test(writes_hex_escapes),
        cmocka_unit_test(reads_integers),
        cmocka_unit_test(reads_unsigned_integers),
        cmocka_unit_test(reads_bools_and_floats),
        cmocka_unit_test(says_what_is_wrong_with_a_duration),
        cmocka_unit_test(prints_sizes_in_decimal_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
