/* api/watch_wire.c -- WatchResponse by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "api/watch_wire.h"

#include "api/wire.h"

enum {
    TAG_ID = 2 << 3,
    TAG_CREATED = 3 << 3,
    TAG_CANCELED = 4 << 3,
    TAG_COMPACTED = 5 << 3,
    TAG_REASON = 6 << 3 | 2,
    TAG_FRAGMENT = 7 << 3,
    PREFIX_MAX = 64, /* of the header, the id and the mark */
};

void watch_add_control(struct buf *b, const struct watch_control *ctl)
{
    wire_add_int(b, TAG_ID, ctl->id);
    wire_add_int(b, TAG_CREATED, ctl->created);
    wire_add_int(b, TAG_CANCELED, ctl->canceled);
    wire_add_int(b, TAG_COMPACTED, ctl->compacted);
    if (ctl->reason != NULL)
        wire_add_bytes(b, TAG_REASON, slice_str(ctl->reason));
}

void watch_add_id(struct buf *b, int64_t id, bool fragment)
{
    wire_add_int(b, TAG_ID, id);
    wire_add_int(b, TAG_FRAGMENT, fragment);
}

size_t watch_fragment_end(const struct slice *events, size_t n, size_t from, size_t max)
{
    size_t bytes = PREFIX_MAX + events[from].n;
    size_t to = from + 1;
    while (to < n && (max == SIZE_MAX || bytes + events[to].n < max))
        bytes += events[to++].n;
    return to;
}
