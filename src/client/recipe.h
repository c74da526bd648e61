/* client/recipe.h -- what locks and elections have in common: upstream's concurrency package.
 *
 * Whoever wants something makes a key below its name, "NAME/LEASEHEX"; of these keys the one that
 * was created first has it. The others wait until no older one is left.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_RECIPE_H
#define CLIENT_RECIPE_H

#include "client/client_priv.h"

struct etcd_client *session_client(const struct etcd_session *s);

/* A key of a session's. */
struct claim {
    struct etcd_session *session;
    struct etcd_client *client;
    char *prefix;                         /* "NAME/" */
    char *prefix_end;                     /* "NAME0": behind all that begins with it */
    char *key;                            /* "NAME/LEASEHEX" */
    int64_t create_revision;              /* 0: it is not ours */
    Etcdserverpb__ResponseHeader *header; /* of the last success */
};

void claim_init(struct claim *k, struct etcd_session *s, const char *name);
void claim_fini(struct claim *k);

/* Make the key with `value`, unless it is there. Return the answer to the transaction: if it
 * succeeded the key is new, else the first answer in it holds the key; the second holds the oldest
 * one below the prefix. */
Etcdserverpb__TxnResponse *claim_make(struct claim *k, ProtobufCBinaryData value, msec deadline,
                                      struct etcd_error *ret_error);
/* Change it, if it is still the one that was made; *ret_held says if so. */
bool claim_update(struct claim *k, ProtobufCBinaryData value, bool *ret_held,
                  struct etcd_error *ret_error);
/* Wait until no older key is left. Fail when the session's lease runs out before, or ours is gone.
 */
bool claim_wait(struct claim *k, msec deadline, struct etcd_error *ret_error);
/* Delete it, if it is still the one that was made. Done even when the client is interrupted. */
bool claim_drop(struct claim *k, struct etcd_error *ret_error);
void claim_set_header(struct claim *k, const Etcdserverpb__ResponseHeader *h);

/* A deadline as a time-out that etcd_call() takes. */
int64_t time_left(struct etcd_client *c, msec deadline);

/* What tidies up goes on after an interruption; another one ends that too. */
bool tidy_begin(struct etcd_client *c);
void tidy_end(struct etcd_client *c, bool interrupted);

#endif
