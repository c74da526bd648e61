/* storage/snapshot_file.c -- see snapshot_file.h.
 *
 * A tree is built from the left: items fill the leaf under construction; a page that is full is
 * written, and its first key and number become an item of the level above. So the pages of all
 * levels come out mixed, in the order in which they fill, and one page a level is all that is in
 * memory.
 * An item is an element in the page's array, and its bytes behind the array; see bbolt.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/snapshot_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/crc32c.h"
#include "iface/kv_wire.h"
#include "storage/bbolt.h"
#include "storage/data_dir.h"

enum {
    INLINE_MAX = SNAPSHOT_PAGE_SIZE / 4,
    LEVELS_MAX = 16,
    WRITE_SIZE = 256 * 1024,
};

static const char key_bucket[] = BBOLT_KEY_BUCKET;

static const char *const bucket_names[] = {
    BUCKET_ALARM, BUCKET_AUTH,  BUCKET_AUTH_ROLES, BUCKET_AUTH_USERS,      BUCKET_CLUSTER,
    key_bucket,   BUCKET_LEASE, BUCKET_MEMBERS,    BUCKET_MEMBERS_REMOVED, BUCKET_META,
};

/* ---- walking a snapshot --------------------------------------------------------------------- */

/* Gets the rows of a bucket as upstream stores them; returns false to stop. */
typedef bool bucket_visit(void *arg, struct slice key, struct slice value);

struct row_walk {
    bucket_visit *visit;
    void *arg;
    struct buf value;
};

static bool walk_row(void *arg, const struct kv_row *row)
{
    struct row_walk *w = arg;
    uint8_t key[18];
    size_t key_n = kv_wire_rev_key(key, row);
    buf_clear(&w->value);
    uint8_t *p = buf_reserve(&w->value, kv_wire_size(row));
    w->value.n = (size_t)(kv_wire_put(p, row) - p);
    return w->visit(w->arg, slice_make(key, key_n), buf_slice(&w->value));
}

static enum err walk_bucket(struct kvdb_reader *r, const char *bucket, bucket_visit *visit,
                            void *arg, struct why *why)
{
    enum err e;
    if (bucket != key_bucket) {
        e = kvdb_reader_bucket_scan(r, bucket, visit, arg);
    } else {
        struct row_walk w = {.visit = visit, .arg = arg};
        struct kv_reader *kv = kvdb_reader_kv(r);
        e = kv->ops->scan(kv, 0, INT64_MAX, walk_row, &w);
        buf_fini(&w.value);
    }
    return e == ERR_OK ? ERR_OK : why_set(why, e, "read bucket '%s': %s", bucket, err_text(e));
}

/* ---- the file ------------------------------------------------------------------------------- */

struct out {
    int fd;
    const struct snapshot_progress *progress;
    const struct snapshot_filter *filter; /* NULL: every row is written */
    struct buf pending; /* written when there is much of it */
    uint64_t pages;     /* made so far */
    uint64_t written;   /* bytes of the file before `pending` */
    enum err error;     /* the first one */
    struct why *why;
};

static void out_fail(struct out *o, enum err e, const char *doing, int code)
{
    if (o->error == ERR_OK)
        o->error =
            why_set(o->why, e, "%s the snapshot: %s", doing, code ? strerror(code) : err_text(e));
}

