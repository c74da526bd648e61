/* iface/backend.h -- what the core asks of the key database.
 *
 * The history of the key space is a sequence of rows, one a revision of one key, ordered by `pos`.
 * Beside it stand the buckets: small tables of bytes to bytes with upstream's names ("lease",
 * "alarm", "members", ...). Storage implements this over SQLite; tests implement it in memory.
 *
 * A write never fails at the call: the writer remembers its first error, answers reads with "not
 * found" from then on, and its owner learns of the error at commit, where the process must stop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef IFACE_BACKEND_H
#define IFACE_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"

/* A revision's rows stand from main << KV_POS_SUB_BITS on. */
enum { KV_POS_SUB_BITS = 20 };

/* One revision of one key. `key` and `value` are lent until the next call on the same reader or
 * writer, or to the callee until it returns. */
struct kv_row {
    int64_t pos;      /* place in the history: > 0, ascending with (main, sub) */
    revision main;    /* mod_revision */
    int64_t sub;      /* which change of that revision, from 0 */
    revision create;  /* create_revision; 0 in a tombstone */
    int64_t version;  /* from 1; 0 marks a tombstone */
    lease_id lease;
    struct slice key;
    struct slice value;
};

static inline bool kv_row_is_tombstone(const struct kv_row *row)
{
    return row->version == 0;
}

struct kv_reader;
struct kv_reader_ops {
    /* Find the row at `pos`. ERR_NOT_FOUND if there is none. */
    enum err (*get)(struct kv_reader *r, int64_t pos, struct kv_row *ret_row);
    /* Visit rows with from <= pos < to, ascending, until `visit` returns false. */
    enum err (*scan)(struct kv_reader *r, int64_t from, int64_t to,
                     bool (*visit)(void *arg, const struct kv_row *row), void *arg);
    /* The row at `pos` will be asked for, a few rows from now. May be NULL. */
    void (*hint)(struct kv_reader *r, int64_t pos);
};
/* A consistent view of the rows. */
struct kv_reader {
    const struct kv_reader_ops *ops;
};

struct kv_writer;
struct kv_writer_ops {
    void (*put)(struct kv_writer *w, const struct kv_row *row);
    void (*remove)(struct kv_writer *w, int64_t pos);
    bool (*get)(struct kv_writer *w, int64_t pos, struct kv_row *ret_row);
    void (*bucket_put)(struct kv_writer *w, const char *bucket, struct slice key,
                       struct slice value);
    void (*bucket_remove)(struct kv_writer *w, const char *bucket, struct slice key);
    /* Lend the value, or return false. */
    bool (*bucket_get)(struct kv_writer *w, const char *bucket, struct slice key,
                       struct slice *ret_value);
    void (*bucket_scan)(struct kv_writer *w, const char *bucket,
                        bool (*visit)(void *arg, struct slice key, struct slice value), void *arg);
};
/* The one writer; it reads its own uncommitted writes. */
struct kv_writer {
    const struct kv_writer_ops *ops;
};

/* The buckets, named as upstream names them. */
#define BUCKET_META "meta"
#define BUCKET_LEASE "lease"
#define BUCKET_ALARM "alarm"
#define BUCKET_AUTH "auth"
#define BUCKET_AUTH_USERS "authUsers"
#define BUCKET_AUTH_ROLES "authRoles"
#define BUCKET_MEMBERS "members"
#define BUCKET_MEMBERS_REMOVED "members_removed"
#define BUCKET_CLUSTER "cluster"
#define BUCKET_LOCAL "local" /* of this member only: in no snapshot */

#endif
