/* etcdctl/auth.c -- etcdctl auth: authentication on, off, and whether it is.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "etcdctl/commands.h"
#include "etcdctl/session.h"

static const char no_root_role[] = "etcdserver: root user does not have root role";

static bool simple_call(struct session *s, const struct etcd_method *m, const void *request,
                        struct etcd_error *e)
{
    void *r = etcd_call(s->client, m, request, s->timeout_ms, e);
    etcd_response_free(r);
    return r != NULL;
}

/* Give the user root the role root, which is made for that. */
static bool grant_root(struct session *s, struct etcd_error *e)
{
    char root[] = "root";
    Etcdserverpb__AuthRoleAddRequest add = ETCDSERVERPB__AUTH_ROLE_ADD_REQUEST__INIT;
    add.name = root;
    Etcdserverpb__AuthUserGrantRoleRequest grant = ETCDSERVERPB__AUTH_USER_GRANT_ROLE_REQUEST__INIT;
    grant.user = root;
    grant.role = root;
    return simple_call(s, &etcd_rpc_role_add, &add, e) &&
           simple_call(s, &etcd_rpc_user_grant_role, &grant, e);
}

static int enable_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "auth enable command does not accept any arguments");
    AUTO(session) struct session s;
    int code = session_open(&s, cmd);
    if (code != CLI_OK)
        return code;
    Etcdserverpb__AuthEnableRequest request = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    struct etcd_error e;
    bool granted = false;
    while (!simple_call(&s, &etcd_rpc_auth_enable, &request, &e)) {
        if (granted || strcmp(e.text, no_root_role) != 0 || !grant_root(&s, &e))
            return session_fail(CLI_ERROR, &e);
        granted = true;
    }
    puts("Authentication Enabled");
    return CLI_OK;
}

static int disable_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "auth disable command does not accept any arguments");
    Etcdserverpb__AuthDisableRequest request = ETCDSERVERPB__AUTH_DISABLE_REQUEST__INIT;
    AUTO(session) struct session s;
    int code = session_ask(&s, cmd, &etcd_rpc_auth_disable, &request);
    if (code == CLI_OK)
        puts("Authentication Disabled");
    return code;
}

static int status_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "auth status command does not accept any arguments");
    Etcdserverpb__AuthStatusRequest request = ETCDSERVERPB__AUTH_STATUS_REQUEST__INIT;
    AUTO(session) struct session s;
    int code = session_ask(&s, cmd, &etcd_rpc_auth_status, &request);
    return code == CLI_OK ? print_auth_status(&s.printer, s.answer) : code;
}

static struct cli_command cmd_enable = {
    .use = "enable", .summary = "Enables authentication", .run = enable_run};
static struct cli_command cmd_disable = {
    .use = "disable", .summary = "Disables authentication", .run = disable_run};
static struct cli_command cmd_status = {
    .use = "status", .summary = "Returns authentication status", .run = status_run};

static struct cli_command *const commands[] = {&cmd_enable, &cmd_disable, &cmd_status, NULL};

struct cli_command cmd_auth = {
    .use = "auth <enable or disable>",
    .summary = "Enable or disable authentication. Use `etcdctl auth --help` to see subcommands",
    .details = "Enable or disable authentication",
    .group = GROUP_AUTH,
    .commands = commands,
};
