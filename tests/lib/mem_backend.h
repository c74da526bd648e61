/* tests/lib/mem_backend.h -- iface/backend.h in memory, for tests.
 *
 * Rows in an array ordered by pos, buckets as ordered lists. What is written is seen at once by its
 * writer, and by readers opened later: a reader has its own copy of the rows of that moment.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_MEM_BACKEND_H
#define TESTS_LIB_MEM_BACKEND_H

#include "iface/backend.h"

struct mem_backend;

struct mem_backend *mem_backend_new(void);
void mem_backend_free(struct mem_backend *b); /* NULL is fine */

struct kv_writer *mem_backend_writer(struct mem_backend *b);
size_t mem_backend_rows(const struct mem_backend *b);

/* Return a view of the rows as they are now; the caller frees it. */
struct kv_reader *mem_backend_reader(const struct mem_backend *b);
void mem_reader_free(struct kv_reader *r); /* NULL is fine */

/* Visit every row, ascending, as they are now. */
void mem_backend_each(const struct mem_backend *b,
                      bool (*visit)(void *arg, const struct kv_row *row), void *arg);

#endif
