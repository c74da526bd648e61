/* base/sort.h -- a stable sort that takes an argument for its comparison.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stddef.h>

/* Sort `n` elements of `size` bytes; equal ones keep their order. cmp returns less than, equal to
 * or greater than zero. O(n log n), and O(n) where the input is in order already. */
void sort_stable(void *base, size_t n, size_t size,
                 int (*cmp)(void *arg, const void *a, const void *b), void *arg);

#endif
