/* tests/unit/raft/conf_test.c -- changes of the configuration: simple and joint, learners, and the
 * bytes that they travel in.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "dd.h"
#include "net.h"
#include "raft/conf_codec.h"
#include "raft/raft_priv.h"

static void assert_ids(const struct raft_ids *s, const char *expected)
{
    struct buf b = BUF_INIT;
    dd_add_ids(&b, s);
    assert_string_equal(buf_cstr(&b), expected);
    buf_fini(&b);
}

static void assert_conf(struct net *net, member_id id, const char *voters, const char *outgoing,
                        const char *learners)
{
    const struct raft_conf_state *c = &net_raft(net, id)->tracker.conf;
    assert_ids(&c->voters, voters);
    assert_ids(&c->voters_outgoing, outgoing);
    assert_ids(&c->learners, learners);
}

static void change(struct net *net, enum raft_conf_transition t, const char *changes)
{
    assert_int_equal(net_change(net, 1, t, changes), ERR_OK);
    net_settle(net);
    net_ticks(net, 1, 1); /* lets a fresh member be probed */
    net_checkpoint(net_node(net, 1));
    net_settle(net);
}

/* A leader of one, and three that know nothing. */
static struct net *grow_net(void)
{
    struct net *net = net_new(1, 0, NULL);
    for (int i = 0; i < 3; i++)
        net_add(net);
    net_elect(net, 1);
    return net;
}

static void one_member_at_a_time(void **state)
{
    (void)state;
    struct net *net = grow_net();
    change(net, RAFT_CONF_AUTO, "v2");
    change(net, RAFT_CONF_AUTO, "l3");
    assert_conf(net, 1, "1 2", "", "3");
    assert_conf(net, 3, "1 2", "", "3");
    change(net, RAFT_CONF_AUTO, "v3"); /* promote */
    assert_conf(net, 2, "1 2 3", "", "");
    assert_false(raft_is_learner(net_raft(net, 3), 3));
    change(net, RAFT_CONF_AUTO, "r2");
    assert_conf(net, 3, "1 3", "", "");
    net_free(net);
}

static void version_1_works_the_same(void **state)
{
    (void)state;
    struct net *net = grow_net();
    struct raft_conf_change_single add = {RAFT_CONF_ADD_NODE, 2};
    struct raft_conf_change cc = {.id = 77, .changes = &add, .n_changes = 1};
    assert_int_equal(raft_propose_conf_change(net_raft(net, 1), &cc, true), ERR_OK);
    cc.n_changes = 0;
    assert_int_equal(raft_propose_conf_change(net_raft(net, 1), &cc, true), ERR_INVALID);
    net_settle(net);
    assert_conf(net, 1, "1 2", "", "");
    net_free(net);
}

static void a_joint_configuration_leaves_by_itself(void **state)
{
    (void)state;
    struct net *net = grow_net();
    change(net, RAFT_CONF_AUTO, "v2 v3");
    assert_conf(net, 1, "1 2 3", "", "");
    assert_conf(net, 3, "1 2 3", "", "");
    change(net, RAFT_CONF_AUTO, "r2 v4");
    assert_conf(net, 4, "1 3 4", "", "");
    net_free(net);
}

static void an_explicit_one_waits(void **state)
{
    (void)state;
    struct net *net = grow_net();
    change(net, RAFT_CONF_JOINT_EXPLICIT, "v2 v3");
    assert_conf(net, 1, "1 2 3", "1", "");
    change(net, RAFT_CONF_JOINT_EXPLICIT, "v4"); /* refused: logged as nothing */
    assert_conf(net, 1, "1 2 3", "1", "");
    change(net, RAFT_CONF_AUTO, "");
    assert_conf(net, 1, "1 2 3", "", "");
    net_free(net);
}

static void a_joint_quorum_needs_both_halves(void **state)
{
    (void)state;
    struct net *net = grow_net();
    change(net, RAFT_CONF_AUTO, "v2 v3");
    change(net, RAFT_CONF_JOINT_EXPLICIT, "r2 r3 v4");
    assert_conf(net, 1, "1 4", "1 2 3", "");
    raft_index before = raft_committed(net_raft(net, 1));
    net_isolate(net, 2);
    net_isolate(net, 3);
    assert_int_equal(net_propose(net, 1, "x"), ERR_OK);
    net_settle(net); /* 1 and 4 are all of the new half, but a minority of the old one */
    assert_int_equal(raft_committed(net_raft(net, 1)), before);
    net_heal(net);
    net_ticks(net, 1, 1);
    net_settle(net);
    assert_int_equal(raft_committed(net_raft(net, 1)), before + 1);
    net_free(net);
}

