/* etcdctl/endpoint.c -- etcdctl endpoint: health, status and hash of each server.
 *
 * All endpoints are asked at once; what is printed stands in their order.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/duration.h"
#include "etcdctl/commands.h"
#include "etcdctl/endpoints.h"
#include "etcdctl/globals.h"

static struct {
    bool cluster;
    int64_t rev;
} opt;

static const char permission_denied[] = "etcdserver: permission denied";

/* What all three begin with. */
struct tour {
    struct printer printer;
    struct session_config config;
    struct ep_list endpoints;
    struct visit *visits;
};
static void tour_auto(struct tour *t)
{
    visits_free(t->visits, t->endpoints.n);
    ep_list_fini(&t->endpoints);
    session_config_fini(&t->config);
}

static int tour_make(struct tour *t, struct cli_command *cmd,
                     void (*fn)(struct etcd_client *c, struct visit *v))
{
    *t = (struct tour){0};
    int code = session_config_init(&t->config, cmd);
    printer_init(&t->printer, globals.write_out, globals.hex, stdout, stderr);
    if (code == CLI_OK)
        code = ep_list_get(&t->endpoints, &t->config, duration_ms(globals.command_timeout),
                             opt.cluster);
    if (code == CLI_OK)
        t->visits = endpoints_visit(&t->endpoints, &t->config, fn, NULL);
    return code;
}

/* ---- health ----------------------------------------------------------------------------------- */

static const char *alarm_word(Etcdserverpb__AlarmType alarm)
{
    switch (alarm) {
    case ETCDSERVERPB__ALARM_TYPE__NOSPACE:
        return "NOSPACE ";
    case ETCDSERVERPB__ALARM_TYPE__CORRUPT:
        return "CORRUPT ";
    default:
        return "UNKNOWN ";
    }
}

static char *alarms_describe(const Etcdserverpb__AlarmResponse *r)
{
    if (!r)
        return xstrdup("Unable to fetch the alarm list");
    if (r->n_alarms == 0)
        return NULL;
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "Active Alarm(s): ");
    for (size_t i = 0; i < r->n_alarms; i++)
        buf_add_str(&b, alarm_word(r->alarms[i]->alarm));
    return buf_take_cstr(&b);
}

/* A member that can read through a quorum is well, also if this user may not read; unless there
 * are alarms. */
static void health_visit(struct etcd_client *c, struct visit *v)
{
    uint8_t key[] = "health";
    Etcdserverpb__RangeRequest range = ETCDSERVERPB__RANGE_REQUEST__INIT;
    range.key = (ProtobufCBinaryData){sizeof key - 1, key};
    int64_t timeout_ms = duration_ms(globals.command_timeout);
    visit_call(v, c, &etcd_rpc_range, &range, timeout_ms);
    if (!v->response && strcmp(v->error.text, permission_denied) != 0) {
        v->problem = xstrdup(v->error.text);
        return;
    }
    Etcdserverpb__AlarmRequest request = ETCDSERVERPB__ALARM_REQUEST__INIT;
    timeout_ms -= v->took_ns / NSEC_MS;
    void *alarms = etcd_call(c, &etcd_rpc_alarm, &request, timeout_ms > 0 ? timeout_ms : 1,
                             &v->error);
    v->problem = alarms_describe(alarms);
    etcd_response_free(alarms);
}

static int health_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(tour) struct tour t;
    int code = tour_make(&t, cmd, health_visit);
    if (code != CLI_OK)
        return code;
    size_t n = t.endpoints.n;
    bool well = true;
    struct ep_health *list = xcalloc(n + 1, sizeof *list);
    struct arena *texts = arena_new();
    for (size_t i = 0; i < n; i++) {
        struct visit *v = &t.visits[i];
        AUTO(buf) struct buf took = BUF_INIT;
        if (v->dialed)
            duration_format(&took, v->took_ns);
        const char *problem = v->problem ? v->problem : v->dialed ? "" : v->error.text;
        list[i] = (struct ep_health){.ep = v->ep,
                                     .health = !*problem,
                                     .took = arena_strdup(texts, buf_cstr(&took)),
                                     .error = problem};
        well = well && !*problem;
    }
    code = print_endpoint_health(&t.printer, list, n);
    free(list);
    arena_free(texts);
    return code == CLI_OK && !well ? cli_fail(CLI_ERROR, "unhealthy cluster") : code;
}

