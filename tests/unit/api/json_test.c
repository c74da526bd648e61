/* Tests of api/json.h and pb/pb_arena.h. The golden texts marked "real" were answered by etcd 3.4.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "api/json.h"
#include "base/json_text.h"
#include "pb/etcdserverpb.pb-c.h"
#include "pb/pb_arena.h"
#include "pb/raftpb.pb-c.h"

#define DESC(name) (&etcdserverpb__##name##__descriptor)

static int setup(void **state)
{
    *state = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* text -> message -> bytes -> message -> text */
static void check_as(struct arena *a, const ProtobufCMessageDescriptor *desc, const char *in,
                     const char *expected)
{
    ProtobufCMessage *msg = NULL;
    struct why why = {""};
    AUTO(buf) struct buf wire = BUF_INIT;
    AUTO(buf) struct buf direct = BUF_INIT;
    AUTO(buf) struct buf out = BUF_INIT;
    enum err e = json_to_pb(desc, slice_str(in), a, &msg, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(e, ERR_OK);
    assert_int_equal(json_from_pb(msg, &direct), ERR_OK);
    assert_string_equal(buf_cstr(&direct), expected);
    pb_pack(msg, &wire);
    assert_int_equal(json_from_wire(desc, buf_slice(&wire), a, &out), ERR_OK);
    assert_string_equal(buf_cstr(&out), expected);
}

static void check_same(struct arena *a, const ProtobufCMessageDescriptor *desc, const char *text)
{
    check_as(a, desc, text, text);
}

static void check_refused(struct arena *a, const ProtobufCMessageDescriptor *desc, const char *in)
{
    ProtobufCMessage *msg = NULL;
    struct why why = {""};
    assert_int_equal(json_to_pb(desc, slice_str(in), a, &msg, &why), ERR_MALFORMED);
    assert_memory_equal(why.text, "proto: ", 7);
    assert_null(msg);
    assert_int_equal(json_to_pb(desc, slice_str(in), a, &msg, NULL), ERR_MALFORMED);
}

/* ---- output as the real thing has it ------------------------------------------------------- */

static void test_real_answers(void **state)
{
    struct arena *a = *state;
#define HEADER                                                                                     \
    "\"header\":{\"cluster_id\":\"14543574347469084500\","                                         \
    "\"member_id\":\"5473006164973889502\",\"revision\":\"2\",\"raft_term\":\"2\"}"
    check_same(a, DESC(put_response), "{" HEADER "}");
    check_same(a, DESC(range_response),
               "{" HEADER ",\"kvs\":[{\"key\":\"Zm9v\",\"create_revision\":\"2\","
               "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"YmFy\"}],\"count\":\"1\"}");
    check_same(a, DESC(txn_response),
               "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"header\":"
               "{\"revision\":\"2\"},\"kvs\":[{\"key\":\"Zm9v\",\"create_revision\":\"2\","
               "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"YmFy\"}],\"count\":\"1\"}},"
               "{\"response_put\":{\"header\":{\"revision\":\"3\"}}},"
               "{\"response_delete_range\":{\"header\":{\"revision\":\"3\"}}}]}");
    check_same(a, DESC(member_list_response),
               "{" HEADER ",\"members\":[{\"ID\":\"5473006164973889502\",\"name\":\"r\","
               "\"peerURLs\":[\"http://127.0.0.1:23780\"],"
               "\"clientURLs\":[\"http://127.0.0.1:23779\"]}]}");
    check_same(a, DESC(status_response),
               "{" HEADER ",\"version\":\"3.4.23\",\"dbSize\":\"20480\","
               "\"leader\":\"5473006164973889502\",\"raftIndex\":\"7\",\"raftTerm\":\"2\","
               "\"raftAppliedIndex\":\"7\",\"dbSizeInUse\":\"16384\"}");
    check_same(a, DESC(lease_time_to_live_response),
               "{" HEADER ",\"ID\":\"7587850943239472386\",\"TTL\":\"99\",\"grantedTTL\":\"100\"}");
}

static void test_defaults_are_left_out(void **state)
{
    check_as(*state, DESC(range_request), "{\"key\":\"\",\"limit\":0,\"keys_only\":false,"
             "\"sort_order\":\"NONE\"}", "{}");
    check_as(*state, DESC(txn_request), "{\"compare\":[],\"success\":[]}", "{}");
    check_as(*state, DESC(range_response), "{\"kvs\":[{}],\"header\":{}}",
             "{\"header\":{},\"kvs\":[{}]}");
}

static void test_a_set_oneof_is_written(void **state)
{
    check_same(*state, DESC(request_op), "{\"request_put\":{}}");
    check_as(*state, DESC(compare), "{\"version\":0}", "{\"version\":\"0\"}");
    check_as(*state, DESC(compare), "{\"value\":\"\"}", "{\"value\":\"\"}");
    check_as(*state, DESC(compare), "{\"value\":null}", "{}");
}

static void test_presence_of_proto2(void **state)
{
    check_same(*state, &raftpb__entry__descriptor, "{\"Term\":\"0\",\"Index\":\"7\"}");
}

static void test_enums(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(range_request);
    check_same(*state, d, "{\"sort_order\":\"DESCEND\",\"sort_target\":\"VALUE\"}");
    check_as(*state, d, "{\"sort_order\":2}", "{\"sort_order\":\"DESCEND\"}");
    check_as(*state, d, "{\"sort_order\":77}", "{\"sort_order\":77}");
    check_as(*state, d, "{\"sort_order\":-1}", "{\"sort_order\":-1}");
    check_refused(*state, d, "{\"sort_order\":\"nope\"}");
    check_refused(*state, d, "{\"sort_order\":true}");
    check_refused(*state, d, "{\"sort_order\":4294967296}");
    check_same(*state, DESC(watch_create_request), "{\"filters\":[\"NOPUT\",\"NODELETE\"]}");
}

static void test_strings_are_escaped_as_protojson_does(void **state)
{
    check_as(*state, DESC(auth_user_add_request),
             "{\"name\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t"
             "\\u0001\\u001f<>&\\u007f\\u00e9\\ud83d\\ude00\"}",
             "{\"name\":\"\\\"\\\\/\\b\\f\\n\\r\\t"
             "\\u0001\\u001f<>&\x7f\xc3\xa9\xf0\x9f\x98\x80\"}");
}

static void test_text_that_is_not_utf8(void **state)
{
    Etcdserverpb__AuthUserAddRequest m = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    AUTO(buf) struct buf out = BUF_INIT;
    char bad[] = "a\xc0\x80";
    m.name = bad;
    buf_add_str(&out, "before");
    assert_int_equal(json_from_pb(&m.base, &out), ERR_MALFORMED);
    assert_string_equal(buf_cstr(&out), "before");
    check_refused(*state, DESC(auth_user_add_request), "{\"name\":\"\xff\"}");
    check_refused(*state, DESC(auth_user_add_request), "{\"name\":\"a\\u0000\"}");
    check_refused(*state, DESC(auth_user_add_request), "{\"name\":\"\\ud800\"}");
}

/* ---- input --------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    check_as(*state, DESC(range_request), "{\"rangeEnd\":\"Zg==\",\"keysOnly\":true}",
             "{\"range_end\":\"Zg==\",\"keys_only\":true}");
    check_as(*state, DESC(member_add_request), "{\"peerURLs\":[\"u\"],\"isLearner\":true}",
             "{\"peerURLs\":[\"u\"],\"isLearner\":true}");
    check_as(*state, DESC(lease_grant_request), "{\"TTL\":5,\"ID\":\"6\"}",
             "{\"TTL\":\"5\",\"ID\":\"6\"}");
    /* Names are exact otherwise, and what nobody knows is passed over. */
    check_as(*state, DESC(range_request),
             "{\"Key\":\"Zg==\",\"range_End\":1,\"x\":{\"y\":[{},[],1.5,null]},\"limit\":1}",
             "{\"limit\":\"1\"}");
}

