/* benchmark/watch.c -- many watches on a few keys: making them, and the events they get.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/sort.h"
#include "benchmark/globals.h"
#include "benchmark/load.h"

enum { WATCHES_MAX = 1 << 24, KEYS_BYTES_MAX = 1 << 30, STREAMS_OF_A_CONNECTION = 100 };

static struct {
    int streams, watch_per_stream, watched_key_total, put_rate, put_total, key_size, key_space_size;
    bool sequential_keys;
} opt;

static struct cli_flag flags[] = {
    {"streams", .type = CLI_INT, .value = &opt.streams, .def = "10",
     .usage = "Total watch streams"},
    {"watch-per-stream", .type = CLI_INT, .value = &opt.watch_per_stream, .def = "100",
     .usage = "Total watchers per stream"},
    {"watched-key-total", .type = CLI_INT, .value = &opt.watched_key_total, .def = "1",
     .usage = "Total number of keys to be watched"},
    {"put-rate", .type = CLI_INT, .value = &opt.put_rate,
     .usage = "Number of keys to put per second"},
    {"put-total", .type = CLI_INT, .value = &opt.put_total, .def = "1000",
     .usage = "Number of put requests"},
    {"key-size", .type = CLI_INT, .value = &opt.key_size, .def = "32",
     .usage = "Key size of watch request"},
    {"key-space-size", .type = CLI_INT, .value = &opt.key_space_size, .def = "1",
     .usage = "Maximum possible keys"},
    {"sequential-keys", .type = CLI_BOOL, .value = &opt.sequential_keys,
     .usage = "Use sequential keys"},
    {0},
};

/* What both loads know. */
struct watching {
    uint8_t *keys;        /* watched_key_total of key_size bytes */
    _Atomic int64_t left; /* events to come */
};

struct stream_own {
    struct etcd_watcher *watcher;
    bool made; /* its newest watch was created */
};

static ProtobufCBinaryData watched_key(const struct watching *w, uint64_t i)
{
    size_t n = (size_t)opt.key_size;
    return (ProtobufCBinaryData){n, w->keys + (i % (uint64_t)opt.watched_key_total) * n};
}

/* ---- making watches, one after another in each stream ---------------------------------------- */

static void take_events(struct worker *worker, size_t n)
{
    struct load *l = worker->load;
    struct watching *w = l->arg;
    int64_t began_ns = load_now_ns();
    for (size_t i = 0; i < n; i++)
        load_add(worker, 0, began_ns, load_now_ns() - began_ns);
    if (n > 0 && atomic_fetch_sub(&w->left, (int64_t)n) <= (int64_t)n)
        load_stop(l);
}

static void on_response(void *arg, const Etcdserverpb__WatchResponse *response,
                        const struct etcd_error *error)
{
    struct slot *s = arg; /* of the load that made the watches; its worker is in another by now */
    struct stream_own *own = s->own;
    struct worker *worker = s->worker;
    if (response == NULL || response->canceled) {
        struct etcd_error e = {.code = ETCD_CANCELED};
        if (response != NULL)
            snprintf(e.text, sizeof e.text, "%s", response->cancel_reason);
        load_fail(worker->load, "watch", error != NULL ? error : &e);
    } else if (response->created) {
        if (!own->made) {
            own->made = true;
            load_done(s, 0, NULL);
        }
    } else if (worker->load != s->load) {
        take_events(worker, response->n_events);
    }
}

static void begin_watch(struct slot *s)
{
    struct stream_own *own = s->own;
    if (own->watcher == NULL)
        own->watcher = etcd_watcher_new(s->worker->client);
    own->made = false;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = watched_key(s->load->arg, s->number);
    etcd_watch_start(own->watcher, &create, on_response, s);
}

/* ---- puts ------------------------------------------------------------------------------------ */

static void on_put(void *arg, const void *response, const struct etcd_error *error)
{
    struct slot *s = arg;
    (void)response;
    if (error != NULL)
        load_fail(s->load, "put", error);
    else
        load_done(s, LOAD_UNMEASURED, NULL);
}

