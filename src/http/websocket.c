/* http/websocket.c -- see websocket.h.
 *
 *   HEAD --complete--> PAYLOAD --complete--> HEAD;   either --broken or close frame--> CLOSED
 *
 * A head is checked as soon as the bytes that tell are there. Control frames may stand between the
 * fragments of a message, so their payload has a place of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/types.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum {
    KEEP_BUFFER = 4096, /* a reader keeps memory up to this between messages */
    CLOSE_PROTOCOL_ERROR = 1002,
    CLOSE_TOO_BIG = 1009,
};

enum {
    FIN = 0x80,
    RSV = 0x70,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    OP = 0x0f,
    OP_CONTROL = 0x08,
};

struct websocket {
    uint64_t message_max;
    enum { HEAD, PAYLOAD, CLOSED } state;
    uint8_t head[14];
    size_t head_n;
    uint64_t left; /* of the frame's payload */
    uint8_t mask[4];
    size_t mask_at; /* 0 to 3: the mask's byte for the next one */
    bool in_message, message_given;
    struct buf message;
    uint8_t control[WEBSOCKET_CONTROL_MAX];
    size_t control_n;
};

struct websocket *websocket_new(uint64_t message_max)
{
    struct websocket *w = xcalloc(1, sizeof *w);
    w->message_max = message_max;
    return w;
}

void websocket_free(struct websocket *w)
{
    if (w == NULL)
        return;
    buf_fini(&w->message);
    free(w);
}

/* ---- the end ----------------------------------------------------------------------------- */

/* Leave `code` and `words` as the payload to close with. */
static enum websocket_event fail(struct websocket *w, unsigned code, const char *words)
{
    w->state = CLOSED;
    w->control[0] = (uint8_t)(code >> 8);
    w->control[1] = (uint8_t)code;
    w->control_n = 2 + strlen(words);
    invariant(w->control_n <= sizeof w->control);
    memcpy(w->control + 2, words, w->control_n - 2);
    return WEBSOCKET_GOT_CLOSE;
}

static bool close_code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1013) ||
           (code >= 3000 && code <= 4999);
}

/* The peer closes: its code goes back to it, its words do not. */
static enum websocket_event take_close(struct websocket *w)
{
    char words[32];
    w->state = CLOSED;
    if (w->control_n < 2) {
        w->control_n = 0;
        return WEBSOCKET_GOT_CLOSE;
    }
    unsigned code = (unsigned)w->control[0] << 8 | w->control[1];
    w->control_n = 2;
    if (close_code_is_valid(code))
        return WEBSOCKET_GOT_CLOSE;
    snprintf(words, sizeof words, "bad close code %u", code);
    return fail(w, CLOSE_PROTOCOL_ERROR, words);
}

/* ---- heads ------------------------------------------------------------------------------- */

static bool is_control(const struct websocket *w)
{
    return w->head[0] & OP_CONTROL;
}

/* Bytes of the head in all, as far as the first two tell. */
static size_t head_size(const struct websocket *w)
{
    unsigned length = w->head[1] & LENGTH;
    size_t extended = length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
    return w->head_n < 2 ? 2 : 2 + extended + 4;
}

static const char *reserved_bit(const struct websocket *w)
{
    return w->head[0] & 0x40 ? "RSV1 set" : w->head[0] & 0x20 ? "RSV2 set" : "RSV3 set";
}

/* Return what is wrong with the first two bytes, or NULL. */
static const char *head_fault(const struct websocket *w)
{
    static const char *const bad_opcodes[] = {
        [3] = "bad opcode 3",   [4] = "bad opcode 4",   [5] = "bad opcode 5",
        [6] = "bad opcode 6",   [7] = "bad opcode 7",   [11] = "bad opcode 11",
        [12] = "bad opcode 12", [13] = "bad opcode 13", [14] = "bad opcode 14",
        [15] = "bad opcode 15",
    };
    unsigned op = w->head[0] & OP;
    if (w->head[0] & RSV)
        return reserved_bit(w);
    if (bad_opcodes[op] != NULL)
        return bad_opcodes[op];
    if (is_control(w) && (w->head[1] & LENGTH) > WEBSOCKET_CONTROL_MAX)
        return "len > 125 for control";
    if (is_control(w) && !(w->head[0] & FIN))
        return "FIN not set on control";
    if (!is_control(w) && op != WEBSOCKET_CONTINUATION && w->in_message)
        return "data before FIN";
    if (op == WEBSOCKET_CONTINUATION && !w->in_message)
        return "continuation after FIN";
    return w->head[1] & MASKED ? NULL : "bad MASK";
}

static uint64_t payload_length(const struct websocket *w)
{
    unsigned length = w->head[1] & LENGTH;
    if (length == LENGTH_64)
        return be64_get(w->head + 2);
    return length == LENGTH_16 ? (uint64_t)w->head[2] << 8 | w->head[3] : length;
}

