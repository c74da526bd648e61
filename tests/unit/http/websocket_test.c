/* tests/unit/http/websocket_test.c -- frames, and what is none.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/http/frames.h"

#define MESSAGE_MAX 100000

/* All events of a reader, as "[message]", "<ping>" and "(close)", each with its payload. */
static void read_all(struct websocket *w, struct slice data, struct buf *log)
{
    static const char *const brackets[] = {
        [WEBSOCKET_GOT_MESSAGE] = "[]", [WEBSOCKET_GOT_PING] = "<>", [WEBSOCKET_GOT_CLOSE] = "()"};
    struct slice payload;
    enum websocket_event e;
    while ((e = websocket_read(w, &data, &payload)) != WEBSOCKET_GOT_NOTHING) {
        buf_add_byte(log, (uint8_t)brackets[e][0]);
        buf_add_slice(log, payload);
        buf_add_byte(log, (uint8_t)brackets[e][1]);
        if (e == WEBSOCKET_GOT_CLOSE)
            return;
    }
    assert_int_equal(data.n, 0);
}

static void expect_log(const struct buf *in, const char *expected, size_t n)
{
    for (size_t cut = 0; cut <= in->n; cut++) {
        AUTO(buf) struct buf log = BUF_INIT;
        struct websocket *w = websocket_new(MESSAGE_MAX);
        read_all(w, slice_make(in->p, cut), &log);
        if (log.n == 0 || log.p[log.n - 1] != ')')
            read_all(w, slice_make(in->p + cut, in->n - cut), &log);
        assert_int_equal(log.n, n);
        assert_memory_equal(log.p, expected, n);
        websocket_free(w);
    }
}

#define EXPECT(in, text) expect_log(in, text, sizeof(text) - 1)

/* One frame must close the connection with 1002 and these words. */
#define EXPECT_REFUSED(words, ...)                                                                 \
    do {                                                                                           \
        AUTO(buf) struct buf in_ = BUF_INIT;                                                       \
        frame_add(&in_, __VA_ARGS__);                                                              \
        EXPECT(&in_, "(\x03\xea" words ")");                                                       \
    } while (0)

static void messages_at_each_cut(void **state)
{
    AUTO(buf) struct buf in = BUF_INIT;
    frame_add(&in, FRAME_FIN | WEBSOCKET_TEXT, "one");
    frame_add(&in, FRAME_FIN | WEBSOCKET_BINARY, "two");
    frame_add(&in, FRAME_FIN | WEBSOCKET_TEXT, "");
    frame_add(&in, FRAME_FIN | WEBSOCKET_PONG, "nobody asked");
    frame_add(&in, FRAME_FIN | WEBSOCKET_PING, "hi");
    frame_add(&in, FRAME_FIN | WEBSOCKET_CLOSE, "\x03\xe8 bye");
    frame_add(&in, FRAME_FIN | WEBSOCKET_TEXT, "too late");
    EXPECT(&in, "[one][two][]<hi>(\x03\xe8)");
}

static void fragments_with_control_frames_between(void **state)
{
    AUTO(buf) struct buf in = BUF_INIT;
    frame_add(&in, WEBSOCKET_TEXT, "ab");
    frame_add(&in, FRAME_FIN | WEBSOCKET_PING, "p");
    frame_add(&in, WEBSOCKET_CONTINUATION, "");
    frame_add(&in, WEBSOCKET_CONTINUATION, "c");
    frame_add(&in, FRAME_FIN | WEBSOCKET_CONTINUATION, "de");
    frame_add(&in, FRAME_FIN | WEBSOCKET_TEXT, "next");
    EXPECT(&in, "<p>[abcde][next]");
}

static void rules_of_heads(void **state)
{
    EXPECT_REFUSED("RSV1 set", FRAME_FIN | 0x40 | WEBSOCKET_TEXT, "x");
    EXPECT_REFUSED("RSV2 set", FRAME_FIN | 0x20 | WEBSOCKET_TEXT, "x");
    EXPECT_REFUSED("RSV3 set", FRAME_FIN | 0x10 | WEBSOCKET_TEXT, "x");
    EXPECT_REFUSED("bad opcode 3", FRAME_FIN | 3, "x");
    EXPECT_REFUSED("bad opcode 7", FRAME_FIN | 7, "x");
    EXPECT_REFUSED("bad opcode 11", FRAME_FIN | 11, "x");
    EXPECT_REFUSED("bad opcode 15", FRAME_FIN | 15, "x");
    EXPECT_REFUSED("FIN not set on control", WEBSOCKET_PING, "x");
    EXPECT_REFUSED("continuation after FIN", FRAME_FIN | WEBSOCKET_CONTINUATION, "x");
}

static void data_before_the_last_fragment(void **state)
{
    AUTO(buf) struct buf in = BUF_INIT;
    frame_add(&in, WEBSOCKET_TEXT, "ab");
    frame_add(&in, FRAME_FIN | WEBSOCKET_TEXT, "cd");
    EXPECT(&in, "(\x03\xea" "data before FIN)");
}

static void masks_are_needed(void **state)
{
    AUTO(buf) struct buf in = BUF_INIT;
    buf_add(&in, "\x81\x01x", 3);
    EXPECT(&in, "(\x03\xea" "bad MASK)");
}