static void begin_put(struct slot *s)
{
    static char data[] = "data";
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    request.key = watched_key(s->load->arg, s->number);
    request.value = (ProtobufCBinaryData){4, (uint8_t *)data};
    etcd_call_start(s->worker->client, &etcd_rpc_put, &request, -1, on_put, s);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void make_keys(struct watching *w)
{
    size_t n = (size_t)opt.watched_key_total, size = (size_t)opt.key_size;
    struct rng rng = {(uint64_t)load_now_ns()};
    w->keys = xcalloc(n, size);
    for (size_t i = 0; i < n; i++) {
        uint64_t space = (uint64_t)opt.key_space_size;
        key_fill(w->keys + i * size, size,
                 opt.sequential_keys ? i % space : rng_below(&rng, space));
    }
}

/* How many watches and puts one key has. Keys that are equal are counted together. */
struct key_count {
    const uint8_t *key;
    int64_t watches, puts;
};

static int by_key(void *arg, const void *a, const void *b)
{
    const struct key_count *x = a, *y = b;
    (void)arg;
    return memcmp(x->key, y->key, (size_t)opt.key_size);
}

/* The `i`-th of `n` equal shares of `total`. */
static int64_t share(int64_t total, int64_t n, int64_t i)
{
    return total / n + (i < total % n);
}

static int64_t count_events(const struct watching *w, int64_t n_watches)
{
    int64_t n = opt.watched_key_total, events = 0, watches = 0, puts = 0;
    struct key_count *counts = xcalloc((size_t)n, sizeof *counts);
    for (int64_t i = 0; i < n; i++)
        counts[i] = (struct key_count){w->keys + i * opt.key_size, share(n_watches, n, i),
                                       share(opt.put_total, n, i)};
    sort_stable(counts, (size_t)n, sizeof *counts, by_key, NULL);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && by_key(NULL, &counts[i], &counts[i - 1]) != 0)
            watches = puts = 0;
        /* what is new on either side meets what was there before on the other, and each other */
        events += counts[i].watches * puts + (watches + counts[i].watches) * counts[i].puts;
        watches += counts[i].watches;
        puts += counts[i].puts;
    }
    free(counts);
    return events;
}

static int check(void)
{
    if (check_at_least("streams", opt.streams, 0) != CLI_OK ||
        check_at_least("watch-per-stream", opt.watch_per_stream, 0) != CLI_OK ||
        check_at_least("watched-key-total", opt.watched_key_total, 1) != CLI_OK ||
        check_at_least("put-total", opt.put_total, 0) != CLI_OK ||
        check_at_least("put-rate", opt.put_rate, 0) != CLI_OK ||
        check_keys(opt.key_size, opt.key_space_size) != CLI_OK)
        return CLI_ERROR;
    if ((int64_t)opt.streams * opt.watch_per_stream > WATCHES_MAX)
        return cli_fail(CLI_ERROR, "expected at most %d watches, got %lld", WATCHES_MAX,
                        (long long)opt.streams * opt.watch_per_stream);
    if ((int64_t)opt.watched_key_total * opt.key_size > KEYS_BYTES_MAX)
        return cli_fail(CLI_ERROR, "expected at most %d bytes of watched keys", KEYS_BYTES_MAX);
    unsigned conns = globals.clients < globals.conns ? globals.clients : globals.conns;
    unsigned wanted = 1 + (unsigned)opt.streams / STREAMS_OF_A_CONNECTION;
    if (conns < wanted)
        fprintf(stderr,
                "warning: grpc limits 100 streams per client connection, have %u but need %u\n",
                conns, wanted);
    return CLI_OK;
}

static int print(const struct load *l, const char *title)
{
    fputs(title, stdout);
    return report_print(&l->reports[0]);
}

static int put_and_watch(struct fleet *f, struct watching *w)
{
    w->left = count_events(w, (int64_t)opt.streams * opt.watch_per_stream);
    AUTO(load) struct load puts = {.fleet = f,
                                   .n_slots = globals.clients,
                                   .total = (uint64_t)opt.put_total,
                                   .rate = opt.put_rate,
                                   .stays = w->left > 0,
                                   .progress_total = (uint64_t)w->left,
                                   .arg = w,
                                   .n_kinds = 1,
                                   .ops = {"watch-put"},
                                   .begin = begin_put};
    int code = load_run(&puts);
    return code == CLI_OK ? print(&puts, "Watch events received summary:\n") : code;
}

static int make_and_use(struct fleet *f, struct watching *w)
{
    AUTO(load) struct load makes = {.fleet = f,
                                    .n_slots = (size_t)opt.streams,
                                    .per_slot = (uint64_t)opt.watch_per_stream,
                                    .total = (uint64_t)opt.streams * (uint64_t)opt.watch_per_stream,
                                    .slot_size = sizeof(struct stream_own),
                                    .arg = w,
                                    .n_kinds = 1,
                                    .ops = {"watch-make"},
                                    .begin = begin_watch};
    if (opt.watch_per_stream == 0)
        makes.n_slots = 0;
    int code = load_run(&makes);
    if (code == CLI_OK)
        code = print(&makes, "Watch creation summary:\n");
    if (code == CLI_OK)
        code = put_and_watch(f, w);
    for (size_t i = 0; i < makes.n_slots; i++)
        etcd_watcher_free(((struct stream_own *)makes.slots[i].own)->watcher);
    return code;
}

static int watch_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet f = {0};
    struct watching w = {0};
    if (check() != CLI_OK)
        return CLI_ERROR;
    int code = fleet_open(&f, 0, globals.clients);
    if (code != CLI_OK)
        return code;
    make_keys(&w);
    code = make_and_use(&f, &w);
    free(w.keys);
    return code;
}

struct cli_command cmd_watch = {
    .use = "watch",
    .summary = "Benchmark watch",
    .details = "Makes --streams times --watch-per-stream watches, shared out over "
               "--watched-key-total keys,\nand then writes these keys --put-total times. It "
               "measures how long a watch takes to be made,\nand how many events a second "
               "come.\n",
    .flags = flags,
    .run = watch_run};
