/* api/json.h -- protobuf messages as JSON, the way etcd's gateway speaks it.
 *
 * Output: names as in the .proto file, in the order of the descriptor; bytes as base64, 64-bit
 * numbers as strings, enums by name; fields that have their default are left out, but a member of a
 * oneof that is set is written whatever its value. No spaces.
 * Input: names as in the .proto file or lowerCamelCase; standard or URL-safe base64, padded or not;
 * numbers as such or in strings; enums by name or number; null is as good as absent; unknown names
 * are ignored.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_JSON_H
#define API_JSON_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"

/* Append the JSON of `msg`. Fail with ERR_MALFORMED if a string is not UTF-8; `out` then has its
 * old length. */
MUST_USE enum err json_from_pb(const ProtobufCMessage *msg, struct buf *out);

/* The same from packed bytes; the message is unpacked into `a`. Fail with ERR_MALFORMED. */
MUST_USE enum err json_from_wire(const ProtobufCMessageDescriptor *desc, struct slice wire,
                                 struct arena *a, struct buf *out);

/* Read a JSON object as a message that lies in `a` as a whole. Blank text stands for {}, and what
 * follows the object is not looked at. The caller limits the size of `text`. Fail
 * with ERR_MALFORMED; `why` (may be NULL) then holds the words for the client, "proto: ...". */
MUST_USE enum err json_to_pb(const ProtobufCMessageDescriptor *desc, struct slice text,
                             struct arena *a, ProtobufCMessage **ret, struct why *why);

#endif
