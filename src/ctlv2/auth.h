/* ctlv2/auth.h -- what the commands `user`, `role` and `auth` share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CTLV2_AUTH_H
#define CTLV2_AUTH_H

#include "ctlv2/command.h"
#include "ctlv2/rest.h"

/* A command under way. */
struct auth {
    struct cluster *cluster;
    msec deadline;
    struct trouble trouble; /* of the last request that failed */
};

/* Open the cluster for a command that takes just `argc` operands; with others it says `usage`.
 * Return the status to exit with, or 0. */
MUST_USE int auth_open(const struct context *c, int argc, const char *usage, struct auth *ret_auth);
void auth_auto(struct auth *a);

/* Ask for /v2/auth/KIND/NAME (a name that is empty or NULL: for /v2/auth/KIND). */
MUST_USE bool auth_ask(struct auth *a, const char *method, const char *kind, const char *name,
                       const struct buf *body, struct answer *ret_answer);
/* The same; an answer that is not 200 or 201 is a failure, too. */
MUST_USE bool auth_do(struct auth *a, const char *method, const char *kind, const char *name,
                      const struct buf *body, struct answer *ret_answer);
/* Remove one and say so, as what it was ("User"). Return the status to exit with. */
int auth_remove(struct auth *a, const char *kind, const char *name, const char *what);
/* Print the trouble. Return the status to exit with. */
int auth_fail(struct auth *a);

#endif
