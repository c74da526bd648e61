/* tests/sim/leases.h -- clients that hold a lease each, with one key that hangs on it.
 *
 * A holder is granted a lease, puts its key, renews, reads, and at last revokes the lease or lets
 * it run out. While it was told that there is time left, its key is there for every linearizable
 * read; once a revocation is answered, it is not; and in the end all of them are gone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_LEASES_H
#define TESTS_SIM_LEASES_H

#include "tests/sim/tails.h"

void leases_begin(unsigned n);
/* Grant and renew nothing more. */
void leases_rest(void);
/* Nobody waits for an answer, and no key is left. */
bool leases_are_gone(void);

#endif
