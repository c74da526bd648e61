/* storage/snapshot_reader.c -- see snapshot_reader.h; the format stands in bbolt.h.
 *
 * Nothing is copied: keys and values are lent from the map. A page is looked at only through
 * page_get(), which checks its number, its header and its length against the file; an element only
 * through leaf_get() or branch_get(), which check it against its page.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/snapshot_reader.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "base/varint.h"
#include "storage/bbolt.h"
#include "storage/snapshot_file.h"

enum {
    PAGE_SIZE_MIN = 1024,
    PAGE_SIZE_MAX = 65536,
    DEPTH_MAX = 32,
    DIGEST_ALIGN = 512, /* a file with a digest is that much longer than a multiple of this */
    MEMORY_STEP = 16 * 1024 * 1024,   /* of the file in memory at a time, about */
    MAIN_BITS = 62 - KV_POS_SUB_BITS, /* of a main revision, so that its pos does not overflow */
};

struct snapshot_reader {
    const uint8_t *map;
    uint64_t file_size; /* of the whole file */
    uint64_t size;      /* without the digest */
    uint32_t page_size;
    uint64_t pages; /* high-water mark */
    uint64_t root;
};

static uint16_t le16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return le16toh(v);
}

static uint32_t le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static uint64_t le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* What a meta page says. */
struct meta {
    uint32_t page_size;
    uint64_t root, pages, txid;
};

static bool meta_read(const struct snapshot_reader *r, uint64_t at, struct meta *ret)
{
    if (at + BBOLT_HEADER_SIZE + BBOLT_META_SIZE > r->size)
        return false;
    const uint8_t *m = r->map + at + BBOLT_HEADER_SIZE;
    *ret = (struct meta){.page_size = le32(m + 8),
                         .root = le64(m + 16),
                         .pages = le64(m + 40),
                         .txid = le64(m + 48)};
    bool is_size = ret->page_size >= PAGE_SIZE_MIN && ret->page_size <= PAGE_SIZE_MAX &&
                   (ret->page_size & (ret->page_size - 1)) == 0;
    return is_size && le32(m) == BBOLT_MAGIC && le32(m + 4) == BBOLT_VERSION &&
           le64(m + BBOLT_META_SUMMED) == bbolt_sum(m, BBOLT_META_SUMMED);
}

/* The newer valid one of the two; where the second begins only the first one knows for sure. */
static bool meta_choose(const struct snapshot_reader *r, struct meta *ret)
{
    struct meta second;
    bool is_valid = meta_read(r, 0, ret);
    uint32_t at = is_valid ? ret->page_size : PAGE_SIZE_MIN;
    uint32_t at_max = is_valid ? ret->page_size : PAGE_SIZE_MAX;
    for (; at <= at_max; at *= 2) {
        if (!meta_read(r, at, &second) || second.page_size != at)
            continue;
        if (!is_valid || second.txid > ret->txid)
            *ret = second;
        return true;
    }
    return is_valid;
}

static enum err reader_set_up(struct snapshot_reader *r, struct why *why)
{
    struct meta m;
    if (!meta_choose(r, &m))
        return why_set(why, ERR_DAMAGED, "this is no snapshot file");
    if (m.pages > r->size / m.page_size)
        return why_set(why, ERR_DAMAGED,
                       "the snapshot ends early: it has %" PRIu64 " of %" PRIu64 " pages",
                       r->size / m.page_size, m.pages);
    r->page_size = m.page_size;
    r->pages = m.pages;
    r->root = m.root;
    return ERR_OK;
}

/* Behind the end of the file a map is not memory. */
static enum err check_file(int fd, uint64_t size, struct why *why)
{
    struct stat st;
    if (fstat(fd, &st) == -1)
        return why_set(why, ERR_IO, "look at the snapshot: %s", strerror(errno));
    if (size < 2 * PAGE_SIZE_MIN || size > PTRDIFF_MAX || st.st_size < 0 ||
        size > (uint64_t)st.st_size)
        return why_set(why, ERR_DAMAGED, "a snapshot is not %" PRIu64 " bytes long", size);
    return ERR_OK;
}

