/* upstream/backup.h -- the copy of a data directory of upstream's etcd that `backup` makes: as of
 * now, under new ids, with one member that must be started with --force-new-cluster.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef UPSTREAM_BACKUP_H
#define UPSTREAM_BACKUP_H

#include <stdbool.h>

#include "base/types.h"
#include "base/why.h"

struct backup_options {
    const char *data_dir, *wal_dir;          /* wal_dir NULL or "": in the data directory */
    const char *backup_dir, *backup_wal_dir; /* likewise */
    bool with_v3; /* the keys of version 3 too; without, the database is not even looked at */
    msec lock_wait_ms;
    void (*say)(const char *line); /* hears of each entry that is left out; NULL: nobody does */
};

/* ERR_NOT_FOUND, ERR_LOCKED, ERR_EXISTS (there is a backup already), ERR_DAMAGED, ERR_IO. What was
 * made is removed after a failure; after the first two nothing was, and nobody heard anything. */
MUST_USE enum err backup_run(const struct backup_options *o, struct why *why);

#endif
