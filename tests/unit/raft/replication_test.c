/* tests/unit/raft/replication_test.c -- logs that meet again, what may be committed, flow control,
 * snapshots, and persistence that lags behind.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"
#include "raft/raft_priv.h"

static struct raft_progress_info progress(struct net *net, member_id of, member_id id)
{
    struct raft_progress_info p;
    assert_true(raft_progress_of(net_raft(net, of), id, &p));
    return p;
}

static void settle_proposal(struct net *net, member_id id, const char *data)
{
    assert_int_equal(net_propose(net, id, data), ERR_OK);
    net_settle(net);
}

/* Restart `id` in term 7 with a log of one entry of each of the given terms, behind index 1. */
static void set_log(struct net *net, member_id id, const raft_term *terms, size_t n)
{
    struct node *node = net_node(net, id);
    net_crash(node);
    for (size_t i = 0; i < n; i++) {
        struct raft_entry e = {.index = i + 2, .term = terms[i]};
        memlog_write(&node->disk, &e, 1);
    }
    node->disk.hs.term = 7;
    net_restart(net, node);
}

#define SET_LOG(net, id, ...)                                                                      \
    set_log(net, id, (raft_term[]){__VA_ARGS__}, sizeof((raft_term[]){__VA_ARGS__}) / 8)

/* The six followers of figure 7 of the paper, each in a cluster with a leader and a bystander that
 * has the leader's log. */
static void figure_7(void **state)
{
    (void)state;
    for (int follower = 0; follower < 6; follower++) {
        struct net *net = net_new(3, 0, NULL);
        SET_LOG(net, 1, 1, 1, 4, 4, 5, 5, 6, 6, 6);
        SET_LOG(net, 2, 1, 1, 4, 4, 5, 5, 6, 6, 6);
        switch (follower) {
        case 0:
            SET_LOG(net, 3, 1, 1, 4, 4, 5, 5, 6, 6);
            break;
        case 1:
            SET_LOG(net, 3, 1, 1);
            break;
        case 2:
            SET_LOG(net, 3, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6);
            break;
        case 3:
            SET_LOG(net, 3, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7);
            break;
        case 4:
            SET_LOG(net, 3, 1, 1, 4, 4, 4, 4);
            break;
        default:
            SET_LOG(net, 3, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3);
            break;
        }
        raft_campaign(net_raft(net, 1));
        net_settle(net);
        assert_true(raft_is_leader(net_raft(net, 1)));
        assert_int_equal(raft_last_index(net_raft(net, 3)), raft_last_index(net_raft(net, 1)));
        assert_int_equal(raft_committed(net_raft(net, 3)), raft_last_index(net_raft(net, 1)));
        net_check_logs(net);
        net_free(net);
    }
}

/* A long tail of a lost term is skipped in few rounds. */
static void hints_skip_a_whole_term(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    raft_term long_log[200], leader_log[200];
    for (size_t i = 0; i < 200; i++) {
        long_log[i] = 2;
        leader_log[i] = i < 2 ? 1 : 3;
    }
    set_log(net, 1, leader_log, 200);
    set_log(net, 2, leader_log, 200);
    set_log(net, 3, long_log, 200);
    raft_campaign(net_raft(net, 1));
    for (int i = 0; i < 8; i++) { /* vote, answer, append, reject, append, accept... */
        for (member_id id = 1; id <= 3; id++)
            net_settle_node(net, id);
        for (size_t n = net->messages.n; n > 0; n--)
            net_deliver(net, 0);
    }
    assert_int_equal(progress(net, 1, 3).match, 202);
    net_free(net);
}

/* Figure 8 of the paper: an entry of an earlier term that a majority has is not committed by
 * counting. */