static void a_voter_becomes_a_learner_when_the_old_half_is_left(void **state)
{
    (void)state;
    struct net *net = grow_net();
    change(net, RAFT_CONF_AUTO, "v2 v3");
    change(net, RAFT_CONF_JOINT_EXPLICIT, "l3 v4");
    assert_conf(net, 1, "1 2 4", "1 2 3", "");
    assert_ids(&net_raft(net, 1)->tracker.conf.learners_next, "3");
    change(net, RAFT_CONF_AUTO, "");
    assert_conf(net, 1, "1 2 4", "", "3");
    net_free(net);
}

static void one_change_at_a_time(void **state)
{
    (void)state;
    struct net *net = grow_net();
    assert_int_equal(net_change(net, 1, RAFT_CONF_AUTO, "v2"), ERR_OK);
    assert_int_equal(net_change(net, 1, RAFT_CONF_AUTO, "v3"), ERR_OK);
    net_settle(net);
    assert_conf(net, 1, "1 2", "", "");
    net_free(net);
}

static void no_campaign_with_an_unapplied_change(void **state)
{
    (void)state;
    struct net *net = net_new(2, 0, NULL);
    net_elect(net, 1);
    assert_int_equal(net_change(net, 1, RAFT_CONF_AUTO, "r2"), ERR_OK);
    /* 2 learns that it is committed, but does not apply it. */
    struct node *two = net_node(net, 2);
    while (raft_committed(two->r) < 3) {
        net_settle_node(net, 1);
        (void)net_take(net, two);
        (void)net_write(net, two);
        (void)net_ack(two, 0);
        while (net->messages.n != 0)
            net_deliver(net, 0);
    }
    raft_campaign(two->r);
    assert_int_equal(raft_role(two->r), RAFT_FOLLOWER);
    net_free(net);
}

static void a_removed_leader_goes_on_until_it_is_known(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    change(net, RAFT_CONF_AUTO, "r1");
    assert_true(raft_is_leader(net_raft(net, 1)));
    assert_int_equal(net_propose(net, 1, "x"), ERR_PROPOSAL_DROPPED);
    net_elect(net, 2);
    assert_conf(net, 3, "2 3", "", "");
    net_free(net);

    struct raft_options o = net_options();
    o.step_down_on_removal = true;
    net = net_new(3, 0, &o);
    net_elect(net, 1);
    change(net, RAFT_CONF_AUTO, "r1");
    assert_false(raft_is_leader(net_raft(net, 1)));
    net_free(net);
}

static void a_transfer_to_a_removed_voter_ends(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    net_elect(net, 1);
    net_isolate(net, 3);
    assert_int_equal(net_change(net, 1, RAFT_CONF_AUTO, "r3"), ERR_OK);
    raft_transfer_leader(net_raft(net, 1), 3);
    net_settle(net);
    assert_int_equal(raft_transferee(net_raft(net, 1)), 0);
    net_free(net);
}

static void a_change_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct net *net = net_new(3, 0, NULL);
    struct raft_conf_change_single remove[3] = {
        {RAFT_CONF_REMOVE_NODE, 1}, {RAFT_CONF_REMOVE_NODE, 2}, {RAFT_CONF_REMOVE_NODE, 3}};
    struct raft_conf_change cc = {.changes = remove, .n_changes = 3};
    assert_int_equal(raft_apply_conf_change(net_raft(net, 1), &cc, NULL), ERR_INVALID);
    cc.n_changes = 0;
    assert_int_equal(raft_apply_conf_change(net_raft(net, 1), &cc, NULL), ERR_INVALID);
    assert_conf(net, 1, "1 2 3", "", "");
    raft_check(net_raft(net, 1));
    net_free(net);
}

/* ---- bytes ------------------------------------------------------------------------------- */

