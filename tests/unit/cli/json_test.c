/* Tests of cli/json and cli/table: what is printed for programs and for people.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/json.h"
#include "cli/table.h"

static void puts_commas_by_itself(void **state)
{
    (void)state;
    AUTO(json) struct json j = JSON_INIT;
    json_open(&j, NULL);
    json_string(&j, "a", "x");
    json_open_array(&j, "b");
    json_int(&j, NULL, -1);
    json_uint(&j, NULL, UINT64_MAX);
    json_open(&j, NULL);
    json_close(&j);
    json_open_array(&j, NULL);
    json_close_array(&j);
    json_close_array(&j);
    json_bool(&j, "c", true);
    json_null(&j, "d");
    json_close(&j);
    assert_string_equal(buf_cstr(&j.text),
                        "{\"a\":\"x\",\"b\":[-1,18446744073709551615,{},[]],\"c\":true,\"d\":null}");
}

static void escapes_as_go_does(void **state)
{
    (void)state;
    const struct {
        const char *raw, *json;
    } rows[] = {
        {"<a> & \"b\" \\", "\"\\u003ca\\u003e \\u0026 \\\"b\\\" \\\\\""},
        {"\n\r\t\x01\x7f", "\"\\n\\r\\t\\u0001\x7f\""},
        {"\\u0008", "\"\\\\u0008\""}, /* written out */
        {"\b\f", "\"\\b\\f\""},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\""},
        {"h\xc3\xa9", "\"h\xc3\xa9\""},
        {"\xff", "\"\\ufffd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json) struct json j = JSON_INIT;
        json_string(&j, NULL, rows[i].raw);
        assert_string_equal(buf_cstr(&j.text), rows[i].json);
    }
}

static void writes_base64(void **state)
{
    (void)state;
    const char *const rows[][2] = {
        {"", "\"\""}, {"f", "\"Zg==\""}, {"fo", "\"Zm8=\""}, {"foo", "\"Zm9v\""},
        {"foob", "\"Zm9vYg==\""}, {"\xff\xfe\xfd\xfc\xfb\xfa", "\"//79/Pv6\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json) struct json j = JSON_INIT;
        json_base64(&j, NULL, slice_str(rows[i][0]));
        assert_string_equal(buf_cstr(&j.text), rows[i][1]);
    }
}

static void draws_a_table(void **state)
{
    (void)state;
    const char *const head[] = {"endpoint", "hash_revision", "ok"};
    const char *const cells[] = {"127.0.0.1:2379", "7", "true", "h\xc3\xa9", "1234567890123456", "false"};
    AUTO(buf) struct buf b = BUF_INIT;
    table_add(&b, 3, head, cells, 2);
    assert_string_equal(buf_cstr(&b),
                        "┌────────────────┬──────────────────┬───────┐\n"
                        "│    ENDPOINT    │  HASH REVISION   │  OK   │\n"
                        "├────────────────┼──────────────────┼───────┤\n"
                        "│ 127.0.0.1:2379 │                7 │  true │\n"
                        "│             h\xc3\xa9 │ 1234567890123456 │ false │\n"
                        "└────────────────┴──────────────────┴───────┘\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_commas_by_itself),
        cmocka_unit_test(escapes_as_go_does),
        cmocka_unit_test(writes_base64),
        cmocka_unit_test(draws_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
