/* grpc/wire.h -- the small formats of gRPC over HTTP/2: message prefix, timeout, status message.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GRPC_WIRE_H
#define GRPC_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/types.h"

#define GRPC_PREFIX_LEN 5 /* one flag byte, four bytes of length, big-endian */

static inline void grpc_prefix_put(uint8_t *p, uint32_t n)
{
    p[0] = 0;
    p[1] = (uint8_t)(n >> 24);
    p[2] = (uint8_t)(n >> 16);
    p[3] = (uint8_t)(n >> 8);
    p[4] = (uint8_t)n;
}

static inline uint32_t grpc_prefix_length(const uint8_t *p)
{
    return (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
}

/* Read a grpc-timeout: up to eight digits and one of H M S m u n. Parts of a millisecond count as
 * a whole one. False if it is malformed. */
bool grpc_timeout_parse(struct slice s, msec *ret_ms);

/* Append `s` as a grpc-message: bytes outside of printable ASCII, and '%', become %XX. */
void grpc_message_encode(struct buf *b, struct slice s);
/* Append what a grpc-message stands for. What is no proper %XX stays as it is. */
void grpc_message_decode(struct buf *b, struct slice s);

/* "Unavailable", as gRPC's libraries print a code; "Code(99)" does not come: it is Unknown. */
const char *grpc_code_name(enum grpc_code code);

#endif