static void only_the_own_term_is_counted(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    SET_LOG(net, 1, 2);
    raft_campaign(net_raft(net, 1));
    for (int i = 0; i < 2; i++) {
        net_settle_node(net, 1);
        net_settle_node(net, 2);
        for (size_t n = net->messages.n; n > 0; n--)
            net_deliver(net, 0);
    }
    assert_true(raft_is_leader(net_raft(net, 1)));
    struct raft *r = net_raft(net, 1);
    net_settle_node(net, 1);
    /* 2 has the entry of term 2, at index 2, but not yet the one of term 8. */
    struct raft_message ack = {
        .type = RAFT_MSG_APP_RESP, .from = 2, .to = 1, .term = raft_current_term(r), .index = 2};
    assert_int_equal(raft_step(r, &ack), ERR_OK);
    assert_int_equal(raft_committed(r), 1);
    ack.index = 3;
    assert_int_equal(raft_step(r, &ack), ERR_OK);
    assert_int_equal(raft_committed(r), 3);
    net_free(net);
}

static void a_follower_forwards_proposals(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    assert_int_equal(net_propose(net, 2, "x"), ERR_PROPOSAL_DROPPED); /* no leader */
    net_elect(net, 1);
    settle_proposal(net, 2, "x");
    for (member_id id = 1; id <= 3; id++)
        assert_int_equal(net_node(net, id)->now.applied, 3);
    net_free(net);

    struct raft_options o = net_options();
    o.disable_proposal_forwarding = true;
    net = net_new(3, 0, &o);
    net_elect(net, 1);
    assert_int_equal(net_propose(net, 2, "x"), ERR_PROPOSAL_DROPPED);
    net_free(net);
}

/* ---- flow control ------------------------------------------------------------------------- */

static size_t count_appends(const struct net *net, member_id to)
{
    size_t n = 0;
    for (size_t i = 0; i < net->messages.n; i++)
        n += net->messages.v[i].type == RAFT_MSG_APP && net->messages.v[i].to == to;
    return n;
}

static void inflights_are_limited_by_count(void **state)
{
    (void)state;
    struct raft_options o = net_options();
    o.max_inflight_msgs = 3;
    struct net *net = net_new(2, 0, &o);
    net_elect(net, 1);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
        net_settle_node(net, 1);
    }
    assert_int_equal(count_appends(net, 2), 3);
    assert_true(progress(net, 1, 2).paused && progress(net, 1, 2).inflight_full);
    net_settle(net);
    assert_int_equal(raft_committed(net_raft(net, 2)), 8);
    assert_int_equal(progress(net, 1, 2).inflight, 0);
    net_free(net);
}

