/* lease/lessor.c -- leases by id, keys by name, and a heap of what runs out next.
 *
 * I1: on the primary every lease stands in the heap once, at heap_at; elsewhere the heap is empty.
 * I2: the due time in the heap is never later than the lease's own. A renewal only moves the
 *     latter; the heap learns of it when the lease comes to the top. So it costs one look-up.
 * I3: every attached key is in `keys` and in the list of its lease.
 * I4: on the primary the leases with a TTL beyond LESSOR_CHECKPOINT_MS stand in `checkpoints`, in
 * the order in which they are due, because all wait equally long; elsewhere that list is empty.
 * SPDX-License-Identifier: Apache-2.0 */
#include "lease/lessor.h"

#include <stdlib.h>

#include "base/hashmap.h"
#include "base/list.h"
#include "base/sort.h"

struct lease {
    lease_id id;
    int64_t ttl_s;
    int64_t checkpoint_s;
    msec expiry;    /* on the primary */
    msec due;       /* on the primary: when to report it, at or after expiry */
    size_t heap_at; /* on the primary */
    struct list checkpoint_link;
    msec checkpoint_due; /* while linked */
    struct list keys;
};

struct lease_key {
    struct list link;
    struct lease *lease;
    size_t n;
    uint8_t p[];
};

struct heap_entry {
    msec due;
    struct lease *lease;
};

struct lessor {
    int64_t min_ttl_s;
    bool primary;
    uint64_t seed; /* of the hashes */
    struct hashmap leases;
    struct hashmap keys;
    struct heap_entry *heap;
    size_t heap_n, heap_cap;
    struct list checkpoints; /* of leases */
};

/* ---- the heap ------------------------------------------------------------------------------- */

static void heap_set(struct lessor *l, size_t i, struct heap_entry e)
{
    l->heap[i] = e;
    e.lease->heap_at = i;
}

/* Of leases that are due together the lower id comes first: the order never hangs on a hash. */
static bool heap_before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->due != b->due ? a->due < b->due : a->lease->id < b->lease->id;
}

static void heap_up(struct lessor *l, size_t i)
{
    struct heap_entry e = l->heap[i];
    for (; i != 0 && heap_before(&e, &l->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_set(l, i, l->heap[(i - 1) / 2]);
    heap_set(l, i, e);
}

static void heap_down(struct lessor *l, size_t i)
{
    struct heap_entry e = l->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < l->heap_n && heap_before(&l->heap[child + 1], &l->heap[child]))
            child++;
        if (child >= l->heap_n || !heap_before(&l->heap[child], &e))
            break;
        heap_set(l, i, l->heap[child]);
        i = child;
    }
    heap_set(l, i, e);
}

/* Add at the end, not yet in order. */
static void heap_append(struct lessor *l, struct lease *lease)
{
    if (l->heap_n == l->heap_cap) {
        l->heap_cap = l->heap_cap == 0 ? 16 : l->heap_cap * 2;
        l->heap = xrealloc(l->heap, l->heap_cap * sizeof *l->heap);
    }
    heap_set(l, l->heap_n++, (struct heap_entry){lease->due, lease});
}

static void heap_remove(struct lessor *l, struct lease *lease)
{
    size_t i = lease->heap_at;
    invariant(i < l->heap_n && l->heap[i].lease == lease);
    struct heap_entry last = l->heap[--l->heap_n];
    if (i == l->heap_n)
        return;
    heap_set(l, i, last);
    heap_down(l, i);
    heap_up(l, last.lease->heap_at);
}

/* Return the lease that is due first, or NULL, after what renewals put off was moved down (I2). */
static struct lease *heap_top(struct lessor *l)
{
    if (l->heap_n == 0)
        return NULL;
    while (l->heap[0].due != l->heap[0].lease->due) {
        l->heap[0].due = l->heap[0].lease->due;
        heap_down(l, 0);
    }
    return l->heap[0].lease;
}

/* ---- finding -------------------------------------------------------------------------------- */

static bool lease_same(const void *obj, const void *key)
{
    const struct lease *lease = obj;
    const lease_id *id = key;
    return lease->id == *id;
}

static struct lease *lease_find(const struct lessor *l, lease_id id)
{
    return hashmap_find(&l->leases, hash_int(l->seed, (uint64_t)id), lease_same, &id);
}

static struct slice lease_key_slice(const struct lease_key *k)
{
    return slice_make(k->p, k->n);
}

