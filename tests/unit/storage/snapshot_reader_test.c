/* Snapshot files of three makers: our writer, upstream (upstream.snap is of an etcd 3.4.23), and a
 * builder of small files here that also makes what no one should. Whatever is cut off or changed in
 * a file, reading it ends with ERR_OK or ERR_DAMAGED.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/snapshot_reader.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "iface/kv_wire.h"
#include "scratch.h"
#include "storage/bbolt.h"
#include "storage/snapshot_file.h"

/* ---- building files ------------------------------------------------------------------------- */

static void add_le(struct buf *b, uint64_t v, size_t n)
{
    v = htole64(v);
    buf_add(b, &v, n);
}

static void set_le(struct buf *b, size_t at, uint64_t v, size_t n)
{
    v = htole64(v);
    memcpy(b->p + at, &v, n);
}

static void pad(struct buf *b, size_t size)
{
    while (b->n % size != 0)
        buf_add_byte(b, 0);
}

struct pair {
    struct slice key, value;
    bool is_bucket;
};

static void add_header(struct buf *b, uint64_t id, unsigned flags, size_t count)
{
    add_le(b, id, 8);
    add_le(b, flags, 2);
    add_le(b, count, 2);
    add_le(b, 0, 4);
}

static void add_leaf(struct buf *b, uint64_t id, const struct pair *pairs, size_t n)
{
    size_t pos = n * BBOLT_ELEMENT_SIZE;
    add_header(b, id, BBOLT_LEAF, n);
    for (size_t i = 0; i < n; i++, pos -= BBOLT_ELEMENT_SIZE) {
        add_le(b, pairs[i].is_bucket, 4);
        add_le(b, pos, 4);
        add_le(b, pairs[i].key.n, 4);
        add_le(b, pairs[i].value.n, 4);
        pos += pairs[i].key.n + pairs[i].value.n;
    }
    for (size_t i = 0; i < n; i++) {
        buf_add_slice(b, pairs[i].key);
        buf_add_slice(b, pairs[i].value);
    }
}

static void add_bucket_header(struct buf *b, uint64_t root)
{
    add_le(b, root, 8);
    add_le(b, 0, 8);
}

static void sum_meta(struct buf *b, size_t at)
{
    at += BBOLT_HEADER_SIZE;
    set_le(b, at + BBOLT_META_SUMMED, bbolt_sum(b->p + at, BBOLT_META_SUMMED), 8);
}

static void add_meta(struct buf *b, uint64_t id, size_t page_size, uint64_t pages, uint64_t txid)
{
    size_t at = b->n;
    add_header(b, id, BBOLT_META, 0);
    add_le(b, BBOLT_MAGIC, 4);
    add_le(b, BBOLT_VERSION, 4);
    add_le(b, page_size, 4);
    add_le(b, 0, 4);
    add_bucket_header(b, 2);
    add_le(b, BBOLT_NO_FREE_LIST, 8);
    add_le(b, pages, 8);
    add_le(b, txid, 8);
    add_le(b, 0, 8);
    sum_meta(b, at);
    pad(b, page_size);
}

/* A file whose page 2 is the root leaf with these pairs; page 3 is there for the taking. */
static void build(struct buf *b, size_t page_size, const struct pair *pairs, size_t n)
{
    buf_clear(b);
    add_meta(b, 0, page_size, 4, 6);
    add_meta(b, 1, page_size, 4, 5);
    add_leaf(b, 2, pairs, n);
    pad(b, page_size);
    assert_int_equal(b->n, 3 * page_size);
    add_leaf(b, 3, NULL, 0);
    pad(b, page_size);
}

/* A file with one small bucket. */
static void build_bucket(struct buf *b, const char *name, const struct pair *pairs, size_t n)
{
    AUTO(buf) struct buf value = BUF_INIT;
    add_bucket_header(&value, 0);
    add_leaf(&value, 0, pairs, n);
    build(b, 4096, &(struct pair){slice_str(name), buf_slice(&value), true}, 1);
}

/* ---- reading them --------------------------------------------------------------------------- */

static enum err open_bytes(struct slice bytes, struct snapshot_reader **ret)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
    enum err e = snapshot_reader_open(fd, bytes.n, ret, &scratch_why);
    close(fd);
    return e;
}

static struct snapshot_reader *must_open(const struct buf *b)
{
    struct snapshot_reader *r;
    OK(open_bytes(buf_slice(b), &r));
    return r;
}

