/* etcdctl/diff.c -- what changed between two values.
 *
 * The longest common run of lines, by the classical table; between the first and the last change
 * only, and if that is too large, all lines there are changed ones.
 * SPDX-License-Identifier: Apache-2.0 */
#include "etcdctl/diff.h"

#include <stdlib.h>

enum {
    TABLE_MAX = 4 * 1024 * 1024, /* cells */
};

struct lines {
    struct slice *v;
    size_t n;
};

static struct lines lines_cut(struct slice text)
{
    struct lines l = {NULL, 0};
    while (text.n) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        l.v = xrealloc(l.v, (l.n + 1) * sizeof(*l.v));
        l.v[l.n++] = slice_make(text.p, n);
        text = slice_make(text.p + n + (end != NULL), text.n - n - (end != NULL));
    }
    return l;
}

static void add_line(struct buf *b, char mark, struct slice line)
{
    buf_add_byte(b, (uint8_t)mark);
    buf_add_slice(b, line);
    buf_add_byte(b, '\n');
}

static void add_lines(struct buf *b, char mark, const struct slice *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_line(b, mark, v[i]);
}

/* cell (i, j): how many lines the rests from i and from j have in common. */
static uint32_t *fill_table(const struct slice *x, size_t n, const struct slice *y, size_t m)
{
    uint32_t *t = xcalloc((n + 1) * (m + 1), sizeof(*t));
    for (size_t i = n; i-- > 0;) {
        for (size_t j = m; j-- > 0;) {
            uint32_t down = t[(i + 1) * (m + 1) + j], right = t[i * (m + 1) + j + 1];
            t[i * (m + 1) + j] = slice_eq(x[i], y[j]) ? t[(i + 1) * (m + 1) + j + 1] + 1
                                 : down >= right      ? down
                                                      : right;
        }
    }
    return t;
}

static void add_middle(struct buf *b, const struct slice *x, size_t n, const struct slice *y,
                       size_t m)
{
    size_t i = 0, j = 0;
    if ((n + 1) <= TABLE_MAX / (m + 1)) {
        uint32_t *t = fill_table(x, n, y, m);
        while (i < n && j < m) {
            if (slice_eq(x[i], y[j])) {
                add_line(b, ' ', x[i++]);
                j++;
            } else if (t[(i + 1) * (m + 1) + j] >= t[i * (m + 1) + j + 1]) {
                add_line(b, '-', x[i++]);
            } else {
                add_line(b, '+', y[j++]);
            }
        }
        free(t);
    }
    add_lines(b, '-', x + i, n - i);
    add_lines(b, '+', y + j, m - j);
}

void diff_add(struct buf *b, struct slice before, struct slice after)
{
    struct lines x = lines_cut(before), y = lines_cut(after);
    size_t head = 0, tail = 0;
    while (head < x.n && head < y.n && slice_eq(x.v[head], y.v[head]))
        head++;
    while (tail < x.n - head && tail < y.n - head &&
           slice_eq(x.v[x.n - tail - 1], y.v[y.n - tail - 1]))
        tail++;
    add_lines(b, ' ', x.v, head);
    if (x.n - head - tail || y.n - head - tail)
        add_middle(b, x.v + head, x.n - head - tail, y.v + head, y.n - head - tail);
    add_lines(b, ' ', x.v + (x.n - tail), tail);
    free(x.v);
    free(y.v);
}
