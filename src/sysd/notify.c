/* sysd/notify.c -- sd_notify(3).
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/notify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define USEC_PER_S 1000000

enum { BARRIER_MS = 5000 };

bool notify_is_wanted(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

static void say_failure(int rc)
{
    static atomic_bool said;
    if (rc < 0 && !atomic_exchange(&said, true))
        log_debug("the service manager cannot be notified", LOG_STR("error", strerror(-rc)));
}

static void notify(const char *state)
{
    say_failure(sd_notify(0, state));
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
    say_failure(sd_pid_notify_with_fds(0, 0, buf_cstr(&b), &fd, 1));
}

/* Wait until the manager has done what it was told: it closes what was sent along with a barrier. */
static void barrier(void)
{
    int ends[2];
    if (!notify_is_wanted() || pipe2(ends, O_CLOEXEC) == -1)
        return;
    int rc = sd_pid_notify_with_fds(0, 0, "BARRIER=1", &ends[1], 1);
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
