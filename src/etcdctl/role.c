/* etcdctl/role.c -- etcdctl role: roles, and the keys that they permit.
 * SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "etcdctl/commands.h"
#include "etcdctl/ops.h"
#include "etcdctl/session.h"

static struct {
    bool prefix, from_key;
} opt;

static int add_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "role add command requires role name as its argument");
    Etcdserverpb__AuthRoleAddRequest request = ETCDSERVERPB__AUTH_ROLE_ADD_REQUEST__INIT;
    request.name = argv[0];
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_role_add, &request);
    return code == CLI_OK ? print_role_add(&s.printer, argv[0], s.answer) : code;
}

static int delete_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "role delete command requires role name as its argument");
    Etcdserverpb__AuthRoleDeleteRequest request = ETCDSERVERPB__AUTH_ROLE_DELETE_REQUEST__INIT;
    request.role = argv[0];
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_role_delete, &request);
    return code == CLI_OK ? print_role_delete(&s.printer, argv[0], s.answer) : code;
}

static int get_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "role get command requires role name as its argument");
    Etcdserverpb__AuthRoleGetRequest request = ETCDSERVERPB__AUTH_ROLE_GET_REQUEST__INIT;
    request.role = argv[0];
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_role_get, &request);
    return code == CLI_OK ? print_role_get(&s.printer, argv[0], s.answer) : code;
}

static int list_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "role list command requires no arguments");
    Etcdserverpb__AuthRoleListRequest request = ETCDSERVERPB__AUTH_ROLE_LIST_REQUEST__INIT;
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_role_list, &request);
    return code == CLI_OK ? print_role_list(&s.printer, s.answer) : code;
}

/* ---- permissions ------------------------------------------------------------------------------ */

/* The keys that a permission is about, as the server keeps them. */
struct keys {
    struct arena *arena;
    ProtobufCBinaryData key, end;
};
static void keys_auto(struct keys *k)
{
    arena_free(k->arena);
}

static const struct slice zero = {(const uint8_t *)"", 1};

/* Read KEY [END] and the flags. An empty key begins at the first one there can be, and an end of
 * one zero byte is none. */
static int keys_read(struct keys *k, int argc, char **argv)
{
    struct slice key = slice_str(argv[0]);
    if (opt.prefix && opt.from_key && (key.n == 0 || argc == 1))
        return cli_fail(CLI_BAD_ARGS, "--from-key and --prefix flags are mutually exclusive");
    if (argc > 1 && key.n && (opt.prefix || opt.from_key))
        return cli_fail(CLI_BAD_ARGS, "unexpected endkey argument with --%s flag",
                        opt.prefix ? "prefix" : "from-key");
    k->arena = arena_new();
    k->key = pb_bytes(key.n ? key : zero);
    if (opt.from_key || (opt.prefix && key.n == 0))
        k->end = pb_bytes(zero);
    else if (opt.prefix)
        range_of_prefix(k->arena, key, &k->key, &k->end);
    else if (argc > 1 && key.n)
        k->end = pb_bytes(slice_str(argv[1]));
    return CLI_OK;
}