static void out_pwrite(struct out *o, const uint8_t *p, size_t n, uint64_t at)
{
    while (n > 0 && o->error == ERR_OK) {
        ssize_t done = pwrite(o->fd, p, n, (off_t)at);
        if (done == -1 && errno == EINTR)
            continue;
        if (done == -1) {
            bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
            out_fail(o, is_full ? ERR_DISK_FULL : ERR_IO, "write", errno);
            return;
        }
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
}

static void out_flush(struct out *o)
{
    out_pwrite(o, o->pending.p, o->pending.n, o->written);
    o->written += o->pending.n;
    buf_clear(&o->pending);
    if (o->error == ERR_OK && o->progress != NULL && !o->progress->fn(o->progress->arg, o->written))
        out_fail(o, ERR_CLOSED, "write", 0);
}

static void add_le16(struct buf *b, uint16_t v)
{
    v = htole16(v);
    buf_add(b, &v, sizeof v);
}

static void add_le32(struct buf *b, uint32_t v)
{
    v = htole32(v);
    buf_add(b, &v, sizeof v);
}

static void add_le64(struct buf *b, uint64_t v)
{
    v = htole64(v);
    buf_add(b, &v, sizeof v);
}

static void add_page_header(struct buf *b, uint64_t id, uint16_t flags, size_t count,
                            uint64_t overflow)
{
    add_le64(b, id);
    add_le16(b, flags);
    add_le16(b, (uint16_t)count);
    add_le32(b, (uint32_t)overflow);
}

/* ---- pages ---------------------------------------------------------------------------------- */

struct item {
    uint32_t flags;
    uint32_t key_n, value_n;
    uint64_t page; /* in a branch */
};

/* A page under construction. */
struct page {
    uint16_t flags;
    bool has_left; /* a page of this level has been written before */
    struct item *items;
    size_t n, cap;
    struct buf bytes; /* keys and values */
};

static size_t page_size(const struct page *p)
{
    return BBOLT_HEADER_SIZE + p->n * BBOLT_ELEMENT_SIZE + p->bytes.n;
}

static void page_add(struct page *p, const struct item *item, struct slice key, struct slice value)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 32;
        p->items = xrealloc(p->items, p->cap * sizeof *p->items);
    }
    p->items[p->n++] = *item;
    buf_add_slice(&p->bytes, key);
    buf_add_slice(&p->bytes, value);
}

static void page_clear(struct page *p)
{
    p->n = 0;
    buf_clear(&p->bytes);
}

static void page_fini(struct page *p)
{
    free(p->items);
    buf_fini(&p->bytes);
}

static struct slice page_first_key(const struct page *p)
{
    return slice_make(p->bytes.p, p->items[0].key_n);
}

/* Append the page's bytes, without padding. */
static void page_encode(const struct page *p, uint64_t id, uint64_t overflow, struct buf *b)
{
    add_page_header(b, id, p->flags, p->n, overflow);
    size_t pos = p->n * BBOLT_ELEMENT_SIZE;
    for (size_t i = 0; i < p->n; i++, pos -= BBOLT_ELEMENT_SIZE) {
        const struct item *item = &p->items[i];
        if (p->flags == BBOLT_LEAF) {
            add_le32(b, item->flags);
            add_le32(b, (uint32_t)pos);
            add_le32(b, item->key_n);
            add_le32(b, item->value_n);
        } else {
            add_le32(b, (uint32_t)pos);
            add_le32(b, item->key_n);
            add_le64(b, item->page);
        }
        pos += item->key_n + item->value_n;
    }
    buf_add_slice(b, buf_slice(&p->bytes));
}

