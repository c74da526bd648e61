/* mvcc/watch_group.h -- which watcher wants which key.
 *
 * Watchers on one key are found by hash, watchers on a range in an interval tree, so that a change
 * costs what it matches and not how many watchers there are. Nodes live inside the owner's objects.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MVCC_WATCH_GROUP_H
#define MVCC_WATCH_GROUP_H

#include "base/list.h"
#include "mvcc/index.h"

struct watch_group;

/* Zeroed and filled in by watch_group_add(); the owner finds itself with CONTAINER_OF. */
struct watch_node {
    struct list link;        /* among the watchers of the same key or range */
    struct watch_slot *slot; /* NULL: in no group */
};

struct watch_group *watch_group_new(void);
void watch_group_free(struct watch_group *g); /* its nodes are gone already */

/* `range_end` as in a watch request: empty is the one key, "\0" all from `key` on. The bytes
 * are copied. */
void watch_group_add(struct watch_group *g, struct watch_node *n, struct slice key,
                     struct slice range_end);
/* Of a node that is in no group: does nothing. */
void watch_group_remove(struct watch_group *g, struct watch_node *n);

/* Visit every node that wants `key`. `visit` may remove the node that it was given. */
void watch_group_match(struct watch_group *g, struct slice key,
                       void (*visit)(void *arg, struct watch_node *n), void *arg);

size_t watch_group_size(const struct watch_group *g);
void watch_group_check(const struct watch_group *g);

#endif
