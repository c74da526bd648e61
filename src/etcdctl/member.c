/* etcdctl/member.c -- etcdctl member: who belongs to the cluster.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/quote.h"
#include "config/url.h"
#include "etcdctl/commands.h"
#include "etcdctl/session.h"

static struct {
    const char *peer_urls, *consistency;
    bool learner;
} opt;

/* ---- arguments -------------------------------------------------------------------------------- */

struct urls {
    char **v; /* into text */
    size_t n;
    char *text;
};
static void urls_auto(struct urls *u)
{
    free(u->v);
    free(u->text);
}

/* Cut a list at its commas; what stands between is the server's to judge. */
static struct urls urls_split(const char *list)
{
    struct urls u = {NULL, 1, xstrdup(list)};
    for (const char *p = list; *p; p++)
        u.n += *p == ',';
    u.v = xcalloc(u.n, sizeof *u.v);
    char *rest = u.text;
    for (size_t i = 0; i < u.n; i++)
        u.v[i] = strsep(&rest, ",");
    return u;
}

/* What upstream's client refuses by itself. */
static int urls_check(const char *list)
{
    struct why why = {0};
    struct url_list urls;
    if (url_list_parse(list, false, &urls, &why) != ERR_OK)
        return cli_fail(CLI_ERROR, "%s", why.text);
    url_list_fini(&urls);
    return CLI_OK;
}

/* As session_ask(), the URLs being checked between. */
static int ask_with_urls(struct session *s, struct cli_command *cmd, const struct etcd_method *m,
                         const void *request)
{
    int code = session_open(s, cmd);
    if (code == CLI_OK)
        code = urls_check(opt.peer_urls);
    return code == CLI_OK ? session_call(s, m, request, &s->answer) : code;
}

static int id_read(int argc, char **argv, uint64_t *ret_id)
{
    if (argc != 1)
        return cli_fail(CLI_BAD_ARGS, "member ID is not provided");
    AUTO(buf) struct buf problem = BUF_INIT;
    if (number_parse_uint(argv[0], 16, 64, ret_id, &problem))
        return CLI_OK;
    return cli_fail(CLI_BAD_ARGS, "bad member ID arg (%s), expecting ID in Hex",
                    buf_cstr(&problem));
}

/* ---- member add ------------------------------------------------------------------------------- */

static int add_too_many(int argc, char **argv)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "too many arguments");
    for (int i = 0; i < argc; i++)
        if (strncasecmp(argv[i], "http", 4) == 0)
            buf_addf(&b, ", did you mean --peer-urls=%s", argv[i]);
    return cli_fail(CLI_BAD_ARGS, "%s", buf_cstr(&b));
}

/* Print the environment with which the new member is to be started. */
static void add_print_environment(const char *name, const Etcdserverpb__MemberAddResponse *r)
{
    AUTO(buf) struct buf cluster = BUF_INIT;
    for (size_t i = 0; i < r->n_members; i++) {
        const Etcdserverpb__Member *m = r->members[i];
        for (size_t j = 0; j < m->n_peerurls; j++)
            buf_addf(&cluster, "%s%s=%s", cluster.n ? "," : "",
                     m->id == r->member->id ? name : m->name, m->peerurls[j]);
    }
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_str(&b, "\nETCD_NAME=");
    quote_add(&b, slice_str(name));
    buf_add_str(&b, "\nETCD_INITIAL_CLUSTER=");
    quote_add(&b, buf_slice(&cluster));
    buf_add_str(&b, "\nETCD_INITIAL_ADVERTISE_PEER_URLS=");
    quote_add(&b, slice_str(opt.peer_urls));
    buf_add_str(&b, "\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n");
    fwrite(b.p, 1, b.n, stdout);
}

static int add_run(struct cli_command *cmd, int argc, char **argv)
{
    if (argc < 1)
        return cli_fail(CLI_BAD_ARGS, "member name not provided");
    if (argc > 1)
        return add_too_many(argc, argv);
    if (!*opt.peer_urls)
        return cli_fail(CLI_BAD_ARGS, "member peer urls not provided");
    AUTO(urls) struct urls urls = urls_split(opt.peer_urls);
    Etcdserverpb__MemberAddRequest request = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    request.peerurls = urls.v;
    request.n_peerurls = urls.n;
    request.islearner = opt.learner;
    AUTO(session) struct session s;
    int code = ask_with_urls(&s, cmd, &etcd_rpc_member_add, &request);
    if (code != CLI_OK)
        return code;
    const Etcdserverpb__MemberAddResponse *r = s.answer;
    code = print_member_add(&s.printer, r);
    if (code == CLI_OK && printer_is_simple(&s.printer) && r->member)
        add_print_environment(argv[0], r);
    return code;
}

/* ---- the others ------------------------------------------------------------------------------- */

