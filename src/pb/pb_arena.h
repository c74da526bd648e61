/* pb/pb_arena.h -- protobuf messages from bytes that nobody vouches for, in an arena.
 *
 * protobuf-c recurses once for each nested message and takes strings as they come. Here the nesting
 * is bounded before anything is unpacked, and text that is not UTF-8 is refused, as proto3 says.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PB_PB_ARENA_H
#define PB_PB_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/mem.h"

enum { PB_DEPTH_MAX = 100 }; /* messages in messages, the outermost one counted */

/* Return an allocator that takes memory from `a` and never gives any back. It must not outlive the
 * arena. */
ProtobufCAllocator pb_arena_allocator(struct arena *a);

/* Unpack `wire`, which the caller has limited in size. The message lies in the arena as a whole and
 * is never passed to protobuf_c_message_free_unpacked. Fail with ERR_MALFORMED; what was taken from
 * the arena until then stays taken. */
MUST_USE enum err pb_unpack(const ProtobufCMessageDescriptor *desc, struct slice wire,
                            struct arena *a, ProtobufCMessage **ret);

/* The same for a message that wraps one which pb_unpack() took: a log entry around a request. */
MUST_USE enum err pb_unpack_wrapped(const ProtobufCMessageDescriptor *desc, struct slice wire,
                                    struct arena *a, ProtobufCMessage **ret);

/* Append the bytes of `msg`. */
void pb_pack(const ProtobufCMessage *msg, struct buf *out);

#endif
