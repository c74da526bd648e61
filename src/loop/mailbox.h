/* loop/mailbox.h -- the inbox of a thread that has no event loop (member, log, housekeeping).
 *
 * Messages are `struct list` nodes inside the sender's objects; the receiver takes all that came in
 * one go. Any thread may post; one thread receives.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_MAILBOX_H
#define LOOP_MAILBOX_H

#include <stdbool.h>

#include "base/list.h"
#include "base/types.h"

struct mailbox;

struct mailbox *mailbox_new(void);
void mailbox_free(struct mailbox *m);

void mailbox_post(struct mailbox *m, struct list *node);

/* Move all messages to the end of `ret_msgs`; wait for one until `deadline` (clock_now_ms() time;
 * MSEC_NEVER waits for ever, 0 does not wait). Return false if none came. */
bool mailbox_take(struct mailbox *m, struct list *ret_msgs, msec deadline);

#define MSEC_NEVER INT64_MAX

/* The monotonic clock in milliseconds, and in microseconds. */
msec clock_now_ms(void);
int64_t clock_now_us(void);
/* Wall clock, nanoseconds since 1970. */
int64_t clock_wall_ns(void);

#endif
