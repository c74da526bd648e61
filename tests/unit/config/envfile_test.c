/* Tests of config/envfile: a file means here what it means to systemd.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/envfile.h"

static enum err add_variable(void *arg, const char *name, const char *value, int line)
{
    buf_addf(arg, "%d:%s=<%s>\n", line, name, value);
    return strcmp(name, "STOP") == 0 ? ERR_BUSY : ERR_OK;
}

static void add_oddity(void *arg, enum envfile_oddity what, int line)
{
    static const char *const names[] = {
        [ENVFILE_COMMENT_DROPPED] = "comment dropped",
        [ENVFILE_COMMENT_IN_VALUE] = "comment in value",
        [ENVFILE_COMMENT_CONTINUED] = "comment continued",
        [ENVFILE_CR_CONTINUED] = "cr continued",
        [ENVFILE_BAD_NAME] = "bad name",
        [ENVFILE_OPEN_QUOTE] = "open quote",
        [ENVFILE_NO_VARIABLE] = "no variable",
    };
    buf_addf(arg, "%d:%s\n", line, names[what]);
}

static enum err parse(struct slice text, struct buf *seen, struct why *why)
{
    const struct envfile_handler h = {seen, add_variable, add_oddity};
    return envfile_parse(text, &h, why);
}

static void means_what_systemd_makes_of_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *seen;
    } rows[] = {
        {"", ""},
        {"\n\n", ""},
        {"A=b", "1:A=<b>\n"},
        {"A=b\nC=d\n", "1:A=<b>\n2:C=<d>\n"},
        {"  A  =  b c  \n", "1:A=<b c>\n"},
        {"A=\n", "1:A=<>\n"},
        {"A=\"b c\"\n", "1:A=<b c>\n"},
        {"A='b \"c\" \\n'\n", "1:A=<b \"c\" \\n>\n"},
        {"A=\"a\\\"b\\\\c\\$d\\`e\\nf\"\n", "1:A=<a\"b\\c$d`e\\nf>\n"},
        {"A=\"one\ntwo\"\nB=1\n", "1:A=<one\ntwo>\n3:B=<1>\n"},
        {"A=\"one\\\ntwo\"\n", "1:A=<onetwo>\n"},
        {"A=x,\\\ny\nB=1\n", "1:A=<x,y>\n3:B=<1>\n"},
        {"A=a\\ b\\\\\n", "1:A=<a b\\>\n"},
        {"A=b\\  \n", "1:A=<b >\n"},
        {"A='b'\"c\"d\n", "1:A=<bcd>\n"},
        {"A=\"b\"   \n", "1:A=<b>\n"},
        {"A=\"b  \"\n", "1:A=<b  >\n"},
        {"A=b\r\nC=\"d\"\r\n", "1:A=<b>\n2:C=<d>\n"},
        {"# A=b\n;C=d\n  # x\nE=f\n", "4:E=<f>\n"},
        {"[member]\n#[Member]\nA=b\n", "3:A=<b>\n"},
        {"A=b=c\n", "1:A=<b=c>\n"},
        {"A=b\nA=c\n", "1:A=<b>\n2:A=<c>\n"},
        {"A=${B}$C\n", "1:A=<${B}$C>\n"},
        {"A=b#c\n", "1:A=<b#c>\n"},
        {"A=\"b\"#c\n", "1:A=<b#c>\n"},
        {"A=\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
         "1:A=<\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80>\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf seen = BUF_INIT;
        struct why why;
        assert_int_equal(parse(slice_str(rows[i].text), &seen, &why), ERR_OK);
        assert_string_equal(buf_cstr(&seen), rows[i].seen);
    }
}

static void oddities_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *seen;
    } rows[] = {
        {"\nA=\"b\" # c\nD=e\n", "2:comment dropped\n2:A=<b>\n3:D=<e>\n"},
        {"A='b'\t#c \\\nD=e\n", "1:comment dropped\n1:A=<b>\n2:D=<e>\n"},
        {"A=b # c\n", "1:comment in value\n1:A=<b # c>\n"},
        {"# c \\\nA=b\n", "1:comment continued\n2:A=<b>\n"},
        {"A=b\\\r\nC=d\n", "1:cr continued\n1:A=<b>\n2:C=<d>\n"},
        {"export A=b\nC=d\n", "1:bad name\n2:C=<d>\n"},
        {"1A=b\n=x\nC=d\n", "1:bad name\n2:no variable\n3:C=<d>\n"},
        {"nothing\nA=b\nC d", "1:no variable\n2:A=<b>\n3:no variable\n"},
        {"A=\"b\nC=d\n", "1:open quote\n1:A=<b\nC=d\n>\n"},
        {"A=\"b\\", "1:open quote\n1:A=<b>\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf seen = BUF_INIT;
        struct why why;
        assert_int_equal(parse(slice_str(rows[i].text), &seen, &why), ERR_OK);
        assert_string_equal(buf_cstr(&seen), rows[i].seen);
    }
}

static void bytes_that_are_no_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *why;
    } rows[] = {
        {"A=b\nC=\0d\n", 8, "line 2: the file is not UTF-8 text"},
        {"\xff", 1, "line 1: the file is not UTF-8 text"},
        {"A=\xc3", 3, "line 1: the file is not UTF-8 text"},
        {"A=\xc3(", 4, "line 1: the file is not UTF-8 text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf seen = BUF_INIT;
        struct why why;
        assert_int_equal(parse(slice_make(rows[i].bytes, rows[i].n), &seen, &why), ERR_MALFORMED);
        assert_string_equal(why.text, rows[i].why);
        assert_int_equal(seen.n, 0);
    }
}

static void the_handler_stops_it(void **state)
{
    (void)state;
    AUTO(buf) struct buf seen = BUF_INIT;
    struct why why;
    assert_int_equal(parse(slice_str("STOP=1\nA=b\n"), &seen, &why), ERR_BUSY);
    assert_string_equal(buf_cstr(&seen), "1:STOP=<1>\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_what_systemd_makes_of_it),
        cmocka_unit_test(oddities_are_told),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(the_handler_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
