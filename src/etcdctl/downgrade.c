/* etcdctl/downgrade.c -- etcdctl downgrade: let the cluster go back to the release before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/commands.h"
#include "etcdctl/session.h"

#define ACTION(name) ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__##name

static int call(struct cli_command *cmd, Etcdserverpb__DowngradeRequest__DowngradeAction action,
                char *version,
                int (*print)(struct printer *p, const Etcdserverpb__DowngradeResponse *r))
{
    Etcdserverpb__DowngradeRequest request = ETCDSERVERPB__DOWNGRADE_REQUEST__INIT;
    request.action = action;
    request.version = version;
    AUTO(session) struct session s;
    int code = session_ask(&s, cmd, &etcd_rpc_downgrade, &request);
    return code == CLI_OK ? print(&s.printer, s.answer) : code;
}

static int check_version(int argc, char **argv)
{
    if (argc < 1)
        return cli_fail(CLI_BAD_ARGS, "TARGET_VERSION not provided");
    if (argc > 1)
        return cli_fail(CLI_BAD_ARGS, "too many arguments");
    if (!*argv[0])
        return cli_fail(CLI_BAD_ARGS, "target version not provided");
    return CLI_OK;
}

static int validate_run(struct cli_command *cmd, int argc, char **argv)
{
    int code = check_version(argc, argv);
    return code == CLI_OK ? call(cmd, ACTION(VALIDATE), argv[0], print_downgrade_validate) : code;
}

static int enable_run(struct cli_command *cmd, int argc, char **argv)
{
    int code = check_version(argc, argv);
    return code == CLI_OK ? call(cmd, ACTION(ENABLE), argv[0], print_downgrade_enable) : code;
}

static int cancel_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    char none[] = "";
    return call(cmd, ACTION(CANCEL), none, print_downgrade_cancel);
}

static struct cli_command cmd_validate = {
    .use = "validate <TARGET_VERSION>",
    .summary = "Validate downgrade capability before starting downgrade",
    .run = validate_run};
static struct cli_command cmd_enable = {.use = "enable <TARGET_VERSION>",
                                        .summary = "Start a downgrade action to cluster",
                                        .run = enable_run};
static struct cli_command cmd_cancel = {
    .use = "cancel",
    .summary = "Cancel the ongoing downgrade action to cluster",
    .run = cancel_run};

static struct cli_command *const commands[] = {&cmd_validate, &cmd_enable, &cmd_cancel, NULL};

struct cli_command cmd_downgrade = {
    .use = "downgrade <TARGET_VERSION>",
    .summary = "Downgrade related commands. Use `etcdctl downgrade --help` to see subcommands",
    .details = "Downgrade related commands",
    .group = GROUP_CLUSTER,
    .commands = commands,
};
