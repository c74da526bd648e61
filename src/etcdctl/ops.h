/* etcdctl/ops.h -- what get, put and del ask for: by themselves, and as lines of a txn.
 *
 * Each reads its command's flags, which were parsed before. On a mistake it prints the error and
 * returns the exit code. What a request points to lives in the arena, or in the arguments.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_OPS_H
#define ETCDCTL_OPS_H

#include "base/mem.h"
#include "pb/etcdserverpb.pb-c.h"

int get_op(const struct slice *args, int n, struct arena *a, Etcdserverpb__RangeRequest *r);
int put_op(const struct slice *args, int n, struct arena *a, Etcdserverpb__PutRequest *r);
int del_op(const struct slice *args, int n, struct arena *a, Etcdserverpb__DeleteRangeRequest *r);

/* The arguments of a command line as slices. */
struct slice *args_as_slices(struct arena *a, char **argv, int argc);
/* Set the range of all keys that begin with `key` (empty: all keys), or from it on. */
void range_of_prefix(struct arena *a, struct slice key, ProtobufCBinaryData *ret_key,
                     ProtobufCBinaryData *ret_end);
void range_from(struct slice key, ProtobufCBinaryData *ret_key, ProtobufCBinaryData *ret_end);
/* "l" or "s". Return CLI_OK, or CLI_BAD_FEATURE after the error was printed. */
int read_consistency(const char *flag, protobuf_c_boolean *ret_serializable);

static inline ProtobufCBinaryData pb_bytes(struct slice s)
{
    return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

#endif
