/* Tests of cli/command: finding a command, its flags and arguments, and what is said otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit/cli/program.h"

/* Run with the words of a line; what went to stdout and stderr is in `out` and `err`. */
static char out[16384], err[16384];

static void take_file(int fd, char *text, size_t size)
{
    lseek(fd, 0, SEEK_SET);
    ssize_t n = read(fd, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
}

static int run_words(int argc, char **argv)
{
    char out_name[] = "/tmp/cli_out_XXXXXX", err_name[] = "/tmp/cli_err_XXXXXX";
    int out_fd = mkstemp(out_name), err_fd = mkstemp(err_name);
    unlink(out_name);
    unlink(err_name);
    fflush(stdout);
    int old_out = dup(1), old_err = dup(2);
    dup2(out_fd, 1);
    dup2(err_fd, 2);
    memset(&seen, 0, sizeof(seen));
    int code = cli_main(&program, argc, argv);
    fflush(stdout);
    dup2(old_out, 1);
    dup2(old_err, 2);
    close(old_out);
    close(old_err);
    take_file(out_fd, out, sizeof(out));
    take_file(err_fd, err, sizeof(err));
    return code;
}

static int run(const char *line)
{
    char *copy = xstrdup(line), *words[16] = {0};
    int n = 0;
    for (char *w = copy; w && *w; n++) {
        words[n] = w;
        w = strchr(w, ' ');
        if (w)
            *w++ = '\0';
    }
    int code = run_words(n, words);
    free(copy);
    return code;
}

static void first_line_is(const char *text)
{
    AUTO(buf) struct buf line = BUF_INIT;
    buf_add(&line, err, strcspn(err, "\n"));
    assert_string_equal(buf_cstr(&line), text);
}

static void flags_stand_anywhere(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "tool get a b --limit=5 -p",     "tool get --limit 5 a --prefix b",
        "tool get -l5 a b -p",           "tool get -l 5 -p a b",
        "tool get -pl5 a b",             "tool get -l=5 --prefix=true a b",
        "tool -w json get a b -p -l 5",  "tool --write-out=json get -pfl 5 a b",
        "tool get a b --prefix=1 -l 0x5",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(run(lines[i]), 7);
        assert_int_equal(seen.argc, 2);
        assert_string_equal(seen.args[0], "a");
        assert_string_equal(seen.args[1], "b");
        assert_int_equal(local.limit, 5);
        assert_true(local.prefix);
        assert_int_equal(seen.dash, -1);
    }
}

static void two_dashes_end_the_flags(void **state)
{
    (void)state;
    assert_int_equal(run("tool get k -- -p --limit"), 7);
    assert_int_equal(seen.argc, 3);
    assert_int_equal(seen.dash, 1);
    assert_string_equal(seen.args[1], "-p");
    assert_false(local.prefix);
    assert_int_equal(run("tool get -"), 7);
    assert_string_equal(seen.args[0], "-");
}

static void values_have_types_and_defaults(void **state)
{
    (void)state;
    assert_int_equal(run("tool get k"), 7);
    assert_int_equal(local.limit, 10);
    assert_int_equal(local.wait_ns, INT64_C(2000000000));
    assert_string_equal(local.order, "");
    assert_string_equal(global.format, "simple");
    assert_int_equal(global.endpoints.n, 1);
    assert_false(cli_changed(&get, "limit"));
    assert_int_equal(run("tool get k --wait 1m1.5s --count 4000000000 --ratio 0.25 --hex"), 7);
    assert_int_equal(local.wait_ns, INT64_C(61500000000));
    assert_int_equal(local.count, 4000000000u);
    assert_true(local.ratio > 0.24 && local.ratio < 0.26);
    assert_true(global.hex);
    assert_true(cli_changed(&get, "hex"));
}

static void lists_grow(void **state)
{
    (void)state;
    char *argv[] = {"tool", "get", "--tags", "a,\"b,\"\"c\"", "--tags=d", "--endpoints", "x:1,y:2", NULL};
    assert_int_equal(run_words(7, argv), 7);
    assert_int_equal(local.tags.n, 3);
    assert_string_equal(local.tags.v[0], "a");
    assert_string_equal(local.tags.v[1], "b,\"c");
    assert_string_equal(local.tags.v[2], "d");
    assert_int_equal(global.endpoints.n, 2); /* in place of the default */
    assert_string_equal(global.endpoints.v[1], "y:2");
}

static void a_beginning_is_enough(void **state)
{
    (void)state;
    assert_int_equal(run("tool ge k"), 7);
    assert_int_equal(run("tool g k"), 7); /* guess is an addition */
    assert_int_equal(run("tool l g 5"), 7);
    assert_string_equal(seen.args[0], "5");
    assert_int_equal(run("tool lease ls-l"), 7);
    assert_int_equal(run("tool gu"), 7);
}

