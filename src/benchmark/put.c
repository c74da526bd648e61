/* benchmark/put.c -- puts, one by one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/random.h"
#include "benchmark/answers.h"
#include "benchmark/globals.h"
#include "benchmark/load.h"
#include "cli/quote.h"

static struct {
    int key_size, val_size, rate, total, key_space_size;
    bool sequential_keys, check_hashkv;
    int64_t compact_interval, compact_index_delta;
} opt;

static struct cli_flag flags[] = {
    {"key-size", .type = CLI_INT, .value = &opt.key_size, .def = "8",
     .usage = "Key size of put request"},
    {"val-size", .type = CLI_INT, .value = &opt.val_size, .def = "8",
     .usage = "Value size of put request"},
    {"rate", .type = CLI_INT, .value = &opt.rate,
     .usage = "Maximum puts per second (0 is no limit)"},
    {"total", .type = CLI_INT, .value = &opt.total, .def = "10000",
     .usage = "Total number of put requests"},
    {"key-space-size", .type = CLI_INT, .value = &opt.key_space_size, .def = "1",
     .usage = "Maximum possible keys"},
    {"sequential-keys", .type = CLI_BOOL, .value = &opt.sequential_keys,
     .usage = "Use sequential keys"},
    {"compact-interval", .type = CLI_DURATION, .value = &opt.compact_interval,
     .usage = "Interval to compact database (do not duplicate this with etcd's "
              "'auto-compaction-retention' flag) (e.g. --compact-interval=5m compacts every "
              "5-minute)"},
    {"compact-index-delta", .type = CLI_INT64, .value = &opt.compact_index_delta, .def = "1000",
     .usage = "Delta between current revision and compact revision (e.g. current revision 10000, "
              "compact at 9000)"},
    {"check-hashkv", .type = CLI_BOOL, .value = &opt.check_hashkv,
     .usage = "'true' to check hashkv"},
    {0},
};

/* ---- the puts -------------------------------------------------------------------------------- */

struct puts {
    uint8_t *value;
    struct rng rng[]; /* one a slot */
};

static void on_put(void *arg, const void *response, const struct etcd_error *error)
{
    (void)response;
    load_done(arg, 0, error);
}

static void begin(struct slot *s)
{
    struct puts *puts = s->load->arg;
    uint64_t space = (uint64_t)opt.key_space_size;
    uint64_t i = opt.sequential_keys ? s->number % space : rng_below(&puts->rng[s->id], space);
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    key_fill(s->own, (size_t)opt.key_size, i);
    request.key = (ProtobufCBinaryData){(size_t)opt.key_size, s->own};
    request.value = (ProtobufCBinaryData){(size_t)opt.val_size, puts->value};
    etcd_call_start(s->worker->client, &etcd_rpc_put, &request, -1, on_put, s);
}

/* ---- --compact-interval ---------------------------------------------------------------------- */

struct compactor {
    struct load *load;
    struct etcd_client *client;
    struct etcd_timer *timer;
};

static void on_compacted(void *arg, const void *response, const struct etcd_error *error)
{
    struct compactor *c = arg;
    (void)response;
    /* nothing new since the last one is no reason to end */
    if (error != NULL && error->code != ETCD_OUT_OF_RANGE)
        load_fail(c->load, "compaction", error);
    else
        etcd_timer_set(c->timer, duration_ms(opt.compact_interval));
}

static void on_revision(void *arg, const void *response, const struct etcd_error *error)
{
    struct compactor *c = arg;
    if (error != NULL) {
        load_fail(c->load, "compaction", error);
        return;
    }
    const Etcdserverpb__RangeResponse *r = response;
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    request.revision = answer_revision(r->header) - opt.compact_index_delta;
    if (request.revision < 0)
        request.revision = 0;
    etcd_call_start(c->client, &etcd_rpc_compact, &request, 5000, on_compacted, c);
}

