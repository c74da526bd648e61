/* benchmark/range.c -- ranges: unary, streamed, or page by page.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "benchmark/answers.h"
#include "benchmark/globals.h"
#include "benchmark/load.h"

enum { PAGE = 10000 }; /* keys of a page: what Kubernetes' watch cache asks for */

static struct {
    int rate, total;
    const char *consistency;
    int64_t limit;
    bool count_only, keys_only, stream, paginate, prefix;
} opt;

static struct cli_flag flags[] = {
    {"rate", .type = CLI_INT, .value = &opt.rate,
     .usage = "Maximum range requests per second (0 is no limit)"},
    {"total", .type = CLI_INT, .value = &opt.total, .def = "10000",
     .usage = "Total number of range requests"},
    {"consistency", .type = CLI_STRING, .value = &opt.consistency, .def = "l",
     .usage = "Linearizable(l) or Serializable(s)"},
    {"limit", .type = CLI_INT64, .value = &opt.limit,
     .usage = "Maximum number of results to return from range request (0 is no limit)"},
    {"count-only", .type = CLI_BOOL, .value = &opt.count_only,
     .usage = "Only returns the count of keys"},
    {"keys-only", .type = CLI_BOOL, .value = &opt.keys_only, .usage = "Only returns the keys"},
    {"stream", .type = CLI_BOOL, .value = &opt.stream,
     .usage = "Use RangeStream instead of unary Range"},
    {"paginate", .type = CLI_BOOL, .value = &opt.paginate,
     .usage = "Use paginated unary range with 10k-key pages"},
    {"prefix", .type = CLI_BOOL, .value = &opt.prefix,
     .usage = "Range over all keys with the given key as prefix"},
    {0},
};

struct own {
    struct buf from;  /* of the next page */
    int64_t revision; /* of the first page */
    struct etcd_stream *stream;
};

static void on_range(void *arg, const void *response, const struct etcd_error *error)
{
    (void)response;
    load_done(arg, 0, error);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static void ask_page(struct slot *s);

static void on_page(void *arg, const void *response, const struct etcd_error *error)
{
    struct slot *s = arg;
    struct own *own = s->own;
    const Etcdserverpb__RangeResponse *r = response;
    if (error != NULL || !r->more || r->n_kvs == 0) {
        load_done(s, 0, error);
        return;
    }
    if (own->revision == 0)
        own->revision = answer_revision(r->header);
    const Mvccpb__KeyValue *last = r->kvs[r->n_kvs - 1];
    buf_clear(&own->from);
    buf_add(&own->from, last->key.data, last->key.len);
    buf_add_byte(&own->from, 0);
    ask_page(s);
}

static void ask_page(struct slot *s)
{
    struct own *own = s->own;
    Etcdserverpb__RangeRequest request = *(Etcdserverpb__RangeRequest *)s->load->arg;
    request.limit = PAGE;
    request.revision = own->revision;
    if (own->revision != 0)
        request.key = (ProtobufCBinaryData){own->from.n, own->from.p};
    etcd_call_start(s->worker->client, &etcd_rpc_range, &request, -1, on_page, s);
}

/* ---- streams --------------------------------------------------------------------------------- */

static void on_part(void *arg, const void *response)
{
    (void)arg;
    (void)response;
}

static void on_end(void *arg, const struct etcd_error *error)
{
    struct slot *s = arg;
    struct own *own = s->own;
    etcd_stream_free(own->stream);
    own->stream = NULL;
    load_done(s, 0, error);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void begin(struct slot *s)
{
    struct own *own = s->own;
    const Etcdserverpb__RangeRequest *request = s->load->arg;
    own->revision = 0;
    if (opt.stream)
        own->stream = etcd_stream_open(s->worker->client, &etcd_rpc_range_stream, request, true,
                                       on_part, on_end, s);
    else if (opt.paginate)
        ask_page(s);
    else
        etcd_call_start(s->worker->client, &etcd_rpc_range, request, -1, on_range, s);
}

/* The end of all keys that begin so, in place; none above: "\0", which is every key. */
static size_t prefix_end(uint8_t *key, size_t n)
{
    while (n > 0) {
        if (key[n - 1] < 0xff) {
            key[n - 1]++;
            return n;
        }
        n--;
    }
    key[0] = 0;
    return 1;
}

static int check(struct cli_command *cmd, int argc)
{
    if (argc > 2 || (argc == 0 && !opt.prefix))
        return fail_with_usage(cmd,
                               "expected a key and at most one end of a range, got %d "
                               "argument(s)",
                               argc);
    if (opt.paginate && opt.limit > 0)
        return cli_fail(CLI_ERROR, "--paginate and --limit are mutually exclusive");
    if (opt.paginate && opt.stream)
        return cli_fail(CLI_ERROR, "--paginate and --stream are mutually exclusive");
    if (opt.count_only && opt.keys_only)
        return cli_fail(CLI_ERROR,
                        "`--keys-only` and `--count-only` cannot be set at the same time");
    if (check_at_least("total", opt.total, 0) != CLI_OK)
        return CLI_ERROR;
    return check_at_least("rate", opt.rate, 0);
}

/* `end` has room for the longer of key and range end. */
static void make_request(Etcdserverpb__RangeRequest *r, int argc, char **argv, uint8_t *end)
{
    static uint8_t first[] = {0};
    const char *key = argc >= 1 ? argv[0] : "";
    r->key = (ProtobufCBinaryData){strlen(key), (uint8_t *)key};
    r->limit = opt.limit > 0 ? opt.limit : 0;
    r->count_only = opt.count_only;
    r->keys_only = opt.keys_only;
    if (opt.prefix) {
        memcpy(end, key, strlen(key));
        r->range_end = (ProtobufCBinaryData){prefix_end(end, strlen(key)), end};
        if (*key == '\0')
            r->key = (ProtobufCBinaryData){1, first};
    } else if (argc == 2 && *argv[1]) {
        r->range_end = (ProtobufCBinaryData){strlen(argv[1]), (uint8_t *)argv[1]};
    }
}

static int run_ranges(Etcdserverpb__RangeRequest *request)
{
    AUTO(fleet) struct fleet f = {0};
    int code = fleet_open(&f, 0, globals.clients);
    if (code != CLI_OK)
        return code;
    AUTO(load) struct load l = {.fleet = &f,
                                .n_slots = globals.clients,
                                .total = (uint64_t)opt.total,
                                .rate = opt.rate,
                                .slot_size = sizeof(struct own),
                                .arg = request,
                                .n_kinds = 1,
                                .ops = {"range"},
                                .begin = begin};
    code = load_run(&l);
    for (size_t i = 0; i < l.n_slots; i++)
        buf_fini(&((struct own *)l.slots[i].own)->from);
    return code == CLI_OK ? report_print(&l.reports[0]) : code;
}

static int range_run(struct cli_command *cmd, int argc, char **argv)
{
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    if (check(cmd, argc) != CLI_OK)
        return CLI_ERROR;
    bool serializable;
    int code = read_consistency(cmd, opt.consistency, &serializable);
    if (code != CLI_OK)
        return code;
    uint8_t *end = xmalloc((argc > 0 ? strlen(argv[0]) : 0) + 1);
    make_request(&request, argc, argv, end);
    request.serializable = serializable;
    code = run_ranges(&request);
    free(end);
    return code;
}

struct cli_command cmd_range = {
    .use = "range key [end-range]", .summary = "Benchmark range", .flags = flags, .run = range_run};
