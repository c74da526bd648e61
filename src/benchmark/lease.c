/* benchmark/lease.c -- keeping leases alive.
 *
 * Each client has a lease, and renews it again and again, each time over a stream of its own, as
 * KeepAliveOnce of upstream's client does.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/err.h"
#include "benchmark/globals.h"
#include "benchmark/load.h"

enum { TTL_S = 100 };

static struct {
    int total;
} opt;

static struct cli_flag flags[] = {
    {"total", .type = CLI_INT, .value = &opt.total, .def = "10000",
     .usage = "Total number of lease keepalive requests"},
    {0},
};

struct own {
    int64_t lease, ttl;
    struct etcd_stream *stream;
};

static void on_granted(void *arg, const void *response, const struct etcd_error *error)
{
    struct slot *s = arg;
    struct own *own = s->own;
    if (error != NULL) {
        load_fail(s->load, "lease grant", error);
        return;
    }
    own->lease = ((const Etcdserverpb__LeaseGrantResponse *)response)->id;
    load_ready(s);
}

static void prepare(struct slot *s)
{
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    request.ttl = TTL_S;
    etcd_call_start(s->worker->client, &etcd_rpc_lease_grant, &request, -1, on_granted, s);
}

static void on_kept(void *arg, const void *response)
{
    struct own *own = ((struct slot *)arg)->own;
    own->ttl = ((const Etcdserverpb__LeaseKeepAliveResponse *)response)->ttl;
}

static void on_done(void *arg, const struct etcd_error *error)
{
    struct slot *s = arg;
    struct own *own = s->own;
    struct etcd_error gone = {.code = ETCD_NOT_FOUND};
    etcd_stream_free(own->stream);
    own->stream = NULL;
    if (error->code == ETCD_OK && own->ttl <= 0) {
        snprintf(gone.text, sizeof gone.text, "%s", err_text(ERR_LEASE_NOT_FOUND));
        error = &gone;
    }
    load_done(s, 0, error);
}

static void begin(struct slot *s)
{
    struct own *own = s->own;
    Etcdserverpb__LeaseKeepAliveRequest request = ETCDSERVERPB__LEASE_KEEP_ALIVE_REQUEST__INIT;
    request.id = own->lease;
    own->ttl = 0;
    own->stream = etcd_stream_open(s->worker->client, &etcd_rpc_lease_keep_alive, &request, true,
                                   on_kept, on_done, s);
}

static int lease_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet f = {0};
    if (check_at_least("total", opt.total, 0) != CLI_OK)
        return CLI_ERROR;
    int code = fleet_open(&f, 0, globals.clients);
    if (code != CLI_OK)
        return code;
    AUTO(load) struct load l = {.fleet = &f,
                                .n_slots = globals.clients,
                                .total = (uint64_t)opt.total,
                                .slot_size = sizeof(struct own),
                                .n_kinds = 1,
                                .ops = {"lease-keepalive"},
                                .prepare = prepare,
                                .begin = begin};
    code = load_run(&l);
    return code == CLI_OK ? report_print(&l.reports[0]) : code;
}

struct cli_command cmd_lease_keepalive = {.use = "lease-keepalive",
                                          .summary = "Benchmark lease keepalive",
                                          .flags = flags,
                                          .run = lease_run};
