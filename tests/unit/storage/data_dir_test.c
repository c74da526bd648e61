/* Directories are made, locked, recognised and warned about.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/data_dir.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "scratch.h"

static void make_file(const char *name)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    close(fd);
}

static void make_dir(const char *name)
{
    assert_int_equal(mkdir(scratch_path(name), 0700), 0);
}

static enum err try_open(const char *wal_dir, bool create, struct data_dir **ret_dir)
{
    struct data_dir_options o = {
        .path = scratch_path("a/data/"), .wal_dir = wal_dir, .create = create};
    *ret_dir = NULL;
    return data_dir_open(&o, ret_dir, &scratch_why);
}

static void expect(enum err want, const char *says)
{
    struct data_dir *d;
    assert_int_equal(try_open(NULL, true, &d), want);
    assert_null(d);
    if (strstr(scratch_why.text, says) == NULL)
        fail_msg("'%s' is not in: %s", says, scratch_why.text);
}

static void a_new_directory(void **state)
{
    (void)state;
    struct data_dir *d;
    struct stat st;
    assert_int_equal(try_open(NULL, false, &d), ERR_NOT_FOUND);
    OK(try_open("", true, &d));
    assert_string_equal(data_dir_member_path(d), scratch_path("a/data/member"));
    assert_string_equal(data_dir_kv_path(d), scratch_path("a/data/member/kv.db"));
    assert_string_equal(data_dir_log_path(d), scratch_path("a/data/member/log.db"));
    assert_false(data_dir_has_log(d) || data_dir_has_kv(d));
    assert_null(data_dir_warning(d, 0));
    assert_int_equal(stat(scratch_path("a/data"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(data_dir_member_path(d), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(scratch_path("a/data/member/snap"), &st), 0);
    assert_true(S_ISREG(st.st_mode) && st.st_size > 0);
    OK(data_dir_sync(d, &scratch_why));
    data_dir_close(d);

    make_file("a/data/member/log.db");
    make_file("a/data/member/kv.db");
    OK(try_open(NULL, false, &d));
    assert_true(data_dir_has_log(d) && data_dir_has_kv(d));
    data_dir_close(d);
}

static void a_second_process_is_told_who_has_it(void **state)
{
    (void)state;
    struct data_dir *d;
    char pid[64];
    OK(try_open(NULL, true, &d));
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    expect(ERR_LOCKED, pid);
    expect(ERR_LOCKED, scratch_path("a/data/member"));
    data_dir_close(d);
    OK(try_open(NULL, true, &d));
    data_dir_close(d);
}

static void the_wal_dir_holds_the_log(void **state)
{
    (void)state;
    struct data_dir *d, *other;
    char wal[512];
    snprintf(wal, sizeof wal, "%s", scratch_path("wal"));
    OK(try_open(wal, true, &d));
    assert_string_equal(data_dir_log_path(d), scratch_path("wal/log.db"));
    OK(data_dir_sync(d, &scratch_why));
    struct data_dir_options o = {.path = scratch_path("b"), .wal_dir = wal, .create = true};
    assert_int_equal(data_dir_open(&o, &other, &scratch_why), ERR_LOCKED);
    data_dir_close(d);

    make_file("wal/log.db");
    make_file("a/data/member/kv.db");
    OK(try_open(wal, false, &d));
    data_dir_close(d);
    expect(ERR_INVALID, "wal-dir");
}

static void upstreams_data_are_left_alone(void **state)
{
    (void)state;
    static const char *const files[] = {
        "a/data/member/snap/db",
        "a/data/member/snap/0000000000000002-0000000000000001.snap",
        "a/data/member/wal/0000000000000000-0000000000000000.wal",
    };
    make_dir("a");
    make_dir("a/data");
    make_dir("a/data/member");
    make_dir("a/data/member/snap");
    make_dir("a/data/member/wal");
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        make_file(files[i]);
        expect(ERR_FOREIGN_DATA, "run: etcdutl import --from ");
        expect(ERR_FOREIGN_DATA, scratch_path("a/data"));
        assert_int_equal(access(scratch_path("a/data/member/lock"), F_OK), -1);
        unlink(scratch_path(files[i]));
    }
}

static void member_and_proxy(void **state)
{
    (void)state;
    make_dir("a");
    make_dir("a/data");
    make_dir("a/data/proxy");
    struct data_dir *d;
    OK(try_open(NULL, true, &d));
    data_dir_close(d);
    expect(ERR_INVALID, "invalid datadir. Both member and proxy directories exist.");
}

static void what_is_odd_is_warned_about(void **state)
{
    (void)state;
    struct data_dir *d;
    OK(try_open(NULL, true, &d));
    data_dir_close(d);
    make_file("a/data/member/spool.abc");
    make_file("a/data/member/core");
    make_file("a/data/notes");
    assert_int_equal(chmod(scratch_path("a/data"), 0755), 0);
    OK(try_open(NULL, true, &d));
    assert_non_null(strstr(data_dir_warning(d, 0), "has mode 0755"));
    assert_non_null(strstr(data_dir_warning(d, 1), "member/core"));
    assert_non_null(strstr(data_dir_warning(d, 2), "notes"));
    assert_null(data_dir_warning(d, 3));
    assert_int_equal(access(scratch_path("a/data/member/spool.abc"), F_OK), -1);
    data_dir_close(d);
}

static void a_file_in_the_way(void **state)
{
    (void)state;
    make_dir("a");
    make_file("a/data");
    expect(ERR_IO, "Not a directory");
}

/* Root may write anywhere, so a child without rights looks. */
static void a_forbidden_place_names_the_drop_in(void **state)
{
    (void)state;
    make_dir("a");
    assert_int_equal(chmod(scratch_dir, 0755), 0);
    assert_int_equal(chmod(scratch_path("a"), 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct data_dir *d;
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        bool is_right = try_open(NULL, true, &d) == ERR_IO &&
                        strstr(scratch_why.text, "ReadWritePaths=") != NULL &&
                        strstr(scratch_why.text, "etcd.service.d/") != NULL;
        _exit(is_right ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(scratch_path("a"), 0700), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_directory),
        TEST(a_second_process_is_told_who_has_it),
        TEST(the_wal_dir_holds_the_log),
        TEST(upstreams_data_are_left_alone),
        TEST(member_and_proxy),
        TEST(what_is_odd_is_warned_about),
        TEST(a_file_in_the_way),
        TEST(a_forbidden_place_names_the_drop_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
