/* tests/unit/raft/election_test.c -- elections, pre-vote, check-quorum, and handing over.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"
#include "raft/raft_priv.h"

static bool is_leader(struct net *net, member_id id)
{
    return raft_is_leader(net_raft(net, id));
}

static void step(struct net *net, member_id to, struct raft_message m)
{
    m.to = to;
    assert_int_equal(raft_step(net_raft(net, to), &m), ERR_OK);
    raft_check(net_raft(net, to));
}

/* Take one ready of `id`, synchronously, and return the only message of `type` in it. */
static struct raft_message answer(struct net *net, member_id id, enum raft_message_type type)
{
    struct raft_message found = {.type = RAFT_MSG_HUP};
    net_settle_node(net, id);
    for (size_t i = 0; i < net->messages.n; i++) {
        struct raft_message *m = &net->messages.v[i];
        if (m->from == id && m->type == type) {
            assert_int_equal(found.type, RAFT_MSG_HUP);
            found = *m;
            found.entries = (struct raft_entries){0};
            found.context = NULL;
            found.snapshot = NULL;
        }
    }
    while (net->messages.n != 0)
        net_lose(net, 0);
    assert_int_equal(found.type, type);
    return found;
}

static void all_sizes_elect(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 5; n++) {
        struct net *net = net_new(n, 0, NULL);
        net_elect(net, n);
        for (size_t i = 1; i <= n; i++) {
            assert_int_equal(raft_leader(net_raft(net, i)), n);
            assert_int_equal(raft_committed(net_raft(net, i)), 2);
            assert_int_equal(raft_current_term(net_raft(net, i)), 2);
        }
        net_free(net);
    }
}

static void timeouts_are_spread(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct raft *r = net_raft(net, 1);
    bool seen[20] = {false};
    for (int i = 0; i < 400; i++) {
        raft_become_follower(r, r->term + 1, 0);
        assert_in_range(r->randomized_timeout, 10, 19);
        seen[r->randomized_timeout] = true;
    }
    for (int i = 10; i < 20; i++)
        assert_true(seen[i]);
    net_free(net);
}

static void a_minority_elects_nobody(void **state)
{
    (void)state;
    struct net *net = net_new(5, 0, NULL);
    net_isolate(net, 4);
    net_isolate(net, 5);
    net_isolate(net, 3);
    raft_campaign(net_raft(net, 1));
    net_settle(net);
    assert_int_equal(raft_role(net_raft(net, 1)), RAFT_CANDIDATE);
    net_heal(net);
    net_elect(net, 1);
    net_free(net);
}

static void one_vote_in_a_term(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct raft_message vote = {
        .type = RAFT_MSG_VOTE, .from = 2, .term = 2, .index = 1, .log_term = 1};
    step(net, 1, vote);
    assert_false(answer(net, 1, RAFT_MSG_VOTE_RESP).reject);
    vote.from = 3;
    step(net, 1, vote);
    assert_true(answer(net, 1, RAFT_MSG_VOTE_RESP).reject);
    vote.from = 2; /* the same again */
    step(net, 1, vote);
    assert_false(answer(net, 1, RAFT_MSG_VOTE_RESP).reject);
    /* It holds after a restart. */
    net_crash(net_node(net, 1));
    net_restart(net, net_node(net, 1));
    vote.from = 3;
    step(net, 1, vote);
    assert_true(answer(net, 1, RAFT_MSG_VOTE_RESP).reject);
    net_free(net);
}

static void no_vote_for_a_shorter_log(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    net_isolate(net, 3);
    assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    net_settle(net);
    net_heal(net);
    raft_campaign(net_raft(net, 3));
    net_settle(net);
    assert_false(is_leader(net, 3));
    assert_int_equal(net_leader(net), 0); /* but the term went up */
    net_elect(net, 2);
    assert_int_equal(raft_last_index(net_raft(net, 3)), raft_last_index(net_raft(net, 2)));
    net_free(net);
}

static void a_vote_counts_when_it_is_durable(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct node *one = net_node(net, 1), *two = net_node(net, 2);
    raft_campaign(one->r);
    assert_true(net_take(net, one));
    assert_int_equal(net->messages.n, 0); /* the request waits for our term and vote */
    assert_true(net_write(net, one));
    assert_int_equal(net->messages.n, 2);
    net_deliver(net, 0);
    assert_true(net_take(net, two));
    assert_int_equal(net->messages.n, 1);
    net_crash(two); /* it never voted */
    net_restart(net, two);
    assert_int_equal(raft_vote(two->r), 0);
    net_free(net);
}

static void a_higher_term_ends_leadership(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    step(net, 1, (struct raft_message){.type = RAFT_MSG_APP, .from = 3, .term = 9, .index = 2,
                                       .log_term = 2});
    assert_int_equal(raft_role(net_raft(net, 1)), RAFT_FOLLOWER);
    assert_int_equal(raft_current_term(net_raft(net, 1)), 9);
    assert_int_equal(raft_leader(net_raft(net, 1)), 3);
    net_free(net);
}