static void version_1_bytes(void **state)
{
    (void)state;
    struct raft_conf_change_single one = {RAFT_CONF_ADD_LEARNER, 300};
    struct raft_conf_change cc = {
        .id = 5, .changes = &one, .n_changes = 1, .context = blob_dup(slice_str("ab"))};
    struct blob *b = raft_conf_change_encode(&cc, true);
    const uint8_t expected[] = {0x08, 5, 0x10, 3, 0x18, 0xac, 2, 0x22, 2, 'a', 'b'};
    assert_int_equal(b->n, sizeof expected);
    assert_memory_equal(b->p, expected, sizeof expected);
    struct raft_conf_change back;
    assert_int_equal(raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE, blob_slice(b), &back),
                     ERR_OK);
    assert_int_equal(back.id, 5);
    assert_int_equal(back.changes[0].node, 300);
    assert_true(slice_is(blob_slice(back.context), "ab"));
    raft_conf_change_fini(&back);
    blob_unref(b);
    blob_unref(cc.context);
}

static void version_2_bytes(void **state)
{
    (void)state;
    struct raft_conf_change leave = {0};
    assert_null(raft_conf_change_encode(&leave, false));
    struct raft_conf_change_single two[2] = {{RAFT_CONF_ADD_NODE, 1}, {RAFT_CONF_REMOVE_NODE, 2}};
    struct raft_conf_change cc = {
        .transition = RAFT_CONF_JOINT_EXPLICIT, .changes = two, .n_changes = 2};
    struct blob *b = raft_conf_change_encode(&cc, false);
    const uint8_t expected[] = {0x08, 2, 0x12, 4, 8, 0, 16, 1, 0x12, 4, 8, 1, 16, 2};
    assert_int_equal(b->n, sizeof expected);
    assert_memory_equal(b->p, expected, sizeof expected);
    struct raft_conf_change back;
    assert_int_equal(raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE_V2, blob_slice(b), &back),
                     ERR_OK);
    assert_int_equal(back.transition, RAFT_CONF_JOINT_EXPLICIT);
    assert_int_equal(back.n_changes, 2);
    assert_int_equal(back.changes[1].node, 2);
    raft_conf_change_fini(&back);
    blob_unref(b);
}

static void bad_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *p;
        size_t n;
    } bad[] = {
        {"\x08", 1},         {"\x08\xff", 2},         {"\x22\x05zz", 4}, {"\x10\x09", 2},
        {"\x00\x00", 2},     {"\x0b", 1},             {"\x1d\x01", 2},   {"\x09\x01", 2},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
    };
    struct raft_conf_change cc;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE,
                                                 slice_make(bad[i].p, bad[i].n), &cc),
                         ERR_MALFORMED);
    assert_int_equal(raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE_V2, slice_str("\x08\x07"), &cc),
                     ERR_MALFORMED);
    assert_int_equal(raft_conf_change_decode(RAFT_ENTRY_NORMAL, slice_str(""), &cc),
                     ERR_MALFORMED);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    struct rng rng = {3};
    for (int i = 0; i < 20000; i++) {
        uint8_t p[24];
        size_t n = rng_below(&rng, sizeof p + 1);
        for (size_t k = 0; k < n; k++)
            p[k] = (uint8_t)(rng_below(&rng, 3) ? rng_below(&rng, 40) : rng_next(&rng));
        struct raft_conf_change cc;
        enum raft_entry_type t = 1 + (enum raft_entry_type)rng_below(&rng, 2);
        if (raft_conf_change_decode(t, slice_make(p, n), &cc) == ERR_OK)
            raft_conf_change_fini(&cc);
    }
}

static void too_many_changes_are_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (int i = 0; i <= RAFT_CONF_CHANGES_MAX; i++)
        buf_add(&b, "\x12\x00", 2);
    struct raft_conf_change cc;
    assert_int_equal(raft_conf_change_decode(RAFT_ENTRY_CONF_CHANGE_V2, buf_slice(&b), &cc),
                     ERR_TOO_LARGE);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_at_a_time),
        cmocka_unit_test(version_1_works_the_same),
        cmocka_unit_test(a_joint_configuration_leaves_by_itself),
        cmocka_unit_test(an_explicit_one_waits),
        cmocka_unit_test(a_joint_quorum_needs_both_halves),
        cmocka_unit_test(a_voter_becomes_a_learner_when_the_old_half_is_left),
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(no_campaign_with_an_unapplied_change),
        cmocka_unit_test(a_removed_leader_goes_on_until_it_is_known),
        cmocka_unit_test(a_transfer_to_a_removed_voter_ends),
        cmocka_unit_test(a_change_that_does_not_fit_changes_nothing),
        cmocka_unit_test(version_1_bytes),
        cmocka_unit_test(version_2_bytes),
        cmocka_unit_test(bad_bytes_are_refused),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(too_many_changes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