struct found {
    struct kv_row rows[16];
    size_t n, max; /* max 0: no limit */
    uint64_t bytes;
};

static bool find_row(void *arg, const struct kv_row *row)
{
    struct found *f = arg;
    if (f->n < ARRAY_LEN(f->rows))
        f->rows[f->n] = *row;
    for (size_t i = 0; i < row->key.n; i++)
        f->bytes += row->key.p[i];
    for (size_t i = 0; i < row->value.n; i++)
        f->bytes += row->value.p[i];
    return ++f->n != f->max;
}

static bool find_pair(void *arg, struct slice key, struct slice value)
{
    return find_row(arg, &(struct kv_row){.key = key, .value = value});
}

/* Read all there is, each byte of it; ERR_OK or ERR_DAMAGED. */
static enum err read_all(struct slice bytes)
{
    struct snapshot_reader *r;
    struct found f = {.n = 0};
    struct slice value;
    enum err e = open_bytes(bytes, &r);
    if (e != ERR_OK) {
        assert_int_equal(e, ERR_DAMAGED);
        return e;
    }
    enum err errs[] = {
        snapshot_reader_check(r, &scratch_why),
        snapshot_reader_scan(r, NULL, find_pair, &f, &scratch_why),
        snapshot_reader_scan(r, BUCKET_META, find_pair, &f, &scratch_why),
        snapshot_reader_rows(r, find_row, &f, &scratch_why),
        snapshot_reader_get(r, BUCKET_CLUSTER, "clusterVersion", &value),
    };
    snapshot_reader_close(r);
    for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
        if (errs[i] == ERR_DAMAGED)
            return ERR_DAMAGED;
        assert_true(errs[i] == ERR_OK || errs[i] == ERR_NOT_FOUND);
    }
    return ERR_OK;
}

/* ---- our own files -------------------------------------------------------------------------- */

static void export(struct kvdb *db, bool with_digest, struct buf *ret)
{
    struct kvdb_reader *r;
    uint8_t digest[SNAPSHOT_DIGEST_SIZE];
    uint64_t size;
    int fd;
    OK(kvdb_reader_open(db, &r, &scratch_why));
    OK(kvdb_reader_begin(r, &scratch_why));
    OK(snapshot_spool_open(scratch_dir, &fd, &scratch_why));
    OK(snapshot_file_write(r, fd, NULL, &size, &scratch_why));
    OK(snapshot_file_digest(fd, size, digest, &scratch_why));
    buf_clear(ret);
    assert_int_equal(pread(fd, buf_reserve(ret, size), size, 0), size);
    ret->n = size;
    if (with_digest)
        buf_add(ret, digest, sizeof digest);
    close(fd);
    kvdb_reader_end(r);
    kvdb_reader_close(r);
}

static void fill(struct kvdb *db, int64_t n, size_t value_size)
{
    AUTO(buf) struct buf value = BUF_INIT;
    memset(buf_reserve(&value, value_size + 1), 'v', value_size + 1);
    char key[32];
    kvdb_begin(db);
    for (int64_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key%03d", (int)(i % 500));
        value.n = value_size * (size_t)(i % 7) / 6;
        struct kv_row row = make_row(i / 3 + 2, key, buf_slice(&value));
        row.sub = i % 3;
        row.pos += row.sub;
        row.lease = i % 4 ? 0 : INT64_C(0x7000000000000001) + i;
        if (i % 5 == 0)
            row = (struct kv_row){row.pos, row.main, row.sub, 0, 0, 0, row.key, {NULL, 0}};
        put_row(db, &row);
        put_bucket(db, BUCKET_AUTH_USERS, slice_str(key), slice_str("user"));
    }
    put_bucket(db, BUCKET_META, slice_str("consistent_index"), slice_str("12345678"));
    put_bucket(db, BUCKET_LOCAL, slice_str("private"), slice_str("to this member"));
    OK(kvdb_commit(db, &scratch_why));
}

struct compare {
    struct kv_reader *kv;
    int64_t n;
};

static bool compare_row(void *arg, const struct kv_row *row)
{
    struct compare *c = arg;
    struct kv_row want;
    assert_int_equal(c->kv->ops->get(c->kv, row->pos, &want), ERR_OK);
    assert_int_equal(row->main, want.main);
    assert_int_equal(row->sub, want.sub);
    assert_int_equal(row->create, want.create);
    assert_int_equal(row->version, want.version);
    assert_true(row->lease == want.lease);
    assert_true(slice_eq(row->key, want.key));
    assert_true(slice_eq(row->value, want.value));
    c->n++;
    return true;
}

