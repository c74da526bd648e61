/* storage/data_dir.h -- the data directory: making it, recognising it, locking it.
 *
 *   <data-dir>/member/        mode 0700
 *       lock                  held by flock; holds the pid of the holder
 *       kv.db kv.db-wal kv.db-shm
 *       log.db log.db-wal log.db-shm   (in the wal-dir if one is set)
 *       snap                  a text: upstream's etcd does not start where this is no directory
 *       spool.*               half-made snapshot files of a process that died; removed at open
 *
 * Of these, only the directories, `lock`, `snap` and the removal of spools are this module's; the databases
 * are made by kvdb and logdb at the paths it tells. What upstream's etcd wrote is never touched.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_DATA_DIR_H
#define STORAGE_DATA_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/why.h"

#define DATA_DIR_SPOOL_PREFIX "spool."

struct data_dir;

struct data_dir_options {
    const char *path;    /* --data-dir */
    const char *wal_dir; /* --wal-dir; NULL or "": log.db lives in member/ */
    bool create;         /* make what is missing */
};

/* Open and lock the directory, made with mode 0700 where it is missing. Fail with
 *   ERR_NOT_FOUND     it is not there and may not be made
 *   ERR_LOCKED        another process has it; the sentence names its pid
 *   ERR_FOREIGN_DATA  upstream's etcd wrote it; the sentence names the command that imports it
 *   ERR_INVALID       both member and proxy are in it, or kv.db is there and log.db is not
 *   ERR_DISK_FULL, ERR_IO */
MUST_USE enum err data_dir_open(const struct data_dir_options *options, struct data_dir **ret_dir,
                                struct why *why);
/* Unlock and free. */
void data_dir_close(struct data_dir *d); /* NULL is fine */
static inline void data_dir_auto(struct data_dir **d)
{
    data_dir_close(*d);
}

/* Lend the paths. */
const char *data_dir_member_path(const struct data_dir *d);
const char *data_dir_kv_path(const struct data_dir *d);
const char *data_dir_log_path(const struct data_dir *d);

/* True if log.db was there at open: this member has started before. A new member makes log.db
 * first, then kv.db, then calls data_dir_sync(). kv.db may be missing where log.db is there: then
 * the start was cut short, and nothing was acknowledged yet unless the log has entries. */
bool data_dir_has_log(const struct data_dir *d);
bool data_dir_has_kv(const struct data_dir *d);

/* Sync the directories, so that the names of new files last. */
MUST_USE enum err data_dir_sync(const struct data_dir *d, struct why *why);

/* Lend the sentences that open found worth a warning (a mode looser than 0700, unknown entries),
 * one a call; NULL behind the last. */
const char *data_dir_warning(const struct data_dir *d, size_t i);

#endif
