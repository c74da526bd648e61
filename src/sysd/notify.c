/* sysd/notify.c -- sd_notify(3).
 * SPDX-License-Identifier: Apache-2.0 */
#include "sysd/notify.h"

#include <string.h>
#include <systemd/sd-daemon.h>

/* Each line is one assignment: what stands behind a line end must not become one. */
static void notify(const char *state, const char *status)
{
    (void)sd_notifyf(0, "%sSTATUS=%.*s", state, (int)strcspn(status, "\n"), status);
}

void notify_ready(const char *status)
{
    notify("READY=1\n", status);
}

void notify_stopping(const char *status)
{
    notify("STOPPING=1\n", status);
}

void notify_status(const char *status)
{
    notify("", status);
}
