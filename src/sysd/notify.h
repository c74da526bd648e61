/* sysd/notify.h -- telling systemd how far the program is.
 *
 * Each call does nothing when the program was not started by a service manager that listens
 * (NOTIFY_SOCKET is not set), and a manager that cannot be reached is no reason to fail: that is
 * said once, for who debugs it. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SYSD_NOTIFY_H
#define SYSD_NOTIFY_H

#include <stdbool.h>

/* True if somebody listens. */
bool notify_is_wanted(void);

/* The service is ready for clients. `status` is the line that `systemctl status` shows. */
void notify_ready(const char *status);

/* The configuration is being read again; notify_ready() ends it. */
void notify_reloading(const char *status);

/* The service has begun to stop. */
void notify_stopping(const char *status);

/* Change the status line. A line end in `status` ends it. */
void notify_status(const char *status);

/* Starting or stopping goes on: it may take so long from now, whatever the unit says. */
void notify_extend(unsigned seconds);

/* The program is well. */
void notify_alive(void);

/* Why the program is about to fail. */
void notify_errno(int number);

/* Let the manager keep `fd` while the service restarts; and forget what it keeps under that name, which
 * has happened when the call returns (or some seconds have passed). */
void notify_store(int fd, const char *name);
void notify_forget(const char *name);

#endif
