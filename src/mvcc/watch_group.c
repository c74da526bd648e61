/* mvcc/watch_group.c -- watchers of one key in a hash map, watchers of a range in an interval tree.
 *
 * Watchers of the same key or range share one slot. The tree is an AVL tree ordered by (begin, end)
 * in which each slot knows the highest end below it.
 *
 * I1: a slot has at least one node; the last node that leaves takes the slot with it.
 * I2: the heights of two siblings differ by at most one.
 * I3: `reach` is the slot with the highest end in its subtree.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mvcc/watch_group.h"

#include <stdlib.h>

#include "base/hashmap.h"

struct watch_slot {
    struct list nodes;
    bool single; /* in the map, else in the tree */
    struct key_range range;
    /* in the tree */
    struct watch_slot *left, *right;
    const struct watch_slot *reach;
    int height;
    uint8_t bytes[]; /* what `range` lends */
};

struct watch_group {
    uint64_t seed;
    struct hashmap keys;
    struct watch_slot *root;
    size_t size;
    struct watch_node **found; /* by the match in progress */
    size_t found_n, found_cap;
};

/* ---- ranges --------------------------------------------------------------------------------- */

static int end_cmp(const struct key_range *a, const struct key_range *b)
{
    if (a->open || b->open)
        return a->open - b->open;
    return slice_cmp(a->end, b->end);
}

static int range_cmp(const struct key_range *a, const struct key_range *b)
{
    int c = slice_cmp(a->begin, b->begin);
    return c != 0 ? c : end_cmp(a, b);
}

/* True if `key` is behind the end, or at it. */
static bool range_ends_before(const struct key_range *r, struct slice key)
{
    return !r->open && slice_cmp(r->end, key) <= 0;
}

/* ---- the tree ------------------------------------------------------------------------------- */

static int slot_height(const struct watch_slot *s)
{
    return s == NULL ? 0 : s->height;
}

static const struct watch_slot *further(const struct watch_slot *a, const struct watch_slot *b)
{
    return b != NULL && end_cmp(&a->range, &b->reach->range) < 0 ? b->reach : a;
}

/* Restore what a slot knows of its subtree after its children changed. */
static void slot_update(struct watch_slot *s)
{
    int left = slot_height(s->left), right = slot_height(s->right);
    s->height = (left > right ? left : right) + 1;
    s->reach = further(further(s, s->left), s->right);
}

static struct watch_slot *rotate_right(struct watch_slot *s)
{
    struct watch_slot *top = s->left;
    s->left = top->right;
    top->right = s;
    slot_update(s);
    slot_update(top);
    return top;
}

static struct watch_slot *rotate_left(struct watch_slot *s)
{
    struct watch_slot *top = s->right;
    s->right = top->left;
    top->left = s;
    slot_update(s);
    slot_update(top);
    return top;
}

/* Return the root of the subtree of `s` after balancing it (I2). */
static struct watch_slot *slot_balance(struct watch_slot *s)
{
    int lean = slot_height(s->left) - slot_height(s->right);
    if (lean > 1) {
        if (slot_height(s->left->left) < slot_height(s->left->right))
            s->left = rotate_left(s->left);
        return rotate_right(s);
    }
    if (lean < -1) {
        if (slot_height(s->right->right) < slot_height(s->right->left))
            s->right = rotate_right(s->right);
        return rotate_left(s);
    }
    slot_update(s);
    return s;
}

static struct watch_slot *tree_find(struct watch_slot *s, const struct key_range *r)
{
    while (s != NULL) {
        int c = range_cmp(r, &s->range);
        if (c == 0)
            return s;
        s = c < 0 ? s->left : s->right;
    }
    return NULL;
}

static struct watch_slot *tree_add(struct watch_slot *root, struct watch_slot *s)
{
    if (root == NULL) {
        slot_update(s);
        return s;
    }
    if (range_cmp(&s->range, &root->range) < 0)
        root->left = tree_add(root->left, s);
    else
        root->right = tree_add(root->right, s);
    return slot_balance(root);
}

static struct watch_slot *tree_take_first(struct watch_slot *root, struct watch_slot **ret_first)
{
    if (root->left == NULL) {
        *ret_first = root;
        return root->right;
    }
    root->left = tree_take_first(root->left, ret_first);
    return slot_balance(root);
}

/* Return what takes the place of `s` when it leaves. */
static struct watch_slot *slot_successor(const struct watch_slot *s)
{
    if (s->left == NULL || s->right == NULL)
        return s->left != NULL ? s->left : s->right;
    struct watch_slot *first;
    struct watch_slot *right = tree_take_first(s->right, &first);
    first->left = s->left;
    first->right = right;
    return slot_balance(first);
}

static struct watch_slot *tree_remove(struct watch_slot *root, const struct watch_slot *s)
{
    invariant(root != NULL);
    int c = range_cmp(&s->range, &root->range);
    if (c == 0)
        return slot_successor(root);
    if (c < 0)
        root->left = tree_remove(root->left, s);
    else
        root->right = tree_remove(root->right, s);
    return slot_balance(root);
}

/* ---- slots ---------------------------------------------------------------------------------- */

static bool slot_same(const void *obj, const void *key)
{
    const struct watch_slot *s = obj;
    const struct slice *k = key;
    return slice_eq(s->range.begin, *k);
}

static struct watch_slot *slot_find_single(const struct watch_group *g, struct slice key)
{
    return hashmap_find(&g->keys, hash_bytes(g->seed, key), slot_same, &key);
}

