/* tests/unit/raft/parts_test.c -- the parts of the core: the log, progress, inflights.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "memlog.h"
#include "raft/log.h"
#include "raft/progress.h"

/* ---- inflights ---------------------------------------------------------------------------- */

static void inflights_go_round(void **state)
{
    (void)state;
    struct inflights in = {.max = 10};
    for (raft_index i = 1; i <= 1000; i++) {
        inflights_add(&in, i, 5);
        if (i > 9) {
            assert_true(inflights_is_full(&in));
            inflights_free_to(&in, i - 9);
        }
        assert_int_equal(in.bytes, in.n * 5);
    }
    inflights_free_to(&in, 2);
    assert_int_equal(in.n, 9);
    inflights_free_to(&in, 995);
    assert_int_equal(in.n, 5);
    inflights_free_to(&in, 5000);
    assert_int_equal(in.n, 0);
    inflights_fini(&in);
}

static void inflights_count_bytes(void **state)
{
    (void)state;
    struct inflights in = {.max = 10, .max_bytes = 100};
    inflights_add(&in, 1, 99);
    assert_false(inflights_is_full(&in));
    inflights_add(&in, 2, 50); /* the last one may go beyond */
    assert_true(inflights_is_full(&in));
    inflights_free_to(&in, 1);
    assert_false(inflights_is_full(&in));
    inflights_fini(&in);
}

/* ---- progress ----------------------------------------------------------------------------- */

static void progress_probes_and_replicates(void **state)
{
    (void)state;
    struct progress p = {.match = 3, .next = 4, .inflights = {.max = 2}};
    progress_sent(&p, 2, 10);
    assert_true(progress_is_paused(&p));
    assert_int_equal(p.next, 4);
    assert_true(progress_ack(&p, 5));
    assert_false(progress_ack(&p, 5));
    assert_false(progress_is_paused(&p));
    progress_become_replicate(&p);
    progress_sent(&p, 1, 1);
    progress_sent(&p, 1, 1);
    assert_int_equal(p.next, 8);
    assert_true(progress_is_paused(&p));
    inflights_fini(&p.inflights);
}

static void progress_goes_back_after_a_rejection(void **state)
{
    (void)state;
    struct progress p = {.match = 5, .next = 10, .state = RAFT_PROBE};
    assert_false(progress_reject(&p, 8, 8)); /* not what was sent last */
    assert_true(progress_reject(&p, 9, 7));
    assert_int_equal(p.next, 8);
    assert_true(progress_reject(&p, 7, 1)); /* never below what is known */
    assert_int_equal(p.next, 6);
    p.state = RAFT_REPLICATE;
    p.next = 20;
    assert_false(progress_reject(&p, 5, 5));
    assert_true(progress_reject(&p, 9, 9));
    assert_int_equal(p.next, 6);
}

static void progress_continues_behind_a_snapshot(void **state)
{
    (void)state;
    struct progress p = {.match = 1, .next = 2};
    progress_become_snapshot(&p, 10);
    assert_true(progress_is_paused(&p));
    progress_become_probe(&p);
    assert_int_equal(p.next, 11);
    progress_become_snapshot(&p, 20);
    p.pending_snapshot = 0; /* it failed */
    progress_become_probe(&p);
    assert_int_equal(p.next, 2);
}

/* ---- the log ------------------------------------------------------------------------------ */

struct log_fixture {
    struct memlog disk;
    struct raft_log log;
};

static void log_up(struct log_fixture *f, raft_index stable)
{
    *f = (struct log_fixture){0};
    for (raft_index i = 1; i <= stable; i++)
        memlog_write(&f->disk, &(struct raft_entry){.index = i, .term = i}, 1);
    log_init(&f->log, memlog_reader(&f->disk), UINT64_MAX, false);
}

static void log_down(struct log_fixture *f)
{
    log_fini(&f->log);
    memlog_fini(&f->disk);
}

static void log_spans_disk_and_memory(void **state)
{
    (void)state;
    struct log_fixture f;
    log_up(&f, 5);
    for (raft_term t = 6; t <= 10; t++)
        log_append_one(&f.log, t, RAFT_ENTRY_NORMAL, NULL);
    raft_term term;
    for (raft_index i = 1; i <= 10; i++) {
        assert_int_equal(log_term(&f.log, i, &term), ERR_OK);
        assert_int_equal(term, i);
    }
    assert_int_equal(log_term(&f.log, 0, &term), ERR_OK);
    assert_int_equal(term, 0);
    assert_int_equal(log_term(&f.log, 11, &term), ERR_NOT_FOUND);
    struct raft_entries out = {0};
    assert_int_equal(log_slice(&f.log, 2, 11, UINT64_MAX, &out), ERR_OK);
    assert_int_equal(out.n, 9);
    assert_int_equal(out.v[8].index, 10);
    raft_entries_cut(&out, 0);
    assert_int_equal(log_slice(&f.log, 2, 11, 0, &out), ERR_OK);
    assert_int_equal(out.n, 1); /* at least one */
    raft_entries_cut(&out, 0);
    assert_int_equal(log_slice(&f.log, 4, 11, 3 * 6, &out), ERR_OK);
    assert_int_equal(out.n, 3); /* across the border */
    raft_entries_fini(&out);
    memlog_compact(&f.disk, 3);
    assert_int_equal(log_slice(&f.log, 3, 11, 0, &out), ERR_COMPACTED);
    assert_int_equal(log_term(&f.log, 2, &term), ERR_COMPACTED);
    assert_int_equal(log_term(&f.log, 3, &term), ERR_OK);
    log_down(&f);
}

