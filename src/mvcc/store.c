/* mvcc/store.c -- the versioned key space: revisions, transactions, compaction.
 *
 * I1: no revision in the index is newer than `revision`, or `revision` + 1 within a transaction.
 * I2: `pos` is the highest pos given out; each row's pos is at least mvcc_pos_of(its main).
 * I3: a pending compaction is at `compacted`; `doomed` holds rows that the index has forgotten
 *     and that still have to be removed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mvcc/store.h"

#include <stdlib.h>

static const char SCHEDULED[] = "scheduledCompactRev";
static const char FINISHED[] = "finishedCompactRev";

enum compact_phase { COMPACT_IDLE, COMPACT_INDEX, COMPACT_ROWS };

/* Places of rows, as a heap with the lowest on top: neither filling nor emptying it ever takes one
 * long step, as sorting would. */
struct pos_heap {
    int64_t *p;
    size_t n, cap;
};

struct mvcc_store {
    struct mvcc_index *index;
    revision revision;
    revision compacted;
    int64_t pos;
    /* the transaction */
    struct kv_writer *writer; /* NULL outside one */
    struct mvcc_change *changes;
    size_t changes_n, changes_cap;
    struct arena *keys; /* bytes of deleted keys, until the next begin */
    /* the compaction */
    enum compact_phase phase;
    struct buf cursor;
    struct pos_heap doomed;
};

struct mvcc_store *mvcc_store_new(void)
{
    struct mvcc_store *s = xcalloc(1, sizeof *s);
    s->index = mvcc_index_new();
    s->revision = 1;
    s->keys = arena_new();
    return s;
}

void mvcc_store_free(struct mvcc_store *s)
{
    if (s == NULL)
        return;
    mvcc_index_free(s->index);
    arena_free(s->keys);
    buf_fini(&s->cursor);
    free(s->changes);
    free(s->doomed.p);
    free(s);
}

/* ---- loading -------------------------------------------------------------------------------- */

static struct mvcc_rev row_rev(const struct kv_row *row)
{
    return (struct mvcc_rev){
        .main = row->main, .pos = row->pos, .create = row->create, .version = row->version};
}

void mvcc_store_load(struct mvcc_store *s, const struct kv_row *row)
{
    invariant(s->writer == NULL && row->pos > s->pos);
    s->pos = row->pos;
    if (row->main > s->revision)
        s->revision = row->main;
    /* A restored backup may end in a row that only lifts the revision, and has no key. */
    if (row->key.n != 0)
        mvcc_index_add(s->index, row->key, row_rev(row));
}

void mvcc_store_loaded(struct mvcc_store *s, revision scheduled, revision finished)
{
    s->compacted = scheduled > finished ? scheduled : finished;
    if (s->compacted > s->revision)
        s->revision = s->compacted;
    if (scheduled > finished)
        s->phase = COMPACT_INDEX;
}

/* ---- reading what it is --------------------------------------------------------------------- */

revision mvcc_store_revision(const struct mvcc_store *s)
{
    return s->revision;
}

revision mvcc_store_compacted(const struct mvcc_store *s)
{
    return s->compacted;
}

const struct mvcc_index *mvcc_store_index(const struct mvcc_store *s)
{
    return s->index;
}

/* ---- transactions --------------------------------------------------------------------------- */

void mvcc_txn_begin(struct mvcc_store *s, struct kv_writer *w)
{
    invariant(s->writer == NULL);
    s->writer = w;
    s->changes_n = 0;
    arena_reset(s->keys);
}

static struct mvcc_change *changes_grow(struct mvcc_store *s)
{
    if (s->changes_n == s->changes_cap) {
        s->changes_cap = s->changes_cap == 0 ? 16 : s->changes_cap * 2;
        s->changes = xrealloc(s->changes, s->changes_cap * sizeof *s->changes);
    }
    return &s->changes[s->changes_n++];
}

/* Make the next row of the transaction: give it its place, write it, index it, remember it. */
static void txn_change(struct mvcc_store *s, struct kv_row row, struct mvcc_rev prev)
{
    row.main = s->revision + 1;
    row.sub = (int64_t)s->changes_n;
    int64_t least = mvcc_pos_of(row.main);
    s->pos = s->pos + 1 > least ? s->pos + 1 : least;
    row.pos = s->pos;
    if (row.version == 1)
        row.create = row.main;
    s->writer->ops->put(s->writer, &row);
    mvcc_index_add(s->index, row.key, row_rev(&row));
    *changes_grow(s) = (struct mvcc_change){.row = row, .prev = prev};
}

void mvcc_txn_put(struct mvcc_store *s, struct slice key, struct slice value, lease_id lease)
{
    invariant(s->writer != NULL && key.n != 0);
    struct mvcc_rev prev = {0};
    bool there = mvcc_index_get(s->index, key, INT64_MAX, &prev);
    struct kv_row row = {
        .key = key,
        .value = value,
        .lease = lease,
        .create = there ? prev.create : 0,
        .version = there ? prev.version + 1 : 1,
    };
    txn_change(s, row, prev);
}

/* What a delete found, before it changes anything. */
struct victims {
    struct arena *keys;
    struct victim {
        struct slice key;
        struct mvcc_rev rev;
    } *p;
    size_t n, cap;
};

