/* tests/unit/raft/single_test.c -- one voter: propose, persist, commit, apply, restart.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "memlog.h"

struct fixture {
    struct memlog disk;
    struct raft *r;
    struct raft_ready rd;
};

static struct raft_options single_options(struct memlog *d)
{
    return (struct raft_options){
        .id = 1,
        .election_tick = 10,
        .heartbeat_tick = 1,
        .log = memlog_reader(d),
        .max_size_per_msg = 1024 * 1024,
        .max_inflight_msgs = 512,
        .check_quorum = true,
        .pre_vote = true,
        .seed = 7,
    };
}

static void start(struct fixture *f, const struct raft_options *o)
{
    member_id one = 1;
    struct raft_conf_state cs = {.voters = {&one, 1}};
    assert_int_equal(raft_new(o, &f->disk.hs, &cs, &f->r), ERR_OK);
}

/* Bootstrapped as a server does it: one entry that adds us, committed, and applied. */
static void boot(struct fixture *f)
{
    *f = (struct fixture){0};
    memlog_write(&f->disk, &(struct raft_entry){.index = 1, .term = 1}, 1);
    f->disk.hs = (struct raft_hard_state){.term = 1, .commit = 1};
    struct raft_options o = single_options(&f->disk);
    o.applied = 1;
    start(f, &o);
}

static void stop(struct fixture *f)
{
    raft_ready_fini(&f->rd);
    raft_free(f->r);
    memlog_fini(&f->disk);
}

/* Take a ready, write it, and leave its acknowledgement to the caller. */
static uint64_t take(struct fixture *f)
{
    raft_ready(f->r, &f->rd);
    raft_check(f->r);
    memlog_persist(&f->disk, &f->rd);
    return f->rd.number;
}

static void settle(struct fixture *f)
{
    while (raft_has_ready(f->r)) {
        raft_persisted(f->r, take(f));
        if (f->rd.committed.n != 0)
            raft_applied(f->r, f->rd.committed.v[f->rd.committed.n - 1].index);
        raft_check(f->r);
    }
}

static void lead(struct fixture *f)
{
    raft_campaign(f->r);
    settle(f);
    assert_true(raft_is_leader(f->r));
}

static void propose(struct fixture *f, size_t n)
{
    struct raft_entry v[16] = {0};
    for (size_t i = 0; i < n; i++)
        v[i].data = blob_dup(slice_str("payload"));
    assert_int_equal(raft_propose(f->r, v, n), ERR_OK);
    for (size_t i = 0; i < n; i++)
        blob_unref(v[i].data);
}

static void becomes_leader_only_when_its_vote_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    assert_false(raft_has_ready(f.r));
    for (int i = 0; i < 20; i++)
        raft_tick(f.r);
    /* The trial vote goes the same way as the real one. */
    uint64_t n = take(&f);
    assert_int_equal(raft_role(f.r), RAFT_PRE_CANDIDATE);
    raft_persisted(f.r, n);
    assert_int_equal(raft_role(f.r), RAFT_CANDIDATE);
    n = take(&f);
    assert_true(f.rd.must_sync && f.rd.has_hard_state);
    assert_int_equal(f.rd.hard_state.vote, 1);
    assert_int_equal(f.rd.hard_state.term, 2);
    assert_false(raft_is_leader(f.r));
    raft_persisted(f.r, n);
    assert_true(raft_is_leader(f.r));
    assert_int_equal(raft_leader(f.r), 1);
    stop(&f);
}

static void commits_when_the_log_reports_back(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    lead(&f);
    raft_index before = raft_committed(f.r);
    propose(&f, 3);
    uint64_t n = take(&f);
    assert_int_equal(f.rd.entries.n, 3);
    assert_int_equal(f.rd.committed.n, 0);
    assert_false(raft_has_ready(f.r));
    assert_int_equal(raft_committed(f.r), before);
    raft_persisted(f.r, n);
    assert_int_equal(raft_committed(f.r), before + 3);
    take(&f);
    assert_int_equal(f.rd.committed.n, 3);
    assert_false(f.rd.must_sync);
    raft_applied(f.r, before + 3);
    assert_int_equal(raft_applied_index(f.r), before + 3);
    stop(&f);
}

