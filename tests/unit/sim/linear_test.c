/* The checker of histories: what is right passes, each known way to be wrong does not, and it
 * agrees with the search that tries all orders. SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/linear.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

enum { LOG_MAX = 16, HISTORIES = 20000 };

struct history {
    struct linear_op ops[LINEAR_SEARCH_MAX];
    size_t n;
    struct linear_event log[LOG_MAX];
    size_t log_n;
};

static void expect(const struct history *h, bool right)
{
    struct history copy = *h;
    struct why why = {""};
    bool checked = linear_check(copy.ops, copy.n, copy.log, copy.log_n, &why);
    if (checked != right)
        fail_msg("expected %d: %s", right, why.text);
    assert_int_equal(why.text[0] == '\0', right);
    for (size_t i = 0; i < h->n; i++)
        if (h->ops[i].kind == LINEAR_STALE_GET)
            return;
    assert_int_equal(linear_search(h->ops, h->n, h->log, h->log_n), right);
}

/* Two puts, a read, a compare-and-put that succeeds, one that does not, a deletion, one of nothing.
 */
static struct history make_right(void)
{
    return (struct history){
        .ops = {{LINEAR_PUT, LINEAR_DONE, 0, 11, 0, 1, 2, 2, true, 0, 0},
                {LINEAR_PUT, LINEAR_DONE, 0, 12, 0, 3, 6, 3, true, 11, 2},
                {LINEAR_GET, LINEAR_DONE, 0, 0, 0, 4, 5, 2, false, 11, 2},
                {LINEAR_CAS, LINEAR_DONE, 0, 13, 3, 7, 8, 4, true, 12, 3},
                {LINEAR_CAS, LINEAR_DONE, 0, 14, 3, 9, 10, 4, false, 13, 4},
                {LINEAR_DELETE, LINEAR_DONE, 0, 0, 0, 11, 12, 5, true, 13, 4},
                {LINEAR_DELETE, LINEAR_DONE, 0, 0, 0, 13, 14, 5, false, 0, 0},
                {LINEAR_PUT, LINEAR_UNKNOWN, 1, 15, 0, 15, 16, 0, false, 0, 0},
                {LINEAR_PUT, LINEAR_NOT_DONE, 1, 16, 0, 17, 18, 0, false, 0, 0}},
        .n = 9,
        .log = {{2, 0, 11}, {3, 0, 12}, {4, 0, 13}, {5, 0, 0}},
        .log_n = 4,
    };
}

static void a_right_history_passes(void **state)
{
    (void)state;
    struct history h = make_right();
    expect(&h, true);
    expect(&(struct history){.n = 0}, true);
}

static void what_had_no_answer_may_have_happened_later(void **state)
{
    (void)state;
    struct history h = make_right();
    h.log[h.log_n++] = (struct linear_event){6, 1, 15};
    expect(&h, true);
    h.ops[h.n++] =
        (struct linear_op){LINEAR_DELETE, LINEAR_UNKNOWN, 1, 0, 0, 19, 20, 0, false, 0, 0};
    h.log[h.log_n++] = (struct linear_event){7, 1, 0};
    expect(&h, true);
}

static void nothing_happens_before_it_began(void **state)
{
    (void)state;
    struct history h = {
        .ops = {{LINEAR_PUT, LINEAR_DONE, 0, 11, 0, 1, 2, 3, true, 0, 0},
                {LINEAR_PUT, LINEAR_UNKNOWN, 1, 12, 0, 3, 4, 0, false, 0, 0}},
        .n = 2,
        .log = {{2, 1, 12}, {3, 0, 11}},
        .log_n = 2,
    };
    expect(&h, false);
    h.ops[1] = (struct linear_op){LINEAR_PUT, LINEAR_DONE, 1, 12, 0, 3, 4, 2, true, 0, 0};
    expect(&h, false);
}

static void a_deletion_happens_after_it_began(void **state)
{
    (void)state;
    struct history h = {
        .ops = {{LINEAR_PUT, LINEAR_DONE, 0, 11, 0, 1, 2, 2, true, 0, 0},
                {LINEAR_PUT, LINEAR_DONE, 0, 12, 0, 3, 4, 4, true, 0, 0},
                {LINEAR_DELETE, LINEAR_UNKNOWN, 0, 0, 0, 5, 6, 0, false, 0, 0}},
        .n = 3,
        .log = {{2, 0, 11}, {3, 0, 0}, {4, 0, 12}},
        .log_n = 3,
    };
    expect(&h, false);
    h.ops[2].begin = 0;
    expect(&h, true);
}

