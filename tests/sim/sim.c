/* tests/sim/sim.c -- whole clusters in one process, on virtual time, from one seed.
 *
 *     sim --seed N             one run, in this process
 *     sim --seeds A..B         a run for each, as many at once as --jobs says
 *     sim --list FILE          the same for the seeds in a file, one a line
 *     sim --twice --seeds A..B each twice: the traces must be equal
 *
 * --trace prints what happens; --log prints what the members log. A run is: a cluster of the size,
 * with the faults and the load that the seed says, for a while; then all is mended, and the cluster
 * must come to rest: every member has everything, the history of the clients is linearizable, every
 * watcher saw every revision once and in order, all hashes are equal. A run that fails says how to
 * repeat it. SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/sim/asks.h"
#include "tests/sim/faults.h"
#include "tests/sim/leases.h"
#include "tests/sim/operator.h"
#include "tests/sim/workers.h"

enum {
    SECOND = 1000000, /* of virtual time, microseconds */
    STRIKE_PAUSE = 120000,
    THINK = 10000,
    SETTLE_MAX = 120 * SECOND,
    REST_AFTER = 3 * SECOND, /* of load on a cluster that is well */
    COMPARE_MAX = 20 * SECOND,
    REAL_SECONDS_MAX = 120, /* of one run */
    JOBS_MAX = 64,
};

struct options {
    uint64_t first, last;
    FILE *list; /* NULL: first to last */
    unsigned jobs, faults;
    bool trace, log, twice;
};

/* What a run leaves behind, also where its process dies. */
struct outcome {
    uint64_t hash;
    uint64_t done, delivered;
};

static char top[200]; /* the folder of all runs */

/* ---- folders ------------------------------------------------------------------------------------
 */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool make_top(void)
{
    const char *tmp = getenv("TMPDIR");
    if (tmp == NULL)
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(top, sizeof top, "%s/etcd-sim-XXXXXX", tmp);
    return mkdtemp(top) != NULL;
}

/* ---- one run
 * --------------------------------------------------------------------------------------- */

struct scenario {
    struct world_setup world;
    struct workers_setup workers;
    struct operator_setup operator;
    struct faults_setup faults;
    int64_t length;
    unsigned holders; /* of leases */
};

static struct scenario scenario_make(const char *dir, unsigned allowed)
{
    static const unsigned sizes[] = {3, 3, 3, 5, 1};
    unsigned faults = (unsigned)sim_below(FAULT_ALL + 1) & allowed;
    if (sim_chance(100))
        faults = allowed;
    unsigned heartbeat = 50 + 50 * (unsigned)sim_below(2);
    struct scenario s = {
        .world = {.dir = dir,
                  .n = sizes[sim_below(ARRAY_LEN(sizes))],
                  .heartbeat_ms = heartbeat,
                  .election_ms = heartbeat * (5 + 5 * (unsigned)sim_below(2)),
                  .catchup_entries = sim_chance(500) ? 5 + (unsigned)sim_below(40) : 5000,
                  .pre_vote = !sim_chance(250)},
        .workers = {.n = 2 + (unsigned)sim_below(5),
                    .keys = 1 + (unsigned)sim_below(8),
                    .think_max = THINK << sim_below(6)},
        .operator= {.changes_members = (faults & FAULT_MEMBERS) != 0,
                    .pause_max = sim_between(100000, SECOND)},
        .faults = {.which = faults, .pause_max = STRIKE_PAUSE << sim_below(6)},
        .length = sim_between(5 * SECOND, 20 * SECOND),
        .holders = (unsigned)sim_below(HOLDERS_MAX + 1),
    };
    return s;
}

static void run_until(int64_t until)
{
    while (sim_failure() == NULL && sim_step(until))
        continue;
}

/* Everybody has everything. */
static bool is_calm(void)
{
    if (!workers_are_at_rest() || !leases_are_gone() || !operator_is_settled())
        return false;
    for (unsigned i = 0; i < NET_PLACES; i++) {
        struct node *n = world_node(i);
        struct server_header h;
        if (n->state == NODE_DOWN)
            return false;
        if (n->state != NODE_UP)
            continue;
        server_header_get(n->client, &h);
        if (!server_has_leader(n->server) || h.rev != tails_last() || !tails_are_up_to_date(n))
            return false;
    }
    return true;
}