static void test_64_bit_numbers(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(range_request), *u = DESC(member_remove_request);
    check_as(*state, d, "{\"limit\":9223372036854775807}", "{\"limit\":\"9223372036854775807\"}");
    check_as(*state, d, "{\"limit\":\"-9223372036854775808\"}",
             "{\"limit\":\"-9223372036854775808\"}");
    check_as(*state, d, "{\"limit\":1e3,\"revision\":2.0}",
             "{\"limit\":\"1000\",\"revision\":\"2\"}");
    check_as(*state, d, "{\"limit\":\"1e3\",\"revision\":\"-0\"}", "{\"limit\":\"1000\"}");
    /* Wider than jansson's integers. */
    check_as(*state, u, "{\"ID\": 10276657743932975437 }", "{\"ID\":\"10276657743932975437\"}");
    check_as(*state, u, "{\"ID\":18446744073709551615}", "{\"ID\":\"18446744073709551615\"}");
    static const char *const bad[] = {
        "9223372036854775808", "-9223372036854775809", "1.5",      "\"\"",    "\"+1\"",
        "\"01\"",              "\" 1\"",               "\"1 \"",   "\"0x1\"", "\"1.5\"",
        "\"-\"",               "\"nan\"",              "true",     "[1]",     "{}",
        "1e19",                "99999999999999999999", "\"1e999\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check_refused(*state, d, arena_printf(*state, "{\"limit\":%s}", bad[i]));
    check_refused(*state, u, "{\"ID\":-1}");
    check_refused(*state, u, "{\"ID\":18446744073709551616}");
    check_refused(*state, u, "{\"ID\":1e20}");
}

