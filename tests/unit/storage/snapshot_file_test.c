/* A small reader of bbolt files walks what was exported: every page in its place and reached once,
 * keys ascending, and the contents those of the database.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/snapshot_file.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/crc32c.h"
#include "iface/kv_wire.h"
#include "scratch.h"

enum { PAGE = SNAPSHOT_PAGE_SIZE, ELEMENT = 16, BRANCH = 1, LEAF = 2, META = 4 };

/* ---- reading a file ------------------------------------------------------------------------- */

struct file {
    struct buf b;
    bool *is_used; /* by page */
    uint64_t pages;
    uint32_t crc;
    int64_t rows, buckets;
    int depth; /* the deepest tree */
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

/* Mark the run of page `id` as used and return it. */
static const uint8_t *take_page(struct file *f, uint64_t id)
{
    assert_true(id >= 2 && id < f->pages);
    const uint8_t *p = f->b.p + id * PAGE;
    assert_int_equal(le64(p), id);
    uint64_t overflow = le32(p + 12);
    assert_true(id + overflow < f->pages);
    for (uint64_t i = id; i <= id + overflow; i++) {
        assert_false(f->is_used[i]);
        f->is_used[i] = true;
    }
    return p;
}

static void expect_ascending(struct slice *last, struct slice key)
{
    assert_true(key.n > 0 && (last->p == NULL || slice_cmp(*last, key) < 0));
    *last = key;
}

static void walk_leaf(struct file *f, const uint8_t *page, struct slice *last);

/* Walk the tree under page `id`; return its first key. */
static struct slice walk_tree(struct file *f, uint64_t id, struct slice *last, int depth)
{
    const uint8_t *p = take_page(f, id);
    struct slice first = {NULL, 0};
    unsigned count = le16(p + 10);
    if (depth > f->depth)
        f->depth = depth;
    if (le16(p + 8) == LEAF) {
        const uint8_t *e = p + 16;
        assert_true(count > 0);
        walk_leaf(f, p, last);
        return slice_make(e + le32(e + 4), le32(e + 8));
    }
    assert_int_equal(le16(p + 8), BRANCH);
    assert_true(count >= 2);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *e = p + 16 + i * ELEMENT;
        struct slice key = slice_make(e + le32(e), le32(e + 4));
        struct slice child = walk_tree(f, le64(e + 8), last, depth + 1);
        assert_true(slice_eq(key, child));
        if (i == 0)
            first = key;
    }
    return first;
}

static void walk_bucket(struct file *f, struct slice name, struct slice value)
{
    struct slice last = {NULL, 0};
    uint64_t root = le64(value.p);
    assert_int_equal(le64(value.p + 8), 0);
    f->crc = crc32c(f->crc, name.p, name.n);
    f->buckets++;
    if (root != 0) {
        assert_int_equal(value.n, 16);
        walk_tree(f, root, &last, 1);
    } else {
        assert_int_equal(le64(value.p + 16), 0);
        assert_int_equal(le16(value.p + 24), LEAF);
        assert_true(value.n - 16 <= PAGE / 4);
        walk_leaf(f, value.p + 16, &last);
    }
}

static void walk_leaf(struct file *f, const uint8_t *page, struct slice *last)
{
    unsigned count = le16(page + 10);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *e = page + 16 + i * ELEMENT;
        struct slice key = slice_make(e + le32(e + 4), le32(e + 8));
        struct slice value = slice_make(key.p + key.n, le32(e + 12));
        assert_true(value.p + value.n <= f->b.p + f->b.n);
        expect_ascending(last, key);
        if (le32(e) == 1) {
            walk_bucket(f, key, value);
            continue;
        }
        f->rows++;
        f->crc = crc32c(f->crc, key.p, key.n);
        f->crc = crc32c(f->crc, value.p, value.n);
    }
}