enum err snapshot_reader_open(int fd, uint64_t size, struct snapshot_reader **ret, struct why *why)
{
    enum err e = check_file(fd, size, why);
    if (e != ERR_OK)
        return e;
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return why_set(why, ERR_IO, "map the snapshot: %s", strerror(errno));
    (void)madvise(map, (size_t)size, MADV_SEQUENTIAL);
    AUTO(snapshot_reader) struct snapshot_reader *r = xcalloc(1, sizeof *r);
    r->map = map;
    r->file_size = size;
    r->size = size % DIGEST_ALIGN == SNAPSHOT_DIGEST_SIZE ? size - SNAPSHOT_DIGEST_SIZE : size;
    e = reader_set_up(r, why);
    if (e != ERR_OK)
        return e;
    *ret = r;
    r = NULL;
    return ERR_OK;
}

void snapshot_reader_close(struct snapshot_reader *r)
{
    if (r == NULL)
        return;
    munmap((void *)(uintptr_t)r->map, (size_t)r->file_size);
    free(r);
}

/* Give the memory back that what was read of the file takes. It comes again when it is looked at:
 * what is lent stays valid. */
static void let_go(const struct snapshot_reader *r)
{
    (void)madvise((void *)(uintptr_t)r->map, (size_t)r->file_size, MADV_DONTNEED);
}

uint64_t snapshot_reader_size(const struct snapshot_reader *r)
{
    return r->pages * r->page_size;
}

