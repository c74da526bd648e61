/* tests/unit/mvcc/range_test.c -- plan and fetch, the cases that random requests do not single out.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mvcc/range.h"
#include "tests/lib/mem_backend.h"

struct fixture {
    struct mem_backend *backend;
    struct kv_writer *w;
    struct mvcc_store *s;
    struct arena *arena;
    struct buf text; /* what was emitted: key=value@lease and a space */
};

static void put(struct fixture *f, const char *key, const char *value, lease_id lease)
{
    const struct mvcc_change *c;
    size_t n;
    mvcc_txn_begin(f->s, f->w);
    mvcc_txn_put(f->s, slice_str(key), slice_str(value), lease);
    mvcc_txn_end(f->s, &c, &n);
}

/* a, b, c, d at revisions 2, 3, 4, 5; then c again at 6. */
static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.backend = mem_backend_new(), .s = mvcc_store_new()};
    f->arena = arena_new();
    f->w = mem_backend_writer(f->backend);
    put(f, "a", "z", 1);
    put(f, "b", "x", 2);
    put(f, "c", "y", 3);
    put(f, "d", "x", 4);
    put(f, "c", "w", 5);
}

static void fixture_fini(struct fixture *f)
{
    buf_fini(&f->text);
    arena_free(f->arena);
    mvcc_store_free(f->s);
    mem_backend_free(f->backend);
}

static bool note(void *arg, const struct kv_row *row)
{
    struct buf *b = arg;
    buf_addf(b, "%.*s=%.*s@%d ", (int)row->key.n, (const char *)row->key.p, (int)row->value.n,
             (const char *)row->value.p, (int)row->lease);
    return true;
}

static struct range_plan *plan_all(struct fixture *f, const struct range_req *req)
{
    struct range_plan *p;
    bool done = false;
    assert_int_equal(range_plan_new(f->s, req, mvcc_store_revision(f->s), f->arena, &p), ERR_OK);
    while (!done)
        assert_int_equal(range_plan_step(p, f->s, 1, &done), ERR_OK);
    return p;
}

static void expect(struct fixture *f, struct range_req req, const char *rows, int64_t count,
                   bool more)
{
    req.key = slice_str("a");
    req.range_end = slice_str("z");
    struct range_plan *p = plan_all(f, &req);
    struct kv_reader *r = mem_backend_reader(f->backend);
    buf_clear(&f->text);
    assert_int_equal(range_plan_fetch(p, r, note, &f->text), ERR_OK);
    assert_string_equal(buf_cstr(&f->text), rows);
    assert_int_equal(range_plan_count(p), count);
    assert_int_equal(range_plan_more(p), more);
    mem_reader_free(r);
    range_plan_free(p);
}

static void sorts_with_ties_in_key_order(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    expect(&f, (struct range_req){0}, "a=z@1 b=x@2 c=w@5 d=x@4 ", 4, false);
    expect(&f, (struct range_req){.order = RANGE_DESCEND}, "d=x@4 c=w@5 b=x@2 a=z@1 ", 4, false);
    expect(&f, (struct range_req){.target = RANGE_VERSION}, "a=z@1 b=x@2 d=x@4 c=w@5 ", 4, false);
    expect(&f, (struct range_req){.target = RANGE_VERSION, .order = RANGE_DESCEND},
           "c=w@5 a=z@1 b=x@2 d=x@4 ", 4, false);
    expect(&f, (struct range_req){.target = RANGE_VALUE, .order = RANGE_DESCEND, .limit = 3},
           "a=z@1 b=x@2 d=x@4 ", 4, true);
    expect(&f, (struct range_req){.target = RANGE_VALUE, .keys_only = true},
           "c=@5 b=@2 d=@4 a=@1 ", 4, false);
    /* The limit comes before the sort where no order is named: d is not looked at. */
    expect(&f, (struct range_req){.target = RANGE_VALUE, .limit = 2}, "c=w@5 b=x@2 ", 4, true);
    expect(&f, (struct range_req){.target = RANGE_MOD, .rev = 5}, "a=z@1 b=x@2 c=y@3 d=x@4 ", 4,
           false);
    fixture_fini(&f);
}

