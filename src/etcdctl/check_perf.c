/* etcdctl/check_perf.c -- etcdctl check perf: does the cluster keep up with so many writes?
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "etcdctl/check.h"
#include "etcdctl/commands.h"

enum {
    DURATION_S = 60,
    KEY_SIZE = 256,
    VALUE_SIZE = 1024,
    CLEANUP_TIMEOUT_MS = 30 * 1000,
};

/* What a cluster must do to pass. */
static const double share_min = 0.9, slowest_max_s = 0.5, stddev_max_s = 0.1;

static const struct {
    unsigned rate, clients;
} sizes[] = {{150, 50}, {1000, 200}, {8000, 500}, {15000, 1000}};

static struct {
    const char *load, *prefix;
    bool auto_compact, auto_defrag;
} opt;

/* A cleanup that fails is told, and no more: what was measured stands. */
static int clean_up(struct etcd_client *c)
{
    struct etcd_error e;
    int64_t revision = check_clean_up(c, opt.prefix, CLEANUP_TIMEOUT_MS, &e);
    if (revision)
        return opt.auto_compact ? check_compact(c, revision) : CLI_OK;
    printf("FAIL: Cleanup failed during key deletion: ERROR(%s)\n", e.text);
    return CLI_OK;
}

static int judge(const struct load_stats *s, unsigned rate)
{
    bool ok = check_print_errors(s);
    bool fast = s->rate / rate > share_min, steady = s->slowest <= slowest_max_s;
    bool even = s->stddev <= stddev_max_s;
    printf(fast ? "PASS: Throughput is %d writes/s\n" : "FAIL: Throughput too low: %d writes/s\n",
           (int)s->rate + 1);
    printf(steady ? "PASS: Slowest request took %fs\n" : "Slowest request took too long: %fs\n",
           s->slowest);
    printf(even ? "PASS: Stddev is %fs\n" : "Stddev too high: %fs\n", s->stddev);
    ok = ok && fast && steady && even;
    puts(ok ? "PASS" : "FAIL");
    return ok ? CLI_OK : CLI_ERROR;
}

static int check(struct etcd_client *c, const struct session_config *config, int size)
{
    int code = check_is_empty(c, opt.prefix, "'", DURATION_S * 1000);
    if (code != CLI_OK)
        return code;
    struct load_plan plan = {.prefix = opt.prefix,
                             .key_size = KEY_SIZE,
                             .value_size = VALUE_SIZE,
                             .clients = sizes[size].clients,
                             .rate = sizes[size].rate,
                             .duration_s = DURATION_S};
    struct load_stats stats;
    load_run(c, &plan, &stats);
    code = clean_up(c);
    if (code == CLI_OK && opt.auto_defrag)
        code = check_defrag(config);
    if (code == CLI_OK)
        code = judge(&stats, plan.rate);
    load_stats_fini(&stats);
    return code;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return check_run(cmd, opt.load, check);
}

static const char *const loads[] = {"small", "medium", "large", "xLarge", NULL};

static struct cli_flag flags[] = {
    {"load", .type = CLI_STRING, .value = &opt.load, .def = "s", .values = loads,
     .usage = "The performance check's workload model. Accepted workloads: s(small), m(medium), "
              "l(large), xl(xLarge). Different workload models use different configurations in "
              "terms of number of clients and expected throughput."},
    {"prefix", .type = CLI_STRING, .value = &opt.prefix, .def = "/etcdctl-check-perf/",
     .usage = "The prefix for writing the performance check's keys."},
    {"auto-compact", .type = CLI_BOOL, .value = &opt.auto_compact,
     .usage = "Compact storage with last revision after test is finished."},
    {"auto-defrag", .type = CLI_BOOL, .value = &opt.auto_defrag,
     .usage = "Defragment storage after test is finished."},
    {0},
};

struct cli_command cmd_check_perf = {
    .use = "perf [options]",
    .summary = "Check the performance of the etcd cluster",
    .flags = flags,
    .run = run,
};
