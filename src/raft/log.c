/* raft/log.c -- the log as the core sees it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "raft/log.h"

enum { UNSTABLE_KEEP = 16384 }; /* places that an empty array of entries may keep */

void log_init(struct raft_log *l, struct raft_log_reader reader, uint64_t max_applying_size,
              bool apply_unstable)
{
    invariant(max_applying_size != 0);
    *l = (struct raft_log){
        .reader = reader,
        .max_applying_size = max_applying_size,
        .apply_unstable = apply_unstable,
    };
    l->offset = reader.ops->last_index(reader.arg) + 1;
    l->handed = l->offset;
    l->committed = reader.ops->first_index(reader.arg) - 1;
    l->applying = l->committed;
    l->applied = l->committed;
}

static void log_drop_snapshot(struct raft_log *l)
{
    if (l->snapshot != NULL)
        raft_snapshot_fini(l->snapshot);
    free(l->snapshot);
    l->snapshot = NULL;
    l->snapshot_handed = false;
}

/* Forget the unpersisted entries from place `n` (counted from head) on. */
static void unstable_cut(struct raft_log *l, size_t n)
{
    raft_entries_cut(&l->unstable, l->head + n);
}

void log_fini(struct raft_log *l)
{
    log_drop_snapshot(l);
    unstable_cut(l, 0);
    l->unstable.n = 0; /* the places below head hold no references any more */
    raft_entries_fini(&l->unstable);
    free(l->batches);
}

/* ---- reading ----------------------------------------------------------------------------- */

static size_t unstable_count(const struct raft_log *l)
{
    return l->unstable.n - l->head;
}

static const struct raft_entry *unstable_at(const struct raft_log *l, raft_index i)
{
    invariant(i >= l->offset && i - l->offset < unstable_count(l));
    return &l->unstable.v[l->head + (i - l->offset)];
}

raft_index log_first_index(const struct raft_log *l)
{
    if (l->snapshot != NULL)
        return l->snapshot->meta.index + 1;
    return l->reader.ops->first_index(l->reader.arg);
}

raft_index log_last_index(const struct raft_log *l)
{
    return l->offset + unstable_count(l) - 1;
}

enum err log_term(const struct raft_log *l, raft_index i, raft_term *ret_term)
{
    if (i > log_last_index(l))
        return ERR_NOT_FOUND;
    if (i >= l->offset) {
        *ret_term = unstable_at(l, i)->term;
        return ERR_OK;
    }
    if (l->snapshot != NULL) {
        if (i != l->snapshot->meta.index)
            return ERR_COMPACTED;
        *ret_term = l->snapshot->meta.term;
        return ERR_OK;
    }
    return l->reader.ops->term(l->reader.arg, i, ret_term);
}

raft_term log_last_term(const struct raft_log *l)
{
    raft_term term = 0;
    enum err e = log_term(l, log_last_index(l), &term);
    invariant(e == ERR_OK);
    return term;
}

bool log_matches(const struct raft_log *l, raft_index i, raft_term term)
{
    raft_term ours;
    return log_term(l, i, &ours) == ERR_OK && ours == term;
}

bool log_is_up_to_date(const struct raft_log *l, raft_index index, raft_term term)
{
    raft_term last = log_last_term(l);
    return term > last || (term == last && index >= log_last_index(l));
}

/* Lend entries from `lo` on, as many below `hi` as lie in one piece. */
static enum err log_lend(const struct raft_log *l, raft_index lo, raft_index hi, uint64_t max_size,
                         const struct raft_entry **ret_v, size_t *ret_n)
{
    invariant(lo < hi && hi <= log_last_index(l) + 1);
    if (lo < log_first_index(l))
        return ERR_COMPACTED;
    if (lo >= l->offset) {
        *ret_v = unstable_at(l, lo);
        *ret_n = (size_t)(hi - lo);
        return ERR_OK;
    }
    raft_index cut = hi < l->offset ? hi : l->offset;
    enum err e = l->reader.ops->entries(l->reader.arg, lo, cut, max_size, ret_v, ret_n);
    invariant(e == ERR_OK || e == ERR_COMPACTED);
    invariant(e != ERR_OK || (*ret_n > 0 && *ret_n <= cut - lo && (*ret_v)->index == lo));
    return e;
}

