/* tests/unit/lease/lessor_test.c -- leases, their keys and their end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "lease/lessor.h"

static void granted_as_upstream_does(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(2);
    struct lease_info info;
    assert_int_equal(lessor_grant(l, 1, 0, 0), ERR_OK);
    assert_int_equal(lessor_grant(l, -1, -5, 0), ERR_OK);
    assert_int_equal(lessor_grant(l, 1, 10, 0), ERR_LEASE_EXISTS);
    assert_int_equal(lessor_grant(l, 2, 9000000001, 0), ERR_LEASE_TTL_TOO_LARGE);
    assert_int_equal(lessor_grant(l, 2, 9000000000, 0), ERR_OK);
    assert_int_equal(lessor_count(l), 3);
    assert_int_equal(lessor_get(l, -1, 0, &info), ERR_OK);
    assert_int_equal(info.ttl_s, 2);
    assert_int_equal(info.remaining_ms, LESSOR_FOREVER);
    assert_true(lessor_has(l, 2));
    assert_int_equal(lessor_revoke(l, 2), ERR_OK);
    assert_false(lessor_has(l, 2));
    assert_int_equal(lessor_revoke(l, 2), ERR_LEASE_NOT_FOUND);
    assert_int_equal(lessor_get(l, 2, 0, &info), ERR_LEASE_NOT_FOUND);
    lessor_check(l);
    lessor_free(l);
}

static void only_the_primary_counts_time(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(2);
    int64_t ttl;
    lease_id ids[4];
    assert_int_equal(lessor_grant(l, 1, 10, 0), ERR_OK);
    assert_int_equal(lessor_renew(l, 1, 5, &ttl), ERR_NOT_LEADER);
    assert_int_equal(lessor_next_expiry(l), LESSOR_FOREVER);
    assert_int_equal(lessor_expire(l, INT64_MAX / 2, ids, 4), 0);
    lessor_promote(l, 1000, 1500);
    assert_true(lessor_is_primary(l));
    assert_int_equal(lessor_next_expiry(l), 12500);
    assert_int_equal(lessor_grant(l, 2, 5, 2000), ERR_OK);
    assert_int_equal(lessor_next_expiry(l), 7000);
    lessor_check(l);
    lessor_demote(l);
    assert_int_equal(lessor_next_expiry(l), LESSOR_FOREVER);
    assert_int_equal(lessor_expire(l, 100000, ids, 4), 0);
    assert_int_equal(lessor_revoke(l, 2), ERR_OK);
    lessor_check(l);
    lessor_free(l);
}

static void expired_leases_are_reported_again_after_the_retry(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(1);
    lease_id ids[4];
    int64_t ttl;
    lessor_promote(l, 0, 0);
    for (lease_id id = 1; id <= 3; id++)
        assert_int_equal(lessor_grant(l, id, id, 0), ERR_OK);
    assert_int_equal(lessor_expire(l, 999, ids, 4), 0);
    assert_int_equal(lessor_expire(l, 2000, ids, 1), 1);
    assert_int_equal(ids[0], 1);
    assert_int_equal(lessor_expire(l, 2000, ids, 4), 1);
    assert_int_equal(ids[0], 2);
    assert_int_equal(lessor_renew(l, 2, 2000, &ttl), ERR_LEASE_NOT_FOUND);
    assert_int_equal(lessor_revoke(l, 1), ERR_OK);
    assert_int_equal(lessor_next_expiry(l), 3000);
    assert_int_equal(lessor_renew(l, 3, 2999, &ttl), ERR_OK);
    assert_int_equal(ttl, 3);
    assert_int_equal(lessor_next_expiry(l), 5000);
    assert_int_equal(lessor_expire(l, 4999, ids, 4), 0);
    assert_int_equal(lessor_expire(l, 5999, ids, 4), 2);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 3);
    lessor_check(l);
    lessor_free(l);
}

/* In the order of their ids, whatever the order in which a promotion meets them. */
static void many_expire_at_once(void **state)
{
    (void)state;
    enum { N = 10000 };
    struct lessor *l = lessor_new(1);
    lease_id *ids = xcalloc(N, sizeof *ids);
    for (lease_id id = 1; id <= N; id++)
        assert_int_equal(lessor_grant(l, id, 5, 0), ERR_OK);
    lessor_promote(l, 0, 0);
    assert_int_equal(lessor_expire(l, 5000, ids, N), N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(ids[i], i + 1);
        assert_int_equal(lessor_revoke(l, ids[i]), ERR_OK);
    }
    assert_int_equal(lessor_count(l), 0);
    assert_int_equal(lessor_next_expiry(l), LESSOR_FOREVER);
    free(ids);
    lessor_free(l);
}