static uint64_t fnv1a(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Check both metas; return the root page. */
static uint64_t check_metas(const struct file *f)
{
    for (uint64_t id = 0; id < 2; id++) {
        const uint8_t *p = f->b.p + id * PAGE;
        assert_int_equal(le64(p), id);
        assert_int_equal(le16(p + 8), META);
        assert_int_equal(le32(p + 16), 0xed0cdaed);
        assert_int_equal(le32(p + 20), 2);
        assert_int_equal(le32(p + 24), PAGE);
        assert_true(le64(p + 48) == UINT64_MAX);
        assert_int_equal(le64(p + 56), f->pages);
        assert_int_equal(le64(p + 64), 2 - id);
        assert_true(le64(p + 72) == fnv1a(p + 16, 56));
    }
    assert_memory_equal(f->b.p + 32, f->b.p + PAGE + 32, 32);
    return le64(f->b.p + 32);
}

static void walk_file(struct file *f)
{
    struct slice last = {NULL, 0};
    f->pages = f->b.n / PAGE;
    f->is_used = xcalloc(f->pages, sizeof *f->is_used);
    walk_tree(f, check_metas(f), &last, 1);
    for (uint64_t i = 2; i < f->pages; i++)
        assert_true(f->is_used[i]);
    assert_int_equal(f->buckets, 10);
    free(f->is_used);
}

/* ---- exporting ------------------------------------------------------------------------------ */

static struct kvdb_reader *begin_reader(struct kvdb *db)
{
    struct kvdb_reader *r;
    OK(kvdb_reader_open(db, &r, &scratch_why));
    OK(kvdb_reader_begin(r, &scratch_why));
    return r;
}

static void end_reader(struct kvdb_reader *r)
{
    kvdb_reader_end(r);
    kvdb_reader_close(r);
}

static uint32_t hash_of(struct kvdb *db)
{
    struct kvdb_reader *r = begin_reader(db);
    uint32_t hash;
    OK(snapshot_hash(r, &hash, &scratch_why));
    end_reader(r);
    return hash;
}

/* Export to a spool, without digest. */
static enum err export(struct kvdb *db, const struct snapshot_progress *progress, struct file *f)
{
    struct kvdb_reader *r = begin_reader(db);
    uint64_t size = 0;
    int fd;
    OK(snapshot_spool_open(scratch_dir, &fd, &scratch_why));
    enum err e = snapshot_file_write(r, fd, progress, &size, &scratch_why);
    if (e == ERR_OK) {
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, size);
        assert_int_equal(pread(fd, buf_reserve(&f->b, size), size, 0), size);
        f->b.n = size;
    }
    close(fd);
    end_reader(r);
    return e;
}

/* Export, walk, and compare with the database. */
static struct file expect_sound(struct kvdb *db, int64_t rows)
{
    struct file f = {.crc = 0};
    OK(export(db, NULL, &f));
    walk_file(&f);
    assert_int_equal(f.rows, rows);
    assert_int_equal(f.crc, hash_of(db));
    buf_fini(&f.b);
    return f;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void an_empty_store(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct file f = expect_sound(db, 0);
    assert_int_equal(f.pages, 3);
    kvdb_close(db);
}

static void put_rows(struct kvdb *db, int64_t n, size_t value_size)
{
    AUTO(buf) struct buf value = BUF_INIT;
    memset(buf_reserve(&value, value_size), 'v', value_size);
    value.n = value_size;
    kvdb_begin(db);
    for (int64_t i = 2; i < n + 2; i++) {
        struct kv_row row = make_row(i, "key", buf_slice(&value));
        row.version = i % 5; /* every fifth is a tombstone */
        put_row(db, &row);
    }
    OK(kvdb_commit(db, &scratch_why));
}

static void row_counts_around_page_limits(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 80; n++) {
        struct kvdb *db = scratch_kvdb("kv.db");
        put_rows(db, n, 100);
        expect_sound(db, n);
        kvdb_close(db);
        unlink(scratch_path("kv.db"));
    }
}

static void three_levels(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    put_rows(db, 60000, 1000);
    assert_true(expect_sound(db, 60000).depth >= 3);
    kvdb_close(db);
}

static void values_of_many_pages(void **state)
{
    (void)state;
    static const size_t sizes[] = {3900, 4000, 4030, 4060, 4096, 5000, 8170, 1536 * 1024};
    struct kvdb *db = scratch_kvdb("kv.db");
    uint8_t *bytes = xcalloc(1, sizes[ARRAY_LEN(sizes) - 1]);
    kvdb_begin(db);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct kv_row row = make_row((revision)i + 2, "k", slice_make(bytes, sizes[i]));
        put_row(db, &row);
    }
    OK(kvdb_commit(db, &scratch_why));
    free(bytes);
    expect_sound(db, ARRAY_LEN(sizes));
    kvdb_close(db);
}

/* Keys as long as a page make each branch hold as few children as may be: a deep tree. */
static void deep_branches_of_long_keys(void **state)
{
    (void)state;
    static uint8_t key[5000];
    struct kvdb *db = scratch_kvdb("kv.db");
    kvdb_begin(db);
    for (uint64_t i = 0; i < 300; i++) {
        be64_put(key, i);
        put_bucket(db, BUCKET_AUTH_ROLES, slice_make(key, sizeof key), slice_str("role"));
    }
    OK(kvdb_commit(db, &scratch_why));
    assert_true(expect_sound(db, 300).depth >= 6);
    kvdb_close(db);
}

static void buckets_inline_and_not(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    static const char *const names[] = {
        BUCKET_ALARM,   BUCKET_AUTH,    BUCKET_AUTH_ROLES,      BUCKET_AUTH_USERS, BUCKET_CLUSTER,
        BUCKET_LEASE,   BUCKET_MEMBERS, BUCKET_MEMBERS_REMOVED, BUCKET_META,
    };
    uint8_t value[100] = {0};
    int64_t rows = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        kvdb_begin(db);
        for (uint8_t k = 0; k < 3 + i; k++, rows++)
            put_bucket(db, names[i], slice_make(&k, 1), slice_make(value, sizeof value));
        OK(kvdb_commit(db, &scratch_why));
    }
    put_rows(db, 2, 300);
    expect_sound(db, rows + 2);
    kvdb_close(db);
}