static void a_candidate_yields_to_the_leader_of_its_term(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    raft_campaign(net_raft(net, 1));
    step(net, 1, (struct raft_message){.type = RAFT_MSG_HEARTBEAT, .from = 2, .term = 2});
    assert_int_equal(raft_role(net_raft(net, 1)), RAFT_FOLLOWER);
    assert_int_equal(raft_leader(net_raft(net, 1)), 2);
    net_free(net);
}

/* ---- pre-vote ---------------------------------------------------------------------------- */

static struct net *pre_vote_net(bool check_quorum)
{
    struct raft_options o = net_options();
    o.pre_vote = true;
    o.check_quorum = check_quorum;
    return net_new(3, 0, &o);
}

static void pre_vote_does_not_raise_terms(void **state)
{
    (void)state;
    struct net *net = pre_vote_net(false);
    net_elect(net, 1);
    net_isolate(net, 3);
    for (int i = 0; i < 100; i++) {
        net_ticks(net, 3, 1);
        net_settle(net);
    }
    assert_int_equal(raft_current_term(net_raft(net, 3)), 2);
    assert_int_equal(raft_role(net_raft(net, 3)), RAFT_PRE_CANDIDATE);
    assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    net_settle(net);
    net_heal(net);
    raft_campaign(net_raft(net, 3)); /* its log is behind: nobody is disturbed */
    net_settle(net);
    assert_true(is_leader(net, 1));
    assert_int_equal(raft_current_term(net_raft(net, 1)), 2);
    net_ticks(net, 1, 1);
    net_settle(net);
    assert_int_equal(raft_leader(net_raft(net, 3)), 1);
    net_free(net);
}

static void pre_vote_respects_the_lease(void **state)
{
    (void)state;
    struct net *net = pre_vote_net(true);
    net_elect(net, 1);
    raft_campaign(net_raft(net, 3)); /* its log is as good, but 1 is alive */
    net_settle(net);
    assert_true(is_leader(net, 1));
    assert_int_equal(raft_current_term(net_raft(net, 1)), 2);
    net_free(net);
}

static void a_stale_pre_vote_is_told_the_term(void **state)
{
    (void)state;
    struct net *net = pre_vote_net(false);
    net_elect(net, 1);
    step(net, 2, (struct raft_message){.type = RAFT_MSG_PRE_VOTE, .from = 3, .term = 1,
                                       .index = 9, .log_term = 1});
    struct raft_message m = answer(net, 2, RAFT_MSG_PRE_VOTE_RESP);
    assert_true(m.reject);
    assert_int_equal(m.term, 2);
    net_free(net);
}

/* ---- check-quorum ------------------------------------------------------------------------ */

static struct net *check_quorum_net(void)
{
    struct raft_options o = net_options();
    o.check_quorum = true;
    return net_new(3, 0, &o);
}

static void a_leader_without_followers_steps_down(void **state)
{
    (void)state;
    struct net *net = check_quorum_net();
    net_elect(net, 1);
    net_isolate(net, 1);
    net_ticks(net, 1, 10); /* they answered in this span */
    assert_true(is_leader(net, 1));
    net_ticks(net, 1, 10);
    assert_false(is_leader(net, 1));
    assert_int_equal(raft_leader(net_raft(net, 1)), 0);
    net_free(net);
}

static void votes_are_ignored_in_the_lease(void **state)
{
    (void)state;
    struct net *net = check_quorum_net();
    net_elect(net, 1);
    raft_campaign(net_raft(net, 3));
    net_settle(net);
    assert_int_equal(raft_current_term(net_raft(net, 2)), 2);
    assert_false(is_leader(net, 3));
    net_ticks(net, 2, 10); /* 2 does not hear from 1 any more */
    net_elect(net, 3);
    net_free(net);
}

static void a_stuck_candidate_frees_itself(void **state)
{
    (void)state;
    struct net *net = check_quorum_net();
    net_elect(net, 1);
    net_isolate(net, 3);
    raft_campaign(net_raft(net, 3));
    net_settle(net);
    assert_int_equal(raft_current_term(net_raft(net, 3)), 3);
    net_heal(net);
    net_ticks(net, 1, 1); /* 3 answers the heartbeat of term 2 with its term */
    net_settle(net);
    assert_false(is_leader(net, 1));
    net_elect(net, 1);
    assert_int_equal(raft_leader(net_raft(net, 3)), 1);
    net_free(net);
}

static void forget_leader_allows_a_vote(void **state)
{
    (void)state;
    struct net *net = check_quorum_net();
    net_elect(net, 1);
    net_isolate(net, 1);
    raft_forget_leader(net_raft(net, 2));
    assert_int_equal(raft_leader(net_raft(net, 2)), 0);
    net_elect(net, 3);
    net_free(net);
}