/* Write the page and empty it; return its number. */
static uint64_t page_write(struct page *p, struct out *o)
{
    uint64_t id = o->pages;
    uint64_t run = (page_size(p) + SNAPSHOT_PAGE_SIZE - 1) / SNAPSHOT_PAGE_SIZE;
    o->pages += run;
    size_t start = o->pending.n;
    page_encode(p, id, run - 1, &o->pending);
    size_t padding = run * SNAPSHOT_PAGE_SIZE - (o->pending.n - start);
    memset(buf_reserve(&o->pending, padding), 0, padding);
    o->pending.n += padding;
    if (o->pending.n >= WRITE_SIZE)
        out_flush(o);
    page_clear(p);
    return id;
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* levels[0] is the leaf under construction, the others are branches. */
struct tree {
    struct out *out;
    const char *bucket;
    struct page levels[LEVELS_MAX];
};

static void tree_init(struct tree *t, struct out *o)
{
    *t = (struct tree){.out = o};
    for (size_t i = 0; i < LEVELS_MAX; i++)
        t->levels[i].flags = i == 0 ? BBOLT_LEAF : BBOLT_BRANCH;
}

static void tree_fini(struct tree *t)
{
    for (size_t i = 0; i < LEVELS_MAX; i++)
        page_fini(&t->levels[i]);
}

static void tree_put(struct tree *t, size_t level, const struct item *item, struct slice key,
                     struct slice value);

/* Write the page of `level` and tell the level above. */
static void tree_write_page(struct tree *t, size_t level)
{
    struct page *p = &t->levels[level];
    AUTO(buf) struct buf first = BUF_INIT;
    buf_add_slice(&first, page_first_key(p));
    p->has_left = true;
    struct item item = {.key_n = (uint32_t)first.n, .page = page_write(p, t->out)};
    tree_put(t, level + 1, &item, buf_slice(&first), slice_make(NULL, 0));
}

/* Write a branch but for its last item, which begins the next one: so no branch has a single
 * child. */
static void tree_write_branch(struct tree *t, size_t level)
{
    struct page *p = &t->levels[level];
    AUTO(buf) struct buf last = BUF_INIT;
    struct item item = p->items[--p->n];
    p->bytes.n -= item.key_n;
    buf_add(&last, p->bytes.p + p->bytes.n, item.key_n);
    tree_write_page(t, level);
    page_add(p, &item, buf_slice(&last), slice_make(NULL, 0));
}

static void tree_put(struct tree *t, size_t level, const struct item *item, struct slice key,
                     struct slice value)
{
    invariant(level < LEVELS_MAX); /* a branch has two children at least, and mostly a hundred */
    struct page *p = &t->levels[level];
    bool fits = page_size(p) + BBOLT_ELEMENT_SIZE + key.n + value.n <= SNAPSHOT_PAGE_SIZE;
    if (!fits && level == 0 && p->n >= 1)
        tree_write_page(t, level);
    else if (!fits && level != 0 && p->n >= 3)
        tree_write_branch(t, level);
    page_add(p, item, key, value);
}

/* Write what is left and return the page of the root. */
static uint64_t tree_finish(struct tree *t)
{
    size_t level = 0;
    for (; t->levels[level].has_left; level++)
        tree_write_page(t, level);
    return page_write(&t->levels[level], t->out);
}

/* ---- buckets -------------------------------------------------------------------------------- */

static bool add_to_tree(void *arg, struct slice key, struct slice value)
{
    struct tree *t = arg;
    const struct snapshot_filter *f = t->bucket != key_bucket ? t->out->filter : NULL;
    if (f != NULL && !f->row(f->arg, t->bucket, key, &value))
        return true;
    if (key.n == 0 || key.n > BBOLT_KEY_MAX || value.n > BBOLT_VALUE_MAX) {
        out_fail(t->out, key.n == 0 ? ERR_DAMAGED : ERR_TOO_LARGE, "put a row into", 0);
        return false;
    }
    struct item item = {.key_n = (uint32_t)key.n, .value_n = (uint32_t)value.n};
    tree_put(t, 0, &item, key, value);
    return t->out->error == ERR_OK;
}

/* Write the pages of a bucket and put it into the root tree. */
static enum err write_bucket(struct kvdb_reader *r, const char *name, struct out *o,
                             struct tree *root)
{
    struct tree t;
    AUTO(buf) struct buf value = BUF_INIT;
    tree_init(&t, o);
    t.bucket = name;
    enum err e = walk_bucket(r, name, add_to_tree, &t, o->why);
    if (e == ERR_OK)
        e = o->error;
    if (e == ERR_OK) {
        struct page *leaf = &t.levels[0];
        bool is_inline = !leaf->has_left && page_size(leaf) <= INLINE_MAX;
        add_le64(&value, is_inline ? 0 : tree_finish(&t));
        add_le64(&value, 0);
        if (is_inline)
            page_encode(leaf, 0, 0, &value);
        struct slice key = slice_str(name);
        struct item item = {BBOLT_ITEM_BUCKET, (uint32_t)key.n, (uint32_t)value.n, 0};
        tree_put(root, 0, &item, key, buf_slice(&value));
    }
    tree_fini(&t);
    return e;
}

/* ---- metas ---------------------------------------------------------------------------------- */

/* Append meta page `id`; the one with the higher transaction is the one that counts. */
static void add_meta(struct buf *b, uint64_t id, uint64_t root, uint64_t pages)
{
    size_t start = b->n;
    add_page_header(b, id, BBOLT_META, 0, 0);
    size_t body = b->n;
    add_le32(b, BBOLT_MAGIC);
    add_le32(b, BBOLT_VERSION);
    add_le32(b, SNAPSHOT_PAGE_SIZE);
    add_le32(b, 0); /* flags */
    add_le64(b, root);
    add_le64(b, 0); /* sequence */
    add_le64(b, BBOLT_NO_FREE_LIST);
    add_le64(b, pages);
    add_le64(b, 2 - id); /* transaction */
    add_le64(b, bbolt_sum(b->p + body, b->n - body));
    size_t padding = SNAPSHOT_PAGE_SIZE - (b->n - start);
    memset(buf_reserve(b, padding), 0, padding);
    b->n += padding;
}

static void write_metas(struct out *o, uint64_t root)
{
    AUTO(buf) struct buf b = BUF_INIT;
    add_meta(&b, 0, root, o->pages);
    add_meta(&b, 1, root, o->pages);
    out_pwrite(o, b.p, b.n, 0);
}

static enum err write_file(struct kvdb_reader *r, int fd, const struct snapshot_progress *progress,
                           const struct snapshot_filter *filter, uint64_t *ret_size,
                           struct why *why)
{
    struct out o = {.fd = fd, .progress = progress, .filter = filter, .pages = 2, .why = why};
    struct tree root;
    o.written = o.pages * SNAPSHOT_PAGE_SIZE; /* the metas come last */
    tree_init(&root, &o);
    enum err e = ERR_OK;
    for (size_t i = 0; i < ARRAY_LEN(bucket_names) && e == ERR_OK; i++)
        e = write_bucket(r, bucket_names[i], &o, &root);
    if (e == ERR_OK) {
        uint64_t root_page = tree_finish(&root);
        out_flush(&o);
        write_metas(&o, root_page);
        *ret_size = o.pages * SNAPSHOT_PAGE_SIZE;
        e = o.error;
    }
    tree_fini(&root);
    buf_fini(&o.pending);
    return e;
}

enum err snapshot_file_write(struct kvdb_reader *r, int fd,
                             const struct snapshot_progress *progress, uint64_t *ret_size,
                             struct why *why)
{
    return write_file(r, fd, progress, NULL, ret_size, why);
}

enum err snapshot_file_write_filtered(struct kvdb_reader *r, int fd,
                                      const struct snapshot_filter *filter, uint64_t *ret_size,
                                      struct why *why)
{
    return write_file(r, fd, NULL, filter, ret_size, why);
}

/* ---- spool and digest ----------------------------------------------------------------------- */

enum err snapshot_spool_open(const char *dir, int *ret_fd, struct why *why)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        char *path = xasprintf("%s/" DATA_DIR_SPOOL_PREFIX "XXXXXX", dir);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd != -1)
            unlink(path);
        free(path);
    }
    if (fd == -1)
        return why_set(why, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO,
                       "create a spool file in '%s': %s", dir, strerror(errno));
    *ret_fd = fd;
    return ERR_OK;
}

