/* base/sort.c -- merge sort, top down, with one scratch array of half the size.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/sort.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct sorter {
    size_t size;
    int (*cmp)(void *arg, const void *a, const void *b);
    void *arg;
    uint8_t *scratch;
};

/* Merge the sorted halves base[0, left) and base[left, n). */
static void merge(const struct sorter *s, uint8_t *base, size_t left, size_t n)
{
    memcpy(s->scratch, base, left * s->size);
    const uint8_t *a = s->scratch, *a_end = a + left * s->size;
    const uint8_t *b = base + left * s->size, *b_end = base + n * s->size;
    for (uint8_t *to = base; a != a_end; to += s->size) {
        const uint8_t **from = b != b_end && s->cmp(s->arg, a, b) > 0 ? &b : &a;
        memcpy(to, *from, s->size);
        *from += s->size;
    }
}

static void sort_part(const struct sorter *s, uint8_t *base, size_t n)
{
    if (n < 2)
        return;
    size_t left = n / 2;
    sort_part(s, base, left);
    sort_part(s, base + left * s->size, n - left);
    if (s->cmp(s->arg, base + (left - 1) * s->size, base + left * s->size) > 0)
        merge(s, base, left, n);
}

void sort_stable(void *base, size_t n, size_t size,
                 int (*cmp)(void *arg, const void *a, const void *b), void *arg)
{
    if (n < 2)
        return;
    struct sorter s = {size, cmp, arg, xmalloc(n / 2 * size)};
    sort_part(&s, base, n);
    free(s.scratch);
}
