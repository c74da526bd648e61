/* etcdctl/user.c -- etcdctl user: users, their passwords and roles.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/terminal.h"
#include "etcdctl/commands.h"
#include "etcdctl/session.h"

static struct {
    bool interactive, no_password, detail;
    const char *new_password;
} opt;

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* ---- passwords ------------------------------------------------------------------------------ */

/* Ask twice. NULL: *ret_code says how the command ends. */
static char *ask_password(const char *user, int *ret_code)
{
    AUTO(buf) struct buf prompt = BUF_INIT;
    buf_addf(&prompt, "Password of %s: ", user);
    char *first = terminal_ask_secret(buf_cstr(&prompt));
    if (!first) {
        *ret_code = cli_fail(CLI_BAD_ARGS,
                             "failed to ask password: failed during password entry: EOF");
        return NULL;
    }
    if (!*first) {
        free(first);
        *ret_code = cli_fail(CLI_BAD_ARGS, "empty password");
        return NULL;
    }
    buf_clear(&prompt);
    buf_addf(&prompt, "Type password of %s again for confirmation: ", user);
    char *second = terminal_ask_secret(buf_cstr(&prompt));
    bool same = second && strcmp(first, second) == 0;
    if (!second)
        *ret_code = cli_fail(CLI_BAD_ARGS,
                             "failed to ask password: failed during password entry: EOF");
    else if (!same)
        *ret_code = cli_fail(CLI_BAD_ARGS, "given passwords are different");
    wipe(second);
    if (same)
        return first;
    wipe(first);
    return NULL;
}

/* The first word of standard input, "" if there is none. */
static char *read_password(void)
{
    AUTO(buf) struct buf line = BUF_INIT;
    terminal_read_line(stdin, &line);
    char *text = buf_take_cstr(&line);
    size_t n = 0, blank = 0;
    while (text[blank] == ' ' || text[blank] == '\t')
        blank++;
    while (text[blank + n] && !isspace((unsigned char)text[blank + n]))
        n++;
    char *word = xstrndup(text + blank, n);
    wipe(text);
    return word;
}

static char *get_password(const char *user, int *ret_code)
{
    return opt.interactive ? ask_password(user, ret_code) : read_password();
}

/* The user and the password of `user add NAME[:PASSWORD]`; both owned. */
static int add_parse(const char *arg, char **ret_user, char **ret_password)
{
    int code = CLI_OK;
    const char *colon = strchr(arg, ':');
    *ret_user = xstrdup(arg);
    *ret_password = NULL;
    if (opt.no_password) {
        *ret_password = xstrdup("");
    } else if (*opt.new_password) {
        *ret_password = xstrdup(opt.new_password);
    } else if (!colon) {
        *ret_password = get_password(arg, &code);
    } else {
        (*ret_user)[colon - arg] = '\0';
        *ret_password = xstrdup(colon + 1);
        if (colon == arg)
            code = cli_fail(CLI_BAD_ARGS, "empty user name is not allowed");
    }
    return code;
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int add_call(struct cli_command *cmd, char *user, char *password)
{
    Authpb__UserAddOptions options = AUTHPB__USER_ADD_OPTIONS__INIT;
    options.no_password = opt.no_password;
    Etcdserverpb__AuthUserAddRequest request = ETCDSERVERPB__AUTH_USER_ADD_REQUEST__INIT;
    request.name = user;
    request.password = password;
    request.options = &options;
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_user_add, &request);
    return code == CLI_OK ? print_user_add(&s.printer, user, s.answer) : code;
}

static int add_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "user add command requires user name as its argument");
    char *user, *password;
    int code = add_parse(argv[0], &user, &password);
    if (code == CLI_OK)
        code = add_call(cmd, user, password);
    free(user);
    wipe(password);
    return code;
}

static int delete_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "user delete command requires user name as its argument");
    Etcdserverpb__AuthUserDeleteRequest request = ETCDSERVERPB__AUTH_USER_DELETE_REQUEST__INIT;
    request.name = argv[0];
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_user_delete, &request);
    return code == CLI_OK ? print_user_delete(&s.printer, argv[0], s.answer) : code;
}

/* The user's roles with all that they permit. */
static int get_detail(struct session *s, const char *user,
                      const Etcdserverpb__AuthUserGetResponse *r)
{
    printf("User: %s\n", user);
    int code = CLI_OK;
    for (size_t i = 0; i < r->n_roles && code == CLI_OK; i++) {
        putchar('\n');
        Etcdserverpb__AuthRoleGetRequest request = ETCDSERVERPB__AUTH_ROLE_GET_REQUEST__INIT;
        request.role = r->roles[i];
        void *role;
        code = session_call(s, &etcd_rpc_role_get, &request, &role);
        if (code == CLI_OK)
            code = print_role_get(&s->printer, r->roles[i], role);
        etcd_response_free(role);
    }
    return code;
}

