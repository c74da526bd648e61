/* sysd/notify.h -- telling systemd how far the program is.
 *
 * Each call does nothing when the program was not started by a service manager that listens
 * (NOTIFY_SOCKET is not set), and a manager that cannot be reached is no reason to fail: there is
 * nothing a caller could do about it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SYSD_NOTIFY_H
#define SYSD_NOTIFY_H

/* The service is ready for clients. `status` is the line that `systemctl status` shows. */
void notify_ready(const char *status);

/* The service has begun to stop. */
void notify_stopping(const char *status);

/* Change the status line. A line end in `status` ends it. */
void notify_status(const char *status);

#endif