static bool permission_read(const char *word, Authpb__Permission__Type *ret)
{
    static const char *const words[] = {
        [AUTHPB__PERMISSION__TYPE__READ] = "read",
        [AUTHPB__PERMISSION__TYPE__WRITE] = "write",
        [AUTHPB__PERMISSION__TYPE__READWRITE] = "readwrite",
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        *ret = (Authpb__Permission__Type)i;
        if (strcasecmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

static int grant_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc < 3)
        return cli_fail(CLI_BAD_ARGS, "role grant command requires role name, permission type, and "
                                      "key [endkey] as its argument");
    Authpb__Permission permission = AUTHPB__PERMISSION__INIT;
    if (!permission_read(argv[1], &permission.permtype))
        return cli_fail(CLI_BAD_ARGS, "invalid permission type: %s", argv[1]);
    AUTO(keys) struct keys keys = {0};
    int code = keys_read(&keys, argc - 2, argv + 2);
    if (code != CLI_OK)
        return code;
    permission.key = keys.key;
    permission.range_end = keys.end;
    Etcdserverpb__AuthRoleGrantPermissionRequest request =
        ETCDSERVERPB__AUTH_ROLE_GRANT_PERMISSION_REQUEST__INIT;
    request.name = argv[0];
    request.perm = &permission;
    AUTO(session) struct session s;
    code = session_ask_patiently(&s, cmd, &etcd_rpc_role_grant_permission, &request);
    return code == CLI_OK ? print_role_grant_permission(&s.printer, argv[0], s.answer) : code;
}

static int revoke_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc < 2)
        return cli_fail(CLI_BAD_ARGS, "role revoke-permission command requires role name and key "
                                      "[endkey] as its argument");
    AUTO(keys) struct keys keys = {0};
    int code = keys_read(&keys, argc - 1, argv + 1);
    if (code != CLI_OK)
        return code;
    Etcdserverpb__AuthRoleRevokePermissionRequest request =
        ETCDSERVERPB__AUTH_ROLE_REVOKE_PERMISSION_REQUEST__INIT;
    request.role = argv[0];
    request.key = keys.key;
    request.range_end = keys.end;
    ProtobufCBinaryData typed = pb_bytes(slice_str(argv[1]));
    AUTO(session) struct session s;
    code = session_ask_patiently(&s, cmd, &etcd_rpc_role_revoke_permission, &request);
    return code == CLI_OK ? print_role_revoke_permission(&s.printer, argv[0], typed,
                                                         request.range_end, s.answer)
                          : code;
}

/* ---- the tree --------------------------------------------------------------------------------- */

static struct cli_flag grant_flags[] = {
    {"prefix", .type = CLI_BOOL, .value = &opt.prefix, .usage = "grant a prefix permission"},
    {"from-key", .type = CLI_BOOL, .value = &opt.from_key,
     .usage = "grant a permission of keys that are greater than or equal to the given key using "
              "byte compare"},
    {0},
};
static struct cli_flag revoke_flags[] = {
    {"prefix", .type = CLI_BOOL, .value = &opt.prefix, .usage = "revoke a prefix permission"},
    {"from-key", .type = CLI_BOOL, .value = &opt.from_key,
     .usage = "revoke a permission of keys that are greater than or equal to the given key using "
              "byte compare"},
    {0},
};

static struct cli_command cmd_add = {
    .use = "add <role name>", .summary = "Adds a new role", .run = add_run};
static struct cli_command cmd_delete = {
    .use = "delete <role name>", .summary = "Deletes a role", .run = delete_run};
static struct cli_command cmd_role_get = {.use = "get <role name>",
                                          .summary = "Gets detailed information of a role",
                                          .run = get_run};
static struct cli_command cmd_list = {.use = "list", .summary = "Lists all roles", .run = list_run};
static struct cli_command cmd_grant = {
    .use = "grant-permission [options] <role name> <permission type> <key> [endkey]",
    .summary = "Grants a key to a role",
    .flags = grant_flags,
    .run = grant_run};
static struct cli_command cmd_revoke = {.use = "revoke-permission <role name> <key> [endkey]",
                                        .summary = "Revokes a key from a role",
                                        .flags = revoke_flags,
                                        .run = revoke_run};

static struct cli_command *const commands[] = {
    &cmd_add, &cmd_delete, &cmd_role_get, &cmd_list, &cmd_grant, &cmd_revoke, NULL,
};

struct cli_command cmd_role = {
    .use = "role <subcommand>",
    .summary = "Role related commands. Use `etcdctl role --help` to see subcommands",
    .details = "Role related commands",
    .group = GROUP_AUTH,
    .commands = commands,
};
