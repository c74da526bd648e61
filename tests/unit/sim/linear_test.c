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

enum { LOG_MAX = 40, HISTORIES = 20000 };

struct history {
    struct linear_op ops[LINEAR_SEARCH_MAX];
    size_t n;
    struct linear_event log[LOG_MAX];
    size_t log_n;
};

/* One that touches one key. `value_` 0: it deletes, or reads. */
#define OP(kind_, outcome_, key_, value_, compare_, begin_, end_, rev_, changed_, saw_, saw_mod_)  \
    (struct linear_op)                                                                             \
    {                                                                                              \
        .kind = LINEAR_##kind_, .outcome = LINEAR_##outcome_, .compare = (compare_),               \
        .begin = (begin_), .end = (end_), .n = 1, .parts = {{key_, value_, saw_, saw_mod_}},       \
        .rev = (rev_), .changed = (changed_)                                                       \
    }

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
        .ops = {OP(WRITE, DONE, 0, 11, 0, 1, 2, 2, true, 0, 0),
                OP(WRITE, DONE, 0, 12, 0, 3, 6, 3, true, 11, 2),
                OP(GET, DONE, 0, 0, 0, 4, 5, 2, false, 11, 2),
                OP(CAS, DONE, 0, 13, 3, 7, 8, 4, true, 12, 3),
                OP(CAS, DONE, 0, 14, 3, 9, 10, 4, false, 13, 4),
                OP(WRITE, DONE, 0, 0, 0, 11, 12, 5, true, 13, 4),
                OP(WRITE, DONE, 0, 0, 0, 13, 14, 5, false, 0, 0),
                OP(WRITE, UNKNOWN, 1, 15, 0, 15, 16, 0, false, 0, 0),
                OP(WRITE, NOT_DONE, 1, 16, 0, 17, 18, 0, false, 0, 0)},
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
    h.ops[h.n++] = OP(WRITE, UNKNOWN, 1, 0, 0, 19, 20, 0, false, 0, 0);
    h.log[h.log_n++] = (struct linear_event){7, 1, 0};
    expect(&h, true);
}

static void nothing_happens_before_it_began(void **state)
{
    (void)state;
    struct history h = {
        .ops = {OP(WRITE, DONE, 0, 11, 0, 1, 2, 3, true, 0, 0),
                OP(WRITE, UNKNOWN, 1, 12, 0, 3, 4, 0, false, 0, 0)},
        .n = 2,
        .log = {{2, 1, 12}, {3, 0, 11}},
        .log_n = 2,
    };
    expect(&h, false);
    h.ops[1] = OP(WRITE, DONE, 1, 12, 0, 3, 4, 2, true, 0, 0);
    expect(&h, false);
}

