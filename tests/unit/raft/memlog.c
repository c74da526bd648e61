/* tests/unit/raft/memlog.c -- a disk in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "memlog.h"

void memlog_fini(struct memlog *d)
{
    raft_entries_fini(&d->entries);
    raft_snapshot_fini(&d->snapshot);
}

raft_index memlog_last(const struct memlog *d)
{
    return d->base + d->entries.n;
}

static raft_index op_first_index(void *arg)
{
    return ((struct memlog *)arg)->base + 1;
}

static raft_index op_last_index(void *arg)
{
    return memlog_last(arg);
}

static enum err op_term(void *arg, raft_index i, raft_term *ret_term)
{
    struct memlog *d = arg;
    if (i < d->base)
        return ERR_COMPACTED;
    if (i > memlog_last(d))
        return ERR_NOT_FOUND;
    *ret_term = i == d->base ? d->base_term : d->entries.v[i - d->base - 1].term;
    return ERR_OK;
}

/* Lends pieces of at most three entries, so that callers have to put them together. */
static enum err op_entries(void *arg, raft_index lo, raft_index hi, uint64_t max_bytes,
                           const struct raft_entry **ret_entries, size_t *ret_n)
{
    struct memlog *d = arg;
    if (lo <= d->base)
        return ERR_COMPACTED;
    if (hi > memlog_last(d) + 1)
        return ERR_NOT_FOUND;
    *ret_entries = &d->entries.v[lo - d->base - 1];
    uint64_t size = raft_entry_size(*ret_entries);
    size_t n = 1;
    for (; n < 3 && lo + n < hi; n++) {
        size += raft_entry_size(*ret_entries + n);
        if (size > max_bytes)
            break;
    }
    *ret_n = n;
    return ERR_OK;
}

static enum err op_snapshot(void *arg, struct raft_snapshot *ret_snapshot)
{
    struct memlog *d = arg;
    if (d->snapshot_busy || d->snapshot.meta.index == 0)
        return ERR_BUSY;
    *ret_snapshot = raft_snapshot_copy(&d->snapshot);
    return ERR_OK;
}

struct raft_log_reader memlog_reader(struct memlog *d)
{
    static const struct raft_log_ops ops = {
        .first_index = op_first_index,
        .last_index = op_last_index,
        .term = op_term,
        .entries = op_entries,
        .snapshot = op_snapshot,
    };
    return (struct raft_log_reader){&ops, d};
}

void memlog_write(struct memlog *d, const struct raft_entry *v, size_t n)
{
    if (n == 0)
        return;
    invariant(v[0].index > d->base && v[0].index <= memlog_last(d) + 1);
    raft_entries_cut(&d->entries, (size_t)(v[0].index - d->base - 1));
    raft_entries_add(&d->entries, v, n);
}

void memlog_restore(struct memlog *d, const struct raft_snapshot *s)
{
    raft_entries_cut(&d->entries, 0);
    d->base = s->meta.index;
    d->base_term = s->meta.term;
    raft_snapshot_fini(&d->snapshot);
    d->snapshot = raft_snapshot_copy(s);
}

void memlog_persist(struct memlog *d, const struct raft_ready *rd)
{
    if (rd->snapshot.meta.index != 0)
        memlog_restore(d, &rd->snapshot);
    memlog_write(d, rd->entries.v, rd->entries.n);
    if (rd->has_hard_state)
        d->hs = rd->hard_state;
}

void memlog_compact(struct memlog *d, raft_index index)
{
    invariant(index >= d->base && index <= memlog_last(d));
    size_t n = (size_t)(index - d->base);
    if (n == 0)
        return;
    struct raft_entries rest = {0};
    d->base_term = d->entries.v[n - 1].term;
    raft_entries_add(&rest, d->entries.v + n, d->entries.n - n);
    raft_entries_fini(&d->entries);
    d->entries = rest;
    d->base = index;
}

void memlog_make_snapshot(struct memlog *d, raft_index index, struct raft_conf_state cs)
{
    raft_term term = 0;
    invariant(op_term(d, index, &term) == ERR_OK);
    raft_snapshot_fini(&d->snapshot);
    d->snapshot = (struct raft_snapshot){.meta = {index, term, cs}};
}
