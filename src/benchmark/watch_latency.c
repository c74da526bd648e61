/* benchmark/watch_latency.c -- from the answer to a put to the event of a watch.
 *
 * One client puts at a fixed rate; all watches see each put. When the event is there before the
 * answer, it took no time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "benchmark/globals.h"
#include "benchmark/load.h"

enum { WATCHES_MAX = 1 << 24 };

static struct {
    int streams, watchers_per_stream, put_total, put_rate, key_size, val_size;
    bool prevkv;
} opt;

static struct cli_flag flags[] = {
    {"streams", .type = CLI_INT, .value = &opt.streams, .def = "10",
     .usage = "Total watch streams"},
    {"watchers-per-stream", .type = CLI_INT, .value = &opt.watchers_per_stream, .def = "10",
     .usage = "Total watchers per stream"},
    {"prevkv", .type = CLI_BOOL, .value = &opt.prevkv, .usage = "PrevKV enabled on watch requests"},
    {"put-total", .type = CLI_INT, .value = &opt.put_total, .def = "1000",
     .usage = "Total number of put requests"},
    /* etcd 3.4 names it so */
    {"total", .type = CLI_INT, .value = &opt.put_total, .def = "1000", .hidden = true,
     .usage = "Total number of put requests"},
    {"put-rate", .type = CLI_INT, .value = &opt.put_rate, .def = "100",
     .usage = "Number of keys to put per second"},
    {"key-size", .type = CLI_INT, .value = &opt.key_size, .def = "32",
     .usage = "Key size of watch response"},
    {"val-size", .type = CLI_INT, .value = &opt.val_size, .def = "32",
     .usage = "Value size of watch response"},
    {0},
};

struct measuring {
    uint8_t *key, *value;
    _Atomic int64_t *put_ns;      /* when the answer to each put came; 0: not yet */
    _Atomic int64_t watches_left; /* that have not seen all */
    struct load puts, events;     /* both run at the same time, in a fleet each */
};

/* ---- watches: a slot is one stream, which makes them one after another ----------------------- */

struct watch_own {
    struct slot *slot;
    int64_t seen;
    bool created;
};

struct stream_own {
    struct etcd_watcher *watcher;
    struct watch_own watches[];
};

static void take_events(struct measuring *m, struct watch_own *own, size_t n)
{
    struct worker *worker = own->slot->worker;
    int64_t now_ns = load_now_ns();
    for (size_t i = 0; i < n && own->seen < opt.put_total; i++) {
        int64_t put_ns = atomic_load(&m->put_ns[own->seen++]);
        load_add(worker, 0, now_ns, put_ns != 0 ? now_ns - put_ns : 0);
        if (own->seen == opt.put_total && atomic_fetch_sub(&m->watches_left, 1) == 1)
            load_stop(&m->events);
    }
}

static void on_response(void *arg, const Etcdserverpb__WatchResponse *response,
                        const struct etcd_error *error)
{
    struct watch_own *own = arg;
    struct slot *s = own->slot;
    struct measuring *m = s->load->arg;
    if (response == NULL || response->canceled) {
        struct etcd_error e = {.code = ETCD_CANCELED};
        if (response != NULL)
            snprintf(e.text, sizeof e.text, "%s", response->cancel_reason);
        load_fail(s->worker->load, "watch", error != NULL ? error : &e);
        if (s->worker->load == &m->events)
            load_stop(&m->puts);
    } else if (response->created) {
        if (!own->created) {
            own->created = true;
            load_done(s, LOAD_UNMEASURED, NULL);
        }
    } else if (s->worker->load == &m->events) {
        take_events(m, own, response->n_events);
    }
}

static void begin_watch(struct slot *s)
{
    struct stream_own *own = s->own;
    struct measuring *m = s->load->arg;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    struct watch_own *watch = &own->watches[s->taken - 1];
    if (own->watcher == NULL)
        own->watcher = etcd_watcher_new(s->worker->client);
    watch->slot = s;
    create.key = (ProtobufCBinaryData){(size_t)opt.key_size, m->key};
    create.prev_kv = opt.prevkv;
    etcd_watch_start(own->watcher, &create, on_response, watch);
}

/* ---- puts, one at a time --------------------------------------------------------------------- */

static void on_put(void *arg, const void *response, const struct etcd_error *error)
{
    struct slot *s = arg;
    struct measuring *m = s->load->arg;
    (void)response;
    if (error != NULL) {
        load_fail(s->load, "Failed to Put for watch latency benchmark", error);
        load_stop(&m->events);
        return;
    }
    uint64_t number = s->number;
    atomic_store(&m->put_ns[number], load_now_ns());
    load_done(s, 0, NULL);
}

