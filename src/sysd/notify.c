/* sysd/notify.c -- what sd_notify(3) does, but never for long.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define USEC_PER_S 1000000

enum { BARRIER_MS = 5000, SEND_S = 1 };

bool notify_is_wanted(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

/* "/path", or "@name" for an abstract one. */
static bool address_read(const char *text, struct sockaddr_un *ret, socklen_t *ret_n)
{
    size_t n = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || n < 2 || n >= sizeof ret->sun_path)
        return false;
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret->sun_path, text, n);
    if (text[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (text[0] == '/'));
    return true;
}

/* Send `state`, and `fd` along with it unless it is -1. Return 1, 0 if nobody listens, or minus an errno.
 * sd_notify(3) waits for as long as the other side does not read, and a proxy of it may have ceased to:
 * this waits once, and not for long, until somebody reads again. */
static int state_send(const char *state, int fd)
{
    static atomic_bool is_clogged;
    const char *where = getenv("NOTIFY_SOCKET");
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } extra = {.room = {0}};
    struct sockaddr_un to;
    struct iovec iov = {(char *)(uintptr_t)state, strlen(state)};
    struct msghdr m = {.msg_name = &to, .msg_iov = &iov, .msg_iovlen = 1};
    if (where == NULL)
        return 0;
    if (!address_read(where, &to, &m.msg_namelen))
        return -EINVAL;
    int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd != -1) {
        extra.head = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
        memcpy(CMSG_DATA(&extra.head), &fd, sizeof fd);
        m.msg_control = &extra;
        m.msg_controllen = sizeof extra;
    }
    const struct timeval limit = {.tv_sec = SEND_S};
    (void)setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    bool was_clogged = atomic_load(&is_clogged);
    int number = sendmsg(s, &m, MSG_NOSIGNAL | (was_clogged ? MSG_DONTWAIT : 0)) == -1 ? errno : 0;
    if (s != -1)
        close(s);
    atomic_store(&is_clogged, number == EAGAIN);
    return number == 0 ? 1 : -number;
}

static void say_failure(int rc)
{
    static atomic_bool said;
    if (rc < 0 && !atomic_exchange(&said, true))
        log_debug("the service manager cannot be notified", LOG_STR("error", strerror(-rc)));
}

static void notify(const char *state)
{
    say_failure(state_send(state, -1));
}

/* Each line is one assignment: what stands behind a line end must not become one. */
static void notify_with_status(const char *state, const char *status)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "%sSTATUS=%.*s", state, (int)strcspn(status, "\n"), status);
    notify(buf_cstr(&b));
}

static void notify_number(const char *name, int64_t number)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "%s=%" PRId64, name, number);
    notify(buf_cstr(&b));
}

void notify_ready(const char *status)
{
    notify_with_status("READY=1\n", status);
}

void notify_reloading(const char *status)
{
    AUTO(buf) struct buf b = BUF_INIT;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    buf_addf(&b, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\n",
             (int64_t)now.tv_sec * USEC_PER_S + now.tv_nsec / 1000);
    notify_with_status(buf_cstr(&b), status);
}

void notify_stopping(const char *status)
{
    notify_with_status("STOPPING=1\n", status);
}

void notify_status(const char *status)
{
    notify_with_status("", status);
}

void notify_extend(unsigned seconds)
{
    notify_number("EXTEND_TIMEOUT_USEC", (int64_t)seconds * USEC_PER_S);
}

void notify_alive(void)
{
    notify("WATCHDOG=1");
}

void notify_errno(int number)
{
    notify_number("ERRNO", number);
}

void notify_store(int fd, const char *name)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "FDSTORE=1\nFDNAME=%s", name);
    say_failure(state_send(buf_cstr(&b), fd));
}

/* Wait until the manager has done what it was told: it closes what was sent along with a barrier. */
static void barrier(void)
{
    int ends[2];
    if (!notify_is_wanted() || pipe2(ends, O_CLOEXEC) == -1)
        return;
    int rc = state_send("BARRIER=1", ends[1]);
    close(ends[1]);
    struct pollfd closed = {.fd = ends[0]};
    if (rc > 0)
        (void)poll(&closed, 1, BARRIER_MS);
    close(ends[0]);
}

void notify_forget(const char *name)
{
    AUTO(buf) struct buf b = BUF_INIT;
    buf_addf(&b, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    notify(buf_cstr(&b));
    barrier();
}
