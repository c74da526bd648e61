/* apply/apply_priv.h -- what apply.c and txn.c share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef APPLY_APPLY_PRIV_H
#define APPLY_APPLY_PRIV_H

#include "apply/apply.h"

struct applier {
    struct applier_stores st;
    Etcdserverpb__AlarmMember *alarms; /* sorted by member, then type */
    size_t n_alarms;
    bool persist_checkpoints;   /* below cluster version 3.6 too */
    struct apply_counts counts; /* of the request being applied */
};

/* Return a new message of type T in the arena; `prefix` is the stem of its generated functions. */
#define PB_NEW(arena, T, prefix)                                                                   \
    ({                                                                                             \
        T *m_ = arena_alloc((arena), sizeof *m_);                                                  \
        prefix##__init(m_);                                                                        \
        m_;                                                                                        \
    })

static inline struct slice pb_slice(ProtobufCBinaryData b)
{
    return slice_make(b.data, b.len);
}

/* Return a header that holds `rev`. */
Etcdserverpb__ResponseHeader *header_new(struct arena *arena, revision rev);

/* The key operations. They run between mvcc_txn_begin() and mvcc_txn_end(). `*_check` finds what
 * would fail, without doing it; what passed it cannot fail. */
enum err put_check(struct applier *a, const Etcdserverpb__PutRequest *req);
Etcdserverpb__PutResponse *put_run(struct applier *a, const Etcdserverpb__PutRequest *req,
                                   struct arena *arena);
Etcdserverpb__DeleteRangeResponse *
delete_run(struct applier *a, const Etcdserverpb__DeleteRangeRequest *req, struct arena *arena);
enum err range_check(struct applier *a, const Etcdserverpb__RangeRequest *req);
Etcdserverpb__RangeResponse *range_run(struct applier *a, const Etcdserverpb__RangeRequest *req,
                                       struct arena *arena);

/* Evaluate the comparisons, check the chosen path, then run it. Changes nothing on an error. */
enum err txn_run(struct applier *a, const Etcdserverpb__TxnRequest *req, struct arena *arena,
                 Etcdserverpb__TxnResponse **ret);

/* Find the live row of `key` as the transaction sees it. Lent until the next read or write. */
bool row_find(struct applier *a, struct slice key, struct kv_row *ret_row);

#endif