static void a_checkpoint_is_what_a_promotion_starts_from(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(1);
    struct lease_info info;
    int64_t ttl;
    assert_int_equal(lessor_load(l, 1, 100, 40), ERR_OK);
    assert_int_equal(lessor_load(l, 1, 100, 0), ERR_LEASE_EXISTS);
    assert_int_equal(lessor_load(l, 2, 100, 0), ERR_OK);
    assert_int_equal(lessor_checkpoint(l, 3, 5), ERR_LEASE_NOT_FOUND);
    lessor_promote(l, 1000, 500);
    assert_int_equal(lessor_get(l, 1, 1000, &info), ERR_OK);
    assert_int_equal(info.remaining_ms, 40500);
    assert_int_equal(info.checkpoint_s, 40);
    assert_int_equal(lessor_get(l, 2, 1000, &info), ERR_OK);
    assert_int_equal(info.remaining_ms, 100500);
    assert_int_equal(lessor_renew(l, 1, 2000, &ttl), ERR_OK);
    assert_int_equal(lessor_get(l, 1, 2000, &info), ERR_OK);
    assert_int_equal(info.remaining_ms, 100000);
    assert_int_equal(info.checkpoint_s, 40); /* until the log says otherwise */
    assert_int_equal(lessor_checkpoint(l, 1, 0), ERR_OK);
    assert_int_equal(lessor_get(l, 1, 2000, &info), ERR_OK);
    assert_int_equal(info.remaining_ms, 100000);
    assert_int_equal(info.checkpoint_s, 0);
    assert_int_equal(lessor_checkpoint(l, 2, INT64_MAX), ERR_OK);
    assert_int_equal(lessor_checkpoint(l, 1, -7), ERR_OK);
    lessor_check(l);
    lessor_free(l);
}

static void checkpoints_are_due_every_interval(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(1);
    struct lease_checkpoint due[4];
    int64_t ttl;
    assert_int_equal(lessor_load(l, 1, 1000, 0), ERR_OK);
    assert_int_equal(lessor_load(l, 2, 300, 0), ERR_OK); /* not longer than the interval */
    assert_true(lessor_next_checkpoint(l) == LESSOR_FOREVER);
    assert_int_equal(lessor_checkpoints_due(l, 1000000, due, 4), 0);
    lessor_promote(l, 0, 500);
    assert_int_equal(lessor_next_checkpoint(l), 300000);
    assert_int_equal(lessor_grant(l, 3, 301, 100000), ERR_OK);
    lessor_check(l);

    assert_int_equal(lessor_checkpoints_due(l, 299999, due, 4), 0);
    assert_int_equal(lessor_checkpoints_due(l, 300000, due, 4), 1);
    assert_int_equal(due[0].id, 1);
    assert_int_equal(due[0].remaining_s, 701); /* 700.5, rounded up */
    assert_int_equal(lessor_checkpoints_due(l, 300000, due, 4), 0);
    assert_int_equal(lessor_next_checkpoint(l), 400000);

    /* Renewed at this moment: there is nothing to tell. */
    assert_int_equal(lessor_renew(l, 3, 400000, &ttl), ERR_OK);
    assert_int_equal(lessor_checkpoints_due(l, 400000, due, 4), 0);
    assert_int_equal(lessor_next_checkpoint(l), 600000);
    assert_int_equal(lessor_checkpoints_due(l, 700000, due, 4), 2);
    assert_int_equal(due[0].id, 1);
    assert_int_equal(due[0].remaining_s, 301);
    assert_int_equal(due[1].id, 3);
    assert_int_equal(due[1].remaining_s, 1);
    lessor_check(l);

    /* 3 has run out, 1 is revoked. */
    assert_int_equal(lessor_revoke(l, 1), ERR_OK);
    assert_int_equal(lessor_checkpoints_due(l, 1000000, due, 4), 0);
    assert_int_equal(lessor_next_checkpoint(l), 1300000);
    lessor_demote(l);
    assert_true(lessor_next_checkpoint(l) == LESSOR_FOREVER);
    lessor_check(l);
    lessor_free(l);
}