static void expect_round_trip(int64_t n, size_t value_size)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kvdb_reader *kr;
    struct found users = {.n = 0}, buckets = {.n = 0}, local = {.n = 0};
    fill(db, n, value_size);
    export(db, true, &b);
    struct snapshot_reader *r = must_open(&b);
    assert_int_equal(snapshot_reader_digest(r), SNAPSHOT_DIGEST_GOOD);
    OK(snapshot_reader_check(r, &scratch_why));
    OK(kvdb_reader_open(db, &kr, &scratch_why));
    OK(kvdb_reader_begin(kr, &scratch_why));
    struct compare c = {.kv = kvdb_reader_kv(kr)};
    OK(snapshot_reader_rows(r, compare_row, &c, &scratch_why));
    assert_int_equal(c.n, n);
    OK(snapshot_reader_scan(r, BUCKET_AUTH_USERS, find_pair, &users, &scratch_why));
    assert_int_equal(users.n, n < 500 ? n : 500);
    OK(snapshot_reader_scan(r, NULL, find_pair, &buckets, &scratch_why));
    assert_int_equal(buckets.n, 10);
    OK(snapshot_reader_scan(r, BUCKET_LOCAL, find_pair, &local, &scratch_why));
    assert_int_equal(local.n, 0);
    snapshot_reader_close(r);
    kvdb_reader_end(kr);
    kvdb_reader_close(kr);
    kvdb_close(db);
    unlink(scratch_path("kv.db"));
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    expect_round_trip(0, 0);
    expect_round_trip(1, 10);
    expect_round_trip(30, 20000);
    expect_round_trip(20000, 600);
}

static void the_digest_is_told(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    struct kvdb *db = scratch_kvdb("kv.db");
    fill(db, 10, 10);
    export(db, false, &b);
    struct snapshot_reader *r = must_open(&b);
    assert_int_equal(snapshot_reader_digest(r), SNAPSHOT_DIGEST_NONE);
    snapshot_reader_close(r);
    export(db, true, &b);
    b.p[b.n - 1] ^= 1;
    r = must_open(&b);
    assert_int_equal(snapshot_reader_digest(r), SNAPSHOT_DIGEST_BAD);
    OK(snapshot_reader_check(r, &scratch_why));
    snapshot_reader_close(r);
    kvdb_close(db);
}

static void a_scan_ends_when_it_is_told_to(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    struct kvdb *db = scratch_kvdb("kv.db");
    fill(db, 9000, 100);
    export(db, false, &b);
    kvdb_close(db);
    struct snapshot_reader *r = must_open(&b);
    for (size_t max = 1; max < 9000; max = max * 3 + 1) {
        struct found rows = {.max = max}, users = {.max = max % 500 + 1};
        OK(snapshot_reader_rows(r, find_row, &rows, &scratch_why));
        assert_int_equal(rows.n, max);
        OK(snapshot_reader_scan(r, BUCKET_AUTH_USERS, find_pair, &users, &scratch_why));
        assert_int_equal(users.n, users.max);
    }
    snapshot_reader_close(r);
}

/* ---- upstream's files ----------------------------------------------------------------------- */

static void read_upstream(struct buf *b)
{
    const char *srcdir = getenv("srcdir");
    char *path = xasprintf("%s/tests/unit/storage/upstream.snap", srcdir ? srcdir : ".");
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    b->n = fread(buf_reserve(b, 65536), 1, 65536, f);
    fclose(f);
    free(path);
}

