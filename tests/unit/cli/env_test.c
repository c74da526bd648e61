/* Tests of cli/env and cli/completion: flags from the environment, answers for shells.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "cli/completion.h"
#include "cli/env.h"
#include "unit/cli/program.h"

static void parse(const char *format)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    char *argv[] = {(char *)(uintptr_t)format, NULL};
    cli_tie(&program);
    assert_int_equal(cli_parse(&get, format ? 1 : 0, argv, &problem), 0);
}

static void the_environment_sets_what_arguments_do_not(void **state)
{
    (void)state;
    setenv("TOOL_WRITE_OUT", "json", 1);
    setenv("TOOL_ENDPOINTS", "a:1,b:2", 1);
    setenv("TOOL_HEX", "", 1); /* empty is not set */
    parse(NULL);
    env_apply(&program, "TOOL", NULL);
    assert_string_equal(global.format, "json");
    assert_int_equal(global.endpoints.n, 2);
    assert_false(global.hex);
    assert_true(cli_changed(&get, "write-out"));
    parse("-wtable");
    env_apply(&program, "TOOL", NULL);
    assert_string_equal(global.format, "table");
    unsetenv("TOOL_WRITE_OUT");
    unsetenv("TOOL_ENDPOINTS");
    unsetenv("TOOL_HEX");
}

static void a_value_that_is_none_changes_nothing(void **state)
{
    (void)state;
    setenv("TOOL_HEX", "maybe", 1);
    parse(NULL);
    env_apply(&program, "TOOL", NULL);
    assert_false(global.hex);
    assert_false(cli_changed(&get, "hex"));
    unsetenv("TOOL_HEX");
}

static void names_have_upper_case(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    env_add_name(&b, "ETCDCTL", "insecure-skip-tls-verify");
    assert_string_equal(buf_cstr(&b), "ETCDCTL_INSECURE_SKIP_TLS_VERIFY");
}

static void completes(const char *const *words, int n, const char *answer)
{
    AUTO(buf) struct buf b = BUF_INIT;
    char *argv[8];
    for (int i = 0; i < n; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    cli_tie(&program);
    completion_add_answer(&b, &program, n, argv);
    assert_string_equal(buf_cstr(&b), answer);
}
#define COMPLETES(answer, ...)                                                                     \
    completes((const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
              answer)

static void offers_what_may_follow(void **state)
{
    (void)state;
    COMPLETES("get\tGets keys\nguess\tGuesses\n:4\n", "g");
    COMPLETES("grant\tCreates leases\nlist\tLists leases\n:4\n", "lease", "");
    COMPLETES("--limit\tMaximum number of results\n:4\n", "get", "--li");
    COMPLETES("--hex\tprint hex\n--help\thelp\n:4\n", "get", "--he");
    COMPLETES("ASCEND\nDESCEND\n:4\n", "get", "--order", "");
    COMPLETES("--order=DESCEND\n:4\n", "get", "--order=D");
    COMPLETES("--prefix=true\n--prefix=false\n:4\n", "get", "--prefix=");
    COMPLETES(":0\n", "get", "--write-out", "");
    COMPLETES(":0\n", "get", "some");
    COMPLETES(":0\n", "nonsense", "x");
}

static void scripts_name_the_program(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish", "powershell"};
    for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        assert_true(completion_add_script(&b, &program, shells[i]));
        assert_non_null(strstr(buf_cstr(&b), "__complete"));
        assert_non_null(strstr(buf_cstr(&b), "tool"));
        assert_null(strstr(buf_cstr(&b), "NAME"));
    }
    AUTO(buf) struct buf b = BUF_INIT;
    assert_false(completion_add_script(&b, &program, "csh"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_sets_what_arguments_do_not),
        cmocka_unit_test(a_value_that_is_none_changes_nothing),
        cmocka_unit_test(names_have_upper_case),
        cmocka_unit_test(offers_what_may_follow),
        cmocka_unit_test(scripts_name_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
