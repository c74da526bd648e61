/* etcdctl/lease.c -- etcdctl lease grant, revoke, timetolive, list, keep-alive.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "cli/quote.h"
#include "etcdctl/commands.h"
#include "etcdctl/session.h"

/* The id, or an exit code after the error was printed. */
static int read_id(const char *arg, int64_t *ret)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    if (number_parse_int(arg, 16, 64, ret, &problem))
        return CLI_OK;
    return cli_fail(CLI_BAD_ARGS, "bad lease ID arg (%s), expecting ID in Hex", buf_cstr(&problem));
}

/* ---- grant, revoke ---------------------------------------------------------------------------- */

/* As session_ask(), but an error of the call is told as "failed to WHAT lease (...)". */
static int ask(struct session *s, struct cli_command *cmd, const struct etcd_method *m,
               const void *request, const char *what)
{
    struct etcd_error e;
    int code = session_open(s, cmd);
    if (code != CLI_OK)
        return code;
    s->answer = etcd_call(s->client, m, request, s->timeout_ms, &e);
    return s->answer ? CLI_OK : cli_fail(CLI_ERROR, "failed to %s lease (%s)", what, e.text);
}

static int grant_run(struct cli_command *cmd, int argc, char **argv)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    Etcdserverpb__LeaseGrantRequest request = ETCDSERVERPB__LEASE_GRANT_REQUEST__INIT;
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "lease grant command needs TTL argument");
    if (!number_parse_int(argv[0], 10, 64, &request.ttl, &problem))
        return cli_fail(CLI_BAD_ARGS, "bad TTL (%s)", buf_cstr(&problem));
    AUTO(session) struct session s;
    int code = ask(&s, cmd, &etcd_rpc_lease_grant, &request, "grant");
    return code == CLI_OK ? print_lease_grant(&s.printer, s.answer) : code;
}

static int revoke_run(struct cli_command *cmd, int argc, char **argv)
{
    Etcdserverpb__LeaseRevokeRequest request = ETCDSERVERPB__LEASE_REVOKE_REQUEST__INIT;
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "lease revoke command needs 1 argument");
    int code = read_id(argv[0], &request.id);
    if (code != CLI_OK)
        return code;
    AUTO(session) struct session s;
    code = ask(&s, cmd, &etcd_rpc_lease_revoke, &request, "revoke");
    return code == CLI_OK ? print_lease_revoke(&s.printer, request.id, s.answer) : code;
}

/* ---- timetolive, list ------------------------------------------------------------------------- */

static bool with_keys;

static struct cli_flag time_to_live_flags[] = {
    {"keys", .type = CLI_BOOL, .value = &with_keys, .usage = "Get keys attached to this lease"},
    {0},
};

static int time_to_live_run(struct cli_command *cmd, int argc, char **argv)
{
    Etcdserverpb__LeaseTimeToLiveRequest request = ETCDSERVERPB__LEASE_TIME_TO_LIVE_REQUEST__INIT;
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "lease timetolive command needs lease ID as argument");
    AUTO(session) struct session s;
    int code = session_open(&s, cmd);
    if (code == CLI_OK)
        code = read_id(argv[0], &request.id);
    if (code != CLI_OK)
        return code;
    request.keys = with_keys;
    struct etcd_error e;
    s.answer = etcd_call(s.client, &etcd_rpc_lease_time_to_live, &request, s.timeout_ms, &e);
    return s.answer ? print_lease_time_to_live(&s.printer, with_keys, s.answer)
                    : session_fail(CLI_BAD_CONNECTION, &e);
}

static int list_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    AUTO(session) struct session s;
    int code = session_open(&s, cmd);
    if (code != CLI_OK)
        return code;
    Etcdserverpb__LeaseLeasesRequest request = ETCDSERVERPB__LEASE_LEASES_REQUEST__INIT;
    struct etcd_error e;
    s.answer = etcd_call(s.client, &etcd_rpc_lease_leases, &request, s.timeout_ms, &e);
    return s.answer ? print_lease_list(&s.printer, s.answer)
                    : session_fail(CLI_BAD_CONNECTION, &e);
}