static void several_readies_are_under_way(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    lead(&f);
    raft_index before = raft_committed(f.r);
    uint64_t numbers[4];
    for (size_t i = 0; i < 4; i++) {
        propose(&f, 2);
        numbers[i] = take(&f);
        assert_int_equal(f.rd.entries.n, 2);
        assert_int_equal(f.rd.entries.v[0].index, before + 2 * i + 1);
    }
    raft_persisted(f.r, numbers[1]);
    assert_int_equal(raft_committed(f.r), before + 4);
    raft_persisted(f.r, numbers[0]); /* late: does nothing */
    assert_int_equal(raft_committed(f.r), before + 4);
    assert_int_equal(raft_persisted_index(f.r), before + 4);
    raft_persisted(f.r, numbers[3]);
    assert_int_equal(raft_committed(f.r), before + 8);
    settle(&f);
    assert_int_equal(raft_applied_index(f.r), before + 8);
    stop(&f);
}

static void restart_keeps_what_was_persisted(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    lead(&f);
    propose(&f, 5);
    settle(&f);
    raft_index last = raft_last_index(f.r);
    raft_free(f.r);

    struct raft_options o = single_options(&f.disk);
    o.applied = 2;
    start(&f, &o);
    assert_int_equal(raft_last_index(f.r), last);
    assert_int_equal(raft_committed(f.r), last);
    take(&f);
    assert_int_equal(f.rd.committed.n, last - 2);
    assert_int_equal(f.rd.committed.v[0].index, 3);
    raft_applied(f.r, last);
    lead(&f);
    assert_int_equal(raft_current_term(f.r), 3);
    stop(&f);
}

static void applied_may_be_ahead_of_the_stored_commit(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    lead(&f);
    propose(&f, 5);
    settle(&f);
    raft_index last = raft_last_index(f.r);
    raft_free(f.r);
    f.disk.hs.commit = 3;
    struct raft_options o = single_options(&f.disk);
    o.applied = last;
    start(&f, &o);
    assert_int_equal(raft_committed(f.r), last);
    assert_int_equal(raft_applied_index(f.r), last);
    raft_check(f.r);
    stop(&f);
}

static void refuses_a_state_that_contradicts_the_log(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    struct raft *r;
    struct raft_options o = single_options(&f.disk);
    struct raft_hard_state beyond = {.term = 1, .commit = 2};
    assert_int_equal(raft_new(&o, &beyond, NULL, &r), ERR_DAMAGED);
    struct raft_hard_state old_term = {.term = 0, .commit = 1};
    assert_int_equal(raft_new(&o, &old_term, NULL, &r), ERR_DAMAGED);
    o.applied = 2;
    assert_int_equal(raft_new(&o, &f.disk.hs, NULL, &r), ERR_DAMAGED);
    o.applied = 1;
    o.heartbeat_tick = 10;
    assert_int_equal(raft_new(&o, &f.disk.hs, NULL, &r), ERR_INVALID);
    stop(&f);
}

static void read_index_waits_for_the_first_commit_of_the_term(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    raft_campaign(f.r);
    while (!raft_is_leader(f.r))
        raft_persisted(f.r, take(&f));
    raft_read_index(f.r, slice_str("early"));
    uint64_t n = take(&f);
    assert_int_equal(f.rd.n_read_states, 0);
    raft_persisted(f.r, n);
    take(&f);
    assert_int_equal(f.rd.n_read_states, 1);
    assert_int_equal(f.rd.read_states[0].index, raft_committed(f.r));
    assert_true(slice_is(blob_slice(f.rd.read_states[0].ctx), "early"));
    raft_read_index(f.r, slice_str("now"));
    take(&f);
    assert_int_equal(f.rd.n_read_states, 1);
    assert_true(raft_single_voter(f.r));
    stop(&f);
}