static enum err digest_file(EVP_MD_CTX *ctx, int fd, uint64_t size, struct why *why)
{
    AUTO(buf) struct buf b = BUF_INIT;
    uint8_t *chunk = buf_reserve(&b, WRITE_SIZE);
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < WRITE_SIZE ? (size_t)(size - at) : WRITE_SIZE;
        ssize_t n = pread(fd, chunk, want, (off_t)at);
        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0)
            return why_set(why, ERR_IO, "read the snapshot: %s",
                           n == 0 ? "it is too short" : strerror(errno));
        if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
            return why_set(why, ERR_IO, "SHA-256 failed");
        at += (uint64_t)n;
    }
    return ERR_OK;
}

enum err snapshot_file_digest(int fd, uint64_t size, uint8_t ret_digest[SNAPSHOT_DIGEST_SIZE],
                              struct why *why)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    enum err e = ERR_IO;
    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        (void)why_set(why, e, "SHA-256 is not to be had");
    else
        e = digest_file(ctx, fd, size, why);
    if (e == ERR_OK && EVP_DigestFinal_ex(ctx, ret_digest, NULL) != 1)
        e = why_set(why, ERR_IO, "SHA-256 failed");
    EVP_MD_CTX_free(ctx);
    return e;
}

/* ---- hash ----------------------------------------------------------------------------------- */

struct hash {
    uint32_t crc;
    bool is_meta;
};

static bool add_to_hash(void *arg, struct slice key, struct slice value)
{
    struct hash *h = arg;
    if (h->is_meta && (slice_is(key, "consistent_index") || slice_is(key, "term") ||
                       slice_is(key, "storageVersion")))
        return true;
    h->crc = crc32c(h->crc, key.p, key.n);
    h->crc = crc32c(h->crc, value.p, value.n);
    return true;
}

enum err snapshot_hash(struct kvdb_reader *r, uint32_t *ret_hash, struct why *why)
{
    struct hash h = {.crc = 0};
    for (size_t i = 0; i < ARRAY_LEN(bucket_names); i++) {
        const char *name = bucket_names[i];
        h.is_meta = strcmp(name, BUCKET_META) == 0;
        h.crc = crc32c(h.crc, name, strlen(name));
        enum err e = walk_bucket(r, name, add_to_hash, &h, why);
        if (e != ERR_OK)
            return e;
    }
    *ret_hash = h.crc;
    return ERR_OK;
}
