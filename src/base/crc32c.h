/* base/crc32c.h -- CRC-32C (Castagnoli), running.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Return the checksum of what `crc` stands for followed by `p`. Start with 0. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