static void equal_states_give_equal_files(void **state)
{
    (void)state;
    struct file a = {.crc = 0}, b = {.crc = 0};
    struct kvdb *one = scratch_kvdb("one.db"), *two = scratch_kvdb("two.db");
    put_rows(one, 100, 50);
    put_rows(two, 100, 50);
    OK(export(one, NULL, &a));
    OK(export(two, NULL, &b));
    assert_true(slice_eq(buf_slice(&a.b), buf_slice(&b.b)));
    buf_fini(&a.b);
    buf_fini(&b.b);
    kvdb_close(one);
    kvdb_close(two);
}

static void the_hash_leaves_out_what_differs_between_members(void **state)
{
    (void)state;
    static const char *const left_out[] = {"consistent_index", "term", "storageVersion"};
    struct kvdb *db = scratch_kvdb("kv.db");
    put_rows(db, 3, 5);
    uint32_t before = hash_of(db);
    for (size_t i = 0; i < ARRAY_LEN(left_out); i++) {
        kvdb_begin(db);
        put_bucket(db, BUCKET_META, slice_str(left_out[i]), slice_str("x"));
        OK(kvdb_commit(db, &scratch_why));
    }
    assert_int_equal(hash_of(db), before);
    kvdb_begin(db);
    put_bucket(db, BUCKET_AUTH, slice_str("term"), slice_str("x"));
    OK(kvdb_commit(db, &scratch_why));
    assert_int_not_equal(hash_of(db), before);
    kvdb_close(db);
}

static bool stop_late(void *arg, uint64_t written)
{
    (void)written;
    return ++*(int *)arg < 3;
}

static void an_export_can_be_stopped(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct file f = {.crc = 0};
    int calls = 0;
    put_rows(db, 2000, 1000);
    struct snapshot_progress progress = {stop_late, &calls};
    assert_int_equal(export(db, &progress, &f), ERR_CLOSED);
    assert_int_equal(calls, 3);
    kvdb_close(db);
}

static void what_upstream_could_not_read_is_refused(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kv_writer *w = kvdb_writer(db);
    struct file f = {.crc = 0};
    uint8_t *long_key = xcalloc(1, 32769);
    kvdb_begin(db);
    put_bucket(db, BUCKET_AUTH_USERS, slice_make(long_key, 32769), slice_str("x"));
    OK(kvdb_commit(db, &scratch_why));
    assert_int_equal(export(db, NULL, &f), ERR_TOO_LARGE);
    kvdb_begin(db);
    w->ops->bucket_remove(w, BUCKET_AUTH_USERS, slice_make(long_key, 32769));
    put_bucket(db, BUCKET_AUTH_USERS, slice_make(NULL, 0), slice_str("x"));
    OK(kvdb_commit(db, &scratch_why));
    assert_int_equal(export(db, NULL, &f), ERR_DAMAGED);
    free(long_key);
    kvdb_close(db);
}

static void a_failing_write_is_told(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kvdb_reader *r = begin_reader(db);
    uint64_t size;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(snapshot_file_write(r, fd, NULL, &size, &scratch_why), ERR_IO);
    close(fd);
    end_reader(r);
    kvdb_close(db);
}

static void spools_have_no_name(void **state)
{
    (void)state;
    int fd, n = 0;
    OK(snapshot_spool_open(scratch_dir, &fd, &scratch_why));
    DIR *dir = opendir(scratch_dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    assert_int_equal(n, 2);
    close(fd);
    assert_int_equal(snapshot_spool_open(scratch_path("none"), &fd, &scratch_why), ERR_IO);
}

static void the_digest_is_sha256(void **state)
{
    (void)state;
    static const uint8_t want[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                   0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                   0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t digest[SNAPSHOT_DIGEST_SIZE];
    int fd;
    OK(snapshot_spool_open(scratch_dir, &fd, &scratch_why));
    assert_int_equal(pwrite(fd, "abcd", 4, 0), 4);
    OK(snapshot_file_digest(fd, 3, digest, &scratch_why));
    assert_memory_equal(digest, want, sizeof want);
    assert_int_equal(snapshot_file_digest(fd, 5, digest, &scratch_why), ERR_IO);
    close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_store),
        TEST(row_counts_around_page_limits),
        TEST(three_levels),
        TEST(values_of_many_pages),
        TEST(deep_branches_of_long_keys),
        TEST(buckets_inline_and_not),
        TEST(equal_states_give_equal_files),
        TEST(the_hash_leaves_out_what_differs_between_members),
        TEST(an_export_can_be_stopped),
        TEST(what_upstream_could_not_read_is_refused),
        TEST(a_failing_write_is_told),
        TEST(spools_have_no_name),
        TEST(the_digest_is_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