static void length_of_control_frames(void **state)
{
    char text[WEBSOCKET_CONTROL_MAX + 2];
    memset(text, 'p', sizeof text);
    text[sizeof text - 1] = '\0';
    EXPECT_REFUSED("len > 125 for control", FRAME_FIN | WEBSOCKET_PING, text);

    AUTO(buf) struct buf in = BUF_INIT, log = BUF_INIT;
    text[sizeof text - 2] = '\0';
    frame_add(&in, FRAME_FIN | WEBSOCKET_PING, text);
    struct websocket *w = websocket_new(0);
    read_all(w, buf_slice(&in), &log);
    assert_int_equal(log.n, WEBSOCKET_CONTROL_MAX + 2);
    websocket_free(w);
}

static void codes_of_a_close(void **state)
{
    static const struct {
        const char *payload, *answer;
    } cases[] = {
        {"", "()"},
        {"x", "()"}, /* as gorilla/websocket reads it */
        {"\x03\xe8", "(\x03\xe8)"},
        {"\x0b\xb8 own words", "(\x0b\xb8)"},
        {"\x03\xed", "(\x03\xea" "bad close code 1005)"},
        {"\x01\x01", "(\x03\xea" "bad close code 257)"},
        {"\xff\xff", "(\x03\xea" "bad close code 65535)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf in = BUF_INIT;
        frame_add(&in, FRAME_FIN | WEBSOCKET_CLOSE, cases[i].payload);
        expect_log(&in, cases[i].answer, strlen(cases[i].answer));
    }
}

/* Read one message of `n` bytes, in fragments of at most `part`; return the event that ends it. */
static enum websocket_event read_sized(size_t n, size_t part, struct slice *ret_payload,
                                       struct websocket *w)
{
    AUTO(buf) struct buf in = BUF_INIT, body = BUF_INIT;
    memset(buf_reserve(&body, n), 'b', n);
    for (size_t at = 0; at < n; at += part) {
        size_t piece = n - at < part ? n - at : part;
        unsigned first = (at == 0 ? WEBSOCKET_TEXT : WEBSOCKET_CONTINUATION) |
                         (at + piece == n ? FRAME_FIN : 0u);
        frame_add_slice(&in, first, slice_make(body.p + at, piece));
    }
    struct slice data = buf_slice(&in);
    return websocket_read(w, &data, ret_payload);
}

static void sizes_of_messages(void **state)
{
    static const size_t sizes[] = {125, 126, 65535, 65536, MESSAGE_MAX, MESSAGE_MAX + 1};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (size_t part = 50000; part <= 200000; part += 150000) {
            struct websocket *w = websocket_new(MESSAGE_MAX);
            struct slice payload;
            bool fits = sizes[i] <= MESSAGE_MAX;
            assert_int_equal(read_sized(sizes[i], part, &payload, w),
                             fits ? WEBSOCKET_GOT_MESSAGE : WEBSOCKET_GOT_CLOSE);
            assert_int_equal(payload.n, fits ? sizes[i] : 2);
            assert_memory_equal(payload.p, fits ? "bb" : "\x03\xf1", 2);
            websocket_free(w);
        }
}

static void claimed_length_allocates_nothing(void **state)
{
    AUTO(buf) struct buf log = BUF_INIT;
    struct websocket *w = websocket_new(UINT64_MAX);
    read_all(w, slice_make("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" "mask" "x", 15), &log);
    assert_int_equal(log.n, 0);
    websocket_free(w);
    w = websocket_new(MESSAGE_MAX);
    read_all(w, slice_make("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff" "mask", 14), &log);
    assert_memory_equal(log.p, "(\x03\xf1)", 4);
    websocket_free(w);
}

static void heads(void **state)
{
    uint8_t out[WEBSOCKET_HEAD_MAX];
    assert_int_equal(websocket_head(out, WEBSOCKET_TEXT, 125), 2);
    assert_memory_equal(out, "\x81\x7d", 2);
    assert_int_equal(websocket_head(out, WEBSOCKET_PONG, 0), 2);
    assert_memory_equal(out, "\x8a\x00", 2);
    assert_int_equal(websocket_head(out, WEBSOCKET_TEXT, 126), 4);
    assert_memory_equal(out, "\x81\x7e\x00\x7e", 4);
    assert_int_equal(websocket_head(out, WEBSOCKET_TEXT, 65535), 4);
    assert_memory_equal(out, "\x81\x7e\xff\xff", 4);
    assert_int_equal(websocket_head(out, WEBSOCKET_TEXT, 65536), 10);
    assert_memory_equal(out, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
}

static void keys(void **state)
{
    char accept[WEBSOCKET_ACCEPT_N + 1];
    websocket_accept(slice_str("dGhlIHNhbXBsZSBub25jZQ=="), accept); /* RFC 6455, 1.3 */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_true(websocket_key_is_valid(slice_str("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_false(websocket_key_is_valid(slice_str("dGhlIHNhbXBsZSBub25jZWU=")));
    assert_false(websocket_key_is_valid(slice_str("dGhlIHNhbXBsZSBub25j*Q==")));
    assert_false(websocket_key_is_valid(slice_str("dGhlIHNhbXBsZQ==")));
    assert_false(websocket_key_is_valid(slice_make(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_at_each_cut),
        cmocka_unit_test(fragments_with_control_frames_between),
        cmocka_unit_test(rules_of_heads),
        cmocka_unit_test(data_before_the_last_fragment),
        cmocka_unit_test(masks_are_needed),
        cmocka_unit_test(length_of_control_frames),
        cmocka_unit_test(codes_of_a_close),
        cmocka_unit_test(sizes_of_messages),
        cmocka_unit_test(claimed_length_allocates_nothing),
        cmocka_unit_test(heads),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
