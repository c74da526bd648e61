/* etcdctl/check_datascale.c -- etcdctl check datascale: how much memory do so many keys take?
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "etcdctl/check.h"
#include "etcdctl/commands.h"
#include "etcdctl/resident.h"

enum {
    KEY_SIZE = 512,
    VALUE_SIZE = 512,
};

static const struct {
    unsigned total, clients;
} sizes[] = {{10000, 50}, {100000, 200}, {1000000, 500}, {3000000, 1000}};

static struct {
    const char *load, *prefix;
    bool auto_compact, auto_defrag;
} opt;

static int measure(const struct session_config *config, const char *when, double *ret_bytes)
{
    *ret_bytes = resident_bytes(config);
    if (*ret_bytes > 0)
        return CLI_OK;
    printf("FAIL: Could not read process_resident_memory_bytes %s the put operations.\n", when);
    return CLI_ERROR;
}

static int clean_up(struct etcd_client *c, const struct session_config *config)
{
    struct etcd_error e;
    int64_t revision = check_clean_up(c, opt.prefix, -1, &e);
    if (!revision)
        return session_fail(CLI_ERROR, &e);
    int code = opt.auto_compact ? check_compact(c, revision) : CLI_OK;
    return code == CLI_OK && opt.auto_defrag ? check_defrag(config) : code;
}

static int fill(struct etcd_client *c, const struct session_config *config,
                const struct load_plan *plan)
{
    double before, after = 0;
    int code = measure(config, "before", &before);
    if (code != CLI_OK)
        return code;
    printf("Start data scale check for work load [%u key-value pairs, %d bytes per key-value, %u "
           "concurrent clients].\n",
           plan->total, KEY_SIZE + VALUE_SIZE, plan->clients);
    fflush(stdout);
    struct load_stats stats;
    load_run(c, plan, &stats);
    code = measure(config, "after", &after);
    if (code == CLI_OK)
        code = clean_up(c, config);
    if (code == CLI_OK && !check_print_errors(&stats))
        code = CLI_ERROR;
    if (code == CLI_OK)
        printf("PASS: Approximate system memory used : %.2f MB.\n",
               (after - before) / (1024 * 1024));
    load_stats_fini(&stats);
    return code;
}

static int check(struct etcd_client *c, const struct session_config *config, int size)
{
    int code = check_is_empty(c, opt.prefix, "", -1);
    struct load_plan plan = {.prefix = opt.prefix,
                             .key_size = KEY_SIZE,
                             .value_size = VALUE_SIZE,
                             .clients = sizes[size].clients,
                             .total = sizes[size].total};
    return code == CLI_OK ? fill(c, config, &plan) : code;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return check_run(cmd, opt.load, check);
}

static struct cli_flag flags[] = {
    {"load", .type = CLI_STRING, .value = &opt.load, .def = "s",
     .usage = "The datascale check's workload model. Accepted workloads: s(small), m(medium), "
              "l(large), xl(xLarge)"},
    {"prefix", .type = CLI_STRING, .value = &opt.prefix, .def = "/etcdctl-check-datascale/",
     .usage = "The prefix for writing the datascale check's keys."},
    {"auto-compact", .type = CLI_BOOL, .value = &opt.auto_compact,
     .usage = "Compact storage with last revision after test is finished."},
    {"auto-defrag", .type = CLI_BOOL, .value = &opt.auto_defrag,
     .usage = "Defragment storage after test is finished."},
    {0},
};

struct cli_command cmd_check_datascale = {
    .use = "datascale [options]",
    .summary = "Check the memory usage of holding data for different workloads on a given server "
               "endpoint.",
    .details = "If no endpoint is provided, localhost will be used. If multiple endpoints are "
               "provided, first endpoint will be used.",
    .flags = flags,
    .run = run,
};
