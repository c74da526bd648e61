/* etcdutl/status.h -- what is in a key database, in a few numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDUTL_STATUS_H
#define ETCDUTL_STATUS_H

#include "etcdutl/db_file.h"

struct db_status {
    uint32_t hash; /* CRC-32C of all buckets' names, keys and values */
    revision revision;
    int64_t keys; /* live */
    int64_t size;
    char version[64]; /* of the storage; "" below 3.6 */
};

/* Check the file, then count. ERR_DAMAGED. */
MUST_USE enum err db_status_read(struct db_file *f, struct db_status *ret, struct why *why);

struct hashkv {
    uint32_t hash;
    revision revision; /* up to which it counts */
    revision compacted; /* -1: never */
};

/* Compute HashKV at `rev` (0: the newest). ERR_COMPACTED, ERR_FUTURE_REV, ERR_DAMAGED. */
MUST_USE enum err hashkv_read(struct db_file *f, revision rev, struct hashkv *ret,
                              struct why *why);

#endif
