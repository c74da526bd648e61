/* tests/fuzz/http1_fuzz.c -- any bytes at the port: HTTP/1, or what only begins like a protocol.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz_connection(slice_make(NULL, 0), data, n);
}
