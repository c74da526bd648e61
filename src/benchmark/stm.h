/* benchmark/stm.h -- the lock around a transaction of `stm`: none, upstream's recipe, or the
 * server's Lock service. See stm_lock.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCHMARK_STM_H
#define BENCHMARK_STM_H

#include "benchmark/load.h"

enum locker_kind { LOCKER_NONE, LOCKER_CLIENT, LOCKER_RPC };

struct locker {
    enum locker_kind kind;
    struct slot *slot;
    void (*then)(struct slot *s); /* when it is locked, or unlocked */
    int64_t lease;
    struct etcd_keepalive *keepalive;
    struct buf key;   /* that stands for us while we hold or wait */
    int64_t revision; /* at which it was made */
    struct etcd_watcher *watcher;
    struct etcd_watch *watch; /* of the key before ours */
};

/* Get a lease for the lock, then load_ready(). */
void locker_prepare(struct locker *l, enum locker_kind kind, struct slot *s);
/* Lock or unlock, then call `then`; what fails ends the load. */
void locker_lock(struct locker *l, void (*then)(struct slot *s));
void locker_unlock(struct locker *l, void (*then)(struct slot *s));
/* After the load: give the lease back. */
void locker_fini(struct locker *l, struct fleet *f);

#endif
