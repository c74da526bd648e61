/* tests/unit/api/text_test.c -- the small pure parts: splitting JSON, watch responses, finding methods.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/gateway.h"
#include "api/json_scan.h"
#include "api/methods.h"
#include "api/watch_wire.h"
#include "pb/etcdserverpb.pb-c.h"

/* Where the first value ends when the text comes byte by byte; 0: nowhere. */
static size_t value_end(const char *text)
{
    struct json_scan s = {.at = 0};
    for (size_t n = 1; n <= strlen(text); n++)
        if (json_scan_value(&s, slice_make(text, n)))
            return s.at;
    return 0;
}

static void json_values(void **state)
{
    (void)state;
    assert_int_equal(value_end("{}"), 2);
    assert_int_equal(value_end(" {} {}"), 3);
    assert_int_equal(value_end("{\"a\":[{}]}x"), 10);
    assert_int_equal(value_end("{\"}\":1}{"), 7);
    assert_int_equal(value_end("{\"\\\"}\":1}"), 9);
    assert_int_equal(value_end("{\"a\":{}"), 0);
    assert_int_equal(value_end("5 "), 2);
    assert_int_equal(value_end("\"a b\""), 5);
    assert_int_equal(value_end("}"), 1);
    assert_int_equal(value_end("  "), 0);
    assert_true(json_is_blank(slice_str(" \r\n\t")));
    assert_false(json_is_blank(slice_str(" ]")));
}

static void fragments(void **state)
{
    (void)state;
    uint8_t bytes[100] = {0};
    struct slice ev[5];
    for (size_t i = 0; i < 5; i++)
        ev[i] = slice_make(bytes, 100);
    assert_int_equal(watch_fragment_end(ev, 5, 0, SIZE_MAX), 5);
    assert_int_equal(watch_fragment_end(ev, 5, 0, 1), 1); /* one always goes */
    assert_int_equal(watch_fragment_end(ev, 5, 4, 1), 5);
    assert_int_equal(watch_fragment_end(ev, 5, 0, 64 + 200), 1);
    assert_int_equal(watch_fragment_end(ev, 5, 0, 64 + 201), 2);
    assert_int_equal(watch_fragment_end(ev, 5, 2, 64 + 301), 5);
}

static void control_responses(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    watch_add_control(&b, &(struct watch_control){.id = -1,
                                                  .created = true,
                                                  .canceled = true,
                                                  .compacted = 7,
                                                  .reason = "because"});
    Etcdserverpb__WatchResponse *r = etcdserverpb__watch_response__unpack(NULL, b.n, b.p);
    assert_non_null(r);
    assert_int_equal(r->watch_id, -1);
    assert_true(r->created && r->canceled && !r->fragment);
    assert_int_equal(r->compact_revision, 7);
    assert_string_equal(r->cancel_reason, "because");
    etcdserverpb__watch_response__free_unpacked(r, NULL);
    buf_clear(&b);
    watch_add_id(&b, 3, true);
    r = etcdserverpb__watch_response__unpack(NULL, b.n, b.p);
    assert_non_null(r);
    assert_true(r->watch_id == 3 && r->fragment && !r->created);
    etcdserverpb__watch_response__free_unpacked(r, NULL);
    buf_fini(&b);
}

static void methods(void **state)
{
    (void)state;
    bool known;
    methods_init();
    for (size_t i = 0; i < api_methods_n; i++) {
        const struct api_method *m = &api_methods[i];
        assert_int_equal(method_find(slice_str(method_path(i)), &known), (int)i);
        assert_true(known && m->message != NULL);
        for (int j = 0; j < 2; j++)
            if (m->paths[j] != NULL)
                assert_ptr_equal(method_find_json(slice_str(m->paths[j])), m);
    }
    assert_string_equal(method_path(0), "/etcdserverpb.KV/Range");
    assert_int_equal(method_find(slice_str("/etcdserverpb.KV/Nope"), &known), -1);
    assert_true(known);
    const char *strange[] = {"", "/", "//", "x", "/etcdserverpb.Nope/Range", "etcdserverpb.KV/Range"};
    for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
        assert_int_equal(method_find(slice_str(strange[i]), &known), -1);
        assert_false(known);
    }
    assert_null(method_find_json(slice_str("/v3/kv")));
    assert_ptr_equal(method_find_json(slice_str("/v3/kv/lease/leases")),
                     method_find_json(slice_str("/v3/lease/leases")));
}

static void gateway_statuses(void **state)
{
    (void)state;
    assert_int_equal(gateway_http_status(GRPC_OK), 200);
    assert_int_equal(gateway_http_status(GRPC_FAILED_PRECONDITION), 400);
    assert_int_equal(gateway_http_status(GRPC_CANCELED), 499);
    assert_int_equal(gateway_http_status(GRPC_UNKNOWN), 500);
    assert_true(gateway_owns(slice_str("/v3/x")) && gateway_owns(slice_str("/v3beta/x")));
    assert_false(gateway_owns(slice_str("/v3alpha/kv/range")) || gateway_owns(slice_str("/v3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_values),       cmocka_unit_test(fragments),
        cmocka_unit_test(control_responses), cmocka_unit_test(methods),
        cmocka_unit_test(gateway_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