static bool key_same(const void *obj, const void *key)
{
    const struct slice *s = key;
    return slice_eq(lease_key_slice(obj), *s);
}

static struct lease_key *key_find(const struct lessor *l, struct slice key)
{
    return hashmap_find(&l->keys, hash_bytes(l->seed, key), key_same, &key);
}

/* ---- the lessor ----------------------------------------------------------------------------- */

struct lessor *lessor_new(int64_t min_ttl_s)
{
    struct lessor *l = xcalloc(1, sizeof *l);
    l->min_ttl_s = min_ttl_s;
    l->seed = (uintptr_t)l;
    list_init(&l->checkpoints);
    return l;
}

static void key_free(struct lessor *l, struct lease_key *k)
{
    list_unlink(&k->link);
    hashmap_remove(&l->keys, hash_bytes(l->seed, lease_key_slice(k)), k);
    free(k);
}

void lessor_free(struct lessor *l)
{
    if (l == NULL)
        return;
    struct lease *lease;
    struct lease_key *k;
    for (size_t it = 0; (k = hashmap_next(&l->keys, &it)) != NULL;)
        free(k);
    for (size_t it = 0; (lease = hashmap_next(&l->leases, &it)) != NULL;)
        free(lease);
    hashmap_fini(&l->keys);
    hashmap_fini(&l->leases);
    free(l->heap);
    free(l);
}

/* ---- changes that all members make alike ---------------------------------------------------- */

static void lease_restart(struct lease *lease, int64_t ttl_s, msec extend_ms, msec now)
{
    lease->expiry = lease->due = now + ttl_s * 1000 + extend_ms;
}

static bool has_checkpoints(const struct lease *lease)
{
    return lease->ttl_s * 1000 > LESSOR_CHECKPOINT_MS;
}

/* Wait for the next checkpoint of the lease. */
static void checkpoint_wait(struct lessor *l, struct lease *lease, msec now)
{
    list_unlink(&lease->checkpoint_link);
    if (!has_checkpoints(lease))
        return;
    lease->checkpoint_due = now + LESSOR_CHECKPOINT_MS;
    list_add_tail(&l->checkpoints, &lease->checkpoint_link);
}

static enum err lease_add(struct lessor *l, lease_id id, int64_t ttl_s, struct lease **ret_lease)
{
    invariant(id != 0);
    if (ttl_s > LESSOR_TTL_MAX_S)
        return ERR_LEASE_TTL_TOO_LARGE;
    if (lease_find(l, id) != NULL)
        return ERR_LEASE_EXISTS;
    struct lease *lease = xcalloc(1, sizeof *lease);
    lease->id = id;
    lease->ttl_s = ttl_s > l->min_ttl_s ? ttl_s : l->min_ttl_s;
    list_init(&lease->checkpoint_link);
    list_init(&lease->keys);
    hashmap_add(&l->leases, hash_int(l->seed, (uint64_t)id), lease);
    *ret_lease = lease;
    return ERR_OK;
}

enum err lessor_grant(struct lessor *l, lease_id id, int64_t ttl_s, msec now)
{
    struct lease *lease;
    enum err e = lease_add(l, id, ttl_s, &lease);
    if (e != ERR_OK || !l->primary)
        return e;
    lease_restart(lease, lease->ttl_s, 0, now);
    heap_append(l, lease);
    heap_up(l, lease->heap_at);
    checkpoint_wait(l, lease, now);
    return ERR_OK;
}

enum err lessor_load(struct lessor *l, lease_id id, int64_t ttl_s, int64_t checkpoint_s)
{
    invariant(!l->primary);
    struct lease *lease;
    enum err e = lease_add(l, id, ttl_s, &lease);
    return e != ERR_OK ? e : lessor_checkpoint(l, id, checkpoint_s);
}

enum err lessor_revoke(struct lessor *l, lease_id id)
{
    struct lease *lease = lease_find(l, id);
    if (lease == NULL)
        return ERR_LEASE_NOT_FOUND;
    struct lease_key *k;
    LIST_FOREACH (k, &lease->keys, struct lease_key, link)
        key_free(l, k);
    if (l->primary)
        heap_remove(l, lease);
    list_unlink(&lease->checkpoint_link);
    hashmap_remove(&l->leases, hash_int(l->seed, (uint64_t)id), lease);
    free(lease);
    return ERR_OK;
}

