/* mvcc/index.c -- a B+tree over the keys' histories.
 *
 * A node keeps, beside the pointers to the keys, what all its keys begin with (`common`) and the
 * eight bytes that follow in each (`cache`), so that a search seldom looks at a key itself.
 *
 * I1: keys ascend within a leaf and along the chain of leaves.
 * I2: key[i] of an inner node is the first key of child[i].
 * I3: live[i] of an inner node is how many keys below child[i] are live; a leaf has one bit a key.
 * I4: all leaves are equally deep; only a root that is a leaf may be empty.
 * I5: the first `skip` bytes of every key of a node are common[0..skip), and cache[i] is made of
 *     the eight bytes after them, filled up with zeros.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mvcc/index.h"

#include <stdlib.h>

#include "mvcc/history.h"

/* FANOUT is the number of bits in leaf.live. A node that falls below SPARSE joins a neighbour if
 * the two leave some room. */
enum { FANOUT = 64, SPARSE = FANOUT / 4, JOINED_MAX = FANOUT * 3 / 4, COMMON_MAX = 44 };

struct node {
    uint16_t n;
    uint8_t level; /* 0: a leaf */
    uint8_t skip;
    uint8_t common[COMMON_MAX];
    uint64_t cache[FANOUT];
    struct history *key[FANOUT];
};

struct leaf {
    struct node node; /* first, so that a node can be cast */
    uint64_t live;
    struct leaf *prev, *next;
};

struct inner {
    struct node node;
    struct node *child[FANOUT];
    int64_t live[FANOUT];
};

struct mvcc_index {
    struct node *root;
    int64_t live;
    int64_t keys;
};

/* ---- key ranges ----------------------------------------------------------------------------- */

struct key_range key_range_make(struct slice key, struct slice range_end, struct buf *scratch)
{
    if (range_end.n == 1 && range_end.p[0] == 0)
        return (struct key_range){.begin = key, .open = true};
    if (range_end.n != 0)
        return (struct key_range){.begin = key, .end = range_end};
    buf_clear(scratch);
    buf_add_slice(scratch, key);
    buf_add_byte(scratch, 0);
    return (struct key_range){.begin = key, .end = buf_slice(scratch)};
}

bool key_range_is_empty(const struct key_range *r)
{
    return !r->open && slice_cmp(r->end, r->begin) <= 0;
}

bool key_range_has(const struct key_range *r, struct slice key)
{
    return slice_cmp(key, r->begin) >= 0 && (r->open || slice_cmp(key, r->end) < 0);
}

/* ---- nodes: keys and their cached bytes ----------------------------------------------------- */

static struct leaf *node_leaf(struct node *x)
{
    invariant(x->level == 0);
    return (struct leaf *)x;
}

static struct inner *node_inner(struct node *x)
{
    invariant(x->level != 0);
    return (struct inner *)x;
}

static const struct inner *node_inner_const(const struct node *x)
{
    invariant(x->level != 0);
    return (const struct inner *)x;
}

static uint64_t bits_below(size_t i)
{
    return i >= 64 ? UINT64_MAX : (UINT64_C(1) << i) - 1;
}

/* Eight bytes of `key` from `skip` on, as a number that orders like them. */
static uint64_t key_bytes(struct slice key, size_t skip)
{
    if (key.n >= skip + 8)
        return be64_get(key.p + skip);
    uint8_t p[8] = {0};
    if (key.n > skip)
        memcpy(p, key.p + skip, key.n - skip);
    return be64_get(p);
}

static size_t common_length(const uint8_t *a, const uint8_t *b, size_t max)
{
    size_t n = 0;
    while (n < max && a[n] == b[n])
        n++;
    return n;
}

/* Return how many bytes the first and the last key, hence all keys, have in common. */
static size_t node_common(const struct node *x)
{
    const struct history *a = x->key[0], *b = x->key[x->n - 1];
    size_t max = a->key_n < b->key_n ? a->key_n : b->key_n;
    return common_length(a->key, b->key, max < COMMON_MAX ? max : COMMON_MAX);
}

