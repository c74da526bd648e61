/* tests/unit/grpc/wire_test.c -- prefix, grpc-timeout, grpc-message.
 * SPDX-License-Identifier: Apache-2.0 */
#include "grpc/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static msec parsed(const char *s)
{
    msec ms = -2;
    return grpc_timeout_parse(slice_str(s), &ms) ? ms : -1;
}

static void timeouts_are_read(void **state)
{
    assert_int_equal(parsed("1H"), 3600000);
    assert_int_equal(parsed("2M"), 120000);
    assert_int_equal(parsed("5S"), 5000);
    assert_int_equal(parsed("150m"), 150);
    assert_int_equal(parsed("1500u"), 2);
    assert_int_equal(parsed("1n"), 1);
    assert_int_equal(parsed("0n"), 0);
    assert_int_equal(parsed("99999999H"), 99999999LL * 3600000);
    assert_int_equal(parsed("99999999n"), 100);
}

static void bad_timeouts_are_refused(void **state)
{
    static const char *const bad[] = {"", "S", "1", "1s", "-1S", "1 S", "123456789S", "1.5S", "xS"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parsed(bad[i]), -1);
}

static void messages_are_percent_encoded(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    grpc_message_encode(&b, slice_str("a b~%\n\xc3\xa9\x7f"));
    assert_string_equal(buf_cstr(&b), "a b~%25%0A%C3%A9%7F");
}

static void messages_are_decoded(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    grpc_message_decode(&b, slice_str("a%20b%25%C3%a9%"));
    buf_add_byte(&b, '|');
    grpc_message_decode(&b, slice_str("%4%zz%4"));
    assert_string_equal(buf_cstr(&b), "a b%\xc3\xa9%|%4%zz%4");
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "Unauthenticated");
    assert_string_equal(grpc_code_name((enum grpc_code)99), "Unknown");
}

static void prefix_holds_the_length(void **state)
{
    uint8_t p[GRPC_PREFIX_LEN];
    grpc_prefix_put(p, 0x01020304);
    assert_memory_equal(p, "\0\1\2\3\4", GRPC_PREFIX_LEN);
    assert_int_equal(grpc_prefix_length(p), 0x01020304);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeouts_are_read),
        cmocka_unit_test(bad_timeouts_are_refused),
        cmocka_unit_test(messages_are_percent_encoded),
        cmocka_unit_test(messages_are_decoded),
        cmocka_unit_test(prefix_holds_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