enum snapshot_digest snapshot_reader_digest(const struct snapshot_reader *r)
{
    uint8_t digest[SNAPSHOT_DIGEST_SIZE];
    if (r->size == r->file_size)
        return SNAPSHOT_DIGEST_NONE;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    invariant(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    for (uint64_t at = 0, n; at < r->size; at += n) {
        n = r->size - at < MEMORY_STEP ? r->size - at : MEMORY_STEP;
        invariant(EVP_DigestUpdate(ctx, r->map + at, (size_t)n) == 1);
        let_go(r);
    }
    invariant(EVP_DigestFinal_ex(ctx, digest, NULL) == 1);
    EVP_MD_CTX_free(ctx);
    return memcmp(digest, r->map + r->size, sizeof digest) == 0 ? SNAPSHOT_DIGEST_GOOD
                                                                : SNAPSHOT_DIGEST_BAD;
}

/* ---- pages and elements -----------------------------------------------------------------------
 */

struct page {
    const uint8_t *p;
    size_t size;
    unsigned flags;
    size_t count;
};

static bool page_view(const uint8_t *p, size_t size, struct page *ret)
{
    if (size < BBOLT_HEADER_SIZE)
        return false;
    *ret = (struct page){p, size, le16(p + 8), le16(p + 10)};
    return (ret->flags == BBOLT_BRANCH || ret->flags == BBOLT_LEAF) &&
           ret->count * BBOLT_ELEMENT_SIZE <= size - BBOLT_HEADER_SIZE;
}

static bool page_get(const struct snapshot_reader *r, uint64_t id, struct page *ret)
{
    if (id < 2 || id >= r->pages)
        return false;
    const uint8_t *p = r->map + id * r->page_size;
    uint64_t overflow = le32(p + 12);
    if (le64(p) != id || overflow >= r->pages - id)
        return false;
    return page_view(p, (size_t)(overflow + 1) * r->page_size, ret);
}

/* The bytes that element `i` points to: its key, and what follows. */
static bool element_bytes(const struct page *page, size_t i, uint32_t pos, uint64_t n,
                          const uint8_t **ret)
{
    size_t at = BBOLT_HEADER_SIZE + i * BBOLT_ELEMENT_SIZE;
    if (pos > page->size - at || n > page->size - at - pos)
        return false;
    *ret = page->p + at + pos;
    return true;
}

struct leaf {
    bool is_bucket;
    struct slice key, value;
};

static bool leaf_get(const struct page *page, size_t i, struct leaf *ret)
{
    const uint8_t *e = page->p + BBOLT_HEADER_SIZE + i * BBOLT_ELEMENT_SIZE, *bytes;
    uint32_t key_n = le32(e + 8), value_n = le32(e + 12);
    if (!element_bytes(page, i, le32(e + 4), (uint64_t)key_n + value_n, &bytes))
        return false;
    *ret = (struct leaf){.is_bucket = le32(e) & BBOLT_ITEM_BUCKET,
                         .key = slice_make(bytes, key_n),
                         .value = slice_make(bytes + key_n, value_n)};
    return true;
}

static uint64_t branch_child(const struct page *page, size_t i)
{
    return le64(page->p + BBOLT_HEADER_SIZE + i * BBOLT_ELEMENT_SIZE + 8);
}

static bool branch_key(const struct page *page, size_t i, struct slice *ret)
{
    const uint8_t *e = page->p + BBOLT_HEADER_SIZE + i * BBOLT_ELEMENT_SIZE, *bytes;
    if (!element_bytes(page, i, le32(e), le32(e + 4), &bytes))
        return false;
    *ret = slice_make(bytes, le32(e + 4));
    return true;
}

/* ---- walking ------------------------------------------------------------------------------------
 */

struct walk {
    const struct snapshot_reader *r;
    bool (*visit)(void *arg, const struct leaf *leaf);
    void *arg;
    bool of_buckets; /* that is what the elements must be, or must not be */
    bool is_stopped;
    uint64_t pages;    /* seen so far: never more than there are */
    uint64_t bytes;    /* of pages in memory, about */
    struct slice last; /* the last key; none is empty */
    uint8_t *seen;     /* a bit a page, where each may be met once; NULL: not kept */
    struct why *why;
};

static enum err damaged(const struct walk *w, const char *what)
{
    return why_set(w->why, ERR_DAMAGED, "the snapshot is damaged: %s", what);
}

static bool key_is_next(const struct walk *w, struct slice key)
{
    return key.n != 0 && key.n <= BBOLT_KEY_MAX && slice_cmp(w->last, key) < 0;
}

static enum err walk_leaf(struct walk *w, const struct page *page)
{
    struct leaf leaf;
    for (size_t i = 0; i < page->count && !w->is_stopped; i++) {
        if (!leaf_get(page, i, &leaf))
            return damaged(w, "an element points out of its page");
        if (!key_is_next(w, leaf.key))
            return damaged(w, "keys are out of order");
        if (leaf.is_bucket != w->of_buckets)
            return damaged(w, leaf.is_bucket ? "a bucket inside of a bucket"
                                             : "a row outside of all buckets");
        w->last = leaf.key;
        w->is_stopped = !w->visit(w->arg, &leaf);
    }
    return ERR_OK;
}

static enum err mark_seen(struct walk *w, uint64_t id)
{
    const uint8_t *p = w->r->map + id * w->r->page_size;
    for (uint64_t i = 0; i <= le32(p + 12); i++) {
        uint8_t bit = (uint8_t)(1u << ((id + i) % 8));
        if (w->seen[(id + i) / 8] & bit)
            return damaged(w, "a page is used twice");
        w->seen[(id + i) / 8] |= bit;
    }
    return ERR_OK;
}

static enum err walk_page(struct walk *w, uint64_t id, unsigned depth);

static enum err walk_branch(struct walk *w, const struct page *page, unsigned depth)
{
    struct slice key;
    enum err e = page->count == 0 ? damaged(w, "a branch without children") : ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < page->count && !w->is_stopped; i++) {
        if (!branch_key(page, i, &key) || !key_is_next(w, key))
            return damaged(w, "branches are out of order");
        e = walk_page(w, branch_child(page, i), depth + 1);
    }
    return e;
}

