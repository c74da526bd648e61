/* etcdctl/mirror_txn.h -- changes on their way into a mirror, as one transaction.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_MIRROR_TXN_H
#define ETCDCTL_MIRROR_TXN_H

#include "base/mem.h"
#include "client/etcdclient.h"

struct mirror_txn {
    struct arena *arena; /* of the operations */
    Etcdserverpb__RequestOp **ops;
    size_t n, max;
    size_t bytes; /* of keys and values */
    struct slice from, to;
};

/* At most `max` operations a transaction (0: as many as there are). A key's beginning `from` is
 * replaced by `to`; both are lent. */
void mirror_txn_init(struct mirror_txn *t, size_t max, const char *from, const char *to);
void mirror_txn_fini(struct mirror_txn *t);
/* True if what is there must be sent before `kv` may be added. */
bool mirror_txn_is_full(const struct mirror_txn *t, const Mvccpb__KeyValue *kv);
/* Add a put or a deletion; copied. */
void mirror_txn_add(struct mirror_txn *t, const Mvccpb__KeyValue *kv, bool is_delete);
/* Send and wait until it is done, as long as it takes; then it is empty. Nothing is sent if it is
 * empty. */
bool mirror_txn_send(struct mirror_txn *t, struct etcd_client *dest, struct etcd_error *ret_error);

#endif