static void checkpoints_come_in_pieces(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(1);
    struct lease_checkpoint due[2];
    for (lease_id id = 1; id <= 5; id++)
        assert_int_equal(lessor_load(l, id, 3600, 0), ERR_OK);
    lessor_promote(l, 0, 0);
    lessor_promote(l, 1000, 0); /* again: nothing is listed twice */
    lessor_check(l);
    for (lease_id id = 1; id <= 5; id += 2) { /* in the order of ids */
        size_t n = lessor_checkpoints_due(l, 301000, due, 2);
        assert_int_equal(n, id < 5 ? 2 : 1);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(due[i].id, id + (lease_id)i);
    }
    assert_int_equal(lessor_checkpoints_due(l, 301000, due, 2), 0);
    lessor_free(l);
}

/* Collects ids or keys as text: "1 2 3 ". */
static void note_id(void *arg, lease_id id)
{
    buf_addf(arg, "%lld ", (long long)id);
}

static void note_key(void *arg, struct slice key)
{
    buf_add_slice(arg, key);
    buf_add_byte(arg, ' ');
}

static void expect_keys(const struct lessor *l, lease_id id, const char *expected)
{
    AUTO(buf) struct buf b = BUF_INIT;
    lessor_each_key(l, id, note_key, &b);
    assert_string_equal(buf_cstr(&b), expected);
}

static void leases_are_listed_by_their_end(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(1);
    AUTO(buf) struct buf b = BUF_INIT;
    assert_int_equal(lessor_grant(l, 3, 10, 0), ERR_OK);
    assert_int_equal(lessor_grant(l, -4, 30, 0), ERR_OK);
    assert_int_equal(lessor_grant(l, 1, 20, 0), ERR_OK);
    lessor_each(l, note_id, &b);
    buf_add_str(&b, "| ");
    lessor_promote(l, 0, 0);
    lessor_each(l, note_id, &b);
    assert_string_equal(buf_cstr(&b), "-4 1 3 | 3 1 -4 ");
    lessor_free(l);
}

static void a_key_hangs_on_one_lease(void **state)
{
    (void)state;
    struct lessor *l = lessor_new(1);
    assert_int_equal(lessor_grant(l, 1, 10, 0), ERR_OK);
    assert_int_equal(lessor_grant(l, 2, 10, 0), ERR_OK);
    assert_int_equal(lessor_attach(l, 1, slice_str("b")), ERR_OK);
    assert_int_equal(lessor_attach(l, 1, slice_str("c")), ERR_OK);
    assert_int_equal(lessor_attach(l, 1, slice_str("a")), ERR_OK);
    assert_int_equal(lessor_attach(l, 1, slice_str("a")), ERR_OK);
    assert_int_equal(lessor_attach(l, 9, slice_str("a")), ERR_LEASE_NOT_FOUND);
    expect_keys(l, 1, "a b c ");
    assert_int_equal(lessor_attach(l, 2, slice_str("b")), ERR_OK);
    expect_keys(l, 1, "a c ");
    expect_keys(l, 2, "b ");
    expect_keys(l, 9, "");
    assert_int_equal(lessor_lease_of(l, slice_str("b")), 2);
    assert_int_equal(lessor_lease_of(l, slice_str("x")), 0);
    lessor_detach(l, slice_str("x"));
    lessor_detach(l, slice_str("c"));
    expect_keys(l, 1, "a ");
    lessor_check(l);
    assert_int_equal(lessor_revoke(l, 1), ERR_OK);
    assert_int_equal(lessor_lease_of(l, slice_str("a")), 0);
    assert_int_equal(lessor_lease_of(l, slice_str("b")), 2);
    lessor_check(l);
    lessor_free(l);
}

/* ---- random steps against a table ------------------------------------------------------------ */

enum { LEASES = 40, NAMES = 60, STEPS = 20000 };

struct row {
    bool there;
    int64_t ttl_s;
    msec expiry, due;
};

struct table {
    struct lessor *l;
    struct rng rng;
    struct row leases[LEASES + 1];
    lease_id of[NAMES];
    bool primary;
    msec now;
};

static struct slice name_of(char p[16], size_t i)
{
    snprintf(p, 16, "name%zu", i);
    return slice_str(p);
}

