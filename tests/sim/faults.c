/* tests/sim/faults.c -- see faults.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/faults.h"

#include <inttypes.h>

#include "tests/sim/world.h"

enum {
    SECOND = 1000000, /* microseconds */
    DOWN_SHORT = 30000,
    SNAPSHOT_TIME = 40000, /* in which one is loaded, mostly */
    ELECTION_TIME = 20000, /* in which one is held, mostly */
    ALONE_MAX = SECOND,
    PAUSE_MAX = 3 * SECOND,
    HANG_MAX = 5 * SECOND,
    KINDS = 9,        /* of faults */
    WRITES_MAX = 60,  /* until the power goes */
    ROOM_MAX = 60000, /* bytes until a disk is full */
};

static const struct net_weather fair = {.delay_min = 100, .delay_max = 2000};

static struct faults {
    struct faults_setup setup;
    struct sim_event next, heal;
    struct sim_event crashes[NET_PLACES]; /* of one member each */
} faults;

/* ---- the network
 * --------------------------------------------------------------------------------- */

/* Cut what goes from one side to the other, and perhaps the way back. */
static void cut_sides(unsigned side, bool both)
{
    for (unsigned a = 0; a < NET_PLACES; a++)
        for (unsigned b = 0; b < NET_PLACES; b++)
            if ((side & BIT(a)) && !(side & BIT(b))) {
                net_cut(world_net(), a, b);
                if (both)
                    net_cut(world_net(), b, a);
            }
}

static void partition(void)
{
    struct node *leader = world_leader();
    uint64_t what = sim_below(10);
    net_heal(world_net());
    if (what < 3) {
        sim_trace("the network is whole");
        return;
    }
    unsigned side = (unsigned)sim_below(BIT(NET_PLACES));
    if (what < 6 && leader != NULL)
        side = BIT(leader->place);
    bool both = !sim_chance(300);
    bool inward = sim_chance(500);
    sim_trace("the network is cut at %03x, %s", side, both ? "both ways" : "one way");
    cut_sides(inward ? ~side & (BIT(NET_PLACES) - 1) : side, both);
}

static void weather(void)
{
    struct net_weather w = fair;
    if (sim_chance(300))
        w.loss = (unsigned)sim_below(sim_chance(200) ? 400 : 80);
    if (sim_chance(300))
        w.twice = (unsigned)sim_below(200);
    if (sim_chance(300))
        w.overtake = (unsigned)sim_below(500);
    if (sim_chance(400))
        w.delay_max = sim_between(w.delay_max, 400000);
    sim_trace("the network loses %u, doubles %u, disorders %u, takes %" PRId64, w.loss, w.twice,
              w.overtake, w.delay_max);
    net_set_weather(world_net(), &w);
}

/* ---- members
 * ---------------------------------------------------------------------------------------- */

/* Mostly short: a moment is worse than a minute. */
static int64_t down_time(void)
{
    return sim_between(0, DOWN_SHORT << sim_below(8));
}

static void crash(struct node *n)
{
    static const enum node_end ends[] = {NODE_STOP, NODE_KILL, NODE_POWER, NODE_TEAR};
    struct node *up, *leader = world_leader();
    if (leader != NULL && sim_chance(300))
        n = leader;
    if (!sim_chance(100)) {
        node_end(n, ends[sim_below(ARRAY_LEN(ends))], down_time());
        return;
    }
    sim_trace("the power goes everywhere");
    while ((up = world_up(0)) != NULL)
        node_end(up, sim_chance(500) ? NODE_POWER : NODE_TEAR, down_time());
}

static void crash_run(struct sim_event *e)
{
    struct node *n = world_node((unsigned)(e - faults.crashes));
    node_end(n, sim_chance(500) ? NODE_KILL : NODE_POWER, down_time());
}

static bool is_on(enum fault f)
{
    return (faults.setup.which & f) != 0 && faults.next.place != 0;
}

void faults_snapshot(struct node *n)
{
    if (is_on(FAULT_CRASHES) && sim_chance(300))
        sim_set(&faults.crashes[n->place], sim_between(0, SNAPSHOT_TIME));
}