enum err lessor_checkpoint(struct lessor *l, lease_id id, int64_t remaining_s)
{
    struct lease *lease = lease_find(l, id);
    if (lease == NULL)
        return ERR_LEASE_NOT_FOUND;
    if (remaining_s > lease->ttl_s) /* from a stored or replicated message: not to be believed */
        remaining_s = lease->ttl_s;
    lease->checkpoint_s = remaining_s > 0 ? remaining_s : 0;
    return ERR_OK;
}

enum err lessor_attach(struct lessor *l, lease_id id, struct slice key)
{
    struct lease *lease = lease_find(l, id);
    if (lease == NULL)
        return ERR_LEASE_NOT_FOUND;
    struct lease_key *k = key_find(l, key);
    if (k == NULL) {
        k = xmalloc(sizeof *k + key.n);
        list_init(&k->link);
        k->n = key.n;
        if (key.n != 0)
            memcpy(k->p, key.p, key.n);
        hashmap_add(&l->keys, hash_bytes(l->seed, key), k);
    }
    list_unlink(&k->link);
    list_add_tail(&lease->keys, &k->link);
    k->lease = lease;
    return ERR_OK;
}

void lessor_detach(struct lessor *l, struct slice key)
{
    struct lease_key *k = key_find(l, key);
    if (k != NULL)
        key_free(l, k);
}