static void inflights_are_limited_by_bytes(void **state)
{
    (void)state;
    struct raft_options o = net_options();
    o.max_size_per_msg = 10;
    o.max_inflight_bytes = 10;
    struct net *net = net_new(2, 0, &o);
    net_elect(net, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(net_propose(net, 1, "sixsix"), ERR_OK);
    net_settle_node(net, 1);
    assert_int_equal(count_appends(net, 2), 2); /* 12 bytes are out */
    net_settle(net);
    assert_int_equal(raft_committed(net_raft(net, 2)), 6);
    net_free(net);
}

static void a_probe_sends_one_at_a_time(void **state)
{
    (void)state;
    struct net *net = net_new(2, 0, NULL);
    net_elect(net, 1);
    raft_report_unreachable(net_raft(net, 1), 2);
    assert_int_equal(progress(net, 1, 2).state, RAFT_PROBE);
    for (int i = 0; i < 4; i++)
        assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    net_settle_node(net, 1);
    assert_int_equal(count_appends(net, 2), 1);
    while (net->messages.n != 0)
        net_lose(net, 0);
    net_ticks(net, 1, 1); /* a heartbeat's answer opens the probe again */
    net_settle(net);
    assert_int_equal(progress(net, 1, 2).state, RAFT_REPLICATE);
    assert_int_equal(raft_committed(net_raft(net, 2)), 6);
    net_free(net);
}

static void appends_are_pipelined(void **state)
{
    (void)state;
    struct net *net = net_new(2, 0, NULL);
    net_elect(net, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    assert_true(net_take(net, net_node(net, 1)));
    assert_int_equal(count_appends(net, 2), 5); /* before our own disk has them */
    net_settle(net);
    net_free(net);
}

/* ---- snapshots ---------------------------------------------------------------------------- */

static struct net *compacted_net(void)
{
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    net_isolate(net, 3);
    for (int i = 0; i < 5; i++)
        settle_proposal(net, 1, "x");
    net_checkpoint(net_node(net, 1));
    net_compact(net_node(net, 1));
    net_heal(net);
    return net;
}

static void a_snapshot_brings_a_follower_back(void **state)
{
    (void)state;
    struct net *net = compacted_net();
    net_ticks(net, 1, 1);
    net_settle(net);
    struct node *three = net_node(net, 3);
    assert_int_equal(three->disk.base, 7);
    assert_int_equal(three->now.applied, 7);
    assert_int_equal(raft_applied_index(three->r), 7);
    settle_proposal(net, 1, "y");
    assert_int_equal(three->now.applied, 8);
    assert_int_equal(progress(net, 1, 3).state, RAFT_REPLICATE);
    net_free(net);
}

static void a_snapshot_that_is_not_there_yet_is_asked_for_again(void **state)
{
    (void)state;
    struct net *net = compacted_net();
    net_node(net, 1)->disk.snapshot_busy = true;
    net_ticks(net, 1, 1);
    net_settle(net);
    assert_int_equal(progress(net, 1, 3).state, RAFT_PROBE);
    net_node(net, 1)->disk.snapshot_busy = false;
    net_ticks(net, 1, 1);
    net_settle(net);
    assert_int_equal(net_node(net, 3)->now.applied, 7);
    net_free(net);
}

static void a_failed_snapshot_is_probed_again(void **state)
{
    (void)state;
    struct net *net = compacted_net();
    net_ticks(net, 1, 1);
    while (progress(net, 1, 3).state != RAFT_SNAPSHOT) {
        net_settle_node(net, 1);
        net_settle_node(net, 3);
        net_deliver(net, 0);
    }
    raft_report_snapshot(net_raft(net, 1), 3, false);
    assert_int_equal(progress(net, 1, 3).state, RAFT_PROBE);
    assert_int_equal(progress(net, 1, 3).next, progress(net, 1, 3).match + 1);
    assert_true(progress(net, 1, 3).paused);
    net_free(net);
}

static void a_snapshot_of_what_we_have_is_ignored(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    net_checkpoint(net_node(net, 1));
    struct raft_snapshot s = raft_snapshot_copy(&net_node(net, 1)->disk.snapshot);
    struct raft_message m = {
        .type = RAFT_MSG_SNAP, .from = 1, .to = 2, .term = 2, .snapshot = &s};
    assert_int_equal(raft_step(net_raft(net, 2), &m), ERR_OK);
    assert_int_equal(raft_last_index(net_raft(net, 2)), 2);
    assert_null(net_raft(net, 2)->log.snapshot);
    raft_snapshot_fini(&s);
    net_free(net);
}

/* A snapshot from before a member was added would be refused there for ever. */
static void no_snapshot_that_does_not_name_the_member(void **state)
{
    (void)state;
    struct net *net = net_new(1, 0, NULL);
    net_elect(net, 1);
    net_checkpoint(net_node(net, 1));
    net_add(net);
    assert_int_equal(net_change(net, 1, RAFT_CONF_AUTO, "v2"), ERR_OK);
    net_settle(net);
    net_ticks(net, 1, 1);
    net_settle(net); /* comes to an end */
    assert_int_not_equal(progress(net, 1, 2).state, RAFT_SNAPSHOT);
    net_checkpoint(net_node(net, 1));
    net_ticks(net, 1, 1);
    net_settle(net);
    assert_int_equal(net_node(net, 2)->now.applied, net_node(net, 1)->now.applied);
    net_free(net);
}

/* ---- persistence that lags ----------------------------------------------------------------- */

static struct raft_message append(raft_term term, raft_index prev, raft_term prev_term)
{
    return (struct raft_message){.type = RAFT_MSG_APP, .from = term == 3 ? 3 : 2, .to = 1,
                                 .term = term, .index = prev, .log_term = prev_term};
}

static void receive(struct net *net, struct raft_message m, const struct raft_entry *v, size_t n)
{
    raft_entries_add(&m.entries, v, n);
    assert_int_equal(raft_step(net_raft(net, 1), &m), ERR_OK);
    raft_entries_fini(&m.entries);
    raft_check(net_raft(net, 1));
}

/* The entry (2, term 2) is written, replaced by (2, term 3), and comes back as (2, term 2) in term
 * 4: the first acknowledgement must not count for the third write. */
static void an_entry_that_comes_back_is_not_yet_durable(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct node *one = net_node(net, 1);
    struct raft_entry old = {.index = 2, .term = 2}, other = {.index = 2, .term = 3};
    receive(net, append(2, 1, 1), &old, 1);
    assert_true(net_take(net, one));
    receive(net, append(3, 1, 1), &other, 1);
    assert_true(net_take(net, one));
    receive(net, append(4, 1, 1), &old, 1);
    assert_true(net_take(net, one));
    for (int i = 0; i < 2; i++) {
        assert_true(net_write(net, one));
        assert_true(net_ack(one, 0));
        assert_int_equal(raft_persisted_index(one->r), 1);
    }
    assert_true(net_write(net, one));
    assert_true(net_ack(one, 0));
    assert_int_equal(raft_persisted_index(one->r), 2);
    net_free(net);
}

static void acknowledgements_wait_for_the_writes_before_them(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct node *one = net_node(net, 1);
    struct raft_entry e = {.index = 2, .term = 2};
    receive(net, append(2, 1, 1), &e, 1);
    assert_true(net_take(net, one));
    receive(net, append(2, 1, 1), &e, 1); /* the same again: nothing to write */
    assert_true(net_take(net, one));
    assert_int_equal(one->writes.v[1].entries.n, 0);
    assert_int_equal(one->writes.v[1].messages.n, 0);
    assert_int_equal(one->writes.v[1].messages_after_persist.n, 1);
    net_free(net);
}

static void a_committed_entry_is_applied_when_it_is_durable_here(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct node *one = net_node(net, 1);
    struct raft_entry e = {.index = 2, .term = 2};
    struct raft_message m = append(2, 1, 1);
    m.commit = 2;
    receive(net, m, &e, 1);
    assert_true(net_take(net, one));
    assert_int_equal(raft_committed(one->r), 2);
    assert_int_equal(one->applies.n, 0);
    assert_true(net_write(net, one));
    assert_true(net_ack(one, 0));
    assert_true(net_take(net, one));
    assert_int_equal(one->applies.n, 1);
    net_free(net);
}

static void a_leader_commits_without_its_own_disk(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    assert_true(net_take(net, net_node(net, 1))); /* and its write never ends */
    for (int i = 0; i < 4; i++) {
        net_settle_node(net, 2);
        net_settle_node(net, 3);
        while (net->messages.n != 0)
            net_deliver(net, 0);
    }
    assert_int_equal(raft_committed(net_raft(net, 1)), 3);
    assert_int_equal(raft_persisted_index(net_raft(net, 1)), 2);
    assert_int_equal(progress(net, 1, 1).match, 2);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figure_7),
        cmocka_unit_test(hints_skip_a_whole_term),
        cmocka_unit_test(only_the_own_term_is_counted),
        cmocka_unit_test(a_follower_forwards_proposals),
        cmocka_unit_test(inflights_are_limited_by_count),
        cmocka_unit_test(inflights_are_limited_by_bytes),
        cmocka_unit_test(a_probe_sends_one_at_a_time),
        cmocka_unit_test(appends_are_pipelined),
        cmocka_unit_test(a_snapshot_brings_a_follower_back),
        cmocka_unit_test(a_snapshot_that_is_not_there_yet_is_asked_for_again),
        cmocka_unit_test(a_failed_snapshot_is_probed_again),
        cmocka_unit_test(a_snapshot_of_what_we_have_is_ignored),
        cmocka_unit_test(no_snapshot_that_does_not_name_the_member),
        cmocka_unit_test(an_entry_that_comes_back_is_not_yet_durable),
        cmocka_unit_test(acknowledgements_wait_for_the_writes_before_them),
        cmocka_unit_test(a_committed_entry_is_applied_when_it_is_durable_here),
        cmocka_unit_test(a_leader_commits_without_its_own_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