static void a_lost_update_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.ops[3].saw = 11; /* the compare-and-put overwrote what it had not seen */
    h.ops[3].saw_mod = h.ops[3].compare = 2;
    expect(&h, false);
}

static void a_stale_read_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.ops[2].begin = 6; /* after the put of 12 had been answered */
    h.ops[1].end = 5;
    h.ops[2].end = 7;
    h.ops[3].begin = 8;
    h.ops[3].end = 9;
    h.ops[4].begin = 10;
    h.ops[4].end = 11;
    h.ops[5].begin = 12;
    h.ops[5].end = 13;
    h.ops[6].begin = 14;
    h.ops[6].end = 15;
    h.n = 7;
    expect(&h, false);
    h.ops[2].kind = LINEAR_STALE_GET; /* which is what such a read may do */
    expect(&h, true);
}

static void a_read_of_the_future_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.ops[2].kind = LINEAR_STALE_GET;
    h.ops[2].rev = 4;
    h.ops[2].saw = 13;
    h.ops[2].saw_mod = 4;
    expect(&h, false);
}

static void a_value_that_nobody_wrote_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.ops[2].saw = 99;
    expect(&h, false);
    h = make_right();
    h.log[h.log_n++] = (struct linear_event){6, 1, 99};
    expect(&h, false);
    h = make_right();
    h.log[h.log_n++] = (struct linear_event){6, 0, 0};
    expect(&h, false);
}

static void a_revision_that_goes_back_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.ops[6].rev = 4;
    expect(&h, false);
    h = make_right();
    h.ops[6].rev = 6;
    expect(&h, false);
    h.ops[6].rev = -1;
    expect(&h, false);
    h = make_right();
    h.log[3].rev = 6;
    expect(&h, false);
}

static void a_write_that_was_applied_twice_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.log[h.log_n++] = (struct linear_event){6, 0, 13};
    expect(&h, false);
    h = make_right();
    h.log[h.log_n++] = (struct linear_event){6, 1, 15}; /* no answer */
    h.log[h.log_n++] = (struct linear_event){7, 1, 15};
    expect(&h, false);
}

static void a_lost_write_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.log[0] = (struct linear_event){2, 1, 15};
    expect(&h, false);
    h = make_right();
    h.log_n = 3; /* the deletion is gone */
    expect(&h, false);
    h = make_right();
    h.ops[7] = h.ops[0]; /* two have one revision */
    h.ops[7].value = 15;
    h.ops[7].begin = 15;
    h.ops[7].end = 16;
    expect(&h, false);
}

static void a_compare_that_went_wrong_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.ops[3].compare = 2;
    expect(&h, false);
    h = make_right();
    h.ops[4].compare = 4; /* it should have put */
    expect(&h, false);
    h = make_right();
    h.ops[3].outcome = LINEAR_UNKNOWN;
    expect(&h, true);
    h.ops[3].compare = 2; /* and the log shows that it did */
    expect(&h, false);
}

static void what_was_refused_has_no_effect(void **state)
{
    (void)state;
    struct history h = make_right();
    h.log[h.log_n++] = (struct linear_event){6, 1, 16};
    expect(&h, false);
}

/* ---- against the search ---------------------------------------------------------------------- */

struct maker {
    struct rng rng;
    struct history h;
    uint64_t value[2];
    revision mod[2];
};

static unsigned below(struct maker *m, unsigned n)
{
    return (unsigned)rng_below(&m->rng, n);
}

static revision last_rev(const struct maker *m)
{
    return 1 + (revision)m->h.log_n;
}