static void check_quoted(const char *in, const char *expected)
{
    AUTO(buf) struct buf out = BUF_INIT;
    json_quote_wide_integers(slice_str(in), &out);
    assert_string_equal(buf_cstr(&out), expected);
}

static void test_quotes_around_wide_integers(void **state)
{
    check_quoted("", "");
    check_quoted("999999999999999999", "999999999999999999");
    check_quoted("1000000000000000000", "\"1000000000000000000\"");
    check_quoted("[-1000000000000000000,1]", "[\"-1000000000000000000\",1]");
    check_quoted("1000000000000000000.0", "1000000000000000000.0");
    check_quoted("0000000000000000000000", "0000000000000000000000");
    /* What is in a string stays, escaped quotes and an open end too. */
    check_quoted("\"1000000000000000000\"", "\"1000000000000000000\"");
    check_quoted("\"\\\"1000000000000000000", "\"\\\"1000000000000000000");
    check_quoted("\"x\\", "\"x\\");
}

static void test_32_bit_numbers(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(hash_response);
    check_as(*state, d, "{\"hash\":4294967295}", "{\"hash\":4294967295}");
    check_as(*state, d, "{\"hash\":\"7\"}", "{\"hash\":7}");
    check_refused(*state, d, "{\"hash\":4294967296}");
    check_refused(*state, d, "{\"hash\":-1}");
}

static void test_bools_are_strict(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(range_request);
    check_as(*state, d, "{\"serializable\":true,\"keys_only\":false}", "{\"serializable\":true}");
    check_refused(*state, d, "{\"serializable\":\"true\"}");
    check_refused(*state, d, "{\"serializable\":1}");
}

static void test_base64(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(range_request);
    static const struct {
        const char *in, *out;
    } good[] = {
        {"Zg==", "Zg=="},    {"Zm8=", "Zm8="},       {"Zm9v", "Zm9v"},
        {"Zg", "Zg=="},      {"Zm8", "Zm8="},        {"Zm9vYg==", "Zm9vYg=="},
        {"-_-_", "+/+/"},    {"-w==", "+w=="},       {"/+A=", "/+A="},
        {"Zm9\\nv", "Zm9v"}, {"Zm9v\\r\\n", "Zm9v"}, {"Zh==", "Zg=="},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        check_as(*state, d, arena_printf(*state, "{\"key\":\"%s\"}", good[i].in),
                 arena_printf(*state, "{\"key\":\"%s\"}", good[i].out));
    static const char *const bad[] = {
        "\"Z\"",    "\"Zg=\"",  "\"Zm9v=\"",  "\"Zm9v==\"", "\"Zg==x\"", "\"Zg===\"", "\"Z===\"",
        "\"====\"", "\"Z g=\"", "\"+_AA\"",   "\"Zm\xc3\xa9\"", "1",     "[]",        "{}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check_refused(*state, d, arena_printf(*state, "{\"key\":%s}", bad[i]));
}

static void test_every_length_of_bytes(void **state)
{
    Etcdserverpb__RangeRequest m = ETCDSERVERPB__RANGE_REQUEST__INIT;
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t n = 1; n <= sizeof bytes; n++) {
        AUTO(buf) struct buf out = BUF_INIT;
        ProtobufCMessage *back;
        m.key = (ProtobufCBinaryData){n, bytes};
        assert_int_equal(json_from_pb(&m.base, &out), ERR_OK);
        assert_int_equal(json_to_pb(DESC(range_request), buf_slice(&out), *state, &back, NULL),
                         ERR_OK);
        const Etcdserverpb__RangeRequest *r = (const Etcdserverpb__RangeRequest *)back;
        assert_int_equal(r->key.len, n);
        assert_memory_equal(r->key.data, bytes, n);
    }
}

