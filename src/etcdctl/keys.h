/* etcdctl/keys.h -- walking through many keys a page at a time, and showing those that were chosen.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_KEYS_H
#define ETCDCTL_KEYS_H

#include "etcdctl/session.h"

/* What is chosen on the way, as one answer. Keys (and values) are copies. */
struct chosen {
    Etcdserverpb__RangeResponse all;
    struct arena *arena;
};

void chosen_init(struct chosen *c);
void chosen_fini(struct chosen *c);
static inline void chosen_auto(struct chosen *c)
{
    chosen_fini(c);
}
/* Add `kv` under the name `key`, which may be a part of its own (a directory). */
void chosen_add(struct chosen *c, struct slice key, const Mvccpb__KeyValue *kv);
/* Print them: simple has one key a line, other formats print an answer of get. */
int chosen_print(struct chosen *c, struct printer *p);

/* Call `visit` with each key of the prefix, in order, all as of one revision. It may set *skip to the
 * end of keys that are of no interest (in the arena of the walk, valid until the next call), so that
 * they are not read. Return CLI_OK or the exit code; *ret_header (a copy) is of the first answer. */
struct keys_walk {
    struct session *s;
    struct slice prefix;
    void (*visit)(void *arg, const Mvccpb__KeyValue *kv, struct buf *skip);
    void *arg;
};
int keys_walk(const struct keys_walk *w, struct chosen *c);

#endif
