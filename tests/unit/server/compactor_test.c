/* tests/unit/server/compactor_test.c -- which revision auto-compaction picks, and when.
 *
 * The clock is stepped. The revision grows by one a second, so it tells when it was sampled.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/compactor.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

struct compaction {
    msec at;
    revision rev;
};

/* Run until `end` and note up to `max` compactions; return how many there were. */
static size_t run(struct compactor *c, msec from, msec end, bool leads, struct compaction *ret,
                  size_t max)
{
    size_t n = 0;
    for (msec now = from; now <= end;) {
        revision rev = compactor_run(c, now, 1 + now / SECOND, leads);
        if (rev != 0) {
            assert_true(n < max);
            ret[n++] = (struct compaction){now, rev};
        }
        assert_true(compactor_next(c) > now);
        now = compactor_next(c);
    }
    return n;
}

static void is_off_unless_asked_for(void **state)
{
    (void)state;
    assert_null(compactor_new(0, 0, 0));
    compactor_free(NULL);
}

static void short_period_compacts_every_period(void **state)
{
    (void)state;
    struct compaction v[8];
    struct compactor *c = compactor_new(5 * MINUTE, 0, 0);
    assert_int_equal(run(c, 0, 20 * MINUTE, true, v, 8), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(v[i].at, (i + 1) * 5 * MINUTE);
        assert_int_equal(v[i].rev, 1 + i * 300); /* of a period ago */
    }
    compactor_free(c);
}

static void long_period_compacts_every_hour(void **state)
{
    (void)state;
    struct compaction v[8];
    struct compactor *c = compactor_new(10 * HOUR, 0, 0);
    assert_int_equal(run(c, 0, 13 * HOUR, true, v, 8), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(v[i].at, (10 + i) * HOUR);
        assert_int_equal(v[i].rev, 1 + i * 3600);
    }
    compactor_free(c);
}

static void revision_mode_keeps_the_newest(void **state)
{
    (void)state;
    struct compaction v[8];
    struct compactor *c = compactor_new(0, 1000, 0);
    assert_int_equal(compactor_next(c), 5 * MINUTE);
    assert_int_equal(run(c, 0, 25 * MINUTE, true, v, 8), 2); /* none while there are too few */
    assert_int_equal(v[0].at, 20 * MINUTE);
    assert_int_equal(v[0].rev, 201);
    assert_int_equal(v[1].rev, 501);
    compactor_free(c);
}

static void same_revision_is_not_compacted_twice(void **state)
{
    (void)state;
    struct compactor *c = compactor_new(0, 10, 0);
    assert_int_equal(compactor_run(c, 5 * MINUTE, 100, true), 90);
    assert_int_equal(compactor_run(c, 10 * MINUTE, 100, true), 0);
    assert_int_equal(compactor_run(c, 15 * MINUTE, 101, true), 91);
    compactor_free(c);
}

static void only_the_leader_compacts(void **state)
{
    (void)state;
    struct compaction v[8];
    struct compactor *c = compactor_new(5 * MINUTE, 0, 0);
    assert_int_equal(run(c, 0, 20 * MINUTE, false, v, 8), 0);
    /* Leading begins a period anew. */
    assert_int_equal(run(c, compactor_next(c), 26 * MINUTE, true, v, 8), 1);
    assert_in_range(v[0].at, 25 * MINUTE, 26 * MINUTE);
    compactor_free(c);
    c = compactor_new(0, 10, 0);
    assert_int_equal(compactor_run(c, 5 * MINUTE, 100, false), 0);
    compactor_free(c);
}

static void nothing_before_its_time(void **state)
{
    (void)state;
    struct compactor *c = compactor_new(0, 10, 0);
    assert_int_equal(compactor_run(c, 5 * MINUTE - 1, 100, true), 0);
    assert_int_equal(compactor_next(c), 5 * MINUTE);
    compactor_free(c);
    c = compactor_new(1, 0, 0); /* a period below any interval still steps */
    assert_int_equal(compactor_run(c, 0, 5, true), 0);
    assert_true(compactor_next(c) > 0);
    compactor_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_off_unless_asked_for),
        cmocka_unit_test(short_period_compacts_every_period),
        cmocka_unit_test(long_period_compacts_every_hour),
        cmocka_unit_test(revision_mode_keeps_the_newest),
        cmocka_unit_test(same_revision_is_not_compacted_twice),
        cmocka_unit_test(only_the_leader_compacts),
        cmocka_unit_test(nothing_before_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
