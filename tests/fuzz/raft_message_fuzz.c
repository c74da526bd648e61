/* tests/fuzz/raft_message_fuzz.c -- any bytes as a raft message of a peer.
 *
 * What is read must be written again in the size that was foretold, and be read from there as the
 * same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "peer/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fuzz_encode(const struct raft_message *m, struct buf *out)
{
    size_t n = peer_message_size(m);
    peer_message_encode(m, out);
    invariant(out->n == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(buf) struct buf first = BUF_INIT, second = BUF_INIT;
    struct raft_message m, again;
    enum err e = peer_message_decode(slice_make(data, n), &m);
    if (e != ERR_OK) {
        invariant(e == ERR_MALFORMED || e == ERR_TOO_LARGE);
        invariant(m.entries.v == NULL && m.snapshot == NULL && m.context == NULL);
        return 0;
    }
    fuzz_encode(&m, &first);
    e = peer_message_decode(buf_slice(&first), &again);
    invariant(e == ERR_OK && again.entries.n == m.entries.n);
    fuzz_encode(&again, &second);
    invariant(slice_eq(buf_slice(&first), buf_slice(&second)));
    raft_message_fini(&m);
    raft_message_fini(&again);
    return 0;
}