/* Return how many of `n` entries fit into `max_size` together with `*size`; add what they take. The
 * very first entry always fits. */
static size_t count_fitting(const struct raft_entry *v, size_t n, uint64_t max_size, uint64_t *size)
{
    size_t i = 0;
    for (; i < n; i++) {
        size_t add = raft_entry_size(&v[i]);
        if (*size != 0 && (*size >= max_size || add > max_size - *size))
            break;
        *size += add;
    }
    return i;
}

enum err log_slice(const struct raft_log *l, raft_index lo, raft_index hi, uint64_t max_size,
                   struct raft_entries *out)
{
    uint64_t size = 0;
    while (lo < hi) {
        const struct raft_entry *v;
        size_t n;
        enum err e = log_lend(l, lo, hi, max_size > size ? max_size - size : 0, &v, &n);
        if (e != ERR_OK)
            return e; /* only the first piece can be gone */
        size_t fit = count_fitting(v, n, max_size, &size);
        raft_entries_add(out, v, fit);
        if (fit < n)
            break;
        lo += n;
    }
    return ERR_OK;
}

bool log_has_conf_change(const struct raft_log *l, raft_index lo, raft_index hi)
{
    while (lo < hi) {
        const struct raft_entry *v;
        size_t n;
        enum err e = log_lend(l, lo, hi, UINT64_MAX, &v, &n);
        invariant(e == ERR_OK);
        for (size_t i = 0; i < n; i++) {
            if (raft_entry_is_conf_change(&v[i]))
                return true;
        }
        lo += n;
    }
    return false;
}

enum err log_snapshot(const struct raft_log *l, struct raft_snapshot *ret_snapshot)
{
    if (l->snapshot != NULL) {
        *ret_snapshot = raft_snapshot_copy(l->snapshot);
        return ERR_OK;
    }
    enum err e = l->reader.ops->snapshot(l->reader.arg, ret_snapshot);
    invariant(e != ERR_OK || ret_snapshot->meta.index != 0);
    return e;
}

raft_index log_find_conflict(const struct raft_log *l, const struct raft_entry *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!log_matches(l, v[i].index, v[i].term))
            return v[i].index;
    }
    return 0;
}