/* Order by expiry where there is one, and then by id. */
static int lease_cmp(void *arg, const void *a, const void *b)
{
    const struct lessor *l = arg;
    const struct lease *x = *(const struct lease *const *)a;
    const struct lease *y = *(const struct lease *const *)b;
    if (l->primary && x->expiry != y->expiry)
        return x->expiry < y->expiry ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* ---- time, on the primary ------------------------------------------------------------------- */

void lessor_promote(struct lessor *l, msec now, msec extend_ms)
{
    l->primary = true;
    l->heap_n = 0;
    size_t n = 0;
    struct lease **waiting = xmalloc(l->leases.n * sizeof *waiting);
    struct lease *lease;
    for (size_t it = 0; (lease = hashmap_next(&l->leases, &it)) != NULL;) {
        int64_t ttl_s = lease->checkpoint_s != 0 ? lease->checkpoint_s : lease->ttl_s;
        lease_restart(lease, ttl_s, extend_ms, now);
        heap_append(l, lease);
        if (has_checkpoints(lease))
            waiting[n++] = lease;
    }
    for (size_t i = l->heap_n / 2; i-- != 0;)
        heap_down(l, i);
    sort_stable(waiting, n, sizeof *waiting, lease_cmp, l); /* their order never hangs on a hash */
    for (size_t i = 0; i < n; i++)
        checkpoint_wait(l, waiting[i], now);
    free(waiting);
}

void lessor_demote(struct lessor *l)
{
    l->primary = false;
    l->heap_n = 0;
    while (!list_is_empty(&l->checkpoints))
        list_unlink(l->checkpoints.next);
}

bool lessor_is_primary(const struct lessor *l)
{
    return l->primary;
}

enum err lessor_renew(struct lessor *l, lease_id id, msec now, int64_t *ret_ttl_s)
{
    if (!l->primary)
        return ERR_NOT_LEADER;
    struct lease *lease = lease_find(l, id);
    if (lease == NULL || lease->expiry <= now)
        return ERR_LEASE_NOT_FOUND;
    msec expiry = now + lease->ttl_s * 1000;
    if (expiry > lease->expiry) /* what a promotion gave on top is not taken back */
        lease->expiry = lease->due = expiry;
    *ret_ttl_s = lease->ttl_s;
    return ERR_OK;
}

msec lessor_next_expiry(struct lessor *l)
{
    const struct lease *top = heap_top(l);
    return top == NULL ? LESSOR_FOREVER : top->due;
}

size_t lessor_expire(struct lessor *l, msec now, lease_id *ret_ids, size_t max)
{
    size_t n = 0;
    while (n < max) {
        struct lease *top = heap_top(l);
        if (top == NULL || top->due > now)
            break;
        ret_ids[n++] = top->id;
        top->due = now + LESSOR_RETRY_MS;
    }
    return n;
}

msec lessor_next_checkpoint(const struct lessor *l)
{
    if (list_is_empty(&l->checkpoints))
        return LESSOR_FOREVER;
    return LIST_ENTRY(l->checkpoints.next, struct lease, checkpoint_link)->checkpoint_due;
}

size_t lessor_checkpoints_due(struct lessor *l, msec now, struct lease_checkpoint *ret, size_t max)
{
    size_t n = 0;
    while (n < max && lessor_next_checkpoint(l) <= now) {
        struct lease *lease = LIST_ENTRY(l->checkpoints.next, struct lease, checkpoint_link);
        int64_t remaining_s = (lease->expiry - now + 999) / 1000;
        if (lease->expiry > now && remaining_s < lease->ttl_s)
            ret[n++] = (struct lease_checkpoint){lease->id, remaining_s};
        checkpoint_wait(l, lease, now);
    }
    return n;
}

/* ---- looking -------------------------------------------------------------------------------- */

size_t lessor_count(const struct lessor *l)
{
    return l->leases.n;
}

bool lessor_has(const struct lessor *l, lease_id id)
{
    return lease_find(l, id) != NULL;
}

enum err lessor_get(const struct lessor *l, lease_id id, msec now, struct lease_info *ret_info)
{
    const struct lease *lease = lease_find(l, id);
    if (lease == NULL)
        return ERR_LEASE_NOT_FOUND;
    *ret_info = (struct lease_info){
        .id = id,
        .ttl_s = lease->ttl_s,
        .checkpoint_s = lease->checkpoint_s,
        .remaining_ms = l->primary ? lease->expiry - now : LESSOR_FOREVER,
    };
    return ERR_OK;
}

lease_id lessor_lease_of(const struct lessor *l, struct slice key)
{
    const struct lease_key *k = key_find(l, key);
    return k == NULL ? 0 : k->lease->id;
}

void lessor_each(const struct lessor *l, void (*visit)(void *arg, lease_id id), void *arg)
{
    size_t n = 0;
    const struct lease **all = xmalloc(l->leases.n * sizeof *all);
    const struct lease *lease;
    for (size_t it = 0; (lease = hashmap_next(&l->leases, &it)) != NULL;)
        all[n++] = lease;
    sort_stable(all, n, sizeof *all, lease_cmp, (void *)l);
    for (size_t i = 0; i < n; i++)
        visit(arg, all[i]->id);
    free(all);
}

static int key_cmp(void *arg, const void *a, const void *b)
{
    (void)arg;
    const struct slice *x = a, *y = b;
    return slice_cmp(*x, *y);
}

void lessor_each_key(const struct lessor *l, lease_id id,
                     void (*visit)(void *arg, struct slice key), void *arg)
{
    struct lease *lease = lease_find(l, id);
    if (lease == NULL)
        return;
    AUTO(buf) struct buf keys = BUF_INIT;
    const struct lease_key *k;
    LIST_FOREACH (k, &lease->keys, struct lease_key, link) {
        struct slice s = lease_key_slice(k);
        buf_add(&keys, &s, sizeof s);
    }
    size_t n = keys.n / sizeof(struct slice);
    struct slice *p = (struct slice *)(void *)keys.p;
    sort_stable(p, n, sizeof *p, key_cmp, NULL);
    for (size_t i = 0; i < n; i++)
        visit(arg, p[i]);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static size_t lease_check(const struct lessor *l, struct lease *lease)
{
    invariant(lease->id != 0 && lease->ttl_s >= l->min_ttl_s);
    invariant(lease->checkpoint_s >= 0 && lease->checkpoint_s <= lease->ttl_s);
    if (l->primary) {
        const struct heap_entry *e = &l->heap[lease->heap_at];
        invariant(lease->heap_at < l->heap_n && e->lease == lease);
        invariant(e->due <= lease->due && lease->expiry <= lease->due);
    }
    invariant(list_is_empty(&lease->checkpoint_link) != (l->primary && has_checkpoints(lease)));
    size_t n = 0;
    const struct lease_key *k;
    LIST_FOREACH (k, &lease->keys, struct lease_key, link) {
        invariant(k->lease == lease && key_find(l, lease_key_slice(k)) == k);
        n++;
    }
    return n;
}

void lessor_check(const struct lessor *l)
{
    hashmap_check(&l->leases);
    hashmap_check(&l->keys);
    invariant(l->heap_n == (l->primary ? l->leases.n : 0));
    for (size_t i = 1; i < l->heap_n; i++)
        invariant(heap_before(&l->heap[(i - 1) / 2], &l->heap[i]));
    size_t keys = 0;
    struct lease *lease;
    for (size_t it = 0; (lease = hashmap_next(&l->leases, &it)) != NULL;)
        keys += lease_check(l, lease);
    invariant(keys == l->keys.n);
}
