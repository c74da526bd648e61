/* etcdctl/history.h -- all revisions of a key that are still kept.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ETCDCTL_HISTORY_H
#define ETCDCTL_HISTORY_H

#include "etcdctl/session.h"

struct history {
    Mvccpb__Event **events; /* oldest first; owned */
    size_t n;
    int64_t compacted; /* what is older than this revision is gone; 0: nothing is */
    Etcdserverpb__ResponseHeader header; /* of the store when it was read */
};

/* Read it. Return CLI_OK, or the exit code after the error was printed. *h is to be given back in any
 * case. */
int history_read(struct session *s, struct slice key, struct history *h);
void history_fini(struct history *h);
static inline void history_auto(struct history *h)
{
    history_fini(h);
}

#endif
