/* benchmark/main.c -- etcd-benchmark: load, and how long it took.
 * SPDX-License-Identifier: Apache-2.0 */
#include "benchmark/globals.h"

struct globals globals;

static struct cli_flag flags[] = {
    {"endpoints", .type = CLI_STRINGS, .value = &globals.endpoints, .def = "127.0.0.1:2379",
     .usage = "gRPC endpoints"},
    {"conns", .type = CLI_UINT, .value = &globals.conns, .def = "1",
     .usage = "Total number of gRPC connections"},
    {"clients", .type = CLI_UINT, .value = &globals.clients, .def = "1",
     .usage = "Total number of gRPC clients"},
    {"precise", .type = CLI_BOOL, .value = &globals.precise,
     .usage = "use full floating point precision"},
    {"sample", .type = CLI_BOOL, .value = &globals.sample,
     .usage = "'true' to sample requests for every second"},
    {"cert", .type = CLI_STRING, .value = &globals.cert,
     .usage = "identify HTTPS client using this SSL certificate file"},
    {"key", .type = CLI_STRING, .value = &globals.key,
     .usage = "identify HTTPS client using this SSL key file"},
    {"cacert", .type = CLI_STRING, .value = &globals.cacert,
     .usage = "verify certificates of HTTPS-enabled servers using this CA bundle"},
    {"insecure-skip-tls-verify", .type = CLI_BOOL, .value = &globals.insecure_skip_tls_verify,
     .usage = "skip server certificate verification"},
    {"user", .type = CLI_STRING, .value = &globals.user,
     .usage = "provide username[:password] and prompt if password is not supplied."},
    {"dial-timeout", .type = CLI_DURATION, .value = &globals.dial_timeout,
     .usage = "dial timeout for client connections"},
    {"auto-sync-interval", .type = CLI_DURATION, .value = &globals.auto_sync_interval,
     .usage = "AutoSyncInterval is the interval to update endpoints with its latest members"},
    {"report-perfdash", .type = CLI_BOOL, .value = &globals.report_perfdash,
     .usage = "Generate benchmark report in perfdash format"},
    {"target-leader", .type = CLI_BOOL, .value = &globals.target_leader,
     .usage = "connect only to the leader node"},
    {0},
};

static struct cli_command *const commands[] = {
    &cmd_lease_keepalive, &cmd_mvcc,  &cmd_put,       &cmd_range,         &cmd_stm, &cmd_txn_mixed,
    &cmd_txn_put,         &cmd_watch, &cmd_watch_get, &cmd_watch_latency, NULL};

static struct cli_command root = {
    .use = "etcd-benchmark",
    .summary = "A low-level benchmark tool for etcd3",
    .details = "etcd-benchmark puts a load on etcd, and reports how long requests took.",
    .persistent = flags,
    .commands = commands,
};

static struct cli_program program = {.root = &root};

int main(int argc, char **argv)
{
    return cli_main(&program, argc, argv);
}
