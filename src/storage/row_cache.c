/* storage/row_cache.c -- sets of four rows, found by a hash of pos.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/row_cache.h"

#include <stdlib.h>

enum {
    WAYS = 4,
    SETS_FIRST = 256,        /* grows while the bytes allow it */
    ROW_BYTES_MAX = 64 * 1024, /* a larger row is not kept */
    HINTS = 4, /* between the fetch of a set and the fetch of the row that it names */
};

struct cached {
    size_t bytes;
    struct kv_row row; /* its slices point behind it */
    uint8_t data[];
};

/* One cache line: positions to compare and rows to follow. */
struct set {
    int64_t pos[WAYS]; /* 0: free */
    struct cached *row[WAYS];
};

struct row_cache {
    struct kv_reader reader;
    struct kv_reader *inner;
    struct set *sets;
    size_t n_sets; /* a power of two */
    size_t n, bytes, bytes_max;
    size_t hand;   /* the next way to make room: set * WAYS + way */
    int64_t hinted[HINTS];
    unsigned hint;
};

static struct set *set_of(const struct row_cache *c, int64_t pos)
{
    uint64_t h = (uint64_t)pos * 0x9e3779b97f4a7c15u;
    return &c->sets[(h >> 32) & (c->n_sets - 1)];
}

static void drop(struct row_cache *c, struct set *s, size_t way)
{
    if (s->pos[way] == 0)
        return;
    c->bytes -= s->row[way]->bytes;
    c->n--;
    free(s->row[way]);
    s->pos[way] = 0;
    s->row[way] = NULL;
}

static void make_room(struct row_cache *c, size_t bytes)
{
    while (c->bytes + bytes > c->bytes_max && c->n > 0) {
        drop(c, &c->sets[c->hand / WAYS], c->hand % WAYS);
        c->hand = (c->hand + 1) & (c->n_sets * WAYS - 1);
    }
}

static void place(struct row_cache *c, struct cached *row)
{
    struct set *s = set_of(c, row->row.pos);
    size_t way = 0;
    while (way < WAYS && s->pos[way] != 0)
        way++;
    if (way == WAYS) {
        way = c->hand++ % WAYS;
        c->hand &= c->n_sets * WAYS - 1;
        drop(c, s, way);
    }
    s->pos[way] = row->row.pos;
    s->row[way] = row;
    c->bytes += row->bytes;
    c->n++;
}

static void grow(struct row_cache *c)
{
    struct set *old = c->sets;
    size_t old_n = c->n_sets;
    c->n_sets *= 2;
    c->sets = xcalloc(c->n_sets, sizeof *c->sets);
    c->n = c->bytes = c->hand = 0;
    for (size_t i = 0; i < old_n * WAYS; i++)
        if (old[i / WAYS].pos[i % WAYS] != 0)
            place(c, old[i / WAYS].row[i % WAYS]);
    free(old);
}

static void keep(struct row_cache *c, const struct kv_row *row)
{
    size_t bytes = sizeof(struct cached) + row->key.n + row->value.n;
    if (bytes > ROW_BYTES_MAX || bytes > c->bytes_max)
        return;
    make_room(c, bytes);
    if (c->n >= c->n_sets * WAYS / 2)
        grow(c);
    struct cached *k = xmalloc(bytes);
    k->bytes = bytes;
    k->row = *row;
    k->row.key.p = k->data;
    k->row.value.p = k->data + row->key.n;
    if (row->key.n != 0)
        memcpy(k->data, row->key.p, row->key.n);
    if (row->value.n != 0)
        memcpy(k->data + row->key.n, row->value.p, row->value.n);
    place(c, k);
}

static enum err cache_get(struct kv_reader *r, int64_t pos, struct kv_row *ret_row)
{
    struct row_cache *c = CONTAINER_OF(r, struct row_cache, reader);
    const struct set *s = set_of(c, pos);
    for (size_t way = 0; way < WAYS; way++) {
        if (s->pos[way] == pos) {
            *ret_row = s->row[way]->row;
            return ERR_OK;
        }
    }
    enum err e = c->inner->ops->get(c->inner, pos, ret_row);
    if (e == ERR_OK)
        keep(c, ret_row);
    return e;
}

static enum err cache_scan(struct kv_reader *r, int64_t from, int64_t to,
                           bool (*visit)(void *arg, const struct kv_row *row), void *arg)
{
    struct row_cache *c = CONTAINER_OF(r, struct row_cache, reader);
    return c->inner->ops->scan(c->inner, from, to, visit, arg);
}

/* A long range visits rows all over memory: have the processor fetch the set now, and the row that an earlier hint
 * named, whose set has come meanwhile. */
static void cache_hint(struct kv_reader *r, int64_t pos)
{
    struct row_cache *c = CONTAINER_OF(r, struct row_cache, reader);
    int64_t earlier = c->hinted[c->hint];
    c->hinted[c->hint] = pos;
    c->hint = (c->hint + 1) % HINTS;
    __builtin_prefetch(set_of(c, pos));
    const struct set *s = set_of(c, earlier);
    for (size_t way = 0; way < WAYS && earlier != 0; way++) {
        if (s->pos[way] == earlier) {
            __builtin_prefetch(s->row[way]);
            __builtin_prefetch((const char *)s->row[way] + 64);
        }
    }
}

struct row_cache *row_cache_new(struct kv_reader *inner, size_t bytes_max)
{
    static const struct kv_reader_ops ops = {cache_get, cache_scan, cache_hint};
    struct row_cache *c = xcalloc(1, sizeof *c);
    c->reader.ops = &ops;
    c->inner = inner;
    c->bytes_max = bytes_max;
    c->n_sets = SETS_FIRST;
    c->sets = xcalloc(c->n_sets, sizeof *c->sets);
    return c;
}

void row_cache_clear(struct row_cache *c)
{
    for (size_t i = 0; i < c->n_sets * WAYS; i++)
        drop(c, &c->sets[i / WAYS], i % WAYS);
}

void row_cache_free(struct row_cache *c)
{
    if (c == NULL)
        return;
    row_cache_clear(c);
    free(c->sets);
    free(c);
}

struct kv_reader *row_cache_reader(struct row_cache *c)
{
    return &c->reader;
}

size_t row_cache_bytes(const struct row_cache *c)
{
    return c->bytes;
}