/* The operations act in the order of their places, and overlap their neighbours in time. */
static void make_op(struct maker *m, size_t i)
{
    static const enum linear_kind kinds[] = {LINEAR_GET, LINEAR_PUT, LINEAR_DELETE, LINEAR_CAS};
    struct linear_op *op = &m->h.ops[i];
    *op = (struct linear_op){.kind = kinds[below(m, 4)], .key = below(m, 2), .value = 100 + i};
    unsigned luck = below(m, 6);
    op->outcome = luck < 4 ? LINEAR_DONE : luck == 4 ? LINEAR_UNKNOWN : LINEAR_NOT_DONE;
    op->begin = (int64_t)(i * 100 + 50 - below(m, 150)) * 50 + (int64_t)i * 2;
    op->end = (int64_t)(i * 100 + 50 + below(m, 150)) * 50 + (int64_t)i * 2 + 1;
    op->saw = m->value[op->key];
    op->saw_mod = m->mod[op->key];
    if (op->kind == LINEAR_CAS)
        op->compare = below(m, 3) ? op->saw_mod : (revision)below(m, 4);
    bool acts = op->outcome == LINEAR_DONE || (op->outcome == LINEAR_UNKNOWN && below(m, 2));
    op->changed = acts && (op->kind == LINEAR_PUT || (op->kind == LINEAR_DELETE && op->saw != 0) ||
                           (op->kind == LINEAR_CAS && op->saw_mod == op->compare));
    if (op->changed) {
        m->value[op->key] = op->kind == LINEAR_DELETE ? 0 : op->value;
        m->mod[op->key] = op->kind == LINEAR_DELETE ? 0 : last_rev(m) + 1;
        m->h.log[m->h.log_n] = (struct linear_event){last_rev(m) + 1, op->key, m->value[op->key]};
        m->h.log_n++;
    }
    op->rev = last_rev(m);
}

static void spoil(struct maker *m)
{
    struct linear_op *op = &m->h.ops[below(m, (unsigned)m->h.n)];
    struct linear_op *other = &m->h.ops[below(m, (unsigned)m->h.n)];
    int64_t later;
    struct linear_event *e = &m->h.log[m->h.log_n ? below(m, (unsigned)m->h.log_n) : 0];
    switch (below(m, 10)) {
    case 0:
        op->rev += (revision)below(m, 3) - 1;
        break;
    case 1:
        op->saw = other->saw;
        op->saw_mod = other->saw_mod;
        break;
    case 2:
        op->changed = !op->changed;
        break;
    case 3:
        op->compare = (revision)below(m, 5);
        break;
    case 4:
        later = (int64_t)below(m, 4) * 10000;
        op->begin += later;
        op->end += later + (int64_t)below(m, 2) * 10000;
        break;
    case 5:
        op->outcome = (enum linear_outcome)below(m, 3);
        break;
    case 6:
        e->value = below(m, 2) ? other->value : 0;
        break;
    case 7:
        e->key ^= 1;
        break;
    case 8:
        m->h.log_n -= m->h.log_n != 0;
        break;
    default:
        op->kind = LINEAR_DELETE;
        break;
    }
}

static void both_ways_agree(void **state)
{
    (void)state;
    unsigned right = 0;
    for (uint64_t seed = 0; seed < HISTORIES; seed++) {
        struct maker m = {.rng = {seed}};
        m.h.n = 1 + below(&m, 8);
        for (size_t i = 0; i < m.h.n; i++)
            make_op(&m, i);
        for (unsigned i = below(&m, 3); i > 0; i--)
            spoil(&m);
        bool found = linear_search(m.h.ops, m.h.n, m.h.log, m.h.log_n);
        struct why why = {""};
        if (linear_check(m.h.ops, m.h.n, m.h.log, m.h.log_n, &why) != found)
            fail_msg("seed %llu: the search says %d; %s", (unsigned long long)seed, found,
                     why.text);
        right += found;
    }
    assert_in_range(right, HISTORIES / 3, HISTORIES * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_history_passes),
        cmocka_unit_test(what_had_no_answer_may_have_happened_later),
        cmocka_unit_test(nothing_happens_before_it_began),
        cmocka_unit_test(a_deletion_happens_after_it_began),
        cmocka_unit_test(a_lost_update_is_found),
        cmocka_unit_test(a_stale_read_is_found),
        cmocka_unit_test(a_read_of_the_future_is_found),
        cmocka_unit_test(a_value_that_nobody_wrote_is_found),
        cmocka_unit_test(a_revision_that_goes_back_is_found),
        cmocka_unit_test(a_write_that_was_applied_twice_is_found),
        cmocka_unit_test(a_lost_write_is_found),
        cmocka_unit_test(a_compare_that_went_wrong_is_found),
        cmocka_unit_test(what_was_refused_has_no_effect),
        cmocka_unit_test(both_ways_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
