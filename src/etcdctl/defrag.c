/* etcdctl/defrag.c -- etcdctl defrag: give space back, one member after the other (each is slow
 * while it works).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "base/duration.h"
#include "etcdctl/commands.h"
#include "etcdctl/endpoints.h"
#include "etcdctl/globals.h"

static struct {
    bool cluster;
} opt;

/* Return CLI_OK, CLI_ERROR after its line was printed, or how the command ends at once. */
static int defrag_one(const struct session_config *config, const char *ep, bool *ret_failed)
{
    int code;
    struct etcd_client *c = session_dial(config, ep, &code);
    if (!c)
        return code;
    Etcdserverpb__DefragmentRequest request = ETCDSERVERPB__DEFRAGMENT_REQUEST__INIT;
    struct visit v = {.ep = ep, .dialed = true};
    visit_call(&v, c, &etcd_rpc_defragment, &request, duration_ms(globals.command_timeout));
    etcd_client_free(c);
    if (!v.dialed)
        return session_fail(CLI_BAD_CONNECTION, &v.error);
    AUTO(buf) struct buf took = BUF_INIT;
    duration_format(&took, v.took_ns);
    if (v.response) {
        printf("Finished defragmenting etcd member[%s]. took %s\n", ep, buf_cstr(&took));
    } else {
        fprintf(stderr, "Failed to defragment etcd member[%s]. took %s. (%s)\n", ep,
                buf_cstr(&took), v.error.text);
        *ret_failed = true;
    }
    fflush(stdout);
    etcd_response_free(v.response);
    return CLI_OK;
}

static int run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct session_config config;
    int code = session_config_init(&config, cmd);
    if (code != CLI_OK)
        return code;
    AUTO(ep_list) struct ep_list ep;
    code = ep_list_get(&ep, &config, duration_ms(globals.command_timeout), opt.cluster);
    bool failed = false;
    for (size_t i = 0; code == CLI_OK && i < ep.n; i++)
        code = defrag_one(&config, ep.v[i], &failed);
    session_config_fini(&config);
    return code == CLI_OK && failed ? CLI_ERROR : code;
}

static struct cli_flag flags[] = {
    {"cluster", .type = CLI_BOOL, .value = &opt.cluster,
     .usage = "use all endpoints from the cluster member list"},
    {0},
};

struct cli_command cmd_defrag = {
    .use = "defrag",
    .summary = "Defragments the storage of the etcd members with given endpoints",
    .group = GROUP_CLUSTER,
    .persistent = flags,
    .run = run,
};
