/* tests/sim/world.c -- see world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "tests/sim/asks.h"
#include "tests/sim/faults.h"
#include "tests/sim/tails.h"

enum {
    ROUND_MIN = 10, /* until a member looks at what has come, microseconds */
    ROUND_MAX = 200,
    DISK_MIN = 200,
    DISK_MAX = 3000,
    KEEPER_MAX = 20000,
    RESTART_DELAY = 500000, /* after a start that failed */
    FLAGS_MAX = 24,
};

static struct world {
    struct world_setup setup;
    struct net *net;
    struct node nodes[NET_PLACES];
    char *cluster; /* --initial-cluster of the first members */
} world;

struct net *world_net(void)
{
    return world.net;
}

struct node *world_node(unsigned place)
{
    invariant(place < NET_PLACES);
    return &world.nodes[place];
}

struct node *world_up(uint64_t i)
{
    struct node *up[NET_PLACES];
    size_t n = 0;
    for (unsigned k = 0; k < NET_PLACES; k++)
        if (world.nodes[k].state == NODE_UP)
            up[n++] = &world.nodes[k];
    return n != 0 ? up[i % n] : NULL;
}

struct node *world_leader(void)
{
    struct node *leader = NULL;
    struct server_header h;
    raft_term term = 0;
    for (unsigned k = 0; k < NET_PLACES; k++) {
        struct node *n = &world.nodes[k];
        if (n->state != NODE_UP || !server_is_leader(n->server))
            continue;
        server_header_get(n->client, &h);
        if (h.term > term) {
            term = h.term;
            leader = n;
        }
    }
    return leader;
}

const char *world_name(unsigned place)
{
    static char names[NET_PLACES][16];
    snprintf(names[place], sizeof names[place], "n%u", place);
    return names[place];
}

void node_enter(const struct node *n)
{
    sim_wall_offset(n->wall_offset);
}

static int64_t pause_left(unsigned place)
{
    int64_t left = world.nodes[place].paused_until - sim_now();
    return left > 0 ? left : 0;
}

/* ---- the threads' work
 * --------------------------------------------------------------------------- */

void node_touch(struct node *n)
{
    if (n->state == NODE_UP)
        sim_set_earlier(&n->round, sim_between(ROUND_MIN, ROUND_MAX));
}

static void touched(unsigned place)
{
    node_touch(&world.nodes[place]);
}

static void entered(unsigned place)
{
    node_enter(&world.nodes[place]);
}

static void snapshot_came(unsigned place)
{
    faults_snapshot(&world.nodes[place]);
}

static void look_at_term(struct node *n)
{
    struct server_header h;
    server_header_get(n->client, &h);
    if (h.term > n->term)
        faults_term(n);
    n->term = h.term;
}

/* Its disk, or its cluster, has put an end to it. */
static void node_fell(struct node *n)
{
    if (n->end_status == 0)
        node_end(n, NODE_STOP, -1);
    else
        node_end(n, NODE_TEAR, RESTART_DELAY);
}

static void schedule(struct node *n)
{
    if (server_has_mail(n->server))
        node_touch(n);
    if (server_log_has_mail(n->server) && n->log.place == 0)
        sim_set(&n->log, sim_between(n->disk_min, n->disk_max));
    if (server_keeper_has_mail(n->server) && n->keeper.place == 0)
        sim_set(&n->keeper, sim_between(n->disk_min, n->disk_max + KEEPER_MAX));
}

/* The client loop has rounds of its own; what it is told there may make it ask again. */
static void run_loop(struct node *n)
{
    loop_round(n->loop, 0);
    loop_round(n->loop, 0);
}

static void round_run(struct sim_event *e)
{
    struct node *n = CONTAINER_OF(e, struct node, round);
    if (pause_left(n->place) != 0) {
        sim_set(e, pause_left(n->place));
        return;
    }
    node_enter(n);
    msec due = server_round(n->server);
    run_loop(n);
    if (n->has_ended) {
        node_fell(n);
        return;
    }
    look_at_term(n);
    int64_t wait = due * 1000 - sim_now();
    if (due != MSEC_NEVER)
        sim_set_earlier(&n->round, wait > ROUND_MAX ? wait : sim_between(ROUND_MIN, ROUND_MAX));
    schedule(n);
}

/* True if the disk does not answer now. */
static bool hangs(const struct node *n, struct sim_event *e)
{
    int64_t until = n->hung_until > n->paused_until ? n->hung_until : n->paused_until;
    if (until > sim_now())
        sim_set(e, until - sim_now());
    return until > sim_now();
}

static void log_run_one(struct sim_event *e)
{
    struct node *n = CONTAINER_OF(e, struct node, log);
    if (hangs(n, e))
        return;
    node_enter(n);
    server_log_round(n->server);
    schedule(n);
}