static void expect_upstream(const struct buf *b, enum snapshot_digest digest)
{
    struct snapshot_reader *r = must_open(b);
    struct found rows = {.n = 0}, buckets = {.n = 0};
    struct slice value;
    assert_int_equal(snapshot_reader_digest(r), digest);
    OK(snapshot_reader_check(r, &scratch_why));
    OK(snapshot_reader_scan(r, NULL, find_pair, &buckets, &scratch_why));
    assert_int_equal(buckets.n, 10);
    OK(snapshot_reader_get(r, BUCKET_CLUSTER, "clusterVersion", &value));
    assert_true(slice_is(value, "3.4.0"));
    assert_int_equal(snapshot_reader_get(r, BUCKET_CLUSTER, "downgrade", &value), ERR_NOT_FOUND);
    assert_int_equal(snapshot_reader_get(r, "no bucket", "key", &value), ERR_NOT_FOUND);
    OK(snapshot_reader_rows(r, find_row, &rows, &scratch_why));
    assert_int_equal(rows.n, 2);
    assert_true(slice_is(rows.rows[0].key, "leased"));
    assert_true(slice_is(rows.rows[0].value, "with a lease"));
    assert_int_equal(rows.rows[0].pos, INT64_C(2) << 20);
    assert_int_equal(rows.rows[0].version, 1);
    assert_true(rows.rows[0].lease != 0);
    assert_true(slice_is(rows.rows[1].key, "after"));
    snapshot_reader_close(r);
}

static void a_file_of_upstream(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    read_upstream(&b);
    expect_upstream(&b, SNAPSHOT_DIGEST_GOOD);
    b.n -= SNAPSHOT_DIGEST_SIZE;
    expect_upstream(&b, SNAPSHOT_DIGEST_NONE);
    memset(buf_reserve(&b, 65536), 0xee, 65536); /* a database file grows in steps */
    b.n += 65536;
    expect_upstream(&b, SNAPSHOT_DIGEST_NONE);
}

/* ---- meta pages ----------------------------------------------------------------------------- */

static void the_newer_meta_counts_unless_it_is_torn(void **state)
{
    (void)state;
    static const size_t page_sizes[] = {1024, 4096, 16384, 65536};
    for (size_t i = 0; i < ARRAY_LEN(page_sizes); i++) {
        AUTO(buf) struct buf b = BUF_INIT;
        size_t page = page_sizes[i], root = BBOLT_HEADER_SIZE + 16, txid = BBOLT_HEADER_SIZE + 48;
        build(&b, page, NULL, 0);
        set_le(&b, page + root, 99, 8); /* the older one names no page */
        sum_meta(&b, page);
        assert_int_equal(read_all(buf_slice(&b)), ERR_OK);
        set_le(&b, page + txid, 7, 8); /* and now it is the newer one */
        sum_meta(&b, page);
        assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
        b.p[page + BBOLT_HEADER_SIZE + BBOLT_META_SUMMED] ^= 1;
        assert_int_equal(read_all(buf_slice(&b)), ERR_OK);
        build(&b, page, NULL, 0);
        b.p[root] ^= 1; /* without the first one */
        assert_int_equal(read_all(buf_slice(&b)), ERR_OK);
        b.p[page + root] ^= 1;
        assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    }
}

static void a_file_that_ends_early(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    struct snapshot_reader *r;
    read_upstream(&b);
    for (size_t n = 0; n < b.n - SNAPSHOT_DIGEST_SIZE; n += n < 8200 ? 41 : 509)
        assert_int_equal(read_all(slice_make(b.p, n)), ERR_DAMAGED);
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    assert_int_equal(write(fd, b.p, 8192), 8192);
    assert_int_equal(snapshot_reader_open(fd, b.n, &r, &scratch_why), ERR_DAMAGED);
    close(fd);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void any_byte_may_be_wrong(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    AUTO(buf) struct buf b = BUF_INIT;
    read_upstream(&b);
    size_t n = b.n - SNAPSHOT_DIGEST_SIZE, damaged = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(masks) && (b.p[i] != 0 || i % 4096 < 512); k++) {
            b.p[i] ^= masks[k];
            damaged += read_all(slice_make(b.p, n)) == ERR_DAMAGED;
            b.p[i] ^= masks[k];
        }
    }
    assert_true(damaged > 100);
}

/* A tree of one bucket whose root is page 3; `page` is written there. */
static void build_tree(struct buf *b, const struct buf *page)
{
    AUTO(buf) struct buf value = BUF_INIT;
    add_bucket_header(&value, 3);
    build(b, 4096, &(struct pair){slice_str("key"), buf_slice(&value), true}, 1);
    memcpy(b->p + 3 * (size_t)4096, page->p, page->n);
}

static void add_branch(struct buf *b, uint64_t id, const char *keys, const uint64_t *children)
{
    size_t n = strlen(keys);
    add_header(b, id, BBOLT_BRANCH, n);
    for (size_t i = 0; i < n; i++) {
        add_le(b, (n - i) * BBOLT_ELEMENT_SIZE + i, 4);
        add_le(b, 1, 4);
        add_le(b, children[i], 8);
    }
    buf_add_str(b, keys);
}

