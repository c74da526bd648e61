/* benchmark/txn.c -- transactions: of puts, and of a put or a range each.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "benchmark/globals.h"
#include "benchmark/load.h"

enum { OPS_MAX = 1 << 20 }; /* of one transaction: a server allows 128 unless told otherwise */

static struct {
    int key_size, val_size, rate, total, key_space_size;
    int txn_ops;
    const char *end_key, *consistency;
    int64_t limit;
    double rw_ratio;
} opt;

static struct cli_flag put_flags[] = {
    {"key-size", .type = CLI_INT, .value = &opt.key_size, .def = "8",
     .usage = "Key size of txn put"},
    {"val-size", .type = CLI_INT, .value = &opt.val_size, .def = "8",
     .usage = "Value size of txn put"},
    {"txn-ops", .type = CLI_INT, .value = &opt.txn_ops, .def = "1",
     .usage = "Number of puts per txn"},
    {"rate", .type = CLI_INT, .value = &opt.rate,
     .usage = "Maximum txns per second (0 is no limit)"},
    {"total", .type = CLI_INT, .value = &opt.total, .def = "10000",
     .usage = "Total number of txn requests"},
    {"key-space-size", .type = CLI_INT, .value = &opt.key_space_size, .def = "1",
     .usage = "Maximum possible keys"},
    {0},
};

static struct cli_flag mixed_flags[] = {
    {"key-size", .type = CLI_INT, .value = &opt.key_size, .def = "8",
     .usage = "Key size of mixed txn"},
    {"val-size", .type = CLI_INT, .value = &opt.val_size, .def = "8",
     .usage = "Value size of mixed txn"},
    {"rate", .type = CLI_INT, .value = &opt.rate,
     .usage = "Maximum txns per second (0 is no limit)"},
    {"total", .type = CLI_INT, .value = &opt.total, .def = "10000",
     .usage = "Total number of txn requests"},
    {"end-key", .type = CLI_STRING, .value = &opt.end_key,
     .usage = "Read operation range end key. By default, we do full range query with the default "
              "limit of 1000."},
    {"limit", .type = CLI_INT64, .value = &opt.limit, .def = "1000",
     .usage = "Read operation range result limit"},
    {"key-space-size", .type = CLI_INT, .value = &opt.key_space_size, .def = "1",
     .usage = "Maximum possible keys"},
    {"consistency", .type = CLI_STRING, .value = &opt.consistency, .def = "l",
     .usage = "Linearizable(l) or Serializable(s)"},
    {"rw-ratio", .type = CLI_FLOAT, .value = &opt.rw_ratio, .def = "1",
     .usage = "Read/write ops ratio"},
    {0},
};

static int check_common(void)
{
    if (check_keys(opt.key_size, opt.key_space_size) != CLI_OK ||
        check_value_size("val-size", opt.val_size) != CLI_OK ||
        check_at_least("total", opt.total, 0) != CLI_OK)
        return CLI_ERROR;
    return check_at_least("rate", opt.rate, 0);
}

/* ---- txn-put --------------------------------------------------------------------------------- */

/* The transaction of one slot; its keys are filled in each time. */
struct put_txn {
    Etcdserverpb__TxnRequest txn;
    Etcdserverpb__RequestOp *ops;
    Etcdserverpb__RequestOp **op_pointers;
    Etcdserverpb__PutRequest *puts;
    uint8_t *keys;
};

