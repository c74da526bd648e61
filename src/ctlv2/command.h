/* ctlv2/command.h -- one command of `ETCDCTL_API=2 etcdctl`, and what it gets to run with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_COMMAND_H
#define CTLV2_COMMAND_H

#include "ctlv2/args.h"

/* Exit codes, beside 0. */
enum {
    EXIT_BAD_ARGS = 1,
    EXIT_BAD_CONNECTION = 2,
    EXIT_NO_TOPIC = 3, /* an unknown command */
    EXIT_SERVER = 4,
    EXIT_UNHEALTHY = 5, /* the cluster */
};

struct context {
    const struct args *globals;
    const struct args *args; /* of the command itself */
    int argc;                /* its operands */
    char **argv;
};

struct command {
    const char *name;
    const char *summary;
    const char *operands;    /* as usage shows them; NULL: [arguments...] */
    const char *description; /* NULL: none */
    const struct option_spec *options;
    size_t option_n;
    const struct command *commands; /* below this one, ended by a nameless one; NULL: none */
    int (*run)(const struct context *c);
};

extern const struct command v2_commands[]; /* ended by a nameless one */
extern const struct option_spec v2_globals[];
extern const size_t v2_global_n;

/* backup.c */
int run_backup(const struct context *c);
/* keys.c */
int run_get(const struct context *c);
int run_ls(const struct context *c);
int run_mk(const struct context *c);
int run_mkdir(const struct context *c);
int run_rm(const struct context *c);
int run_rmdir(const struct context *c);
int run_set(const struct context *c);
int run_setdir(const struct context *c);
int run_update(const struct context *c);
int run_updatedir(const struct context *c);
/* watch.c */
int run_watch(const struct context *c);
int run_exec_watch(const struct context *c);
/* members.c, health.c */
int run_member_list(const struct context *c);
int run_member_add(const struct context *c);
int run_member_remove(const struct context *c);
int run_member_update(const struct context *c);
int run_cluster_health(const struct context *c);
/* users.c, roles.c, auth.c */
int run_user_add(const struct context *c);
int run_user_get(const struct context *c);
int run_user_list(const struct context *c);
int run_user_remove(const struct context *c);
int run_user_grant(const struct context *c);
int run_user_revoke(const struct context *c);
int run_user_passwd(const struct context *c);
int run_role_add(const struct context *c);
int run_role_get(const struct context *c);
int run_role_list(const struct context *c);
int run_role_remove(const struct context *c);
int run_role_grant(const struct context *c);
int run_role_revoke(const struct context *c);
int run_auth_enable(const struct context *c);
int run_auth_disable(const struct context *c);

#endif
