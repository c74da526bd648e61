/* tests/fuzz/websocket_fuzz.c -- frames of a client: read at once, and byte by byte.
 *
 * The first byte sets the limit of a message. Both ways must come to the same events, no message
 * may pass the limit, and what closes the connection must fit a control frame.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Append each event and its payload. Return false after a close. */
static bool fuzz_read(struct websocket *w, struct slice data, uint64_t max, struct buf *log)
{
    struct slice payload;
    enum websocket_event e;
    while ((e = websocket_read(w, &data, &payload)) != WEBSOCKET_GOT_NOTHING) {
        invariant(payload.n <= (e == WEBSOCKET_GOT_MESSAGE ? max : WEBSOCKET_CONTROL_MAX));
        buf_add_byte(log, (uint8_t)e);
        buf_add_be64(log, payload.n);
        buf_add_slice(log, payload);
        if (e == WEBSOCKET_GOT_CLOSE)
            return false;
    }
    invariant(data.n == 0);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    uint64_t max = data[0] * 16u;
    AUTO(buf) struct buf whole = BUF_INIT, pieces = BUF_INIT;
    struct websocket *w = websocket_new(max);
    (void)fuzz_read(w, slice_make(data + 1, n - 1), max, &whole);
    websocket_free(w);
    w = websocket_new(max);
    size_t at = 1;
    while (at < n && fuzz_read(w, slice_make(data + at, 1), max, &pieces))
        at++;
    websocket_free(w);
    invariant(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    return 0;
}