static void keeper_run_one(struct sim_event *e)
{
    struct node *n = CONTAINER_OF(e, struct node, keeper);
    if (hangs(n, e))
        return;
    node_enter(n);
    server_keeper_round(n->server);
    schedule(n);
}

/* ---- a life
 * ---------------------------------------------------------------------------------------- */

static void on_ready(void *arg)
{
    sim_trace("%s is ready", world_name(((struct node *)arg)->place));
}

static void on_fatal(void *arg, int status, const char *text)
{
    struct node *n = arg;
    n->has_ended = true;
    n->end_status = status;
    sim_trace("%s ends with %d: %s", world_name(n->place), status, text);
}

static struct transport *on_transport(void *arg, const struct transport_receiver *r, member_id id,
                                      uint64_t cluster_id)
{
    struct node *n = arg;
    n->id = id;
    return net_join(world.net, n->place, r, id, cluster_id);
}

static enum err on_fetch(void *arg, const char *url, const char *path, struct server_fetched *ret)
{
    struct node *n = arg;
    return net_fetch(world.net, n->place, url, path, ret);
}

struct flags {
    char *v[FLAGS_MAX + 1];
    int n;
};

static void PRINTF_LIKE(2, 3) flag(struct flags *f, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    invariant(f->n < FLAGS_MAX);
    f->v[f->n++] = buf_take_cstr(&b);
}

static struct config *make_config(const struct node *n, const char *cluster)
{
    char url[NET_URL_MAX];
    struct flags f = {0};
    struct config *cfg = NULL;
    struct config_outcome out = {0};
    net_url(n->place, url);
    flag(&f, "etcd");
    flag(&f, "--name=%s", world_name(n->place));
    flag(&f, "--data-dir=%s", n->dir);
    flag(&f, "--listen-peer-urls=%s", url);
    flag(&f, "--initial-advertise-peer-urls=%s", url);
    flag(&f, "--listen-client-urls=http://127.0.0.1:%u", 22000 + n->place);
    flag(&f, "--advertise-client-urls=http://127.0.0.1:%u", 22000 + n->place);
    flag(&f, "--initial-cluster=%s", cluster != NULL ? cluster : world.cluster);
    flag(&f, "--initial-cluster-state=%s", cluster != NULL ? "existing" : "new");
    flag(&f, "--heartbeat-interval=%u", world.setup.heartbeat_ms);
    flag(&f, "--election-timeout=%u", world.setup.election_ms);
    flag(&f, "--snapshot-catchup-entries=%u", world.setup.catchup_entries);
    flag(&f, "--pre-vote=%s", world.setup.pre_vote ? "true" : "false");
    flag(&f, "--client-threads=1");
    struct config_input in = {.argc = f.n, .argv = f.v, .env_file_default = ""};
    if (config_load(&in, &cfg, &out) != CONFIG_RUN)
        sim_fail("%s: configuration: %s", world_name(n->place), out.error);
    config_outcome_fini(&out);
    for (int i = 0; i < f.n; i++)
        free(f.v[i]);
    return cfg;
}

static enum err open_server(struct node *n, struct why *why)
{
    struct server_events events = {.ready = on_ready, .fatal = on_fatal, .arg = n};
    struct server_world w = {.vfs = FAULT_VFS,
                             .seed = sim_random() | 1,
                             .log_apart = sim_random() % 2 != 0,
                             .transport = on_transport,
                             .fetch = on_fetch,
                             .arg = n};
    enum err e = server_open(n->cfg, &events, &w, &n->server, why);
    if (e != ERR_OK)
        return e;
    n->loop = loop_new();
    return server_client_new(n->server, n->loop, &n->client, why);
}

static bool joins(const struct node *n)
{
    return n->place >= world.setup.n;
}

/* Not the member's fault: its disk is broken, or it has to ask the others who it is. */
static bool may_fail(const struct node *n)
{
    return fault_disk_has_failed(n->disk) || joins(n);
}

static void release(struct node *n)
{
    server_client_free(n->client);
    loop_free(n->loop);
    server_free(n->server);
    net_leave(world.net, n->place);
    n->client = NULL;
    n->loop = NULL;
    n->server = NULL;
}

static void start_failed(struct node *n, enum node_state was, enum err e, const struct why *why)
{
    sim_trace("%s does not start: %s", world_name(n->place), why->text);
    release(n);
    if (e == ERR_REMOVED) {
        n->state = NODE_GONE;
        return;
    }
    if (!may_fail(n))
        sim_fail("%s does not start: %s", world_name(n->place), why->text);
    /* It may be told another --initial-cluster when it is tried again. */
    n->state = joins(n) ? NODE_JOINING : was;
    if (fault_disk_has_failed(n->disk)) {
        fault_disk_power_off(n->disk);
        fault_disk_power_on(n->disk, FAULT_LOSE_SECTORS, sim_random());
        fault_disk_fill_after(n->disk, -1);
    }
    if (n->state == NODE_DOWN)
        sim_set(&n->restart, RESTART_DELAY);
}

