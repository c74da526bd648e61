/* http/websocket.h -- RFC 6455 as a server speaks it: frames from bytes, frame heads, handshake.
 *
 * Pure: memory in, memory out. Frames of a client must be masked; fragments are put together;
 * memory grows with the bytes that came, never with the length that a frame claims. Text is not
 * checked to be UTF-8: who reads the messages does that. What closes a connection is worded as
 * gorilla/websocket words it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "base/mem.h"

enum {
    WEBSOCKET_HEAD_MAX = 10,     /* a head without mask */
    WEBSOCKET_CONTROL_MAX = 125, /* payload of a control frame */
    WEBSOCKET_ACCEPT_N = 28,     /* length of a Sec-WebSocket-Accept */
};

enum websocket_op {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

enum websocket_event {
    WEBSOCKET_GOT_NOTHING, /* all bytes were used */
    WEBSOCKET_GOT_MESSAGE, /* a whole one, text or binary */
    WEBSOCKET_GOT_PING,    /* to be answered by a pong with the same payload */
    WEBSOCKET_GOT_CLOSE,   /* close with this payload: the peer said so, or broke the rules */
};

struct websocket; /* what has been read of a message */

/* Return a reader of messages of at most `message_max` bytes. */
struct websocket *websocket_new(uint64_t message_max);
void websocket_free(struct websocket *w); /* NULL is fine */

/* Read from `*data` up to the next event and step over the bytes that were used. The payload is
 * lent until the next call, which also frees what a large message took. Nothing is read after a
 * close. */
enum websocket_event websocket_read(struct websocket *w, struct slice *data,
                                    struct slice *ret_payload);

/* Write the head of an unfragmented, unmasked frame with `n` bytes of payload; return its size. */
size_t websocket_head(uint8_t out[WEBSOCKET_HEAD_MAX], enum websocket_op op, uint64_t n);

/* True for 16 bytes in base64, as the Sec-WebSocket-Key must be. */
bool websocket_key_is_valid(struct slice key);
/* Write the Sec-WebSocket-Accept that answers `key`, NUL-terminated. */
void websocket_accept(struct slice key, char out[WEBSOCKET_ACCEPT_N + 1]);

#endif
