/* api/wire.c -- a blob out of the buffer that it was made in.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/wire.h"

#include <stdatomic.h>

struct blob *wire_blob_take(struct buf *b)
{
    struct blob *blob = (struct blob *)b->p;
    atomic_init(&blob->refs, 1);
    blob->n = b->n - sizeof *blob;
    *b = BUF_INIT;
    return blob;
}
