/* benchmark/stm.c -- transactions as upstream's software transactional memory makes them.
 *
 * A transaction reads its keys one by one, writes some of them, and commits if what it read is
 * still so; else it begins again. What "still so" covers is the isolation:
 *
 *   c   read committed: nothing
 *   r   repeatable reads: what was read is still current
 *   s   serializable: likewise, and all was read at the revision of the first read
 *   ss  serializable snapshot: likewise, and nobody wrote what is written since
 *
 * After a conflict s and ss begin with the values that came with the refusal.
 * SPDX-License-Identifier: Apache-2.0 */
#include "benchmark/stm.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "benchmark/answers.h"
#include "benchmark/globals.h"

enum { KEY_SIZE = 16, KEYS_MAX = 1 << 16, POOL_SLACK = 1 << 16 };

static struct {
    const char *isolation, *locker;
    int keys, total, keys_per_txn, wr_percent, val_size, rate;
} opt;

static const char *const isolations[] = {"r", "c", "s", "ss", NULL};
static const char *const lockers[] = {"stm", "lock-client", "lock-rpc", NULL};

static struct cli_flag flags[] = {
    {"isolation", .type = CLI_STRING, .value = &opt.isolation, .def = "r", .values = isolations,
     .usage = "Read Committed (c), Repeatable Reads (r), Serializable (s), or Snapshot (ss)"},
    {"keys", .type = CLI_INT, .value = &opt.keys, .def = "1",
     .usage = "Total unique keys accessible by the benchmark"},
    {"total", .type = CLI_INT, .value = &opt.total, .def = "10000",
     .usage = "Total number of completed STM transactions"},
    {"keys-per-txn", .type = CLI_INT, .value = &opt.keys_per_txn, .def = "1",
     .usage = "Number of keys to access per transaction"},
    {"txn-wr-percent", .type = CLI_INT, .value = &opt.wr_percent, .def = "50",
     .usage = "Percentage of keys to overwrite per transaction"},
    {"stm-locker", .type = CLI_STRING, .value = &opt.locker, .def = "stm", .values = lockers,
     .usage = "Wrap STM transaction with a custom locking mechanism (stm, lock-client, lock-rpc)"},
    {"val-size", .type = CLI_INT, .value = &opt.val_size, .def = "8",
     .usage = "Value size of each STM put request"},
    {"rate", .type = CLI_INT, .value = &opt.rate,
     .usage = "Maximum STM transactions per second (0 is no limit)"},
    {0},
};

struct stm {
    bool guards_reads, one_revision, guards_writes; /* the isolation */
    enum locker_kind locker;
    size_t n, n_writes; /* keys of a transaction; the first are written */
    uint8_t *pool;      /* random bytes: a value is any val_size of them */
};

/* One key of a transaction, with the messages that are about it. */
struct access {
    uint64_t number;
    uint8_t key[KEY_SIZE];
    bool read;
    int64_t mod_revision; /* as it was read; 0: there was none */
    Etcdserverpb__Compare is_current, is_unwritten;
    Etcdserverpb__PutRequest put;
    Etcdserverpb__RangeRequest range;
    Etcdserverpb__RequestOp put_op, range_op;
};

struct own {
    struct rng rng;
    struct locker locker;
    size_t n_read;
    int64_t base;  /* all is read at this revision; 0: not known yet */
    int64_t first; /* the lowest revision at which something was read */
    bool failed;
    struct etcd_error error; /* if it failed: told after unlocking */
    struct access *accesses;
    Etcdserverpb__Compare **compares;
    Etcdserverpb__RequestOp **puts, **ranges;
};

static const struct stm *stm_of(const struct slot *s)
{
    return s->load->arg;
}

static void read_on(struct slot *s);

/* ---- the messages ---------------------------------------------------------------------------- */

static void access_init(struct access *a)
{
    ProtobufCBinaryData key = {KEY_SIZE, a->key};
    a->is_current = a->is_unwritten = (Etcdserverpb__Compare)ETCDSERVERPB__COMPARE__INIT;
    a->is_current.target = a->is_unwritten.target = ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD;
    a->is_current.target_union_case = a->is_unwritten.target_union_case =
        ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION;
    a->is_unwritten.result = ETCDSERVERPB__COMPARE__COMPARE_RESULT__LESS;
    a->put = (Etcdserverpb__PutRequest)ETCDSERVERPB__PUT_REQUEST__INIT;
    a->range = (Etcdserverpb__RangeRequest)ETCDSERVERPB__RANGE_REQUEST__INIT;
    a->is_current.key = a->is_unwritten.key = a->put.key = a->range.key = key;
    a->put_op = a->range_op = (Etcdserverpb__RequestOp)ETCDSERVERPB__REQUEST_OP__INIT;
    a->put_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT;
    a->put_op.request_put = &a->put;
    a->range_op.request_case = ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_RANGE;
    a->range_op.request_range = &a->range;
}

