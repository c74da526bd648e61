/* lease/lessor.h -- who holds which lease, which keys hang on it, and when it runs out.
 *
 * Pure: time comes in as an argument, expired leases go out as a list. It deletes no key and
 * stores nothing: apply does both when the entry that grants or revokes is committed. Keys are
 * opaque bytes.
 *
 * Only the primary (the raft leader) lets leases run out. Anywhere else every lease lasts forever;
 * on becoming primary each one starts anew.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LEASE_LESSOR_H
#define LEASE_LESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"

#define LESSOR_TTL_MAX_S     INT64_C(9000000000)
#define LESSOR_RETRY_MS      3000 /* until an expired lease that is still there is reported again */
#define LESSOR_CHECKPOINT_MS INT64_C(300000) /* between two checkpoints of a lease */
#define LESSOR_FOREVER       INT64_MAX       /* a deadline or a span that never comes */

struct lessor; /* opaque: fields live in lessor.c */

struct lease_info {
    lease_id id;
    int64_t ttl_s;        /* as granted: at least the minimum */
    int64_t checkpoint_s; /* remaining seconds last checkpointed; 0: none */
    msec remaining_ms;    /* <= 0: run out; LESSOR_FOREVER where not primary */
};

/* How much is left of a lease, to be replicated. */
struct lease_checkpoint {
    lease_id id;
    int64_t remaining_s;
};

/* A new lessor is not primary and has no lease. */
struct lessor *lessor_new(int64_t min_ttl_s);
void lessor_free(struct lessor *l); /* NULL is fine */

/* ---- changes that all members make alike ---------------------------------------------------- */

/* Grant `id` (not 0) for max(ttl_s, minimum). ERR_LEASE_EXISTS, ERR_LEASE_TTL_TOO_LARGE. */
MUST_USE enum err lessor_grant(struct lessor *l, lease_id id, int64_t ttl_s, msec now);

/* Put back a stored lease at start: as a grant, and then lessor_checkpoint(). */
MUST_USE enum err lessor_load(struct lessor *l, lease_id id, int64_t ttl_s, int64_t checkpoint_s);

/* Forget the lease and what was attached to it. ERR_LEASE_NOT_FOUND. */
MUST_USE enum err lessor_revoke(struct lessor *l, lease_id id);

/* Remember how much was left of a lease; the next promotion starts it from there. 0 clears that.
 * Its present expiry stays. ERR_LEASE_NOT_FOUND. */
MUST_USE enum err lessor_checkpoint(struct lessor *l, lease_id id, int64_t remaining_s);

/* Attach `key` (copied) to the lease, taking it from any other. ERR_LEASE_NOT_FOUND. */
MUST_USE enum err lessor_attach(struct lessor *l, lease_id id, struct slice key);
void lessor_detach(struct lessor *l, struct slice key); /* of no lease: does nothing */

/* ---- time, on the primary ------------------------------------------------------------------- */

/* Become primary: each lease gets its checkpointed remainder or else its full TTL, plus
 * `extend_ms`. */
void lessor_promote(struct lessor *l, msec now, msec extend_ms);
void lessor_demote(struct lessor *l);
bool lessor_is_primary(const struct lessor *l);

/* Start the lease anew for its full TTL and return that; what a promotion gave on top stays. A
 * checkpointed remainder stays too, for it is the log that changes it: when lessor_get() shows one,
 * propose a checkpoint of 0, and answer the client only when that is applied, or the next primary
 * may let the lease run out before its time. ERR_NOT_LEADER where not primary, ERR_LEASE_NOT_FOUND
 * also for a lease that has run out and is not yet revoked. */
MUST_USE enum err lessor_renew(struct lessor *l, lease_id id, msec now, int64_t *ret_ttl_s);

/* Return when lessor_expire() will next have something, or LESSOR_FOREVER. */
msec lessor_next_expiry(struct lessor *l);

/* Put up to `max` leases that have run out by `now` into `ret_ids`, the earliest first, and return
 * how many. The same lease is reported again only LESSOR_RETRY_MS later. */
size_t lessor_expire(struct lessor *l, msec now, lease_id *ret_ids, size_t max);

/* Return when lessor_checkpoints_due() will next have something, or LESSOR_FOREVER. */
msec lessor_next_checkpoint(const struct lessor *l);

/* Put up to `max` checkpoints that are due by `now` into `ret`, and return how many: once every
 * LESSOR_CHECKPOINT_MS, from the grant or the promotion on, for each lease with a TTL beyond that,
 * unless it has run out or nothing of it has passed. Fewer than `max`: that is all. They take
 * effect when they are applied (lessor_checkpoint). */
size_t lessor_checkpoints_due(struct lessor *l, msec now, struct lease_checkpoint *ret, size_t max);

/* ---- looking -------------------------------------------------------------------------------- */

size_t lessor_count(const struct lessor *l);
bool lessor_has(const struct lessor *l, lease_id id);
MUST_USE enum err lessor_get(const struct lessor *l, lease_id id, msec now,
                             struct lease_info *ret_info);

/* Return the lease that `key` is attached to, or 0. */
lease_id lessor_lease_of(const struct lessor *l, struct slice key);

/* Visit all leases, the first to run out first. `visit` must not change the lessor. */
void lessor_each(const struct lessor *l, void (*visit)(void *arg, lease_id id), void *arg);

/* Visit the keys of a lease in bytewise order; none if there is no such lease. `key` is lent to
 * `visit`, which must not change the lessor. */
void lessor_each_key(const struct lessor *l, lease_id id,
                     void (*visit)(void *arg, struct slice key), void *arg);

/* Assert all that the lessor believes of itself. O(n). */
void lessor_check(const struct lessor *l);

#endif
