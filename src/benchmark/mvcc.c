/* benchmark/mvcc.c -- puts into the key space itself, in this process: no server, no network, no
 * log.
 *
 * The database is made in a folder of its own in the current directory, so that it is that disk
 * which is measured, and removed at the end. Puts are committed in batches, as a server commits
 * them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/random.h"
#include "benchmark/globals.h"
#include "benchmark/load.h"
#include "mvcc/store.h"
#include "storage/kvdb.h"

enum {
    OPS_MAX = 1 << 20,
    BYTES_MAX = 1 << 30,        /* of one transaction */
    WAL_MAX = 16 * 1024 * 1024, /* then it goes into the database file */
};

static struct {
    int batch_interval, batch_limit;
    int total, key_size, value_size, txn_ops;
    bool txn;
    const char *cpu_profile, *mem_profile;
} opt;

static struct cli_flag mvcc_flags[] = {
    {"batch-interval", .type = CLI_INT, .value = &opt.batch_interval, .def = "100",
     .usage = "Interval of batching (milliseconds)"},
    {"batch-limit", .type = CLI_INT, .value = &opt.batch_limit, .def = "10000",
     .usage = "A limit of batched transaction"},
    {0},
};

static struct cli_flag put_flags[] = {
    {"total", .type = CLI_INT, .value = &opt.total, .def = "100",
     .usage = "a total number of keys to put"},
    {"key-size", .type = CLI_INT, .value = &opt.key_size, .def = "64",
     .usage = "a size of key (Byte)"},
    {"value-size", .type = CLI_INT, .value = &opt.value_size, .def = "64",
     .usage = "a size of value (Byte)"},
    {"txn", .type = CLI_BOOL, .value = &opt.txn, .usage = "put a key in transaction or not"},
    {"txn-ops", .type = CLI_INT, .value = &opt.txn_ops, .def = "1",
     .usage = "a number of keys to put per transaction"},
    {"cpuprofile", .type = CLI_STRING, .value = &opt.cpu_profile, .hidden = true,
     .usage = "the path of file for storing cpu profile result"},
    {"memprofile", .type = CLI_STRING, .value = &opt.mem_profile, .hidden = true,
     .usage = "the path of file for storing heap profile result"},
    {0},
};

struct bench {
    char folder[32], path[48];
    struct kvdb *db;
    struct kvdb_checkpointer *checkpointer;
    struct mvcc_store *store;
    struct rng rng;
    uint8_t *bytes; /* of the keys and values of one transaction */
    size_t n_ops;
    int64_t batched, batch_began_ns;
};

/* ---- the database ---------------------------------------------------------------------------- */

static int fail(const char *what, const struct why *why)
{
    return cli_fail(CLI_ERROR, "%s: %s", what, why->text);
}

static int bench_open(struct bench *b)
{
    struct why why = {.text = ""};
    const struct kvdb_options options = {.create = true};
    snprintf(b->folder, sizeof b->folder, "mvcc-bench-XXXXXX");
    if (mkdtemp(b->folder) == NULL) {
        b->folder[0] = '\0';
        return cli_fail(CLI_ERROR, "cannot make a folder here: %m");
    }
    snprintf(b->path, sizeof b->path, "%s/kv.db", b->folder);
    if (kvdb_open(b->path, &options, &b->db, &why) != ERR_OK ||
        kvdb_checkpointer_open(b->db, &b->checkpointer, &why) != ERR_OK)
        return fail(b->path, &why);
    b->store = mvcc_store_new();
    mvcc_store_loaded(b->store, 0, 0);
    kvdb_begin(b->db);
    b->batch_began_ns = load_now_ns();
    return CLI_OK;
}

static void bench_close(struct bench *b)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    mvcc_store_free(b->store);
    kvdb_checkpointer_close(b->checkpointer);
    kvdb_close(b->db);
    free(b->bytes);
    if (b->folder[0] == '\0')
        return;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[64];
        snprintf(path, sizeof path, "%s%s", b->path, suffixes[i]);
        (void)unlink(path);
    }
    (void)rmdir(b->folder);
}

static bool commit_batch(struct bench *b, int64_t now_ns, struct why *why)
{
    struct kvdb_checkpoint_stats stats;
    if (kvdb_commit(b->db, why) != ERR_OK)
        return false;
    if (kvdb_wal_size(b->db) > WAL_MAX &&
        kvdb_checkpoint(b->checkpointer, KVDB_CHECKPOINT_PASSIVE, &stats, why) != ERR_OK)
        return false;
    kvdb_begin(b->db);
    b->batched = 0;
    b->batch_began_ns = now_ns;
    return true;
}