static void log_finds_conflicts(void **state)
{
    (void)state;
    struct log_fixture f;
    log_up(&f, 5);
    struct raft_entry v[] = {{.index = 4, .term = 4}, {.index = 5, .term = 9}};
    assert_int_equal(log_find_conflict(&f.log, v, 1), 0);
    assert_int_equal(log_find_conflict(&f.log, v, 2), 5);
    raft_term term;
    assert_int_equal(log_find_conflict_by_term(&f.log, 5, 3, &term), 3);
    assert_int_equal(term, 3);
    assert_int_equal(log_find_conflict_by_term(&f.log, 5, 0, &term), 0);
    assert_int_equal(log_find_conflict_by_term(&f.log, 99, 3, &term), 99);
    assert_int_equal(term, 0); /* not known there */
    assert_true(log_is_up_to_date(&f.log, 5, 5));
    assert_true(log_is_up_to_date(&f.log, 1, 6));
    assert_false(log_is_up_to_date(&f.log, 4, 5));
    assert_false(log_is_up_to_date(&f.log, 9, 4));
    log_down(&f);
}

static void log_gives_each_entry_out_once(void **state)
{
    (void)state;
    struct log_fixture f;
    struct raft_entries out = {0};
    log_up(&f, 2);
    log_append_one(&f.log, 3, RAFT_ENTRY_NORMAL, NULL);
    log_append_one(&f.log, 3, RAFT_ENTRY_NORMAL, NULL);
    log_hand_out(&f.log, &out);
    assert_int_equal(out.n, 2);
    log_hand_out(&f.log, &out);
    assert_int_equal(out.n, 2);
    struct raft_entry v = {.index = 4, .term = 4};
    log_replace(&f.log, &v, 1);
    assert_true(log_has_unhanded(&f.log));
    log_hand_out(&f.log, &out);
    assert_int_equal(out.n, 3);
    v.index = 2; /* reaches into what is persisted */
    log_replace(&f.log, &v, 1);
    assert_int_equal(log_last_index(&f.log), 2);
    assert_int_equal(f.log.offset, 2);
    raft_entries_fini(&out);
    log_down(&f);
}

static void log_snapshot_hides_what_was_before(void **state)
{
    (void)state;
    struct log_fixture f;
    log_up(&f, 5);
    struct raft_snapshot s = {.meta = {.index = 9, .term = 7}};
    log_restore(&f.log, &s);
    raft_term term;
    assert_int_equal(log_term(&f.log, 5, &term), ERR_COMPACTED);
    assert_int_equal(log_term(&f.log, 9, &term), ERR_OK);
    assert_int_equal(term, 7);
    assert_int_equal(log_first_index(&f.log), 10);
    assert_int_equal(log_last_index(&f.log), 9);
    assert_false(log_has_committed(&f.log));
    log_append_one(&f.log, 8, RAFT_ENTRY_NORMAL, NULL);
    memlog_restore(&f.disk, &s);
    log_snapshot_stable(&f.log, 8); /* another one */
    assert_non_null(f.log.snapshot);
    log_snapshot_stable(&f.log, 9);
    assert_null(f.log.snapshot);
    assert_int_equal(log_last_index(&f.log), 10);
    log_down(&f);
}

/* A long run of appends, writes and cuts against a plain array. */
static void log_agrees_with_a_model(void **state)
{
    (void)state;
    struct log_fixture f;
    struct rng rng = {5};
    raft_term model[4096] = {0};
    raft_index last = 0;
    log_up(&f, 0);
    for (raft_term t = 1; t <= 3000; t++) {
        raft_index from = last + 1;
        if (rng_below(&rng, 5) == 0 && last > f.log.committed)
            from = f.log.committed + 1 + rng_below(&rng, last - f.log.committed);
        struct raft_entry v = {.index = from, .term = t, .data = blob_new(1)};
        log_replace(&f.log, &v, 1);
        blob_unref(v.data);
        model[from] = t;
        last = from;
        if (rng_below(&rng, 3) == 0) {
            struct raft_entries out = {0};
            log_hand_out(&f.log, &out);
            memlog_write(&f.disk, out.v, out.n);
            raft_entries_fini(&out);
            log_stable_to(&f.log, last);
        }
        if (rng_below(&rng, 6) == 0)
            log_commit_to(&f.log, f.log.committed + rng_below(&rng, last - f.log.committed + 1));
        assert_int_equal(log_last_index(&f.log), last);
        raft_index probe = 1 + rng_below(&rng, last);
        assert_true(log_matches(&f.log, probe, model[probe]));
    }
    log_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inflights_go_round),
        cmocka_unit_test(inflights_count_bytes),
        cmocka_unit_test(progress_probes_and_replicates),
        cmocka_unit_test(progress_goes_back_after_a_rejection),
        cmocka_unit_test(progress_continues_behind_a_snapshot),
        cmocka_unit_test(log_spans_disk_and_memory),
        cmocka_unit_test(log_finds_conflicts),
        cmocka_unit_test(log_gives_each_entry_out_once),
        cmocka_unit_test(log_snapshot_hides_what_was_before),
        cmocka_unit_test(log_agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
