/* tests/sim/tails.h -- watchers, and the log of all revisions that they make together.
 *
 * At each member one watcher follows all keys, another one a key or two neighbours, through all its
 * lives. So the first must see each revision once, whole, in order and without a gap (but for what
 * was compacted while it was away), with the same content as the watchers of all other members;
 * what the second sees is held against that at the end. A third one visits history: it begins at
 * any revision, sees a part of the log again (and at times what stood there before each event), and
 * goes elsewhere.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_TAILS_H
#define TESTS_SIM_TAILS_H

#include "tests/sim/linear.h"
#include "tests/sim/world.h"

enum {
    LEASE_KEY_FIRST = LINEAR_FOREIGN_KEY, /* those that hang on leases */
    LEASE_KEYS = 12,
    KEYS_MAX = LEASE_KEY_FIRST + LEASE_KEYS,
    VALUE_MAX = 4000
};

/* ---- keys and values --------------------------------------------------------------------------
 */

const char *key_name(unsigned key);                  /* static; KEYS_MAX: behind them all */
unsigned key_number(struct slice name);              /* KEYS_MAX: none of ours */
const char *value_text(struct arena *a, uint64_t v); /* of a length that depends on v */
uint64_t value_number(struct slice text);            /* 0: no value of ours */

/* ---- watchers ---------------------------------------------------------------------------------
 */

void tails_begin(unsigned keys);
void tails_end(void);
void tails_started(struct node *n);
void tails_ended(struct node *n);

/* The newest revision that any of them saw: 1 if none. */
revision tails_last(void);
const struct linear_event *tails_log(size_t *ret_n);
/* The watchers of the member have seen all that there is. */
bool tails_are_up_to_date(const struct node *n);
/* Hold those that watch a key or two against the log. All are up to date. */
void tails_check(void);
/* The key as it stands after all of the log. */
uint64_t tails_value(unsigned key, revision *ret_mod);

#endif