/* ---- puts ------------------------------------------------------------------------------------ */

static void fill(struct bench *b)
{
    size_t n = b->n_ops * (size_t)(opt.key_size + opt.value_size);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = rng_next(&b->rng);
        memcpy(b->bytes + i, &word, sizeof word);
    }
}

/* Put all of b->bytes in one transaction, and commit if the batch is full or old. */
static bool put(struct bench *b, struct why *why)
{
    const struct mvcc_change *changes;
    size_t n_changes, key_size = (size_t)opt.key_size, value_size = (size_t)opt.value_size;
    const uint8_t *p = b->bytes;
    mvcc_txn_begin(b->store, kvdb_writer(b->db));
    for (size_t i = 0; i < b->n_ops; i++, p += key_size + value_size)
        mvcc_txn_put(b->store, slice_make(p, key_size), slice_make(p + key_size, value_size), 0);
    (void)mvcc_txn_end(b->store, &changes, &n_changes);
    b->batched += (int64_t)b->n_ops;
    int64_t now_ns = load_now_ns();
    if (b->batched < opt.batch_limit && now_ns - b->batch_began_ns < opt.batch_interval * NSEC_MS)
        return true;
    return commit_batch(b, now_ns, why);
}

static int run_puts(struct bench *b, struct report *r)
{
    struct why why = {.text = ""};
    bool weighted = opt.txn && !globals.sample;
    int64_t weight = weighted ? (int64_t)b->n_ops : 1, began_ns = load_now_ns();
    for (int i = 0; i < opt.total; i++) {
        fill(b);
        int64_t put_ns = load_now_ns();
        if (!put(b, &why))
            return fail(b->path, &why);
        int64_t wall_ns = globals.sample ? (int64_t)time(NULL) * NSEC_S : 0;
        samples_add(&r->samples, wall_ns, (load_now_ns() - put_ns) / weight);
    }
    if (kvdb_commit(b->db, &why) != ERR_OK)
        return fail(b->path, &why);
    r->took_ns = load_now_ns() - began_ns;
    r->rate_weight = (double)weight;
    return CLI_OK;
}

static int check(void)
{
    if (*opt.cpu_profile || *opt.mem_profile)
        return cli_fail(CLI_ERROR, "--%s: this program writes no profiles; use perf record",
                        *opt.cpu_profile ? "cpuprofile" : "memprofile");
    if (check_at_least("total", opt.total, 0) != CLI_OK ||
        check_at_least("key-size", opt.key_size, 1) != CLI_OK ||
        check_at_least("value-size", opt.value_size, 0) != CLI_OK ||
        check_at_least("txn-ops", opt.txn_ops, 1) != CLI_OK ||
        check_at_least("batch-interval", opt.batch_interval, 0) != CLI_OK ||
        check_at_least("batch-limit", opt.batch_limit, 1) != CLI_OK)
        return CLI_ERROR;
    if (opt.txn_ops > OPS_MAX || ((int64_t)opt.key_size + opt.value_size) * opt.txn_ops > BYTES_MAX)
        return cli_fail(CLI_ERROR, "expected at most %d keys and %d bytes a transaction", OPS_MAX,
                        BYTES_MAX);
    return CLI_OK;
}

static int mvcc_put_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    struct bench b = {.rng = {(uint64_t)load_now_ns()}};
    struct report r;
    if (check() != CLI_OK)
        return CLI_ERROR;
    b.n_ops = opt.txn ? (size_t)opt.txn_ops : 1;
    b.bytes = xmalloc(b.n_ops * (size_t)(opt.key_size + opt.value_size) + 8);
    report_init(&r, "put");
    int code = bench_open(&b);
    if (code == CLI_OK)
        code = run_puts(&b, &r);
    if (code == CLI_OK)
        code = report_print(&r);
    report_fini(&r);
    bench_close(&b);
    return code;
}

static struct cli_command cmd_mvcc_put = {.use = "put",
                                          .summary = "Benchmark put performance of storage",
                                          .flags = put_flags,
                                          .run = mvcc_put_run};

static struct cli_command *const mvcc_commands[] = {&cmd_mvcc_put, NULL};

struct cli_command cmd_mvcc = {
    .use = "mvcc",
    .summary = "Benchmark mvcc",
    .details = "storage subcommand is a set of various benchmark tools for MVCC storage subsystem "
               "of etcd.\nActual benchmarks are implemented as its subcommands.",
    .persistent = mvcc_flags,
    .commands = mvcc_commands,
};
