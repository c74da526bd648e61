/* Tests of etcdctl/words, compare and diff: what is typed into a txn, what history shows.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "etcdctl/diff.h"
#include "etcdctl/words.h"

#define S(literal) slice_make(literal, sizeof(literal) - 1)

/* The words with a bar behind each, or "no" where an escape is none. */
static void cuts(struct slice line, struct slice expected)
{
    struct arena *a = arena_new();
    struct words w;
    AUTO(buf) struct buf b = BUF_INIT;
    if (!words_cut(a, line, &w)) {
        buf_add_str(&b, "no");
    } else {
        for (int i = 0; i < w.n; i++) {
            buf_add_slice(&b, w.v[i]);
            buf_add_byte(&b, '|');
            assert_int_equal(w.v[i].p[w.v[i].n], '\0');
        }
    }
    if (!slice_eq(buf_slice(&b), expected))
        print_message("%.*s: got %s\n", (int)line.n, (const char *)line.p, buf_cstr(&b));
    assert_true(slice_eq(buf_slice(&b), expected));
    arena_free(a);
}

static void lines_are_cut_as_upstream_cuts_them(void **state)
{
    (void)state;
    cuts(S("put a b"), S("put|a|b|"));
    cuts(S("  put\ta   b  "), S("put|a|b|"));
    cuts(S(""), S(""));
    cuts(S("   "), S(""));
    cuts(S("put 'a b' 'c\"d'"), S("put|a b|c\"d|"));
    cuts(S("put \"a b\" \"\\x00\\n\""), S("put|a b|\0\n|"));
    cuts(S("put \"a\\\"b\" x"), S("put|a\"b|x|"));
    cuts(S("put a\"b c\"d"), S("put|a\"b|c\"d|")); /* a quote within a word is a letter */
    cuts(S("put 'open x"), S("put|open|x|"));      /* one that never closes is nothing */
    cuts(S("put \"open x"), S("put|open|x|"));
    cuts(S("put '' \"\""), S("put|||"));
    cuts(S("put \"\\z\""), S("no"));
    cuts(S("'"), S(""));
    cuts(S("\"\\"), S("\\|"));
}

static void words_keep_their_bytes(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct words w;
    assert_true(words_cut(a, S("put \"a\\x00b\" c"), &w));
    char **argv = words_argv(a, &w);
    assert_string_equal(argv[0], "put");
    assert_null(argv[3]);
    assert_true(slice_eq(words_find(&w, argv[1]), S("a\0b")));
    arena_free(a);
}

struct compare_row {
    const char *line;
    Etcdserverpb__Compare__CompareTarget target;
    Etcdserverpb__Compare__CompareResult result;
    const char *key;
    int64_t number;
    const char *problem;
};

