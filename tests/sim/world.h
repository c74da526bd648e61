/* tests/sim/world.h -- the members of the simulation: their folders, disks, clocks and lives.
 *
 * A member is the real thing (server/drive.h) over a simulated network and a fault-injecting disk.
 * Its threads' work is done here, each part in rounds of its own on virtual time: what the log and
 * the keeper were given waits for as long as the disk takes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "loop/loop.h"
#include "server/client.h"
#include "tests/lib/fault_vfs.h"
#include "tests/sim/events.h"
#include "tests/sim/net.h"

struct config;

enum node_state {
    NODE_NONE,    /* nobody ever lived here */
    NODE_JOINING, /* it was added to the cluster, and does not run yet */
    NODE_DOWN,
    NODE_UP,
    NODE_GONE, /* removed from the cluster; its folder is not used again */
};

enum node_end {
    NODE_STOP,  /* in order */
    NODE_KILL,  /* what was written stays, but is not synced */
    NODE_POWER, /* what was not synced is lost */
    NODE_TEAR,  /* each sector of it may be lost or not */
};

struct node {
    unsigned place;
    enum node_state state;
    unsigned life;
    char *dir;
    struct fault_disk *disk;
    struct config *cfg;
    struct server *server; /* NULL: not up */
    struct loop *loop;
    struct server_client *client;
    member_id id; /* of its last life */
    raft_term term; /* that it was in */
    struct sim_event round, log, keeper, restart;
    int64_t paused_until, hung_until; /* all of it; the disk */
    int64_t disk_min, disk_max;       /* how long a write takes, microseconds */
    int64_t wall_offset;
    bool has_ended; /* by itself */
    int end_status;
    bool is_ending;
};

struct world_setup {
    const char *dir; /* exists, empty */
    unsigned n;      /* members at the start */
    unsigned heartbeat_ms, election_ms, catchup_entries;
    bool pre_vote;
};

void world_begin(const struct world_setup *setup);
void world_end(void);

struct net *world_net(void);
/* The node at `place`, which is below NET_PLACES. */
struct node *world_node(unsigned place);
/* The `i`-th (counted round) of those that are up; NULL: none is. */
struct node *world_up(uint64_t i);
/* The one that leads in the highest term, or NULL. */
struct node *world_leader(void);

/* Begin a life. `cluster` is the --initial-cluster of a member that joins; NULL: as it was before.
 * What goes wrong is a failure of the run, unless the disk or a cluster that changes is to blame.
 */
void node_start(struct node *n, const char *cluster);
/* End it, and begin the next one `down` microseconds later (-1: never). */
void node_end(struct node *n, enum node_end how, int64_t down);
/* It does not run for a while, nor does anything reach it. */
void node_pause(struct node *n, int64_t us);
/* It may have something to do. */
void node_touch(struct node *n);
/* Remember how fast a disk is that is well. */
void node_heal_disk(struct node *n);

/* Before anything of its server is called. */
void node_enter(const struct node *n);

const char *world_name(unsigned place); /* "n3"; static */

#endif
