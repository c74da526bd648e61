/* A restore on a disk that fails or fills up leaves no data directory: whatever operation it is.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "tests/unit/storage/scratch.h"
#include "etcdutl/check.h"
#include "etcdutl/restore.h"
#include "tests/lib/fault_vfs.h"

static char *snapshot_path(void)
{
    const char *srcdir = getenv("srcdir");
    return xasprintf("%s/tests/unit/storage/upstream.snap", srcdir ? srcdir : ".");
}

static enum err restore(const char *data_dir, const char *wal_dir)
{
    char *snapshot = snapshot_path();
    struct restore_report report;
    struct restore_options o = {
        .snapshot = snapshot,
        .data_dir = data_dir,
        .wal_dir = wal_dir,
        .founders = {"a", "a=http://127.0.0.1:1,b=http://127.0.0.1:2", "token",
                     "http://127.0.0.1:1"},
        .vfs = FAULT_VFS,
    };
    enum err e = restore_run(&o, &report, &scratch_why);
    if (e == ERR_OK)
        assert_int_equal(report.members, 2);
    free(snapshot);
    return e;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Each operation fails in turn; nothing is left. Then none does, and the directory is sound. */
static void test_every_operation(void **state)
{
    (void)state;
    enum err e = ERR_IO;
    uint64_t n = 0, failures = 0;
    for (n = 1; e != ERR_OK; n++) {
        fault_vfs_reset();
        fault_vfs_fail(n, n % 2 ? FAULT_FROM_THEN : FAULT_ONCE);
        e = restore(scratch_path("data"), NULL);
        failures += e != ERR_OK;
        if (e != ERR_OK) {
            assert_false(exists(scratch_path("data")));
            assert_true(scratch_why.text[0] != '\0');
        } else if (fault_vfs_has_failed()) {
            /* An operation that may fail: a deletion of what is not needed. */
            scratch_teardown(NULL);
            assert_int_equal(mkdir(scratch_dir, 0700), 0);
            e = ERR_IO;
        }
    }
    assert_true(failures > 20);
    struct check_report report;
    OK(check_run(scratch_path("data"), NULL, 0, &report, &scratch_why));
    assert_int_equal(report.members, 2);
    assert_int_equal(report.last, 2);
    assert_int_equal(report.applied, 2);
}

static void test_full_disk(void **state)
{
    (void)state;
    enum err e = ERR_IO;
    for (int64_t bytes = 0; e != ERR_OK; bytes += 5000) {
        fault_vfs_reset();
        fault_vfs_fill_after(bytes);
        e = restore(scratch_path("data"), scratch_path("wal"));
        if (e != ERR_OK) {
            assert_false(exists(scratch_path("data")));
            assert_false(exists(scratch_path("wal")));
        }
    }
    assert_true(exists(scratch_path("wal/log.db")));
    assert_true(exists(scratch_path("data/member/kv.db")));
    assert_false(exists(scratch_path("data/member/log.db")));
}

/* What an earlier try left, when it was killed, does not stand in the way; anything else does. */
static void test_leftovers(void **state)
{
    (void)state;
    fault_vfs_reset();
    assert_int_equal(mkdir(scratch_path("data"), 0700), 0);
    assert_int_equal(mkdir(scratch_path("data/member.unfinished"), 0700), 0);
    FILE *f = fopen(scratch_path("data/member.unfinished/kv.db"), "w");
    fputs("half", f);
    fclose(f);
    OK(restore(scratch_path("data"), NULL));
    assert_false(exists(scratch_path("data/member.unfinished")));
    assert_int_equal(restore(scratch_path("data"), NULL), ERR_EXISTS);
    assert_true(exists(scratch_path("data/member/kv.db")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_operation, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_leftovers, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
