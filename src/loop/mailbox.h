/* loop/mailbox.h -- the inbox of one of the server's own threads (member, log, housekeeping).
 *
 * Messages are `struct list` nodes inside the sender's objects; the receiver takes all that came in
 * one go. Any thread may post; one thread receives.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_MAILBOX_H
#define LOOP_MAILBOX_H

#include <stdbool.h>

#include "base/list.h"
#include "loop/clock.h"
#include "loop/loop.h"

struct mailbox;

struct mailbox *mailbox_new(void);
void mailbox_free(struct mailbox *m);

void mailbox_post(struct mailbox *m, struct list *node);

/* Move all messages to the end of `ret_msgs`; wait for one until `deadline` (clock_now_ms() time;
 * MSEC_NEVER waits for ever, 0 does not wait). Return false if none came. */
bool mailbox_take(struct mailbox *m, struct list *ret_msgs, msec deadline);

/* The same for a receiver that also has a loop: waiting is one round of it, which a socket or a
 * timer of the loop may end as well. */
bool mailbox_take_in_loop(struct mailbox *m, struct loop *l, struct list *ret_msgs, msec deadline);

bool mailbox_is_empty(struct mailbox *m);

#endif