raft_index log_find_conflict_by_term(const struct raft_log *l, raft_index index, raft_term term,
                                     raft_term *ret_term)
{
    *ret_term = 0;
    for (; index > 0; index--) {
        raft_term ours;
        if (log_term(l, index, &ours) != ERR_OK)
            return index;
        if (ours <= term) {
            *ret_term = ours;
            return index;
        }
    }
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Before the array would grow: move what is left to its front, if most of it is used up. */
static void unstable_compact(struct raft_log *l)
{
    size_t n = unstable_count(l);
    if (l->head == 0 || l->head < n)
        return;
    memmove(l->unstable.v, l->unstable.v + l->head, n * sizeof *l->unstable.v);
    l->unstable.n = n;
    l->head = 0;
}

static void unstable_add(struct raft_log *l, const struct raft_entry *v, size_t n)
{
    if (l->unstable.cap - l->unstable.n < n)
        unstable_compact(l);
    raft_entries_add(&l->unstable, v, n);
}

void log_append_one(struct raft_log *l, raft_term term, enum raft_entry_type type,
                    struct blob *data)
{
    struct raft_entry e = {
        .index = log_last_index(l) + 1, .term = term, .type = type, .data = data};
    unstable_add(l, &e, 1);
}

void log_replace(struct raft_log *l, const struct raft_entry *v, size_t n)
{
    raft_index from = v[0].index;
    invariant(from > l->committed && from <= log_last_index(l) + 1);
    if (from <= l->offset) {
        unstable_cut(l, 0);
        l->offset = from;
    } else {
        unstable_cut(l, (size_t)(from - l->offset));
    }
    if (l->handed > from)
        l->handed = from;
    unstable_add(l, v, n);
}

void log_commit_to(struct raft_log *l, raft_index i)
{
    invariant(i <= log_last_index(l));
    if (i > l->committed)
        l->committed = i;
}

void log_restore(struct raft_log *l, const struct raft_snapshot *s)
{
    invariant(s->meta.index > l->committed);
    log_drop_snapshot(l);
    unstable_cut(l, 0);
    l->snapshot = xmalloc(sizeof *l->snapshot);
    *l->snapshot = raft_snapshot_copy(s);
    l->offset = s->meta.index + 1;
    l->handed = l->offset;
    l->committed = s->meta.index;
}

/* ---- persisting -------------------------------------------------------------------------- */

bool log_has_unhanded(const struct raft_log *l)
{
    return l->handed <= log_last_index(l);
}

void log_hand_out(struct raft_log *l, struct raft_entries *out)
{
    raft_index end = log_last_index(l) + 1;
    if (l->handed < end)
        raft_entries_add(out, unstable_at(l, l->handed), (size_t)(end - l->handed));
    l->handed = end;
}

void log_stable_to(struct raft_log *l, raft_index i)
{
    if (i < l->offset)
        return;
    invariant(i < l->handed);
    for (; l->offset <= i; l->offset++)
        blob_unref(l->unstable.v[l->head++].data);
    if (l->head == l->unstable.n) {
        l->unstable.n = 0;
        l->head = 0;
        if (l->unstable.cap > UNSTABLE_KEEP)
            raft_entries_fini(&l->unstable);
    }
}

void log_snapshot_stable(struct raft_log *l, raft_index i)
{
    if (l->snapshot != NULL && l->snapshot->meta.index == i)
        log_drop_snapshot(l);
}

/* ---- applying ---------------------------------------------------------------------------- */

static raft_index appliable_to(const struct raft_log *l)
{
    if (l->apply_unstable || l->committed < l->offset)
        return l->committed;
    return l->offset - 1;
}

bool log_has_committed(const struct raft_log *l)
{
    return !l->applying_paused && l->snapshot == NULL && l->applying < appliable_to(l);
}

static void batch_push(struct raft_log *l, struct log_batch b)
{
    if (l->n_batches == l->cap_batches) {
        l->cap_batches = l->cap_batches == 0 ? 8 : l->cap_batches * 2;
        l->batches = xrealloc(l->batches, l->cap_batches * sizeof *l->batches);
    }
    l->batches[l->n_batches++] = b;
}

void log_hand_out_committed(struct raft_log *l, struct raft_entries *out)
{
    if (!log_has_committed(l))
        return;
    size_t before = out->n;
    enum err e = log_slice(l, l->applying + 1, appliable_to(l) + 1,
                           l->max_applying_size - l->applying_size, out);
    invariant(e == ERR_OK && out->n > before);
    struct log_batch b = {.last = out->v[out->n - 1].index};
    for (size_t i = before; i < out->n; i++) {
        b.size += raft_entry_size(&out->v[i]);
        b.payload += raft_entry_payload(&out->v[i]);
    }
    batch_push(l, b);
    l->applying = b.last;
    l->applying_size += b.size;
    l->applying_paused =
        l->applying_size >= l->max_applying_size || l->applying < appliable_to(l);
}

uint64_t log_applied_to(struct raft_log *l, raft_index i)
{
    if (i <= l->applied)
        return 0;
    invariant(i <= l->committed);
    l->applied = i;
    if (l->applying < i)
        l->applying = i;

    uint64_t payload = 0;
    size_t done = 0;
    for (; done < l->n_batches && l->batches[done].last <= i; done++) {
        l->applying_size -= l->batches[done].size;
        payload += l->batches[done].payload;
    }
    l->n_batches -= done;
    if (done != 0 && l->n_batches != 0)
        memmove(l->batches, l->batches + done, l->n_batches * sizeof *l->batches);
    l->applying_paused = l->applying_size >= l->max_applying_size;
    return payload;
}