static void says_what_it_does_not_know(void **state)
{
    (void)state;
    assert_int_equal(run("tool gett k"), 1);
    assert_string_equal(err, "Error: unknown command \"gett\" for \"tool\"\n"
                             "\nDid you mean this?\n\tget\n\n"
                             "Run 'tool --help' for usage.\n");
    assert_int_equal(run("tool divine"), 1);
    assert_string_equal(err, "Error: unknown command \"divine\" for \"tool\"\n"
                             "\nDid you mean this?\n\tguess\n\n"
                             "Run 'tool --help' for usage.\n");
    assert_int_equal(run("tool something-else"), 1);
    assert_string_equal(err, "Error: unknown command \"something-else\" for \"tool\"\n"
                             "Run 'tool --help' for usage.\n");
    static const char *const rows[][2] = {
        {"tool get --foo", "Error: unknown flag: --foo"},
        {"tool get --foo=1", "Error: unknown flag: --foo"},
        {"tool get -px", "Error: unknown shorthand flag: 'x' in -x"},
        {"tool get --limit", "Error: flag needs an argument: --limit"},
        {"tool get -pl", "Error: flag needs an argument: 'l' in -l"},
        {"tool get --=1", "Error: bad flag syntax: --=1"},
        {"tool get ---limit", "Error: bad flag syntax: ---limit"},
        {"tool get --limit x", "Error: invalid argument \"x\" for \"-l, --limit\" flag: "
                               "strconv.ParseInt: parsing \"x\": invalid syntax"},
        {"tool get --prefix=maybe", "Error: invalid argument \"maybe\" for \"-p, --prefix\" flag: "
                                    "strconv.ParseBool: parsing \"maybe\": invalid syntax"},
        {"tool get --wait 5", "Error: invalid argument \"5\" for \"--wait\" flag: "
                              "time: missing unit in duration \"5\""},
        {"tool get --tags a\"b", "Error: invalid argument \"a\\\"b\" for \"--tags\" flag: "
                                 "parse error on line 1, column 2: bare \" in non-quoted-field"},
        {"tool get --tags \"ab\"c", "Error: invalid argument \"\\\"ab\\\"c\" for \"--tags\" flag: parse "
                                    "error on line 1, column 4: extraneous or missing \" in quoted-field"},
        {"tool get --tags \"", "Error: invalid argument \"\\\"\" for \"--tags\" flag: parse "
                              "error on line 1, column 2: extraneous or missing \" in quoted-field"},
        {"tool get --tags \"a\"\"", "Error: invalid argument \"\\\"a\\\"\\\"\" for \"--tags\" flag: parse "
                                   "error on line 1, column 5: extraneous or missing \" in quoted-field"},
        {"tool lease grant", "Error: accepts 1 arg(s), received 0"},
        {"tool lease list x", "Error: unknown command \"x\" for \"tool lease list\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(run(rows[i][0]), 1);
        first_line_is(rows[i][1]);
        assert_int_equal(seen.calls, 0);
        assert_non_null(strstr(err, "\nUsage:\n  tool "));
        assert_string_equal(out, "");
    }
}

static void deprecated_flags_say_so_and_work(void **state)
{
    (void)state;
    assert_int_equal(run("tool get --old k"), 7);
    assert_string_equal(err, "Flag --old has been deprecated, use --force\n");
    assert_true(local.force);
}

static void help_has_the_known_layout(void **state)
{
    (void)state;
    program.groups = NULL;
    assert_int_equal(run("tool get --help"), 0);
    assert_string_equal(
        out, "Gets keys\n\nUsage:\n  tool get [options] <key> [flags]\n\nFlags:\n"
             "      --count uint      how many\n"
             "  -f, --force           Do it\n"
             "  -h, --help            help for get\n"
             "  -l, --limit int       Maximum number of results (default 10)\n"
             "      --old             old (DEPRECATED: use --force)\n"
             "      --order string    Order of results; ASCEND or DESCEND\n"
             "  -p, --prefix          Get keys with matching prefix\n"
             "      --ratio float     how much\n                        of it\n"
             "      --tags words      some words\n"
             "      --wait duration   time (default 2s)\n"
             "\nGlobal Flags:\n"
             "      --endpoints strings   gRPC endpoints (default [127.0.0.1:2379])\n"
             "  -w, --write-out string    set the output format (default \"simple\")\n");
    assert_int_equal(run("tool lease"), 0);
    assert_string_equal(
        out, "Lease related commands\n\nUsage:\n  tool lease [command]\n\nAvailable Commands:\n"
             "  grant       Creates leases\n  list        Lists leases\n\nFlags:\n"
             "  -h, --help   help for lease\n\nGlobal Flags:\n"
             "      --endpoints strings   gRPC endpoints (default [127.0.0.1:2379])\n"
             "  -w, --write-out string    set the output format (default \"simple\")\n"
             "\nUse \"tool lease [command] --help\" for more information about a command.\n");
    assert_int_equal(run("tool help lease list"), 0);
    assert_non_null(strstr(out, "Usage:\n  tool lease list [flags]\n\nAliases:\n  list, ls-leases\n"));
    assert_int_equal(run("tool help nonsense"), 0);
    assert_int_equal(strncmp(err, "Unknown help topic [`nonsense`]\nUsage:\n", 39), 0);
}

static void commands_stand_in_groups(void **state)
{
    (void)state;
    program.groups = groups;
    program.hide_root_help = true;
    program.help_footer = "The end.";
    assert_int_equal(run("tool"), 0);
    assert_string_equal(
        out, "A tool.\n\nUsage:\n  tool [command]\n\nKey-value commands\n"
             "  get         Gets keys\n  lease       Lease commands\n  put         Puts keys\n\n"
             "Additional Commands:\n"
             "  completion  Generate the autocompletion script for the specified shell\n"
             "  guess       Guesses\n  help        Help about any command\n\n"
             "Flags:\n      --endpoints strings   gRPC endpoints (default [127.0.0.1:2379])\n"
             "  -w, --write-out string    set the output format (default \"simple\")\n\n"
             "Use \"tool [command] --help\" for more information about a command.\nThe end.\n");
    program.groups = NULL;
    program.hide_root_help = false;
    program.help_footer = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_stand_anywhere),
        cmocka_unit_test(two_dashes_end_the_flags),
        cmocka_unit_test(values_have_types_and_defaults),
        cmocka_unit_test(lists_grow),
        cmocka_unit_test(a_beginning_is_enough),
        cmocka_unit_test(says_what_it_does_not_know),
        cmocka_unit_test(deprecated_flags_say_so_and_work),
        cmocka_unit_test(help_has_the_known_layout),
        cmocka_unit_test(commands_stand_in_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