/* The head is complete. */
static enum websocket_event begin_payload(struct websocket *w)
{
    w->left = payload_length(w);
    w->mask_at = 0;
    w->head_n = 0;
    w->state = PAYLOAD;
    if (is_control(w)) {
        w->control_n = 0;
        return WEBSOCKET_GOT_NOTHING;
    }
    w->in_message = true;
    if (w->left > w->message_max - w->message.n)
        return fail(w, CLOSE_TOO_BIG, "");
    return WEBSOCKET_GOT_NOTHING;
}

static enum websocket_event read_head(struct websocket *w, uint8_t byte)
{
    w->head[w->head_n++] = byte;
    if (w->head_n == 2) {
        const char *fault = head_fault(w);
        if (fault != NULL)
            return fail(w, CLOSE_PROTOCOL_ERROR, fault);
    }
    if (w->head_n < 2 || w->head_n < head_size(w))
        return WEBSOCKET_GOT_NOTHING;
    memcpy(w->mask, w->head + w->head_n - sizeof w->mask, sizeof w->mask);
    return begin_payload(w);
}

/* ---- payloads ---------------------------------------------------------------------------- */

static void unmask(struct websocket *w, uint8_t *to, struct slice from)
{
    for (size_t i = 0; i < from.n; i++)
        to[i] = from.p[i] ^ w->mask[(w->mask_at + i) % sizeof w->mask];
    w->mask_at = (w->mask_at + from.n) % sizeof w->mask;
}

static void read_payload(struct websocket *w, struct slice *data)
{
    size_t n = data->n < w->left ? data->n : (size_t)w->left;
    if (is_control(w)) {
        unmask(w, w->control + w->control_n, slice_make(data->p, n));
        w->control_n += n;
    } else if (n != 0) {
        unmask(w, buf_reserve(&w->message, n), slice_make(data->p, n));
        w->message.n += n;
    }
    w->left -= n;
    *data = slice_make(data->p + n, data->n - n);
}

static enum websocket_event end_frame(struct websocket *w)
{
    w->state = HEAD;
    switch (w->head[0] & OP) {
    case WEBSOCKET_CLOSE:
        return take_close(w);
    case WEBSOCKET_PING:
        return WEBSOCKET_GOT_PING;
    case WEBSOCKET_PONG:
        return WEBSOCKET_GOT_NOTHING;
    default:
        if (!(w->head[0] & FIN))
            return WEBSOCKET_GOT_NOTHING;
        w->in_message = false;
        w->message_given = true;
        return WEBSOCKET_GOT_MESSAGE;
    }
}

static void forget_message(struct websocket *w)
{
    w->message_given = false;
    if (w->message.cap > KEEP_BUFFER)
        buf_fini(&w->message);
    buf_clear(&w->message);
}

enum websocket_event websocket_read(struct websocket *w, struct slice *data,
                                    struct slice *ret_payload)
{
    enum websocket_event e = WEBSOCKET_GOT_NOTHING;
    if (w->message_given)
        forget_message(w);
    while (data->n != 0 && w->state != CLOSED && e == WEBSOCKET_GOT_NOTHING) {
        if (w->state == HEAD) {
            e = read_head(w, data->p[0]);
            *data = slice_make(data->p + 1, data->n - 1);
        } else {
            read_payload(w, data);
        }
        if (w->state == PAYLOAD && w->left == 0)
            e = end_frame(w);
    }
    *ret_payload = e == WEBSOCKET_GOT_MESSAGE ? buf_slice(&w->message)
                                              : slice_make(w->control, w->control_n);
    return e;
}

/* ---- what is sent ------------------------------------------------------------------------ */

size_t websocket_head(uint8_t out[WEBSOCKET_HEAD_MAX], enum websocket_op op, uint64_t n)
{
    out[0] = (uint8_t)(FIN | op);
    if (n < LENGTH_16) {
        out[1] = (uint8_t)n;
        return 2;
    }
    if (n <= UINT16_MAX) {
        out[1] = LENGTH_16;
        out[2] = (uint8_t)(n >> 8);
        out[3] = (uint8_t)n;
        return 4;
    }
    out[1] = LENGTH_64;
    be64_put(out + 2, n);
    return 10;
}

/* ---- the handshake ----------------------------------------------------------------------- */

bool websocket_key_is_valid(struct slice key)
{
    uint8_t bytes[18];
    return key.n == 24 && key.p[22] == '=' && key.p[23] == '=' && key.p[21] != '=' &&
           EVP_DecodeBlock(bytes, key.p, (int)key.n) == sizeof bytes;
}

void websocket_accept(struct slice key, char out[WEBSOCKET_ACCEPT_N + 1])
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    AUTO(buf) struct buf b = BUF_INIT;
    buf_add_slice(&b, key);
    buf_add_str(&b, ACCEPT_GUID);
    SHA1(b.p, b.n, digest);
    int n = EVP_EncodeBlock((uint8_t *)out, digest, sizeof digest);
    invariant(n == WEBSOCKET_ACCEPT_N);
}
