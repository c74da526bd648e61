/* The stock etcdctl reads and restores our snapshot files, and computes the hash that we compute.
 * Skipped where there is none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/snapshot_file.h"

#include <fcntl.h>
#include <inttypes.h>

#include "iface/kv_wire.h"
#include "scratch.h"

#define ETCDCTL "/usr/bin/etcdctl"

/* Export the database with its digest to snap.db; return the hash. */
static uint32_t export(struct kvdb *db)
{
    struct kvdb_reader *r;
    uint64_t size;
    uint32_t hash;
    uint8_t digest[SNAPSHOT_DIGEST_SIZE];
    int fd = open(scratch_path("snap.db"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    OK(kvdb_reader_open(db, &r, &scratch_why));
    OK(kvdb_reader_begin(r, &scratch_why));
    OK(snapshot_file_write(r, fd, NULL, &size, &scratch_why));
    OK(snapshot_hash(r, &hash, &scratch_why));
    OK(snapshot_file_digest(fd, size, digest, &scratch_why));
    assert_int_equal(pwrite(fd, digest, sizeof digest, (off_t)size), sizeof digest);
    kvdb_reader_end(r);
    kvdb_reader_close(r);
    close(fd);
    return hash;
}

/* Run a shell command and return the first line of its output. */
static const char *run(const char *fmt, ...)
{
    static char line[1024];
    AUTO(buf) struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    FILE *f = popen(buf_cstr(&b), "r");
    assert_non_null(f);
    if (fgets(line, sizeof line, f) == NULL)
        line[0] = '\0';
    while (fgetc(f) != EOF)
        ;
    if (pclose(f) != 0)
        fail_msg("%s: %s", buf_cstr(&b), line);
    return line;
}

/* Read a number of the JSON object in `line`. */
static int64_t json_number(const char *line, const char *name)
{
    char *key = xasprintf("\"%s\":", name);
    const char *p = strstr(line, key);
    if (p == NULL)
        fail_msg("no %s in %s", name, line);
    int64_t v = strtoll(p + strlen(key), NULL, 10);
    free(key);
    return v;
}

/* Export `db`, which holds `rows` in its buckets up to revision `last`, and have it read and
 * restored. */
static void expect_accepted(struct kvdb *db, int64_t rows, revision last)
{
    uint32_t hash = export(db);
    const char *snap = scratch_path("snap.db");
    const char *status = run("ETCDCTL_API=3 " ETCDCTL " snapshot status %s -w json 2>&1", snap);
    assert_int_equal(json_number(status, "hash"), hash);
    assert_int_equal(json_number(status, "totalKey"), rows);
    assert_int_equal(json_number(status, "revision"), last);
    run("ETCDCTL_API=3 " ETCDCTL " snapshot restore %s --data-dir %s 2>&1", snap,
        scratch_path("restored"));
    run("rm -r %s", scratch_path("restored"));
}

static void an_empty_store(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    expect_accepted(db, 0, 0);
    kvdb_close(db);
}

static void one_row(void **state)
{
    (void)state;
    struct kvdb *db = scratch_kvdb("kv.db");
    struct kv_row row = make_row(2, "a", slice_str("b"));
    kvdb_begin(db);
    put_row(db, &row);
    OK(kvdb_commit(db, &scratch_why));
    expect_accepted(db, 1, 2);
    kvdb_close(db);
}

/* Put leasepb.Lease{ID: id, TTL: 60}. */
static void put_lease(struct kvdb *db, lease_id id)
{
    uint8_t key[8], value[32], *p = value;
    be64_put(key, (uint64_t)id);
    p = kv_wire_int(p, 0x08, id);
    p = kv_wire_int(p, 0x10, 60);
    put_bucket(db, BUCKET_LEASE, slice_make(key, 8), slice_make(value, (size_t)(p - value)));
}

static void many_rows(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct kvdb *db = scratch_kvdb("kv.db");
    char key[32], value[256] = {0};
    kvdb_begin(db);
    for (int i = 2; i < N + 2; i++) {
        snprintf(key, sizeof key, "key-%d", i % 1000);
        struct kv_row row = make_row(i, key, slice_make(value, sizeof value));
        if (i % 100 == 0)
            row.version = row.create = row.lease = 0;
        put_row(db, &row);
    }
    for (int i = 0; i < 5000; i++) {
        put_lease(db, (i + 1) * INT64_C(0x123456789));
    }
    OK(kvdb_commit(db, &scratch_why));
    expect_accepted(db, N + 5000, N + 1);
    kvdb_close(db);
}

static void large_keys_and_values(void **state)
{
    (void)state;
    enum { VALUE = 1536 * 1024, NAME = 32768 };
    struct kvdb *db = scratch_kvdb("kv.db");
    uint8_t *bytes = xcalloc(1, VALUE);
    kvdb_begin(db);
    for (int i = 0; i < 20; i++) {
        size_t n = (size_t)VALUE / (size_t)(i + 1);
        struct kv_row row = make_row(i + 2, "k", slice_make(bytes, n));
        put_row(db, &row);
        memset(bytes, 'a' + i, NAME);
        put_bucket(db, BUCKET_AUTH_USERS, slice_make(bytes, NAME), slice_str("user"));
    }
    OK(kvdb_commit(db, &scratch_why));
    free(bytes);
    expect_accepted(db, 40, 21);
    kvdb_close(db);
}

int main(void)
{
    if (access(ETCDCTL, X_OK) == -1)
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_store, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(one_row, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(many_rows, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(large_keys_and_values, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