static void put_txn_init(struct put_txn *t, uint8_t *value)
{
    size_t n = (size_t)opt.txn_ops, key_size = (size_t)opt.key_size;
    t->txn = (Etcdserverpb__TxnRequest)ETCDSERVERPB__TXN_REQUEST__INIT;
    t->ops = xcalloc(n + 1, sizeof *t->ops);
    t->op_pointers = xcalloc(n + 1, sizeof *t->op_pointers);
    t->puts = xcalloc(n + 1, sizeof *t->puts);
    t->keys = xcalloc(n + 1, key_size);
    for (size_t i = 0; i < n; i++) {
        t->puts[i] = (Etcdserverpb__PutRequest)ETCDSERVERPB__PUT_REQUEST__INIT;
        t->puts[i].key = (ProtobufCBinaryData){key_size, t->keys + i * key_size};
        t->puts[i].value = (ProtobufCBinaryData){(size_t)opt.val_size, value};
        t->ops[i] = (Etcdserverpb__RequestOp)ETCDSERVERPB__REQUEST_OP__INIT;
        t->ops[i].request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        t->ops[i].request_put = &t->puts[i];
        t->op_pointers[i] = &t->ops[i];
    }
    t->txn.n_success = n;
    t->txn.success = t->op_pointers;
}

static void put_txn_fini(struct put_txn *t)
{
    free(t->ops);
    free(t->op_pointers);
    free(t->puts);
    free(t->keys);
}

static void on_put_txn(void *arg, const void *response, const struct etcd_error *error)
{
    (void)response;
    load_done(arg, 0, error);
}

static void begin_put_txn(struct slot *s)
{
    struct put_txn *t = s->own;
    uint64_t n = (uint64_t)opt.txn_ops, space = (uint64_t)opt.key_space_size;
    for (uint64_t i = 0; i < n; i++)
        key_fill(t->puts[i].key.data, t->puts[i].key.len, (s->number * n + i) % space);
    etcd_call_start(s->worker->client, &etcd_rpc_txn, &t->txn, -1, on_put_txn, s);
}

static void prepare_put_txn(struct slot *s)
{
    put_txn_init(s->own, s->load->arg);
    load_ready(s);
}

static int txn_put_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet f = {0};
    if (check_common() != CLI_OK || check_at_least("txn-ops", opt.txn_ops, 0) != CLI_OK)
        return CLI_ERROR;
    if (opt.txn_ops > opt.key_space_size || opt.txn_ops > OPS_MAX) {
        fprintf(stderr,
                "expected --txn-ops no larger than --key-space-size, got txn-ops(%d) "
                "key-space-size(%d)\n",
                opt.txn_ops, opt.key_space_size);
        return CLI_ERROR;
    }
    int code = fleet_open(&f, 0, globals.clients);
    if (code != CLI_OK)
        return code;
    uint8_t *value = random_bytes((size_t)opt.val_size);
    AUTO(load) struct load l = {.fleet = &f,
                                .n_slots = globals.clients,
                                .total = (uint64_t)opt.total,
                                .rate = opt.rate,
                                .slot_size = sizeof(struct put_txn),
                                .arg = value,
                                .n_kinds = 1,
                                .ops = {"txn-put"},
                                .prepare = prepare_put_txn,
                                .begin = begin_put_txn};
    code = load_run(&l);
    for (size_t i = 0; i < l.n_slots; i++)
        put_txn_fini(l.slots[i].own);
    free(value);
    if (code == CLI_OK) {
        code = report_print(&l.reports[0]);
        putchar('\n');
    }
    return code;
}

/* ---- txn-mixed ------------------------------------------------------------------------------- */

enum { READ, WRITE };

struct mixed {
    uint8_t *value;
    Etcdserverpb__RangeRequest range;
    uint64_t read_below; /* of 2^64: the share of the reads */
};

struct mixed_own {
    struct rng rng;
    int kind;
    uint64_t begun[2];
    uint8_t key[];
};

static void on_mixed(void *arg, const void *response, const struct etcd_error *error)
{
    struct slot *s = arg;
    struct mixed_own *own = s->own;
    (void)response;
    load_done(s, own->kind, error);
}

