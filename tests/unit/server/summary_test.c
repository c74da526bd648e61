/* tests/unit/server/summary_test.c -- what the control thread sees of a member.
 * SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "loop/clock.h"
#include "server/server.h"
#include "server/server_priv.h"

enum { PATIENCE_MS = 20000 };

static bool summary_within(struct rig *g, bool (*holds)(const struct server_summary *s))
{
    struct server_summary s;
    msec end = clock_now_ms() + PATIENCE_MS;
    do
        server_summary(g->server, &s);
    while (!holds(&s) && clock_now_ms() < end);
    return holds(&s);
}

static bool leads(const struct server_summary *s)
{
    return s->leads && s->leader != 0 && s->term >= 2 && s->voters == 1 && s->connected == 1 &&
           s->missing[0] == '\0' && s->quota == 1 << 30 && !s->is_learner && !s->restoring;
}

static void a_summary_says_who_leads_and_what_is_stored(void **state)
{
    struct rig *g = *state;
    struct server_summary s;
    rig_start(g, "--quota-backend-bytes=1073741824", NULL);
    assert_true(summary_within(g, leads));
    revision rev = rig_put(g, "a", "b");
    server_summary(g->server, &s);
    assert_int_equal(s.rev, rev);
    assert_true(s.db_in_use > 0 && s.applied > 0 && s.committed >= s.applied);
    assert_int_equal(s.alarms, 0);
    rig_stop(g);
}

static bool has_another_quota(const struct server_summary *s)
{
    return s->quota == 5000000;
}

static void a_reload_reaches_the_member(void **state)
{
    struct rig *g = *state;
    rig_start(g, NULL, NULL);
    struct config other = *g->cfg;
    other.quota_bytes = 5000000;
    other.compaction_mode = CONFIG_COMPACT_REVISION;
    other.compaction_revisions = 5;
    server_reconfigure(g->server, &other);
    assert_true(summary_within(g, has_another_quota));
    assert_int_equal((int)rig_metric(g, "etcd_server_quota_backend_bytes"), 5000000);
    (void)rig_put(g, "a", "b");
    rig_stop(g);
}

/* A task that keeps the member until the test lets it go. */
struct blocker {
    struct server_task task;
    pthread_mutex_t *held;
    _Atomic bool there;
};

static void block_run(struct server *s, struct server_task *t)
{
    struct blocker *b = CONTAINER_OF(t, struct blocker, task);
    (void)s;
    b->there = true;
    pthread_mutex_lock(b->held);
    pthread_mutex_unlock(b->held);
}

/* Wait until the tick is newer than `since`. */
static bool ticks_within(struct rig *g, msec since, msec patience)
{
    struct server_pulse p;
    msec end = clock_now_ms() + patience;
    do
        server_pulse(g->server, &p);
    while (p.tick <= since && clock_now_ms() < end);
    return p.tick > since;
}

static void a_member_that_hangs_has_no_pulse(void **state)
{
    struct rig *g = *state;
    static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    static struct blocker b = {.task.run = block_run, .held = &held};
    struct server_pulse p;
    rig_start(g, NULL, NULL);
    assert_true(ticks_within(g, clock_now_ms(), PATIENCE_MS));
    pthread_mutex_lock(&held);
    assert_true(server_post(g->server, g->server->inbox, &b.task));
    while (!b.there)
        continue;
    server_pulse(g->server, &p);
    assert_false(ticks_within(g, p.tick, 500)); /* several ticks */
    pthread_mutex_unlock(&held);
    assert_true(ticks_within(g, p.tick, PATIENCE_MS));
    server_pulse(g->server, &p);
    assert_int_equal(p.log_since, 0);
    rig_stop(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_summary_says_who_leads_and_what_is_stored, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_reload_reaches_the_member, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_member_that_hangs_has_no_pulse, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