/* Return a new slot with its own copy of the range. */
static struct watch_slot *slot_new(const struct key_range *r, bool single)
{
    struct watch_slot *s = xcalloc(1, sizeof *s + r->begin.n + r->end.n);
    list_init(&s->nodes);
    s->single = single;
    s->range = (struct key_range){.begin = slice_make(s->bytes, r->begin.n),
                                  .end = slice_make(s->bytes + r->begin.n, r->end.n),
                                  .open = r->open};
    if (r->begin.n != 0)
        memcpy(s->bytes, r->begin.p, r->begin.n);
    if (r->end.n != 0)
        memcpy(s->bytes + r->begin.n, r->end.p, r->end.n);
    return s;
}

static struct watch_slot *slot_of_key(struct watch_group *g, struct slice key)
{
    struct watch_slot *s = slot_find_single(g, key);
    if (s == NULL) {
        s = slot_new(&(struct key_range){.begin = key}, true);
        hashmap_add(&g->keys, hash_bytes(g->seed, key), s);
    }
    return s;
}

static struct watch_slot *slot_of_range(struct watch_group *g, struct slice key,
                                        struct slice range_end)
{
    struct key_range r = key_range_make(key, range_end, NULL);
    struct watch_slot *s = tree_find(g->root, &r);
    if (s == NULL) {
        s = slot_new(&r, false);
        g->root = tree_add(g->root, s);
    }
    return s;
}

static void slot_free(struct watch_group *g, struct watch_slot *s)
{
    if (s->single)
        hashmap_remove(&g->keys, hash_bytes(g->seed, s->range.begin), s);
    else
        g->root = tree_remove(g->root, s);
    free(s);
}

/* ---- the group ------------------------------------------------------------------------------ */

struct watch_group *watch_group_new(void)
{
    struct watch_group *g = xcalloc(1, sizeof *g);
    g->seed = (uintptr_t)g;
    return g;
}

void watch_group_free(struct watch_group *g)
{
    if (g == NULL)
        return;
    invariant(g->size == 0);
    hashmap_fini(&g->keys);
    free(g->found);
    free(g);
}

void watch_group_add(struct watch_group *g, struct watch_node *n, struct slice key,
                     struct slice range_end)
{
    invariant(n->slot == NULL);
    n->slot = range_end.n == 0 ? slot_of_key(g, key) : slot_of_range(g, key, range_end);
    list_add_tail(&n->slot->nodes, &n->link);
    g->size++;
}

void watch_group_remove(struct watch_group *g, struct watch_node *n)
{
    struct watch_slot *s = n->slot;
    if (s == NULL)
        return;
    list_unlink(&n->link);
    n->slot = NULL;
    g->size--;
    if (list_is_empty(&s->nodes))
        slot_free(g, s);
}

static void find_slot(struct watch_group *g, struct watch_slot *s)
{
    struct watch_node *n;
    LIST_FOREACH (n, &s->nodes, struct watch_node, link) {
        if (g->found_n == g->found_cap) {
            g->found_cap = g->found_cap == 0 ? 64 : g->found_cap * 2;
            g->found = xrealloc(g->found, g->found_cap * sizeof(struct watch_node *));
        }
        g->found[g->found_n++] = n;
    }
}

static void find_ranges(struct watch_group *g, struct watch_slot *s, struct slice key)
{
    if (s == NULL || range_ends_before(&s->reach->range, key))
        return;
    find_ranges(g, s->left, key);
    if (slice_cmp(s->range.begin, key) > 0)
        return;
    if (!range_ends_before(&s->range, key))
        find_slot(g, s);
    find_ranges(g, s->right, key);
}

/* All nodes are found before the first is visited: a visit may change the map and the tree. */
void watch_group_match(struct watch_group *g, struct slice key,
                       void (*visit)(void *arg, struct watch_node *n), void *arg)
{
    g->found_n = 0;
    struct watch_slot *s = slot_find_single(g, key);
    if (s != NULL)
        find_slot(g, s);
    find_ranges(g, g->root, key);
    for (size_t i = 0; i < g->found_n; i++)
        visit(arg, g->found[i]);
}

size_t watch_group_size(const struct watch_group *g)
{
    return g->size;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static size_t slot_check(const struct watch_slot *s)
{
    size_t n = 0;
    const struct watch_node *node;
    LIST_FOREACH (node, &s->nodes, struct watch_node, link) {
        invariant(node->slot == s);
        n++;
    }
    invariant(n != 0);
    return n;
}

static size_t tree_check(const struct watch_slot *s)
{
    if (s == NULL)
        return 0;
    int left = slot_height(s->left), right = slot_height(s->right);
    invariant(!s->single && left - right <= 1 && right - left <= 1);
    invariant(s->height == (left > right ? left : right) + 1);
    invariant(s->reach == further(further(s, s->left), s->right));
    invariant(s->left == NULL || range_cmp(&s->left->range, &s->range) < 0);
    invariant(s->right == NULL || range_cmp(&s->range, &s->right->range) < 0);
    return tree_check(s->left) + slot_check(s) + tree_check(s->right);
}

void watch_group_check(const struct watch_group *g)
{
    hashmap_check(&g->keys);
    size_t n = tree_check(g->root);
    const struct watch_slot *s;
    for (size_t it = 0; (s = hashmap_next(&g->keys, &it)) != NULL;) {
        invariant(s->single);
        n += slot_check(s);
    }
    invariant(n == g->size);
}
