/* base/list.h -- a doubly linked list whose links live inside the objects.
 *
 * A list head is a `struct list` that points at itself when empty. An object is in at most one
 * list per `struct list` field. list_unlink on an initialised, unlinked node does nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

#include "base/check.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *n)
{
    n->prev = at->prev;
    n->next = at;
    at->prev->next = n;
    at->prev = n;
}

static inline void list_add_tail(struct list *head, struct list *n)
{
    list_insert_before(head, n);
}

static inline void list_add_head(struct list *head, struct list *n)
{
    list_insert_before(head->next, n);
}

static inline void list_unlink(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

/* Move all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_ENTRY(ptr, type, member) CONTAINER_OF(ptr, type, member)

/* The loop variable may be unlinked or freed inside the loop. */
#define LIST_FOREACH(var, head, type, member)                                                      \
    for (struct list *it_ = (head)->next, *next_ = it_->next;                                      \
         it_ != (head) && ((var) = LIST_ENTRY(it_, type, member), 1); it_ = next_, next_ = it_->next)

#endif
