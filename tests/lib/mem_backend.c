/* tests/lib/mem_backend.c -- iface/backend.h in memory, for tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/mem_backend.h"

#include <stdlib.h>

/* A row with its own bytes, counted, since readers share it with the backend. */
struct mem_row {
    unsigned refs;
    struct kv_row row;
    uint8_t bytes[];
};

struct mem_rows {
    struct mem_row **p;
    size_t n, cap;
};

struct mem_pair {
    struct mem_pair *next;
    char *bucket;
    struct blob *key, *value;
};

#define MEM_BACKEND_MAGIC 0x6d656d62u
#define MEM_READER_MAGIC 0x6d656d72u

struct mem_backend {
    unsigned magic;
    struct kv_writer writer;
    struct mem_rows rows;
    struct mem_pair *pairs; /* ordered by bucket, then key */
};

struct mem_reader {
    unsigned magic;
    struct kv_reader reader;
    struct mem_rows rows;
};

/* ---- rows ----------------------------------------------------------------------------------- */

static struct mem_row *row_new(const struct kv_row *from)
{
    struct mem_row *r = xmalloc(sizeof *r + from->key.n + from->value.n);
    r->refs = 1;
    r->row = *from;
    if (from->key.n != 0)
        memcpy(r->bytes, from->key.p, from->key.n);
    if (from->value.n != 0)
        memcpy(r->bytes + from->key.n, from->value.p, from->value.n);
    r->row.key = slice_make(r->bytes, from->key.n);
    r->row.value = slice_make(r->bytes + from->key.n, from->value.n);
    return r;
}

static void row_unref(struct mem_row *r)
{
    if (--r->refs == 0)
        free(r);
}

/* Return how many rows stand before `pos`. */
static size_t rows_lower(const struct mem_rows *rows, int64_t pos)
{
    size_t lo = 0, hi = rows->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (rows->p[mid]->row.pos < pos)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool rows_get(const struct mem_rows *rows, int64_t pos, struct kv_row *ret_row)
{
    size_t i = rows_lower(rows, pos);
    if (i == rows->n || rows->p[i]->row.pos != pos)
        return false;
    *ret_row = rows->p[i]->row;
    return true;
}

static void rows_fini(struct mem_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++)
        row_unref(rows->p[i]);
    free(rows->p);
}

/* ---- the writer ----------------------------------------------------------------------------- */

static struct mem_backend *backend_of(struct kv_writer *w)
{
    return CAST_OBJ(struct mem_backend, CONTAINER_OF(w, struct mem_backend, writer),
                    MEM_BACKEND_MAGIC);
}

static void writer_put(struct kv_writer *w, const struct kv_row *row)
{
    struct mem_rows *rows = &backend_of(w)->rows;
    size_t i = rows_lower(rows, row->pos);
    invariant(row->pos > 0 && (i == rows->n || rows->p[i]->row.pos != row->pos));
    if (rows->n == rows->cap) {
        rows->cap = rows->cap == 0 ? 64 : rows->cap * 2;
        rows->p = xrealloc(rows->p, rows->cap * sizeof *rows->p);
    }
    memmove(rows->p + i + 1, rows->p + i, (rows->n - i) * sizeof *rows->p);
    rows->p[i] = row_new(row);
    rows->n++;
}

static void writer_remove(struct kv_writer *w, int64_t pos)
{
    struct mem_rows *rows = &backend_of(w)->rows;
    size_t i = rows_lower(rows, pos);
    invariant(i < rows->n && rows->p[i]->row.pos == pos);
    row_unref(rows->p[i]);
    rows->n--;
    memmove(rows->p + i, rows->p + i + 1, (rows->n - i) * sizeof *rows->p);
}

static bool writer_get(struct kv_writer *w, int64_t pos, struct kv_row *ret_row)
{
    return rows_get(&backend_of(w)->rows, pos, ret_row);
}

/* Return where the pair stands or would stand. */
static struct mem_pair **pair_find(struct mem_backend *b, const char *bucket, struct slice key,
                                   bool *ret_there)
{
    struct mem_pair **at = &b->pairs;
    int c = 1;
    for (; *at != NULL; at = &(*at)->next) {
        c = strcmp((*at)->bucket, bucket);
        if (c == 0)
            c = slice_cmp(blob_slice((*at)->key), key);
        if (c >= 0)
            break;
    }
    *ret_there = *at != NULL && c == 0;
    return at;
}

static void pair_free(struct mem_pair *p)
{
    blob_unref(p->key);
    blob_unref(p->value);
    free(p->bucket);
    free(p);
}