static int get_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "user get command requires user name as its argument");
    Etcdserverpb__AuthUserGetRequest request = ETCDSERVERPB__AUTH_USER_GET_REQUEST__INIT;
    request.name = argv[0];
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_user_get, &request);
    if (code != CLI_OK)
        return code;
    return opt.detail ? get_detail(&s, argv[0], s.answer)
                      : print_user_get(&s.printer, argv[0], s.answer);
}

static int list_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cli_fail(CLI_BAD_ARGS, "user list command requires no arguments");
    Etcdserverpb__AuthUserListRequest request = ETCDSERVERPB__AUTH_USER_LIST_REQUEST__INIT;
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_user_list, &request);
    return code == CLI_OK ? print_user_list(&s.printer, s.answer) : code;
}

static int passwd_call(struct cli_command *cmd, char *user, char *password)
{
    Etcdserverpb__AuthUserChangePasswordRequest request =
        ETCDSERVERPB__AUTH_USER_CHANGE_PASSWORD_REQUEST__INIT;
    request.name = user;
    request.password = password;
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_user_change_password, &request);
    return code == CLI_OK ? print_user_change_password(&s.printer, s.answer) : code;
}

static int passwd_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "user passwd command requires user name as its argument");
    int code = CLI_OK;
    char *password = get_password(argv[0], &code);
    if (password)
        code = passwd_call(cmd, argv[0], password);
    wipe(password);
    return code;
}

static int grant_role_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 2)
        return cli_fail(CLI_BAD_ARGS,
                        "user grant command requires user name and role name as its argument");
    Etcdserverpb__AuthUserGrantRoleRequest request =
        ETCDSERVERPB__AUTH_USER_GRANT_ROLE_REQUEST__INIT;
    request.user = argv[0];
    request.role = argv[1];
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_user_grant_role, &request);
    return code == CLI_OK ? print_user_grant_role(&s.printer, argv[0], argv[1], s.answer) : code;
}

static int revoke_role_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc != 2)
        return cli_fail(CLI_BAD_ARGS,
                        "user revoke-role requires user name and role name as its argument");
    Etcdserverpb__AuthUserRevokeRoleRequest request =
        ETCDSERVERPB__AUTH_USER_REVOKE_ROLE_REQUEST__INIT;
    request.name = argv[0];
    request.role = argv[1];
    AUTO(session) struct session s;
    int code = session_ask_patiently(&s, cmd, &etcd_rpc_user_revoke_role, &request);
    return code == CLI_OK ? print_user_revoke_role(&s.printer, argv[0], argv[1], s.answer) : code;
}

/* ---- the tree --------------------------------------------------------------------------------- */

static struct cli_flag add_flags[] = {
    {"interactive", .type = CLI_BOOL, .value = &opt.interactive, .def = "true",
     .usage = "Read password from stdin instead of interactive terminal"},
    {"new-user-password", .type = CLI_STRING, .value = &opt.new_password,
     .usage = "Supply password from the command line flag"},
    {"no-password", .type = CLI_BOOL, .value = &opt.no_password,
     .usage = "Create a user without password (CN based auth only)"},
    {0},
};
static struct cli_flag get_flags[] = {
    {"detail", .type = CLI_BOOL, .value = &opt.detail,
     .usage = "Show permissions of roles granted to the user"},
    {0},
};
static struct cli_flag passwd_flags[] = {
    {"interactive", .type = CLI_BOOL, .value = &opt.interactive, .def = "true",
     .usage = "If true, read password from stdin instead of interactive terminal"},
    {0},
};

static struct cli_command cmd_add = {.use = "add <user name or user:password> [options]",
                                     .summary = "Adds a new user",
                                     .flags = add_flags,
                                     .run = add_run};
static struct cli_command cmd_delete = {
    .use = "delete <user name>", .summary = "Deletes a user", .run = delete_run};
static struct cli_command cmd_user_get = {.use = "get <user name> [options]",
                                          .summary = "Gets detailed information of a user",
                                          .flags = get_flags,
                                          .run = get_run};
static struct cli_command cmd_list = {.use = "list", .summary = "Lists all users", .run = list_run};
static struct cli_command cmd_passwd = {.use = "passwd <user name> [options]",
                                        .summary = "Changes password of user",
                                        .flags = passwd_flags,
                                        .run = passwd_run};
static struct cli_command cmd_grant_role = {.use = "grant-role <user name> <role name>",
                                            .summary = "Grants a role to a user",
                                            .run = grant_role_run};
static struct cli_command cmd_revoke_role = {.use = "revoke-role <user name> <role name>",
                                             .summary = "Revokes a role from a user",
                                             .run = revoke_role_run};

static struct cli_command *const commands[] = {
    &cmd_add,    &cmd_delete,     &cmd_user_get,    &cmd_list,
    &cmd_passwd, &cmd_grant_role, &cmd_revoke_role, NULL,
};

struct cli_command cmd_user = {
    .use = "user <subcommand>",
    .summary = "User related commands. Use `etcdctl user --help` to see subcommands",
    .details = "User related commands",
    .group = GROUP_AUTH,
    .commands = commands,
};
