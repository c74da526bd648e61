/* Tests of ctlv2/args: options before and behind the operands.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctlv2/args.h"

static const struct option_spec specs[] = {
    {"recursive", "r", OPTION_BOOL, "", NULL}, {"value", NULL, OPTION_STRING, "", "none"},
    {"ttl", NULL, OPTION_INT, "", NULL},       {"timeout", NULL, OPTION_DURATION, "", "2s"},
    {"roles", NULL, OPTION_STRINGS, "", NULL},
};

static char *line[16];

static int split(char *text)
{
    int n = 0;
    for (char *save, *p = strtok_r(text, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save))
        line[n++] = p;
    return n;
}

static void joined(const struct args *a, struct buf *b)
{
    for (int i = 0; i < a->operand_n; i++)
        buf_addf(b, "%s%s", i != 0 ? " " : "", a->operands[i]);
}

static void orders(void **state)
{
    (void)state;
    static const struct {
        const char *text, *operands;
        int dash;
    } rows[] = {
        {"k v --ttl 5", "k v", -1}, {"--ttl 5 k v", "k v", -1},
        {"k --ttl=5 v", "k v", -1}, {"k -- --ttl 5", "k --ttl 5", 1},
        {"-r k v", "k v", -1},      {"k -r v", "v k", -1},
        {"k -1", "k -1", -1},       {"-r / -- sh", "/ -- sh", 0},
        {"k -", "k -", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf problem = BUF_INIT, got = BUF_INIT;
        struct args a;
        char *copy = xstrdup(rows[i].text);
        assert_true(args_parse(&a, specs, ARRAY_LEN(specs), split(copy), line, true, &problem));
        joined(&a, &got);
        assert_string_equal(buf_cstr(&got), rows[i].operands);
        assert_int_equal(a.dash, rows[i].dash);
        args_fini(&a);
        free(copy);
    }
}

static void values(void **state)
{
    (void)state;
    AUTO(buf) struct buf problem = BUF_INIT;
    struct args a;
    char text[] = "--ttl 0x10 -value=x=y --timeout 1m --roles a --roles b,c -recursive=F rest";
    assert_true(args_parse(&a, specs, ARRAY_LEN(specs), split(text), line, false, &problem));
    assert_int_equal(args_number(&a, "ttl"), 16);
    assert_string_equal(args_text(&a, "value"), "x=y");
    assert_int_equal(args_number(&a, "timeout"), 60000000000);
    assert_int_equal(args_value(&a, "roles")->text_n, 2);
    assert_string_equal(args_value(&a, "roles")->texts[1], "b,c");
    assert_false(args_bool(&a, "r"));
    args_fini(&a);
}

static void refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"--no", "flag provided but not defined: -no"},
        {"---x", "bad flag syntax: ---x"},
        {"-=x", "bad flag syntax: -=x"},
        {"--ttl", "flag needs an argument: -ttl"},
        {"--ttl x", "invalid value \"x\" for flag -ttl: parse error"},
        {"--ttl 9223372036854775808",
         "invalid value \"9223372036854775808\" for flag -ttl: value out of range"},
        {"--timeout 3", "invalid value \"3\" for flag -timeout: parse error"},
        {"-r=x", "invalid boolean value \"x\" for -r: parse error"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf problem = BUF_INIT;
        struct args a;
        char *copy = xstrdup(rows[i][0]);
        assert_false(args_parse(&a, specs, ARRAY_LEN(specs), split(copy), line, false, &problem));
        assert_string_equal(buf_cstr(&problem), rows[i][1]);
        args_fini(&a);
        free(copy);
    }
}

static void two_forms(void **state)
{
    (void)state;
    AUTO(buf) struct buf problem = BUF_INIT;
    struct args a;
    char text[] = "-r --recursive";
    assert_true(args_parse(&a, specs, ARRAY_LEN(specs), split(text), line, false, &problem));
    assert_false(args_check_forms(&a, &problem));
    assert_string_equal(buf_cstr(&problem), "Cannot use two forms of the same flag: r recursive");
    args_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),
        cmocka_unit_test(values),
        cmocka_unit_test(refused),
        cmocka_unit_test(two_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