static enum err walk_page(struct walk *w, uint64_t id, unsigned depth)
{
    struct page page;
    if (depth > DEPTH_MAX || ++w->pages > w->r->pages || !page_get(w->r, id, &page))
        return damaged(w, "a page is missing, or is none");
    w->bytes += page.size;
    if (w->bytes >= MEMORY_STEP) {
        let_go(w->r);
        w->bytes = 0;
    }
    enum err e = w->seen != NULL ? mark_seen(w, id) : ERR_OK;
    if (e != ERR_OK)
        return e;
    return page.flags == BBOLT_LEAF ? walk_leaf(w, &page) : walk_branch(w, &page, depth);
}

/* The tree of a bucket, from the value of its entry. */
static enum err walk_bucket(struct walk *w, struct slice value)
{
    struct page page;
    if (value.n < BBOLT_BUCKET_HEADER_SIZE)
        return damaged(w, "a bucket has no header");
    uint64_t root = le64(value.p);
    if (root != 0)
        return walk_page(w, root, 0);
    if (!page_view(value.p + BBOLT_BUCKET_HEADER_SIZE, value.n - BBOLT_BUCKET_HEADER_SIZE, &page) ||
        page.flags != BBOLT_LEAF)
        return damaged(w, "a small bucket is no leaf");
    return walk_leaf(w, &page);
}

/* ---- buckets
 * -------------------------------------------------------------------------------------- */

struct find {
    struct slice name, value;
    bool is_found;
};

static bool find_visit(void *arg, const struct leaf *leaf)
{
    struct find *f = arg;
    int c = slice_cmp(leaf->key, f->name);
    f->is_found = c == 0;
    f->value = leaf->value;
    return c < 0;
}

/* Find the value of a bucket. ERR_NOT_FOUND. */
static enum err find_bucket(const struct snapshot_reader *r, const char *name,
                            struct slice *ret_value, struct why *why)
{
    struct find f = {.name = slice_str(name)};
    struct walk w = {.r = r, .visit = find_visit, .arg = &f, .of_buckets = true, .why = why};
    enum err e = walk_page(&w, r->root, 0);
    if (e != ERR_OK || !f.is_found)
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    *ret_value = f.value;
    return ERR_OK;
}

/* Walk a bucket, if there is one of this name. */
static enum err walk_named(struct walk *w, const char *name)
{
    struct slice value;
    enum err e = find_bucket(w->r, name, &value, w->why);
    if (e == ERR_NOT_FOUND)
        return ERR_OK;
    return e == ERR_OK ? walk_bucket(w, value) : e;
}

struct scan {
    bool (*visit)(void *arg, struct slice key, struct slice value);
    void *arg;
};

static bool scan_visit(void *arg, const struct leaf *leaf)
{
    struct scan *s = arg;
    return s->visit(s->arg, leaf->key, leaf->value);
}

enum err snapshot_reader_scan(const struct snapshot_reader *r, const char *bucket,
                              bool (*visit)(void *arg, struct slice key, struct slice value),
                              void *arg, struct why *why)
{
    struct scan s = {visit, arg};
    struct walk w = {
        .r = r, .visit = scan_visit, .arg = &s, .of_buckets = bucket == NULL, .why = why};
    return bucket == NULL ? walk_page(&w, r->root, 0) : walk_named(&w, bucket);
}

enum err snapshot_reader_get(const struct snapshot_reader *r, const char *bucket, const char *key,
                             struct slice *ret_value)
{
    struct find f = {.name = slice_str(key)};
    struct walk w = {.r = r, .visit = find_visit, .arg = &f};
    enum err e = walk_named(&w, bucket);
    if (e != ERR_OK || !f.is_found)
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    *ret_value = f.value;
    return ERR_OK;
}

/* ---- the history
 * ------------------------------------------------------------------------------------ */

struct rows {
    bool (*visit)(void *arg, const struct kv_row *row);
    void *arg;
    struct kv_row last; /* its slices are not looked at */
    bool is_bad;
};

/* main, '_', sub, and 't' behind a tombstone. */
static bool row_take_revision(struct slice key, struct kv_row *row, bool *ret_is_tombstone)
{
    *ret_is_tombstone = key.n == 18 && key.p[17] == 't';
    if ((key.n != 17 && !*ret_is_tombstone) || key.p[8] != '_')
        return false;
    uint64_t main = be64_get(key.p), sub = be64_get(key.p + 9);
    row->main = (revision)main;
    row->sub = (int64_t)sub;
    return main != 0 && main >> MAIN_BITS == 0 && sub <= INT32_MAX;
}