static void begin_mixed(struct slot *s)
{
    struct mixed *m = s->load->arg;
    struct mixed_own *own = s->own;
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RequestOp op = ETCDSERVERPB__REQUEST_OP__INIT, *ops[] = {&op};
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    own->kind = rng_next(&own->rng) < m->read_below ? READ : WRITE;
    own->begun[own->kind]++;
    if (own->kind == READ) {
        op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
        op.request_range = &m->range;
    } else {
        key_fill(own->key, (size_t)opt.key_size, s->number % (uint64_t)opt.key_space_size);
        put.key = (ProtobufCBinaryData){(size_t)opt.key_size, own->key};
        put.value = (ProtobufCBinaryData){(size_t)opt.val_size, m->value};
        op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
        op.request_put = &put;
    }
    txn.n_success = 1;
    txn.success = ops;
    etcd_call_start(s->worker->client, &etcd_rpc_txn, &txn, -1, on_mixed, s);
}

static void prepare_mixed(struct slot *s)
{
    struct mixed_own *own = s->own;
    own->rng.state = (uint64_t)load_now_ns() + s->id;
    load_ready(s);
}

static void mixed_init(struct mixed *m, bool serializable)
{
    static uint8_t first[] = {0};
    *m = (struct mixed){.value = random_bytes((size_t)opt.val_size)};
    m->range = (Etcdserverpb__RangeRequest)ETCDSERVERPB__RANGE_REQUEST__INIT;
    m->range.key = m->range.range_end = (ProtobufCBinaryData){1, first};
    if (*opt.end_key)
        m->range.range_end = (ProtobufCBinaryData){strlen(opt.end_key), (uint8_t *)opt.end_key};
    m->range.limit = opt.limit;
    m->range.serializable = serializable;
    double share = opt.rw_ratio / (1 + opt.rw_ratio);
    m->read_below = share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64);
}

static int print_mixed(struct load *l)
{
    static const char *const names[] = {"Read", "Write"};
    int code[2];
    for (int kind = READ; kind <= WRITE; kind++) {
        uint64_t n = 0;
        for (size_t i = 0; i < l->n_slots; i++)
            n += ((struct mixed_own *)l->slots[i].own)->begun[kind];
        printf("Total %s Ops: %llu\nDetails:", names[kind], (unsigned long long)n);
        code[kind] = report_print(&l->reports[kind]);
        putchar('\n');
    }
    return code[READ] != CLI_OK ? code[READ] : code[WRITE];
}

static int txn_mixed_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet f = {0};
    if (check_common() != CLI_OK || check_at_least("limit", opt.limit, 0) != CLI_OK)
        return CLI_ERROR;
    if (!(opt.rw_ratio >= 0))
        return cli_fail(CLI_ERROR, "expected non-negative --rw-ratio, got (%g)", opt.rw_ratio);
    bool serializable;
    int code = read_consistency(cmd, opt.consistency, &serializable);
    if (code == CLI_OK)
        code = fleet_open(&f, 0, globals.clients);
    if (code != CLI_OK)
        return code;
    struct mixed m;
    mixed_init(&m, serializable);
    AUTO(load) struct load l = {.fleet = &f,
                                .n_slots = globals.clients,
                                .total = (uint64_t)opt.total,
                                .rate = opt.rate,
                                .slot_size = sizeof(struct mixed_own) + (size_t)opt.key_size,
                                .arg = &m,
                                .n_kinds = 2,
                                .ops = {"txn-mixed-read", "txn-mixed-write"},
                                .prepare = prepare_mixed,
                                .begin = begin_mixed};
    code = load_run(&l);
    if (code == CLI_OK)
        code = print_mixed(&l);
    free(m.value);
    return code;
}

struct cli_command cmd_txn_put = {
    .use = "txn-put", .summary = "Benchmark txn-put", .flags = put_flags, .run = txn_put_run};
struct cli_command cmd_txn_mixed = {.use = "txn-mixed key [end-range]",
                                    .summary = "Benchmark a mixed load of txn-put & txn-range.",
                                    .flags = mixed_flags,
                                    .run = txn_mixed_run};
