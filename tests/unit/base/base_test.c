/* tests/unit/base/base_test.c -- memory shapes, checksums, JSON text, the error table and the log.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/types.h"

static void buf_grows_and_is_consumed(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%03d", i);
    assert_int_equal(b.n, 3000);
    buf_consume(&b, 2997);
    assert_string_equal(buf_cstr(&b), "999");
    buf_add_be64(&b, 0x0102030405060708);
    assert_int_equal(b.p[3], 1);
    assert_int_equal(b.p[10], 8);
    char *s = buf_take_cstr(&b);
    assert_null(b.p);
    assert_memory_equal(s, "999", 3);
    free(s);
    buf_add(&b, NULL, 0);
    buf_consume(&b, 0);
    assert_int_equal(b.n, 0);
}

static void slices_are_ordered_bytewise(void **state)
{
    (void)state;
    assert_true(slice_cmp(slice_str("a"), slice_str("ab")) < 0);
    assert_true(slice_cmp(slice_str("b"), slice_str("ab")) > 0);
    assert_true(slice_cmp(slice_make("\xff", 1), slice_str("a")) > 0);
    assert_true(slice_eq(slice_make(NULL, 0), slice_str("")));
    assert_true(slice_starts_with(slice_str("abc"), slice_str("ab")));
    assert_false(slice_starts_with(slice_str("a"), slice_str("ab")));
}

static void arena_keeps_everything_until_reset(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    char *v[500];
    size_t first = arena_size(a);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(v); i++) {
            v[i] = arena_alloc(a, i * 7);
            assert_int_equal((uintptr_t)v[i] % 16, 0);
            memset(v[i], (int)i, i * 7);
        }
        for (size_t i = 1; i < ARRAY_LEN(v); i++)
            assert_int_equal((uint8_t)v[i][i * 7 - 1], (uint8_t)i);
        assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
        arena_reset(a);
        assert_int_equal(arena_size(a), first);
    }
    arena_free(a);
    arena_free(NULL);
}

static void blob_is_counted(void **state)
{
    (void)state;
    struct blob *b = blob_dup(slice_str("bytes"));
    blob_ref(b);
    blob_unref(b);
    assert_true(slice_is(blob_slice(b), "bytes"));
    blob_unref(b);
    blob_unref(NULL);
    assert_int_equal(blob_slice(NULL).n, 0);
}

static void crc32c_matches_its_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
    assert_int_equal(crc32c(0, "", 0), 0);
    uint8_t zeros[32] = {0};
    assert_int_equal(crc32c(0, zeros, sizeof zeros), 0x8a9136aau); /* RFC 3720, B.4 */
}

static void be64_is_big_endian(void **state)
{
    (void)state;
    uint8_t p[8];
    be64_put(p, 0x8e9e05c52164694d);
    assert_int_equal(p[0], 0x8e);
    assert_int_equal(p[7], 0x4d);
    assert_true(be64_get(p) == 0x8e9e05c52164694d);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"q\"b\\", "\"q\\\"b\\\\\""},
        {"\n\r\t\x01", "\"\\n\\r\\t\\u0001\""},
        {"\xc3\xa9\xe2\x82\xac", "\"\xc3\xa9\xe2\x82\xac\""},
        {"\xc3", "\"\\ufffd\""},
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* a surrogate */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        json_add_string(&b, cases[i].in, strlen(cases[i].in));
        assert_string_equal(buf_cstr(&b), cases[i].out);
    }
}

static void utf8_is_checked(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(slice_str("abcdefgh\xf0\x9f\x98\x80")));
    assert_false(utf8_is_valid(slice_str("abcdefgh\x80")));
    assert_false(utf8_is_valid(slice_str("\xc0\xaf")));
    assert_false(utf8_is_valid(slice_str("\xf4\x90\x80\x80")));
}

static void wide_integers_are_quoted(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    json_quote_wide_integers(slice_str("{\"a\":18446744073709551615,\"b\":12,\"c\":\"18446744073709551615\"}"),
                             &b);
    assert_string_equal(buf_cstr(&b), "{\"a\":\"18446744073709551615\",\"b\":12,"
                                      "\"c\":\"18446744073709551615\"}");
}

static void every_error_has_a_text_and_a_code(void **state)
{
    (void)state;
    assert_int_equal(err_grpc_code(ERR_OK), GRPC_OK);
    for (int e = ERR_OK + 1; e < ERR_COUNT_; e++) {
        assert_true(err_text((enum err)e)[0] != '\0');
        assert_int_not_equal(err_grpc_code((enum err)e), GRPC_OK);
    }
    assert_string_equal(err_text(ERR_LEASE_NOT_FOUND), "etcdserver: requested lease not found");
}

static char *log_to_text(enum log_level least, enum log_format format)
{
    char path[] = "/tmp/base_test.XXXXXX";
    int fd = mkstemp(path);
    assert_int_not_equal(fd, -1);
    const char *out[] = {path};
    struct why why;
    assert_int_equal(log_set_outputs(out, 1, &why), ERR_OK);
    log_set_level(least);
    log_set_format(format);
    log_debug("too quiet");
    log_warn("a \"warning\"", LOG_STR("text", "x\ny"), LOG_INT("n", -5), LOG_MESSAGE(MSG_FSYNC_SLOW), LOG_BOOL("yes", true),
             LOG_ID("id", 0x8e9e05c52164694d), LOG_MS("took", 1500), LOG_UINT("u", UINT64_MAX));
    const char *err[] = {"stderr"};
    assert_int_equal(log_set_outputs(err, 1, &why), ERR_OK);
    char *text = xcalloc(1, 4096);
    assert_true(read(fd, text, 4095) > 0);
    close(fd);
    unlink(path);
    return text;
}