static void step_grant(struct table *t, lease_id id, struct row *row)
{
    int64_t ttl_s = 1 + (int64_t)rng_below(&t->rng, 50);
    enum err e = lessor_grant(t->l, id, ttl_s, t->now);
    assert_int_equal(e, row->there ? ERR_LEASE_EXISTS : ERR_OK);
    if (!row->there)
        *row = (struct row){true, ttl_s, t->now + ttl_s * 1000, t->now + ttl_s * 1000};
}

static void step_revoke(struct table *t, lease_id id, struct row *row)
{
    assert_int_equal(lessor_revoke(t->l, id), row->there ? ERR_OK : ERR_LEASE_NOT_FOUND);
    row->there = false;
    for (size_t i = 0; i < NAMES; i++)
        t->of[i] = t->of[i] == id ? 0 : t->of[i];
}

static void step_renew(struct table *t, lease_id id, struct row *row)
{
    int64_t ttl_s;
    enum err want = row->there && row->expiry > t->now ? ERR_OK : ERR_LEASE_NOT_FOUND;
    assert_int_equal(lessor_renew(t->l, id, t->now, &ttl_s), t->primary ? want : ERR_NOT_LEADER);
    if (t->primary && want == ERR_OK)
        row->expiry = row->due = t->now + row->ttl_s * 1000;
}

static void step_keys(struct table *t, lease_id id, const struct row *row)
{
    char p[16];
    size_t i = rng_below(&t->rng, NAMES);
    struct slice key = name_of(p, i);
    assert_int_equal(lessor_lease_of(t->l, key), t->of[i]);
    if (rng_below(&t->rng, 3) == 0) {
        lessor_detach(t->l, key);
        t->of[i] = 0;
        return;
    }
    enum err want = row->there ? ERR_OK : ERR_LEASE_NOT_FOUND;
    assert_int_equal(lessor_attach(t->l, id, key), want);
    if (row->there)
        t->of[i] = id;
}

static msec table_next(const struct table *t)
{
    msec next = LESSOR_FOREVER;
    for (size_t i = 1; i <= LEASES && t->primary; i++) {
        if (t->leases[i].there && t->leases[i].due < next)
            next = t->leases[i].due;
    }
    return next;
}

static void step_expire(struct table *t)
{
    lease_id ids[3];
    assert_int_equal(lessor_next_expiry(t->l), table_next(t));
    size_t n = lessor_expire(t->l, t->now, ids, 3);
    for (size_t i = 0; i < n; i++) {
        struct row *row = &t->leases[ids[i]];
        assert_true(row->there && row->due <= t->now && row->due == table_next(t));
        row->due = t->now + LESSOR_RETRY_MS;
    }
    assert_true(n == 3 || table_next(t) > t->now);
}

static void step_role(struct table *t)
{
    t->primary = !t->primary;
    if (!t->primary) {
        lessor_demote(t->l);
        return;
    }
    lessor_promote(t->l, t->now, 0);
    for (size_t i = 1; i <= LEASES; i++)
        t->leases[i].expiry = t->leases[i].due = t->now + t->leases[i].ttl_s * 1000;
}

static void step_any(struct table *t)
{
    lease_id id = 1 + (lease_id)rng_below(&t->rng, LEASES);
    struct row *row = &t->leases[id];
    uint64_t dice = rng_below(&t->rng, 200);
    t->now += (msec)rng_below(&t->rng, 400);
    if (dice < 40)
        step_grant(t, id, row);
    else if (dice < 60)
        step_revoke(t, id, row);
    else if (dice < 120)
        step_renew(t, id, row);
    else if (dice < 160)
        step_keys(t, id, row);
    else if (dice < 198)
        step_expire(t);
    else
        step_role(t);
}

static void lessor_is_the_table(void **state)
{
    (void)state;
    struct table t = {.l = lessor_new(1), .rng = {11}};
    for (int i = 0; i < STEPS; i++) {
        step_any(&t);
        lessor_check(t.l);
    }
    lessor_free(t.l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(granted_as_upstream_does),
        cmocka_unit_test(only_the_primary_counts_time),
        cmocka_unit_test(expired_leases_are_reported_again_after_the_retry),
        cmocka_unit_test(many_expire_at_once),
        cmocka_unit_test(a_checkpoint_is_what_a_promotion_starts_from),
        cmocka_unit_test(checkpoints_are_due_every_interval),
        cmocka_unit_test(checkpoints_come_in_pieces),
        cmocka_unit_test(leases_are_listed_by_their_end),
        cmocka_unit_test(a_key_hangs_on_one_lease),
        cmocka_unit_test(lessor_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
