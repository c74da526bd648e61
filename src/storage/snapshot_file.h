/* storage/snapshot_file.h -- a snapshot of the key database as upstream's file (bbolt).
 *
 * All ten buckets are written in the order of their names, in one pass over the reader's snapshot,
 * with bounded memory: one page under construction for each level of a tree. The bytes depend on
 * the snapshot only: equal states give equal files.
 *
 * File: pages of 4096 bytes, little-endian, each with the header
 *   u64 id | u16 flags (1 branch, 2 leaf, 4 meta) | u16 count | u32 overflow
 * pages 0 and 1 are the metas; then leaves and branches of the buckets; the root leaf is the last.
 * `snapshot save` appends the SHA-256 of all that.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef STORAGE_SNAPSHOT_FILE_H
#define STORAGE_SNAPSHOT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/why.h"
#include "storage/kvdb.h"

enum { SNAPSHOT_PAGE_SIZE = 4096, SNAPSHOT_DIGEST_SIZE = 32 };

/* Called now and then with the bytes written so far; returns false to give up, which makes the
 * export fail with ERR_CLOSED. */
struct snapshot_progress {
    bool (*fn)(void *arg, uint64_t written);
    void *arg;
};

/* Open an empty file without a name in the directory `dir`: it is gone when it is closed. */
MUST_USE enum err snapshot_spool_open(const char *dir, int *ret_fd, struct why *why);

/* Write the snapshot that `r` holds (between kvdb_reader_begin and _end) to `fd`, an empty file
 * that can seek. *ret_size is its length, a multiple of the page size. `progress` may be NULL. */
MUST_USE enum err snapshot_file_write(struct kvdb_reader *r, int fd,
                                      const struct snapshot_progress *progress,
                                      uint64_t *ret_size, struct why *why);

/* The same with a say in the rows of the small buckets: `row` returns false to leave one out, and may
 * replace its value by one that it lends until the next call. */
struct snapshot_filter {
    bool (*row)(void *arg, const char *bucket, struct slice key, struct slice *value);
    void *arg;
};
MUST_USE enum err snapshot_file_write_filtered(struct kvdb_reader *r, int fd,
                                               const struct snapshot_filter *filter,
                                               uint64_t *ret_size, struct why *why);

/* Compute the SHA-256 of the first `size` bytes of `fd`. */
MUST_USE enum err snapshot_file_digest(int fd, uint64_t size,
                                       uint8_t ret_digest[SNAPSHOT_DIGEST_SIZE], struct why *why);

/* Compute the Maintenance.Hash of the snapshot that `r` holds: CRC-32C over each bucket's name,
 * then its keys and values, without meta's consistent_index, term and storageVersion. */
MUST_USE enum err snapshot_hash(struct kvdb_reader *r, uint32_t *ret_hash, struct why *why);

#endif