static void begin_put(struct slot *s)
{
    struct measuring *m = s->load->arg;
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    request.key = (ProtobufCBinaryData){(size_t)opt.key_size, m->key};
    request.value = (ProtobufCBinaryData){(size_t)opt.val_size, m->value};
    etcd_call_start(s->worker->client, &etcd_rpc_put, &request, -1, on_put, s);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int put_and_watch(struct measuring *m, struct fleet *watchers, struct fleet *putter)
{
    int64_t n_watches = (int64_t)opt.streams * opt.watchers_per_stream;
    m->watches_left = n_watches;
    m->events = (struct load){.fleet = watchers,
                              .stays = n_watches > 0 && opt.put_total > 0,
                              .progress_total = (uint64_t)n_watches * (uint64_t)opt.put_total,
                              .arg = m,
                              .n_kinds = 1,
                              .ops = {"watch-latency-watch"}};
    m->puts = (struct load){.fleet = putter,
                            .n_slots = 1,
                            .total = (uint64_t)opt.put_total,
                            .rate = opt.put_rate,
                            .burst = opt.put_rate,
                            .arg = m,
                            .n_kinds = 1,
                            .ops = {"watch-latency-put"},
                            .begin = begin_put};
    load_start(&m->events);
    load_start(&m->puts);
    int put_code = load_wait(&m->puts);
    int code = load_wait(&m->events);
    if (code == CLI_OK)
        code = put_code;
    if (code == CLI_OK) {
        fputs("\nPut summary:\n", stdout);
        code = report_print(&m->puts.reports[0]);
        fputs("\nWatch events summary:\n", stdout);
        (void)report_print(&m->events.reports[0]);
    }
    load_fini(&m->puts);
    load_fini(&m->events);
    return code;
}

static int make_and_use(struct measuring *m, struct fleet *watchers, struct fleet *putter)
{
    size_t per_stream = (size_t)opt.watchers_per_stream;
    AUTO(load) struct load makes = {.fleet = watchers,
                                    .n_slots = per_stream > 0 ? (size_t)opt.streams : 0,
                                    .per_slot = per_stream,
                                    .total = (uint64_t)opt.streams * per_stream,
                                    .slot_size =
                                        sizeof(struct stream_own) +
                                         per_stream * sizeof(struct watch_own),
                                    .arg = m,
                                    .begin = begin_watch};
    int code = load_run(&makes);
    if (code == CLI_OK)
        code = put_and_watch(m, watchers, putter);
    for (size_t i = 0; i < makes.n_slots; i++)
        etcd_watcher_free(((struct stream_own *)makes.slots[i].own)->watcher);
    return code;
}

static int check(void)
{
    if (check_at_least("streams", opt.streams, 0) != CLI_OK ||
        check_at_least("watchers-per-stream", opt.watchers_per_stream, 0) != CLI_OK ||
        check_at_least("put-total", opt.put_total, 0) != CLI_OK ||
        check_at_least("put-rate", opt.put_rate, 1) != CLI_OK ||
        check_at_least("key-size", opt.key_size, 1) != CLI_OK ||
        check_value_size("key-size", opt.key_size) != CLI_OK ||
        check_value_size("val-size", opt.val_size) != CLI_OK)
        return CLI_ERROR;
    if ((int64_t)opt.streams * opt.watchers_per_stream > WATCHES_MAX)
        return cli_fail(CLI_ERROR, "expected at most %d watches, got %lld", WATCHES_MAX,
                        (long long)opt.streams * opt.watchers_per_stream);
    return CLI_OK;
}

static int watch_latency_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet watchers = {0}, putter = {0};
    if (check() != CLI_OK)
        return CLI_ERROR;
    int code = fleet_open(&watchers, 0, globals.clients);
    if (code == CLI_OK)
        code = fleet_open(&putter, 1, 1);
    if (code != CLI_OK)
        return code;
    struct measuring m = {.key = random_bytes((size_t)opt.key_size),
                          .value = random_bytes((size_t)opt.val_size),
                          .put_ns = xcalloc((size_t)opt.put_total + 1, sizeof *m.put_ns)};
    code = make_and_use(&m, &watchers, &putter);
    free(m.key);
    free(m.value);
    free(m.put_ns);
    return code;
}

struct cli_command cmd_watch_latency = {
    .use = "watch-latency",
    .summary = "Benchmark watch latency",
    .details = "Benchmarks the latency for watches by measuring\n\tthe latency between writing to "
               "a key and receiving the\n\tassociated watch response.",
    .flags = flags,
    .run = watch_latency_run};
