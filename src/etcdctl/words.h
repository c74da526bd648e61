/* etcdctl/words.h -- a line that is typed into txn or watch, cut into words.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_WORDS_H
#define ETCDCTL_WORDS_H

#include <stdbool.h>

#include "base/mem.h"
#include "pb/etcdserverpb.pb-c.h"

struct words {
    struct slice *v; /* each with a NUL behind it that is not counted */
    int n;
};

/* Cut at blanks; 'as it is' and "with Go's escapes" are one word without their quotes. False: an
 * escape is none. */
bool words_cut(struct arena *a, struct slice line, struct words *ret);
/* The words as strings, as programs take them, with room for a NULL behind. */
char **words_argv(struct arena *a, const struct words *w);
/* The word that `arg`, one of words_argv(), is: with all its bytes, NUL included. */
struct slice words_find(const struct words *w, const char *arg);

/* Read TARGET("KEY") OP "VALUE". False: *problem is the sentence. */
bool compare_parse(struct arena *a, struct slice line, Etcdserverpb__Compare *ret,
                   struct buf *problem);

#endif