static void a_deletion_happens_after_it_began(void **state)
{
    (void)state;
    struct history h = {
        .ops = {OP(WRITE, DONE, 0, 11, 0, 1, 2, 2, true, 0, 0),
                OP(WRITE, DONE, 0, 12, 0, 3, 4, 4, true, 0, 0),
                OP(WRITE, UNKNOWN, 0, 0, 0, 5, 6, 0, false, 0, 0)},
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
    h.ops[3].parts[0].saw = 11; /* the compare-and-put overwrote what it had not seen */
    h.ops[3].parts[0].saw_mod = h.ops[3].compare = 2;
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
    h.ops[2].parts[0].saw = 13;
    h.ops[2].parts[0].saw_mod = 4;
    expect(&h, false);
}

static void a_value_that_nobody_wrote_is_found(void **state)
{
    (void)state;
    struct history h = make_right();
    h.ops[2].parts[0].saw = 99;
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
    h.ops[7].parts[0].value = 15;
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

/* ---- several keys at once -------------------------------------------------------------------- */

/* Two keys are put, read, one of them deleted where a third is put, all read. */
static struct history make_wide(void)
{
    return (struct history){
        .ops = {{.kind = LINEAR_WRITE, .begin = 1, .end = 2, .rev = 2, .changed = true, .n = 2,
                 .parts = {{1, 12, 0, 0}, {0, 11, 0, 0}}},
                {.kind = LINEAR_GET, .begin = 3, .end = 4, .rev = 2, .n = 3,
                 .parts = {{0, 0, 11, 2}, {1, 0, 12, 2}, {2, 0, 0, 0}}},
                {.kind = LINEAR_WRITE, .begin = 5, .end = 6, .rev = 3, .changed = true, .n = 3,
                 .parts = {{0, 0, 11, 2}, {2, 13, 0, 0}, {3, 0, 0, 0}}},
                {.kind = LINEAR_GET, .begin = 7, .end = 8, .rev = 3, .n = 3,
                 .parts = {{0, 0, 0, 0}, {1, 0, 12, 2}, {2, 0, 13, 3}}}},
        .n = 4,
        .log = {{2, 1, 12}, {2, 0, 11}, {3, 0, 0}, {3, 2, 13}},
        .log_n = 4,
    };
}

static void several_keys_are_written_at_once(void **state)
{
    (void)state;
    struct history h = make_wide();
    expect(&h, true);
    h.ops[2].outcome = LINEAR_UNKNOWN;
    expect(&h, true);
    h.ops[2].parts[2].key = 1; /* which was there, and was not deleted */
    expect(&h, false);
}

static void a_torn_read_is_found(void **state)
{
    (void)state;
    struct history h = make_wide();
    h.ops[3].parts[0] = (struct linear_part){0, 0, 11, 2}; /* the rest is of revision 3 */
    expect(&h, false);
    h.ops[3].kind = LINEAR_STALE_GET;
    expect(&h, false);
    h.ops[3].rev = 2;
    h.ops[3].parts[2] = (struct linear_part){2, 0, 0, 0};
    expect(&h, true);
}

static void a_torn_write_is_found(void **state)
{
    (void)state;
    for (unsigned outcome = LINEAR_DONE; outcome <= LINEAR_UNKNOWN; outcome++) {
        struct history h = make_wide();
        h.n = 3; /* nobody reads it */
        h.ops[2].outcome = (enum linear_outcome)outcome;
        expect(&h, true);
        h.log_n = 3; /* without the put */
        expect(&h, false);
        h.log_n = 4;
        h.log[2] = h.log[3]; /* without the deletion */
        h.log_n = 3;
        expect(&h, false);
        h = make_wide();
        h.n = 3;
        h.ops[2].outcome = (enum linear_outcome)outcome;
        h.log[3].rev = 4; /* in two */
        expect(&h, false);
    }
}

static void sub_revisions_in_another_order_are_found(void **state)
{
    (void)state;
    struct history h = make_wide();
    h.log[0] = (struct linear_event){2, 0, 11};
    h.log[1] = (struct linear_event){2, 1, 12};
    expect(&h, false);
}

static void two_writes_in_one_revision_are_found(void **state)
{
    (void)state;
    struct history h = make_wide();
    h.n = 1;
    h.ops[0].parts[1].key = 3;
    h.ops[1] = OP(WRITE, UNKNOWN, 0, 11, 0, 3, 4, 0, false, 0, 0);
    h.n = 2;
    h.log[1] = (struct linear_event){2, 3, 11};
    h.ops[0].n = 1;
    h.log_n = 2;
    expect(&h, false);
    h.log[1] = (struct linear_event){2, 1, 12}; /* one write, twice in its revision */
    expect(&h, false);
    h.log_n = 1;
    expect(&h, true);
}

/* The first of the two revisions may be either's work, the second only that of one. */
static void deletions_are_told_apart(void **state)
{
    (void)state;
    struct history h = {
        .ops = {OP(WRITE, DONE, 0, 11, 0, 1, 2, 2, true, 0, 0),
                {.kind = LINEAR_WRITE, .outcome = LINEAR_UNKNOWN, .begin = 3, .end = 4, .n = 2,
                 .parts = {{0, 0, 0, 0}, {1, 0, 0, 0}}},
                OP(WRITE, UNKNOWN, 0, 0, 0, 5, 6, 0, false, 0, 0),
                {.kind = LINEAR_WRITE, .begin = 7, .end = 8, .rev = 4, .changed = true, .n = 2,
                 .parts = {{0, 12, 0, 0}, {1, 13, 0, 0}}}},
        .n = 4,
        .log = {{2, 0, 11}, {3, 0, 0}, {4, 0, 12}, {4, 1, 13}, {5, 0, 0}, {5, 1, 0}},
        .log_n = 6,
    };
    expect(&h, true);
    h.log_n = 5; /* half of the second */
    expect(&h, true);
    h.ops[2].parts[0].key = 2; /* and then nobody can have done that */
    expect(&h, false);
    h.log_n = 6;
    expect(&h, false);
}

/* ---- against the search ---------------------------------------------------------------------- */

enum { KEYS = 3 };

struct maker {
    struct rng rng;
    struct history h;
    uint64_t value[KEYS];
    revision mod[KEYS];
};

static unsigned below(struct maker *m, unsigned n)
{
    return (unsigned)rng_below(&m->rng, n);
}

static revision last_rev(const struct maker *m)
{
    return m->h.log_n ? m->h.log[m->h.log_n - 1].rev : 1;
}

static void make_parts(struct maker *m, struct linear_op *op, size_t i)
{
    unsigned first = below(m, KEYS);
    unsigned deletes = below(m, 8); /* one bit each */
    op->n = below(m, 2) ? 1 : 1 + below(m, KEYS);
    for (unsigned k = 0; k < op->n; k++) {
        unsigned key = (first + k) % KEYS;
        bool puts = op->kind != LINEAR_GET && !(deletes & BIT(k));
        op->parts[k] =
            (struct linear_part){key, puts ? 100 + i * KEYS + k : 0, m->value[key], m->mod[key]};
    }
    if (op->kind == LINEAR_CAS)
        op->compare = below(m, 3) ? op->parts[0].saw_mod : (revision)below(m, 4);
}

/* As the store would: a revision, if anything changes. */
static void take_effect(struct maker *m, struct linear_op *op)
{
    revision rev = last_rev(m) + 1;
    if (op->kind == LINEAR_GET || (op->kind == LINEAR_CAS && op->parts[0].saw_mod != op->compare))
        return;
    for (size_t k = 0; k < op->n; k++) {
        const struct linear_part *p = &op->parts[k];
        if (p->value == 0 && p->saw == 0)
            continue;
        m->value[p->key] = p->value;
        m->mod[p->key] = p->value ? rev : 0;
        m->h.log[m->h.log_n++] = (struct linear_event){rev, p->key, p->value};
        op->changed = true;
    }
}

/* The operations act in the order of their places, and overlap their neighbours in time. */
static void make_op(struct maker *m, size_t i)
{
    static const enum linear_kind kinds[] = {LINEAR_GET, LINEAR_WRITE, LINEAR_WRITE, LINEAR_CAS};
    struct linear_op *op = &m->h.ops[i];
    unsigned luck = below(m, 6);
    *op = (struct linear_op){.kind = kinds[below(m, 4)]};
    op->outcome = luck < 4 ? LINEAR_DONE : luck == 4 ? LINEAR_UNKNOWN : LINEAR_NOT_DONE;
    op->begin = (int64_t)(i * 100 + 50 - below(m, 150)) * 50 + (int64_t)i * 2;
    op->end = (int64_t)(i * 100 + 50 + below(m, 150)) * 50 + (int64_t)i * 2 + 1;
    make_parts(m, op, i);
    if (op->outcome == LINEAR_DONE || (op->outcome == LINEAR_UNKNOWN && below(m, 2)))
        take_effect(m, op);
    op->rev = last_rev(m);
}

static void spoil_log(struct maker *m, const struct linear_part *part)
{
    struct linear_event *e = &m->h.log[m->h.log_n ? below(m, (unsigned)m->h.log_n) : 0];
    switch (below(m, 4)) {
    case 0:
        e->value = below(m, 2) ? part->value : 0;
        break;
    case 1:
        e->key ^= 1;
        break;
    case 2:
        m->h.log_n -= m->h.log_n != 0;
        break;
    default: /* one revision more, or one less */
        for (; e < m->h.log + m->h.log_n; e++)
            e->rev += part->value % 2 ? 1 : -1;
        break;
    }
}

static void spoil(struct maker *m)
{
    struct linear_op *op = &m->h.ops[below(m, (unsigned)m->h.n)];
    struct linear_op *other = &m->h.ops[below(m, (unsigned)m->h.n)];
    struct linear_part *part = &op->parts[below(m, (unsigned)op->n)];
    struct linear_part *another = &other->parts[below(m, (unsigned)other->n)];
    int64_t later;
    switch (below(m, 10)) {
    case 0:
        op->rev += (revision)below(m, 3) - 1;
        break;
    case 1:
        part->saw = another->saw;
        part->saw_mod = another->saw_mod;
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
        op->kind = LINEAR_WRITE;
        part->value = 0;
        break;
    default:
        spoil_log(m, another);
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
        cmocka_unit_test(several_keys_are_written_at_once),
        cmocka_unit_test(a_torn_read_is_found),
        cmocka_unit_test(a_torn_write_is_found),
        cmocka_unit_test(sub_revisions_in_another_order_are_found),
        cmocka_unit_test(two_writes_in_one_revision_are_found),
        cmocka_unit_test(deletions_are_told_apart),
        cmocka_unit_test(both_ways_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