static void on_compact_time(void *arg)
{
    struct compactor *c = arg;
    static char foo[] = "foo";
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = (ProtobufCBinaryData){3, (uint8_t *)foo};
    etcd_call_start(c->client, &etcd_rpc_range, &request, 5000, on_revision, c);
}

/* ---- --check-hashkv -------------------------------------------------------------------------- */

static int hash_fail(const char *what, const char *endpoint, const struct etcd_error *e)
{
    fprintf(stderr, "Failed to get the %s of endpoint %s (%s)\n", what, endpoint, e->text);
    return CLI_ERROR;
}

static int check_hash(struct etcd_client *c)
{
    size_t n;
    const char *endpoint = etcd_client_endpoints(c, &n)[0];
    struct etcd_error e;
    int64_t began = load_now_ns();
    Etcdserverpb__HashKVRequest hash_request = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    Etcdserverpb__HashKVResponse *hash =
        etcd_call_at(c, 0, &etcd_rpc_hash_kv, &hash_request, -1, &e);
    if (hash == NULL)
        return hash_fail("hashkv", endpoint, &e);
    Etcdserverpb__StatusRequest status_request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    Etcdserverpb__StatusResponse *status =
        etcd_call_at(c, 0, &etcd_rpc_status, &status_request, -1, &e);
    if (status == NULL) {
        etcd_response_free(hash);
        return hash_fail("status", endpoint, &e);
    }
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "HashKV Summary:\n\tHashKV: %u\n\tEndpoint: %s\n", hash->hash, endpoint);
    buf_add_str(&b, "\tTime taken to get hashkv: ");
    duration_format(&b, load_now_ns() - began);
    buf_add_str(&b, "\n\tDB size: ");
    number_add_bytes(&b, status->dbsize > 0 ? (uint64_t)status->dbsize : 0);
    printf("%s\n", buf_cstr(&b));
    etcd_response_free(hash);
    etcd_response_free(status);
    return CLI_OK;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run_puts(struct fleet *f, struct load *l)
{
    struct puts *puts = xmalloc(sizeof *puts + globals.clients * sizeof(struct rng));
    struct compactor compactor = {.load = l, .client = f->workers[0].client};
    puts->value = random_bytes((size_t)opt.val_size);
    for (unsigned i = 0; i < globals.clients; i++)
        puts->rng[i].state = (uint64_t)load_now_ns() + i;
    l->arg = puts;
    if (opt.compact_interval > 0) {
        compactor.timer = etcd_timer_new(compactor.client, on_compact_time, &compactor);
        etcd_timer_set(compactor.timer, duration_ms(opt.compact_interval));
    }
    int code = load_run(l);
    etcd_timer_free(compactor.timer);
    free(puts->value);
    free(puts);
    return code;
}

static int put_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet f = {0};
    if (check_keys(opt.key_size, opt.key_space_size) != CLI_OK ||
        check_value_size("val-size", opt.val_size) != CLI_OK ||
        check_at_least("total", opt.total, 0) != CLI_OK ||
        check_at_least("rate", opt.rate, 0) != CLI_OK)
        return CLI_ERROR;
    int code = fleet_open(&f, 0, globals.clients);
    if (code != CLI_OK)
        return code;
    AUTO(load) struct load l = {.fleet = &f,
                                .n_slots = globals.clients,
                                .total = (uint64_t)opt.total,
                                .rate = opt.rate,
                                .slot_size = (size_t)opt.key_size,
                                .n_kinds = 1,
                                .ops = {"put"},
                                .begin = begin};
    code = run_puts(&f, &l);
    if (code == CLI_OK) {
        code = report_print(&l.reports[0]);
        putchar('\n');
    }
    if (code == CLI_OK && opt.check_hashkv)
        code = check_hash(f.workers[0].client);
    return code;
}

struct cli_command cmd_put = {
    .use = "put", .summary = "Benchmark put", .flags = flags, .run = put_run};
