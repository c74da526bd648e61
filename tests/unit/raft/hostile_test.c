/* tests/unit/raft/hostile_test.c -- messages that no sound peer sends.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "net.h"

static enum err step(struct net *net, struct raft_message m)
{
    enum err e = raft_step(net_raft(net, 1), &m);
    raft_check(net_raft(net, 1));
    return e;
}

static void local_types_are_refused(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    for (int t = 0; t <= RAFT_MSG_FORGET_LEADER; t++) {
        if (!raft_message_type_is_local((enum raft_message_type)t))
            continue;
        struct raft_message m = {.type = (enum raft_message_type)t, .from = 2, .term = 1};
        assert_int_equal(step(net, m), ERR_STEP_LOCAL);
    }
    struct raft_message unknown = {.type = (enum raft_message_type)24, .from = 2, .term = 1};
    assert_int_equal(step(net, unknown), ERR_MALFORMED);
    net_free(net);
}

static void strangers_answers_are_refused(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct raft_message m = {.type = RAFT_MSG_VOTE_RESP, .from = 9, .term = 5};
    assert_int_equal(step(net, m), ERR_STEP_PEER_NOT_FOUND);
    assert_int_equal(raft_current_term(net_raft(net, 1)), 1);
    m.from = 1; /* ourselves */
    assert_int_equal(step(net, m), ERR_MALFORMED);
    net_free(net);
}

static void a_commit_beyond_our_log_means_damage(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct raft_message m = {.type = RAFT_MSG_HEARTBEAT, .from = 2, .term = 2, .commit = 5};
    assert_int_equal(step(net, m), ERR_DAMAGED);
    net_free(net);
}

static void appends_with_gaps_are_refused(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct raft_entry v[2] = {{.index = 2, .term = 2}, {.index = 4, .term = 2}};
    struct raft_message m = {
        .type = RAFT_MSG_APP, .from = 2, .term = 2, .index = 1, .log_term = 1};
    m.entries = (struct raft_entries){v, 2, 2};
    assert_int_equal(step(net, m), ERR_MALFORMED);
    v[1] = (struct raft_entry){.index = 3, .term = 1}; /* terms fall */
    assert_int_equal(step(net, m), ERR_MALFORMED);
    v[1] = (struct raft_entry){.index = 3, .term = 3}; /* of the future */
    assert_int_equal(step(net, m), ERR_MALFORMED);
    v[1] = (struct raft_entry){.index = 3, .term = 2};
    m.index = UINT64_MAX;
    assert_int_equal(step(net, m), ERR_MALFORMED);
    m.index = 1;
    m.term = UINT64_MAX;
    assert_int_equal(step(net, m), ERR_MALFORMED);
    m.term = 2;
    assert_int_equal(step(net, m), ERR_OK);
    net_free(net);
}

static void snapshots_without_sense_are_refused(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    member_id both = 1;
    struct raft_snapshot s = {.meta = {.index = 9, .term = 2}};
    struct raft_message m = {.type = RAFT_MSG_SNAP, .from = 2, .term = 2};
    assert_int_equal(step(net, m), ERR_MALFORMED); /* none */
    m.snapshot = &s;
    assert_int_equal(step(net, m), ERR_MALFORMED); /* no voters */
    s.meta.conf_state.voters = (struct raft_ids){&both, 1};
    s.meta.conf_state.learners = (struct raft_ids){&both, 1};
    assert_int_equal(step(net, m), ERR_MALFORMED); /* voter and learner */
    s.meta.conf_state.learners.n = 0;
    s.meta.term = 3;
    assert_int_equal(step(net, m), ERR_MALFORMED); /* of the future */
    s.meta.term = 2;
    assert_int_equal(step(net, m), ERR_OK);
    net_free(net);
}

