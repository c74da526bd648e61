/* ctlv2/commands.c -- the tables of commands and options.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ctlv2/command.h"

#define TTL_OPTION                                                                                 \
    {                                                                                              \
        "ttl", .type = OPTION_INT, .usage = "key time-to-live in seconds", .def = "0"              \
    }

static const struct option_spec backup_options[] = {
    {"data-dir", NULL, OPTION_STRING, "Path to the etcd data dir", NULL},
    {"wal-dir", NULL, OPTION_STRING, "Path to the etcd wal dir", NULL},
    {"backup-dir", NULL, OPTION_STRING, "Path to the backup dir", NULL},
    {"backup-wal-dir", NULL, OPTION_STRING, "Path to the backup wal dir", NULL},
    {"with-v3", NULL, OPTION_BOOL, "Backup v3 backend data", NULL},
};
static const struct option_spec health_options[] = {
    {"forever", "f", OPTION_BOOL, "forever check the health every 10 second until CTRL+C", NULL},
};
static const struct option_spec mk_options[] = {
    {"in-order", NULL, OPTION_BOOL, "create in-order key under directory <key>", NULL},
    TTL_OPTION,
};
static const struct option_spec ttl_options[] = {TTL_OPTION};
static const struct option_spec rm_options[] = {
    {"dir", NULL, OPTION_BOOL, "removes the key if it is an empty directory or a key-value pair",
     NULL},
    {"recursive", "r", OPTION_BOOL, "removes the key and all child keys(if it is a directory)",
     NULL},
    {"with-value", NULL, OPTION_STRING, "previous value", NULL},
    {"with-index", NULL, OPTION_INT, "previous index", "0"},
};
static const struct option_spec get_options[] = {
    {"sort", NULL, OPTION_BOOL, "returns result in sorted order", NULL},
    {"quorum", "q", OPTION_BOOL, "require quorum for get request", NULL},
};
static const struct option_spec ls_options[] = {
    {"sort", NULL, OPTION_BOOL, "returns result in sorted order", NULL},
    {"recursive", "r", OPTION_BOOL, "returns all key names recursively for the given path", NULL},
    {"p", NULL, OPTION_BOOL, "append slash (/) to directories", NULL},
    {"quorum", "q", OPTION_BOOL, "require quorum for get request", NULL},
};
static const struct option_spec set_options[] = {
    TTL_OPTION,
    {"swap-with-value", NULL, OPTION_STRING, "previous value", NULL},
    {"swap-with-index", NULL, OPTION_INT, "previous index", "0"},
};
static const struct option_spec watch_options[] = {
    {"forever", "f", OPTION_BOOL, "forever watch a key until CTRL+C", NULL},
    {"after-index", NULL, OPTION_INT, "watch after the given index", "0"},
    {"recursive", "r", OPTION_BOOL, "returns all values for key and child keys", NULL},
};
static const struct option_spec exec_watch_options[] = {
    {"after-index", NULL, OPTION_INT, "watch after the given index", "0"},
    {"recursive", "r", OPTION_BOOL, "watch all values for key and child keys", NULL},
};
static const struct option_spec roles_options[] = {
    {"roles", NULL, OPTION_STRINGS, "List of roles to grant or revoke", NULL},
};
static const struct option_spec role_grant_options[] = {
    {"path", NULL, OPTION_STRING, "Path granted for the role to access", NULL},
    {"read", NULL, OPTION_BOOL, "Grant read-only access", NULL},
    {"write", NULL, OPTION_BOOL, "Grant write-only access", NULL},
    {"readwrite", "rw", OPTION_BOOL, "Grant read-write access", NULL},
};
static const struct option_spec role_revoke_options[] = {
    {"path", NULL, OPTION_STRING, "Path revoked for the role to access", NULL},
    {"read", NULL, OPTION_BOOL, "Revoke read access", NULL},
    {"write", NULL, OPTION_BOOL, "Revoke write access", NULL},
    {"readwrite", "rw", OPTION_BOOL, "Revoke read-write access", NULL},
};

#define OPTIONS(table) .options = (table), .option_n = ARRAY_LEN(table)

static const struct command member_commands[] = {
    {"list", "enumerate existing cluster members", " ", .run = run_member_list},
    {"add", "add a new member to the etcd cluster", "<name> <peerURL>", .run = run_member_add},
    {"remove", "remove an existing member from the etcd cluster", "<memberID>",
     .run = run_member_remove},
    {"update", "update an existing member in the etcd cluster", "<memberID> <peerURLs>",
     .run = run_member_update},
    {0},
};
static const struct command user_commands[] = {
    {"add", "add a new user for the etcd cluster", "<user>", .run = run_user_add},
    {"get", "get details for a user", "<user>", .run = run_user_get},
    {"list", "list all current users", "<user>", .run = run_user_list},
    {"remove", "remove a user for the etcd cluster", "<user>", .run = run_user_remove},
    {"grant", "grant roles to an etcd user", "<user>", OPTIONS(roles_options),
     .run = run_user_grant},
    {"revoke", "revoke roles for an etcd user", "<user>", OPTIONS(roles_options),
     .run = run_user_revoke},
    {"passwd", "change password for a user", "<user>", .run = run_user_passwd},
    {0},
};
static const struct command role_commands[] = {
    {"add", "add a new role for the etcd cluster", "<role> ", .run = run_role_add},
    {"get", "get details for a role", "<role>", .run = run_role_get},
    {"list", "list all roles", " ", .run = run_role_list},
    {"remove", "remove a role from the etcd cluster", "<role>", .run = run_role_remove},
    {"grant", "grant path matches to an etcd role", "<role>", OPTIONS(role_grant_options),
     .run = run_role_grant},
    {"revoke", "revoke path matches for an etcd role", "<role>", OPTIONS(role_revoke_options),
     .run = run_role_revoke},
    {0},
};
static const struct command auth_commands[] = {
    {"enable", "enable auth access controls", " ", .run = run_auth_enable},
    {"disable", "disable auth access controls", " ", .run = run_auth_disable},
    {0},
};

static const char set_description[] = "Set sets the value of a key.\n"
                                      "\n"
                                      "   When <value> begins with '-', <value> is interpreted as "
                                      "a flag.\n"
                                      "   Insert '--' for workaround:\n"
                                      "\n"
                                      "   $ set -- <key> <value>";

const struct command v2_commands[] = {
    {"backup", "backup an etcd directory", " ", OPTIONS(backup_options), .run = run_backup},
    {"cluster-health", "check the health of the etcd cluster", " ", OPTIONS(health_options),
     .run = run_cluster_health},
    {"mk", "make a new key with a given value", "<key> <value>", OPTIONS(mk_options),
     .run = run_mk},
    {"mkdir", "make a new directory", "<key>", OPTIONS(ttl_options), .run = run_mkdir},
    {"rm", "remove a key or a directory", "<key>", OPTIONS(rm_options), .run = run_rm},
    {"rmdir", "removes the key if it is an empty directory or a key-value pair", "<key>",
     .run = run_rmdir},
    {"get", "retrieve the value of a key", "<key>", OPTIONS(get_options), .run = run_get},
    {"ls", "retrieve a directory", "[key]", OPTIONS(ls_options), .run = run_ls},
    {"set", "set the value of a key", "<key> <value>", set_description, OPTIONS(set_options),
     .run = run_set},
    {"setdir", "create a new directory or update an existing directory TTL", "<key>",
     OPTIONS(ttl_options), .run = run_setdir},
    {"update", "update an existing key with a given value", "<key> <value>", OPTIONS(ttl_options),
     .run = run_update},
    {"updatedir", "update an existing directory", "<key> <value>", OPTIONS(ttl_options),
     .run = run_updatedir},
    {"watch", "watch a key for changes", "<key>", OPTIONS(watch_options), .run = run_watch},
    {"exec-watch", "watch a key for changes and exec an executable", "<key> <command> [args...]",
     OPTIONS(exec_watch_options), .run = run_exec_watch},
    {"member", "member add, remove and list subcommands", .commands = member_commands},
    {"user", "user add, grant and revoke subcommands", .commands = user_commands},
    {"role", "role add, grant and revoke subcommands", .commands = role_commands},
    {"auth", "overall auth controls", .commands = auth_commands},
    {0},
};

const struct option_spec v2_globals[] = {
    {"debug", NULL, OPTION_BOOL, "output cURL commands which can be used to reproduce the request",
     NULL},
    {"no-sync", NULL, OPTION_BOOL, "don't synchronize cluster information before sending request",
     NULL},
    {"output", "o", OPTION_STRING,
     "output response in the given format (`simple`, `extended` or `json`)", "simple"},
    {"discovery-srv", "D", OPTION_STRING,
     "domain name to query for SRV records describing cluster endpoints", NULL},
    {"insecure-discovery", NULL, OPTION_BOOL,
     "accept insecure SRV records describing cluster endpoints", NULL},
    {"peers", "C", OPTION_STRING, "DEPRECATED - \"--endpoints\" should be used instead", NULL},
    {"endpoint", NULL, OPTION_STRING, "DEPRECATED - \"--endpoints\" should be used instead", NULL},
    {"endpoints", NULL, OPTION_STRING,
     "a comma-delimited list of machine addresses in the cluster (default: "
     "\"http://127.0.0.1:2379,http://127.0.0.1:4001\")",
     NULL},
    {"cert-file", NULL, OPTION_STRING, "identify HTTPS client using this SSL certificate file",
     NULL},
    {"key-file", NULL, OPTION_STRING, "identify HTTPS client using this SSL key file", NULL},
    {"ca-file", NULL, OPTION_STRING,
     "verify certificates of HTTPS-enabled servers using this CA bundle", NULL},
    {"username", "u", OPTION_STRING,
     "provide username[:password] and prompt if password is not supplied.", NULL},
    {"timeout", NULL, OPTION_DURATION, "connection timeout per request", "2s"},
    {"total-timeout", NULL, OPTION_DURATION, "timeout for the command execution (except watch)",
     "5s"},
    {"help", "h", OPTION_BOOL, "show help", NULL},
    {"version", "v", OPTION_BOOL, "print the version", NULL},
};
const size_t v2_global_n = ARRAY_LEN(v2_globals);
