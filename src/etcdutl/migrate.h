/* etcdutl/migrate.h -- the storage version in the meta bucket, raised or lowered.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_MIGRATE_H
#define ETCDUTL_MIGRATE_H

#include <stdbool.h>

#include "base/types.h"
#include "base/why.h"

struct migrate_options {
    const char *data_dir, *wal_dir; /* wal_dir NULL or "": in the data directory */
    unsigned major, minor; /* the target; at least 3.5 */
    bool force;            /* set it whatever stands against it */
    msec lock_wait_ms;
    void (*say)(const char *text); /* what is done, a sentence each */
};

MUST_USE enum err migrate_run(const struct migrate_options *o, struct why *why);

#endif
