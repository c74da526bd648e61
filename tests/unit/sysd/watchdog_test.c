/* tests/unit/sysd/watchdog_test.c -- the watchdog hears of us only while every part moves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { START = 1000000, ALLOWED = 30000 };

static struct watchdog armed(const char *usec, const char *pid)
{
    struct watchdog w;
    if (usec != NULL)
        setenv("WATCHDOG_USEC", usec, 1);
    else
        unsetenv("WATCHDOG_USEC");
    if (pid != NULL)
        setenv("WATCHDOG_PID", pid, 1);
    else
        unsetenv("WATCHDOG_PID");
    watchdog_init(&w, START);
    return w;
}

static void only_who_is_watched_says_anything(void **state)
{
    (void)state;
    struct signs_of_life life = {START + 90000, START + 90000, 100, 0};
    struct watchdog w = armed(NULL, NULL);
    assert_false(watchdog_is_due(&w, &life, START + 90000));
    w = armed("30000000", "1");
    assert_false(watchdog_is_due(&w, &life, START + 90000));
    w = armed("rubbish", NULL);
    assert_false(watchdog_is_due(&w, &life, START + 90000));
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    w = armed("30000000", pid);
    assert_int_equal(w.allowed, ALLOWED);
    assert_true(watchdog_is_due(&w, &life, START + 90000));
}

/* Step a second at a time with every sign of life fresh but those that `stuck` names; return after how
 * many milliseconds it was last said that all is well. */
static msec last_word(bool clients_stuck, bool tick_stuck, bool log_stuck, const char *trouble)
{
    struct watchdog w = armed("30000000", NULL);
    struct signs_of_life life = {START, START, 100, log_stuck ? START : 0};
    const char *last = NULL;
    msec said = 0;
    for (msec now = START; now < START + 120000; now += 1000) {
        if (!clients_stuck)
            life.clients = now;
        if (!tick_stuck)
            life.tick = now;
        if (watchdog_is_due(&w, &life, now))
            said = now - START;
        last = watchdog_trouble(&w, &life, now);
    }
    if (trouble == NULL)
        assert_null(last);
    else
        assert_string_equal(last, trouble);
    return said;
}

static void it_is_said_at_half_of_the_time_while_all_moves(void **state)
{
    (void)state;
    struct watchdog w = armed("30000000", NULL);
    int n = 0;
    for (msec now = START; now < START + 120000; now += 1000) {
        struct signs_of_life life = {now, now, 100, now - 500};
        if (watchdog_is_due(&w, &life, now)) {
            assert_int_equal((now - START) % (ALLOWED / 2), 0);
            n++;
        }
    }
    assert_int_equal(n, 7);
}

static void a_part_that_hangs_silences_it(void **state)
{
    (void)state;
    assert_in_range(last_word(false, false, false, NULL), 100000, 120000);
    assert_int_equal(last_word(true, false, false, "a thread that serves clients"), 0);
    assert_int_equal(last_word(false, true, false, "the member's thread"), 0);
    assert_int_equal(last_word(false, false, true, "the disk of the log"), 0);
}

static void it_speaks_again_as_soon_as_all_moves_again(void **state)
{
    (void)state;
    struct watchdog w = armed("30000000", NULL);
    msec late = START + 25000;
    struct signs_of_life life = {late, START, 100, 0};
    assert_false(watchdog_is_due(&w, &life, late));
    life.tick = late;
    assert_true(watchdog_is_due(&w, &life, late));
}

static void slow_ticks_are_no_trouble(void **state)
{
    (void)state;
    struct watchdog w = armed("2000000", NULL);
    struct signs_of_life life = {START + 1500, START, 1000, 0};
    assert_null(watchdog_trouble(&w, &life, START + 1500)); /* one and a half ticks */
    life.clients = START + 3000;
    assert_non_null(watchdog_trouble(&w, &life, START + 3000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_who_is_watched_says_anything),
        cmocka_unit_test(it_is_said_at_half_of_the_time_while_all_moves),
        cmocka_unit_test(a_part_that_hangs_silences_it),
        cmocka_unit_test(it_speaks_again_as_soon_as_all_moves_again),
        cmocka_unit_test(slow_ticks_are_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
