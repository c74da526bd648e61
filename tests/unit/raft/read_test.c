/* tests/unit/raft/read_test.c -- linearizable reads.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"
#include "raft/raft_priv.h"

static void assert_read(struct net *net, member_id id, size_t i, const char *ctx, raft_index index)
{
    struct node *n = net_node(net, id);
    assert_true(i < n->n_reads);
    assert_true(slice_is(blob_slice(n->reads[i].ctx), ctx));
    assert_int_equal(n->reads[i].index, index);
}

static void a_quorum_confirms_a_read(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    raft_read_index(net_raft(net, 1), slice_str("a"));
    net_settle_node(net, 1);
    assert_int_equal(net_node(net, 1)->n_reads, 0);
    net_settle(net);
    assert_read(net, 1, 0, "a", 2);
    net_free(net);
}

static void without_a_quorum_there_is_no_read(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    net_isolate(net, 1);
    raft_read_index(net_raft(net, 1), slice_str("a"));
    net_settle(net);
    assert_int_equal(net_node(net, 1)->n_reads, 0);
    net_elect(net, 2); /* elsewhere */
    net_heal(net);
    net_ticks(net, 2, 1);
    net_settle(net);
    assert_int_equal(net_node(net, 1)->n_reads, 0); /* it was dropped with the leadership */
    net_free(net);
}

static void reads_share_a_round(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    raft_read_index(net_raft(net, 1), slice_str("a"));
    net_settle_node(net, 1);
    while (net->messages.n != 0)
        net_lose(net, 0); /* the first round */
    assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    net_settle(net);
    raft_read_index(net_raft(net, 1), slice_str("b"));
    net_settle(net);
    assert_read(net, 1, 0, "a", 2); /* with the index of when it came */
    assert_read(net, 1, 1, "b", 3);
    net_free(net);
}

static void a_heartbeat_repeats_a_lost_round(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    raft_read_index(net_raft(net, 1), slice_str("a"));
    net_settle_node(net, 1);
    while (net->messages.n != 0)
        net_lose(net, 0);
    net_ticks(net, 1, 1);
    net_settle(net);
    assert_read(net, 1, 0, "a", 2);
    net_free(net);
}

static void followers_and_learners_ask_the_leader(void **state)
{
    (void)state;
    struct net *net = net_new(3, 1, NULL);
    raft_read_index(net_raft(net, 2), slice_str("none")); /* no leader: lost */
    net_elect(net, 1);
    raft_read_index(net_raft(net, 2), slice_str("b"));
    raft_read_index(net_raft(net, 4), slice_str("d"));
    net_settle(net);
    assert_int_equal(net_node(net, 2)->n_reads, 1);
    assert_read(net, 2, 0, "b", 2);
    assert_read(net, 4, 0, "d", 2);
    assert_int_equal(net_node(net, 1)->n_reads, 0);
    net_free(net);
}

static void a_single_voter_answers_its_learner(void **state)
{
    (void)state;
    struct net *net = net_new(1, 1, NULL);
    net_elect(net, 1);
    raft_read_index(net_raft(net, 2), slice_str("b"));
    net_settle(net);
    assert_read(net, 2, 0, "b", 2);
    net_free(net);
}

static void a_new_leader_first_commits_in_its_term(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    raft_campaign(net_raft(net, 1));
    net_settle_node(net, 1);
    net_deliver(net, 0);
    net_settle_node(net, 2);
    while (!raft_is_leader(net_raft(net, 1)))
        net_deliver(net, 0);
    raft_read_index(net_raft(net, 1), slice_str("early"));
    assert_false(raft_committed_in_term(net_raft(net, 1)));
    net_settle(net);
    assert_true(raft_committed_in_term(net_raft(net, 1)));
    assert_read(net, 1, 0, "early", 2);
    net_free(net);
}

static void a_lease_needs_no_round(void **state)
{
    (void)state;
    struct raft_options o = net_options();
    o.read_only = RAFT_READ_LEASE;
    struct raft *r;
    assert_int_equal(raft_new(&o, NULL, NULL, &r), ERR_INVALID); /* without check_quorum */
    o.check_quorum = true;
    struct net *net = net_new(3, 0, &o);
    net_elect(net, 1);
    net_isolate(net, 1);
    raft_read_index(net_raft(net, 1), slice_str("a"));
    net_settle(net);
    assert_read(net, 1, 0, "a", 2);
    raft_forget_leader(net_raft(net, 2)); /* would break the lease */
    assert_int_equal(raft_leader(net_raft(net, 2)), 1);
    net_free(net);
}

static void a_smaller_configuration_releases_reads(void **state)
{
    (void)state;
    struct net *net = net_new(2, 0, NULL);
    net_elect(net, 1);
    assert_int_equal(net_change(net, 1, RAFT_CONF_AUTO, "r2"), ERR_OK);
    struct node *one = net_node(net, 1);
    while (raft_committed(one->r) < 3) {
        (void)net_take(net, one);
        (void)net_write(net, one);
        (void)net_ack(one, 0);
        net_settle_node(net, 2);
        while (net->messages.n != 0)
            net_deliver(net, 0);
    }
    net_isolate(net, 2);
    raft_read_index(one->r, slice_str("a"));
    net_settle(net); /* applies the removal: we are alone */
    assert_read(net, 1, 0, "a", 3);
    net_free(net);
}

static void contexts_that_are_not_ours_confirm_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    struct raft *r = net_raft(net, 1);
    raft_read_index(r, slice_str("a"));
    static const char *const ctxs[] = {"", "short", "\xff\xff\xff\xff\xff\xff\xff\xff",
                                       "too long!"};
    for (size_t i = 0; i < ARRAY_LEN(ctxs); i++) {
        struct raft_message m = {.type = RAFT_MSG_HEARTBEAT_RESP, .from = 2, .to = 1, .term = 2,
                                 .context = blob_dup(slice_str(ctxs[i]))};
        assert_int_equal(raft_step(r, &m), ERR_OK);
        blob_unref(m.context);
        raft_check(r);
    }
    net_settle_node(net, 1);
    assert_int_equal(net_node(net, 1)->n_reads, 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quorum_confirms_a_read),
        cmocka_unit_test(without_a_quorum_there_is_no_read),
        cmocka_unit_test(reads_share_a_round),
        cmocka_unit_test(a_heartbeat_repeats_a_lost_round),
        cmocka_unit_test(followers_and_learners_ask_the_leader),
        cmocka_unit_test(a_single_voter_answers_its_learner),
        cmocka_unit_test(a_new_leader_first_commits_in_its_term),
        cmocka_unit_test(a_lease_needs_no_round),
        cmocka_unit_test(a_smaller_configuration_releases_reads),
        cmocka_unit_test(contexts_that_are_not_ours_confirm_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
