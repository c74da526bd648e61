/* etcdctl/session.h -- a command's connection and its output, made from the global flags.
 *
 *   static int get_run(struct cli_command *cmd, int argc, char **argv)
 *   {
 *       AUTO(session) struct session s;
 *       int code = session_open(&s, cmd);
 *       if (code != CLI_OK)
 *           return code;
 *       Etcdserverpb__RangeResponse *r;
 *       code = session_call(&s, &etcd_rpc_range, &request, (void **)&r);
 *       if (code == CLI_OK)
 *           code = print_get(&s.printer, r);
 *       etcd_response_free(r);
 *       return code;
 *   }
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_SESSION_H
#define ETCDCTL_SESSION_H

#include "cli/command.h"
#include "client/etcdclient.h"
#include "etcdctl/printer.h"

struct session {
    struct etcd_client *client;
    struct printer printer;
    int64_t timeout_ms; /* of a call: --command-timeout */
};

/* Read the global flags, the password if it is missing, and make the client. Return CLI_OK, or the
 * exit code after the error was printed. */
int session_open(struct session *s, struct cli_command *cmd);
/* Likewise, and streams end when their endpoint has no leader. */
int session_open_with_leader(struct session *s, struct cli_command *cmd);
void session_close(struct session *s);
static inline void session_auto(struct session *s)
{
    session_close(s);
}

/* The parts of it, for a command that makes clients of its own (one an endpoint): a configuration
 * whose texts are valid until session_config_fini(). */
struct session_config {
    struct etcd_client_config client;
    char *user, *password; /* owned */
    char **endpoints;      /* owned */
    size_t n_endpoints;
};
int session_config_init(struct session_config *c, struct cli_command *cmd);
void session_config_fini(struct session_config *c);
/* A client of `c` for one of its endpoints (NULL: all). NULL: printed, *ret_code says how it ends. */
struct etcd_client *session_dial(const struct session_config *c, const char *endpoint,
                                 int *ret_code);

/* Call and wait for --command-timeout. On failure print the error, set *ret_response to NULL and
 * return the exit code. */
int session_call(struct session *s, const struct etcd_method *m, const void *request,
                 void **ret_response);

/* True if the error says that the user of the global flags could not be authenticated. */
bool session_user_is_wrong(const struct etcd_error *e);
/* Print an error of the client library after "Error: ". Return `code`, or CLI_BAD_CONNECTION if the user could not be
 * authenticated. */
int session_fail(int code, const struct etcd_error *e);

#endif