static void log_writes_json_lines(void **state)
{
    (void)state;
    char *text = log_to_text(LOG_INFO_, LOG_FORMAT_JSON);
    assert_null(strstr(text, "too quiet"));
    assert_non_null(strstr(text, "{\"level\":\"warn\",\"ts\":\"20"));
    assert_non_null(strstr(text, "\"msg\":\"a \\\"warning\\\"\",\"text\":\"x\\ny\",\"n\":-5,\"yes\":true,"
                                 "\"id\":\"8e9e05c52164694d\",\"took\":\"1500ms\","
                                 "\"u\":18446744073709551615}\n"));
    free(text);
}

static void log_writes_text_lines(void **state)
{
    (void)state;
    char *text = log_to_text(LOG_DEBUG_, LOG_FORMAT_TEXT);
    assert_non_null(strstr(text, "debug too quiet\n"));
    assert_non_null(strstr(text, " warn  a \"warning\" text=\"x\\ny\" n=-5 yes=true"));
    free(text);
    log_set_level(LOG_INFO_);
}

/* Write `n` records from one place into a file, and return how many lines that makes. */
static size_t lines_of_flood(size_t n)
{
    char path[] = "/tmp/etcd-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    const char *out[] = {path}, *err[] = {"stderr"};
    struct why why;
    assert_int_equal(log_set_outputs(out, 1, &why), ERR_OK);
    for (size_t i = 0; i < n; i++)
        log_info("again");
    log_warn("from another place");
    assert_int_equal(log_set_outputs(err, 1, &why), ERR_OK);
    size_t lines = 0;
    char c;
    while (read(fd, &c, 1) == 1)
        lines += c == '\n';
    close(fd);
    unlink(path);
    return lines;
}

static void log_holds_floods_back(void **state)
{
    (void)state;
    /* The place speaks for the rest of its ten seconds or, if they end just now, for two of them. */
    size_t lines = lines_of_flood(10 * LOG_BURST);
    assert_in_range(lines, LOG_BURST + 2, 2 * LOG_BURST + 4);
}

static void log_files_can_be_moved_away(void **state)
{
    (void)state;
    char path[] = "/tmp/etcd-log-XXXXXX", moved[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    snprintf(moved, sizeof moved, "%s.1", path);
    const char *out[] = {path}, *err[] = {"stderr"};
    struct why why;
    struct stat st;
    assert_int_equal(log_set_outputs(out, 1, &why), ERR_OK);
    log_info("before");
    assert_int_equal(rename(path, moved), 0);
    log_info("still to the old one");
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(log_reopen(&why), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    log_info("to the new one");
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(log_reopen(&why), ERR_IO);
    log_info("is not lost, and does no harm");
    assert_int_equal(log_set_outputs(err, 1, &why), ERR_OK);
    assert_int_equal(log_reopen(&why), ERR_OK); /* nothing to do */
    close(fd);
    rmdir(path);
    unlink(moved);
}

static size_t journal_records;
static enum message journal_message;

static bool fake_journal(const struct log_record *r)
{
    journal_records++;
    journal_message = r->message;
    return true;
}

static void log_gives_records_to_the_journal(void **state)
{
    (void)state;
    struct why why;
    const char *journal[] = {"systemd/journal"}, *plain[] = {"default"};
    assert_int_equal(log_set_outputs(journal, 1, &why), ERR_IO); /* there is none */
    log_set_journal(fake_journal, true);
    assert_int_equal(log_set_outputs(plain, 1, &why), ERR_OK);
    log_warn("alarm raised", LOG_MESSAGE(MSG_NOSPACE_RAISED), LOG_INT("n", 1));
    assert_int_equal(journal_records, 1);
    assert_int_equal(journal_message, MSG_NOSPACE_RAISED);
    log_set_journal(fake_journal, false);
    assert_int_equal(log_set_outputs(plain, 1, &why), ERR_OK); /* stderr now */
    log_warn("to stderr");
    assert_int_equal(journal_records, 1);
    log_set_journal(NULL, false);
}

static void message_ids_differ(void **state)
{
    (void)state;
    assert_null(message_id(MSG_NONE));
    for (int a = MSG_NONE + 1; message_id((enum message)a) != NULL; a++) {
        assert_int_equal(strlen(message_id((enum message)a)), 32);
        for (int b = MSG_NONE + 1; b < a; b++)
            assert_string_not_equal(message_id((enum message)a), message_id((enum message)b));
    }
}

static void log_keeps_its_outputs_when_one_cannot_be_opened(void **state)
{
    (void)state;
    const char *bad[] = {"/nonexistent/dir/file"};
    struct why why;
    assert_int_equal(log_set_outputs(bad, 1, &why), ERR_IO);
    assert_non_null(strstr(why.text, "/nonexistent/dir/file"));
    assert_int_equal(log_set_outputs(bad, 0, &why), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_grows_and_is_consumed),
        cmocka_unit_test(slices_are_ordered_bytewise),
        cmocka_unit_test(arena_keeps_everything_until_reset),
        cmocka_unit_test(blob_is_counted),
        cmocka_unit_test(crc32c_matches_its_check_value),
        cmocka_unit_test(be64_is_big_endian),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(wide_integers_are_quoted),
        cmocka_unit_test(every_error_has_a_text_and_a_code),
        cmocka_unit_test(log_writes_json_lines),
        cmocka_unit_test(log_writes_text_lines),
        cmocka_unit_test(log_files_can_be_moved_away),
        cmocka_unit_test(log_holds_floods_back),
        cmocka_unit_test(log_gives_records_to_the_journal),
        cmocka_unit_test(message_ids_differ),
        cmocka_unit_test(log_keeps_its_outputs_when_one_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