static void test_null_is_absent(void **state)
{
    check_as(*state, DESC(txn_request), "{\"compare\":null,\"success\":null}", "{}");
    check_as(*state, DESC(watch_request), "{\"create_request\":null,\"cancel_request\":{}}",
             "{\"cancel_request\":{}}");
    check_refused(*state, DESC(member_add_request), "{\"peerURLs\":[null]}");
    check_refused(*state, DESC(txn_request), "{\"compare\":[null]}");
}

static void test_nested_and_repeated(void **state)
{
    check_as(*state, DESC(txn_request),
             "{\"compare\":[{\"result\":\"EQUAL\",\"target\":\"CREATE\",\"key\":\"Zm9v\","
             "\"createRevision\":\"2\"}],\"success\":[{\"requestRange\":{\"key\":\"Zm9v\"}},"
             "{\"request_txn\":{\"failure\":[{\"request_put\":{\"lease\":-1}}]}}]}",
             "{\"compare\":[{\"target\":\"CREATE\",\"key\":\"Zm9v\",\"create_revision\":\"2\"}],"
             "\"success\":[{\"request_range\":{\"key\":\"Zm9v\"}},"
             "{\"request_txn\":{\"failure\":[{\"request_put\":{\"lease\":\"-1\"}}]}}]}");
    check_refused(*state, DESC(txn_request), "{\"compare\":{}}");
    check_refused(*state, DESC(txn_request), "{\"compare\":[[]]}");
    check_refused(*state, DESC(request_op), "{\"request_put\":[]}");
    check_refused(*state, DESC(request_op), "{\"request_put\":{},\"request_range\":{}}");
}

