/* benchmark/watch_get.c -- gets, one after another, while many watches read the history.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "benchmark/answers.h"
#include "benchmark/globals.h"
#include "benchmark/load.h"

enum { WATCHERS_MAX = 1 << 24 };

static struct {
    int watchers, streams, events;
} opt;

static struct cli_flag flags[] = {
    {"watchers", .type = CLI_INT, .value = &opt.watchers, .def = "10000",
     .usage = "Total number of watchers"},
    {"streams", .type = CLI_INT, .value = &opt.streams, .def = "1",
     .usage = "Total number of watcher streams"},
    {"events", .type = CLI_INT, .value = &opt.events, .def = "8",
     .usage = "Number of events per watcher"},
    {0},
};

static char watch_key[] = "watchkey";

struct watching {
    struct etcd_watcher **streams;
    int64_t revision;
    struct load *gets;
    _Atomic int64_t watchers_left;
};

/* A slot: one watch. */
struct own {
    int64_t events;
};

static void on_response(void *arg, const Etcdserverpb__WatchResponse *response,
                        const struct etcd_error *error)
{
    struct slot *s = arg;
    struct own *own = s->own;
    struct watching *w = s->load->arg;
    if (response == NULL || response->canceled) {
        struct etcd_error e = {.code = ETCD_CANCELED};
        if (response != NULL)
            snprintf(e.text, sizeof e.text, "%s", response->cancel_reason);
        load_fail(s->load, "watch", error != NULL ? error : &e);
        load_stop(w->gets);
        return;
    }
    int64_t now_ns = load_now_ns();
    for (size_t i = 0; i < response->n_events; i++)
        load_add(s->worker, 0, now_ns, 0);
    bool over = own->events >= opt.events;
    own->events += (int64_t)response->n_events;
    if (over || own->events < opt.events)
        return;
    if (atomic_fetch_sub(&w->watchers_left, 1) == 1)
        load_stop(w->gets);
    load_done(s, LOAD_UNMEASURED, NULL);
}

static void begin_watch(struct slot *s)
{
    struct watching *w = s->load->arg;
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = (ProtobufCBinaryData){sizeof watch_key - 1, (uint8_t *)watch_key};
    create.start_revision = w->revision;
    /* a worker's streams have its number modulo the workers, as its slots do */
    size_t n = s->worker->fleet->n, first = s->id % n;
    size_t n_streams = ((size_t)opt.streams - first + n - 1) / n;
    size_t at = first + s->id / n % n_streams * n;
    if (w->streams[at] == NULL)
        w->streams[at] = etcd_watcher_new(s->worker->client);
    etcd_watch_start(w->streams[at], &create, on_response, s);
}

static void on_get(void *arg, const void *response, const struct etcd_error *error)
{
    (void)response;
    load_done(arg, 0, error);
}

static void begin_get(struct slot *s)
{
    static char abc[] = "abc";
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = (ProtobufCBinaryData){3, (uint8_t *)abc};
    request.serializable = true;
    etcd_call_start(s->worker->client, &etcd_rpc_range, &request, -1, on_get, s);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Write the key --events times; the first of these revisions is where the watches begin. */
static int write_history(struct fleet *f, struct watching *w)
{
    for (int i = 0; i < opt.events; i++) {
        char value[16];
        Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
        struct etcd_error e;
        int n = snprintf(value, sizeof value, "%d", i);
        request.key = (ProtobufCBinaryData){sizeof watch_key - 1, (uint8_t *)watch_key};
        request.value = (ProtobufCBinaryData){(size_t)n, (uint8_t *)value};
        Etcdserverpb__PutResponse *r = fleet_call(f, &etcd_rpc_put, &request, &e);
        if (r == NULL)
            return cli_fail(CLI_ERROR, "put: %s", e.text);
        if (i == 0)
            w->revision = answer_revision(r->header);
        etcd_response_free(r);
    }
    return CLI_OK;
}

static int watch_and_get(struct fleet *watchers, struct fleet *getter, struct watching *w)
{
    AUTO(load) struct load gets = {.fleet = getter,
                                   .n_slots = 1,
                                   .total = UINT64_MAX,
                                   .stays = true,
                                   .n_kinds = 1,
                                   .ops = {"watch-get"},
                                   .begin = begin_get};
    AUTO(load) struct load watches = {.fleet = watchers,
                                      .n_slots = (size_t)opt.watchers,
                                      .per_slot = 1,
                                      .total = (uint64_t)opt.watchers,
                                      .progress_total =
                                          (uint64_t)opt.watchers * (uint64_t)opt.events,
                                      .slot_size = sizeof(struct own),
                                      .arg = w,
                                      .n_kinds = 1,
                                      .ops = {"watch-get-events"},
                                      .begin = begin_watch};
    w->gets = &gets;
    w->watchers_left = opt.watchers;
    load_start(&gets);
    load_start(&watches);
    int code = load_wait(&watches);
    load_stop(&gets);
    int get_code = load_wait(&gets);
    for (int i = 0; i < opt.streams; i++)
        etcd_watcher_free(w->streams[i]);
    if (code != CLI_OK || get_code != CLI_OK)
        return CLI_ERROR;
    fputs("Get during watch summary:\n", stdout);
    return report_print(&gets.reports[0]);
}

static int check(void)
{
    if (check_at_least("watchers", opt.watchers, 1) != CLI_OK ||
        check_at_least("streams", opt.streams, 1) != CLI_OK ||
        check_at_least("events", opt.events, 1) != CLI_OK)
        return CLI_ERROR;
    if (opt.watchers > WATCHERS_MAX)
        return cli_fail(CLI_ERROR, "expected at most %d --watchers, got %d", WATCHERS_MAX,
                        opt.watchers);
    return CLI_OK;
}

static int watch_get_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)cmd;
    (void)argc;
    (void)argv;
    AUTO(fleet) struct fleet watchers = {0}, getter = {0};
    struct watching w = {0};
    if (check() != CLI_OK)
        return CLI_ERROR;
    unsigned streams = (unsigned)opt.streams;
    int code = fleet_open(&watchers, 0, globals.clients < streams ? globals.clients : streams);
    if (code == CLI_OK)
        code = fleet_open(&getter, 1, 1);
    if (code == CLI_OK)
        code = write_history(&watchers, &w);
    if (code != CLI_OK)
        return code;
    w.streams = xcalloc(streams, sizeof *w.streams);
    code = watch_and_get(&watchers, &getter, &w);
    free(w.streams);
    return code;
}

struct cli_command cmd_watch_get = {
    .use = "watch-get",
    .summary = "Benchmark watch with get",
    .details = "Measures serializable gets, one after another, while --watchers watches read the "
               "history of a key.\n",
    .flags = flags,
    .run = watch_get_run};
