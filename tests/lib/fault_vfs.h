/* tests/lib/fault_vfs.h -- disks that fail, fill up, and lose what was not synced.
 *
 * A SQLite VFS over the default one, registered as "fault". Opens, writes, truncations, deletions
 * and syncs are counted; each number can be made to fail. A sync reaches no real disk: the files as
 * they were at their last sync are kept in memory, and a crash puts them back, except for a seeded
 * choice of sectors that made it. Directories lose nothing. For one thread; forgets all at
 * fault_vfs_reset().
 *
 * A crash: fault_vfs_power_off(), or fault_vfs_fail(n, FAULT_POWER_OFF) to have it at operation n;
 * close all connections (nothing of that reaches the files); fault_vfs_power_on().
 *
 * All files are on one disk, which the fault_vfs_ functions mean, but for those below the folders
 * that fault_vfs_disk() gives disks of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_FAULT_VFS_H
#define TESTS_LIB_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

#define FAULT_VFS "fault"

enum fault_kind {
    FAULT_NONE,
    FAULT_ONCE,      /* that operation fails */
    FAULT_FROM_THEN, /* that one, and all later ones */
    FAULT_POWER_OFF, /* the same, and what is not synced is lost at fault_vfs_power_on() */
};

enum fault_loss {
    FAULT_LOSE_ALL,     /* of what is not synced, nothing survives */
    FAULT_LOSE_SECTORS, /* each sector of 512 bytes survives or not, and so does the length */
    FAULT_LOSE_NOTHING, /* it was the process that ended: all is there, but not synced yet */
};

/* Register the VFS, or make it as new: no fault, no files, no operations. No file is open. */
void fault_vfs_reset(void);

/* Return how many operations there have been. */
uint64_t fault_vfs_ops(void);

/* Make operation `n` (the first is 1) fail. */
void fault_vfs_fail(uint64_t n, enum fault_kind kind);

/* Let the disk be full after `bytes` more bytes; -1: never. */
void fault_vfs_fill_after(int64_t bytes);

/* Return true if an operation was made to fail, since the power came on. */
bool fault_vfs_has_failed(void);

void fault_vfs_power_off(void);
/* Give every file the bytes that survived, and let operations succeed again. No file is open. */
void fault_vfs_power_on(enum fault_loss loss, uint64_t seed);

/* ---- several disks ----------------------------------------------------------------------------
 */

struct fault_disk;

/* Return a new disk for the files whose names begin with `prefix`, until fault_vfs_reset(). None of
 * them is open. */
struct fault_disk *fault_vfs_disk(const char *prefix);

/* As those above, for one disk. */
uint64_t fault_disk_ops(const struct fault_disk *d);
void fault_disk_fail(struct fault_disk *d, uint64_t n, enum fault_kind kind);
void fault_disk_fill_after(struct fault_disk *d, int64_t bytes);
bool fault_disk_has_failed(const struct fault_disk *d);
void fault_disk_power_off(struct fault_disk *d);
void fault_disk_power_on(struct fault_disk *d, enum fault_loss loss, uint64_t seed);

#endif
