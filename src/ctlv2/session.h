/* ctlv2/session.h -- the cluster that the options and the environment name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_SESSION_H
#define CTLV2_SESSION_H

#include "base/duration.h"
#include "ctlv2/cluster.h"
#include "ctlv2/command.h"

/* Return the cluster in *ret_cluster (owned), without asking it anything. Otherwise return false,
 * and why in `t`. */
MUST_USE bool v2_session_open_unsynced(const struct context *c, struct cluster **ret_cluster,
                                       struct trouble *t);
/* The same, and learn the endpoints that its members advertise, unless --no-sync. When that fails
 * the message is printed: return the status to exit with, or 0. */
MUST_USE int v2_session_open(const struct context *c, struct cluster **ret_cluster);
/* The same for a command that takes just `argc` operands; with others it says `usage`. */
MUST_USE int v2_session_open_for(const struct context *c, int argc, const char *usage,
                                 struct cluster **ret_cluster);
/* Return true if the files of the TLS options are of use. */
MUST_USE bool v2_session_check_tls(const struct context *c, struct trouble *t);
/* With --debug, print the endpoints once more, as the commands of users and roles do. */
void v2_session_print_endpoints(const struct context *c, const struct cluster *cluster);

/* When --total-timeout is over, counted from now. */
msec v2_session_deadline(const struct context *c);

/* The option, or else the variable of the environment; NULL: neither. */
const char *v2_session_setting(const struct context *c, const char *option, const char *variable);

/* Ask for a password at the terminal, or read it from standard input. Owned. */
char *v2_session_ask_password(const char *prompt);
/* Cut "name:password"; without a colon ask for the password. Both owned. */
void v2_session_split_user(const char *text, const char *prompt, char **ret_name,
                           char **ret_password);

#endif
