/* tests/unit/sysd/journal_test.c -- sentences and names of the journal's records.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sysd/journal.h"

static void check_sentence(const char *msg, const struct log_field *fields, size_t n,
                           const char *want)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct log_record r = {.msg = msg, .fields = fields, .n = n};
    journal_add_sentence(&b, &r);
    assert_string_equal(buf_cstr(&b), want);
}

static void a_record_is_a_sentence(void **state)
{
    (void)state;
    check_sentence("nothing beside it", NULL, 0, "nothing beside it");
    const struct log_field all[] = {
        LOG_MESSAGE(MSG_FSYNC_SLOW),
        LOG_ID("local-member-id", 0xabc),
        LOG_ID("remote-peer-id", 0x8e9e05c52164694d),
        LOG_MS("took", 1500),
        LOG_STR("action", "look at the disk"),
        LOG_STR("error", "it is slow"),
        LOG_BOOL("leads", true),
    };
    check_sentence("a write", all, ARRAY_LEN(all),
                   "a write: it is slow (remote peer id 8e9e05c52164694d, took 1500 ms, leads true); "
                   "look at the disk");
}

static void check_name(enum message m, struct log_field f, const char *want)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct log_record r = {.message = m, .msg = "", .fields = &f, .n = 1};
    journal_add_name(&b, &r, &f);
    assert_string_equal(buf_cstr(&b), want);
}

static void fields_have_names_that_can_be_asked_for(void **state)
{
    (void)state;
    check_name(MSG_NONE, LOG_ID("local-member-id", 1), "ETCD_MEMBER_ID");
    check_name(MSG_NONE, LOG_ID("to", 1), "ETCD_PEER");
    check_name(MSG_NONE, LOG_ID("leader", 1), "ETCD_LEADER_ID");
    check_name(MSG_NONE, LOG_UINT("term", 1), "ETCD_TERM");
    check_name(MSG_NONE, LOG_INT("revision", 1), "ETCD_REVISION");
    check_name(MSG_NONE, LOG_STR("error", ""), "ETCD_ERROR");
    check_name(MSG_NONE, LOG_STR("request size", ""), "ETCD_REQUEST_SIZE");
    check_name(MSG_NONE, LOG_MS("took", 1), "ETCD_LATENCY_USEC");
    check_name(MSG_FSYNC_SLOW, LOG_MS("took", 1), "ETCD_FSYNC_USEC");
    check_name(MSG_NONE, LOG_MS("expected-duration", 1), "ETCD_EXPECTED_DURATION_USEC");
    check_name(MSG_NONE,
               LOG_STR("a-name-that-is-far-longer-than-the-journal-will-ever-take-from-anybody", ""),
               "ETCD_A_NAME_THAT_IS_FAR_LONGER_THAN_THE_JOURNAL_WILL_EVER_TAKE_F");
}

static void stderr_is_the_journal_only_if_it_is_that_file(void **state)
{
    (void)state;
    struct stat st;
    char text[64];
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    unsetenv("JOURNAL_STREAM");
    assert_false(journal_has_stderr());
    snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", text, 1);
    assert_true(journal_has_stderr());
    snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
    setenv("JOURNAL_STREAM", text, 1);
    assert_false(journal_has_stderr());
    setenv("JOURNAL_STREAM", "8", 1);
    assert_false(journal_has_stderr());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_a_sentence),
        cmocka_unit_test(fields_have_names_that_can_be_asked_for),
        cmocka_unit_test(stderr_is_the_journal_only_if_it_is_that_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
