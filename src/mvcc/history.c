/* mvcc/history.c -- one key and its revisions, packed.
 *
 * I1: revisions ascend by pos, and do not descend by main.
 * I2: n == 1 uses `one`; n > 1 uses `many`, with n <= cap.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mvcc/history.h"

#include <stdlib.h>

enum { HISTORY_CAP_MIN = 2 };

static const struct mvcc_rev *history_revs(const struct history *h)
{
    return h->n == 1 ? &h->one : h->many.p;
}

struct history *history_new(struct slice key, struct mvcc_rev rev)
{
    invariant(key.n != 0 && key.n <= UINT32_MAX);
    struct history *h = xmalloc(sizeof *h + key.n);
    h->key_n = (uint32_t)key.n;
    h->n = 1;
    h->one = rev;
    memcpy(h->key, key.p, key.n);
    return h;
}

void history_free(struct history *h)
{
    if (h->n > 1)
        free(h->many.p);
    free(h);
}

/* Go from one revision to an array of them. */
static void history_spread(struct history *h)
{
    struct mvcc_rev *p = xmalloc(HISTORY_CAP_MIN * sizeof *p);
    p[0] = h->one;
    h->many.p = p;
    h->many.cap = HISTORY_CAP_MIN;
}

static void history_resize(struct history *h, uint32_t cap)
{
    h->many.p = xrealloc(h->many.p, cap * sizeof *h->many.p);
    h->many.cap = cap;
}

void history_add(struct history *h, struct mvcc_rev rev)
{
    const struct mvcc_rev *newest = history_newest(h);
    invariant(rev.pos > newest->pos && rev.main >= newest->main);
    invariant(h->n < UINT32_MAX / 2);
    if (h->n == 1)
        history_spread(h);
    else if (h->n == h->many.cap)
        history_resize(h, h->many.cap + h->many.cap / 2 + 1);
    h->many.p[h->n++] = rev;
}

/* Return how many revisions have main <= at. */
static uint32_t history_upto(const struct history *h, revision at)
{
    const struct mvcc_rev *p = history_revs(h);
    uint32_t lo = 0, hi = h->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (p[mid].main <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct mvcc_rev *history_at(const struct history *h, revision at)
{
    const struct mvcc_rev *r = history_newest(h);
    if (UNLIKELY(r->main > at)) {
        uint32_t n = history_upto(h, at);
        if (n == 0)
            return NULL;
        r = &history_revs(h)[n - 1];
    }
    return r->version != 0 ? r : NULL;
}

/* Forget the oldest `n` revisions, but not all. */
static void history_consume(struct history *h, uint32_t n)
{
    if (n == 0)
        return;
    h->n -= n;
    struct mvcc_rev *p = h->many.p;
    if (h->n == 1) {
        h->one = p[n];
        free(p);
        return;
    }
    memmove(p, p + n, h->n * sizeof *p);
    if (h->n <= h->many.cap / 2)
        history_resize(h, h->n);
}

bool history_compact(struct history *h, revision rev, void (*drop)(void *arg, int64_t pos),
                     void *arg)
{
    uint32_t n = history_upto(h, rev);
    if (n == 0)
        return false;
    const struct mvcc_rev *p = history_revs(h);
    bool stays = p[n - 1].version != 0 || p[n - 1].main == rev;
    if (stays)
        n--;
    for (uint32_t i = 0; i < n; i++)
        drop(arg, p[i].pos);
    if (n == h->n)
        return true;
    history_consume(h, n);
    return false;
}

void history_check(const struct history *h)
{
    invariant(h->n >= 1 && h->key_n >= 1);
    invariant(h->n == 1 || h->n <= h->many.cap);
    const struct mvcc_rev *p = history_revs(h);
    for (uint32_t i = 0; i < h->n; i++) {
        invariant(p[i].version >= 0 && (p[i].version == 0 || p[i].create <= p[i].main));
        invariant(i == 0 || (p[i - 1].pos < p[i].pos && p[i - 1].main <= p[i].main));
    }
}
