/* api/watch_wire.h -- the parts of a WatchResponse, behind its header.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef API_WATCH_WIRE_H
#define API_WATCH_WIRE_H

#include "base/mem.h"
#include "base/types.h"

/* A response without events. */
struct watch_control {
    revision rev; /* for the header; 0: none */
    int64_t id;
    bool created, canceled;
    revision compacted;
    const char *reason; /* NULL: none */
};

void watch_add_control(struct buf *b, const struct watch_control *ctl);

/* Append what stands before the events. */
void watch_add_id(struct buf *b, int64_t id, bool fragment);

/* Return where the response that begins with event `from` ends: at `n`, or before the event that would
 * make it as large as `max`. Takes one event at least. */
size_t watch_fragment_end(const struct slice *events, size_t n, size_t from, size_t max);

#endif