void node_start(struct node *n, const char *cluster)
{
    enum node_state was = n->state;
    struct why why = {""};
    if (cluster != NULL || n->cfg == NULL) {
        config_free(n->cfg);
        n->cfg = make_config(n, cluster);
        if (n->cfg == NULL)
            return;
    }
    n->life++;
    n->has_ended = n->is_ending = false;
    n->paused_until = 0;
    node_enter(n);
    enum err e = open_server(n, &why);
    if (e != ERR_OK) {
        start_failed(n, was, e, &why);
        return;
    }
    sim_trace("%s starts as %" PRIx64, world_name(n->place), n->id);
    n->state = NODE_UP;
    tails_started(n);
    node_touch(n);
}

static void restart_run(struct sim_event *e)
{
    struct node *n = CONTAINER_OF(e, struct node, restart);
    if (n->state == NODE_DOWN)
        node_start(n, NULL);
}

static enum fault_loss loss_of(enum node_end how)
{
    return how == NODE_POWER  ? FAULT_LOSE_ALL
           : how == NODE_TEAR ? FAULT_LOSE_SECTORS
                              : FAULT_LOSE_NOTHING;
}

void node_end(struct node *n, enum node_end how, int64_t down)
{
    static const char *const names[] = {"stop", "kill", "power", "tear"};
    if (n->state != NODE_UP)
        return;
    sim_trace("%s %s, down for %" PRId64, world_name(n->place), names[how], down);
    node_enter(n);
    if (how != NODE_STOP) {
        net_mute(world.net, n->place);
        fault_disk_power_off(n->disk);
        asks_forsake(n);
    }
    n->is_ending = true;
    server_shut(n->server);
    run_loop(n);
    asks_forsake(n);
    tails_ended(n);
    n->state = n->has_ended && n->end_status == 0 ? NODE_GONE : NODE_DOWN;
    sim_clear(&n->round);
    sim_clear(&n->log);
    sim_clear(&n->keeper);
    release(n);
    if (how != NODE_STOP) {
        fault_disk_power_on(n->disk, loss_of(how), sim_random());
        fault_disk_fill_after(n->disk, -1);
    }
    if (n->state == NODE_DOWN && down >= 0)
        sim_set(&n->restart, down);
}

void node_pause(struct node *n, int64_t us)
{
    sim_trace("%s does not run for %" PRId64, world_name(n->place), us);
    n->paused_until = sim_now() + us;
}

void node_heal_disk(struct node *n)
{
    n->disk_min = DISK_MIN;
    n->disk_max = DISK_MAX;
    n->hung_until = 0;
    fault_disk_fill_after(n->disk, -1);
    fault_disk_fail(n->disk, 0, FAULT_NONE);
}

/* ---- all of them
 * ------------------------------------------------------------------------------------ */

static void node_init(struct node *n, unsigned place)
{
    struct buf prefix = BUF_INIT;
    *n = (struct node){.place = place,
                       .round.run = round_run,
                       .log.run = log_run_one,
                       .keeper.run = keeper_run_one,
                       .restart.run = restart_run};
    n->dir = xasprintf("%s/n%u", world.setup.dir, place);
    buf_addf(&prefix, "%s/", n->dir);
    n->disk = fault_vfs_disk(buf_cstr(&prefix));
    buf_fini(&prefix);
    node_heal_disk(n);
}

void world_begin(const struct world_setup *setup)
{
    static const struct net_host host = {entered, touched, pause_left, snapshot_came};
    struct buf cluster = BUF_INIT;
    char url[NET_URL_MAX];
    fault_vfs_reset();
    world = (struct world){.setup = *setup, .net = net_new(&host)};
    for (unsigned i = 0; i < setup->n; i++) {
        net_url(i, url);
        buf_addf(&cluster, "%s%s=%s", i ? "," : "", world_name(i), url);
    }
    world.cluster = buf_take_cstr(&cluster);
    for (unsigned i = 0; i < NET_PLACES; i++)
        node_init(&world.nodes[i], i);
    for (unsigned i = 0; i < setup->n; i++) {
        world.nodes[i].state = NODE_DOWN;
        node_start(&world.nodes[i], NULL);
    }
}

void world_end(void)
{
    for (unsigned i = 0; i < NET_PLACES; i++) {
        struct node *n = &world.nodes[i];
        node_end(n, NODE_STOP, -1);
        sim_clear(&n->restart);
        config_free(n->cfg);
        free(n->dir);
    }
    net_free(world.net);
    free(world.cluster);
    fault_vfs_reset();
}