static bool victims_add(void *arg, struct slice key, const struct mvcc_rev *rev)
{
    struct victims *v = arg;
    if (v->n == v->cap) {
        v->cap = v->cap == 0 ? 16 : v->cap * 2;
        v->p = xrealloc(v->p, v->cap * sizeof *v->p);
    }
    key.p = arena_dup(v->keys, key.p, key.n);
    v->p[v->n++] = (struct victim){key, *rev};
    return true;
}

int64_t mvcc_txn_delete(struct mvcc_store *s, const struct key_range *range)
{
    invariant(s->writer != NULL);
    struct victims v = {.keys = s->keys};
    mvcc_index_range(s->index, range, INT64_MAX, victims_add, &v);
    for (size_t i = 0; i < v.n; i++)
        txn_change(s, (struct kv_row){.key = v.p[i].key}, v.p[i].rev);
    free(v.p);
    return (int64_t)v.n;
}

revision mvcc_txn_revision(const struct mvcc_store *s)
{
    return s->writer != NULL && s->changes_n != 0 ? s->revision + 1 : s->revision;
}

revision mvcc_txn_end(struct mvcc_store *s, const struct mvcc_change **ret_changes, size_t *ret_n)
{
    invariant(s->writer != NULL);
    s->revision = mvcc_txn_revision(s);
    s->writer = NULL;
    *ret_changes = s->changes;
    *ret_n = s->changes_n;
    return s->revision;
}

/* ---- compaction ----------------------------------------------------------------------------- */

/* Write a mark as upstream does: a revision of 17 bytes with sub 0. */
static void mark_put(struct kv_writer *w, const char *name, revision rev)
{
    uint8_t p[17] = {[8] = '_'};
    be64_put(p, (uint64_t)rev);
    w->ops->bucket_put(w, BUCKET_META, slice_str(name), slice_make(p, sizeof p));
}

enum err mvcc_compact(struct mvcc_store *s, struct kv_writer *w, revision rev)
{
    invariant(s->writer == NULL);
    if (rev == 0 && s->compacted == 0)
        return ERR_OK;
    if (rev <= s->compacted)
        return ERR_COMPACTED;
    if (rev > s->revision)
        return ERR_FUTURE_REV;
    s->compacted = rev;
    s->phase = COMPACT_INDEX; /* a compaction that was pending is taken over by this one */
    buf_clear(&s->cursor);
    mark_put(w, SCHEDULED, rev);
    return ERR_OK;
}

bool mvcc_compact_pending(const struct mvcc_store *s)
{
    return s->phase != COMPACT_IDLE;
}

static void doomed_add(void *arg, int64_t pos)
{
    struct pos_heap *h = arg;
    if (h->n == h->cap) {
        h->cap = h->cap == 0 ? 1024 : h->cap + h->cap / 2;
        h->p = xrealloc(h->p, h->cap * sizeof *h->p);
    }
    size_t i = h->n++;
    for (; i != 0 && h->p[(i - 1) / 2] > pos; i = (i - 1) / 2)
        h->p[i] = h->p[(i - 1) / 2];
    h->p[i] = pos;
}

static int64_t doomed_take(struct pos_heap *h)
{
    int64_t lowest = h->p[0], pos = h->p[--h->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < h->n && h->p[child + 1] < h->p[child])
            child++;
        if (child >= h->n || h->p[child] >= pos)
            break;
        h->p[i] = h->p[child];
        i = child;
    }
    h->p[i] = pos;
    return lowest;
}

/* Remove rows, the oldest first: should the process end half way, no tombstone is gone before what
 * it hides. Return true when there are no more. */
static bool compact_rows(struct mvcc_store *s, struct kv_writer *w, size_t rows_max)
{
    struct pos_heap *h = &s->doomed;
    for (; h->n != 0 && rows_max != 0; rows_max--)
        w->ops->remove(w, doomed_take(h));
    if (h->n != 0)
        return false;
    free(h->p);
    *h = (struct pos_heap){0};
    return true;
}

bool mvcc_compact_step(struct mvcc_store *s, struct kv_writer *w, size_t keys_max, size_t rows_max)
{
    invariant(s->writer == NULL);
    if (s->phase == COMPACT_INDEX) {
        if (mvcc_index_compact(s->index, s->compacted, &s->cursor, keys_max, doomed_add,
                               &s->doomed))
            s->phase = COMPACT_ROWS;
    } else if (s->phase == COMPACT_ROWS && compact_rows(s, w, rows_max)) {
        mark_put(w, FINISHED, s->compacted);
        s->phase = COMPACT_IDLE;
    }
    return s->phase == COMPACT_IDLE;
}

/* ---- the whole ------------------------------------------------------------------------------ */

void mvcc_store_check(const struct mvcc_store *s)
{
    invariant(s->revision >= 1 && s->compacted >= 0 && s->compacted <= s->revision);
    invariant(s->phase != COMPACT_IDLE || s->doomed.n == 0);
    for (size_t i = 1; i < s->doomed.n; i++)
        invariant(s->doomed.p[(i - 1) / 2] < s->doomed.p[i]);
    mvcc_index_check(s->index);
}
