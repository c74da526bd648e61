/* base/mem.h -- memory: aborting allocation, and the four shapes bytes travel in.
 *
 *   slice  lends bytes until the call returns
 *   buf    owns bytes, grows up to a maximum
 *   arena  owns all that one request decodes; freed once
 *   blob   immutable, counted, shared between threads
 *
 * Memory exhaustion aborts the process, so every size that came from outside is checked
 * against a named limit before it reaches one of these functions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
/* Return a formatted string, owned by the caller. */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* ---- slice ------------------------------------------------------------------------------ */

struct slice {
    const uint8_t *p;
    size_t n;
};

static inline struct slice slice_make(const void *p, size_t n)
{
    return (struct slice){p, n};
}

static inline struct slice slice_str(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* Bytewise order, a prefix first: less than, equal to or greater than zero. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c != 0)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* True if the slice holds exactly the string `s`. */
static inline bool slice_is(struct slice a, const char *s)
{
    return slice_eq(a, slice_str(s));
}

static inline bool slice_starts_with(struct slice a, struct slice prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

/* ---- buf -------------------------------------------------------------------------------- */

struct buf {
    uint8_t *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
};

#define BUF_INIT ((struct buf){NULL, 0, 0})

void buf_fini(struct buf *b); /* frees the bytes; the buf is empty again */
static inline void buf_auto(struct buf *b)
{
    buf_fini(b);
}
static inline void buf_clear(struct buf *b)
{
    b->n = 0;
}
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_make(b->p, b->n);
}
/* Make room for `n` more bytes and return where they go; b->n is not changed. */
void *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
static inline void buf_add_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.p, s.n);
}
static inline void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}
void buf_add_byte(struct buf *b, uint8_t c);
void buf_add_be64(struct buf *b, uint64_t v);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Drop the first `n` bytes. */
void buf_consume(struct buf *b, size_t n);
/* End with a NUL that is not counted, and lend the bytes as a string. */
const char *buf_cstr(struct buf *b);
/* Return the bytes as an owned, NUL-terminated string; the buf is empty again. */
char *buf_take_cstr(struct buf *b);

/* ---- arena ------------------------------------------------------------------------------ */

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */
/* Give back all memory but the first chunk, for the next request. */
void arena_reset(struct arena *a);
/* Return `n` bytes aligned for any type, valid until the arena is reset or freed. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_calloc(struct arena *a, size_t n);
void *arena_dup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Return how many bytes the arena holds from the system. */
size_t arena_size(const struct arena *a);

/* ---- blob ------------------------------------------------------------------------------- */

struct blob {
    _Atomic uint32_t refs;
    size_t n;
    uint8_t p[];
};

/* Return a blob of `n` unset bytes with one reference: fill it before it is shared. */
struct blob *blob_new(size_t n);
struct blob *blob_dup(struct slice s);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is fine */
static inline struct slice blob_slice(const struct blob *b)
{
    return b ? slice_make(b->p, b->n) : slice_make(NULL, 0);
}

#endif
