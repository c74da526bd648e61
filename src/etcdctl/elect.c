/* etcdctl/elect.c -- etcdctl elect: stand for an election, or watch who wins it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "etcdctl/commands.h"
#include "etcdctl/interrupt.h"
#include "etcdctl/session.h"

enum {
    TTL_S = 60,
};

static struct {
    bool listen;
} opt;

/* ---- observe ----------------------------------------------------------------------------------- */

struct observation {
    struct session *session;
    int code;
    bool lost;
};

static void on_leader(void *arg, const Etcdserverpb__RangeResponse *leader,
                      const struct etcd_error *error)
{
    struct observation *o = arg;
    o->lost = o->lost || error;
    if (!leader || o->lost || o->code != CLI_OK)
        return;
    o->code = print_get(&o->session->printer, leader);
    fflush(o->session->printer.out);
}

static int observe(struct session *s, const char *name)
{
    struct observation o = {.session = s};
    interrupt_client(s->client);
    struct etcd_observer *observer = etcd_observer_new(s->client, name, on_leader, &o);
    while (!o.lost && o.code == CLI_OK && etcd_client_poll(s->client, -1))
        ;
    interrupt_process();
    etcd_observer_free(observer);
    return o.code == CLI_OK && o.lost && !interrupt_came()
               ? cli_fail(CLI_ERROR, "elect: observer lost")
               : o.code;
}

/* ---- campaign ----------------------------------------------------------------------------------- */

static int print_leader(struct session *s, const struct etcd_election *election)
{
    const char *key = etcd_election_key(election);
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    request.key = (ProtobufCBinaryData){strlen(key), (uint8_t *)key};
    struct etcd_error e;
    void *r = etcd_call(s->client, &etcd_rpc_range, &request, -1, &e);
    int code = r ? print_get(&s->printer, r) : session_fail(CLI_ERROR, &e);
    fflush(s->printer.out);
    etcd_response_free(r);
    return code;
}

static int lead(struct session *s, struct etcd_session *lease, struct etcd_election *election)
{
    int code = print_leader(s, election);
    while (code == CLI_OK && etcd_session_is_alive(lease) && etcd_client_poll(s->client, -1))
        ;
    etcd_client_resume(s->client);
    struct etcd_error e;
    if (code == CLI_OK && !etcd_session_is_alive(lease))
        code = cli_fail(CLI_ERROR, "elect: session expired");
    else if (!etcd_election_resign(election, &e) && code == CLI_OK)
        code = session_fail(CLI_ERROR, &e);
    return code;
}

static int campaign(struct session *s, const char *name, char *proposal)
{
    struct etcd_error e;
    struct etcd_session *lease = etcd_session_new(s->client, TTL_S, 0, &e);
    if (!lease)
        return session_fail(CLI_ERROR, &e);
    struct etcd_election *election = etcd_election_new(lease, name);
    ProtobufCBinaryData value = {strlen(proposal), (uint8_t *)proposal};
    interrupt_client(s->client);
    int code = etcd_election_campaign(election, value, &e) ? lead(s, lease, election)
                                                           : session_fail(CLI_ERROR, &e);
    etcd_client_resume(s->client);
    etcd_election_free(election);
    etcd_session_free(lease, true);
    interrupt_nothing(); /* it ends anyway */
    return code;
}

/* ---- the command -------------------------------------------------------------------------------- */

static int run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1 && argc != 2)
        return cli_fail(CLI_BAD_ARGS,
                        "elect takes one election name argument and an optional proposal argument");
    AUTO(session) struct session s;
    int code = session_open(&s, cmd);
    if (code != CLI_OK)
        return code;
    if (argc == 1 && !opt.listen)
        return cli_fail(CLI_BAD_ARGS, "no proposal argument but -l not set");
    if (argc == 2 && opt.listen)
        return cli_fail(CLI_BAD_ARGS, "proposal given but -l is set");
    return argc == 1 ? observe(&s, argv[0]) : campaign(&s, argv[0], argv[1]);
}

static struct cli_flag flags[] = {
    {"listen", .shorthand = 'l', .type = CLI_BOOL, .value = &opt.listen,
     .usage = "observation mode"},
    {0},
};

struct cli_command cmd_elect = {
    .use = "elect <election-name> [proposal]",
    .summary = "Observes and participates in leader election",
    .group = GROUP_CONCURRENCY,
    .flags = flags,
    .run = run,
};