static void a_leader_survives_false_answers(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    struct raft_message m = {.type = RAFT_MSG_APP_RESP, .from = 2, .term = 2, .index = 99};
    assert_int_equal(step(net, m), ERR_MALFORMED);
    assert_int_equal(raft_committed(net_raft(net, 1)), 2);
    m.reject = true;
    m.reject_hint = UINT64_MAX;
    assert_int_equal(step(net, m), ERR_OK);
    m = (struct raft_message){.type = RAFT_MSG_PROP, .from = 2};
    assert_int_equal(step(net, m), ERR_MALFORMED);
    struct raft_entry bad = {.type = RAFT_ENTRY_CONF_CHANGE, .data = blob_dup(slice_str("\x08"))};
    m.entries = (struct raft_entries){&bad, 1, 1};
    assert_int_equal(step(net, m), ERR_MALFORMED);
    bad.type = (enum raft_entry_type)7;
    assert_int_equal(step(net, m), ERR_MALFORMED);
    blob_unref(bad.data);
    m = (struct raft_message){.type = RAFT_MSG_READ_INDEX, .from = 2};
    assert_int_equal(step(net, m), ERR_MALFORMED);
    net_free(net);
}

/* ---- at random ---------------------------------------------------------------------------- */

static uint64_t small(struct rng *rng)
{
    return rng_below(rng, 40) == 0 ? rng_next(rng) : rng_below(rng, 8);
}

static struct raft_message random_message(struct rng *rng)
{
    struct raft_message m = {
        .type = (enum raft_message_type)rng_below(rng, 26),
        .from = rng_below(rng, 5),
        .to = 1,
        .term = small(rng),
        .log_term = small(rng),
        .index = small(rng),
        .commit = small(rng),
        .reject = rng_below(rng, 2),
        .reject_hint = small(rng),
    };
    for (uint64_t n = rng_below(rng, 4); n > 0; n--) {
        struct raft_entry e = {.index = m.index + m.entries.n + (rng_below(rng, 20) != 0),
                               .term = small(rng),
                               .type = (enum raft_entry_type)(rng_below(rng, 12) / 9)};
        raft_entries_add(&m.entries, &e, 1);
    }
    if (rng_below(rng, 3) == 0) {
        m.snapshot = xcalloc(1, sizeof *m.snapshot);
        m.snapshot->meta.index = small(rng);
        m.snapshot->meta.term = small(rng);
        m.snapshot->data = blob_new(8);
        be64_put(m.snapshot->data->p, 1);
        for (uint64_t n = rng_below(rng, 4); n > 0; n--)
            raft_ids_add(&m.snapshot->meta.conf_state.voters, rng_below(rng, 5));
        if (rng_below(rng, 3) == 0)
            raft_ids_add(&m.snapshot->meta.conf_state.learners, rng_below(rng, 5));
    }
    if (rng_below(rng, 2) == 0) {
        m.context = blob_new(8);
        be64_put(m.context->p, small(rng));
    }
    return m;
}

/* Whatever comes, no invariant breaks; what raft_step() refuses changes nothing that is sent. The
 * member's state is not applied, for a history that nobody agreed on cannot be checked. */
static void random_messages_break_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rng rng = {seed};
        struct raft_options o = net_options();
        o.check_quorum = seed % 2;
        o.pre_vote = seed % 3 == 0;
        struct net *net = net_new(3, 0, &o);
        struct node *one = net_node(net, 1);
        for (int i = 0; i < 300; i++) {
            struct raft_message m = random_message(&rng);
            enum err e = raft_step(one->r, &m);
            raft_check(one->r);
            raft_message_fini(&m);
            if (e == ERR_DAMAGED)
                break; /* it would stop */
            if (rng_below(&rng, 4) == 0)
                raft_tick(one->r);
            if (rng_below(&rng, 40) == 0)
                raft_campaign(one->r);
            struct raft_ready rd = {0};
            if (rng_below(&rng, 3) == 0 && raft_has_ready(one->r)) {
                raft_ready(one->r, &rd);
                memlog_persist(&one->disk, &rd);
                raft_persisted(one->r, rd.number);
                if (rd.committed.n != 0)
                    raft_applied(one->r, rd.committed.v[rd.committed.n - 1].index);
                raft_check(one->r);
            }
            raft_ready_fini(&rd);
        }
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_types_are_refused),
        cmocka_unit_test(strangers_answers_are_refused),
        cmocka_unit_test(a_commit_beyond_our_log_means_damage),
        cmocka_unit_test(appends_with_gaps_are_refused),
        cmocka_unit_test(snapshots_without_sense_are_refused),
        cmocka_unit_test(a_leader_survives_false_answers),
        cmocka_unit_test(random_messages_break_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
