/* iface/hasher.h -- a digest that the core asks for without knowing who computes it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef IFACE_HASHER_H
#define IFACE_HASHER_H

#include <stdint.h>

#include "base/mem.h"

enum { SHA1_SIZE = 20 };

/* Write the SHA-1 of `data` to `ret`. Never fails. */
typedef void (*sha1_fn)(struct slice data, uint8_t ret[SHA1_SIZE]);

#endif
