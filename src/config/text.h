/* config/text.h -- small steps of parsing, shared by the files of this room.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include <stdbool.h>

#include "base/mem.h"

/* For "%.*s"; long texts are shown cut. */
#define SLICE_ARGS(s) ((s).n > 512 ? 512 : (int)(s).n), (const char *)(s).p

static inline bool char_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && char_is_blank(s.p[0]))
        s = slice_make(s.p + 1, s.n - 1);
    while (s.n > 0 && char_is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Cut at the first `at`: true if there is one, else the head is all of `s` and the tail empty. */
static inline bool slice_cut(struct slice s, char at, struct slice *ret_head,
                             struct slice *ret_tail)
{
    const uint8_t *p = s.n ? memchr(s.p, at, s.n) : NULL;
    size_t n = p ? (size_t)(p - s.p) : s.n;
    *ret_head = slice_make(s.p, n);
    *ret_tail = p ? slice_make(p + 1, s.n - n - 1) : slice_make(NULL, 0);
    return p != NULL;
}

static inline char *slice_dup_str(struct slice s)
{
    return xstrndup(s.n ? (const char *)s.p : "", s.n);
}

#endif