static void say_unrest(void)
{
    static const char *const states[] = {"none", "joining", "down", "up", "gone"};
    struct buf b = BUF_INIT;
    for (unsigned i = 0; i < NET_PLACES; i++) {
        struct node *n = world_node(i);
        if (n->state == NODE_NONE)
            continue;
        buf_addf(&b, " %s:%s", world_name(i), states[n->state]);
        if (n->state == NODE_UP) {
            struct server_header h;
            server_header_get(n->client, &h);
            buf_addf(&b, "/rev %" PRId64 "/term %" PRIu64 "%s%s%s", h.rev, (uint64_t)h.term,
                     server_is_leader(n->server) ? "/leads" : "",
                     server_has_leader(n->server) ? "" : "/no leader",
                     tails_are_up_to_date(n) ? "" : "/watchers behind");
        }
    }
    sim_fail("the cluster does not come to rest; revision %" PRId64
             ", workers %s, leases %s, members %s;%s",
             tails_last(), workers_are_at_rest() ? "rest" : "wait",
             leases_are_gone() ? "gone" : "left",
             operator_is_settled() ? "settled" : "not settled", buf_cstr(&b));
    buf_fini(&b);
}

static void settle(void)
{
    int64_t end = sim_now() + SETTLE_MAX;
    faults_mend();
    operator_settle();
    run_until(sim_now() + REST_AFTER);
    workers_rest();
    leases_rest();
    while (sim_failure() == NULL && !is_calm() && sim_now() < end)
        run_until(sim_now() + SECOND / 10);
    if (sim_failure() == NULL && !is_calm())
        say_unrest();
}

static void compare(void)
{
    int64_t end = sim_now() + COMPARE_MAX;
    operator_compare();
    while (sim_failure() == NULL && !operator_has_compared() && sim_now() < end)
        run_until(sim_now() + SECOND / 10);
    if (!operator_has_compared())
        sim_fail("a member does not tell its hash");
}

static bool run(uint64_t seed, const struct options *o, struct outcome *ret)
{
    char *dir = xasprintf("%s/%" PRIu64, top, seed);
    int rc = mkdir(dir, 0700);
    invariant(rc == 0);
    sqlite3_initialize();
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)seed | 1, NULL);
    sim_begin(seed, o->trace);
    struct scenario s = scenario_make(dir, o->faults);
    sim_trace("seed %" PRIu64 ": %u members, faults %03x, %u workers, %u keys, pre-vote %d, "
              "election %u, catch-up %u",
              seed, s.world.n, s.faults.which, s.workers.n, s.workers.keys, s.world.pre_vote,
              s.world.election_ms, s.world.catchup_entries);
    asks_begin();
    tails_begin(s.workers.keys);
    world_begin(&s.world);
    faults_begin(&s.faults);
    workers_begin(&s.workers);
    leases_begin(s.holders);
    operator_begin(&s.operator);
    run_until(sim_now() + s.length);
    settle();
    if (sim_failure() == NULL)
        compare();
    if (sim_failure() == NULL)
        tails_check();
    if (sim_failure() == NULL)
        leases_check();
    if (sim_failure() == NULL)
        workers_check();
    *ret = (struct outcome){sim_trace_hash(), workers_done(), net_delivered(world_net())};
    if (sim_failure() != NULL)
        printf("not ok %" PRIu64 ": %s\n", seed, sim_failure());
    fflush(stdout);
    bool failed = sim_failure() != NULL;
    if (!failed) { /* what is broken may not end well either */
        world_end();
        asks_end();
        workers_end();
        operator_end();
        tails_end();
        sim_end();
    }
    remove_all(dir);
    free(dir);
    return !failed;
}

/* ---- many runs
 * -------------------------------------------------------------------------------------- */

struct job {
    pid_t pid; /* 0: free */
    uint64_t seed;
    bool again;              /* the second run of --twice */
    struct outcome *outcome; /* shared with the child */
    uint64_t hash;           /* of the first run */
};

static struct tally {
    uint64_t passed, failed, done, delivered;
} tally;

static void say_failed(const struct job *j, const char *program)
{
    tally.failed++;
    printf("replay: %s --seed %" PRIu64 " --trace\n", program, j->seed);
    fflush(stdout);
}

static void start(struct job *j, uint64_t seed, const struct options *o)
{
    j->seed = seed;
    fflush(stdout);
    j->pid = fork();
    invariant(j->pid != -1);
    if (j->pid != 0)
        return;
    alarm(REAL_SECONDS_MAX);
    _exit(!run(seed, o, j->outcome));
}

static void finished(struct job *j, int status, const struct options *o, const char *program)
{
    char *dir = xasprintf("%s/%" PRIu64, top, j->seed);
    remove_all(dir);
    free(dir);
    j->pid = 0;
    if (status != 0) {
        if (WIFSIGNALED(status))
            printf("not ok %" PRIu64 ": the process died by signal %d\n", j->seed,
                   WTERMSIG(status));
        else if (WEXITSTATUS(status) != 1)
            printf("not ok %" PRIu64 ": the process ended with %d\n", j->seed, WEXITSTATUS(status));
        say_failed(j, program);
    } else if (o->twice && !j->again) {
        j->again = true;
        j->hash = j->outcome->hash;
        start(j, j->seed, o);
        return;
    } else if (j->again && j->hash != j->outcome->hash) {
        printf("not ok %" PRIu64 ": two runs differ\n", j->seed);
        say_failed(j, program);
    } else {
        tally.passed++;
        tally.done += j->outcome->done;
        tally.delivered += j->outcome->delivered;
    }
    j->again = false;
}

