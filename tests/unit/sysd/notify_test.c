/* tests/unit/sysd/notify_test.c -- what goes to the manager, byte for byte, and what comes from it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sysd/passed.h"

static int manager;
static struct sockaddr_un address;

static int setup(void **state)
{
    (void)state;
    char dir[] = "/tmp/etcd-notify-XXXXXX";
    assert_non_null(mkdtemp(dir));
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", dir);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(manager);
    unlink(address.sun_path);
    *strrchr(address.sun_path, '/') = '\0';
    rmdir(address.sun_path);
    return 0;
}

static void expect(const char *want)
{
    char text[1024];
    ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_string_equal(text, want);
}

static void states_are_sent(void **state)
{
    (void)state;
    assert_true(notify_is_wanted());
    notify_status("opening");
    expect("STATUS=opening");
    notify_ready("leader\nERRNO=1"); /* cannot smuggle another assignment in */
    expect("READY=1\nSTATUS=leader");
    notify_stopping("bye");
    expect("STOPPING=1\nSTATUS=bye");
    notify_extend(60);
    expect("EXTEND_TIMEOUT_USEC=60000000");
    notify_alive();
    expect("WATCHDOG=1");
    notify_errno(28);
    expect("ERRNO=28");
}

static void reloading_says_when(void **state)
{
    (void)state;
    char text[256];
    long long usec;
    notify_reloading("again");
    ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=again", &usec), 1);
    assert_true(usec > 0);
}

static void descriptors_go_along(void **state)
{
    (void)state;
    char text[256], control[256];
    struct iovec iov = {text, sizeof text};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    notify_store(STDERR_FILENO, "stored-client");
    assert_true(recvmsg(manager, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) > 0);
    assert_memory_equal(text, "FDSTORE=1\nFDNAME=stored-client", 30);
    int fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
    assert_true(fd > STDERR_FILENO);
    close(fd);
}

/* Its queue fills up; nothing may wait for ever, and only once at all. */
static void nobody_reads(void **state)
{
    (void)state;
    char text[256];
    alarm(20);
    for (int i = 0; i < 2000; i++)
        notify_status("to whom?");
    notify_forget("stored-client"); /* nor is its answer waited for */
    alarm(0);
    while (recv(manager, text, sizeof text, MSG_DONTWAIT) > 0)
        continue;
    notify_status("here again");
    expect("STATUS=here again");
}

static void an_abstract_address(void **state)
{
    (void)state;
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    char name[64];
    int before = manager;
    int n = snprintf(name, sizeof name, "@etcd-notify-test-%d", (int)getpid());
    memcpy(abstract.sun_path + 1, name + 1, (size_t)n - 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&abstract,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    notify_status("hidden");
    expect("STATUS=hidden");
    close(manager);
    manager = before;
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static void nobody_listens(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_false(notify_is_wanted());
    notify_ready("to nobody");
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    notify_ready("to nobody");
    notify_forget("nothing"); /* and waits for nobody */
    char endless[sizeof address.sun_path + 2] = {0};
    memset(endless, '/', sizeof endless - 1);
    static const char *const wrong[] = {"", "@", "/", "relative", "vsock:2:1"};
    for (size_t i = 0; i <= sizeof wrong / sizeof wrong[0]; i++) {
        setenv("NOTIFY_SOCKET", i < sizeof wrong / sizeof wrong[0] ? wrong[i] : endless, 1);
        notify_ready("to nobody");
    }
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static void check_name(const char *name, int want, bool stored)
{
    enum passed_kind kind = PASSED_KINDS_;
    bool is_stored = false;
    bool known = passed_name_read(name, &kind, &is_stored);
    assert_int_equal(known ? (int)kind : -1, want);
    if (known)
        assert_int_equal(is_stored, stored);
}

static void sockets_are_told_by_their_names(void **state)
{
    (void)state;
    check_name("client", PASSED_CLIENT, false);
    check_name("client-http", PASSED_CLIENT_HTTP, false);
    check_name("metrics", PASSED_METRICS, false);
    check_name("peer", PASSED_PEER, false);
    check_name("etcd.socket", PASSED_CLIENT, false);
    check_name("etcd@a.socket", PASSED_CLIENT, false);
    check_name("etcd-peer.socket", PASSED_PEER, false);
    check_name("etcd-peer@a.socket", PASSED_PEER, false);
    check_name("stored-peer", PASSED_PEER, true);
    check_name("stored-client-http", PASSED_CLIENT_HTTP, true);
    check_name("", -1, false);
    check_name("stored-", -1, false);
    check_name("etcd", -1, false);
    check_name("etcd.", -1, false);
    check_name("etcd-peer", -1, false);
    check_name("unknown", -1, false);
    check_name("etcdx.socket", -1, false);
    for (int i = 0; i < PASSED_KINDS_; i++)
        check_name(passed_stored_name((enum passed_kind)i), i, true);
}

static void nothing_was_passed(void **state)
{
    (void)state;
    static struct passed_sockets passed;
    unsetenv("LISTEN_FDS");
    passed_sockets_take(&passed);
    assert_int_equal(passed.n, 0);
    setenv("LISTEN_FDS", "many", 1);
    setenv("LISTEN_PID", "1", 1);
    passed_sockets_take(&passed);
    assert_int_equal(passed.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_sent),
        cmocka_unit_test(reloading_says_when),
        cmocka_unit_test(descriptors_go_along),
        cmocka_unit_test(nobody_reads),
        cmocka_unit_test(an_abstract_address),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(sockets_are_told_by_their_names),
        cmocka_unit_test(nothing_was_passed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
