/* etcd/explain.h -- why the daemon does not start, or ends: for the log, the manager and the exit status.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCD_EXPLAIN_H
#define ETCD_EXPLAIN_H

#include "base/err.h"
#include "base/why.h"

struct config;

enum {
    EXIT_FAILED = 1,
    EXIT_BAD_DATA = 65, /* sysexits' EX_DATAERR: damaged, another program's, or a newer etcd's */
    EXIT_CONFIG = 78,   /* EX_CONFIG */
};

/* Log why the member cannot start and tell the service manager. Return the exit status: 0 where
 * a restart could change nothing, because the member was removed from its cluster. */
int explain_start_failure(const struct config *cfg, enum err e, const struct why *why);

/* The same when an address cannot be listened on. */
int explain_listen_failure(const struct why *why);

/* The same for a configuration with a mistake; `status` is what it would be for a program that was started
 * by hand. */
int explain_config_error(const char *text, int status);

#endif