static void conditions_are_read(void **state)
{
    (void)state;
#define T(name) ETCDSERVERPB__COMPARE__COMPARE_TARGET__##name
#define R(name) ETCDSERVERPB__COMPARE__COMPARE_RESULT__##name
    static const struct compare_row rows[] = {
        {"ver(\"k\") = \"1\"", T(VERSION), R(EQUAL), "k", 1, NULL},
        {"version(\"k\") != \"-1\"", T(VERSION), R(NOT_EQUAL), "k", -1, NULL},
        {"c(\"a b\") > \"5\"", T(CREATE), R(GREATER), "a b", 5, NULL},
        {"create(\"k\") < \"5\"", T(CREATE), R(LESS), "k", 5, NULL},
        {"m(\"k\") = \"5\" and more", T(MOD), R(EQUAL), "k", 5, NULL},
        {"mod( \"k\") = `5`", T(MOD), R(EQUAL), "k", 5, NULL},
        {"lease(\"k\") = \"1f\"", T(LEASE), R(EQUAL), "k", 0x1f, NULL},
        {"bad", 0, 0, "", 0, "malformed comparison: bad"},
        {"foo(\"k\") = \"1\"", 0, 0, "", 0,
         "malformed comparison: foo(\"k\") = \"1\" (unknown target foo)"},
        {"mod(\"k\") ? \"1\"", 0, 0, "", 0,
         "malformed comparison: mod(\"k\") ? \"1\" (unknown operator ?)"},
        {"mod(\"k\") = \"x\"", 0, 0, "", 0, "invalid txn compare request: mod(\"k\") = \"x\""},
        {"mod(\"k\") = \"1\\x002\"", 0, 0, "", 0,
         "invalid txn compare request: mod(\"k\") = \"1\\x002\""},
        {"val(k) = \"x\"", 0, 0, "", 0,
         "malformed comparison: val(k) = \"x\"; got val(\"\")  \"\""},
        {"val(\"k\")=\"x\"", 0, 0, "", 0,
         "malformed comparison: val(\"k\")=\"x\"; got val(\"k\")  \"\""},
        {"val(\"k\") = x", 0, 0, "", 0,
         "malformed comparison: val(\"k\") = x; got val(\"k\") = \"\""},
        {"val(\"k\" ) = \"x\"", 0, 0, "", 0,
         "malformed comparison: val(\"k\" ) = \"x\"; got val(\"k\")  \"\""},
        {"val(\"k\") \"x\"", 0, 0, "", 0,
         "malformed comparison: val(\"k\") \"x\"; got val(\"k\") \"x\" \"\""},
        {"val(\"k\") =", 0, 0, "", 0, "malformed comparison: val(\"k\") =; got val(\"k\") = \"\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena *a = arena_new();
        Etcdserverpb__Compare c;
        AUTO(buf) struct buf problem = BUF_INIT;
        bool good = compare_parse(a, slice_str(rows[i].line), &c, &problem);
        assert_string_equal(buf_cstr(&problem), rows[i].problem ? rows[i].problem : "");
        assert_int_equal(good, rows[i].problem == NULL);
        if (good) {
            assert_int_equal(c.target, rows[i].target);
            assert_int_equal(c.result, rows[i].result);
            assert_true(slice_is(slice_make(c.key.data, c.key.len), rows[i].key));
            assert_int_equal(c.version, rows[i].number);
        }
        arena_free(a);
    }
}

static void values_may_hold_any_byte(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    Etcdserverpb__Compare c;
    AUTO(buf) struct buf problem = BUF_INIT;
    assert_true(compare_parse(a, S("val(\"k\\x00\") = \"\\x00\\xff\""), &c, &problem));
    assert_int_equal(c.target_union_case, ETCDSERVERPB__COMPARE__TARGET_UNION_VALUE);
    assert_true(slice_eq(slice_make(c.key.data, c.key.len), S("k\0")));
    assert_true(slice_eq(slice_make(c.value.data, c.value.len), S("\0\xff")));
    arena_free(a);
}

static void differs(const char *before, const char *after, const char *expected)
{
    AUTO(buf) struct buf b = BUF_INIT;
    diff_add(&b, slice_str(before), slice_str(after));
    assert_string_equal(buf_cstr(&b), expected);
}

static void differences_are_few(void **state)
{
    (void)state;
    differs("", "", "");
    differs("a\nb\n", "a\nb\n", " a\n b\n");
    differs("", "a\nb", "+a\n+b\n");
    differs("a", "", "-a\n");
    differs("a\nb\nc\n", "a\nX\nc\n", " a\n-b\n+X\n c\n");
    differs("a\nb\nc\nd\n", "b\nc\nY\nd\nz", "-a\n b\n c\n+Y\n d\n+z\n");
    differs("x\n", "x", " x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_as_upstream_cuts_them),
        cmocka_unit_test(words_keep_their_bytes),
        cmocka_unit_test(conditions_are_read),
        cmocka_unit_test(values_may_hold_any_byte),
        cmocka_unit_test(differences_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