static void trees_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        uint64_t children[3];
    } cases[] = {
        {"a", {3}}, {"ab", {3, 3}}, {"a", {0}}, {"a", {1}},
        {"a", {4}}, {"a", {2}},     {"", {0}},  {"a", {UINT64_MAX}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf) struct buf b = BUF_INIT, page = BUF_INIT;
        add_branch(&page, 3, cases[i].keys, cases[i].children);
        build_tree(&b, &page);
        assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
        set_le(&b, 3 * 4096 + 12, 1, 4); /* longer than the file */
        assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    }
}

static void a_page_that_is_used_twice(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT, value = BUF_INIT;
    add_bucket_header(&value, 3); /* an empty leaf */
    struct pair pairs[] = {{slice_str("a"), buf_slice(&value), true},
                           {slice_str("b"), buf_slice(&value), true}};
    build(&b, 4096, pairs, 1);
    assert_int_equal(read_all(buf_slice(&b)), ERR_OK);
    build(&b, 4096, pairs, 2);
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    assert_non_null(strstr(scratch_why.text, "twice"));
}

static void pairs_that_are_out_of_place(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    static uint8_t long_key[BBOLT_KEY_MAX + 1];
    struct pair good[] = {{slice_str("a"), slice_str("1"), false},
                          {slice_str("b"), slice_str("2"), false}};
    struct pair falling[] = {good[1], good[0]}, twice[] = {good[0], good[0]};
    struct pair no_key = {slice_str(""), slice_str("1"), false};
    struct pair nested = {slice_str("a"), slice_str("1234567812345678"), true};
    build_bucket(&b, BUCKET_META, good, 2);
    assert_int_equal(read_all(buf_slice(&b)), ERR_OK);
    build_bucket(&b, BUCKET_META, falling, 2);
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    build_bucket(&b, BUCKET_META, twice, 2);
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    build_bucket(&b, BUCKET_META, &no_key, 1);
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    build_bucket(&b, BUCKET_META, &nested, 1);
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    build(&b, 4096, good, 1); /* outside of all buckets */
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
    struct pair long_pair = {slice_make(long_key, sizeof long_key), slice_str(""), true};
    build(&b, 65536, &long_pair, 1);
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* The key of a revision; a negative `sub` stands for a tombstone of -sub - 1. */
static struct slice rev_key(uint8_t p[18], revision main, int64_t sub)
{
    struct kv_row row = {
        .main = main, .sub = sub < 0 ? -sub - 1 : sub, .version = sub >= 0, .key = slice_str("k")};
    return slice_make(p, kv_wire_rev_key(p, &row));
}

/* Read the history that has one row of these bytes. */
static enum err read_row(struct slice key, const char *hex, struct found *ret)
{
    AUTO(buf) struct buf b = BUF_INIT, value = BUF_INIT;
    unsigned c;
    for (; sscanf(hex, "%2x", &c) == 1; hex += 2)
        buf_add_byte(&value, (uint8_t)c);
    build_bucket(&b, BBOLT_KEY_BUCKET, &(struct pair){key, buf_slice(&value), false}, 1);
    struct snapshot_reader *r = must_open(&b);
    *ret = (struct found){.n = 0};
    enum err e = snapshot_reader_rows(r, find_row, ret, &scratch_why);
    snapshot_reader_close(r);
    return e;
}

static void rows_that_can_be(void **state)
{
    (void)state;
    static const struct {
        int64_t sub;
        const char *hex;
        int64_t create, version, lease;
        size_t key_n, value_n;
    } cases[] = {
        {0, "0a016b100318072001", 3, 1, 0, 1, 0},
        {0, "0a016b1003180720022a02767630ffffffffffffffff7f", 3, 2, INT64_MAX, 1, 2},
        {0, "320178390000000000000000450000000030050a016b100320011807", 3, 1, 5, 1, 0},
        {-1, "0a016b", 0, 0, 0, 1, 0},
        {-1, "0a016b1003180720022a0176", 0, 0, 0, 1, 0},
        {0, "", 0, 0, 0, 0, 0}, /* only lifts the revision */
    };
    uint8_t key[18];
    struct found f;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        OK(read_row(rev_key(key, 7, cases[i].sub), cases[i].hex, &f));
        assert_int_equal(f.n, 1);
        assert_int_equal(f.rows[0].main, 7);
        assert_int_equal(f.rows[0].sub, 0);
        assert_int_equal(f.rows[0].create, cases[i].create);
        assert_int_equal(f.rows[0].version, cases[i].version);
        assert_true(f.rows[0].lease == cases[i].lease);
        assert_int_equal(f.rows[0].key.n, cases[i].key_n);
        assert_int_equal(f.rows[0].value.n, cases[i].value_n);
    }
}

