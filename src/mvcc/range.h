/* mvcc/range.h -- a range request in two parts: what the index says, then the rows.
 *
 * plan:  under the lock, in steps so that a long range does not hold it long
 * fetch: without the lock, from a reader whose view was opened before the plan was begun
 *
 * Sorting, filters and limits follow upstream: filters drop keys but do not change the count, a
 * limit cuts what is left after sorting, `more` says that it cut.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MVCC_RANGE_H
#define MVCC_RANGE_H

#include "iface/backend.h"
#include "mvcc/store.h"

enum range_order { RANGE_NONE, RANGE_ASCEND, RANGE_DESCEND };
enum range_target { RANGE_KEY, RANGE_VERSION, RANGE_CREATE, RANGE_MOD, RANGE_VALUE };

struct range_req {
    struct slice key;       /* lent until the plan is freed */
    struct slice range_end;
    int64_t limit;          /* <= 0: none */
    revision rev;           /* <= 0: the current one */
    enum range_order order;
    enum range_target target;
    bool keys_only, count_only;
    revision min_mod, max_mod, min_create, max_create; /* 0: no bound */
};

struct range_plan;

/* `current` is the newest revision the reader may see (published), under the lock.
 * ERR_FUTURE_REV or ERR_COMPACTED. The plan takes its memory from `a` and lends `req`. */
MUST_USE enum err range_plan_new(const struct mvcc_store *s, const struct range_req *req,
                                 revision current, struct arena *a, struct range_plan **ret_plan);

/* Look at up to `keys_max` more live keys; under the lock, which may be let go between steps. Set
 * *ret_done. ERR_COMPACTED if a compaction overtook it meanwhile. */
MUST_USE enum err range_plan_step(struct range_plan *p, const struct mvcc_store *s, size_t keys_max,
                                  bool *ret_done);

int64_t range_plan_count(const struct range_plan *p);
bool range_plan_more(const struct range_plan *p);
revision range_plan_revision(const struct range_plan *p); /* the revision it reads at */
size_t range_plan_rows(const struct range_plan *p);       /* how many rows fetch will emit */

/* Emit the rows in their final order until `emit` returns false. With keys_only the value is empty
 * and, where no row had to be read, the lease is 0; with count_only nothing is emitted. Rows are lent to
 * `emit`. May be called again to go on after the last row emitted. An emit that returns false has
 * taken its row. */
MUST_USE enum err range_plan_fetch(struct range_plan *p, struct kv_reader *r,
                                   bool (*emit)(void *arg, const struct kv_row *row), void *arg);

void range_plan_free(struct range_plan *p); /* NULL is fine; the arena keeps the memory */

#endif
