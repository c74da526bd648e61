/* Fuzz target: JSON text to messages. The first byte chooses the message. What is accepted is
 * written as JSON, read again and written again: both texts must be equal.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/json.h"
#include "pb/etcdserverpb.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const descriptors[] = {
    &etcdserverpb__range_request__descriptor,  &etcdserverpb__put_request__descriptor,
    &etcdserverpb__txn_request__descriptor,    &etcdserverpb__watch_request__descriptor,
    &etcdserverpb__txn_response__descriptor,   &etcdserverpb__hash_response__descriptor,
    &etcdserverpb__alarm_request__descriptor,  &etcdserverpb__member_add_request__descriptor,
    &etcdserverpb__auth_role_grant_permission_request__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *desc = descriptors[data[0] % ARRAY_LEN(descriptors)];
    struct arena *a = arena_new();
    AUTO(buf) struct buf once = BUF_INIT;
    AUTO(buf) struct buf twice = BUF_INIT;
    ProtobufCMessage *msg;
    struct why why;
    if (json_to_pb(desc, slice_make(data + 1, size - 1), a, &msg, &why) == ERR_OK) {
        invariant(json_from_pb(msg, &once) == ERR_OK);
        invariant(json_to_pb(desc, buf_slice(&once), a, &msg, &why) == ERR_OK);
        invariant(json_from_pb(msg, &twice) == ERR_OK);
        invariant(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    arena_free(a);
    return 0;
}