static int remove_run(struct cli_command *cmd, int argc, char **argv)
{
    Etcdserverpb__MemberRemoveRequest request = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    int code = id_read(argc, argv, &request.id);
    if (code != CLI_OK)
        return code;
    AUTO(session) struct session s;
    code = session_ask(&s, cmd, &etcd_rpc_member_remove, &request);
    return code == CLI_OK ? print_member_remove(&s.printer, request.id, s.answer) : code;
}

static int update_run(struct cli_command *cmd, int argc, char **argv)
{
    Etcdserverpb__MemberUpdateRequest request = ETCDSERVERPB__MEMBER_UPDATE_REQUEST__INIT;
    int code = id_read(argc, argv, &request.id);
    if (code != CLI_OK)
        return code;
    if (!*opt.peer_urls)
        return cli_fail(CLI_BAD_ARGS, "member peer urls not provided");
    AUTO(urls) struct urls urls = urls_split(opt.peer_urls);
    request.peerurls = urls.v;
    request.n_peerurls = urls.n;
    AUTO(session) struct session s;
    code = ask_with_urls(&s, cmd, &etcd_rpc_member_update, &request);
    return code == CLI_OK ? print_member_update(&s.printer, request.id, s.answer) : code;
}

static int promote_run(struct cli_command *cmd, int argc, char **argv)
{
    Etcdserverpb__MemberPromoteRequest request = ETCDSERVERPB__MEMBER_PROMOTE_REQUEST__INIT;
    int code = id_read(argc, argv, &request.id);
    if (code != CLI_OK)
        return code;
    AUTO(session) struct session s;
    code = session_ask(&s, cmd, &etcd_rpc_member_promote, &request);
    return code == CLI_OK ? print_member_promote(&s.printer, request.id, s.answer) : code;
}

static int list_run(struct cli_command *cmd, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bool linearizable = strcmp(opt.consistency, "l") == 0;
    if (!linearizable && strcmp(opt.consistency, "s") != 0)
        return cli_fail(CLI_BAD_FEATURE, "unknown consistency flag \"%s\"", opt.consistency);
    Etcdserverpb__MemberListRequest request = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    request.linearizable = linearizable;
    AUTO(session) struct session s;
    int code = session_ask(&s, cmd, &etcd_rpc_member_list, &request);
    return code == CLI_OK ? print_member_list(&s.printer, s.answer) : code;
}

/* ---- the tree --------------------------------------------------------------------------------- */

static const char *const consistencies[] = {"l", "s", NULL};

static struct cli_flag add_flags[] = {
    {"peer-urls", .type = CLI_STRING, .value = &opt.peer_urls,
     .usage = "comma separated peer URLs for the new member."},
    {"learner", .type = CLI_BOOL, .value = &opt.learner,
     .usage = "indicates if the new member is raft learner"},
    {0},
};
static struct cli_flag update_flags[] = {
    {"peer-urls", .type = CLI_STRING, .value = &opt.peer_urls,
     .usage = "comma separated peer URLs for the updated member."},
    {0},
};
static struct cli_flag list_flags[] = {
    {"consistency", .type = CLI_STRING, .value = &opt.consistency, .def = "l",
     .values = consistencies, .usage = "Linearizable(l) or Serializable(s)"},
    {0},
};

static struct cli_command cmd_add = {.use = "add <memberName> [options]",
                                     .summary = "Adds a member into the cluster",
                                     .flags = add_flags,
                                     .run = add_run};
static struct cli_command cmd_remove = {.use = "remove <memberID>",
                                        .summary = "Removes a member from the cluster",
                                        .run = remove_run};
static struct cli_command cmd_update = {.use = "update <memberID> [options]",
                                        .summary = "Updates a member in the cluster",
                                        .flags = update_flags,
                                        .run = update_run};
static struct cli_command cmd_list = {
    .use = "list",
    .summary = "Lists all members in the cluster",
    .details = "When --write-out is set to simple, this command prints out comma-separated member "
               "lists for each endpoint.\n"
               "The items in the lists are ID, Status, Name, Peer Addrs, Client Addrs, Is "
               "Learner.\n",
    .flags = list_flags,
    .run = list_run};
static struct cli_command cmd_promote = {
    .use = "promote <memberID>",
    .summary = "Promotes a non-voting member in the cluster",
    .details = "Promotes a non-voting learner member to a voting one in the cluster.\n",
    .run = promote_run};

static struct cli_command *const commands[] = {
    &cmd_add, &cmd_remove, &cmd_update, &cmd_list, &cmd_promote, NULL,
};

struct cli_command cmd_member = {
    .use = "member <subcommand>",
    .summary = "Membership related commands. Use `etcdctl member --help` to see subcommands",
    .details = "Membership related commands",
    .group = GROUP_CLUSTER,
    .commands = commands,
};
