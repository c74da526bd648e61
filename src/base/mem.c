/* base/mem.c -- allocation, buf, arena and blob.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

_Noreturn void invariant_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "etcd: %s:%d: invariant failed: %s\n", file, line, what);
    abort();
}

enum { HUGE_PAGE = 2 * 1024 * 1024, HUGE_FROM = 2 * HUGE_PAGE };

static _Noreturn void out_of_memory(size_t n)
{
    fprintf(stderr, "etcd: out of memory allocating %zu bytes\n", n);
    abort();
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (UNLIKELY(p == NULL))
        out_of_memory(n);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (UNLIKELY(p == NULL))
        out_of_memory(count * size);
    return p;
}

void *xrealloc(void *old, size_t n)
{
    void *p = realloc(old, n ? n : 1);
    if (UNLIKELY(p == NULL))
        out_of_memory(n);
    return p;
}

char *xstrndup(const char *s, size_t n)
{
    char *p = xmalloc(n + 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xasprintf(const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    return buf_take_cstr(&b);
}

/* ---- buf -------------------------------------------------------------------------------- */

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = BUF_INIT;
}

/* A large buffer is filled once and given back: most of its cost is the kernel handing out its pages one by
 * one. Where huge pages are to be had for the asking, it hands out 512 at a time. */
static void ask_huge_pages(uint8_t *p, size_t n)
{
    uintptr_t start = ((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)p + n) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (n >= HUGE_FROM && end > start)
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE); /* a hint */
}

void *buf_reserve(struct buf *b, size_t n)
{
    invariant(n <= SIZE_MAX / 2 - b->n);
    if (b->cap - b->n < n) {
        size_t cap = b->cap < 64 ? 64 : b->cap * 2;
        if (cap < b->n + n)
            cap = b->n + n;
        b->p = xrealloc(b->p, cap);
        b->cap = cap;
        ask_huge_pages(b->p, cap);
    }
    return b->p == NULL ? NULL : b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    memcpy(buf_reserve(b, n), p, n);
    b->n += n;
}

void buf_add_byte(struct buf *b, uint8_t c)
{
    *(uint8_t *)buf_reserve(b, 1) = c;
    b->n++;
}

void buf_add_be64(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_reserve(b, 8);
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
    b->n += 8;
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    invariant(n >= 0);
    buf_reserve(b, (size_t)n + 1);
    vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
    va_end(again);
    b->n += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(b, fmt, ap);
    va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
    invariant(n <= b->n);
    b->n -= n;
    if (b->n != 0 && n != 0)
        memmove(b->p, b->p + n, b->n);
}

const char *buf_cstr(struct buf *b)
{
    *(char *)buf_reserve(b, 1) = '\0';
    return (const char *)b->p;
}

char *buf_take_cstr(struct buf *b)
{
    buf_cstr(b);
    char *s = (char *)b->p;
    *b = BUF_INIT;
    return s;
}

/* ---- arena ------------------------------------------------------------------------------ */

enum { ARENA_FIRST = 4096, ARENA_ALIGN = 16 };

struct chunk {
    struct chunk *next;
    size_t cap;
    size_t n;
    _Alignas(ARENA_ALIGN) uint8_t p[];
};

struct arena {
    struct chunk *head; /* the chunk in use; the first one is at the end of the list */
};

static struct chunk *chunk_new(size_t cap, struct chunk *next)
{
    struct chunk *c = xmalloc(sizeof *c + cap);
    c->next = next;
    c->cap = cap;
    c->n = 0;
    return c;
}

struct arena *arena_new(void)
{
    struct chunk *c = chunk_new(ARENA_FIRST, NULL);
    struct arena *a = arena_alloc(&(struct arena){c}, sizeof *a);
    a->head = c;
    return a;
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    struct chunk *c = a->head;
    while (c != NULL) {
        struct chunk *next = c->next;
        free(c); /* the last one holds `a` itself */
        c = next;
    }
}

void arena_reset(struct arena *a)
{
    while (a->head->next != NULL) {
        struct chunk *c = a->head;
        a->head = c->next;
        free(c);
    }
    a->head->n = (sizeof *a + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

void *arena_alloc(struct arena *a, size_t n)
{
    invariant(n <= SIZE_MAX / 4);
    n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    struct chunk *c = a->head;
    if (c->cap - c->n < n) {
        size_t cap = c->cap * 2 < 1024 * 1024 ? c->cap * 2 : 1024 * 1024;
        c = chunk_new(n > cap ? n : cap, c);
        a->head = c;
    }
    void *p = c->p + c->n;
    c->n += n;
    return p;
}

void *arena_calloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    memset(p, 0, n);
    return p;
}

void *arena_dup(struct arena *a, const void *p, size_t n)
{
    void *q = arena_alloc(a, n);
    if (n != 0)
        memcpy(q, p, n);
    return q;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_dup(a, s, strlen(s) + 1);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    AUTO(buf) struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    return arena_strdup(a, buf_cstr(&b));
}

size_t arena_size(const struct arena *a)
{
    size_t n = 0;
    for (const struct chunk *c = a->head; c != NULL; c = c->next)
        n += sizeof *c + c->cap;
    return n;
}

/* ---- blob ------------------------------------------------------------------------------- */

struct blob *blob_new(size_t n)
{
    struct blob *b = xmalloc(sizeof *b + n);
    atomic_init(&b->refs, 1);
    b->n = n;
    return b;
}

struct blob *blob_dup(struct slice s)
{
    struct blob *b = blob_new(s.n);
    if (s.n != 0)
        memcpy(b->p, s.p, s.n);
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void blob_unref(struct blob *b)
{
    if (b == NULL)
        return;
    uint32_t before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    invariant(before != 0);
    if (before == 1)
        free(b);
}
