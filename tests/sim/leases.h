/* tests/sim/leases.h -- clients that hold a lease each, with some keys that hang on it.
 *
 * A holder is granted a lease, puts its keys in one transaction with one value, renews, reads, and
 * at last revokes the lease or lets it run out. While it was told that there is time left, its keys
 * are there for every linearizable read; once a revocation is answered, they are not; in the end
 * all of them are gone; and at each revision all keys of a holder are the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_LEASES_H
#define TESTS_SIM_LEASES_H

#include "tests/sim/tails.h"

enum { HOLDERS_MAX = 4, HOLDER_KEYS_MAX = LEASE_KEYS / HOLDERS_MAX };

void leases_begin(unsigned n);
/* Grant and renew nothing more. */
void leases_rest(void);
/* Nobody waits for an answer, and no key is left. */
bool leases_are_gone(void);
/* Do the keys of each holder come and go together? The log is whole. */
void leases_check(void);

#endif