/* ---- status and hash -------------------------------------------------------------------------- */

/* Name the endpoints that gave no answer on stderr. Return the last of them, or NULL. A user whom
 * nobody knows ends the command. */
static const struct visit *failures_print(const struct tour *t, const char *what, int *ret_code)
{
    const struct visit *last = NULL;
    for (size_t i = 0; i < t->endpoints.n; i++) {
        const struct visit *v = &t->visits[i];
        if (!v->dialed) {
            *ret_code = session_fail(CLI_BAD_ARGS, &v->error);
            return v;
        }
        if (v->response)
            continue;
        fprintf(stderr, "Failed to get the %s of endpoint %s (%s)\n", what, v->ep, v->error.text);
        last = v;
    }
    return last;
}

/* Print what the endpoints answered. *ret_failed is one that gave no answer, or NULL. */
static int answers_print(struct tour *t, const char *what,
                         int (*print)(struct printer *p, const struct ep_answer *v, size_t n),
                         const struct visit **ret_failed)
{
    int code = CLI_OK;
    *ret_failed = failures_print(t, what, &code);
    if (code != CLI_OK)
        return code;
    size_t n = 0;
    struct ep_answer *list = xcalloc(t->endpoints.n + 1, sizeof *list);
    for (size_t i = 0; i < t->endpoints.n; i++)
        if (t->visits[i].response)
            list[n++] = (struct ep_answer){t->visits[i].ep, t->visits[i].response};
    code = print(&t->printer, list, n);
    free(list);
    return code;
}

static void status_visit(struct etcd_client *c, struct visit *v)
{
    Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    visit_call(v, c, &etcd_rpc_status, &request, duration_ms(globals.command_timeout));
}

static int status_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(tour) struct tour t;
    const struct visit *failed = NULL;
    int code = tour_make(&t, cmd, status_visit);
    if (code == CLI_OK)
        code = answers_print(&t, "status", print_endpoint_status, &failed);
    return code == CLI_OK && failed ? CLI_ERROR : code;
}

static void hashkv_visit(struct etcd_client *c, struct visit *v)
{
    Etcdserverpb__HashKVRequest request = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    request.revision = opt.rev;
    visit_call(v, c, &etcd_rpc_hash_kv, &request, duration_ms(globals.command_timeout));
}

static int hashkv_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(tour) struct tour t;
    const struct visit *failed = NULL;
    int code = tour_make(&t, cmd, hashkv_visit);
    if (code == CLI_OK)
        code = answers_print(&t, "hash", print_endpoint_hashkv, &failed);
    return code == CLI_OK && failed ? session_fail(CLI_ERROR, &failed->error) : code;
}

/* ---- the tree --------------------------------------------------------------------------------- */

static struct cli_flag flags[] = {
    {"cluster", .type = CLI_BOOL, .value = &opt.cluster,
     .usage = "use all endpoints from the cluster member list"},
    {0},
};
static struct cli_flag hashkv_flags[] = {
    {"rev", .type = CLI_INT64, .value = &opt.rev,
     .usage = "maximum revision to hash (default: latest revision)"},
    {0},
};

static struct cli_command cmd_health = {
    .use = "health",
    .summary = "Checks the healthiness of endpoints specified in `--endpoints` flag",
    .run = health_run};
static struct cli_command cmd_status = {
    .use = "status",
    .summary = "Prints out the status of endpoints specified in `--endpoints` flag",
    .details = "When --write-out is set to simple, this command prints out comma-separated status "
               "lists for each endpoint.\n"
               "The items in the lists are endpoint, ID, version, db size, is leader, is learner, "
               "raft term, raft index, raft applied index, errors.\n",
    .run = status_run};
static struct cli_command cmd_hashkv = {
    .use = "hashkv",
    .summary = "Prints the KV history hash for each endpoint in --endpoints",
    .persistent = hashkv_flags,
    .run = hashkv_run};

static struct cli_command *const commands[] = {&cmd_health, &cmd_status, &cmd_hashkv, NULL};

struct cli_command cmd_endpoint = {
    .use = "endpoint <subcommand>",
    .summary = "Endpoint related commands. Use `etcdctl endpoint --help` to see subcommands",
    .details = "Endpoint related commands",
    .group = GROUP_CLUSTER,
    .persistent = flags,
    .commands = commands,
};