static void rows_that_cannot_be(void **state)
{
    (void)state;
    static const char good[] = "0a016b100318072001";
    static const char *const values[] = {
        "0a016b10031807",                       /* no version */
        "0a016b18072001",                       /* no creation */
        "0a016b100818072001",                   /* created after it was changed */
        "100318072001",                         /* no key */
        "2a0176",                               /* a value and no key */
        "0a026b",                               /* cut off */
        "0a016b1003180720ffffffffffffffffff01", /* a negative version */
        "0a016b10",
        "0a016b13",
        "00",
    };
    uint8_t key[18];
    struct found f;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        assert_int_equal(read_row(rev_key(key, 7, 0), values[i], &f), ERR_DAMAGED);
    assert_int_equal(read_row(rev_key(key, 7, -1), "", &f), ERR_DAMAGED);
    OK(read_row(rev_key(key, INT64_C(1) << 41, INT32_MAX), good, &f));
    assert_int_equal(read_row(rev_key(key, INT64_C(1) << 42, 0), good, &f), ERR_DAMAGED);
    assert_int_equal(read_row(rev_key(key, 0, 0), good, &f), ERR_DAMAGED);
    assert_int_equal(read_row(rev_key(key, 7, INT64_C(1) << 31), good, &f), ERR_DAMAGED);
    struct slice k = rev_key(key, 7, -1);
    assert_int_equal(read_row(slice_make(k.p, 16), good, &f), ERR_DAMAGED);
    key[17] = 'u';
    assert_int_equal(read_row(k, good, &f), ERR_DAMAGED);
    key[8] = '-';
    assert_int_equal(read_row(slice_make(k.p, 17), good, &f), ERR_DAMAGED);
}

static void places_ascend_with_revisions(void **state)
{
    (void)state;
    AUTO(buf) struct buf b = BUF_INIT;
    static const struct {
        revision main;
        int64_t sub, pos;
    } want[] = {
        {2, 0, 2 << 20},
        {2, 7, (2 << 20) + 1},
        {3, -2, 3 << 20},
        {9, 0, 9 << 20},
    };
    uint8_t keys[ARRAY_LEN(want)][18];
    struct pair pairs[ARRAY_LEN(want) + 1];
    static const uint8_t row[] = {0x0a, 1, 'k', 0x10, 1, 0x20, 1};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        pairs[i] = (struct pair){rev_key(keys[i], want[i].main, want[i].sub),
                                 slice_make(row, sizeof row), false};
    build_bucket(&b, BBOLT_KEY_BUCKET, pairs, ARRAY_LEN(want));
    struct snapshot_reader *r = must_open(&b);
    struct found f = {.n = 0};
    OK(snapshot_reader_rows(r, find_row, &f, &scratch_why));
    assert_int_equal(f.n, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_int_equal(f.rows[i].pos, want[i].pos);
    snapshot_reader_close(r);

    uint8_t again[18]; /* a revision that is a change and a tombstone */
    pairs[ARRAY_LEN(want)] = (struct pair){rev_key(again, 9, -1), slice_make(row, 3), false};
    build_bucket(&b, BBOLT_KEY_BUCKET, pairs, ARRAY_LEN(want) + 1);
    assert_int_equal(read_all(buf_slice(&b)), ERR_DAMAGED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read),
        TEST(the_digest_is_told),
        TEST(a_scan_ends_when_it_is_told_to),
        cmocka_unit_test(a_file_of_upstream),
        cmocka_unit_test(the_newer_meta_counts_unless_it_is_torn),
        cmocka_unit_test(a_file_that_ends_early),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(trees_that_are_none),
        cmocka_unit_test(a_page_that_is_used_twice),
        cmocka_unit_test(pairs_that_are_out_of_place),
        cmocka_unit_test(rows_that_can_be),
        cmocka_unit_test(rows_that_cannot_be),
        cmocka_unit_test(places_ascend_with_revisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
