/* etcdctl/compaction.c -- etcdctl compaction REVISION.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/quote.h"
#include "etcdctl/commands.h"
#include "etcdctl/session.h"

static bool physical;

static struct cli_flag flags[] = {
    {"physical", .type = CLI_BOOL, .value = &physical,
     .usage = "'true' to wait for compaction to physically remove all old revisions"},
    {0},
};

static int run(struct cli_command *cmd, int argc, char **argv)
{
    AUTO(buf) struct buf problem = BUF_INIT;
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "compaction command needs 1 argument");
    if (!number_parse_int(argv[0], 10, 64, &request.revision, &problem))
        return cli_fail(CLI_ERROR, "%s", buf_cstr(&problem));
    request.physical = physical;
    AUTO(session) struct session s;
    int code = session_ask(&s, cmd, &etcd_rpc_compact, &request);
    if (code == CLI_OK)
        printf("compacted revision %" PRId64 "\n", request.revision);
    return code;
}

struct cli_command cmd_compaction = {
    .use = "compaction [options] <revision>",
    .summary = "Compacts the event history in etcd",
    .group = GROUP_KV,
    .flags = flags,
    .run = run,
};