static void limits_and_filters(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    expect(&f, (struct range_req){.limit = 2}, "a=z@1 b=x@2 ", 4, true);
    expect(&f, (struct range_req){.limit = 4}, "a=z@1 b=x@2 c=w@5 d=x@4 ", 4, false);
    expect(&f, (struct range_req){.limit = -1, .rev = -3, .keys_only = true},
           "a=@0 b=@0 c=@0 d=@0 ", 4, false);
    expect(&f, (struct range_req){.limit = 1, .rev = 4}, "a=z@1 ", 3, true);
    expect(&f, (struct range_req){.min_mod = 3, .max_mod = 5}, "b=x@2 d=x@4 ", 4, false);
    expect(&f, (struct range_req){.min_create = 4, .limit = 1}, "c=w@5 ", 4, true);
    expect(&f, (struct range_req){.max_create = 4, .limit = 3}, "a=z@1 b=x@2 c=w@5 ", 4, false);
    expect(&f, (struct range_req){.count_only = true, .limit = 1}, "", 4, false);
    expect(&f, (struct range_req){.count_only = true, .rev = 3}, "", 2, false);
    fixture_fini(&f);
}

static void a_transaction_reads_its_own_writes(void **state)
{
    (void)state;
    struct fixture f;
    const struct mvcc_change *c;
    size_t n;
    fixture_init(&f);
    mvcc_txn_begin(f.s, f.w);
    mvcc_txn_put(f.s, slice_str("e"), slice_str("new"), 0);
    struct range_req req = {.key = slice_str("e")};
    struct range_plan *p;
    bool done;
    assert_int_equal(range_plan_new(f.s, &req, mvcc_txn_revision(f.s), f.arena, &p), ERR_OK);
    assert_int_equal(range_plan_step(p, f.s, 10, &done), ERR_OK);
    assert_true(done);
    assert_int_equal(range_plan_revision(p), 7);
    assert_int_equal(range_plan_rows(p), 1);
    range_plan_free(p);
    assert_int_equal(range_plan_new(f.s, &req, 6, f.arena, &p), ERR_OK);
    assert_int_equal(range_plan_step(p, f.s, 10, &done), ERR_OK);
    assert_int_equal(range_plan_count(p), 0);
    range_plan_free(p);
    mvcc_txn_end(f.s, &c, &n);
    fixture_fini(&f);
}

static void a_compaction_may_overtake_a_plan(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct range_req req = {.key = slice_str("a"), .range_end = slice_str("z"), .rev = 4};
    struct range_plan *p, *newer;
    bool done;
    assert_int_equal(range_plan_new(f.s, &req, 6, f.arena, &p), ERR_OK);
    assert_int_equal(range_plan_step(p, f.s, 1, &done), ERR_OK);
    assert_false(done);
    assert_int_equal(mvcc_compact(f.s, f.w, 5), ERR_OK);
    assert_int_equal(range_plan_step(p, f.s, 1, &done), ERR_COMPACTED);
    assert_int_equal(range_plan_new(f.s, &req, 6, f.arena, &newer), ERR_COMPACTED);
    req.rev = 5;
    assert_int_equal(range_plan_new(f.s, &req, 6, f.arena, &newer), ERR_OK);
    req.rev = 7;
    assert_int_equal(range_plan_new(f.s, &req, 6, f.arena, &newer), ERR_FUTURE_REV);
    range_plan_free(p);
    fixture_fini(&f);
}

static void a_missing_row_is_damage(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct range_req req = {.key = slice_str("c"), .rev = 4};
    struct range_plan *p = plan_all(&f, &req);
    f.w->ops->remove(f.w, mvcc_pos_of(4));
    struct kv_reader *r = mem_backend_reader(f.backend);
    assert_int_equal(range_plan_fetch(p, r, note, &f.text), ERR_DAMAGED);
    mem_reader_free(r);
    range_plan_free(p);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_with_ties_in_key_order),
        cmocka_unit_test(limits_and_filters),
        cmocka_unit_test(a_transaction_reads_its_own_writes),
        cmocka_unit_test(a_compaction_may_overtake_a_plan),
        cmocka_unit_test(a_missing_row_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
