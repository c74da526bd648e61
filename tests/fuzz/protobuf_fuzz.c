/* Fuzz target: packed bytes to messages. The first byte chooses the message. What is accepted goes
 * to JSON, and through packing and unpacking to the same JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/json.h"
#include "pb/etcdserverpb.pb-c.h"
#include "pb/pb_arena.h"
#include "pb/raft_internal.pb-c.h"
#include "pb/raftpb.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &etcdserverpb__range_request__descriptor, &etcdserverpb__put_request__descriptor,
    &etcdserverpb__txn_request__descriptor,   &etcdserverpb__watch_request__descriptor,
    &etcdserverpb__txn_response__descriptor,  &etcdserverpb__internal_raft_request__descriptor,
    &raftpb__message__descriptor,             &raftpb__snapshot__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *desc = descriptors[data[0] % ARRAY_LEN(descriptors)];
    struct arena *a = arena_new();
    AUTO(buf) struct buf once = BUF_INIT;
    AUTO(buf) struct buf twice = BUF_INIT;
    AUTO(buf) struct buf wire = BUF_INIT;
    ProtobufCMessage *msg;
    if (pb_unpack(desc, slice_make(data + 1, size - 1), a, &msg) == ERR_OK) {
        invariant(json_from_pb(msg, &once) == ERR_OK);
        pb_pack(msg, &wire);
        invariant(json_from_wire(desc, buf_slice(&wire), a, &twice) == ERR_OK);
        invariant(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    arena_free(a);
    return 0;
}
