/* cli/table.h -- a table drawn with lines, as upstream's 3.7 prints it: head in upper case and
 * centred, cells at the right.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/mem.h"

/* Append the table of `n` columns; cells holds rows * n texts. */
void table_add(struct buf *b, size_t n, const char *const *head, const char *const *cells,
               size_t rows);

#endif
