/* Tests of cli/terminal: lines and whole inputs, within their limits.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "cli/terminal.h"

static FILE *file_of(const char *text, size_t n)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    rewind(f);
    return f;
}

static void lines_come_with_their_newline(void **state)
{
    (void)state;
    static const char text[] = "one\n\ntwo\0three\nend";
    FILE *f = file_of(text, sizeof(text) - 1);
    static const struct {
        const char *line;
        size_t n;
    } rows[] = {{"one\n", 4}, {"\n", 1}, {"two\0three\n", 10}, {"end", 3}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf) struct buf line = BUF_INIT;
        assert_true(terminal_read_line(f, &line));
        assert_true(slice_eq(buf_slice(&line), slice_make(rows[i].line, rows[i].n)));
    }
    AUTO(buf) struct buf line = BUF_INIT;
    assert_false(terminal_read_line(f, &line));
    fclose(f);
}

static void a_line_has_a_limit(void **state)
{
    (void)state;
    size_t n = TERMINAL_LINE_MAX + 2;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'x', n);
    FILE *f = file_of(text, n);
    AUTO(buf) struct buf line = BUF_INIT;
    assert_false(terminal_read_line(f, &line));
    fclose(f);
    free(text);
}

static void all_of_an_input_is_read(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "a\0b\n", 4), 4);
    close(fds[1]);
    AUTO(buf) struct buf b = BUF_INIT;
    assert_true(terminal_read_all(fds[0], &b));
    assert_true(slice_eq(buf_slice(&b), slice_make("a\0b\n", 4)));
    close(fds[0]);
    assert_false(terminal_read_all(fds[0], &b)); /* nothing to read from */
}

static void progress_is_for_terminals(void **state)
{
    (void)state;
    struct progress p;
    int saved = dup(STDERR_FILENO), fds[2];
    char text[64];
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    progress_init(&p);
    progress_show(&p, "%d of %d", 1, 2);
    progress_end(&p);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(read(fds[0], text, sizeof(text)), 0);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_with_their_newline),
        cmocka_unit_test(a_line_has_a_limit),
        cmocka_unit_test(all_of_an_input_is_read),
        cmocka_unit_test(progress_is_for_terminals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