/* mvccpb.KeyValue: 1 key, 2 create, 3 mod, 4 version, 5 value, 6 lease. */
static bool row_take_fields(struct slice value, struct kv_row *row)
{
    struct proto_field f;
    while (value.n != 0) {
        if (!proto_take(&value, &f))
            return false;
        if (f.number == 1 && f.wire == PROTO_BYTES)
            row->key = f.bytes;
        else if (f.number == 5 && f.wire == PROTO_BYTES)
            row->value = f.bytes;
        else if (f.number == 2 && f.wire == PROTO_VARINT)
            row->create = (revision)f.value;
        else if (f.number == 4 && f.wire == PROTO_VARINT)
            row->version = (int64_t)f.value;
        else if (f.number == 6 && f.wire == PROTO_VARINT)
            row->lease = (lease_id)f.value;
    }
    return true;
}

/* Only what `etcdutl snapshot restore --bump-revision` adds has no key: it has nothing at all. */
static bool row_is_sane(const struct kv_row *row)
{
    if (row->key.n == 0)
        return row->create == 0 && row->version == 0 && row->lease == 0 && row->value.n == 0;
    return row->version > 0 && row->create > 0 && row->create <= row->main;
}

static bool row_decode(const struct leaf *leaf, struct kv_row *row)
{
    bool is_tombstone;
    *row = (struct kv_row){.key = slice_make("", 0), .value = slice_make("", 0)};
    if (!row_take_revision(leaf->key, row, &is_tombstone) || !row_take_fields(leaf->value, row))
        return false;
    if (!is_tombstone)
        return row_is_sane(row);
    row->create = row->version = row->lease = 0;
    row->value.n = 0;
    return row->key.n != 0;
}

static bool rows_visit(void *arg, const struct leaf *leaf)
{
    struct rows *rows = arg;
    const struct kv_row *last = &rows->last;
    struct kv_row row;
    rows->is_bad = !row_decode(leaf, &row) || (row.main == last->main && row.sub == last->sub);
    if (rows->is_bad)
        return false;
    row.pos = row.main << KV_POS_SUB_BITS;
    if (row.pos <= last->pos)
        row.pos = last->pos + 1;
    rows->last = row;
    return rows->visit(rows->arg, &row);
}

enum err snapshot_reader_rows(const struct snapshot_reader *r,
                              bool (*visit)(void *arg, const struct kv_row *row), void *arg,
                              struct why *why)
{
    struct rows rows = {.visit = visit, .arg = arg};
    struct walk w = {.r = r, .visit = rows_visit, .arg = &rows, .why = why};
    enum err e = walk_named(&w, BBOLT_KEY_BUCKET);
    return e == ERR_OK && rows.is_bad ? damaged(&w, "a revision cannot be read") : e;
}

/* ---- all of it
 * -------------------------------------------------------------------------------------- */

struct check {
    const struct walk *outer;
    enum err err;
};

static bool check_nothing(void *arg, const struct leaf *leaf)
{
    (void)arg;
    (void)leaf;
    return true;
}

static bool check_bucket(void *arg, const struct leaf *leaf)
{
    struct check *c = arg;
    struct walk inner = {
        .r = c->outer->r, .visit = check_nothing, .seen = c->outer->seen, .why = c->outer->why};
    c->err = walk_bucket(&inner, leaf->value);
    return c->err == ERR_OK;
}

enum err snapshot_reader_check(const struct snapshot_reader *r, struct why *why)
{
    struct walk w = {.r = r, .visit = check_bucket, .of_buckets = true, .why = why};
    struct check c = {.outer = &w};
    w.arg = &c;
    w.seen = xcalloc((size_t)(r->pages / 8 + 1), 1);
    enum err e = walk_page(&w, r->root, 0);
    free(w.seen);
    return e == ERR_OK ? c.err : e;
}
