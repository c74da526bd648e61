/* tests/fuzz/http2_fuzz.c -- any frames after the HTTP/2 preface; HPACK and gRPC behind it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return fuzz_connection(slice_str("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), data, n);
}