static void test_documents(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(range_request);
    check_as(*state, d, "", "{}");
    check_as(*state, d, " \t\r\n", "{}");
    check_as(*state, d, "{\"limit\":1} trailing", "{\"limit\":\"1\"}");
    static const char *const bad[] = {"[]", "1", "null", "x", "{", "{\"key\"", "{\"limit\":1",
                                      "{'key':1}", "{\"limit\":01}", "{\"limit\":1,}",
                                      "{\"limit\":1,\"limit\":2}",
                                      "{\"range_end\":\"\",\"rangeEnd\":\"\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check_refused(*state, d, bad[i]);
}

/* ---- depth --------------------------------------------------------------------------------- */

/* Make `levels` transactions in each other: each one is two messages deep. */
static void nested_text(size_t levels, struct buf *out)
{
    for (size_t i = 0; i < levels; i++)
        buf_add_str(out, "{\"success\":[{\"request_txn\":");
    buf_add_str(out, "{}");
    for (size_t i = 0; i < levels; i++)
        buf_add_str(out, "}]}");
}

static void test_depth_of_text(void **state)
{
    AUTO(buf) struct buf b = BUF_INIT;
    ProtobufCMessage *msg;
    nested_text(PB_DEPTH_MAX / 2 - 1, &b);
    assert_int_equal(json_to_pb(DESC(txn_request), buf_slice(&b), *state, &msg, NULL), ERR_OK);
    for (size_t levels = PB_DEPTH_MAX / 2; levels < 100000; levels *= 10) {
        buf_clear(&b);
        nested_text(levels, &b);
        check_refused(*state, DESC(txn_request), buf_cstr(&b));
    }
}

/* The same as bytes, made from the inside: TxnRequest.success = 2, RequestOp.request_txn = 4. */
static void nested_wire(size_t levels, struct buf *out)
{
    uint8_t *all = xmalloc(levels * 16 + 1);
    size_t at = levels * 16, end = at;
    for (size_t i = 0; i < 2 * levels; i++) {
        uint8_t varint[10];
        size_t n = 0;
        for (size_t v = end - at; n == 0 || v > 0; v >>= 7)
            varint[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        at -= n;
        memcpy(all + at, varint, n);
        all[--at] = i % 2 == 0 ? 4 << 3 | 2 : 2 << 3 | 2;
    }
    buf_add(out, all + at, end - at);
    free(all);
}

static void test_depth_of_bytes(void **state)
{
    ProtobufCMessage *msg;
    AUTO(buf) struct buf b = BUF_INIT;
    nested_wire(PB_DEPTH_MAX / 2 - 1, &b);
    assert_int_equal(pb_unpack(DESC(txn_request), buf_slice(&b), *state, &msg), ERR_OK);
    for (size_t levels = PB_DEPTH_MAX / 2; levels < 1000000; levels *= 10) {
        buf_clear(&b);
        nested_wire(levels, &b);
        assert_int_equal(pb_unpack(DESC(txn_request), buf_slice(&b), *state, &msg), ERR_MALFORMED);
    }
}

/* ---- bytes --------------------------------------------------------------------------------- */

static enum err unpack(struct arena *a, const ProtobufCMessageDescriptor *desc, const void *p,
                       size_t n)
{
    ProtobufCMessage *msg;
    return pb_unpack(desc, slice_make(p, n), a, &msg);
}

static void test_text_in_bytes(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(auth_user_add_request);
    assert_int_equal(unpack(*state, d, "\x0a\x02\xc3\xa9", 4), ERR_OK);
    assert_int_equal(unpack(*state, d, "\x0a\x00", 2), ERR_OK);
    assert_int_equal(unpack(*state, d, "\x0a\x02\xc3\x28", 4), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a\x03\xed\xa0\x80", 5), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a\x02\xc0\x80", 4), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a\x04\xf4\x90\x80\x80", 6), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a\x01\xc3", 3), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a\x05root\0", 7), ERR_MALFORMED);
    /* Bytes may hold anything. */
    assert_int_equal(unpack(*state, DESC(range_request), "\x0a\x02\xc3\0", 4), ERR_OK);
}

static void test_broken_bytes(void **state)
{
    const ProtobufCMessageDescriptor *d = DESC(range_request);
    assert_int_equal(unpack(*state, d, "", 0), ERR_OK);
    assert_int_equal(unpack(*state, d, "\xff", 1), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x00\x01", 2), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a", 1), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a\x05x", 3), ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11),
                     ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x0b\x0c", 2), ERR_MALFORMED); /* a group */
    assert_int_equal(unpack(*state, d, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12),
                     ERR_MALFORMED);
    assert_int_equal(unpack(*state, d, "\x08\x01", 2), ERR_MALFORMED); /* key as a number */
    assert_int_equal(unpack(*state, d, "\xc2\x3e\x03" "abc", 6), ERR_OK); /* unknown */
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_real_answers),
        T(test_defaults_are_left_out),
        T(test_a_set_oneof_is_written),
        T(test_presence_of_proto2),
        T(test_enums),
        T(test_strings_are_escaped_as_protojson_does),
        T(test_text_that_is_not_utf8),
        T(test_names),
        T(test_64_bit_numbers),
        cmocka_unit_test(test_quotes_around_wide_integers),
        T(test_32_bit_numbers),
        T(test_bools_are_strict),
        T(test_base64),
        T(test_every_length_of_bytes),
        T(test_null_is_absent),
        T(test_nested_and_repeated),
        T(test_documents),
        T(test_depth_of_text),
        T(test_depth_of_bytes),
        T(test_text_in_bytes),
        T(test_broken_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