/* ---- handing over ------------------------------------------------------------------------- */

static void transfer_to_one_that_is_up_to_date(void **state)
{
    (void)state;
    struct net *net = check_quorum_net(); /* the lease does not matter here */
    net_elect(net, 1);
    raft_transfer_leader(net_raft(net, 1), 3);
    net_settle(net);
    assert_true(is_leader(net, 3));
    assert_int_equal(raft_leader(net_raft(net, 1)), 3);
    raft_transfer_leader(net_raft(net, 2), 2); /* a follower passes the wish on */
    net_settle(net);
    assert_true(is_leader(net, 2));
    net_free(net);
}

static void transfer_waits_for_the_log(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    net_isolate(net, 3);
    assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    net_settle(net);
    net_heal(net);
    raft_transfer_leader(net_raft(net, 1), 3);
    assert_int_equal(net_propose(net, 1, "y"), ERR_PROPOSAL_DROPPED);
    net_settle(net);
    net_ticks(net, 1, 1); /* the append to 3 was lost while it was away */
    net_settle(net);
    assert_true(is_leader(net, 3));
    net_free(net);
}

static void transfer_is_given_up(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    net_isolate(net, 3);
    raft_transfer_leader(net_raft(net, 1), 3);
    net_settle(net);
    assert_int_equal(raft_transferee(net_raft(net, 1)), 3);
    raft_transfer_leader(net_raft(net, 1), 1); /* to itself: the wish is withdrawn */
    assert_int_equal(raft_transferee(net_raft(net, 1)), 0);
    raft_transfer_leader(net_raft(net, 1), 3);
    net_ticks(net, 1, 10);
    assert_int_equal(raft_transferee(net_raft(net, 1)), 0);
    assert_true(is_leader(net, 1));
    assert_int_equal(net_propose(net, 1, "y"), ERR_OK);
    net_free(net);
}

static void no_transfer_to_learners_and_strangers(void **state)
{
    (void)state;
    struct net *net = net_new(2, 1, NULL);
    net_elect(net, 1);
    raft_transfer_leader(net_raft(net, 1), 3);
    assert_int_equal(raft_transferee(net_raft(net, 1)), 0);
    raft_transfer_leader(net_raft(net, 1), 9);
    assert_int_equal(raft_transferee(net_raft(net, 1)), 0);
    net_free(net);
}

/* ---- learners ---------------------------------------------------------------------------- */

static void a_learner_follows_but_does_not_stand(void **state)
{
    (void)state;
    struct net *net = net_new(1, 1, NULL);
    net_ticks(net, 2, 50);
    assert_int_equal(raft_role(net_raft(net, 2)), RAFT_FOLLOWER);
    assert_true(raft_is_learner(net_raft(net, 2), 2));
    net_elect(net, 1);
    assert_int_equal(raft_applied_index(net_raft(net, 2)), 2);
    step(net, 2, (struct raft_message){.type = RAFT_MSG_TIMEOUT_NOW, .from = 1, .term = 2});
    assert_int_equal(raft_role(net_raft(net, 2)), RAFT_FOLLOWER);
    /* It votes, for it may be a voter already without knowing. */
    step(net, 2, (struct raft_message){.type = RAFT_MSG_VOTE, .from = 1, .term = 3, .index = 2,
                                       .log_term = 2});
    assert_false(answer(net, 2, RAFT_MSG_VOTE_RESP).reject);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sizes_elect),
        cmocka_unit_test(timeouts_are_spread),
        cmocka_unit_test(a_minority_elects_nobody),
        cmocka_unit_test(one_vote_in_a_term),
        cmocka_unit_test(no_vote_for_a_shorter_log),
        cmocka_unit_test(a_vote_counts_when_it_is_durable),
        cmocka_unit_test(a_higher_term_ends_leadership),
        cmocka_unit_test(a_candidate_yields_to_the_leader_of_its_term),
        cmocka_unit_test(pre_vote_does_not_raise_terms),
        cmocka_unit_test(pre_vote_respects_the_lease),
        cmocka_unit_test(a_stale_pre_vote_is_told_the_term),
        cmocka_unit_test(a_leader_without_followers_steps_down),
        cmocka_unit_test(votes_are_ignored_in_the_lease),
        cmocka_unit_test(a_stuck_candidate_frees_itself),
        cmocka_unit_test(forget_leader_allows_a_vote),
        cmocka_unit_test(transfer_to_one_that_is_up_to_date),
        cmocka_unit_test(transfer_waits_for_the_log),
        cmocka_unit_test(transfer_is_given_up),
        cmocka_unit_test(no_transfer_to_learners_and_strangers),
        cmocka_unit_test(a_learner_follows_but_does_not_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
