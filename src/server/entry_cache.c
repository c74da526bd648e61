/* server/entry_cache.c
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/entry_cache.h"

#include <stdlib.h>

static void drop_all(struct entry_cache *c)
{
    for (size_t i = c->head; i < c->list.n; i++)
        blob_unref(c->list.v[i].data);
    c->head = c->list.n = c->bytes = 0;
}

void entry_cache_reset(struct entry_cache *c, raft_index before_index, raft_term before_term)
{
    drop_all(c);
    c->before_index = before_index;
    c->before_term = before_term;
}

void entry_cache_loaded(struct entry_cache *c, raft_index before_index, raft_term before_term)
{
    c->before_index = before_index;
    c->before_term = before_term;
    c->head = c->bytes = 0;
    for (size_t i = 0; i < c->list.n; i++)
        c->bytes += raft_entry_payload(&c->list.v[i]);
}

void entry_cache_fini(struct entry_cache *c)
{
    drop_all(c);
    free(c->list.v);
    c->list = (struct raft_entries){0};
}

raft_index entry_cache_last(const struct entry_cache *c)
{
    return c->before_index + (c->list.n - c->head);
}

static struct raft_entry *at(const struct entry_cache *c, raft_index index)
{
    return &c->list.v[c->head + (index - c->before_index - 1)];
}

void entry_cache_add(struct entry_cache *c, const struct raft_entry *entries, size_t n)
{
    if (n == 0)
        return;
    invariant(entries[0].index > c->before_index && entries[0].index <= entry_cache_last(c) + 1);
    size_t keep = c->head + (entries[0].index - c->before_index - 1);
    for (size_t i = keep; i < c->list.n; i++)
        c->bytes -= raft_entry_payload(&c->list.v[i]);
    raft_entries_cut(&c->list, keep);
    raft_entries_add(&c->list, entries, n);
    for (size_t i = 0; i < n; i++)
        c->bytes += raft_entry_payload(&entries[i]);
}

void entry_cache_trim(struct entry_cache *c, raft_index index)
{
    invariant(index <= entry_cache_last(c));
    if (index <= c->before_index)
        return;
    c->before_term = at(c, index)->term;
    for (; c->before_index < index; c->before_index++) {
        struct raft_entry *e = &c->list.v[c->head++];
        c->bytes -= raft_entry_payload(e);
        blob_unref(e->data);
    }
    /* Move what is left to the front when at least half of the array is dead. */
    if (c->head >= c->list.n - c->head) {
        c->list.n -= c->head;
        memmove(c->list.v, c->list.v + c->head, c->list.n * sizeof c->list.v[0]);
        c->head = 0;
    }
}

raft_index entry_cache_excess(const struct entry_cache *c, size_t bytes, raft_index limit)
{
    raft_index to = c->before_index;
    for (size_t have = c->bytes; have > bytes && to < limit; to++)
        have -= raft_entry_payload(at(c, to + 1));
    return to;
}

static raft_index first_index(void *arg)
{
    const struct entry_cache *c = arg;
    return c->before_index + 1;
}

static raft_index last_index(void *arg)
{
    return entry_cache_last(arg);
}

static enum err term(void *arg, raft_index index, raft_term *ret_term)
{
    const struct entry_cache *c = arg;
    if (index < c->before_index)
        return ERR_COMPACTED;
    if (index > entry_cache_last(c))
        return ERR_NOT_FOUND;
    *ret_term = index == c->before_index ? c->before_term : at(c, index)->term;
    return ERR_OK;
}

static enum err entries(void *arg, raft_index lo, raft_index hi, uint64_t max_bytes,
                        const struct raft_entry **ret_entries, size_t *ret_n)
{
    const struct entry_cache *c = arg;
    invariant(lo < hi);
    if (lo <= c->before_index)
        return ERR_COMPACTED;
    if (hi - 1 > entry_cache_last(c))
        return ERR_NOT_FOUND;
    const struct raft_entry *v = at(c, lo);
    uint64_t bytes = raft_entry_size(&v[0]);
    size_t n = 1;
    while (n < hi - lo && bytes + raft_entry_size(&v[n]) <= max_bytes)
        bytes += raft_entry_size(&v[n++]);
    *ret_entries = v;
    *ret_n = n;
    return ERR_OK;
}

static enum err snapshot(void *arg, struct raft_snapshot *ret_snapshot)
{
    const struct entry_cache *c = arg;
    return c->snapshot == NULL ? ERR_BUSY : c->snapshot(c->snapshot_arg, ret_snapshot);
}

struct raft_log_reader entry_cache_reader(struct entry_cache *c)
{
    static const struct raft_log_ops ops = {first_index, last_index, term, entries, snapshot};
    return (struct raft_log_reader){&ops, c};
}