static void uncommitted_size_is_limited(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    raft_free(f.r);
    struct raft_options o = single_options(&f.disk);
    o.applied = 1;
    o.max_uncommitted_size = 20;
    start(&f, &o);
    lead(&f);
    propose(&f, 2); /* 14 bytes */
    struct raft_entry e = {.data = blob_dup(slice_str("payload"))};
    assert_int_equal(raft_propose(f.r, &e, 1), ERR_PROPOSAL_DROPPED);
    struct raft_entry empty = {0};
    assert_int_equal(raft_propose(f.r, &empty, 1), ERR_OK);
    settle(&f);
    struct raft_entry three[3] = {e, e, e}; /* above the limit, but alone */
    assert_int_equal(raft_propose(f.r, three, 3), ERR_OK);
    assert_int_equal(raft_propose(f.r, &e, 1), ERR_PROPOSAL_DROPPED);
    settle(&f);
    assert_int_equal(raft_propose(f.r, &e, 1), ERR_OK);
    blob_unref(e.data);
    stop(&f);
}

static void committed_size_per_ready_is_limited(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    raft_free(f.r);
    struct raft_options o = single_options(&f.disk);
    o.applied = 1;
    o.max_committed_size_per_ready = 40; /* two entries of 15 bytes */
    start(&f, &o);
    lead(&f);
    raft_index before = raft_applied_index(f.r);
    propose(&f, 5);
    raft_persisted(f.r, take(&f));
    take(&f);
    assert_int_equal(f.rd.committed.n, 2);
    assert_false(raft_has_ready(f.r)); /* until these are applied */
    raft_applied(f.r, before + 2);
    take(&f);
    assert_int_equal(f.rd.committed.n, 2);
    raft_applied(f.r, before + 4);
    take(&f);
    assert_int_equal(f.rd.committed.n, 1);
    stop(&f);
}

static void a_hundred_thousand_in_batches(void **state)
{
    (void)state;
    struct fixture f;
    boot(&f);
    lead(&f);
    raft_index before = raft_committed(f.r);
    for (int i = 0; i < 7000; i++) {
        propose(&f, 16);
        raft_persisted(f.r, take(&f));
        take(&f);
        assert_int_equal(f.rd.committed.n, 16);
        raft_applied(f.r, raft_committed(f.r));
        memlog_compact(&f.disk, raft_committed(f.r) - 8);
    }
    assert_int_equal(raft_committed(f.r), before + 7000 * 16);
    stop(&f);
}

static void bootstrap_entries_are_applied_before_a_campaign(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct raft_conf_change_single add = {RAFT_CONF_ADD_NODE, 1};
    struct raft_conf_change cc = {.changes = &add, .n_changes = 1};
    memlog_write(&f.disk, &(struct raft_entry){.index = 1, .term = 1, .type = 1}, 1);
    f.disk.hs = (struct raft_hard_state){.term = 1, .commit = 1};
    struct raft_options o = single_options(&f.disk);
    assert_int_equal(raft_new(&o, &f.disk.hs, NULL, &f.r), ERR_OK);
    raft_campaign(f.r);
    assert_int_equal(raft_role(f.r), RAFT_FOLLOWER); /* not a member yet */

    take(&f);
    assert_int_equal(f.rd.committed.n, 1);
    struct raft_conf_state cs;
    assert_int_equal(raft_apply_conf_change(f.r, &cc, &cs), ERR_OK);
    assert_int_equal(cs.voters.n, 1);
    raft_conf_state_fini(&cs);
    raft_campaign(f.r);
    assert_int_equal(raft_role(f.r), RAFT_FOLLOWER); /* the change is not applied yet */
    raft_applied(f.r, 1);
    lead(&f);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes_leader_only_when_its_vote_is_durable),
        cmocka_unit_test(commits_when_the_log_reports_back),
        cmocka_unit_test(several_readies_are_under_way),
        cmocka_unit_test(restart_keeps_what_was_persisted),
        cmocka_unit_test(applied_may_be_ahead_of_the_stored_commit),
        cmocka_unit_test(refuses_a_state_that_contradicts_the_log),
        cmocka_unit_test(read_index_waits_for_the_first_commit_of_the_term),
        cmocka_unit_test(uncommitted_size_is_limited),
        cmocka_unit_test(committed_size_per_ready_is_limited),
        cmocka_unit_test(a_hundred_thousand_in_batches),
        cmocka_unit_test(bootstrap_entries_are_applied_before_a_campaign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