static void writer_bucket_put(struct kv_writer *w, const char *bucket, struct slice key,
                              struct slice value)
{
    bool there;
    struct mem_pair **at = pair_find(backend_of(w), bucket, key, &there);
    if (!there) {
        struct mem_pair *p = xcalloc(1, sizeof *p);
        p->bucket = xstrdup(bucket);
        p->key = blob_dup(key);
        p->next = *at;
        *at = p;
    }
    blob_unref((*at)->value);
    (*at)->value = blob_dup(value);
}

static void writer_bucket_remove(struct kv_writer *w, const char *bucket, struct slice key)
{
    bool there;
    struct mem_pair **at = pair_find(backend_of(w), bucket, key, &there);
    if (!there)
        return;
    struct mem_pair *p = *at;
    *at = p->next;
    pair_free(p);
}

static bool writer_bucket_get(struct kv_writer *w, const char *bucket, struct slice key,
                              struct slice *ret_value)
{
    bool there;
    struct mem_pair **at = pair_find(backend_of(w), bucket, key, &there);
    if (there)
        *ret_value = blob_slice((*at)->value);
    return there;
}

static void writer_bucket_scan(struct kv_writer *w, const char *bucket,
                               bool (*visit)(void *arg, struct slice key, struct slice value),
                               void *arg)
{
    for (const struct mem_pair *p = backend_of(w)->pairs; p != NULL; p = p->next) {
        if (strcmp(p->bucket, bucket) == 0 && !visit(arg, blob_slice(p->key), blob_slice(p->value)))
            return;
    }
}

static const struct kv_writer_ops mem_writer_ops = {
    .put = writer_put,
    .remove = writer_remove,
    .get = writer_get,
    .bucket_put = writer_bucket_put,
    .bucket_remove = writer_bucket_remove,
    .bucket_get = writer_bucket_get,
    .bucket_scan = writer_bucket_scan,
};

/* ---- the reader ----------------------------------------------------------------------------- */

static struct mem_reader *reader_of(struct kv_reader *r)
{
    return CAST_OBJ(struct mem_reader, CONTAINER_OF(r, struct mem_reader, reader),
                    MEM_READER_MAGIC);
}

static enum err reader_get(struct kv_reader *r, int64_t pos, struct kv_row *ret_row)
{
    return rows_get(&reader_of(r)->rows, pos, ret_row) ? ERR_OK : ERR_NOT_FOUND;
}

static void rows_scan(const struct mem_rows *rows, int64_t from, int64_t to,
                      bool (*visit)(void *arg, const struct kv_row *row), void *arg)
{
    for (size_t i = rows_lower(rows, from); i < rows->n && rows->p[i]->row.pos < to; i++) {
        if (!visit(arg, &rows->p[i]->row))
            return;
    }
}

static enum err reader_scan(struct kv_reader *r, int64_t from, int64_t to,
                            bool (*visit)(void *arg, const struct kv_row *row), void *arg)
{
    rows_scan(&reader_of(r)->rows, from, to, visit, arg);
    return ERR_OK;
}

static const struct kv_reader_ops mem_reader_ops = {.get = reader_get, .scan = reader_scan};

struct kv_reader *mem_backend_reader(const struct mem_backend *b)
{
    struct mem_reader *r = xcalloc(1, sizeof *r);
    r->magic = MEM_READER_MAGIC;
    r->reader.ops = &mem_reader_ops;
    r->rows.n = r->rows.cap = b->rows.n;
    r->rows.p = xmalloc(b->rows.n * sizeof *r->rows.p);
    for (size_t i = 0; i < b->rows.n; i++) {
        r->rows.p[i] = b->rows.p[i];
        r->rows.p[i]->refs++;
    }
    return &r->reader;
}

void mem_reader_free(struct kv_reader *r)
{
    if (r == NULL)
        return;
    struct mem_reader *reader = reader_of(r);
    rows_fini(&reader->rows);
    free(reader);
}

/* ---- the backend ---------------------------------------------------------------------------- */

struct mem_backend *mem_backend_new(void)
{
    struct mem_backend *b = xcalloc(1, sizeof *b);
    b->magic = MEM_BACKEND_MAGIC;
    b->writer.ops = &mem_writer_ops;
    return b;
}

void mem_backend_free(struct mem_backend *b)
{
    if (b == NULL)
        return;
    rows_fini(&b->rows);
    while (b->pairs != NULL) {
        struct mem_pair *p = b->pairs;
        b->pairs = p->next;
        pair_free(p);
    }
    free(b);
}

struct kv_writer *mem_backend_writer(struct mem_backend *b)
{
    return &b->writer;
}

size_t mem_backend_rows(const struct mem_backend *b)
{
    return b->rows.n;
}

void mem_backend_each(const struct mem_backend *b,
                      bool (*visit)(void *arg, const struct kv_row *row), void *arg)
{
    rows_scan(&b->rows, 0, INT64_MAX, visit, arg);
}
