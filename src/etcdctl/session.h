/* etcdctl/session.h -- a command's connection and its output, made from the global flags.
 *
 *   static int status_run(struct cli_command *cmd, int argc, char **argv)
 *   {
 *       Etcdserverpb__AuthStatusRequest request = ETCDSERVERPB__AUTH_STATUS_REQUEST__INIT;
 *       AUTO(session) struct session s;
 *       int code = session_ask(&s, cmd, &etcd_rpc_auth_status, &request);
 *       return code == CLI_OK ? print_auth_status(&s.printer, s.answer) : code;
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
    void *answer;       /* what was asked for, or NULL; freed with the session */
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

/* Open it for one call, and make that: CLI_OK, and the answer is s->answer; or the exit code after the
 * error was printed. To be closed either way. */
int session_ask(struct session *s, struct cli_command *cmd, const struct etcd_method *m,
                const void *request);
/* Likewise, and wait as long as the server takes, whatever --command-timeout says. */
int session_ask_patiently(struct session *s, struct cli_command *cmd, const struct etcd_method *m,
                          const void *request);

/* Call and wait for --command-timeout. On failure print the error, set *ret_response to NULL and
 * return the exit code. */
int session_call(struct session *s, const struct etcd_method *m, const void *request,
                 void **ret_response);

/* True if the error says that the user of the global flags could not be authenticated. */
bool session_user_is_wrong(const struct etcd_error *e);
/* Print an error of the client library after "Error: ". Return `code`, or CLI_BAD_CONNECTION if the
 * user could not be authenticated. */
int session_fail(int code, const struct etcd_error *e);

#endif
