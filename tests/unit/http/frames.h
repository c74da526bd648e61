/* tests/unit/http/frames.h -- what a WebSocket client sends.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_HTTP_FRAMES_H
#define TESTS_UNIT_HTTP_FRAMES_H

#include "base/mem.h"
#include "http/websocket.h"

#define FRAME_FIN 0x80u

#define HANDSHAKE                                                                                  \
    "Host: me:1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"                      \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

/* Append a masked frame; `first` is its first byte. */
static inline void frame_add_slice(struct buf *b, unsigned first, struct slice payload)
{
    static const uint8_t mask[4] = {0xa5, 0x17, 0x00, 0xff};
    uint8_t head[WEBSOCKET_HEAD_MAX];
    size_t n = websocket_head(head, WEBSOCKET_TEXT, payload.n);
    head[0] = (uint8_t)first;
    head[1] |= 0x80;
    buf_add(b, head, n);
    buf_add(b, mask, sizeof mask);
    for (size_t i = 0; i < payload.n; i++)
        buf_add_byte(b, payload.p[i] ^ mask[i % 4]);
}

static inline void frame_add(struct buf *b, unsigned first, const char *payload)
{
    frame_add_slice(b, first, slice_str(payload));
}

#endif