/* In this process: easier for a debugger, and what looks for leaks. */
static void run_here(const struct options *o)
{
    struct outcome out;
    if (run(o->first, o, &out))
        tally = (struct tally){.passed = 1, .done = out.done, .delivered = out.delivered};
    else
        tally.failed = 1;
}

/* False: there is none left. */
static bool next_seed(const struct options *o, uint64_t *ret)
{
    static uint64_t given;
    char line[200];
    if (o->list == NULL) {
        *ret = o->first + given;
        return given++ <= o->last - o->first;
    }
    while (fgets(line, sizeof line, o->list) != NULL)
        if (sscanf(line, "%" SCNu64, ret) == 1) /* else it is a comment */
            return true;
    return false;
}

static void run_many(const struct options *o, const char *program)
{
    struct outcome *outcomes = mmap(NULL, JOBS_MAX * sizeof *outcomes, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    invariant(outcomes != MAP_FAILED);
    struct job jobs[JOBS_MAX] = {0};
    uint64_t seed;
    for (bool any = true; any;) {
        any = false;
        for (unsigned i = 0; i < o->jobs; i++) {
            jobs[i].outcome = &outcomes[i];
            if (jobs[i].pid == 0 && next_seed(o, &seed))
                start(&jobs[i], seed, o);
            any = any || jobs[i].pid != 0;
        }
        int status;
        pid_t pid = any ? wait(&status) : 0;
        for (unsigned i = 0; i < o->jobs && pid > 0; i++)
            if (jobs[i].pid == pid)
                finished(&jobs[i], status, o, program);
    }
}

/* ---- the program
 * ------------------------------------------------------------------------------------- */

static const struct option long_options[] = {
    {"seed", required_argument, NULL, 's'},
    {"seeds", required_argument, NULL, 'r'},
    {"list", required_argument, NULL, 'i'},
    {"jobs", required_argument, NULL, 'j'},
    {"trace", no_argument, NULL, 't'},
    {"log", no_argument, NULL, 'l'},
    {"twice", no_argument, NULL, '2'},
    {"faults", required_argument, NULL, 'f'},
    {0},
};

static bool parse_range(const char *text, uint64_t *first, uint64_t *last)
{
    char end;
    int n = sscanf(text, "%" SCNu64 "..%" SCNu64 "%c", first, last, &end);
    if (n == 1 && strchr(text, '.') == NULL)
        *last = *first;
    return (n == 2 || n == 1) && *first <= *last;
}

static bool parse(int argc, char **argv, struct options *o)
{
    int c;
    bool ok = true;
    *o = (struct options){.first = 1, .last = 1, .jobs = 1, .faults = FAULT_ALL};
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (c == 's' || c == 'r')
            ok = ok && parse_range(optarg, &o->first, &o->last);
        else if (c == 'i')
            ok = ok && (o->list = fopen(optarg, "re")) != NULL;
        else if (c == 'j')
            o->jobs = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'f')
            o->faults = (unsigned)strtoul(optarg, NULL, 16) & FAULT_ALL;
        else if (c == 't')
            o->trace = true;
        else if (c == 'l')
            o->log = true;
        else if (c == '2')
            o->twice = true;
        else
            ok = false;
    }
    return ok && optind == argc && o->jobs >= 1 && o->jobs <= JOBS_MAX;
}

int main(int argc, char **argv)
{
    struct options o;
    struct rusage use;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: %s [--seed N | --seeds A..B | --list FILE] [--jobs N] [--faults HEX] "
                "[--twice] [--trace] "
                "[--log]\n",
                argv[0]);
        return 2;
    }
    if (!make_top()) {
        perror(top);
        return 2;
    }
    log_set_level(o.log ? LOG_DEBUG_ : LOG_FATAL_ + 1);
    setvbuf(stdout, NULL, _IOLBF, 1 << 16); /* the last words of a run that dies */
    bool here = o.first == o.last && o.list == NULL && !o.twice;
    if (here)
        run_here(&o);
    else
        run_many(&o, argv[0]);
    remove_all(top);
    if (o.list != NULL)
        fclose(o.list);
    getrusage(here ? RUSAGE_SELF : RUSAGE_CHILDREN, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("# %" PRIu64 " operations, %" PRIu64 " messages, %.3f s of CPU a run\n", tally.done,
           tally.delivered, cpu / (double)(tally.passed + tally.failed));
    printf("%" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n", tally.passed, tally.failed);
    return tally.failed != 0;
}