/* ---- keep-alive ------------------------------------------------------------------------------- */

static bool once;

static struct cli_flag keep_alive_flags[] = {
    {"once", .type = CLI_BOOL, .value = &once,
     .usage = "Resets the keep-alive time to its original value and cobrautl.Exits immediately"},
    {0},
};

struct renewal {
    struct session *s;
    int64_t id;
    bool over, ended; /* ended: the library told the last answer and has freed it */
    int code;
};

static int keep_once(struct session *s, int64_t id)
{
    struct etcd_error e;
    Etcdserverpb__LeaseKeepAliveResponse *r = etcd_keepalive_once(s->client, id, &e);
    int code;
    if (!r)
        code = session_fail(CLI_BAD_CONNECTION, &e);
    else if (r->ttl <= 0)
        code = cli_fail(CLI_BAD_CONNECTION, "%s", err_text(ERR_LEASE_NOT_FOUND));
    else
        code = print_lease_keep_alive(&s->printer, r);
    etcd_response_free(r);
    return code;
}

static void on_renewed(void *arg, const Etcdserverpb__LeaseKeepAliveResponse *response,
                       const struct etcd_error *error)
{
    struct renewal *k = arg;
    if (!response && session_user_is_wrong(error)) {
        k->code = session_fail(CLI_BAD_CONNECTION, error);
        k->over = k->ended = true;
        return;
    }
    if (response && response->ttl > 0) {
        k->code = print_lease_keep_alive(&k->s->printer, response);
        fflush(stdout);
        k->over = k->code != CLI_OK;
        return;
    }
    k->over = k->ended = true;
    if (printer_is_simple(&k->s->printer))
        printf("lease %016" PRIx64 " expired or revoked.\n", k->id);
}

static int keep(struct session *s, int64_t id)
{
    struct renewal k = {.s = s, .id = id};
    struct etcd_keepalive *keepalive = etcd_keepalive_start(s->client, id, on_renewed, &k);
    while (!k.over)
        etcd_client_poll(s->client, -1);
    if (!k.ended)
        etcd_keepalive_stop(keepalive);
    return k.code;
}

static int keep_alive_run(struct cli_command *cmd, int argc, char **argv)
{
    int64_t id;
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "lease keep-alive command needs lease ID as argument");
    int code = read_id(argv[0], &id);
    if (code != CLI_OK)
        return code;
    AUTO(session) struct session s;
    code = session_open_with_leader(&s, cmd);
    if (code != CLI_OK)
        return code;
    return once ? keep_once(&s, id) : keep(&s, id);
}

/* ---- the commands ------------------------------------------------------------------------------ */

static struct cli_command cmd_grant = {
    .use = "grant <ttl>", .summary = "Creates leases", .run = grant_run};
static struct cli_command cmd_revoke = {
    .use = "revoke <leaseID>", .summary = "Revokes leases", .run = revoke_run};
static struct cli_command cmd_time_to_live = {.use = "timetolive <leaseID> [options]",
                                              .summary = "Get lease information",
                                              .flags = time_to_live_flags,
                                              .run = time_to_live_run};
static struct cli_command cmd_list = {
    .use = "list", .summary = "List all active leases", .run = list_run};
static struct cli_command cmd_keep_alive = {.use = "keep-alive [options] <leaseID>",
                                            .summary = "Keeps leases alive (renew)",
                                            .flags = keep_alive_flags,
                                            .run = keep_alive_run};

struct cli_command cmd_lease = {
    .use = "lease <subcommand>",
    .summary = "Lease related commands. Use `etcdctl lease --help` to see subcommands",
    .details = "Lease related commands",
    .group = GROUP_KV,
    .commands = (struct cli_command *const[]){&cmd_grant, &cmd_revoke, &cmd_time_to_live,
                                              &cmd_list, &cmd_keep_alive, NULL},
};