static void own_init(struct own *own, const struct stm *stm)
{
    own->accesses = xcalloc(stm->n + 1, sizeof *own->accesses);
    own->compares = xcalloc(stm->n * 2 + 1, sizeof *own->compares);
    own->puts = xcalloc(stm->n + 1, sizeof *own->puts);
    own->ranges = xcalloc(stm->n + 1, sizeof *own->ranges);
    for (size_t i = 0; i < stm->n; i++) {
        struct access *a = &own->accesses[i];
        access_init(a);
        own->compares[i] = &a->is_current;
        own->compares[stm->n + i] = &a->is_unwritten;
        own->puts[i] = &a->put_op;
        own->ranges[i] = &a->range_op;
    }
}

static void own_fini(struct own *own, struct fleet *f)
{
    locker_fini(&own->locker, f);
    free(own->accesses);
    free(own->compares);
    free(own->puts);
    free(own->ranges);
}

/* Different keys out of all (R. W. Floyd's way). */
static void choose_keys(struct own *own, size_t n)
{
    uint64_t from = (uint64_t)opt.keys - n;
    for (size_t i = 0; i < n; i++) {
        uint64_t number = rng_below(&own->rng, from + i + 1);
        for (size_t k = 0; k < i; k++)
            if (own->accesses[k].number == number)
                number = from + i;
        own->accesses[i].number = number;
        key_fill(own->accesses[i].key, KEY_SIZE, number);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

static void on_over(struct slot *s)
{
    struct own *own = s->own;
    load_done(s, 0, own->failed ? &own->error : NULL);
}

static void end(struct slot *s, const struct etcd_error *error)
{
    struct own *own = s->own;
    own->failed = error != NULL;
    if (error != NULL)
        own->error = *error;
    locker_unlock(&own->locker, on_over);
}

/* ---- reading and committing ------------------------------------------------------------------ */

static void took_read(struct own *own, struct access *a, const Etcdserverpb__RangeResponse *r,
                      int64_t revision)
{
    a->read = true;
    a->mod_revision = r->n_kvs > 0 ? r->kvs[0]->mod_revision : 0;
    if (own->base == 0)
        own->base = revision;
    if (revision < own->first)
        own->first = revision;
}

static void begin_again(struct slot *s, const Etcdserverpb__TxnResponse *refusal)
{
    const struct stm *stm = stm_of(s);
    struct own *own = s->own;
    own->n_read = 0;
    own->base = 0;
    own->first = INT64_MAX - 1;
    for (size_t i = 0; i < stm->n; i++) {
        own->accesses[i].read = false;
        const Etcdserverpb__RangeResponse *r = refusal != NULL ? answer_range(refusal, i) : NULL;
        if (r != NULL)
            took_read(own, &own->accesses[i], r, answer_revision(refusal->header));
    }
    read_on(s);
}

static void on_committed(void *arg, const void *response, const struct etcd_error *error)
{
    struct slot *s = arg;
    const Etcdserverpb__TxnResponse *r = response;
    if (error != NULL || r->succeeded)
        end(s, error);
    else
        begin_again(s, r);
}

static void commit(struct slot *s)
{
    const struct stm *stm = stm_of(s);
    struct own *own = s->own;
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    for (size_t i = 0; i < stm->n; i++) {
        struct access *a = &own->accesses[i];
        a->is_current.mod_revision = a->mod_revision;
        a->is_unwritten.mod_revision = own->first + 1;
        a->put.value.len = (size_t)opt.val_size;
        a->put.value.data = stm->pool + rng_below(&own->rng, POOL_SLACK);
        a->range.revision = 0;
        a->range.serializable = false;
    }
    txn.compare = own->compares;
    txn.n_compare = stm->guards_writes ? stm->n + stm->n_writes : stm->guards_reads ? stm->n : 0;
    txn.success = own->puts;
    txn.n_success = stm->n_writes;
    txn.failure = own->ranges;
    txn.n_failure = stm->one_revision ? stm->n : 0;
    etcd_call_start(s->worker->client, &etcd_rpc_txn, &txn, -1, on_committed, s);
}

static void on_read(void *arg, const void *response, const struct etcd_error *error)
{
    struct slot *s = arg;
    struct own *own = s->own;
    const Etcdserverpb__TxnResponse *r = response;
    const struct etcd_error incomplete = answer_error();
    const Etcdserverpb__RangeResponse *range = error == NULL ? answer_range(r, 0) : NULL;
    if (range == NULL) {
        end(s, error != NULL ? error : &incomplete);
        return;
    }
    took_read(own, &own->accesses[own->n_read], range, answer_revision(r->header));
    read_on(s);
}

/* Read the next key that is not known yet; commit behind the last. */
static void read_on(struct slot *s)
{
    const struct stm *stm = stm_of(s);
    struct own *own = s->own;
    while (own->n_read < stm->n && own->accesses[own->n_read].read)
        own->n_read++;
    if (own->n_read == stm->n) {
        commit(s);
        return;
    }
    struct access *a = &own->accesses[own->n_read];
    Etcdserverpb__RequestOp *ops[] = {&a->range_op};
    Etcdserverpb__TxnRequest txn = ETCDSERVERPB__TXN_REQUEST__INIT;
    a->range.revision = stm->one_revision ? own->base : 0;
    a->range.serializable = !stm->one_revision || own->base != 0;
    txn.n_success = 1;
    txn.success = ops;
    etcd_call_start(s->worker->client, &etcd_rpc_txn, &txn, -1, on_read, s);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void on_locked(struct slot *s)
{
    begin_again(s, NULL);
}

static void begin(struct slot *s)
{
    struct own *own = s->own;
    choose_keys(own, stm_of(s)->n);
    locker_lock(&own->locker, on_locked);
}

static void prepare(struct slot *s)
{
    struct own *own = s->own;
    own->rng.state = (uint64_t)load_now_ns() + s->id;
    own_init(own, stm_of(s));
    locker_prepare(&own->locker, stm_of(s)->locker, s);
}

static int check(struct cli_command *cmd, struct stm *stm)
{
    if (check_at_least("keys", opt.keys, 1) != CLI_OK ||
        check_at_least("total", opt.total, 0) != CLI_OK ||
        check_at_least("rate", opt.rate, 0) != CLI_OK ||
        check_value_size("val-size", opt.val_size) != CLI_OK)
        return CLI_ERROR;
    if (opt.wr_percent < 0 || opt.wr_percent > 100) {
        fprintf(stderr, "expected [0, 100] --txn-wr-percent, got (%d)\n", opt.wr_percent);
        return CLI_ERROR;
    }
    if (opt.keys_per_txn < 0 || opt.keys_per_txn > opt.keys || opt.keys_per_txn > KEYS_MAX) {
        fprintf(stderr, "expected --keys-per-txn between 0 and %d, got (%d)\n",
                opt.keys < KEYS_MAX ? opt.keys : KEYS_MAX, opt.keys_per_txn);
        return CLI_ERROR;
    }
    stm->n = (size_t)opt.keys_per_txn;
    stm->n_writes = stm->n * (size_t)opt.wr_percent / 100;
    const char *i = opt.isolation;
    stm->guards_writes = strcmp(i, "ss") == 0;
    stm->one_revision = strcmp(i, "s") == 0 || stm->guards_writes;
    stm->guards_reads = strcmp(i, "r") == 0 || stm->one_revision;
    if (!stm->guards_reads && strcmp(i, "c") != 0)
        return fail_with_usage(cmd, "unknown --isolation \"%s\"", i);
    for (size_t k = 0; lockers[k]; k++) {
        stm->locker = (enum locker_kind)k;
        if (strcmp(lockers[k], opt.locker) == 0)
            return CLI_OK;
    }
    fprintf(stderr, "unexpected stm locker \"%s\"\n", opt.locker);
    return CLI_ERROR;
}

static int run_transactions(struct fleet *f, struct stm *stm)
{
    AUTO(load) struct load l = {.fleet = f,
                                .n_slots = globals.clients,
                                .total = (uint64_t)opt.total,
                                .rate = opt.rate,
                                .slot_size = sizeof(struct own),
                                .arg = stm,
                                .n_kinds = 1,
                                .ops = {"stm"},
                                .prepare = prepare,
                                .begin = begin};
    int code = load_run(&l);
    for (size_t i = 0; i < l.n_slots; i++)
        own_fini(l.slots[i].own, f);
    return code == CLI_OK ? report_print(&l.reports[0]) : code;
}

static int stm_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet f = {0};
    struct stm stm = {0};
    if (check(cmd, &stm) != CLI_OK)
        return CLI_ERROR;
    int code = fleet_open(&f, 0, globals.clients);
    if (code != CLI_OK)
        return code;
    stm.pool = random_bytes((size_t)opt.val_size + POOL_SLACK);
    code = run_transactions(&f, &stm);
    free(stm.pool);
    return code;
}

struct cli_command cmd_stm = {
    .use = "stm", .summary = "Benchmark STM", .flags = flags, .run = stm_run};
