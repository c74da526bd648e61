/* etcdctl/move_leader.c -- etcdctl move-leader: let another member lead.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/duration.h"
#include "cli/quote.h"
#include "etcdctl/commands.h"
#include "etcdctl/globals.h"
#include "etcdctl/session.h"

/* Return a client of the endpoint that leads, or NULL: *ret_code says how the command ends. */
static struct etcd_client *find_leader(const struct session_config *config, uint64_t *ret_leader,
                                       int *ret_code)
{
    for (size_t i = 0; i < config->n_endpoints; i++) {
        struct etcd_client *c = session_dial(config, config->endpoints[i], ret_code);
        if (!c)
            return NULL;
        Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
        struct etcd_error e;
        Etcdserverpb__StatusResponse *r = etcd_call(c, &etcd_rpc_status, &request,
                                                    duration_ms(globals.command_timeout), &e);
        if (!r) {
            *ret_code = session_fail(CLI_ERROR, &e);
            etcd_client_free(c);
            return NULL;
        }
        bool leads = r->header && r->header->member_id == r->leader;
        *ret_leader = r->leader;
        etcd_response_free(r);
        if (leads)
            return c;
        etcd_client_free(c);
    }
    AUTO(buf) struct buf b = BUF_INIT;
    for (size_t i = 0; i < config->n_endpoints; i++)
        buf_addf(&b, "%s%s", i ? " " : "", config->endpoints[i]);
    *ret_code = cli_fail(CLI_BAD_ARGS, "no leader endpoint given at [%s]", buf_cstr(&b));
    return NULL;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "move-leader command needs 1 argument");
    Etcdserverpb__MoveLeaderRequest request = ETCDSERVERPB__MOVE_LEADER_REQUEST__INIT;
    AUTO(buf) struct buf problem = BUF_INIT;
    if (!number_parse_uint(argv[0], 16, 64, &request.targetid, &problem))
        return cli_fail(CLI_BAD_ARGS, "%s", buf_cstr(&problem));
    struct session_config config;
    int code = session_config_init(&config, cmd);
    if (code != CLI_OK)
        return code;
    struct printer printer;
    printer_init(&printer, globals.write_out, globals.hex, stdout, stderr);
    uint64_t leader;
    struct etcd_client *c = find_leader(&config, &leader, &code);
    session_config_fini(&config);
    if (!c)
        return code;
    struct etcd_error e;
    void *r = etcd_call(c, &etcd_rpc_move_leader, &request, duration_ms(globals.command_timeout),
                        &e);
    code = r ? print_move_leader(&printer, leader, request.targetid, r)
             : session_fail(CLI_ERROR, &e);
    etcd_response_free(r);
    etcd_client_free(c);
    return code;
}

struct cli_command cmd_move_leader = {
    .use = "move-leader <transferee-member-id>",
    .summary = "Transfers leadership to another etcd cluster member.",
    .group = GROUP_CLUSTER,
    .run = run,
};