/* Make `common` and `cache` anew (I5). */
static void node_recache(struct node *x)
{
    x->skip = (uint8_t)node_common(x);
    memcpy(x->common, x->key[0]->key, x->skip);
    for (size_t i = 0; i < x->n; i++)
        x->cache[i] = key_bytes(history_key(x->key[i]), x->skip);
}

/* The node lost keys at an end: use what the others have in common. */
static void node_tighten(struct node *x)
{
    if (x->n != 0 && node_common(x) > x->skip)
        node_recache(x);
}

/* Cache key[i], which is new. */
static void node_cache(struct node *x, size_t i)
{
    struct slice key = history_key(x->key[i]);
    if (x->n == 1 || !slice_starts_with(key, slice_make(x->common, x->skip)))
        node_recache(x);
    else
        x->cache[i] = key_bytes(key, x->skip);
}

static size_t cache_lower(const struct node *x, uint64_t want)
{
    const uint64_t *p = x->cache;
    for (size_t n = x->n; n > 1; n -= n / 2)
        p += p[n / 2 - 1] < want ? n / 2 : 0;
    return (size_t)(p - x->cache) + (x->n != 0 && *p < want);
}

/* Among the keys from `lo` on whose cached bytes are `want`, skip those before `key`. */
static size_t node_lower_among(const struct node *x, struct slice key, size_t lo, uint64_t want)
{
    size_t hi = want == UINT64_MAX ? x->n : cache_lower(x, want + 1);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (slice_cmp(history_key(x->key[mid]), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Return how many keys of the node are less than `key`, and whether the next one is equal. */
static size_t node_lower(const struct node *x, struct slice key, bool *ret_equal)
{
    *ret_equal = false;
    size_t n = key.n < x->skip ? key.n : x->skip;
    int c = n ? memcmp(key.p, x->common, n) : 0;
    if (c < 0 || (c == 0 && n < x->skip))
        return 0;
    if (c > 0)
        return x->n;
    uint64_t want = key_bytes(key, x->skip);
    size_t i = cache_lower(x, want);
    if (i == x->n || x->cache[i] != want)
        return i;
    i = node_lower_among(x, key, i, want);
    *ret_equal = i < x->n && slice_eq(history_key(x->key[i]), key);
    return i;
}

/* Ask for all that a search of the node looks at, at once and not line by line. */
static void node_prefetch(const struct node *x)
{
    for (const char *p = (const char *)x; p < (const char *)(x->cache + FANOUT); p += 64)
        __builtin_prefetch(p);
}

/* Return the child of `x` in whose span `key` falls. */
static size_t inner_child(const struct inner *x, struct slice key)
{
    bool equal;
    size_t i = node_lower(&x->node, key, &equal);
    return i != 0 && !equal ? i - 1 : i;
}

/* Make room for a key at `i`. */
static void node_open(struct node *x, size_t i, struct history *h)
{
    invariant(x->n < FANOUT && i <= x->n);
    memmove(x->key + i + 1, x->key + i, (x->n - i) * sizeof *x->key);
    memmove(x->cache + i + 1, x->cache + i, (x->n - i) * sizeof *x->cache);
    x->n++;
    x->key[i] = h;
    node_cache(x, i);
}

static void node_close(struct node *x, size_t i)
{
    invariant(i < x->n);
    x->n--;
    memmove(x->key + i, x->key + i + 1, (x->n - i) * sizeof *x->key);
    memmove(x->cache + i, x->cache + i + 1, (x->n - i) * sizeof *x->cache);
}

/* Move the keys of `from` from `at` on to the end of `to`. Their caches are made by the caller. */
static void node_move(struct node *to, struct node *from, size_t at)
{
    size_t n = from->n - at;
    invariant(to->n + n <= FANOUT && to->level == from->level);
    memcpy(to->key + to->n, from->key + at, n * sizeof *to->key);
    memcpy(to->cache + to->n, from->cache + at, n * sizeof *to->cache);
    to->n = (uint16_t)(to->n + n);
    from->n = (uint16_t)at;
}

/* ---- leaves and inner nodes ----------------------------------------------------------------- */

static struct leaf *leaf_new(void)
{
    struct leaf *x = xmalloc(sizeof *x);
    x->node.n = x->node.level = x->node.skip = 0;
    x->live = 0;
    x->prev = x->next = NULL;
    return x;
}

static struct inner *inner_new(uint8_t level)
{
    struct inner *x = xmalloc(sizeof *x);
    x->node.n = x->node.skip = 0;
    x->node.level = level;
    return x;
}

static void leaf_free(struct leaf *x)
{
    if (x->prev != NULL)
        x->prev->next = x->next;
    if (x->next != NULL)
        x->next->prev = x->prev;
    free(x);
}

static int64_t node_live(struct node *x)
{
    if (x->level == 0)
        return __builtin_popcountll(node_leaf(x)->live);
    int64_t live = 0;
    for (size_t i = 0; i < x->n; i++)
        live += node_inner(x)->live[i];
    return live;
}

static void leaf_set_live(struct leaf *x, size_t i, bool live)
{
    x->live = (x->live & ~(UINT64_C(1) << i)) | (uint64_t)live << i;
}

static void leaf_insert(struct leaf *x, size_t i, struct history *h)
{
    node_open(&x->node, i, h);
    uint64_t below = bits_below(i);
    x->live = (x->live & below) | (x->live & ~below) << 1;
    leaf_set_live(x, i, history_is_live(h));
}

static void leaf_remove(struct leaf *x, size_t i)
{
    node_close(&x->node, i);
    uint64_t below = bits_below(i);
    x->live = (x->live & below) | (x->live >> 1 & ~below);
}

static void inner_insert(struct inner *x, size_t i, struct node *child)
{
    size_t n = x->node.n - i;
    node_open(&x->node, i, child->key[0]);
    memmove(x->child + i + 1, x->child + i, n * sizeof *x->child);
    memmove(x->live + i + 1, x->live + i, n * sizeof *x->live);
    x->child[i] = child;
    x->live[i] = node_live(child);
}

static void inner_remove(struct inner *x, size_t i)
{
    node_close(&x->node, i);
    size_t n = x->node.n - i;
    memmove(x->child + i, x->child + i + 1, n * sizeof *x->child);
    memmove(x->live + i, x->live + i + 1, n * sizeof *x->live);
}

/* The first key of child[i] may be another one now (I2). */
static void inner_refresh_key(struct inner *x, size_t i)
{
    struct history *first = x->child[i]->key[0];
    if (x->node.key[i] == first)
        return;
    x->node.key[i] = first;
    node_cache(&x->node, i);
}

/* Return a new right neighbour with what stood at `at` and behind. */
static struct leaf *leaf_split(struct leaf *x, size_t at)
{
    struct leaf *right = leaf_new();
    memcpy(right->node.common, x->node.common, x->node.skip);
    right->node.skip = x->node.skip;
    node_move(&right->node, &x->node, at);
    right->live = at < FANOUT ? x->live >> at : 0;
    x->live &= bits_below(at);
    right->prev = x;
    right->next = x->next;
    if (x->next != NULL)
        x->next->prev = right;
    x->next = right;
    node_tighten(&x->node);
    node_tighten(&right->node);
    return right;
}

static struct inner *inner_split(struct inner *x, size_t at)
{
    struct inner *right = inner_new(x->node.level);
    size_t n = x->node.n - at;
    memcpy(right->node.common, x->node.common, x->node.skip);
    right->node.skip = x->node.skip;
    node_move(&right->node, &x->node, at);
    memcpy(right->child, x->child + at, n * sizeof *x->child);
    memcpy(right->live, x->live + at, n * sizeof *x->live);
    node_tighten(&x->node);
    node_tighten(&right->node);
    return right;
}

/* Move all of child[i + 1] into child[i]. */
static void inner_join(struct inner *x, size_t i)
{
    struct node *a = x->child[i], *b = x->child[i + 1];
    size_t n = a->n, moved = b->n;
    node_move(a, b, 0);
    node_recache(a);
    if (a->level == 0) {
        node_leaf(a)->live |= node_leaf(b)->live << n;
        leaf_free(node_leaf(b));
    } else {
        memcpy(node_inner(a)->child + n, node_inner(b)->child, moved * sizeof(struct node *));
        memcpy(node_inner(a)->live + n, node_inner(b)->live, moved * sizeof(int64_t));
        free(b);
    }
    x->live[i] += x->live[i + 1];
    inner_remove(x, i + 1);
}

/* ---- adding --------------------------------------------------------------------------------- */

struct insertion {
    struct slice key;
    struct mvcc_rev rev;
    bool is_new;        /* the key had no history */
    int live;           /* by how much the number of live keys changes */
    struct node *split; /* new right neighbour of the node just left, or NULL */
};

/* Where a full node is cut to take in something at `i`. At the right edge of the tree nothing
 * moves, so keys that come in ascending order leave full nodes behind them. */
static size_t split_point(size_t i, bool right_edge)
{
    return right_edge && i == FANOUT ? FANOUT : FANOUT / 2;
}

static void leaf_add_new(struct leaf *x, struct insertion *in, size_t i, bool right_edge)
{
    struct history *h = history_new(in->key, in->rev);
    in->is_new = true;
    in->live = history_is_live(h);
    if (x->node.n == FANOUT) {
        size_t at = split_point(i, right_edge);
        struct leaf *right = leaf_split(x, at);
        in->split = &right->node;
        if (i > at || at == FANOUT) {
            x = right;
            i -= at;
        }
    }
    leaf_insert(x, i, h);
}

static void leaf_add(struct leaf *x, struct insertion *in, bool right_edge)
{
    bool equal;
    size_t i = node_lower(&x->node, in->key, &equal);
    if (!equal) {
        leaf_add_new(x, in, i, right_edge);
        return;
    }
    struct history *h = x->node.key[i];
    int before = history_is_live(h);
    history_add(h, in->rev);
    in->live = history_is_live(h) - before;
    leaf_set_live(x, i, history_is_live(h));
}

/* Take the new node in->split in at `i`; splits `x` too if it is full. */
static void inner_take_split(struct inner *x, struct insertion *in, size_t i, bool right_edge)
{
    struct node *child = in->split;
    in->split = NULL;
    if (x->node.n == FANOUT) {
        size_t at = split_point(i, right_edge);
        struct inner *right = inner_split(x, at);
        in->split = &right->node;
        if (i > at || at == FANOUT) {
            x = right;
            i -= at;
        }
    }
    inner_insert(x, i, child);
}

static void node_add(struct node *node, struct insertion *in, bool right_edge)
{
    if (node->level == 0) {
        leaf_add(node_leaf(node), in, right_edge);
        return;
    }
    struct inner *x = node_inner(node);
    size_t i = inner_child(x, in->key);
    node_prefetch(x->child[i]);
    node_add(x->child[i], in, right_edge && i == node->n - 1u);
    inner_refresh_key(x, i);
    if (in->split == NULL) {
        x->live[i] += in->live;
        return;
    }
    x->live[i] = node_live(x->child[i]);
    inner_take_split(x, in, i + 1, right_edge);
}

void mvcc_index_add(struct mvcc_index *ix, struct slice key, struct mvcc_rev rev)
{
    struct insertion in = {.key = key, .rev = rev};
    node_add(ix->root, &in, true);
    ix->live += in.live;
    ix->keys += in.is_new;
    if (in.split == NULL)
        return;
    struct inner *root = inner_new((uint8_t)(ix->root->level + 1));
    inner_insert(root, 0, ix->root);
    inner_insert(root, 1, in.split);
    ix->root = &root->node;
}

/* ---- removing, which only happens to keys that are not live --------------------------------- */

static struct history *node_remove(struct node *x, struct slice key);

/* child[i] became smaller: give it up if empty, join it with a neighbour if sparse. */
static void inner_shrunk(struct inner *x, size_t i)
{
    struct node *child = x->child[i];
    if (child->n == 0) {
        if (child->level == 0)
            leaf_free(node_leaf(child));
        else
            free(child);
        inner_remove(x, i);
        return;
    }
    inner_refresh_key(x, i);
    if (child->n >= SPARSE)
        return;
    if (i + 1 < x->node.n && child->n + x->child[i + 1]->n <= JOINED_MAX)
        inner_join(x, i);
    else if (i != 0 && child->n + x->child[i - 1]->n <= JOINED_MAX)
        inner_join(x, i - 1);
}

static struct history *node_remove(struct node *x, struct slice key)
{
    if (x->level != 0) {
        struct inner *inner = node_inner(x);
        size_t i = inner_child(inner, key);
        struct history *h = node_remove(inner->child[i], key);
        inner_shrunk(inner, i);
        return h;
    }
    bool equal;
    size_t i = node_lower(x, key, &equal);
    invariant(equal && (node_leaf(x)->live >> i & 1) == 0);
    struct history *h = x->key[i];
    leaf_remove(node_leaf(x), i);
    return h;
}

static void index_remove(struct mvcc_index *ix, struct slice key)
{
    struct history *h = node_remove(ix->root, key);
    ix->keys--;
    while (ix->root->level != 0 && ix->root->n == 1) {
        struct inner *old = node_inner(ix->root);
        ix->root = old->child[0];
        free(old);
    }
    invariant(ix->root->level == 0 || ix->root->n > 1);
    history_free(h);
}

/* ---- looking -------------------------------------------------------------------------------- */

/* Find the leaf and the place in it of the first key that is not less than `key`; the place may
 * be the end of the leaf. */
static struct leaf *index_seek(const struct mvcc_index *ix, struct slice key, size_t *ret_i,
                               bool *ret_equal)
{
    struct node *x = ix->root;
    while (x->level != 0) {
        x = node_inner(x)->child[inner_child(node_inner(x), key)];
        node_prefetch(x);
    }
    *ret_i = node_lower(x, key, ret_equal);
    return node_leaf(x);
}

bool mvcc_index_get(const struct mvcc_index *ix, struct slice key, revision at,
                    struct mvcc_rev *ret_rev)
{
    size_t i;
    bool equal;
    const struct leaf *leaf = index_seek(ix, key, &i, &equal);
    if (!equal)
        return false;
    const struct mvcc_rev *r = history_at(leaf->node.key[i], at);
    if (r == NULL)
        return false;
    *ret_rev = *r;
    return true;
}

/* Return how many keys of the leaf stand before the end of the range. */
static size_t leaf_end(const struct leaf *x, const struct key_range *range)
{
    if (range->open || x->node.n == 0)
        return x->node.n;
    bool equal;
    return node_lower(&x->node, range->end, &equal);
}

void mvcc_index_range(const struct mvcc_index *ix, const struct key_range *range, revision at,
                      bool (*visit)(void *arg, struct slice key, const struct mvcc_rev *rev),
                      void *arg)
{
    if (key_range_is_empty(range))
        return;
    size_t i;
    bool equal;
    const struct leaf *leaf = index_seek(ix, range->begin, &i, &equal);
    for (; leaf != NULL; leaf = leaf->next, i = 0) {
        size_t end = leaf_end(leaf, range);
        for (; i < end; i++) {
            if (i + 4 < end)
                __builtin_prefetch(leaf->node.key[i + 4]);
            const struct history *h = leaf->node.key[i];
            const struct mvcc_rev *r = history_at(h, at);
            if (r != NULL && !visit(arg, history_key(h), r))
                return;
        }
        if (end < leaf->node.n)
            return;
    }
}

/* Return how many live keys are less than `key`. */
static int64_t index_rank(const struct mvcc_index *ix, struct slice key)
{
    int64_t rank = 0;
    struct node *x = ix->root;
    while (x->level != 0) {
        const struct inner *inner = node_inner_const(x);
        size_t child = inner_child(inner, key);
        for (size_t i = 0; i < child; i++)
            rank += inner->live[i];
        x = inner->child[child];
    }
    bool equal;
    size_t i = node_lower(x, key, &equal);
    return rank + __builtin_popcountll(node_leaf(x)->live & bits_below(i));
}

int64_t mvcc_index_count(const struct mvcc_index *ix, const struct key_range *range)
{
    if (key_range_is_empty(range))
        return 0;
    int64_t end = range->open ? ix->live : index_rank(ix, range->end);
    return end - index_rank(ix, range->begin);
}

int64_t mvcc_index_live_keys(const struct mvcc_index *ix)
{
    return ix->live;
}

int64_t mvcc_index_keys(const struct mvcc_index *ix)
{
    return ix->keys;
}

/* ---- compaction ----------------------------------------------------------------------------- */

bool mvcc_index_compact(struct mvcc_index *ix, revision rev, struct buf *cursor, size_t keys_max,
                        void (*drop)(void *arg, int64_t pos), void *arg)
{
    invariant(keys_max != 0);
    size_t i;
    bool equal;
    struct leaf *leaf = index_seek(ix, buf_slice(cursor), &i, &equal);
    for (size_t seen = 0; leaf != NULL;) {
        if (i == leaf->node.n) {
            leaf = leaf->next;
            i = 0;
            continue;
        }
        struct history *h = leaf->node.key[i];
        bool full = seen++ == keys_max;
        if (!full && !history_compact(h, rev, drop, arg)) {
            i++;
            continue;
        }
        buf_clear(cursor);
        buf_add_slice(cursor, history_key(h));
        if (full)
            return false;
        index_remove(ix, buf_slice(cursor));
        leaf = index_seek(ix, buf_slice(cursor), &i, &equal);
    }
    buf_clear(cursor);
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct mvcc_index *mvcc_index_new(void)
{
    struct mvcc_index *ix = xcalloc(1, sizeof *ix);
    ix->root = &leaf_new()->node;
    return ix;
}

static void node_free(struct node *x)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->level == 0)
            history_free(x->key[i]);
        else
            node_free(node_inner(x)->child[i]);
    }
    free(x);
}

void mvcc_index_free(struct mvcc_index *ix)
{
    if (ix == NULL)
        return;
    node_free(ix->root);
    free(ix);
}

/* Check I5, and I1 within the node. */
static void node_check_keys(const struct node *x)
{
    for (size_t i = 0; i < x->n; i++) {
        struct slice key = history_key(x->key[i]);
        invariant(slice_starts_with(key, slice_make(x->common, x->skip)));
        invariant(x->cache[i] == key_bytes(key, x->skip));
        invariant(i == 0 || slice_cmp(history_key(x->key[i - 1]), key) < 0);
    }
}

/* `*last` is the leaf left of those below `x`, and becomes the last one below it. */
static void node_check(struct node *x, const struct leaf **last, int64_t *keys)
{
    node_check_keys(x);
    if (x->level == 0) {
        struct leaf *leaf = node_leaf(x);
        invariant(leaf->prev == *last && (*last == NULL || (*last)->next == leaf));
        invariant(*last == NULL ||
                  slice_cmp(history_key((*last)->node.key[(*last)->node.n - 1]),
                            history_key(x->key[0])) < 0);
        for (size_t i = 0; i < x->n; i++) {
            history_check(x->key[i]);
            invariant((leaf->live >> i & 1) == history_is_live(x->key[i]));
        }
        invariant((leaf->live & ~bits_below(x->n)) == 0);
        *last = leaf;
        *keys += x->n;
        return;
    }
    struct inner *inner = node_inner(x);
    for (size_t i = 0; i < x->n; i++) {
        struct node *child = inner->child[i];
        invariant(child->level == x->level - 1 && child->n != 0);
        invariant(x->key[i] == child->key[0] && inner->live[i] == node_live(child));
        node_check(child, last, keys);
    }
}

void mvcc_index_check(const struct mvcc_index *ix)
{
    const struct leaf *last = NULL;
    int64_t keys = 0;
    node_check(ix->root, &last, &keys);
    invariant(last != NULL && last->next == NULL);
    invariant(keys == ix->keys && node_live(ix->root) == ix->live);
}