static void heal_run(struct sim_event *e)
{
    (void)e;
    sim_trace("the network is whole");
    net_heal(world_net());
}

void faults_term(struct node *n)
{
    struct node *other = world_up(sim_random());
    if (!is_on(FAULT_ELECTIONS))
        return;
    if (sim_chance(150))
        sim_set(&faults.crashes[n->place], sim_between(0, ELECTION_TIME >> sim_below(6)));
    if (!sim_chance(100))
        return;
    sim_trace("%s sees but %s", world_name(n->place), world_name(other->place));
    cut_sides(BIT(n->place) | BIT(other->place), true);
    sim_set(&faults.heal, sim_between(0, ALONE_MAX));
}

static void tear(struct node *n)
{
    uint64_t at = fault_disk_ops(n->disk) + 1 + sim_below(WRITES_MAX);
    sim_trace("the power of %s will go", world_name(n->place));
    fault_disk_fail(n->disk, at, FAULT_POWER_OFF);
}

static void disk(struct node *n)
{
    switch (sim_below(4)) {
    case 0:
        node_heal_disk(n);
        break;
    case 1:
        n->disk_max = sim_between(n->disk_min, SECOND);
        break;
    case 2:
        n->hung_until = sim_now() + sim_between(0, HANG_MAX);
        break;
    default:
        fault_disk_fill_after(n->disk, sim_between(0, ROOM_MAX));
        break;
    }
    sim_trace("the disk of %s takes up to %" PRId64 ", hangs for %" PRId64, world_name(n->place),
              n->disk_max, n->hung_until - sim_now());
}

static void jump(struct node *n)
{
    int64_t by = sim_between(-20 * SECOND, 20 * SECOND);
    if (sim_chance(200))
        by *= 10000; /* days */
    n->wall_offset += by;
    sim_trace("the clock of %s jumps by %" PRId64, world_name(n->place), by);
}

/* ---- now and then
 * -------------------------------------------------------------------------------------- */

static void strike(unsigned what, struct node *n)
{
    switch (what) {
    case FAULT_PARTITIONS:
        partition();
        break;
    case FAULT_WEATHER:
        weather();
        break;
    case FAULT_CRASHES:
        crash(n);
        break;
    case FAULT_TORN:
        tear(n);
        break;
    case FAULT_PAUSES:
        node_pause(n, sim_between(0, PAUSE_MAX));
        break;
    case FAULT_DISKS:
        disk(n);
        break;
    case FAULT_CLOCKS:
        jump(n);
        break;
    default:
        break;
    }
}

static void next_run(struct sim_event *e)
{
    struct node *n = world_up(sim_random());
    unsigned what = BIT(sim_below(KINDS));
    while ((what & faults.setup.which) == 0)
        what = BIT(sim_below(KINDS));
    if (n != NULL)
        strike(what, n);
    sim_set(e, sim_between(0, faults.setup.pause_max));
}

void faults_begin(const struct faults_setup *setup)
{
    faults = (struct faults){.setup = *setup, .next.run = next_run, .heal.run = heal_run};
    for (unsigned i = 0; i < NET_PLACES; i++)
        faults.crashes[i].run = crash_run;
    net_set_weather(world_net(), &fair);
    if (setup->which != 0)
        sim_set(&faults.next, sim_between(0, setup->pause_max));
}

void faults_mend(void)
{
    sim_clear(&faults.next);
    sim_clear(&faults.heal);
    for (unsigned i = 0; i < NET_PLACES; i++)
        sim_clear(&faults.crashes[i]);
    sim_trace("everything is mended");
    net_heal(world_net());
    net_set_weather(world_net(), &fair);
    for (unsigned i = 0; i < NET_PLACES; i++) {
        struct node *n = world_node(i);
        n->paused_until = 0;
        node_heal_disk(n);
        if (n->state == NODE_DOWN)
            sim_set(&n->restart, 0);
        node_touch(n);
    }
}
