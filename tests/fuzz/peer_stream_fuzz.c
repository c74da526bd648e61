/* tests/fuzz/peer_stream_fuzz.c -- a stream of a peer: read at once, and in pieces.
 *
 * The lowest bit of the first byte says of which kind, the others how long the pieces are. Both
 * ways must come to the same messages and the same end, and nothing may be kept that did not come.
 * What came must pass the encoder and come out as it was.
 * SPDX-License-Identifier: Apache-2.0 */
#include "peer/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct fuzz_log {
    bool is_msgapp;
    struct msgapp_encoder encoder;
    struct buf written; /* what came, as a stream again */
    struct buf plain;   /* what came, one by one */
};

static void fuzz_log_fini(struct fuzz_log *log)
{
    buf_fini(&log->written);
    buf_fini(&log->plain);
}

static void fuzz_message(void *arg, struct raft_message *m)
{
    struct fuzz_log *log = arg;
    stream_encode(m, &log->plain);
    if (!log->is_msgapp)
        stream_encode(m, &log->written);
    else if (m->type == RAFT_MSG_APP)
        msgapp_encode(&log->encoder, m, &log->written);
}

static enum err fuzz_read(struct fuzz_log *log, struct slice s, size_t piece)
{
    struct peer_decoder d;
    enum err e = ERR_OK;
    size_t at = 0;
    peer_decoder_init(&d, log->is_msgapp, 1, 2);
    while (e == ERR_OK && at < s.n) {
        size_t n = s.n - at < piece ? s.n - at : piece;
        e = peer_decoder_feed(&d, slice_make(s.p + at, n), fuzz_message, log);
        at += n;
        invariant(d.pending.n <= at && d.entries.n <= at);
        invariant(d.pending.cap <= 64 + 2 * at && d.entries.cap <= 8 + 2 * at);
    }
    invariant(e == ERR_OK || e == ERR_MALFORMED || e == ERR_TOO_LARGE);
    peer_decoder_fini(&d);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    bool is_msgapp = data[0] & 1;
    struct slice s = slice_make(data + 1, n - 1);
    struct fuzz_log whole = {.is_msgapp = is_msgapp}, pieces = {.is_msgapp = is_msgapp};
    enum err e = fuzz_read(&whole, s, n);
    invariant(fuzz_read(&pieces, s, 1 + data[0] / 2) == e);
    invariant(slice_eq(buf_slice(&whole.plain), buf_slice(&pieces.plain)));

    struct fuzz_log again = {.is_msgapp = is_msgapp};
    e = fuzz_read(&again, buf_slice(&whole.written), whole.written.n);
    invariant(e == ERR_OK);
    invariant(slice_eq(buf_slice(&again.written), buf_slice(&whole.written)));
    fuzz_log_fini(&whole);
    fuzz_log_fini(&pieces);
    fuzz_log_fini(&again);
    return 0;
}
