/* tests/sim/asks.h -- calls to a simulated member, as its client loop makes them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_ASKS_H
#define TESTS_SIM_ASKS_H

#include "tests/sim/world.h"
#include "tests/unit/apply/requests.h"

struct ask;

/* Called once, unless it is forgotten: the answer came, or the member crashed (ERR_STOPPED).
 * `response` is the message on ERR_OK (NULL if the call has none), and is lent. */
typedef void ask_done_fn(void *arg, enum err e, const void *response);

/* Begin a call to `n`, which is up. The request is to be made in ask_arena(). */
struct ask *ask_new(struct node *n, ask_done_fn *done, void *arg);
struct arena *ask_arena(struct ask *a);
/* `desc` is that of the response; NULL: none is expected. */
void ask_send(struct ask *a, enum server_op op, const void *request,
              const ProtobufCMessageDescriptor *desc);
/* Whoever asked does not wait any more. */
void ask_forget(struct ask *a);

/* The member crashes: nobody hears what it says from now on. */
void asks_forsake(struct node *n);

void asks_begin(void);
void asks_end(void); /* all members have ended */

#endif
